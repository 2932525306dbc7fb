import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Channel, ranges } from "../src/channel";
import { jupyterBase } from "../src/channel/http";
import { SliceParser } from "../src/channel/parts";
import type { HttpPart } from "../src/channel/parts";
import { SliceError } from "../src/channel/requests";
import { DocumentMirror } from "../src/model/document";
import { FakeHost, IMAGE, MemoryStorage, SHAPE, connect } from "./host";
import type { Fate } from "./host";
import type { Slice } from "../src/channel/requests";
import type { BoxItem, HostMessage } from "../src/model/protocol";

const box = (id: string): BoxItem => ({
  type: "box",
  id,
  label: "liver",
  index: [[0, 0, 0], [0, 2, 2]],
  image: "img",
  frame: null,
  name: "",
  lesion: "",
  attributes: {},
  status: "",
  locked: false,
});

const open = (host: FakeHost, storage: MemoryStorage | null = new MemoryStorage(), fate?: Fate, base: string | null = null) => {
  const mirror = new DocumentMirror();
  const wire = connect(host, fate);
  const channel = new Channel(wire, mirror, { storage, base });
  channel.start();
  return { mirror, channel, wire };
};

beforeEach(() => void vi.useFakeTimers());
afterEach(() => vi.unstubAllGlobals());

const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

describe("edits", () => {
  test("what a closed page could not deliver, the next one of the document does, once and in order", async () => {
    const host = new FakeHost();
    const storage = new MemoryStorage();
    let dead = false;
    const first = open(host, storage, (deliver) => (dead ? undefined : deliver()));
    dead = true;
    const ids = ["a", "b", "c"].map((id) => first.mirror.applyLocal({ kind: "put", item: box(id) }).id);
    expect(storage.length).toBe(3);
    expect([...storage.entries.keys()][0]).toBe(`nbannot/pending/doc/${first.channel.tab}/1`);
    first.channel.close();
    const second = open(host, storage);
    await pass(5000);
    expect(host.applied).toEqual(ids);
    expect(second.mirror.boxes.map((one) => one.id)).toEqual(["a", "b", "c"]);
    expect(storage.length).toBe(0);
    second.channel.close();
    open(host, storage);
    await pass(5000);
    expect(host.applied).toEqual(ids);
  });

  test("two viewers on one page leave each other's edits alone", async () => {
    const host = new FakeHost();
    const storage = new MemoryStorage();
    let lost = false;
    const first = open(host, storage, (deliver) => (lost ? undefined : deliver()));
    lost = true;
    first.mirror.applyLocal({ kind: "put", item: box("a") });
    open(host, storage);
    await pass(100);
    expect(host.applied).toEqual([]);
    lost = false;
    await pass(10_000);
    expect(host.applied).toEqual([`${first.channel.tab}:1`]);
  });

  test("what the host cannot keep now stays, is shown, and is sent again in its order", async () => {
    const host = new FakeHost();
    const storage = new MemoryStorage();
    const { mirror, channel } = open(host, storage);
    const refused: unknown[] = [];
    mirror.on((event) => event.type === "refused" && refused.push(event));
    await pass(100);
    host.away = true;
    const ids = ["a", "b"].map((id) => mirror.applyLocal({ kind: "put", item: box(id) }).id);
    await pass(60_000);
    expect(mirror.boxes.map((one) => one.id)).toEqual(["a", "b"]);
    expect([mirror.unsaved, storage.length]).toEqual([2, 2]);
    expect(channel.health.status).toBe("busy");
    expect(channel.health.message).toBe("The database cannot be reached. 2 edits are kept in this browser and sent again.");
    host.away = false;
    ids.push(mirror.applyLocal({ kind: "put", item: box("c") }).id);
    await pass(7000);
    expect(host.applied).toEqual(ids);
    expect([mirror.unsaved, storage.length]).toEqual([0, 0]);
    expect(refused).toEqual([]);
    expect(channel.health).toMatchObject({ status: "ready", message: "" });
    channel.close();
  });

  test("a number that was given out and never used holds nothing up", async () => {
    const host = new FakeHost();
    const { mirror, channel } = open(host);
    await pass(100);
    channel.reserve();
    const { id } = mirror.applyLocal({ kind: "put", item: box("a") });
    await pass(3000);
    expect(host.applied).toEqual([id]);
    expect(mirror.unsaved).toBe(0);
    channel.close();
  });

  test("a storage that is full is told, and the edit still goes", async () => {
    const host = new FakeHost();
    const storage = new MemoryStorage();
    const { mirror, channel } = open(host, storage);
    const errors: string[] = [];
    channel.onError((error) => errors.push(error.kind));
    storage.full = true;
    mirror.applyLocal({ kind: "put", item: box("a") });
    await pass(100);
    expect(errors).toEqual(["StorageError"]);
    expect(host.applied).toHaveLength(1);
  });

  test("an edit too large for one message is not sent, and the lane goes on", async () => {
    const host = new FakeHost();
    const { mirror, channel } = open(host);
    await pass(100);
    const refuse = vi.spyOn(mirror, "refuse");
    const column = (make: (k: number) => number): Uint32Array => Uint32Array.from({ length: 1_200_000 }, (_, k) => make(k));
    const runs = { start: column((k) => k * 3500), length: column(() => 1), old: column(() => 300), new: column(() => 400) };
    const { seq, id } = channel.reserve();
    const meta = { id, author: "", time: 0, origin: "hand", tool: "", undoes: null };
    channel.send(seq, { kind: "paint", mask: "m1", box: [[0, 0, 0], [1, 1, 1]], runs, ...meta });
    mirror.applyLocal({ kind: "put", item: box("a") });
    await pass(5000);
    expect(refuse.mock.calls[0]?.[1].message).toBe("This edit of 8 MB is too large for one message");
    expect(host.boxes).toHaveLength(1);
    expect(mirror.unsaved).toBe(0);
  });
});

