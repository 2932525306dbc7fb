/** What is written beside shapes and boxes. */
import type { BoxItem, ShapeItem } from "../model/protocol";
import type { Seat } from "../tools/shapes/seat";
import type { Pane } from "./pane";

/** Points that a shape needs before it can be measured. */
const LEAST: Readonly<Record<string, number>> = { angle: 3, cobb: 4, bidirectional: 4, polygon: 3, freehand: 3, "closed-spline": 3, livewire: 3 };

/** The lines beside a shape: its name and size; of a chosen one everything that is measured. */
export function caption(item: ShapeItem, seat: Seat, pane: Pane): readonly string[] {
  // What only cuts the plane is named where it lies.
  if (!seat.inside) return [""];
  if (item.kind === "text" || (item.kind === "arrow" && item.text !== "")) return [item.text];
  const name = item.name || item.label;
  if (seat.points.length < (LEAST[item.kind] ?? 1)) return [name];
  const { statistics } = pane.scene;
  const whole = item.kind === "probe" || pane.selection.includes(item.id);
  const [first = "", ...more] = whole ? statistics.lines(item, pane) : [statistics.size(item, pane)];
  return [[name, first, item.text].filter(Boolean).join("  "), ...more];
}

/** The lines beside a box: its name or label; of a chosen one also its size and the values inside. */
export function boxCaption(box: BoxItem, pane: Pane): readonly string[] {
  const [first = "", ...more] = pane.selection.includes(box.id) ? pane.scene.boxNumbers.lines(box, pane) : [];
  return [[box.name || box.label, first].filter(Boolean).join(" "), ...more];
}

export const LETTER = 6.4;
export const LEADING = 15;
export const BESIDE = 10;
const ABOVE = 5;
const MARGIN = 4;
/** Room for what stands in the corners of a view, px. */
const EDGE = 24;

/** Where lines begin, or end, px. */
export interface Spot {
  readonly x: number;
  readonly y: number;
  readonly end: boolean;
}

/** Where a line above the corner of its box begins, px: further to the left where it would end outside the view. */
export function aboveBox(line: string, [left, top]: readonly [number, number], view: { readonly width: number }): Spot {
  const most = view.width - line.length * LETTER - MARGIN;
  return { x: left < view.width ? Math.min(left, Math.max(MARGIN, most)) : left, y: top - ABOVE, end: false };
}

/** Edges of a box on the screen, px. */
export interface Edges {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/**
 * Where lines stand beside a box, px: on its right, where there is no room on its left, else below or above it, so that
 * they hide nothing in it; in a box that fills the view, within the view. Null where no part of the box is in view.
 */
export function besideBox(
  lines: readonly string[], { left, top, right, bottom }: Edges, view: { readonly width: number; readonly height: number },
): Spot | null {
  if (right < 0 || bottom < 0 || left > view.width || top > view.height) return null;
  const wide = Math.max(0, ...lines.map(({ length }) => length)) * LETTER;
  const high = lines.length * LEADING;
  const y = Math.max(LEADING, Math.min(top + 4, view.height - high));
  if (right + BESIDE + wide <= view.width) return { x: Math.max(BESIDE, right + BESIDE), y, end: false };
  if (left - BESIDE - wide >= 0) return { x: Math.min(view.width - BESIDE, left - BESIDE), y, end: true };
  const x = Math.max(BESIDE, Math.min(left, view.width - BESIDE - wide));
  if (bottom + high + EDGE <= view.height) return { x, y: bottom + LEADING, end: false };
  if (top - high >= EDGE) return { x, y: top - high + LEADING - 5, end: false };
  return { x: Math.max(BESIDE, view.width - BESIDE - wide), y, end: false };
}
