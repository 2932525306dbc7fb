/** Down-sampled copies of images and masks for the 3-D view: asked for once, kept while there is room. */

import type { Slice } from "../channel/requests";
import type { Encoded } from "../decode";
import type { TypedArray } from "../model/masks";
import type { Dtype, Triple } from "../model/protocol";

export interface Preview {
  /** (k, j, i) */
  readonly shape: Triple;
  readonly dtype: Dtype;
  readonly values: TypedArray;
  /** Index (k, j, i) of the preview to world (x, y, z), LPS mm; 4 x 4. */
  readonly affine: readonly (readonly number[])[];
  /** Voxels of the full grid along (k, j, i) that make one voxel here. */
  readonly factors: Triple;
  /** Stored unit = value * slope + intercept. */
  readonly slope: number;
  readonly intercept: number;
  /** Revision of the document, for masks. */
  readonly revision: number;
}

interface Road {
  preview(id: string, frame: number | null, edge: number, signal: AbortSignal): Promise<Slice | undefined>;
}
interface Decoder {
  decode(slice: Encoded): Promise<TypedArray>;
}
interface Entry {
  readonly promise: Promise<Preview>;
  readonly abort: AbortController;
  /** Callers that still wait. */
  waiting: number;
  bytes: number;
}

const KEEP_BYTES = 96 * 2 ** 20;

/** Of each image frame and edge one copy, shared by whoever asks; masks are fetched anew, as they change. */
export class Previews {
  readonly #entries = new Map<string, Entry>();

  constructor(
    readonly road: Road,
    readonly decoder: Decoder,
    closed: AbortSignal,
  ) {
    closed.addEventListener("abort", () => {
      for (const entry of this.#entries.values()) entry.abort.abort();
      this.#entries.clear();
    });
  }

  /** Rejects with an AbortError once the signal aborts, and with the host's error where it has none. */
  get(id: string, frame: number | null, edge: number, signal?: AbortSignal): Promise<Preview> {
    if (signal?.aborted) return Promise.reject(aborted());
    const key = `${id}/${frame ?? "mask"}/${edge}`;
    let entry = this.#entries.get(key);
    if (!entry || (frame === null && entry.waiting === 0)) entry = this.#start(key, id, frame, edge);
    else {
      this.#entries.delete(key);
      this.#entries.set(key, entry);
    }
    return this.#wait(key, entry, signal);
  }

  #start(key: string, id: string, frame: number | null, edge: number): Entry {
    const abort = new AbortController();
    const entry: Entry = { promise: this.#fetch(id, frame, edge, abort.signal), abort, waiting: 0, bytes: 0 };
    this.#entries.set(key, entry);
    entry.promise.then(
      ({ values }) => {
        entry.bytes = values.byteLength;
        // The strokes that come change a mask: its copy is the caller's.
        if (frame === null) this.#drop(key, entry);
        this.#makeRoom(entry);
      },
      () => this.#drop(key, entry),
    );
    return entry;
  }

  #drop(key: string, entry: Entry): void {
    if (this.#entries.get(key) === entry) this.#entries.delete(key);
  }

  #makeRoom(latest: Entry): void {
    let held = 0;
    for (const { bytes } of this.#entries.values()) held += bytes;
    for (const [key, entry] of this.#entries) {
      if (held <= KEEP_BYTES) return;
      if (entry === latest || entry.bytes === 0) continue;
      held -= entry.bytes;
      this.#entries.delete(key);
    }
  }

  #wait(key: string, entry: Entry, signal?: AbortSignal): Promise<Preview> {
    entry.waiting++;
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        entry.waiting--;
        signal?.removeEventListener("abort", cancel);
      };
      const cancel = (): void => {
        leave();
        if (entry.waiting === 0 && entry.bytes === 0) {
          entry.abort.abort();
          this.#drop(key, entry);
        }
        reject(aborted());
      };
      signal?.addEventListener("abort", cancel);
      entry.promise.then(resolve, reject).finally(leave);
    });
  }

  async #fetch(id: string, frame: number | null, edge: number, signal: AbortSignal): Promise<Preview> {
    const slice = await this.road.preview(id, frame, edge, signal);
    if (!slice?.preview?.affine || !slice.preview.factors) throw aborted();
    const { codec, dtype, bytes, revision, shape } = slice;
    const [depth = 0, rows = 0, columns = 0] = shape;
    const values = await this.decoder.decode({ codec, dtype, bytes, columns, size: depth * rows * columns });
    const { affine, factors, slope = 1, intercept = 0 } = slice.preview;
    return { shape: [depth, rows, columns], dtype, values, affine, factors, slope, intercept, revision };
  }
}

function aborted(): Error {
  return Object.assign(new Error("not needed any more"), { name: "AbortError" });
}
