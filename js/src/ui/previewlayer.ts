/** What an operation would change: voxels, drawn over the masks of an image, and shapes. */
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
