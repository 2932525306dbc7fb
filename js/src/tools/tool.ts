/** What a tool is, and all it may see and do. */
import type { GridGeometry, Vec3 } from "../model/geometry";
import type { SliceStore } from "../model/masks";
import type {
  BoxItem, EditDraft, ImageJson, IndexBox, LabelItem, MaskItem, Runs, ShapeItem,
} from "../model/protocol";
import type { ToolName } from "../state";
import type { Plane } from "../state/parts";
import type { ViewStore } from "../state/store";
import type { Frame, Pair, SliceFrame } from "./frame";
import type { Seats } from "./shapes/seat";

/** The pointer over a view. */
export interface Pointer {
  readonly frame: Frame;
  /** CSS px from the view's top left corner. */
  readonly px: Pair;
  /** Mm right and down of the slice centre. */
  readonly plane: Pair;
  readonly world: Vec3;
  /** Continuous index (k, j, i) on the shown slice. */
  readonly index: Vec3;
  readonly mmPerPx: number;
  readonly alt: boolean;
  readonly shift: boolean;
  readonly touch: boolean;
  /** How hard a pen is pressed, 0 to 1; 1 for everything else. */
  readonly pressure: number;
}

/** The pointer over a slice of the grid, where voxels and boxes can be changed. */
export interface SlicePointer extends Pointer {
  readonly frame: SliceFrame;
}

export const onSlice = (pointer: Pointer): pointer is SlicePointer => pointer.frame.axis !== null;

/** The outline that is being drawn, as the views show it. */
export interface CutLine {
  readonly pane: string;
  /** Mm of the pane's frame. */
  readonly points: readonly Pair[];
  /** A circle about the first point through the second. */
  readonly circle: boolean;
  /** Whether each point is marked. */
  readonly dots: boolean;
  readonly erases: boolean;
}

/** Why nothing can be drawn on a turned plane. */

/** Voxels of one mask, as a stroke needs them (a MaskStore is one). */
export interface MaskVoxels {
  readonly shape: Vec3;
  /** Whether slice k is here and may be painted. */
  ready(k: number): boolean;
  /** The slice's values; undefined for zeros. */
  slice(k: number): ArrayLike<number> | undefined;
  paint(box: IndexBox, runs: Runs): unknown;
}

export interface Window {
  readonly center: number;
  readonly width: number;
}

export interface Camera {
  readonly mmPerPx: number;
  readonly pan: Pair;
}

/** One button of a toast. */
export interface ToastAction {
  readonly title: string;
  run(): void;
}

/** A box while it is being drawn or changed, shown instead of the document's. */
export interface BoxDraft {
  readonly item: BoxItem;
  readonly old: BoxItem | null;
}

/** A shape that takes several presses to draw, between them. */
export interface Drawing {
  readonly tool: ToolName;
  /** Points of a plane that were placed, world; shown until the shape has handles of its own. */
  readonly anchors: readonly Vec3[];
  press(pointer: Pointer, host: ToolHost): Gesture | null;
  hover(pointer: Pointer, host: ToolHost): void;
  /** Done as it is: Enter or a double click. */
  finish(host: ToolHost): void;
  /** Take the last point away. */
  back(host: ToolHost): void;
  cancel(host: ToolHost): void;
}

/** A text to be typed in place. */
export interface Typing {
  readonly pane: string;
  /** Where it begins, world. */
  readonly at: Vec3;
  readonly text: string;
  /** Null: given up. */
  done(text: string | null): void;
}

/** The pane a tool works in. */
export interface ToolHost {
  readonly view: ViewStore;
  readonly image: ImageJson;
  /** Frame in time that is shown. */
  readonly time: number;
  readonly geometry: GridGeometry;
  /** Voxels of the shown image and frame, as far as they are here. */
  readonly store: SliceStore;
  readonly labels: readonly LabelItem[];
  /** Masks on the shown image. */
  readonly masks: readonly MaskItem[];
  readonly boxes: readonly BoxItem[];
  readonly shapes: readonly ShapeItem[];
  /** Where the shapes lie in the shown plane. */
  readonly seats: Seats;
  /** Id of the first selected item. */
  selected: string | null;
  /** Ids of all selected items. */
  selection: readonly string[];
  /** The point of a shape that was taken hold of last. */
  point: { readonly id: string; readonly n: number } | null;
  drawing: Drawing | null;
  /** A reader of the shown image: the value of the nearest voxel at an index, NaN where it is not here. */
  reader(): (index: Vec3) => number;
  voxels(mask: string): MaskVoxels | undefined;
  /** The active label, or null after telling the user how to get one. */
  activeLabel(): LabelItem | null;
  window(): Window;
  setWindow(window: Window): void;
  readonly camera: Camera;
  setCamera(camera: Camera): void;
  /** Crosshair in the world of the pane's image. */
  readonly cursor: Vec3;
  pointAt(world: Vec3): void;
  /** Lines in which other planes cut this one, to turn them by; none while they are not shown. */
  readonly lines: readonly { readonly plane: Plane; readonly direction: Pair }[];
  /** CSS px. */
  readonly size: Pair;
  apply(edit: EditDraft): void;
  /** Show an edit that is not made yet; the returned function takes it back. */
  propose(edit: EditDraft): () => void;
  draft(box: BoxDraft | null): void;
  cutLine(line: CutLine | null): void;
  /** A shape while it is drawn or changed, shown instead of the document's. */
  sketch(shape: ShapeItem | null): void;
  /** Boxes and shapes that are moved together, shown instead of the document's. */
  carry(items: readonly (BoxItem | ShapeItem)[]): void;
  /** Let a text be typed over the picture. */
  type(typing: Typing | null): void;
  toast(text: string, action?: ToastAction): void;
  repaint(what?: Repaint): void;
}

/** "voxels": those of masks were painted, and nothing else changed. */
export type Repaint = "voxels";

/** A press, drag and release. */
export interface Gesture {
  move(pointer: Pointer): void;
  end(pointer: Pointer): void;
  /** Take everything back (Escape, lost pointer). */
  cancel(): void;
}

/** A gesture of several presses, such as a polygon: it goes on when the button is released. */
export interface LongGesture extends Gesture {
  readonly long: true;
  /** The next press, and the moves between them; false when the gesture is done. */
  press(pointer: Pointer): boolean;
  /** A key, by `keyName`; null where it is not for the gesture. */
  key(name: string): "took" | "done" | null;
  /** A double click; true where the gesture goes on. */
  finish(): boolean;
}

export interface Tool {
  readonly name: ToolName;
  begin(pointer: Pointer, host: ToolHost): Gesture | LongGesture | null;
  /** The pointer moves while nothing is pressed. */
  hover?(pointer: Pointer, host: ToolHost): void;
  double?(pointer: Pointer, host: ToolHost): void;
  /** CSS cursor over a view; "none" where the tool draws its own. */
  cursor(pointer: Pointer | null, host: ToolHost): string;
}

/** One edit for several: none of nothing, a single one as it is. */
export function together(edits: readonly EditDraft[], name: string, tool: string): EditDraft | null {
  return edits.length > 1 ? { kind: "batch", edits, name, tool } : (edits[0] ?? null);
}

/** A fresh id, also where the page is not served securely and randomUUID is missing. */
export function freshId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
