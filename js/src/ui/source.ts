/** What the user interface uses of a viewer's client. */
import type { DocumentMirror } from "../model/document";
import type { SliceStore } from "../model/masks";
import type { WireError } from "../model/protocol";
import type { Arrival } from "../volumes";

export interface Progress {
  readonly have: number;
  readonly total: number;
}

export interface Voxels {
  store(image: string, frame?: number): SliceStore | undefined;
  /** Fetch these slices first, in this order. */
  want(image: string, frame: number, slices: readonly number[]): void;
  /** The image is not shown any more. */
  unwant(image: string): void;
  /** Fetch one slice when nothing in view is waiting, for a small picture. */
  glance?(image: string, frame: number, k: number): void;
  onArrive(callback: (arrival: Arrival) => void, signal?: AbortSignal): unknown;
  progress(image: string): Progress;
}

export interface Connection {
  readonly health: { readonly status: string; readonly message: string };
  onHealth(callback: (health: { status: string; message: string }) => void, signal?: AbortSignal): unknown;
  onError(callback: (error: WireError) => void, signal?: AbortSignal): unknown;
}

/** The part of a Client that is needed here; another host than a notebook offers the same. */
export interface Source {
  readonly channel: Connection;
  readonly document: DocumentMirror;
  readonly volumes: Voxels;
  view(): unknown;
  setView(patch: Record<string, unknown>): void;
  onView(callback: (view: unknown) => void, signal?: AbortSignal): unknown;
}
