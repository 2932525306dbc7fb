import { beforeEach, describe, expect, it } from "vitest";
import { DocumentMirror } from "../src/model/document";
import { Changes, type SliceStore } from "../src/model/masks";
import type { ImageJson, StateMessage, WindowJson } from "../src/model/protocol";
import { colormap, greyTable, sigmoidTable, withAlphaRamp } from "../src/render/colormaps";
import { DEFAULT_VIEW, readView, type ViewPatch, type ViewState } from "../src/state";
import { ViewStore } from "../src/state/store";
import { barsOf } from "../src/ui/colourbar";
import { readNumber } from "../src/ui/colours";
import { compose } from "../src/ui/composition";
import { addLayer, isProbability, setLayers } from "../src/ui/layers";
import { lookOf, resetLook, setLook } from "../src/ui/maskstyle";
import { whyNotOver } from "../src/ui/over";
import { percentileWindow, sample } from "../src/ui/percentiles";
import { percentileOf, percentilePresets, presetsOf, windowBetween, windowBounds } from "../src/ui/presets";
import { readAt, readingText, shownWindow, windowText } from "../src/ui/readout";
import { Scene } from "../src/ui/scene";
import type { Source } from "../src/ui/source";
import { colormapOf, isLight, tableOf } from "../src/ui/tables";
import { noSuv, unitChoices, unitOf } from "../src/ui/units";
import { dragged } from "../src/ui/windowbar";
import { functionOf, lutOf } from "../src/ui/windows";
import { label, mask } from "./tools_help";

const picture = (id: string, mm: number, shape: readonly [number, number, number], more: Partial<ImageJson> = {}, at = 0): ImageJson => ({
  id, name: id, shape, frames: 1, dtype: "int16", color: false, modality: "CT", unit: "HU", photometric: "MONOCHROME2",
  windows: [], frame_times: null, orientation_labels: null,
  geometry: { kind: "grid", shape, affine: [[0, 0, mm, at], [0, mm, 0, at], [mm, 0, 0, at], [0, 0, 0, 1]] }, ...more,
});
const win = (center: number, width: number, more: Partial<WindowJson> = {}): WindowJson =>
  ({ center, width, name: "", function: "LINEAR_EXACT", ...more });
const FACTOR = 1 / 2000;
const ct = picture("ct", 1, [20, 40, 40], { windows: [win(40, 400)] });
const pet = picture("pet", 4, [5, 10, 10], {
  modality: "PT", unit: "BQML", dtype: "float32", windows: [win(7000, 14000, { name: "SUV 0–7" })],
  suv: { bw: FACTOR, reason: { lbm: "the patient's height is missing" } },
});
const map = picture("map", 2, [10, 20, 20], { modality: "", unit: "", dtype: "float32", windows: [win(0.5, 1, { name: "0–1" })] });
const far = picture("far", 1, [20, 40, 40], {}, 5000);
const other = picture("other", 1, [20, 40, 40], { frame_of_reference: "b" });
const lut = { name: "BONE", first: 100, values: [0, 10, 40, 90, 160, 255] };

const view = (patch: Partial<ViewState> = {}): ViewState => ({ ...DEFAULT_VIEW, ...patch });

/** Voxels hold 1000 k + 10 j + i. */
class Store implements SliceStore {
  readonly version = 1;
  readonly changes = new Changes();
  constructor(readonly image: ImageJson) {}
  get shape() { return this.image.shape; }
  get dtype() { return this.image.dtype; }
  readonly color = false;
  changedSince(): "all" { return "all"; }
  slice(k: number) {
    const [, nj, ni] = this.shape;
    return Float32Array.from({ length: nj * ni }, (_, n) => 1000 * k + 10 * Math.floor(n / ni) + (n % ni));
  }
}

function open(images: readonly ImageJson[]): Scene {
  const document = new DocumentMirror();
  document.connect({ reserve: () => ({ seq: 1, id: "t:1" }), send: () => undefined, resync: () => undefined });
  document.receiveState({
    type: "state", tab: "t", version: "", document: "d", revision: 1, acked: 0, images, labels: [label("liver"), label("lesion")],
    masks: [{ ...mask("m", [[1, "liver"]]), image: "ct", nonzero: [] }], boxes: [], shapes: [], tags: [], can_undo: false, can_redo: false, http: null, author: "",
  } as StateMessage);
  const source: Source = {
    document,
    channel: { health: { status: "ready", message: "" }, onHealth: () => undefined, onError: () => undefined },
    volumes: {
      store: (id) => new Store(document.image(id)!), wantAll: () => undefined, onArrive: () => undefined,
      progress: () => ({ have: 0, total: 0 }), preview: () => Promise.reject(new Error("not here")),
    },
    road: { send: () => undefined, onMessage: () => () => undefined },
    view: () => ({}), setView: () => undefined, onView: () => undefined,
  };
  const scene = new Scene(source, new ViewStore({}, () => undefined), {
    toast: () => undefined, repaint: () => undefined, outline: () => undefined, needsLabel: () => undefined, failed: () => undefined,
  });
  for (const id of ["axial", "coronal", "sagittal"]) scene.paneById(id).place({ pane: id, x: 0, y: 0, width: 400, height: 300 });
  return scene;
}

