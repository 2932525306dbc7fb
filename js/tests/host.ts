/** A small host for tests: keeps the document in plain arrays and speaks the protocol. */

import { PROTOCOL, decodeEdit, encodeEdit } from "../src/model/protocol";
import { inverse } from "../src/model/document";
import type { Bytes, Wire } from "../src/channel/wire";
import type {
  BoxItem,
  BrowserMessage,
  Command,
  Edit,
  EditJson,
  HostMessage,
  ImageJson,
  MaskItem,
  PaintEdit,
  Runs,
} from "../src/model/protocol";

export const SHAPE = [4, 6, 5] as const;

export const IMAGE: ImageJson = {
  id: "img",
  name: "",
  shape: SHAPE,
  frames: 1,
  dtype: "int16",
  color: false,
  modality: "CT",
  unit: "HU",
  photometric: "MONOCHROME2",
  windows: [],
  geometry: {
    kind: "grid",
    affine: [
      [0, 0, 1, 0],
      [0, 1, 0, 0],
      [1, 0, 0, 0],
      [0, 0, 0, 1],
    ],
    shape: SHAPE,
  },
  frame_times: null,
  orientation_labels: null,
};

export const MASK: MaskItem = {
  type: "mask",
  id: "m1",
  name: "liver",
  image: "img",
  segments: [{ value: 1, label: "liver", status: "" }],
  dtype: "uint8",
};

export interface Tab {
  deliver(message: HostMessage, buffers: Bytes[]): void;
}

interface LaneState {
  next: number;
  refused: Set<number>;
}

const PLANE = SHAPE[1] * SHAPE[2];
const REFUSED = { kind: "LockedError", message: "The label is locked", hint: "Unlock it first." };
const AWAY = { kind: "StoreError", message: "The database cannot be reached", hint: "" };

export class FakeHost {
  revision = 0;
  readonly voxels = new Uint8Array(SHAPE[0] * PLANE);
  boxes: BoxItem[] = [];
  /** Ids of applied edits, in order. */
  readonly applied: string[] = [];
  readonly tabs = new Set<Tab>();
  http: { url: string; nonce: string } | null = null;
  version = PROTOCOL;
  run = "first";
  readonly gets: string[][] = [];
  readonly #lanes = new Map<string, LaneState>();
  readonly #undo: Edit[] = [];
  refuse = (_: Edit): boolean => false;
  /** Whether nothing can be kept now. */
  away = false;

  receive(message: BrowserMessage, buffers: readonly Uint8Array[]): void {
    if (message.type === "hello") this.#hello(message.tab, message.next);
    if (message.type === "edit") this.#edit(message.tab, message.seq, message.edit, buffers);
    if (message.type === "sync" && message.revision !== this.revision) this.#post(this.state(message.tab));
    if (message.type === "get") this.#get(message.tab, message.rid, message.keys);
  }

  /** An edit by somebody else, for example Python. */
  remote(edit: Edit): void {
    this.#announce(this.#perform(edit), null, null);
  }

