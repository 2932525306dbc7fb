/** Messages between the browser and the host, and the wire form of edits (see docs/protocol.md). */

import type { BoxItem, IndexBox, Item, LabelItem, MaskItem, ShapeItem, TagItem, Triple } from "./items";

export type * from "./items";

/** Name of this message protocol; both sides must say the same, else the viewer shows "skew". */
export const PROTOCOL = "nbannot-protocol/1";

export type Dtype = "uint8" | "int8" | "uint16" | "int16" | "int32" | "uint32" | "float32";
export type Codec = "raw" | "zstd" | "lorenzo-zstd" | "shuffle-zstd";

export interface EditMeta {
  readonly id: string;
  readonly author: string;
  /** UNIX seconds. */
  readonly time: number;
  readonly origin: string;
  readonly tool: string;
  /** Id of the edit that this one takes back. */
  readonly undoes: string | null;
}

/** Runs in the box's C order; start counts voxels from the box's first corner. */
export interface Runs {
  readonly start: Uint32Array;
  readonly length: Uint32Array;
  readonly old: Uint32Array;
  readonly new: Uint32Array;
}

/** Runs as the bytes that travel. */
export interface PackedRuns {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly count: number;
}

export interface PutEdit extends EditMeta {
  readonly kind: "put";
  readonly item: Item;
  readonly old: Item | null;
  readonly at: number | null;
}
export interface RemoveEdit extends EditMeta {
  readonly kind: "remove";
  readonly item: Item;
  readonly at: number | null;
}
export interface PaintEdit extends EditMeta {
  readonly kind: "paint";
  readonly mask: string;
  readonly box: IndexBox;
  readonly runs: Runs;
  /** Slices to fetch again: the host left the runs out because they are many. */
  readonly stale?: readonly number[];
}
export interface BatchEdit extends EditMeta {
  readonly kind: "batch";
  readonly edits: readonly Edit[];
  readonly name: string;
}
export type Edit = PutEdit | RemoveEdit | PaintEdit | BatchEdit;

/** An edit whose large runs are packed (packing.ts). */
export type KeptEdit =
  | PutEdit
  | RemoveEdit
  | (Omit<PaintEdit, "runs"> & { readonly runs: Runs | PackedRuns })
  | (Omit<BatchEdit, "edits"> & { readonly edits: readonly KeptEdit[] });

type Fill = "old" | "at" | keyof EditMeta;
type Drafted<E> = Omit<E, Fill> & Partial<Pick<E, Fill & keyof E>>;
/** An edit as a tool makes it: id, author, time, old and at may be left out. */
export type EditDraft =
  | Drafted<PutEdit>
  | Drafted<RemoveEdit>
  | Drafted<PaintEdit>
  | (Omit<Drafted<BatchEdit>, "edits"> & { readonly edits: readonly EditDraft[] });

/** Commands travel in the same ordered lane as edits. */
export interface Command {
  readonly kind: "undo" | "redo" | "remove_label" | "jump";
  readonly id: string;
  /** Id of the label to remove, with all that names it. */
  readonly label?: string;
  /** Where a jump leads: the last step in effect; empty for the start. */
  readonly to?: string;
}

export function isCommand(edit: { readonly kind: string }): edit is Command {
  return ["undo", "redo", "remove_label", "jump"].includes(edit.kind);
}

export interface WireError {
  readonly kind: string;
  readonly message: string;
  readonly hint: string;
}

/** JSON form of an edit; its buffers travel beside it. */
export type EditJson = Record<string, unknown> & { readonly kind: string };

export interface PlaneJson {
  readonly origin: Triple;
  readonly row_step: Triple;
  readonly column_step: Triple;
}
export type GeometryJson =
  | { readonly kind: "grid"; readonly affine: readonly (readonly number[])[]; readonly shape: Triple }
  | {
      readonly kind: "stack";
      readonly planes: readonly PlaneJson[];
      readonly shape: Triple;
      readonly unit: "mm" | "px";
      readonly patient_space: boolean;
    };

export interface WindowJson {
  readonly center: number;
  readonly width: number;
  readonly name: string;
  /** PS3.3 C.11.2.1.2 and C.11.2.1.3: how centre and width become black and white. */
  readonly function: "LINEAR" | "LINEAR_EXACT" | "SIGMOID";
}

/** A table of greys of the file (VOI LUT, PS3.3 C.11.2.1.1). */
export interface LutJson {
  readonly name: string;
  /** Value of the image, in its stored unit, that values[0] belongs to; each step is one unit. */
  readonly first: number;
  /** Grey of each step, 0 (black) to 255 (white). */
  readonly values: readonly number[];
}

export type SuvKind = "bw" | "lbm" | "bsa";

