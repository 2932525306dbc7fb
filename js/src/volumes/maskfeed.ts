/** Fetches the mask slices that are missing, nearest to the slice in view first. */

import { sizeText } from "./ledger";
import type { Channel } from "../channel";
import type { Slice } from "../channel/requests";
import type { DecodePool } from "../decode";
import type { DocumentMirror } from "../model/document";
import type { LabelArray, MaskStore } from "../model/masks";
import type { MaskItem } from "../model/protocol";
import type { MaskMemory } from "./maskmemory";

const BATCH = 32;
const FIRST_BATCH = 2;

interface Events {
  /** Called with what went wrong. */
  failed(mask: string, message: string): void;
  /** Called once when the masks of an image do not fit into the memory. */
  limit(image: string, message: string): void;
  /** Called when slices have come: they take memory. */
  grown(): void;
}

/** The so many numbers nearest to a place, the nearest first. */
function* nearest(ks: readonly number[], centre: number, size: number): Generator<number, void, void> {
  const far = (k: number): number => Math.abs(k - centre);
  const first = ks.reduce((best, k) => (far(k) < far(best) ? k : best), ks[0] ?? 0);
  // Mostly there is no room for any of them: then they need not be sorted.
  yield first;
  yield* [...ks].filter((k) => k !== first).sort((a, b) => far(a) - far(b)).slice(0, size - 1);
}

export class MaskFeed {
  readonly #busy = new Set<string>();
  /** Masks of which some slices were left out, since the memory is full. */
  readonly #short = new Set<string>();
  readonly #told = new Set<string>();

  constructor(
    readonly channel: Channel,
    readonly document: DocumentMirror,
    readonly decoder: DecodePool,
    readonly memory: MaskMemory,
    /** The slice of an image that is looked at. */
    readonly centre: (image: string) => number | undefined,
    readonly events: Events,
    readonly signal: AbortSignal,
  ) {}

  /** Whether a mask has all that fits of it. */
  short(id: string): boolean {
    return this.#short.has(id);
  }

  /** Another place is looked at, or there is more memory: fetch what was left out and is wanted now. */
  again(): void {
    for (const id of [...this.#short]) void this.fetch(id);
  }

  /** Fetch what is missing of a mask, as far as the memory goes. */
  async fetch(id: string): Promise<void> {
    if (this.#busy.has(id)) return;
    this.#busy.add(id);
    try {
      // The first answer is small: the picture waits for it.
      for (let size = FIRST_BATCH; !this.signal.aborted; size = BATCH) {
        const mask = this.document.mask(id);
        if (!mask?.store.missing.length) {
          this.#short.delete(id);
          break;
        }
        const ks = this.#next(mask, size);
        if (!ks.length) break;
        await this.#take(id, mask.store, ks);
      }
    } catch (error) {
      this.events.failed(id, `Mask: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      this.#busy.delete(id);
    }
  }

  /** The missing slices nearest to the view, as many as there is memory for. */
  #next({ item, store }: { readonly item: MaskItem; readonly store: MaskStore }, size: number): number[] {
    const centre = this.centre(item.image) ?? store.shape[0] >> 1;
    const ks: number[] = [];
    for (const k of nearest(store.missing, centre, size)) {
      // A slice that is here and out of date takes no more memory than it has.
      if (!store.slice(k) && !this.memory.admit(store, item.image, k)) {
        this.#limit(item);
        break;
      }
      ks.push(k);
    }
    return ks;
  }

  async #take(id: string, store: MaskStore, ks: readonly number[]): Promise<void> {
    const admitted = new Set(ks.filter((k) => !store.slice(k)));
    const loading: Promise<void>[] = [];
    const came = (k: number): void => void (admitted.delete(k) && this.memory.came(store.sliceBytes));
    const take = (k: number, slice: Slice): void => void loading.push(this.#load(id, k, slice, () => came(k)));
    try {
      await this.channel.maskSlices(id, ks, take, this.signal);
      await Promise.all(loading);
    } finally {
      this.memory.came(admitted.size * store.sliceBytes);
    }
    this.events.grown();
  }

  #limit({ id, image }: MaskItem): void {
    this.#short.add(id);
    if (this.#told.has(image)) return;
    this.#told.add(image);
    this.events.limit(
      image,
      `The labels of this image do not fit into the memory that the page may use (${sizeText(this.memory.ledger.budget)}). ` +
        "Those around the slices in view are kept, the others are fetched again on the way; views across them show labels in part.",
    );
  }

  async #load(id: string, k: number, slice: Slice, came: () => void): Promise<void> {
    const [rows = 0, columns = 0] = slice.shape;
    const { codec, dtype, bytes, revision } = slice;
    const values = await this.decoder.decode({ codec, dtype, bytes, columns, size: rows * columns });
    came();
    this.document.loadSlice(id, k, values as LabelArray, revision);
  }
}
