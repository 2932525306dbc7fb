/** Affine maps between the worlds of two images: 4 × 4, row by row, LPS mm. */
import { cross, dot, scale, type Vec3 } from "./geometry";

export type Matrix = readonly number[];

export const IDENTITY: Matrix = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];

const row = (m: Matrix, n: number): Vec3 => [m[4 * n]!, m[4 * n + 1]!, m[4 * n + 2]!];

/** The image of a direction: no shift. */
export function moveStep(m: Matrix, v: Vec3): Vec3 {
  return [dot(row(m, 0), v), dot(row(m, 1), v), dot(row(m, 2), v)];
}

export function movePoint(m: Matrix, p: Vec3): Vec3 {
  const [x, y, z] = moveStep(m, p);
  return [x + m[3]!, y + m[7]!, z + m[11]!];
}

/** `b` first, then `a`. */
export function compose(a: Matrix, b: Matrix): Matrix {
  const columns = ([0, 1, 2] as const).map((n) => moveStep(a, [b[n]!, b[4 + n]!, b[8 + n]!]));
  const shift = movePoint(a, [b[3]!, b[7]!, b[11]!]);
  return [0, 1, 2].flatMap((r) => [columns[0]![r]!, columns[1]![r]!, columns[2]![r]!, shift[r]!]).concat([0, 0, 0, 1]);
}

/** The map back, or null where there is none. */
export function inverse(m: Matrix): Matrix | null {
  if (m.length !== 16 || !m.every(Number.isFinite) || m[12] !== 0 || m[13] !== 0 || m[14] !== 0 || m[15] !== 1) return null;
  const [a, b, c] = [row(m, 0), row(m, 1), row(m, 2)];
  const det = dot(a, cross(b, c));
  const size = Math.hypot(...a) * Math.hypot(...b) * Math.hypot(...c);
  if (!(Math.abs(det) > 1e-9 * size)) return null;
  const columns = [scale(cross(b, c), 1 / det), scale(cross(c, a), 1 / det), scale(cross(a, b), 1 / det)] as const;
  const shift: Vec3 = [m[3]!, m[7]!, m[11]!];
  const rows = [0, 1, 2].map((r): Vec3 => [columns[0][r]!, columns[1][r]!, columns[2][r]!]);
  return rows.flatMap((one) => [...one, -dot(one, shift)]).concat([0, 0, 0, 1]);
}
