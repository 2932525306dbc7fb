/** Voxels joined to a point: on a slice or a turned plane for the fill tool, inside a brush for the adaptive one. */
import { dot, subtract, withAxis, type Axis, type Vec3 } from "../model/geometry";
import type { IndexBox } from "../model/protocol";
import type { Frame, SliceFrame } from "./frame";
import { halfVoxel, type Lattice, type Region } from "./region";

/**
 * The 4-connected part of a `columns` × `rows` plane that holds (u, v), row by row; null where (u, v) is not in it.
 *
 * `may` is asked at most a few times for each place, along u within a row.
 */
export function flood(
  columns: number, rows: number, u: number, v: number, may: (u: number, v: number) => boolean,
): Uint8Array | null {
  if (u < 0 || v < 0 || u >= columns || v >= rows || !may(u, v)) return null;
  const inside = new Uint8Array(columns * rows);
  // 1: inside, 2: asked and not.
  const test = (x: number, y: number): boolean => {
    const at = y * columns + x;
    if (inside[at] === 0 && !may(x, y)) inside[at] = 2;
    return inside[at] === 0;
  };
  const stack = [u, v];
  while (stack.length > 0) {
    const y = stack.pop()!;
    const x = stack.pop()!;
    if (inside[y * columns + x] !== 0) continue;
    let left = x;
    let right = x;
    while (left > 0 && test(left - 1, y)) left--;
    while (right < columns - 1 && test(right + 1, y)) right++;
    inside.fill(1, y * columns + left, y * columns + right + 1);
    for (const next of [y - 1, y + 1]) {
      if (next < 0 || next >= rows) continue;
      let open = false;
      for (let n = left; n <= right; n++) {
        const free = test(n, next);
        if (free && !open) stack.push(n, next);
        open = free;
      }
    }
  }
  for (let n = 0; n < inside.length; n++) if (inside[n] === 2) inside[n] = 0;
  return inside;
}

/** A plane of flags as a region of the grid. */
export function planeRegion(frame: SliceFrame, shape: Vec3, inside: Uint8Array): Region | null {
  const columns = shape[frame.uAxis];
  const rows = shape[frame.vAxis];
  let [left, right, top, bottom] = [columns, -1, rows, -1];
  for (let v = 0, at = 0; v < rows; v++) for (let u = 0; u < columns; u++, at++) {
    if (inside[at] !== 1) continue;
    [left, right] = [Math.min(left, u), Math.max(right, u)];
    [top, bottom] = [Math.min(top, v), v];
  }
  if (right < 0) return null;
  const place = (u: number, v: number, slice: number): Vec3 =>
    withAxis(withAxis(withAxis([0, 0, 0], frame.axis, slice), frame.uAxis, u), frame.vAxis, v);
  const box: IndexBox = [place(left, top, frame.slice), place(right + 1, bottom + 1, frame.slice + 1)];
  const [[, j0, i0], [, j1, i1]] = box;
  // Step in the plane for one voxel along an axis.
  const pitch = (axis: Axis): number => (axis === frame.uAxis ? 1 : axis === frame.vAxis ? columns : 0);
  const [pk, pj, pi] = [pitch(0), pitch(1), pitch(2)];
  return {
    box,
    fill(k, flags) {
      let to = 0;
      for (let j = j0; j < j1; j++) for (let i = i0; i < i1; i++) flags[to++] = inside[k * pk + j * pj + i * pi]!;
    },
  };
}

/** Voxels that count as cut though the plane misses them by this part of their height: rounding. */
const HAIR = 1e-9;

/**
 * The voxels that a turned plane cuts and that are joined over faces to `start`, through those that `may` be taken
 * (flat offset in slice k). Two voxels that are cut share a face just where their sections share an edge on the plane.
 */
