/** The slice a view shows: its plane, in mm on the screen and in voxels of the grid. */
import {
  add, dot, scale, subtract, viewPlanes, withAxis,
  type Axis, type GridGeometry, type Vec3,
} from "../model/geometry";
import type { ViewName } from "../state";

export type Pair = readonly [number, number];

/** Which grid axis a view steps along, and its directions on the screen (unit, world). */
export interface ViewAxes {
  readonly axis: Axis;
  readonly right: Vec3;
  readonly down: Vec3;
  readonly normal: Vec3;
}

/** Maps between world, the slice plane (mm right and down of the slice centre) and voxels. */
export interface SliceFrame extends ViewAxes {
  readonly view: ViewName;
  readonly slice: number;
  readonly count: number;
  readonly centre: Vec3;
  /** Size in mm of the slice's outline on the screen. */
  readonly extent: Pair;
  /** In-plane grid axes: u runs along the columns (i where shown), v along the rows. */
  readonly uAxis: Axis;
  readonly vAxis: Axis;
  /** Step in plane mm for one voxel along u and along v. */
  readonly uStep: Pair;
  readonly vStep: Pair;
  toPlane(world: Vec3): Pair;
  toWorld(plane: Pair): Vec3;
  /** Continuous index (k, j, i), exactly on this slice. */
  toIndex(plane: Pair): Vec3;
  /** Plane position of the in-plane part of an index. */
  fromIndex(index: Vec3): Pair;
}

export const isGrid = (geometry: GridGeometry): boolean => geometry.kind === "grid";

/** True where axial, coronal and sagittal views make sense. */
export function hasPlanes(geometry: GridGeometry): boolean {
  return isGrid(geometry) && geometry.shape.every((n) => n > 1);
}

export function viewAxes(geometry: GridGeometry, view: ViewName, slice = 0): ViewAxes {
  if (view !== "single" || !isGrid(geometry)) {
    return viewPlanes(geometry, slice)[view === "single" ? "axial" : view];
  }
  // A flat grid shows its stored slices, whichever way they lie in the patient.
  return Object.values(viewPlanes(geometry)).find((plane) => plane.axis === 0)!;
}

/** World point of the middle voxel. */
export function middleVoxel(geometry: GridGeometry): Vec3 {
  const [nk, nj, ni] = geometry.shape;
  return geometry.toWorld([Math.floor(nk / 2), Math.floor(nj / 2), Math.floor(ni / 2)]);
}

function inPlane(axis: Axis): [Axis, Axis] {
  return axis === 0 ? [2, 1] : axis === 1 ? [2, 0] : [1, 0];
}

/** Numbers that do not change while a view scrolls. */
interface Affine {
  readonly origin: Vec3;
  readonly steps: readonly [Vec3, Vec3, Vec3];
}

function affineAt(geometry: GridGeometry, slice: number): Affine {
  const { origin, row_step, column_step } = geometry.plane(isGrid(geometry) ? 0 : slice);
  const across: Vec3 = isGrid(geometry) ? geometry.axisStep(0) : [0, 0, 0];
  return { origin, steps: [across, row_step, column_step] };
}

/**
 * The frame of slice `slice` (0-based along the view's grid axis).
 *
 * On a grid the frame's centre is the volume centre moved along the plane's normal, so anatomy
 * stands still while scrolling, on tilted (sheared) grids too; on a stack it is the plane's own.
 */
export function sliceFrame(geometry: GridGeometry, view: ViewName, slice: number): SliceFrame {
  const { axis, right, down, normal } = viewAxes(geometry, view, slice);
  const { origin, steps } = affineAt(geometry, slice);
  const [uAxis, vAxis] = inPlane(axis);
  const middle = (n: Axis): number => (geometry.shape[n] - 1) / 2;
  const base = isGrid(geometry) ? add(origin, scale(steps[axis], slice)) : origin;
  let centre = add(base, add(scale(steps[uAxis], middle(uAxis)), scale(steps[vAxis], middle(vAxis))));
  if (isGrid(geometry)) {
    const volume = add(centre, scale(steps[axis], middle(axis) - slice));
    const offset = subtract(volume, centre);
    centre = add(centre, add(scale(right, dot(offset, right)), scale(down, dot(offset, down))));
  }
  const flat = (v: Vec3): Pair => [dot(v, right), dot(v, down)];
  const uStep = flat(steps[uAxis]);
  const vStep = flat(steps[vAxis]);
  const zero = flat(subtract(base, centre));
  const det = uStep[0] * vStep[1] - uStep[1] * vStep[0];
  const nu = geometry.shape[uAxis];
  const nv = geometry.shape[vAxis];
  return {
    view, axis, right, down, normal, slice, centre, uAxis, vAxis, uStep, vStep,
    count: geometry.shape[axis],
    extent: [
      Math.abs(uStep[0]) * nu + Math.abs(vStep[0]) * nv,
      Math.abs(uStep[1]) * nu + Math.abs(vStep[1]) * nv,
    ],
    toPlane: (world) => flat(subtract(world, centre)),
    toWorld: ([x, y]) => add(centre, add(scale(right, x), scale(down, y))),
    toIndex: ([x, y]) => {
      const dx = x - zero[0];
      const dy = y - zero[1];
      const u = (dx * vStep[1] - dy * vStep[0]) / det;
      const v = (dy * uStep[0] - dx * uStep[1]) / det;
      return withAxis(withAxis(withAxis([0, 0, 0], axis, slice), uAxis, u), vAxis, v);
    },
    fromIndex: (index) => [
      zero[0] + index[uAxis] * uStep[0] + index[vAxis] * vStep[0],
      zero[1] + index[uAxis] * uStep[1] + index[vAxis] * vStep[1],
    ],
  };
}

/** The slice of a view that holds a world point, clamped to the volume. */
export function sliceAt(geometry: GridGeometry, axis: Axis, world: Vec3): number {
  return clampSlice(geometry, axis, geometry.toIndex(world)[axis]);
}

export function clampSlice(geometry: GridGeometry, axis: Axis, slice: number): number {
  return Math.min(geometry.shape[axis] - 1, Math.max(0, Math.round(slice)));
}

/** Move a world point onto another slice of a view, straight along the view's normal. */
export function moveToSlice(frame: SliceFrame, target: SliceFrame, world: Vec3): Vec3 {
  const [x, y] = frame.toPlane(world);
  return target.toWorld([x, y]);
}
