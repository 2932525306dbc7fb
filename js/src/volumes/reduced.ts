/** Smaller copies of large slices, drawn where a pixel of the screen covers several of the image. */

import { Changes } from "../model/masks";
import type { SliceStore, TypedArray } from "../model/masks";
import type { Dtype, Triple } from "../model/protocol";

/** Slices of fewer pixels have no copies. */
const LARGE = 2 ** 20;
/** A copy has at least so many pixels on its longer side. */
const LEAST_SIDE = 128;
/** Large slices come in bands that begin at multiples of this. */
const MOST = 16;
const SMALL = ["uint8", "int8", "uint16", "int16"];

/** By how much the slices of an image are made smaller: powers of two; none where they stay as they are. */
export function factorsOf([, rows, columns]: Triple, dtype: Dtype): readonly number[] {
  if (rows * columns < LARGE || !SMALL.includes(dtype)) return [];
  return [2, 4, 8, MOST].filter((factor) => Math.max(rows, columns) / factor >= LEAST_SIDE);
}

/** All slices of a frame at one size: voxel p is the mean of p * factor … p * factor + factor - 1, along j and i. */
export class Level implements SliceStore {
  readonly shape: Triple;
  /** The part of the grid that the image covers: not whole where the last blocks are not. */
  readonly extent: Triple;
  readonly #slices = new Map<number, TypedArray>();
  readonly #changes = new Changes();

  constructor(
    [slices, rows, columns]: Triple,
    readonly dtype: Dtype,
    readonly color: boolean,
    readonly factor: number,
    readonly partial: ReadonlySet<number>,
    readonly failed: ReadonlyMap<number, string>,
  ) {
    this.shape = [slices, Math.ceil(rows / factor), Math.ceil(columns / factor)];
    this.extent = [slices, rows / factor, columns / factor];
  }

  get version(): number {
    return this.#changes.version;
  }
  /** Number of values of a slice. */
  get size(): number {
    return this.shape[1] * this.shape[2] * (this.color ? 3 : 1);
  }
  slice(k: number): TypedArray | undefined {
    return this.#slices.get(k);
  }
  changedSince(version: number): number[] | "all" {
    return this.#changes.since(version);
  }
  put(k: number, values: TypedArray): void {
    this.#slices.set(k, values);
    this.#changes.mark([k]);
  }
  drop(k: number): void {
    if (this.#slices.delete(k)) this.#changes.mark([k]);
  }
  clear(): void {
    this.#slices.clear();
    this.#changes.markAll();
  }
}

/** The smaller copies of the slices of one frame. */
export class Reduced {
  /** One for each factor, the finest first. */
  readonly levels: readonly Level[];
  readonly factors: readonly number[];
  #small: Level | null = null;

  constructor(
    readonly shape: Triple,
    readonly dtype: Dtype,
    readonly color: boolean,
    /** Slices of which only a small picture or some rows are here. */
    readonly partial: ReadonlySet<number>,
    readonly failed: ReadonlyMap<number, string>,
  ) {
    this.factors = factorsOf(shape, dtype);
    this.levels = this.factors.map((factor) => this.#level(factor));
  }

  /** The small picture that comes before the rows of a large slice; null where there was none yet. */
  get small(): Level | null {
    return this.#small;
  }

  /** Take the small picture of slice k; throws RangeError where its size is wrong. */
  begin(k: number, factor: number, values: TypedArray): void {
    if (this.#small?.factor !== factor) this.#small = this.#level(factor);
    if (values.length !== this.#small.size) throw new RangeError("a small picture has another size");
    this.#small.put(k, values);
  }

  /** Take the copies of slice k, one for each factor; `complete`: of all its rows. */
  put(k: number, copies: readonly TypedArray[], complete: boolean): void {
    this.levels.forEach((level, n) => copies[n] && level.put(k, copies[n]));
    if (complete) this.#small?.drop(k);
  }

  /** Copies to write rows into. */
  blank(): TypedArray[] {
    return this.levels.map(({ size }) => new ARRAYS[this.dtype as Short](size));
  }

  /** Write the small picture of slice k into copies, but for these rows [first, end) of the slice, which are there. */
  fill(k: number, copies: readonly TypedArray[], there: readonly (readonly [number, number])[]): void {
    const small = this.#small;
    const from = small?.slice(k);
    if (!small || !from) return;
    this.levels.forEach((level, n) => {
      const rows = there.map(([first, end]) => [first / level.factor, Math.ceil(end / level.factor)] as const);
      enlarge(level, copies[n]!, small, from, rows);
    });
  }

  /**
   * What to draw of slices first…last where a pixel of the screen covers `step` voxels: the smallest copy that
   * is finer than the screen; while the slices are on their way, what is here. Null: the slices themselves.
   */
  pick(step: number, [first, last]: readonly [number, number], complete: boolean): Level | null {
    const has = (level: Level | null): boolean => {
      for (let k = first; k <= last; k++) if (!level?.slice(k)) return false;
      return true;
    };
    const most = complete ? step : Math.max(step, 2);
    // A hair more, for the sums of steps are not exact.
    const fit = this.levels.filter((level) => level.factor <= most * (1 + 1e-9) && has(level)).at(-1);
    return fit ?? (!complete && has(this.#small) ? this.#small : null);
  }

  drop(k: number): void {
    for (const level of this.levels) level.drop(k);
    this.#small?.drop(k);
  }

  clear(): void {
    for (const level of this.levels) level.clear();
    this.#small?.clear();
  }

  #level(factor: number): Level {
    return new Level(this.shape, this.dtype, this.color, factor, this.partial, this.failed);
  }
}

type Short = "uint8" | "int8" | "uint16" | "int16";
const ARRAYS = { uint8: Uint8Array, int8: Int8Array, uint16: Uint16Array, int16: Int16Array };

/** Write the nearest pixels of a small picture at the places of a copy, but for rows that are there. */
function enlarge(
  level: Level, out: TypedArray, small: Level, from: TypedArray, there: readonly (readonly [number, number])[],
): void {
  const [, rows, columns] = level.shape;
  const [, high, wide] = small.shape;
  const channels = level.color ? 3 : 1;
  const line = columns * channels;
  const at = (n: number, most: number): number => Math.min(most - 1, Math.floor(((n + 0.5) * level.factor) / small.factor));
  const across = new Int32Array(line);
  for (let n = 0; n < line; n++) across[n] = at(Math.floor(n / channels), wide) * channels + (n % channels);
  for (let row = 0; row < rows; row++) {
    if (there.some(([first, end]) => row >= first && row < end)) continue;
    const start = row * line;
    const source = at(row, high) * wide * channels;
    for (let n = 0; n < line; n++) out[start + n] = from[source + across[n]!]!;
  }
}
