/** Reads slices out of an HTTP answer while it comes. */

import type { BandJson, Codec } from "../model/protocol";
import type { Bytes } from "./wire";

const CODECS: readonly Codec[] = ["raw", "zstd", "lorenzo-zstd", "shuffle-zstd"];
const IN_BANDS = CODECS.length;
const MOST = 2 ** 31;

/** A slice or a part of it, still compressed. */
export interface HttpPart {
  readonly k: number;
  readonly codec: Codec;
  readonly bytes: Bytes;
  readonly band?: BandJson;
}

/**
 * Takes `[u32 k][u32 codec][u32 length][bytes]…` in any pieces and hands over each part once it is
 * whole. With codec 4 the bytes are `[u32 count]` and for each part `[u32 first row][u32 rows]
 * [u32 step][u32 codec][u32 length][bytes]`. Throws RangeError for anything else.
 */
export class SliceParser {
  #next: Bytes = new Uint8Array(12);
  #filled = 0;
  #then: (bytes: Bytes) => void = (head) => this.#slice(head);
  #k = 0;
  #atStart = true;

  constructor(readonly onPart: (part: HttpPart) => void) {}

  push(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) {
      const count = Math.min(chunk.length - at, this.#next.length - this.#filled);
      this.#next.set(chunk.subarray(at, at + count), this.#filled);
      this.#filled += count;
      at += count;
      this.#atStart = false;
      if (this.#filled === this.#next.length) this.#then(this.#next);
    }
  }

  /** The answer has ended; throws where that was in the middle of a slice. */
  end(): void {
    if (!this.#atStart) throw new RangeError("a slice is cut off");
  }

  #read(length: number, then: (bytes: Bytes) => void): void {
    if (length > MOST) throw new RangeError("a slice is too long");
    this.#next = new Uint8Array(length);
    this.#filled = 0;
    this.#then = then;
    if (length === 0) then(this.#next);
  }

  #start(): void {
    this.#read(12, (head) => this.#slice(head));
    this.#atStart = true;
  }

  #slice(head: Bytes): void {
    const [k = 0, number = 0, length = 0] = numbers(head);
    this.#k = k;
    if (number === IN_BANDS) return this.#read(4, (count) => this.#band(0, numbers(count)[0] ?? 0));
    const codec = codecOf(number);
    this.#read(length, (bytes) => {
      this.onPart({ k, codec, bytes });
      this.#start();
    });
  }

  #band(n: number, count: number): void {
    if (n >= count) return this.#start();
    this.#read(20, (head) => {
      const [first = 0, rows = 0, step = 0, number = 0, length = 0] = numbers(head);
      const codec = codecOf(number);
      this.#read(length, (bytes) => {
        this.onPart({ k: this.#k, codec, bytes, band: [n, count, first, rows, step] });
        this.#band(n + 1, count);
      });
    });
  }
}

function numbers(bytes: Bytes): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length >> 2 }, (_, n) => view.getUint32(4 * n, true));
}

function codecOf(number: number): Codec {
  const codec = CODECS[number];
  if (!codec) throw new RangeError("a slice has an unknown codec");
  return codec;
}
