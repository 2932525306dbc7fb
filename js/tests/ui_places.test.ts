import { describe, expect, it } from "vitest";
import { GridGeometry, type Vec3 } from "../src/model/geometry";
import { DocumentMirror } from "../src/model/document";
import type { BoxItem, ImageJson, ShapeItem, StateMessage } from "../src/model/protocol";
import { IDENTITY } from "../src/model/transform";
import { ViewStore } from "../src/state/store";
import { freeFrame, rotationOf, sliceFrame } from "../src/tools/frame";
import { agreement } from "../src/ui/difference";
import { counterpart, type Lead } from "../src/ui/follow";
import { gridStep } from "../src/ui/layoutmenu";
import { aligned } from "../src/ui/links";
import { wordsOf } from "../src/ui/picture";
import { cutLine, referenceLines } from "../src/ui/references";
import { Scene } from "../src/ui/scene";
import type { Source } from "../src/ui/source";
import { sizeText } from "../src/ui/thumbnails";
import { boxItem, label } from "./tools_help";

const affine = (spacing: Vec3, origin: Vec3): number[][] =>
  [[0, 0, spacing[2], origin[0]], [0, spacing[1], 0, origin[1]], [spacing[0], 0, 0, origin[2]], [0, 0, 0, 1]];

function picture(id: string, spacing: Vec3, origin: Vec3, shape: Vec3, more: Partial<ImageJson> = {}): ImageJson {
  return {
    id, name: id, shape, frames: 1, dtype: "int16", color: false, modality: "CT", unit: "HU", photometric: "MONOCHROME2",
    windows: [], geometry: { kind: "grid", shape, affine: affine(spacing, origin) }, frame_times: null,
    orientation_labels: null, ...more,
  };
}

const ct = picture("ct", [2, 1, 1], [-20, -20, -20], [20, 40, 40], { frame_of_reference: "one" });
const mr = picture("mr", [5, 2, 2], [-22, -20, -30], [9, 20, 20], { frame_of_reference: "one", modality: "MR" });
const prior = picture("prior", [4, 1, 1], [500, 400, 100], [12, 40, 40], { frame_of_reference: "two" });

function open(images: readonly ImageJson[], boxes: readonly BoxItem[] = [], shapes: readonly ShapeItem[] = []): Scene {
  const document = new DocumentMirror();
  document.connect({ reserve: () => ({ seq: 1, id: "t:1" }), send: () => undefined, resync: () => undefined });
  document.receiveState({
    type: "state", tab: "t", version: "", document: "d", revision: 1, acked: 0, images, labels: [label("lesion")],
    masks: [], boxes, shapes, tags: [], can_undo: false, can_redo: false, http: null, author: "",
  } as unknown as StateMessage);
  const nothing = (): undefined => undefined;
  const source = {
    document, channel: { health: { status: "ready", message: "" }, onHealth: nothing, onError: nothing },
    volumes: { store: nothing, wantAll: nothing, onArrive: nothing, progress: () => ({ have: 0, total: 0 }) },
    view: () => ({}), setView: nothing, onView: nothing,
  } as unknown as Source;
  const scene = new Scene(source, new ViewStore({}, nothing), { toast: nothing, repaint: nothing, outline: () => undefined, needsLabel: nothing, failed: nothing });
  for (const id of ["axial", "axial-2", "coronal", "coronal-2"]) scene.paneById(id).place({ pane: id, x: 0, y: 0, width: 200, height: 100 });
  return scene;
}

