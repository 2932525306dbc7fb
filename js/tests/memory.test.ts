import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { DocumentMirror } from "../src/model/document";
import { Volumes } from "../src/volumes";
import { Ledger, pageLedger, sizeText } from "../src/volumes/ledger";
import { Motion, Wish, outwards } from "../src/volumes/order";
import { IMAGE, random } from "./host";
import type { Channel } from "../src/channel";
import type { Slice } from "../src/channel/requests";
import type { Arrival, DecodePool } from "../src/volumes";
import type { BandJson, ImageJson, StateMessage } from "../src/model/protocol";

const KEY = Symbol.for("nbannot.memory.1");

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void delete (globalThis as { [KEY]?: unknown })[KEY]);

const still = new Motion();
function moved(slices: -1 | 0 | 1, frames: -1 | 0 | 1 = 0): Motion {
  const motion = new Motion();
  motion.slices = slices;
  motion.frames = frames;
  return motion;
}

describe("order", () => {
  test("wanted slices, then further and further", () => {
    expect(outwards([2, 0], 5)).toEqual([2, 0, 3, 1, 4]);
    expect(outwards([], 4)).toEqual([2, 3, 1, 0]);
    expect(outwards([9], 2).sort()).toEqual([0, 1]);
    expect(outwards([], 0)).toEqual([]);
  });

  test("three ahead for each one behind in the direction of a scroll", () => {
    expect(outwards([4], 10, 1)).toEqual([4, 5, 6, 7, 3, 8, 9, 2, 1, 0]);
    expect(outwards([5], 10, -1)).toEqual([5, 4, 3, 2, 6, 1, 0, 7, 8, 9]);
  });

  test("the direction is seen from what is wanted one after another, and forgotten", () => {
    const motion = new Motion();
    motion.note(0, 5, 10, 0);
    expect([motion.slices, motion.frames]).toEqual([0, 0]);
    motion.note(0, 7, 10, 100);
    expect(motion.slices).toBe(1);
    motion.note(1, 7, 10, 200);
    expect([motion.slices, motion.frames]).toEqual([1, 1]);
    motion.note(0, 6, 10, 300);
    expect([motion.slices, motion.frames]).toEqual([-1, -1]);
    motion.note(9, 6, 10, 400);
    expect(motion.frames).toBe(-1);
    motion.note(0, 6, 10, 500);
    expect(motion.frames).toBe(1);
    motion.note(0, 6, 10, 5000);
    expect([motion.slices, motion.frames]).toEqual([0, 0]);
  });

  test("every slice of every frame comes once, at rising cost", () => {
    const next = random(5);
    for (let round = 0; round < 60; round++) {
      const count = 1 + Math.floor(next() * 9);
      const frames = 1 + Math.floor(next() * 6);
      const slices = Array.from({ length: Math.floor(next() * 4) }, () => Math.floor(next() * (count + 2)) - 1);
      const frame = Math.floor(next() * frames);
      const way = (): -1 | 0 | 1 => (Math.floor(next() * 3) - 1) as -1 | 0 | 1;
      const wish = new Wish({ image: "a", frame, slices }, count, frames, moved(way(), way()), 1 + Math.floor(next() * 4));
      const steps = [...wish.steps()];
      const all = Array.from({ length: count * frames }, (_, n) => `${Math.floor(n / count)}/${n % count}`);
      expect(steps.map((one) => `${one.frame}/${one.k}`).sort()).toEqual(all.sort());
      steps.forEach((one, n) => {
        expect(one.cost).toBe(wish.cost(one.frame, one.k));
        if (n) expect(one.cost).toBeGreaterThanOrEqual(steps[n - 1]?.cost ?? 0);
      });
      expect(steps.slice(0, wish.inView.length).map(({ k }) => k)).toEqual(wish.inView);
    }
  });

  test("a film goes on before the rest of the volume", () => {
    const film = [...new Wish({ image: "a", frame: 3, slices: [0] }, 1, 5, still, 2).steps()];
    expect(film.map((one) => one.frame)).toEqual([3, 4, 0, 1, 2]);
    const back = [...new Wish({ image: "a", frame: 1, slices: [2] }, 3, 4, moved(0, -1), 2).steps()];
    expect(back.slice(0, 4).map((one) => [one.frame, one.k])).toEqual([[1, 2], [0, 2], [3, 2], [1, 1]]);
    const volume = [...new Wish({ image: "a", frame: 1, slices: [2] }, 3, 4, still, 2).steps()];
    expect(volume.slice(0, 3).map((one) => [one.frame, one.k])).toEqual([[1, 2], [1, 1], [1, 0]]);
  });
});

