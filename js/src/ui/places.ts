/** Where images are shown: the strip of thumbnails, the menus of the panes, and what stands over them. */
import { h, listen } from "./dom";
import { Comparison } from "./compare";
import { icon } from "./icons";
import { attachMenu } from "./menu";
import type { Messages } from "./messages";
import { paneItems } from "./panemenu";
import type { PaneView } from "./paneview";
import type { Scene } from "./scene";
import { middleSlice, Thumbnails } from "./thumbnails";

/** From this width on the strip is open by itself where there are several images, and stands at the left. */
const ROOM = 900;
const LEFT = 640;

export class Places {
  /** The pictures with the strip beside or below them. */
  readonly element: HTMLElement;
  readonly #thumbnails: Thumbnails;
  readonly #comparison: Comparison;
  readonly #open = new Map<PaneView, { readonly button: HTMLButtonElement; readonly closed: AbortController }>();
  #width = 0;
  #unknown = "";

  constructor(
    private readonly scene: Scene,
    stage: HTMLElement,
    private readonly root: HTMLElement,
    private readonly maximize: (pane: string) => void,
    private readonly messages: Messages,
    private readonly signal: AbortSignal,
  ) {
    this.#comparison = new Comparison(scene, signal);
    this.#thumbnails = new Thumbnails(scene, {
      show: (image) => scene.choose(image),
      drop: (image, pane) => {
        scene.choosePane(pane, { image });
        scene.press(pane);
      },
    }, root, signal);
    this.element = h("div", { class: "nbannot-shelf" }, this.#thumbnails.element, stage);
    stage.append(this.#comparison.bar, this.#comparison.legend);
    // Over other panes on its way out, the pointer chose none of them.
    listen(stage, "pointerleave", signal, () => {
      if (scene.ready && scene.panes.some(({ id }) => id === scene.chosen)) scene.active = scene.chosen!;
    });
  }

  /** Give a pane that came onto the screen its menu and its handle. */
  opened(view: PaneView): void {
    const button = h("button", {
      type: "button", class: "nbannot-panemenu", title: "Menu of this view (Shift+F10)", "aria-label": "Menu of this view",
      "data-nbannot-pane-menu": view.id,
    }, icon("more"));
    const closed = new AbortController();
    const { signal } = closed;
    this.signal.addEventListener("abort", () => closed.abort(), { signal });
    for (const type of ["pointerdown", "dblclick"] as const) listen(button, type, signal, (event) => event.stopPropagation());
    listen(button, "pointerdown", signal, () => this.scene.press(view.id));
    attachMenu(button, this.root, () => paneItems(this.scene, view.id, () => this.maximize(view.id)), signal);
    view.element.append(button);
    this.#sweep();
    this.#open.set(view, { button, closed });
    this.#comparison.opened(view, signal);
  }

  /** Let go of panes that are gone. */
  #sweep(): void {
    for (const [view, { closed }] of this.#open) {
      if (view.element.isConnected) continue;
      closed.abort();
      this.#open.delete(view);
    }
  }

  /** Open the menu of the active pane. */
  openMenu(): void {
    const { id } = this.scene.pane;
    for (const [view, { button }] of this.#open) if (view.id === id && view.element.isConnected) button.click();
  }

  get thumbnailsOpen(): boolean {
    const { scene } = this;
    if (!scene.ready || scene.images.length < 2) return false;
    return scene.view.value.thumbnails ?? this.#width >= ROOM;
  }

  toggleThumbnails(): void {
    this.scene.view.set({ thumbnails: !this.thumbnailsOpen });
  }

  /** The viewer is `width` CSS px broad now. */
  resized(width: number): void {
    this.#width = width;
    this.#thumbnails.element.hidden = !this.thumbnailsOpen;
    this.element.classList.toggle("nbannot-shelf-below", width < LEFT);
  }

  /** Whether the slice that came is that of a thumbnail. */
  pictured(image: string, k: number): boolean {
    const found = this.thumbnailsOpen ? this.scene.imageById(image) : undefined;
    return found !== undefined && middleSlice(found) === k;
  }

  draw(): void {
    this.#sweep();
    this.resized(this.#width);
    this.#thumbnails.draw();
    this.#comparison.draw();
    this.#tellLayout();
  }

  /** Say once that a layout has a name that nobody knows. */
  #tellLayout(): void {
    const { scene } = this;
    if (!scene.ready) return;
    const { layout } = scene.view.value;
    const unknown = scene.arrangement.known || typeof layout !== "string" ? "" : layout;
    if (unknown === this.#unknown) return;
    this.#unknown = unknown;
    if (unknown === "") return;
    const own = Object.keys(scene.named);
    this.messages.error({
      kind: "LayoutError",
      message: `There is no layout "${unknown}".`,
      hint: `What is shown is the usual one. ${own.length > 0 ? `The configuration has: ${own.join(", ")}.` : "Choose one in the layout menu."}`,
    });
  }
}
