/** What a document holds: labels, masks, boxes, shapes and tags, as they travel. */

export type Triple = readonly [number, number, number];
/** Two corners (k, j, i); for a Paint half-open voxel bounds, for a Box continuous voxel coordinates. */
export type IndexBox = readonly [Triple, Triple];

export interface Code {
  readonly value: string;
  readonly scheme: string;
  readonly meaning: string;
}

export interface LabelItem {
  readonly type: "label";
  readonly id: string;
  readonly name: string;
  /** "#rrggbb" */
  readonly color: string;
  readonly key: string | null;
  readonly code: Code | null;
  readonly locked: boolean;
  /** Name of the label above it; empty for none. */
  readonly parent: string;
  /** What it may be said of; empty for all. */
  readonly scope: readonly ("case" | "series" | "image" | "lesion")[];
  readonly attributes: readonly AttributeJson[];
  /** Name of the label set it belongs to; empty for none. */
  readonly schema: string;
  /** Version of that label set. */
  readonly version: number;
}

export type AttributeValue = boolean | number | string | readonly string[];
export type Attributes = Readonly<Record<string, AttributeValue>>;
export type Status = "" | "todo" | "doing" | "done" | "flagged";

/** A question about what a label marks. */
export interface AttributeJson {
  readonly name: string;
  readonly type: "choice" | "choices" | "number" | "text" | "yesno";
  readonly options: readonly string[];
  readonly range: readonly [number | null, number | null] | null;
  readonly unit: string;
  readonly required: boolean;
  readonly default: AttributeValue | null;
  /** Asked only where each of these attributes has one of the values. */
  readonly when: Readonly<Record<string, readonly AttributeValue[]>>;
}

export interface SegmentItem {
  readonly value: number;
  /** Name of the label. */
  readonly label: string;
  readonly status: Status;
}

export interface MaskItem {
  readonly type: "mask";
  readonly id: string;
  readonly name: string;
  /** Id of the image whose voxel grid the mask lies on. */
  readonly image: string;
  readonly segments: readonly SegmentItem[];
  readonly dtype: "uint8" | "uint16";
}

export interface BoxItem {
  readonly type: "box";
  readonly id: string;
  readonly label: string;
  readonly index: IndexBox;
  readonly image: string;
  readonly frame: number | null;
  readonly name: string;
  /** Shared by everything that shows one lesion. */
  readonly lesion: string;
  readonly attributes: Attributes;
  readonly status: Status;
  readonly locked: boolean;
}

export type ShapeKind =
  | "points" | "ruler" | "bidirectional" | "angle" | "cobb" | "rectangle" | "ellipse" | "polygon" | "freehand"
  | "curve" | "open-freehand" | "spline" | "closed-spline" | "livewire" | "arrow" | "text" | "probe";

/** A drawn shape; the order of its fields is that of the wire. */
export interface ShapeItem {
  readonly type: "shape";
  readonly kind: ShapeKind;
  readonly label: string;
  /** World (x, y, z), mm, LPS. */
  readonly points: readonly Triple[];
  readonly id: string;
  readonly image: string;
  readonly frame: number | null;
  /** Slice k of a stack; null on a grid. */
  readonly slice: number | null;
  /** Unit normal of the plane of the points; null: free in space. */
  readonly normal: Triple | null;
  readonly text: string;
  /** Of landmarks. */
  readonly names: readonly string[];
  /** Pairs of landmarks that lines join. */
  readonly edges: readonly (readonly [number, number])[];
  readonly name: string;
  readonly lesion: string;
  readonly attributes: Attributes;
  readonly status: Status;
  readonly locked: boolean;
}

export interface TagItem {
  readonly type: "tag";
  readonly id: string;
  readonly label: string;
  readonly value: string | number | boolean | null;
  readonly scope: "case" | "series" | "slice" | "frame" | "lesion";
  readonly image: string;
  readonly index: number | null;
  readonly lesion: string;
  readonly attributes: Attributes;
}

export type Item = LabelItem | MaskItem | BoxItem | ShapeItem | TagItem;
