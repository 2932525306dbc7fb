/** Voxels in the browser: which slices to fetch, in which order, and which of them to keep. */

import { SliceError } from "./channel/requests";
import { Previews } from "./volumes/previews";
import type { Preview } from "./volumes/previews";
import { Assembly } from "./volumes/assemble";
import { pageLedger, sizeText } from "./volumes/ledger";
import { MaskFeed } from "./volumes/maskfeed";
import { MaskMemory } from "./volumes/maskmemory";
import { Motion, UNWANTED, Wish } from "./volumes/order";
import { frameShown } from "./volumes/shown";
import { Sketches } from "./volumes/sketches";
import { Volume, sliceBytes } from "./volumes/volume";
import type { Channel } from "./channel";
import type { Slice } from "./channel/requests";
import type { DecodePool } from "./decode";
import type { DocumentMirror } from "./model/document";
import type { TypedArray } from "./model/masks";
import type { Memory, Victim } from "./volumes/ledger";
import type { Step, Want } from "./volumes/order";
import type { Reduced } from "./volumes/reduced";
import type { Sketch } from "./volumes/sketches";

export { outwards } from "./volumes/order";
export { Volume } from "./volumes/volume";
export type { DecodePool } from "./decode";
export type { Memory } from "./volumes/ledger";
export type { Want } from "./volumes/order";

export type Arrival =
  | { readonly kind: "slice"; readonly image: string; readonly frame: number; readonly k: number }
  | { readonly kind: "failed"; readonly image: string; readonly frame: number; readonly k: number; readonly message: string }
  /** There is something coarse to draw where slices are missing. */
  | { readonly kind: "sketch"; readonly image: string; readonly frame: number; readonly k: -1 }
  /** The image is larger than the memory that is left; the message says what that means. */
  | { readonly kind: "limit"; readonly image: string; readonly frame: number; readonly k: number; readonly message: string };

interface Head {
  readonly wish: Wish;
  readonly steps: Generator<Step, void, void>;
  next: Step | null;
}

interface Held extends Step {
  readonly volume: Volume;
}

const MAX_BATCH = 16;
const FIRST_BATCH = 4;
const BATCH_BYTES = 8 * 2 ** 20;
const SLOW_MS = 400;
const QUICK_MS = 100;
// Requests by HTTP may take longer: their slices come one by one, and the next one that is looked at overtakes them.
const HTTP_SLOWER = 4;
const RING_BYTES = 256 * 2 ** 20;
const RETRY_MS = 3000;
const RETRY_HOST_MS = 10_000;
const MAX_URGENT = 2;
/** Larger slices come in parts. */
const IN_PARTS = 4 * 2 ** 20;

/**
 * Fetches slices: those in view first, then the next frames of a film, then outwards from what is in
 * view, then the other frames, then the other images as long as half of the memory is free. What is
 * wanted least goes when the page's memory budget is full; it is fetched again when it is wanted.
 */
export class Volumes {
  readonly #volumes = new Map<string, Volume>();
  readonly #listeners = new Set<(arrival: Arrival) => void>();
  readonly #abort = new AbortController();
  readonly #ledger = pageLedger();
  readonly #assembly: Assembly;
  readonly #motions = new Map<string, Motion>();
  readonly #background = new Map<AbortController, Volume>();
  readonly #glances: { readonly volume: Volume; readonly k: number }[] = [];
  #glancing = false;
  readonly #masks: MaskFeed;
  readonly #previews: Previews;
  readonly #sketches: Sketches;
  readonly #urgent = new Set<string>();
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  /** Slices that were tried twice. */
  readonly #retried = new Set<string>();
  readonly #limited = new Set<string>();
  readonly #lastWanted = new Map<string, number>();
  #wishes: readonly Wish[] = [];
  #heads: Head[] | null = null;
  #others: Head[] | null = null;
  #victims: Held[] | null = null;
  #batch = FIRST_BATCH;
  #scheduled = false;

