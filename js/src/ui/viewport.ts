/** One slice in the page: canvas, overlay and input. */
import type { Cell } from "../layout";
import type { Renderer } from "../render/renderer";
import { tools } from "../tools/index";
import type { Pointer } from "../tools/tool";
import { brushes } from "./brushmarks";
import { ColourBars } from "./colourbar";
import { compose } from "./composition";
import { h, listen } from "./dom";
import { Drawn } from "./drawn";
import { Glass } from "./glass";
import { icon, setIcon } from "./icons";
import { fromPx, Overlay, PLANE_TITLES, type Screen } from "./overlay";
import type { Pane } from "./pane";
import type { PaneView } from "./paneview";
import { PointerInput } from "./pointer";
import { isLight } from "./tables";
import { TypeIn } from "./typein";

export interface ViewportEvents {
  brushSize(factor: number): void;
  maximize(pane: string): void;
  /** Open the menu of what lies under the pointer, at a point of the page. */
  menu(pane: Pane, pointer: Pointer, at: readonly [number, number]): void;
  /** The pointer moved over a view; others may show where its brush cuts them. */
  pointed?(pane: string): void;
}

export class Viewport implements PaneView {
  readonly id: string;
  readonly element: HTMLElement;
  #canvas: HTMLCanvasElement;
  readonly #problem = h("div", { class: "nbannot-problem", role: "alert", hidden: true });
  /** What the canvas shows. */
  #drawn: Drawn | null = null;
  /** Whether the canvas is the one of the first picture. */
  #quick = false;
  readonly #overlay = new Overlay();
  readonly #grow: HTMLButtonElement;
  readonly #input: PointerInput;
  readonly #abort = new AbortController();
  readonly #glass = new Glass();
  readonly #bars = new ColourBars();
  readonly #typein = new TypeIn();
  #renderer: Renderer | null = null;
  #width = 0;
  #height = 0;
  /** Last pointer event over the view, to point again after the picture moved below it. */
  #last: { clientX: number; clientY: number; altKey: boolean; shiftKey: boolean; touch: boolean; pressure: number } | null = null;
  dirty: PaneView["dirty"] = true;
  complete = false;