/** SUV = factor × stored value; where a factor is missing, `reason` says why. */
export type SuvJson = Readonly<Partial<Record<SuvKind, number>>> & {
  readonly reason: Readonly<Partial<Record<SuvKind, string>>>;
};

export interface ImageJson {
  readonly id: string;
  readonly name: string;
  /** (k, j, i) */
  readonly shape: Triple;
  /** Number of frames in time. */
  readonly frames: number;
  readonly dtype: Dtype;
  readonly color: boolean;
  readonly modality: string;
  readonly unit: string;
  readonly photometric: string;
  readonly windows: readonly WindowJson[];
  readonly geometry: GeometryJson;
  /** Seconds, one for each frame. */
  readonly frame_times: readonly number[] | null;
  readonly orientation_labels: readonly [string, string] | null;
  /** Equal where images share one world: a hash of the Frame of Reference UID. */
  readonly frame_of_reference?: string | null;
  readonly laterality?: "R" | "L" | "";
  /** "CC", "MLO", "PA", … */
  readonly view_position?: string;
  readonly luts?: readonly LutJson[];
  /** What tells the frames apart: "time" (s), "b-value" (s/mm²), "echo time" (ms), …; "" without frames. */
  readonly frame_label?: string;
  /** One number for each frame. */
  readonly frame_values?: readonly number[] | null;
  /** The file says that its pixels show who the patient is. */
  readonly burned_in?: boolean;
  /** For PET images from DICOM. */
  readonly suv?: SuvJson | null;
}

/**
 * One element of a file's header: 0 for elements of the file, 1 for items of a sequence, 2 for their
 * elements, …; "(gggg,eeee)" in DICOM; name; value representation; value as text.
 */
export type HeaderRow = readonly [depth: number, tag: string, name: string, vr: string, value: string];
/** One line about an image, without anything that names the patient. */
export type InfoRow = readonly [what: string, value: string];

export interface MaskState extends MaskItem {
  /** Slices that hold anything but zero. */
  readonly nonzero: readonly number[];
}

export interface PresetJson {
  readonly name: string;
  readonly center: number;
  readonly width: number;
  /** Empty: of every modality. */
  readonly modality: string;
}
/** A layout with ids of images. */
export type LayoutJson =
  | { readonly plane: "axial" | "coronal" | "sagittal" | "acquisition" | "oblique" | "volume"; readonly image?: string; readonly id?: string }
  | { readonly row: readonly LayoutJson[]; readonly sizes?: readonly number[] }
  | { readonly column: readonly LayoutJson[]; readonly sizes?: readonly number[] };
/** A part of the configuration that was left out. */
export interface ProblemJson {
  readonly file: string | null;
  /** Folders above the image; null where the file was named. */
  readonly up: number | null;
  readonly line: number | null;
  readonly key: string;
  readonly value: string;
  readonly message: string;
  readonly hint: string;
}
export interface ConfigJson {
  readonly layouts: Readonly<Record<string, LayoutJson>>;
  readonly layout: string | null;
  readonly shortcuts: readonly {
    readonly action: string; readonly keys: readonly string[]; readonly file: string | null; readonly line: number | null;
  }[];
  readonly windowing: readonly [number, number] | null;
  readonly presets: readonly PresetJson[];
  /** Types of views that are not offered: "2D", "3D", "Oblique". */
  readonly disabled: readonly string[];
  /** Whether the labels are given: none is made, named anew or deleted here. */
  readonly labels_given?: boolean;
  readonly problems: readonly ProblemJson[];
}

export interface StateMessage {
  readonly type: "state";
  readonly tab: string;
  readonly version: string;
  readonly document: string;
  /** Another one after the host was restarted; its revisions mean something else. */
  readonly run?: string;
  readonly revision: number;
  readonly acked: number;
  readonly images: readonly ImageJson[];
  readonly labels: readonly LabelItem[];
  readonly masks: readonly MaskState[];
  readonly boxes: readonly BoxItem[];
  readonly shapes: readonly ShapeItem[];
  readonly tags: readonly TagItem[];
  readonly can_undo: boolean;
  readonly can_redo: boolean;
  readonly http: { readonly url: string; readonly nonce: string } | null;
  readonly author: string;
  /** Keys that follow by themselves. */
  readonly coming?: readonly string[];
  readonly config?: ConfigJson | null;
  /** Tools that are functions of the user's own. */
  readonly tools?: readonly {
    readonly name: string; readonly title: string; readonly key: string; readonly icon: string; readonly preview: boolean;
  }[];
}
export interface EditedMessage {
  readonly type: "edited";
  readonly revision: number;
  readonly edit: EditJson;
  readonly tab: string | null;
  readonly seq: number | null;
  readonly can_undo: boolean;
  readonly can_redo: boolean;
}
/** The host has applied everything up to seq already (answer to an edit that came twice). */
export interface AckedMessage {
  readonly type: "acked";
  readonly tab: string;
  readonly seq: number;
  readonly revision: number;
}
export interface RefusedMessage {
  readonly type: "refused";
  readonly tab: string;
  readonly seq: number;
  readonly error: WireError;
}
/** from = null: the host does not know this tab; say hello first. */
/** Not done yet, for a reason that will pass: keep it and send it again. */
export interface LaterMessage {
  readonly type: "later";
  readonly tab: string;
  readonly seq: number;
  readonly error: WireError;
}

