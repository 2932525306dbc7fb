/** The picture of a pane: its plane in the grid of every image and mask that takes part. */
import { add, scale, subtract, withAxis, type GridGeometry, type Vec3 } from "../model/geometry";
import type { ImageJson } from "../model/protocol";
import type { SliceStore as Voxels } from "../model/masks";
import { movePoint, moveStep, type Matrix } from "../model/transform";
import { COLORMAPS } from "../render/colormaps";
import { alignedAxis, planeRequest, slicesOf, type PlaneRequest } from "../render/plane";
import { anyMissing } from "../render/contract";
import type { ImageLayer, Layer, MaskLayer, SegmentStyle, Slab, SliceStore } from "../render/renderer";
import { hasPlanes, isGrid, type Frame } from "../tools/frame";
import type { Camera } from "../tools/tool";
import { Difference } from "./difference";
import type { Reduced } from "../volumes/reduced";
import { whyNotOver } from "./over";
import type { Pane } from "./pane";
import { windowBounds } from "./presets";
import { slabCount } from "./slab";
import { colormapOf, tableOf } from "./tables";

export interface Composition {
  readonly layers: readonly Layer[];
  /** What cannot be shown, and why. */
  readonly notes: readonly string[];
}

/** The plane of a pane in the grid of its own image, seen by the pane's camera or another; `ratio`: device px per CSS px. */
export function basePlane(pane: Pane, width: number, height: number, ratio: number, camera = pane.camera): PlaneRequest {
  const { geometry, frame } = pane;
  const mmPerPx = camera.mmPerPx / ratio;
  const middle = frame.toWorld(camera.pan);
  const plane = frame.axis === null
    ? freePlane(geometry, frame, middle, mmPerPx, width, height)
    : planeRequest(geometry, frame, middle, mmPerPx, width, height, frame.slice);
  const slab = slabOf(pane, geometry, frame);
  if (!slab) return plane;
  // An even number of slices has its middle between two: the plane goes there, so that no sample lies between.
  const half = frame.axis !== null && slab.count % 2 === 0 ? 0.5 : 0;
  return { ...plane, origin: add(plane.origin, scale(slab.step, half)), slab };
}

function freePlane(
  geometry: GridGeometry, frame: Frame, middle: Vec3, mmPerPx: number, width: number, height: number,
): PlaneRequest {
  const du = geometry.stepToIndex(scale(frame.right, mmPerPx));
  const dv = geometry.stepToIndex(scale(frame.down, mmPerPx));
  const centre = geometry.toIndex(middle);
  const origin = subtract(centre, add(scale(du, (width - 1) / 2), scale(dv, (height - 1) / 2)));
  return { width, height, origin, du, dv };
}

/** The slab of a pane: samples as far apart as the slices. */
function slabOf(pane: Pane, geometry: GridGeometry, frame: Frame): Slab | null {
  const state = pane.view.value.slabs[pane.id];
  if (!state || !hasPlanes(geometry)) return null;
  const count = slabCount(state.mm, frame.thickness);
  const step = geometry.stepToIndex(scale(frame.normal, frame.thickness));
  // Across a slice of the grid the samples are the slices themselves, on a sheared grid too.
  const aligned: Vec3 = frame.axis === null ? step
    : withAxis(step, frame.axis, Math.sign(step[frame.axis]));
  return count > 1 ? { mode: state.mode, step: aligned, count } : null;
}

/** The same plane in the grid of another image; `way` leads from the base's world to that image's. */
export function planeIn(
  plane: PlaneRequest, base: GridGeometry, other: GridGeometry, way: Matrix,
): PlaneRequest {
  const k = plane.origin[0];
  const step = (index: Vec3): Vec3 => other.stepToIndex(moveStep(way, base.stepToWorld(index, k)));
  const moved: PlaneRequest = {
    width: plane.width,
    height: plane.height,
    origin: other.toIndex(movePoint(way, base.toWorld(plane.origin))),
    du: step(plane.du),
    dv: step(plane.dv),
  };
  return plane.slab ? { ...moved, slab: { ...plane.slab, step: step(plane.slab.step) } } : moved;
}

