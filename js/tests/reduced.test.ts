import { expect, test } from "vitest";
import { IMAGE } from "./host";
import { reduced } from "../src/decode";
import type { DecodePool } from "../src/decode";
import type { Slice } from "../src/channel/requests";
import type { BandJson, ImageJson, Triple } from "../src/model/protocol";
import type { TypedArray } from "../src/model/masks";
import { greyTable } from "../src/render/colormaps";
import type { ImageLayer, SliceStore } from "../src/render/renderer";
import { reducedLayer } from "../src/ui/composition";
import { Assembly } from "../src/volumes/assemble";
import { factorsOf } from "../src/volumes/reduced";
import { Volume } from "../src/volumes/volume";

const SHAPE: Triple = [1, 1030, 1100];
const image: ImageJson = { ...IMAGE, shape: SHAPE, dtype: "uint16", color: false };
const value = (j: number, i: number): number => 3 * j + ((i * 31) % 17);

const decoder: DecodePool = {
  decode: ({ bytes, reduce }, smaller) => {
    const values = new Uint16Array(bytes.slice().buffer);
    if (reduce) smaller?.(reduced(values, reduce));
    return Promise.resolve(values);
  },
  close: () => undefined,
};

function rows(first: number, count: number): Uint16Array {
  return Uint16Array.from({ length: count * SHAPE[2] }, (_, n) => value(first + Math.floor(n / SHAPE[2]), n % SHAPE[2]));
}

function part(band: BandJson, values: Uint16Array): Slice {
  return {
    key: "", dtype: "uint16", shape: [SHAPE[1], SHAPE[2]], codec: "raw", revision: 0, band,
    bytes: new Uint8Array(values.slice().buffer),
  };
}

const equal = (a: TypedArray | undefined, b: TypedArray): boolean => a?.length === b.length && a.every((one, n) => one === b[n]);

const small = (): Slice => part([0, 3, 0, SHAPE[1], 3], new Uint16Array(344 * 367).fill(7));

function layer(store: SliceStore, step: number, more: Partial<ImageLayer> = {}): ImageLayer {
  return {
    kind: "image", store, window: { lower: 0, upper: 100 }, table: greyTable(false), interpolate: true, opacity: 1, lower: null,
    clip: null, plane: { width: 50, height: 40, origin: [0, 10, 20], du: [0, 0, step], dv: [0, step, 0] }, ...more,
  };
}

test("only large slices of short integers are made smaller, to 128 pixels at least", () => {
  expect(factorsOf([1, 3036, 3036], "uint16")).toEqual([2, 4, 8, 16]);
  expect(factorsOf([1, 4096, 5000], "uint16")).toEqual([2, 4, 8, 16]);
  expect(factorsOf([300, 512, 512], "int16")).toEqual([]);
  expect(factorsOf([1, 3036, 3036], "float32")).toEqual([]);
});

test("copies are counted as memory", () => {
  const volume = new Volume(image, 0);
  expect(volume.bytes).toBe(Math.ceil(SHAPE[1] * SHAPE[2] * 2 * (1 + 1 / 4 + 1 / 16 + 1 / 64)));
  expect(volume.held).toBe(0);
  volume.begin(0, 3, new Uint16Array(344 * 367));
  expect(volume.held).toBe(volume.bytes);
  expect([...volume.here]).toEqual([0]);
  volume.drop(0);
  expect(volume.held).toBe(0);
  expect(volume.reduced.small?.slice(0)).toBeUndefined();
});

test("a slice in parts: small, then growing copies, then whole with its copies", async () => {
  const volume = new Volume(image, 0);
  const assembly = new Assembly(decoder);
  const shown: boolean[] = [];
  const take = (slice: Slice): Promise<void> => assembly.take(volume, 0, slice, (complete) => void shown.push(complete));
  await take(small());
  expect(shown).toEqual([false]);
  expect(volume.slice(0)).toBeUndefined();
  expect(volume.needs(0)).toBe(true);
  expect(volume.reduced.pick(1, [0, 0], false)?.factor).toBe(3);
  await new Promise((done) => setTimeout(done, 160));
  await take(part([1, 3, 0, 512, 1], rows(0, 512)));
  expect(shown).toEqual([false, false]);
  const level = volume.reduced.pick(1, [0, 0], false)!;
  expect(level.factor).toBe(2);
  expect(level.slice(0)![5 * 550 + 5]).toBe(Math.floor((value(10, 10) + value(10, 11) + value(11, 10) + value(11, 11)) / 4 + 0.5));
  expect(level.slice(0)![300 * 550 + 5]).toBe(7);
  await take(part([2, 3, 512, 518, 1], rows(512, 518)));
  expect(shown).toEqual([false, false, true]);
  expect([...volume.slice(0)!.subarray(0, 4)]).toEqual([0, 1, 2, 3].map((i) => value(0, i)));
  const whole = reduced(rows(0, SHAPE[1]), { rows: SHAPE[1], columns: SHAPE[2], channels: 1, factors: [2, 4, 8] });
  volume.reduced.levels.forEach((one, n) => expect(equal(one.slice(0), whole[n]!)).toBe(true));
  expect(volume.reduced.pick(1, [0, 0], true)).toBeNull();
});

test("bands that begin elsewhere give no copies, and the slice all the same", async () => {
  const volume = new Volume(image, 0);
  const assembly = new Assembly(decoder);
  for (const one of [small(), part([1, 3, 0, 502, 1], rows(0, 502)), part([2, 3, 502, 528, 1], rows(502, 528))])
    await assembly.take(volume, 0, one, () => undefined);
  expect(equal(volume.slice(0), rows(0, SHAPE[1]))).toBe(true);
  expect(volume.reduced.pick(9, [0, 0], true)).toBeNull();
});

test("a copy is drawn where a pixel covers two or more voxels, and at the right place", () => {
  const volume = new Volume(image, 0);
  const values = rows(0, SHAPE[1]);
  const copies: TypedArray[] = reduced(values, volume.reduce(0, SHAPE[1])!);
  volume.put(0, values, copies);
  const store = volume as SliceStore;
  const factor = (given: ImageLayer): number => (reducedLayer(given, volume.reduced).store as { factor?: number }).factor ?? 1;
  expect([0.3, 1, 1.99, 2, 3.9, 4, 7.9, 40].map((step) => factor(layer(store, step)))).toEqual([1, 1, 1, 2, 2, 4, 4, 8]);
  const { plane } = reducedLayer(layer(store, 4), volume.reduced);
  expect(plane.origin).toEqual([0, 10.5 / 4 - 0.5, 20.5 / 4 - 0.5]);
  expect([plane.du, plane.dv]).toEqual([[0, 0, 1], [0, 1, 0]]);
  // A magnifier, a slab, a threshold and planes across the slices take the voxels themselves.
  expect(reducedLayer(layer(store, 4), volume.reduced, true).store).toBe(store);
  expect(factor(layer(store, 4, { lower: 3 }))).toBe(1);
  const flat = layer(store, 4).plane;
  expect(factor(layer(store, 4, { plane: { ...flat, slab: { mode: "mip", step: [1, 0, 0], count: 3 } } }))).toBe(1);
  expect(factor(layer(store, 4, { plane: { ...flat, dv: [0.1, 0, 0] } }))).toBe(1);
});