export interface ResendMessage {
  readonly type: "resend";
  readonly tab: string;
  readonly from: number | null;
}
export interface BytesMessage {
  readonly type: "bytes";
  readonly tab: string;
  readonly rid: number;
  readonly key: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly codec: Codec;
  readonly revision?: number;
  /** Of previews: index (k, j, i) to world, 4 x 4; voxels of the full grid that one stands for; value to unit. */
  readonly affine?: readonly (readonly number[])[];
  readonly factors?: Triple;
  readonly slope?: number;
  readonly intercept?: number;
  /** A part of a large slice: number, count, first row, rows, step (see docs/protocol.md). */
  readonly band?: BandJson;
}
/** [n, count, first row, rows, step]; with a step above 1 every such row and column, else all of them. */
export type BandJson = readonly [number, number, number, number, number];
export interface BytesErrorMessage {
  readonly type: "bytes_error";
  readonly tab: string;
  readonly rid: number;
  readonly key: string;
  readonly error: WireError;
}
export interface ErrorMessage {
  readonly type: "error";
  readonly error: WireError;
}
export type HostMessage =
  | StateMessage
  | EditedMessage
  | AckedMessage
  | RefusedMessage
  | LaterMessage
  | ResendMessage
  | BytesMessage
  | BytesErrorMessage
  | ErrorMessage;

export interface HelloMessage {
  readonly type: "hello";
  readonly tab: string;
  readonly version: string;
  readonly next: number;
}
export interface EditMessage {
  readonly type: "edit";
  readonly tab: string;
  readonly seq: number;
  readonly edit: EditJson;
}
export interface GetMessage {
  readonly type: "get";
  readonly tab: string;
  readonly rid: number;
  readonly keys: readonly string[];
  /** Before everything that is not urgent. */
  readonly urgent: boolean;
}
export interface CancelMessage {
  readonly type: "cancel";
  readonly tab: string;
  readonly rid: number;
}
/** The slices in view, sent where HTTP works: the host publishes slices there from them outwards. */
export interface FocusMessage {
  readonly type: "focus";
  readonly tab: string;
  /** [image, frame, slice], the most wanted first. */
  readonly places: readonly (readonly [string, number, number])[];
}
/** The revision that the page has; the host answers with its state where that is another one. */
export interface SyncMessage {
  readonly type: "sync";
  readonly tab: string;
  readonly revision: number;
}
/** The viewer is gone from the page: the host need not read anything for it any more. */
export interface ByeMessage {
  readonly type: "bye";
  readonly tab: string;
}
export type BrowserMessage =
  | HelloMessage | EditMessage | GetMessage | CancelMessage | FocusMessage | SyncMessage | ByeMessage | ModuleMessage | LiveRequestMessage;

/** Operations, steps of the history, numbers of segments and boxes, codes; see channel/live.ts. */
export interface LiveRequestMessage {
  readonly type: "operations" | "history" | "operate" | "operate_apply" | "operate_cancel" | "segment_values" | "box_values" | "codes";
  readonly tab: string;
}

/** A module of the page is wanted: the viewer itself, or by its name a part that few need. */
export interface ModuleMessage {
  readonly type: "module";
  readonly name?: string;
}

/** Return the runs as unsigned LEB128 numbers: for each run gap, length, old, new. */
export function encodeRuns(runs: Runs): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(runs.start.length * 20);
  let at = 0;
  const put = (value: number): void => {
    while (value >= 128) {
      out[at++] = (value & 127) | 128;
      value = Math.floor(value / 128);
    }
    out[at++] = value;
  };
  let end = 0;
  for (let n = 0; n < runs.start.length; n++) {
    const start = runs.start[n] ?? 0;
    const length = runs.length[n] ?? 0;
    if (start < end) throw new RangeError("the runs of a paint edit are not in order");
    put(start - end);
    put(length);
    put(runs.old[n] ?? 0);
    put(runs.new[n] ?? 0);
    end = start + length;
  }
  return out.slice(0, at);
}

