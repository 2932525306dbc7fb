/** The black area: views in their cells, drawn once per animation frame when something changed. */
import { computeCells, neededHeight, type Cell } from "../layout";
import { createRenderer, type Renderer } from "../render/renderer";
import type { Backend } from "../state";
import { h } from "./dom";
import { Info } from "./info";
import type { PaneView } from "./paneview";
import type { Scene } from "./scene";
import type { Pane } from "./pane";
import { PaneVolume } from "./volumehost";
import { VolumePane } from "./volumepane";
import { Viewport, type ViewportEvents } from "./viewport";
import { wantsOf } from "./wants";

export interface StageEvents extends ViewportEvents {
  /** Something cannot be drawn. */
  failed(error: unknown, hint: string): void;
  /** Every view has its complete picture (true), or waits for data. */
  drawn(complete: boolean): void;
  /** The first picture is in its canvas, or there is none to wait for; `all`: so it is in every view. */
  painted(all: boolean): void;
  backend(name: string, note: string): void;
  /** A pane came onto the screen. */
  opened(view: PaneView): void;
}

/** How long arrivals are collected: across the slices every one changes the picture a little. */
/** Every repaint costs a composited page; without a GPU that would take what decoding needs. */
const ARRIVE_MS = 300;
const SETTLE_MS = 500;

export class Stage {
  readonly element = h("div", { class: "nbannot-stage" });
  readonly #views = new Map<string, PaneView>();
  readonly #info: Info;
  readonly #observer: ResizeObserver;
  #renderer: Renderer | null = null;
  #asked: Backend | null = null;
  #cells: readonly Cell[] = [];
  #frame = 0;
  #later: ReturnType<typeof setTimeout> | null = null;
  #wanted = "";
  #settled = false;
  /** Only pictures are drawn, without what lies over them, and only where there is something to see. */
  #bare = true;

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