function imageLayer(
  pane: Pane, image: ImageJson, store: Voxels, plane: PlaneRequest,
  look: Partial<Pick<ImageLayer, "opacity" | "lower" | "clip">> & { readonly colormap?: string },
): ImageLayer {
  if (store.dtype === "uint32") throw new TypeError("Images of 32-bit unsigned numbers cannot be shown.");
  const { value } = pane.view;
  const wanted = look.colormap || colormapOf(image, value);
  const { table, window } = tableOf(image, value, COLORMAPS.includes(wanted) ? wanted : "grey", !look.colormap);
  return {
    kind: "image", store: store as SliceStore, plane, table,
    window: window ?? windowBounds(image, pane.scene.window(image)),
    interpolate: value.interpolate,
    opacity: look.opacity ?? 1,
    lower: look.lower ?? null,
    clip: look.clip ?? null,
  };
}

/** The same pixels in a grid whose voxels are `factors` (k, j, i) times as large: index -0.5 is the same corner in both. */
function planeOver(plane: PlaneRequest, factors: Vec3): PlaneRequest {
  const scaled = (step: Vec3): Vec3 => [step[0] / factors[0], step[1] / factors[1], step[2] / factors[2]];
  const { origin, du, dv, slab } = plane;
  const half: Vec3 = [0.5, 0.5, 0.5];
  return {
    ...plane, origin: subtract(scaled(add(origin, half)), half), du: scaled(du), dv: scaled(dv),
    slab: slab && { ...slab, step: scaled(slab.step) },
  };
}

/**
 * The layer from a smaller copy of its image, where a pixel covers several voxels or the slice is on its way;
 * `exact`: only the latter.
 */
export function reducedLayer(layer: ImageLayer, copies: Reduced | undefined, exact = false): ImageLayer {
  const { plane, store, lower, interpolate } = layer;
  const { du, dv, slab } = plane;
  if (!copies || slab || lower !== null || alignedAxis(plane) !== 0) return layer;
  const range = slicesOf(plane, store.shape[0], interpolate);
  if (!range) return layer;
  const step = exact ? 0 : Math.min(Math.hypot(du[1], du[2]), Math.hypot(dv[1], dv[2]));
  const level = copies.pick(step, range, !anyMissing(layer));
  if (!level) return layer;
  return { ...layer, store: level as SliceStore, plane: planeOver(plane, [1, level.factor, level.factor]) };
}

/** The image of a pane; where slices are on their way, over what is known of the whole. */
function baseLayers(pane: Pane, voxels: ImageLayer, exact: boolean): Layer[] {
  const { image, geometry, time } = pane;
  const base = reducedLayer(voxels, pane.scene.source.volumes.reduced?.(image.id, time), exact);
  if (!isGrid(geometry) || !anyMissing(voxels)) return [base];
  const sketch = pane.scene.source.volumes.sketch?.(image.id, time);
  if (!sketch) return [base];
  const { factors, slope, intercept } = sketch;
  const { lower, upper } = voxels.window;
  const window = { lower: (lower - intercept) / slope, upper: (upper - intercept) / slope };
  const plane = planeOver(voxels.plane, factors);
  return [{ ...voxels, store: sketch.store as SliceStore, plane, window }, { ...base, gaps: "clear" }];
}

