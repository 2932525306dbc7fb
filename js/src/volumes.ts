/** Voxels in the browser: which slices to fetch, in which order, and where they are kept. */

import { SliceError } from "./channel/requests";
import { Changes } from "./model/masks";
import type { Channel } from "./channel";
import type { Slice } from "./channel/requests";
import type { Encoded } from "./decode";
import type { DocumentMirror } from "./model/document";
import type { LabelArray, SliceStore, TypedArray } from "./model/masks";
import type { Dtype, ImageJson, Triple } from "./model/protocol";

/** Turns compressed slices into values; the viewer's own, ended with it. */
export interface DecodePool {
  decode(slice: Encoded): Promise<TypedArray>;
  close(): void;
}

/** One frame of an image, slice by slice. */
export class Volume implements SliceStore {
  readonly shape: Triple;
  readonly dtype: Dtype;
  readonly color: boolean;
  readonly #slices = new Map<number, TypedArray>();
  readonly #changes = new Changes();
  /** Why slices could not be had. */
  readonly failed = new Map<number, string>();
  readonly asked = new Set<number>();

  constructor(
    readonly image: ImageJson,
    readonly frame: number,
  ) {
    this.shape = image.shape;
    this.dtype = image.dtype;
    this.color = image.color;
  }

  get version(): number {
    return this.#changes.version;
  }
  get have(): number {
    return this.#slices.size;
  }
  slice(k: number): TypedArray | undefined {
    return this.#slices.get(k);
  }
  changedSince(version: number): number[] | "all" {
    return this.#changes.since(version);
  }
  /** Whether slice k is neither here, nor on its way, nor failed. */
  needs(k: number): boolean {
    return k >= 0 && k < this.shape[0] && !this.#slices.has(k) && !this.asked.has(k) && !this.failed.has(k);
  }
  put(k: number, values: TypedArray): void {
    this.#slices.set(k, values);
    this.#changes.mark([k]);
  }
  clear(): void {
    this.#slices.clear();
    this.#changes.markAll();
  }
}

export type Arrival =
  | { readonly kind: "slice"; readonly image: string; readonly frame: number; readonly k: number }
  | { readonly kind: "failed"; readonly image: string; readonly frame: number; readonly k: number; readonly message: string };

interface Wanted {
  readonly volume: Volume;
  readonly ks: readonly number[];
}

const MAX_BATCH = 16;
const MASK_BATCH = 32;
const FIRST_BATCH = 4;
const SLOW_MS = 400;
const QUICK_MS = 100;

/**
 * Fetches slices: those in view first, then from there outwards, then the following frames. At most
 * two requests run beside the urgent one (four over HTTP), so that the road is never full.
 */
export class Volumes {
  readonly #volumes = new Map<string, Volume>();
  readonly #listeners = new Set<(arrival: Arrival) => void>();
  readonly #abort = new AbortController();
  /** Latest wish of each image; the last one in the map is the newest. */
  readonly #wanted = new Map<string, Wanted>();
  readonly #background = new Map<AbortController, Volume>();
  readonly #masksBusy = new Set<string>();
  readonly #glances: { readonly volume: Volume; readonly k: number }[] = [];
  #glancing = false;
  #urgent = 0;
  #batch = FIRST_BATCH;
  #scheduled = false;

