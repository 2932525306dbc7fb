import { beforeEach, describe, expect, test, vi } from "vitest";
import { Channel } from "../src/channel";
import { DocumentMirror } from "../src/model/document";
import { MaskStore, paintRuns } from "../src/model/masks";
import { Volumes } from "../src/volumes";
import { FakeHost, IMAGE, MASK, MemoryStorage, SHAPE, connect, random } from "./host";
import type { DecodePool } from "../src/volumes";
import type { BoxItem, EditDraft, IndexBox, PaintEdit, Triple } from "../src/model/protocol";
import type { Fate } from "./host";

const META = { author: "", time: 0, origin: "python", tool: "", undoes: null };

const rawDecoder = (): DecodePool => ({
  decode: ({ bytes, dtype }) =>
    Promise.resolve(dtype === "int16" ? new Int16Array(bytes.slice().buffer) : new Uint8Array(bytes)),
  close: () => undefined,
});

function open(host: FakeHost, fate?: Fate): { mirror: DocumentMirror; channel: Channel; volumes: Volumes; storage: MemoryStorage } {
  const mirror = new DocumentMirror();
  const storage = new MemoryStorage();
  const channel = new Channel(connect(host, fate), mirror, { storage, base: null });
  const volumes = new Volumes(channel, mirror, rawDecoder());
  channel.start();
  return { mirror, channel, volumes, storage };
}

function stroke(next: () => number, store: MaskStore, value: number): EditDraft | null {
  const pick = (size: number): [number, number] => {
    const a = Math.floor(next() * size);
    return [a, Math.min(size, a + 1 + Math.floor(next() * 3))];
  };
  const [k, j, i] = SHAPE.map(pick) as [[number, number], [number, number], [number, number]];
  const box: IndexBox = [[k[0], j[0], i[0]], [k[1], j[1], i[1]]];
  const inside = new Uint8Array((k[1] - k[0]) * (j[1] - j[0]) * (i[1] - i[0])).map(() => (next() < 0.6 ? 1 : 0));
  const runs = paintRuns(store, box, inside, value);
  return runs.start.length ? { kind: "paint", mask: MASK.id, box, runs, tool: "brush" } : null;
}

function boxItem(id: string, corner: number): BoxItem {
  return { type: "box", id, label: "liver", index: [[0, 0, 0], [0, corner, corner]], image: "img", frame: null, name: "", lesion: "", attributes: {}, status: "", locked: false };
}

function voxels(mirror: DocumentMirror): number[] {
  const store = mirror.mask(MASK.id)?.store;
  const out: number[] = [];
  for (let k = 0; k < SHAPE[0]; k++)
    for (let j = 0; j < SHAPE[1]; j++)
      for (let i = 0; i < SHAPE[2]; i++) out.push(store?.value([k, j, i] as Triple) ?? -1);
  return out;
}

beforeEach(() => {
  vi.useFakeTimers();
});

async function settle(ms = 400_000): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
}

/** One random history of two tabs and Python over a bad network. */
async function chaos(seed: number): Promise<void> {
  const next = random(seed);
  const host = new FakeHost();
  let bad = true;
  const fate: Fate = (deliver) => {
    const luck = next();
    if (!bad) setTimeout(deliver, 1);
    else if (luck < 0.12) return;
    else if (luck < 0.24) [5, 60].forEach((ms) => setTimeout(deliver, ms));
    else setTimeout(deliver, next() < 0.2 ? 900 * next() : 5);
  };
  host.refuse = (edit) => edit.kind === "put" && edit.item.id.endsWith("7");
  const tabs = [open(host, fate), open(host, fate)];
  const sent: string[] = [];
  const other = new MaskStore(SHAPE, "uint8");
  await settle(30_000);
  for (let step = 0; step < 60; step++) {
    const tab = tabs[Math.floor(next() * 2)] as (typeof tabs)[0];
    const what = next();
    if (what < 0.15) {
      const draft = stroke(next, other, Math.floor(next() * 3));
      if (draft) host.remote({ ...META, ...draft, id: `py${seed}-${step}` } as PaintEdit);
    } else if (what < 0.25) {
      host.remote({ ...META, kind: "put", id: `py${seed}-${step}`, item: boxItem(`b${step % 5}`, step), old: null, at: null });
    } else if (what < 0.7) {
      const store = tab.mirror.mask(MASK.id)?.store;
      const draft = store && stroke(next, store, Math.floor(next() * 3));
      if (draft) sent.push(tab.mirror.applyLocal(draft).id);
    } else if (what < 0.9 && tab.mirror.ready) {
      const edit = tab.mirror.applyLocal({ kind: "put", item: boxItem(`b${step % 9}`, step + 1) });
      if (!(edit.kind === "put" && edit.item.id.endsWith("7"))) sent.push(edit.id);
    } else if (tab.mirror.ready && tab.mirror.canUndo) tab.mirror.undo();
    await vi.advanceTimersByTimeAsync(next() * 400);
  }
  bad = false;
  await settle();
  const once = host.applied.filter((id) => sent.includes(id));
  expect(once).toHaveLength(sent.length);
  expect(new Set(host.applied).size).toBe(host.applied.length);
  for (const { mirror, channel, storage, volumes } of tabs) {
    expect(mirror.unsaved).toBe(0);
    expect(mirror.revision).toBe(host.revision);
    expect(voxels(mirror)).toEqual([...host.voxels]);
    expect(mirror.boxes).toEqual(host.boxes);
    expect(storage.length).toBe(0);
    expect(channel.health.status).toBe("ready");
    const order = host.applied.filter((id) => id.startsWith(`${channel.tab}:`)).map((id) => Number(id.split(":")[1]));
    expect(order).toEqual([...order].sort((a, b) => a - b));
    volumes.close();
    channel.close();
  }
}