describe("ledger", () => {
  test("gives up what is wanted least, and never for something wanted less", () => {
    const ledger = new Ledger();
    ledger.budget = 100;
    const held = [1, 5, 9, 3];
    const gone: number[] = [];
    const worst = () => {
      const cost = Math.max(...held);
      return held.length ? { cost, drop: () => gone.push(...held.splice(held.indexOf(cost), 1)) } : null;
    };
    const off = ledger.add({ kind: "images", held: () => held.length * 25, worst });
    expect(ledger.used).toBe(100);
    expect(ledger.room(25, 10)).toBe(false);
    expect(ledger.room(25, 4)).toBe(true);
    expect(gone).toEqual([9]);
    expect(ledger.room(101, 0)).toBe(false);
    ledger.budget = 30;
    ledger.settle();
    expect(held).toEqual([1]);
    off();
    expect(ledger.used).toBe(0);
    expect(sizeText(2 ** 31)).toBe("2.1 GB");
    expect(sizeText(41e6)).toBe("41 MB");
  });

  test("is one for the page", () => {
    expect(pageLedger()).toBe(pageLedger());
    expect((globalThis as { [KEY]?: unknown })[KEY]).toBe(pageLedger());
    expect(pageLedger().budget).toBe(2 ** 31);
  });
});

const BYTES = 6 * 5 * 2;

function image(id: string, slices: number, frames = 1): ImageJson {
  return { ...IMAGE, id, shape: [slices, 6, 5], frames };
}

/** A viewer whose slices come a little later, some of them very late. */
function open(images: ImageJson[], carrier: "comm" | "http" = "comm", bands?: (k: number) => [BandJson, Uint8Array<ArrayBuffer>][]) {
  const mirror = new DocumentMirror();
  const fetched: string[] = [];
  const focus: unknown[] = [];
  const channel = {
    health: { status: "ready", message: "", carrier },
    focus: (places: unknown) => void focus.push(places),
    async imageSlices(
      meta: ImageJson, frame: number, ks: number[], take: (k: number, slice: Slice) => void, { signal }: { signal: AbortSignal },
    ) {
      for (const k of ks) {
        await new Promise((done) => setTimeout(done, 5));
        if (signal.aborted) return;
        fetched.push(`${meta.id}/${frame}/${k}`);
        const head = { key: "", dtype: meta.dtype, shape: [6, 5], codec: "raw", revision: 0 } as const;
        if (bands) for (const [band, bytes] of bands(k)) take(k, { ...head, bytes, band });
        else take(k, { ...head, bytes: new Uint8Array(new Int16Array(30).fill(k).buffer) });
      }
    },
  };
  const decoder: DecodePool = {
    decode: ({ bytes }) => Promise.resolve(new Int16Array(bytes.slice().buffer)),
    close: () => undefined,
  };
  const volumes = new Volumes(channel as unknown as Channel, mirror, decoder);
  mirror.receiveState({
    type: "state", tab: "t", version: "", document: "d", revision: 1, acked: 0, images, labels: [], masks: [], boxes: [], shapes: [],
    tags: [], can_undo: false, can_redo: false, http: null, author: "",
  } as StateMessage);
  const told: Arrival[] = [];
  volumes.onArrive((one) => void told.push(one));
  const here = (id: string, frame = 0): number[] => [...(volumes.store(id, frame)?.here ?? [])].sort((a, b) => a - b);
  const want = (id: string, slices: number[], frame = 0): void => volumes.wantAll([{ image: id, frame, slices }]);
  return { volumes, fetched, told, here, want, focus };
}

describe("a volume larger than the budget", () => {
  test("scrolls end to end inside it; what is in view is there, the rest is what is near", async () => {
    const ledger = pageLedger();
    ledger.budget = 10 * BYTES;
    const { volumes, told, here, want } = open([image("a", 60)]);
    const next = random(11);
    for (let k = 0; k < 60; k += 1 + Math.floor(next() * 4)) {
      want("a", [k, k + 1, k - 1]);
      for (let n = 0; n < 12; n++) {
        await vi.advanceTimersByTimeAsync(next() < 0.3 ? 40 : 3);
        expect(ledger.used).toBeLessThanOrEqual(ledger.budget);
      }
      await vi.advanceTimersByTimeAsync(100);
      expect(volumes.store("a")?.slice(k)?.[0]).toBe(k);
      expect(here("a").length).toBe(10);
      expect(Math.max(...here("a").map((one) => Math.abs(one - k)))).toBeLessThan(60 - k > 10 ? 12 : 13);
    }
    expect(told.filter((one) => one.kind === "limit").map((one) => one.image)).toEqual(["a"]);
    expect(volumes.progress("a")).toEqual({ have: 10, total: 10 });
    expect(volumes.memory()).toEqual({ used: ledger.used, budget: ledger.budget });
    volumes.close();
    expect(ledger.used).toBe(0);
  });

  test("loading ends where the memory is full, and goes on with more of it", async () => {
    pageLedger().budget = 4 * BYTES;
    const { volumes, fetched, here, want } = open([image("a", 20)]);
    want("a", [10]);
    await vi.advanceTimersByTimeAsync(5000);
    expect(here("a")).toEqual([9, 10, 11, 12]);
    expect(fetched).toHaveLength(4);
    volumes.setBudget(100 * BYTES);
    await vi.advanceTimersByTimeAsync(5000);
    expect(here("a")).toHaveLength(20);
    volumes.setBudget(3 * BYTES);
    expect(here("a")).toHaveLength(3);
    expect(here("a")).toContain(10);
    volumes.close();
  });

  test("a slice that alone is too large is refused with words", async () => {
    pageLedger().budget = BYTES - 1;
    const { volumes, told, fetched, want } = open([image("a", 3)]);
    want("a", [1]);
    await vi.advanceTimersByTimeAsync(5000);
    expect(fetched).toEqual([]);
    expect(told.map((one) => one.kind)).toEqual(["limit"]);
    expect(volumes.store("a")?.failed.get(1)).toMatch(/One slice of this image takes/);
    volumes.close();
  });

  test("two viewers share the budget; each keeps what it shows", async () => {
    pageLedger().budget = 8 * BYTES;
    const one = open([image("a", 30)]);
    const two = open([image("a", 30)]);
    one.want("a", [3, 4]);
    await vi.advanceTimersByTimeAsync(2000);
    expect(one.here("a")).toHaveLength(8);
    two.want("a", [20, 21]);
    await vi.advanceTimersByTimeAsync(2000);
    expect(pageLedger().used).toBeLessThanOrEqual(8 * BYTES);
    expect(one.here("a")).toEqual(expect.arrayContaining([3, 4]));
    expect(two.here("a")).toEqual(expect.arrayContaining([20, 21]));
    one.volumes.close();
    two.want("a", [21]);
    await vi.advanceTimersByTimeAsync(2000);
    expect(two.here("a")).toHaveLength(8);
    two.volumes.close();
  });
});

