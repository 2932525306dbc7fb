/** One view's copy of the shared state, and who hears of its changes. */
import { changedKeys, readView, type ViewPatch, type ViewState } from "../state";

export type ViewListener = (value: ViewState, changed: ReadonlySet<keyof ViewState>) => void;

/**
 * One view's copy of the shared state.
 *
 * Local changes act at once and are handed to `save` key by key; states from Python or from a second
 * view of the same viewer are followed key by key, so that a late message about one thing does not
 * take back a local change of another.
 */
export class ViewStore {
  #value: ViewState;
  #base: ViewState;
  #listeners = new Set<ViewListener>();

  constructor(
    initial: unknown,
    private readonly save: (changed: ViewPatch) => void,
  ) {
    this.#value = this.#base = readView(initial);
  }

  get value(): ViewState {
    return this.#value;
  }

  set(patch: ViewPatch): void {
    const changed = this.#replace({ ...this.#value, ...patch });
    if (changed.length === 0) return;
    this.#base = this.#value;
    this.save(Object.fromEntries(changed.map((key) => [key, this.#value[key]])));
  }

  /** Take over what changed remotely. */
  follow(json: unknown): void {
    const remote = readView(json);
    const news = changedKeys(this.#base, remote).map((key) => [key, remote[key]]);
    this.#base = remote;
    this.#replace({ ...this.#value, ...Object.fromEntries(news) });
  }

  on(listener: ViewListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#listeners.clear();
  }

  #replace(next: ViewState): (keyof ViewState)[] {
    const changed = changedKeys(this.#value, next);
    if (changed.length === 0) return changed;
    this.#value = next;
    for (const listener of [...this.#listeners]) listener(next, new Set(changed));
    return changed;
  }
}

/** Return `record` without `key`. */
export function without<T>(record: Readonly<Record<string, T>>, key: string): Record<string, T> {
  return Object.fromEntries(Object.entries(record).filter(([name]) => name !== key));
}
