/** Puts slices together that come in parts: a small picture of all of it first, then bands of rows. */

import type { Slice } from "../channel/requests";
import type { DecodePool, Encoded } from "../decode";
import type { TypedArray } from "../model/masks";
import type { Volume } from "./volume";

interface Growing {
  values: TypedArray | null;
  /** Smaller copies; null where the bands do not fit them. */
  copies: TypedArray[] | null;
  /** First and one past the last row of each band that came; null once the copies are filled between them. */
  rows: (readonly [number, number])[] | null;
  /** Parts that came. */
  readonly seen: Set<number>;
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
    if (!growing)
      this.#growing.set(key, (growing = { values: null, copies: null, rows: [], seen: new Set(), done: 0, shown: 0 }));
    if (growing.seen.has(n)) return;
    growing.seen.add(n);
    try {
      const { values, copies } = await this.#decode(volume, slice, first, rows, step);
      if (this.#growing.get(key) !== growing) return;
      if (step > 1) {
        volume.begin(k, step, values);
        growing.shown = performance.now();
        show(false);
        return;
      }
      const whole = this.#put(volume, growing, first, rows, values, copies);
      // The small picture is one of the parts.
      const complete = ++growing.done === count - 1;
      if (complete) {
        this.#growing.delete(key);
        volume.put(k, whole, growing.copies ?? []);
      } else {
        const now = performance.now();
        if (now - growing.shown < SHOW_MS || !volume.partial.has(k) || !growing.copies) return;
        growing.shown = now;
        if (growing.rows) volume.reduced.fill(k, growing.copies, growing.rows);
        growing.rows = null;
        volume.grow(k, growing.copies);
      }
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

  async #decode(
    volume: Volume, slice: Slice, first: number, rows: number, step: number,
  ): Promise<{ values: TypedArray; copies: readonly TypedArray[] }> {
    const { codec, dtype, bytes } = slice;
    const columns = Math.ceil(volume.shape[2] / step);
    const size = Math.ceil(rows / step) * columns * (volume.color ? 3 : 1);
    const encoded: Encoded = { codec, dtype, bytes, size, columns };
    const reduce = step === 1 ? volume.reduce(first, rows) : null;
    let copies: readonly TypedArray[] = [];
    const values = await this.decoder.decode(reduce ? { ...encoded, reduce } : encoded, (made) => (copies = made));
    return { values, copies };
  }

  /** Write rows; returns the slice they are written into. */
  #put(
    volume: Volume, growing: Growing, first: number, rows: number, values: TypedArray, copies: readonly TypedArray[],
  ): TypedArray {
    const [, height, columns] = volume.shape;
    const channels = volume.color ? 3 : 1;
    if (first + rows > height) throw new RangeError("its size does not fit the image");
    if (!growing.values) {
      growing.values = new (values.constructor as new (length: number) => TypedArray)(height * columns * channels);
      growing.copies = volume.reduced.blank();
    }
    growing.values.set(values, first * columns * channels);
    growing.rows?.push([first, first + rows]);
    volume.reduced.levels.forEach(({ factor, shape: [, , wide] }, n) => {
      const part = copies[n];
      if (part) growing.copies?.[n]?.set(part, (first / factor) * wide * channels);
      else growing.copies = null;
    });
    return growing.values;
  }
}
