import { expect, it } from "vitest";
import { Requests, type Slice } from "../src/channel/requests";
import { previewKey } from "../src/model/protocol";
import { Previews } from "../src/volumes/previews";

function road(): { asked: string[]; aborted: string[]; answer: (key: string) => void; previews: Previews; close: () => void } {
  const asked: string[] = [];
  const aborted: string[] = [];
  const waiting = new Map<string, (slice: Slice | undefined) => void>();
  const closing = new AbortController();
  const previews = new Previews(
    {
      preview(id, frame, edge, signal) {
        const key = `${id}/${frame}/${edge}`;
        asked.push(key);
        return new Promise((resolve) => {
          waiting.set(key, resolve);
          signal.addEventListener("abort", () => {
            aborted.push(key);
            resolve(undefined);
          });
        });
      },
    },
    { decode: async ({ size }) => new Int16Array(size) },
    closing.signal,
  );
  const answer = (key: string): void => {
    const preview = { affine: [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], factors: [2, 2, 2] as const, slope: 1, intercept: 0 };
    waiting.get(key)!({ key, dtype: "int16", shape: [2, 3, 4], codec: "raw", bytes: new Uint8Array(48), revision: 7, preview });
  };
  return { asked, aborted, answer, previews, close: () => closing.abort() };
}

it("asks once for what several want, and keeps it", async () => {
  const { asked, answer, previews } = road();
  const both = [previews.get("a", 0, 64), previews.get("a", 0, 64)];
  answer("a/0/64");
  const [one, two] = await Promise.all(both);
  expect(one).toBe(two);
  expect(one!.shape).toEqual([2, 3, 4]);
  expect(one!.values).toHaveLength(24);
  expect(one!.factors).toEqual([2, 2, 2]);
  await previews.get("a", 0, 64);
  expect(asked).toEqual(["a/0/64"]);
});

it("asks again for a mask, which may have changed", async () => {
  const { asked, answer, previews } = road();
  for (let n = 1; n <= 2; n++) {
    const found = previews.get("m", null, 64);
    answer("m/null/64");
    expect((await found).revision).toBe(7);
    expect(asked).toHaveLength(n);
  }
});

it("is cancelled when the last one leaves", async () => {
  const { aborted, answer, previews, close } = road();
  const [first, second] = [new AbortController(), new AbortController()];
  const one = previews.get("a", 0, 64, first.signal);
  const two = previews.get("a", 0, 64, second.signal);
  first.abort();
  await expect(one).rejects.toMatchObject({ name: "AbortError" });
  expect(aborted).toEqual([]);
  answer("a/0/64");
  await two;
  const three = previews.get("b", 0, 64, second.signal);
  second.abort();
  await expect(three).rejects.toMatchObject({ name: "AbortError" });
  expect(aborted).toEqual(["b/0/64"]);
  const four = previews.get("c", 0, 64);
  close();
  await expect(four).rejects.toMatchObject({ name: "AbortError" });
});

it("comes with its place and its scale", async () => {
  const sent: unknown[] = [];
  const wire = { send: (message: unknown) => void sent.push(message), onMessage: () => () => undefined };
  const requests = new Requests("T", wire, () => undefined);
  const slices: Slice[] = [];
  const key = previewKey("img", 2, 64);
  const done = requests.get([key], (slice) => slices.push(slice));
  expect(sent).toEqual([{ type: "get", tab: "T", rid: 1, keys: ["p/img/2/64"], urgent: false }]);
  const place = { affine: [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], factors: [1, 2, 2] as const, slope: 0.5, intercept: -3 };
  const head = { type: "bytes", tab: "T", rid: 1, key, dtype: "uint16", shape: [1, 1, 1], codec: "raw" } as const;
  requests.receive({ ...head, ...place }, [new Uint8Array(2)]);
  await done;
  expect(slices[0]!.preview).toEqual(place);
  expect(previewKey("m", null, 64)).toBe("q/m/64");
});
