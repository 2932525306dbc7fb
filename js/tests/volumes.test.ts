import { beforeEach, expect, test, vi } from "vitest";
import { Channel } from "../src/channel";
import { DocumentMirror } from "../src/model/document";
import { Volumes } from "../src/volumes";
import { FakeHost, SHAPE, connect } from "./host";
import type { DecodePool } from "../src/volumes";
import type { Fate } from "./host";

beforeEach(() => void vi.useFakeTimers());

const PLANE = SHAPE[1] * SHAPE[2];

function open(fate?: Fate, decode?: DecodePool["decode"]) {
  const host = new FakeHost();
  const mirror = new DocumentMirror();
  const channel = new Channel(connect(host, fate), mirror, { storage: null, base: null });
  const decoder = {
    decode: decode ?? (({ bytes }) => Promise.resolve(new Int16Array(bytes.slice().buffer))),
    close: vi.fn(),
  } satisfies DecodePool;
  const volumes = new Volumes(channel, mirror, decoder);
  channel.start();
  return { host, mirror, channel, decoder, volumes };
}

test("the slice in view comes alone and first, the rest from there outwards", async () => {
  const { host, volumes } = open();
  await vi.advanceTimersByTimeAsync(10);
  const arrived: number[] = [];
  volumes.onArrive((one) => arrived.push(one.k));
  const store = volumes.store("img");
  expect(store?.slice(2)).toBeUndefined();
  const before = store?.version ?? 0;
  volumes.wantAll([{ image: "img", frame: 0, slices: [2] }]);
  await vi.advanceTimersByTimeAsync(1000);
  expect(host.gets[0]).toEqual(["image/img/0/2"]);
  expect(arrived[0]).toBe(2);
  expect([...arrived].sort()).toEqual([0, 1, 2, 3]);
  expect(store?.slice(3)).toEqual(new Int16Array(PLANE).fill(3));
  expect(store?.changedSince(before)).toHaveLength(4);
  expect(volumes.progress("img")).toEqual({ have: 4, total: 4 });
  expect(host.gets.flat()).toHaveLength(4);
});

test("a slice that cannot be decoded is fetched once more, told then, and tried again on demand", async () => {
  let count = 0;
  let bad = 2;
  const decode: DecodePool["decode"] = ({ bytes }) =>
    (count++ === 0 || bytes[0] === 1) && bad-- > 0
      ? Promise.reject(new RangeError("damaged"))
      : Promise.resolve(new Int16Array(bytes.slice().buffer));
  const { volumes, host } = open(undefined, decode);
  await vi.advanceTimersByTimeAsync(10);
  const failed: string[] = [];
  volumes.onArrive((one) => one.kind === "failed" && failed.push(`${one.k} ${one.message}`));
  volumes.wantAll([{ image: "img", frame: 0, slices: [1] }]);
  await vi.advanceTimersByTimeAsync(1000);
  expect(failed).toEqual([]);
  expect(volumes.progress("img").have).toBe(3);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(failed).toEqual(["1 damaged"]);
  expect(volumes.progress("img").have).toBe(3);
  expect(host.gets.flat()).toHaveLength(5);
  expect(volumes.store("img")?.failed.get(1)).toBe("damaged");
  volumes.retry();
  await vi.advanceTimersByTimeAsync(1000);
  expect(volumes.progress("img")).toEqual({ have: 4, total: 4 });
  expect(volumes.store("img")?.failed.size).toBe(0);
});

test("closing frees the voxels and cancels what is on its way", async () => {
  let held: (() => void)[] | null = null;
  const { volumes, decoder, channel } = open((deliver) => (held ? held.push(deliver) : deliver()));
  await vi.advanceTimersByTimeAsync(10);
  const store = volumes.store("img");
  volumes.wantAll([{ image: "img", frame: 0, slices: [1] }]);
  await vi.advanceTimersByTimeAsync(100);
  expect(store?.have).toBe(4);
  held = [];
  volumes.close();
  channel.close();
  expect(store?.have).toBe(0);
  expect(volumes.store("img")?.have).toBe(0);
  expect(decoder.close).toHaveBeenCalledOnce();
  expect(vi.getTimerCount()).toBe(0);
});
