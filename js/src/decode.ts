/** The slice codecs: bytes of a compressed slice → values. The inverse of nbannot.host.pixels. */

import { ZSTDDecoder } from "zstddec";
import type { Codec, Dtype } from "./model/protocol";
import type { TypedArray } from "./model/masks";

export interface Encoded {
  readonly codec: Codec;
  readonly dtype: Dtype;
  /** Number of values. */
  readonly size: number;
  /** Length of a row in values (for the predictor). */
  readonly columns: number;
  readonly bytes: Uint8Array;
  /** Make smaller copies as well. */
  readonly reduce?: Reduce;
}

/** Copies of rows x columns pixels: the means of blocks of so many by so many. */
export interface Reduce {
  readonly rows: number;
  readonly columns: number;
  /** Values per pixel: 3 in colour. */
  readonly channels: number;
  /** Powers of two, from 2 on, each the double of the one before, 16 at most. */
  readonly factors: readonly number[];
}

/** Turns compressed slices into values; the viewer's own, ended with it. */
export interface DecodePool {
  /** `smaller` is called with the copies, one for each factor, where the slice is to have some. */
  decode(slice: Encoded, smaller?: (copies: readonly TypedArray[]) => void): Promise<TypedArray>;
  /** Get ready: slices will come soon. */
  warm?(): void;
  close(): void;
}

const ARRAYS = {
  uint8: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  float32: Float32Array,
} as const;

const zstd = new ZSTDDecoder();

/** Make the decoder ready; decode needs it. */
export async function initDecoder(): Promise<void> {
  await zstd.init();
}

/** Return smaller copies: means rounded to whole numbers, at the edges those of the pixels that are there. */
export function reduced(values: TypedArray, { rows, columns, channels, factors }: Reduce): TypedArray[] {
  const Type = values.constructor as new (length: number) => TypedArray;
  let sums: Int32Array | TypedArray = values;
  let [high, wide] = [rows, columns];
  return factors.map((factor) => {
    sums = halved(sums, high, wide, channels);
    [high, wide] = [(high + 1) >> 1, (wide + 1) >> 1];
    const out = new Type(sums.length);
    const line = wide * channels;
    for (let row = 0; row < high; row++) {
      const there = Math.min(factor, rows - row * factor);
      const part = 1 / (there * factor);
      const start = row * line;
      for (let n = start; n < start + line; n++) out[n] = Math.floor(sums[n]! * part + 0.5);
      const last = columns - (wide - 1) * factor;
      if (last < factor)
        for (let n = start + line - channels; n < start + line; n++) out[n] = Math.floor(sums[n]! / (there * last) + 0.5);
    }
    return out;
  });
}

/** Sums of blocks of 2 x 2; what is beyond the edges counts as 0. */
function halved(from: TypedArray, rows: number, columns: number, channels: number): Int32Array {
  const [high, wide] = [(rows + 1) >> 1, (columns + 1) >> 1];
  const out = new Int32Array(high * wide * channels);
  const line = columns * channels;
  for (let row = 0, to = 0; row < high; row++) {
    const a = 2 * row * line;
    const b = 2 * row + 1 < rows ? a + line : -1;
    for (let i = 0; i < wide; i++)
      for (let c = 0; c < channels; c++, to++) {
        const at = 2 * i * channels + c;
        const pair = 2 * i + 1 < columns;
        let sum = from[a + at]!;
        if (pair) sum += from[a + at + channels]!;
        if (b >= 0) sum += pair ? from[b + at]! + from[b + at + channels]! : from[b + at]!;
        out[to] = sum;
      }
  }
  return out;
}

/** Return the values of a slice; throws RangeError where the bytes are not such a slice. */
export function decode(slice: Encoded): TypedArray {
  const width = ARRAYS[slice.dtype].BYTES_PER_ELEMENT;
  const length = slice.size * width;
  const raw = slice.codec === "raw" ? slice.bytes.slice() : zstd.decode(slice.bytes, length);
  if (raw.length !== length) throw new RangeError(`a slice of ${length} bytes came with ${raw.length}`);
  switch (slice.codec) {
    case "raw":
    case "zstd":
      return view(raw, slice.dtype);
    case "shuffle-zstd":
      return view(unshuffle(raw, width), slice.dtype);
    case "lorenzo-zstd":
      return unpredict(raw, slice.dtype, slice.columns);
  }
}

function view(bytes: Uint8Array, dtype: Dtype): TypedArray {
  const buffer = bytes.byteOffset === 0 && bytes.byteLength === bytes.buffer.byteLength ? bytes.buffer : bytes.slice().buffer;
  return new ARRAYS[dtype](buffer as ArrayBuffer);
}

/** Put the bytes of each value together again: all lowest bytes came first, then the next ones. */
function unshuffle(bytes: Uint8Array, width: number): Uint8Array {
  const size = bytes.length / width;
  const out = new Uint8Array(bytes.length);
  for (let b = 0; b < width; b++)
    for (let n = 0, from = b * size, to = b; n < size; n++, from++, to += width) out[to] = bytes[from] ?? 0;
  return out;
}

type Unsigned = Uint8Array | Uint32Array;

/**
 * Undo the 2-D Lorenzo predictor: each value is left + above - above-left + residual, so the value above
 * plus the sum of the residuals in its row. `!`: these loops are where the time goes.
 */
function unpredict(bytes: Uint8Array, dtype: Dtype, columns: number): TypedArray {
  const width = ARRAYS[dtype].BYTES_PER_ELEMENT;
  if (width === 2) return unpredict16(bytes, dtype, columns);
  const plain = width === 1 ? bytes : unshuffle(bytes, width);
  const residual = view(plain, width === 1 ? "uint8" : "uint32") as Unsigned;
  // Typed arrays wrap at 2^bits, exactly as the predictor did.
  const out = new ARRAYS[dtype](residual.length);
  const above = new Int32Array(columns);
  for (let row = 0; row < residual.length; row += columns) {
    for (let i = 0, sum = 0; i < columns; i++) {
      const z = residual[row + i]!;
      sum = (sum + ((z >>> 1) ^ -(z & 1))) | 0;
      out[row + i] = above[i] = (above[i]! + sum) | 0;
    }
  }
  return out;
}

/** The same for two bytes, which nearly all images have, without a copy between the steps. */
function unpredict16(bytes: Uint8Array, dtype: Dtype, columns: number): TypedArray {
  const size = bytes.length >> 1;
  const low = bytes.subarray(0, size);
  const high = bytes.subarray(size);
  const out = new ARRAYS[dtype](size);
  for (let i = 0, sum = 0; i < columns; i++) {
    const z = low[i]! | (high[i]! << 8);
    out[i] = sum = (sum + ((z >>> 1) ^ -(z & 1))) | 0;
  }
  for (let at = columns, end = 2 * columns; at < size; end += columns) {
    for (let sum = 0; at < end; at++) {
      const z = low[at]! | (high[at]! << 8);
      sum = (sum + ((z >>> 1) ^ -(z & 1))) | 0;
      out[at] = out[at - columns]! + sum;
    }
  }
  return out;
}