/** Return the runs that encodeRuns wrote; throws RangeError where the bytes do not hold count runs. */
export function decodeRuns(bytes: Uint8Array, count: number): Runs {
  if (count * 4 > bytes.length) throw new RangeError("the buffer of a paint edit is too short");
  const runs = emptyRuns(count);
  let at = 0;
  const take = (): number => {
    let value = 0;
    for (let scale = 1; scale < 2 ** 36; scale *= 128) {
      const byte = bytes[at++];
      if (byte === undefined) throw new RangeError("the buffer of a paint edit is too short");
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
    throw new RangeError("a number in the buffer of a paint edit is too long");
  };
  let end = 0;
  for (let n = 0; n < count; n++) {
    end += take();
    runs.start[n] = end;
    end += runs.length[n] = take();
    runs.old[n] = take();
    runs.new[n] = take();
  }
  if (at !== bytes.length) throw new RangeError("the buffer of a paint edit is too long");
  return runs;
}

export function emptyRuns(count = 0): Runs {
  const make = (): Uint32Array => new Uint32Array(count);
  return { start: make(), length: make(), old: make(), new: make() };
}

/** Return the JSON form of an edit and the buffers that belong to it. */
export function encodeEdit(edit: KeptEdit | Command): { json: EditJson; buffers: Uint8Array<ArrayBuffer>[] } {
  const buffers: Uint8Array<ArrayBuffer>[] = [];
  const encode = (one: KeptEdit | Command): EditJson => {
    switch (one.kind) {
      case "undo":
      case "redo":
      case "remove_label":
      case "jump":
        return { ...one };
      case "paint": {
        const { runs, stale, ...rest } = one;
        if (stale) return { ...rest, stale };
        const { bytes, count } = "bytes" in runs ? runs : { bytes: encodeRuns(runs), count: runs.start.length };
        buffers.push(bytes);
        return { ...rest, count, buffer: buffers.length - 1 };
      }
      case "batch":
        return { ...one, edits: one.edits.map(encode) };
      default:
        return { ...one };
    }
  };
  return { json: encode(edit), buffers };
}

/** Return the edit that encodeEdit wrote; throws RangeError for anything else. */
export function decodeEdit(json: EditJson, buffers: readonly Uint8Array[]): Edit {
  const meta: EditMeta = {
    id: json["id"] as string,
    author: (json["author"] as string | undefined) ?? "",
    time: (json["time"] as number | undefined) ?? 0,
    origin: (json["origin"] as string | undefined) ?? "hand",
    tool: (json["tool"] as string | undefined) ?? "",
    undoes: (json["undoes"] as string | null | undefined) ?? null,
  };
  const at = (json["at"] as number | null | undefined) ?? null;
  switch (json.kind) {
    case "put":
      return {
        kind: "put",
        item: json["item"] as Item,
        old: (json["old"] as Item | null | undefined) ?? null,
        at,
        ...meta,
      };
    case "remove":
      return { kind: "remove", item: json["item"] as Item, at, ...meta };
    case "paint":
      return decodePaint(json, buffers, meta);
    case "batch": {
      const edits = (json["edits"] as EditJson[]).map((one) => decodeEdit(one, buffers));
      return { kind: "batch", edits, name: (json["name"] as string | undefined) ?? "", ...meta };
    }
    default:
      throw new RangeError(`an edit of the unknown kind "${json.kind}" came from the host`);
  }
}

function decodePaint(json: EditJson, buffers: readonly Uint8Array[], meta: EditMeta): PaintEdit {
  const head = { kind: "paint", mask: json["mask"] as string, box: json["box"] as IndexBox } as const;
  const stale = json["stale"] as number[] | undefined;
  if (stale) return { ...head, runs: emptyRuns(), stale, ...meta };
  const bytes = buffers[json["buffer"] as number];
  if (!bytes) throw new RangeError("a paint edit came without its buffer");
  return { ...head, runs: decodeRuns(bytes, json["count"] as number), ...meta };
}

/** Key of one slice of an image. */
export function imageKey(image: string, frame: number, k: number): string {
  return `image/${image}/${frame}/${k}`;
}

/** Key of the small picture that large slices begin with, alone. */
export function smallKey(image: string, frame: number, k: number): string {
  return `small/${image}/${frame}/${k}`;
}

/** Key of the header of the file that a slice comes from. */
export function headerKey(image: string, frame: number, k: number): string {
  return `header/${image}/${frame}/${k}`;
}

/** Key of what is known of an image. */
export function infoKey(image: string): string {
  return `info/${image}`;
}

/** Key of one slice of a mask. */
export function maskKey(mask: string, k: number): string {
  return `mask/${mask}/${k}`;
}

/** Key of the coarse look at an image frame. */
export function sketchKey(id: string, frame: number, edge: number): string {
  return `s/${id}/${frame}/${edge}`;
}
/** Key of the down-sampled copy of an image frame (k, j, i up to `edge`), or of a mask where frame is null. */
export function previewKey(id: string, frame: number | null, edge: number): string {
  return frame === null ? `q/${id}/${edge}` : `p/${id}/${frame}/${edge}`;
}
