import { describe, expect, it, vi, beforeEach, afterEach } from "vitest";
import { COMMANDS } from "../src/commands";
import { Channel } from "../src/channel";
import { DocumentMirror } from "../src/model/document";
import { Activity } from "../src/page/activity";
import { savingText } from "../src/page/bar";
import { savingOf } from "../src/page/case";
import { packFrame, unpackFrame } from "../src/page/frames";
import { PAGE_KEYS, pageKey } from "../src/page/keys";
import { readerTerms } from "../src/page/terms";
import { ServiceWire, type RoadState, type Socket } from "../src/page/wire";

class FakeSocket {
  binaryType = "";
  onopen: (() => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  readonly sent: Record<string, unknown>[] = [];
  closed = false;
  send(data: Uint8Array<ArrayBuffer>): void {
    this.sent.push(unpackFrame(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength)).message as Record<string, unknown>);
  }
  close(): void {
    this.closed = true;
  }
  open(): void {
    this.onopen?.();
  }
  lose(code = 1006): void {
    this.onclose?.({ code });
  }
  say(message: unknown, buffers: Uint8Array<ArrayBuffer>[] = []): void {
    this.onmessage?.({ data: packFrame(message, buffers).buffer });
  }
  of(type: string): Record<string, unknown>[] {
    return this.sent.filter((one) => one["type"] === type);
  }
}

