/** The browser's copy of the document: the host's state with our unacknowledged edits on top. */

import { MaskStore } from "./masks";
import { packed, unpacked } from "./packing";
import { decodeEdit, isCommand } from "./protocol";
import type {
  BoxItem,
  Command,
  ConfigJson,
  Edit,
  EditDraft,
  EditedMessage,
  ImageJson,
  Item,
  KeptEdit,
  LabelItem,
  MaskItem,
  PaintEdit,
  Runs,
  ShapeItem,
  StateMessage,
  TagItem,
  Triple,
  WireError,
} from "./protocol";
import type { LabelArray } from "./masks";
import { same } from "./same";

/** Where local edits go; the channel implements it. */
export interface Outbox {
  /** Number and id of the next edit. */
  reserve(): { readonly seq: number; readonly id: string };
  send(seq: number, edit: KeptEdit | Command): void;
  /** Ask the host for its whole state again. */
  resync(): void;
}

export interface Mask {
  readonly item: MaskItem;
  readonly store: MaskStore;
}

export type DocumentEvent =
  /** Anything may have changed: first state, or after a reconnect. */
  | { readonly type: "state" }
  /** An edit of ours (local) or of somebody else was applied or taken back. */
  | { readonly type: "changed"; readonly local: boolean }
  /** The host did not take our edit; it has been taken back here. */
  | { readonly type: "refused"; readonly seq: number; readonly error: WireError }
  /** Mask slices must be fetched; see MaskStore.missing. */
  | { readonly type: "missing"; readonly mask: string };

interface Pending {
  readonly seq: number;
  /** The command it is; null for an edit. */
  readonly command: Command | null;
  /** What to show until the host answers; null where only the host can know. */
  readonly draft: KeptEdit | null;
  /** What was really done here, with the old values; null where nothing could be done. */
  applied: KeptEdit | null;
  /** Set once a later undo of ours takes this edit back. */
  undone: boolean;
}

/** Number of what is shown but not sent. */
const PROPOSED = Infinity;

type Lists = { label: LabelItem[]; mask: MaskItem[]; box: BoxItem[]; shape: ShapeItem[]; tag: TagItem[] };

export class DocumentMirror {
  id = "";
  /** Name of the user as the host knows it. */
  author = "";
  /** Revision of the host's document that we have. */
  revision = -1;
  images: readonly ImageJson[] = [];
  /** What the host's configuration says. */
  config: ConfigJson | null = null;
  #lists: Lists = { label: [], mask: [], box: [], shape: [], tag: [] };
  readonly #stores = new Map<string, MaskStore>();
  #pending: Pending[] = [];
  #canUndo = false;
  #canRedo = false;
  #waiting = false;
  #run: string | undefined;
  #outbox: Outbox | null = null;
  readonly #listeners = new Set<(event: DocumentEvent) => void>();

