/** Values of an image inside outlines and at points. Equal to nbannot.model.measures.sampling. */
import type { Axis, Vec3 } from "./geometry";
import { ellipseOf, type Flat } from "./outline";

/** Slice k, row by row; undefined while it is not here. */
export type Slices = (k: number) => ArrayLike<number> | undefined;
/** Pixels of one row, from a column up to but without another. */
export type Run = readonly [y: number, from: number, until: number];

/** A plane this near to a slice, in voxels, is the slice. */
const ON_SLICE = 0.01;

export const NO_VOXEL = "no voxel centre inside";

/** The grid slice that index points lie on; null if they lie on none. */
export function sliceOf(index: readonly Vec3[]): { axis: Axis; number: number } | null {
  for (const axis of [0, 1, 2] as const) {
    const mean = index.reduce((sum, point) => sum + point[axis], 0) / index.length;
    const number = Math.floor(mean + 0.5);
    if (index.every((point) => Math.abs(point[axis] - number) <= ON_SLICE)) return { axis, number };
  }
  return null;
}

const clip = (value: number, most: number): number => Math.min(Math.max(value, 0), most);
const rounded = (value: number): number => Math.floor(value * 1e6 + 0.5) / 1e6;

/**
 * Pixels whose centres lie inside an outline, even-odd; centres at integers. A centre on the outline belongs
 * to what lies on its right and below.
 */
export function insidePolygon(outline: readonly Flat[], size: Flat): readonly Run[] {
  const points = outline.map(([x, y]): Flat => [rounded(x), rounded(y)]);
  const rows = new Map<number, number[]>();
  points.forEach((a, n) => {
    const b = points[(n + 1) % points.length]!;
    const until = clip(Math.ceil(Math.max(a[1], b[1])), size[1]);
    for (let y = clip(Math.ceil(Math.min(a[1], b[1])), size[1]); y < until; y++) {
      const x = a[0] + ((y - a[1]) * (b[0] - a[0])) / (b[1] - a[1]);
      const row = rows.get(y);
      if (row) row.push(x);
      else rows.set(y, [x]);
    }
  });
  const out: Run[] = [];
  for (const [y, cuts] of rows) {
    cuts.sort((a, b) => a - b);
    for (let n = 0; n + 1 < cuts.length; n += 2) {
      const [from, until] = [clip(Math.ceil(cuts[n]! - 1e-9), size[0]), clip(Math.ceil(cuts[n + 1]! - 1e-9), size[0])];
      if (until > from) out.push([y, from, until]);
    }
  }
  return out;
}

/** Pixels whose centres lie in the ellipse of these axis ends, or on it. */
export function insideEllipse(ends: readonly Flat[], size: Flat): readonly Run[] {
  const { centre, u, v } = ellipseOf(ends.map(([x, y]): Vec3 => [x, y, 0]));
  const det = u[0] * v[1] - u[1] * v[0];
  if (Math.abs(det) < 1e-12) return [];
  const [wide, high] = [Math.hypot(u[0], v[0]), Math.hypot(u[1], v[1])];
  const out: Run[] = [];
  const bottom = Math.min(Math.floor(centre[1] + high + 1e-9), size[1] - 1);
  const [left, right] = [Math.max(Math.ceil(centre[0] - wide - 1e-9), 0), Math.min(Math.floor(centre[0] + wide + 1e-9), size[0] - 1)];
  const within = (x: number, y: number): boolean => {
    const [dx, dy] = [x - centre[0], y - centre[1]];
    const s = (dx * v[1] - dy * v[0]) / det;
    const t = (dy * u[0] - dx * u[1]) / det;
    return s * s + t * t <= 1 + 1e-9;
  };
  for (let y = Math.max(Math.ceil(centre[1] - high - 1e-9), 0); y <= bottom; y++) {
    let [from, until] = [left, right + 1];
    while (from < until && !within(from, y)) from++;
    while (until > from && !within(until - 1, y)) until--;
    if (until > from) out.push([y, from, until]);
  }
  return out;
}

