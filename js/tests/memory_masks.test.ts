import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { DocumentMirror } from "../src/model/document";
import { Volumes } from "../src/volumes";
import { pageLedger } from "../src/volumes/ledger";
import { IMAGE, MASK } from "./host";
import type { Channel } from "../src/channel";
import type { Slice } from "../src/channel/requests";
import type { Arrival, DecodePool } from "../src/volumes";
import type { ImageJson, MaskState, StateMessage } from "../src/model/protocol";

const KEY = Symbol.for("nbannot.memory.1");
const SHAPE = [1000, 512, 512] as const;
const CT: ImageJson = { ...IMAGE, id: "ct", shape: SHAPE, geometry: { ...IMAGE.geometry, shape: SHAPE } as ImageJson["geometry"] };
const ALL = [...Array(SHAPE[0]).keys()];
const AREA = SHAPE[1] * SHAPE[2];
// What is counted is what the slices would take; here they all are the same two arrays.
const VOXELS = new Int16Array(AREA);
const LABELS = new Uint8Array(AREA).fill(1);

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void delete (globalThis as { [KEY]?: unknown })[KEY]);

function mask(id: string, count: number): MaskState {
  const segments = Array.from({ length: count }, (_, n) => ({ value: n + 1, label: `l${n}`, status: "" as const }));
  return { ...MASK, id, image: "ct", segments, nonzero: ALL };
}

/** A viewer of a CT with masks whose slices come at once, and the largest number of bytes it ever held. */
function open(masks: MaskState[]) {
  const mirror = new DocumentMirror();
  mirror.connect({ reserve: () => ({ seq: 1, id: "t:1" }), send: () => undefined, resync: () => undefined } as never);
  let most = 0;
  const head = { key: "", shape: [SHAPE[1], SHAPE[2]], codec: "raw", revision: 1 } as const;
  const give = async (ks: readonly number[], take: (k: number, slice: Slice) => void, dtype: "int16" | "uint8", signal: AbortSignal) => {
    for (const k of ks) {
      await Promise.resolve();
      if (signal.aborted) return;
      most = Math.max(most, pageLedger().used);
      take(k, { ...head, dtype, bytes: new Uint8Array() });
    }
  };
  const channel = {
    health: { status: "ready", message: "", carrier: "comm" },
    focus: () => undefined,
    imageSlices: (_: ImageJson, __: number, ks: number[], take: never, { signal }: { signal: AbortSignal }) => give(ks, take, "int16", signal),
    maskSlices: (_: string, ks: number[], take: never, signal: AbortSignal) => give(ks, take, "uint8", signal),
  };
  const decode: DecodePool["decode"] = ({ dtype }) => Promise.resolve(dtype === "int16" ? VOXELS : LABELS);
  const volumes = new Volumes(channel as unknown as Channel, mirror, { decode, close: () => undefined });
  const told: Arrival[] = [];
  volumes.onArrive((one) => void (one.kind === "slice" || told.push(one)));
  const state = {
    type: "state", tab: "t", version: "", document: "d", revision: 1, acked: 0, images: [CT], labels: [], boxes: [], shapes: [],
    tags: [], can_undo: false, can_redo: false, http: null, author: "", masks,
  } as unknown as StateMessage;
  const look = async (k: number): Promise<void> => {
    volumes.wantAll([{ image: "ct", frame: 0, slices: [k, k + 1, k - 1, k + 2, k - 2] }]);
    await vi.advanceTimersByTimeAsync(4000);
  };
  const lacking = (k: number): string[] => mirror.masks.filter(({ store }) => !store.slice(k)).map(({ item }) => item.id);
  return { mirror, volumes, told, look, lacking, begin: () => mirror.receiveState(state), most: () => most };
}

test("a CT of 512 × 512 × 1000 with a mask of 104 labels is here as a whole, inside the page's own budget", async () => {
  const { mirror, volumes, told, look, begin, most } = open([mask("organs", 104)]);
  begin();
  await look(500);
  const ledger = pageLedger();
  expect(ledger.budget).toBe(2 ** 31);
  expect(volumes.progress("ct")).toEqual({ have: 1000, total: 1000 });
  expect(mirror.mask("organs")?.store.missing).toEqual([]);
  expect(ledger.used).toBe(1000 * AREA * 2 + 1000 * AREA);
  expect(most()).toBeLessThanOrEqual(ledger.budget);
  expect(told).toEqual([]);
  volumes.close();
});

test("104 masks over all of it, 27 GB, stay inside the budget: what is in view is there, and a message says the rest", async () => {
  const masks = Array.from({ length: 104 }, (_, n) => mask(`m${n}`, 1));
  const { mirror, volumes, told, look, lacking, begin, most } = open(masks);
  begin();
  for (const k of [500, 40, 903]) {
    await look(k);
    expect(volumes.store("ct")?.slice(k)).toBeDefined();
    expect(lacking(k)).toEqual([]);
  }
  const ledger = pageLedger();
  expect(most()).toBeLessThanOrEqual(ledger.budget);
  expect(most()).toBeGreaterThan(0.95 * ledger.budget);
  expect(volumes.masksShort("m7")).toBe(true);
  const words = told.map((one) => (one.kind === "limit" ? one.message : one.kind));
  expect(words).toHaveLength(2);
  expect(words).toContainEqual(expect.stringMatching(/^The labels of this image do not fit into the memory that the page may use \(2\.1 GB\)\. Those around the slices in view are kept/));
  expect(words).toContainEqual(expect.stringMatching(/^This image takes 524 MB and does not fit/));

  // What somebody has drawn and the host has not answered stays, wherever it is.
  const drawn = { start: [0], length: [4], old: [1], new: [0] };
  const runs = Object.fromEntries(Object.entries(drawn).map(([name, values]) => [name, Uint32Array.from(values)]));
  mirror.applyLocal({ kind: "paint", mask: "m3", box: [[903, 0, 0], [904, 1, 4]], runs } as never);
  expect(mirror.settled).toBe(false);
  const held = mirror.masks.reduce((sum, { store }) => sum + store.bytes, 0);
  await look(300);
  expect(mirror.mask("m3")?.store.slice(903)?.[0]).toBe(0);
  expect(mirror.masks.reduce((sum, { store }) => sum + store.bytes, 0)).toBeGreaterThanOrEqual(held);
  expect(pageLedger().used).toBeLessThanOrEqual(ledger.budget);
  volumes.close();
  expect(pageLedger().used).toBe(0);
});

test("with more memory what was left out of the masks comes", async () => {
  const { mirror, volumes, look, begin } = open([mask("organs", 104)]);
  pageLedger().budget = 100 * AREA;
  begin();
  await look(500);
  expect(volumes.masksShort("organs")).toBe(true);
  expect(pageLedger().used).toBeLessThanOrEqual(100 * AREA);
  volumes.setBudget(2 ** 31);
  await vi.advanceTimersByTimeAsync(4000);
  expect(volumes.masksShort("organs")).toBe(false);
  expect(mirror.mask("organs")?.store.missing).toEqual([]);
  volumes.close();
});
