/** Where mammograms are put in their panes: chest wall at chest wall, all of them in one scale. */
import { GAP, type Cell } from "../layout";
import { isBreast } from "./hanging";
import type { Pane } from "./pane";
import { edgeLetters } from "./readout";

/** The edge of the pane that the chest wall is put at: -1 left, 1 right, 0 none. */
export type Wall = -1 | 0 | 1;

/** The edge of the screen that the chest wall lies at as the picture is turned now; 0 where nothing tells. */
function wallOf({ image, frame, plane, geometry }: Pane): Wall {
  if (!isBreast(image) || !(image.laterality === "R" || image.laterality === "L") || plane !== "acquisition") return 0;
  const [left, right] = edgeLetters(image, frame, geometry.patientSpace);
  return right?.startsWith("P") ? 1 : left?.startsWith("P") ? -1 : 0;
}

/** Whether a cell stands beside another one: at its right (1) or its left (-1). */
function beside(cell: Cell, other: Cell, way: Wall): boolean {
  const [left, right] = way > 0 ? [cell, other] : [other, cell];
  const gap = right.x - (left.x + left.width);
  return Math.abs(gap) <= GAP && other.y < cell.y + cell.height && cell.y < other.y + other.height;
}

/** The edge where a pane meets the chest wall of the other breast, shown beside it; 0 where it does not. */
export function meets(pane: Pane, panes: readonly Pane[]): Wall {
  const way = wallOf(pane);
  if (way === 0) return 0;
  const met = panes.some((one) => one !== pane && beside(pane.cell, one.cell, way)
    && wallOf(one) === -way && one.image.laterality !== pane.image.laterality);
  return met ? way : 0;
}