  constructor(readonly pane: Pane, private readonly events: ViewportEvents) {
    this.id = pane.id;
    this.#canvas = this.#blank();
    this.#grow = h("button", { class: "nbannot-grow", type: "button", tabindex: -1 }, icon("grow"));
    this.element = h(
      "div", { class: "nbannot-view", "data-nbannot-view": pane.id, role: "group" },
      this.#canvas, this.#overlay.svg, this.#overlay.texts, this.#bars.element, this.#glass.element, this.#typein.element, this.#problem, this.#grow,
    );
    const { signal } = this.#abort;
    listen(this.#grow, "click", signal, () => events.maximize(pane.id));
    for (const type of ["pointerdown", "dblclick"] as const) {
      listen(this.#grow, type, signal, (event) => event.stopPropagation());
    }
    this.#input = new PointerInput(
      {
        element: this.element,
        pointer: (event) => this.#pointer(event),
        hover: (pointer) => this.#hover(pointer),
        brushSize: events.brushSize,
        maximize: () => events.maximize(pane.id),
        menu: (pointer, { clientX, clientY }) => events.menu(pane, pointer, [clientX, clientY]),
      },
      pane, signal,
    );
  }

  cancel(): boolean {
    if (!this.#input.busy) return false;
    this.#input.cancel();
    return true;
  }

  key(name: string): boolean {
    return this.#input.key(name);
  }

  /** The pointer moved over another view. */
  follow(): void {
    if (this.pane.scene.ready && this.#width > 0 && this.pane.problem === null) this.#overlay.point(this.pane, this.screen, null);
  }

  place(cell: Cell): void {
    const { style } = this.element;
    style.left = `${cell.x}px`;
    style.top = `${cell.y}px`;
    style.width = `${cell.width}px`;
    style.height = `${cell.height}px`;
    this.#width = cell.width;
    this.#height = cell.height;
    this.pane.place(cell);
    this.dirty = true;
  }

  get screen(): Screen {
    const { frame, camera } = this.pane;
    return { frame, width: this.#width, height: this.#height, mmPerPx: camera.mmPerPx, pan: camera.pan };
  }

  draw(renderer: Renderer, ratio: number, bare = false): void {
    const picture = bare || this.dirty === "voxels";
    this.dirty = false;
    const { pane, screen } = this;
    this.#tell(pane.problem);
    if (pane.problem !== null) {
      this.complete = true;
      return;
    }
    const width = Math.max(1, Math.round(this.#width * ratio));
    const height = Math.max(1, Math.round(this.#height * ratio));
    // The canvas has whole pixels, so they may be a little narrower than the screen's.
    const { layers, notes } = compose(pane, width, height, width / this.#width);
    if (bare) this.#quicken(renderer);
    else if (this.#quick) this.#renewCanvas();
    // Moving the crosshair or painting dirties every view, but most of what they show stays as it is.
    const drawn = new Drawn(renderer, layers, width, height);
    const part = drawn.since(this.#drawn);
    if (part) this.complete = !renderer.draw(this.#canvas, width, height, layers, part).missing;
    this.#drawn = drawn;
    this.#renderer = renderer;
    this.element.toggleAttribute("data-nbannot-inverted", isLight(pane.image, pane.view.value));
    if (picture) return;
    this.#overlay.notes = notes;
    const pointer = this.#again();
    this.#overlay.draw(pane, screen, pointer);
    this.#glass.draw(pane, pointer, renderer, ratio);
    const { dataset } = this.element;
    dataset["nbannotSlice"] = String(screen.frame.slice);
    dataset["nbannotImage"] = pane.image.id;
    dataset["nbannotPlane"] = pane.plane;
    dataset["nbannotComplete"] = String(this.complete);
    dataset["nbannotRevision"] = String(pane.scene.source.document.revision);
    this.#bars.draw(pane, screen);
    const { typing } = pane.scene;
    this.#typein.draw(typing?.pane === pane.id ? typing : null, screen);
    this.element.toggleAttribute("data-nbannot-active", pane.scene.panes.length > 1 && (pane.scene.chosen ?? pane.scene.active) === pane.id);
    this.#label();
  }

  /**
   * The browser first gets a canvas in plain memory: one on the GPU takes longer to open than the first picture
   * to draw. It would have to be drawn into the page again whenever something moves over it, so it stays for the
   * first pictures only.
   */
  #quicken(renderer: Renderer): void {
    if (this.#quick || renderer.name !== "cpu") return;
    this.#quick = true;
    this.#canvas.getContext("2d", { willReadFrequently: true });
  }

  #blank(): HTMLCanvasElement {
    const canvas = h("canvas", { class: "nbannot-canvas", width: 1, height: 1 });
    // A browser that took the picture away gives the canvas back empty.
    listen(canvas, "contextrestored", this.#abort.signal, () => {
      this.#drawn = null;
      this.pane.scene.repaint();
    });
    return canvas;
  }

  #renewCanvas(): void {
    const next = this.#blank();
    this.#canvas.replaceWith(next);
    this.#canvas.width = this.#canvas.height = 0;
    this.#canvas = next;
    this.#quick = false;
    this.#drawn = null;
  }

  #tell(problem: string | null): void {
    this.#problem.hidden = problem === null;
    if (problem === null || this.#problem.textContent === problem) return;
    this.#problem.textContent = problem;
    this.#canvas.width = this.#canvas.height = 1;
    this.#drawn = null;
  }

  #label(): void {
    const { pane } = this;
    const { maximized, arrangement } = pane.scene;
    const title = PLANE_TITLES[pane.plane] || "Image";
    const grow = maximized === null ? pane.scene.keys.title("view.maximize")
      : `Show all views${pane.scene.keys.hint("view.maximize") && ` (${pane.scene.keys.hint("view.maximize")})`}`;
    const key = `${grow} ${maximized} ${arrangement.panes.length} ${title}`;
    if (this.#grow.dataset["layout"] === key) return;
    this.#grow.dataset["layout"] = key;
    this.element.setAttribute("aria-label", `${title} view`);
    setIcon(this.#grow, maximized === null ? "grow" : "shrink");
    this.#grow.hidden = arrangement.panes.length < 2;
    this.#grow.title = grow;
    this.#grow.setAttribute("aria-label", this.#grow.title);
  }

  #pointer(event: MouseEvent): Pointer | null {
    if (!this.pane.scene.ready || this.#width === 0) return null;
    const pen = event instanceof PointerEvent ? event : null;
    const touch = pen?.pointerType === "touch";
    // A pen above the glass has no pressure yet.
    const pressure = pen?.pointerType === "pen" && pen.pressure > 0 ? pen.pressure : 1;
    this.#last = {
      clientX: event.clientX, clientY: event.clientY, altKey: event.altKey, shiftKey: event.shiftKey, touch, pressure,
    };
    return this.#again();
  }

  #again(): Pointer | null {
    const event = this.#last;
    if (!event || this.pane.problem !== null) return null;
    const { screen } = this;
    const box = this.element.getBoundingClientRect();
    // A notebook may be scaled by CSS: the box on the page is then not as wide as its layout.
    const scale = box.width > 0 ? this.#width / box.width : 1;
    const px = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale] as const;
    const plane = fromPx(screen, px);
    const { frame, mmPerPx } = screen;
    return {
      frame, px, plane, mmPerPx,
      world: frame.toWorld(plane),
      index: frame.toIndex(plane),
      alt: event.altKey, shift: event.shiftKey, touch: event.touch, pressure: event.pressure,
    };
  }

  #hover(pointer: Pointer | null): void {
    if (!pointer) this.#last = null;
    if (!this.pane.scene.ready || this.#width === 0) return;
    const { pane } = this;
    const { tool: name } = pane.view.value;
    pane.scene.pointed = pointer && {
      pane: this.id, image: pane.image.id, world: pointer.world, erases: name === "eraser" || pointer.alt,
    };
    this.#overlay.point(pane, this.screen, pointer);
    if (brushes(pane)) this.events.pointed?.(this.id);
    if (this.#renderer && !this.#renderer.lost) this.#glass.draw(pane, pointer, this.#renderer, devicePixelRatio || 1);
    const tool = tools[name];
    if (pointer && !this.#input.busy) tool.hover?.(pointer, pane);
    this.element.style.cursor = tool.cursor(pointer, pane);
  }

  close(): void {
    this.#abort.abort();
    this.element.remove();
    // Lets the browser free the picture at once.
    this.#canvas.width = this.#canvas.height = 0;
  }
}
