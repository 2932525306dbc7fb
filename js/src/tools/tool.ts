/** What a tool is, and all it may see and do. */
import type { GridGeometry, Vec3 } from "../model/geometry";
import type { SliceStore } from "../model/masks";
import type {
  BoxItem, EditDraft, ImageJson, IndexBox, LabelItem, MaskItem, Runs,
} from "../model/protocol";
import type { ToolName } from "../state";
import type { Plane } from "../state/parts";
import type { ViewStore } from "../state/store";
import type { Frame, Pair, SliceFrame } from "./frame";

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
export const TURNED = "This plane is turned. Draw in a plane that follows the voxels.";

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
  /** Id of the selected box. */
  selected: string | null;
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
  draft(box: BoxDraft | null): void;
  cutLine(line: CutLine | null): void;
  toast(text: string, action?: ToastAction): void;
  repaint(): void;
}

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
  /** CSS cursor over a view; "none" where the tool draws its own. */
  cursor(pointer: Pointer | null, host: ToolHost): string;
}

/** A fresh id, also where the page is not served securely and randomUUID is missing. */
export function freshId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
