/** Label slices of one mask, as the browser holds them. */

import { emptyRuns } from "./protocol";
import type { Dtype, IndexBox, Runs, Triple } from "./protocol";

export type TypedArray = Uint8Array | Int8Array | Uint16Array | Int16Array | Int32Array | Uint32Array | Float32Array;

/** What a renderer reads: slices along k of an image frame or of a mask. */
export interface SliceStore {
  /** (k, j, i) */
  readonly shape: Triple;
  /** Where the image ends, in voxels, if that is inside the last ones. */
  readonly extent?: Triple;
  readonly dtype: Dtype;
  readonly color: boolean;
  /** A slice that is undefined holds zeros (masks) instead of not being here yet (images). */
  readonly emptyIsZero?: boolean;
  /** Why slices cannot be had. */
  readonly failed?: ReadonlyMap<number, string>;
  /** Slices of which only a small picture or some rows are here. */
  readonly partial?: ReadonlySet<number>;
  /** Grows with each change. */
  readonly version: number;
  /** j*i values (j*i*3 in colour), or undefined. */
  slice(k: number): TypedArray | undefined;
  /** Slices changed after that version. */
  changedSince(version: number): number[] | "all";
  /** Bounds of the voxels changed after that version, null for none; what cannot say it has no such method. */
  boundsSince?(version: number): IndexBox | "all" | null;
}

/** So many of the last changes are known with their bounds. */
const BOUNDS = 64;

/** Remembers in which version each slice changed last, and where the last changes were. */
export class Changes {
  version = 1;
  readonly #when = new Map<number, number>();
  #all = 1;
  /** Bounds of change `version % BOUNDS`; undefined where they are not known. */
  readonly #bounds: (IndexBox | undefined)[] = [];

  mark(slices: Iterable<number>, bounds?: IndexBox): void {
    this.version++;
    this.#bounds[this.version % BOUNDS] = bounds;
    for (const k of slices) this.#when.set(k, this.version);
  }

  markAll(): void {
    this.#all = ++this.version;
    this.#when.clear();
  }

