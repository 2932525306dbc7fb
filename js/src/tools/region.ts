/** Which voxels lie in a brush or in an outline: solids in mm, scanned row by row of the grid. */
import { cross, dot, length, scale, subtract, unit, type GridGeometry, type Vec3 } from "../model/geometry";
import type { IndexBox } from "../model/protocol";
import type { Frame, Pair } from "./frame";

type Three<T> = readonly [T, T, T];

/** Voxels of a region, slice by slice along k. */
export interface Region {
  /** Half-open voxel bounds (k, j, i), within the grid. */
  readonly box: IndexBox;
  /** Set to 1 what lies inside in slice k; `flags` are the (j, i) of the box, all 0 before. */
  fill(k: number, flags: Uint8Array): void;
}

/** Where voxel centres are: origin + k·steps[0] + j·steps[1] + i·steps[2], world mm. */
export class Lattice {
  /** How the index grows along each axis for a mm of world. */
  readonly rows: Three<Vec3>;

  constructor(readonly origin: Vec3, readonly steps: Three<Vec3>, readonly shape: Vec3) {
    const [a, b, c] = steps;
    const volume = dot(a, cross(b, c));
    this.rows = [scale(cross(b, c), 1 / volume), scale(cross(c, a), 1 / volume), scale(cross(a, b), 1 / volume)];
  }

  /** Continuous index of a world point. */
  index(world: Vec3): Vec3 {
    const from = subtract(world, this.origin);
    return [dot(this.rows[0], from), dot(this.rows[1], from), dot(this.rows[2], from)];
  }
}

/** The lattice of a grid; of a stack that of one plane, whose k step is its normal. */
export function latticeOf(geometry: GridGeometry, plane: number): Lattice {
  if (geometry.kind === "grid") {
    const steps: Three<Vec3> = [geometry.axisStep(0), geometry.axisStep(1), geometry.axisStep(2)];
    return new Lattice(geometry.toWorld([0, 0, 0]), steps, geometry.shape);
  }
  const { origin, row_step, column_step } = geometry.plane(plane);
  const normal = unit(cross(column_step, row_step));
  return new Lattice(subtract(origin, scale(normal, plane)), [normal, row_step, column_step], geometry.shape);
}

/** First and last voxel along each axis. */
export type Limits = Three<readonly [number, number]>;

export const wholeGrid = ({ shape }: Lattice): Limits => [[0, shape[0] - 1], [0, shape[1] - 1], [0, shape[2] - 1]];

/** The slice that a frame shows; the whole grid for a free plane. */
export function frameLimits(lattice: Lattice, frame: Frame): Limits {
  const [k, j, i] = wholeGrid(lattice);
  const only = [frame.slice, frame.slice] as const;
  if (frame.axis === null) return [k, j, i];
  return frame.axis === 0 ? [only, j, i] : frame.axis === 1 ? [k, only, i] : [k, j, only];
}

/** Half of what a voxel measures across a plane: the voxels nearer than that are cut by it. */
export const halfVoxel = ({ steps }: Lattice, normal: Vec3): number =>
  steps.reduce((sum, step) => sum + Math.abs(dot(step, normal)), 0) / 2;

/** Voxels by which rounding may miss a border. */
const SLIVER = 1e-6;

/** Bounds within limits of what reaches from `low` to `high`; null where nothing is left. */
function bounded(limits: Limits, low: readonly number[], high: readonly number[]): IndexBox | null {
  const from = limits.map(([first], n) => Math.max(first, Math.ceil(low[n]! - SLIVER)));
  const to = limits.map(([, last], n) => Math.min(last, Math.floor(high[n]! + SLIVER)) + 1);
  if (from.some((start, n) => start >= to[n]!)) return null;
  return [[from[0]!, from[1]!, from[2]!], [to[0]!, to[1]!, to[2]!]];
}

// Tubes -------------------------------------------------------------------------------------------

/** All points within `radius` mm of the line from a to b. */
export interface Tube {
  readonly a: Vec3;
  readonly b: Vec3;
  readonly radius: number;
  /** Distances are measured across this unit vector, and reach `half` mm along it; null: in space. */
  readonly normal: Vec3 | null;
  readonly half: number;
}

/** An interval of a row, intersected and joined. */
class Span {
  low = 0;
  high = -1;

  /** Where a·x² + 2·b·x + c <= 0, for a >= 0. */
  within(a: number, b: number, c: number): this {
    if (a < 1e-14) return this.set(c <= 0 ? -Infinity : 0, c <= 0 ? Infinity : -1);
    const root = b * b - a * c;
    return root < 0 ? this.set(0, -1) : this.set((-b - Math.sqrt(root)) / a, (-b + Math.sqrt(root)) / a);
  }

