/** What an operation would change: voxels, drawn over the masks of an image, and shapes. */
import type { LiveRequest } from "../channel/live";
import type { MaskStore } from "../model/masks";
import type { ShapeItem } from "../model/protocol";
import type { SegmentStyle } from "../render/renderer";

export interface PreviewLayer {
  readonly image: string;
  readonly store: MaskStore;
  /** Styles by value; `ratio`: device px per CSS px. */
  segments(ratio: number): ReadonlyMap<number, SegmentStyle>;
}

export interface Preview {
  readonly layers: readonly PreviewLayer[];
  /** Shapes that would be drawn. */
  readonly shapes: readonly ShapeItem[];
}

/** An operation on outlines, asked for from a menu. */
export interface OutlineJob {
  readonly title: string;
  readonly request: Omit<Extract<LiveRequest, { type: "operate" }>, "type" | "rid">;
  /** What is said when it was applied, and when there is nothing to apply. */
  readonly done: string;
  readonly nothing: string;
}
