/** The plane a pane shows, in mm on the screen and in voxels of the grid. */
import {
  add, cross, dot, length, scale, subtract, unit, viewPlanes, withAxis,
  type Axis, type GridGeometry, type Vec3,
} from "../model/geometry";
import { NO_TURN, type Plane, type Quaternion, type Turn } from "../state/parts";

export type Pair = readonly [number, number];

/** Directions on the screen (unit, world); the normal points away from the viewer. */
export interface Directions {
  readonly right: Vec3;
  readonly down: Vec3;
  readonly normal: Vec3;
}

/** Which grid axis a plane steps along, and its directions. */
export interface PlaneAxes extends Directions {
  readonly axis: Axis;
}

/** Maps between world, the plane (mm right and down of its centre) and voxels. */
interface AnyFrame extends Directions {
  /** Id of the pane. */
  readonly pane: string;
  readonly plane: Plane;
  readonly slice: number;
  readonly count: number;
  readonly centre: Vec3;
  /** Mm from one slice to the next along the normal. */
  readonly thickness: number;
  /** Size in mm of the outline on the screen. */
  readonly extent: Pair;
  toPlane(world: Vec3): Pair;
  toWorld(plane: Pair): Vec3;
  /** Continuous index (k, j, i) on this plane. */
  toIndex(plane: Pair): Vec3;
  /** Plane position of the in-plane part of an index. */
  fromIndex(index: Vec3): Pair;
}

/** A slice of the grid. */
export interface SliceFrame extends AnyFrame {
  readonly axis: Axis;
  /** In-plane grid axes: u runs along the columns (i where shown), v along the rows. */
  readonly uAxis: Axis;
  readonly vAxis: Axis;
  /** Step in plane mm for one voxel along u and along v. */
  readonly uStep: Pair;
  readonly vStep: Pair;
}

/** A plane that follows no grid axis. */
export interface FreeFrame extends AnyFrame {
  readonly axis: null;
}

export type Frame = SliceFrame | FreeFrame;

export const isGrid = (geometry: GridGeometry): boolean => geometry.kind === "grid";

/** True where axial, coronal and sagittal views make sense. */
export function hasPlanes(geometry: GridGeometry): boolean {
  return isGrid(geometry) && geometry.shape.every((n) => n > 1);
}

/** The directions after a turn: left and right exchanged, then quarter turns clockwise. */
export function turned<D extends Directions>(axes: D, { quarter, flip }: Turn): D {
  let right = flip ? scale(axes.right, -1) : axes.right;
  let { down } = axes;
  const normal = flip ? scale(axes.normal, -1) : axes.normal;
  // Clockwise: what pointed down points left.
  for (let n = 0; n < quarter; n++) [right, down] = [scale(down, -1), right];
  return { ...axes, right, down, normal };
}

