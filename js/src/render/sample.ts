/** Voxels under pixels: tables for planes along the grid, per-pixel sums for all others. */
import type { Axis, Vec3 } from "../model/geometry";
import type { ImageLayer, SliceStore, TypedArray } from "./contract";
import { SNAP, alignedAxis, inPlaneAxes, nearest, settled } from "./plane";
import type { PlaneRequest } from "./plane";
import type { Sheet } from "./sheet";

const clamp = (x: number, size: number): number => (x > 0 ? (x < size - 1 ? x : size - 1) : 0);


// Pixels are written as little-endian RGBA in one 32-bit word, as all browsers store them.
export const MISSING = 0xff181818;
const OUTSIDE = 0;
const enum State { Outside, Missing, Here }

/** Value to grey: 255 * (value - lower) / (upper - lower), rounded half up; `grey` maps the level to a pixel. */
export interface Levels {
  readonly lower: number;
  readonly factor: number;
  readonly grey: Uint32Array;
}

export function levelsOf(layer: ImageLayer): Levels {
  const { lower, upper } = layer.window;
  const grey = new Uint32Array(256);
  for (let n = 0; n < 256; n++) grey[n] = 0xff000000 | ((layer.invert ? 255 - n : n) * 0x10101);
  return { lower, factor: upper > lower ? Math.min(255 / (upper - lower), 1e30) : 1e30, grey };
}

/** Source positions of a line of pixels along one grid axis. */
export class Run {
  readonly state: Uint8Array;
  readonly low: Int32Array;
  readonly high: Int32Array;
  readonly part: Float64Array;
  /** First and one past the last pixel that is not outside. */
  first = 0;
  last = 0;
  /** Some pixel falls on a slice that is not here. */
  gaps = false;

  constructor(
    readonly count: number,
    private readonly size: number,
    private readonly linear: boolean,
    private readonly present: Uint8Array | null,
  ) {
    this.state = new Uint8Array(count);
    this.low = new Int32Array(count);
    this.high = new Int32Array(count);
    this.part = new Float64Array(count);
  }

  /** Let pixel p lie at `start + p * step`. */
  set(start: number, step: number): this {
    const { count, size, linear, present, state, low, high, part } = this;
    this.first = count;
    this.last = 0;
    this.gaps = false;
    for (let p = 0; p < count; p++) {
      const at = start + p * step;
      if (!(at >= -0.5 - SNAP && at <= size - 0.5 + SNAP)) {
        state[p] = State.Outside;
        continue;
      }
      if (p < this.first) this.first = p;
      this.last = p + 1;
      const n = clamp(Math.floor(at + 0.5 + SNAP), size);
      const inside = clamp(at, size);
      let a = linear ? Math.floor(inside) : n;
      let b = linear ? Math.min(a + 1, size - 1) : n;
      // A pixel shows its nearest slice; a neighbour that is not here yet does not take part.
      if (present && !(present[a] && present[b])) a = b = n;
      const here = !present || present[n] !== 0;
      if (!here) this.gaps = true;
      state[p] = here ? State.Here : State.Missing;
      low[p] = a;
      high[p] = b;
      part[p] = a === b ? 0 : inside - a;
    }
    return this;
  }
}

/** A plane that lies in one slice and whose pixel rows each follow one grid axis. */
export interface Straight {
  readonly axis: Axis;
  readonly slice: number;
  /** The grid axes that the pixel rows run along and across. */
  readonly along: Axis;
  readonly across: Axis;
  /** Index step along `along` from one pixel row to the next; not 0 where the slice is sheared. */
  readonly slant: number;
}

/** How a plane follows the grid: straight, "off" when it lies beside the volume, null for any other plane. */
export function straightness(plane: PlaneRequest, store: SliceStore): Straight | "off" | null {
  const axis = alignedAxis(plane);
  if (axis === null) return null;
  const at = plane.origin[axis];
  const size = store.shape[axis];
  if (!(at >= -0.5 - SNAP && at <= size - 0.5 + SNAP)) return "off";
  const slice = clamp(nearest(at), size);
  const [a, b] = inPlaneAxes(axis);
  const { du, dv, width, height } = plane;
  for (const [along, across] of [[b, a], [a, b]] as const)
    if (Math.abs(du[across]) * width < SNAP) {
      const slant = Math.abs(dv[along]) * height < SNAP ? 0 : dv[along];
      return { axis, slice, along, across, slant };
    }
  return null;
}

/** The lines of a straight plane, with `border` more pixels on each side; `x` is that of the first row. */
export function runsOf(
  plane: PlaneRequest, store: SliceStore, straight: Straight, border: number,
  linear: boolean, present: Uint8Array | null,
): { x: Run; y: Run; row: (q: number) => void } {
  const { origin, du, dv, width, height } = plane;
  const { along, across, slant } = straight;
  const rows = inPlaneAxes(straight.axis)[0];
  const run = (axis: Axis, count: number): Run =>
    new Run(count + 2 * border, store.shape[axis], linear, axis === rows ? present : null);
  const y = run(across, height).set(origin[across] - border * dv[across], dv[across]);
  const x = run(along, width);
  const row = (q: number): void => {
    x.set(origin[along] - border * du[along] + (q - border) * slant, du[along]);
  };
  row(0);
  return { x, y, row };
}

