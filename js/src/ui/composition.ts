/** The picture of a pane: its plane in the grid of every image and mask that takes part. */
import { add, scale, subtract, withAxis, type GridGeometry, type Vec3 } from "../model/geometry";
import type { ImageJson } from "../model/protocol";
import type { SliceStore as Voxels } from "../model/masks";
import { IDENTITY, movePoint, moveStep, type Matrix } from "../model/transform";
import { COLORMAPS } from "../render/colormaps";
import { planeRequest, type PlaneRequest } from "../render/plane";
import { anyMissing } from "../render/contract";
import type { ImageLayer, Layer, MaskLayer, SegmentStyle, Slab, SliceStore } from "../render/renderer";
import type { LayerState } from "../state/parts";
import { hasPlanes, isGrid, type Frame } from "../tools/frame";
import { Difference } from "./difference";
import type { Pane } from "./pane";
import { windowBounds } from "./presets";
import { bounds, overlap } from "./spaces";
import { tableOf } from "./tables";

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
  const count = Math.max(1, Math.round(state.mm / frame.thickness));
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
  const wanted = (look.colormap || value.colormaps[image.id]) ?? "grey";
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

/** The image of a pane; where slices are on their way, over what is known of the whole. */
function baseLayers(pane: Pane, base: ImageLayer): Layer[] {
  const { image, geometry, time } = pane;
  if (!isGrid(geometry) || !anyMissing(base)) return [base];
  const sketch = pane.scene.source.volumes.sketch?.(image.id, time);
  if (!sketch) return [base];
  const { factors, slope, intercept } = sketch;
  // Index -0.5 is the same corner in both grids.
  const scaled = (step: Vec3): Vec3 => [step[0] / factors[0], step[1] / factors[1], step[2] / factors[2]];
  const { origin, du, dv, slab } = base.plane;
  const half: Vec3 = [0.5, 0.5, 0.5];
  const plane = {
    ...base.plane, origin: subtract(scaled(add(origin, half)), half), du: scaled(du), dv: scaled(dv),
    slab: slab && { ...slab, step: scaled(slab.step) },
  };
  const { lower, upper } = base.window;
  const window = { lower: (lower - intercept) / slope, upper: (upper - intercept) / slope };
  return [{ ...base, store: sketch.store as SliceStore, plane, window }, { ...base, gaps: "clear" }];
}

/** Everything drawn in `width` × `height` device px by the pane's camera or another, bottom first. */
export function compose(pane: Pane, width: number, height: number, ratio: number, camera = pane.camera): Composition {
  const { scene, image, geometry, view } = pane;
  const plane = basePlane(pane, width, height, ratio, camera);
  const layers: Layer[] = baseLayers(pane, imageLayer(pane, image, pane.store, plane, {}));
  const notes: string[] = [];
  const own = view.value.colormaps[image.id];
  if (own !== undefined && !COLORMAPS.includes(own)) notes.push(`There is no colour map "${own}".`);
  const over = (
    state: LayerState, look: Partial<ImageLayer> & { readonly colormap?: string }, masks = false,
  ): void => {
    const other = scene.imageById(state.image);
    const found = other ? placed(pane, other, plane) : "The layer's image is not here.";
    if (typeof found === "string") notes.push(found);
    else layers.push(imageLayer(pane, other!, found.store, found.plane, look));
    // A swipe cuts the picture; masks would lie on both sides of the cut.
    if (masks && other && typeof found !== "string") layers.push(...maskLayers(pane, other, found.plane, ratio));
  };
  for (const state of view.value.layers[image.id] ?? []) {
    if (!COLORMAPS.includes(state.colormap)) notes.push(`There is no colour map "${state.colormap}".`);
    if (state.visible) over(state, { opacity: state.opacity, lower: state.lower, colormap: state.colormap }, true);
  }
  const { compare } = view.value;
  if (compare && compare.image !== image.id && isGrid(geometry)) {
    const state = { image: compare.image, colormap: "", opacity: 1, visible: true, lower: null };
    const clip: readonly [number, number] = [Math.round(compare.at * width), width];
    if (compare.mode === "swipe") over(state, { clip });
    else if (compare.at >= 0.5) over(state, {});
  }
  layers.push(...maskLayers(pane, image, plane, ratio));
  return { layers, notes };
}

/** An image placed under a pane's plane, or why it cannot be. */
function placed(
  pane: Pane, other: ImageJson, plane: PlaneRequest,
): { readonly store: Voxels; readonly plane: PlaneRequest } | string {
  const { scene, image, geometry } = pane;
  const name = other.name || other.modality || "The layer";
  const store = scene.source.volumes.store(other.id, Math.min(pane.time, other.frames - 1));
  if (!store) return `${name}: no voxels are here.`;
  const target = scene.geometryOf(other);
  const same = geometry.kind === "stack" && target.kind === "stack" && sameShape(geometry, target);
  if (same) return { store, plane };
  if (!isGrid(geometry) || !isGrid(target)) return `${name} has no regular grid, so it cannot lie over another image.`;
  const way = scene.spaces.between(image, other);
  if (!way) return `${name} is in another frame of reference. Register it to this image.`;
  const moved = way === IDENTITY ? bounds(geometry) : movedBounds(geometry, way);
  if (overlap(moved, bounds(target)) <= 0) return `${name} does not overlap this image.`;
  return { store, plane: planeIn(plane, geometry, target, way) };
}

const sameShape = (a: GridGeometry, b: GridGeometry): boolean => a.shape.every((n, at) => n === b.shape[at]);

function movedBounds(geometry: GridGeometry, way: Matrix): readonly [Vec3, Vec3] {
  const [low, high] = bounds(geometry);
  const corners = [0, 1, 2, 3, 4, 5, 6, 7].map((n): Vec3 =>
    movePoint(way, [(n & 1 ? high : low)[0], (n & 2 ? high : low)[1], (n & 4 ? high : low)[2]]));
  const end = (pick: (...values: number[]) => number): Vec3 =>
    [0, 1, 2].map((n) => pick(...corners.map((one) => one[n]!))) as unknown as Vec3;
  return [end(Math.min), end(Math.max)];
}

/** The masks of an image under a plane of its grid. */
function maskLayers(pane: Pane, image: ImageJson, plane: PlaneRequest, ratio: number): MaskLayer[] {
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
    return segments.size > 0 ? [{ kind: "mask", store, plane, segments }] : [];
  });
  if (compared) layers.push({ kind: "mask", store: Difference.of(pair![0]!, pair![1]!), plane, segments: Difference.styles(ratio) });
  return layers;
}

/** Everything a picture depends on, in an order that two keys share. */
export function pictureKey(renderer: object, layers: readonly Layer[]): readonly unknown[] {
  const key: unknown[] = [renderer];
  for (const layer of layers) {
    const { origin, du, dv, width, height, slab } = layer.plane;
    key.push(layer.store, layer.store.version, ...origin, ...du, ...dv, width, height);
    key.push(slab?.mode, slab?.count, ...(slab?.step ?? []));
    if (layer.kind === "mask") {
      key.push(JSON.stringify([...layer.segments]));
    } else {
      const { window, table, interpolate, opacity, lower, clip, gaps } = layer;
      key.push(window.lower, window.upper, table, interpolate, opacity, lower, clip?.[0], clip?.[1], gaps);
    }
  }
  return key;
}

