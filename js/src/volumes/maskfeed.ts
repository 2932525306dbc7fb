/** Fetches the mask slices that are missing, nearest to the slice in view first. */

import type { Channel } from "../channel";
import type { Slice } from "../channel/requests";
import type { DecodePool } from "../decode";
import type { DocumentMirror } from "../model/document";
import type { LabelArray } from "../model/masks";

const BATCH = 32;
const FIRST_BATCH = 2;

export class MaskFeed {
  readonly #busy = new Set<string>();

  constructor(
    readonly channel: Channel,
    readonly document: DocumentMirror,
    readonly decoder: DecodePool,
    /** The slice of an image that is looked at. */
    readonly centre: (image: string) => number | undefined,
    /** Called with what went wrong. */
    readonly failed: (mask: string, message: string) => void,
    /** Called when slices have come: they take memory. */
    readonly grown: () => void,
    readonly signal: AbortSignal,
  ) {}

  /** Fetch what is missing of a mask. */
  async fetch(id: string): Promise<void> {
    if (this.#busy.has(id)) return;
    this.#busy.add(id);
    const { signal } = this;
    try {
      // The first answer is small: the picture waits for it.
      for (let size = FIRST_BATCH; !signal.aborted; size = BATCH) {
        const mask = this.document.mask(id);
        if (!mask?.store.missing.length) break;
        const centre = this.centre(mask.item.image) ?? mask.store.shape[0] >> 1;
        const near = [...mask.store.missing].sort((a, b) => Math.abs(a - centre) - Math.abs(b - centre));
        const loading: Promise<void>[] = [];
        const take = (k: number, slice: Slice): void => void loading.push(this.#load(id, k, slice));
        await this.channel.maskSlices(id, near.slice(0, size), take, signal);
        await Promise.all(loading);
        this.grown();
      }
    } catch (error) {
      this.failed(id, `Mask: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      this.#busy.delete(id);
    }
  }

  async #load(id: string, k: number, slice: Slice): Promise<void> {
    const [rows = 0, columns = 0] = slice.shape;
    const { codec, dtype, bytes, revision } = slice;
    const values = await this.decoder.decode({ codec, dtype, bytes, columns, size: rows * columns });
    this.document.loadSlice(id, k, values as LabelArray, revision);
  }
}
