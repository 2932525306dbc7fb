/** Words and numbers on the picture. */
import { dot, letters, scale, type Vec3 } from "../model/geometry";
import type { ImageJson } from "../model/protocol";
import type { Frame } from "../tools/frame";
import type { Window } from "../tools/tool";
import type { Pane } from "./pane";

const MINUS = "−";

/** DICOM's codes of units as people write them. */
const UNITS: Readonly<Record<string, string>> = { BQML: "Bq/ml", GML: "g/ml", PROPCPS: "cps", CNTS: "counts" };

/** A number with about four digits; whole numbers as they are. */
export function showNumber(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  const size = Math.abs(value);
  const text = Number.isInteger(value) ? String(value)
    : size !== 0 && (size < 1e-3 || size >= 1e6) ? value.toExponential(2)
    : String(Number(value.toPrecision(size < 1 ? 3 : 4)));
  return text.replace("-", MINUS);
}

export interface Reading {
  readonly value: string;
  readonly labels: readonly string[];
}

/** What the image and the masks hold at an index; null outside the image. */
export function readAt(pane: Pane, index: Vec3): Reading | null {
  const [k, j, i] = [Math.round(index[0]), Math.round(index[1]), Math.round(index[2])];
  const [nk, nj, ni] = pane.image.shape;
  if (k < 0 || j < 0 || i < 0 || k >= nk || j >= nj || i >= ni) return null;
  const slice = pane.store.slice(k);
  const at = j * ni + i;
  const unit = pane.image.unit === "" ? "" : ` ${UNITS[pane.image.unit] ?? pane.image.unit}`;
  const value = !slice ? "…"
    : pane.image.color ? `RGB ${slice[3 * at]} ${slice[3 * at + 1]} ${slice[3 * at + 2]}`
    : `${showNumber(slice[at]!)}${unit}`;
  const labels = pane.masks.flatMap((mask) => {
    const found = pane.voxels(mask.id)?.slice(k)?.[at] ?? 0;
    if (found === 0) return [];
    return [mask.segments.find((one) => one.value === found)?.label ?? `${mask.name} ${found}`];
  });
  return { value, labels };
}

export function readingText(reading: Reading | null): string {
  return reading ? [reading.value, ...reading.labels].join(" · ") : "";
}

/** "S 12.5 mm": how far the slice lies along its normal, seen from the origin. */
export function slicePlace(frame: Frame, patient: boolean): string {
  if (!patient) return "";
  const mm = dot(frame.centre, frame.normal);
  const direction = mm >= -0.05 ? frame.normal : scale(frame.normal, -1);
  return `${letters(direction)} ${Math.abs(mm).toFixed(1)} mm`;
}

/** "L 12.3 · P 45.0 · S 10.2 mm" */
export function placeText(world: Vec3, patient: boolean, unit: string): string {
  if (!patient) return `x ${world[0].toFixed(1)} · y ${world[1].toFixed(1)} ${unit}`;
  const names = [["L", "R"], ["P", "A"], ["S", "I"]] as const;
  const parts = names.map(([plus, minus], n) => {
    const mm = world[n]!;
    return `${mm >= -0.05 ? plus : minus} ${Math.abs(mm).toFixed(1)}`;
  });
  return `${parts.join(" · ")} mm`;
}

export function windowText(window: Window): string {
  return `C ${showNumber(window.center)}  W ${showNumber(window.width)}`;
}

/** Letters at the left, right, top and bottom edge. */
export function edgeLetters(image: ImageJson, frame: Frame, patient: boolean): readonly string[] {
  const given = image.orientation_labels;
  if (frame.plane === "acquisition" && given && frame.axis !== null) {
    // The file names the directions of increasing column and row, which may be turned on the screen.
    const { uStep, vStep } = frame;
    return ([0, 1] as const).flatMap((n) => {
      const columns = Math.abs(uStep[n]) >= Math.abs(vStep[n]);
      const name = given[columns ? 0 : 1];
      return (columns ? uStep[n] : vStep[n]) > 0 ? [opposite(name), name] : [name, opposite(name)];
    });
  }
  if (!patient) return ["", "", "", ""];
  const { right, down } = frame;
  return [letters(scale(right, -1)), letters(right), letters(scale(down, -1)), letters(down)];
}

const OPPOSITE: Readonly<Record<string, string>> = { L: "R", R: "L", A: "P", P: "A", H: "F", F: "H", S: "I", I: "S" };

export function opposite(name: string): string {
  return [...name].map((letter) => OPPOSITE[letter] ?? letter).join("");
}

const STEPS = [1, 2, 5] as const;

/** The largest round length whose bar is at most `room` px long. */
export function scaleBar(mmPerPx: number, room: number, unit: string): { length: number; text: string } {
  const most = mmPerPx * room;
  const power = 10 ** Math.floor(Math.log10(most));
  const step = STEPS.filter((one) => one * power <= most * (1 + 1e-9)).at(-1) ?? 1;
  const length = step * power;
  const text = unit === "mm" && length >= 10 ? `${showNumber(length / 10)} cm` : `${showNumber(length)} ${unit}`;
  return { length: length / mmPerPx, text };
}

/** "0.98 × 0.98 × 3 mm": columns, rows, slices. */
export function spacingText(spacing: Vec3, unit: string): string {
  return `${[spacing[2], spacing[1], spacing[0]].map((one) => Number(one.toFixed(2))).join(" × ")} ${unit}`;
}
