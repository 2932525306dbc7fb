/** Segments of all masks as one surface: a smoothed "is anything here" and the colour at each voxel. */
import type { Vec3 } from "../model/geometry";
import type { TypedArray } from "../model/masks";
import { CELL, cellsSize, spread } from "./cells";
import type { Rgb } from "./transfer";

export interface MaskCopy {
  readonly values: TypedArray;
  /** Colours of the values that are shown. */
  readonly colors: ReadonlyMap<number, Rgb>;
}

export interface Surface {
  /** (x, y, z) */
  readonly size: Vec3;
  /** Smoothed; the surface is where it passes ISO. */
  readonly occupancy: Uint8Array;
  /** Number in the palette; 0 is nothing. */
  readonly colors: Uint8Array;
  /** 256 × red, green, blue, 255. */
  readonly palette: Uint8Array;
  /** Whether a cell (and its neighbours) holds any. */
  readonly cells: Uint8Array;
}

export const ISO = 100;
/** Keeps what is one voxel thin and would be smoothed away. */
const THIN = 116;

/** The later mask lies over the earlier one. Null where nothing is shown. */
export function surfaceOf(size: Vec3, masks: readonly MaskCopy[]): Surface | null {
  const [nx, ny, nz] = size;
  const total = nx * ny * nz;
  const colors = new Uint8Array(total);
  const palette = new Uint8Array(256 * 4);
  const known = new Map<string, number>();
  const numberOf = (color: Rgb): number => {
    const key = color.join();
    // More than 255 different colours: they come again.
    const number = known.get(key) ?? (known.size % 255) + 1;
    if (!known.has(key)) palette.set([...color, 255], number * 4);
    known.set(key, number);
    return number;
  };
  const low: [number, number, number] = [nx, ny, nz];
  const high: [number, number, number] = [-1, -1, -1];
  for (const mask of masks) {
    if (mask.values.length !== total) continue;
    const numbers = new Uint8Array(65536);
    for (const [value, color] of mask.colors) numbers[value] = numberOf(color);
    for (let z = 0, at = 0; z < nz; z++)
      for (let y = 0; y < ny; y++)
        for (let x = 0; x < nx; x++, at++) {
          const value = mask.values[at]!;
          if (value === 0 || numbers[value] === 0) continue;
          colors[at] = numbers[value]!;
          if (x < low[0]) low[0] = x;
          if (y < low[1]) low[1] = y;
          if (z < low[2]) low[2] = z;
          if (x > high[0]) high[0] = x;
          if (y > high[1]) high[1] = y;
          if (z > high[2]) high[2] = z;
        }
  }
  if (high[0] < 0) return null;
  const box = [0, 1, 2].map((n) => [Math.max(0, low[n]! - 3), Math.min(size[n]! - 1, high[n]! + 3)] as const);
  const occupancy = smoothed(colors, size, box);
  const cells = filledCells(colors, size);
  grow(colors, size, box);
  grow(colors, size, box);
  return { size, occupancy, colors, palette, cells };
}

type Ranges = readonly (readonly [number, number])[];

function smoothed(colors: Uint8Array, size: Vec3, box: Ranges): Uint8Array {
  const out = new Uint8Array(colors.length);
  for (let n = 0; n < colors.length; n++) if (colors[n]) out[n] = 255;
  const strides = [1, size[0], size[0] * size[1]];
  for (let pass = 0; pass < 2; pass++)
    for (let axis = 0; axis < 3; axis++) blurAlong(out, strides, box, axis);
  for (let n = 0; n < colors.length; n++) if (colors[n] && out[n]! < THIN) out[n] = THIN;
  return out;
}

/** Weights 1 2 1 along one axis, in place. */
function blurAlong(values: Uint8Array, strides: readonly number[], box: Ranges, axis: number): void {
  const [u, v] = [(axis + 1) % 3, (axis + 2) % 3];
  const stride = strides[axis]!;
  const [first, last] = box[axis]!;
  for (let a = box[u]![0]; a <= box[u]![1]; a++)
    for (let b = box[v]![0]; b <= box[v]![1]; b++) {
      let at = a * strides[u]! + b * strides[v]! + first * stride;
      let before = values[at]!;
      for (let n = first; n <= last; n++, at += stride) {
        const here = values[at]!;
        const after = n < last ? values[at + stride]! : here;
        values[at] = (before + 2 * here + after + 2) >> 2;
        before = here;
      }
    }
}

/** Give empty voxels the colour of a neighbour, so that colour is found where the surface bulges out. */
function grow(colors: Uint8Array, [nx, ny, nz]: Vec3, box: Ranges): void {
  const from = colors.slice();
  const [sy, sz] = [nx, nx * ny];
  for (let z = box[2]![0]; z <= box[2]![1]; z++)
    for (let y = box[1]![0]; y <= box[1]![1]; y++)
      for (let x = box[0]![0]; x <= box[0]![1]; x++) {
        const at = z * sz + y * sy + x;
        if (from[at]) continue;
        colors[at] =
          (x > 0 && from[at - 1]) || (x < nx - 1 && from[at + 1]) ||
          (y > 0 && from[at - sy]) || (y < ny - 1 && from[at + sy]) ||
          (z > 0 && from[at - sz]) || (z < nz - 1 && from[at + sz]) || 0;
      }
}

function filledCells(colors: Uint8Array, size: Vec3): Uint8Array {
  const cells = cellsSize(size);
  const found = new Float32Array(cells[0] * cells[1] * cells[2]);
  for (let z = 0, at = 0; z < size[2]; z++)
    for (let y = 0; y < size[1]; y++) {
      const row = (Math.floor(z / CELL) * cells[1] + Math.floor(y / CELL)) * cells[0];
      for (let x = 0; x < size[0]; x++, at++) if (colors[at]) found[row + (x >> 3)] = 1;
    }
  return Uint8Array.from(spread(found, cells, Math.max));
}
