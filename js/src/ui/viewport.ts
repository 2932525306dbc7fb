/** One view in the page: canvas, overlay and input. */
import { planeRequest } from "../render/plane";
import type { PlaneRequest } from "../render/plane";
import { greyTable } from "../render/colormaps";
import type { ImageLayer, Layer, Renderer, SliceStore } from "../render/renderer";
import { titleWithKey } from "../commands";
import type { Cell } from "../layout";
import type { ViewName } from "../state";
import type { Pointer } from "../tools/tool";
import { tools } from "../tools/index";
import { h, listen } from "./dom";
import { icon, setIcon } from "./icons";
import { fromPx, Overlay, PLANE_TITLES, type Screen } from "./overlay";
import { PointerInput } from "./pointer";
import { windowBounds } from "./presets";
import type { Scene } from "./scene";

export interface ViewportEvents {
  brushSize(factor: number): void;
  maximize(view: ViewName): void;
}

export class Viewport {
  readonly element: HTMLElement;
  readonly #canvas = h("canvas", { class: "nbannot-canvas" });
  #picture: readonly unknown[] = [];
  readonly #overlay: Overlay;
  readonly #grow: HTMLButtonElement;
  readonly #input: PointerInput;
  readonly #abort = new AbortController();
  #width = 0;
  #height = 0;
  /** Last pointer event over the view, to point again after the picture moved below it. */
  #last: { clientX: number; clientY: number; altKey: boolean; shiftKey: boolean; touch: boolean } | null = null;
  dirty = true;
  /** True once everything in this view's picture was there. */
  complete = false;

  constructor(
    readonly name: ViewName,
    private readonly scene: Scene,
    events: ViewportEvents,
  ) {
    this.#overlay = new Overlay(name);
    this.#grow = h("button", { class: "nbannot-grow", type: "button", tabindex: -1 }, icon("grow"));
    const title = PLANE_TITLES[name] || "Image";
    this.element = h(
      "div", { class: "nbannot-view", "data-nbannot-view": name, role: "group", "aria-label": `${title} view` },
      this.#canvas, this.#overlay.svg, this.#overlay.texts, this.#grow,
    );
    const { signal } = this.#abort;
    listen(this.#grow, "click", signal, () => events.maximize(name));
    for (const type of ["pointerdown", "dblclick"] as const) {
      listen(this.#grow, type, signal, (event) => event.stopPropagation());
    }
    this.#input = new PointerInput(
      {
        element: this.element,
        pointer: (event) => this.#pointer(event),
        hover: (pointer) => this.#hover(pointer),
        brushSize: events.brushSize,
        maximize: () => events.maximize(name),
      },
      scene, signal,
    );
  }

  /** Cancel the gesture in progress; false when there is none. */
  cancel(): boolean {
    if (!this.#input.busy) return false;
    this.#input.cancel();
    return true;
  }

  place(cell: Cell): void {
    const { style } = this.element;
    style.left = `${cell.x}px`;
    style.top = `${cell.y}px`;
    style.width = `${cell.width}px`;
    style.height = `${cell.height}px`;
    this.#width = cell.width;
    this.#height = cell.height;
    this.scene.setSize(this.name, cell.width, cell.height);
    this.dirty = true;
  }

  get screen(): Screen {
    const { mmPerPx, pan } = this.scene.camera(this.name);
    return { frame: this.scene.frame(this.name), width: this.#width, height: this.#height, mmPerPx, pan };
  }

  /** Draw picture and overlay; the renderer's errors come through. */
  draw(renderer: Renderer, ratio: number): void {
    this.dirty = false;
    const { scene, screen } = this;
    const { frame } = screen;
    const width = Math.max(1, Math.round(this.#width * ratio));
    const height = Math.max(1, Math.round(this.#height * ratio));
    const plane = planeRequest(
      scene.geometry, frame, frame.toWorld(screen.pan), (screen.mmPerPx * this.#width) / width,
      width, height, frame.slice,
    );
    const layers: Layer[] = [this.#layer(plane), ...scene.maskLayers(plane)];
    const picture = pictureKey(renderer, layers);
    // Moving the crosshair dirties every view, but the pictures of the others stay as they are.
    if (!sameKey(picture, this.#picture)) {
      this.complete = !renderer.draw(this.#canvas, width, height, layers).missing;
      this.#picture = picture;
    }
    this.#overlay.draw(scene, screen, this.#again());
    const { dataset } = this.element;
    dataset["nbannotSlice"] = String(frame.slice);
    dataset["nbannotComplete"] = String(this.complete);
    dataset["nbannotRevision"] = String(scene.source.document.revision);
    this.element.toggleAttribute("data-nbannot-inverted", scene.view.value.inverted.includes(scene.image.id));
    this.#label(scene.layout !== "mpr");
  }

  #label(alone: boolean): void {
    const { scene } = this;
    if (this.#grow.dataset["layout"] === scene.layout) return;
    this.#grow.dataset["layout"] = scene.layout;
    setIcon(this.#grow, alone ? "shrink" : "grow");
    this.#grow.hidden = scene.layout === "single";
    this.#grow.title = alone ? "Show all views (M)" : titleWithKey("view.maximize");
    this.#grow.setAttribute("aria-label", this.#grow.title);
  }

  #layer(plane: PlaneRequest): ImageLayer {
    const { scene } = this;
    const { store, image } = scene;
    if (store.dtype === "uint32") throw new TypeError("Images of 32-bit unsigned numbers cannot be shown.");
    return {
      kind: "image",
      store: store as SliceStore,
      plane,
      window: windowBounds(image, scene.window()),
      table: greyTable((image.photometric === "MONOCHROME1") !== scene.view.value.inverted.includes(image.id)),
      interpolate: scene.view.value.interpolate,
      opacity: 1,
      lower: null,
      clip: null,
    };
  }

  #pointer(event: MouseEvent): Pointer | null {
    if (!this.scene.ready || this.#width === 0) return null;
    const touch = "pointerType" in event && event.pointerType === "touch";
    this.#last = {
      clientX: event.clientX, clientY: event.clientY, altKey: event.altKey, shiftKey: event.shiftKey, touch,
    };
    return this.#again();
  }

  #again(): Pointer | null {
    const event = this.#last;
    if (!event) return null;
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
      alt: event.altKey, shift: event.shiftKey, touch: event.touch,
    };
  }

  #hover(pointer: Pointer | null): void {
    if (!pointer) this.#last = null;
    if (!this.scene.ready || this.#width === 0) return;
    this.#overlay.point(this.scene, this.screen, pointer);
    this.element.style.cursor = tools[this.scene.view.value.tool].cursor(pointer, this.scene);
  }

  close(): void {
    this.#abort.abort();
    this.element.remove();
    // Lets the browser free the picture at once.
    this.#canvas.width = this.#canvas.height = 0;
  }
}

/** Everything a picture depends on, in an order that two keys share. */
function pictureKey(renderer: Renderer, layers: readonly Layer[]): readonly unknown[] {
  const key: unknown[] = [renderer];
  for (const layer of layers) {
    const { origin, du, dv, width, height } = layer.plane;
    key.push(layer.store, layer.store.version, ...origin, ...du, ...dv, width, height);
    if (layer.kind === "mask") key.push(JSON.stringify([...layer.segments]));
    else key.push(layer.window.lower, layer.window.upper, layer.table, layer.interpolate);
  }
  return key;
}

function sameKey(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((value, n) => value === b[n]);
}
