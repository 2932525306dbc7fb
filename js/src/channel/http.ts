/** Slices over same-origin HTTP, served by the Jupyter server extension. */

import type { Codec, ImageJson } from "../model/protocol";
import type { Bytes } from "./wire";

const CODECS: readonly Codec[] = ["raw", "zstd", "lorenzo-zstd", "shuffle-zstd"];
const PROBE_MS = 2000;
const FETCH_MS = 10_000;
const MAX_CONNECTIONS = 4;
const MAX_FAILURES = 3;

export interface HttpSlice {
  readonly k: number;
  readonly codec: Codec;
  readonly bytes: Bytes;
}

/** Read the parts [u32 k][u32 codec][u32 length][bytes]…; throws RangeError for anything else. */
export function parseSlices(body: ArrayBuffer): HttpSlice[] {
  const view = new DataView(body);
  const slices: HttpSlice[] = [];
  for (let at = 0; at < body.byteLength; ) {
    if (at + 12 > body.byteLength) throw new RangeError("a slice header is cut off");
    const codec = CODECS[view.getUint32(at + 4, true)];
    const length = view.getUint32(at + 8, true);
    if (!codec || at + 12 + length > body.byteLength) throw new RangeError("a slice is cut off");
    slices.push({ k: view.getUint32(at, true), codec, bytes: new Uint8Array(body, at + 12, length) });
    at += 12 + length;
  }
  return slices;
}

/** The server's base URL as the page states it, or null where nbannot's server extension is not loaded. */
export function jupyterBase(): string | null {
  if (typeof document === "undefined") return null;
  const config = document.getElementById("jupyter-config-data")?.textContent;
  try {
    const page = config ? (JSON.parse(config) as { baseUrl?: unknown; nbannotHttp?: unknown }) : {};
    const base = page.nbannotHttp === undefined ? null : page.baseUrl;
    return typeof base === "string" ? new URL(base, location.origin).href.replace(/\/*$/, "/") : null;
  } catch {
    return null;
  }
}

/** GET of ranges of slices, a few at a time; switches itself off where the server does not answer. */
export class HttpCarrier {
  #open = 0;
  #failures = 0;
  readonly #waiting: (() => void)[] = [];

  private constructor(readonly url: string) {}

  /** Return a carrier if the server at this place reads what our host writes, else null. */
  static async probe(url: string, nonce: string, signal: AbortSignal): Promise<HttpCarrier | null> {
    const limit = timeLimit(signal, PROBE_MS);
    try {
      const init = { credentials: "same-origin", signal: limit.signal, cache: "no-store" } as const;
      const reply = await fetch(`${url}/probe`, init);
      const answer = reply.ok ? ((await reply.json()) as { nonce?: unknown }) : {};
      return answer.nonce === nonce ? new HttpCarrier(url) : null;
    } catch {
      return null;
    } finally {
      limit.end();
    }
  }

  get alive(): boolean {
    return this.#failures < MAX_FAILURES;
  }

  /** Return those slices k0…k1 that the server has; none where it fails. */
  async slices(image: ImageJson, frame: number, k0: number, k1: number, signal: AbortSignal): Promise<HttpSlice[]> {
    if (!this.alive) return [];
    await this.#turn();
    const limit = timeLimit(signal, FETCH_MS);
    try {
      if (signal.aborted) return [];
      const path = `${encodeURIComponent(image.id)}/${frame}/${k0}-${k1}`;
      const reply = await fetch(`${this.url}/${path}`, { credentials: "same-origin", signal: limit.signal });
      if (!reply.ok) throw new Error(`the server answered ${reply.status}`);
      const slices = parseSlices(await reply.arrayBuffer());
      this.#failures = 0;
      return slices;
    } catch {
      // The other carrier gets what is missing, so a failure here needs no message.
      if (!signal.aborted) this.#failures++;
      return [];
    } finally {
      limit.end();
      this.#open--;
      this.#waiting.shift()?.();
    }
  }

  async #turn(): Promise<void> {
    if (this.#open >= MAX_CONNECTIONS) await new Promise<void>((go) => this.#waiting.push(go));
    this.#open++;
  }
}

/** A signal that also aborts after some time (AbortSignal.any is missing in older browsers). */
function timeLimit(signal: AbortSignal, ms: number): { readonly signal: AbortSignal; end(): void } {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  const timer = setTimeout(abort, ms);
  signal.addEventListener("abort", abort);
  return {
    signal: controller.signal,
    end() {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
    },
  };
}