/** Everything drawn in `width` × `height` device px by the pane's camera or a closer one (a magnifier's), bottom first. */
export function compose(pane: Pane, width: number, height: number, ratio: number, closer?: Camera): Composition {
  const camera = closer ?? pane.camera;
  const { scene, image, view } = pane;
  const plane = basePlane(pane, width, height, ratio, camera);
  const notes: string[] = [];
  const layers: Layer[] = [];
  const find = (id: string): { readonly other: ImageJson; readonly found: Placed } | null => {
    const other = scene.imageById(id);
    const found = other ? placed(pane, other, plane) : "The layer's image is not here.";
    if (other && typeof found !== "string") return { other, found };
    notes.push(found as string);
    return null;
  };
  const { compare } = view.value;
  const against = compare && compare.image !== image.id ? find(compare.image) : null;
  const edge = !against ? width
    : compare!.mode === "swipe" ? edgeOf(pane, compare!.at, width, ratio, camera) : scene.flickered ? 0 : width;
  const clip: ImageLayer["clip"] = edge < width ? [0, edge] : null;
  const exact = closer !== undefined;
  layers.push(...baseLayers(pane, imageLayer(pane, image, pane.store, plane, { clip }), exact));
  tellMap(view.value.colormaps[image.id], notes);
  for (const state of view.value.layers[image.id] ?? []) {
    tellMap(state.colormap, notes);
    const one = state.visible ? find(state.image) : null;
    if (!one) continue;
    const { opacity, lower, colormap } = state;
    layers.push(imageLayer(pane, one.other, one.found.store, one.found.plane, { opacity, lower, colormap, clip }));
    layers.push(...maskLayers(pane, one.other, one.found.plane, ratio, clip));
  }
  layers.push(...maskLayers(pane, image, plane, ratio, clip));
  for (const one of scene.preview?.layers ?? []) {
    if (one.image === image.id) layers.push({ kind: "mask", store: one.store, plane, segments: one.segments(ratio), clip });
  }
  if (against && edge < width) {
    const { other, found } = against;
    const rest = [edge, width] as const;
    const copies = scene.source.volumes.reduced?.(other.id, Math.min(pane.time, other.frames - 1));
    layers.push(reducedLayer(imageLayer(pane, other, found.store, found.plane, { clip: rest }), copies, exact));
    layers.push(...maskLayers(pane, other, found.plane, ratio, rest));
  }
  return { layers, notes };
}

/** Column of a swipe's edge, which stands in one place of the pane, also under a magnifier. */
function edgeOf(pane: Pane, at: number, width: number, ratio: number, camera: Camera): number {
  if (sameCamera(camera, pane.camera)) return Math.round(at * width);
  const { mmPerPx, pan } = pane.camera;
  const mm = pan[0] + (at - 0.5) * pane.size[0] * mmPerPx - camera.pan[0];
  return Math.min(width, Math.max(0, Math.round(width / 2 + (mm / camera.mmPerPx) * ratio)));
}

const sameCamera = (a: Camera, b: Camera): boolean =>
  a.mmPerPx === b.mmPerPx && a.pan[0] === b.pan[0] && a.pan[1] === b.pan[1];

function tellMap(name: string | undefined, notes: string[]): void {
  if (name !== undefined && !COLORMAPS.includes(name)) notes.push(`There is no colour map "${name}".`);
}

interface Placed {
  readonly store: Voxels;
  readonly plane: PlaneRequest;
}

/** An image placed under a pane's plane, or why it cannot be. */
function placed(
  pane: Pane, other: ImageJson, plane: PlaneRequest,
): Placed | string {
  const { scene, image, geometry } = pane;
  const name = other.name || other.modality || "The layer";
  const store = scene.source.volumes.store(other.id, Math.min(pane.time, other.frames - 1));
  if (!store) return `${name}: no voxels are here.`;
  const target = scene.geometryOf(other);
  const problem = whyNotOver(scene, image, other);
  if (problem !== null) return `${name} ${problem}`;
  const way = scene.spaces.between(image, other);
  return { store, plane: isGrid(geometry) && way ? planeIn(plane, geometry, target, way) : plane };
}

/** The masks of an image under a plane of its grid. */
function maskLayers(
  pane: Pane, image: ImageJson, plane: PlaneRequest, ratio: number, clip: ImageLayer["clip"] = null,
): MaskLayer[] {
  const { scene } = pane;
  const { overlay, difference } = pane.view.value;
  if (!overlay) return [];
  const masks = scene.source.document.masks.filter(({ item }) => item.image === image.id);
  const pair = difference?.map((id) => masks.find(({ item }) => item.id === id)?.store);
  const compared = pair?.[0] && pair[1] ? new Set(difference) : null;
  const layers = masks.filter(({ item }) => !compared?.has(item.id)).flatMap(({ item, store }): MaskLayer[] => {
    const segments = new Map<number, SegmentStyle>();
    for (const { value, label } of item.segments) {
      const style = scene.segmentStyle(label, ratio);
      if (style) segments.set(value, style);
    }
    return segments.size > 0 ? [{ kind: "mask", store, plane, segments, clip }] : [];
  });
  if (compared) layers.push({ kind: "mask", store: Difference.of(pair![0]!, pair![1]!), plane, segments: Difference.styles(ratio), clip });
  return layers;
}
