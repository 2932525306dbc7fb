/** What the stage keeps for each pane of the layout. */
import type { Cell } from "../layout";
import type { Renderer } from "../render/renderer";

export interface PaneView {
  readonly id: string;
  readonly element: HTMLElement;
  /** Whether it is to be drawn again, or the voxels of masks alone. */
  dirty: boolean | "voxels";
  /** True once everything in its picture was there. */
  complete: boolean;
  place(cell: Cell): void;
  /** Draw picture and overlay (`bare`: the picture alone, for now); the renderer's errors come through. */
  draw(renderer: Renderer, ratio: number, bare?: boolean): void;
  /** Cancel the gesture in progress; false when there is none. */
  cancel(): boolean;
  /** Give a key to the gesture in progress; false when that has no use for it. */
  key?(name: string): boolean;
  /** The pointer moved over another view. */
  follow?(): void;
  close(): void;
}
