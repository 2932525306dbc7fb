/** Planes across the grid, drawn pixel by pixel. */
import type { Vec3 } from "../model/geometry";
import { Samples } from "./combine";
import type { ImageLayer, SliceStore, TypedArray } from "./contract";
import { SNAP, settled, shifted, slabOffsets, slicesOf } from "./plane";
import type { PlaneRequest } from "./plane";
import { State, clamp } from "./runs";
import type { Shade, Target } from "./shade";

/** First and one past the last pixel of a row that lie in the volume; the row starts at `at`. */
export function reach(at: Vec3, step: Vec3, width: number, shape: Vec3): readonly [number, number] {
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

/** The slices a plane needs, at their numbers; the others are left undefined. */
export function slicesNear(plane: PlaneRequest, store: SliceStore): readonly (TypedArray | undefined)[] {
  const slices = new Array<TypedArray | undefined>(store.shape[0]).fill(undefined);
  const range = slicesOf(plane, store.shape[0]);
  if (range) for (let k = range[0]; k <= range[1]; k++) slices[k] = store.slice(k);
  return slices;
}

/** Draw any plane: trilinear or nearest. */
export function paintOblique(target: Target, request: PlaneRequest, layer: ImageLayer, shade: Shade): void {
  const plane = settled(request, layer.interpolate);
  const { width, height, du, dv } = plane;
  const { store, clip } = layer;
  const slices = slicesNear(plane, store);
  const origins = slabOffsets(plane).map((offset) => shifted(plane, offset).origin);
  const samples = new Samples(width, plane.slab?.mode ?? null);
  const states = new Uint8Array(width);
  for (let q = 0; q < height; q++) {
    const to = target.start(q);
    samples.paint(target.pixels, to, shade, store.color, (channel) => {
      for (const [k, j, i] of origins) {
        const at: Vec3 = [k + dv[0] * q, j + dv[1] * q, i + dv[2] * q];
        let [first, last] = reach(at, du, width, store.extent ?? store.shape);
        if (clip) [first, last] = [Math.max(first, clip[0]), Math.min(last, clip[1])];
        if (first >= last) continue;
        const whole = (layer.interpolate ? linear : closest)(
          samples.values, states, first, last, at, du, store, slices, channel, shade,
        );
        samples.add(first, last, whole ? null : states);
      }
    });
    target.done(q, samples.first, samples.last);
  }
}

type Row = (
  values: Float64Array, states: Uint8Array, first: number, last: number, at: Vec3, du: Vec3,
  store: SliceStore, slices: readonly (TypedArray | undefined)[], channel: number, shade: Shade,
) => boolean;

/** Levels of pixels first..last of the row that starts at `at`; true when all of them are here. */
const closest: Row = (values, states, first, last, [k0, j0, i0], [dk, dj, di], store, slices, channel, shade) => {
  const [nk, nj, ni] = store.shape;
  const { lower, factor } = shade;
  const channels = store.color ? 3 : 1;
  let whole = true;
  for (let n = first; n < last; n++) {
    const k = clamp(Math.floor(k0 + dk * n + 0.5 + SNAP), nk);
    const j = clamp(Math.floor(j0 + dj * n + 0.5 + SNAP), nj);
    const i = clamp(Math.floor(i0 + di * n + 0.5 + SNAP), ni);
    const slice = slices[k];
    states[n] = slice ? State.Here : State.Missing;
    if (slice) values[n] = (slice[(j * ni + i) * channels + channel]! - lower) * factor + 0.5;
    else whole = false;
  }
  return whole;
};

const linear: Row = (values, states, first, last, [k0, j0, i0], [dk, dj, di], store, slices, channel, shade) => {
  const [nk, nj, ni] = store.shape;
  const { lower, factor } = shade;
  const channels = store.color ? 3 : 1;
  const pitch = ni * channels;
  let whole = true;
  for (let n = first; n < last; n++) {
    const kAt = k0 + dk * n;
    const middle = slices[clamp(Math.floor(kAt + 0.5 + SNAP), nk)];
    states[n] = middle ? State.Here : State.Missing;
    if (!middle) {
      whole = false;
      continue;
    }
    const k = clamp(kAt, nk), j = clamp(j0 + dj * n, nj), i = clamp(i0 + di * n, ni);
    const kl = k | 0, jl = j | 0, il = i | 0;
    const fk = k - kl, fj = j - jl, fi = i - il;
    const low = slices[kl], high = fk > 0 ? slices[kl + 1] : undefined;
    const o = jl * pitch + il * channels + channel;
    const right = fi > 0 ? channels : 0, below = fj > 0 ? pitch : 0;
    let value: number;
    if (low && high) {
      value = bilinear(low, o, right, below, fi, fj);
      value += (bilinear(high, o, right, below, fi, fj) - value) * fk;
    } else value = bilinear(middle, o, right, below, fi, fj);
    values[n] = (value - lower) * factor + 0.5;
  }
  return whole;
};

function bilinear(data: TypedArray, o: number, right: number, below: number, fx: number, fy: number): number {
  const a = data[o]!;
  const top = fx === 0 ? a : a + (data[o + right]! - a) * fx;
  if (fy === 0) return top;
  const b = data[o + below]!;
  const bottom = fx === 0 ? b : b + (data[o + below + right]! - b) * fx;
  return top + (bottom - top) * fy;
}
