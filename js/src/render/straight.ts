/** Planes along the grid, drawn line by line. */
import type { ImageLayer, TypedArray } from "./contract";
import { Samples } from "./combine";
import type { PlaneRequest } from "./plane";
import { shifted, slabOffsets } from "./plane";
import { State, linesOf, pitches, straightness } from "./runs";
import type { Lines, Run, Straight } from "./runs";
import type { Shade, Target } from "./shade";
import type { Sheet, SheetCache } from "./sheet";

/** Blend two lines of a slice into `line`, as levels; `step` is the distance of two values in a line. */
function blendLine(
  data: TypedArray, a: number, b: number, part: number, step: number,
  from: number, to: number, { lower, factor }: Shade, line: Float64Array,
): void {
  if (part === 0) {
    for (let n = from; n < to; n++) line[n] = (data[a + n * step]! - lower) * factor + 0.5;
    return;
  }
  for (let n = from; n < to; n++) {
    const value = data[a + n * step]!;
    line[n] = (value + (data[b + n * step]! - value) * part - lower) * factor + 0.5;
  }
}

/** Pixels of a row from a line: the loop that scrolling waits for. */
function shadeLine(line: Float64Array, x: Run, { table, last: most }: Shade, out: Uint32Array, to: number): void {
  const { low, high, part, first, last } = x;
  for (let p = first; p < last; p++) {
    const a = line[low[p]!]!;
    const t = part[p] !== 0 ? a + (line[high[p]!]! - a) * part[p]! : a;
    out[to + p] = table[t > 0 ? (t < most ? t | 0 : most) : 0]!;
  }
}

/** Levels of pixels from four values each: cheaper than whole lines where the picture is made smaller. */
function tapLine(
  data: TypedArray, a: number, b: number, part: number, step: number,
  from: number, to: number, { lower, factor }: Shade, values: Float64Array, x: Run,
): void {
  for (let p = from; p < to; p++) {
    const l = x.low[p]! * step;
    const h = x.high[p]! * step;
    const f = x.part[p]!;
    let top = data[a + l]!;
    if (f !== 0) top += (data[a + h]! - top) * f;
    if (part !== 0) {
      let bottom = data[b + l]!;
      if (f !== 0) bottom += (data[b + h]! - bottom) * f;
      top += (bottom - top) * part;
    }
    values[p] = (top - lower) * factor + 0.5;
  }
}

function shadeValues(values: Float64Array, x: Run, { table, last }: Shade, out: Uint32Array, to: number): void {
  for (let p = x.first; p < x.last; p++) {
    const t = values[p]!;
    out[to + p] = table[t > 0 ? (t < last ? t | 0 : last) : 0]!;
  }
}

/** The range of a line that its pixels need, or null where single values are cheaper. */
function span(x: Run, size: number): readonly [number, number] | null {
  const left = x.low[x.first]!;
  const right = x.low[x.last - 1]!;
  const from = Math.min(left, right);
  const to = Math.min(Math.max(left, right) + 2, size);
  return to - from > 2 * (x.last - x.first) ? null : [from, to];
}

const sameLine = (y: Run, a: number, b: number): boolean =>
  y.state[a] === y.state[b] && y.low[a] === y.low[b] && y.high[a] === y.high[b] && y.part[a] === y.part[b];

function mix(line: Float64Array, other: Float64Array, part: number, from: number, to: number): void {
  for (let n = from; n < to; n++) line[n] = line[n]! + (other[n]! - line[n]!) * part;
}

/** One sample of a straight plane: a slice, or what lies between two. */
class Lane {
  readonly lines: Lines;
  private readonly sheet: Sheet | undefined;
  private readonly next: Sheet | undefined;
  private readonly part: number;
  private readonly size: number;
  private readonly steps: readonly [number, number];
  private readonly line: Float64Array;
  private readonly other: Float64Array;

  /** `like`: a lane with the same lines of pixels. */
  constructor(plane: PlaneRequest, layer: ImageLayer, straight: Straight, sheets: SheetCache, like?: Lane) {
    const { store } = layer;
    const { axis, slice, part } = straight;
    const low = sheets.get(store, axis, slice);
    const high = part === 0 ? undefined : sheets.get(store, axis, slice + 1);
    // As in any plane, the nearest slice decides, and a neighbour that is not here yet takes no part.
    this.sheet = (low && high) || part < 0.5 ? low : high;
    this.next = low && high;
    this.part = part;
    this.size = store.shape[straight.along];
    this.steps = this.sheet ? pitches(straight, this.sheet.columns, store.color ? 3 : 1) : [0, 0];
    this.lines =
      like?.lines ?? linesOf(plane, store, straight, layer.interpolate, this.sheet?.present ?? null, 0, layer.clip);
    this.line = like?.line ?? new Float64Array(Math.max(this.size, plane.width));
    this.other = like?.other ?? new Float64Array(this.line.length);
  }

