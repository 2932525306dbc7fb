/** Edits as they are kept until the host answers. */
import { describe, expect, it } from "vitest";
import { DocumentMirror, type Outbox } from "../src/model/document";
import { RunBuilder } from "../src/model/masks";
import { packed, PACKED_FROM, unpacked } from "../src/model/packing";
import { decodeEdit, encodeEdit } from "../src/model/protocol";
import type { Edit, EditedMessage, KeptEdit, MaskItem, PaintEdit, Runs, StateMessage } from "../src/model/protocol";
import { random } from "./tools_help";

const META = { id: "e", author: "", time: 0, origin: "hand", tool: "scissors", undoes: null };
const SHAPE = [20, 100, 100] as const;

function runs(count: number, seed: number): Runs {
  const rnd = random(seed);
  const builder = new RunBuilder();
  let at = 0;
  for (let n = 0; n < count; n++) {
    at += 1 + Math.floor(rnd() * 20);
    const length = 1 + Math.floor(rnd() * 9);
    builder.add(at, length, Math.floor(rnd() * 3), 3 + Math.floor(rnd() * 2));
    at += length;
  }
  return builder.build();
}
const paint = (count: number, seed = 1): PaintEdit => ({ ...META, kind: "paint", mask: "m", box: [[0, 0, 0], SHAPE], runs: runs(count, seed) });
const isPacked = (edit: KeptEdit): boolean => edit.kind === "paint" && "bytes" in edit.runs;

describe("an edit that is kept", () => {
  it.each([[1, false], [PACKED_FROM - 1, false], [PACKED_FROM, true], [6000, true]])("of %i runs comes back as it was", (count, large) => {
    const edit = paint(count);
    const kept = packed(edit);
    expect(isPacked(kept)).toBe(large);
    expect(unpacked(kept)).toEqual(edit);
    expect(encodeEdit(kept)).toEqual(encodeEdit(edit));
    const { json, buffers } = encodeEdit(kept);
    expect(decodeEdit(json, buffers)).toEqual(edit);
  });

  it("keeps the parts of a batch so, and shares what is the same", () => {
    const batch: Edit = { ...META, kind: "batch", name: "b", edits: [paint(5), paint(4000)] };
    const kept = packed(batch);
    const again = packed({ ...batch, edits: [paint(5), paint(4000)] }, kept);
    const other = packed({ ...batch, edits: [paint(5), paint(4000, 2)] }, kept);
    expect(unpacked(again)).toEqual(batch);
    const bytes = (one: KeptEdit): unknown => one.kind === "batch" && one.edits[1]!.kind === "paint" && "bytes" in one.edits[1]!.runs && one.edits[1]!.runs.bytes;
    expect(bytes(again)).toBeTruthy();
    expect(bytes(again)).toBe(bytes(kept));
    expect(bytes(other)).not.toBe(bytes(kept));
  });
});

function lonely(): { mirror: DocumentMirror; sent: (KeptEdit | { kind: string })[] } {
  const mirror = new DocumentMirror();
  const sent: (KeptEdit | { kind: string })[] = [];
  let seq = 0;
  const outbox: Outbox = {
    reserve: () => ({ seq: ++seq, id: `t:${seq}` }),
    send: (_, edit) => void sent.push(edit),
    resync: () => undefined,
  };
  mirror.connect(outbox);
  const image = { id: "img", shape: SHAPE };
  const item = { type: "mask", id: "m", name: "m", image: "img", dtype: "uint8", segments: [{ value: 4, label: "a", status: "" }], nonzero: [] };
  mirror.receiveState({
    type: "state", document: "d", revision: 0, acked: 0, images: [image], labels: [], masks: [item], boxes: [], shapes: [], tags: [],
    can_undo: false, can_redo: false, author: "", config: null,
  } as unknown as StateMessage);
  return { mirror, sent };
}

