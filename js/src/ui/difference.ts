/** What two masks have alone and in common, as a mask. */
import type { SliceStore } from "../model/masks";
import type { SegmentStyle, SliceStore as Drawn } from "../render/renderer";

const FIRST = 1;
const SECOND = 2;
const BOTH = FIRST | SECOND;

const known = new WeakMap<SliceStore, WeakMap<SliceStore, Difference>>();

/** Voxels that only the first mask has (1), only the second (2), or both (3); made slice by slice when drawn. */
export class Difference implements Drawn {
  readonly dtype = "uint8";
  readonly color = false;
  readonly emptyIsZero = true;
  readonly #slices = new Map<number, { readonly version: number; readonly data: Uint8Array }>();

  private constructor(private readonly a: SliceStore, private readonly b: SliceStore) {}

  /** The difference of two masks on one grid, the same object each time. */
  static of(a: SliceStore, b: SliceStore): Difference {
    let others = known.get(a);
    if (!others) known.set(a, (others = new WeakMap()));
    let found = others.get(b);
    if (!found) others.set(b, (found = new Difference(a, b)));
    return found;
  }

  /** Red: only the first; blue: only the second; green: both. */
  static styles(ratio: number): ReadonlyMap<number, SegmentStyle> {
    const style = (color: readonly [number, number, number], fill: number): SegmentStyle =>
      ({ color, fill, outline: 1, width: ratio });
    return new Map([
      [FIRST, style([226, 71, 61], 0.6)], [SECOND, style([64, 132, 255], 0.6)], [BOTH, style([70, 190, 90], 0.25)],
    ]);
  }

  get shape(): readonly [number, number, number] {
    return this.a.shape;
  }

  get version(): number {
    return this.a.version + this.b.version;
  }

  changedSince(): "all" {
    return "all";
  }

  slice(k: number): Uint8Array | undefined {
    const one = this.a.slice(k);
    const two = this.b.slice(k);
    if (!one && !two) return undefined;
    const had = this.#slices.get(k);
    if (had?.version === this.version) return had.data;
    const data = had?.data ?? new Uint8Array(this.shape[1] * this.shape[2]);
    for (let n = 0; n < data.length; n++) data[n] = (one?.[n] ? FIRST : 0) | (two?.[n] ? SECOND : 0);
    this.#slices.set(k, { version: this.version, data });
    return data;
  }
}

