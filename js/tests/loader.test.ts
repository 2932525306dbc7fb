import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
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
  vi.stubGlobal("MODULE_HASH", "abc");
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

it("asks again until the host answers, then stops listening", async () => {
  const { fetchModule } = await import("../src/loader");
  const model = new FakeModel();
  const found = fetchModule(asModel(model));
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