describe("health", () => {
  test("connecting, ready, busy, ready again", async () => {
    const host = new FakeHost();
    let deaf = true;
    const { channel, mirror } = open(host, null, (deliver) => (deaf ? undefined : deliver()));
    expect(channel.health.status).toBe("connecting");
    await pass(7000);
    expect(channel.health.message).toContain("does not answer");
    deaf = false;
    await pass(3000);
    expect(channel.health.status).toBe("ready");
    deaf = true;
    mirror.applyLocal({ kind: "put", item: box("a") });
    await pass(9000);
    expect(channel.health.status).toBe("busy");
    expect(channel.health.message).toContain("1 edit is kept");
    deaf = false;
    await pass(60_000);
    expect(channel.health).toEqual({ status: "ready", message: "", carrier: "comm" });
    expect(host.applied).toHaveLength(1);
  });

  test("no connection, and back", async () => {
    const host = new FakeHost();
    const { channel, wire, mirror } = open(host, null);
    await pass(100);
    wire.cut = true;
    mirror.applyLocal({ kind: "put", item: box("a") });
    expect(channel.health.status).toBe("disconnected");
    expect(channel.health.message).toContain("run the cell again");
    await pass(10_000);
    wire.cut = false;
    await pass(5000);
    expect(channel.health.status).toBe("ready");
    expect(host.applied).toHaveLength(1);
  });

  test("versions that differ", async () => {
    const host = new FakeHost();
    host.version = "nbannot-protocol/0";
    const { channel, mirror } = open(host, null);
    await pass(5000);
    expect(channel.health.status).toBe("skew");
    expect(channel.health.message).toContain("reload the page");
    expect(mirror.ready).toBe(false);
  });

  test("a message that cannot be read is told, and the state asked for", async () => {
    const host = new FakeHost();
    const { channel } = open(host, null);
    await pass(100);
    const errors: string[] = [];
    channel.onError((error) => errors.push(error.message));
    const edit = { kind: "wish", id: "x" };
    for (const tab of host.tabs)
      tab.deliver({ type: "edited", revision: 1, edit, tab: null, seq: null, can_undo: false, can_redo: false }, []);
    expect(errors[0]).toContain("could not be read");
    await pass(3000);
    expect(channel.health.status).toBe("ready");
  });
});

