/** Which panes a layout has, and where they go in a given space: values in, values out. */
import type { LayoutTree, PaneTree, Plane } from "./state/parts";

/** One pane of the layout in use. */
export interface PaneSpec {
  readonly id: string;
  readonly plane: Plane;
  /** Id of its image; undefined: the main image. */
  readonly image?: string | undefined;
}

export interface Cell {
  /** Pane id, or "info" for the cell of facts beside three planes. */
  readonly pane: string;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A layout with its panes named; `mpr` adapts to the space it gets. */
export interface Arrangement {
  readonly name: string;
  readonly panes: readonly PaneSpec[];
  readonly tree: LayoutTree | "mpr";
}

export const GAP = 2;
/** Below this width (CSS px) the panes stand in one column. */
export const ONE_COLUMN = 520;
/** Cells in one column that are lower than this part of their width are too flat to read. */
const FLAT = 0.4;
/** From this ratio on the axial view is large, with the other two stacked beside it. */
export const WIDE = 1.5;
/** The row of options and hints, which is always there. */
const BAR = 33;
const MIN_ROW = 220;

const row = (...parts: LayoutTree[]): LayoutTree => ({ row: parts });
const column = (...parts: LayoutTree[]): LayoutTree => ({ column: parts });
const pane = (plane: Plane, image?: string): PaneTree => (image ? { plane, image } : { plane });

const MPR = column(pane("axial"), pane("coronal"), pane("sagittal"));

/** Layouts with a name, in the order of the menu; "auto" chooses one by the image. */
export const PRESETS: Readonly<Record<string, { readonly title: string; readonly tree: LayoutTree | "mpr" }>> = {
  mpr: { title: "Three planes", tree: "mpr" },
  axial: { title: "Axial", tree: pane("axial") },
  coronal: { title: "Coronal", tree: pane("coronal") },
  sagittal: { title: "Sagittal", tree: pane("sagittal") },
  "four-up": {
    title: "Three planes and 3-D",
    tree: row(column(pane("axial"), pane("coronal")), column(pane("sagittal"), pane("volume"))),
  },
  "3d-primary": { title: "3-D large", tree: { row: [pane("volume"), MPR], sizes: [2, 1] } },
  "3d": { title: "3-D", tree: pane("volume") },
  oblique: {
    title: "Three planes and a free plane",
    tree: row(column(pane("axial"), pane("coronal")), column(pane("sagittal"), pane("oblique"))),
  },
  acquisition: { title: "As acquired", tree: pane("acquisition") },
};

/** Whether a layout has a pane of a kind: "2D", "3D" or "Oblique". */
export function shows(tree: LayoutTree | "mpr", kind: string): boolean {
  if (tree === "mpr") return kind === "2D";
  if (!("plane" in tree)) return ("row" in tree ? tree.row : tree.column).some((part) => shows(part, kind));
  return kind === (tree.plane === "volume" ? "3D" : tree.plane === "oblique" ? "Oblique" : "2D");
}

function grid(rows: number, columns: number, images: readonly string[]): LayoutTree {
  const line = (r: number): LayoutTree =>
    row(...Array.from({ length: columns }, (_, c) => pane("axial", images[r * columns + c] ?? images.at(-1))));
  return column(...Array.from({ length: rows }, (_, r) => line(r)));
}

/** Two images side by side, each in two planes: a prior beside the current one. */
function longitudinal(images: readonly string[]): LayoutTree {
  const side = (image: string | undefined): LayoutTree => column(pane("axial", image), pane("coronal", image));
  return row(side(images[0]), side(images[1] ?? images[0]));
}

/** The tree of a layout, or null for an unknown name. */
function treeOf(
  layout: string | LayoutTree, hasPlanes: boolean, images: readonly string[],
  named: Readonly<Record<string, LayoutTree>>,
): LayoutTree | "mpr" | null {
  if (typeof layout !== "string") return layout;
  const own = Object.hasOwn(named, layout) ? named[layout] : undefined;
  if (own) return own;
  const compare = /^compare-([1-3])x([1-3])$/.exec(layout);
  if (compare) return grid(Number(compare[1]), Number(compare[2]), images);
  if (layout === "longitudinal") return longitudinal(images);
  if (!hasPlanes) return layout === "auto" || layout === "single" || layout in PRESETS ? pane("acquisition") : null;
  if (layout === "single") return pane("axial");
  if (layout === "auto") return "mpr";
  return PRESETS[layout]?.tree ?? null;
}

/** Give every pane an id: its own, else the plane's name, numbered where it is there already. */
function panesOf(tree: LayoutTree | "mpr"): { readonly panes: PaneSpec[]; readonly tree: LayoutTree | "mpr" } {
  const panes: PaneSpec[] = [];
  const taken = new Set<string>();
  const free = (wanted: string): string => {
    let id = wanted;
    for (let n = 2; taken.has(id) || id === "info"; n++) id = `${wanted}-${n}`;
    taken.add(id);
    return id;
  };
  const visit = (node: LayoutTree): LayoutTree => {
    if ("row" in node) return { ...node, row: node.row.map(visit) };
    if ("column" in node) return { ...node, column: node.column.map(visit) };
    const id = free(node.id ?? node.plane);
    panes.push({ id, plane: node.plane, image: node.image });
    return { ...node, id };
  };
  if (tree === "mpr") {
    visit(MPR);
    return { panes, tree };
  }
  return { tree: visit(tree), panes };
}

/** The panes of a layout; an unknown name gives those of "auto" and `known` false. */
export function arrange(
  layout: string | LayoutTree,
  hasPlanes: boolean,
  images: readonly string[],
  named: Readonly<Record<string, LayoutTree>> = {},
): Arrangement & { readonly known: boolean } {
  const found = treeOf(layout, hasPlanes, images, named);
  const tree = found ?? (hasPlanes ? "mpr" : pane("acquisition"));
  const name = typeof layout !== "string" ? "custom"
    : found === null || layout === "auto" || layout === "single" ? (tree === "mpr" ? "mpr" : "single")
    : tree !== "mpr" && "plane" in tree && tree.plane === "acquisition" && !hasPlanes ? "single"
    : layout;
  return { name, ...panesOf(tree), known: found !== null };
}

type Box = Omit<Cell, "pane">;

/** Cut a length into parts by size, with gaps between; the parts fill it to the pixel. */
function cut(length: number, sizes: readonly number[]): { readonly at: number; readonly size: number }[] {
  const room = length - GAP * (sizes.length - 1);
  const sum = sizes.reduce((a, b) => a + b, 0);
  let before = 0;
  let at = 0;
  return sizes.map((size, n) => {
    before += size;
    const end = Math.round((room * before) / sum) + GAP * n;
    const out = { at, size: end - at };
    at = end + GAP;
    return out;
  });
}

function place(tree: LayoutTree, box: Box): Cell[] {
  if ("plane" in tree) return [{ pane: tree.id ?? tree.plane, ...box }];
  const parts = "row" in tree ? tree.row : tree.column;
  const cuts = cut("row" in tree ? box.width : box.height, tree.sizes ?? parts.map(() => 1));
  return parts.flatMap((part, n) => {
    const { at, size } = cuts[n]!;
    return place(part, "row" in tree
      ? { ...box, x: box.x + at, width: size }
      : { ...box, y: box.y + at, height: size });
  });
}

const leaf = (id: string): PaneTree => ({ plane: "axial", id });

function mprTree(width: number, height: number): LayoutTree {
  const [axial, coronal, sagittal, info] = [leaf("axial"), leaf("coronal"), leaf("sagittal"), leaf("info")];
  if (width / height >= WIDE) return { row: [axial, column(coronal, sagittal)], sizes: [0.58, 0.42] };
  return column(row(axial, sagittal), row(coronal, info));
}

/** The height the panes need at a width: one column needs more than the widget's own. */
export function neededHeight(arrangement: Arrangement, maximized: string | null, width: number, height: number): number {
  const count = maximized === null ? arrangement.panes.length : 1;
  return count > 1 && width < ONE_COLUMN ? Math.max(height, BAR + count * MIN_ROW + (count - 1) * GAP) : height;
}

/**
 * Cells (CSS px) that tile `width` × `height` without overlap.
 *
 * The three planes stand 2 × 2 with an information cell; in a broad space the axial view is large
 * and the others are stacked at its right; below 520 px all panes stand in one column, unless
 * that makes them flat and the layout's own cells are larger.
 */
export function computeCells(arrangement: Arrangement, maximized: string | null, width: number, height: number): Cell[] {
  if (!(width > 0 && height > 0)) return [];
  const box = { x: 0, y: 0, width, height };
  const { panes, tree } = arrangement;
  if (maximized !== null && panes.some(({ id }) => id === maximized)) return [{ pane: maximized, ...box }];
  const own = place(tree === "mpr" ? mprTree(width, height) : tree, box);
  if (width >= ONE_COLUMN || panes.length < 2) return own;
  const stacked = place(column(...panes.map(({ id }) => leaf(id))), box);
  const low = stacked[0]!.height < FLAT * width;
  return low && smallest(own) > smallest(stacked) ? own : stacked;
}

/** The shortest side of any cell. */
const smallest = (cells: readonly Cell[]): number => Math.min(...cells.flatMap(({ width, height }) => [width, height]));
