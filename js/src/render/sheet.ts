/** Flat slices across any grid axis, gathered once and kept while they are true. */
import type { Axis } from "../model/geometry";
import { pageLedger } from "../volumes/ledger";
import type { Dtype, SliceStore, TypedArray } from "./contract";

/** One slice: rows x columns voxels; across axis 1 or 2 its rows are the slices k of the store. */
export interface Sheet {
  readonly data: TypedArray;
  readonly rows: number;
  readonly columns: number;
  /** Per row: is it here? Null: all of them. */
  readonly present: Uint8Array | null;
}

interface Kept extends Sheet {
  readonly present: Uint8Array;
  readonly store: SliceStore;
  version: number;
}

const MAKE: Record<Dtype, new (length: number) => TypedArray> = {
  uint8: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  int32: Int32Array,
  float32: Float32Array,
};

const MOST_BYTES = 64 << 20;

function copyRow(kept: Kept, axis: 1 | 2, n: number, k: number): void {
  const { data, columns, store } = kept;
  const channels = store.color ? 3 : 1;
  const width = columns * channels;
  const source = store.slice(k);
  kept.present[k] = source ? 1 : 0;
  if (!source) {
    data.fill(0, k * width, (k + 1) * width);
  } else if (axis === 1) {
    data.set(source.subarray(n * width, (n + 1) * width), k * width);
  } else {
    const step = store.shape[2] * channels;
    for (let c = 0; c < channels; c++)
      for (let j = 0, to = k * width + c, from = n * channels + c; j < columns; j++, to += channels, from += step)
        data[to] = source[from]!;
  }
}

/** Slices across axes 1 and 2, at most 64 MB; when slices of the store change, only their rows are read again. */
export class SheetCache {
  private readonly kept = new Map<string, Kept>();
  private readonly ids = new WeakMap<SliceStore, number>();
  private nextId = 0;
  private bytes = 0;
  private uncount: (() => void) | null = null;

  /** Return slice `n` across `axis`, or undefined where nothing of it is here. */
  get(store: SliceStore, axis: Axis, n: number): Sheet | undefined {
    if (axis === 0) {
      const data = store.slice(n);
      return data && { data, rows: store.shape[1], columns: store.shape[2], present: null };
    }
    const key = `${this.id(store)}/${axis}/${n}`;
    let kept = this.kept.get(key);
    if (!kept) kept = this.create(store, axis, n);
    else if (kept.version !== store.version) this.renew(kept, axis, n);
    this.kept.delete(key);
    this.kept.set(key, kept);
    this.shrink();
    return kept;
  }

  release(store: SliceStore): void {
    for (const [key, kept] of this.kept) if (kept.store === store) this.drop(key, kept);
  }

  clear(): void {
    this.kept.clear();
    this.bytes = 0;
    this.uncount?.();
    this.uncount = null;
  }

  private id(store: SliceStore): number {
    let id = this.ids.get(store);
    if (id === undefined) this.ids.set(store, (id = this.nextId++));
    return id;
  }

  private create(store: SliceStore, axis: 1 | 2, n: number): Kept {
    const rows = store.shape[0];
    const columns = store.shape[axis === 1 ? 2 : 1];
    const data = new MAKE[store.dtype](rows * columns * (store.color ? 3 : 1));
    const kept = { data, rows, columns, present: new Uint8Array(rows), store, version: store.version };
    for (let k = 0; k < rows; k++) copyRow(kept, axis, n, k);
    this.bytes += data.byteLength;
    this.uncount ??= pageLedger().add({ kind: "sheets", held: () => this.bytes });
    return kept;
  }

  private renew(kept: Kept, axis: 1 | 2, n: number): void {
    const changed = kept.store.changedSince(kept.version);
    kept.version = kept.store.version;
    if (changed === "all") for (let k = 0; k < kept.rows; k++) copyRow(kept, axis, n, k);
    else for (const k of changed) copyRow(kept, axis, n, k);
  }

  private drop(key: string, kept: Kept): void {
    this.kept.delete(key);
    this.bytes -= kept.data.byteLength;
  }

  private shrink(): void {
    for (const [key, kept] of this.kept) {
      if (this.bytes <= MOST_BYTES || this.kept.size < 2) return;
      this.drop(key, kept);
    }
  }
}
