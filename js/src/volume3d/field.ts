/** A down-sampled copy as the ray caster sees it: values, and maps between world and texture coordinates. */
import type { Vec3 } from "../model/geometry";
import type { TypedArray } from "../model/masks";

/** 4 x 4, row by row. */
export type Matrix = readonly number[];
/** Two opposite corners, inclusive voxel numbers of the full grid are whole, faces of voxels at halves. */
export type Box = readonly [Vec3, Vec3];

export const IDENTITY: Matrix = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];

/** What a copy must tell; nbannot's previews do. */
export interface Copy {
  readonly shape: Vec3;
  readonly values: TypedArray;
  readonly affine: readonly (readonly number[])[];
  readonly factors: Vec3;
  readonly slope: number;
  readonly intercept: number;
}

export function times(a: Matrix, b: Matrix): Matrix {
  return Array.from({ length: 16 }, (_, n) => {
    const row = n & 12;
    const column = n & 3;
    return a[row]! * b[column]! + a[row + 1]! * b[column + 4]! + a[row + 2]! * b[column + 8]! + a[row + 3]! * b[column + 12]!;
  });
}

export function applied(m: Matrix, [x, y, z]: Vec3): Vec3 {
  return [
    m[0]! * x + m[1]! * y + m[2]! * z + m[3]!,
    m[4]! * x + m[5]! * y + m[6]! * z + m[7]!,
    m[8]! * x + m[9]! * y + m[10]! * z + m[11]!,
  ];
}

/** The same without the shift. */
export function appliedToStep(m: Matrix, [x, y, z]: Vec3): Vec3 {
  return [
    m[0]! * x + m[1]! * y + m[2]! * z,
    m[4]! * x + m[5]! * y + m[6]! * z,
    m[8]! * x + m[9]! * y + m[10]! * z,
  ];
}

/** Inverse of an affine map; throws RangeError where there is none. */
export function inverted(m: Matrix): Matrix {
  const [a, b, c, , d, e, f, , g, h, i] = m as number[];
  const A = e! * i! - f! * h!;
  const B = f! * g! - d! * i!;
  const C = d! * h! - e! * g!;
  const det = a! * A + b! * B + c! * C;
  if (!(Math.abs(det) > 1e-30)) throw new RangeError("this map cannot be inverted");
  const r = [
    A, c! * h! - b! * i!, b! * f! - c! * e!,
    B, a! * i! - c! * g!, c! * d! - a! * f!,
    C, b! * g! - a! * h!, a! * e! - b! * d!,
  ].map((value) => value / det);
  const t = [m[3]!, m[7]!, m[11]!] as const;
  const shift = (n: number): number => -(r[n]! * t[0] + r[n + 1]! * t[1] + r[n + 2]! * t[2]);
  return [
    r[0]!, r[1]!, r[2]!, shift(0),
    r[3]!, r[4]!, r[5]!, shift(3),
    r[6]!, r[7]!, r[8]!, shift(6),
    0, 0, 0, 1,
  ];
}

/**
 * A copy with its place. Texture coordinates are (x, y, z) along (i, j, k), 0 and 1 at the outer faces
 * of the first and the last voxel.
 */
export class Field {
  /** (x, y, z) = (i, j, k) */
  readonly size: Vec3;
  readonly toWorld: Matrix;
  readonly toTexture: Matrix;
  /** Shortest step between voxels, mm. */
  readonly step: number;
  readonly min: number;
  readonly max: number;

