/** Window presets: customary ones by modality, those of the file, and automatic ones. */
import type { ImageJson, PresetJson } from "../model/protocol";
import type { TypedArray } from "../model/masks";
import type { Window } from "../tools/tool";

export interface Preset {
  readonly id: string;
  readonly title: string;
  /** Null where the values decide: the shown slice or all that is here. */
  readonly window: Window | null;
}

const CT: readonly (readonly [string, number, number])[] = [
  ["Soft tissue", 40, 400],
  ["Lung", -600, 1500],
  ["Bone", 400, 1800],
  ["Brain", 40, 80],
  ["Liver", 60, 160],
  ["Mediastinum", 50, 350],
];

/** Presets of an image, those of the configuration first, in the order of the menu and of Alt+1, Alt+2, … */
export function presetsOf(image: ImageJson, own: readonly PresetJson[] = []): readonly Preset[] {
  if (image.color) return [];
  const out: Preset[] = own.filter(({ modality }) => modality === "" || modality === image.modality)
    .map(({ name, center, width }) => ({ id: `own-${name}`, title: name, window: { center, width } }));
  if (image.modality === "CT" && (image.unit === "HU" || image.unit === "")) {
    for (const [title, center, width] of CT) out.push({ id: title, title, window: { center, width } });
  }
  image.windows.forEach(({ center, width, name }, n) => {
    const title = name || (image.windows.length > 1 ? `From file ${n + 1}` : "From file");
    out.push({ id: `file-${n}`, title, window: { center, width } });
  });
  if (image.unit === "SUV") out.push({ id: "suv", title: "SUV 0–10", window: { center: 5, width: 10 } });
  out.push({ id: "auto", title: "Auto (1–99 % of this slice)", window: null });
  out.push({ id: "full", title: "Full range", window: null });
  return out;
}

const SAMPLES = 20000;

/** Finite values of a slice, at most about 20 000 of them, sorted. */
function sample(slice: TypedArray): Float64Array {
  const step = Math.max(1, Math.floor(slice.length / SAMPLES));
  const out = new Float64Array(Math.ceil(slice.length / step));
  let n = 0;
  for (let at = 0; at < slice.length; at += step) {
    const value = slice[at]!;
    if (Number.isFinite(value)) out[n++] = value;
  }
  return out.subarray(0, n).sort();
}

function between(lower: number, upper: number): Window {
  return { center: (lower + upper) / 2, width: Math.max(upper - lower, 1e-6) };
}

/** Window over the 1st to the 99th percentile; null for a slice without values. */
export function autoWindow(slice: TypedArray): Window | null {
  const sorted = sample(slice);
  if (sorted.length === 0) return null;
  const at = (p: number): number => sorted[Math.round(p * (sorted.length - 1))]!;
  let [lower, upper] = [at(0.01), at(0.99)];
  if (upper <= lower) [lower, upper] = [sorted[0]!, sorted[sorted.length - 1]!];
  return upper > lower ? between(lower, upper) : { center: lower, width: 1 };
}

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

/** Values shown black and white; an image whose file says LINEAR keeps to it (PS3.3 C.11.2.1.2.1). */
export function windowBounds(image: ImageJson, { center, width }: Window): { lower: number; upper: number } {
  if (image.windows[0]?.function !== "LINEAR" || width < 1) {
    return { lower: center - width / 2, upper: center + width / 2 };
  }
  const half = Math.max(width - 1, 1e-3) / 2;
  return { lower: center - 0.5 - half, upper: center - 0.5 + half };
}
