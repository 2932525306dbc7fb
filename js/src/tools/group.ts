/** Several selected boxes and shapes that are moved together. */
import { add, scale, type Axis, type GridGeometry, type Vec3 } from "../model/geometry";
import type { BoxItem, EditDraft, IndexBox, LabelItem, ShapeItem } from "../model/protocol";
import type { Frame, Pair } from "./frame";
import { fixed, movedBy } from "./shapes/edits";
import { far, minus } from "./shapes/flat";
import { together, type Gesture, type Pointer, type ToolHost } from "./tool";

export type Drawn = BoxItem | ShapeItem;

/** A press that moves less (px) is a click. */
const CLICK = 3;

/** Low and high corner, whichever way the box was given. */
export function ordered(index: IndexBox): IndexBox {
  const [a, b] = index;
  return [
    [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.min(a[2], b[2])],
    [Math.max(a[0], b[0]), Math.max(a[1], b[1]), Math.max(a[2], b[2])],
  ];
}

const round = (x: number): number => Math.round(x * 100) / 100;

/** The box moved by an index difference, kept inside the image. */
export function moveBox(index: IndexBox, by: Vec3, geometry: GridGeometry): IndexBox {
  const [low, high] = ordered(index);
  const shift = (n: Axis): number =>
    Math.min(geometry.shape[n] - 0.5 - high[n], Math.max(-0.5 - low[n], by[n]));
  const d: Vec3 = [shift(0), shift(1), shift(2)];
  const moved = (p: Vec3): Vec3 => [round(p[0] + d[0]), round(p[1] + d[1]), round(p[2] + d[2])];
  return [moved(low), moved(high)];
}

/** Why an item must stay as it is, or null. */
export function whyFixed(host: { readonly labels: readonly LabelItem[] }, item: Drawn): string | null {
  if (item.type === "shape") return fixed(host, item);
  if (item.locked) return `The box "${item.name || item.label}" is locked. Unlock it to change it.`;
  const label = host.labels.find(({ name }) => name === item.label);
  return label?.locked ? `The label "${label.name}" is locked. Unlock it to change its boxes.` : null;
}

/** The selected boxes and shapes of the shown image, but for hidden ones, whichever slice they lie on. */
export function selectedHere(host: ToolHost): Drawn[] {
  const { hidden, overlay } = host.view.value;
  if (!overlay) return [];
  const gone = new Set(hidden);
  const unseen = new Set(host.labels.filter(({ id }) => gone.has(id)).map(({ name }) => name));
  const ids = new Set(host.selection);
  return [...host.boxes, ...host.shapes].filter(({ id, image, label }) =>
    ids.has(id) && !gone.has(id) && !unseen.has(label) && (image === "" || image === host.image.id));
}

/** The item moved in a plane, mm right and down. */
export function shifted(item: Drawn, frame: Frame, by: Pair, geometry: GridGeometry): Drawn {
  if (item.type === "shape") return movedBy(item, frame, by);
  const step = add(scale(frame.right, by[0]), scale(frame.down, by[1]));
  return { ...item, index: moveBox(item.index, geometry.stepToIndex(step, frame.slice), geometry) };
}

/** One edit that moves items, and what is to be said of others: those that stay, and shapes that are not to be seen. */
export function moving(items: readonly Drawn[], frame: Frame, by: Pair, host: ToolHost): { readonly edit: EditDraft | null; readonly note: string } {
  const free = items.filter((item) => whyFixed(host, item) === null);
  const edits = free.map((old): EditDraft => ({ kind: "put", item: shifted(old, frame, by, host.geometry), old, tool: "shape" }));
  const stay = items.length - free.length;
  const away = free.filter((item) => item.type === "shape" && host.seats.get(item, frame) === null).length;
  const why = items.length === 1 ? whyFixed(host, items[0]!) : null;
  const note = why ?? [
    stay > 0 ? `${stay} of ${items.length} are locked and stay.` : "",
    away > 0 ? `${away} on other slices moved along.` : "",
  ].filter(Boolean).join(" ");
  return { edit: together(edits, `Move ${edits.length} annotations`, "shape"), note };
}

/** Move all that is selected with the one that was taken hold of; a click selects that one alone. */
export function dragTogether(taken: Drawn, pointer: Pointer, host: ToolHost): Gesture {
  const { frame } = pointer;
  const why = whyFixed(host, taken);
  const items = selectedHere(host);
  const free = items.filter((item) => whyFixed(host, item) === null);
  let began = false;
  let told = false;
  return {
    move(p) {
      if (!began && far(p.px, pointer.px) < CLICK) return;
      began = true;
      if (why === null) return host.carry(free.map((item) => shifted(item, frame, minus(p.plane, pointer.plane), host.geometry)));
      if (!told) host.toast(why);
      told = true;
    },
    end(p) {
      host.carry([]);
      if (!began) host.selection = [taken.id];
      if (!began || why !== null) return;
      const { edit, note } = moving(items, frame, minus(p.plane, pointer.plane), host);
      if (edit) host.apply(edit);
      if (note) host.toast(note);
    },
    cancel: () => host.carry([]),
  };
}
