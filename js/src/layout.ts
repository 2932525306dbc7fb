/** Where the views go in a given space: numbers in, numbers out. */
import type { Layout, ViewName } from "./state";

export interface Cell {
  readonly view: ViewName | "info";
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export type UsableLayout = Exclude<Layout, "auto">;

export const GAP = 2;
/** Below this width (CSS px) the views of the grid stand in one column. */
export const ONE_COLUMN = 520;
/** From this width on the axial view is large, with the other two stacked beside it. */
export const WIDE = 1.5;
const MIN_ROW = 220;

/** The layout that fits the image: pictures and stacks have no other planes. */
export function usableLayout(layout: Layout, hasPlanes: boolean): UsableLayout {
  if (!hasPlanes) return "single";
  return layout === "single" ? "axial" : layout === "auto" ? "mpr" : layout;
}

function column(views: readonly (ViewName | "info")[], box: Cell): Cell[] {
  const each = Math.floor((box.height - GAP * (views.length - 1)) / views.length);
  return views.map((view, n) => {
    const y = box.y + n * (each + GAP);
    const last = n === views.length - 1;
    return { view, x: box.x, y, width: box.width, height: last ? box.y + box.height - y : each };
  });
}

function grid(width: number, height: number): Cell[] {
  const left = Math.ceil((width - GAP) / 2);
  const top = Math.ceil((height - GAP) / 2);
  const right = width - GAP - left;
  const bottom = height - GAP - top;
  return [
    { view: "axial", x: 0, y: 0, width: left, height: top },
    { view: "sagittal", x: left + GAP, y: 0, width: right, height: top },
    { view: "coronal", x: 0, y: top + GAP, width: left, height: bottom },
    { view: "info", x: left + GAP, y: top + GAP, width: right, height: bottom },
  ];
}

function wide(width: number, height: number): Cell[] {
  const left = Math.round((width - GAP) * 0.58);
  const side: Cell = { view: "info", x: left + GAP, y: 0, width: width - GAP - left, height };
  return [
    { view: "axial", x: 0, y: 0, width: left, height },
    ...column(["coronal", "sagittal"], side),
  ];
}

/** The height the views need at a width: one column needs more than the widget's own. */
export function neededHeight(layout: UsableLayout, width: number, height: number): number {
  return layout === "mpr" && width < ONE_COLUMN ? Math.max(height, 3 * MIN_ROW + 2 * GAP) : height;
}

/**
 * Cells (CSS px) that tile `width` × `height` without overlap.
 *
 * The three planes stand 2 × 2 with an information cell; in a broad space the axial view is large
 * and the others are stacked at its right; below 520 px they stand in one column.
 */
export function computeLayout(layout: UsableLayout, width: number, height: number): Cell[] {
  if (!(width > 0 && height > 0)) return [];
  if (layout !== "mpr") return [{ view: layout, x: 0, y: 0, width, height }];
  if (width < ONE_COLUMN) {
    return column(["axial", "coronal", "sagittal"], { view: "info", x: 0, y: 0, width, height });
  }
  return width / height >= WIDE ? wide(width, height) : grid(width, height);
}
