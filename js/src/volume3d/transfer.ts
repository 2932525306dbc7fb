/** How values become colour and opacity: points, presets by modality, tables. */
import type { TypedArray } from "../model/masks";
import type { Copy } from "./field";

/** Value in the stored unit, opacity of about one voxel 0..1, colour "#rrggbb". */
export type Point = readonly [value: number, opacity: number, color: string];
export type Mode = "render" | "mip";

export interface Preset {
  readonly id: string;
  readonly title: string;
  readonly mode: Mode;
  /** Null: the window of the image, black to white. */
  readonly points: readonly Point[] | null;
  /** Values are parts of the image's own range, not of its unit. */
  readonly relative?: boolean;
}

const MIP: Preset = { id: "mip", title: "MIP (window)", mode: "mip", points: null };
const SEGMENTS: Preset = { id: "segments", title: "Segments only", mode: "render", points: [[0, 0, "#000000"], [1, 0, "#000000"]] };

const CT: readonly Preset[] = [
  {
    id: "ct-bone", title: "Bone", mode: "render",
    points: [[130, 0, "#8a4a32"], [210, 0.18, "#c48a62"], [350, 0.6, "#e6cfa6"], [700, 0.85, "#f4ead6"], [1500, 0.95, "#ffffff"]],
  },
  {
    id: "ct-vessels", title: "Vessels (contrast) and bone", mode: "render",
    points: [[110, 0, "#6e1a16"], [170, 0.15, "#b2322a"], [260, 0.6, "#d8604a"], [420, 0.75, "#eed9b2"], [1100, 0.9, "#fffaf0"]],
  },
  {
    id: "ct-soft", title: "Soft tissue", mode: "render",
    points: [[-60, 0, "#6e3528"], [10, 0.05, "#a2543f"], [60, 0.3, "#c06e58"], [150, 0.5, "#dcae8c"], [350, 0.8, "#f2e6cf"], [1000, 0.9, "#ffffff"]],
  },
  {
    id: "ct-skin", title: "Skin", mode: "render",
    points: [[-450, 0, "#c98f72"], [-250, 0.5, "#d8a284"], [0, 0.8, "#e4b598"], [200, 0.9, "#eac7ad"], [1000, 0.95, "#ffffff"]],
  },
  {
    id: "ct-lung", title: "Lung and airways", mode: "render",
    points: [[-960, 0, "#274a6e"], [-880, 0.015, "#4f7ba3"], [-720, 0.07, "#9dbcd4"], [-520, 0.12, "#dfe8ee"], [-380, 0.03, "#e8d9cf"], [-250, 0, "#e8d9cf"]],
  },
  { id: "ct-mip", title: "MIP, bone and vessels", mode: "mip", points: [[-50, 0, "#000000"], [250, 0.4, "#8c8c8c"], [1000, 1, "#ffffff"]] },
];
const MR: readonly Preset[] = [
  {
    id: "mr", title: "Surface", mode: "render", relative: true,
    points: [[0.14, 0, "#3a2a22"], [0.26, 0.12, "#8f6a56"], [0.45, 0.35, "#c9a386"], [0.75, 0.6, "#ecd9c2"], [1, 0.85, "#ffffff"]],
  },
  { id: "mr-angio", title: "Angiography MIP", mode: "mip", relative: true, points: [[0.1, 0, "#000000"], [1, 1, "#ffffff"]] },
];
const PT: readonly Preset[] = [
  { id: "pt-mip", title: "MIP, dark on white", mode: "mip", relative: true, points: [[0, 0, "#ffffff"], [0.6, 1, "#000000"]] },
  {
    id: "pt-hot", title: "MIP, hot", mode: "mip", relative: true,
    points: [[0, 0, "#000000"], [0.25, 0.3, "#a00000"], [0.5, 0.6, "#ff7800"], [0.75, 0.8, "#ffe020"], [1, 1, "#ffffff"]],
  },
  {
    id: "pt-volume", title: "Hot volume", mode: "render", relative: true,
    points: [[0.08, 0, "#400000"], [0.2, 0.03, "#a01000"], [0.45, 0.2, "#ff7800"], [0.75, 0.5, "#ffe020"], [1, 0.8, "#ffffff"]],
  },
];
const US: readonly Preset[] = [
  {
    id: "us", title: "Surface", mode: "render", relative: true,
    points: [[0.12, 0, "#2a1608"], [0.3, 0.1, "#8a5a2c"], [0.6, 0.4, "#d8a870"], [1, 0.8, "#fff0d0"]],
  },
];

/** Presets for an image, the default first. */
export function presetsFor(image: { readonly modality: string; readonly unit: string }): readonly Preset[] {
  const { modality, unit } = image;
  if (modality === "CT" && (unit === "HU" || unit === "")) return [...CT, MIP, SEGMENTS];
  if (modality === "PT" || modality === "NM") return [...PT, MIP, SEGMENTS];
  if (modality === "US") return [...US, MIP, SEGMENTS];
  // Files without a modality (NIfTI, arrays) may well hold HU.
  return modality === "" ? [...MR, ...CT, MIP, SEGMENTS] : [...MR, MIP, SEGMENTS];
}

