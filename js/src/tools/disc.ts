/** Which voxels of a slice a round brush touches. */
import type { Pair } from "./frame.js";

/** The in-plane part of a slice frame that covering a path needs. */
export interface PlaneGrid {
  readonly uStep: Pair;
  readonly vStep: Pair;
  /** Plane mm of voxel (u, v) = (0, 0). */
  readonly zero: Pair;
  readonly columns: number;
  readonly rows: number;
}

/** Squared distance from a point to the segment a–b. */
export function distanceSquared(p: Pair, a: Pair, b: Pair): number {
  const dx = b[0] - a[0];
  const dy = b[1] - a[1];
  const along = dx * dx + dy * dy;
  let t = along === 0 ? 0 : ((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / along;
  t = t < 0 ? 0 : t > 1 ? 1 : t;
  const ex = p[0] - a[0] - t * dx;
  const ey = p[1] - a[1] - t * dy;
  return ex * ex + ey * ey;
}

/**
 * Call `paint(u, v)` for every voxel whose centre is within `radius` mm of the path a–b.
 *
 * The distance is measured in the plane in mm, so the brush is round on anisotropic and sheared
 * grids. Voxels that the path itself runs through are always covered: a brush finer than a voxel
 * still draws.
 */
export function coverPath(
  grid: PlaneGrid, a: Pair, b: Pair, radius: number, paint: (u: number, v: number) => void,
): void {
  const { uStep, vStep, zero, columns, rows } = grid;
  const det = uStep[0] * vStep[1] - uStep[1] * vStep[0];
  const toU = (x: number, y: number): number => (x * vStep[1] - y * vStep[0]) / det;
  const toV = (x: number, y: number): number => (y * uStep[0] - x * uStep[1]) / det;
  const from: Pair = [toU(a[0] - zero[0], a[1] - zero[1]), toV(a[0] - zero[0], a[1] - zero[1])];
  const to: Pair = [toU(b[0] - zero[0], b[1] - zero[1]), toV(b[0] - zero[0], b[1] - zero[1])];
  // How far the disc reaches along each grid axis, in voxels.
  const reachU = (radius * Math.hypot(vStep[0], vStep[1])) / Math.abs(det);
  const reachV = (radius * Math.hypot(uStep[0], uStep[1])) / Math.abs(det);
  const u0 = Math.max(0, Math.ceil(Math.min(from[0], to[0]) - reachU));
  const u1 = Math.min(columns - 1, Math.floor(Math.max(from[0], to[0]) + reachU));
  const v0 = Math.max(0, Math.ceil(Math.min(from[1], to[1]) - reachV));
  const v1 = Math.min(rows - 1, Math.floor(Math.max(from[1], to[1]) + reachV));
  const limit = radius * radius;
  for (let v = v0; v <= v1; v++) {
    for (let u = u0; u <= u1; u++) {
      const x = zero[0] + u * uStep[0] + v * vStep[0];
      const y = zero[1] + u * uStep[1] + v * vStep[1];
      if (distanceSquared([x, y], a, b) <= limit) paint(u, v);
    }
  }
  for (const [u, v] of voxelsUnder(from, to)) {
    if (u >= 0 && v >= 0 && u < columns && v < rows) paint(u, v);
  }
}

/** Voxels that a path in voxel coordinates passes, sampled every half voxel. */
export function voxelsUnder(from: Pair, to: Pair): Pair[] {
  const steps = Math.ceil(2 * Math.max(Math.abs(to[0] - from[0]), Math.abs(to[1] - from[1])));
  const out: Pair[] = [];
  for (let n = 0; n <= steps; n++) {
    const t = steps === 0 ? 0 : n / steps;
    out.push([
      Math.round(from[0] + t * (to[0] - from[0])),
      Math.round(from[1] + t * (to[1] - from[1])),
    ]);
  }
  return out;
}