  /** Whether the first state has come. */
  get ready(): boolean {
    return this.revision >= 0;
  }
  get labels(): readonly LabelItem[] {
    return this.#lists.label;
  }
  get boxes(): readonly BoxItem[] {
    return this.#lists.box;
  }
  get shapes(): readonly ShapeItem[] {
    return this.#lists.shape;
  }
  get tags(): readonly TagItem[] {
    return this.#lists.tag;
  }
  get masks(): readonly Mask[] {
    return this.#lists.mask.flatMap((item) => this.mask(item.id) ?? []);
  }
  get canUndo(): boolean {
    return this.#canUndo || this.#pending.some((one) => one.draft !== null && !one.undone);
  }
  get canRedo(): boolean {
    // What is on its way counts: else a redo right after an undo would be ignored.
    return this.#sent.reduce(
      (can, { command }) => (command?.kind === "undo" || command?.kind === "jump" ? true : command?.kind === "redo" && can),
      this.#canRedo,
    );
  }
  /** Number of edits that the host has not acknowledged. */
  get unsaved(): number {
    return this.#sent.length;
  }
  get #sent(): readonly Pending[] {
    return this.#pending.filter((one) => one.seq !== PROPOSED);
  }

  label(id: string): LabelItem | undefined {
    return this.#lists.label.find((one) => one.id === id);
  }
  labelNamed(name: string): LabelItem | undefined {
    return this.#lists.label.find((one) => one.name === name);
  }
  image(id: string): ImageJson | undefined {
    return this.images.find((one) => one.id === id);
  }
  mask(id: string): Mask | undefined {
    const item = this.#lists.mask.find((one) => one.id === id);
    const store = this.#stores.get(id);
    return item && store && { item, store };
  }

  /** Call back after each change, until the signal aborts or the returned function is called. */
  on(callback: (event: DocumentEvent) => void, signal?: AbortSignal): () => void {
    this.#listeners.add(callback);
    const off = (): void => void this.#listeners.delete(callback);
    signal?.addEventListener("abort", off, { once: true });
    return off;
  }

  connect(outbox: Outbox): void {
    this.#outbox = outbox;
  }

  /** Apply an edit here at once and send it; the host has the last word. Returns the edit. */
  applyLocal(draft: EditDraft): Edit {
    const { seq, id } = this.#requireOutbox().reserve();
    const edit = complete(draft, { id, author: this.author });
    const applied = this.#do(edit);
    const kept = packed(edit);
    this.#pending.push({ seq, command: null, draft: kept, applied: packed(applied, kept), undone: false });
    this.#requireOutbox().send(seq, kept);
    this.#emit({ type: "changed", local: true });
    return edit;
  }

  /** Show an edit that is not sent, such as the mask that a stroke needs; the returned function takes it back. */
  propose(draft: EditDraft): () => void {
    const edit = complete(draft, { id: "", author: this.author });
    const proposed: Pending = { seq: PROPOSED, command: null, draft: edit, applied: this.#do(edit), undone: true };
    this.#pending.push(proposed);
    this.#emit({ type: "changed", local: true });
    return () => {
      if (!this.#pending.includes(proposed)) return;
      this.#rollback();
      this.#pending = this.#pending.filter((one) => one !== proposed);
      this.#reapply();
      this.#emit({ type: "changed", local: true });
    };
  }

  /** Take over an edit that another page could not deliver; it keeps its id. */
  adopt(edit: Edit | Command): void {
    const { seq } = this.#requireOutbox().reserve();
    const command = isCommand(edit) ? edit : null;
    const draft = isCommand(edit) ? null : packed(edit);
    this.#pending.push({ seq, command, draft, applied: this.#try(draft), undone: false });
    this.#requireOutbox().send(seq, draft ?? edit);
    this.#emit({ type: "changed", local: true });
  }

  /** Undo the last edit of the document, whoever made it. */
  undo(): void {
    this.#command("undo");
  }

  redo(): void {
    this.#command("redo");
  }

  /** Remove a label with its voxels, boxes, shapes and tags; only the host has all of them. */
  removeLabel(label: string): void {
    this.#ask((id) => ({ kind: "remove_label", id, label }));
  }

  /** Undo or redo until a step is the last in effect; "" is the start. The host does it. */
  jump(to: string): void {
    this.#ask((id) => ({ kind: "jump", id, to }));
  }

  /** Have the host do what only it can. */
  #ask(command: (id: string) => Command): void {
    const { seq, id } = this.#requireOutbox().reserve();
    const sent = command(id);
    this.#pending.push({ seq, command: sent, draft: null, applied: null, undone: true });
    this.#requireOutbox().send(seq, sent);
    this.#emit({ type: "changed", local: true });
  }

  #command(kind: "undo" | "redo"): void {
    const { seq, id } = this.#requireOutbox().reserve();
    const target = kind === "undo" ? [...this.#pending].reverse().find((one) => one.draft && !one.undone) : undefined;
    const draft = target?.applied ? packed(inverse(unpacked(target.applied))) : null;
    if (target) target.undone = true;
    const sent: Command = { kind, id };
    // Shown before the host answers; it corrects us where somebody else's edit came between.
    this.#pending.push({ seq, command: sent, draft, applied: this.#try(draft), undone: true });
    this.#requireOutbox().send(seq, sent);
    this.#emit({ type: "changed", local: true });
  }

  // Messages of the host ------------------------------------------------------------------------

  receiveState(state: StateMessage): void {
    const same = state.document === this.id && state.run === this.#run && state.revision === this.revision;
    this.#waiting = false;
    this.#rollback();
    this.#pending = this.#pending.filter((one) => one.seq > state.acked);
    this.id = state.document;
    this.#run = state.run;
    this.author = state.author;
    this.revision = state.revision;
    this.images = state.images;
    this.config = state.config ?? null;
    this.#canUndo = state.can_undo;
    this.#canRedo = state.can_redo;
    this.#lists = {
      label: [...state.labels], mask: [], box: [...state.boxes], shape: [...state.shapes], tag: [...state.tags],
    };
    const old = new Map(this.#stores);
    this.#stores.clear();
    for (const { nonzero, ...item } of state.masks) {
      const store = this.#storeFor(item, old.get(item.id));
      this.#lists.mask.push(item);
      if (!same || store !== old.get(item.id)) store.reset(nonzero, state.revision);
    }
    this.#reapply();
    this.#emit({ type: "state" });
    this.#announceMissing();
  }

  receiveEdited(message: EditedMessage, buffers: readonly Uint8Array[], mine: boolean): void {
    if (!this.ready || this.#waiting) return;
    const seq = mine ? message.seq : null;
    if (message.revision <= this.revision) {
      if (seq !== null) this.acknowledge(seq, message.revision);
      return;
    }
    if (message.revision > this.revision + 1) {
      this.#resync();
      return;
    }
    this.revision = message.revision;
    this.#canUndo = message.can_undo;
    this.#canRedo = message.can_redo;
    const edit = decodeEdit(message.edit, buffers);
    const first = this.#pending[0];
    if (first && first.seq === seq && first.applied && sameEffect(unpacked(first.applied), edit)) {
      this.#pending.shift();
      this.#touch(edit);
    } else {
      this.#rollback();
      this.#do(edit);
      // After it: the edit may bring the mask.
      this.#touch(edit);
      if (seq !== null) this.#pending = this.#pending.filter((one) => one.seq !== seq);
      this.#reapply();
    }
    this.#emit({ type: "changed", local: seq !== null });
    this.#announceMissing();
  }

  /** The host has this edit already; our copy of the host's state may be older. */
  acknowledge(seq: number, revision: number): void {
    if (this.#waiting) return;
    const known = this.#pending.some((one) => one.seq === seq);
    if (revision > this.revision) this.#resync();
    else if (known) {
      this.#rollback();
      this.#pending = this.#pending.filter((one) => one.seq !== seq);
      this.#reapply();
      this.#emit({ type: "changed", local: true });
    }
  }

  /** Take back an edit that the host did not accept. */
  refuse(seq: number, error: WireError): void {
    const refused = this.#pending.find((one) => one.seq === seq);
    if (!refused) return;
    this.#rollback();
    this.#pending = this.#pending.filter((one) => one !== refused);
    this.#reapply();
    this.#emit({ type: "refused", seq, error });
    this.#emit({ type: "changed", local: true });
  }

  /** Put a mask slice that came from the host; false where it must be asked for again. */
  loadSlice(mask: string, k: number, data: LabelArray, revision: number): boolean {
    const store = this.#stores.get(mask);
    if (!store?.awaits(k)) return true;
    if (data.length !== store.shape[1] * store.shape[2]) return true;
    this.#rollback();
    const fresh = store.load(k, data, revision);
    this.#reapply();
    if (fresh) this.#emit({ type: "changed", local: false });
    return fresh;
  }

  /** Whether nothing is shown here that the host may not know. */
  get settled(): boolean {
    return this.#pending.length === 0;
  }

  /** Bytes of all mask slices that are here. */
  get maskBytes(): number {
    let sum = 0;
    for (const store of this.#stores.values()) sum += store.bytes;
    return sum;
  }

  /** Give up a mask slice, which can be fetched again while the document is settled. */
  dropSlice(mask: string, k: number): void {
    this.#stores.get(mask)?.drop(k);
  }

  close(): void {
    for (const store of this.#stores.values()) store.clear();
    this.#stores.clear();
    this.#listeners.clear();
    this.#outbox = null;
  }

  // Inside --------------------------------------------------------------------------------------

  #requireOutbox(): Outbox {
    if (!this.#outbox) throw new Error("the viewer is closed");
    return this.#outbox;
  }

  #resync(): void {
    this.#waiting = true;
    this.#requireOutbox().resync();
  }

  #emit(event: DocumentEvent): void {
    for (const listener of [...this.#listeners]) listener(event);
  }

  #announceMissing(): void {
    for (const { item, store } of this.masks)
      if (store.missing.length) this.#emit({ type: "missing", mask: item.id });
  }

  #storeFor(item: MaskItem, known: MaskStore | undefined): MaskStore {
    const shape: Triple = (this.image(item.image) ?? this.images[0])?.shape ?? [0, 0, 0];
    const fits = known?.shape.every((size, n) => size === shape[n]) === true;
    // A mask only ever becomes wider; what it holds stays.
    const wide = fits && known!.dtype === "uint8" && item.dtype === "uint16" ? known!.widened() : known;
    const store = fits ? wide! : new MaskStore(shape, item.dtype);
    this.#stores.set(item.id, store);
    return store;
  }

  #rollback(): void {
    for (const one of [...this.#pending].reverse()) {
      if (one.applied) this.#takeBack(one.applied);
      one.applied = null;
    }
  }

  #reapply(): void {
    for (const one of this.#pending) one.applied = this.#try(one.draft);
  }

  /** Apply what can be applied: an edit of ours may have lost its mask or item to a remote edit. */
  #try(draft: KeptEdit | null): KeptEdit | null {
    try {
      return draft && packed(this.#do(unpacked(draft)), draft);
    } catch {
      return null;
    }
  }

  #takeBack(applied: KeptEdit): void {
    try {
      this.#do(inverse(unpacked(applied)));
    } catch {
      // What it was made in is gone.
    }
  }

  /** Apply an edit and return it with the old values of this document. */
  #do(edit: Edit): Edit {
    switch (edit.kind) {
      case "put":
        return this.#put(edit.item, edit);
      case "remove":
        return this.#remove(edit.item, edit);
      case "paint":
        return this.#paint(edit);
      case "batch":
        return this.#batch(edit);
    }
  }

  #batch(edit: Edit & { kind: "batch" }): Edit {
    const edits: Edit[] = [];
    try {
      for (const one of edit.edits) edits.push(this.#do(one));
    } catch (error) {
      for (const one of edits.reverse()) this.#do(inverse(one));
      throw error;
    }
    return { ...edit, edits };
  }

  #put(item: Item, edit: Edit & { kind: "put" }): Edit {
    const list: Item[] = this.#lists[item.type];
    const found = list.findIndex((one) => one.id === item.id);
    const old = list[found] ?? null;
    const at = old ? found : Math.min(edit.at ?? list.length, list.length);
    if (item.type === "mask") this.#storeFor(item, this.#stores.get(item.id));
    list.splice(at, old ? 1 : 0, item);
    return { ...edit, old, at };
  }

  #remove(item: Item, edit: Edit & { kind: "remove" }): Edit {
    const list: Item[] = this.#lists[item.type];
    const at = list.findIndex((one) => one.id === item.id);
    const old = list[at];
    if (!old) throw new Error("the item of this edit is gone");
    list.splice(at, 1);
    // The voxels of a removed mask stay in #stores until the next state, so that a rollback has them.
    return { ...edit, item: old, at };
  }

  #paint(edit: PaintEdit): Edit {
    const store = this.mask(edit.mask)?.store;
    if (!store) throw new Error("the mask of this edit is gone");
    if (edit.stale) return edit;
    return { ...edit, runs: store.paint(edit.box, edit.runs) };
  }

  /** Note which mask slices the host changed. */
  #touch(edit: Edit): void {
    if (edit.kind === "batch") edit.edits.forEach((one) => this.#touch(one));
    if (edit.kind !== "paint") return;
    const store = this.#stores.get(edit.mask);
    if (edit.stale) store?.expire(edit.stale, this.revision);
    else store?.touch(edit.box, this.revision);
  }
}

