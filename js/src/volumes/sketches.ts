/** Coarse looks at whole images, to be drawn where slices are not here yet. */

import type { Slice } from "../channel/requests";
import type { Encoded } from "../decode";
import type { SliceStore } from "../model/masks";
import type { Triple } from "../model/protocol";
import type { Volume } from "./volume";

/** All of an image frame with few voxels; index -0.5 and the last index + 0.5 are the same corners in both grids. */
export interface Sketch {
  readonly store: SliceStore;
  /** Voxels of the image along (k, j, i) for one voxel here; no whole numbers in general. */
  readonly factors: Triple;
  /** Stored unit = value * slope + intercept. */
  readonly slope: number;
  readonly intercept: number;
}

interface Road {
  sketch(image: string, frame: number, edge: number, signal: AbortSignal): Promise<Slice | undefined>;
}
interface Decoder {
  decode(slice: Encoded): Promise<NonNullable<ReturnType<SliceStore["slice"]>>>;
}

const EDGE = 64;
/** Of fewer slices a sketch would be most of the image. */
const LEAST_SLICES = 32;
const ALONE_MS = 600;

/** Asks for a sketch where somebody has missed slices, behind the first of them; gives it up with the last slice. */
export class Sketches {
  readonly #found = new Map<Volume, Sketch>();
  readonly #missed = new Set<Volume>();
  readonly #asked = new Set<Volume>();
  #since = -Infinity;
  #loading = 0;

  constructor(
    readonly road: Road,
    readonly decoder: Decoder,
    readonly arrived: (volume: Volume) => void,
    /** Others may go on. */
    readonly done: () => void,
    readonly signal: AbortSignal,
  ) {}

  /** The sketch of a volume; where there is none yet, it is noted that one is wanted. */
  of(volume: Volume): Sketch | undefined {
    const { image, shape } = volume;
    if (image.geometry.kind === "grid" && !volume.color && shape[0] >= LEAST_SLICES) this.#missed.add(volume);
    return this.#found.get(volume);
  }

  /** Whether what is not in view should wait a little more, so that the sketch has the road for itself. */
  get first(): boolean {
    return this.#loading > 0 && performance.now() - this.#since < ALONE_MS;
  }

  /** Ask for the sketch of a volume if it is wanted and was not asked for before. */
  fetch(volume: Volume | undefined): void {
    if (!volume || !this.#missed.has(volume) || this.#asked.has(volume) || 2 * volume.have > volume.shape[0]) return;
    this.#asked.add(volume);
    this.#loading++;
    this.#since = performance.now();
    const timer = setTimeout(this.done, ALONE_MS);
    // Without a sketch the picture is grey until its slices come, so nobody needs to hear of a failure.
    void this.#load(volume).catch(() => undefined).finally(() => {
      clearTimeout(timer);
      this.#loading--;
      if (!this.signal.aborted) this.done();
    });
  }

  /** A slice came. */
  note(volume: Volume): void {
    if (volume.have < volume.shape[0]) return;
    this.#found.delete(volume);
    this.#missed.delete(volume);
  }

  clear(): void {
    this.#found.clear();
    this.#missed.clear();
  }

  async #load(volume: Volume): Promise<void> {
    const slice = await this.road.sketch(volume.image.id, volume.frame, EDGE, this.signal);
    if (!slice?.preview) return;
    const { codec, dtype, bytes, shape, preview } = slice;
    const [depth = 0, rows = 0, columns = 0] = shape;
    const area = rows * columns;
    const values = await this.decoder.decode({ codec, dtype, bytes, columns, size: depth * area });
    if (this.signal.aborted || volume.have === volume.shape[0]) return;
    const slices = Array.from({ length: depth }, (_, k) => values.subarray(k * area, (k + 1) * area));
    const store: SliceStore = {
      shape: [depth, rows, columns], dtype, color: false, version: 1,
      slice: (k) => slices[k], changedSince: () => [],
    };
    const factors: Triple = [volume.shape[0] / depth, volume.shape[1] / rows, volume.shape[2] / columns];
    this.#found.set(volume, { store, factors, slope: preview.slope ?? 1, intercept: preview.intercept ?? 0 });
    this.arrived(volume);
  }
}
