import { expect, test } from "vitest";
import { Channel } from "../src/channel";
import { SliceError } from "../src/channel/requests";
import { DocumentMirror } from "../src/model/document";
import { FakeHost, connect } from "./host";
import type { BrowserMessage, HostMessage, WireError } from "../src/model/protocol";

const open = (answer: (key: string) => unknown): { channel: Channel; asked: BrowserMessage[] } => {
  const host = new FakeHost();
  const asked: BrowserMessage[] = [];
  const receive = host.receive.bind(host);
  host.receive = (message, buffers) => {
    if (message.type !== "get") return receive(message, buffers);
    asked.push(message);
    const head = { tab: message.tab, rid: message.rid, key: message.keys[0] ?? "" };
    const found = answer(head.key);
    const isError = typeof found === "object" && found !== null && "kind" in found;
    const bytes = new TextEncoder().encode(JSON.stringify(found));
    const reply: HostMessage = isError
      ? { type: "bytes_error", ...head, error: found as WireError }
      : { type: "bytes", ...head, dtype: "uint8", shape: [bytes.length], codec: "raw" };
    for (const tab of host.tabs) tab.deliver(reply, isError ? [] : [bytes]);
  };
  const channel = new Channel(connect(host), new DocumentMirror(), { storage: null, base: null });
  channel.start();
  return { channel, asked };
};

test("a header and what is known of an image come as rows", async () => {
  const rows = [[0, "(0010,0010)", "Patient's Name", "PN", "Müller^Ä"]];
  const { channel, asked } = open((key) => (key === "header/a/b/2/7" ? rows : [["Size", "5 × 6"]]));
  expect(await channel.header("a/b", 2, 7)).toEqual(rows);
  expect(await channel.info("a/b")).toEqual([["Size", "5 × 6"]]);
  expect(asked.map((one) => one.type === "get" && [one.keys, one.urgent])).toEqual([
    [["header/a/b/2/7"], true],
    [["info/a/b"], true],
  ]);
  channel.close();
});

test("a header that may not be shown is an error with words; an aborted one is empty", async () => {
  const error = { kind: "HeaderRefusedError", message: "Headers of files are not shown here", hint: "" };
  const { channel } = open(() => error);
  const failure: unknown = await channel.header("img", 0, 0).catch((cause: unknown) => cause);
  expect(failure).toBeInstanceOf(SliceError);
  expect((failure as SliceError).message).toBe("Headers of files are not shown here");
  expect((failure as SliceError).detail.kind).toBe("HeaderRefusedError");
  expect(await channel.header("img", 0, 0, AbortSignal.abort())).toEqual([]);
  channel.close();
});
