/**
 * Where voxels are: `index` is (k, j, i) with voxel centres at integers, `world` is LPS (x, y, z) in mm.
 */

export type Vec3 = readonly [number, number, number];
export type Axis = 0 | 1 | 2;
export type View = "axial" | "coronal" | "sagittal";

export interface PlaneMeta {
  readonly origin: Vec3;
  readonly row_step: Vec3;
  readonly column_step: Vec3;
}
export interface RegularMeta {
  readonly kind: "grid";
  readonly affine: readonly (readonly number[])[];
  readonly shape: Vec3;
}
export interface StackMeta {
  readonly kind: "stack";
  readonly planes: readonly PlaneMeta[];
  readonly shape: Vec3;
  readonly unit: "mm" | "px";
  readonly patient_space: boolean;
}
export type GridMeta = RegularMeta | StackMeta;

/** How one anatomical view lies in the grid; right x down = normal, which points away from the viewer. */
export interface ViewPlane {
  /** The grid axis one scrolls along. */
  readonly axis: Axis;
  readonly right: Vec3;
  readonly down: Vec3;
  readonly normal: Vec3;
}

export const add = (a: Vec3, b: Vec3): Vec3 => [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
export const subtract = (a: Vec3, b: Vec3): Vec3 => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
export const scale = (a: Vec3, s: number): Vec3 => [a[0] * s, a[1] * s, a[2] * s];
export const dot = (a: Vec3, b: Vec3): number => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
export const cross = (a: Vec3, b: Vec3): Vec3 => [
  a[1] * b[2] - a[2] * b[1],
  a[2] * b[0] - a[0] * b[2],
  a[0] * b[1] - a[1] * b[0],
];
export const length = (a: Vec3): number => Math.hypot(a[0], a[1], a[2]);
export const unit = (a: Vec3): Vec3 => scale(a, 1 / length(a));
export const withAxis = (a: Vec3, axis: Axis, value: number): Vec3 => [
  axis === 0 ? value : a[0],
  axis === 1 ? value : a[1],
  axis === 2 ? value : a[2],
];

/** An affine map from index to world, kept as its three columns and the rows of the inverse. */
class Frame {
  readonly inverse: readonly [Vec3, Vec3, Vec3];

  constructor(
    readonly origin: Vec3,
    readonly columns: readonly [Vec3, Vec3, Vec3],
  ) {
    const [a, b, c] = columns;
    const volume = dot(a, cross(b, c));
    if (!(Math.abs(volume) > 1e-12 * length(a) * length(b) * length(c)))
      throw new RangeError("The geometry is singular: its three axes do not span space.");
    this.inverse = [
      scale(cross(b, c), 1 / volume),
      scale(cross(c, a), 1 / volume),
      scale(cross(a, b), 1 / volume),
    ];
  }

  step(index: Vec3): Vec3 {
    const [a, b, c] = this.columns;
    return add(add(scale(a, index[0]), scale(b, index[1])), scale(c, index[2]));
  }

  unstep(world: Vec3): Vec3 {
    const [a, b, c] = this.inverse;
    return [dot(a, world), dot(b, world), dot(c, world)];
  }
}

function framesOf(meta: GridMeta): Frame[] {
  if (meta.kind === "grid") {
    const column = (n: number): Vec3 => [
      meta.affine[0]?.[n] ?? NaN,
      meta.affine[1]?.[n] ?? NaN,
      meta.affine[2]?.[n] ?? NaN,
    ];
    return [new Frame(column(3), [column(0), column(1), column(2)])];
  }
  // The k column of a single plane is its unit normal: index k is then the plane number plus mm off the plane.
  return meta.planes.map((p) => {
    const normal = unit(cross(p.column_step, p.row_step));
    return new Frame(p.origin, [normal, p.row_step, p.column_step]);
  });
}

/** The geometry of an image: a regular (possibly sheared) grid, or a stack of free planes. */
export class GridGeometry {
  readonly shape: Vec3;
  readonly kind: "grid" | "stack";
  readonly unit: "mm" | "px";
  /** False for a plain picture: no left, right, front or back is known. */
  readonly patientSpace: boolean;
  private readonly frames: readonly Frame[];

  constructor(meta: GridMeta) {
    this.shape = [meta.shape[0], meta.shape[1], meta.shape[2]];
    this.kind = meta.kind;
    this.unit = meta.kind === "stack" ? meta.unit : "mm";
    this.patientSpace = meta.kind === "grid" || meta.patient_space;
    this.frames = framesOf(meta);
    if (this.frames.length === 0) throw new RangeError("The geometry has no planes.");
  }

  private frame(k: number): Frame {
    if (this.kind === "grid") return this.frames[0]!;
    const n = Math.min(Math.max(Math.floor(k + 0.5), 0), this.frames.length - 1);
    return this.frames[n]!;
  }

  /** Step lengths along (k, j, i), in mm (or px). */
  get spacing(): Vec3 {
    const [a, b, c] = this.frame(0).columns;
    const planes = this.kind === "stack" && this.frames.length > 1;
    const along = planes ? subtract(this.frames[1]!.origin, this.frames[0]!.origin) : a;
    return [length(along), length(b), length(c)];
  }

  /** World point of an index; in a stack k is taken to the nearest plane. */
  toWorld(index: Vec3): Vec3 {
    const frame = this.frame(index[0]);
    const k = this.kind === "grid" ? index[0] : 0;
    return add(frame.origin, frame.step([k, index[1], index[2]]));
  }

  /** Index of a world point; in a stack that of the nearest plane, `near` deciding between equally near ones. */
  toIndex(world: Vec3, near = 0): Vec3 {
    if (this.kind === "grid") {
      const frame = this.frames[0]!;
      return frame.unstep(subtract(world, frame.origin));
    }
    const start = Math.min(Math.max(Math.round(near), 0), this.frames.length - 1);
    const at = (k: number): Vec3 => {
      const frame = this.frames[k]!;
      return frame.unstep(subtract(world, frame.origin));
    };
    let best = start;
    let found = at(start);
    for (let k = 0; k < this.frames.length; k++) {
      const index = at(k);
      if (Math.abs(index[0]) < Math.abs(found[0]) - 1e-6) [best, found] = [k, index];
    }
    return [best, found[1], found[2]];
  }

  /** World change for a change of index; `k` names the plane of a stack. */
  stepToWorld(step: Vec3, k = 0): Vec3 {
    return this.frame(k).step(this.kind === "grid" ? step : [0, step[1], step[2]]);
  }

  /** Index change for a change of world; `k` names the plane of a stack, whose planes have no k step. */
  stepToIndex(step: Vec3, k = 0): Vec3 {
    const index = this.frame(k).unstep(step);
    return this.kind === "grid" ? index : [0, index[1], index[2]];
  }

  /** Origin and steps of slice k, all in world. */
  plane(k: number): PlaneMeta {
    const [, row, column] = this.frame(k).columns;
    return { origin: this.toWorld([k, 0, 0]), row_step: row, column_step: column };
  }

  /** World direction in which the grid axis grows (not normalised). */
  axisStep(axis: Axis, k = 0): Vec3 {
    return this.frame(k).columns[axis];
  }
}

const orthogonal = (a: Vec3, along: Vec3): Vec3 => unit(subtract(a, scale(along, dot(a, along))));

function viewPlane(axis: Axis, right: Vec3, second: Vec3): ViewPlane {
  const down = orthogonal(second, right);
  return { axis, right, down, normal: cross(right, down) };
}

/** Which grid axis each of axial, coronal, sagittal scrolls along: the best of the six assignments. */
function assignAxes(geometry: GridGeometry): readonly [Axis, Axis, Axis] {
  const step = (axis: Axis): Vec3 => geometry.axisStep(axis);
  const normals = [
    unit(cross(step(1), step(2))),
    unit(cross(step(2), step(0))),
    unit(cross(step(0), step(1))),
  ] as const;
  const orders: (readonly [Axis, Axis, Axis])[] = [
    [0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0],
  ];
  let best = orders[0]!;
  let most = -1;
  for (const order of orders) {
    const fit =
      Math.abs(normals[order[0]][2]) + Math.abs(normals[order[1]][1]) + Math.abs(normals[order[2]][0]);
    if (fit > most + 1e-9) [best, most] = [order, fit];
  }
  return best;
}

const SCREEN: Record<View, readonly [Vec3, Vec3]> = {
  axial: [[1, 0, 0], [0, 1, 0]],
  coronal: [[1, 0, 0], [0, 0, -1]],
  sagittal: [[0, 1, 0], [0, 0, -1]],
};

function gridView(geometry: GridGeometry, view: View, axis: Axis): ViewPlane {
  const [wantRight, wantDown] = SCREEN[view];
  const [a, b] = axis === 0 ? ([1, 2] as const) : axis === 1 ? ([0, 2] as const) : ([0, 1] as const);
  const ua = unit(geometry.axisStep(a));
  const ub = unit(geometry.axisStep(b));
  const direct = Math.abs(dot(ua, wantRight)) + Math.abs(dot(ub, wantDown));
  const swapped = Math.abs(dot(ub, wantRight)) + Math.abs(dot(ua, wantDown));
  const [across, along] = direct > swapped + 1e-9 ? [ua, ub] : [ub, ua];
  const right = dot(across, wantRight) < 0 ? scale(across, -1) : across;
  return viewPlane(axis, right, dot(along, wantDown) < 0 ? scale(along, -1) : along);
}

/**
 * Return how the three anatomical views lie in the grid.
 *
 * The planes follow the grid, so an oblique series is not resampled; each grid axis is used once. A
 * stack has one view only (all three names give it): its plane `k` as stored.
 */
export function viewPlanes(geometry: GridGeometry, k = 0): Record<View, ViewPlane> {
  if (geometry.kind === "stack") {
    const plane = geometry.plane(k);
    const only = viewPlane(0, unit(plane.column_step), plane.row_step);
    return { axial: only, coronal: only, sagittal: only };
  }
  const [axial, coronal, sagittal] = assignAxes(geometry);
  return {
    axial: gridView(geometry, "axial", axial),
    coronal: gridView(geometry, "coronal", coronal),
    sagittal: gridView(geometry, "sagittal", sagittal),
  };
}

/** Letters of a world direction, strongest first: "L", "SA"; parts under about 14 degrees are left out. */
export function letters(direction: Vec3): string {
  const size = length(direction);
  if (!(size > 0)) return "";
  const names = [["L", "R"], ["P", "A"], ["S", "I"]] as const;
  return direction
    .map((part, n) => ({ part: part / size, n }))
    .filter(({ part }) => Math.abs(part) >= 0.25)
    .sort((a, b) => Math.abs(b.part) - Math.abs(a.part) || a.n - b.n)
    .map(({ part, n }) => names[n]![part > 0 ? 0 : 1])
    .join("");
}