  set(low: number, high: number): this {
    this.low = low;
    this.high = high;
    return this;
  }

  /** Keep what has low <= start + x·step <= high. */
  clip(start: number, step: number, low: number, high: number): this {
    if (Math.abs(step) < 1e-12) return start >= low && start <= high ? this : this.set(0, -1);
    const one = (low - start) / step;
    const two = (high - start) / step;
    return this.set(Math.max(this.low, Math.min(one, two)), Math.min(this.high, Math.max(one, two)));
  }

  /** The hull of both: the parts of a convex solid touch. */
  join(other: Span): this {
    if (other.low > other.high) return this;
    if (this.low > this.high) return this.set(other.low, other.high);
    return this.set(Math.min(this.low, other.low), Math.max(this.high, other.high));
  }
}

const flat = (v: Vec3, normal: Vec3 | null): Vec3 => (normal ? subtract(v, scale(normal, dot(v, normal))) : v);

function tubeBox(lattice: Lattice, limits: Limits, { a, b, radius, normal, half }: Tube): IndexBox | null {
  const [from, to] = [lattice.index(a), lattice.index(b)];
  const reach = lattice.rows.map((row) => {
    const along = normal ? Math.abs(dot(row, normal)) : 0;
    return radius * length(flat(row, normal)) + (along > 1e-9 * length(row) ? half * along : 0);
  });
  return bounded(
    limits, reach.map((far, n) => Math.min(from[n]!, to[n]!) - far), reach.map((far, n) => Math.max(from[n]!, to[n]!) + far),
  );
}

/** The voxels of a tube whose centres lie in it; null where there are none near. */
export function tubeRegion(lattice: Lattice, limits: Limits, tube: Tube): Region | null {
  const { a, b, radius, normal, half } = tube;
  const box = tubeBox(lattice, limits, tube);
  if (!box) return null;
  const [[, j0, i0], [, j1, i1]] = box;
  const step = flat(lattice.steps[2], normal);
  const axis = flat(subtract(b, a), normal);
  const size = dot(axis, axis);
  const r2 = radius * radius;
  const ss = dot(step, step);
  const sAxis = size > 0 ? dot(step, axis) / size : 0;
  const across = subtract(step, scale(axis, sAxis));
  const [span, part] = [new Span(), new Span()];
  const acrossAcross = dot(across, across);
  const rise = normal ? dot(lattice.steps[2], normal) : 0;
  const row = (k: number, j: number): Span => {
    const from = subtract(placeOf(lattice, k, j), a);
    const p = flat(from, normal);
    span.within(ss, dot(p, step), dot(p, p) - r2);
    if (size > 0) {
      const q = subtract(p, axis);
      span.join(part.within(ss, dot(q, step), dot(q, q) - r2));
      const t = dot(p, axis) / size;
      const side = subtract(p, scale(axis, t));
      span.join(part.within(acrossAcross, dot(side, across), dot(side, side) - r2).clip(t, sAxis, 0, 1));
    }
    // A plane halfway between two layers of voxels cuts one of them.
    return normal ? span.clip(dot(from, normal), rise, -half * (1 + 1e-7), half * (1 - 1e-7)) : span;
  };
  return {
    box,
    fill(k, flags) {
      for (let j = j0; j < j1; j++) {
        const { low, high } = row(k, j);
        const first = Math.max(i0, Math.ceil(low - SLIVER));
        const last = Math.min(i1 - 1, Math.floor(high + SLIVER));
        if (first <= last) flags.fill(1, (j - j0) * (i1 - i0) + first - i0, (j - j0) * (i1 - i0) + last - i0 + 1);
      }
    },
  };
}

function placeOf({ origin, steps: [a, b] }: Lattice, k: number, j: number): Vec3 {
  return [
    origin[0] + k * a[0] + j * b[0], origin[1] + k * a[1] + j * b[1], origin[2] + k * a[2] + j * b[2],
  ];
}

/** Voxels that a line from a to b passes, sampled every half voxel, within limits. */
export function voxelsUnder(lattice: Lattice, limits: Limits, a: Vec3, b: Vec3): Vec3[] {
  const [from, to] = [lattice.index(a), lattice.index(b)];
  const steps = Math.ceil(2 * Math.max(...from.map((x, n) => Math.abs(to[n]! - x))));
  const out: Vec3[] = [];
  for (let n = 0; n <= steps; n++) {
    const t = steps === 0 ? 0 : n / steps;
    const [k, j, i] = from.map((x, m) => Math.round(x + t * (to[m]! - x) + 1e-9)) as [number, number, number];
    const last = out.at(-1);
    const inside = [k, j, i].every((x, m) => x >= limits[m]![0] && x <= limits[m]![1]);
    if (inside && !(last && last[0] === k && last[1] === j && last[2] === i)) out.push([k, j, i]);
  }
  return out;
}

