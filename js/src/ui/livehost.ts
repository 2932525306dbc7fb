/** Operations, own tools and the history beside the pictures: fetches what draws them when it is first wanted. */
import type { LiveRoad } from "../channel/live";
import { pageModule } from "../channel/modules";
import { h, listen } from "./dom";
import { mine } from "./keyboard";
import type { OutlineJob } from "./previewlayer";
import type { Scene } from "./scene";

/** Fingerprint of the module this viewer was built with. */
declare const LIVE_HASH: string;

export interface LivePart {
  readonly element: HTMLElement;
  /** Look at the document and the view again. */
  draw(): void;
  /** Take a key; true where it was for this part. */
  key(name: "enter" | "escape"): boolean;
  close(): void;
}

export interface OperationsPart extends LivePart {
  run(tool: string): void;
  /** `stays`: the part was open before and stays so afterwards. */
  outline(job: OutlineJob, stays: boolean): void;
}

export interface LiveHost {
  readonly scene: Scene;
  readonly road: LiveRoad;
  readonly signal: AbortSignal;
  /** Close the part. */
  close(): void;
}

export interface LiveModule {
  operations(host: LiveHost): OperationsPart;
  history(host: LiveHost): LivePart;
}

type Name = "operations" | "history";

export class LiveDock {
  readonly element = h("div", { class: "nbannot-dock", "data-nbannot-dock": true, hidden: true });
  readonly #parts = new Map<Name, { part: LivePart; readonly abort: AbortController }>();
  #loading: Promise<LiveModule> | null = null;

  constructor(
    private readonly scene: Scene,
    private readonly root: HTMLElement,
    private readonly resized: () => void,
    private readonly signal: AbortSignal,
  ) {
    // Before the viewer's own keys: while something is previewed, Enter and Escape are for that.
    window.addEventListener("keydown", (event) => this.#key(event), { capture: true, signal });
    scene.source.channel.live?.on((message) => message.type === "tools" && this.#setTools(), signal);
    this.#setTools();
    listen(this.element, "pointerdown", signal, (event) => event.stopPropagation());
    signal.addEventListener("abort", () => [...this.#parts.keys()].forEach((name) => this.#close(name)));
  }

  isOpen(name: Name): boolean {
    return this.#parts.has(name);
  }

  toggle(name: Name): void {
    if (this.#parts.has(name)) this.#close(name);
    else void this.#open(name);
  }

  /** Run a tool of the user's own. */
  async run(tool: string): Promise<void> {
    // By its key: the next key is for the picture.
    const part = await this.#open("operations", false);
    (part as OperationsPart | null)?.run(tool);
  }

  /** Work out an operation on outlines and show what it would make. */
  async outline(job: OutlineJob): Promise<void> {
    const { scene } = this;
    if (!scene.source.channel.live) return scene.toast("This needs the kernel.");
    if (scene.source.terms?.readOnly) return scene.toast(scene.source.terms.readOnly);
    const stays = this.isOpen("operations");
    const part = await this.#open("operations", false);
    (part as OperationsPart | null)?.outline(job, stays);
  }

  draw(): void {
    for (const { part } of this.#parts.values()) part.draw();
  }

  #setTools(): void {
    this.scene.keys.setTools(this.scene.source.channel.live?.tools ?? []);
  }

  async #open(name: Name, focus = true): Promise<LivePart | null> {
    const found = this.#parts.get(name);
    if (found) return found.part;
    const { scene } = this;
    const road = scene.source.channel.live;
    if (!road) return null;
    try {
      const module = await (this.#loading ??= pageModule<LiveModule>(scene.source.road, LIVE_HASH, "live"));
      if (this.signal.aborted) return null;
      const again = this.#parts.get(name);
      if (again) return again.part;
      const abort = new AbortController();
      const part = module[name]({ scene, road, signal: abort.signal, close: () => this.#close(name) });
      this.#parts.set(name, { part, abort });
      this.element.append(part.element);
      this.#shown();
      if (focus) part.element.querySelector<HTMLElement>("[data-nbannot-first]")?.focus({ preventScroll: true });
      return part;
    } catch (error) {
      this.#loading = null;
      scene.toast(`This part of the viewer could not be loaded: ${error instanceof Error ? error.message : String(error)}`);
      return null;
    }
  }

  #close(name: Name): void {
    const open = this.#parts.get(name);
    if (!open) return;
    this.#parts.delete(name);
    const focused = open.part.element.contains(this.root.ownerDocument.activeElement);
    open.part.close();
    open.abort.abort();
    open.part.element.remove();
    if (focused) this.root.focus({ preventScroll: true });
    if (!this.signal.aborted) this.#shown();
  }

  #shown(): void {
    this.element.hidden = this.#parts.size === 0;
    this.resized();
  }

  #key(event: KeyboardEvent): void {
    const name = event.key === "Enter" ? "enter" : event.key === "Escape" ? "escape" : null;
    if (!name || event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    if (this.#parts.size === 0 || !mine(event, this.root)) return;
    if (![...this.#parts.values()].some(({ part }) => part.key(name))) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }
}
