/** Edits of the label list: add, rename, recolour, lock and remove, each one undo step. */
import type { BoxItem, EditDraft, Item, LabelItem, MaskItem, ShapeItem, TagItem } from "../model/protocol";
import { freshId, type ToolHost } from "./tool";

/** Everything in a document that can name a label. */
export interface Named {
  readonly labels: readonly LabelItem[];
  readonly masks: readonly MaskItem[];
  readonly boxes: readonly BoxItem[];
  readonly shapes: readonly ShapeItem[];
  readonly tags: readonly TagItem[];
}

/** Colours that stay apart from grey anatomy and from each other. */
export const PALETTE = [
  "#e6564f", "#4fb3e6", "#f2c14e", "#6cc66a", "#c07be0", "#f2884e", "#4fd6c2", "#e67fb4",
  "#a8c04a", "#7d8ff0", "#c79a6b", "#5fe08f",
] as const;

const used = (item: Item, name: string): boolean =>
  item.type === "label" ? item.name === name
  : item.type === "mask" ? item.segments.some((one) => one.label === name)
  : item.label === name;

/** The first mask of the list that has a segment for the label. */
export function maskOf(masks: readonly MaskItem[], label: string): MaskItem | undefined {
  return masks.find((mask) => used(mask, label));
}

export function newMask(label: string, image: string): MaskItem {
  return {
    type: "mask", id: freshId(), name: label, image,
    segments: [{ value: 1, label, status: "" }], dtype: "uint8",
  };
}

/** Why a label cannot be drawn with now, or null. */
export function obstacle(host: ToolHost, label: LabelItem): string | null {
  const { hidden, overlay } = host.view.value;
  if (label.locked) return `The label "${label.name}" is locked. Unlock it to draw.`;
  if (label.scope.length > 0 && !label.scope.includes("lesion")) return `The label "${label.name}" is for the ${label.scope.join(" or ")}: answer it in the panel.`;
  if (hidden.includes(label.id)) return `The label "${label.name}" is hidden. Show it to draw.`;
  return overlay ? null : "The labels are hidden. Press h to show them.";
}

/** A name that no label has yet: "label 1", "label 2", … */
export function freeName(labels: readonly LabelItem[], stem = "label"): string {
  const taken = new Set(labels.map((one) => one.name));
  for (let n = 1; ; n++) if (!taken.has(`${stem} ${n}`)) return `${stem} ${n}`;
}

export function newLabel(labels: readonly LabelItem[], name: string): LabelItem {
  const taken = new Set(labels.map((one) => one.color.toLowerCase()));
  const color = PALETTE.find((one) => !taken.has(one)) ?? PALETTE[labels.length % PALETTE.length]!;
  return { type: "label", id: freshId(), name, color, key: null, code: null, locked: false, parent: "", scope: [], attributes: [], schema: "", version: 1 };
}

/** Add a label with its mask on an image; also tells the new label's id. */
export function addLabel(named: Named, image: string, name: string): { edit: EditDraft; id: string } {
  const label = newLabel(named.labels, name);
  const edits: EditDraft[] = [{ kind: "put", item: label }];
  const taken = named.masks.some((mask) => mask.name === name);
  if (!taken) edits.push({ kind: "put", item: newMask(name, image) });
  return { edit: { kind: "batch", edits, name: `Add label ${name}`, tool: "labels" }, id: label.id };
}

/** Change a label without changing its name. */
export function putLabel(label: LabelItem, change: Partial<LabelItem>): EditDraft {
  return { kind: "put", item: { ...label, ...change }, old: label, tool: "labels" };
}

function renamed<T extends Item>(item: T, from: string, to: string): Item {
  if (item.type === "mask") {
    const segments = item.segments.map((one) => (one.label === from ? { ...one, label: to } : one));
    return { ...item, segments, name: item.name === from ? to : item.name };
  }
  if (item.type !== "label") return { ...item, label: to };
  return item.name === from ? { ...item, name: to } : { ...item, parent: to };
}

/** Why a label cannot have this name, or null. */
export function nameProblem(named: Named, label: LabelItem | null, name: string): string | null {
  if (name.trim() === "") return "A label needs a name.";
  const other = named.labels.some((one) => one.name === name && one.id !== label?.id);
  return other ? `There is already a label "${name}".` : null;
}

/** Everything but labels that names a label. */
const usersOf = (named: Named, name: string): Item[] =>
  [...named.masks, ...named.boxes, ...named.shapes, ...named.tags].filter((item) => used(item, name));

/** The edit that lets a locked box or shape be changed. */
const unlocking = (item: Item): EditDraft[] =>
  (item.type === "box" || item.type === "shape") && item.locked
    ? [{ kind: "put", item: { ...item, locked: false }, old: item }]
    : [];

/** Rename a label everywhere it is used. */
export function renameLabel(named: Named, label: LabelItem, name: string): EditDraft {
  const children = named.labels.filter(({ parent }) => parent === label.name);
  const edits: EditDraft[] = [label, ...children, ...usersOf(named, label.name)].flatMap((old) => [
    ...unlocking(old), { kind: "put" as const, item: renamed(old, label.name, name), old },
  ]);
  return { kind: "batch", edits, name: `Rename ${label.name} to ${name}`, tool: "labels" };
}

export interface LabelUse {
  readonly masks: number;
  readonly boxes: number;
  readonly shapes: number;
  readonly tags: number;
  /** Masks that hold other labels too: removing a segment from them needs its voxels cleared. */
  readonly shared: readonly MaskItem[];
}

export function labelUse(named: Named, name: string): LabelUse {
  const masks = named.masks.filter((item) => used(item, name));
  return {
    masks: masks.length,
    boxes: named.boxes.filter((item) => used(item, name)).length,
    shapes: named.shapes.filter((item) => used(item, name)).length,
    tags: named.tags.filter((item) => used(item, name)).length,
    shared: masks.filter((mask) => mask.segments.length > 1),
  };
}

/** Remove a label with its own masks, boxes, shapes and tags; the caller has dealt with shared masks. */
export function removeLabel(named: Named, label: LabelItem): EditDraft {
  const children = named.labels.filter(({ parent }) => parent === label.name);
  const edits: EditDraft[] = [
    ...children.map((old) => ({ kind: "put" as const, item: { ...old, parent: label.parent }, old })),
    ...[...usersOf(named, label.name), label].flatMap((item) => [...unlocking(item), { kind: "remove" as const, item }]),
  ];
  return { kind: "batch", edits, name: `Delete label ${label.name}`, tool: "labels" };
}