describe("slices", () => {
  test("are asked for again when they do not come, and cancelled", async () => {
    const host = new FakeHost();
    let deaf = false;
    const { channel } = open(host, null, (deliver) => (deaf ? undefined : deliver()));
    deaf = true;
    const got: number[] = [];
    const signal = new AbortController();
    const done = channel.imageSlices(IMAGE, 0, [2, 3], (k) => got.push(k), { signal: signal.signal });
    await pass(9000);
    deaf = false;
    await pass(3000);
    await done;
    expect(got).toEqual([2, 3]);
    deaf = true;
    const never = channel.imageSlices(IMAGE, 0, [1], (k) => got.push(k), { signal: signal.signal });
    signal.abort();
    await never;
    deaf = false;
    await pass(60_000);
    expect(got).toEqual([2, 3]);
    channel.close();
  });

  test("an error of the host names the slices; the others come", async () => {
    const host = new FakeHost();
    const { channel } = open(host, null);
    const receive = host.receive.bind(host);
    const error = { kind: "FormatError", message: "The file ends early", hint: "Copy it again." };
    host.receive = (message, buffers) => {
      if (message.type !== "get") return receive(message, buffers);
      const bad: HostMessage = { type: "bytes_error", tab: message.tab, rid: message.rid, key: "image/img/0/1", error };
      for (const tab of host.tabs) tab.deliver(bad, []);
      receive({ ...message, keys: message.keys.filter((key) => key !== "image/img/0/1") }, buffers);
    };
    const got: number[] = [];
    const wanted = channel.imageSlices(IMAGE, 0, [0, 1, 2], (k) => got.push(k), { signal: new AbortController().signal });
    const failure = (await wanted.catch((cause: unknown) => cause)) as SliceError;
    expect(failure).toBeInstanceOf(SliceError);
    expect(failure.message).toBe("The file ends early. Copy it again.");
    expect(failure.keys).toEqual(["image/img/0/1"]);
    expect(got).toEqual([0, 2]);
  });
});

