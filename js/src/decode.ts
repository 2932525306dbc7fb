/** The slice codecs: bytes of a compressed slice → values. The inverse of nbannot.viewer.pixels. */

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
  /** Make the whole slice of a coarse picture of it. */
  readonly enlarge?: Enlarge;
}

/** Turns compressed slices into values; the viewer's own, ended with it. */
export interface DecodePool {
  decode(slice: Encoded): Promise<TypedArray>;
  /** Get ready: slices will come soon. */
  warm?(): void;
  close(): void;
}

/** A slice of rows x columns of which every step-th row and column is known, the first ones included. */
export interface Enlarge {
  readonly rows: number;
  readonly columns: number;
  readonly step: number;
  /** Values per pixel: 3 in colour. */
  readonly channels: number;
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

/** Return the values of a slice; throws RangeError where the bytes are not such a slice. */
export function decode(slice: Encoded): TypedArray {
  const values = unpack(slice);
  return slice.enlarge ? enlarge(values, slice.enlarge) : values;
}

/** Repeat the pixels of a coarse picture. */
function enlarge(coarse: TypedArray, { rows, columns, step, channels }: Enlarge): TypedArray {
  const width = Math.ceil(columns / step);
  if (coarse.length !== Math.ceil(rows / step) * width * channels) throw new RangeError("a coarse slice has another size");
  const line = columns * channels;
  const Type = coarse.constructor as new (length: number) => TypedArray;
  const out = new Type(rows * line);
  for (let row = 0, from = 0; row < rows; row += step, from += width * channels) {
    const start = row * line;
    if (channels === 1) {
      for (let i = 0, at = start; i < width; i++) {
        const value = coarse[from + i] ?? 0;
        for (const end = Math.min(at + step, start + line); at < end; at++) out[at] = value;
      }
    } else {
      for (let i = 0; i < columns; i++)
        for (let c = 0, at = from + Math.floor(i / step) * channels; c < channels; c++)
          out[start + i * channels + c] = coarse[at + c] ?? 0;
    }
    for (let n = 1; n < step && row + n < rows; n++) out.copyWithin(start + n * line, start, start + line);
  }
  return out;
}

function unpack(slice: Encoded): TypedArray {
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
