/** What is written beside a shape. */
import type { ShapeItem } from "../model/protocol";
import type { Pair } from "../tools/frame";
import { angleAt, angleOfLines, areaOf, far, lengthOf } from "../tools/shapes/flat";
import { FORMS } from "../tools/shapes/kinds";
import type { Seat } from "../tools/shapes/seat";
import type { Pane } from "./pane";
import { readAt } from "./readout";

const fixed = (x: number): string => (x >= 1000 ? x.toFixed(0) : x.toFixed(1));

/** The first measure of a shape in its plane; empty where it has none. */
export function quickMeasure({ kind, edges }: Pick<ShapeItem, "kind" | "edges">, points: readonly Pair[], unit: string): string {
  const [a, b, c, d] = points as readonly [Pair, Pair, Pair, Pair];
  switch (kind) {
    case "ruler":
      return `${fixed(far(a, b))} ${unit}`;
    case "bidirectional":
      return `${fixed(far(a, b))} × ${fixed(far(c, d))} ${unit}`;
    case "angle":
      return `${angleAt(a, b, c).toFixed(1)}°`;
    case "cobb":
      return `${angleOfLines(a, b, c, d).toFixed(1)}°`;
    case "ellipse":
      return `${fixed((Math.PI / 4) * far(a, b) * far(c, d))} ${unit}²`;
    case "curve": case "spline": case "open-freehand":
      return `${fixed(lengthOf(FORMS[kind].lines(points, 0, edges)[0]!.points))} ${unit}`;
    case "rectangle": case "polygon": case "freehand": case "closed-spline": case "livewire":
      return `${fixed(areaOf(FORMS[kind].lines(points, 0, edges)[0]!.points))} ${unit}²`;
    default:
      return "";
  }
}

/** One line for a shape. */
export function caption(item: ShapeItem, seat: Seat, pane: Pane): string {
  // What only cuts the plane is named where it lies.
  if (!seat.inside) return "";
  if (item.kind === "text") return item.text;
  if (item.kind === "arrow" && item.text !== "") return item.text;
  const name = item.name || item.label;
  const least = { angle: 3, cobb: 4, bidirectional: 4 }[item.kind as string] ?? 1;
  if (seat.points.length < least) return name;
  const value = item.kind === "probe" ? valueAt(item, pane) : quickMeasure(item, seat.points, pane.geometry.unit);
  return [name, value, item.text].filter(Boolean).join("  ");
}

function valueAt({ points, slice }: ShapeItem, pane: Pane): string {
  const index = pane.geometry.toIndex(points[0]!, slice ?? pane.frame.slice);
  return readAt(pane, index)?.value ?? "";
}
