import { beforeEach, expect, test, vi } from "vitest";
import type { Slice } from "../src/channel/requests";
import type { ImageJson } from "../src/model/protocol";
import { Sketches } from "../src/volumes/sketches";
import { Volume } from "../src/volumes/volume";

beforeEach(() => void vi.useFakeTimers());

const IMAGE = {
  id: "img", shape: [40, 6, 5], frames: 1, dtype: "int16", color: false, geometry: { kind: "grid" },
} as unknown as ImageJson;

function open(image = IMAGE) {
  const asked: string[] = [];
  const told: Volume[] = [];
  let answer: (slice: Slice | undefined) => void = () => undefined;
  let refuse: (error: Error) => void = () => undefined;
  const road = {
    sketch: (id: string, frame: number, edge: number) => {
      asked.push(`${id}/${frame}/${edge}`);
      return new Promise<Slice | undefined>((yes, no) => ([answer, refuse] = [yes, no]));
    },
  };
  const done = vi.fn();
  const decoder = { decode: ({ bytes }: { bytes: Uint8Array }) => Promise.resolve(new Int16Array(bytes.slice().buffer)) };
  const sketches = new Sketches(road, decoder, (one) => void told.push(one), done, new AbortController().signal);
  const reply = (): void => {
    const values = Int16Array.from({ length: 8 * 6 * 5 }, (_, n) => n);
    answer({
      key: "", dtype: "int16", shape: [8, 6, 5], codec: "raw", bytes: new Uint8Array(values.buffer), revision: 0,
      preview: { affine: [], factors: [5, 1, 1], slope: 2, intercept: 3 },
    });
  };
  return { sketches, volume: new Volume(image, 0), asked, told, done, reply, refuse: () => refuse(new Error("no")) };
}

test("a sketch is asked for once somebody misses slices, and goes with the last slice", async () => {
  const { sketches, volume, asked, told, done, reply } = open();
  sketches.fetch(volume);
  expect(asked).toEqual([]);
  expect(sketches.of(volume)).toBeUndefined();
  sketches.fetch(volume);
  sketches.fetch(volume);
  expect(asked).toEqual(["img/0/64"]);
  expect(sketches.first).toBe(true);
  reply();
  await vi.advanceTimersByTimeAsync(0);
  expect([told, sketches.first]).toEqual([[volume], false]);
  expect(done).toHaveBeenCalled();
  const found = sketches.of(volume);
  expect([found?.factors, found?.slope, found?.intercept]).toEqual([[5, 1, 1], 2, 3]);
  expect(found?.store.slice(7)?.[0]).toBe(7 * 30);
  for (let k = 0; k < 40; k++) {
    expect(sketches.of(volume)).toBe(found);
    volume.put(k, new Int16Array(30));
    sketches.note(volume);
  }
  expect(sketches.of(volume)).toBeUndefined();
});

test("nobody waits for it for long, and a failure is no trouble", async () => {
  const { sketches, volume, asked, done, refuse } = open();
  sketches.of(volume);
  sketches.fetch(volume);
  await vi.advanceTimersByTimeAsync(700);
  expect([sketches.first, done.mock.calls.length]).toEqual([false, 1]);
  refuse();
  await vi.advanceTimersByTimeAsync(0);
  sketches.fetch(volume);
  expect([asked.length, sketches.of(volume)]).toEqual([1, undefined]);
});

test("few slices, colour and loose planes have none", () => {
  const others = [{ shape: [31, 6, 5] }, { color: true }, { geometry: { kind: "stack" } }] as unknown as Partial<ImageJson>[];
  for (const more of others) {
    const { sketches, volume, asked } = open({ ...IMAGE, ...more });
    sketches.of(volume);
    sketches.fetch(volume);
    expect(asked).toEqual([]);
  }
});
