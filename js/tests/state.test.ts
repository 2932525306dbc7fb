import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { changedKeys, DEFAULT_VIEW, readView, type ViewState } from "../src/state";
import { ViewStore, without } from "../src/state/store";

describe("readView", () => {
  it("gives the defaults for nothing and for nonsense", () => {
    expect(readView(undefined)).toEqual(DEFAULT_VIEW);
    const nonsense = { tool: "saw", size_mm: "big", cursor: [1, 2], windows: { a: [0, 0], b: 3 }, zoom: { axial: -1 }, hidden: "x", frame: -3, opacity: 7 };
    expect(readView(nonsense)).toEqual({ ...DEFAULT_VIEW, opacity: 1 });
  });

  it("keeps what is valid", () => {
    // Python sends the same state through files and projects: tests/viewer/test_view_state.py.
    const view = JSON.parse(readFileSync(new URL("../../tests/fixtures/view.json", import.meta.url), "utf8")) as object;
    expect(readView(view)).toEqual(view);
    expect(Object.keys(view).sort()).toEqual(Object.keys(DEFAULT_VIEW).sort());
    // Each part says something else than the default, down to the last switch.
    const parts = (value: object): [string, unknown][] => Object.entries(value);
    for (const [key, value] of parts(view)) expect(value, key).not.toEqual(DEFAULT_VIEW[key as keyof ViewState]);
    for (const nested of ["rules", "links", "volume"] as const) {
      for (const [key, value] of parts(readView(view)[nested])) {
        expect(value, `${nested}.${key}`).not.toEqual(DEFAULT_VIEW[nested][key as never]);
      }
    }
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
