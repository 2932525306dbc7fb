/** The parts of the view state that are more than a number, a name or a switch, and their readers. */
import type { Vec3 } from "../model/geometry";
import { clamp, finite, flag, numbers, object, oneOf, text, within } from "./read";

/** What a pane shows: a patient plane, the slices as they are stored, a free plane, or the volume in 3-D. */
export const PLANES = ["axial", "coronal", "sagittal", "acquisition", "oblique", "volume"] as const;
export type Plane = (typeof PLANES)[number];

/** One pane of a layout. */
export interface PaneTree {
  readonly plane: Plane;
  /** Id of its image; absent: the main image. */
  readonly image?: string;
  readonly id?: string;
}
/** A pane, or trees side by side (row) or one below the other (column), with relative sizes. */
export type LayoutTree =
  | PaneTree
  | { readonly row: readonly LayoutTree[]; readonly sizes?: readonly number[] }
  | { readonly column: readonly LayoutTree[]; readonly sizes?: readonly number[] };

const DEEPEST = 6;

/** Read a layout tree; null where it is none. */
export function readTree(value: unknown, depth = 0): LayoutTree | null {
  if (depth > DEEPEST) return null;
  const raw = object(value);
  for (const way of ["row", "column"] as const) {
    const parts = raw[way];
    if (!Array.isArray(parts)) continue;
    const read = parts.map((part) => readTree(part, depth + 1)).filter((part) => part !== null);
    if (read.length === 0 || read.length !== parts.length) return null;
    const sizes = numbers(raw["sizes"], read.length)?.map((size) => clamp(size, 0.01, 100));
    const more = sizes ? { sizes } : {};
    return way === "row" ? { row: read, ...more } : { column: read, ...more };
  }
  if (!PLANES.includes(raw["plane"] as Plane)) return null;
  const image = text(raw["image"]);
  const id = text(raw["id"]);
  return { plane: raw["plane"] as Plane, ...(image ? { image } : {}), ...(id ? { id } : {}) };
}

/** What somebody put into a pane, over the layout. */
export interface PaneChoice {
  readonly plane?: Plane;
  readonly image?: string;
}
export function readChoice(value: unknown): PaneChoice | null {
  const raw = object(value);
  const image = text(raw["image"]);
  const plane = PLANES.find((one) => one === raw["plane"]);
  return image || plane ? { ...(plane ? { plane } : {}), ...(image ? { image } : {}) } : null;
}

/** Rotation from the patient's axes (LPS) to those of the planes: unit quaternion x, y, z, w. */
export type Quaternion = readonly [number, number, number, number];
export function readQuaternion(value: unknown): Quaternion | null {
  const four = numbers(value, 4);
  const size = four ? Math.hypot(...four) : 0;
  return four && size > 1e-9 ? (four.map((x) => x / size) as unknown as Quaternion) : null;
}

export const SLAB_MODES = ["mip", "minip", "mean"] as const;
export type SlabMode = (typeof SLAB_MODES)[number];
export interface SlabState {
  readonly mode: SlabMode;
  /** Thickness in mm. */
  readonly mm: number;
}
export function readSlab(value: unknown): SlabState | null {
  const raw = object(value);
  const mode = SLAB_MODES.find((one) => one === raw["mode"]);
  return mode && finite(raw["mm"]) && raw["mm"] > 0 ? { mode, mm: Math.min(raw["mm"], 1000) } : null;
}

/** How a picture is turned on the screen: first left and right exchanged, then quarter turns clockwise. */
export interface Turn {
  readonly quarter: 0 | 1 | 2 | 3;
  readonly flip: boolean;
}
export const NO_TURN: Turn = { quarter: 0, flip: false };
export function readTurn(value: unknown): Turn | null {
  const raw = object(value);
  const quarter = finite(raw["quarter"]) ? (((Math.round(raw["quarter"]) % 4) + 4) % 4) as Turn["quarter"] : 0;
  // A turn of nothing is kept: it overrides how the picture would be hung.
  return "quarter" in raw || "flip" in raw ? { quarter, flip: flag(raw["flip"], false) } : null;
}

/** An image drawn over a base image. */
export interface LayerState {
  readonly image: string;
  readonly colormap: string;
  readonly opacity: number;
  readonly visible: boolean;
  /** Values below are not drawn, in stored units; null: all are. */
  readonly lower: number | null;
}
function readLayer(value: unknown): LayerState | null {
  const raw = object(value);
  const image = text(raw["image"]);
  if (!image) return null;
  return {
    image,
    colormap: text(raw["colormap"]) ?? "hot iron",
    opacity: within(raw["opacity"], 0, 1, 0.5),
    visible: flag(raw["visible"], true),
    lower: finite(raw["lower"]) ? raw["lower"] : null,
  };
}
export const readLayers = (value: unknown): readonly LayerState[] | null =>
  Array.isArray(value) ? value.map(readLayer).filter((one) => one !== null) : null;