  constructor(readonly copy: Copy) {
    const [nk, nj, ni] = copy.shape;
    this.size = [ni, nj, nk];
    const column = (n: number): Vec3 => [copy.affine[0]![n]!, copy.affine[1]![n]!, copy.affine[2]![n]!];
    const [k, j, i, o] = [column(0), column(1), column(2), column(3)];
    this.step = Math.min(...[k, j, i].map((v) => Math.hypot(...v)));
    const row = (n: 0 | 1 | 2): number[] => [
      i[n] * ni, j[n] * nj, k[n] * nk, o[n] - (i[n] + j[n] + k[n]) / 2,
    ];
    this.toWorld = [...row(0), ...row(1), ...row(2), 0, 0, 0, 1];
    this.toTexture = inverted(this.toWorld);
    let [low, high] = [Infinity, -Infinity];
    const { values } = copy;
    for (let n = 0; n < values.length; n++) {
      const value = values[n]!;
      if (value < low) low = value;
      if (value > high) high = value;
    }
    this.min = low <= high ? low * copy.slope + copy.intercept : 0;
    this.max = low <= high ? high * copy.slope + copy.intercept : 0;
  }

  /** Texture coordinates of an index (k, j, i) of the full grid. */
  ofIndex([k, j, i]: Vec3): Vec3 {
    const { factors } = this.copy;
    return [
      (i + 0.5) / (this.size[0] * factors[2]),
      (j + 0.5) / (this.size[1] * factors[1]),
      (k + 0.5) / (this.size[2] * factors[0]),
    ];
  }

  /** Value in the stored unit at texture coordinates, as the GPU interpolates it. */
  sample(p: Vec3): number {
    const { values, slope, intercept } = this.copy;
    return interpolated(values, this.size, p) * slope + intercept;
  }
}

export function interpolated(values: ArrayLike<number>, size: Vec3, p: Vec3): number {
  const low: number[] = [];
  const high: number[] = [];
  const part: number[] = [];
  for (let n = 0; n < 3; n++) {
    const x = Math.min(Math.max(p[n]! * size[n]! - 0.5, 0), size[n]! - 1);
    low[n] = Math.floor(x);
    high[n] = Math.min(low[n]! + 1, size[n]! - 1);
    part[n] = x - low[n]!;
  }
  const [w, wh] = [size[0], size[0] * size[1]];
  const row = (z: number, y: number): number => {
    const at = z * wh + y * w;
    return values[at + low[0]!]! * (1 - part[0]!) + values[at + high[0]!]! * part[0]!;
  };
  const plane = (z: number): number => row(z, low[1]!) * (1 - part[1]!) + row(z, high[1]!) * part[1]!;
  return plane(low[2]!) * (1 - part[2]!) + plane(high[2]!) * part[2]!;
}

/** The crop box in texture coordinates, kept inside the full grid of this shape (k, j, i). */
export function cropIn(field: Field, shape: Vec3, crop: Box | null): Box {
  const clamp = (n: 0 | 1 | 2, value: number): number => Math.min(Math.max(value, -0.5), shape[n] - 0.5);
  const [a, b]: Box = crop ?? [[-0.5, -0.5, -0.5], [shape[0] - 0.5, shape[1] - 0.5, shape[2] - 0.5]];
  const corner = (v: Vec3): Vec3 => field.ofIndex([clamp(0, v[0]), clamp(1, v[1]), clamp(2, v[2])]);
  const [p, q] = [corner(a), corner(b)];
  return [
    [Math.min(p[0], q[0]), Math.min(p[1], q[1]), Math.min(p[2], q[2])],
    [Math.max(p[0], q[0]), Math.max(p[1], q[1]), Math.max(p[2], q[2])],
  ];
}

/** Where a ray o + t d enters and leaves a box; null where it passes by. */
export function crossing(o: Vec3, d: Vec3, [low, high]: Box): readonly [number, number] | null {
  let [near, far] = [-Infinity, Infinity];
  for (let n = 0; n < 3; n++) {
    if (Math.abs(d[n]!) < 1e-12) {
      if (o[n]! < low[n]! || o[n]! > high[n]!) return null;
      continue;
    }
    const a = (low[n]! - o[n]!) / d[n]!;
    const b = (high[n]! - o[n]!) / d[n]!;
    near = Math.max(near, Math.min(a, b));
    far = Math.min(far, Math.max(a, b));
  }
  return near < far ? [near, far] : null;
}
