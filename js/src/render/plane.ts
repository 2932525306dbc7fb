/**
 * Pixels of a view and the voxels under them.
 *
 * Canvas coordinates are continuous device pixels: the centre of pixel (column, row) is (column + 0.5,
 * row + 0.5), the top left corner of the canvas is (0, 0).
 */
import { add, cross, dot, length, scale, subtract, unit, withAxis } from "../model/geometry";
import type { Axis, GridGeometry, Vec3, ViewPlane } from "../model/geometry";

/** Values along the normal of a plane made one, before they become colours. */
export interface Slab {
  /** The largest value, the smallest, or the mean; values that are no numbers, outside or not here are left out. */
  readonly mode: "mip" | "minip" | "mean";
  /** Index step (k, j, i) from one sample to the next. */
  readonly step: Vec3;
  /** Number of samples; their middle is the plane, so that an odd number has one on it. */
  readonly count: number;
}

export interface PlaneRequest {
  /** Device pixels. */
  readonly width: number;
  readonly height: number;
  /** Index (k, j, i) of the centre of pixel (0, 0). */
  readonly origin: Vec3;
  /** Index step per pixel to the right. */
  readonly du: Vec3;
  /** Index step per pixel down. */
  readonly dv: Vec3;
  readonly slab?: Slab | undefined;
}

/**
 * How far (in voxels) a sample may be from a boundary between voxels and still count as on it: it is
 * taken to the upper voxel, in float32 on a GPU as in float64 here. No round number, so that planes
 * with round numbers do not meet it.
 */
export const SNAP = 1.17e-3;

/** Number of the voxel a continuous index falls in; ties go up. */
export const nearest = (x: number): number => Math.floor(x + 0.5 + SNAP);

/** Number of the slice a view shows at a world point, not limited to the slices there are. */
export function sliceAt(geometry: GridGeometry, view: ViewPlane, center: Vec3): number {
  return nearest(geometry.toIndex(center)[view.axis]);
}

/**
 * Return the plane of a view with `center` (world) in the middle of the canvas.
 *
 * The plane is that of the nearest slice (or of `slice`, needed for stacks whose planes coincide), and
 * `center` is moved to it along the normal. `mmPerPx` is mm (or image px) per device pixel.
 */
export function planeRequest(
  geometry: GridGeometry,
  view: ViewPlane,
  center: Vec3,
  mmPerPx: number,
  width: number,
  height: number,
  slice?: number,
): PlaneRequest {
  const axis: Axis = view.axis;
  const k = geometry.kind === "stack" ? (slice ?? geometry.toIndex(center)[0]) : 0;
  const step = (direction: Vec3): Vec3 =>
    withAxis(geometry.stepToIndex(scale(direction, mmPerPx), k), axis, 0);
  const du = step(view.right);
  const dv = step(view.down);
  const n = slice ?? sliceAt(geometry, view, center);
  const onPlane = geometry.toWorld(axis === 0 ? [n, 0, 0] : axis === 1 ? [0, n, 0] : [0, 0, n]);
  const off = dot(subtract(center, onPlane), view.normal);
  const local = subtract(subtract(center, scale(view.normal, off)), onPlane);
  const middle = withAxis(geometry.stepToIndex(local, k), axis, n);
  const origin = subtract(middle, add(scale(du, (width - 1) / 2), scale(dv, (height - 1) / 2)));
  return { width, height, origin: withAxis(origin, axis, n), du, dv };
}

/** Centre (world) and mm per pixel with which the whole slice under `center` fits the canvas. */
export function fitView(
  geometry: GridGeometry,
  view: ViewPlane,
  width: number,
  height: number,
  slice = Math.floor(geometry.shape[view.axis] / 2),
): { center: Vec3; mmPerPx: number } {
  const [a, b] = inPlaneAxes(view.axis);
  const k = view.axis === 0 ? slice : 0;
  const na = geometry.shape[a];
  const nb = geometry.shape[b];
  const wa = scale(geometry.axisStep(a, k), na);
  const wb = scale(geometry.axisStep(b, k), nb);
  const across = Math.abs(dot(wa, view.right)) + Math.abs(dot(wb, view.right));
  const along = Math.abs(dot(wa, view.down)) + Math.abs(dot(wb, view.down));
  const middle = withAxis(withAxis([slice, slice, slice], a, (na - 1) / 2), b, (nb - 1) / 2);
  return {
    center: geometry.toWorld(middle),
    mmPerPx: Math.max(across / Math.max(width, 1), along / Math.max(height, 1)),
  };
}