export interface Links {
  readonly slice: boolean;
  readonly cursor: boolean;
  readonly camera: boolean;
  readonly window: boolean;
}
export const LINKED: Links = { slice: true, cursor: true, camera: true, window: false };
export function readLinks(value: unknown): Links {
  const raw = object(value);
  return {
    slice: flag(raw["slice"], LINKED.slice),
    cursor: flag(raw["cursor"], LINKED.cursor),
    camera: flag(raw["camera"], LINKED.camera),
    window: flag(raw["window"], LINKED.window),
  };
}

/** Where an image lies in the world of another: 4 × 4, row by row, LPS mm. */
export interface TransformState {
  readonly to: string;
  readonly matrix: readonly number[];
}
export function readTransform(value: unknown): TransformState | null {
  const raw = object(value);
  const to = text(raw["to"]);
  const matrix = numbers(raw["matrix"], 16);
  return to && matrix ? { to, matrix } : null;
}

export const COMPARE_MODES = ["swipe", "flicker"] as const;
export interface CompareState {
  /** Image shown over the base of each pane. */
  readonly image: string;
  readonly mode: (typeof COMPARE_MODES)[number];
  /** Swipe: how much of the width the base keeps. Flicker: below 0.5 the base is shown. */
  readonly at: number;
}
export function readCompare(value: unknown): CompareState | null {
  const raw = object(value);
  const image = text(raw["image"]);
  return image
    ? { image, mode: oneOf(COMPARE_MODES, raw["mode"], "swipe"), at: within(raw["at"], 0, 1, 0.5) }
    : null;
}

/** How the voxels of one label are drawn; what is absent follows the general setting. */
export interface SegmentLook {
  readonly fill?: number;
  readonly outline?: number;
  readonly width?: number;
}
export function readLook(value: unknown): SegmentLook | null {
  const raw = object(value);
  const out: Record<string, number> = {};
  for (const [key, most] of [["fill", 1], ["outline", 1], ["width", 10]] as const) {
    if (finite(raw[key])) out[key] = clamp(raw[key], 0, most);
  }
  return Object.keys(out).length > 0 ? out : null;
}

export const SUV_KINDS = ["bw", "lbm", "bsa"] as const;
export type SuvKind = (typeof SUV_KINDS)[number];
export const UNIT_KINDS = ["stored", ...SUV_KINDS] as const;

/** Value in stored units, opacity 0..1, colour "#rrggbb". */
export type TransferPoint = readonly [number, number, string];

/** How the volume is shown in 3-D. */
export interface VolumeState {
  readonly preset: string | null;
  readonly mode: "render" | "mip";
  /** Two opposite corners, index (k, j, i) of the image; null: all of it. */
  readonly crop: readonly [Vec3, Vec3] | null;
  /** Edited transfer function; null: that of the preset. */
  readonly points: readonly TransferPoint[] | null;
  readonly segments: boolean;
  readonly layers: boolean;
  readonly camera: Quaternion | null;
  readonly zoom: number | null;
}
export const VOLUME: VolumeState = {
  preset: null, mode: "render", crop: null, points: null, segments: true, layers: true, camera: null, zoom: null,
};

function readCrop(value: unknown): VolumeState["crop"] {
  if (!Array.isArray(value) || value.length !== 2) return null;
  const a = numbers(value[0], 3) as Vec3 | null;
  const b = numbers(value[1], 3) as Vec3 | null;
  return a && b ? [a, b] : null;
}

function readPoints(value: unknown): readonly TransferPoint[] | null {
  if (!Array.isArray(value)) return null;
  const out = value.flatMap((one: unknown): TransferPoint[] => {
    if (!Array.isArray(one) || !finite(one[0]) || !finite(one[1]) || typeof one[2] !== "string") return [];
    return /^#[0-9a-f]{6}$/i.test(one[2]) ? [[one[0], clamp(one[1], 0, 1), one[2]]] : [];
  });
  return out.length >= 2 ? out.sort((a, b) => a[0] - b[0]) : null;
}

export function readVolume(value: unknown): VolumeState {
  const raw = object(value);
  return {
    preset: text(raw["preset"]),
    mode: raw["mode"] === "mip" ? "mip" : "render",
    crop: readCrop(raw["crop"]),
    points: readPoints(raw["points"]),
    segments: flag(raw["segments"], true),
    layers: flag(raw["layers"], true),
    camera: readQuaternion(raw["camera"]),
    zoom: finite(raw["zoom"]) && raw["zoom"] > 0 ? clamp(raw["zoom"], 0.05, 50) : null,
  };
}
