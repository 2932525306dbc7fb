/** The magnifier's glass: the place under the pointer, sampled anew at a larger scale. */
import type { Renderer } from "../render/renderer";
import { MAGNIFIED } from "../tools/magnifier";
import type { Pointer } from "../tools/tool";
import { compose } from "./composition";
import { h } from "./dom";
import type { Pane } from "./pane";

/** Diameter, CSS px. */
const SIZE = 190;

export class Glass {
  readonly element = h("div", { class: "nbannot-glass", hidden: true, "aria-hidden": "true" });
  #canvas: HTMLCanvasElement | null = null;

  /** Show what lies under the pointer while the magnifier is the tool. */
  draw(pane: Pane, pointer: Pointer | null, renderer: Renderer, ratio: number): void {
    const shown = pointer !== null && pane.view.value.tool === "magnifier";
    this.element.hidden = !shown;
    if (!shown) {
      this.#canvas?.remove();
      this.#canvas = null;
      return;
    }
    if (!this.#canvas) this.element.append((this.#canvas = h("canvas", {})));
    const { style } = this.element;
    style.left = `${pointer.px[0] - SIZE / 2}px`;
    style.top = `${pointer.px[1] - SIZE / 2}px`;
    const px = Math.round(SIZE * ratio);
    const camera = { mmPerPx: pointer.mmPerPx / MAGNIFIED, pan: pointer.plane };
    renderer.draw(this.#canvas, px, px, compose(pane, px, px, ratio, camera).layers);
  }
}
