/** The contract of the two renderers: what they read and what they do. */
import type { PlaneRequest } from "./plane";

export type Dtype = "uint8" | "int8" | "uint16" | "int16" | "int32" | "float32";
export type TypedArray =
  | Uint8Array | Int8Array | Uint16Array | Int16Array | Int32Array | Float32Array;
export type Rgb = readonly [number, number, number];

export interface SliceStore {
  readonly shape: readonly [number, number, number];
  readonly dtype: Dtype;
  /** Three values (red, green, blue; uint8) per voxel. */
  readonly color: boolean;
  /** j * i values (times 3 for colour) of slice k, or undefined where it is not here yet. */
  slice(k: number): TypedArray | undefined;
  /** Grows with each change. */
  readonly version: number;
  /** Slices changed after `version`. */
  changedSince(version: number): readonly number[] | "all";
  /** Masks: a slice that is undefined is all zero, not on its way. */
  readonly emptyIsZero?: boolean;
  /** Slices that cannot be had, and why: nobody waits for them. */
  readonly failed?: ReadonlyMap<number, string>;
  /** Slices of which only a coarse picture or some rows are here. */
  readonly partial?: ReadonlySet<number>;
}

export interface ImageLayer {
  readonly store: SliceStore;
  /** Values shown black and white. */
  readonly window: { readonly lower: number; readonly upper: number };
  /** Show large values dark (MONOCHROME1). */
  readonly invert: boolean;
  readonly interpolate: boolean;
}

export interface MaskLayer {
  readonly store: SliceStore;
  /** Colour of each shown mask value, 0..255 per channel; values without one are not drawn. */
  readonly colors: ReadonlyMap<number, Rgb>;
  /** Opacity of the inside, 0..1. */
  readonly fill: number;
  readonly outline: boolean;
}

export interface Renderer {
  readonly name: "cpu" | "webgl2";
  /** True once the GPU took the context away: dispose and create another renderer. */
  readonly lost: boolean;
  /**
   * Draw one plane; the canvas gets the size of the plane. `missing` says that slices in reach of the
   * plane are not here yet. Throws RendererError where the data do not fit the GPU or it was lost.
   */
  draw(
    canvas: HTMLCanvasElement,
    plane: PlaneRequest,
    image: ImageLayer,
    masks: readonly MaskLayer[],
  ): { missing: boolean };
  /** Forget everything kept for a store that is closed. */
  release(store: SliceStore): void;
  dispose(): void;
}

export interface RendererOptions {
  /** Called once when the GPU took the context away. */
  readonly onLost?: () => void;
}

/** The picture cannot be drawn this way; the message is for users. */
export class RendererError extends Error {
  override readonly name = "RendererError";

  constructor(
    message: string,
    /** "unsupported": no WebGL2; "limit": the data do not fit the GPU; "lost": the context is gone. */
    readonly reason: "unsupported" | "limit" | "lost",
  ) {
    super(message);
  }
}

/** True when a slice of the range is on its way. */
export function anyMissing(store: SliceStore, range: readonly [number, number] | null): boolean {
  if (range === null || store.emptyIsZero) return false;
  for (let k = range[0]; k <= range[1]; k++) {
    if (store.partial?.has(k)) return true;
    if (store.slice(k) === undefined && !store.failed?.has(k)) return true;
  }
  return false;
}
