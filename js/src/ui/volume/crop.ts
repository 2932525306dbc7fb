/** The crop box: two sliders for each axis of the image, named by the side of the patient they cut from. */
import { letters, subtract, type GridGeometry, type Vec3 } from "../../model/geometry";
import { h, listen, setAttribute } from "../dom";

export type CropBox = readonly [Vec3, Vec3];

const WORDS: Readonly<Record<string, string>> = { R: "right", L: "left", A: "front", P: "back", S: "head", I: "feet" };

export class CropPanel {
  readonly element: HTMLElement;
  readonly #sliders: HTMLInputElement[] = [];
  readonly #names: HTMLElement[] = [];
  #geometry: GridGeometry | null = null;

  constructor(change: (crop: CropBox | null) => void, signal: AbortSignal) {
    const rows = [0, 1, 2, 3, 4, 5].map((n) => {
      const name = h("span");
      const slider = h("input", { type: "range", step: 1 });
      this.#names.push(name);
      this.#sliders.push(slider);
      listen(slider, "input", signal, () => change(this.#read(n)));
      return h("label", { class: "nbannot-volume-row" }, name, slider);
    });
    const all = h("button", { type: "button", class: "nbannot-small" }, "Show all");
    listen(all, "click", signal, () => change(null));
    this.element = h("div", { class: "nbannot-volume-crop", hidden: true }, ...rows, all);
    listen(this.element, "pointerdown", signal, (event) => event.stopPropagation());
    listen(this.element, "dblclick", signal, (event) => event.stopPropagation());
  }

  draw(geometry: GridGeometry, crop: CropBox | null): void {
    if (geometry !== this.#geometry) this.#name(geometry);
    this.#geometry = geometry;
    const [low, high] = crop ?? whole(geometry.shape);
    for (let n = 0; n < 6; n++) {
      const axis = (n >> 1) as 0 | 1 | 2;
      const slider = this.#sliders[n]!;
      // Each slider starts at the side that it cuts from.
      const value = n & 1 ? geometry.shape[axis] - 0.5 - high[axis] : low[axis] + 0.5;
      if (Number(slider.value) !== Math.round(value)) slider.value = String(Math.round(value));
    }
  }

  #name(geometry: GridGeometry): void {
    const origin = geometry.toWorld([0, 0, 0]);
    for (let n = 0; n < 6; n++) {
      const axis = n >> 1;
      const step = [0, 0, 0] as [number, number, number];
      step[axis] = n & 1 ? 1 : -1;
      const letter = letters(subtract(geometry.toWorld(step), origin))[0] ?? "";
      const slider = this.#sliders[n]!;
      setAttribute(slider, "max", geometry.shape[axis]! - 1);
      setAttribute(slider, "min", 0);
      setAttribute(slider, "aria-label", `Cut from the ${WORDS[letter] ?? `end ${n + 1}`} (voxels)`);
      this.#names[n]!.textContent = letter;
    }
  }

  #read(moved: number): CropBox | null {
    const { shape } = this.#geometry!;
    const low: [number, number, number] = [0, 0, 0];
    const high: [number, number, number] = [0, 0, 0];
    for (const axis of [0, 1, 2] as const) {
      low[axis] = Number(this.#sliders[2 * axis]!.value) - 0.5;
      high[axis] = shape[axis] - 0.5 - Number(this.#sliders[2 * axis + 1]!.value);
      // At least one voxel stays: the side that is moved gives way.
      if (high[axis] - low[axis] >= 1) continue;
      if (moved === 2 * axis) low[axis] = high[axis] - 1;
      else high[axis] = low[axis] + 1;
    }
    const [a, b] = whole(shape);
    return low.every((x, n) => x === a[n]) && high.every((x, n) => x === b[n]) ? null : [low, high];
  }
}

function whole(shape: Vec3): CropBox {
  return [[-0.5, -0.5, -0.5], [shape[0] - 0.5, shape[1] - 0.5, shape[2] - 0.5]];
}