describe("windows by the values", () => {
  it("leave out what lies beyond the percentiles, of one slice or of several", () => {
    const slice = Int16Array.from({ length: 1001 }, (_, n) => n);
    expect(percentileWindow([slice], 5)).toEqual({ center: 500, width: 900 });
    expect(percentileWindow([slice], 0.5)).toEqual({ center: 500, width: 990 });
    const two = [Int16Array.of(0, 1, 2, 3, 4), Int16Array.of(5, 6, 7, 8, 9, 10)];
    expect(percentileWindow(two, 20)).toEqual({ center: 5, width: 6 });
    expect(percentileWindow([Float32Array.of(NaN, Infinity)], 1)).toBeNull();
    expect(percentileWindow([], 1)).toBeNull();
  });

  it("look at evenly spread values of large slices", () => {
    const large = new Float32Array(1_000_000).map((_, n) => n);
    expect(sample([large]).length).toBeLessThanOrEqual(20001);
    const found = percentileWindow([large], 2)!;
    expect(found.center).toBeCloseTo(500_000, -3);
    expect(found.width).toBeCloseTo(960_000, -3);
  });

  it("are told by their names", () => {
    expect(percentilePresets("slice").map(({ title }) => title)).toEqual(["0.5–99.5 %", "1–99 %", "2–98 %", "5–95 %"]);
    expect(percentilePresets("here").map(({ id }) => percentileOf(id))).toEqual([0.5, 1, 2, 5].map((cut) => ({ of: "here", cut })));
    expect(percentileOf("auto")).toEqual({ of: "slice", cut: 1 });
    expect(percentileOf("full")).toBeNull();
  });
});

describe("units", () => {
  it("are SUV by body weight where that can be computed, unless another is chosen", () => {
    expect(unitOf(pet, view())).toEqual({ kind: "bw", name: "SUVbw", factor: FACTOR });
    expect(unitOf(pet, view({ units: { pet: "stored" } }))).toEqual({ kind: "stored", name: "Bq/ml", factor: 1 });
    expect(unitOf(pet, view({ units: { pet: "lbm" } }))).toMatchObject({ kind: "stored", factor: 1 });
    expect(unitOf(ct, view())).toEqual({ kind: "stored", name: "HU", factor: 1 });
    expect(readView({ units: { a: "stored", b: "bw", c: "nonsense" } }).units).toEqual({ a: "stored", b: "bw" });
  });

  it("say why they cannot be chosen", () => {
    expect(unitChoices(pet).map(({ kind, reason }) => [kind, reason])).toEqual([
      ["stored", ""], ["bw", ""], ["lbm", "the patient's height is missing"], ["bsa", "the file does not say enough"],
    ]);
    expect(unitChoices(ct)).toHaveLength(1);
    const light = { ...pet, suv: { reason: { bw: "Patient's Weight (0010,1030) is missing" } } };
    expect([pet, ct, light].map(noSuv)).toEqual(["", "", "No SUV: Patient's Weight (0010,1030) is missing."]);
  });

  it("are those of the window's numbers; the window itself stays in stored units", () => {
    expect(windowText({ center: 7000, width: 14000 }, unitOf(pet, view()))).toBe("C 3.5  W 7 SUVbw");
    expect(windowText({ center: 40, width: 400 }, unitOf(ct, view()))).toBe("C 40  W 400");
    const five = presetsOf(pet).find(({ id }) => id === "suv-5")!;
    expect(five.window).toEqual({ center: 5000, width: 10000 });
    expect(presetsOf(pet).map(({ title }) => title).slice(0, 4)).toEqual(["SUV 0–5", "SUV 0–7", "SUV 0–10", "SUV 0–20"]);
  });

  it("are read as people type them", () => {
    expect(["−12,5", " 3 ", "1e3", "", "x", "1 2"].map(readNumber)).toEqual([-12.5, 3, 1000, null, null, null]);
  });
});