describe("links", () => {
  it("show two images of one frame of reference at the same place, whatever their spacing", () => {
    const scene = open([ct, mr]);
    scene.view.set({ layout: "compare-1x2" });
    const [a, b] = [scene.paneById("axial"), scene.paneById("axial-2")];
    a.scrollTo(4);
    expect([a.cursor[2], b.cursor[2], b.slice]).toEqual([-12, -12, Math.round(18 / 5)]);
    b.scrollTo(7);
    expect([b.slice, a.cursor[2], a.slice]).toEqual([7, b.cursor[2], Math.round((b.cursor[2] + 20) / 2)]);
  });

  it("fit images of one space side by side in one scale, unless one would be tiny or they are not linked", () => {
    const scales = (scene: Scene): number[] => scene.panes.map((pane) => pane.camera.mmPerPx);
    const wide = picture("wide", [2, 1, 1], [-30, -25, -20], [20, 50, 60], { frame_of_reference: "one" });
    const tiny = picture("tiny", [2, 1, 1], [-5, -5, -20], [20, 12, 12], { frame_of_reference: "one" });
    const both = open([ct, wide]);
    both.view.set({ layout: "compare-1x2" });
    expect(scales(both)).toEqual([0.5, 0.5]);
    both.view.set({ links: { ...both.view.value.links, camera: false } });
    expect(scales(both)).toEqual([0.4, 0.5]);
    for (const [other, scale] of [[tiny, 0.12], [{ ...wide, id: "far", frame_of_reference: "two" }, 0.5]] as const) {
      const scene = open([ct, other]);
      scene.view.set({ layout: "compare-1x2" });
      expect(scales(scene)).toEqual([0.4, scale]);
    }
    both.view.set({ links: { ...both.view.value.links, camera: true } });
    both.paneById("axial").place({ pane: "axial", x: 0, y: 0, width: 300, height: 100 });
    expect(scales(both)).toEqual([0.4, 0.5]);
  });

  it("keep the distance of images without a way between them, and align them again", () => {
    const scene = open([ct, prior]);
    scene.view.set({ layout: "compare-1x2" });
    const [a, b] = [scene.paneById("axial"), scene.paneById("axial-2")];
    const start = b.slice;
    a.scrollTo(a.slice + 4);
    expect(b.slice).toBe(start + 2);
    a.pointAt([1, 2, a.cursor[2]]);
    expect(b.slice).toBe(start + 2);
    scene.view.set({ maximized: "axial" });
    a.scrollTo(a.slice + 2);
    expect(b.slice).toBe(start + 3);
    scene.view.set(aligned());
    expect(scene.view.value.cursors).toEqual({});
  });

  it("scroll pictures seen from behind the same way through the patient", () => {
    const scene = open([ct, prior]);
    scene.view.set({ layout: "compare-1x2", turns: { "axial-2": { quarter: 0, flip: true } } });
    const [a, b] = [scene.paneById("axial"), scene.paneById("axial-2")];
    const before = b.cursor[2];
    a.scrollTo(a.slice + 2);
    expect(b.cursor[2] - before).toBeCloseTo(4);
  });

  it("let an image go its own way while they are off, and bring it back when one points", () => {
    const scene = open([ct, mr]);
    scene.view.set({ layout: "compare-1x2", links: { ...scene.view.value.links, slice: false } });
    const [a, b] = [scene.paneById("axial"), scene.paneById("axial-2")];
    b.scrollTo(1);
    expect([b.slice, a.slice]).toEqual([1, 10]);
    scene.setLink("slice", true);
    a.scroll(5);
    expect([a.slice, b.slice]).toEqual([15, 3]);
    a.pointAt([0, 0, -10]);
    expect([a.cursor, b.cursor]).toEqual([[0, 0, -10], [0, 0, -10]]);
    expect(scene.view.value.cursors).toEqual({});
  });

  it("go through a transform, forth and back", () => {
    const scene = open([ct, prior]);
    const matrix = [1, 0, 0, -520, 0, 1, 0, -420, 0, 0, 1, -120, 0, 0, 0, 1];
    scene.view.set({ layout: "compare-1x2", transforms: { prior: { to: "ct", matrix } } });
    const [a, b] = [scene.paneById("axial"), scene.paneById("axial-2")];
    a.pointAt([0, 1, 2]);
    expect(b.cursor).toEqual([520, 421, 122]);
    b.scrollTo(0);
    expect(a.cursor[2]).toBeCloseTo(-20);
    a.setCamera({ mmPerPx: 0.25, pan: [3, 4] });
    const there = b.frame.toWorld(b.camera.pan);
    const here = a.frame.toWorld([3, 4]);
    expect([b.camera.mmPerPx, there[0] - 520, there[1] - 420]).toEqual([0.25, here[0], here[1]]);
  });

  it("zoom images of a kind without a way between them by as much", () => {
    const scene = open([ct, prior]);
    scene.view.set({ layout: "compare-1x2" });
    const [a, b] = [scene.paneById("axial"), scene.paneById("axial-2")];
    const before = b.camera.mmPerPx;
    a.setCamera({ mmPerPx: a.camera.mmPerPx / 2, pan: [5, 0] });
    expect(b.camera).toEqual({ mmPerPx: before / 2, pan: [5, 0] });
  });
});