/** Return the edit with everything a tool may leave out. */
function complete(draft: EditDraft, meta: { id: string; author: string }): Edit {
  const filled = {
    author: meta.author,
    time: Date.now() / 1000,
    origin: "hand",
    tool: "",
    undoes: null,
    ...draft,
    id: meta.id,
  };
  switch (filled.kind) {
    case "put":
      return { ...filled, old: filled.old ?? null, at: filled.at ?? null };
    case "remove":
      return { ...filled, at: filled.at ?? null };
    case "batch":
      return {
        ...filled,
        edits: filled.edits.map((one, n) => complete(one, { id: `${meta.id}.${n}`, author: meta.author })),
      };
    case "paint":
      return filled;
  }
}

/** Return the edit that takes an applied edit back. */
export function inverse(edit: Edit): Edit {
  switch (edit.kind) {
    case "put":
      if (edit.old) return { ...edit, item: edit.old, old: edit.item };
      return { ...stripOld(edit), kind: "remove" };
    case "remove":
      return { ...edit, kind: "put", old: null };
    case "paint":
      return { ...edit, runs: { ...edit.runs, old: edit.runs.new, new: edit.runs.old } };
    case "batch":
      return { ...edit, edits: edit.edits.map(inverse).reverse() };
  }
}

function stripOld(edit: Edit & { kind: "put" }): Omit<typeof edit, "old" | "kind"> {
  const { old: _old, kind: _kind, ...rest } = edit;
  return rest;
}

/** Whether two edits, applied to the same state, leave the same state. */
function sameEffect(mine: Edit, theirs: Edit): boolean {
  if (mine.kind === "paint" && theirs.kind === "paint")
    return mine.mask === theirs.mask && !theirs.stale && sameRuns(mine, theirs);
  if (mine.kind === "put" && theirs.kind === "put")
    return mine.at === theirs.at && same(mine.item, theirs.item);
  if (mine.kind === "remove" && theirs.kind === "remove") return mine.at === theirs.at && mine.item.id === theirs.item.id;
  if (mine.kind === "batch" && theirs.kind === "batch")
    return mine.edits.length === theirs.edits.length && mine.edits.every((one, n) => sameEffect(one, theirs.edits[n]!));
  return false;
}

function sameRuns(mine: PaintEdit, theirs: PaintEdit): boolean {
  const columns: (keyof Runs)[] = ["start", "length", "new"];
  return (
    same(mine.box, theirs.box) &&
    columns.every((name) => {
      const other = theirs.runs[name];
      return mine.runs[name].length === other.length && mine.runs[name].every((value, n) => value === other[n]);
    })
  );
}
