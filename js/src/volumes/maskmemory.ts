/** The memory of mask slices: which of them are given up when the page has too little, and which may come. */

import { UNWANTED } from "./order";
import type { DocumentMirror } from "../model/document";
import type { MaskStore } from "../model/masks";
import type { Ledger, Victim } from "./ledger";

interface Kept {
  readonly mask: string;
  readonly store: MaskStore;
  readonly k: number;
  readonly cost: number;
}

/**
 * The account of the masks of one viewer. A slice can be given up while the host has everything that was drawn:
 * it is fetched again when it is wanted. While an edit is unanswered all of them stay.
 */
export class MaskMemory {
  #coming = 0;
  #victims: Kept[] | null = null;
  /** Whether slices came since the victims were listed. */
  #grown = false;

  constructor(
    readonly document: DocumentMirror,
    readonly ledger: Ledger,
    /** How little slice k of an image is wanted. */
    readonly cost: (image: string, k: number) => number,
  ) {}

  held(): number {
    return this.document.maskBytes + this.#coming;
  }

  worst(): Victim | null {
    if (!this.document.settled) return null;
    const victim = this.#last((this.#victims ??= this.#list()));
    if (victim || !this.#grown) return victim;
    return this.#last((this.#victims = this.#list()));
  }

  #last(list: Kept[]): Victim | null {
    for (let one = list.at(-1); one; one = list.at(-1)) {
      const { mask, store, k, cost } = one;
      if (store.slice(k) && this.document.mask(mask)?.store === store) {
        return { cost, drop: () => (list.pop(), this.document.dropSlice(mask, k)) };
      }
      list.pop();
    }
    return null;
  }

  /** Make room for slice k of a mask, which counts from then on until `came`; false where that cannot be. */
  admit(store: MaskStore, image: string, k: number): boolean {
    const cost = this.cost(image, k);
    if (cost >= UNWANTED && this.ledger.used + store.sliceBytes > this.ledger.budget / 2) return false;
    if (!this.ledger.room(store.sliceBytes, cost)) return false;
    this.#coming += store.sliceBytes;
    return true;
  }

  /** So many bytes that were admitted are here, or will not come. */
  came(bytes: number): void {
    this.#coming -= bytes;
    this.#grown = true;
  }

  /** The view changed: something else is wanted. */
  moved(): void {
    this.#victims = null;
  }

  /** All slices here, the least wanted last. */
  #list(): Kept[] {
    this.#grown = false;
    const list: Kept[] = [];
    const known = new Map<string, Map<number, number>>();
    for (const { item, store } of this.document.masks) {
      let costs = known.get(item.image);
      if (!costs) known.set(item.image, (costs = new Map()));
      for (const k of store.here) {
        let cost = costs.get(k);
        if (cost === undefined) costs.set(k, (cost = this.cost(item.image, k)));
        list.push({ mask: item.id, store, k, cost });
      }
    }
    return list.sort((a, b) => a.cost - b.cost);
  }
}
