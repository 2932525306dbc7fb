/** What the commands do with the selected shapes and boxes. */
import type { ShapeAction } from "../commands";
import type { BoxItem, EditDraft, ShapeItem } from "../model/protocol";
import { withAxis } from "../model/geometry";
import { copiedTo, pulledTo, TOOL } from "../tools/shapes/edits";
import { moving, selectedHere, shifted, whyFixed } from "../tools/group";
import { removePoint } from "../tools/shapes/index";
import { FORMS } from "../tools/shapes/kinds";
import { isDrawn, locking, type Drawn } from "../tools/annotations";
import { freshId, together } from "../tools/tool";
import { chosen, removeAnnotations } from "./annotations";
import { fillBetween, fillShapes } from "./between";
import type { Pane } from "./pane";
import type { Scene } from "./scene";

type Marked = Drawn;
/** How far a duplicate lies from what it was made of, px. */
const APART = 14;

/** The chosen boxes and shapes. */
const selectedItems = (scene: Scene): Marked[] => chosen(scene).filter(isDrawn);

/** The selected shapes that may be changed; says why others may not. */
function free<T extends Marked>(scene: Scene, items: readonly T[]): T[] {
  const why = items.map((item) => whyFixed(scene, item)).find((one) => one !== null);
  if (why) scene.toast(why);
  return items.filter((item) => whyFixed(scene, item) === null);
}

const isShape = (item: Marked): item is ShapeItem => item.type === "shape";

function applyAll(scene: Scene, edits: readonly EditDraft[], name: string): void {
  const edit = together(edits, name, TOOL);
  if (edit) scene.apply(edit);
}

/** Delete the point taken hold of last, else everything that is selected. */
export function removeSelected(scene: Scene): void {
  if (!scene.ready) return;
  if (scene.drawing) return scene.drawing.back(scene.pane);
  const { point } = scene;
  const items = selectedItems(scene);
  const own = items.find((item): item is ShapeItem => isShape(item) && item.id === point?.id);
  if (own && point && FORMS[own.kind].least !== undefined && own.points.length > 1) {
    const why = whyFixed(scene, own);
    return why === null ? void removePoint(own, point.n, scene.pane) : scene.toast(why);
  }
  removeAnnotations(scene, chosen(scene));
}

/** Move what is selected by px of the screen. */
export function nudge(scene: Scene, dx: number, dy: number): void {
  if (!scene.ready || scene.pane.plane === "volume") return;
  const { pane } = scene;
  const { mmPerPx } = pane.camera;
  const { edit, note } = moving(selectedHere(pane), pane.frame, [dx * mmPerPx, dy * mmPerPx], pane);
  if (edit) scene.apply(edit);
  if (note) scene.toast(note);
}

function copy(scene: Scene, by: number): void {
  const { pane } = scene;
  const items = selectedItems(scene);
  if (items.length === 0) return scene.toast("Select a shape first.");
  const to = pane.neighbour(by);
  if (!to) return scene.toast(by > 0 ? "This is the last slice." : "This is the first slice.");
  const { frame, time } = pane;
  const made = items.flatMap((item): Marked[] => {
    if (isShape(item)) return [copiedTo(item, frame, to.frame, to.time)];
    const moved = copiedBox(item, pane, by, to.time);
    return moved ? [moved] : [];
  });
  if (made.length < items.length) scene.toast(THICK);
  if (made.length === 0) return;
  applyAll(scene, made.map((item) => ({ kind: "put", item, tool: TOOL })), `Copy ${made.length} shapes`);
  if (to.time !== time) pane.setTime(to.time);
  else pane.scroll(by);
  scene.selection = made.map(({ id }) => id);
}

const THICK = "Only boxes that are flat in this plane have a slice: others stay.";

