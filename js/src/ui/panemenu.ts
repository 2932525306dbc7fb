/** The menu of one pane: its image, its plane, and its size. */
import { shows } from "../layout";
import { PLANES, type Plane } from "../state/parts";
import { hasPlanes } from "../tools/frame";
import type { MenuItem } from "./menu";
import type { Pane } from "./pane";
import type { Scene } from "./scene";

export const PLANE_NAMES: Readonly<Record<Plane, string>> = {
  axial: "Axial", coronal: "Coronal", sagittal: "Sagittal", acquisition: "As acquired", oblique: "Free plane", volume: "3-D",
};

/** Planes that can be chosen for a pane. */
export function planesFor(scene: Scene, pane: Pane): readonly Plane[] {
  return hasPlanes(pane.geometry) ? PLANES.filter((plane) => !scene.disabled.some((kind) => shows({ plane }, kind))) : ["acquisition"];
}

export function paneItems(scene: Scene, id: string, maximize: () => void): MenuItem[] {
  const pane = scene.paneById(id);
  const planes = planesFor(scene, pane);
  const items: MenuItem[] = [];
  if (scene.images.length > 1) {
    scene.images.forEach((image, n) => items.push({
      id: `image-${image.id}`, title: imageTitle(scene, image.id), hint: image.modality,
      checked: pane.image.id === image.id && pane.problem === null,
      ...(n === 0 ? { heading: "Image" } : {}),
      run: () => scene.choosePane(id, { image: image.id }),
    }));
  }
  if (planes.length > 1) {
    planes.forEach((plane, n) => items.push({
      id: `plane-${plane}`, title: PLANE_NAMES[plane], checked: pane.plane === plane,
      ...(n === 0 ? { heading: "Plane" } : {}),
      run: () => scene.choosePane(id, { plane }),
    }));
  }
  items.push({ id: "fit", title: "Fit", hint: "F", heading: "View", run: () => pane.fit() });
  if (scene.arrangement.panes.length > 1) {
    items.push({ id: "maximize", title: scene.maximized === null ? "Maximize" : "Show all views", hint: "M", run: maximize });
  }
  return items;
}

/** The name of an image, numbered where others have the same. */
export function imageTitle(scene: Scene, id: string): string {
  const name = (one: Scene["images"][number]): string => one.name || one.modality || "Image";
  const image = scene.imageById(id);
  if (!image) return "";
  const same = scene.images.filter((one) => name(one) === name(image));
  return same.length > 1 ? `${name(image)} (${same.indexOf(image) + 1})` : name(image);
}
