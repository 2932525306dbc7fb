/** Frames of the websocket: u32 length of the header, the header as JSON, then the buffers one after another. */
import type { Bytes } from "../channel/wire";

export interface Frame {
  readonly message: unknown;
  readonly buffers: readonly Uint8Array[];
}

export function packFrame(message: unknown, buffers: readonly Bytes[] = []): Bytes {
  const header = new TextEncoder().encode(JSON.stringify({ message, sizes: buffers.map(({ length }) => length) }));
  const frame = new Uint8Array(4 + header.length + buffers.reduce((sum, { length }) => sum + length, 0));
  new DataView(frame.buffer).setUint32(0, header.length, true);
  frame.set(header, 4);
  let at = 4 + header.length;
  for (const bytes of buffers) {
    frame.set(bytes, at);
    at += bytes.length;
  }
  return frame;
}

/** Read a frame; throws where it is none. */
export function unpackFrame(data: ArrayBuffer): Frame {
  const length = new DataView(data).getUint32(0, true);
  if (4 + length > data.byteLength) throw new Error("a frame is shorter than it says");
  const { message, sizes } = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length))) as { message: unknown; sizes: readonly number[] };
  let at = 4 + length;
  const buffers = sizes.map((size) => {
    const bytes = new Uint8Array(data, at, size);
    at += size;
    return bytes;
  });
  if (at !== data.byteLength) throw new Error("a frame is longer than it says");
  return { message, buffers };
}
