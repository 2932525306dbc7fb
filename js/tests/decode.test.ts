import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { decode, initDecoder, reduced } from "../src/decode";
import { WorkerPool } from "../src/volumes/pool";
import type { Codec, Dtype } from "../src/model/protocol";

interface Entry {
  codec: Codec;
  dtype: Dtype;
  shape: number[];
  bytes: string;
  values: number[];
}

// Written by nbannot.host.pixels (tests/host/slices.py).
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

test.each([[64, 32, 1], [37, 21, 1], [37, 21, 3], [16, 1, 1]])("smaller copies of %i x %i x %i are means", (rows, columns, channels) => {
  for (const [Type, low] of [[Uint8Array, 0], [Int16Array, -30000], [Uint16Array, 9000]] as const) {
    const values = new Type(rows * columns * channels);
    values.forEach((_, n) => (values[n] = low + ((n * 7919) % 251) * (Type === Uint8Array ? 1 : 37)));
    const copies = reduced(values, { rows, columns, channels, factors: [2, 4, 8, 16] });
    [2, 4, 8, 16].forEach((f, n) => {
      const [high, wide] = [Math.ceil(rows / f), Math.ceil(columns / f)];
      const expected = Array.from({ length: high * wide * channels }, (_, at) => {
        const [j, i, c] = [Math.floor(at / channels / wide) * f, (Math.floor(at / channels) % wide) * f, at % channels];
        let [sum, count] = [0, 0];
        for (let y = j; y < Math.min(j + f, rows); y++)
          for (let x = i; x < Math.min(i + f, columns); x++, count++) sum += values[(y * columns + x) * channels + c]!;
        return sum / count;
      });
      expect(copies[n]).toHaveLength(expected.length);
      expected.forEach((value, at) => expect(Math.abs(copies[n]![at]! - value)).toBeLessThanOrEqual(0.5 + 1e-9));
    });
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
