/** What stands beside a shape: its measures as short lines. */
import { measure, type Measured, type Measures } from "../model/measures";
import type { BoxItem, ShapeItem } from "../model/items";
import type { Pane } from "./pane";
import { showNumber } from "./readout";
import { unitOf } from "./units";

/** A length, "23.4 mm". */
function lengthText(value: number, unit: string): string {
  return `${value.toFixed(1)} ${unit}`;
}

export function areaText(value: number, unit: string): string {
  return unit === "mm" && value >= 1e4 ? `${(value / 100).toFixed(1)} cm²` : `${value.toFixed(value < 100 ? 1 : 0)} ${unit}²`;
}

function volumeText(value: number, unit: string): string {
  if (unit !== "mm") return `${value.toFixed(0)} ${unit}³`;
  return value < 1000 ? `${value.toFixed(0)} mm³` : `${(value / 1000).toFixed(value < 1e5 ? 2 : 1)} ml`;
}

/** A value with as many digits as make sense beside its spread. */
function valueDigits(value: number, spread: number): string {
  const digits = spread >= 10 ? 0 : spread >= 1 ? 1 : spread >= 0.1 ? 2 : spread > 0 ? 3 : -1;
  return digits < 0 ? showNumber(value) : value.toFixed(digits).replace("-", "−");
}

/** "46 ± 61": a mean with its standard deviation. */
export function spreadText(mean: number, sd: number): string {
  return `${valueDigits(mean, sd)} ± ${valueDigits(sd, sd)}`;
}

/** A caption has no more lines than this. */
const MOST = 5;

/** How large a thing is: across, then round it. */
function sizeLines(found: Measures): string[] {
  const { unit } = found;
  const sides = [found.width, found.height, found.depth].filter((side) => side !== undefined);
  const axes = found.long_axis !== undefined && found.short_axis !== undefined ? [found.long_axis, found.short_axis] : [];
  const across = (sizes: readonly number[]): string => `${sizes.map((size) => size.toFixed(1)).join(" × ")} ${unit}`;
  const lines: string[] = [];
  // The axes of a bidirectional are all there is of it.
  if (axes.length > 0) lines.push(found.area === undefined ? across(axes) : `Axes ${across(axes)}`);
  if (sides.length > 0) lines.push(across(sides));
  // Of a rectangle it is the diagonal, of an ellipse its long axis.
  if (found.max_diameter !== undefined && axes.length === 0 && sides.length !== 2) lines.push(`Max ⌀ ${lengthText(found.max_diameter, unit)}`);
  if (found.perimeter !== undefined) lines.push(`Perimeter ${lengthText(found.perimeter, unit)}`);
  return lines;
}

const lower = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);

/** Measures as at most `MOST` lines: area or volume, sizes, values, then what a reader should know. */
export function measuresText(found: Measures): readonly string[] {
  const { unit } = found;
  const name = found.value_unit === "" ? "" : ` ${found.value_unit}`;
  const first: string[] = [];
  if (found.length !== undefined) first.push(lengthText(found.length, unit));
  if (found.angle !== undefined) first.push(`${found.angle.toFixed(1)}°`);
  if (found.volume !== undefined) first.push(`Volume ${volumeText(found.volume, unit)}`);
  if (found.area !== undefined) first.push(`Area ${areaText(found.area, unit)}`);
  const sizes = sizeLines(found);
  const values: string[] = [];
  if (found.pending) values.push("…");
  if (found.value !== undefined) values.push(`${showNumber(found.value)}${name}`);
  if (found.mean !== undefined && found.sd !== undefined) {
    const spread = found.sd;
    values.push(`Mean ${spreadText(found.mean, spread)}${name}`);
    values.push(`Min ${valueDigits(found.min ?? NaN, spread)} · max ${valueDigits(found.max ?? NaN, spread)}${name}`);
  }
  if (found.note !== "") values.push(found.note.charAt(0).toUpperCase() + found.note.slice(1));
  const room = first.length + sizes.length + values.length <= MOST;
  const kept = room ? sizes : [sizes.map((line, n) => (n === 0 ? line : lower(line))).join(" · ")];
  return [...first, ...kept, ...values];
}

type PaneImage = Pick<Pane, "image" | "geometry" | "time" | "view"> & { readonly scene: { readonly source: Pane["scene"]["source"] } };

interface Known {
  /** Image, frame and unit; where slices were missing also what had arrived. */
  readonly key: string;
  readonly lines: readonly string[];
}

/** The lines of many items, each measured once for what is shown. */
export class Statistics {
  readonly #known = new WeakMap<ShapeItem | BoxItem, Known>();
  readonly #sizes = new WeakMap<ShapeItem, string>();

  /** The size of a shape, its first line, for which no voxels are read. */
  size(item: ShapeItem, pane: PaneImage): string {
    const known = this.#sizes.get(item);
    if (known !== undefined) return known;
    const found = measure(item, { geometry: pane.geometry, color: false, unit: unitOf(pane.image, pane.view.value), slices: () => undefined });
    const size = measuresText({ ...found, note: "" }).find((line) => line !== "…") ?? "";
    this.#sizes.set(item, size);
    return size;
  }

  /** The lines beside an item of the image of a pane; coarse previews of slices do not count as values. */
  lines(item: ShapeItem | BoxItem, pane: PaneImage): readonly string[] {
    const { image } = pane;
    const frame = Math.min(item.frame ?? pane.time, image.frames - 1);
    const volume = pane.scene.source.volumes.store(image.id, frame);
    const unit = unitOf(image, pane.view.value);
    const key = `${image.id}/${frame}/${unit.name}/${unit.factor}`;
    const waiting = `${key}/${volume?.version ?? 0}`;
    const known = this.#known.get(item);
    if (known?.key === key || known?.key === waiting) return known.lines;
    const slices: Measured["slices"] = (k) => (volume?.partial?.has(k) ? undefined : volume?.slice(k));
    const found = measure(item, { geometry: pane.geometry, color: image.color, unit, slices });
    const lines = measuresText(found);
    this.#known.set(item, { key: found.pending ? waiting : key, lines });
    return lines;
  }
}
