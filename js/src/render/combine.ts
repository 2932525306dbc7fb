/** One row of pixels from one or many samples each. */
import type { Slab } from "./plane";
import { State } from "./runs";
import type { Run } from "./runs";
import type { Shade } from "./shade";

/** Levels of a row, sample after sample, and what becomes of them. */
export class Samples {
  /** Levels of the sample that is being added. */
  readonly values: Float64Array;
  /** First and one past the last pixel of the row with any sample. */
  first = 0;
  last = 0;
  private readonly state: Uint8Array;
  private readonly kept: Float64Array;
  private readonly hits: Uint16Array;

  /** `mode` null: one sample alone. */
  constructor(
    private readonly width: number,
    private readonly mode: Slab["mode"] | null,
  ) {
    this.values = new Float64Array(width);
    this.kept = mode === null ? this.values : new Float64Array(width);
    this.hits = new Uint16Array(mode === "mean" ? width : 0);
    this.state = new Uint8Array(width);
  }

  /** Write one row of pixels at `at`; `sample` adds all samples of a channel. */
  paint(out: Uint32Array, at: number, shade: Shade, color: boolean, sample: (channel: number) => void): void {
    if (!color) {
      this.start();
      sample(0);
      this.write(out, at, shade);
      return;
    }
    for (let channel = 0; channel < 3; channel++) {
      this.start();
      sample(channel);
      this.writeChannel(out, at, shade, channel);
    }
  }

  /** Pixels from..to of a sample are not here yet. */
  absent(from: number, to: number): void {
    this.reach(from, to);
    const { state } = this;
    for (let p = from; p < to; p++) if (state[p] === State.Outside) state[p] = State.Missing;
  }

  /** Take `values` from..to as one more sample; `states` says which of them are here (null: all). */
  add(from: number, to: number, states: Uint8Array | null): void {
    this.reach(from, to);
    const { state, values } = this;
    if (!states) state.fill(State.Here, from, to);
    else
      for (let p = from; p < to; p++) {
        if (states[p] === State.Here) state[p] = State.Here;
        else {
          values[p] = NaN;
          if (state[p] === State.Outside) state[p] = State.Missing;
        }
      }
    this.combine(from, to);
  }

  /** Take the pixels of a line of levels as one more sample. */
  addLine(line: Float64Array, x: Run): void {
    const { low, high, part, first, last } = x;
    if (this.mode === "mip" && !x.gaps) {
      // At once, as slabs of the largest value are the ones one scrolls.
      const { kept } = this;
      this.reach(first, last);
      this.state.fill(State.Here, first, last);
      for (let p = first; p < last; p++) {
        const a = line[low[p]!]!;
        const value = part[p] !== 0 ? a + (line[high[p]!]! - a) * part[p]! : a;
        if (value > kept[p]!) kept[p] = value;
      }
      return;
    }
    const { values } = this;
    for (let p = first; p < last; p++) {
      const a = line[low[p]!]!;
      values[p] = part[p] !== 0 ? a + (line[high[p]!]! - a) * part[p]! : a;
    }
    this.add(first, last, x.gaps ? x.state : null);
  }

  private reach(from: number, to: number): void {
    if (from < this.first) this.first = from;
    if (to > this.last) this.last = to;
  }

  private start(): void {
    const { mode, kept, state } = this;
    this.first = this.width;
    this.last = 0;
    state.fill(State.Outside);
    if (mode === null) return;
    kept.fill(mode === "mip" ? -Infinity : mode === "minip" ? NaN : 0);
    this.hits.fill(0);
  }

  /** No comparison holds for what is no number, so that it is left out. */
  private combine(from: number, to: number): void {
    const { mode, kept, values, hits } = this;
    if (mode === "mip") {
      for (let p = from; p < to; p++) if (values[p]! > kept[p]!) kept[p] = values[p]!;
    } else if (mode === "minip") {
      for (let p = from; p < to; p++) {
        const value = values[p]!;
        const least = kept[p]!;
        if (value < least || least !== least) kept[p] = value;
      }
    } else if (mode === "mean") {
      for (let p = from; p < to; p++) {
        const value = values[p]!;
        if (value !== value) continue;
        kept[p]! += value;
        hits[p]!++;
      }
    }
  }

  private finish(): void {
    const { kept, hits, first, last } = this;
    if (this.mode === "mean") for (let p = first; p < last; p++) kept[p] = kept[p]! / hits[p]!;
  }

  private write(out: Uint32Array, at: number, { table, last: most, cut, missing }: Shade): void {
    this.finish();
    const { state, kept, first, last } = this;
    for (let p = first; p < last; p++) {
      if (state[p] !== State.Here) {
        if (state[p] === State.Missing) out[at + p] = missing;
        continue;
      }
      const t = kept[p]!;
      if (cut !== null && !(t >= cut)) continue;
      out[at + p] = table[t > 0 ? (t < most ? t | 0 : most) : 0]!;
    }
  }

  private writeChannel(out: Uint32Array, at: number, { missing, alpha }: Shade, channel: number): void {
    this.finish();
    const { state, kept, first, last } = this;
    for (let p = first; p < last; p++) {
      if (state[p] === State.Here) out[at + p] = out[at + p]! | alpha | ((kept[p]! | 0) << (8 * channel));
      else if (state[p] === State.Missing) out[at + p] = missing;
    }
  }
}
