import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Requests } from "../src/channel/requests";
import type { Slice } from "../src/channel/requests";
import type { BytesMessage } from "../src/model/protocol";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const KEY = "image/a/0/7";

function road() {
  const sent: { type: string; keys?: readonly string[] }[] = [];
  const wire = { send: (message: { type: string }) => void sent.push(message), onMessage: () => () => undefined };
  return { requests: new Requests("t", wire as never, () => undefined), sent };
}

const bytes = (key: string, rid = 0): BytesMessage =>
  ({ type: "bytes", tab: "t", rid, key, dtype: "uint8", shape: [1, 2], codec: "raw" });

test("what the host announces is taken, not asked for, whether it comes before or after somebody wants it", async () => {
  for (const early of [true, false]) {
    const { requests, sent } = road();
    requests.expect([KEY, "s/a/0/64"]);
    const found: Slice[] = [];
    if (early) requests.receive(bytes(KEY), [new Uint8Array([1, 2])]);
    const done = requests.get([KEY], (slice) => void found.push(slice), { urgent: true });
    if (!early) requests.receive(bytes(KEY), [new Uint8Array([1, 2])]);
    await done;
    expect(found.map((one) => [one.key, ...one.bytes])).toEqual([[KEY, 1, 2]]);
    expect(sent).toEqual([]);
    // A second time it has to be asked for.
    void requests.get([KEY], () => undefined);
    expect(sent.map((one) => one.keys)).toEqual([[KEY]]);
  }
});

test("other keys are asked for, and what is announced but lost is asked for in the end", async () => {
  const { requests, sent } = road();
  requests.expect([KEY]);
  void requests.get(["image/a/0/8"], () => undefined);
  const done = requests.get([KEY], () => undefined);
  expect(sent.map((one) => one.keys)).toEqual([["image/a/0/8"]]);
  requests.retry(Date.now() + 11_000);
  expect(sent.map((one) => one.keys)).toContainEqual([KEY]);
  requests.receive(bytes(KEY, 2), [new Uint8Array([1, 2])]);
  await done;
});

test("an announced slice that cannot be had is an error of whoever wants it", async () => {
  const { requests } = road();
  requests.expect([KEY]);
  const done = requests.get([KEY], () => undefined);
  const error = { kind: "FormatError", message: "The file ends early", hint: "" };
  requests.receive({ type: "bytes_error", tab: "t", rid: 0, key: KEY, error } as never, []);
  await expect(done).rejects.toThrow("The file ends early");
});

test("what nobody wants is forgotten", async () => {
  const { requests, sent } = road();
  requests.expect([KEY]);
  requests.receive(bytes(KEY), [new Uint8Array([1, 2])]);
  requests.retry(Date.now() + 11_000);
  void requests.get([KEY], () => undefined);
  expect(sent.map((one) => one.keys)).toEqual([[KEY]]);
});