  constructor(
    readonly channel: Channel,
    readonly document: DocumentMirror,
    readonly decoder: DecodePool,
  ) {
    document.on((event) => {
      if (event.type === "missing") void this.#fetchMask(event.mask);
      if (event.type === "state") this.#schedule();
    }, this.#abort.signal);
  }

  /** Slices of a frame of an image; empty until they are wanted. Undefined for an unknown image. */
  store(image: string, frame = 0): Volume | undefined {
    const key = `${image}/${frame}`;
    const known = this.#volumes.get(key);
    const meta = this.document.image(image);
    if (known || !meta) return known;
    const volume = new Volume(meta, frame);
    this.#volumes.set(key, volume);
    return volume;
  }

  /** Say which slices are in view, most important first; the rest of the frame follows. */
  want(image: string, frame: number, ks: readonly number[]): void {
    const volume = this.store(image, frame);
    if (!volume) return;
    const before = this.#wanted.get(image);
    this.#wanted.delete(image);
    this.#wanted.set(image, { volume, ks });
    if (before && before.volume !== volume) this.#cancel(before.volume);
    if (ks[0] !== undefined) this.channel.focus(image, frame, ks[0]);
    this.#schedule();
  }

  /** Stop fetching an image that is no longer shown; what is here stays. */
  unwant(image: string): void {
    const before = this.#wanted.get(image);
    this.#wanted.delete(image);
    if (before) this.#cancel(before.volume);
  }

  /** Fetch this one slice when nothing in view is waiting, and nothing else of its image. */
  glance(image: string, frame: number, k: number): void {
    const volume = this.store(image, frame);
    if (!volume?.needs(k) || this.#glances.some((one) => one.volume === volume && one.k === k)) return;
    this.#glances.push({ volume, k });
    this.#schedule();
  }

  onArrive(callback: (arrival: Arrival) => void, signal?: AbortSignal): () => void {
    this.#listeners.add(callback);
    const off = (): void => void this.#listeners.delete(callback);
    signal?.addEventListener("abort", off, { once: true });
    return off;
  }

  /** Slices of an image (all frames asked for so far) that are here, and how many can be had. */
  progress(image: string): { readonly have: number; readonly total: number } {
    let have = 0;
    let total = 0;
    for (const volume of this.#volumes.values()) {
      if (volume.image.id !== image) continue;
      have += volume.have;
      total += volume.shape[0] - volume.failed.size;
    }
    return { have, total };
  }

  /** Stop everything and free all voxels. */
  close(): void {
    this.#abort.abort();
    for (const controller of this.#background.keys()) controller.abort();
    for (const volume of this.#volumes.values()) volume.clear();
    this.#volumes.clear();
    this.#wanted.clear();
    this.#listeners.clear();
    this.decoder.close();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#pump();
    });
  }

  #pump(): void {
    if (this.#abort.signal.aborted || !this.document.ready) return;
    const wishes = [...this.#wanted.values()].reverse();
    if (!this.#urgent) {
      for (const { volume, ks } of wishes) {
        const k = ks.find((one) => volume.needs(one));
        if (k === undefined) continue;
        this.#urgent++;
        void this.#fetch(volume, [k], this.#abort.signal, true).finally(() => {
          this.#urgent--;
          this.#schedule();
        });
        break;
      }
    }
    // The first slice has the road for itself.
    const first = wishes[0];
    if (first && first.volume.have === 0 && first.ks.length && this.#urgent) return;
    if (!this.#urgent) this.#startGlance();
    const limit = this.channel.health.carrier === "http" ? 4 : 2;
    for (const wish of wishes) {
      while (this.#background.size < limit) {
        const next = this.#nextBatch(wish);
        if (!next) break;
        this.#start(next.volume, next.ks);
      }
    }
  }

  /** One small picture at a time. */
  #startGlance(): void {
    if (this.#glancing) return;
    const next = this.#glances.shift();
    if (!next) return;
    if (!next.volume.needs(next.k)) return this.#startGlance();
    this.#glancing = true;
    void this.#fetch(next.volume, [next.k], this.#abort.signal, false).finally(() => {
      this.#glancing = false;
      this.#schedule();
    });
  }

  /** Slices to fetch next: in view, then outwards from there, then the same in later frames. */
  #nextBatch({ volume, ks }: Wanted): { volume: Volume; ks: number[] } | null {
    const order = outwards(ks, volume.shape[0]);
    for (let n = 0; n < volume.image.frames; n++) {
      const frame = (volume.frame + n) % volume.image.frames;
      const one = this.store(volume.image.id, frame);
      const needed: number[] = [];
      for (const k of order) {
        if (one?.needs(k)) needed.push(k);
        if (needed.length === this.#batch) break;
      }
      if (one && needed.length) return { volume: one, ks: needed };
    }
    return null;
  }

  #start(volume: Volume, ks: number[]): void {
    const controller = new AbortController();
    this.#background.set(controller, volume);
    const begun = performance.now();
    void this.#fetch(volume, ks, controller.signal, false).finally(() => {
      this.#background.delete(controller);
      const taken = performance.now() - begun;
      if (taken > SLOW_MS) this.#batch = Math.max(1, this.#batch >> 1);
      else if (taken < QUICK_MS) this.#batch = Math.min(MAX_BATCH, this.#batch * 2);
      this.#schedule();
    });
  }

  #cancel(volume: Volume): void {
    for (const [controller, one] of this.#background)
      if (one.image.id === volume.image.id) controller.abort();
  }

  async #fetch(volume: Volume, ks: readonly number[], signal: AbortSignal, urgent: boolean): Promise<void> {
    const decoding: Promise<void>[] = [];
    for (const k of ks) volume.asked.add(k);
    try {
      const take = (k: number, slice: Slice): void => void decoding.push(this.#take(volume, k, slice));
      await this.channel.imageSlices(volume.image, volume.frame, ks, take, { signal, urgent });
    } catch (error) {
      const failed = error instanceof SliceError ? error.keys.map((key) => Number(key.split("/").at(-1))) : ks;
      const message = error instanceof Error ? error.message : String(error);
      for (const k of failed) this.#failed(volume, k, message);
    }
    await Promise.all(decoding);
    for (const k of ks) volume.asked.delete(k);
  }

  async #take(volume: Volume, k: number, slice: Slice): Promise<void> {
    const [rows = 0, columns = 0] = slice.shape;
    const size = rows * columns * (volume.color ? 3 : 1);
    try {
      const { codec, dtype, bytes } = slice;
      const values = await this.decoder.decode({ codec, dtype, bytes, size, columns });
      if (this.#abort.signal.aborted) return;
      if (values.length !== volume.shape[1] * volume.shape[2] * (volume.color ? 3 : 1))
        throw new RangeError("its size does not fit the image");
      volume.put(k, values);
      this.#tell({ kind: "slice", image: volume.image.id, frame: volume.frame, k });
    } catch (error) {
      this.#failed(volume, k, error instanceof Error ? error.message : String(error));
    }
  }

  #failed(volume: Volume, k: number, message: string): void {
    if (this.#abort.signal.aborted) return;
    volume.failed.set(k, message);
    this.#tell({ kind: "failed", image: volume.image.id, frame: volume.frame, k, message });
  }

  #tell(arrival: Arrival): void {
    for (const listener of [...this.#listeners]) listener(arrival);
  }

  /** Fetch what is missing of a mask, nearest to the slice in view first. */
  async #fetchMask(id: string): Promise<void> {
    if (this.#masksBusy.has(id)) return;
    this.#masksBusy.add(id);
    const signal = this.#abort.signal;
    try {
      for (let mask = this.document.mask(id); mask?.store.missing.length && !signal.aborted; mask = this.document.mask(id)) {
        const centre = this.#wanted.get(mask.item.image)?.ks[0] ?? mask.store.shape[0] >> 1;
        const near = [...mask.store.missing].sort((a, b) => Math.abs(a - centre) - Math.abs(b - centre));
        const loading: Promise<void>[] = [];
        await this.channel.maskSlices(
          id,
          near.slice(0, MASK_BATCH),
          (k, slice) => void loading.push(this.#loadMask(id, k, slice)),
          signal,
        );
        await Promise.all(loading);
      }
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#tell({ kind: "failed", image: id, frame: 0, k: -1, message: `Mask: ${message}` });
    } finally {
      this.#masksBusy.delete(id);
    }
  }

  async #loadMask(id: string, k: number, slice: Slice): Promise<void> {
    const [rows = 0, columns = 0] = slice.shape;
    const { codec, dtype, bytes, revision } = slice;
    const values = await this.decoder.decode({ codec, dtype, bytes, columns, size: rows * columns });
    this.document.loadSlice(id, k, values as LabelArray, revision);
  }
}

/** All slices of 0…count-1: those given first, then alternately further from the first of them. */
export function outwards(ks: readonly number[], count: number): number[] {
  const order = new Set(ks.filter((k) => k >= 0 && k < count));
  const centre = ks[0] ?? count >> 1;
  for (let step = 0; step < Math.max(centre + 1, count - centre); step++)
    for (const k of [centre + step, centre - step]) if (k >= 0 && k < count) order.add(k);
  return [...order];
}
