import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { decode, initDecoder } from "../src/decode";
import { WorkerPool } from "../src/volumes/pool";
import type { Codec, Dtype } from "../src/model/protocol";

interface Entry {
  codec: Codec;
  dtype: Dtype;
  shape: number[];
  bytes: string;
  values: number[];
}

// Written by nbannot.viewer.pixels (tests/viewer/slices.py).
const text = readFileSync(new URL("../../tests/fixtures/slices.json", import.meta.url), "utf8");
const entries = Object.entries(JSON.parse(text) as Record<string, Entry>);
const encoded = ({ codec, dtype, shape, bytes }: Entry) => ({
  codec,
  dtype,
  columns: shape[1] ?? 1,
  size: shape.reduce((a, b) => a * b, 1),
  bytes: Uint8Array.from(Buffer.from(bytes, "base64")),
});

beforeAll(initDecoder);

describe.each(entries)("%s", (_, entry) => {
  test("is bit exact", () => {
    const values = decode(encoded(entry));
    expect([...values]).toEqual(entry.dtype === "float32" ? [...Float32Array.from(entry.values)] : entry.values);
  });
});

test("bytes of another size are refused", () => {
  const one = encoded(entries[0]?.[1] as Entry);
  expect(() => decode({ ...one, size: one.size + 1 })).toThrow(RangeError);
  expect(() => decode({ ...one, codec: "raw", bytes: new Uint8Array(3) })).toThrow(RangeError);
  expect(() => decode({ ...one, bytes: new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8, 9]) })).toThrow(RangeError);
});

test("a coarse slice is enlarged to the whole one", () => {
  for (const channels of [1, 3]) {
    const value = (row: number, column: number): number => 10 * row + column;
    const coarse = [0, 3].flatMap((r) => [0, 3, 6].flatMap((c) => Array.from({ length: channels }, (_, n) => value(r, c) + n)));
    const enlarge = { rows: 5, columns: 7, step: 3, channels };
    const bytes = Uint8Array.from(coarse);
    const values = decode({ codec: "raw", dtype: "uint8", columns: 3, size: coarse.length, bytes, enlarge });
    const expected = Array.from({ length: 5 * 7 * channels }, (_, n) => {
      const [row, column] = [Math.floor(n / channels / 7), Math.floor(n / channels) % 7];
      return value(row - (row % 3), column - (column % 3)) + (n % channels);
    });
    expect([...values]).toEqual(expected);
    expect(() => decode({ codec: "raw", dtype: "uint8", columns: 3, size: 4, bytes: bytes.slice(0, 4), enlarge })).toThrow(RangeError);
  }
});

test("a page without workers decodes by itself, and a closed pool refuses", async () => {
  const pool = new WorkerPool();
  const entry = entries[3]?.[1] as Entry;
  expect([...(await pool.decode(encoded(entry)))]).toEqual(entry.values);
  const last = pool.decode(encoded(entry));
  pool.close();
  await expect(last).rejects.toThrow("closed");
  await expect(pool.decode(encoded(entry))).rejects.toThrow("closed");
});