  #hello(tab: string, next: number): void {
    const lane = this.#lanes.get(tab) ?? { next, refused: new Set() };
    lane.next = Math.max(lane.next, next);
    this.#lanes.set(tab, lane);
    for (const seq of lane.refused) if (seq >= next) this.#post({ type: "refused", tab, seq, error: REFUSED });
    this.#post(this.state(tab));
  }

  state(tab: string): HostMessage {
    const ks = [...SHAPE.keys(), 3].slice(0, SHAPE[0]);
    return {
      type: "state",
      tab,
      version: this.version,
      document: "doc",
      run: this.run,
      revision: this.revision,
      acked: (this.#lanes.get(tab)?.next ?? 1) - 1,
      images: [IMAGE],
      labels: [],
      masks: [{ ...MASK, nonzero: ks.filter((k) => this.#plane(k).some((value) => value)) }],
      boxes: [...this.boxes],
      shapes: [],
      tags: [],
      can_undo: this.#undo.length > 0,
      can_redo: false,
      http: this.http,
      author: "ann",
    };
  }

  #plane(k: number): Uint8Array<ArrayBuffer> {
    return this.voxels.slice(k * PLANE, (k + 1) * PLANE);
  }

  #edit(tab: string, seq: number, json: EditJson, buffers: readonly Uint8Array[]): void {
    const lane = this.#lanes.get(tab);
    if (!lane || seq > lane.next) {
      this.#post({ type: "resend", tab, from: lane?.next ?? null });
      return;
    }
    if (seq < lane.next) {
      if (lane.refused.has(seq)) this.#post({ type: "refused", tab, seq, error: REFUSED });
      else this.#post({ type: "acked", tab, seq, revision: this.revision });
      return;
    }
    if (this.away) return this.#post({ type: "later", tab, seq, error: AWAY });
    lane.next++;
    const id = String(json["id"]);
    const known = this.applied.includes(id);
    const edit = known ? null : this.#meant(json, buffers);
    if (edit && this.refuse(edit)) {
      lane.refused.add(seq);
      this.#post({ type: "refused", tab, seq, error: REFUSED });
    } else if (!edit) {
      this.#post({ type: "acked", tab, seq, revision: this.revision });
    } else {
      this.applied.push(id);
      this.#announce(this.#perform(edit), tab, seq);
    }
  }

  #meant(json: EditJson, buffers: readonly Uint8Array[]): Edit | null {
    if (json.kind !== "undo") return decodeEdit(json, buffers);
    const last = this.#undo.pop();
    return last ? { ...inverse(last), id: (json as unknown as Command).id, undoes: last.id } : null;
  }

  #perform(edit: Edit): Edit {
    if (edit.kind === "paint") return { ...edit, runs: this.#paint(edit) };
    if (edit.kind === "put" && edit.item.type === "box") {
      const item = edit.item;
      const at = this.boxes.findIndex((one) => one.id === item.id);
      const old = this.boxes[at] ?? null;
      if (old) this.boxes[at] = item;
      else this.boxes.splice(edit.at ?? this.boxes.length, 0, item);
      return { ...edit, old, at: old ? at : (edit.at ?? this.boxes.length - 1) };
    }
    if (edit.kind === "remove") {
      const at = this.boxes.findIndex((one) => one.id === edit.item.id);
      if (at >= 0) this.boxes.splice(at, 1);
      return { ...edit, at };
    }
    return edit;
  }

  #paint(edit: PaintEdit): Runs {
    const rows: number[][] = [];
    const [[k0, j0, i0], [, j1, i1]] = edit.box;
    edit.runs.start.forEach((start, n) => {
      for (let flat = start; flat < start + (edit.runs.length[n] ?? 0); flat++) {
        const i = flat % (i1 - i0);
        const j = Math.floor(flat / (i1 - i0)) % (j1 - j0);
        const k = Math.floor(flat / (i1 - i0) / (j1 - j0));
        const at = (k + k0) * PLANE + (j + j0) * SHAPE[2] + i + i0;
        const value = edit.runs.new[n] ?? 0;
        rows.push([flat, 1, this.voxels[at] ?? 0, value]);
        this.voxels[at] = value;
      }
    });
    const column = (n: number): Uint32Array => Uint32Array.from(rows, (row) => row[n] ?? 0);
    return { start: column(0), length: column(1), old: column(2), new: column(3) };
  }

  #announce(edit: Edit, tab: string | null, seq: number | null): void {
    this.revision++;
    if (!edit.undoes) this.#undo.push(edit);
    const { json, buffers } = encodeEdit(edit);
    const ability = { can_undo: this.#undo.length > 0, can_redo: false };
    this.#post({ type: "edited", revision: this.revision, edit: json, tab, seq, ...ability }, buffers);
  }

  #get(tab: string, rid: number, keys: readonly string[]): void {
    this.gets.push([...keys]);
    for (const key of keys) {
      const k = Number(key.split("/").at(-1));
      const shape = [SHAPE[1], SHAPE[2]];
      const head = { type: "bytes", tab, rid, key, shape, codec: "raw" } as const;
      if (key.startsWith("mask/"))
        this.#post({ ...head, dtype: "uint8", revision: this.revision }, [this.#plane(k)]);
      else {
        const values = new Int16Array(PLANE).fill(k);
        this.#post({ ...head, dtype: "int16" }, [new Uint8Array(values.buffer)]);
      }
    }
  }

  #post(message: HostMessage, buffers: Bytes[] = []): void {
    for (const tab of this.tabs) tab.deliver(message, buffers);
  }
}

/** What the network does with a message. */
export type Fate = (deliver: () => void) => void;

/** Return a wire to the host, over a network that may lose, repeat and reorder. */
export function connect(host: FakeHost, fate: Fate = (deliver) => deliver()): Wire & { cut: boolean } {
  const listeners = new Set<(message: unknown, buffers: readonly Uint8Array[]) => void>();
  host.tabs.add({
    deliver: (message, buffers) =>
      fate(() => {
        for (const listener of listeners) listener(structuredClone(message), structuredClone(buffers));
      }),
  });
  return {
    cut: false,
    send(message, buffers = []) {
      if (this.cut) throw new Error("Cannot send");
      const [copy, bytes] = structuredClone([message, [...buffers]] as const);
      fate(() => host.receive(copy, bytes));
    },
    onMessage(callback) {
      listeners.add(callback);
      return () => void listeners.delete(callback);
    },
  };
}

export class MemoryStorage {
  readonly entries = new Map<string, string>();
  full = false;
  get length(): number {
    return this.entries.size;
  }
  key(n: number): string | null {
    return [...this.entries.keys()][n] ?? null;
  }
  getItem(key: string): string | null {
    return this.entries.get(key) ?? null;
  }
  setItem(key: string, value: string): void {
    if (this.full) throw new Error("QuotaExceededError");
    this.entries.set(key, value);
  }
  removeItem(key: string): void {
    this.entries.delete(key);
  }
}

/** Numbers that look random and are the same in every run. */
export function random(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