describe("the same lesion", () => {
  const at = (image: string, k: number, id: string): BoxItem => boxItem([[k - 1, 10, 10], [k + 1, 14, 16]], { id, image, label: "lesion" });

  it("is found by its label where no way leads", () => {
    const scene = open([ct, prior], [at("ct", 4, "a"), at("ct", 15, "b"), at("prior", 9, "c"), at("prior", 3, "d")]);
    scene.view.set({ layout: "longitudinal" });
    scene.goTo(ct, [15, 12, 13], null, { label: "lesion" });
    expect(scene.paneById("axial-2").image.id).toBe("prior");
    expect([scene.paneById("axial").slice, scene.paneById("axial-2").slice]).toEqual([15, 9]);
    scene.goTo(prior, [3, 12, 13], null, { label: "lesion" });
    expect([scene.paneById("axial").slice, scene.paneById("axial-2").slice]).toEqual([4, 3]);
    scene.goTo(ct, [8, 12, 13], null, { label: "cyst" });
    expect(scene.paneById("axial-2").slice).toBe(3);
  });

  const line = (image: string, k: number, id: string, more: Partial<ShapeItem> = {}): ShapeItem => {
    const z = image === "prior" ? 100 + 4 * k : -20 + 2 * k;
    const [x, y] = image === "prior" ? [500, 400] : [-20, -20];
    return {
      type: "shape", kind: "ruler", label: "lesion", points: [[x + 10, y + 10, z], [x + 16, y + 14, z]], id, image, frame: null, slice: null,
      normal: null, text: "", names: [], edges: [], name: "", lesion: "", attributes: {}, status: "", locked: false, ...more,
    };
  };
  const goes = (boxes: readonly BoxItem[], shapes: readonly ShapeItem[], lead: Lead): number => {
    const scene = open([ct, prior], boxes, shapes);
    scene.view.set({ layout: "longitudinal" });
    scene.goTo(ct, [4, 12, 13], null, lead);
    return scene.paneById("axial-2").slice;
  };

  it("is followed by its id first, then by name and label, then by label", () => {
    const here = line("ct", 4, "a", { lesion: "L1", name: "One" });
    const byLesion = line("prior", 9, "b", { lesion: "L1", label: "other", kind: "ellipse", points: [[505, 410, 136], [515, 410, 136], [510, 405, 136], [510, 415, 136]] });
    const byName = { ...at("prior", 7, "c"), name: "One" };
    const named = { ...at("prior", 2, "e"), name: "One", label: "other" };
    const byLabel = line("prior", 3, "d", { name: "Two", lesion: "L2" });
    expect(goes([byName, named], [here, byLesion, byLabel], here)).toBe(9);
    expect(goes([byName, named], [here, byLabel], here)).toBe(7);
    expect(goes([named], [here, byLabel], here)).toBe(3);
    expect(goes([byName], [here, byLesion, byLabel], { label: "lesion", lesion: "", name: "" })).toBe(3);
    expect(goes([named], [here], here)).toBe(prior.shape[0] / 2);
  });

  it("is the middle of a shape; of as many here as there the n-th is the n-th", () => {
    const scene = open([ct, prior], [], ["a", "b"].flatMap((id, n) =>
      [line("ct", 4 + 8 * n, id, { lesion: "L" }), line("prior", 8 + n, `${id}2`, { lesion: "L" })]));
    const found = counterpart(scene, ct, [12, 12, 13], prior, { label: "lesion", lesion: "L" })!;
    expect(found.map((x) => Math.round(x * 1e6) / 1e6)).toEqual([9, 12, 13]);
    expect(counterpart(scene, ct, [4, 12, 13], prior, { label: "lesion", lesion: "L" })![0]).toBeCloseTo(8);
    expect(counterpart(scene, ct, [4, 12, 13], prior, { label: "cyst" })).toBeNull();
  });

  it("is at the same place where the images are registered", () => {
    const scene = open([ct, prior], [at("ct", 4, "a"), at("prior", 9, "c")]);
    const matrix = [1, 0, 0, -520, 0, 1, 0, -420, 0, 0, 1, -120, 0, 0, 0, 1];
    scene.view.set({ layout: "longitudinal", transforms: { prior: { to: "ct", matrix } } });
    scene.goTo(ct, [4, 12, 13], null, { label: "lesion" });
    expect(scene.paneById("axial-2").slice).toBe(Math.round((-12 + 120 - 100) / 4));
  });
});