export function flatFlood(
  lattice: Lattice, frame: Frame, start: Vec3, may: (k: number, at: number) => boolean,
): Region | null {
  const { steps, shape } = lattice;
  const rise = steps.map((step) => dot(step, frame.normal));
  const far = halfVoxel(lattice, frame.normal) * (1 + HAIR);
  const height = dot(subtract(lattice.origin, frame.centre), frame.normal);
  // Of a row along the axis that leaves the plane fastest at most four voxels are cut: that keeps the table small.
  const axis = ([0, 1, 2] as const).reduce<Axis>((best, n) => (Math.abs(rise[n]!) > Math.abs(rise[best]!) ? n : best), 0);
  const [u, v] = ([0, 1, 2] as const).filter((n) => n !== axis) as [Axis, Axis];
  const reach = far / Math.abs(rise[axis]!);
  const depth = Math.floor(2 * reach) + 2;
  const asked = new Uint8Array(shape[u] * shape[v] * depth);
  const found = new Map<number, number[]>();
  const low = [...start];
  const high = [...start];
  const stack: number[] = [];
  const visit = (k: number, j: number, i: number): void => {
    if (k < 0 || j < 0 || i < 0 || k >= shape[0] || j >= shape[1] || i >= shape[2]) return;
    const index = [k, j, i] as const;
    const across = height + index[u] * rise[u]! + index[v] * rise[v]!;
    if (Math.abs(across + index[axis] * rise[axis]!) > far) return;
    const first = Math.ceil(-across / rise[axis]! - reach);
    const place = (index[v] * shape[u] + index[u]) * depth + index[axis] - first;
    if (asked[place] === 1) return;
    asked[place] = 1;
    const at = j * shape[2] + i;
    if (!may(k, at)) return;
    const slice = found.get(k);
    if (slice) slice.push(at);
    else found.set(k, [at]);
    for (const n of [0, 1, 2] as const) {
      if (index[n] < low[n]!) low[n] = index[n];
      if (index[n] > high[n]!) high[n] = index[n];
    }
    stack.push(k, j, i);
  };
  visit(start[0], start[1], start[2]);
  while (stack.length > 0) {
    const i = stack.pop()!;
    const j = stack.pop()!;
    const k = stack.pop()!;
    visit(k, j, i - 1), visit(k, j, i + 1);
    visit(k, j - 1, i), visit(k, j + 1, i);
    visit(k - 1, j, i), visit(k + 1, j, i);
  }
  if (found.size === 0) return null;
  const [k0, j0, i0] = low as [number, number, number];
  const columns = high[2]! + 1 - i0;
  return {
    box: [[k0, j0, i0], [high[0]! + 1, high[1]! + 1, high[2]! + 1]],
    fill(k, flags) {
      for (const at of found.get(k) ?? []) flags[(Math.floor(at / shape[2]) - j0) * columns + (at % shape[2]) - i0] = 1;
    },
  };
}

/** The part of a region that `seeds` reach over faces, through voxels that `may` be taken (flat offset in slice k). */
export function connected(
  region: Region, seeds: readonly Vec3[], may: (k: number, at: number) => boolean, rowLength: number,
): Region | null {
  const [[k0, j0, i0], [k1, j1, i1]] = region.box;
  const columns = i1 - i0;
  const layer = (j1 - j0) * columns;
  const flags = new Uint8Array((k1 - k0) * layer);
  for (let k = k0; k < k1; k++) region.fill(k, flags.subarray((k - k0) * layer, (k - k0 + 1) * layer));
  const free = (at: number): boolean => {
    if (flags[at] !== 1) return false;
    const k = Math.floor(at / layer);
    const j = Math.floor((at - k * layer) / columns);
    const i = at - k * layer - j * columns;
    flags[at] = may(k + k0, (j + j0) * rowLength + i + i0) ? 2 : 0;
    return flags[at] === 2;
  };
  const stack: number[] = [];
  for (const [k, j, i] of seeds) {
    if (k < k0 || k >= k1 || j < j0 || j >= j1 || i < i0 || i >= i1) continue;
    const at = (k - k0) * layer + (j - j0) * columns + i - i0;
    if (free(at)) stack.push(at);
  }
  if (stack.length === 0) return null;
  while (stack.length > 0) {
    const at = stack.pop()!;
    const inLayer = at % layer;
    const column = inLayer % columns;
    if (column > 0 && free(at - 1)) stack.push(at - 1);
    if (column < columns - 1 && free(at + 1)) stack.push(at + 1);
    if (inLayer >= columns && free(at - columns)) stack.push(at - columns);
    if (inLayer < layer - columns && free(at + columns)) stack.push(at + columns);
    if (at >= layer && free(at - layer)) stack.push(at - layer);
    if (at < flags.length - layer && free(at + layer)) stack.push(at + layer);
  }
  return {
    box: region.box,
    fill(k, out) {
      const from = (k - k0) * layer;
      for (let n = 0; n < layer; n++) out[n] = flags[from + n] === 2 ? 1 : 0;
    },
  };
}
