/** Plays frames or the planes of a stack. */
import type { Scene } from "./scene";

const DEFAULT_MS = 1000 / 15;

/** Ms to the next picture: from the frame times where the file has them. */
export function frameDelay(times: readonly number[] | null, at: number): number {
  if (!times || times.length < 2) return DEFAULT_MS;
  const here = times[at];
  const next = times[at + 1];
  const mean = (times[times.length - 1]! - times[0]!) / (times.length - 1);
  const delay = (here !== undefined && next !== undefined ? next - here : mean) * 1000;
  // Dynamic scans have minutes between frames: nobody watches those in real time.
  return delay > 0 && delay <= 1000 ? Math.max(delay, 10) : delay > 1000 ? 500 : DEFAULT_MS;
}

export class Player {
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(
    private readonly scene: Scene,
    private readonly changed: () => void,
    signal: AbortSignal,
  ) {
    signal.addEventListener("abort", () => this.stop());
  }

  get playing(): boolean {
    return this.#timer !== null;
  }

  toggle(): void {
    if (this.playing) this.stop();
    else if (this.scene.ready && this.scene.pane.cineLength > 1) this.#next();
    this.changed();
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #next(): void {
    const { scene } = this;
    if (!scene.ready) return;
    const { image, cineAt } = scene.pane;
    const { fps } = scene.view.value;
    this.#timer = setTimeout(() => {
      if (!scene.ready || scene.pane.cineLength < 2) return this.stop();
      scene.pane.cineStep(1);
      this.#next();
    }, fps === null ? frameDelay(image.frame_times, cineAt) : 1000 / fps);
  }
}
