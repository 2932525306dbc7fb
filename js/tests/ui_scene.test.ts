import { beforeEach, describe, expect, it } from "vitest";
import { DocumentMirror } from "../src/model/document";
import { Changes, type SliceStore, type TypedArray } from "../src/model/masks";
import type { GeometryJson, ImageJson, StateMessage } from "../src/model/protocol";
import { ViewStore } from "../src/state/store";
import { readAt, readingText } from "../src/ui/readout";
import { compose } from "../src/ui/composition";
import { Scene } from "../src/ui/scene";
import type { Source } from "../src/ui/source";
import type { Sketch } from "../src/volumes/sketches";
import { boxItem, distance, label, mask } from "./tools_help";

const grid = (spacing: readonly [number, number, number], origin: readonly [number, number, number], shape: readonly [number, number, number]): GeometryJson => ({
  kind: "grid", shape,
  affine: [[0, 0, spacing[2], origin[0]], [0, spacing[1], 0, origin[1]], [spacing[0], 0, 0, origin[2]], [0, 0, 0, 1]],
});

const picture = (id: string, geometry: GeometryJson, more: Partial<ImageJson> = {}): ImageJson => ({
  id, name: id, shape: geometry.shape, frames: 1, dtype: "int16", color: false, modality: "CT", unit: "HU",
  photometric: "MONOCHROME2", windows: [], geometry, frame_times: null, orientation_labels: null, ...more,
});

const planes = Array.from({ length: 6 }, () => ({ origin: [0, 0, 0], column_step: [1, 0, 0], row_step: [0, 1, 0] }) as const);
const cine = picture("us", { kind: "stack", planes, shape: [6, 4, 5], unit: "px", patient_space: false }, { color: true, dtype: "uint8", unit: "", modality: "US" });
const ct = picture("ct", grid([2, 1, 1], [-20, -20, -20], [20, 40, 40]));
const pet = picture("pet", grid([4, 4, 4], [-30, -30, -30], [12, 15, 15]), { modality: "PT", unit: "SUV" });
const dynamic = picture("dyn", grid([2, 1, 1], [0, 0, 0], [1, 4, 4]), { frames: 3 });

/** Voxels hold 100 k + 10 j + i; in colour that three times. */
class Store implements SliceStore {
  readonly version = 1;
  readonly changes = new Changes();
  constructor(readonly image: ImageJson, readonly here: boolean) {}
  get shape() { return this.image.shape; }
  get dtype() { return this.image.dtype; }
  get color() { return this.image.color; }
  changedSince(): "all" { return "all"; }
  slice(k: number): TypedArray | undefined {
    if (!this.here) return undefined;
    const [, nj, ni] = this.shape;
    const parts = this.color ? 3 : 1;
    return Int16Array.from({ length: nj * ni * parts }, (_, n) => {
      const at = Math.floor(n / parts);
      return 100 * k + 10 * Math.floor(at / ni) + (at % ni) + (n % parts);
    });
  }
}

interface World { scene: Scene; document: DocumentMirror; toasts: string[]; asked: number[]; here: boolean; sketch?: Sketch }

function open(images: readonly ImageJson[]): World {
  const document = new DocumentMirror();
  let seq = 0;
  document.connect({ reserve: () => ({ seq: ++seq, id: `t:${seq}` }), send: () => undefined, resync: () => undefined });
  const world = { document, toasts: [] as string[], asked: [] as number[], here: true } as unknown as World;
  document.receiveState({
    type: "state", tab: "t", version: "", document: "d", revision: 1, acked: 0, images,
    labels: [label("liver"), label("lesion", { color: "#00ff10" })],
    masks: [{ ...mask("m", [[1, "liver"], [2, "lesion"]]), image: "ct", nonzero: [] }, { ...mask("p", [[1, "lesion"]]), image: "pet", nonzero: [] }],
    boxes: [], shapes: [], tags: [], can_undo: false, can_redo: false, http: null, author: "",
  } as StateMessage);
  const source: Source = {
    document,
    road: { send: () => undefined, onMessage: () => () => undefined },
    channel: { health: { status: "ready", message: "" }, onHealth: () => undefined, onError: () => undefined },
    volumes: {
      store: (id) => new Store(document.image(id)!, world.here),
      sketch: () => world.sketch,
      wantAll: () => undefined, onArrive: () => undefined, progress: () => ({ have: 0, total: 0 }),
      preview: () => Promise.reject(new Error("not here")),
    },
    view: () => ({}), setView: () => undefined, onView: () => undefined,
  };
  world.scene = new Scene(source, new ViewStore({}, () => undefined), {
    toast: (text) => void world.toasts.push(text), repaint: () => undefined,
    outline: () => undefined, needsLabel: () => void world.asked.push(1), failed: (error) => void world.toasts.push(String(error)),
  });
  for (const id of ["axial", "coronal", "sagittal", "acquisition", "axial-2"]) world.scene.paneById(id).place({ pane: id, x: 0, y: 0, width: 200, height: 100 });
  return world;
}

