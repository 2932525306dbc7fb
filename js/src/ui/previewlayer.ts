/** What an operation would change, drawn over the masks of an image. */
import type { MaskStore } from "../model/masks";
import type { SegmentStyle } from "../render/renderer";

export interface PreviewLayer {
  readonly image: string;
  readonly store: MaskStore;
  /** Styles by value; `ratio`: device px per CSS px. */
  segments(ratio: number): ReadonlyMap<number, SegmentStyle>;
}
