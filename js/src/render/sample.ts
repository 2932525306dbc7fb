/** Voxels under pixels: tables for planes along the grid, per-pixel sums for all others. */
import type { Axis } from "../model/geometry";
import type { ImageLayer, SliceStore, TypedArray } from "./contract";
import { SNAP, alignedAxis, inPlaneAxes, nearest } from "./plane";
import type { PlaneRequest } from "./plane";
import type { Sheet } from "./sheet";

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

/** Source positions of a run of pixels along one grid axis. */
export interface Run {
  /** 0 outside, 1 missing, 2 here. */
  readonly state: Uint8Array;
  readonly low: Int32Array;
  readonly high: Int32Array;
  readonly part: Float64Array;
  /** First and one past the last pixel that is not outside. */
  readonly first: number;
  readonly last: number;
}

/** Tables for pixels `from` .. `from + count`, pixel p lying at `start + p * step` of an axis with `size` voxels. */
export function runOf(
  start: number, step: number, from: number, count: number, size: number,
  linear: boolean, present: Uint8Array | null,
): Run {
  const state = new Uint8Array(count);
  const low = new Int32Array(count);
  const high = new Int32Array(count);
  const part = new Float64Array(count);
  let first = count;
  let last = 0;
  for (let p = 0; p < count; p++) {
    const at = start + (p + from) * step;
    if (!(at >= -0.5 - SNAP && at <= size - 0.5 + SNAP)) continue;
    first = Math.min(first, p);
    last = p + 1;
    const n = Math.min(Math.max(nearest(at), 0), size - 1);
    const inside = Math.min(Math.max(at, 0), size - 1);
    let a = linear ? Math.floor(inside) : n;
    let b = linear ? Math.min(a + 1, size - 1) : n;
    // A pixel shows its nearest slice; a neighbour that is not here yet does not take part.
    if (present && !(present[a] && present[b])) a = b = n;
    state[p] = present && !present[n] ? State.Missing : State.Here;
    low[p] = a;
    high[p] = b;
    part[p] = a === b ? 0 : inside - a;
  }
  return { state, low, high, part, first, last };
}

/** A plane that lies in one slice and whose pixel columns and rows each follow one grid axis. */
export interface Straight {
  readonly axis: Axis;
  readonly slice: number;
  /** The pixel columns follow the rows of the slice. */
  readonly turned: boolean;
}

/** How a plane follows the grid: straight, "off" when it lies beside the volume, null for any other plane. */
export function straightness(plane: PlaneRequest, store: SliceStore): Straight | "off" | null {
  const axis = alignedAxis(plane);
  if (axis === null) return null;
  const at = plane.origin[axis];
  const size = store.shape[axis];
  if (!(at >= -0.5 - SNAP && at <= size - 0.5 + SNAP)) return "off";
  const slice = Math.min(Math.max(nearest(at), 0), size - 1);
  const [row, column] = inPlaneAxes(axis);
  const { du, dv, width, height } = plane;
  const along = (a: Axis, b: Axis): boolean =>
    Math.abs(dv[a]) * height < SNAP && Math.abs(du[b]) * width < SNAP;
  if (along(column, row)) return { axis, slice, turned: false };
  return along(row, column) ? { axis, slice, turned: true } : null;
}