describe("tabs and Python converge over a network that loses, repeats and reorders", () => {
  test.each(Array.from({ length: 60 }, (_, n) => n + 1))("history %i", chaos);
});

describe("mirror", () => {
  test("a remote edit under a pending stroke: both end as the host says", async () => {
    const host = new FakeHost();
    let held: (() => void)[] | null = null;
    const { mirror } = open(host, (deliver) => (held ? held.push(deliver) : deliver()));
    await settle(1000);
    held = [];
    const store = mirror.mask(MASK.id)?.store as MaskStore;
    const box: IndexBox = [[0, 0, 0], [1, 2, 2]];
    const all = new Uint8Array(4).fill(1);
    mirror.applyLocal({ kind: "paint", mask: MASK.id, box, runs: paintRuns(store, box, all, 1) });
    expect(store.value([0, 0, 0])).toBe(1);
    expect(mirror.canUndo).toBe(true);
    const other = paintRuns(new MaskStore(SHAPE, "uint8"), box, new Uint8Array([0, 0, 0, 1]), 2);
    host.remote({ ...META, kind: "paint", id: "p", mask: MASK.id, box, runs: other });
    const late = held;
    held = null;
    late.forEach((deliver) => deliver());
    await settle(1000);
    expect(voxels(mirror)).toEqual([...host.voxels]);
    expect(store.value([0, 1, 1])).toBe(1);
    expect(mirror.unsaved).toBe(0);
  });

  test("the same revision of a host that was started again may mean something else", async () => {
    const host = new FakeHost();
    const { mirror, channel } = open(host);
    await settle(1000);
    expect(voxels(mirror)).toEqual([...host.voxels]);
    host.voxels[3] = 1;
    host.run = "second";
    channel.resync();
    await settle(1000);
    expect(voxels(mirror)).toEqual([...host.voxels]);
  });

  test("a refused edit is taken back and its reason told", async () => {
    const host = new FakeHost();
    host.refuse = () => true;
    const { mirror } = open(host);
    await settle(1000);
    const events: string[] = [];
    mirror.on((event) => event.type === "refused" && events.push(event.error.message));
    mirror.applyLocal({ kind: "put", item: boxItem("b", 2) });
    await settle(100);
    expect(mirror.boxes).toEqual([]);
    expect(events).toEqual(["The label is locked"]);
  });

  test("undo of an unanswered stroke shows at once", async () => {
    const host = new FakeHost();
    let held: (() => void)[] | null = null;
    const { mirror } = open(host, (deliver) => (held ? held.push(deliver) : deliver()));
    await settle(1000);
    held = [];
    mirror.applyLocal({ kind: "put", item: boxItem("b", 2) });
    expect(mirror.boxes).toHaveLength(1);
    mirror.undo();
    expect(mirror.boxes).toHaveLength(0);
    const late = held;
    held = null;
    late.forEach((deliver) => deliver());
    await settle(20_000);
    expect(mirror.boxes).toHaveLength(0);
    expect(host.boxes).toHaveLength(0);
    expect(mirror.unsaved).toBe(0);
  });

  test("what was undone can be redone before the host answers", async () => {
    const host = new FakeHost();
    let silent = false;
    const { mirror } = open(host, (deliver) => (silent ? undefined : deliver()));
    await settle(1000);
    silent = true;
    mirror.applyLocal({ kind: "put", item: boxItem("b", 2) });
    expect(mirror.canRedo).toBe(false);
    mirror.undo();
    expect(mirror.canRedo).toBe(true);
    mirror.applyLocal({ kind: "put", item: boxItem("c", 2) });
    expect(mirror.canRedo).toBe(false);
  });

  test("slices with content are fetched before they may be painted", async () => {
    const host = new FakeHost();
    host.voxels[0] = 1;
    let held: (() => void)[] | null = [];
    const { mirror } = open(host, (deliver) => (held ? held.push(deliver) : deliver()));
    const flush = async (): Promise<void> => {
      for (let n = 0; n < 5; n++) {
        const late = held ?? [];
        held = [];
        late.forEach((deliver) => deliver());
        await Promise.resolve();
        if (mirror.ready) return;
      }
    };
    await flush();
    const store = mirror.mask(MASK.id)?.store as MaskStore;
    expect(store.ready(0)).toBe(false);
    expect(store.ready(1)).toBe(true);
    expect(paintRuns(store, [[0, 0, 0], [1, 1, 1]], new Uint8Array([1]), 2).start).toHaveLength(0);
    const late = held ?? [];
    held = null;
    late.forEach((deliver) => deliver());
    await settle(30_000);
    expect(store.ready(0)).toBe(true);
    expect(store.value([0, 0, 0])).toBe(1);
  });

  test("a slice that is fetched again takes strokes meanwhile, and ends as the host says", async () => {
    const host = new FakeHost();
    let held: (() => void)[] | null = null;
    const { mirror } = open(host, (deliver) => (held ? held.push(deliver) : deliver()));
    await settle(1000);
    const store = mirror.mask(MASK.id)?.store as MaskStore;
    const box: IndexBox = [[1, 0, 0], [2, 1, 2]];
    mirror.applyLocal({ kind: "paint", mask: MASK.id, box, runs: paintRuns(store, box, new Uint8Array([1, 0]), 1) });
    held = [];
    host.voxels[SHAPE[1] * SHAPE[2] + 3] = 2;
    const stale = { kind: "paint", id: "x", mask: MASK.id, box: [[0, 0, 0], SHAPE], stale: [1] };
    host.revision++;
    for (const tab of host.tabs)
      tab.deliver({ type: "edited", revision: 2, edit: stale, tab: null, seq: null, can_undo: true, can_redo: false }, []);
    held.shift()?.();
    expect(store.awaits(1)).toBe(true);
    expect(store.ready(1)).toBe(true);
    mirror.applyLocal({ kind: "paint", mask: MASK.id, box, runs: paintRuns(store, box, new Uint8Array([0, 1]), 1) });
    expect(store.value([1, 0, 1])).toBe(1);
    const late = held;
    held = null;
    late.forEach((deliver) => deliver());
    await settle(1000);
    expect(store.value([1, 0, 3])).toBe(2);
    expect(voxels(mirror)).toEqual([...host.voxels]);
  });

  test("large host edits mark slices stale, and they are fetched again", async () => {
    const host = new FakeHost();
    const { mirror } = open(host);
    await settle(1000);
    host.voxels.fill(2);
    host.revision++;
    const stale = { kind: "paint", id: "x", mask: MASK.id, box: [[0, 0, 0], SHAPE], stale: [0, 1, 2, 3] };
    for (const tab of host.tabs)
      tab.deliver({ type: "edited", revision: 1, edit: stale, tab: null, seq: null, can_undo: true, can_redo: false }, []);
    await settle(1000);
    expect(voxels(mirror)).toEqual([...host.voxels]);
    expect(mirror.images).toEqual([IMAGE]);
  });
});

test("changedSince names the slices of later versions", () => {
  const store = new MaskStore(SHAPE, "uint8");
  const before = store.version;
  const box: IndexBox = [[1, 0, 0], [3, 1, 1]];
  const runs = paintRuns(store, box, new Uint8Array([1, 1]), 1);
  const done = store.paint(box, runs);
  expect(store.changedSince(before)).toEqual([1, 2]);
  expect(store.changedSince(store.version)).toEqual([]);
  expect(store.changedSince(0)).toBe("all");
  store.unpaint(box, done);
  expect(store.value([1, 0, 0])).toBe(0);
  expect(() => store.paint([[0, 0, 0], [9, 9, 9]], runs)).toThrow(RangeError);
});
