import { readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { decodeEdit, decodeRuns, encodeEdit, encodeRuns } from "../src/model/protocol";
import type { EditJson, Runs } from "../src/model/protocol";

const folder = fileURLToPath(new URL("../../tests/fixtures/protocol/", import.meta.url));
const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "base64"));

interface Golden {
  edit: EditJson;
  buffers: string[];
  runs?: { start: number[]; length: number[]; old: number[]; new: number[] };
}

const files = readdirSync(folder).filter((name) => name.endsWith(".json"));
const golden = files.map((name) => [name, JSON.parse(readFileSync(folder + name, "utf8")) as Golden] as const);

test("there are golden files", () => expect(golden.length).toBeGreaterThan(5));

describe.each(golden)("%s", (_, { edit, buffers, runs }) => {
  test("decodes and encodes to the same JSON and bytes", () => {
    const decoded = decodeEdit(edit, buffers.map(bytes));
    const again = encodeEdit(decoded);
    expect(again.json).toEqual(edit);
    expect(again.buffers.map((one) => Buffer.from(one).toString("base64"))).toEqual(buffers);
  });

  test("holds the runs it says", () => {
    if (!runs) return;
    const decoded = decodeEdit(edit, buffers.map(bytes));
    if (decoded.kind !== "paint") throw new Error("runs belong to a paint edit");
    for (const name of ["start", "length", "old", "new"] as const)
      expect([...decoded.runs[name]]).toEqual(runs[name]);
  });
});

test("damaged runs are refused", () => {
  const column = (...values: number[]): Uint32Array => Uint32Array.from(values);
  const runs: Runs = { start: column(3), length: column(2), old: column(0), new: column(300) };
  const good = encodeRuns(runs);
  expect(decodeRuns(good, 1)).toEqual(runs);
  expect(() => decodeRuns(good.subarray(0, 4), 1)).toThrow(RangeError);
  expect(() => decodeRuns(new Uint8Array([...good, 0]), 1)).toThrow(RangeError);
  expect(() => decodeRuns(new Uint8Array(8).fill(255), 1)).toThrow(RangeError);
  expect(() => encodeRuns({ ...runs, start: column(5, 1), length: column(2, 1), old: column(0, 0), new: column(1, 1) })).toThrow(
    RangeError,
  );
  expect(() => decodeEdit({ kind: "wish" }, [])).toThrow(RangeError);
});
