/** The strip of images: a small picture of each, to show it in the active pane or to drag it onto a pane. */
import type { ImageJson } from "../model/protocol";
import { CpuRenderer } from "../render/cpu";
import { planeRequest } from "../render/plane";
import type { ImageLayer, SliceStore } from "../render/renderer";
import { isGrid, sliceFrame } from "../tools/frame";
import { reducedLayer } from "./composition";
import { h, listen, setAttribute, setText } from "./dom";
import { imageTitle } from "./panemenu";
import { windowBounds } from "./presets";
import type { Scene } from "./scene";
import { colormapOf, tableOf } from "./tables";

/** Size of a picture, CSS px. */
const WIDTH = 84;
const HEIGHT = 64;
/** A press that moves further is a drag (CSS px). */
const DRAG_PX = 6;

interface Thumb {
  readonly button: HTMLButtonElement;
  readonly canvas: HTMLCanvasElement;
  readonly title: HTMLElement;
  readonly facts: HTMLElement;
  /** What the picture was made from. */
  drawn: readonly unknown[];
}

export interface ThumbnailEvents {
  /** Show an image in the active pane. */
  show(image: string): void;
  /** Put an image into a pane. */
  drop(image: string, pane: string): void;
}

/** Number of the slice that stands for an image. */
export const middleSlice = ({ shape }: ImageJson): number => Math.floor(shape[0] / 2);

/** "512 × 512 × 174": columns, rows, slices; "40 frames" where it is a film. */
export function sizeText({ shape: [k, j, i], frames, geometry }: ImageJson): string {
  const film = frames > 1 ? frames : geometry.kind === "stack" && k > 1 ? k : 0;
  const slices = geometry.kind === "grid" && k > 1 ? [`${k}`] : [];
  return [[`${i}`, `${j}`, ...slices].join(" × "), film > 1 ? `${film} frames` : ""].filter(Boolean).join(", ");
}

export class Thumbnails {
  readonly element = h("div", {
    class: "nbannot-thumbs", role: "group", "aria-label": "Images", "data-nbannot-thumbs": true, hidden: true,
  });
  readonly #thumbs = new Map<string, Thumb>();
  readonly #renderer = new CpuRenderer();
  #key = "";
  #drag: Drag | null = null;

  constructor(
    private readonly scene: Scene,
    private readonly events: ThumbnailEvents,
    private readonly root: HTMLElement,
    private readonly signal: AbortSignal,
  ) {
    signal.addEventListener("abort", () => {
      this.#drag?.end();
      this.#renderer.dispose();
    });
    listen(this.element, "keydown", signal, (event) => this.#keys(event));
  }

  /** Ask for the slices of the pictures, after all that is in view. */
  fetch(): void {
    const { volumes } = this.scene.source;
    for (const image of this.scene.images) volumes.glance?.(image.id, 0, middleSlice(image));
  }

  draw(): void {
    const { scene } = this;
    if (!scene.ready || this.element.hidden) return;
    const key = JSON.stringify(scene.images.map(({ id, shape }) => [id, shape]));
    if (key !== this.#key) this.#rebuild(key);
    const shown = new Set(scene.panes.map((pane) => pane.image.id));
    for (const image of scene.images) {
      const thumb = this.#thumbs.get(image.id)!;
      setAttribute(thumb.button, "data-shown", shown.has(image.id));
      setAttribute(thumb.button, "aria-current", scene.pane.image.id === image.id ? "true" : null);
      setText(thumb.title, imageTitle(scene, image.id));
      this.#picture(image, thumb);
    }
  }

  /** Other images came: those that were there keep their pictures, and the focus. */
  #rebuild(key: string): void {
    this.#key = key;
    const { images } = this.scene;
    const ids = new Set(images.map(({ id }) => id));
    for (const id of this.#thumbs.keys()) if (!ids.has(id)) this.#thumbs.delete(id);
    for (const image of images) if (!this.#thumbs.has(image.id)) this.#thumbs.set(image.id, this.#make(image));
    this.element.replaceChildren(...images.map(({ id }) => this.#thumbs.get(id)!.button));
    this.fetch();
  }

  #make(image: ImageJson): Thumb {
    const canvas = h("canvas", { class: "nbannot-thumb-picture", width: 1, height: 1, "aria-hidden": "true" });
    const title = h("span", { class: "nbannot-thumb-title" });
    const facts = h("span", { class: "nbannot-thumb-facts" }, [image.modality, sizeText(image)].filter(Boolean).join("  "));
    const button = h(
      "button",
      {
        type: "button", class: "nbannot-thumb", "data-nbannot-thumb": image.id,
        title: `${imageTitle(this.scene, image.id)} – drag it onto a view, or press to show it`,
      },
      canvas, title, facts,
    );
    let dragged = false;
    listen(button, "click", this.signal, () => {
      if (!dragged) this.events.show(image.id);
      dragged = false;
    });
    listen(button, "pointerdown", this.signal, (event) => {
      if (event.button !== 0 || this.#drag) return;
      dragged = false;
      this.#drag = new Drag(button, canvas, this.root, event, (pane) => {
        this.#drag = null;
        if (pane !== null) this.events.drop(image.id, pane);
      }, () => (dragged = true));
    });
    return { button, canvas, title, facts, drawn: [] };
  }

  #keys(event: KeyboardEvent): void {
    const step = /^Arrow(Down|Right)$/.test(event.key) ? 1 : /^Arrow(Up|Left)$/.test(event.key) ? -1 : 0;
    if (step === 0) return;
    const all = [...this.element.querySelectorAll<HTMLElement>("button")];
    const at = all.indexOf(document.activeElement as HTMLElement);
    all[(at + step + all.length) % all.length]?.focus();
    event.preventDefault();
    event.stopPropagation();
  }

  #picture(image: ImageJson, thumb: Thumb): void {
    const { scene } = this;
    const store = scene.source.volumes.store(image.id, 0);
    const k = middleSlice(image);
    const slice = store?.slice(k);
    if (!store || !slice || store.dtype === "uint32") return;
    const { value } = scene.view;
    const { table, window } = tableOf(image, value, colormapOf(image, value), true);
    const range = window ?? windowBounds(image, scene.window(image));
    const ratio = devicePixelRatio || 1;
    const key = [slice, table, range.lower, range.upper, ratio];
    if (key.every((one, n) => one === thumb.drawn[n])) return;
    thumb.drawn = key;
    const geometry = scene.geometryOf(image);
    const frame = sliceFrame(geometry, "acquisition", k, "thumbnail", scene.hungTurn(image));
    const [width, height] = [Math.round(WIDTH * ratio), Math.round(HEIGHT * ratio)];
    const mmPerPx = Math.max(frame.extent[0] / width, frame.extent[1] / height) || 1;
    const voxels: ImageLayer = {
      kind: "image", store: store as SliceStore, table, window: range, interpolate: true, opacity: 1, lower: null, clip: null,
      plane: planeRequest(geometry, frame, frame.centre, mmPerPx, width, height, isGrid(geometry) ? frame.slice : k),
    };
    const layer = reducedLayer(voxels, scene.source.volumes.reduced?.(image.id, 0));
    this.#renderer.draw(thumb.canvas, width, height, [layer]);
    // The whole volume must not be kept for one small picture.
    this.#renderer.release(layer.store);
    thumb.button.dataset["nbannotDrawn"] = "true";
  }
}

/** A thumbnail on its way to a pane, by mouse, pen or finger. */
class Drag {
  readonly #abort = new AbortController();
  #ghost: HTMLCanvasElement | null = null;
  #target: HTMLElement | null = null;