  constructor(
    readonly channel: Channel,
    readonly document: DocumentMirror,
    readonly decoder: DecodePool,
  ) {
    const { signal } = this.#abort;
    this.#previews = new Previews(channel, decoder, signal);
    this.#assembly = new Assembly(decoder);
    const sketched = ({ image, frame }: Volume): void => this.#tell({ kind: "sketch", image: image.id, frame, k: -1 });
    this.#sketches = new Sketches(channel, decoder, sketched, () => this.#schedule(), signal);
    decoder.warm?.();
    const centre = (image: string): number | undefined =>
      this.#wishes.find(({ want }) => want.image === image)?.inView[0];
    const failed = (image: string, message: string): void => this.#tell({ kind: "failed", image, frame: 0, k: -1, message });
    const limit = (image: string, message: string): void => this.#tell({ kind: "limit", image, frame: 0, k: -1, message });
    const memory = new MaskMemory(document, this.#ledger, (image, k) => this.#costOf(image, k));
    const grown = (): void => this.#schedule();
    this.#masks = new MaskFeed(channel, document, decoder, memory, centre, { failed, limit, grown }, signal);
    document.on((event) => {
      if (event.type === "missing") void this.#masks.fetch(event.mask);
      if (event.type === "state") this.#replan();
    }, signal);
    const images = this.#ledger.add({ kind: "images", held: () => this.#held(), worst: () => this.#worst() });
    const labels = this.#ledger.add({
      kind: "masks", held: () => memory.held(), worst: () => memory.worst(),
    });
    signal.addEventListener("abort", () => (images(), labels()));
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

