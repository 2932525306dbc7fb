/** Counts the time that somebody works on a case: nothing while the page is hidden or nobody touches it. */

const IDLE_MS = 60_000;
const TOLD_S = 15;

export interface Counting {
  now?(): number;
  readonly signal?: AbortSignal;
  within?(target: EventTarget | null): boolean;
}

export class Activity {
  #touched = 0;
  #last = 0;
  #seconds = 0;

  /** `within`: whether what is touched counts; all of the page where it is left out. */
  constructor(private readonly tell: (seconds: number) => void, { now = () => Date.now(), signal, within = () => true }: Counting = {}) {
    const touch = (event?: Event): void => {
      if (event && !within(event.target)) return;
      const at = now();
      if (at - this.#touched > IDLE_MS) this.#last = at;
      this.#touched = at;
    };
    for (const type of ["pointerdown", "pointermove", "keydown", "wheel"]) {
      globalThis.addEventListener?.(type, touch, { capture: true, passive: true, ...(signal ? { signal } : {}) });
    }
    touch();
    this.now = now;
  }

  private readonly now: () => number;

  /** Count up to now; called about every second. */
  tick(visible: boolean): void {
    const now = this.now();
    const until = Math.min(now, this.#touched + IDLE_MS);
    if (visible && until > this.#last) this.#seconds += (until - this.#last) / 1000;
    this.#last = now;
    if (this.#seconds >= TOLD_S) this.flush();
  }

  /** Tell what is counted, for instance when the case changes. */
  flush(): void {
    const seconds = Math.round(this.#seconds);
    if (seconds > 0) this.tell(seconds);
    this.#seconds = 0;
  }
}
