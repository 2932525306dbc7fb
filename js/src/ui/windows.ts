/** Which window an image is shown with, and the changes of the view state that set one. */
import type { ImageJson } from "../model/protocol";
import type { ViewPatch, ViewState } from "../state";
import { without } from "../state/store";
import type { Window } from "../tools/tool";
import { isStandIn } from "./presets";

type Chosen = Pick<ViewState, "windows" | "luts">;

/** Number of the file's table that an image is shown with: the chosen one; the first of a file that has no window. */
export function lutOf(image: ImageJson, view: Chosen): number | undefined {
  const luts = image.luts ?? [];
  const chosen = view.luts[image.id];
  if (chosen !== undefined && luts[chosen]) return chosen;
  const bare = image.windows.every((one) => isStandIn(image, one));
  return luts.length > 0 && bare && !(image.id in view.windows) ? 0 : undefined;
}

/** The window of an image as far as the view state or its file tell it. */
export function windowOf(image: ImageJson, view: Chosen): Window | undefined {
  const n = lutOf(image, view);
  const lut = n === undefined ? undefined : image.luts?.[n];
  if (lut) return { center: lut.first + (lut.values.length - 1) / 2, width: Math.max(1, lut.values.length - 1) };
  const set = view.windows[image.id];
  return set ? { center: set[0], width: set[1] } : image.windows[0];
}

/** The function of an image's window: a window that somebody set is linear unless the file has the same. */
export function functionOf(image: ImageJson, view: Chosen): string {
  const set = view.windows[image.id];
  if (!set) return image.windows[0]?.function ?? "LINEAR_EXACT";
  return image.windows.find((one) => one.center === set[0] && one.width === set[1])?.function ?? "LINEAR_EXACT";
}

/** Set the window of images; tables of the file give way. */
export function withWindow(view: Chosen, ids: readonly string[], { center, width }: Window): ViewPatch {
  const windows = { ...view.windows };
  let { luts } = view;
  for (const id of ids) {
    windows[id] = [center, width];
    luts = without(luts, id);
  }
  return { windows, luts };
}

/** Show an image as its file says, or with the file's table number `lut`. */
export function ownWindow(view: Chosen, id: string, lut?: number): ViewPatch {
  const luts = lut === undefined ? without(view.luts, id) : { ...view.luts, [id]: lut };
  return { windows: without(view.windows, id), luts };
}
