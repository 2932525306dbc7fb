/** The same lesion in another image, where no way leads from the world of one to that of the other. */
import type { GridGeometry, Vec3 } from "../model/geometry";
import type { SliceStore } from "../model/masks";
import type { BoxItem, ImageJson, MaskItem } from "../model/protocol";
import { isGrid } from "../tools/frame";
import type { Pane, PaneOwner } from "./pane";
import { bounds } from "./spaces";

/** Middle of a box (k, j, i); its corners are centres of voxels. */
const middle = ({ index: [a, b] }: BoxItem): Vec3 => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2, (a[2] + b[2]) / 2];

/** Move the images of the other panes to what has the label there; nothing moves while crosshairs are not linked. */
export function follow(scene: PaneOwner, pane: Pane, index: Vec3, label: string): void {
  const { view } = scene;
  if (!view.value.links.cursor) return;
  const done = new Set([pane.image.id]);
  const cursors = { ...view.value.cursors };
  const slice = { ...view.value.slice };
  for (const other of scene.panes) {
    const { image, geometry } = other;
    if (done.has(image.id) || scene.spaces.between(pane.image, image)) continue;
    done.add(image.id);
    const found = counterpart(scene, pane.image, index, image, label);
    if (!found) continue;
    if (!isGrid(geometry)) slice[image.id] = Math.round(found[0]);
    else cursors[image.id] = geometry.toWorld(found);
  }
  if (cursors[scene.main.id] && scene.main.id !== pane.image.id) {
    // The main image's place is the linked crosshair.
    const { [scene.main.id]: cursor, ...rest } = cursors;
    view.set({ cursor: cursor!, cursors: rest, slice });
  } else view.set({ cursors, slice });
}

/** Index in `image` of what has a label there: a box, else the middle of its voxels; null where there is none. */
export function counterpart(
  scene: Pick<PaneOwner, "boxes" | "masksOf" | "source" | "geometryOf">, from: ImageJson, index: Vec3, image: ImageJson, label: string,
): Vec3 | null {
  const [one, two] = [scene.geometryOf(from), scene.geometryOf(image)];
  const here = boxesOf(scene.boxes, from, one, label);
  const there = boxesOf(scene.boxes, image, two, label);
  if (there.length === 0) return voxelsOf(scene, image, label);
  const at = part(one, index);
  // As many here as there: the n-th is the n-th. Otherwise the one in the most similar place.
  const [boxes, geometry] = there.length === here.length ? [here, one] as const : [there, two] as const;
  return middle(there[nearestOf(boxes.map((box) => part(geometry, middle(box))), at)]!);
}

/** Boxes of a label, along the patient. */
function boxesOf(boxes: readonly BoxItem[], image: ImageJson, geometry: GridGeometry, label: string): BoxItem[] {
  const found = boxes.filter((one) => one.image === image.id && one.label === label);
  return found.sort((a, b) => part(geometry, middle(a))[2] - part(geometry, middle(b))[2]);
}

/** A place in parts of the image's size, along the patient's axes where they are known. */
function part(geometry: GridGeometry, index: Vec3): Vec3 {
  const { shape } = geometry;
  if (!isGrid(geometry)) return [index[2] / shape[2], index[1] / shape[1], index[0] / shape[0]];
  const [low, high] = bounds(geometry);
  const world = geometry.toWorld(index);
  const along = (n: 0 | 1 | 2): number => (world[n] - low[n]) / (high[n] - low[n]);
  return [along(0), along(1), along(2)];
}

function nearestOf(points: readonly Vec3[], to: Vec3): number {
  const far = points.map((one) => Math.hypot(one[0] - to[0], one[1] - to[1], one[2] - to[2]));
  return Math.max(0, far.indexOf(Math.min(...far)));
}

/** The middle of a label's voxels in the slice that has most of them, as far as they are here. */
function voxelsOf(scene: Pick<PaneOwner, "masksOf" | "source">, image: ImageJson, label: string): Vec3 | null {
  let best: { readonly count: number; readonly at: Vec3 } | null = null;
  for (const mask of scene.masksOf(image)) {
    const store = scene.source.document.mask(mask.id)?.store;
    const found = store ? fullest(store, valuesOf(mask, label)) : null;
    if (found && (!best || found.count > best.count)) best = found;
  }
  return best?.at ?? null;
}

const valuesOf = ({ segments }: MaskItem, label: string): ReadonlySet<number> =>
  new Set(segments.filter((one) => one.label === label).map(({ value }) => value));

function fullest(store: SliceStore, values: ReadonlySet<number>): { readonly count: number; readonly at: Vec3 } | null {
  let best: { count: number; at: Vec3 } | null = null;
  const [nk, , ni] = store.shape;
  if (values.size === 0) return null;
  for (let k = 0; k < nk; k++) {
    const slice = store.slice(k);
    if (!slice) continue;
    let [count, sumJ, sumI] = [0, 0, 0];
    for (let n = 0; n < slice.length; n++) {
      if (slice[n] === 0 || !values.has(slice[n]!)) continue;
      count++;
      sumJ += Math.floor(n / ni);
      sumI += n % ni;
    }
    if (count > (best?.count ?? 0)) best = { count, at: [k, sumJ / count, sumI / count] };
  }
  return best;
}
