/** Colour bars on a picture: which value has which colour, for a coloured base and for every visible layer. */
import type { ImageJson } from "../model/protocol";
import { COLORMAPS } from "../render/colormaps";
import { gradient } from "./colours";
import { h, setAttribute } from "./dom";
import { whyNotOver } from "./over";
import type { Screen } from "./overlay";
import type { Pane } from "./pane";
import { windowBounds } from "./presets";
import { shorten, showEnd } from "./readout";
import { colormapOf, isLight, tableOf } from "./tables";
import { unitOf } from "./units";

export interface Bar {
  readonly id: string;
  readonly name: string;
  readonly table: Uint32Array;
  readonly lower: string;
  readonly upper: string;
  readonly unit: string;
}

const GREYS: readonly string[] = ["grey", "inverted grey", "PET"];
/** Px of a pane below which there is no room, and at most so many bars. */
const SMALLEST = [220, 250] as const;
const MOST = 3;
/** Px that the button above a bar, its numbers and unit, and half the letter below it take. */
const AROUND = 96;

/** The bars of a pane: the base's where it is coloured, then those of its visible layers. */
export function barsOf(pane: Pane): readonly Bar[] {
  const { value } = pane.view;
  const { image, scene } = pane;
  const out: Bar[] = [];
  const own = colormapOf(image, value);
  if (!image.color && !GREYS.includes(own) && COLORMAPS.includes(own)) out.push(barOf(pane, image, own, true));
  for (const layer of value.layers[image.id] ?? []) {
    const other = layer.visible && layer.opacity > 0 ? scene.imageById(layer.image) : undefined;
    if (!other || other.color || whyNotOver(scene, image, other) !== null) continue;
    out.push(barOf(pane, other, layer.colormap, false));
  }
  return out.slice(0, MOST);
}

function barOf(pane: Pane, image: ImageJson, name: string, base: boolean): Bar {
  const { value } = pane.view;
  const { table, window } = tableOf(image, value, name, base);
  const { lower, upper } = window ?? windowBounds(image, pane.scene.window(image));
  const unit = unitOf(image, value);
  const show = (x: number): string => showEnd(x * unit.factor, (upper - lower) * unit.factor, 3);
  return {
    id: image.id, name: shorten(image.name || image.modality), table,
    lower: show(lower), upper: show(upper), unit: unit.name,
  };
}

export class ColourBars {
  readonly element = h("div", { class: "nbannot-cbars", "aria-hidden": "true" });
  #key = "";

  draw(pane: Pane, screen: Screen): void {
    const roomy = screen.width >= SMALLEST[0] && screen.height >= SMALLEST[1];
    const bars = roomy ? barsOf(pane) : [];
    // Above the letter in the middle of the right edge.
    const height = Math.min(170, Math.round(screen.height / 2) - AROUND);
    const light = isLight(pane.image, pane.view.value);
    setAttribute(this.element, "data-light", light);
    const key = JSON.stringify([height, ...bars.map(({ table, ...rest }) => [rest, table[0], table[table.length >> 1], table.at(-1)])]);
    if (key === this.#key) return;
    this.#key = key;
    this.element.replaceChildren(...bars.map((bar) => {
      const strip = h("div", { class: "nbannot-cbar-strip" });
      strip.style.height = `${height}px`;
      strip.style.backgroundImage = gradient(bar.table, "to top");
      return h(
        "div", { class: "nbannot-cbar", "data-nbannot-bar": bar.id },
        h("div", {}, bar.upper), strip, h("div", {}, bar.lower), h("div", {}, bar.unit),
      );
    }));
  }
}
