/** In which order slices are fetched, and how much each of them is wanted. */

/** Slices of one image frame that somebody looks at, most important first. */
export interface Want {
  readonly image: string;
  readonly frame: number;
  readonly slices: readonly number[];
}

/** One slice of one frame and how little it is wanted: 0 in view, 1 next in a film, 2 near, 3 and more later. */
export interface Step {
  readonly frame: number;
  readonly k: number;
  readonly cost: number;
}

/** What is not in view at all costs at least this much. */
export const UNWANTED = 1e6;
const FORGET_MS = 1500;
const AHEAD = 3;

/** Notices in which direction somebody scrolls or plays. */
export class Motion {
  slices: -1 | 0 | 1 = 0;
  frames: -1 | 0 | 1 = 0;
  #k: number | null = null;
  #frame = 0;
  #when = 0;

  note(frame: number, k: number, count: number, now = performance.now()): void {
    if (now - this.#when > FORGET_MS) this.slices = this.frames = 0;
    if (this.#k !== null) {
      const by = Math.sign(k - this.#k) as -1 | 0 | 1;
      const turn = frame - this.#frame;
      // A film that starts again has gone on by one.
      const wrapped = count > 2 && Math.abs(turn) === count - 1 ? -turn : turn;
      if (by) this.slices = by;
      if (turn) this.frames = Math.sign(wrapped) as -1 | 0 | 1;
    }
    this.#k = k;
    this.#frame = frame;
    this.#when = now;
  }
}

/**
 * All slices of 0…count-1: those given first, then further and further from the first of them;
 * three ahead for each one behind where somebody scrolls in a direction.
 */
export function outwards(ks: readonly number[], count: number, direction: -1 | 0 | 1 = 0): number[] {
  const order = new Set(ks.filter((k) => k >= 0 && k < count));
  const centre = Math.min(Math.max(ks[0] ?? count >> 1, 0), Math.max(count - 1, 0));
  const sign = direction || 1;
  if (count > 0) order.add(centre);
  let ahead = centre + sign;
  let behind = centre - sign;
  const inside = (k: number): boolean => k >= 0 && k < count;
  while (inside(ahead) || inside(behind)) {
    for (let n = 0; n < (direction ? AHEAD : 1); n++, ahead += sign) if (inside(ahead)) order.add(ahead);
    if (inside(behind)) order.add(behind);
    behind -= sign;
  }
  return [...order];
}

/** A want with its order: which slices of which frames, and what each of them costs. */
export class Wish {
  readonly #order: readonly number[];
  readonly #rank: Float64Array;
  readonly #ring: number;
  readonly #turn: -1 | 1;
  /** Slices in view, most important first. */
  readonly inView: readonly number[];

  constructor(
    readonly want: Want,
    readonly count: number,
    readonly frames: number,
    motion: Motion,
    /** How many frames ahead are fetched before the rest of this one. */
    ring: number,
  ) {
    this.#turn = motion.frames < 0 ? -1 : 1;
    this.#ring = motion.frames || count === 1 ? Math.min(ring, frames - 1) : 0;
    this.#order = outwards(want.slices, count, motion.slices);
    this.inView = [...new Set(want.slices.filter((k) => k >= 0 && k < count))];
    this.#rank = new Float64Array(count);
    this.#order.forEach((k, n) => (this.#rank[k] = n / (count + 1)));
  }

  cost(frame: number, k: number): number {
    const rank = this.#rank[k] ?? 1;
    const seen = rank * (this.count + 1) < this.inView.length;
    const steps = this.#steps(frame);
    if (steps === 0) return seen ? rank : 2 + rank;
    if (seen && steps <= this.#ring) return 1 + (steps - 1 + rank) / this.#ring;
    return 3 + steps + rank;
  }

  /** Every slice of every frame, the most wanted first. */
  *steps(): Generator<Step, void, void> {
    const { inView } = this;
    for (const k of inView) yield this.#step(0, k);
    for (let n = 1; n <= this.#ring; n++) for (const k of inView) yield this.#step(n, k);
    for (const k of this.#order.slice(inView.length)) yield this.#step(0, k);
    for (let n = 1; n < this.frames; n++)
      for (const k of n <= this.#ring ? this.#order.slice(inView.length) : this.#order) yield this.#step(n, k);
  }

  #step(steps: number, k: number): Step {
    const frame = (((this.want.frame + steps * this.#turn) % this.frames) + this.frames) % this.frames;
    return { frame, k, cost: this.cost(frame, k) };
  }

  #steps(frame: number): number {
    const by = (frame - this.want.frame) * this.#turn;
    return ((by % this.frames) + this.frames) % this.frames;
  }
}