describe("a document whose host does not answer", () => {
  it("undoes large gestures, and holds of each only what is sent", () => {
    const { mirror, sent } = lonely();
    const store = mirror.mask("m")!.store;
    const voxels = (): string => Array.from({ length: SHAPE[0] }, (_, k) => (store.slice(k) ?? new Uint8Array(10000)).join("")).join();
    const states = [voxels()];
    for (let n = 0; n < 6; n++) {
      mirror.applyLocal({ kind: "paint", mask: "m", box: [[0, 0, 0], SHAPE], runs: runs(n % 2 ? 4000 : 40, n) });
      states.push(voxels());
    }
    expect(new Set(states).size).toBe(7);
    expect(sent.map((one) => isPacked(one as KeptEdit))).toEqual([false, true, false, true, false, true]);
    for (const state of states.slice(0, -1).reverse()) {
      mirror.undo();
      expect(voxels()).toBe(state);
    }
    expect(mirror.canUndo).toBe(false);
    mirror.refuse(4, { kind: "EditError", message: "no", hint: "" });
    expect(voxels()).not.toBe("");
    mirror.close();
  });

  it("makes a proposed mask and the strokes in it one step", () => {
    const { mirror, sent } = lonely();
    const item: MaskItem = { type: "mask", id: "new", name: "b", image: "img", dtype: "uint8", segments: [{ value: 1, label: "b", status: "" }] };
    const ids = (): string[] => mirror.masks.map((one) => one.item.id);
    const drop = mirror.propose({ kind: "put", item });
    expect([ids(), mirror.unsaved, mirror.canUndo, mirror.canRedo, sent.length]).toEqual([["m", "new"], 0, false, false, 0]);
    // Somebody else's edit comes while the stroke goes on.
    const other = { ...META, id: "x", kind: "put", item: { ...item, id: "other", name: "c" }, old: null, at: 1 } as const;
    mirror.receiveEdited({ type: "edited", revision: 1, edit: other, tab: null, seq: null, can_undo: true, can_redo: false } as unknown as EditedMessage, [], false);
    expect(ids()).toEqual(["m", "other", "new"]);
    drop();
    drop();
    expect(ids()).toEqual(["m", "other"]);
    mirror.applyLocal({ kind: "batch", name: "Paint", tool: "brush", edits: [
      { kind: "put", item }, { kind: "paint", mask: "new", box: [[0, 0, 0], SHAPE], runs: runs(30, 3) },
    ] });
    expect([ids(), mirror.unsaved, sent.map((one) => one.kind)]).toEqual([["m", "other", "new"], 1, ["batch"]]);
    const painted = (): number => mirror.mask("new")?.store.slice(0)?.findIndex((value) => value !== 0) ?? -2;
    expect(painted()).toBeGreaterThan(0);
    mirror.undo();
    expect([ids(), mirror.unsaved]).toEqual([["m", "other"], 2]);
    mirror.close();
  });

  it("fetches the slices of a mask that comes with more voxels than one message holds", () => {
    const { mirror } = lonely();
    const item: MaskItem = { type: "mask", id: "new", name: "b", image: "img", dtype: "uint8", segments: [{ value: 1, label: "b", status: "" }] };
    const wanted: string[] = [];
    mirror.on((event) => event.type === "missing" && wanted.push(event.mask));
    const edits = [{ ...META, kind: "put", item, old: null, at: null }, { ...META, kind: "paint", mask: "new", box: [[0, 0, 0], SHAPE], stale: [3, 4] }];
    const edit = { ...META, kind: "batch", name: "threshold", edits };
    mirror.receiveEdited({ type: "edited", revision: 1, edit, tab: null, seq: null, can_undo: true, can_redo: false } as unknown as EditedMessage, [], false);
    expect(mirror.mask("new")!.store.missing).toEqual([3, 4]);
    expect(wanted).toEqual(["new"]);
    mirror.close();
  });
});
