/** Cubes of 8³ voxels and the range of values in them: empty ones are skipped. */
import type { Vec3 } from "../model/geometry";
import { appliedToStep, applied, type Field, type Matrix } from "./field";
import { entryOf, TABLE, type Table } from "./transfer";

export const CELL = 8;

export interface Cells {
  /** (x, y, z) */
  readonly size: Vec3;
  /** Least and largest value in a cell and its neighbours, in the stored unit. */
  readonly low: Float32Array;
  readonly high: Float32Array;
}

export function cellsSize(size: Vec3): Vec3 {
  return [Math.ceil(size[0] / CELL), Math.ceil(size[1] / CELL), Math.ceil(size[2] / CELL)];
}

export function cellsOf(field: Field): Cells {
  const size = cellsSize(field.size);
  const [cx, cy, cz] = size;
  const [nx, ny, nz] = field.size;
  const { values, slope, intercept } = field.copy;
  const low = new Float32Array(cx * cy * cz).fill(Infinity);
  const high = new Float32Array(cx * cy * cz).fill(-Infinity);
  for (let z = 0, at = 0; z < nz; z++) {
    for (let y = 0; y < ny; y++) {
      const row = ((z >> 3) * cy + (y >> 3)) * cx;
      for (let x0 = 0, c = row; x0 < nx; x0 += CELL, c++) {
        const end = Math.min(x0 + CELL, nx);
        let [a, b] = [low[c]!, high[c]!];
        for (let x = x0; x < end; x++) {
          const value = values[at++]!;
          if (value < a) a = value;
          if (value > b) b = value;
        }
        low[c] = a;
        high[c] = b;
      }
    }
  }
  for (let n = 0; n < low.length; n++) {
    low[n] = low[n]! * slope + intercept;
    high[n] = high[n]! * slope + intercept;
  }
  // A sample near a face of a cell reaches into the next one.
  return { size, low: spread(low, size, Math.min), high: spread(high, size, Math.max) };
}

/** Each cell gets the least (or largest) value of itself and its neighbours. */
export function spread(from: Float32Array, [nx, ny, nz]: Vec3, choose: (a: number, b: number) => number): Float32Array {
  let now = from;
  for (const [stride, count] of [[1, nx], [nx, ny], [nx * ny, nz]] as const) {
    const next = now.slice();
    for (let n = 0; n < now.length; n++) {
      const place = Math.floor(n / stride) % count;
      if (place > 0) next[n] = choose(next[n]!, now[n - stride]!);
      if (place < count - 1) next[n] = choose(next[n]!, now[n + stride]!);
    }
    now = next;
  }
  return now;
}

/**
 * Two bytes for each cell: whether it can be seen at all; the largest entry of the table in it, rounded
 * up to 255 steps (of a projection, where the table need not be opaque).
 */
export function visible(cells: Cells, table: Table, also: Uint8Array | null): Uint8Array {
  const out = new Uint8Array(cells.low.length * 2);
  for (let n = 0; n < cells.low.length; n++) {
    const first = Math.floor(entryOf(table, cells.low[n]!));
    const last = Math.ceil(entryOf(table, cells.high[n]!));
    const solid = table.solid[last + 1]! > table.solid[first]!;
    out[2 * n] = solid || also?.[n] ? 255 : 0;
    out[2 * n + 1] = also?.[n] ? 255 : Math.ceil((last / (TABLE - 1)) * 255);
  }
  return out;
}

/** Mark the cells that a layer on another grid fills with values from `lower` on. */
export function markLayer(out: Uint8Array, base: Field, layer: Field, cells: Cells, toLayer: Matrix, lower: number): void {
  const [nx, ny, nz] = cellsSize(base.size);
  const step: Vec3 = [CELL / base.size[0], CELL / base.size[1], CELL / base.size[2]];
  const sides = [[step[0], 0, 0], [0, step[1], 0], [0, 0, step[2]]] as const;
  const half = [0, 1, 2].map((n) => sides.reduce((sum, side) => sum + Math.abs(appliedToStep(toLayer, side)[n]!), 0) / 2);
  for (let z = 0, c = 0; z < nz; z++)
    for (let y = 0; y < ny; y++)
      for (let x = 0; x < nx; x++, c++) {
        if (out[c]) continue;
        const middle = applied(toLayer, [(x + 0.5) * step[0], (y + 0.5) * step[1], (z + 0.5) * step[2]]);
        const from: number[] = [];
        const to: number[] = [];
        for (let n = 0; n < 3; n++) {
          const scale = layer.size[n]! / CELL;
          from[n] = Math.max(0, Math.floor((middle[n]! - half[n]!) * scale));
          to[n] = Math.min(cells.size[n]! - 1, Math.floor((middle[n]! + half[n]!) * scale));
        }
        if (reaches(cells, from, to, lower)) out[c] = 1;
      }
}

function reaches({ size, high }: Cells, from: number[], to: number[], lower: number): boolean {
  for (let z = from[2]!; z <= to[2]!; z++)
    for (let y = from[1]!; y <= to[1]!; y++)
      for (let x = from[0]!; x <= to[0]!; x++) if (high[(z * size[1] + y) * size[0] + x]! > lower) return true;
  return false;
}
