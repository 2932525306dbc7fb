/** What moves together: crosshairs, slices and cameras of images with and without a common space; and the menu. */
import { add, dot, scale, subtract, type Vec3 } from "../model/geometry";
import type { ImageJson } from "../model/protocol";
import { movePoint, moveStep } from "../model/transform";
import type { ViewPatch, ViewState } from "../state";
import { LINKED, type Links } from "../state/parts";
import { isGrid } from "../tools/frame";
import type { MenuItem } from "./menu";
import type { Pane, PaneOwner } from "./pane";

/** What links need of the viewer. */
export type Linked = Pick<PaneOwner, "view" | "spaces" | "main" | "images" | "arrangement" | "paneById" | "panes">;

/** Whether two images lie in one space, or are registered to each other. */
export const joined = (scene: Linked, a: ImageJson, b: ImageJson): boolean => scene.spaces.between(a, b) !== null;

/** Panes that show the same plane: of the same space, or else of the same kind of image. */
export function fellowsOf(scene: Linked, pane: Pane): Pane[] {
  const alike = (one: Pane): boolean =>
    one.image.modality === pane.image.modality && one.geometry.unit === pane.geometry.unit;
  return scene.panes.filter((one) =>
    one !== pane && one.plane === pane.plane && one.plane !== "volume" &&
    (one.image.id === pane.image.id || joined(scene, pane.image, one.image) || alike(one)));
}

/**
 * The cursors after a pane's moved to `world`.
 *
 * Pointing brings every image of the space to that place. Scrolling keeps the distances: images that follow the
 * linked crosshair stay with it, others go as many mm along their own normal.
 */
export function movedCursors(
  scene: Linked, pane: Pane, world: Vec3, link: "slice" | "cursor",
): Pick<ViewState, "cursor" | "cursors"> {
  const { cursors, links, cursor: before } = scene.view.value;
  let own: Record<string, Vec3> = { ...cursors };
  if (!links[link]) return { cursor: before, cursors: { ...own, [pane.image.id]: world } };
  const back = pane.toMain;
  if (link === "cursor") {
    if (!back) return { cursor: before, cursors: { ...own, [pane.image.id]: world } };
    own = Object.fromEntries(Object.entries(own).filter(([id]) => {
      const image = scene.images.find((one) => one.id === id);
      return !image || !joined(scene, scene.main, image);
    }));
    return { cursor: movePoint(back, world), cursors: own };
  }
  let cursor = before;
  const step = subtract(world, pane.cursor);
  if (pane.follows) cursor = movePoint(back!, world);
  else own[pane.image.id] = world;
  for (const other of companions(scene, pane)) {
    const next = add(other.cursor, scale(other.frame.normal, along(scene, pane, other, step)));
    if (!other.follows) own[other.image.id] = next;
    else if (!pane.follows) cursor = movePoint(other.toMain!, next);
  }
  return { cursor, cursors: own };
}

/** How far another pane scrolls, in mm along its normal, when this one moves by `step`. */
function along(scene: Linked, pane: Pane, other: Pane, step: Vec3): number {
  const mm = dot(step, pane.frame.normal);
  const way = scene.spaces.between(pane.image, other.image);
  const seen = way ? moveStep(way, pane.frame.normal) : pane.frame.normal;
  const patient = pane.geometry.patientSpace && other.geometry.patientSpace;
  // A picture seen from behind scrolls the other way round.
  return patient && dot(seen, other.frame.normal) < 0 ? -mm : mm;
}

/** One pane for each other image of the layout that shows the same plane and does not share the pane's cursor. */
function companions(scene: Linked, pane: Pane): Pane[] {
  const found = new Map<string, Pane>();
  for (const { id } of scene.arrangement.panes) {
    const one = scene.paneById(id);
    if (one.image.id === pane.image.id || one.plane !== pane.plane || !isGrid(one.geometry)) continue;
    if (one.follows && pane.follows) continue;
    const key = one.follows ? "" : one.image.id;
    if (!found.has(key)) found.set(key, one);
  }
  return [...found.values()];
}

const TITLES: Readonly<Record<keyof Links, string>> = {
  slice: "Slices", cursor: "Crosshair", camera: "Pan and zoom", window: "Window",
};
const HINTS: Readonly<Record<keyof Links, string>> = {
  slice: "scroll together", cursor: "same place", camera: "same place and size", window: "same kind of image",
};

/** The menu of the links. */
export function linkItems(scene: Linked): MenuItem[] {
  const { view } = scene;
  const { links, cursors } = view.value;
  const toggles = (Object.keys(LINKED) as (keyof Links)[]).map((link): MenuItem => ({
    id: `link-${link}`, title: TITLES[link], hint: HINTS[link], checked: links[link],
    run: () => view.set({ links: { ...links, [link]: !links[link] } }),
  }));
  const apart = Object.keys(cursors).length;
  return [
    ...toggles,
    { id: "align", title: "Align again", hint: apart > 0 ? `${apart} apart` : "", run: () => view.set(aligned()) },
    {
      id: "references", title: "Reference lines", checked: view.value.references,
      run: () => view.set({ references: !view.value.references }),
    },
  ];
}

/** Every image follows the linked crosshair again. */
export function aligned(): ViewPatch {
  return { cursors: {} };
}
