/** Which slices the panes need, most wanted first. */
import type { ImageJson } from "../model/protocol";
import { movePoint } from "../model/transform";
import { isGrid } from "../tools/frame";
import { whyNotOver } from "./over";
import { outwards } from "../volumes/order";
import type { Pane } from "./pane";
import { nextFrame } from "./player";
import type { Scene } from "./scene";

export interface Want {
  readonly image: string;
  readonly frame: number;
  /** Slices k, most wanted first. */
  readonly slices: readonly number[];
}

/** Slices on either side of the shown one that are fetched with it. */
const AROUND = 4;
/** Planes of a stack, and frames in time, that are fetched before they are played. */
const AHEAD = 24;
const AHEAD_FRAMES = 4;

/** One entry for each image on the screen: the active pane's first, then layers and what is compared. */
export function wantsOf(scene: Scene): Want[] {
  const wants = new Map<string, Want>();
  const panes = scene.panes.filter((pane) => pane.plane !== "volume" && pane.problem === null);
  const active = scene.pane;
  for (const pane of [active, ...panes.filter((one) => one !== active)].filter((one) => panes.includes(one))) {
    // A pane along k tells the slice exactly; those across it need all of them around the crosshair.
    const best = panes.find((one) => one.image.id === pane.image.id && one.frame.axis === 0) ?? pane;
    add(wants, best.image, best.time, best.frame.axis === 0 ? best.frame.slice : crossed(best));
  }
  for (const pane of panes) {
    for (const image of overlaid(scene, pane)) {
      const way = scene.spaces.between(pane.image, image);
      const geometry = scene.geometryOf(image);
      if (whyNotOver(scene, pane.image, image) !== null) continue;
      if (!isGrid(geometry)) add(wants, image, Math.min(pane.time, image.frames - 1), pane.slice);
      else if (way) {
        add(wants, image, Math.min(pane.time, image.frames - 1), geometry.toIndex(movePoint(way, pane.cursor))[0]);
      }
    }
  }
  const next = ahead(scene, wants);
  return [...wants.values(), ...next];
}

/** While frames play, those that come next: planes of a stack go into its want, frames are wants of their own. */
function ahead(scene: Scene, wants: Map<string, Want>): Want[] {
  const { playing } = scene;
  const pane = playing && scene.panes.find(({ id }) => id === playing.pane);
  const want = pane && wants.get(pane.image.id);
  if (!playing || !want || pane.cineLength < 2) return [];
  const { image, cineAt, cineLength } = pane;
  const { bounce } = scene.view.value;
  const next: number[] = [];
  for (let at = cineAt, way = playing.direction; next.length < Math.min(AHEAD, cineLength - 1);) {
    [at, way] = nextFrame(at, cineLength, way, bounce);
    if (next.includes(at)) break;
    next.push(at);
  }
  if (image.frames < 2) {
    const [first, ...rest] = want.slices;
    wants.set(image.id, { ...want, slices: [...new Set([first ?? cineAt, ...next, ...rest])] });
    return [];
  }
  const across = scene.panes.some((one) => one.image.id === image.id && one.plane !== "volume" && one.frame.axis !== 0);
  const slices = across ? outwards(want.slices, image.shape[0]) : want.slices.slice(0, 1);
  return next.slice(0, across ? 1 : AHEAD_FRAMES).map((frame) => ({ image: image.id, frame, slices }));
}

function crossed(pane: Pane): number {
  return pane.geometry.toIndex(pane.cursor, pane.slice)[0];
}

function overlaid(scene: Scene, pane: Pane): ImageJson[] {
  const { layers, compare } = scene.view.value;
  const ids = (layers[pane.image.id] ?? []).filter((one) => one.visible).map((one) => one.image);
  if (compare) ids.push(compare.image);
  return ids.flatMap((id) => scene.imageById(id) ?? []);
}

function add(wants: Map<string, Want>, image: ImageJson, frame: number, at: number): void {
  if (wants.has(image.id)) return;
  const nk = image.shape[0];
  const k = Math.min(nk - 1, Math.max(0, Math.round(at)));
  const slices = [k];
  for (let step = 1; step <= AROUND; step++) slices.push(k + step, k - step);
  wants.set(image.id, { image: image.id, frame, slices: slices.filter((one) => one >= 0 && one < nk) });
}