describe("reference lines", () => {
  const geometry = (one: ImageJson): GridGeometry => new GridGeometry(one.geometry);

  it("end with the slice that cuts", () => {
    const frame = sliceFrame(geometry(ct), "axial", 10);
    const other = sliceFrame(geometry(mr), "coronal", 3);
    const line = cutLine(frame, other, mr.shape, IDENTITY)!;
    const y = -20 + 2 * 3;
    const world = [line.from, line.to].map((one) => frame.toWorld(one)).sort((a, b) => a[0] - b[0]);
    expect(world[0]![0]).toBeCloseTo(-23);
    expect(world[1]![0]).toBeCloseTo(17);
    for (const one of world) expect([one[1], one[2]]).toEqual([y, 0]);
  });

  it("are none for parallel planes and for slices that do not reach", () => {
    const frame = sliceFrame(geometry(ct), "axial", 10);
    expect(cutLine(frame, sliceFrame(geometry(mr), "axial", 3), mr.shape, IDENTITY)).toBeNull();
    const far = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 100, 0, 0, 0, 1];
    expect(cutLine(frame, sliceFrame(geometry(mr), "coronal", 3), mr.shape, far)).toBeNull();
  });

  it("show a free plane where it is", () => {
    const frame = sliceFrame(geometry(ct), "axial", 10);
    const turned = rotationOf([Math.SQRT1_2, Math.SQRT1_2, 0], [0, 0, -1]);
    const other = freeFrame(geometry(mr), "oblique", turned, [2, 3, 0]);
    const line = cutLine(frame, other, mr.shape, IDENTITY)!;
    const [a, b] = [frame.toWorld(line.from), frame.toWorld(line.to)];
    for (const one of [a, b]) expect(one[1] - 3).toBeCloseTo(one[0] - 2);
  });

  it("come from other images alone, and can be switched off", () => {
    const scene = open([ct, mr]);
    scene.view.set({ layout: { row: [{ plane: "axial" }, { plane: "coronal", image: "mr" }, { plane: "sagittal" }] } });
    const pane = scene.paneById("axial");
    expect(referenceLines(pane).map((one) => [one.pane, one.plane])).toEqual([["coronal", "coronal"]]);
    scene.view.set({ references: false });
    expect(referenceLines(pane)).toEqual([]);
    // Where the crosshair is that line already there is no other: it shows elsewhere alone, or turned.
    scene.view.set({ references: true, cursor: [0, -2, 0] });
    expect(pane.lines.map(({ plane }) => plane)).toContain("sagittal");
    scene.view.set({ layout: "compare-1x2", panes: { "axial-2": { plane: "coronal" } } });
    expect(referenceLines(scene.paneById("axial"))).toEqual([]);
    scene.view.set({ crosshair: false });
    expect(referenceLines(scene.paneById("axial"))).toHaveLength(1);
    scene.view.set({ crosshair: true, cursors: { mr: [0, -10, 0] } });
    expect(referenceLines(scene.paneById("axial"))).toHaveLength(1);
  });
});

it("a picture states windows as they are shown, those of layers too, and no names", () => {
  const pet = picture("SMITH", [5, 2, 2], [-22, -20, -30], [9, 20, 20], {
    frame_of_reference: "one", modality: "PT", unit: "BQML", suv: { bw: 1 / 2000, reason: {} } as never,
    windows: [{ center: 10_000, width: 20_000, name: "", function: "LINEAR_EXACT" }],
  });
  const scene = open([{ ...ct, windows: [{ center: 40, width: 400, name: "", function: "LINEAR_EXACT" }] }, pet]);
  const layer = { image: "SMITH", colormap: "hot iron", opacity: 0.5, visible: true, lower: null };
  scene.view.set({ layout: "compare-1x2", layers: { ct: [layer, { ...layer, image: "gone" }] }, slabs: { axial: { mode: "mip", mm: 5 } } });
  const [a, b] = [scene.paneById("axial"), scene.paneById("axial-2")];
  expect(wordsOf(a)).toMatchObject({ title: ["Axial", "MIP 6 mm (3 slices)", "PT  C 5  W 10 SUVbw"], right: "C 40  W 400" });
  expect(wordsOf(b)).toMatchObject({ title: ["Axial"], right: "C 5  W 10 SUVbw" });
  scene.view.set({ units: { SMITH: "stored" } });
  expect(wordsOf(b).right).toBe("C 10000  W 20000");
});

describe("small things", () => {
  it("arrows stay in the grid", () => {
    expect([gridStep(0, "ArrowRight"), gridStep(0, "ArrowDown"), gridStep(0, "ArrowLeft"), gridStep(8, "ArrowDown"), gridStep(2, "ArrowRight"), gridStep(4, "x")])
      .toEqual([1, 3, null, null, null, null]);
  });

  it("sizes are columns, rows, slices", () => {
    expect(sizeText(ct)).toBe("40 × 40 × 20");
    expect(sizeText({ ...ct, shape: [1, 30, 20], frames: 7 })).toBe("20 × 30, 7 frames");
  });

  it("two masks agree as counted", () => {
    const store = (values: number[][]): Parameters<typeof agreement>[0] => ({
      shape: [values.length, 1, 4], dtype: "uint8", color: false, version: 1, changedSince: () => "all",
      slice: (k: number) => (values[k]!.length > 0 ? Uint8Array.from(values[k]!) : undefined),
    });
    const found = agreement(store([[1, 1, 0, 0], []]), store([[0, 2, 2, 0], [1, 0, 0, 0]]));
    expect(found).toEqual({ onlyA: 1, onlyB: 2, both: 1, dice: 2 / 5 });
    expect(agreement(store([[]]), store([[]])).dice).toBeNull();
  });
});