/** The two grid axes of a slice across `axis`: rows, then columns. */
export function inPlaneAxes(axis: Axis): readonly [Axis, Axis] {
  return axis === 0 ? [1, 2] : axis === 1 ? [0, 2] : [0, 1];
}

/** Index (k, j, i) under a canvas point. */
export function indexAtPixel(plane: PlaneRequest, x: number, y: number): Vec3 {
  return add(plane.origin, add(scale(plane.du, x - 0.5), scale(plane.dv, y - 0.5)));
}

/** World point under a canvas point. */
export function worldAtPixel(geometry: GridGeometry, plane: PlaneRequest, x: number, y: number): Vec3 {
  return geometry.toWorld(indexAtPixel(plane, x, y));
}

/** Canvas point under which a world point lies, and its signed distance from the plane in mm, away from the viewer. */
export function pixelAtWorld(
  geometry: GridGeometry,
  plane: PlaneRequest,
  world: Vec3,
): readonly [x: number, y: number, distance: number] {
  const k = plane.origin[0];
  const u = geometry.stepToWorld(plane.du, k);
  const v = geometry.stepToWorld(plane.dv, k);
  const p = subtract(world, geometry.toWorld(plane.origin));
  const uu = dot(u, u);
  const uv = dot(u, v);
  const vv = dot(v, v);
  const pu = dot(p, u);
  const pv = dot(p, v);
  const det = uu * vv - uv * uv;
  return [
    (pu * vv - pv * uv) / det + 0.5,
    (pv * uu - pu * uv) / det + 0.5,
    dot(p, unit(cross(u, v))),
  ];
}

/** The grid axis the whole plane is at one place of (so that it is one slice), or null. */
export function alignedAxis(plane: PlaneRequest): Axis | null {
  for (const axis of [0, 1, 2] as const) {
    const drift = Math.abs(plane.du[axis]) * plane.width + Math.abs(plane.dv[axis]) * plane.height;
    if (drift < SNAP) return axis;
  }
  return null;
}

/** True where a plane at this place between slices shows one slice alone. */
export const onSlice = (at: number): boolean => Math.abs(at - nearest(at)) <= SNAP;

/** The plane with an aligned axis put exactly on its slice, so that no other slice takes part; `smooth`: only if it is there nearly. */
export function settled(plane: PlaneRequest, smooth: boolean): PlaneRequest {
  const axis = alignedAxis(plane);
  if (axis === null) return plane;
  const { origin, du, dv, slab } = plane;
  const at = origin[axis];
  // In a slab each sample finds its own nearest slice.
  const moved = smooth || slab ? onSlice(at) : true;
  return {
    ...plane,
    origin: moved ? withAxis(origin, axis, nearest(at)) : origin,
    du: withAxis(du, axis, 0),
    dv: withAxis(dv, axis, 0),
  };
}

/** How many steps from the plane each sample of its slab is; of a plane without one: 0 alone. */
export function slabOffsets({ slab }: PlaneRequest): readonly number[] {
  const count = slab?.count ?? 1;
  return Array.from({ length: count }, (_, n) => n - (count - 1) / 2);
}

/** The plane at one sample of its slab. */
export function shifted(plane: PlaneRequest, offset: number): PlaneRequest {
  if (!plane.slab) return plane;
  return { ...plane, origin: add(plane.origin, scale(plane.slab.step, offset)) };
}

/** First and last slice k that the picture can need, or null when the plane misses them all; `smooth`: interpolated. */
export function slicesOf(plane: PlaneRequest, count: number, smooth = true): readonly [number, number] | null {
  const ends = [plane.origin[0], plane.du[0] * (plane.width - 1), plane.dv[0] * (plane.height - 1)] as const;
  const thick = plane.slab ? (Math.abs(plane.slab.step[0]) * (plane.slab.count - 1)) / 2 : 0;
  const low = ends[0] + Math.min(ends[1], 0) + Math.min(ends[2], 0) - thick;
  const high = ends[0] + Math.max(ends[1], 0) + Math.max(ends[2], 0) + thick;
  if (!(high >= -0.5 - SNAP && low <= count - 0.5 + SNAP)) return null;
  const clamp = (n: number): number => Math.min(Math.max(n, 0), count - 1);
  // On a slice it is that one alone; between two, both take part.
  const first = !smooth || onSlice(low) ? nearest(low) : Math.floor(low);
  const last = !smooth || onSlice(high) ? nearest(high) : Math.ceil(high);
  return [clamp(first), clamp(last)];
}

/** Length of one pixel step to the right, in mm (or px). */
export function pixelSize(geometry: GridGeometry, plane: PlaneRequest): number {
  return length(geometry.stepToWorld(plane.du, plane.origin[0]));
}
