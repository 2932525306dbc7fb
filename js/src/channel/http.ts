/** Slices over same-origin HTTP, served by the Jupyter server extension. */

import { SliceParser } from "./parts";
import type { HttpPart } from "./parts";
import type { ImageJson } from "../model/protocol";

const PROBE_MS = 2000;
const FETCH_MS = 10_000;
const MAX_CONNECTIONS = 4;
const MAX_FAILURES = 3;

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

  /**
   * Hand over those slices k0…k1 that the server has, each as soon as it is here; none where it fails. For
   * slices that are not urgent the server waits a moment.
   */
  async slices(
    image: ImageJson,
    frame: number,
    [k0, k1]: readonly [number, number],
    onPart: (part: HttpPart) => void,
    signal: AbortSignal,
    urgent = false,
  ): Promise<void> {
    if (!this.alive) return;
    await this.#turn(urgent);
    const limit = timeLimit(signal, FETCH_MS);
    try {
      if (signal.aborted) return;
      const path = `${encodeURIComponent(image.id)}/${frame}/${k0}-${k1}${urgent ? "" : "?wait"}`;
      const reply = await fetch(`${this.url}/${path}`, { credentials: "same-origin", signal: limit.signal });
      // 204: the viewer is closed.
      if (reply.status !== 200) throw new Error(`the server answered ${reply.status}`);
      const parser = new SliceParser(onPart);
      const reader = reply.body?.getReader();
      if (!reader) parser.push(new Uint8Array(await reply.arrayBuffer()));
      else
        for (let read = await reader.read(); !read.done; read = await reader.read()) {
          limit.extend();
          parser.push(read.value);
        }
      parser.end();
      this.#failures = 0;
    } catch {
      // The other carrier gets what is missing, so a failure here needs no message.
      if (!signal.aborted) this.#failures++;
    } finally {
      limit.end();
      this.#open--;
      this.#waiting.shift()?.();
    }
  }

  async #turn(urgent: boolean): Promise<void> {
    if (!urgent && this.#open >= MAX_CONNECTIONS) await new Promise<void>((go) => this.#waiting.push(go));
    this.#open++;
  }
}

/** A signal that also aborts after some time (AbortSignal.any is missing in older browsers). */
function timeLimit(
  signal: AbortSignal,
  ms: number,
): { readonly signal: AbortSignal; extend(): void; end(): void } {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  let timer = setTimeout(abort, ms);
  signal.addEventListener("abort", abort);
  return {
    signal: controller.signal,
    /** Something came: wait as long again. */
    extend() {
      clearTimeout(timer);
      timer = setTimeout(abort, ms);
    },
    end() {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
    },
  };
}
