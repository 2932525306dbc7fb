/** From values to colours: the table of an image as it is to be shown. */
import type { ImageJson } from "../model/protocol";
import {
  COLORMAPS, colormap, greyTable, lutTable, lutWindow, recolored, sigmoidTable, sigmoidWindow, withAlphaRamp,
} from "../render/colormaps";
import type { ViewState } from "../state";
import { functionOf, lutOf, windowOf } from "./windows";

interface Shown {
  readonly table: Uint32Array;
  /** Values at the first and the last entry; null where the window decides. */
  readonly window: { readonly lower: number; readonly upper: number } | null;
}

/** The map for probabilities: clear where they are low, so that what lies below is seen. */
export const HEAT = "heat";

const kept = new WeakMap<ImageJson, Map<string, Shown>>();

/** The colour map of an image that stands alone: as chosen, else dark on white for PET. */
export function colormapOf(image: ImageJson, view: Pick<ViewState, "colormaps">): string {
  return view.colormaps[image.id] ?? (image.modality === "PT" && !image.color ? "PET" : "grey");
}

/** Tables are kept for each image: a picture that has not changed is known by its table, too. */
export function tableOf(image: ImageJson, view: ViewState, name: string, base: boolean): Shown {
  // Black and white are exchanged where the image stands alone; over another one its colours stay.
  const inverted = (image.photometric === "MONOCHROME1") !== (base && view.inverted.includes(image.id));
  const lut = lutOf(image, view);
  const sigmoid = lut === undefined && name === "grey" && functionOf(image, view) === "SIGMOID";
  const window = sigmoid ? windowOf(image, view) : undefined;
  const key = JSON.stringify([name, inverted, base, lut, window]);
  let tables = kept.get(image);
  if (!tables) kept.set(image, (tables = new Map()));
  let shown = tables.get(key);
  if (!shown) {
    shown = window
      ? { table: sigmoidTable(inverted), window: sigmoidWindow(window.center, window.width) }
      : make(image, name, inverted, base, lut);
    tables.set(key, shown);
  }
  return shown;
}

function make(image: ImageJson, name: string, inverted: boolean, base: boolean, lut: number | undefined): Shown {
  const colors = colormap(COLORMAPS.includes(name) ? name : "grey");
  const own = lut === undefined ? undefined : image.luts?.[lut];
  if (own) {
    const greys = lutTable(own, inverted);
    return { table: name === "grey" ? greys : recolored(greys, colors), window: lutWindow(own) };
  }
  if (name === "grey") return { table: greyTable(inverted), window: null };
  const table = inverted ? colors.slice().reverse() : colors;
  return { table: name === HEAT && !base ? withAlphaRamp(table) : table, window: null };
}

/** Whether what is empty (air) is shown white, so that the surroundings must be white, too. */
export function isLight(image: ImageJson, view: ViewState): boolean {
  if (image.color) return view.inverted.includes(image.id);
  const { table } = tableOf(image, view, colormapOf(image, view), true);
  // A picture stored inverted has its air at the high end.
  const air = image.photometric === "MONOCHROME1" ? table.at(-1)! : table[0]!;
  return [0, 8, 16].every((shift) => ((air >>> shift) & 255) > 200);
}
