/** The tools that make, select and change shapes. */
import type { ShapeItem } from "../../model/protocol";
import { SHAPE_TOOLS, type ShapeToolName } from "../../state/shapetools";
import { box, hitBox } from "../box";
import type { Pair } from "../frame";
import { dragTogether } from "../group";
import type { Gesture, Pointer, Tool, ToolHost } from "../tool";
import { beginShape, WAYS } from "./draw";
import { dropPoint, fixed, insertPoint, movedBy, putShape, takesPoints, withPoints } from "./edits";
import { far, minus, plus } from "./flat";
import { hitShape, shownBoxIds, type ShapeHit } from "./hit";
import { FORMS } from "./kinds";
import { isLoose } from "./seat";

/** A press that moves less (px) is a click. */
const CLICK = 3;

/** Select what was hit, and move it or its handle while the pointer is down. */
export function takeShape(hit: ShapeHit, pointer: Pointer, host: ToolHost): Gesture | null {
  const { item, handle } = hit;
  const was = host.selection.includes(item.id);
  if (pointer.shift && handle === null) {
    host.selection = was ? host.selection.filter((id) => id !== item.id) : [...host.selection, item.id];
    return null;
  }
  const several = was && host.selection.length > 1;
  // A single point is its own handle.
  if (several && (handle === null || (isLoose(item.kind) && item.points.length === 1))) return dragTogether(item, pointer, host);
  if (!was) host.selection = [item.id];
  const n = handle === null ? null : FORMS[item.kind].pointOf(handle);
  host.point = n === null ? null : { id: item.id, n };
  const why = fixed(host, item);
  if (pointer.alt && n !== null) return why === null ? removePoint(item, n, host) : tell(host, why);
  return dragShape(hit, pointer, host, why, was);
}

function tell(host: ToolHost, why: string): null {
  host.toast(why);
  return null;
}

/** Take one point away; says where the shape needs it. */
export function removePoint(item: ShapeItem, n: number, host: ToolHost): null {
  const less = dropPoint(item, n);
  if (!less) return tell(host, `A ${FORMS[item.kind].title} needs its points. Delete the whole ${FORMS[item.kind].title} instead.`);
  host.point = null;
  host.apply(putShape(less, item));
  return null;
}

function dragShape(hit: ShapeHit, pointer: Pointer, host: ToolHost, why: string | null, was: boolean): Gesture {
  const { item, seat, handle } = hit;
  const { frame } = pointer;
  const form = FORMS[item.kind];
  let latest: ShapeItem | null = null;
  let told = false;
  const grip = handle === null ? pointer.plane : form.handles(seat.points, pointer.mmPerPx)[handle]!;
  const change = (p: Pointer): ShapeItem => {
    const by = minus(p.plane, pointer.plane);
    if (handle === null) return movedBy(item, frame, by);
    return withPoints(item, seat, form.drag(seat.points, handle, plus(grip, by), p), frame);
  };
  return {
    move(p) {
      if (latest === null && far(p.px, pointer.px) < CLICK) return;
      if (why !== null) {
        if (!told) host.toast(why);
        told = true;
        return;
      }
      latest = change(p);
      host.sketch(latest);
    },
    end(p) {
      if (latest === null) {
        if (was && handle === null && why === null && takesPoints(item) && !told) addPoint(hit, pointer.plane, p, host);
        return;
      }
      host.sketch(null);
      host.apply(putShape(tidied(latest, form.tidy, frame), item));
    },
    cancel: () => host.sketch(null),
  };
}

function tidied(item: ShapeItem, tidy: ((points: readonly Pair[]) => readonly Pair[]) | undefined, frame: Pointer["frame"]): ShapeItem {
  if (!tidy) return item;
  const flat = item.points.map((p) => frame.toPlane(p));
  return { ...item, points: tidy(flat).map((p) => item.points[flat.indexOf(p)]!) };
}

function addPoint({ item, seat }: ShapeHit, at: Pair, { frame }: Pointer, host: ToolHost): void {
  const more = insertPoint(item, seat, at, frame);
  host.point = { id: item.id, n: more.n };
  host.apply(putShape(more.item, item));
}

/** Type the text of an arrow or a text anew. */
function retype(item: ShapeItem, pointer: Pointer, host: ToolHost): void {
  const why = fixed(host, item);
  if (why !== null) return void tell(host, why);
  host.type({
    pane: pointer.frame.pane, at: item.points.at(-1)!, text: item.text,
    done: (text) => {
      host.type(null);
      const now = text?.trim() ?? item.text;
      if (now !== item.text && (now !== "" || item.kind === "arrow")) host.apply(putShape({ ...item, text: now }, item));
    },
  });
}

function double(pointer: Pointer, host: ToolHost): void {
  if (host.drawing) return host.drawing.finish(host);
  const hit = hitShape(pointer, host);
  if (hit && (hit.item.kind === "arrow" || hit.item.kind === "text")) retype(hit.item, pointer, host);
}

const hitCursor = (hit: ShapeHit | null): string | null =>
  hit === null ? null : hit.handle === null ? "move" : hit.item.kind === "rectangle" && hit.handle === 8 ? "grab" : "pointer";

/** The tool that selects and changes what is there, shapes and boxes. */
const select: Tool = {
  name: "select",
  double,
  begin(pointer, host) {
    const hit = hitShape(pointer, host);
    if (hit) return takeShape(hit, pointer, host);
    host.point = null;
    const boxes = shownBoxIds(pointer, host);
    if (hitBox(pointer, host.boxes.filter(({ id }) => boxes.includes(id)), host.selected, host.geometry)) {
      return box.begin(pointer, host);
    }
    if (!pointer.shift) host.selection = [];
    return null;
  },
  cursor: (pointer, host) => (pointer && hitCursor(hitShape(pointer, host))) ?? "default",
};

const drawing = (name: Exclude<ShapeToolName, "select">): Tool => {
  const own = (item: ShapeItem): boolean => item.kind === WAYS[name].kind;
  return {
    name,
    double,
    begin(pointer, host) {
      if (host.drawing?.tool !== name) host.drawing?.cancel(host);
      if (host.drawing) return host.drawing.press(pointer, host);
      const hit = hitShape(pointer, host, own);
      if (hit) return takeShape(hit, pointer, host);
      host.selection = [];
      host.point = null;
      return beginShape(name, pointer, host);
    },
    hover(pointer, host) {
      if (host.drawing?.tool === name) host.drawing.hover(pointer, host);
    },
    cursor(pointer, host) {
      if (host.drawing || !pointer) return "crosshair";
      return hitCursor(hitShape(pointer, host, own)) ?? (name === "text" ? "text" : "crosshair");
    },
  };
};

export const shapeTools: Readonly<Record<ShapeToolName, Tool>> = Object.fromEntries(
  SHAPE_TOOLS.map((name) => [name, name === "select" ? select : drawing(name)]),
) as Record<ShapeToolName, Tool>;

/** Whether the crosshair's press belongs to a selected shape instead. */
export function grabbed(pointer: Pointer, host: ToolHost): ShapeHit | null {
  if (host.selection.length === 0) return null;
  const hit = hitShape(pointer, host, () => false);
  return hit?.handle != null ? hit : null;
}
