/** Which shape lies under the pointer, and what of it. */
import type { ShapeItem } from "../../model/protocol";
import type { Pair } from "../frame";
import { boxShown } from "../box";
import { isGrid } from "../frame";
import type { Pointer, ToolHost } from "../tool";
import { far, nearestOn } from "./flat";
import { FORMS } from "./kinds";
import { belongs, isLoose, type Seat } from "./seat";

export interface ShapeHit {
  readonly item: ShapeItem;
  readonly seat: Seat;
  /** Number of the handle; null: the shape as a whole. */
  readonly handle: number | null;
}

/** A shape with its place in the shown plane. */
export interface Seated {
  readonly item: ShapeItem;
  readonly seat: Seat;
}

const REACH = 8;
const TOUCH_REACH = 16;
/** Room that written letters take, px. */
const LETTER = 7;
const LINE = 16;

export const reachOf = (pointer: Pointer): number => (pointer.touch ? TOUCH_REACH : REACH) * pointer.mmPerPx;

/** Whether labels and the shape itself are shown. */
export function unhidden(host: Pick<ToolHost, "view" | "labels">): (item: ShapeItem) => boolean {
  const { hidden, overlay } = host.view.value;
  if (!overlay) return () => false;
  if (hidden.length === 0) return () => true;
  const gone = new Set(hidden);
  const unseen = new Set(host.labels.filter((one) => gone.has(one.id)).map((one) => one.name));
  return (item) => !gone.has(item.id) && !unseen.has(item.label);
}

/** Those of the shapes that are to be seen in a plane. */
export function shownShapes(host: ToolHost, frame: Pointer["frame"], shapes = host.shapes): Seated[] {
  const seen = unhidden(host);
  const stack = !isGrid(host.geometry);
  return shapes.flatMap((item) => {
    if (!seen(item) || !belongs(item, frame, host.image.id, host.time, stack)) return [];
    const seat = host.seats.get(item, frame);
    return seat ? [{ item, seat }] : [];
  });
}

/** How far the pointer is from the drawn lines of a shape, plane mm. */
export function distanceTo({ item, seat }: Seated, p: Pair, mmPerPx: number): number {
  if (item.kind === "text") return textDistance(seat.points[0]!, item.text, p, mmPerPx);
  if (isLoose(item.kind)) return Math.min(...seat.near.map((n) => far(seat.points[n]!, p)));
  return Math.min(...FORMS[item.kind].lines(seat.points, 0, item.edges).map((line) => nearestOn(p, line.points, line.closed).far));
}

function textDistance([x, y]: Pair, text: string, p: Pair, mmPerPx: number): number {
  const right = x + text.length * LETTER * mmPerPx;
  const top = y - LINE * mmPerPx;
  return Math.hypot(Math.max(x - p[0], 0, p[0] - right), Math.max(top - p[1], 0, p[1] - y));
}

/** Whether a point is within `reach` of the box around the points: a spline stays near its points. */
function closeBy({ points }: Seat, p: Pair, reach: number): boolean {
  let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
  for (const [x, y] of points) {
    if (x < left) left = x;
    if (x > right) right = x;
    if (y < top) top = y;
    if (y > bottom) bottom = y;
  }
  const room = reach + 0.5 * Math.max(right - left, bottom - top);
  return p[0] >= left - room && p[0] <= right + room && p[1] >= top - room && p[1] <= bottom + room;
}

function handleAt({ item, seat }: Seated, p: Pair, reach: number, mmPerPx: number): number | null {
  let [best, at] = [reach, null as number | null];
  FORMS[item.kind].handles(seat.points, mmPerPx).forEach((place, n) => {
    if (isLoose(item.kind) && !seat.near.includes(n)) return;
    const off = far(place, p);
    // Of handles in one place the last one drawn is on top.
    if (off <= best) [best, at] = [off, n];
  });
  return at;
}

/** What lies under the pointer: a handle of a selected shape, or the line of any that `may` be taken. */
export function hitShape(pointer: Pointer, host: ToolHost, may: (item: ShapeItem) => boolean = () => true): ShapeHit | null {
  const reach = reachOf(pointer);
  const { plane: p, mmPerPx } = pointer;
  const selected = new Set(host.selection);
  const near = shownShapes(host, pointer.frame).filter(({ item, seat }) => seat.inside
    && (item.kind === "text" || closeBy(seat, p, reach)));
  for (const one of near) {
    if (!selected.has(one.item.id)) continue;
    const handle = handleAt(one, p, reach, mmPerPx);
    if (handle !== null) return { ...one, handle };
  }
  const found = near
    .filter(({ item }) => selected.has(item.id) || may(item))
    // Between two near ones the selected one is taken.
    .map((one) => ({ one, far: distanceTo(one, p, mmPerPx), first: selected.has(one.item.id) ? 0 : 1 }))
    .filter(({ far: off }) => off <= reach)
    .sort((a, b) => a.first - b.first || a.far - b.far)[0];
  if (!found) return null;
  const { item, seat } = found.one;
  return { item, seat, handle: isLoose(item.kind) ? handleAt(found.one, p, reach, mmPerPx) : null };
}

/** The boxes shown in a plane, for the tool that selects anything. */
export function shownBoxIds(pointer: Pointer, host: ToolHost): string[] {
  const { frame } = pointer;
  return host.boxes.filter((box) => boxShown(box, frame, host.image.id, host.time, host.geometry)).map(({ id }) => id);
}
