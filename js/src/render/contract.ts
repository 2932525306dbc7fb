/** The contract of the two renderers: what they read and what they do. */
import type { IndexBox } from "../model/items";
import { slicesOf } from "./plane";
import type { PlaneRequest } from "./plane";

export type Dtype = "uint8" | "int8" | "uint16" | "int16" | "int32" | "float32";
export type TypedArray =
  | Uint8Array | Int8Array | Uint16Array | Int16Array | Int32Array | Float32Array;
export type Rgb = readonly [number, number, number];

export interface SliceStore {
  readonly shape: readonly [number, number, number];
  /** Where the image ends, in voxels, if that is inside the last ones. */
  readonly extent?: readonly [number, number, number];
  readonly dtype: Dtype;
  /** Three values (red, green, blue; uint8) per voxel. */
  readonly color: boolean;
  /** j * i values (times 3 for colour) of slice k, or undefined where it is not here yet. */
  slice(k: number): TypedArray | undefined;
  /** Grows with each change. */
  readonly version: number;
  /** Slices changed after `version`. */
  changedSince(version: number): readonly number[] | "all";
  /** Bounds of the voxels changed after `version`, null for none; what cannot say it has no such method. */
  boundsSince?(version: number): IndexBox | "all" | null;
  /** Masks: a slice that is undefined is all zero, not on its way. */
  readonly emptyIsZero?: boolean;
  /** Slices that cannot be had, and why: nobody waits for them. */
  readonly failed?: ReadonlyMap<number, string>;
  /** Slices of which only a small picture or some rows are here. */
  readonly partial?: ReadonlySet<number>;
}

/** An image drawn in its own grid. */
export interface ImageLayer {
  readonly kind: "image";
  readonly store: SliceStore;
  /** The pixels, in the grid of this store. */
  readonly plane: PlaneRequest;
  /** Values shown as the first and the last entry of the table. */
  readonly window: { readonly lower: number; readonly upper: number };
  /**
   * 2 to 65536 colours, red in the lowest byte and opacity in the highest; never changed once drawn. A value
   * v takes entry floor((v - lower) / (upper - lower) * (entries - 1) + 0.5). Colour images take none.
   */
  readonly table: Uint32Array;
  /** Between voxels, slices included: true for linear, false for the nearest. */
  readonly interpolate: boolean;
  /** 0..1, times that of the table. */
  readonly opacity: number;
  /** Smaller values (and those that are no numbers) are not drawn; null: all are. Not for colour images. */
  readonly lower: number | null;
  /** "clear": where voxels are not here yet, what is below shows; else see `draw`. */
  readonly gaps?: "clear";
  /** Columns [from, to) of the picture to draw, in device pixels; null: all. */
  readonly clip: readonly [number, number] | null;
}

/** How one segment of a mask is drawn. */
export interface SegmentStyle {
  /** 0..255 per channel. */
  readonly color: Rgb;
  /** Opacity of the inside, 0..1. */
  readonly fill: number;
  /** Opacity of the edge, 0..1. */
  readonly outline: number;
  /** Width of the edge in device pixels, inside the segment: 1 to 8, or 0 for none. */
  readonly width: number;
}

/** A mask drawn in its own grid, each pixel with the nearest voxel; in a slab with the segment nearest to its middle. */
export interface MaskLayer {
  readonly kind: "mask";
  readonly store: SliceStore;
  readonly plane: PlaneRequest;
  /** Style of each shown mask value; values without one are not drawn. */
  readonly segments: ReadonlyMap<number, SegmentStyle>;
  /** Columns [from, to) of the picture to draw, in device pixels; absent: all. */
  readonly clip?: readonly [number, number] | null;
}

export type Layer = ImageLayer | MaskLayer;

/** A rectangle of a picture, in its pixels. */
export interface Part {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Renderer {
  readonly name: "cpu" | "webgl2";
  /** True once the GPU took the context away: dispose and create another renderer. */
  readonly lost: boolean;
  /**
   * Draw the layers, bottom first, into a canvas that gets this size; all planes must have it too.
   *
   * What no layer covers is transparent black. A layer whose plane misses its grid draws nothing. Voxels
   * that are not here yet are dim grey in the bottom layer and in layers that hide what is below them;
   * nothing in others. `missing` says that slices in reach of a plane are not here yet. Throws RangeError
   * for a layer that makes no sense, RendererError where the data do not fit the GPU or it was lost.
   *
   * `part`: what differs from the picture that the canvas shows, which is of the same size; no more must be drawn.
   */
  draw(canvas: HTMLCanvasElement, width: number, height: number, layers: readonly Layer[], part?: Part): { missing: boolean };
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

/** True when a slice that the layer needs is on its way. */
export function anyMissing(layer: Layer): boolean {
  const { store, plane } = layer;
  if (store.emptyIsZero) return false;
  const range = slicesOf(plane, store.shape[0], layer.kind === "image" && layer.interpolate);
  if (range === null) return false;
  for (let k = range[0]; k <= range[1]; k++) {
    if (store.partial?.has(k)) return true;
    if (store.slice(k) === undefined && !store.failed?.has(k)) return true;
  }
  return false;
}

const finite = (...numbers: number[]): boolean => numbers.every(Number.isFinite);

/** Throw RangeError for layers that no renderer can draw. */
export function checkLayers(width: number, height: number, layers: readonly Layer[]): void {
  for (const layer of layers) {
    const { plane } = layer;
    if (plane.width !== width || plane.height !== height)
      throw new RangeError(`A layer of ${plane.width} x ${plane.height} pixels does not fit a picture of ${width} x ${height}.`);
    const { slab } = plane;
    if (slab && !(Number.isInteger(slab.count) && slab.count >= 1 && slab.count <= MOST_SAMPLES && finite(...slab.step)))
      throw new RangeError(`A slab has 1 to ${MOST_SAMPLES} samples a finite step apart, not ${slab.count}.`);
    if (layer.kind === "image") {
      const { length } = layer.table;
      if (length < 2 || length > 65536) throw new RangeError(`A table has 2 to 65536 colours, not ${length}.`);
      if (!finite(layer.opacity)) throw new RangeError(`An opacity is a number from 0 to 1, not ${layer.opacity}.`);
    } else
      for (const { fill, outline, width: edge } of layer.segments.values())
        if (!finite(fill, outline, edge)) throw new RangeError("Opacities and widths of a segment are finite numbers.");
  }
}

/** Samples of the thickest slab. */
export const MOST_SAMPLES = 1024;
