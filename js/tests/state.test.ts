import { describe, expect, it } from "vitest";
import { changedKeys, DEFAULT_VIEW, readView } from "../src/state";
import { ViewStore, without } from "../src/state/store";

describe("readView", () => {
  it("gives the defaults for nothing and for nonsense", () => {
    expect(readView(undefined)).toEqual(DEFAULT_VIEW);
    const nonsense = { tool: "saw", size_mm: "big", cursor: [1, 2], windows: { a: [0, 0], b: 3 }, zoom: { axial: -1 }, hidden: "x", frame: -3, opacity: 7 };
    expect(readView(nonsense)).toEqual({ ...DEFAULT_VIEW, opacity: 1 });
  });

  it("keeps what is valid", () => {
    const view = {
      tool: "brush", size_mm: 4, label: "l1", cursor: [1, 2, 3], windows: { ct: [40, 400] }, layout: "sagittal",
      selected: ["s1"], hidden: ["a"], zoom: { axial: 0.5 }, pan: { axial: [3, -4] }, slice: { us: 7 }, image: "ct", backend: "cpu",
      interpolate: false, frame: 2, opacity: 0.5, overlay: false, inverted: ["pet"], crosshair: false, panel: true, height: 700,
      cursors: { pet: [4, 5, 6] }, panes: { axial: { image: "pet", plane: "oblique" } }, maximized: "axial", rotation: [0, 0, 0, 1],
      slabs: { axial: { mode: "mip", mm: 20 } }, turns: { axial: { quarter: 3, flip: true } },
      layers: { ct: [{ image: "pet", colormap: "hot", opacity: 0.4, visible: true, lower: 2.5 }] },
      colormaps: { ct: "bone" }, luts: { cr: 1 }, units: { pet: "bw" },
      links: { slice: false, cursor: true, camera: false, window: true },
      transforms: { pet: { to: "ct", matrix: [1, 0, 0, 5, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1] } },
      compare: { image: "pet", mode: "flicker", at: 0.25 }, difference: ["m1", "m2"],
      fps: 12, bounce: true, outline: 0.5, outline_width: 3, segments: { l1: { fill: 0.2, width: 2 } }, references: false,
      thumbnails: true, shortcuts: { "tool.brush": ["q"] },
      volume: {
        preset: "bone", mode: "mip", crop: [[0, 0, 0], [9, 9, 9]], points: [[-100, 0, "#000000"], [300, 1, "#ffffff"]],
        segments: false, layers: false, camera: [0, 0, 1, 0], zoom: 2,
      },
    };
    expect(readView(view)).toEqual(view);
    expect(Object.keys(view).sort()).toEqual(Object.keys(DEFAULT_VIEW).sort());
  });

  it("keeps layout trees and refuses broken ones", () => {
    const layout = { row: [{ plane: "axial", image: "ct" }, { column: [{ plane: "volume" }, { plane: "oblique", id: "free" }], sizes: [2, 1] }] };
    expect(readView({ layout }).layout).toEqual(layout);
    for (const bad of [{ row: [] }, { row: [{ plane: "axail" }] }, { plane: "axail" }, 7, null]) {
      expect(readView({ layout: bad }).layout).toBe("auto");
    }
    let deep: unknown = { plane: "axial" };
    for (let n = 0; n < 9; n++) deep = { row: [deep] };
    expect(readView({ layout: deep }).layout).toBe("auto");
  });
});

describe("ViewStore", () => {
  it("acts at once and saves only what changed", () => {
    const saved: unknown[] = [];
    const heard: string[][] = [];
    const store = new ViewStore({}, (patch) => saved.push(patch));
    store.on((_, changed) => heard.push([...changed]));
    store.set({ tool: "pan", overlay: true });
    store.set({ tool: "pan" });
    expect(store.value.tool).toBe("pan");
    expect(saved).toEqual([{ tool: "pan" }]);
    expect(heard).toEqual([["tool"]]);
  });

  it("follows Python without saving back", () => {
    const saved: unknown[] = [];
    const store = new ViewStore({}, (patch) => saved.push(patch));
    store.follow({ layout: "coronal" });
    expect(store.value.layout).toBe("coronal");
    expect(saved).toEqual([]);
  });

  it("keeps a local change when a remote state about something else arrives", () => {
    const store = new ViewStore({ tool: "crosshair", opacity: 0.2 }, () => undefined);
    store.follow({ tool: "crosshair", opacity: 0.2 });
    store.set({ tool: "zoom" });
    store.follow({ tool: "zoom", opacity: 0.8 });
    expect(store.value).toMatchObject({ tool: "zoom", opacity: 0.8 });
  });

  it("two stores on one saved state end equal", () => {
    let state: Record<string, unknown> = {};
    const stores: ViewStore[] = [];
    const save = (patch: object): void => {
      state = { ...state, ...patch };
      for (const store of stores) store.follow(state);
    };
    stores.push(new ViewStore(state, save), new ViewStore(state, save));
    stores[0]!.set({ cursor: [1, 2, 3] });
    stores[1]!.set({ zoom: { axial: 2 } });
    expect(changedKeys(stores[0]!.value, stores[1]!.value)).toEqual([]);
    expect(stores[0]!.value).toMatchObject({ cursor: [1, 2, 3], zoom: { axial: 2 } });
  });

  it("a listener that was taken off hears nothing", () => {
    let heard = 0;
    const store = new ViewStore({}, () => undefined);
    const off = store.on(() => heard++);
    off();
    store.set({ frame: 3 });
    expect(heard).toBe(0);
  });
});

it("without leaves the other keys", () => {
  expect(without({ a: 1, b: 2 }, "a")).toEqual({ b: 2 });
});
