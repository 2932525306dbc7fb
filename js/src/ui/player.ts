/** Plays frames or the planes of a stack, one after the other: none is left out, those on their way are waited for. */
import { cinePane } from "./frames";
import type { Pane } from "./pane";
import type { Scene } from "./scene";

const DEFAULT_MS = 1000 / 15;
const SERIES_MS = 500;
/** How often is looked whether a frame that is waited for has come. */
const WAIT_MS = 25;
/** Waiting for longer is shown. */
const PATIENCE_MS = 300;
const SPEEDS = [0.5, 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60] as const;

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

/** Ms from the picture `at` of a pane to the next, as its file says. */
function delayOf({ image }: Pane, at: number): number {
  // Without times the frames of a series are no film: b-values, echoes.
  return image.frames > 1 && !image.frame_times ? SERIES_MS : frameDelay(image.frame_times, at);
}

/** Pictures per second of a pane: as set, else as its file says. */
export function speedOf(pane: Pane): number {
  const { fps } = pane.view.value;
  if (fps !== null) return fps;
  const times = pane.image.frame_times;
  const all = times && times.length > 1 ? times.length - 1 : 1;
  // The mean over the clip: single steps differ.
  const sum = Array.from({ length: all }, (_, at) => delayOf(pane, at)).reduce((a, b) => a + b);
  return Number(((1000 * all) / sum).toPrecision(3));
}

/** The next speed up (+1) or down (-1). */
export function nextSpeed(fps: number, by: 1 | -1): number {
  const near = 0.01 * fps;
  const found = by > 0 ? SPEEDS.find((one) => one > fps + near) : SPEEDS.filter((one) => one < fps - near).at(-1);
  return found ?? (by > 0 ? SPEEDS.at(-1)! : SPEEDS[0]);
}

/** Number of the frame after `at`, and the direction then; `bounce` turns round at the ends. */
export function nextFrame(at: number, count: number, direction: 1 | -1, bounce: boolean): readonly [number, 1 | -1] {
  const to = at + direction;
  if (to >= 0 && to < count) return [to, direction];
  if (!bounce || count < 3) return [(to + count) % count, direction];
  return [at - direction, -direction as 1 | -1];
}

export class Player {
  #timer: ReturnType<typeof setTimeout> | null = null;
  #drawn = 0;
  #pane = "";
  #due = 0;
  #direction: 1 | -1 = 1;
  #waits = 0;

  constructor(
    private readonly scene: Scene,
    private readonly changed: () => void,
    signal: AbortSignal,
  ) {
    signal.addEventListener("abort", () => this.#end());
  }

  get playing(): boolean {
    return this.#timer !== null || this.#drawn !== 0;
  }

  /** Whether a frame is waited for that has not come yet. */
  get waiting(): boolean {
    return this.#waits > 0 && performance.now() - this.#waits > PATIENCE_MS;
  }

  toggle(): void {
    const pane = this.playing ? null : cinePane(this.scene);
    if (!pane) return this.stop();
    this.#pane = pane.id;
    this.#direction = 1;
    this.#due = performance.now();
    this.#later(pane);
    this.#tell();
  }

  stop(): void {
    if (!this.playing) return;
    this.#end();
    this.#tell();
  }

  #end(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    cancelAnimationFrame(this.#drawn);
    this.#timer = null;
    this.#drawn = 0;
    this.#waits = 0;
    this.scene.playing = null;
  }

  #tell(): void {
    this.changed();
    this.scene.repaint();
  }

  /** The pane that plays, while it is on the screen and has frames. */
  get #playing(): Pane | null {
    if (!this.scene.ready) return null;
    const pane = this.scene.panes.find(({ id }) => id === this.#pane);
    return pane && pane.problem === null && pane.cineLength > 1 ? pane : null;
  }

  #later(pane: Pane): void {
    this.#drawn = 0;
    const { fps } = pane.view.value;
    const delay = fps === null ? delayOf(pane, this.#earlier(pane)) : 1000 / fps;
    const now = performance.now();
    // What drawing takes counts; what cannot be kept up is not made up for by leaving frames out.
    this.#due = Math.max(this.#due + delay, now + 4);
    this.scene.playing = { pane: pane.id, direction: this.#direction };
    this.#timer = setTimeout(() => this.#next(), this.#due - now);
  }

  /** The earlier one of this frame and the next: the step between them is theirs in both directions. */
  #earlier(pane: Pane): number {
    return this.#direction > 0 ? pane.cineAt : pane.cineAt - 1;
  }

  #next(): void {
    const pane = this.#playing;
    if (!pane) return this.stop();
    const [to, direction] = nextFrame(pane.cineAt, pane.cineLength, this.#direction, pane.view.value.bounce);
    if (!pane.cineHere(to)) {
      const shown = this.waiting;
      this.#waits ||= performance.now();
      if (this.waiting !== shown) this.changed();
      this.#timer = setTimeout(() => this.#next(), WAIT_MS);
      return;
    }
    if (this.waiting) this.changed();
    this.#waits = 0;
    this.#direction = direction;
    pane.cineTo(to);
    // Not before it was drawn: a slow page shows the frames more slowly, but all of them.
    this.#timer = null;
    this.#drawn = requestAnimationFrame(() => this.#later(pane));
  }
}
