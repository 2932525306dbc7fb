/** Grids and a host for the tests of the tools. */
import { GridGeometry, type Vec3 } from "../src/model/geometry";
import { MaskStore } from "../src/model/masks";
import type { BoxItem, EditDraft, ImageJson, LabelItem, MaskItem, ShapeItem } from "../src/model/protocol";
import { ViewStore } from "../src/state/store";
import type { Frame, SliceFrame } from "../src/tools/frame";
import type { Region } from "../src/tools/region";
import { Seats } from "../src/tools/shapes/seat";
import type { BoxDraft, CutLine, Pointer, SlicePointer, ToolHost, Typing } from "../src/tools/tool";

/** A repeatable random number generator, 0 to 1. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

export const grid = (columns: readonly [Vec3, Vec3, Vec3], origin: Vec3, shape: Vec3): GridGeometry =>
  new GridGeometry({
    kind: "grid",
    shape,
    affine: [0, 1, 2].map((row) => [...columns.map((one) => one[row]!), origin[row]!]).concat([[0, 0, 0, 1]]),
  });

/** Thick slices, all axes along the patient's. */
export const plain = grid([[0, 0, 3], [0, 0.8, 0], [0.5, 0, 0]], [-10, 20, -30], [9, 14, 17]);
/** Gantry tilt: the slices are shifted along y. */
export const sheared = grid([[0, 1.1, 2.5], [0, 0.9, 0], [0.7, 0, 0]], [5, 6, 7], [8, 13, 11]);
/** Sagittal acquisition, flipped, rotated by about 20 degrees. */
export const oblique = grid(
  [[2 * Math.cos(0.35), 2 * Math.sin(0.35), 0], [0, 0, -1.2], [-0.6 * Math.sin(0.35), 0.6 * Math.cos(0.35), 0]],
  [1, -2, 3], [7, 12, 15],
);
export const GRIDS = [["plain", plain], ["sheared", sheared], ["oblique", oblique]] as const;
export const VIEWS = ["axial", "coronal", "sagittal"] as const;

export const label = (name: string, more: Partial<LabelItem> = {}): LabelItem => ({
  type: "label", id: `id-${name}`, name, color: "#ff0000", key: null, code: null, locked: false, parent: "", scope: [], attributes: [], schema: "", version: 1, ...more,
});

export const mask = (id: string, segments: readonly (readonly [number, string])[]): MaskItem => ({
  type: "mask", id, name: id, image: "img", dtype: "uint8",
  segments: segments.map(([value, name]) => ({ value, label: name, status: "" as const })),
});

export const boxItem = (index: BoxItem["index"], more: Partial<BoxItem> = {}): BoxItem => ({
  type: "box", id: "box", label: "liver", index, image: "img", frame: null, name: "", lesion: "", attributes: {}, status: "", locked: false, ...more,
});

export const image = (geometry: GridGeometry): ImageJson => ({
  id: "img", name: "image", shape: geometry.shape, frames: 1, dtype: "int16", color: false, modality: "CT",
  unit: "HU", photometric: "MONOCHROME2", windows: [], frame_times: null, orientation_labels: null,
  geometry: { kind: "grid", affine: [], shape: geometry.shape },
});

export interface Fake extends ToolHost {
  readonly stores: Map<string, MaskStore>;
  readonly edits: EditDraft[];
  readonly toasts: string[];
  shownDraft: BoxDraft | null;
  shownCut: CutLine | null;
  /** Voxels of the image: a ramp along all axes unless a test puts others; none where they would be many. */
  values: Int16Array[];
  labels: LabelItem[];
  masks: MaskItem[];
  boxes: BoxItem[];
  shapes: ShapeItem[];
  sketched: ShapeItem | null;
  carried: readonly (BoxItem | ShapeItem)[];
  typing: Typing | null;
}

