/** Changes of masks by regions: while a stroke goes on, and as one edit. */
import { RunBuilder } from "../model/masks";
import type { EditDraft, IndexBox, Runs } from "../model/protocol";
import type { Region } from "./region";
import type { Target, Work } from "./rules";
import { together, type MaskVoxels, type ToolHost } from "./tool";

/** A change of one mask. */
export interface Change {
  readonly target: Target;
  readonly box: IndexBox;
  readonly runs: Runs;
}

export interface Changes {
  readonly changes: readonly Change[];
  /** Slices that have not arrived were left alone. */
  readonly missing: boolean;
}

/** What a region changes in the masks of a work, by its rules. */
export function changesOf(region: Region, { targets, gate, exclusive }: Work): Changes {
  const { box } = region;
  const [[k0, j0, i0], [k1, j1, i1]] = box;
  const columns = i1 - i0;
  const layer = (j1 - j0) * columns;
  const flags = new Uint8Array(layer);
  const builders = targets.map(() => new RunBuilder());
  const erases = targets.every((one) => one.value === 0);
  let missing = false;
  gate.begin();
  for (let k = k0; k < k1; k++) {
    if (erases && targets.every(({ voxels }) => voxels.ready(k) && !voxels.slice(k))) continue;
    flags.fill(0);
    region.fill(k, flags);
    if (!flags.includes(1)) continue;
    if (!gate.open) {
      if (!gate.enter(k)) continue;
      sift(flags, j0, i0, columns, targets[0]!.voxels.shape[2], (at) => gate.may(at));
    }
    targets.forEach((target, n) => {
      if (n > 0 && exclusive && !target.voxels.slice(k) && target.voxels.ready(k)) return;
      if (!target.voxels.ready(k)) {
        missing = true;
        if (n === 0 && exclusive) flags.fill(0);
      } else collect(target, k, flags, box, (k - k0) * layer, builders[n]!, n === 0 && exclusive);
    });
  }
  const changes = targets.flatMap((target, n): Change[] => {
    const runs = builders[n]!.build();
    return runs.start.length > 0 ? [{ target, box, runs }] : [];
  });
  return { changes, missing: missing || gate.missing };
}

/** Clear the flags of voxels that `keep` refuses. */
function sift(flags: Uint8Array, j0: number, i0: number, columns: number, ni: number, keep: (at: number) => boolean): void {
  for (let n = 0, at = j0 * ni + i0, column = 0; n < flags.length; n++) {
    if (flags[n] === 1 && !keep(at)) flags[n] = 0;
    if (++column === columns) {
      column = 0;
      at += ni - columns;
    }
    at++;
  }
}

/** Add the runs of one slice; with `narrow` the flags of voxels that must stay are cleared. */
function collect(
  { voxels, value, allows }: Target, k: number, flags: Uint8Array, [[, j0, i0], [, j1, i1]]: IndexBox, from: number,
  builder: RunBuilder, narrow: boolean,
): void {
  const slice = voxels.slice(k);
  const ni = voxels.shape[2];
  const columns = i1 - i0;
  for (let j = j0, row = 0; j < j1; j++, row += columns) {
    const shift = j * ni + i0 - row;
    for (let n = row; n < row + columns; n++) {
      if (flags[n] !== 1) continue;
      const old = slice ? slice[n + shift]! : 0;
      if (old === value) continue;
      if (!allows(old)) {
        if (narrow) flags[n] = 0;
        continue;
      }
      let end = n + 1;
      while (end < row + columns && flags[end] === 1 && (slice ? slice[end + shift]! : 0) === old) end++;
      builder.add(from + n, end - n, old, value);
      n = end - 1;
    }
  }
}

const BLOCK = 64;

/** The first values of what a stroke changed in one mask, in blocks of a row. */
class Kept {
  #blocks = new Map<number, number>();
  #pool = new Uint16Array(BLOCK * 64);

  constructor(readonly target: Target) {}

