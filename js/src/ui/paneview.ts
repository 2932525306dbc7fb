/** What the stage keeps for each pane. */
import type { Cell } from "../layout";
import type { Renderer } from "../render/renderer";

export interface PaneView {
  readonly id: string;
  readonly element: HTMLElement;
  /** True when the picture must be drawn again. */
  dirty: boolean;
  /** True once everything in this pane's picture was there. */
  complete: boolean;
  place(cell: Cell): void;
  /** Draw picture and overlay; the renderer's errors come through. */
  draw(renderer: Renderer, ratio: number): void;
  /** Cancel the gesture in progress; false when there is none. */
  cancel(): boolean;
  close(): void;
}