/** A region and some voxels more. */
export function withVoxels(region: Region | null, voxels: readonly Vec3[]): Region | null {
  if (voxels.length === 0) return region;
  const first = voxels[0]!;
  const [low, high] = region?.box ?? [first, first];
  const at = (pick: (...x: number[]) => number, start: Vec3, more: number): Vec3 =>
    [0, 1, 2].map((n) => pick(start[n]!, ...voxels.map((one) => one[n]! + more))) as unknown as Vec3;
  const box: IndexBox = [at(Math.min, low, 0), at(Math.max, high, 1)];
  const [[, j0, i0], [, , i1]] = box;
  const inner = region && spread(region, box);
  return {
    box,
    fill(k, flags) {
      inner?.(k, flags);
      for (const [kk, j, i] of voxels) if (kk === k) flags[(j - j0) * (i1 - i0) + i - i0] = 1;
    },
  };
}

/** Fills the flags of a larger box. */
function spread(region: Region, box: IndexBox): Region["fill"] {
  const [[k0, j0, i0], [k1, j1, i1]] = region.box;
  const columns = i1 - i0;
  const part = new Uint8Array((j1 - j0) * columns);
  const [[, top, left], [, , right]] = box;
  return (k, flags) => {
    if (k < k0 || k >= k1) return;
    part.fill(0);
    region.fill(k, part);
    for (let j = j0; j < j1; j++) {
      flags.set(part.subarray((j - j0) * columns, (j - j0 + 1) * columns), (j - top) * (right - left) + i0 - left);
    }
  };
}

/** All voxels within limits but those of a region. */
export function outsideOf(region: Region | null, limits: Limits): Region {
  const box: IndexBox = [
    [limits[0][0], limits[1][0], limits[2][0]], [limits[0][1] + 1, limits[1][1] + 1, limits[2][1] + 1],
  ];
  const inner = region && spread(region, box);
  return {
    box,
    fill(k, flags) {
      inner?.(k, flags);
      for (let n = 0; n < flags.length; n++) flags[n] = flags[n] === 0 ? 1 : 0;
    },
  };
}

// Outlines ----------------------------------------------------------------------------------------

/** What lies inside a closed outline (mm of a frame) by the even-odd rule, `depth` mm along the normal. */
export interface Prism {
  readonly frame: Frame;
  readonly outline: readonly Pair[];
  readonly depth: readonly [number, number];
}

/** How far the grid reaches along a frame's normal, mm from its centre. */
export function depthOf({ origin, steps, shape }: Lattice, { normal, centre }: Frame): readonly [number, number] {
  let low = dot(subtract(origin, centre), normal);
  let high = low;
  steps.forEach((step, n) => {
    const along = dot(step, normal) * (shape[n]! - 1);
    low += Math.min(0, along);
    high += Math.max(0, along);
  });
  return [low - 1e-6, high + 1e-6];
}

function prismBox(lattice: Lattice, limits: Limits, { frame, outline, depth }: Prism): IndexBox | null {
  const { centre, right, down, normal } = frame;
  const xs = outline.map(([x]) => x);
  const ys = outline.map(([, y]) => y);
  const corners = [Math.min(...xs), Math.max(...xs)].flatMap((x) => [Math.min(...ys), Math.max(...ys)].flatMap((y) =>
    depth.map((z): Vec3 => lattice.index([0, 1, 2].map((n) =>
      centre[n]! + right[n]! * x + down[n]! * y + normal[n]! * z) as unknown as Vec3))));
  const end = (pick: (...x: number[]) => number): number[] => [0, 1, 2].map((n) => pick(...corners.map((one) => one[n]!)));
  return bounded(limits, end(Math.min), end(Math.max));
}

