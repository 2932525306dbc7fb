/** Requests for slices over the wire: ids, time limits, retries, cancellation. */

import type { BandJson, BytesErrorMessage, BytesMessage, Codec, Dtype, WireError } from "../model/protocol";
import type { Bytes, Wire } from "./wire";

/** A slice as it came: still compressed. */
export interface Slice {
  readonly key: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly codec: Codec;
  readonly bytes: Bytes;
  /** Revision of the document, for mask slices. */
  readonly revision: number;
  /** What a preview says of its place and values. */
  readonly preview?: Pick<BytesMessage, "affine" | "factors" | "slope" | "intercept">;
  /** Which part of a large slice this is. */
  readonly band?: BandJson;
}

export class SliceError extends Error {
  constructor(
    readonly detail: WireError,
    /** The slices that could not be had. */
    readonly keys: readonly string[],
  ) {
    super(detail.hint ? `${detail.message}. ${detail.hint}` : detail.message);
    this.name = "SliceError";
  }
}

interface Request {
  readonly missing: Set<string>;
  /** Numbers of the parts that came, of slices in parts. */
  readonly parts: Map<string, Set<number>>;
  readonly failed: string[];
  readonly urgent: boolean;
  error: WireError | null;
  readonly onSlice: (slice: Slice) => void;
  readonly done: () => void;
  readonly fail: (error: Error) => void;
  sent: number;
  tries: number;
}

/** What comes unasked has this number instead of a request's. */
const UNASKED = 0;
const RETRY_MS = 10_000;
const AGAIN_MS = 1000;

interface Arrived {
  readonly message: BytesMessage | BytesErrorMessage;
  readonly buffers: readonly Uint8Array[];
}

export class Requests {
  readonly #open = new Map<number, Request>();
  /** Keys that the host sends by itself, with what came before anybody asked for it. */
  readonly #coming = new Map<string, Arrived | null>();
  #comingSince = 0;
  #last = 0;

  constructor(
    readonly tab: string,
    readonly wire: Wire,
    readonly onSendError: () => void,
  ) {}

  /** When the oldest open request was sent, ms; null where there is none. */
  get oldest(): number | null {
    const times = [...this.#open.values()].map((one) => one.sent);
    return times.length ? Math.min(...times) : null;
  }

  /** The host sends these by itself; who asks for one of them takes it and asks nothing. */
  expect(keys: readonly string[], now = Date.now()): void {
    this.#coming.clear();
    this.#comingSince = now;
    for (const key of keys) this.#coming.set(key, null);
  }

  /**
   * Ask for keys; each slice is handed over as it comes, the promise ends with the last one, with a
   * SliceError where the host could not give some of them.
   */
  get(
    keys: readonly string[],
    onSlice: (slice: Slice) => void,
    { signal, urgent = false }: { readonly signal?: AbortSignal; readonly urgent?: boolean } = {},
  ): Promise<void> {
    if (!keys.length || signal?.aborted) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const rid = ++this.#last;
      const finish = (end: () => void): void => {
        this.#open.delete(rid);
        signal?.removeEventListener("abort", cancel);
        end();
      };
      const cancel = (): void => {
        this.#send(() => this.wire.send({ type: "cancel", tab: this.tab, rid }));
        finish(resolve);
      };
      signal?.addEventListener("abort", cancel);
      this.#open.set(rid, {
        missing: new Set(keys),
        parts: new Map(),
        failed: [],
        urgent,
        error: null,
        onSlice,
        done: () => finish(resolve),
        fail: (error) => finish(() => reject(error)),
        sent: 0,
        tries: 0,
      });
      if (!this.#takeComing(rid, keys)) this.#ask(rid);
    });
  }

  /** Whether what a request wants comes without being asked for. */
  #takeComing(rid: number, keys: readonly string[]): boolean {
    const [key = ""] = keys;
    const arrived = this.#coming.get(key);
    const request = this.#open.get(rid);
    if (keys.length !== 1 || arrived === undefined || !request) return false;
    this.#coming.delete(key);
    request.sent = Date.now();
    request.tries = 1;
    if (arrived) queueMicrotask(() => this.receive({ ...arrived.message, rid }, arrived.buffers));
    return true;
  }

  /** Ask again for what has not come in time; the wait doubles while the host is busy. */
  retry(now = Date.now()): void {
    if (now - this.#comingSince > RETRY_MS) this.#coming.clear();
    for (const [rid, one] of this.#open)
      if (now - one.sent > RETRY_MS * 2 ** Math.min(one.tries - 1, 3)) this.#ask(rid);
  }

  /** Ask again for what was asked for before the connection came back. */
  again(now = Date.now()): void {
    for (const [rid, one] of this.#open) if (now - one.sent > AGAIN_MS) this.#ask(rid);
  }

  receive(message: BytesMessage | BytesErrorMessage, buffers: readonly Uint8Array[]): void {
    const request = message.rid === UNASKED ? this.#wanting(message.key) : this.#open.get(message.rid);
    if (!request && message.rid === UNASKED && this.#coming.has(message.key)) {
      this.#coming.set(message.key, { message, buffers: buffers.map((one) => one.slice()) });
    }
    if (!request?.missing.has(message.key)) return;
    request.sent = Date.now();
    if (message.type === "bytes_error") {
      request.missing.delete(message.key);
      request.error ??= message.error;
      request.failed.push(message.key);
    } else {
      const { key, dtype, shape, codec, revision = 0, band, affine, factors, slope, intercept } = message;
      const preview = affine && factors ? { affine, factors, slope: slope ?? 1, intercept: intercept ?? 0 } : undefined;
      if (!band || allHere(request.parts, key, band)) request.missing.delete(key);
      // A copy: the buffer may be a window on a whole websocket frame, which it would keep alive.
      const bytes = new Uint8Array(buffers[0] ?? []);
      request.onSlice({ key, dtype, shape, codec, bytes, revision, ...(band && { band }), ...(preview && { preview }) });
    }
    if (request.missing.size) return;
    if (request.error) request.fail(new SliceError(request.error, request.failed));
    else request.done();
  }

  #wanting(key: string): Request | undefined {
    return [...this.#open.values()].find(({ missing }) => missing.has(key));
  }

  close(): void {
    this.#coming.clear();
    for (const [rid, one] of [...this.#open]) {
      this.#send(() => this.wire.send({ type: "cancel", tab: this.tab, rid }));
      one.done();
    }
  }

  #ask(rid: number): void {
    const one = this.#open.get(rid);
    if (!one) return;
    one.sent = Date.now();
    one.tries++;
    const keys = [...one.missing];
    this.#send(() => this.wire.send({ type: "get", tab: this.tab, rid, keys, urgent: one.urgent }));
  }

  #send(send: () => void): void {
    try {
      send();
    } catch {
      this.onSendError();
    }
  }
}

/** Note a part of a slice; true where it was the last one that was missing. */
function allHere(parts: Map<string, Set<number>>, key: string, [n, count]: BandJson): boolean {
  const here = parts.get(key) ?? new Set();
  parts.set(key, here.add(n));
  return here.size === count;
}
