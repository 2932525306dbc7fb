/** One frame of an image, slice by slice. */

import { Changes } from "../model/masks";
import type { SliceStore, TypedArray } from "../model/masks";
import type { Reduce } from "../decode";
import type { Dtype, ImageJson, Triple } from "../model/protocol";
import { Reduced } from "./reduced";

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
  /** Bytes of one slice and its smaller copies. */
  readonly bytes: number;
  readonly reduced: Reduced;
  readonly #slices = new Map<number, TypedArray>();
  readonly #changes = new Changes();
  /** Why slices could not be had. */
  readonly failed = new Map<number, string>();
  /** Slices of which only a small picture or some rows are here; they are no slices yet. */
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
    this.reduced = new Reduced(this.shape, this.dtype, this.color, this.partial, this.failed);
    this.bytes = Math.ceil(sliceBytes(image) * this.reduced.factors.reduce((sum, factor) => sum + factor ** -2, 1));
  }

  get version(): number {
    return this.#changes.version;
  }
  /** Number of complete slices. */
  get have(): number {
    return this.#slices.size;
  }
  /** Bytes held and on their way. */
  get held(): number {
    return new Set([...this.#slices.keys(), ...this.partial, ...this.asked]).size * this.bytes;
  }
  /** Numbers of the slices that are here, also in part. */
  get here(): Iterable<number> {
    return [...this.#slices.keys(), ...this.partial];
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
    return !this.#slices.has(k);
  }
  /** The smaller copies to make of these rows; null where there are none, or the rows do not fit them. */
  reduce(first: number, rows: number): Reduce | null {
    const { factors } = this.reduced;
    const most = factors.at(-1);
    const [, height, columns] = this.shape;
    if (most === undefined || first % most || (rows % most && first + rows < height)) return null;
    return { rows, columns, channels: this.color ? 3 : 1, factors };
  }
  /** Take a small picture of a slice whose rows are on their way. */
  begin(k: number, factor: number, values: TypedArray): void {
    if (this.#slices.has(k)) return;
    this.reduced.begin(k, factor, values);
    this.partial.add(k);
    this.#changes.mark([k]);
  }
  /** Take smaller copies of a slice of which some rows are here. */
  grow(k: number, copies: readonly TypedArray[]): void {
    this.reduced.put(k, copies, false);
    this.#changes.mark([k]);
  }
  /** Take a slice and its smaller copies. */
  put(k: number, values: TypedArray, copies: readonly TypedArray[] = []): void {
    this.partial.delete(k);
    this.#slices.set(k, values);
    this.reduced.put(k, copies, true);
    this.#changes.mark([k]);
  }
  /** Give a slice up; it is fetched again when it is wanted. */
  drop(k: number): void {
    this.reduced.drop(k);
    const some = this.partial.delete(k);
    if (this.#slices.delete(k) || some) this.#changes.mark([k]);
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
    this.reduced.clear();
    this.#changes.markAll();
  }
}
