/** The black area: views in their cells, drawn once per animation frame when something changed. */
import { computeLayout, neededHeight, type Cell } from "../layout";
import { createRenderer, type Renderer } from "../render/renderer";
import type { Backend, ViewName } from "../state";
import { h } from "./dom";
import { Info } from "./info";
import type { Scene } from "./scene";
import { Viewport, type ViewportEvents } from "./viewport";

export interface StageEvents extends ViewportEvents {
  /** Something cannot be drawn. */
  failed(error: unknown, hint: string): void;
  /** Every view has its complete picture (true), or waits for data. */
  drawn(complete: boolean): void;
  backend(name: string, note: string): void;
}

/** How long arrivals are collected: across the slices every one changes the picture a little. */
/** Every repaint costs a composited page; without a GPU that would take what decoding needs. */
const ARRIVE_MS = 300;
const SETTLE_MS = 500;

export class Stage {
  readonly element = h("div", { class: "nbannot-stage" });
  readonly #views = new Map<ViewName, Viewport>();
  readonly #info: Info;
  readonly #observer: ResizeObserver;
  #renderer: Renderer | null = null;
  #asked: Backend | null = null;
  #cells: readonly Cell[] = [];
  #frame = 0;
  #later: ReturnType<typeof setTimeout> | null = null;
  #wanted = "";
  #settled = false;

  constructor(
    private readonly scene: Scene,
    private readonly events: StageEvents,
    private readonly signal: AbortSignal,
  ) {
    this.#info = new Info(scene);
    this.#observer = new ResizeObserver(() => this.arrange());
    this.#observer.observe(this.element);
    signal.addEventListener("abort", () => this.#close());
    this.#watchRatio();
  }

  get views(): readonly Viewport[] {
    return [...this.#views.values()];
  }

  /** Lay the views out again: the size, the layout or the image changed. */
  arrange(): void {
    const { scene, element } = this;
    if (!scene.ready || this.signal.aborted) return;
    const width = element.clientWidth;
    const height = element.clientHeight;
    this.#cells = computeLayout(scene.layout, width, height);
    const names = new Set(this.#cells.map(({ view }) => view));
    for (const [name, view] of this.#views) {
      if (names.has(name)) continue;
      view.close();
      this.#views.delete(name);
    }
    for (const cell of this.#cells) {
      if (cell.view === "info") this.#info.place(cell, element);
      else this.#viewport(cell.view).place(cell);
    }
    if (!names.has("info")) this.#info.element.remove();
    const first = this.#cells[0]?.view;
    if (!names.has(scene.active) && first && first !== "info") scene.active = first;
    // At once: until then the browser would show the old picture stretched into the new cell.
    this.#draw();
  }

  /** Height that the views need in a width, given the height of the widget. */
  heightFor(width: number, height: number): number {
    return this.scene.ready ? neededHeight(this.scene.layout, width, height) : height;
  }

  #viewport(name: ViewName): Viewport {
    let view = this.#views.get(name);
    if (!view) {
      view = new Viewport(name, this.scene, this.events);
      this.#views.set(name, view);
      this.element.append(view.element);
    }
    return view;
  }

  /** Draw all views, or one of them, in the next animation frame. */
  repaint(only?: ViewName): void {
    for (const view of this.#views.values()) if (!only || view.name === only) view.dirty = true;
    if (this.#frame === 0 && !this.signal.aborted) {
      this.#frame = requestAnimationFrame(() => {
        this.#frame = 0;
        this.#draw();
      });
    }
  }

  /** A slice came: its own view shows it at once, the views across it a little later, together. */
  arrived(k: number): void {
    if (!this.scene.ready) return;
    for (const { name } of this.#views.values()) {
      const { axis, slice } = this.scene.frame(name);
      if (axis === 0 && slice === k) this.repaint(name);
    }
    if (this.#later !== null || this.signal.aborted) return;
    this.#later = setTimeout(() => {
      this.#later = null;
      for (const { name } of this.#views.values()) {
        if (this.scene.ready && this.scene.frame(name).axis !== 0) this.repaint(name);
      }
    }, ARRIVE_MS);
  }

  cancel(): boolean {
    return this.views.some((view) => view.cancel());
  }

  #draw(): void {
    const { scene, events } = this;
    if (!scene.ready || this.#cells.length === 0) return;
    this.#want();
    try {
      const renderer = this.#backend();
      for (const view of this.#views.values()) if (view.dirty) view.draw(renderer, devicePixelRatio || 1);
    } catch (error) {
      const fallsBack = this.#renderer?.name !== "cpu";
      events.failed(error, fallsBack ? "The CPU draws instead." : "");
      if (fallsBack) this.#fallBack();
      return;
    }
    this.#info.draw();
    const complete = this.#views.size > 0 && scene.masksHere && this.views.every((view) => view.complete);
    if (complete && !this.#settled) this.#settle();
    events.drawn(complete);
  }

  /** Choose the back end for good once the first pictures are there. */
  #settle(): void {
    this.#settled = true;
    setTimeout(() => this.signal.aborted || this.repaint(), SETTLE_MS);
  }

  #backend(): Renderer {
    const chosen = this.scene.view.value.backend;
    // Asking for WebGL takes a third of a second without a GPU: the first picture does not wait for it.
    const asked = chosen === "auto" && !this.#settled ? "cpu" : chosen;
    if (this.#renderer && this.#asked === asked && !this.#renderer.lost) return this.#renderer;
    this.#renderer?.dispose();
    this.#renderer = null;
    this.#asked = asked;
    const { renderer, note } = createRenderer(asked);
    this.#renderer = renderer;
    this.events.backend(renderer.name, asked === chosen ? note : "");
    return renderer;
  }

  /** After a failure of WebGL the CPU goes on; when that fails too, the picture stays as it is. */
  #fallBack(): void {
    this.#renderer?.dispose();
    const { renderer } = createRenderer("cpu");
    this.#renderer = renderer;
    this.#asked = this.scene.view.value.backend;
    this.events.backend("cpu", "CPU: WebGL2 failed");
    this.repaint();
  }

  /** Tell which slices are in view, most wanted first. */
  #want(): void {
    const { scene } = this;
    const { volumes } = scene.source;
    const { image, time } = scene;
    const along = this.views.map((view) => scene.frame(view.name)).find((frame) => frame.axis === 0);
    const nk = image.shape[0];
    const k = along?.slice ?? Math.floor(nk / 2);
    const key = `${image.id}/${time}/${k}`;
    if (key === this.#wanted) return;
    this.#wanted = key;
    const ks = [k];
    for (let step = 1; step <= 4; step++) ks.push(k + step, k - step);
    volumes.wantAll([{ image: image.id, frame: time, slices: ks.filter((one) => one >= 0 && one < nk) }]);
  }

  /** The pixel ratio changes when the page is zoomed or moved to another screen. */
  #watchRatio(): void {
    if (this.signal.aborted) return;
    const query = matchMedia(`(resolution: ${devicePixelRatio || 1}dppx)`);
    const again = (): void => {
      this.arrange();
      this.#watchRatio();
    };
    query.addEventListener("change", again, { once: true, signal: this.signal });
  }

  #close(): void {
    this.#observer.disconnect();
    if (this.#later !== null) clearTimeout(this.#later);
    if (this.#frame !== 0) cancelAnimationFrame(this.#frame);
    for (const view of this.#views.values()) view.close();
    this.#views.clear();
    this.#renderer?.dispose();
    this.#renderer = null;
  }
}