/** Blend two lines of a slice into `line`, already windowed; `step` is the distance of two values in a line. */
function blendLine(
  data: TypedArray, a: number, b: number, part: number, step: number,
  from: number, to: number, levels: Levels, line: Float64Array,
): void {
  const { lower, factor } = levels;
  if (part === 0) {
    for (let n = from; n < to; n++) line[n] = (data[a + n * step]! - lower) * factor + 0.5;
    return;
  }
  for (let n = from; n < to; n++) {
    const value = data[a + n * step]!;
    line[n] = (value + (data[b + n * step]! - value) * part - lower) * factor + 0.5;
  }
}

function greyLine(line: Float64Array, x: Run, grey: Uint32Array, out: Uint32Array, to: number): void {
  const { low, high, part, first, last } = x;
  for (let p = first; p < last; p++) {
    const a = line[low[p]!]!;
    const t = part[p] !== 0 ? a + (line[high[p]!]! - a) * part[p]! : a;
    out[to + p] = grey[t > 0 ? (t < 255 ? t | 0 : 255) : 0]!;
  }
}

/** Four values straight from the slice: cheaper than whole lines where the picture is made smaller. */
function greyTaps(
  data: TypedArray, a: number, b: number, part: number, step: number,
  x: Run, levels: Levels, out: Uint32Array, to: number,
): void {
  const { lower, factor, grey } = levels;
  for (let p = x.first; p < x.last; p++) {
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
    const t = (top - lower) * factor + 0.5;
    out[to + p] = grey[t > 0 ? (t < 255 ? t | 0 : 255) : 0]!;
  }
}

function colorTaps(
  data: TypedArray, a: number, b: number, part: number, step: number,
  x: Run, out: Uint32Array, to: number,
): void {
  for (let p = x.first; p < x.last; p++) {
    const l = x.low[p]! * step;
    const h = x.high[p]! * step;
    const f = x.part[p]!;
    let pixel = 0xff000000;
    for (let c = 0; c < 3; c++) {
      const top = data[a + l + c]! + (data[a + h + c]! - data[a + l + c]!) * f;
      const bottom = data[b + l + c]! + (data[b + h + c]! - data[b + l + c]!) * f;
      pixel |= (top + (bottom - top) * part + 0.5) << (8 * c);
    }
    out[to + p] = pixel;
  }
}

/** Index distance in a slice between neighbours along each of its two axes, for pixels across and down. */
export function pitches(straight: Straight, columns: number, channels: number): readonly [number, number] {
  const turned = straight.along === inPlaneAxes(straight.axis)[0];
  return turned ? [columns * channels, channels] : [channels, columns * channels];
}

/** Draw a straight plane from its slice. */
export function paintStraight(
  out: Uint32Array, plane: PlaneRequest, layer: ImageLayer, straight: Straight, sheet: Sheet | undefined,
): void {
  const { width, height } = plane;
  const { x, y, row } = runsOf(plane, layer.store, straight, 0, layer.interpolate, sheet?.present ?? null);
  const line = sheet && linePainter(out, layer, straight, sheet, x);
  let shown = -1;
  for (let q = 0; q < height; q++) {
    const to = q * width;
    if (straight.slant !== 0) row(q);
    else if (line && shown >= 0 && sameLine(y, shown, q)) {
      out.copyWithin(to, shown * width, (shown + 1) * width);
      continue;
    }
    out.fill(OUTSIDE, to, to + width);
    if (y.state[q] === State.Outside || x.first >= x.last) continue;
    if (y.state[q] === State.Missing || !line) {
      out.fill(MISSING, to + x.first, to + x.last);
      continue;
    }
    shown = q;
    line(y.low[q]!, y.high[q]!, y.part[q]!, to);
    if (x.gaps)
      for (let p = x.first; p < x.last; p++) if (x.state[p] === State.Missing) out[to + p] = MISSING;
  }
}

const sameLine = (y: Run, a: number, b: number): boolean =>
  y.state[a] === y.state[b] && y.low[a] === y.low[b] && y.high[a] === y.high[b] && y.part[a] === y.part[b];

type PaintLine = (low: number, high: number, part: number, to: number) => void;

/** What writes one pixel row between the lines `low` and `high` of a slice. */
function linePainter(out: Uint32Array, layer: ImageLayer, straight: Straight, sheet: Sheet, x: Run): PaintLine {
  const { data } = sheet;
  const channels = layer.store.color ? 3 : 1;
  const [stepX, stepY] = pitches(straight, sheet.columns, channels);
  const size = layer.store.shape[straight.along];
  const levels = levelsOf(layer);
  const line = new Float64Array(size);
  return (low, high, part, to) => {
    const a = low * stepY;
    const b = high * stepY;
    if (channels === 3) return colorTaps(data, a, b, part, stepX, x, out, to);
    const left = x.low[x.first]!;
    const right = x.low[x.last - 1]!;
    const from = Math.min(left, right);
    const until = Math.min(Math.max(left, right) + 2, size);
    if (until - from > 2 * (x.last - x.first)) return greyTaps(data, a, b, part, stepX, x, levels, out, to);
    blendLine(data, a, b, part, stepX, from, until, levels, line);
    greyLine(line, x, levels.grey, out, to);
  };
}