  get #width(): number {
    return Math.ceil(this.target.voxels.shape[2] / BLOCK);
  }

  /** Keep what the runs of a box are about to change. */
  keep(box: IndexBox, runs: Runs): void {
    const width = this.#width;
    const nj = this.target.voxels.shape[1];
    eachRow(box, runs, (k, j, from, to) => {
      for (let block = Math.floor(from / BLOCK); block * BLOCK < to; block++) {
        const key = (k * nj + j) * width + block;
        if (!this.#blocks.has(key)) this.#add(key, k, j, block);
      }
    });
  }

  #add(key: number, k: number, j: number, block: number): void {
    const { voxels } = this.target;
    const slice = voxels.slice(k);
    const ni = voxels.shape[2];
    const n = this.#blocks.size;
    if ((n + 1) * BLOCK > this.#pool.length) {
      const more = new Uint16Array(this.#pool.length * 2);
      more.set(this.#pool);
      this.#pool = more;
    }
    this.#blocks.set(key, n);
    const first = j * ni + block * BLOCK;
    const last = Math.min(first + BLOCK, (j + 1) * ni);
    if (slice) for (let at = first; at < last; at++) this.#pool[n * BLOCK + at - first] = slice[at]!;
  }

  /** The voxels that hold what was written, as runs in their bounds; null for none. */
  result(): { box: IndexBox; runs: Runs } | null {
    const { voxels, value } = this.target;
    const [, nj, ni] = voxels.shape;
    const width = this.#width;
    const found: number[] = [];
    const low = [Infinity, Infinity, Infinity];
    const high = [-1, -1, -1];
    for (const key of [...this.#blocks.keys()].sort((a, b) => a - b)) {
      const line = Math.floor(key / width);
      const [k, j] = [Math.floor(line / nj), line % nj];
      const first = (key - line * width) * BLOCK;
      const kept = this.#blocks.get(key)! * BLOCK;
      const slice = voxels.slice(k);
      for (let i = first; i < Math.min(first + BLOCK, ni); i++) {
        const old = this.#pool[kept + i - first]!;
        if (old === value || (slice?.[j * ni + i] ?? 0) !== value) continue;
        found.push(k, j, i, old);
        low[0] = Math.min(low[0]!, k), low[1] = Math.min(low[1]!, j), low[2] = Math.min(low[2]!, i);
        high[0] = Math.max(high[0]!, k), high[1] = Math.max(high[1]!, j), high[2] = Math.max(high[2]!, i);
      }
    }
    if (found.length === 0) return null;
    const columns = high[2]! - low[2]! + 1;
    const rows = high[1]! - low[1]! + 1;
    const builder = new RunBuilder();
    for (let n = 0; n < found.length; n += 4) {
      const line = (found[n]! - low[0]!) * rows + found[n + 1]! - low[1]!;
      builder.add(line * columns + found[n + 2]! - low[2]!, 1, found[n + 3]!, value);
    }
    return {
      box: [[low[0]!, low[1]!, low[2]!], [high[0]! + 1, high[1]! + 1, high[2]! + 1]], runs: builder.build(),
    };
  }
}

/** Rows (k, j, first i, past the last i) of runs. */
function eachRow(
  [[k0, j0, i0], [, j1, i1]]: IndexBox, runs: Runs, visit: (k: number, j: number, from: number, to: number) => void,
): void {
  const columns = i1 - i0;
  const rows = j1 - j0;
  for (let n = 0; n < runs.start.length; n++) {
    let start = runs.start[n]!;
    const end = start + runs.length[n]!;
    while (start < end) {
      const line = Math.floor(start / columns);
      const column = start - line * columns;
      const size = Math.min(end - start, columns - column);
      visit(k0 + Math.floor(line / rows), j0 + (line % rows), i0 + column, i0 + column + size);
      start += size;
    }
  }
}

/** A stroke while it goes on: paints straight into the masks and remembers what was there. */
export class Stroke {
  readonly #kept = new Map<MaskVoxels, Kept>();
  #missing = false;

  constructor(private readonly work: Work) {}

  /** True when the stroke met slices that have not arrived, which it left alone. */
  get missing(): boolean {
    return this.#missing;
  }

  /** Paint a region; true where anything changed. */
  paint(region: Region): boolean {
    const { changes, missing } = changesOf(region, this.work);
    this.#missing ||= missing;
    for (const { target, box, runs } of changes) {
      let kept = this.#kept.get(target.voxels);
      if (!kept) this.#kept.set(target.voxels, (kept = new Kept(target)));
      kept.keep(box, runs);
      target.voxels.paint(box, runs);
    }
    return changes.length > 0;
  }

  /** Put back every voxel that still holds what the stroke wrote. */
  revert(): void {
    for (const { box, runs, target } of this.result()) {
      target.voxels.paint(box, { ...runs, old: runs.new, new: runs.old });
    }
  }

  /** The changes so far. */
  result(): Change[] {
    return [...this.#kept.values()].flatMap((kept): Change[] => {
      const found = kept.result();
      return found ? [{ target: kept.target, ...found }] : [];
    });
  }
}

/** Make changes one edit of the document, with the mask made for them; false where there are none. */
export function commit(host: ToolHost, { fresh }: Work, changes: readonly Change[], tool: string, name: string): boolean {
  fresh?.drop();
  const paints = changes.map(({ target, box, runs }): EditDraft => ({ kind: "paint", mask: target.mask.id, box, runs, tool }));
  const edit = together(fresh && paints.length > 0 ? [{ ...fresh.put, tool }, ...paints] : paints, name, tool);
  if (edit) host.apply(edit);
  return edit !== null;
}

export const STILL_LOADING = "Some slices are still loading; they were left as they are.";

/** Change a region in one step, and say so where nothing or not all of it could be changed. */
export function changeOnce(host: ToolHost, region: Region | null, work: Work, tool: string, name: string): boolean {
  const { changes, missing } = region ? changesOf(region, work) : { changes: [], missing: false };
  const done = commit(host, work, changes, tool, name);
  if (missing) host.toast(STILL_LOADING);
  else if (!done) host.toast(work.gate.why ?? "Nothing changes here.");
  return done;
}
