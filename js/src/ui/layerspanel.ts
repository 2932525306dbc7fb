/** The panel's section of images: the one below, and those drawn over it. */
import { closeOnEscape } from "./colours";
import { h, setText } from "./dom";
import { icon } from "./icons";
import { addLayer } from "./layers";
import { BaseRow, LayerRow } from "./layerrow";
import { attachPopup } from "./menu";
import { whyNotOver } from "./over";
import type { Scene } from "./scene";

export class LayersPanel {
  readonly element = h("section", { class: "nbannot-layers", "aria-label": "Images", "data-nbannot-layers": true });
  readonly #list = h("div", { class: "nbannot-list" });
  readonly #add = h(
    "button", { type: "button", class: "nbannot-small", title: "Draw an image over this one", "aria-label": "Draw an image over this one", "data-nbannot-action": "layer.add" },
    icon("plus"),
  );
  readonly #empty = h("p", {}, "Nothing is drawn over it.");
  #base: BaseRow | null = null;
  readonly #rows = new Map<string, LayerRow>();

  constructor(private readonly scene: Scene, private readonly root: HTMLElement, private readonly signal: AbortSignal) {
    this.element.append(h("header", {}, h("strong", {}, "Images"), this.#add), this.#list);
    attachPopup(this.#add, root, (done) => this.#choices(done), "menu", signal);
  }

  draw(): void {
    const { scene } = this;
    const base = scene.pane.image;
    const layers = scene.view.value.layers[base.id] ?? [];
    this.element.hidden = scene.images.length < 2 && layers.length === 0;
    if (this.element.hidden) return;
    if (this.#base?.image !== base) {
      this.#base?.close();
      for (const row of this.#rows.values()) row.close();
      this.#rows.clear();
      this.#base = new BaseRow(scene, base, this.root, this.signal);
    }
    this.#base.draw();
    const rows = layers.map((layer, at) => {
      let row = this.#rows.get(layer.image);
      if (!row) this.#rows.set(layer.image, (row = new LayerRow(scene, base, layer.image, this.root, this.signal)));
      row.draw(layer, at, layers.length);
      return row;
    });
    for (const [id, row] of this.#rows) {
      if (rows.includes(row)) continue;
      row.close();
      this.#rows.delete(id);
    }
    // The top of the list is what lies on top of the picture.
    this.#arrange([...rows.reverse().map(({ element }) => element), ...(rows.length === 0 ? [this.#empty] : []), this.#base.element]);
  }

  /** Put the rows in order without moving those that stand right: a moved field loses the focus. */
  #arrange(elements: readonly HTMLElement[]): void {
    const list = this.#list;
    for (const child of [...list.children]) if (!elements.includes(child as HTMLElement)) child.remove();
    elements.forEach((element, n) => {
      if (list.children[n] !== element) list.insertBefore(element, list.children[n] ?? null);
    });
  }

  /** The other images: those that cannot lie over the base say why. */
  #choices(done: () => void): HTMLElement {
    const { scene } = this;
    const base = scene.pane.image;
    const used = new Set((scene.view.value.layers[base.id] ?? []).map(({ image }) => image));
    const menu = h("div", { class: "nbannot-menu nbannot-addlayer", role: "menu", "aria-label": "Draw an image over this one" });
    for (const image of scene.images) {
      if (image.id === base.id) continue;
      const reason = used.has(image.id) ? "is drawn over it already." : whyNotOver(scene, base, image);
      const name = h("span");
      setText(name, image.name || image.modality || "Image");
      const button = h(
        "button", { type: "button", role: "menuitem", "data-nbannot-item": image.id, "aria-disabled": reason === null ? null : "true" },
        h("span", {}, name, ...(reason === null ? [] : [h("small", {}, `It ${reason}`)])), h("span", { class: "nbannot-hint" }, image.modality),
      );
      if (reason === null) {
        button.addEventListener("click", () => {
          done();
          addLayer(scene, base, image);
        });
      }
      menu.append(button);
    }
    closeOnEscape(menu, done);
    menu.addEventListener("keydown", (event) => {
      const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
      const all = [...menu.querySelectorAll("button")];
      const at = all.indexOf(document.activeElement as HTMLButtonElement);
      if (step === 0 || at < 0) return;
      all[(at + step + all.length) % all.length]?.focus();
      event.preventDefault();
    });
    return menu;
  }
}
