/** Windows from the values themselves: percentiles and ranges of slices. */
import type { TypedArray } from "../model/masks";
import type { Window } from "../tools/tool";

const SAMPLES = 20000;
/** Values of a whole volume that are looked at. */
const VOLUME_SAMPLES = 200_000;

/** Finite values of some slices, at most about `most` of them and evenly spread, sorted. */
export function sample(slices: readonly TypedArray[], most = SAMPLES): Float64Array {
  const total = slices.reduce((sum, slice) => sum + slice.length, 0);
  const step = Math.max(1, Math.floor(total / most));
  const out = new Float64Array(Math.ceil(total / step) + slices.length);
  let n = 0;
  for (const slice of slices) {
    for (let at = 0; at < slice.length; at += step) {
      const value = slice[at]!;
      if (Number.isFinite(value)) out[n++] = value;
    }
  }
  return out.subarray(0, n).sort();
}

function between(lower: number, upper: number): Window {
  return { center: (lower + upper) / 2, width: Math.max(upper - lower, 1e-6) };
}

/**
 * Window from the percentile `cut` (0..50) to 100 - `cut`; null without values.
 *
 * Where both fall on one value, as on a picture that is mostly air, the whole range is taken.
 */
export function percentileWindow(slices: readonly TypedArray[], cut: number): Window | null {
  const sorted = sample(slices, slices.length > 1 ? VOLUME_SAMPLES : SAMPLES);
  if (sorted.length === 0) return null;
  const at = (p: number): number => sorted[Math.round(p * (sorted.length - 1))]!;
  let [lower, upper] = [at(cut / 100), at(1 - cut / 100)];
  if (upper <= lower) [lower, upper] = [sorted[0]!, sorted[sorted.length - 1]!];
  return upper > lower ? between(lower, upper) : { center: lower, width: 1 };
}

/** Window over the 1st to the 99th percentile; null for a slice without values. */
export const autoWindow = (slice: TypedArray): Window | null => percentileWindow([slice], 1);

/** Window over everything there is in the slices. */
export function fullWindow(slices: Iterable<TypedArray>): Window | null {
  let lower = Infinity;
  let upper = -Infinity;
  for (const slice of slices) {
    for (let n = 0; n < slice.length; n++) {
      const value = slice[n]!;
      if (value < lower && value !== -Infinity) lower = value;
      if (value > upper && value !== Infinity) upper = value;
    }
  }
  return lower < upper ? between(lower, upper) : null;
}