export interface Histogram {
  /** In the stored unit. */
  readonly min: number;
  readonly max: number;
  readonly bins: Float64Array;
}

const BINS = 1024;
const MOST = 2 ** 20;

/** Histogram of a copy (at most about a million of its voxels). */
export function histogram(copy: Pick<Copy, "values" | "slope" | "intercept">): Histogram {
  const { values, slope, intercept } = copy;
  const stride = Math.max(1, Math.floor(values.length / MOST)) | 1;
  const [low, high] = range(values, stride);
  const bins = new Float64Array(BINS);
  const scale = (BINS - 1) / Math.max(high - low, 1e-12);
  for (let n = 0; n < values.length; n += stride) bins[Math.round((values[n]! - low) * scale)]!++;
  return { min: low * slope + intercept, max: high * slope + intercept, bins };
}

function range(values: TypedArray, stride: number): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (let n = 0; n < values.length; n += stride) {
    low = Math.min(low, values[n]!);
    high = Math.max(high, values[n]!);
  }
  return low <= high ? [low, high] : [0, 1];
}

/** The image's own range: 0 (or the least value, where below) to what only one voxel in a thousand exceeds. */
export function ownRange({ min, max, bins }: Histogram): readonly [number, number] {
  // The first bin is mostly the air round the patient.
  let total = 0;
  for (let n = 1; n < bins.length; n++) total += bins[n]!;
  let above = 0;
  for (let n = bins.length - 1; n > 0; n--) {
    above += bins[n]!;
    if (above > total / 1000) return [Math.min(0, min), min + ((max - min) * n) / (bins.length - 1)];
  }
  return [min, max];
}

/** The points to draw with, in the stored unit. */
export function resolved(
  preset: Preset, found: Histogram, window: { readonly lower: number; readonly upper: number },
): readonly Point[] {
  if (!preset.points) return [[window.lower, 0, "#000000"], [Math.max(window.upper, window.lower + 1e-6), 1, "#ffffff"]];
  if (!preset.relative) return preset.points;
  const [low, high] = ownRange(found);
  return preset.points.map(([part, opacity, color]) => [low + part * (high - low), opacity, color] as const);
}

/** What may be used of points from anywhere: sorted, within limits; null where they are not points. */
export function readPoints(json: unknown): Point[] | null {
  if (!Array.isArray(json) || json.length === 0 || json.length > 64) return null;
  const out: Point[] = [];
  for (const one of json) {
    if (!Array.isArray(one)) return null;
    const [value, opacity, color] = one as unknown[];
    if (typeof value !== "number" || typeof opacity !== "number" || typeof color !== "string") return null;
    if (!Number.isFinite(value) || !Number.isFinite(opacity) || !/^#[0-9a-f]{6}$/i.test(color)) return null;
    out.push([value, Math.min(1, Math.max(0, opacity)), color.toLowerCase()]);
  }
  return out.sort((a, b) => a[0] - b[0]);
}

export type Rgb = readonly [number, number, number];

export function rgbOf(color: string): Rgb {
  const value = parseInt(color.slice(1), 16) || 0;
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}

/** Colour (0..255) and opacity (0..1) at a value. */
export function at(points: readonly Point[], value: number): readonly [number, number, number, number] {
  const after = points.findIndex(([x]) => x >= value);
  const high = points[after === -1 ? points.length - 1 : after]!;
  const low = points[after === -1 ? points.length - 1 : Math.max(0, after - 1)]!;
  const part = high[0] > low[0] ? Math.min(1, Math.max(0, (value - low[0]) / (high[0] - low[0]))) : 1;
  const [a, b] = [rgbOf(low[2]), rgbOf(high[2])];
  const mix = (x: number, y: number): number => x + (y - x) * part;
  return [mix(a[0], b[0]), mix(a[1], b[1]), mix(a[2], b[2]), mix(low[1], high[1])];
}

export const TABLE = 1024;

export interface Table {
  /** Values at the first and the last entry. */
  readonly lower: number;
  readonly upper: number;
  /** TABLE entries of red, green, blue, opacity. */
  readonly rgba: Uint8Array;
  /** Number of entries below n that are not transparent. */
  readonly solid: Uint32Array;
}

export function tableOf(points: readonly Point[]): Table {
  const lower = points[0]![0];
  const upper = Math.max(points[points.length - 1]![0], lower + 1e-6);
  const rgba = new Uint8Array(TABLE * 4);
  const solid = new Uint32Array(TABLE + 1);
  for (let n = 0; n < TABLE; n++) {
    const [r, g, b, a] = at(points, lower + ((upper - lower) * n) / (TABLE - 1));
    rgba.set([Math.round(r), Math.round(g), Math.round(b), a > 0 ? Math.max(1, Math.round(a * 255)) : 0], n * 4);
    solid[n + 1] = solid[n]! + (a > 0 ? 1 : 0);
  }
  return { lower, upper, rgba, solid };
}

/** Entry of a value, not rounded. */
export function entryOf(table: Table, value: number): number {
  return Math.min(1, Math.max(0, (value - table.lower) / (table.upper - table.lower))) * (TABLE - 1);
}
