/** The same lesion in another image, where no way leads from the world of one to that of the other. */
import type { GridGeometry, Vec3 } from "../model/geometry";
import type { SliceStore } from "../model/masks";
import type { ImageJson, MaskItem } from "../model/protocol";
import { placeOf, type Drawn } from "../tools/annotations";
import { isGrid } from "../tools/frame";
import type { Pane, PaneOwner } from "./pane";
import { bounds } from "./spaces";

/** What is followed: an annotation, or a label alone. */
export interface Lead {
  readonly label: string;
  readonly name?: string;
  readonly lesion?: string;
}

/** Move the images of the other panes to the same finding there; nothing moves while crosshairs are not linked. */
export function follow(scene: PaneOwner, pane: Pane, index: Vec3, lead: Lead): void {
  const { view } = scene;
  if (!view.value.links.cursor) return;
  const done = new Set([pane.image.id]);
  const cursors = { ...view.value.cursors };
  const slice = { ...view.value.slice };
  for (const other of scene.panes) {
    const { image, geometry } = other;
    if (done.has(image.id) || scene.spaces.between(pane.image, image)) continue;
    done.add(image.id);
    const found = counterpart(scene, pane.image, index, image, lead);
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

/** How annotations of two images belong together, the surest first. */
const TIES: readonly ((lead: Lead) => ((item: Drawn) => boolean) | null)[] = [
  ({ lesion }) => (lesion ? (item) => item.lesion === lesion : null),
  ({ name, label }) => (name ? (item) => item.name === name && item.label === label : null),
  ({ label }) => (item) => item.label === label,
];

/**
 * Index in `image` of the same finding: an annotation of its lesion, else of its name and label, else of its label,
 * else the middle of its label's voxels; null where there is none.
 */
export function counterpart(
  scene: Pick<PaneOwner, "boxes" | "shapes" | "main" | "masksOf" | "source" | "geometryOf">,
  from: ImageJson, index: Vec3, image: ImageJson, lead: Lead,
): Vec3 | null {
  const [one, two] = [scene.geometryOf(from), scene.geometryOf(image)];
  for (const tie of TIES) {
    const same = tie(lead);
    const there = same ? middles(scene, image, two, same) : [];
    if (!same || there.length === 0) continue;
    const here = middles(scene, from, one, same);
    // As many here as there: the n-th is the n-th. Otherwise the one in the most similar place.
    const [all, geometry] = there.length === here.length ? [here, one] as const : [there, two] as const;
    return there[nearestOf(all.map((middle) => part(geometry, middle)), part(one, index))]!;
  }
  return voxelsOf(scene, image, lead.label);
}

/** Middles of the boxes and shapes of an image that are meant, along the patient. */
function middles(
  { boxes, shapes, main }: Pick<PaneOwner, "boxes" | "shapes" | "main">, image: ImageJson, geometry: GridGeometry, same: (item: Drawn) => boolean,
): Vec3[] {
  const found = [...boxes, ...shapes].filter((item) => (item.image || main.id) === image.id && same(item)).flatMap((item) => {
    const place = placeOf(item, image, (world) => geometry.toIndex(world));
    return place ? [place.index] : [];
  });
  return found.sort((a, b) => part(geometry, a)[2] - part(geometry, b)[2]);
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
