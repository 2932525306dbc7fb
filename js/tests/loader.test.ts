import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { fetchModule } from "../src/channel/modules";
import { widgetWire } from "../src/channel/wire";
import type { WidgetModel } from "../src/channel/wire";

type Listener = (message: unknown, buffers?: ArrayBuffer[]) => void;

class FakeModel {
  readonly sent: unknown[] = [];
  readonly #listeners = new Set<Listener>();
  get(): unknown { return undefined; }
  set(): void {}
  save_changes(): void {}
  send(content: unknown): void { this.sent.push(content); }
  on(_: string, listener: Listener): void { this.#listeners.add(listener); }
  off(_: string, listener: Listener): void { this.#listeners.delete(listener); }
  reply(message: unknown, buffers: ArrayBuffer[] = []): void {
    for (const listener of [...this.#listeners]) listener(message, buffers);
  }
  get listening(): number { return this.#listeners.size; }
}

const asModel = (model: FakeModel): WidgetModel => model as unknown as WidgetModel;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it("asks again until the host answers, then stops listening", async () => {
  const model = new FakeModel();
  const found = fetchModule(widgetWire(asModel(model)), "abc");
  const refused = expect(found).rejects.toThrow(/different versions of nbannot.*reload the page/);
  vi.advanceTimersByTime(6100);
  expect(model.sent).toEqual(Array.from({ length: 4 }, () => ({ type: "module" })));
  model.reply({ type: "state" });
  expect(model.listening).toBe(1);
  const packed = gzipSync("export default () => ({})");
  model.reply({ type: "module", hash: "other" }, [new Uint8Array(packed).buffer]);
  await refused;
  expect(model.listening).toBe(0);
  vi.advanceTimersByTime(10_000);
  expect(model.sent).toHaveLength(4);
});

it("takes only the module it asked for by name", async () => {
  const model = new FakeModel();
  const found = fetchModule(widgetWire(asModel(model)), "abc", "volume3d");
  const refused = expect(found).rejects.toThrow(/different versions/);
  expect(model.sent).toEqual([{ type: "module", name: "volume3d" }]);
  model.reply({ type: "module", hash: "viewer" }, [new ArrayBuffer(1)]);
  model.reply({ type: "module", name: "other", hash: "abc" }, [new ArrayBuffer(1)]);
  expect(model.listening).toBe(1);
  model.reply({ type: "module", name: "volume3d", hash: "old" }, [new ArrayBuffer(1)]);
  await refused;
});