describe("the window", () => {
  it("goes from centre and width to its ends and back, as the file counts them", () => {
    for (const kind of ["LINEAR", "LINEAR_EXACT"] as const) {
      const image = { ...ct, windows: [win(40, 400, { function: kind })] };
      const { lower, upper } = windowBounds(image, { center: -20, width: 300 });
      expect(windowBetween(image, lower, upper)).toEqual({ center: -20, width: 300 });
      expect(windowBetween(image, upper, lower)).toEqual({ center: -20, width: 300 });
    }
  });

  it("is dragged by its ends, which do not cross, or whole", () => {
    const domain = { lower: 0, upper: 1000 };
    expect(dragged({ lower: 100, upper: 300 }, "lower", 50, domain)).toEqual({ lower: 150, upper: 300 });
    expect(dragged({ lower: 100, upper: 300 }, "lower", 900, domain)).toEqual({ lower: 298, upper: 300 });
    expect(dragged({ lower: 100, upper: 300 }, "upper", -900, domain)).toEqual({ lower: 100, upper: 102 });
    expect(dragged({ lower: 100, upper: 300 }, "both", -250, domain)).toEqual({ lower: -150, upper: 50 });
  });

  it("keeps the file's sigmoid until another one is set", () => {
    const image = { ...ct, windows: [win(40, 400, { function: "SIGMOID" }), win(50, 350)] };
    const shown = tableOf(image, view(), "grey", true);
    expect(shown).toEqual({ table: sigmoidTable(false), window: { lower: -760, upper: 840 } });
    expect(tableOf(image, view({ windows: { ct: [50, 350] } }), "grey", true)).toEqual({ table: greyTable(false), window: null });
    expect(functionOf(image, view({ windows: { ct: [40, 400] } }))).toBe("SIGMOID");
    const scene = open([image]);
    scene.setWindow(image, { center: 1, width: 2 });
    scene.applyPreset(scene.presets.find(({ own }) => own)!);
    expect(scene.view.value.windows).toEqual({});
  });

  it("gives way to a table of the file and the other way round", () => {
    const image = { ...ct, luts: [lut] };
    const scene = open([image]);
    expect(lutOf(image, scene.view.value)).toBeUndefined();
    scene.applyPreset(scene.presets.find((one) => one.lut === 0)!);
    expect(scene.view.value.luts).toEqual({ ct: 0 });
    expect(shownWindow(image, scene.view.value, scene.window())).toBe("BONE");
    const { table, window } = tableOf(image, scene.view.value, "grey", true);
    expect([[...table].map((pixel) => pixel & 255), window]).toEqual([lut.values, { lower: 100, upper: 105 }]);
    scene.setWindow(image, { center: 5, width: 6 });
    expect(scene.view.value).toMatchObject({ luts: {}, windows: { ct: [5, 6] } });
  });

  it("is the file's table where the file has no window", () => {
    const image = { ...ct, luts: [lut], windows: [win(102.5, 5, { name: "BONE" })] };
    expect(lutOf(image, view())).toBe(0);
    expect(lutOf(image, view({ windows: { ct: [1, 2] } }))).toBeUndefined();
    expect(presetsOf(image).filter(({ group }) => group === "file").map(({ id }) => id)).toEqual(["lut-0"]);
  });
});

