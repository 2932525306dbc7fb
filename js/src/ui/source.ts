/** What the user interface uses of a viewer's client. */
import type { DocumentMirror } from "../model/document";
import type { SliceStore } from "../model/masks";
import type { HeaderRow, InfoRow, WireError } from "../model/protocol";
import type { LiveRoad } from "../channel/live";
import type { ModuleRoad } from "../channel/modules";
import type { Terms } from "../client";
import type { Slice } from "../channel/requests";
import type { TypedArray } from "../model/masks";
import type { Arrival, Memory, Want } from "../volumes";
import type { Reduced } from "../volumes/reduced";
import type { Sketch } from "../volumes/sketches";
import type { Preview } from "../volumes/previews";

export interface Progress {
  readonly have: number;
  readonly total: number;
}

export interface Voxels {
  store(image: string, frame?: number): SliceStore | undefined;
  /** Say all that is in view, most important first; it is fetched first and kept. */
  wantAll(wants: readonly Want[]): void;
  /** Fetch one slice when nothing in view is waiting, for a small picture. */
  glance?(image: string, frame: number, k: number): void;
  /** Something coarse to draw where slices of a frame are missing; it comes as an arrival. */
  sketch?(image: string, frame: number): Sketch | undefined;
  /** Smaller copies of the slices of a frame, where a host makes some. */
  reduced?(image: string, frame: number): Reduced | undefined;
  onArrive(callback: (arrival: Arrival) => void, signal?: AbortSignal): unknown;
  progress(image: string): Progress;
  /** The values of a slice that came compressed. */
  decoded?(slice: Slice): Promise<TypedArray>;
  /** Bytes that the page holds and may hold; absent where nobody counts. */
  memory?(): Memory;
  /** Whether slices of a mask were left out because they do not fit into the memory. */
  masksShort?(mask: string): boolean;
  /** A copy of a frame of an image, or of a mask (frame null), of at most edge³ voxels. */
  preview(id: string, frame: number | null, edge: number, signal?: AbortSignal): Promise<Preview>;
}

export interface Connection {
  readonly health: { readonly status: string; readonly message: string };
  onHealth(callback: (health: { status: string; message: string }) => void, signal?: AbortSignal): unknown;
  onError(callback: (error: WireError) => void, signal?: AbortSignal): unknown;
  /** Header of the file of a slice, which names the patient; absent where there are no files. */
  header?(image: string, frame: number, k: number, signal?: AbortSignal): Promise<readonly HeaderRow[]>;
  /** Operations, own tools and steps of the history; absent where the host has none. */
  readonly live?: LiveRoad;
  operationSlices?(rid: number, ks: readonly number[], onSlice: (k: number, slice: Slice) => void, signal: AbortSignal): Promise<void>;
  /** What is known of an image, without names. */
  info?(image: string, signal?: AbortSignal): Promise<readonly InfoRow[]>;
}

/** The part of a Client that is needed here; another host than a notebook offers the same. */
export interface Source {
  readonly channel: Connection;
  readonly document: DocumentMirror;
  readonly volumes: Voxels;
  readonly road: ModuleRoad;
  readonly terms?: Terms;
  view(): unknown;
  setView(patch: Record<string, unknown>): void;
  onView(callback: (view: unknown) => void, signal?: AbortSignal): unknown;
}