function road(why: RoadState | null = null): { wire: ServiceWire; sockets: FakeSocket[]; states: RoadState[] } {
  const sockets: FakeSocket[] = [];
  const states: RoadState[] = [];
  const connect = (): Socket => {
    const made = new FakeSocket();
    sockets.push(made);
    return made as unknown as Socket;
  };
  const wire = new ServiceWire({ connect, load: () => Promise.reject(new Error("none")), why: () => Promise.resolve(why), random: () => 0.5 });
  wire.onState((state) => states.push(state));
  return { wire, sockets, states };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("frames", () => {
  it("keeps message and buffers", () => {
    const frame = packFrame({ type: "ä", n: 1 }, [new Uint8Array([1, 2]), new Uint8Array(), new Uint8Array([3])]);
    const { message, buffers } = unpackFrame(frame.buffer);
    expect(message).toEqual({ type: "ä", n: 1 });
    expect(buffers.map((one) => [...one])).toEqual([[1, 2], [], [3]]);
  });

  it("refuses what is torn", () => {
    const { buffer } = packFrame({ type: "x" }, [new Uint8Array(8)]);
    expect(() => unpackFrame(buffer.slice(0, -1))).toThrow();
    expect(() => unpackFrame(new ArrayBuffer(3))).toThrow();
    expect(() => unpackFrame(new Uint8Array([255, 255, 0, 0, 1]).buffer)).toThrow();
  });
});

describe("the road to the service", () => {
  it("comes back after each loss, later and later, and at once when the network does", async () => {
    const { wire, sockets, states } = road();
    sockets[0]!.open();
    expect(states).toEqual(["open"]);
    sockets[0]!.lose();
    expect(wire.state).toBe("lost");
    expect(() => wire.send({ type: "bye", tab: "t" })).toThrow();
    await vi.advanceTimersByTimeAsync(299);
    expect(sockets).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(sockets).toHaveLength(2);
    sockets[1]!.lose();
    await vi.advanceTimersByTimeAsync(599);
    expect(sockets).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(1);
    expect(sockets).toHaveLength(3);
    for (let n = 0; n < 20; n++) {
      sockets.at(-1)!.lose();
      await vi.advanceTimersByTimeAsync(5000);
    }
    expect(sockets.length).toBeGreaterThan(20);
    sockets.at(-1)!.lose();
    const before = sockets.length;
    globalThis.dispatchEvent?.(new Event("online"));
    wire.retry();
    expect(sockets.length).toBeGreaterThan(before);
    wire.close();
  });

  it("opens at once what is shown otherwise now", () => {
    const { wire, sockets, states } = road();
    sockets[0]!.open();
    sockets[0]!.lose(4410);
    expect(sockets).toHaveLength(2);
    sockets[1]!.open();
    expect(states).toEqual(["open", "opening", "open"]);
    wire.close();
  });

  it.each([[4401, "loggedOut"], [4404, "gone"], [4409, "takenOver"]] as const)("does not come back after %i", async (code, state) => {
    const { wire, sockets } = road();
    sockets[0]!.open();
    sockets[0]!.say({ type: "closing", reason: "why" });
    sockets[0]!.lose(code);
    expect(wire.state).toBe(state);
    expect(wire.reason).toBe("why");
    await vi.advanceTimersByTimeAsync(60_000);
    expect(sockets).toHaveLength(1);
    wire.again();
    expect(sockets).toHaveLength(2);
    wire.close();
  });

  it("finds out that the login is over where the service only refuses", async () => {
    const { wire, sockets } = road("loggedOut");
    sockets[0]!.lose();
    await vi.advanceTimersByTimeAsync(0);
    expect(wire.state).toBe("loggedOut");
    await vi.advanceTimersByTimeAsync(60_000);
    expect(sockets).toHaveLength(1);
    wire.close();
  });

  it("asks until it is answered, also by the next connection", async () => {
    const { wire, sockets } = road();
    const answer = wire.ask({ type: "submit", comment: "" });
    expect(sockets[0]!.sent).toHaveLength(0);
    sockets[0]!.open();
    expect(sockets[0]!.of("submit")).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(sockets[0]!.of("submit").length).toBeGreaterThan(1);
    sockets[0]!.lose();
    await vi.advanceTimersByTimeAsync(300);
    sockets[1]!.open();
    expect(sockets[1]!.of("submit")).toHaveLength(1);
    sockets[1]!.say({ type: "answered", rid: 1, ok: true });
    expect(await answer).toMatchObject({ ok: true });
    await vi.advanceTimersByTimeAsync(30_000);
    expect(sockets[1]!.of("submit")).toHaveLength(1);
    wire.close();
  });

  it("keeps the newest view for the next connection", async () => {
    const { wire, sockets } = road();
    wire.keepView({ frame: 1 });
    wire.keepView({ frame: 2 });
    sockets[0]!.open();
    expect(sockets[0]!.of("view")).toEqual([{ type: "view", view: { frame: 2 } }]);
    wire.close();
  });

  it("says Saved only when it is known what an earlier page left", () => {
    const { wire, sockets } = road();
    const left = { kind: "put", id: "old:7", item: { type: "label", id: "a", name: "a", color: "#ff0000" }, old: null, at: null, author: "", time: 1, origin: "hand", tool: "", undoes: null };
    const entries = new Map([["nbannot/pending/d/old/7", JSON.stringify({ edit: left, buffers: [] })]]);
    const storage = {
      get length() {
        return entries.size;
      },
      key: (n: number) => [...entries.keys()][n] ?? null,
      getItem: (key: string) => entries.get(key) ?? null,
      setItem: (key: string, value: string) => void entries.set(key, value),
      removeItem: (key: string) => void entries.delete(key),
    };
    const mirror = new DocumentMirror();
    const channel = new Channel(wire, mirror, { storage, base: null });
    const saving = (): string => savingText(savingOf(mirror, wire.state)).text;
    channel.start();
    sockets[0]!.open();
    expect(saving()).toBe("Opening …");
    const state = (acked: number): unknown => ({
      type: "state", tab: channel.tab, version: "nbannot-protocol/1", document: "d", revision: acked, acked, images: [], labels: [], masks: [],
      boxes: [], shapes: [], tags: [], can_undo: false, can_redo: false, http: null, author: "", config: null,
    });
    sockets[0]!.say(state(0));
    expect(saving()).toBe("Saving, 1 change waiting");
    // The service cannot take it now: it is neither taken back nor forgotten.
    sockets[0]!.say({ type: "later", tab: channel.tab, seq: 1, error: { kind: "StoreError", message: "The service cannot save now", hint: "" } });
    expect(saving()).toBe("Saving, 1 change waiting");
    expect([mirror.labels.length, entries.size]).toEqual([1, 1]);
    expect(channel.health.status).toBe("busy");
    sockets[0]!.say({ type: "acked", tab: channel.tab, seq: 1, revision: 0 });
    expect(saving()).toBe("Saved");
    expect(entries.size).toBe(0);
    channel.close();
    wire.close();
  });

  it("gives a case up that was never open and cannot be opened, not one that was", async () => {
    for (const was of [false, true]) {
      const { wire, sockets } = road();
      sockets[0]!.open();
      if (was) sockets[0]!.say({ type: "opened", task: "t" });
      for (let n = 0; n < 12; n++) {
        sockets.at(-1)!.lose(1013);
        await vi.advanceTimersByTimeAsync(6000);
      }
      expect(wire.state).toBe(was ? "lost" : "gone");
      wire.close();
    }
  });

  it("sends edits made without a connection when it is back, once each and in their order", async () => {
    const { wire, sockets } = road();
    const mirror = new DocumentMirror();
    const channel = new Channel(wire, mirror, { storage: null, base: null });
    channel.start();
    const state = (tab: string, acked: number): unknown => ({
      type: "state", tab, version: "nbannot-protocol/1", document: "d", revision: acked, acked, images: [], labels: [], masks: [],
      boxes: [], shapes: [], tags: [], can_undo: false, can_redo: false, http: null, author: "", config: null,
    });
    sockets[0]!.open();
    await vi.advanceTimersByTimeAsync(2500);
    expect(sockets[0]!.of("hello").length).toBeGreaterThan(0);
    sockets[0]!.say(state(channel.tab, 0));
    sockets[0]!.lose();
    const label = (id: string): never => ({ kind: "put", item: { type: "label", id, name: id, color: "#ff0000" }, old: null, tool: "labels" }) as never;
    mirror.applyLocal(label("a"));
    mirror.applyLocal(label("b"));
    expect(mirror.unsaved).toBe(2);
    await vi.advanceTimersByTimeAsync(300);
    sockets[1]!.open();
    await vi.advanceTimersByTimeAsync(3000);
    sockets[1]!.say(state(channel.tab, 0));
    const seqs = sockets[1]!.of("edit").map(({ seq }) => seq);
    expect(seqs).toEqual([1, 2]);
    sockets[1]!.say(state(channel.tab, 2));
    expect(mirror.unsaved).toBe(0);
    channel.close();
    wire.close();
  });
});

describe("keys of the page", () => {
  it("are none of the viewer's", () => {
    const taken = new Set(COMMANDS.flatMap(({ keys }) => keys));
    expect(PAGE_KEYS.filter(([key]) => taken.has(key))).toEqual([]);
  });

  it("are those of no menu of a browser", () => {
    // Chromium: F, E, D; Firefox: F, E, V, S, B, T, H.
    for (const [key] of PAGE_KEYS) expect(key).not.toMatch(/^alt\+[fedvsbth]$/);
  });

  it("are known by their place, since Alt types other letters on a Mac", () => {
    const none = { ctrlKey: false, metaKey: false, altKey: true, shiftKey: false };
    expect(pageKey({ ...none, key: "˜", code: "KeyN" })).toBe("alt+n");
    expect(pageKey({ ...none, altKey: false, ctrlKey: true, shiftKey: true, key: "Enter", code: "Enter" })).toBe("ctrl+shift+enter");
  });
});

describe("what a reader may do", () => {
  it("never is to take pictures or headers away", () => {
    const { allows } = readerTerms([], "");
    expect(["view.screenshot", "image.header"].filter(allows)).toEqual([]);
    expect(COMMANDS.map(({ id }) => id).filter((id) => !allows(id))).toEqual(["image.header", "view.screenshot"]);
  });

  it("is what the configuration says, and to look", () => {
    const { allows } = readerTerms(["ruler"], "");
    expect(["tool.ruler", "tool.window", "tool.pan", "edit.undo", "shape.lock"].every(allows)).toBe(true);
    expect(["tool.brush", "tool.polygon", "brush.larger", "operations.toggle"].some(allows)).toBe(false);
  });

  it("is to look where the case is submitted", () => {
    const { allows } = readerTerms([], "It is submitted.");
    expect(["tool.crosshair", "slice.next", "window.preset_1", "help.toggle"].every(allows)).toBe(true);
    expect(["tool.brush", "tool.ruler", "edit.undo", "annotation.remove", "operations.toggle"].some(allows)).toBe(false);
  });
});

describe("what is said about keeping", () => {
  it.each([
    [{ waiting: 0, road: "open" }, "Saved", "good"],
    [{ waiting: 3, road: "open" }, "Saving, 3 changes waiting", "busy"],
    [{ waiting: 1, road: "lost" }, "Offline, 1 change waiting", "bad"],
    [{ waiting: 0, road: "lost" }, "Offline, all saved", "bad"],
    [{ waiting: 2, road: "loggedOut" }, "Logged out, 2 changes waiting", "bad"],
  ] as const)("%j", (saving, text, level) => {
    expect(savingText(saving)).toEqual({ text, level });
  });
});

describe("the time worked", () => {
  it("counts while somebody does something, and a minute longer", () => {
    let now = 0;
    const told: number[] = [];
    const activity = new Activity((seconds) => told.push(seconds), { now: () => now });
    for (; now <= 10_000; now += 500) activity.tick(true);
    activity.flush();
    expect(told).toEqual([10]);
    // Nobody touches it any more: after a minute nothing is counted.
    for (; now <= 600_000; now += 500) activity.tick(true);
    activity.flush();
    expect(told.reduce((sum, one) => sum + one, 0)).toBeLessThanOrEqual(62);
  });

  it("does not count a page that is hidden", () => {
    let now = 0;
    const told: number[] = [];
    const activity = new Activity((seconds) => told.push(seconds), { now: () => now });
    for (; now <= 30_000; now += 500) activity.tick(false);
    activity.flush();
    expect(told).toEqual([]);
  });
});