/** Column and row tables of a straight plane, over the pixels from `-border` to size + `border`. */
export function runsOf(
  plane: PlaneRequest, store: SliceStore, straight: Straight, border: number,
  linear: boolean, present: Uint8Array | null,
): { x: Run; y: Run } {
  const [row, column] = inPlaneAxes(straight.axis);
  const [ax, ay] = straight.turned ? [row, column] : [column, row];
  const { origin, du, dv, width, height } = plane;
  const of = (axis: Axis, step: number, count: number): Run =>
    runOf(origin[axis], step, -border, count + 2 * border, store.shape[axis], linear, axis === row ? present : null);
  return { x: of(ax, du[ax], width), y: of(ay, dv[ay], height) };
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

function greyLine(line: Float64Array, x: Run, linear: boolean, grey: Uint32Array, out: Uint32Array, to: number): void {
  const { low, high, part, first, last } = x;
  for (let p = first; p < last; p++) {
    const a = line[low[p]!]!;
    const t = linear && part[p] !== 0 ? a + (line[high[p]!]! - a) * part[p]! : a;
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

/** Draw a straight plane from its slice. */
export function paintStraight(
  out: Uint32Array, plane: PlaneRequest, layer: ImageLayer, straight: Straight, sheet: Sheet | undefined,
): void {
  const { width, height } = plane;
  const linear = layer.interpolate;
  const { x, y } = runsOf(plane, layer.store, straight, 0, linear, sheet?.present ?? null);
  const channels = layer.store.color ? 3 : 1;
  const pitch = (sheet?.columns ?? 0) * channels;
  const [stepX, stepY] = straight.turned ? [pitch, channels] : [channels, pitch];
  const levels = levelsOf(layer);
  const ends = [x.low[x.first] ?? 0, x.high[x.first] ?? 0, x.low[x.last - 1] ?? 0, x.high[x.last - 1] ?? 0];
  const from = Math.min(...ends);
  const to = Math.max(...ends) + 1;
  const whole = to - from <= 2 * width;
  const line = new Float64Array(whole ? to : 0);
  let shown = -1;
  for (let q = 0; q < height; q++) {
    const row = q * width;
    out.fill(OUTSIDE, row, row + width);
    const state = sheet ? y.state[q]! : Math.min(y.state[q]!, State.Missing);
    if (state === State.Outside || x.first >= x.last) continue;
    if (state === State.Missing || !sheet) {
      out.fill(MISSING, row + x.first, row + x.last);
      continue;
    }
    const part = y.part[q]!;
    const a = y.low[q]! * stepY;
    const b = y.high[q]! * stepY;
    if (shown >= 0 && y.low[shown] === y.low[q] && y.high[shown] === y.high[q] && y.part[shown] === part) {
      out.copyWithin(row, shown * width, (shown + 1) * width);
      continue;
    }
    shown = q;
    if (channels === 3) colorTaps(sheet.data, a, b, part, stepX, x, out, row);
    else if (!whole) greyTaps(sheet.data, a, b, part, stepX, x, levels, out, row);
    else {
      blendLine(sheet.data, a, b, part, stepX, from, to, levels, line);
      greyLine(line, x, linear, levels.grey, out, row);
    }
  }
  if (straight.turned && sheet?.present) grayColumns(out, width, x, y);
}

/** Where the pixel columns follow k, slices that are not here are columns of the picture. */
function grayColumns(out: Uint32Array, width: number, x: Run, y: Run): void {
  for (let p = x.first; p < x.last; p++)
    if (x.state[p] === State.Missing)
      for (let q = y.first; q < y.last; q++) out[q * width + p] = MISSING;
}

/** The plane with an aligned axis put exactly on its slice, so that no other slice takes part. */
export function settled(plane: PlaneRequest): PlaneRequest {
  const axis = alignedAxis(plane);
  if (axis === null) return plane;
  const set = (v: readonly [number, number, number], value: number): [number, number, number] => {
    const copy: [number, number, number] = [v[0], v[1], v[2]];
    copy[axis] = value;
    return copy;
  };
  const { origin, du, dv } = plane;
  return { ...plane, origin: set(origin, nearest(origin[axis])), du: set(du, 0), dv: set(dv, 0) };
}

/** Draw any plane, voxel by voxel: trilinear or nearest. */
export function paintOblique(out: Uint32Array, request: PlaneRequest, layer: ImageLayer): void {
  const { store, interpolate } = layer;
  const plane = settled(request);
  const { width, height, origin, du, dv } = plane;
  const [nk, nj, ni] = store.shape;
  const slices: (TypedArray | undefined)[] = [];
  for (let k = 0; k < nk; k++) slices.push(store.slice(k));
  const channels = store.color ? 3 : 1;
  const levels = levelsOf(layer);
  const { lower, factor, grey } = store.color ? { ...levels, lower: 0, factor: 1 } : levels;
  const most = [nk - 0.5 + SNAP, nj - 0.5 + SNAP, ni - 0.5 + SNAP] as const;
  const least = -0.5 - SNAP;
  for (let q = 0; q < height; q++) {
    const k0 = origin[0] + dv[0] * q, j0 = origin[1] + dv[1] * q, i0 = origin[2] + dv[2] * q;
    for (let p = 0; p < width; p++) {
      let k = k0 + du[0] * p, j = j0 + du[1] * p, i = i0 + du[2] * p;
      const at = q * width + p;
      if (!(k >= least && k <= most[0] && j >= least && j <= most[1] && i >= least && i <= most[2])) {
        out[at] = OUTSIDE;
        continue;
      }
      const kn = clamp(Math.floor(k + 0.5 + SNAP), nk);
      const middle = slices[kn];
      if (!middle) {
        out[at] = MISSING;
        continue;
      }
      if (interpolate) {
        k = clamp(k, nk); j = clamp(j, nj); i = clamp(i, ni);
      } else {
        k = kn; j = clamp(Math.floor(j + 0.5 + SNAP), nj); i = clamp(Math.floor(i + 0.5 + SNAP), ni);
      }
      const kl = Math.floor(k), jl = Math.floor(j), il = Math.floor(i);
      const lowSlice = slices[kl], highSlice = slices[Math.min(kl + 1, nk - 1)];
      const both = lowSlice && highSlice && k > kl;
      const base = (jl * ni + il) * channels;
      const right = il + 1 < ni ? channels : 0, below = jl + 1 < nj ? ni * channels : 0;
      let pixel = 0xff000000;
      for (let c = 0; c < channels; c++) {
        const o = base + c;
        let value = bilinear(both ? lowSlice : middle, o, right, below, i - il, j - jl);
        if (both) value += (bilinear(highSlice, o, right, below, i - il, j - jl) - value) * (k - kl);
        const t = (value - lower) * factor + 0.5;
        const level = t > 0 ? (t < 255 ? t | 0 : 255) : 0;
        pixel = channels === 1 ? grey[level]! : pixel | (level << (8 * c));
      }
      out[at] = pixel;
    }
  }
}

const clamp = (x: number, size: number): number => (x > 0 ? (x < size - 1 ? x : size - 1) : 0);

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