describe("http", () => {
  const words = (...values: number[]): number[] => [...new Uint8Array(Uint32Array.from(values).buffer)];
  const part = (k: number, codec: number, bytes: number[]): number[] => [...words(k, codec, bytes.length), ...bytes];

  test("parses ranges and refuses torn answers", () => {
    const band = (head: number[], bytes: number[]): number[] => [...words(...head, bytes.length), ...bytes];
    const bands = [...words(2), ...band([0, 9, 4, 1], [5]), ...band([0, 9, 1, 2], [6, 7])];
    const body = Uint8Array.from([...part(3, 2, [1, 2]), ...part(5, 4, bands), ...part(4, 0, [])]);
    for (const pieces of [1, 3, 11, body.length]) {
      const got: HttpPart[] = [];
      const parser = new SliceParser((one) => got.push(one));
      for (let at = 0; at < body.length; at += pieces) parser.push(body.subarray(at, at + pieces));
      parser.end();
      expect(got.map(({ k, codec, bytes, band: place }) => [k, codec, [...bytes], place])).toEqual([
        [3, "lorenzo-zstd", [1, 2], undefined],
        [5, "zstd", [5], [0, 2, 0, 9, 4]],
        [5, "lorenzo-zstd", [6, 7], [1, 2, 0, 9, 1]],
        [4, "raw", [], undefined],
      ]);
    }
    const torn = new SliceParser(() => undefined);
    torn.push(body.subarray(0, 13));
    expect(() => torn.end()).toThrow(RangeError);
    expect(() => new SliceParser(() => undefined).push(Uint8Array.from(part(0, 9, [])))).toThrow(RangeError);
    expect(ranges([5, 1, 2, 3, 7])).toEqual([[1, 3], [5, 5], [7, 7]]);
  });

  test("the page says where the server is, and whether the extension is loaded", () => {
    const say = (config: unknown): string | null => {
      const text = JSON.stringify(config);
      vi.stubGlobal("document", { getElementById: () => ({ textContent: text }) });
      vi.stubGlobal("location", { origin: "https://hub.example.org" });
      return jupyterBase();
    };
    expect(say({ baseUrl: "/user/a", nbannotHttp: "nbannot/v1" })).toBe("https://hub.example.org/user/a/");
    expect(say({ baseUrl: "/user/a/" })).toBeNull();
    expect(say(null)).toBeNull();
  });

  const serve = (nonce: string, status = 200): string[] => {
    const asked: string[] = [];
    vi.stubGlobal("fetch", (url: string) => {
      asked.push(url);
      if (url.endsWith("/probe")) return Promise.resolve(new Response(JSON.stringify({ nonce })));
      // The server has only slice 1.
      const body = url.endsWith("/0-2") ? Uint8Array.from(part(1, 0, [7])) : new Uint8Array();
      return Promise.resolve(new Response(status === 200 ? body : null, { status }));
    });
    return asked;
  };
  const fetchAll = async (channel: Channel): Promise<[number, number][]> => {
    const got: [number, number][] = [];
    const take = (k: number, slice: Slice): void => void got.push([k, slice.bytes.length]);
    await channel.imageSlices(IMAGE, 0, [0, 1, 2], take, { signal: new AbortController().signal, urgent: true });
    return got;
  };
  const whole = SHAPE[1] * SHAPE[2] * 2;

  test("is used after a good probe; what it lacks comes by comm", async () => {
    const asked = serve("n1");
    const host = new FakeHost();
    host.http = { url: "nbannot/v1/abc", nonce: "n1" };
    const { channel } = open(host, null, undefined, "http://localhost/user/a/");
    await pass(10);
    expect(channel.health.carrier).toBe("http");
    expect(await fetchAll(channel)).toEqual([[1, 1], [0, whole], [2, whole]]);
    expect(asked).toEqual([
      "http://localhost/user/a/nbannot/v1/abc/probe",
      "http://localhost/user/a/nbannot/v1/abc/img/0/0-2",
    ]);
  });

  test("goes on bringing what the kernel's other thread publishes while the kernel is busy", async () => {
    let published = false;
    vi.stubGlobal("fetch", (url: string) => {
      if (url.endsWith("/probe")) return Promise.resolve(new Response(JSON.stringify({ nonce: "n1" })));
      return Promise.resolve(new Response(published ? Uint8Array.from(part(2, 0, [7])) : new Uint8Array()));
    });
    const host = new FakeHost();
    host.http = { url: "nbannot/v1/abc", nonce: "n1" };
    const { channel } = open(host, null, undefined, "http://localhost/");
    await pass(10);
    const messages: string[] = [];
    host.receive = (message) => void messages.push(message.type);
    const got: number[] = [];
    const options = { signal: new AbortController().signal, urgent: true };
    const wanted = channel.imageSlices(IMAGE, 0, [2], (k) => got.push(k), options);
    await pass(5000);
    expect(got).toEqual([]);
    published = true;
    await pass(5000);
    await wanted;
    expect(got).toEqual([2]);
    expect(messages).toContain("cancel");
  });

  test("is left alone when another machine answers", async () => {
    const asked = serve("other");
    const host = new FakeHost();
    host.http = { url: "nbannot/v1/abc", nonce: "n1" };
    const { channel } = open(host, null, undefined, "http://localhost/");
    await pass(10);
    expect(channel.health.carrier).toBe("comm");
    expect(await fetchAll(channel)).toHaveLength(3);
    expect(asked).toHaveLength(1);
  });

  test("is given up after three failures", async () => {
    const asked = serve("n1", 403);
    const host = new FakeHost();
    host.http = { url: "nbannot/v1/abc", nonce: "n1" };
    const { channel } = open(host, null, undefined, "http://localhost/");
    await pass(10);
    for (let n = 0; n < 4; n++) expect(await fetchAll(channel)).toHaveLength(3);
    expect(asked).toHaveLength(4);
    expect(channel.health.carrier).toBe("comm");
  });
});