  /** Whether any pixel of row q is in the grid. */
  reaches(q: number): boolean {
    const { x, y } = this.lines;
    return y.state[q] !== State.Outside && x.first < x.last;
  }

  /** Whether the voxels of row q are here, but for gaps along the row. */
  here(q: number): boolean {
    return this.sheet !== undefined && this.lines.y.state[q] === State.Here;
  }

  /** Levels of row q: of the voxels along it (`spread` false: still to be interpolated), or of its pixels. */
  levels(q: number, channel: number, shade: Shade): { line: Float64Array; spread: boolean } {
    const { next, steps: [stepX, stepY], line, other, lines: { x, y } } = this;
    const a = y.low[q]! * stepY + channel, b = y.high[q]! * stepY + channel, part = y.part[q]!;
    const range = span(x, this.size);
    const [from, to] = range ?? [x.first, x.last];
    const read = range ? blendLine : tapLine;
    read(this.sheet!.data, a, b, part, stepX, from, to, shade, line, x);
    if (next) {
      read(next.data, a, b, part, stepX, from, to, shade, other, x);
      mix(line, other, this.part, from, to);
    }
    return { line, spread: range === null };
  }

  /** Add row q of one channel to the samples of a slab. */
  add(q: number, channel: number, shade: Shade, samples: Samples): void {
    if (!this.reaches(q)) return;
    const { x } = this.lines;
    if (!this.here(q)) return samples.absent(x.first, x.last);
    const { line, spread } = this.levels(q, channel, shade);
    if (!spread) return samples.addLine(line, x);
    samples.values.set(line.subarray(x.first, x.last), x.first);
    samples.add(x.first, x.last, x.gaps ? x.state : null);
  }
}

/** Draw a straight plane. */
export function paintStraight(
  target: Target, plane: PlaneRequest, layer: ImageLayer, straight: Straight, shade: Shade, sheets: SheetCache,
): void {
  if (plane.slab || layer.store.color || shade.cut !== null) paintSamples(target, plane, layer, straight, shade, sheets);
  else paintPlain(target, plane, new Lane(plane, layer, straight, sheets), straight, shade);
}

/** Grey values without slab and threshold: nothing is kept between line and pixel. */
function paintPlain(target: Target, plane: PlaneRequest, lane: Lane, straight: Straight, shade: Shade): void {
  const { lines: { x, y, row } } = lane;
  let shown = -1;
  for (let q = 0; q < plane.height; q++) {
    if (straight.slant !== 0) row(q);
    else if (shown >= 0 && sameLine(y, shown, q)) {
      target.repeat(q, shown, x.first, x.last);
      continue;
    }
    const to = target.start(q);
    if (!lane.reaches(q)) continue;
    const out = target.pixels;
    if (!lane.here(q)) out.fill(shade.missing, to + x.first, to + x.last);
    else {
      const { line, spread } = lane.levels(q, 0, shade);
      if (spread) shadeValues(line, x, shade, out, to);
      else shadeLine(line, x, shade, out, to);
      if (x.gaps)
        for (let p = x.first; p < x.last; p++) if (x.state[p] === State.Missing) out[to + p] = shade.missing;
      shown = q;
    }
    target.done(q, x.first, x.last);
  }
}

function lanesOf(plane: PlaneRequest, layer: ImageLayer, sheets: SheetCache): { lanes: Lane[]; shared: boolean } {
  const lanes: Lane[] = [];
  let shared = true;
  for (const offset of slabOffsets(plane)) {
    const at = shifted(plane, offset);
    const straight = straightness(at, layer.store, layer.interpolate);
    if (straight === null || straight === "off") continue;
    shared = !plane.slab || (plane.slab.step[straight.along] === 0 && plane.slab.step[straight.across] === 0);
    lanes.push(new Lane(at, layer, straight, sheets, shared ? lanes[0] : undefined));
  }
  return { lanes, shared };
}

/** Slabs, colour, and layers with a threshold. */
function paintSamples(
  target: Target, plane: PlaneRequest, layer: ImageLayer, straight: Straight, shade: Shade, sheets: SheetCache,
): void {
  const { lanes, shared } = lanesOf(plane, layer, sheets);
  const lead = lanes[0];
  if (!lead) return target.empty();
  const samples = new Samples(plane.width, plane.slab?.mode ?? null);
  const { y } = lead.lines;
  let shown = -1;
  for (let q = 0; q < plane.height; q++) {
    if (straight.slant !== 0) for (const lane of shared ? [lead] : lanes) lane.lines.row(q);
    else if (shared && shown >= 0 && sameLine(y, shown, q)) {
      target.repeat(q, shown, samples.first, samples.last);
      continue;
    }
    const at = target.start(q);
    samples.paint(target.pixels, at, shade, layer.store.color, (channel) => {
      for (const lane of lanes) lane.add(q, channel, shade, samples);
    });
    target.done(q, samples.first, samples.last);
    shown = q;
  }
}
