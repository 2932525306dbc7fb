/** What all viewers of the page hold in memory, and what goes first when it is too much. */

/** Something that can be given up, and how little it is wanted. */
export interface Victim {
  readonly cost: number;
  drop(): void;
}

/** One holder of memory: the images of a viewer, its masks, the textures of the page, … */
export interface Account {
  readonly kind: "images" | "masks" | "sheets" | "textures" | "previews";
  /** Bytes held and on their way. */
  held(): number;
  /** What it would give up first; null where it needs everything. */
  worst?(): Victim | null;
}

export interface Memory {
  readonly used: number;
  readonly budget: number;
}

// anywidget runs the module once per widget, so what the page shares is found on globalThis.
const KEY = Symbol.for("nbannot.memory.1");
const BUDGET = 2 * 2 ** 30;

/** Counts the memory of the page against a budget. */
export class Ledger {
  /** Bytes that images, masks, sheets and textures of all viewers may take together. */
  budget = BUDGET;
  readonly #accounts = new Set<Account>();

  get used(): number {
    let used = 0;
    for (const account of this.#accounts) used += account.held();
    return used;
  }

  /** Count an account from now on; the returned function ends that. */
  add(account: Account): () => void {
    this.#accounts.add(account);
    return () => void this.#accounts.delete(account);
  }

  /**
   * Make room for bytes by giving up what is wanted less than `cost`; false where that is not enough.
   * The caller counts them from then on.
   */
  room(bytes: number, cost: number): boolean {
    if (bytes > this.budget) return false;
    while (this.used + bytes > this.budget) {
      const victim = this.#worst();
      if (!victim || victim.cost <= cost) return false;
      victim.drop();
    }
    return true;
  }

  /** Bring what grew without asking (masks, sheets) back into the budget, as far as that goes. */
  settle(): void {
    this.room(0, 0);
  }

  #worst(): Victim | null {
    let worst: Victim | null = null;
    for (const account of this.#accounts) {
      const victim = account.worst?.() ?? null;
      if (victim && (!worst || victim.cost > worst.cost)) worst = victim;
    }
    return worst;
  }
}

/** The ledger of this page. */
export function pageLedger(): Ledger {
  const page = globalThis as { [KEY]?: Ledger };
  return (page[KEY] ??= new Ledger());
}

/** Bytes in words. */
export function sizeText(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toPrecision(2)} GB` : `${Math.max(1, Math.round(bytes / 1e6))} MB`;
}
