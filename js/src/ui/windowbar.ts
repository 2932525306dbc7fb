/** A bar over the range of an image's values, with the window on it to drag. */
import type { ImageJson } from "../model/protocol";
import type { Window } from "../tools/tool";
import { gradient } from "./colours";
import { h, listen } from "./dom";
import { windowBetween, windowBounds } from "./presets";

export interface Range {
  readonly lower: number;
  readonly upper: number;
}

type Grip = "lower" | "upper" | "both";

/** The window after a grip was dragged by `by` (stored units); the ends never cross. */
export function dragged({ lower, upper }: Range, grip: Grip, by: number, domain: Range): Range {
  const least = (domain.upper - domain.lower) / 500;
  if (grip === "lower") return { lower: Math.min(lower + by, upper - least), upper };
  if (grip === "upper") return { lower, upper: Math.max(upper + by, lower + least) };
  return { lower: lower + by, upper: upper + by };
}

/** Px from a handle that still take it. */
const NEAR = 9;

export class WindowBar {
  readonly #fill = h("div", { class: "nbannot-wbar-fill" });
  readonly #low = h("div", { class: "nbannot-wbar-grip" });
  readonly #high = h("div", { class: "nbannot-wbar-grip" });
  // Its numbers can be typed beside it: the bar is for the pointer alone.
  readonly element = h(
    "div", { class: "nbannot-wbar", title: "Window: drag the ends, or the middle", "aria-hidden": "true", "data-nbannot-wbar": true },
    this.#fill, this.#low, this.#high,
  );
  #domain: Range = { lower: 0, upper: 1 };
  #image: ImageJson | null = null;
  #window: Window = { center: 0.5, width: 1 };

  constructor(private readonly apply: (window: Window) => void, signal: AbortSignal) {
    listen(this.element, "pointerdown", signal, (event) => this.#down(event));
  }

  draw(image: ImageJson, window: Window, domain: Range, table: Uint32Array): void {
    [this.#image, this.#window] = [image, window];
    const { lower, upper } = windowBounds(image, window);
    // While a grip is held the range stays as it was under the pointer.
    if (!this.element.hasAttribute("data-dragging")) {
      const room = (upper - lower) * 0.05;
      this.#domain = {
        lower: lower < domain.lower ? lower - room : domain.lower,
        upper: upper > domain.upper ? upper + room : domain.upper,
      };
    }
    const a = this.#part(lower);
    const b = this.#part(upper);
    const colors = gradient(table, "to right");
    if (this.#fill.dataset["colors"] !== colors) {
      this.#fill.dataset["colors"] = colors;
      this.#fill.style.backgroundImage = colors;
    }
    this.#fill.style.left = this.#low.style.left = `${100 * a}%`;
    this.#fill.style.width = `${100 * Math.max(0, b - a)}%`;
    this.#high.style.left = `${100 * b}%`;
  }

  #part(value: number): number {
    const { lower, upper } = this.#domain;
    return Math.min(1, Math.max(0, (value - lower) / (upper - lower || 1)));
  }

  #down(event: PointerEvent): void {
    const image = this.#image;
    const box = this.element.getBoundingClientRect();
    if (!image || box.width === 0 || event.button !== 0) return;
    event.preventDefault();
    const start = windowBounds(image, this.#window);
    const domain = this.#domain;
    const x = event.clientX - box.left;
    const [low, high] = [this.#part(start.lower) * box.width, this.#part(start.upper) * box.width];
    const nearLow = Math.abs(x - low);
    const nearHigh = Math.abs(x - high);
    const grip: Grip = Math.min(nearLow, nearHigh) > NEAR && x > low && x < high ? "both" : nearLow < nearHigh ? "lower" : "upper";
    this.element.setPointerCapture(event.pointerId);
    this.element.setAttribute("data-dragging", "");
    const drag = new AbortController();
    listen(this.element, "pointermove", drag.signal, (now) => {
      const by = ((now.clientX - event.clientX) / box.width) * (domain.upper - domain.lower);
      const next = dragged(start, grip, by, domain);
      this.apply(windowBetween(image, next.lower, next.upper));
    });
    for (const type of ["pointerup", "lostpointercapture"] as const) {
      listen(this.element, type, drag.signal, () => {
        drag.abort();
        this.element.removeAttribute("data-dragging");
      });
    }
  }
}
