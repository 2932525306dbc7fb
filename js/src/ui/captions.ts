/** What is written beside a shape. */
import type { ShapeItem } from "../model/protocol";
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
