/** Boxes, shapes and tags as one list: order, filter, and the edits for several at once. */
import { add, scale, type Vec3 } from "../model/geometry";
import type { BoxItem, EditDraft, ImageJson, ShapeItem, Status, TagItem } from "../model/protocol";
import { middleOf } from "./box";
import { STATUSES } from "./statuses";
import { freshId, together } from "./tool";

export type Annotation = BoxItem | ShapeItem | TagItem;
export type Drawn = BoxItem | ShapeItem;

export const SORTS = ["drawn", "name", "label", "kind", "slice", "status"] as const;
export type Sort = (typeof SORTS)[number];

const KIND_TITLES: Readonly<Record<string, string>> = {
  points: "Points", "open-freehand": "Line", freehand: "Freehand", curve: "Polyline", "closed-spline": "Closed spline",
  cobb: "Cobb angle",
};

export const isDrawn = (item: Annotation): item is Drawn => item.type !== "tag";

/** "Ruler", "Box", "Tag" */
export function kindTitle(item: Annotation): string {
  const kind = item.type === "shape" ? item.kind : item.type;
  if (item.type === "shape" && item.kind === "points" && item.points.length === 1) return "Point";
  return KIND_TITLES[kind] ?? `${kind[0]!.toUpperCase()}${kind.slice(1)}`;
}

/** What a list calls an item: its own name, else its label. */
export function titleOf(item: Annotation): string {
  if (item.type !== "tag") return item.name || (item.type === "shape" && item.text) || item.label;
  return item.value === null ? item.label : `${item.label}: ${String(item.value)}`;
}

/** Where an item lies in its image: continuous index (k, j, i) of its middle, and frame; null where it has no place. */
export function placeOf(
  item: Annotation, { shape, frames }: Pick<ImageJson, "shape" | "frames">, toIndex: (world: Vec3) => Vec3,
): { readonly index: Vec3; readonly frame: number | null } | null {
  if (item.type === "box") return { index: middleOf(item.index), frame: item.frame };
  if (item.type === "shape") {
    const index = toIndex(scale(item.points.reduce(add), 1 / item.points.length));
    return { index: item.slice === null ? index : [item.slice, index[1], index[2]], frame: item.frame };
  }
  if (item.index === null) return null;
  // Where an image has no frames in time, those of a clip are its slices.
  const time = item.scope === "frame" && frames > 1;
  const middle = (n: 0 | 1 | 2): number => (shape[n] - 1) / 2;
  return { index: [time ? middle(0) : item.index, middle(1), middle(2)], frame: time ? item.index : null };
}

export interface Entry {
  readonly item: Annotation;
  /** Slice k, for the order; null where it has none. */
  readonly k: number | null;
}

/** The entries that hold every word of the filter, in order. */
export function arranged(entries: readonly Entry[], filter: string, sort: Sort): Entry[] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const text = ({ item }: Entry): string =>
    [titleOf(item), item.label, kindTitle(item), isDrawn(item) ? STATUSES[item.status] : "", item.lesion].join(" ").toLowerCase();
  const found = words.length === 0 ? [...entries] : entries.filter((one) => words.every((word) => text(one).includes(word)));
  if (sort === "drawn") return found;
  const order = Object.keys(STATUSES);
  const key = ({ item, k }: Entry): string | number => {
    if (sort === "slice") return k ?? Infinity;
    if (sort === "status") return isDrawn(item) ? order.indexOf(item.status) : order.length;
    return (sort === "name" ? titleOf(item) : sort === "label" ? item.label : kindTitle(item)).toLowerCase();
  };
  return found
    .map((one) => ({ one, by: key(one) }))
    .sort((a, b) => (typeof a.by === "number" && typeof b.by === "number" ? a.by - b.by : String(a.by).localeCompare(String(b.by), undefined, { numeric: true })))
    .map(({ one }) => one);
}

const many = (n: number): string => (n === 1 ? "annotation" : `${n} annotations`);

export function removal(items: readonly Annotation[]): EditDraft | null {
  return together(items.map((item) => ({ kind: "remove", item, tool: "list" })), `Delete ${many(items.length)}`, "list");
}

function changed(items: readonly Drawn[], change: Partial<Drawn>, name: string): EditDraft | null {
  const edits = items.map((old): EditDraft => ({ kind: "put", item: { ...old, ...change } as Drawn, old, tool: "list" }));
  return together(edits, name, "list");
}

/** Lock or unlock; what is so already is left alone. */
export function locking(items: readonly Drawn[], locked: boolean): EditDraft | null {
  const others = items.filter((item) => item.locked !== locked);
  return changed(others, { locked }, `${locked ? "Lock" : "Unlock"} ${many(others.length)}`);
}

export function naming(item: Drawn, name: string): EditDraft | null {
  return item.name === name ? null : changed([item], { name }, "Rename");
}

export function rating(items: readonly Drawn[], status: Status): EditDraft | null {
  const others = items.filter((item) => item.status !== status);
  return changed(others, { status }, `Status of ${many(others.length)}`);
}

export function relabelling(items: readonly Annotation[], label: string): EditDraft | null {
  const others = items.filter((item) => item.label !== label);
  const edits = others.map((old): EditDraft => ({ kind: "put", item: { ...old, label }, old, tool: "list" }));
  return together(edits, `Label of ${many(others.length)}`, "list");
}

/** Join into one lesion, or take apart what is one lesion already. */
export function linking(items: readonly Drawn[]): EditDraft | null {
  const first = items.find(({ lesion }) => lesion !== "")?.lesion;
  const whole = first !== undefined && items.every(({ lesion }) => lesion === first);
  if (whole) return changed(items, { lesion: "" }, "Take a lesion apart");
  const lesion = first ?? freshId().slice(0, 12);
  return changed(items.filter((item) => item.lesion !== lesion), { lesion }, "Join into one lesion");
}