/** First and one past the last pixel of a row that lie in the volume; the row starts at `at`. */
function reach(at: Vec3, step: Vec3, width: number, shape: Vec3): readonly [number, number] {
  let first = 0;
  let last = width;
  for (const n of [0, 1, 2] as const) {
    const inside = (p: number): boolean => {
      const x = at[n] + step[n] * p;
      return x >= -0.5 - SNAP && x <= shape[n] - 0.5 + SNAP;
    };
    if (step[n] !== 0) {
      const ends = [(-0.5 - SNAP - at[n]) / step[n], (shape[n] - 0.5 + SNAP - at[n]) / step[n]] as const;
      first = Math.max(first, Math.ceil(Math.min(...ends)) - 1);
      last = Math.min(last, Math.floor(Math.max(...ends)) + 2);
    }
    // The quotient may be off by rounding: the sum that is used below decides.
    while (first < last && !inside(first)) first++;
    while (first < last && !inside(last - 1)) last--;
  }
  return [first, last];
}

/** Draw any plane, voxel by voxel: trilinear or nearest. */
export function paintOblique(out: Uint32Array, request: PlaneRequest, layer: ImageLayer): void {
  const { width, height, origin, du, dv } = settled(request);
  const { shape } = layer.store;
  const slices: (TypedArray | undefined)[] = [];
  for (let k = 0; k < shape[0]; k++) slices.push(layer.store.slice(k));
  const levels = levelsOf(layer);
  for (let q = 0; q < height; q++) {
    const at: Vec3 = [origin[0] + dv[0] * q, origin[1] + dv[1] * q, origin[2] + dv[2] * q];
    const [first, last] = reach(at, du, width, shape);
    const to = q * width;
    out.fill(OUTSIDE, to, to + width);
    obliqueLine(out.subarray(to + first, to + last), first, at, du, layer, slices, levels);
  }
}

/** One row of pixels, all in the volume; the first of them is pixel `first` of the row that starts at `at`. */
function obliqueLine(
  out: Uint32Array, first: number, at: Vec3, du: Vec3,
  { store, interpolate }: ImageLayer, slices: readonly (TypedArray | undefined)[], levels: Levels,
): void {
  const [nk, nj, ni] = store.shape;
  const [k0, j0, i0] = at;
  const [dk, dj, di] = du;
  const { lower, factor, grey } = levels;
  const channels = store.color ? 3 : 1;
  for (let n = 0; n < out.length; n++) {
    let k = k0 + dk * (n + first), j = j0 + dj * (n + first), i = i0 + di * (n + first);
    const kn = clamp(Math.floor(k + 0.5 + SNAP), nk);
    const middle = slices[kn];
    if (!middle) {
      out[n] = MISSING;
      continue;
    }
    k = interpolate ? clamp(k, nk) : kn;
    j = clamp(interpolate ? j : Math.floor(j + 0.5 + SNAP), nj);
    i = clamp(interpolate ? i : Math.floor(i + 0.5 + SNAP), ni);
    const kl = k | 0, jl = j | 0, il = i | 0;
    const fk = k - kl, fj = j - jl, fi = i - il;
    const low = slices[kl], high = fk > 0 ? slices[kl + 1] : undefined;
    const both = low !== undefined && high !== undefined;
    const near = both ? low : middle;
    const right = fi > 0 ? channels : 0, below = fj > 0 ? ni * channels : 0;
    let o = (jl * ni + il) * channels;
    if (channels === 1) {
      let value = bilinear(near, o, right, below, fi, fj);
      if (both) value += (bilinear(high, o, right, below, fi, fj) - value) * fk;
      const t = (value - lower) * factor + 0.5;
      out[n] = grey[t > 0 ? (t < 255 ? t | 0 : 255) : 0]!;
      continue;
    }
    let pixel = 0xff000000;
    for (let c = 0; c < 3; c++, o++) {
      let value = bilinear(near, o, right, below, fi, fj);
      if (both) value += (bilinear(high, o, right, below, fi, fj) - value) * fk;
      pixel |= (value + 0.5) << (8 * c);
    }
    out[n] = pixel;
  }
}

function bilinear(
  data: TypedArray, o: number, right: number, below: number, fx: number, fy: number,
): number {
  const a = data[o]!;
  const top = fx === 0 ? a : a + (data[o + right]! - a) * fx;
  if (fy === 0) return top;
  const b = data[o + below]!;
  const bottom = fx === 0 ? b : b + (data[o + below + right]! - b) * fx;
  return top + (bottom - top) * fy;
}
