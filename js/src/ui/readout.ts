/** Words and numbers on the picture. */
import { dot, letters, scale, type Vec3 } from "../model/geometry";
import type { ImageJson } from "../model/protocol";
import { movePoint } from "../model/transform";
import { nearest } from "../render/plane";
import type { ViewState } from "../state";
import { isGrid, type Frame } from "../tools/frame";
import type { Window } from "../tools/tool";
import { whyNotOver } from "./over";
import type { Pane } from "./pane";
import { unitOf, type Unit } from "./units";
import { lutOf } from "./windows";

const MINUS = "−";

/** A number with about four digits; whole numbers as they are. */
export function showNumber(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  const size = Math.abs(value);
  const text = Number.isInteger(value) ? String(value)
    : size !== 0 && (size < 1e-3 || size >= 1e6) ? value.toExponential(2)
    : String(Number(value.toPrecision(size < 1 ? 3 : 4)));
  return text.replace("-", MINUS);
}

/** An end of a range with so many digits; what is nothing beside the range is 0, not rounding's rest. */
export function showEnd(value: number, span: number, digits: number): string {
  return showNumber(Math.abs(value) < 1e-4 * Math.abs(span) ? 0 : Number(value.toPrecision(digits)));
}

/** A stored value of an image with the unit it is shown in. */
export function valueText(value: number, unit: Unit): string {
  return `${showNumber(value * unit.factor)}${unit.name === "" ? "" : ` ${unit.name}`}`;
}

/** What one image holds at a place. */
export interface Reading {
  readonly value: string;
  readonly labels: readonly string[];
  /** The visible layers over it that reach there, bottom first. */
  readonly over: readonly (Omit<Reading, "over"> & { readonly name: string })[];
}

/** What the image, the layers over it and the masks hold at an index: the nearest voxel of each; null outside the image. */
export function readAt(pane: Pane, index: Vec3): Reading | null {
  const own = readImage(pane, pane.image, index);
  if (!own) return null;
  const { layers } = pane.view.value;
  const over = (layers[pane.image.id] ?? []).flatMap(({ image: id, visible }) => {
    const image = visible ? pane.scene.imageById(id) : undefined;
    const at = image && indexIn(pane, image, index);
    const found = at ? readImage(pane, image, at) : null;
    return found ? [{ ...found, name: image?.name || image?.modality || "Layer" }] : [];
  });
  return { ...own, over };
}

/** Index of the same place in the grid of another image; null where that cannot be said. */
function indexIn(pane: Pane, other: ImageJson, index: Vec3): Vec3 | null {
  if (whyNotOver(pane.scene, pane.image, other) !== null) return null;
  const target = pane.scene.geometryOf(other);
  if (!isGrid(pane.geometry)) return index;
  const way = pane.scene.spaces.between(pane.image, other);
  return way && target.toIndex(movePoint(way, pane.geometry.toWorld(index)));
}

function readImage(pane: Pane, image: ImageJson, index: Vec3): Omit<Reading, "over"> | null {
  const { scene } = pane;
  const [k, j, i] = [nearest(index[0]), nearest(index[1]), nearest(index[2])];
  const [nk, nj, ni] = image.shape;
  if (k < 0 || j < 0 || i < 0 || k >= nk || j >= nj || i >= ni) return null;
  const slice = scene.source.volumes.store(image.id, Math.min(pane.time, image.frames - 1))?.slice(k);
  const at = j * ni + i;
  const value = !slice ? "…"
    : image.color ? `RGB ${slice[3 * at]} ${slice[3 * at + 1]} ${slice[3 * at + 2]}`
    : valueText(slice[at]!, unitOf(image, pane.view.value));
  const labels = scene.masksOf(image).flatMap((mask) => {
    const found = pane.voxels(mask.id)?.slice(k)?.[at] ?? 0;
    if (found === 0) return [];
    return [mask.segments.find((one) => one.value === found)?.label ?? `${mask.name} ${found}`];
  });
  return { value, labels };
}

/** One line for each layer, top first, and one for the image below them. */
export function readingText(reading: Reading | null): string {
  if (!reading) return "";
  const over = reading.over.map(({ name, value, labels }) => [`${shorten(name)}: ${value}`, ...labels].join(" · "));
  return [...over.reverse(), [reading.value, ...reading.labels].join(" · ")].join("\n");
}

const LONGEST = 22;

/** A name cut to what fits beside a value. */
export const shorten = (name: string): string => (name.length > LONGEST ? `${name.slice(0, LONGEST - 1)}…` : name);

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

export function windowText(window: Window, unit?: Unit): string {
  const factor = unit?.factor ?? 1;
  const suv = unit && unit.kind !== "stored" ? ` ${unit.name}` : "";
  return `C ${showNumber(window.center * factor)}  W ${showNumber(window.width * factor)}${suv}`;
}

/** The window of an image as it stands on the picture: a table of the file by its name. */
export function shownWindow(image: ImageJson, view: ViewState, window: Window): string {
  const lut = lutOf(image, view);
  if (lut === undefined) return windowText(window, unitOf(image, view));
  return image.luts?.[lut]?.name || "Table of the file";
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
