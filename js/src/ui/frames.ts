/** Frames of clips and of series in time: which pane plays, its words, and where annotations are. */
import type { ImageJson } from "../model/protocol";
import type { MaskStore } from "../model/masks";
import { isGrid } from "../tools/frame";
import type { Pane } from "./pane";
import type { Scene } from "./scene";

const UNITS: Readonly<Record<string, string>> = {
  "time": " s", "trigger time": " s", "frame reference time": " s", "b-value": " s/mm²", "echo time": " ms",
  "inversion time": " ms", "flip angle": "°",
};
/** Where the unit says it all. */
const PLAIN = new Set(["time", "trigger time", "frame reference time"]);

/** The pane whose frames the cine bar and its keys move: the active one, else the first that has frames. */
export function cinePane(scene: Scene): Pane | null {
  if (!scene.ready) return null;
  return [scene.pane, ...scene.panes].find((pane) => pane.problem === null && pane.cineLength > 1) ?? null;
}

const round = (value: number): string => String(Number(value.toFixed(value < 100 ? 2 : 1)));

/** "b-value 800 s/mm²", "12.4 s", "echo 3"; "" where the file says nothing. */
export function frameValue(image: ImageJson, at: number): string {
  const name = image.frame_label ?? "";
  const value = image.frames > 1 ? image.frame_values?.[at] : undefined;
  if (value !== undefined) {
    const number = `${round(value)}${UNITS[name] ?? ""}`;
    return PLAIN.has(name) || name === "" ? number : `${name} ${number}`;
  }
  const time = image.frame_times?.[at];
  return time === undefined ? "" : `${time.toFixed(2)} s`;
}

/** "frame 2/3 · b-value 400 s/mm²" for series in time; "" for others. */
export function frameText(image: ImageJson, at: number): string {
  if (image.frames < 2) return "";
  return [`frame ${at + 1}/${image.frames}`, frameValue(image, at)].filter(Boolean).join(" · ");
}

const filled = new WeakMap<MaskStore, { readonly version: number; readonly ks: readonly number[] }>();

/** Slices of a mask that hold anything, as far as is known. */
function filledSlices(store: MaskStore): readonly number[] {
  const known = filled.get(store);
  if (known?.version === store.version) return known.ks;
  const ks: number[] = [];
  for (let k = 0; k < store.shape[0]; k++) {
    if (store.awaits(k) || store.slice(k)?.some((value) => value !== 0)) ks.push(k);
  }
  filled.set(store, { version: store.version, ks });
  return ks;
}

/** Frames of a pane's image (or planes of its stack) with boxes, tags or painted voxels of their own, in order. */
export function annotated(pane: Pane): number[] {
  const { image, cineLength } = pane;
  const { document } = pane.scene.source;
  const found = new Set<number>();
  const stack = !isGrid(pane.geometry) && image.frames < 2;
  for (const box of pane.boxes) {
    if (box.image !== image.id) continue;
    if (!stack && box.frame !== null) found.add(box.frame);
    if (!stack) continue;
    const [a, b] = [box.index[0][0], box.index[1][0]];
    for (let k = Math.ceil(Math.min(a, b) - 0.5); k <= Math.max(a, b) + 0.5; k++) found.add(k);
  }
  for (const tag of document.tags) {
    if (tag.image === image.id && tag.index !== null && tag.scope === (stack ? "slice" : "frame")) found.add(tag.index);
  }
  if (stack) {
    for (const { item, store } of document.masks) {
      if (item.image === image.id) for (const k of filledSlices(store)) found.add(k);
    }
  }
  return [...found].filter((at) => at >= 0 && at < cineLength).sort((a, b) => a - b);
}
