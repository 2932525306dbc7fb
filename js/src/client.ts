/** Everything one viewer shares among its views: channel, document, voxels and view state. */

import { Channel } from "./channel";
import { DocumentMirror } from "./model/document";
import { Volumes } from "./volumes";
import type { ModuleRoad } from "./channel/modules";
import type { Wire } from "./channel/wire";
import type { DecodePool } from "./volumes";

/** View state, synced with the host as one small trait; no names, voxels or annotations in it. */
export interface ViewState {
  tool?: string;
  size_mm?: number;
  /** Id of the label that tools draw with. */
  label?: string | null;
  /** Crosshair in world mm (x, y, z). */
  cursor?: readonly [number, number, number] | null;
  /** Image shown, by id. */
  image?: string;
  /** Centre and width by image id. */
  windows?: Readonly<Record<string, readonly [number, number]>>;
  layout?: unknown;
  hidden?: readonly string[];
  /** mm per px by view. */
  zoom?: Readonly<Record<string, number>>;
  pan?: Readonly<Record<string, readonly [number, number]>>;
  backend?: "auto" | "cpu" | "webgl2";
  interpolate?: boolean;
  frame?: number;
  opacity?: number;
  overlay?: boolean;
  height?: number | null;
  [key: string]: unknown;
}

/** Where the view state is kept: a widget model, or something like it. */
export interface Traits {
  get(): ViewState;
  /** Keep and send the whole state. */
  set(view: ViewState): void;
  /** Call back when the host changed it. */
  onChange(callback: () => void): () => void;
}

/** What a host leaves out; a notebook leaves out nothing. */
export interface Terms {
  /** Whether a command is there, by id. */
  allows(command: string): boolean;
  /** Nothing can be changed; why, in words. Empty: it can. */
  readonly readOnly: string;
  /** The viewer is as high as the element that it is in. */
  readonly fills: boolean;
}

/** What the user interface works with. */
export interface Client {
  readonly uid: string;
  readonly channel: Channel;
  readonly document: DocumentMirror;
  readonly volumes: Volumes;
  /** The road by which rarely needed modules come. */
  readonly road: ModuleRoad;
  readonly terms?: Terms;
  /** Aborted when the last view of the viewer is gone. */
  readonly signal: AbortSignal;
  view(): Readonly<ViewState>;
  /** Change some of the view state; the host hears of it a little later. */
  setView(patch: Partial<ViewState>): void;
  /** Call back after each change, ours or the host's. */
  onView(callback: (view: Readonly<ViewState>) => void, signal?: AbortSignal): () => void;
}

const SYNC_MS = 150;

/** Open the client of one viewer; close() frees everything. */
export function openClient(
  uid: string,
  wire: Wire,
  traits: Traits,
  decoder: DecodePool,
  terms?: Terms,
): Client & { close(): void } {
  const abort = new AbortController();
  const document = new DocumentMirror();
  const channel = new Channel(wire, document);
  const volumes = new Volumes(channel, document, decoder);
  const listeners = new Set<(view: Readonly<ViewState>) => void>();
  let view: ViewState = { ...traits.get() };
  let timer: ReturnType<typeof setTimeout> | undefined;
  const tell = (): void => {
    for (const listener of [...listeners]) listener(view);
  };
  const flush = (): void => {
    if (timer === undefined) return;
    clearTimeout(timer);
    timer = undefined;
    traits.set(view);
  };
  // A page that goes takes the last change along.
  globalThis.addEventListener?.("pagehide", flush, { signal: abort.signal });
  const off = traits.onChange(() => {
    view = { ...view, ...traits.get() };
    tell();
  });
  channel.start();
  return {
    uid,
    channel,
    document,
    volumes,
    road: wire,
    ...(terms ? { terms } : {}),
    signal: abort.signal,
    view: () => view,
    setView(patch) {
      view = { ...view, ...patch };
      timer ??= setTimeout(flush, SYNC_MS);
      tell();
    },
    onView(callback, signal) {
      listeners.add(callback);
      const stop = (): void => void listeners.delete(callback);
      signal?.addEventListener("abort", stop, { once: true });
      return stop;
    },
    close() {
      flush();
      off();
      abort.abort();
      volumes.close();
      channel.close();
      document.close();
      listeners.clear();
    },
  };
}
