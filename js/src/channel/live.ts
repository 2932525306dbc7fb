/** Messages that are neither edits nor slices: operations, the user's own tools, steps of the history, numbers of segments. */

import type { Edit, EditJson, LabelItem, WireError } from "../model/protocol";
import type { Wire } from "./wire";

/** A user's own function as a tool. */
export interface OwnToolJson {
  readonly name: string;
  readonly title: string;
  readonly key: string;
  readonly icon: string;
  readonly preview: boolean;
}

export interface ParameterForm {
  readonly name: string;
  readonly title: string;
  readonly type: "number" | "integer" | "choice" | "yesno" | "segment" | "segments" | "slice" | "slices";
  readonly default: unknown;
  readonly unit: string;
  readonly low: number | null;
  readonly high: number | null;
  readonly options: readonly (readonly [value: unknown, title: string])[];
  readonly help: string;
  readonly required: boolean;
  readonly when: Readonly<Record<string, readonly unknown[]>>;
}

export interface OperationForm {
  readonly name: string;
  readonly title: string;
  readonly group: string;
  readonly help: string;
  readonly parameters: readonly ParameterForm[];
  readonly gives: "segment" | "segments";
  readonly needs_image: boolean;
  readonly needs_point: "no" | "yes" | "depends";
  /** What it starts from where no place is given; "": see its form. */
  readonly starts: string;
  readonly needs_voxels: boolean;
}

export interface StepRow {
  readonly id: string;
  readonly author: string;
  /** UNIX seconds. */
  readonly time: number;
  readonly tool: string;
  readonly origin: string;
  readonly what: string;
  readonly done: boolean;
}

/** Size and values of a segment, as in the table of segments in Python. */
export interface SegmentRow {
  readonly mask: string;
  readonly value: number;
  /** Frames of the image; the values are those of the first. */
  readonly frames: number;
  /** Voxels. */
  readonly count: number;
  readonly volume: number | null;
  readonly area: number | null;
  /** Of area, and of volume in its powers. */
  readonly unit: "mm" | "px";
  readonly mean: number | null;
  readonly sd: number | null;
  readonly min: number | null;
  readonly max: number | null;
  readonly value_unit: string;
  readonly note: string;
}

/** The values in a box, as in the table of boxes. */
export type BoxValues = Pick<SegmentRow, "count" | "mean" | "sd" | "min" | "max" | "value_unit" | "note">;

/** What would change: as runs in the buffer, or in slices to ask for. */
export interface OperatedMessage {
  readonly type: "operated";
  readonly tab: string;
  readonly rid: number;
  /** Null: a new mask. */
  readonly mask: string | null;
  readonly image: string;
  readonly shape: readonly [number, number, number];
  readonly box: readonly [readonly [number, number, number], readonly [number, number, number]];
  readonly count: number;
  readonly erased: number;
  /** Value that stands for erased voxels. */
  readonly erase: number;
  /** Labels of the values that voxels would get. */
  readonly names: Readonly<Record<string, string>>;
  /** Voxels that other masks would lose, by label. */
  readonly taken: Readonly<Record<string, number>>;
  readonly color: string | null;
  readonly runs: number | null;
  readonly slices: readonly number[] | null;
}

/** The edit that an operation on outlines would make. */
export interface PlannedMessage {
  readonly type: "planned";
  readonly tab: string;
  readonly rid: number;
  readonly edit: EditJson;
}

export type LiveMessage =
  | { readonly type: "operations"; readonly tab: string; readonly forms: readonly OperationForm[] }
  | { readonly type: "operating"; readonly tab: string; readonly rid: number; readonly done: number; readonly text: string }
  | OperatedMessage
  | PlannedMessage
  | {
      readonly type: "operate_ended"; readonly tab: string; readonly rid: number;
      /** Id of the edit made. */
      readonly edit: Edit["id"] | null;
      readonly error: WireError | null;
      /** There was nothing to change. */
      readonly nothing?: boolean;
    }
  | {
      /** Codes found in DICOM's dictionaries, and the context groups to choose from. */
      readonly type: "codes"; readonly tab: string; readonly rid: number; readonly error: WireError | null;
      readonly groups: readonly { readonly cid: number; readonly name: string }[];
      readonly codes: readonly NonNullable<LabelItem["code"]>[];
    }
  | { readonly type: "tools"; readonly tools: readonly OwnToolJson[] }
  | {
      readonly type: "segment_values"; readonly tab: string; readonly label: string; readonly rows: readonly SegmentRow[];
      readonly error: WireError | null;
    }
  | {
      readonly type: "box_values"; readonly tab: string; readonly rid: number; readonly box: string;
      readonly values: BoxValues | null; readonly error: WireError | null;
    }
  | {
      readonly type: "steps"; readonly tab: string; readonly rows: readonly StepRow[];
      readonly earlier: number; readonly later: number; readonly revision: number;
    };

/** What a browser asks; `tab` is added. */
export type LiveRequest =
  | { readonly type: "operations" | "history" }
  | { readonly type: "segment_values"; readonly label: string; readonly units: Readonly<Record<string, string>> }
  | {
      readonly type: "box_values"; readonly rid: number; readonly box: string; readonly frame: number;
      readonly units: Readonly<Record<string, string>>;
    }
  | { readonly type: "codes"; readonly rid: number; readonly words: string; readonly cid: number | null }
  | {
      readonly type: "operate"; readonly rid: number; readonly op: string;
      readonly mask?: string | null; readonly segment?: number | null; readonly image?: string;
      readonly params?: Readonly<Record<string, unknown>>; readonly target?: "new"; readonly rules?: boolean;
      readonly at?: Readonly<Record<string, unknown>>; readonly shapes?: readonly string[];
    }
  | { readonly type: "operate_apply" | "operate_cancel"; readonly rid: number };

const TYPES = new Set(["operations", "operating", "operated", "planned", "operate_ended", "tools", "steps", "segment_values", "box_values", "codes"]);

export const isLive = (message: { readonly type: string }): message is LiveMessage => TYPES.has(message.type);

type Listener = (message: LiveMessage, buffers: readonly Uint8Array[]) => void;

export class LiveRoad {
  #tools: readonly OwnToolJson[] = [];
  readonly #listeners = new Set<Listener>();
  #rid = 0;

  constructor(
    readonly tab: string,
    private readonly wire: Wire,
    private readonly onSendError: () => void,
  ) {}

  /** The user's own tools. */
  get tools(): readonly OwnToolJson[] {
    return this.#tools;
  }

  on(callback: Listener, signal?: AbortSignal): () => void {
    this.#listeners.add(callback);
    const off = (): void => void this.#listeners.delete(callback);
    signal?.addEventListener("abort", off, { once: true });
    return off;
  }

  /** A number that no operation of this tab had yet. */
  nextRid(): number {
    return ++this.#rid;
  }

  /** Ask the host; false where there is no connection. */
  ask(request: LiveRequest): boolean {
    try {
      this.wire.send({ ...request, tab: this.tab });
      return true;
    } catch {
      this.onSendError();
      return false;
    }
  }

  receive(message: LiveMessage, buffers: readonly Uint8Array[]): void {
    if (message.type === "tools") this.#tools = message.tools;
    for (const listener of [...this.#listeners]) listener(message, buffers);
  }

  close(): void {
    this.#listeners.clear();
  }
}