/** Values and colours of the masks drawn in the axial pane. */
const drawn = (scene: Scene): unknown[] =>
  compose(scene.paneById("axial"), 200, 100, 1).layers.flatMap((layer) =>
    layer.kind === "mask" ? [[...layer.segments].map(([value, { color }]) => [value, color])] : []);

describe("a scene of a volume", () => {
  let world: World;
  beforeEach(() => { world = open([ct, pet]); });

  it("draws a sketch of the whole where slices are missing, at the same place", () => {
    world.here = false;
    const sketch = new Store(picture("s", ct.geometry, { shape: [8, 10, 10] }), true);
    world.sketch = { store: sketch, factors: [2.5, 4, 4], slope: 2, intercept: -100 };
    for (const name of ["axial", "coronal", "sagittal"]) {
      const [below, base] = compose(world.scene.paneById(name), 200, 100, 1).layers;
      if (below?.kind !== "image" || base?.kind !== "image") throw new Error("no images");
      expect([below.store, base.gaps, below.gaps]).toEqual([sketch, "clear", undefined]);
      for (const n of [0, 1, 2] as const) {
        const f = world.sketch.factors[n];
        expect(below.plane.origin[n]).toBeCloseTo((base.plane.origin[n] + 0.5) / f - 0.5, 9);
        expect(below.plane.du[n] * f).toBeCloseTo(base.plane.du[n], 9);
        expect(below.plane.dv[n] * f).toBeCloseTo(base.plane.dv[n], 9);
      }
      expect(below.window.lower * 2 - 100).toBeCloseTo(base.window.lower, 9);
      expect(below.window.upper * 2 - 100).toBeCloseTo(base.window.upper, 9);
    }
    world.here = true;
    const [only, next] = compose(world.scene.paneById("coronal"), 200, 100, 1).layers;
    expect(only?.kind === "image" && only.gaps).toBe(undefined);
    expect(next?.kind).not.toBe("image");
  });

  it("starts in the middle, fitted, in three planes", () => {
    const { scene } = world;
    expect(scene.layout).toBe("mpr");
    expect([scene.paneById("axial").slice, scene.paneById("coronal").slice, scene.paneById("sagittal").slice]).toEqual([10, 20, 20]);
    expect(scene.paneById("axial").camera).toEqual({ mmPerPx: 0.4, pan: [0, 0] });
  });

  it("scrolls one view and leaves the other planes where they are, within the volume", () => {
    const { scene } = world;
    scene.paneById("coronal").scroll(3);
    expect([scene.paneById("axial").slice, scene.paneById("coronal").slice, scene.paneById("sagittal").slice]).toEqual([10, 23, 20]);
    scene.paneById("axial").scrollTo(1e9);
    expect(scene.paneById("axial").slice).toBe(19);
    scene.paneById("axial").scroll(-100);
    expect(scene.paneById("axial").slice).toBe(0);
  });

  it("keeps the same point in the middle and the same scale when another image of the space is chosen", () => {
    const { scene } = world;
    scene.view.set({ zoom: { axial: 0.3 }, pan: { axial: [4, -3] } });
    const before = scene.paneById("axial").frame.toWorld(scene.paneById("axial").camera.pan);
    scene.choose("pet");
    const after = scene.paneById("axial").frame.toWorld(scene.paneById("axial").camera.pan);
    expect(scene.main.id).toBe("pet");
    expect(scene.paneById("axial").camera.mmPerPx).toBe(0.3);
    expect(distance([before[0], before[1], 0], [after[0], after[1], 0])).toBeLessThan(1e-9);
  });

  it("zooms about the crosshair and fits again", () => {
    const { scene } = world;
    scene.paneById("axial").zoom(2);
    expect(scene.paneById("axial").camera.mmPerPx).toBe(0.2);
    scene.paneById("axial").fit();
    expect(scene.paneById("axial").camera.mmPerPx).toBe(0.4);
  });

  it("measures a window once and uses presets and the file's window before that", () => {
    const { scene } = world;
    const first = scene.window();
    scene.paneById("axial").scroll(5);
    expect(scene.window()).toEqual(first);
    scene.applyPreset(scene.presets[1]!);
    expect(scene.window()).toMatchObject({ center: -600, width: 1500 });
    scene.applyPreset(scene.presets.find((one) => one.id === "full")!);
    expect(scene.window()).toEqual({ center: (0 + 1900 + 390 + 39) / 2, width: 2329 });
    scene.resetWindow();
    expect(scene.window()).toEqual(first);
    expect(open([{ ...ct, windows: [{ center: 1, width: 2, name: "", function: "LINEAR_EXACT" }] }]).scene.window()).toMatchObject({ center: 1, width: 2 });
  });

  it("says so when values are not here yet", () => {
    world.here = false;
    const { scene } = world;
    scene.applyPreset(scene.presets.find((one) => one.id === "auto")!);
    expect(world.toasts[0]).toContain("No slice");
    expect(readAt(scene.pane, [1, 2, 3])?.value).toBe("…");
  });

  it("reads value and labels under an index, and nothing outside", () => {
    const { scene, document } = world;
    document.applyLocal({
      kind: "paint", mask: "m", box: [[3, 4, 5], [4, 5, 6]],
      runs: { start: Uint32Array.of(0), length: Uint32Array.of(1), old: Uint32Array.of(0), new: Uint32Array.of(2) },
    });
    expect(readingText(readAt(scene.pane, [3.2, 3.9, 5.1]))).toBe("345 HU · lesion");
    expect(readingText(readAt(scene.pane, [3, 4, 6]))).toBe("346 HU");
    expect(readAt(scene.pane, [-0.6, 0, 0])).toBeNull();
    expect(readAt(scene.pane, [0, 0, 40])).toBeNull();
  });

  it("draws the labels of this image that are shown", () => {
    const { scene } = world;
    expect(drawn(scene)).toEqual([[[1, [255, 0, 0]], [2, [0, 255, 16]]]]);
    scene.view.set({ hidden: ["id-liver"] });
    expect(drawn(scene)).toEqual([[[2, [0, 255, 16]]]]);
    scene.view.set({ overlay: false });
    expect(drawn(scene)).toEqual([]);
  });

  it("shows a box being drawn instead of the document's", () => {
    const { scene, document } = world;
    const item = boxItem([[1, 1, 1], [1, 3, 3]]);
    scene.apply({ kind: "put", item });
    scene.draft({ item: { ...item, index: [[1, 1, 1], [1, 9, 9]] }, old: item });
    expect(scene.boxes.map((one) => one.index[1])).toEqual([[1, 9, 9]]);
    scene.draft(null);
    expect(scene.boxes).toEqual(document.boxes);
    scene.apply({ kind: "remove", item: { ...item, id: "gone" } });
    expect(world.toasts.at(-1)).toContain("gone");
  });

  it("asks for a label where there is none", () => {
    const { scene, document } = world;
    expect(scene.activeLabel()?.name).toBe("liver");
    scene.view.set({ label: "id-lesion" });
    expect(scene.activeLabel()?.name).toBe("lesion");
    for (const item of [...document.labels]) document.applyLocal({ kind: "remove", item });
    expect(scene.activeLabel()).toBeNull();
    expect(world.asked).toEqual([1]);
  });
});

describe("a scene of pictures", () => {
  it("shows a cine from its first plane in one view, around and around", () => {
    const { scene } = open([cine]);
    expect([scene.layout, scene.paneById("acquisition").slice, scene.pane.cineLength]).toEqual(["single", 0, 6]);
    scene.pane.cineStep(-1);
    expect(scene.paneById("acquisition").slice).toBe(5);
    scene.pane.cineStep(1);
    scene.paneById("acquisition").scroll(2);
    expect(scene.paneById("acquisition").slice).toBe(2);
    expect(readAt(scene.pane, [2, 1, 3])?.value).toBe("RGB 213 214 215");
  });

  it("scrolls frames where there is one slice", () => {
    const { scene } = open([dynamic]);
    expect([scene.layout, scene.pane.cineLength]).toEqual(["single", 3]);
    scene.paneById("acquisition").scroll(1);
    expect(scene.pane.time).toBe(1);
    scene.paneById("acquisition").scroll(9);
    expect(scene.pane.time).toBe(2);
    scene.pane.cineStep(1);
    expect(scene.pane.time).toBe(0);
  });
});
