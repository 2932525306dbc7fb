/** The queue of edits that the host has not acknowledged, kept over a reload of the page. */

import type { EditJson } from "../model/protocol";
import type { Bytes } from "./wire";

export interface Queued {
  readonly seq: number;
  readonly json: EditJson;
  readonly buffers: readonly Bytes[];
}

/** The part of localStorage that is used. */
export interface KeyValues {
  readonly length: number;
  key(n: number): string | null;
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

const PREFIX = "nbannot/pending/";

/**
 * Edits in order, each written to the page's storage in the same call that queues it, under
 * `nbannot/pending/<document id>/<tab>/<seq>`, and taken out when the host has it.
 */
export class Lane {
  #queue: Queued[] = [];
  #next = 1;
  #document = "";

  constructor(
    readonly tab: string,
    readonly storage: KeyValues | null,
    /** Called once when the storage does not take an edit. */
    readonly onFull: () => void = () => undefined,
  ) {}

  get pending(): readonly Queued[] {
    return this.#queue;
  }

  /** First number that is not acknowledged, or the next one. */
  get first(): number {
    return this.#queue[0]?.seq ?? this.#next;
  }

  reserve(): number {
    return this.#next++;
  }

  add(one: Queued): void {
    this.#queue.push(one);
    this.#keep(one);
  }

  /** The host has answered this edit. */
  drop(seq: number): void {
    this.#queue = this.#queue.filter((one) => one.seq !== seq);
    this.#forget(seq);
  }

  /** The host has answered all edits up to seq. */
  dropThrough(seq: number): void {
    for (const one of this.#queue) if (one.seq <= seq) this.#forget(one.seq);
    this.#queue = this.#queue.filter((one) => one.seq > seq);
  }

  /** Say which document the edits belong to; what was queued before is kept from now on. */
  bind(document: string): void {
    if (document === this.#document) return;
    this.#document = document;
    for (const one of this.#queue) this.#keep(one);
  }

  /**
   * Return what other pages left undelivered for this document, oldest first, and how to take it
   * out of the storage once it is queued here.
   */
  orphans(living: ReadonlySet<string>): { readonly one: Omit<Queued, "seq">; readonly forget: () => void }[] {
    const storage = this.storage;
    if (!storage || !this.#document) return [];
    const start = `${PREFIX}${this.#document}/`;
    const found: { tab: string; seq: number; key: string; one: Omit<Queued, "seq"> }[] = [];
    for (const key of storageKeys(storage, start)) {
      const [tab = "", seq = ""] = key.slice(start.length).split("/");
      const one = tab === this.tab || living.has(tab) ? null : parse(storage.getItem(key));
      if (one) found.push({ tab, seq: Number(seq), key, one });
    }
    found.sort((a, b) => timeOf(a.one) - timeOf(b.one) || a.seq - b.seq);
    return found.map(({ key, one }) => ({ one, forget: () => storage.removeItem(key) }));
  }

  #key(seq: number): string {
    return `${PREFIX}${this.#document}/${this.tab}/${seq}`;
  }

  #keep(one: Queued): void {
    if (!this.#document || !this.storage) return;
    const buffers = one.buffers.map(toBase64);
    try {
      this.storage.setItem(this.#key(one.seq), JSON.stringify({ edit: one.json, buffers }));
    } catch {
      this.onFull();
    }
  }

  #forget(seq: number): void {
    if (this.#document) this.storage?.removeItem(this.#key(seq));
  }
}

function storageKeys(storage: KeyValues, start: string): string[] {
  const keys = Array.from({ length: storage.length }, (_, n) => storage.key(n) ?? "");
  return keys.filter((key) => key.startsWith(start));
}

function timeOf(one: Omit<Queued, "seq">): number {
  return Number(one.json["time"] ?? 0);
}

function parse(text: string | null): Omit<Queued, "seq"> | null {
  try {
    const { edit, buffers } = JSON.parse(text ?? "") as { edit: EditJson; buffers: string[] };
    return typeof edit.kind === "string" ? { json: edit, buffers: buffers.map(fromBase64) } : null;
  } catch {
    return null;
  }
}

function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
}

function fromBase64(text: string): Bytes {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}