export function fakeHost(geometry: GridGeometry, labels: LabelItem[], masks: MaskItem[]): Fake {
  const stores = new Map(masks.map((one) => [one.id, new MaskStore(geometry.shape, "uint8")]));
  const edits: EditDraft[] = [];
  const toasts: string[] = [];
  const view = new ViewStore({}, () => undefined);
  const fake: Fake = {
    view, geometry, labels, masks, stores, edits, toasts, image: image(geometry), time: view.value.frame, boxes: [], shapes: [], seats: new Seats(),
    shownDraft: null, shownCut: null, sketched: null, carried: [], typing: null, point: null, drawing: null, selection: [],
    values: Array.from({ length: geometry.shape[0] < 100 ? geometry.shape[0] : 0 }, (_, k) =>
      Int16Array.from({ length: geometry.shape[1] * geometry.shape[2] }, (_n, at) => k * 3 + at)),
    get store() {
      return {
        shape: geometry.shape, dtype: "int16" as const, color: false, version: 1, changedSince: () => "all" as const,
        slice: (k: number) => fake.values[k],
      };
    },
    cutLine: (line) => (fake.shownCut = line),
    get selected() {
      return fake.selection[0] ?? null;
    },
    set selected(id) {
      fake.selection = id === null ? [] : [id];
    },
    reader: () => () => 0,
    sketch: (shape) => (fake.sketched = shape),
    carry: (items) => (fake.carried = items),
    type: (typing) => (fake.typing = typing),
    voxels: (id) => stores.get(id),
    activeLabel: () => fake.labels.find((one) => one.id === view.value.label) ?? fake.labels[0] ?? null,
    window: () => ({ center: 40, width: 400 }),
    setWindow: ({ center, width }) => view.set({ windows: { img: [center, width] } }),
    get camera() {
      return { mmPerPx: view.value.zoom["axial"] ?? 0.5, pan: view.value.pan["axial"] ?? [0, 0] };
    },
    setCamera: ({ mmPerPx, pan }) => view.set({ zoom: { axial: mmPerPx }, pan: { axial: pan } }),
    get cursor() {
      return view.value.cursor ?? [0, 0, 0];
    },
    lines: [],
    size: [400, 400],
    pointAt: (world) => view.set({ cursor: world }),
    apply(edit) {
      edits.push(edit);
      for (const one of edit.kind === "batch" ? edit.edits : []) {
        if (one.kind !== "put" || one.item.type !== "mask") continue;
        fake.masks.push(one.item);
        stores.set(one.item.id, new MaskStore(geometry.shape, one.item.dtype));
      }
      if (edit.kind === "put" && edit.item.type === "shape") {
        const { item } = edit;
        fake.shapes = [...fake.shapes.filter(({ id }) => id !== item.id), item];
      }
      if (edit.kind !== "put" || edit.item.type !== "mask") return;
      fake.masks.push(edit.item);
      stores.set(edit.item.id, new MaskStore(geometry.shape, edit.item.dtype));
    },
    propose(edit) {
      if (edit.kind !== "put" || edit.item.type !== "mask") throw new Error("only masks are proposed");
      const { item } = edit;
      fake.masks.push(item);
      stores.set(item.id, new MaskStore(geometry.shape, item.dtype));
      let shown = true;
      return () => {
        if (!shown) return;
        shown = false;
        fake.masks = fake.masks.filter((one) => one !== item);
        stores.delete(item.id);
      };
    },
    draft: (box) => (fake.shownDraft = box),
    toast: (text) => toasts.push(text),
    repaint: () => undefined,
  };
  return fake;
}

/** The pointer over an index of a frame. */
export function pointAt(frame: SliceFrame, index: Vec3, more: Partial<SlicePointer> = {}): SlicePointer {
  const plane = frame.fromIndex(index);
  const px = [plane[0] / 0.5 + 200, plane[1] / 0.5 + 200] as const;
  return {
    frame, plane, px, mmPerPx: 0.5, world: frame.toWorld(plane), index: frame.toIndex(plane),
    alt: false, shift: false, touch: false, pressure: 1, ...more,
  };
}

/** The pointer over a place (mm) of any frame. */
export function overPlane(frame: Frame, plane: readonly [number, number], more: Partial<Pointer> = {}): Pointer {
  return {
    frame, plane, px: [plane[0] / 0.5 + 200, plane[1] / 0.5 + 200], mmPerPx: 0.5, world: frame.toWorld(plane),
    index: frame.toIndex(plane), alt: false, shift: false, touch: false, pressure: 1, ...more,
  };
}

/** The pointer over a place of any plane, mm. */
export function pointIn(frame: Frame, plane: readonly [number, number], more: Partial<Pointer> = {}): Pointer {
  const mmPerPx = more.mmPerPx ?? 0.1;
  return {
    frame, plane, px: [plane[0] / mmPerPx + 200, plane[1] / mmPerPx + 200], mmPerPx, world: frame.toWorld(plane), index: frame.toIndex(plane),
    alt: false, shift: false, touch: false, pressure: 1, ...more,
  };
}

export const distance = (a: Vec3, b: Vec3): number => Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);

/** The voxels (k, j, i) of a region. */
export function voxelsOf(region: Region | null): Vec3[] {
  if (!region) return [];
  const [[k0, j0, i0], [k1, j1, i1]] = region.box;
  const out: Vec3[] = [];
  for (let k = k0; k < k1; k++) {
    const flags = new Uint8Array((j1 - j0) * (i1 - i0));
    region.fill(k, flags);
    flags.forEach((flag, n) => {
      if (flag === 1) out.push([k, j0 + Math.floor(n / (i1 - i0)), i0 + (n % (i1 - i0))]);
    });
  }
  return out;
}

/** All voxels of a grid that a test of their centre (world) and index keeps. */
export function every(geometry: GridGeometry, keep: (world: Vec3, index: Vec3) => boolean): Vec3[] {
  const out: Vec3[] = [];
  const [nk, nj, ni] = geometry.shape;
  for (let k = 0; k < nk; k++) for (let j = 0; j < nj; j++) for (let i = 0; i < ni; i++) {
    if (keep(geometry.toWorld([k, j, i]), [k, j, i])) out.push([k, j, i]);
  }
  return out;
}
