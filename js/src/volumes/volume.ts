/** One frame of an image, slice by slice. */

import { Changes } from "../model/masks";
import type { SliceStore, TypedArray } from "../model/masks";
import type { Dtype, ImageJson, Triple } from "../model/protocol";

const BYTES: Record<string, number> = { uint8: 1, int8: 1, uint16: 2, int16: 2, int32: 4, uint32: 4, float32: 4 };

/** Bytes of one slice of an image. */
export function sliceBytes(image: ImageJson): number {
  return image.shape[1] * image.shape[2] * (image.color ? 3 : 1) * (BYTES[image.dtype] ?? 4);
}

/** The slices of a frame that are here; empty until they are wanted. */
export class Volume implements SliceStore {
  readonly shape: Triple;
  readonly dtype: Dtype;
  readonly color: boolean;
  /** Bytes of one slice. */
  readonly bytes: number;
  readonly #slices = new Map<number, TypedArray>();
  readonly #changes = new Changes();
  /** Why slices could not be had. */
  readonly failed = new Map<number, string>();
  /** Slices of which only a coarse picture or some rows are here. */
  readonly partial = new Set<number>();
  readonly asked = new Set<number>();
  /** Slices that failed once and are tried again in a moment. */
  readonly later = new Set<number>();

  constructor(
    readonly image: ImageJson,
    readonly frame: number,
  ) {
    this.shape = image.shape;
    this.dtype = image.dtype;
    this.color = image.color;
    this.bytes = sliceBytes(image);
  }

  get version(): number {
    return this.#changes.version;
  }
  /** Number of complete slices. */
  get have(): number {
    return this.#slices.size - this.partial.size;
  }
  /** Bytes held and on their way. */
  get held(): number {
    let count = this.#slices.size;
    for (const k of this.asked) if (!this.#slices.has(k)) count++;
    return count * this.bytes;
  }
  /** Numbers of the slices that are here. */
  get here(): Iterable<number> {
    return this.#slices.keys();
  }
  slice(k: number): TypedArray | undefined {
    return this.#slices.get(k);
  }
  changedSince(version: number): number[] | "all" {
    return this.#changes.since(version);
  }
  /** Whether slice k is neither here, nor on its way, nor failed. */
  needs(k: number): boolean {
    if (k < 0 || k >= this.shape[0] || this.asked.has(k) || this.later.has(k) || this.failed.has(k))
      return false;
    return !this.#slices.has(k) || this.partial.has(k);
  }
  put(k: number, values: TypedArray, partial = false): void {
    if (partial) this.partial.add(k);
    else this.partial.delete(k);
    this.#slices.set(k, values);
    this.#changes.mark([k]);
  }
  /** Give a slice up; it is fetched again when it is wanted. */
  drop(k: number): void {
    this.partial.delete(k);
    if (this.#slices.delete(k)) this.#changes.mark([k]);
  }
  fail(k: number, message: string): void {
    this.failed.set(k, message);
    this.#changes.mark([k]);
  }
  /** Forget that slices failed: they may be tried again. */
  forgive(ks: readonly number[] = [...this.failed.keys()]): void {
    for (const k of ks) {
      this.failed.delete(k);
      this.later.delete(k);
    }
    this.#changes.mark(ks);
  }
  clear(): void {
    this.#slices.clear();
    this.partial.clear();
    this.#changes.markAll();
  }
}