/** The values of pixels; null when one is not here yet (undefined). Those outside (null) are left out. */
export function gather(runs: readonly Run[], at: (x: number, y: number) => number | null | undefined): Float64Array | null {
  const out = new Float64Array(runs.reduce((sum, [, from, until]) => sum + until - from, 0));
  let n = 0;
  for (const [y, from, until] of runs)
    for (let x = from; x < until; x++) {
      const value = at(x, y);
      if (value === undefined) return null;
      if (value !== null) out[n++] = value;
    }
  return out.subarray(0, n);
}

/** The value at an index, linear between voxel centres; null outside the image, undefined while slices are missing. */
export function linearAt(slices: Slices, shape: Vec3, index: Vec3): number | null | undefined {
  for (const n of [0, 1, 2] as const) if (index[n] < -0.5 - 1e-9 || index[n] > shape[n] - 0.5 + 1e-9) return null;
  const low = (n: 0 | 1 | 2): number => Math.min(Math.floor(clip(index[n], shape[n] - 1)), Math.max(shape[n] - 2, 0));
  const [k0, j0, i0] = [low(0), low(1), low(2)];
  const [dk, dj, di] = [clip(index[0], shape[0] - 1) - k0, clip(index[1], shape[1] - 1) - j0, clip(index[2], shape[2] - 1) - i0];
  let total = 0;
  for (let corner = 0; corner < 8; corner++) {
    const [k, j, i] = [corner >> 2, (corner >> 1) & 1, corner & 1];
    const weight = (k ? dk : 1 - dk) * (j ? dj : 1 - dj) * (i ? di : 1 - di);
    if (weight === 0) continue;
    const value = slices(k0 + k)?.[(j0 + j) * shape[2] + i0 + i];
    if (value === undefined) return undefined;
    total += weight * value;
  }
  return total;
}

export interface Summary {
  /** Number of voxels inside. */
  readonly count?: number;
  readonly mean?: number;
  /** Of the population. */
  readonly sd?: number;
  readonly min?: number;
  readonly median?: number;
  readonly max?: number;
}

/** What the values are, times a factor. */
export function statistics(values: Float64Array, factor: number): Summary & { note: string } {
  let [sum, spread, low, high] = [0, 0, Infinity, -Infinity];
  let finite = values;
  for (let n = 0; n < values.length; n++) {
    if (Number.isFinite(values[n]!)) continue;
    finite = values.filter(Number.isFinite);
    break;
  }
  const left = values.length - finite.length;
  const note = left > 0 ? `${left} voxels without a value left out` : "";
  const count = finite.length;
  if (count === 0) return { count: values.length, note: note || NO_VOXEL };
  for (let n = 0; n < count; n++) {
    const value = finite[n]!;
    sum += value;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const mean = sum / count;
  for (let n = 0; n < count; n++) spread += (finite[n]! - mean) ** 2;
  const ends = [low * factor, high * factor];
  return {
    count: values.length, mean: mean * factor, sd: Math.sqrt(spread / count) * Math.abs(factor),
    min: Math.min(...ends), median: medianOf(finite.slice()) * factor, max: Math.max(...ends), note,
  };
}

/** The median of values, which are put in another order: as they change with each step of a drag they are not sorted. */
function medianOf(values: Float64Array): number {
  const half = values.length >> 1;
  for (let low = 0, high = values.length - 1; low < high;) {
    const pivot = values[(low + high) >> 1]!;
    let [a, b] = [low, high];
    while (a <= b) {
      while (values[a]! < pivot) a++;
      while (values[b]! > pivot) b--;
      if (a > b) break;
      const one = values[a]!;
      values[a++] = values[b]!;
      values[b--] = one;
    }
    if (half <= b) high = b;
    else if (half >= a) low = a;
    else break;
  }
  if (values.length % 2 === 1) return values[half]!;
  let below = -Infinity;
  for (let n = 0; n < half; n++) if (values[n]! > below) below = values[n]!;
  return (below + values[half]!) / 2;
}