  get views(): readonly PaneView[] {
    return [...this.#views.values()];
  }

  /** Lay the views out again: the size, the layout or the image changed. */
  arrange(): void {
    const { scene, element } = this;
    if (!scene.ready || this.signal.aborted) return;
    const width = element.clientWidth;
    const height = element.clientHeight;
    const { arrangement, maximized } = scene;
    this.#cells = computeCells(arrangement, maximized, width, height);
    const ids = new Set(this.#cells.map(({ pane }) => pane));
    for (const [id, view] of this.#views) {
      if (ids.has(id) && !this.#outdated(view)) continue;
      view.close();
      this.#views.delete(id);
    }
    for (const cell of this.#cells) {
      if (cell.pane === "info") this.#info.place(cell, element);
      else this.#paneView(cell.pane).place(cell);
    }
    if (!ids.has("info")) this.#info.element.remove();
    if (!ids.has(scene.active)) scene.active = scene.pane.id;
    // At once: until then the browser would show the old picture stretched into the new cell. Without one
    // the first slice is asked for, and drawn in the next frame if it is here by then.
    if (this.#renderer) return this.#draw();
    this.#want();
    if (this.#bare) this.#draw();
    else this.repaint();
  }

  /** Ask for the slices in view. */
  ask(): void {
    if (this.scene.ready) this.#want();
  }

  /** Draw everything from now on. */
  whole(): void {
    this.#bare = false;
    for (const view of this.#views.values()) view.dirty = true;
    this.#draw();
  }

  /** Height that the views need in a width, given the height of the widget. */
  heightFor(width: number, height: number): number {
    const { scene } = this;
    return scene.ready ? neededHeight(scene.arrangement, scene.maximized, width, height) : height;
  }

  /** Whether a pane changed between slices and 3-D. */
  #outdated(view: PaneView): boolean {
    const pane = this.scene.paneById(view.id);
    return view instanceof Viewport === (pane.plane === "volume" && pane.problem === null);
  }

  #paneView(id: string): PaneView {
    let view = this.#views.get(id);
    if (!view) {
      view = this.#makeView(this.scene.paneById(id));
      this.#views.set(id, view);
      this.element.append(view.element);
      this.events.opened(view);
    }
    return view;
  }

  #makeView(pane: Pane): PaneView {
    if (pane.plane === "volume" && pane.problem === null) {
      const { id } = pane;
      return new VolumePane(id, new PaneVolume(pane, () => this.events.maximize(id), () => this.repaint(id)));
    }
    return new Viewport(pane, { ...this.events, pointed: (id) => this.#pointed(id) });
  }

  /** Draw all views, or one of them, in the next animation frame. */
  repaint(only?: string): void {
    for (const view of this.#views.values()) if (!only || view.id === only) view.dirty = true;
    this.#soon();
  }

  /** Draw the voxels of masks in all views, in the next animation frame. */
  painted(): void {
    for (const view of this.#views.values()) view.dirty ||= "voxels";
    this.#soon();
  }

  #soon(): void {
    if (this.#frame === 0 && !this.signal.aborted) {
      this.#frame = requestAnimationFrame(() => {
        this.#frame = 0;
        this.#draw();
      });
    }
  }

  /** A slice came (-1: something else than a slice): the pane it fills shows it at once, those across it a little later, together. */
  arrived(k: number): void {
    if (!this.scene.ready) return;
    const panes = this.#slicePanes();
    if (this.#bare) {
      for (const { id, frame } of panes) if (k < 0 || (frame.axis === 0 && frame.slice === k)) this.#views.get(id)!.dirty = true;
      // At once: the browser may have no time for a frame until it has shown the one before.
      return this.#draw();
    }
    if (k < 0) return this.repaint();
    for (const { id, frame } of panes) if (frame.axis === 0 && frame.slice === k) this.repaint(id);
    if (this.#later !== null || this.signal.aborted) return;
    this.#later = setTimeout(() => {
      this.#later = null;
      if (!this.scene.ready) return;
      for (const pane of this.#slicePanes()) if (pane.frame.axis !== 0 || layered(pane)) this.repaint(pane.id);
    }, ARRIVE_MS);
  }

  #slicePanes(): Pane[] {
    return [...this.#views.keys()].map((id) => this.scene.paneById(id)).filter((pane) => pane.plane !== "volume");
  }

  cancel(): boolean {
    return this.views.some((view) => view.cancel());
  }

  /** Give a key to the gesture in progress; false when that has no use for it. */
  key(name: string): boolean {
    return this.views.some((view) => view.key?.(name) ?? false);
  }

  #pointed(pane: string): void {
    for (const view of this.#views.values()) if (view.id !== pane) view.follow?.();
  }

  #draw(): void {
    const { scene, events } = this;
    if (!scene.ready || this.#cells.length === 0) return;
    this.#want();
    const views = this.#bare ? this.#first() : this.views;
    if (this.#bare && views.length === 0) return;
    try {
      const renderer = this.#backend();
      for (const view of views) if (view.dirty) view.draw(renderer, devicePixelRatio || 1, this.#bare);
    } catch (error) {
      const fallsBack = this.#renderer?.name !== "cpu";
      events.failed(error, fallsBack ? "The CPU draws instead." : "");
      if (fallsBack) this.#fallBack();
      return;
    }
    if (this.#bare) return events.painted(views.length === this.#views.size);
    this.#info.draw();
    const complete = this.#views.size > 0 && scene.masksHere && this.views.every((view) => view.complete);
    if (complete && !this.#settled) this.#settle();
    events.drawn(complete);
  }

  /** Whether a picture is seen. */
  get pictured(): boolean {
    return this.scene.ready && this.#first().some(({ dirty }) => !dirty);
  }

  /** The views there is something to see in; all of them where none will show a slice. */
  #first(): readonly PaneView[] {
    const { volumes } = this.scene.source;
    const panes = this.#slicePanes().filter((pane) => pane.problem === null);
    const straight = panes.some(({ frame }) => frame.axis === 0);
    const seen = panes.filter(({ frame, store, image, time }) => {
      if (frame.axis === 0) return store.slice(frame.slice) !== undefined || store.partial?.has(frame.slice);
      const { have, total } = volumes.progress(image.id);
      return volumes.sketch?.(image.id, time) !== undefined || have > 0 && (have === total || !straight);
    });
    return panes.length === 0 ? this.views : seen.flatMap(({ id }) => this.#views.get(id) ?? []);
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
    const wants = wantsOf(scene);
    const key = JSON.stringify(wants);
    if (key === this.#wanted) return;
    this.#wanted = key;
    // Panes across the slices miss nearly all of them: the coarse look should come soon.
    for (const pane of this.#slicePanes()) if (pane.frame.axis !== 0) volumes.sketch?.(pane.image.id, pane.time);
    volumes.wantAll(wants);
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

/** Whether other images than its own are drawn in a pane. */
function layered({ view, image }: Pane): boolean {
  const { layers, compare } = view.value;
  return (layers[image.id]?.length ?? 0) > 0 || compare !== null;
}
