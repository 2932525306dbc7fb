/** The first picture comes before everything around it: what is not needed for it is held back until it is seen. */

import { h } from "./dom";

/** Where no picture comes for so long after it was asked for, its surroundings come without it. */
const PATIENCE_MS = 1000;
/** The coarse look at the whole often follows the first slice at once: one frame less, and it is seen sooner. */
const OTHERS_MS = 250;

let opened = false;

/**
 * The first canvas of a page that is drawn into waits for the browser's GPU process, which without a GPU may be busy
 * with a frame for long. That is better done now, while the host looks for the first slice.
 */
function openCanvas(): void {
  if (opened || typeof ImageData === "undefined") return;
  opened = true;
  const canvas = h("canvas", { width: 1, height: 1 });
  canvas.getContext("2d", { willReadFrequently: true })?.putImageData(new ImageData(1, 1), 0, 0);
}

/**
 * The early phase of a viewer. Its root has the class `nbannot-early`: all boxes have their size, but only
 * pictures and messages are painted, since without a GPU each painted frame costs more than the picture itself.
 * `then` is called once, when the browser has shown the first picture or somebody does not wait for it.
 */
export class FirstPicture {
  #done = false;
  #frame = 0;
  #seen = false;
  #timer: ReturnType<typeof setTimeout>;
  readonly #listening = new AbortController();

  constructor(private readonly root: HTMLElement, private readonly then: () => void, signal: AbortSignal) {
    root.classList.add("nbannot-early");
    openCanvas();
    this.#timer = setTimeout(() => this.end(), PATIENCE_MS);
    const { signal: listening } = this.#listening;
    for (const type of ["pointerdown", "keydown", "focusin", "wheel"]) {
      root.addEventListener(type, () => this.end(), { capture: true, passive: true, signal: listening });
    }
    signal.addEventListener("abort", () => {
      this.#stop();
      this.#done = true;
    });
  }

  /** Whether the phase is over. */
  get done(): boolean {
    return this.#done;
  }

  /** Slices were asked for just now. */
  asked(): void {
    if (!this.#done && !this.#seen) this.#wait(PATIENCE_MS);
  }

  /** A picture is in its canvas (`all`: in that of every view): the rest follows when its frame has been shown. */
  painted(all: boolean): void {
    if (this.#done || this.#frame !== 0) return;
    if (all) {
      // The browser begins the next frame when it is done with this one.
      this.#frame = requestAnimationFrame(() => (this.#frame = requestAnimationFrame(() => this.end())));
    } else if (!this.#seen) this.#wait(OTHERS_MS);
    this.#seen = true;
  }

  #wait(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.end(), ms);
  }

  /** Wait no longer. */
  end(): void {
    if (this.#done) return;
    this.#done = true;
    this.#stop();
    this.root.classList.remove("nbannot-early");
    this.then();
  }

  #stop(): void {
    clearTimeout(this.#timer);
    cancelAnimationFrame(this.#frame);
    this.#listening.abort();
  }
}
