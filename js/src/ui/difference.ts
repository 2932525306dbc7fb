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
    const style = (value: number, fill: number): [number, SegmentStyle] =>
      [value, { color: Difference.color(value), fill, outline: 1, width: Math.max(1, Math.round(ratio)) }];
    return new Map([style(FIRST, 0.6), style(SECOND, 0.6), style(BOTH, 0.25)]);
  }

  static color(value: number): readonly [number, number, number] {
    return value === FIRST ? [226, 71, 61] : value === SECOND ? [64, 132, 255] : [70, 190, 90];
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

export interface Agreement {
  readonly onlyA: number;
  readonly onlyB: number;
  readonly both: number;
  /** Dice coefficient, 0 to 1; null where both are empty. */
  readonly dice: number | null;
}

/** Count the voxels of two masks on one grid, as far as they are here. */
export function agreement(a: SliceStore, b: SliceStore): Agreement {
  let [onlyA, onlyB, both] = [0, 0, 0];
  for (let k = 0; k < a.shape[0]; k++) {
    const one = a.slice(k);
    const two = b.slice(k);
    const size = (one ?? two)?.length ?? 0;
    for (let n = 0; n < size; n++) {
      if (one?.[n]) {
        if (two?.[n]) both++;
        else onlyA++;
      } else if (two?.[n]) onlyB++;
    }
  }
  const sum = 2 * both + onlyA + onlyB;
  return { onlyA, onlyB, both, dice: sum > 0 ? (2 * both) / sum : null };
}