/** The voxels of a prism whose centres lie in it; null where there are none near. */
export function prismRegion(lattice: Lattice, limits: Limits, prism: Prism): Region | null {
  const { frame, outline, depth } = prism;
  const box = outline.length < 3 ? null : prismBox(lattice, limits, prism);
  if (!box) return null;
  const [[, j0, i0], [, j1, i1]] = box;
  const columns = i1 - i0;
  const onPlane = (v: Vec3): Pair => [dot(v, frame.right), dot(v, frame.down)];
  const [sk, sj, si] = lattice.steps.map(onPlane) as [Pair, Pair, Pair];
  const zero = onPlane(subtract(lattice.origin, frame.centre));
  const rise = lattice.steps.map((step) => dot(step, frame.normal));
  const base = dot(subtract(lattice.origin, frame.centre), frame.normal);
  // A slice of the grid is in the plane by its number; a free plane takes what is near enough.
  const thin = frame.axis === null;
  const scan = new Scan(outline, si);
  const still = (step: Pair): boolean => Math.hypot(...step) < 1e-7;
  const same = still(sk) && !thin;
  let kept: Uint8Array | null = null;
  const row = (k: number, j: number, flags: Uint8Array, at: number): void => {
    scan.row(zero[0] + k * sk[0] + j * sj[0], zero[1] + k * sk[1] + j * sj[1], i0, i1, flags, at);
    if (!thin) return;
    const start = base + k * rise[0]! + j * rise[1]!;
    for (let n = 0; n < columns; n++) {
      const far = start + (i0 + n) * rise[2]!;
      if (far < depth[0] || far >= depth[1]) flags[at + n] = 0;
    }
  };
  return {
    box,
    fill(k, flags) {
      if (same && kept) return flags.set(kept);
      row(k, j0, flags, 0);
      for (let j = j0 + 1; j < j1; j++) {
        if (still(sj) && !thin) flags.copyWithin((j - j0) * columns, 0, columns);
        else row(k, j, flags, (j - j0) * columns);
      }
      if (same) kept = flags.slice();
    },
  };
}

/** Even-odd filling of rows that all run in one direction of the plane. */
class Scan {
  readonly #x: Float64Array;
  readonly #y: Float64Array;
  readonly #step: Pair;
  readonly #point: boolean;
  readonly #cuts: number[] = [];

  constructor(outline: readonly Pair[], step: Pair) {
    const size = Math.hypot(step[0], step[1]);
    // Rows that stand upright on the plane are a point of it.
    this.#point = size < 1e-7;
    this.#step = this.#point ? [1, 0] : [step[0] / size / size, step[1] / size / size];
    this.#x = Float64Array.from(outline, ([x, y]) => this.#along(x, y));
    this.#y = Float64Array.from(outline, ([x, y]) => this.#across(x, y));
  }

  #along(x: number, y: number): number {
    return x * this.#step[0] + y * this.#step[1];
  }

  #across(x: number, y: number): number {
    return y * this.#step[0] - x * this.#step[1];
  }

  /** Fill flags[at + i - i0] of the row whose voxel i = 0 lies at (x, y). */
  row(x: number, y: number, i0: number, i1: number, flags: Uint8Array, at: number): void {
    const cuts = this.#cut(this.#across(x, y));
    const start = this.#along(x, y);
    if (this.#point) {
      if (cuts.filter((cut) => cut > start).length % 2 === 1) flags.fill(1, at, at + i1 - i0);
      return;
    }
    for (let n = 0; n + 1 < cuts.length; n += 2) {
      const first = Math.max(i0, Math.ceil(cuts[n]! - start));
      const last = Math.min(i1 - 1, Math.floor(cuts[n + 1]! - start));
      if (first <= last) flags.fill(1, at + first - i0, at + last - i0 + 1);
    }
  }

  #cut(level: number): number[] {
    const [xs, ys, cuts] = [this.#x, this.#y, this.#cuts];
    cuts.length = 0;
    for (let n = 0, m = xs.length - 1; n < xs.length; m = n++) {
      if (ys[n]! <= level === ys[m]! <= level) continue;
      cuts.push(xs[n]! + ((level - ys[n]!) * (xs[m]! - xs[n]!)) / (ys[m]! - ys[n]!));
    }
    return cuts.sort((a, b) => a - b);
  }
}

/** Whether a closed outline crosses itself. */
export function crossesItself(outline: readonly Pair[]): boolean {
  const n = outline.length;
  const side = (a: Pair, b: Pair, c: Pair): number => (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
  for (let one = 0; one < n; one++) {
    const [a, b] = [outline[one]!, outline[(one + 1) % n]!];
    for (let two = one + 2; two < n; two++) {
      if (one === 0 && two === n - 1) continue;
      const [c, d] = [outline[two]!, outline[(two + 1) % n]!];
      if (side(a, b, c) * side(a, b, d) < 0 && side(c, d, a) * side(c, d, b) < 0) return true;
    }
  }
  return false;
}