  since(version: number): number[] | "all" {
    if (version < this.#all) return "all";
    return [...this.#when].filter(([, when]) => when > version).map(([k]) => k);
  }

  boundsSince(version: number): IndexBox | "all" | null {
    if (version < this.#all || this.version - version > BOUNDS) return "all";
    let found: IndexBox | null = null;
    for (let n = version + 1; n <= this.version; n++) {
      const bounds = this.#bounds[n % BOUNDS];
      if (!bounds) return "all";
      found = found ? hull(found, bounds) : bounds;
    }
    return found;
  }
}

/** The smallest box that holds both. */
function hull([a, b]: IndexBox, [c, d]: IndexBox): IndexBox {
  return [
    [Math.min(a[0], c[0]), Math.min(a[1], c[1]), Math.min(a[2], c[2])],
    [Math.max(b[0], d[0]), Math.max(b[1], d[1]), Math.max(b[2], d[2])],
  ];
}

/** Collects runs in order and joins neighbours of the same values. */
export class RunBuilder {
  readonly #rows: number[] = [];

  add(start: number, length: number, old: number, value: number): void {
    const rows = this.#rows;
    const n = rows.length;
    if (n && rows[n - 2] === old && rows[n - 1] === value && (rows[n - 4] ?? 0) + (rows[n - 3] ?? 0) === start) {
      rows[n - 3] = (rows[n - 3] ?? 0) + length;
    } else {
      rows.push(start, length, old, value);
    }
  }

  build(): Runs {
    const runs = emptyRuns(this.#rows.length / 4);
    this.#rows.forEach((value, n) => {
      const column = [runs.start, runs.length, runs.old, runs.new][n & 3];
      if (column) column[n >> 2] = value;
    });
    return runs;
  }
}

export type LabelArray = Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer>;

/**
 * The slices of one mask. A slice is known to be zero (no memory), or here, or still to be fetched. One
 * that was here and must be fetched again shows, and takes strokes on, what was here meanwhile.
 */
export class MaskStore implements SliceStore {
  readonly color = false;
  readonly emptyIsZero = true;
  readonly #slices = new Map<number, LabelArray>();
  readonly #missing = new Set<number>();
  /** Revision of the last edit of a slice: older bytes of it must be fetched again. */
  readonly #touched = new Map<number, number>();
  readonly #changes = new Changes();

  constructor(
    readonly shape: Triple,
    readonly dtype: "uint8" | "uint16",
  ) {}

  get version(): number {
    return this.#changes.version;
  }

  /** Bytes of the slices that hold labels. */
  get bytes(): number {
    return this.#slices.size * this.sliceBytes;
  }

  get sliceBytes(): number {
    return this.shape[1] * this.shape[2] * (this.dtype === "uint8" ? 1 : 2);
  }

  /** Slices that hold labels and are here. */
  get here(): Iterable<number> {
    return this.#slices.keys();
  }

  /** Give up a slice; it must be fetched again. */
  drop(k: number): void {
    if (!this.#slices.delete(k)) return;
    this.#missing.add(k);
    this.#changes.mark([k], this.#bounds(k));
  }

  changedSince(version: number): number[] | "all" {
    return this.#changes.since(version);
  }

  boundsSince(version: number): IndexBox | "all" | null {
    return this.#changes.boundsSince(version);
  }

  slice(k: number): LabelArray | undefined {
    return this.#slices.get(k);
  }

  /** Whether slice k is known and may be painted. */
  ready(k: number): boolean {
    return !this.#missing.has(k) || this.#slices.has(k);
  }

  /** Whether slice k must be fetched. */
  awaits(k: number): boolean {
    return this.#missing.has(k);
  }

  /** Slices that must be fetched from the host. */
  get missing(): readonly number[] {
    return [...this.#missing];
  }

  /** Value of a voxel; undefined while its slice is not here. */
  value(index: Triple): number | undefined {
    const [k, j, i] = index;
    if (!this.ready(k)) return undefined;
    return this.#slices.get(k)?.[j * this.shape[2] + i] ?? 0;
  }

  /** Ask for these slices again, because the host's content is newer than ours. */
  expire(slices: Iterable<number>, revision: number): void {
    for (const k of slices) {
      this.#missing.add(k);
      this.#touched.set(k, revision);
    }
  }

  /** Take the host's list of slices with content; everything else becomes zero. */
  reset(nonzero: readonly number[], revision: number): void {
    const keep = new Set(nonzero);
    const emptied = [...this.#slices.keys()].filter((k) => !keep.has(k));
    for (const k of emptied) this.#slices.delete(k);
    this.#missing.clear();
    this.#touched.clear();
    this.expire(nonzero, revision);
    this.#changes.mark(emptied);
  }

  /** Put a slice that came from the host; false where it is too old and must be asked for again. */
  load(k: number, data: LabelArray, revision: number): boolean {
    if (revision < (this.#touched.get(k) ?? 0)) return false;
    this.#missing.delete(k);
    // Slices that were on their way when the mask became one of 16 bits.
    this.#slices.set(k, this.dtype === "uint16" && data instanceof Uint8Array ? Uint16Array.from(data) : data);
    this.#changes.mark([k], this.#bounds(k));
    return true;
  }

  #bounds(k: number): IndexBox {
    return [[k, 0, 0], [k + 1, this.shape[1], this.shape[2]]];
  }

  /** Note that the host changed the slices of this box at a revision. */
  touch(box: IndexBox, revision: number): void {
    for (let k = box[0][0]; k < box[1][0]; k++) this.#touched.set(k, revision);
  }

  /**
   * Write the new values and return the voxels that changed, with the values that were there.
   * Slices that are not here are left out: they come from the host later.
   */
  paint(box: IndexBox, runs: Runs): Runs {
    const done = new RunBuilder();
    this.#write(box, runs, runs.new, (start, length, slice, at, value) => {
      let from = 0;
      for (let n = 1; n <= length; n++) {
        if (n < length && slice[at + n] === slice[at + from]) continue;
        const old = slice[at + from] ?? 0;
        if (old !== value) done.add(start + from, n - from, old, value);
        from = n;
      }
    });
    return done.build();
  }

  /** Write the old values of runs that paint returned. */
  unpaint(box: IndexBox, runs: Runs): void {
    this.#write(box, runs, runs.old, () => undefined);
  }

  #write(
    box: IndexBox,
    runs: Runs,
    values: Uint32Array,
    before: (start: number, length: number, slice: LabelArray, at: number, value: number) => void,
  ): void {
    const changed = new Set<number>();
    forEachRow(box, this.shape, runs, (n, start, length, k, at) => {
      if (!this.ready(k)) return;
      const value = values[n] ?? 0;
      const slice = this.#slices.get(k) ?? this.#allocate(k);
      before(start, length, slice, at, value);
      slice.fill(value, at, at + length);
      changed.add(k);
    });
    if (changed.size) this.#changes.mark(changed, box);
  }

  #allocate(k: number): LabelArray {
    const size = this.shape[1] * this.shape[2];
    const slice = this.dtype === "uint8" ? new Uint8Array(size) : new Uint16Array(size);
    this.#slices.set(k, slice);
    return slice;
  }

  /** The same content in 16 bits. */
  widened(): MaskStore {
    const wide = new MaskStore(this.shape, "uint16");
    for (const [k, slice] of this.#slices) wide.#slices.set(k, Uint16Array.from(slice));
    for (const k of this.#missing) wide.#missing.add(k);
    for (const [k, revision] of this.#touched) wide.#touched.set(k, revision);
    return wide;
  }

  /** Free all voxels. */
  clear(): void {
    this.#slices.clear();
    this.#missing.clear();
    this.#changes.markAll();
  }
}

/** Cut runs into pieces of one row of one slice; throws RangeError where the box leaves the grid. */
function forEachRow(
  box: IndexBox,
  shape: Triple,
  runs: Runs,
  visit: (n: number, start: number, length: number, k: number, at: number) => void,
): void {
  const [[k0, j0, i0], [k1, j1, i1]] = box;
  const rows = j1 - j0;
  const columns = i1 - i0;
  if (k0 < 0 || j0 < 0 || i0 < 0 || k1 > shape[0] || j1 > shape[1] || i1 > shape[2])
    throw new RangeError("a paint edit lies outside its mask");
  const size = Math.max(0, k1 - k0) * Math.max(0, rows) * Math.max(0, columns);
  for (let n = 0; n < runs.start.length; n++) {
    let start = runs.start[n] ?? 0;
    const end = start + (runs.length[n] ?? 0);
    if (end > size) throw new RangeError("a run of a paint edit leaves its box");
    while (start < end) {
      const line = Math.floor(start / columns);
      const column = start - line * columns;
      const length = Math.min(end - start, columns - column);
      const j = j0 + (line % rows);
      visit(n, start, length, k0 + Math.floor(line / rows), j * shape[2] + i0 + column);
      start += length;
    }
  }
}

/**
 * Return the runs that set the voxels of a box where `inside` is not 0 to a value; voxels that have
 * that value already, or whose slice is not here, are left out.
 */
export function paintRuns(store: MaskStore, box: IndexBox, inside: Uint8Array, value: number): Runs {
  const builder = new RunBuilder();
  const [[k0, j0, i0], [k1, j1, i1]] = box;
  let flat = 0;
  for (let k = k0; k < k1; k++) {
    const slice = store.slice(k);
    const ready = store.ready(k);
    for (let j = j0; j < j1; j++) {
      for (let i = i0; i < i1; i++, flat++) {
        if (!ready || !inside[flat]) continue;
        const old = slice?.[j * store.shape[2] + i] ?? 0;
        if (old !== value) builder.add(flat, 1, old, value);
      }
    }
  }
  return builder.build();
}