export function planeAxes(geometry: GridGeometry, plane: Plane, slice = 0): PlaneAxes {
  if (isGrid(geometry) && (plane === "axial" || plane === "coronal" || plane === "sagittal")) {
    return viewPlanes(geometry)[plane];
  }
  if (!isGrid(geometry)) return viewPlanes(geometry, slice).axial;
  // A flat grid shows its stored slices, whichever way they lie in the patient.
  return Object.values(viewPlanes(geometry)).find((view) => view.axis === 0)!;
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
 * The frame of slice `slice` (0-based along the plane's grid axis).
 *
 * On a grid the frame's centre is the volume centre moved along the plane's normal, so anatomy
 * stands still while scrolling, on tilted (sheared) grids too; on a stack it is the plane's own.
 */
export function sliceFrame(
  geometry: GridGeometry, plane: Plane, slice: number, pane: string = plane, turn: Turn = NO_TURN,
): SliceFrame {
  const { axis, right, down, normal } = turned(planeAxes(geometry, plane, slice), turn);
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
    pane, plane, axis, right, down, normal, slice, centre, uAxis, vAxis, uStep, vStep,
    count: geometry.shape[axis],
    thickness: isGrid(geometry) ? Math.abs(dot(steps[axis], normal)) : 0,
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

// Free planes ------------------------------------------------------------------------------------

/** Rotate a vector by a unit quaternion (x, y, z, w). */
export function rotate([x, y, z, w]: Quaternion, v: Vec3): Vec3 {
  const axis: Vec3 = [x, y, z];
  const t = scale(cross(axis, v), 2);
  return add(add(v, scale(t, w)), cross(axis, t));
}

/** The rotation that does `b` first and then `a`. */
export function multiply(a: Quaternion, b: Quaternion): Quaternion {
  const [ax, ay, az, aw] = a;
  const [bx, by, bz, bw] = b;
  const q = [
    aw * bx + ax * bw + ay * bz - az * by,
    aw * by - ax * bz + ay * bw + az * bx,
    aw * bz + ax * by - ay * bx + az * bw,
    aw * bw - ax * bx - ay * by - az * bz,
  ] as const;
  const size = Math.hypot(...q);
  return [q[0] / size, q[1] / size, q[2] / size, q[3] / size];
}

export function turnAbout(axis: Vec3, radians: number): Quaternion {
  const [x, y, z] = scale(unit(axis), Math.sin(radians / 2));
  return [x, y, z, Math.cos(radians / 2)];
}

/** The rotation that takes the patient's axes to right, down and their normal. */
export function rotationOf(right: Vec3, down: Vec3): Quaternion {
  const third = cross(right, down);
  const m = [right, down, third] as const; // columns
  const trace = m[0][0] + m[1][1] + m[2][2];
  const candidates = [
    [1 + m[0][0] - m[1][1] - m[2][2], m[1][0] + m[0][1], m[2][0] + m[0][2], m[1][2] - m[2][1]],
    [m[1][0] + m[0][1], 1 - m[0][0] + m[1][1] - m[2][2], m[2][1] + m[1][2], m[2][0] - m[0][2]],
    [m[2][0] + m[0][2], m[2][1] + m[1][2], 1 - m[0][0] - m[1][1] + m[2][2], m[0][1] - m[1][0]],
    [m[1][2] - m[2][1], m[2][0] - m[0][2], m[0][1] - m[1][0], 1 + trace],
  ] as const;
  // The longest of the four equal solutions loses no digits.
  const best = candidates.reduce((a, b) => (Math.hypot(...b) > Math.hypot(...a) ? b : a));
  const size = Math.hypot(...best);
  return [best[0] / size, best[1] / size, best[2] / size, best[3] / size];
}

const PATIENT: Readonly<Record<"axial" | "coronal" | "sagittal", readonly [Vec3, Vec3]>> = {
  axial: [[1, 0, 0], [0, 1, 0]],
  coronal: [[1, 0, 0], [0, 0, -1]],
  sagittal: [[0, 1, 0], [0, 0, -1]],
};

/** The rotation whose planes lie nearest to those of the grid: where turning begins. */
export function gridRotation(geometry: GridGeometry): Quaternion {
  const { right, down } = planeAxes(geometry, "axial");
  return rotationOf(right, down);
}

/**
 * Directions of a turned plane.
 *
 * The rotation decides the plane; on the screen it lies as the patient plane does after the shortest
 * turn there. So turning about a plane's own normal leaves its picture where it is.
 */
export function freeDirections(plane: Plane, rotation: Quaternion): Directions {
  const [right, down] = PATIENT[plane === "coronal" || plane === "sagittal" ? plane : "axial"];
  const upright = cross(right, down);
  const normal = rotate(rotation, upright);
  const swing = shortestTurn(upright, normal) ?? rotation;
  return { right: rotate(swing, right), down: rotate(swing, down), normal };
}

/** The shortest rotation from one unit vector to another; null for opposite ones, which have many. */
function shortestTurn(from: Vec3, to: Vec3): Quaternion | null {
  const w = 1 + dot(from, to);
  if (w < 1e-6) return null;
  const [x, y, z] = cross(from, to);
  const size = Math.hypot(x, y, z, w);
  return [x / size, y / size, z / size, w / size];
}

/**
 * The frame of a free plane through `point` (world).
 *
 * Slices are as far apart as those of the grid that the plane's normal crosses fastest.
 */
export function freeFrame(
  geometry: GridGeometry, plane: Plane, rotation: Quaternion, point: Vec3, pane: string = plane, turn: Turn = NO_TURN,
): FreeFrame {
  const { right, down, normal } = turned(freeDirections(plane, rotation), turn);
  const [nk, nj, ni] = geometry.shape;
  const middle = geometry.toWorld([(nk - 1) / 2, (nj - 1) / 2, (ni - 1) / 2]);
  const edges = ([0, 1, 2] as const).map((axis) => scale(geometry.axisStep(axis), geometry.shape[axis]));
  const span = (v: Vec3): number => edges.reduce((sum, edge) => sum + Math.abs(dot(edge, v)), 0);
  const thickness = 1 / Math.max(...geometry.stepToIndex(normal).map(Math.abs));
  const count = Math.max(1, Math.round(span(normal) / thickness));
  const off = dot(subtract(point, middle), normal);
  const centre = add(middle, scale(normal, off));
  const flat = (v: Vec3): Pair => [dot(v, right), dot(v, down)];
  return {
    pane, plane, axis: null, right, down, normal, centre, thickness, count,
    slice: Math.min(count - 1, Math.max(0, Math.round(off / thickness + (count - 1) / 2))),
    extent: [span(right), span(down)],
    toPlane: (world) => flat(subtract(world, centre)),
    toWorld: ([x, y]) => add(centre, add(scale(right, x), scale(down, y))),
    toIndex: ([x, y]) => geometry.toIndex(add(centre, add(scale(right, x), scale(down, y)))),
    fromIndex: (index) => flat(subtract(geometry.toWorld(index), centre)),
  };
}

// ------------------------------------------------------------------------------------------------

/** The slice of a plane that holds a world point, clamped to the volume. */
export function sliceAt(geometry: GridGeometry, axis: Axis, world: Vec3): number {
  return clampSlice(geometry, axis, geometry.toIndex(world)[axis]);
}

export function clampSlice(geometry: GridGeometry, axis: Axis, slice: number): number {
  return Math.min(geometry.shape[axis] - 1, Math.max(0, Math.round(slice)));
}

/** Move a world point onto another plane, straight along the normal. */
export function moveToSlice(frame: Frame, target: Frame, world: Vec3): Vec3 {
  return target.toWorld(frame.toPlane(world));
}

/** Angle between two directions, in radians. */
export const angleBetween = (a: Vec3, b: Vec3): number => Math.atan2(length(cross(a, b)), dot(a, b));