/** A flat box on the next slice; null where it is not flat in this plane. */
function copiedBox(box: BoxItem, pane: Pane, by: number, time: number): BoxItem | null {
  const { frame } = pane;
  const copied = { ...box, id: freshId(), name: "", locked: false };
  if (time !== pane.time) return { ...copied, frame: box.frame === null ? null : time };
  if (frame.axis === null) return null;
  const { axis } = frame;
  const [low, high] = box.index;
  if (Math.abs(low[axis] - high[axis]) > 1) return null;
  return { ...copied, index: [withAxis(low, axis, low[axis] + by), withAxis(high, axis, high[axis] + by)] };
}

/** A flat box on the slice shown; null where it is not flat in this plane. */
function pulledBox(box: BoxItem, { frame, time }: Pane): BoxItem | null {
  if (frame.axis === null) return null;
  const { axis, slice } = frame;
  const [low, high] = box.index;
  if (Math.abs(low[axis] - high[axis]) > 1) return null;
  const by = slice - Math.round((low[axis] + high[axis]) / 2);
  return {
    ...box, frame: box.frame === null ? null : time,
    index: [withAxis(low, axis, low[axis] + by), withAxis(high, axis, high[axis] + by)],
  };
}

function duplicate(scene: Scene): void {
  const { frame, camera, geometry } = scene.pane;
  const by = [APART * camera.mmPerPx, APART * camera.mmPerPx] as const;
  const made = selectedItems(scene).map((item): Marked => ({ ...shifted(item, frame, by, geometry), id: freshId(), name: "", locked: false }));
  if (made.length === 0) return scene.toast("Select a shape first.");
  applyAll(scene, made.map((item) => ({ kind: "put", item, tool: TOOL })), `Duplicate ${made.length} shapes`);
  scene.selection = made.map(({ id }) => id);
}

function lock(scene: Scene): void {
  const items = selectedItems(scene);
  if (items.length === 0) return scene.toast("Select a shape first.");
  const locked = !items.every((item) => item.locked);
  const edit = locking(items, locked);
  if (edit) scene.apply(edit);
  scene.toast(locked ? "Locked." : "Unlocked.");
}

function hide(scene: Scene): void {
  const { hidden } = scene.view.value;
  const items = selectedItems(scene);
  const all = new Set([...scene.source.document.shapes, ...scene.source.document.boxes].map(({ id }) => id));
  const show = (): void => scene.view.set({ hidden: scene.view.value.hidden.filter((id) => !all.has(id)) });
  if (items.length === 0) {
    const some = hidden.some((id) => all.has(id));
    show();
    return scene.toast(some ? "All shapes are shown." : "Select a shape first.");
  }
  scene.view.set({ hidden: [...hidden, ...items.map(({ id }) => id)] });
  scene.selection = [];
  scene.toast(items.length > 1 ? `${items.length} shapes are hidden.` : "The shape is hidden.", { title: "Show", run: show });
}

function snap(scene: Scene): void {
  const { frame, time } = scene.pane;
  const selected = selectedItems(scene);
  if (selected.length === 0) return scene.toast("Select a shape first.");
  const pulled = free(scene, selected).map((item) => ({ item, to: isShape(item) ? pulledTo(item, frame, time) : pulledBox(item, scene.pane) }));
  const lost = pulled.find(({ to }) => to === null);
  if (lost) scene.toast(isShape(lost.item) ? "A shape stands across this plane: nothing of it would be left." : THICK);
  const edits = pulled.flatMap(({ item, to }): EditDraft[] =>
    (to && JSON.stringify(to) !== JSON.stringify(item) ? [{ kind: "put", item: to, old: item, tool: TOOL }] : []));
  applyAll(scene, edits, "Pull shapes to the slice");
}

const ACTIONS: Readonly<Record<ShapeAction, (scene: Scene) => void>> = {
  finish: (scene) => scene.drawing?.finish(scene.pane),
  next: (scene) => copy(scene, 1),
  previous: (scene) => copy(scene, -1),
  duplicate, lock, hide, snap, between: fillBetween, fill: fillShapes,
};

export function doWithShapes(scene: Scene, action: ShapeAction): void {
  if (!scene.ready || scene.pane.plane === "volume") return;
  ACTIONS[action](scene);
}
