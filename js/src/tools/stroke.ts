/** One brush stroke: what it may change, what it changed, and the edit that says so. */
import type { Vec3 } from "../model/geometry";
import type { IndexBox, Runs } from "../model/protocol";
import { coverPath, type PlaneGrid } from "./disc";
import { withAxis } from "../model/geometry";
import type { Pair, SliceFrame } from "./frame";
import type { MaskVoxels } from "./tool";

export interface StrokeRule {
  /** Value written. */
  readonly value: number;
  /** Whether a voxel that holds `old` may be changed. */
  allows(old: number): boolean;
}

export interface StrokeResult {
  readonly box: IndexBox;
  readonly runs: Runs;
}

export function planeGrid(frame: SliceFrame, shape: Vec3): PlaneGrid {
  return {
    uStep: frame.uStep,
    vStep: frame.vStep,
    zero: frame.fromIndex([0, 0, 0]),
    columns: shape[frame.uAxis],
    rows: shape[frame.vAxis],
  };
}

/** Records a stroke while it paints, voxel by voxel, straight into the mask. */
export class Stroke {
  /** First value of each changed voxel by its flat offset in the whole mask. */
  readonly #old = new Map<number, number>();
  #missing = false;

  constructor(
    private readonly voxels: MaskVoxels,
    private readonly rule: StrokeRule,
  ) {}

  /** True when the stroke met slices that have not arrived, which it left alone. */
  get missing(): boolean {
    return this.#missing;
  }

  /** Paint along a–b (plane mm) with a disc of `radius` mm. */
  paint(frame: SliceFrame, a: Pair, b: Pair, radius: number): void {
    const { voxels, rule } = this;
    const [, nj, ni] = voxels.shape;
    const base = withAxis([0, 0, 0], frame.axis, frame.slice);
    const changed = new Map<number, number>();
    coverPath(planeGrid(frame, voxels.shape), a, b, radius, (u, v) => {
      const [k, j, i] = withAxis(withAxis(base, frame.uAxis, u), frame.vAxis, v);
      if (!voxels.ready(k)) {
        this.#missing = true;
        return;
      }
      const old = voxels.slice(k)?.[j * ni + i] ?? 0;
      if (old !== rule.value && rule.allows(old)) changed.set((k * nj + j) * ni + i, old);
    });
    for (const [offset, old] of changed) {
      if (!this.#old.has(offset)) this.#old.set(offset, old);
    }
    const step = runsOf(changed, rule.value, voxels.shape);
    if (step) voxels.paint(step.box, step.runs);
  }

  /** Put back every voxel that still holds what the stroke wrote. */
  revert(): void {
    const [, nj, ni] = this.voxels.shape;
    const mine = new Map(
      [...this.#old].filter(([offset]) => {
        const k = Math.floor(offset / (nj * ni));
        const now = this.voxels.slice(k)?.[offset - k * nj * ni] ?? 0;
        return now === this.rule.value;
      }),
    );
    const back = runsOf(mine, this.rule.value, this.voxels.shape);
    if (!back) return;
    this.voxels.paint(back.box, { ...back.runs, old: back.runs.new, new: back.runs.old });
  }

  /** The change so far, or null when there is none. */
  result(): StrokeResult | null {
    return runsOf(this.#old, this.rule.value, this.voxels.shape);
  }
}

/** Bounding box and merged runs of changed voxels (flat offset in `shape` → old value). */
export function runsOf(
  changed: ReadonlyMap<number, number>, value: number, shape: Vec3,
): StrokeResult | null {
  if (changed.size === 0) return null;
  const [, nj, ni] = shape;
  const offsets = Float64Array.from(changed.keys()).sort();
  const low = [Infinity, Infinity, Infinity];
  const high = [-1, -1, -1];
  for (const offset of offsets) {
    const rest = offset % (nj * ni);
    const index = [(offset - rest) / (nj * ni), Math.floor(rest / ni), rest % ni];
    for (let n = 0; n < 3; n++) {
      low[n] = Math.min(low[n]!, index[n]!);
      high[n] = Math.max(high[n]!, index[n]! + 1);
    }
  }
  const rows = high[1]! - low[1]!;
  const columns = high[2]! - low[2]!;
  const start: number[] = [];
  const length: number[] = [];
  const old: number[] = [];
  for (const offset of offsets) {
    const rest = offset % (nj * ni);
    const k = (offset - rest) / (nj * ni) - low[0]!;
    const local = (k * rows + Math.floor(rest / ni) - low[1]!) * columns + (rest % ni) - low[2]!;
    const before = changed.get(offset)!;
    const last = start.length - 1;
    if (last >= 0 && start[last]! + length[last]! === local && old[last] === before) length[last]!++;
    else {
      start.push(local);
      length.push(1);
      old.push(before);
    }
  }
  return {
    box: [[low[0]!, low[1]!, low[2]!], [high[0]!, high[1]!, high[2]!]],
    runs: {
      start: Uint32Array.from(start),
      length: Uint32Array.from(length),
      old: Uint32Array.from(old),
      new: new Uint32Array(start.length).fill(value),
    },
  };
}
