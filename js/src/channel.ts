/** The browser's end of the road to the host: edits in order, slices on request, and its health. */

import { HttpCarrier, jupyterBase } from "./channel/http";
import { Lane } from "./channel/lane";
import { isLive, LiveRoad } from "./channel/live";
import { Requests } from "./channel/requests";
import {
  PROTOCOL, decodeEdit, encodeEdit, headerKey, imageKey, infoKey, isCommand, maskKey, previewKey, sketchKey, smallKey,
} from "./model/protocol";
import type { KeyValues } from "./channel/lane";
import type { HttpPart } from "./channel/parts";
import type { Slice } from "./channel/requests";
import type { Wire } from "./channel/wire";
import type { DocumentMirror, Outbox } from "./model/document";
import type { Command, EditedMessage, FocusMessage, HeaderRow, HostMessage, ImageJson, InfoRow, KeptEdit, LaterMessage, StateMessage, WireError } from "./model/protocol";

export type Status = "connecting" | "ready" | "busy" | "disconnected" | "skew";

export interface Health {
  readonly status: Status;
  /** What to tell the user; empty when all is well. */
  readonly message: string;
  readonly carrier: "comm" | "http";
}

const TICK_MS = 500;
const HELLO_MS = 2000;
const RESEND_MS = 3000;
const BUSY_MS = 5000;
const PATIENCE_MS = 60;
// Jupyter may drop a message, and nothing need follow it that would show the gap. A few checks after
// the last activity find it; checks for ever would keep an idle kernel from being culled.
const SYNC_MS = [3000, 15_000, 60_000];
const FOCUS_MS = 100;
const MAX_PATIENCE_MS = 500;
const PATIENT_TRIES = 20;
const MAX_PLACES = 32;
// A kernel that is silent for so long may be busy; what its other thread publishes can be had all the same.
const SILENT_MS = 1000;
const MAX_SILENT_MS = 4000;
// jupyter_server closes the socket at 10 MiB, and the edit would be lost with it.
const MAX_EDIT_BYTES = 8 * 2 ** 20;

const LIVING = Symbol.for("nbannot/v1/tabs");

/** Tabs of this page; several viewers on one page must not take each other's edits. */
function livingTabs(): Set<string> {
  const page = globalThis as { [LIVING]?: Set<string> };
  return (page[LIVING] ??= new Set());
}

function pageStorage(): KeyValues | null {
  try {
    return globalThis.localStorage ?? null;
  } catch {
    return null;
  }
}