  /**
   * Say all that is in view, most important first; it replaces what was said before. The rest of those
   * frames follows, and images that are not in view go when memory is short.
   */
  wantAll(wants: readonly Want[]): void {
    const now = performance.now();
    for (const { want } of this.#wishes) this.#lastWanted.set(want.image, now);
    const count = new Map<string, number>();
    this.#wishes = wants.flatMap((want) => {
      const image = this.document.image(want.image);
      if (!image) return [];
      const n = count.get(want.image) ?? 0;
      count.set(want.image, n + 1);
      const motion = this.#motion(`${want.image}/${n}`);
      motion.note(want.frame, want.slices[0] ?? 0, image.frames, now);
      const ring = Math.max(1, Math.floor(RING_BYTES / (sliceBytes(image) * Math.max(1, want.slices.length))));
      return [new Wish(want, image.shape[0], image.frames, motion, ring)];
    });
    for (const [controller, volume] of this.#background)
      if (!this.#wishes.some((wish) => wish.want.image === volume.image.id && wish.cost(volume.frame, 0) < 3 + wish.frames / 2))
        controller.abort();
    const places = this.#wishes.flatMap(({ want, inView: [k] }) => (k === undefined ? [] : [[want.image, want.frame, k] as const]));
    if (places.length) this.channel.focus(places);
    this.#heads = this.#others = this.#victims = null;
    this.#masks.memory.moved();
    // At once: what follows draws, and the host can work meanwhile.
    this.#pump();
    this.#masks.again();
  }

  /** Try what failed again, of one image or of all. */
  retry(image?: string): void {
    for (const volume of this.#volumes.values()) {
      if (image !== undefined && volume.image.id !== image) continue;
      for (const k of volume.failed.keys()) this.#retried.delete(keyOf(volume, k));
      volume.forgive();
      this.#limited.delete(volume.image.id);
    }
    this.#replan();
    this.#masks.again();
  }

  /** Whether slices of a mask were left out because they do not fit into the memory. */
  masksShort(mask: string): boolean {
    return this.#masks.short(mask);
  }

  /** A copy of a frame of an image, or of a mask (frame null), of at most edge³ voxels, made by the host. */
  preview(id: string, frame: number | null, edge: number, signal?: AbortSignal): Promise<Preview> {
    return this.#previews.get(id, frame, edge, signal);
  }

  /** The values of a slice that came compressed. */
  decoded({ codec, dtype, bytes, shape }: Slice): Promise<TypedArray> {
    const [rows = 0, columns = 0] = shape;
    return this.decoder.decode({ codec, dtype, bytes, columns, size: rows * columns });
  }

  /** Fetch this one slice when nothing in view is waiting, and nothing else of its image. */
  glance(image: string, frame: number, k: number): void {
    const volume = this.store(image, frame);
    if (!volume?.needs(k) || this.#glances.some((one) => one.volume === volume && one.k === k)) return;
    this.#glances.push({ volume, k });
    this.#schedule();
  }

  /** Something coarse to draw where slices of a frame are missing; asked for by the first call, told as an arrival. */
  sketch(image: string, frame = 0): Sketch | undefined {
    const volume = this.store(image, frame);
    return volume && this.#sketches.of(volume);
  }

  /** Smaller copies of the slices of a frame, to be drawn where a pixel covers several voxels. */
  reduced(image: string, frame = 0): Reduced | undefined {
    return this.store(image, frame)?.reduced;
  }

  onArrive(callback: (arrival: Arrival) => void, signal?: AbortSignal): () => void {
    this.#listeners.add(callback);
    const off = (): void => void this.#listeners.delete(callback);
    signal?.addEventListener("abort", off, { once: true });
    return off;
  }

  /**
   * Slices of an image (all frames asked for so far) that are here, and how many are to come; where
   * the image does not fit, only those that are on their way.
   */
  progress(image: string): { readonly have: number; readonly total: number } {
    let have = 0;
    let total = 0;
    for (const volume of this.#volumes.values()) {
      if (volume.image.id !== image) continue;
      have += volume.have;
      total += this.#limited.has(image) ? volume.have + volume.asked.size : volume.shape[0] - volume.failed.size;
    }
    return { have, total: Math.max(have, total) };
  }

  /** Bytes that all viewers of the page hold, and how many they may hold. */
  memory(): Memory {
    const { used, budget } = this.#ledger;
    return { used, budget };
  }

  /** Set how many bytes all viewers of the page may hold together. */
  setBudget(bytes: number): void {
    this.#ledger.budget = bytes;
    this.#ledger.settle();
    this.retry();
  }

  /** Stop everything and free all voxels. */
  close(): void {
    this.#abort.abort();
    for (const controller of this.#background.keys()) controller.abort();
    for (const timer of this.#timers) clearTimeout(timer);
    for (const volume of this.#volumes.values()) volume.clear();
    this.#volumes.clear();
    this.#assembly.clear();
    this.#sketches.clear();
    this.#wishes = [];
    this.#listeners.clear();
    this.decoder.close();
  }

  // What to fetch -------------------------------------------------------------------------------

  #motion(key: string): Motion {
    let motion = this.#motions.get(key);
    if (!motion) this.#motions.set(key, (motion = new Motion()));
    return motion;
  }

  /** Begin anew with the order: what is in view, or what is here, has changed. */
  #replan(): void {
    this.#heads = this.#others = this.#victims = null;
    this.#schedule();
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
    this.#ledger.settle();
    this.#startUrgent();
    for (const [n, { want }] of this.#wishes.entries())
      if (!this.#motions.get(`${want.image}/${n}`)?.frames) this.#sketches.fetch(this.store(want.image, want.frame));
    // The first slice has the road for itself.
    const [first] = this.#wishes;
    const shown = first && this.store(first.want.image, first.want.frame);
    if (this.#urgent.size && shown && !shown.have && !shown.partial.size) return;
    if (!this.#urgent.size) this.#startGlance();
    if (this.#sketches.first) return;
    const limit = this.channel.health.carrier === "http" ? (this.#batch > FIRST_BATCH ? 4 : 3) : 2;
    while (this.#background.size < limit) {
      const next = this.#nextBatch();
      if (!next) return;
      this.#start(next.volume, next.ks);
    }
  }

  /** One small picture at a time. */
  #startGlance(): void {
    if (this.#glancing) return;
    const next = this.#glances.shift();
    if (!next) return;
    const { volume, k } = next;
    if (!volume.needs(k) || !this.#admit(volume, UNWANTED, k)) return this.#startGlance();
    this.#glancing = true;
    void this.#fetch(volume, [k], this.#abort.signal, false).finally(() => {
      this.#glancing = false;
      this.#schedule();
    });
  }

  #startUrgent(): void {
    for (const [n, wish] of this.#wishes.entries()) {
      const volume = this.store(wish.want.image, wish.want.frame);
      const k = wish.inView.find((one) => volume?.needs(one));
      if (!volume || k === undefined) continue;
      // While one is on its way, only the slice that is looked at now may overtake it.
      const foremost = n === 0 && k === wish.inView[0];
      if (this.#urgent.size >= (foremost ? MAX_URGENT : 1)) return;
      if (!this.#admit(volume, wish.cost(volume.frame, k), k)) continue;
      const key = keyOf(volume, k);
      this.#urgent.add(key);
      void this.#fetch(volume, [k], this.#abort.signal, true).finally(() => {
        this.#urgent.delete(key);
        this.#schedule();
      });
      return;
    }
  }

  /** Slices to fetch next, of one frame; they are counted as held from here on. */
  #nextBatch(): { volume: Volume; ks: number[] } | null {
    this.#heads ??= this.#wishes.map((wish) => ({ wish, steps: wish.steps(), next: null }));
    let best: Head | null = null;
    for (const head of this.#heads) {
      const step = this.#peek(head);
      if (step && (!best?.next || step.cost < best.next.cost)) best = head;
    }
    const other = best ? null : this.#otherHead();
    best ??= other;
    const volume = best?.next && this.store(best.wish.want.image, best.next.frame);
    if (!best || !volume) return null;
    const ks: number[] = [];
    const most = Math.max(1, Math.min(this.#batch, Math.floor(BATCH_BYTES / volume.bytes)));
    for (let step = best.next; step && step.frame === volume.frame && ks.length < most; step = this.#peek(best)) {
      if (!this.#admit(volume, other ? 2 * UNWANTED : step.cost, step.k)) break;
      volume.asked.add(step.k);
      ks.push(step.k);
    }
    return ks.length ? { volume, ks } : null;
  }

  /** Other images than those in view: only over HTTP, and while half of the memory is free. */
  #otherHead(): Head | null {
    if (this.channel.health.carrier !== "http" || !this.#wishes.length) return null;
    const wanted = new Set(this.#wishes.map(({ want }) => want.image));
    for (const { image } of this.#background.values()) if (wanted.has(image.id)) return null;
    this.#others ??= this.document.images
      .filter(({ id }) => !this.#wishes.some(({ want }) => want.image === id))
      .map((image) => {
        const want = { image: image.id, frame: 0, slices: [] };
        const wish = new Wish(want, image.shape[0], image.frames, new Motion(), 1);
        return { wish, steps: wish.steps(), next: null };
      });
    return this.#others.find((one) => this.#peek(one)) ?? null;
  }

  #peek(head: Head): Step | null {
    while (!head.next || !this.store(head.wish.want.image, head.next.frame)?.needs(head.next.k)) {
      const step = head.steps.next();
      if (step.done) return (head.next = null);
      head.next = step.value;
    }
    return head.next;
  }

  #start(volume: Volume, ks: number[]): void {
    const controller = new AbortController();
    this.#background.set(controller, volume);
    const begun = performance.now();
    const fetched = (): void => {
      const taken = (performance.now() - begun) / (this.channel.health.carrier === "http" ? HTTP_SLOWER : 1);
      if (taken > SLOW_MS) this.#batch = Math.max(1, this.#batch >> 1);
      else if (taken < QUICK_MS) this.#batch = Math.min(MAX_BATCH, this.#batch * 2);
    };
    void this.#fetch(volume, ks, controller.signal, false, fetched).finally(() => {
      this.#background.delete(controller);
      if (controller.signal.aborted) this.#replan();
      this.#schedule();
    });
  }

  // Memory --------------------------------------------------------------------------------------

  #held(): number {
    let held = 0;
    for (const volume of this.#volumes.values()) held += volume.held;
    return held;
  }

  /** Make room for slice k; where that cannot be, say so once. */
  #admit(volume: Volume, cost: number, k: number): boolean {
    const half = this.#ledger.budget / 2;
    if (cost >= UNWANTED && this.#ledger.used + volume.bytes > half) return false;
    if (volume.partial.has(k) || this.#ledger.room(volume.bytes, cost)) return true;
    const budget = sizeText(this.#ledger.budget);
    if (volume.bytes > this.#ledger.budget) {
      const message = `One slice of this image takes ${sizeText(volume.bytes)}, more than the page may use (${budget}).`;
      volume.fail(k, message);
      this.#limit(volume, k, message);
    } else if (cost < UNWANTED) {
      const size = sizeText(volume.bytes * volume.shape[0] * volume.image.frames);
      this.#limit(
        volume,
        k,
        `This image takes ${size} and does not fit into the memory that the page may use (${budget}). ` +
          "Slices are kept around those in view and fetched again on the way; views across them stay incomplete.",
      );
    }
    return false;
  }

  #limit(volume: Volume, k: number, message: string): void {
    const { id } = volume.image;
    if (this.#limited.has(id)) return;
    this.#limited.add(id);
    this.#tell({ kind: "limit", image: id, frame: volume.frame, k, message });
  }

  #cost(volume: Volume, k: number): number {
    let cost = Infinity;
    for (const wish of this.#wishes)
      if (wish.want.image === volume.image.id) cost = Math.min(cost, wish.cost(volume.frame, k));
    if (cost < Infinity) return cost;
    const last = this.#lastWanted.get(volume.image.id);
    return last === undefined ? 2 * UNWANTED : UNWANTED + Math.min(UNWANTED / 2, (performance.now() - last) / 1000);
  }

  /** The same for a slice of the frame of an image that is looked at. */
  #costOf(image: string, k: number): number {
    const wish = this.#wishes.find(({ want }) => want.image === image);
    const volume = this.store(image, wish?.want.frame ?? 0);
    return volume ? this.#cost(volume, k) : 2 * UNWANTED;
  }

  #worst(): Victim | null {
    const list = (this.#victims ??= this.#listVictims());
    for (let one = list.at(-1); one; one = list.at(-1)) {
      const { volume, k, cost } = one;
      if (volume.slice(k) || volume.partial.has(k)) return { cost, drop: () => (list.pop(), volume.drop(k)) };
      list.pop();
    }
    return null;
  }

  /** All slices here, the least wanted last; made anew when the view changes and when slices come. */
  #listVictims(): Held[] {
    const list: Held[] = [];
    for (const volume of this.#volumes.values())
      for (const k of volume.here)
        if (!volume.asked.has(k)) list.push({ volume, k, frame: volume.frame, cost: this.#cost(volume, k) });
    return list.sort((a, b) => a.cost - b.cost);
  }

  // Fetching ------------------------------------------------------------------------------------

  /** `fetched` is called when all is here, before it is decoded. */
  async #fetch(
    volume: Volume, ks: readonly number[], signal: AbortSignal, urgent: boolean, fetched?: () => void,
  ): Promise<void> {
    const decoding: Promise<void>[] = [];
    for (const k of ks) volume.asked.add(k);
    try {
      const take = (k: number, slice: Slice): void => void decoding.push(this.#take(volume, k, slice));
      // Decoding megabytes would keep the processor from showing the small picture.
      const shown = (): Promise<void> => Promise.all(decoding).then(() => frameShown(signal));
      const small = urgent && sliceBytes(volume.image) > IN_PARTS ? shown : undefined;
      await this.channel.imageSlices(volume.image, volume.frame, ks, take, { signal, urgent, small });
    } catch (error) {
      const host = error instanceof SliceError;
      const failed = host ? error.keys.map((key) => Number(key.split("/").at(-1))) : ks;
      for (const k of failed) this.#failed(volume, k, textOf(error), host);
    }
    fetched?.();
    await Promise.all(decoding);
    for (const k of ks) {
      volume.asked.delete(k);
      this.#assembly.forget(volume, k);
    }
    this.#victims = null;
  }

  async #take(volume: Volume, k: number, slice: Slice): Promise<void> {
    const arrived = { kind: "slice", image: volume.image.id, frame: volume.frame, k } as const;
    try {
      if (slice.band) {
        await this.#assembly.take(volume, k, slice, () => this.#tell(arrived));
        return;
      }
      const [rows = 0, columns = 0] = slice.shape;
      const size = rows * columns * (volume.color ? 3 : 1);
      const { codec, dtype, bytes } = slice;
      const reduce = volume.reduce(0, rows);
      let copies: readonly TypedArray[] = [];
      const values = await this.decoder.decode(
        { codec, dtype, bytes, size, columns, ...(reduce && { reduce }) }, (made) => (copies = made),
      );
      if (this.#abort.signal.aborted) return;
      if (values.length !== volume.shape[1] * volume.shape[2] * (volume.color ? 3 : 1))
        throw new RangeError("its size does not fit the image");
      volume.put(k, values, copies);
      this.#sketches.note(volume);
      this.#tell(arrived);
    } catch (error) {
      this.#failed(volume, k, textOf(error), false);
    }
  }

  /** Try a slice once more a little later; `host`: the host says that it cannot be had, which is told at once. */
  #failed(volume: Volume, k: number, message: string, host: boolean): void {
    if (this.#abort.signal.aborted) return;
    const key = keyOf(volume, k);
    const again = this.#retried.has(key);
    if (host || again) {
      volume.fail(k, message);
      if (!host || !again) this.#tell({ kind: "failed", image: volume.image.id, frame: volume.frame, k, message });
    } else volume.later.add(k);
    if (again) return;
    this.#retried.add(key);
    const timer = setTimeout(
      () => {
        this.#timers.delete(timer);
        volume.forgive([k]);
        this.#replan();
      },
      host ? RETRY_HOST_MS : RETRY_MS,
    );
    this.#timers.add(timer);
  }

  #tell(arrival: Arrival): void {
    for (const listener of [...this.#listeners]) listener(arrival);
  }
}

function keyOf(volume: Volume, k: number): string {
  return `${volume.image.id}/${volume.frame}/${k}`;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
