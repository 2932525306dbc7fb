/** Window presets: customary ones by modality, those of the file with its tables, and automatic ones. */
import type { ImageJson, PresetJson, WindowJson } from "../model/protocol";
import type { Window } from "../tools/tool";

export type PresetGroup = "own" | "customary" | "file" | "values";

export interface Preset {
  readonly id: string;
  readonly title: string;
  readonly group: PresetGroup;
  /** Stored units. Null where the values decide (the shown slice, or all that is here), or a table of the file. */
  readonly window: Window | null;
  /** Number of the file's VOI LUT. */
  readonly lut?: number;
  /** The file's own: no window is set, so that its function (SIGMOID) stays. */
  readonly own?: boolean;
}

const CT: readonly (readonly [string, number, number])[] = [
  ["Soft tissue", 40, 400],
  ["Lung", -600, 1500],
  ["Bone", 400, 1800],
  ["Brain", 40, 80],
  ["Liver", 60, 160],
  ["Mediastinum", 50, 350],
];
/** Customary upper ends for PET, SUV. */
const PET = [5, 7, 10, 20] as const;

/** Names of the windows that stand in where a file has none. */
const STAND_INS: ReadonlySet<string> = new Set(["Customary", "Automatic", "SUV 0–7", "0–1"]);

/** Whether a window is not the file's: one that is customary, from the values, or as wide as a table of the file. */
export const isStandIn = ({ luts }: ImageJson, { name, center, width }: WindowJson): boolean =>
  STAND_INS.has(name) || (luts ?? []).some(({ first, values }) => {
    const last = values.length - 1;
    return center === first + last / 2 && width === Math.max(last, 1);
  });

/** Presets of an image, those of the configuration first, in the order of the menu and of Alt+1, Alt+2, … */
export function presetsOf(image: ImageJson, own: readonly PresetJson[] = []): readonly Preset[] {
  if (image.color) return [];
  const out: Preset[] = own.filter(({ modality }) => modality === "" || modality === image.modality)
    .map(({ name, center, width }) => ({ id: `own-${name}`, title: name, group: "own", window: { center, width } }));
  const factor = suvFactor(image);
  if (image.modality === "CT" && (image.unit === "HU" || image.unit === "")) {
    for (const [title, center, width] of CT) out.push({ id: title, title, group: "customary", window: { center, width } });
  }
  if (factor !== null) {
    for (const top of PET) out.push({ id: `suv-${top}`, title: `SUV 0–${top}`, group: "customary", window: suvWindow(factor, top) });
  }
  image.windows.forEach((window, n) => {
    if (isStandIn(image, window)) return;
    const { center, width, name } = window;
    const title = name || (image.windows.length > 1 ? `From file ${n + 1}` : "From file");
    out.push({ id: `file-${n}`, title, group: "file", window: { center, width }, ...(n === 0 ? { own: true } : {}) });
  });
  const luts = image.luts ?? [];
  luts.forEach(({ name }, n) => {
    const title = name || (luts.length > 1 ? `Table of the file ${n + 1}` : "Table of the file");
    out.push({ id: `lut-${n}`, title, group: "file", window: null, lut: n });
  });
  out.push({ id: "auto", title: "Auto (1–99 % of this slice)", group: "values", window: null });
  out.push({ id: "full", title: "Full range", group: "values", window: null });
  return out;
}

/** Window from SUV 0 to `top`, in stored units. */
export const suvWindow = (factor: number, top: number): Window => ({ center: top / 2 / factor, width: top / factor });

const suvFactor = (image: ImageJson): number | null => image.suv?.bw ?? (image.unit === "SUV" ? 1 : null);

/** Percentiles cut off at each end. */
export const CUTS = [0.5, 1, 2, 5] as const;

/** Presets by percentiles of the shown slice ("slice") or of all slices that are here ("here"). */
export function percentilePresets(of: "slice" | "here"): readonly Preset[] {
  return CUTS.map((cut) => ({
    id: `${of}-${cut}`, title: `${cut}–${100 - cut} %`, group: "values", window: null,
  }));
}

/** What a percentile preset takes: null for other ids. */
export function percentileOf(id: string): { readonly of: "slice" | "here"; readonly cut: number } | null {
  if (id === "auto") return { of: "slice", cut: 1 };
  const found = /^(slice|here)-([\d.]+)$/.exec(id);
  return found ? { of: found[1] as "slice" | "here", cut: Number(found[2]) } : null;
}

/** Values shown black and white; an image whose file says LINEAR keeps to it (PS3.3 C.11.2.1.2.1). */
export function windowBounds(image: ImageJson, { center, width }: Window): { lower: number; upper: number } {
  if (image.windows[0]?.function !== "LINEAR" || width < 1) {
    return { lower: center - width / 2, upper: center + width / 2 };
  }
  const half = Math.max(width - 1, 1e-3) / 2;
  return { lower: center - 0.5 - half, upper: center - 0.5 + half };
}

/** The window that shows `lower` black and `upper` white: the way back of `windowBounds`. */
export function windowBetween(image: ImageJson, lower: number, upper: number): Window {
  const [low, high] = lower <= upper ? [lower, upper] : [upper, lower];
  const width = Math.max(high - low, 1e-6);
  const middle = (low + high) / 2;
  return image.windows[0]?.function === "LINEAR" ? { center: middle + 0.5, width: width + 1 } : { center: middle, width };
}