test("images that left the view go first, the one left longest ago before all", async () => {
  pageLedger().budget = 12 * BYTES;
  const { here, want, volumes } = open([image("a", 4), image("b", 4), image("c", 4), image("d", 3)]);
  for (const id of ["a", "b", "c", "d"]) {
    want(id, [0]);
    await vi.advanceTimersByTimeAsync(3000);
  }
  expect(["a", "b", "c", "d"].map((id) => here(id).length)).toEqual([1, 4, 4, 3]);
  volumes.close();
});

test("images in view go on together; over HTTP the others follow while half of the memory is free", async () => {
  pageLedger().budget = 40 * BYTES;
  const { fetched, here, volumes, focus } = open([image("a", 6), image("b", 6), image("c", 6), image("d", 90)], "http");
  volumes.wantAll([{ image: "b", frame: 0, slices: [2] }, { image: "a", frame: 0, slices: [3] }]);
  await vi.advanceTimersByTimeAsync(5000);
  expect(focus).toEqual([[["b", 0, 2], ["a", 0, 3]]]);
  expect(fetched[0]).toBe("b/0/2");
  expect(new Set(fetched.slice(0, 12).map((key) => key[0]))).toEqual(new Set(["a", "b"]));
  expect(new Set(fetched.slice(0, 8).map((key) => key[0])).size).toBe(2);
  expect(here("c")).toHaveLength(6);
  expect(here("d").length).toBeGreaterThan(0);
  expect(pageLedger().used).toBeLessThanOrEqual(20 * BYTES);
  volumes.close();
});

test("a film is fetched ahead in the direction it plays", async () => {
  const { fetched, want, volumes } = open([image("a", 5, 8)]);
  want("a", [2], 0);
  await vi.advanceTimersByTimeAsync(6);
  want("a", [2], 1);
  await vi.advanceTimersByTimeAsync(6);
  want("a", [2], 2);
  await vi.advanceTimersByTimeAsync(30);
  const ahead = fetched.slice(0, 9).filter((key) => ["a/3/2", "a/4/2", "a/5/2"].includes(key));
  expect(ahead).toHaveLength(3);
  volumes.close();
});

test("a large slice is seen small at once, whole in the end, in whatever order its bands come", async () => {
  const rows = (first: number): Uint8Array<ArrayBuffer> => new Uint8Array(new Int16Array(15).fill(first).buffer);
  for (const order of [[0, 1, 2], [2, 0, 1], [1, 2, 0]]) {
    const parts: [BandJson, Uint8Array<ArrayBuffer>][] = [
      [[0, 3, 0, 6, 4], new Uint8Array(new Int16Array(4).fill(-1).buffer)],
      [[1, 3, 0, 3, 1], rows(10)],
      [[2, 3, 3, 3, 1], rows(13)],
    ];
    const { want, volumes, told } = open([image("a", 1)], "comm", () => order.flatMap((n) => [parts[n]!, parts[n]!]));
    want("a", [0]);
    await vi.advanceTimersByTimeAsync(100);
    const store = volumes.store("a");
    expect([...(store?.slice(0) ?? [])]).toEqual([...Array<number>(15).fill(10), ...Array<number>(15).fill(13)]);
    expect(store?.partial.size).toBe(0);
    expect(store?.reduced.small?.slice(0)).toBeUndefined();
    expect(told.length).toBeGreaterThanOrEqual(order.at(-1) === 0 ? 1 : 2);
    expect(volumes.progress("a")).toEqual({ have: 1, total: 1 });
    volumes.close();
  }
});
