/** From values to colours: the table of an image as it is to be shown. */
import type { ImageJson } from "../model/protocol";
import { colormap, greyTable, lutTable, lutWindow, sigmoidTable, sigmoidWindow } from "../render/colormaps";
import type { ViewState } from "../state";

interface Shown {
  readonly table: Uint32Array;
  /** The values of a look-up table of the file; null where the window decides. */
  readonly window: { readonly lower: number; readonly upper: number } | null;
}

const kept = new WeakMap<ImageJson, Map<string, Shown>>();

/** Tables are kept for each image: a picture that has not changed is known by its table, too. */
export function tableOf(image: ImageJson, view: ViewState, name: string, base: boolean): Shown {
  // Black and white are exchanged where the image stands alone; over another one its colours stay.
  const inverted = (image.photometric === "MONOCHROME1") !== (base && view.inverted.includes(image.id));
  const lut = view.luts[image.id];
  const key = `${name} ${inverted} ${lut ?? ""} ${image.id in view.windows}`;
  let tables = kept.get(image);
  if (!tables) kept.set(image, (tables = new Map()));
  let shown = tables.get(key);
  if (!shown) tables.set(key, (shown = make(image, name, inverted, lut, image.id in view.windows)));
  return shown;
}

function make(image: ImageJson, name: string, inverted: boolean, lut: number | undefined, set: boolean): Shown {
  const own = lut === undefined ? undefined : image.luts?.[lut];
  if (own) return { table: lutTable(own, inverted), window: lutWindow(own) };
  // The sigmoid belongs to the file's window; a window that somebody set is linear.
  const first = image.windows[0];
  if (name === "grey" && !set && first?.function === "SIGMOID") {
    return { table: sigmoidTable(inverted), window: sigmoidWindow(first.center, first.width) };
  }
  if (name === "grey") return { table: greyTable(inverted), window: null };
  const colors = colormap(name);
  return { table: inverted ? colors.slice().reverse() : colors, window: null };
}