  constructor(
    private readonly button: HTMLElement,
    private readonly picture: HTMLCanvasElement,
    private readonly root: HTMLElement,
    private readonly start: PointerEvent,
    private readonly done: (pane: string | null) => void,
    private readonly begun: () => void,
  ) {
    const { signal } = this.#abort;
    button.setPointerCapture(start.pointerId);
    listen(button, "pointermove", signal, (event) => this.#move(event));
    listen(button, "pointerup", signal, () => this.#finish(this.#target?.dataset["nbannotView"] ?? null));
    for (const type of ["pointercancel", "lostpointercapture"] as const) listen(button, type, signal, () => this.#finish(null));
    window.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !this.#ghost) return;
      event.stopImmediatePropagation();
      this.#finish(null);
    }, { capture: true, signal });
  }

  #move(event: PointerEvent): void {
    const { start, root } = this;
    if (!this.#ghost) {
      if (Math.hypot(event.clientX - start.clientX, event.clientY - start.clientY) < DRAG_PX) return;
      this.begun();
      this.#ghost = h("canvas", { class: "nbannot-ghost", width: this.picture.width, height: this.picture.height });
      this.#ghost.getContext("2d")?.drawImage(this.picture, 0, 0);
      root.append(this.#ghost);
      root.toggleAttribute("data-nbannot-dragging", true);
    }
    const box = root.getBoundingClientRect();
    this.#ghost.style.transform = `translate(${event.clientX - box.left + 8}px, ${event.clientY - box.top + 8}px)`;
    const under = root.ownerDocument.elementFromPoint(event.clientX, event.clientY);
    const target = under?.closest<HTMLElement>("[data-nbannot-view]") ?? null;
    this.#mark(target && root.contains(target) ? target : null);
  }

  #mark(target: HTMLElement | null): void {
    if (target === this.#target) return;
    this.#target?.removeAttribute("data-nbannot-drop");
    target?.setAttribute("data-nbannot-drop", "");
    this.#target = target;
  }

  #finish(pane: string | null): void {
    this.end();
    this.done(pane);
  }

  end(): void {
    this.#abort.abort();
    this.#mark(null);
    this.#ghost?.remove();
    this.root.removeAttribute("data-nbannot-dragging");
    if (this.button.hasPointerCapture(this.start.pointerId)) this.button.releasePointerCapture(this.start.pointerId);
  }
}