describe("layers", () => {
  let scene: Scene;
  beforeEach(() => { scene = open([ct, pet, map, far, other]); });

  it("are added as is customary for their kind", () => {
    addLayer(scene, ct, pet);
    addLayer(scene, ct, map);
    expect(scene.view.value.layers["ct"]).toEqual([
      { image: "pet", colormap: "hot iron", opacity: 0.5, visible: true, lower: null },
      { image: "map", colormap: "heat", opacity: 0.7, visible: true, lower: null },
    ]);
    expect(scene.view.value.windows).toEqual({ pet: [10000, 20000] });
    expect([map, pet, ct, { ...ct, dtype: "uint8", name: "tumour probability" } as const].map(isProbability)).toEqual([true, false, false, true]);
    setLayers(scene, ct, []);
    expect(scene.view.value.layers).toEqual({});
  });

  it("say why they cannot lie there", () => {
    const base = { ...ct, frame_of_reference: "a" };
    const strange = open([base, other, far]);
    expect(whyNotOver(strange, base, other)).toContain("another frame of reference");
    expect(whyNotOver(scene, ct, far)).toContain("frame of reference");
    expect(whyNotOver(scene, ct, pet)).toBeNull();
    strange.view.set({ transforms: { far: { to: "ct", matrix: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1] } } });
    expect(whyNotOver(strange, base, far)).toContain("does not overlap");
    // Whichever of the two it is that is moved.
    for (const [from, to] of [["far", "ct"], ["ct", "far"]] as const) {
      strange.view.set({ transforms: { [from]: { to, matrix: [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1] } } });
      expect(whyNotOver(strange, base, far)).toBe("has a transform that cannot be inverted. Register it anew.");
    }
  });

  it("have their own colours: dark on white for PET alone, clear where a probability is low", () => {
    expect([colormapOf(pet, view()), colormapOf(ct, view()), colormapOf(pet, view({ colormaps: { pet: "grey" } }))]).toEqual(["PET", "grey", "grey"]);
    expect([isLight(pet, view()), isLight(pet, view({ inverted: ["pet"] })), isLight(ct, view()), isLight(ct, view({ inverted: ["ct"] }))])
      .toEqual([true, false, false, true]);
    expect(isLight({ ...ct, photometric: "MONOCHROME1" }, view())).toBe(false);
    expect(tableOf(map, view(), "heat", false).table).toBe(withAlphaRamp(colormap("heat")));
    expect(tableOf(map, view(), "heat", true).table).toBe(colormap("heat"));
  });

  it("are read at the pointer, each in its own grid and unit", () => {
    addLayer(scene, ct, pet);
    addLayer(scene, ct, map);
    const pane = scene.paneById("axial");
    // World (12, 9, 7) mm: voxel (2, 2, 3) of the PET, (4, 5, 6) of the map.
    expect(readingText(readAt(pane, [7, 9, 12]))).toBe(`map: 4056\npet: ${(2023 * FACTOR).toPrecision(4)} SUVbw\n7102 HU`);
    setLayers(scene, ct, scene.view.value.layers["ct"]!.map((one) => ({ ...one, visible: one.image === "map" })));
    expect(readingText(readAt(pane, [7, 9, 12]))).toBe("map: 4056\n7102 HU");
    // The last voxel of the map reaches to 39 mm.
    expect([38.9, 39.4].map((i) => readAt(pane, [7, 9, i])?.over.length)).toEqual([1, 0]);
    expect(readAt(pane, [7, 9, 40])).toBeNull();
  });

  it("have a bar each, in their unit, as has a coloured base", () => {
    const pane = scene.paneById("axial");
    expect(barsOf(pane)).toEqual([]);
    addLayer(scene, ct, pet);
    scene.view.set({ colormaps: { ct: "viridis" } } satisfies ViewPatch);
    expect(barsOf(pane).map(({ id, lower, upper, unit }) => [id, lower, upper, unit])).toEqual([["ct", "−160", "240", "HU"], ["pet", "0", "10", "SUVbw"]]);
  });

  it("are drawn over the base and below its masks, and an unknown colour map is told", () => {
    addLayer(scene, ct, pet);
    setLayers(scene, ct, scene.view.value.layers["ct"]!.map((one) => ({ ...one, colormap: "nonsense", lower: 500 })));
    const { layers, notes } = compose(scene.paneById("axial"), 40, 30, 1);
    expect(layers.map(({ kind }) => kind)).toEqual(["image", "image", "mask"]);
    expect(layers[1]).toMatchObject({ opacity: 0.5, lower: 500, window: { lower: 0, upper: 20000 } });
    expect(notes).toEqual(['There is no colour map "nonsense".']);
  });
});

it("labels follow the general style unless they have their own", () => {
  const scene = open([ct]);
  setLook(scene, null, { fill: 0.2, outline: 0.5, width: 2 });
  setLook(scene, "id-liver", { fill: 0 });
  setLook(scene, "id-liver", { width: 4 });
  expect(lookOf(scene, "id-liver")).toEqual({ fill: 0, outline: 0.5, width: 4 });
  expect(lookOf(scene, "id-lesion")).toEqual({ fill: 0.2, outline: 0.5, width: 2 });
  expect(scene.segmentStyle("liver", 2)).toMatchObject({ fill: 0, outline: 0.5, width: 8 });
  resetLook(scene, "id-liver");
  expect(scene.view.value.segments).toEqual({});
  resetLook(scene, null);
  expect(lookOf(scene, null)).toEqual({ fill: DEFAULT_VIEW.opacity, outline: 1, width: 1 });
});