function newTab(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export interface ChannelOptions {
  readonly storage?: KeyValues | null;
  readonly base?: string | null;
}

export class Channel implements Outbox {
  readonly tab = newTab();
  readonly live: LiveRoad;
  readonly #lane: Lane;
  readonly #requests: Requests;
  readonly #abort = new AbortController();
  readonly #health = new Set<(health: Health) => void>();
  readonly #errors = new Set<(error: WireError) => void>();
  readonly #base: string | null;
  #status: Status = "connecting";
  #message = "";
  #http: HttpCarrier | null = null;
  #probed = "";
  #timer: ReturnType<typeof setInterval> | undefined;
  #off: () => void = () => undefined;
  /** Time of the hello that waits for its answer; null where none does. */
  #helloAt: number | null = null;
  #helloSince = 0;
  #greeted = false;
  #heard = Date.now();
  #sentAt = 0;
  #resends = 0;
  /** Why the host cannot take the first edit now; empty where it can. */
  #putOff = "";
  #active = 0;
  #syncs = SYNC_MS.length;
  #focus: FocusMessage | null = null;
  #focusTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    readonly wire: Wire,
    readonly document: DocumentMirror,
    options: ChannelOptions = {},
  ) {
    const storage = options.storage === undefined ? pageStorage() : options.storage;
    this.#base = options.base === undefined ? jupyterBase() : options.base;
    this.#lane = new Lane(this.tab, storage, () => this.#storageFull());
    this.#requests = new Requests(this.tab, wire, () => this.#lost());
    this.live = new LiveRoad(this.tab, wire, () => this.#lost());
    document.connect(this);
  }

  /** State of the connection, with words for the user. */
  get health(): Health {
    return { status: this.#status, message: this.#message, carrier: this.#http?.alive ? "http" : "comm" };
  }

  onHealth(callback: (health: Health) => void, signal?: AbortSignal): () => void {
    return subscribe(this.#health, callback, signal);
  }

  /** Errors of the host that belong to no edit of ours. */
  onError(callback: (error: WireError) => void, signal?: AbortSignal): () => void {
    return subscribe(this.#errors, callback, signal);
  }

  start(): void {
    livingTabs().add(this.tab);
    this.#off = this.wire.onMessage((message, buffers) => this.#receive(message, buffers));
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    globalThis.document?.addEventListener("visibilitychange", () => this.#sync(), { signal: this.#abort.signal });
    this.resync();
  }

  close(): void {
    clearInterval(this.#timer);
    clearTimeout(this.#focusTimer);
    this.#abort.abort();
    this.#requests.close();
    this.#try(() => this.wire.send({ type: "bye", tab: this.tab }));
    this.#off();
    livingTabs().delete(this.tab);
    this.live.close();
    this.#health.clear();
    this.#errors.clear();
  }

  // Edits ---------------------------------------------------------------------------------------

  reserve(): { seq: number; id: string } {
    const seq = this.#lane.reserve();
    return { seq, id: `${this.tab}:${seq}` };
  }

  send(seq: number, edit: KeptEdit | Command): void {
    const { json, buffers } = encodeEdit(edit);
    const size = buffers.reduce((sum, bytes) => sum + bytes.length, 0);
    if (size > MAX_EDIT_BYTES) {
      const message = `This edit of ${Math.round(size / 2 ** 20)} MB is too large for one message`;
      queueMicrotask(() =>
        this.document.refuse(seq, { kind: "EditError", message, hint: "Make it in Python or in smaller parts." }),
      );
      // The host needs every number, so an edit that does nothing takes its place.
      this.#lane.add({ seq, json: { kind: "batch", id: `${this.tab}:${seq}`, edits: [], name: "" }, buffers: [] });
    } else this.#lane.add({ seq, json, buffers });
    if (this.#greeted && this.#helloAt === null) this.#sendFrom(seq);
  }

  resync(): void {
    this.#helloSince = Date.now();
    this.#hello();
  }

  #sendFrom(seq: number): void {
    this.#sentAt = Date.now();
    for (const one of this.#lane.pending) {
      if (one.seq < seq) continue;
      const message = { type: "edit", tab: this.tab, seq: one.seq, edit: one.json } as const;
      if (!this.#try(() => this.wire.send(message, one.buffers))) return;
    }
  }

  // Slices --------------------------------------------------------------------------------------

  /**
   * Fetch slices of an image frame by the best carrier. `urgent` slices come by the wire at once
   * where the server does not have them yet; others wait a little for it. While the kernel does not
   * answer the server is asked again: it may have got them meanwhile. Large slices come in parts; with `small`
   * their small picture comes first on the wire, and the rest when what `small` returns is done.
   */
  async imageSlices(
    image: ImageJson,
    frame: number,
    ks: readonly number[],
    onSlice: (k: number, slice: Slice) => void,
    options: { readonly signal: AbortSignal; readonly urgent?: boolean; readonly small?: (() => Promise<unknown>) | undefined },
  ): Promise<void> {
    const left = new Set(ks);
    const { signal } = options;
    const tries = options.urgent ? 1 : PATIENT_TRIES;
    for (let n = 0; n < tries && this.#http?.alive && left.size && !signal.aborted; n++) {
      if (n) await wait(Math.min(MAX_PATIENCE_MS, PATIENCE_MS * 2 ** n), signal);
      await this.#overHttp(this.#http, image, frame, left, onSlice, signal, options.urgent);
    }
    for (const k of options.small ? left : []) {
      const first = await this.#one(smallKey(image.id, frame, k), signal).catch(() => undefined);
      if (!first?.band) continue;
      onSlice(k, first);
      await options.small?.();
    }
    if (!left.size || signal.aborted) return;
    const numbers = new Map([...left].map((k) => [imageKey(image.id, frame, k), k]));
    const stop = new AbortController();
    const abort = (): void => stop.abort();
    signal.addEventListener("abort", abort);
    const take = (slice: Slice): void => {
      const k = numbers.get(slice.key) ?? -1;
      if (!left.has(k)) return;
      if (!slice.band) left.delete(k);
      onSlice(k, slice);
    };
    try {
      const wired = this.#requests.get([...numbers.keys()], take, { ...options, signal: stop.signal });
      await Promise.all([wired.finally(abort), this.#askServerToo(image, frame, left, onSlice, stop)]);
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  /** While the wire is silent, look whether the server has the slices by now; then end the wire's request. */
  async #askServerToo(
    image: ImageJson,
    frame: number,
    left: Set<number>,
    onSlice: (k: number, slice: Slice) => void,
    stop: AbortController,
  ): Promise<void> {
    for (let pause = SILENT_MS; !stop.signal.aborted && this.#http?.alive; pause = Math.min(2 * pause, MAX_SILENT_MS)) {
      await wait(pause, stop.signal);
      if (stop.signal.aborted || Date.now() - this.#heard < pause) continue;
      await this.#overHttp(this.#http, image, frame, left, onSlice, stop.signal);
      if (!left.size) stop.abort();
    }
  }

  /** Fetch slices of a mask; they always come by the wire, with the revision they belong to. */
  maskSlices(
    mask: string,
    ks: readonly number[],
    onSlice: (k: number, slice: Slice) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const numbers = new Map(ks.map((k) => [maskKey(mask, k), k]));
    return this.#requests.get([...numbers.keys()], (slice) => onSlice(numbers.get(slice.key) ?? -1, slice), { signal });
  }

  /** Fetch slices of what an operation would change. */
  operationSlices(rid: number, ks: readonly number[], onSlice: (k: number, slice: Slice) => void, signal: AbortSignal): Promise<void> {
    const numbers = new Map(ks.map((k) => [`op/${this.tab}/${rid}/${k}`, k]));
    return this.#requests.get([...numbers.keys()], (slice) => onSlice(numbers.get(slice.key) ?? -1, slice), { signal });
  }

  /**
   * Fetch the header of the file that a slice comes from; empty when aborted. It names the patient: show it, keep
   * it nowhere. A SliceError says why there is none, also where this viewer may not show headers.
   */
  async header(image: string, frame: number, k: number, signal?: AbortSignal): Promise<readonly HeaderRow[]> {
    return (await this.#words(headerKey(image, frame, k), signal)) as readonly HeaderRow[];
  }

  /** Fetch what is known of an image, without names; empty when aborted. */
  async info(image: string, signal?: AbortSignal): Promise<readonly InfoRow[]> {
    return (await this.#words(infoKey(image), signal)) as readonly InfoRow[];
  }

  async #words(key: string, signal?: AbortSignal): Promise<unknown> {
    let text = "[]";
    const take = ({ bytes }: Slice): void => void (text = new TextDecoder().decode(bytes));
    await this.#requests.get([key], take, signal ? { signal, urgent: true } : { urgent: true });
    return JSON.parse(text);
  }

  /** Fetch the down-sampled copy of an image frame, or of a mask (frame null); undefined when aborted. */
  preview(id: string, frame: number | null, edge: number, signal: AbortSignal): Promise<Slice | undefined> {
    return this.#one(previewKey(id, frame, edge), signal);
  }

  /** Fetch the coarse look at an image frame; undefined when aborted. */
  sketch(id: string, frame: number, edge: number, signal: AbortSignal): Promise<Slice | undefined> {
    return this.#one(sketchKey(id, frame, edge), signal);
  }

  async #one(key: string, signal: AbortSignal): Promise<Slice | undefined> {
    let found: Slice | undefined;
    await this.#requests.get([key], (slice) => (found = slice), { signal });
    return found;
  }

  /** Tell the host which slices are in view (image, frame, slice), so that it publishes from there outwards. */
  focus(places: FocusMessage["places"]): void {
    this.#focus = { type: "focus", tab: this.tab, places: places.slice(0, MAX_PLACES) };
    this.#focusTimer ??= setTimeout(() => this.#sendFocus(), FOCUS_MS);
  }

  #sendFocus(): void {
    clearTimeout(this.#focusTimer);
    this.#focusTimer = undefined;
    const message = this.#focus;
    if (this.#http?.alive && message) this.#try(() => this.wire.send(message));
  }

  async #overHttp(
    http: HttpCarrier,
    image: ImageJson,
    frame: number,
    left: Set<number>,
    onSlice: (k: number, slice: Slice) => void,
    signal: AbortSignal,
    urgent = false,
  ): Promise<void> {
    const shape = [image.shape[1], image.shape[2], ...(image.color ? [3] : [])];
    const take = ({ k, codec, bytes, band }: HttpPart): void => {
      if (!left.has(k)) return;
      // The parts of a slice come in their order.
      if (!band || band[0] === band[1] - 1) left.delete(k);
      const head = { key: imageKey(image.id, frame, k), dtype: image.dtype, shape, codec, bytes, revision: 0 };
      onSlice(k, band ? { ...head, band } : head);
    };
    await Promise.all(ranges([...left]).map((range) => http.slices(image, frame, range, take, signal, urgent)));
  }

  async #probe(place: StateMessage["http"]): Promise<void> {
    if (!place || this.#base === null || this.#probed === place.nonce) return;
    this.#probed = place.nonce;
    this.#http = await HttpCarrier.probe(this.#base + place.url, place.nonce, this.#abort.signal);
    if (!this.#http) return;
    this.#sendFocus();
    this.#announce();
  }

  // Messages ------------------------------------------------------------------------------------

  #receive(content: unknown, buffers: readonly Uint8Array[]): void {
    const message = content as HostMessage;
    if (typeof message !== "object" || message === null) return;
    this.#heard = Date.now();
    if ("tab" in message && message.tab !== this.tab && message.type !== "edited") return;
    if (message.type !== "bytes") {
      this.#active = this.#heard;
      this.#syncs = 0;
    }
    try {
      if (isLive(message)) this.live.receive(message, buffers);
      else this.#dispatch(message, buffers);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      this.#fail({ kind: "EditError", message: `A message of the kernel could not be read: ${text}`, hint: "" });
      this.resync();
    }
    if (this.#greeted && this.#status !== "skew") this.#set(this.#putOff ? "busy" : "ready", this.#putOff);
  }

  #dispatch(message: HostMessage, buffers: readonly Uint8Array[]): void {
    switch (message.type) {
      case "state":
        return this.#state(message);
      case "edited":
        return this.#edited(message, buffers);
      case "acked":
        this.document.acknowledge(message.seq, message.revision);
        return this.#answered(message.seq);
      case "refused":
        this.document.refuse(message.seq, message.error);
        return this.#answered(message.seq);
      case "later":
        return this.#later(message);
      case "resend":
        // A number below the first that is here was never used: the hello says so.
        return message.from === null || message.from < this.#lane.first ? this.resync() : this.#sendFrom(message.from);
      case "bytes":
      case "bytes_error":
        return this.#requests.receive(message, buffers);
      case "error":
        return this.#fail(message.error);
    }
  }

  #state(message: StateMessage): void {
    this.#helloAt = null;
    if (message.version !== PROTOCOL) {
      const versions = `page: ${PROTOCOL}, kernel: ${message.version}`;
      this.#set("skew", `The page and the kernel hold different versions of nbannot (${versions}). Save the notebook, reload the page and run the cell again.`);
      return;
    }
    this.#lane.bind(message.document);
    this.#lane.dropThrough(message.acked);
    if (message.coming) this.#requests.expect(message.coming);
    this.document.receiveState(message);
    this.live.receive({ type: "tools", tools: message.tools ?? [] }, []);
    this.#greeted = true;
    this.#resends = 0;
    this.#putOff = "";
    this.#sendFrom(this.#lane.first);
    this.#requests.again();
    for (const { one, forget } of this.#lane.orphans(livingTabs())) {
      this.document.adopt(isCommand(one.json) ? (one.json as unknown as Command) : decodeEdit(one.json, one.buffers));
      forget();
    }
    void this.#probe(message.http);
  }

  #edited(message: EditedMessage, buffers: readonly Uint8Array[]): void {
    const mine = message.tab === this.tab;
    this.document.receiveEdited(message, buffers, mine);
    if (mine && message.seq !== null) this.#answered(message.seq);
  }

  #answered(seq: number): void {
    const skipped = this.#lane.first < seq && this.#lane.pending.some((one) => one.seq === seq);
    this.#lane.drop(seq);
    // An answer before this one was lost; the host tells it again after a hello.
    if (skipped && this.#helloAt === null) this.resync();
    else if (this.#resends && this.#lane.pending.length) this.#sendFrom(this.#lane.first);
    this.#resends = 0;
    this.#putOff = "";
    this.#sentAt = Date.now();
  }

  /** Not done yet, for a reason that will pass: it is sent again after a while, as what got no answer. */
  #later({ seq, error }: LaterMessage): void {
    if (!this.#lane.pending.some((one) => one.seq === seq)) return;
    this.#sentAt = Date.now();
    this.#putOff = `${[error.message, error.hint].filter(Boolean).map((text) => `${text.replace(/\.$/, "")}.`).join(" ")}${this.#unsaved("in this browser and sent again")}`;
  }

  #fail(error: WireError): void {
    for (const callback of [...this.#errors]) callback(error);
  }

  // Health --------------------------------------------------------------------------------------

  #hello(): void {
    this.#helloAt = Date.now();
    const message = { type: "hello", tab: this.tab, version: PROTOCOL, next: this.#lane.first } as const;
    this.#try(() => this.wire.send(message));
  }

  #tick(): void {
    const now = Date.now();
    if (this.#status === "skew") return;
    if (this.#helloAt !== null) {
      // Twice a minute is enough for a kernel that is busy for long; it answers every hello.
      const pause = now - this.#helloSince > 20_000 ? 30_000 : HELLO_MS;
      if (now - this.#helloAt >= pause) this.#hello();
    } else if (this.#status === "disconnected") this.resync();
    else if (this.#lane.pending.length && now - this.#sentAt >= RESEND_MS * 2 ** Math.min(this.#resends, this.#putOff ? 1 : 4)) {
      this.#resends++;
      this.#sendOne();
    }
    else if (now - this.#active >= (SYNC_MS[this.#syncs] ?? Infinity)) {
      this.#syncs++;
      this.#sync();
    }
    this.#requests.retry(now);
    this.#judge(now);
  }

  #sync(): void {
    if (!this.#greeted || this.#helloAt !== null || this.#status === "disconnected") return;
    this.#try(() => this.wire.send({ type: "sync", tab: this.tab, revision: this.document.revision }));
  }

  /** Send the first edit again; the rest follows when the host answers. */
  #sendOne(): void {
    const one = this.#lane.pending[0];
    this.#sentAt = Date.now();
    if (one) this.#try(() => this.wire.send({ type: "edit", tab: this.tab, seq: one.seq, edit: one.json }, one.buffers));
  }

  #judge(now: number): void {
    const waits = [this.#requests.oldest, this.#helloAt === null ? null : this.#helloSince];
    if (this.#lane.pending.length) waits.push(this.#heard);
    const oldest = Math.min(...waits.map((time) => time ?? now));
    if (this.#status === "disconnected" || now - Math.max(oldest, this.#heard) <= BUSY_MS) return;
    const kept = this.#unsaved("here until it answers");
    if (this.#greeted) this.#set("busy", `The kernel is busy.${kept}`);
    else
      this.#set(
        "connecting",
        "The kernel does not answer. If it runs another cell, wait for it; else run this cell again (nb.doctor() checks the environment).",
      );
  }

  #try(send: () => void): boolean {
    try {
      send();
      if (this.#status === "disconnected") this.#set(this.#greeted ? "busy" : "connecting", "");
      return true;
    } catch {
      this.#lost();
      return false;
    }
  }

  #lost(): void {
    const kept = this.#unsaved("in this browser and sent then");
    this.#set("disconnected", `No connection to the kernel. If it was restarted, run the cell again.${kept}`);
  }

  #unsaved(where: string): string {
    const count = this.document.unsaved;
    return count ? ` ${count} ${count === 1 ? "edit is" : "edits are"} kept ${where}.` : "";
  }

  #storageFull(): void {
    const hint = "Do not reload the page before the kernel has taken them.";
    this.#fail({ kind: "StorageError", message: "The browser's storage takes no more unsaved edits", hint });
  }

  #set(status: Status, message: string): void {
    if (status === this.#status && message === this.#message) return;
    this.#status = status;
    this.#message = message;
    this.#announce();
  }

  #announce(): void {
    for (const callback of [...this.#health]) callback(this.health);
  }
}

function subscribe<T>(set: Set<T>, callback: T, signal?: AbortSignal): () => void {
  set.add(callback);
  const off = (): void => void set.delete(callback);
  signal?.addEventListener("abort", off, { once: true });
  return off;
}

function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    }
    signal.addEventListener("abort", done);
  });
}

/** Join numbers to ranges [first, last]. */
export function ranges(ks: readonly number[]): [number, number][] {
  const out: [number, number][] = [];
  for (const k of [...ks].sort((a, b) => a - b)) {
    const last = out.at(-1);
    if (last && k === last[1] + 1) last[1] = k;
    else out.push([k, k]);
  }
  return out;
}
