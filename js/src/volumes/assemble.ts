/** Puts slices together that come in parts: a coarse picture of all of it first, then bands of rows. */

import type { Slice } from "../channel/requests";
import type { DecodePool } from "../decode";
import type { TypedArray } from "../model/masks";
import type { Volume } from "./volume";

interface Growing {
  values: TypedArray | null;
  /** Parts that came. */
  readonly seen: Set<number>;
  /** Rows that are final: [first, end]. */
  readonly rows: [number, number][];
  done: number;
  shown: number;
}

/** A picture is not drawn anew for each of its bands: that costs more than decoding them. */
const SHOW_MS = 150;

/** Slices of the volumes of one viewer that are on their way in parts. */
export class Assembly {
  readonly #growing = new Map<string, Growing>();

  constructor(readonly decoder: DecodePool) {}

  /**
   * Take one part; `show` is called when there is something new to see, with true where the slice is
   * complete. Throws where a part cannot be decoded.
   */
  async take(volume: Volume, k: number, slice: Slice, show: (complete: boolean) => void): Promise<void> {
    if (!slice.band) return;
    const [n, count, first, rows, step] = slice.band;
    const key = `${volume.image.id}/${volume.frame}/${k}`;
    let growing = this.#growing.get(key);
    if (!growing) this.#growing.set(key, (growing = { values: null, seen: new Set(), rows: [], done: 0, shown: 0 }));
    if (growing.seen.has(n)) return;
    growing.seen.add(n);
    try {
      const values = await this.#decode(volume, slice, rows, step);
      if (this.#growing.get(key) !== growing) return;
      this.#put(volume, growing, values, step > 1 ? null : [first, first + rows]);
      growing.done++;
      const complete = growing.done === count;
      const now = performance.now();
      if (!complete && step === 1 && now - growing.shown < SHOW_MS) return;
      growing.shown = now;
      if (complete) this.#growing.delete(key);
      if (growing.values) volume.put(k, growing.values, !complete);
      show(complete);
    } catch (error) {
      this.#growing.delete(key);
      throw error;
    }
  }

  /** Forget the parts of a slice that is not awaited any more. */
  forget(volume: Volume, k: number): void {
    this.#growing.delete(`${volume.image.id}/${volume.frame}/${k}`);
  }

  clear(): void {
    this.#growing.clear();
  }

  async #decode(volume: Volume, slice: Slice, rows: number, step: number): Promise<TypedArray> {
    const { codec, dtype, bytes } = slice;
    const [, , columns] = volume.shape;
    const channels = volume.color ? 3 : 1;
    const size = Math.ceil(rows / step) * Math.ceil(columns / step) * channels;
    const encoded = { codec, dtype, bytes, size, columns: Math.ceil(columns / step) };
    return this.decoder.decode(step === 1 ? encoded : { ...encoded, enlarge: { rows, columns, step, channels } });
  }

  /** Write rows; a coarse picture (null) leaves those alone that are final. */
  #put(volume: Volume, growing: Growing, values: TypedArray, rows: [number, number] | null): void {
    const [, height, columns] = volume.shape;
    const line = columns * (volume.color ? 3 : 1);
    if (rows) {
      if (rows[1] > height) throw new RangeError("its size does not fit the image");
      growing.rows.push(rows);
      growing.values ??= new (values.constructor as new (length: number) => TypedArray)(height * line);
      growing.values.set(values, rows[0] * line);
      return;
    }
    if (values.length !== height * line) throw new RangeError("its size does not fit the image");
    const before = growing.values;
    if (before) for (const [first, end] of growing.rows) values.set(before.subarray(first * line, end * line), first * line);
    growing.values = values;
  }
}
