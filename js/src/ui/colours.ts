/** Colour maps to look at and to choose from. */
import { COLORMAPS, colormap } from "../render/colormaps";
import { h, listen } from "./dom";
import { attachPopup } from "./menu";

const STOPS = 24;

/** A table of colours as a CSS gradient, its first entry at the start of the direction. */
export function gradient(table: Uint32Array, direction: "to right" | "to top"): string {
  const stops = Array.from({ length: STOPS + 1 }, (_, n) => {
    const pixel = table[Math.round((n / STOPS) * (table.length - 1))]!;
    const [red, green, blue] = [pixel & 255, (pixel >>> 8) & 255, (pixel >>> 16) & 255];
    return `rgb(${red} ${green} ${blue} / ${((pixel >>> 24) / 255).toFixed(3)}) ${((100 * n) / STOPS).toFixed(1)}%`;
  });
  return `linear-gradient(${direction}, ${stops.join(", ")})`;
}

export function swatch(name: string): HTMLElement {
  const element = h("span", { class: "nbannot-map" });
  element.style.background = COLORMAPS.includes(name) ? gradient(colormap(name), "to right") : "none";
  return element;
}

/** All colour maps as buttons with their colours. */
export function colourGrid(now: string, pick: (name: string) => void): HTMLElement {
  const buttons = COLORMAPS.map((name) => {
    const button = h(
      "button", { type: "button", role: "menuitemradio", "aria-checked": String(name === now), "data-nbannot-map": name },
      swatch(name), h("span", {}, name),
    );
    button.addEventListener("click", () => pick(name));
    return button;
  });
  const grid = h("div", { class: "nbannot-maps", role: "menu", "aria-label": "Colour map" }, ...buttons);
  grid.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 2, ArrowUp: -2 }[event.key];
    const at = buttons.indexOf(document.activeElement as HTMLButtonElement);
    if (step === undefined || at < 0) return;
    buttons[Math.min(buttons.length - 1, Math.max(0, at + step))]?.focus();
    event.preventDefault();
    event.stopPropagation();
  });
  return grid;
}

/** A button that shows its colour map and opens the choice of another. */
export class ColourButton {
  readonly element = h("button", { type: "button", class: "nbannot-mapbutton" });
  #now = "";

  constructor(root: HTMLElement, what: string, pick: (name: string) => void, signal: AbortSignal) {
    attachPopup(this.element, root, (done) => {
      const popup = h("div", { class: "nbannot-menu" }, colourGrid(this.#now, (name) => {
        done();
        pick(name);
      }));
      closeOnEscape(popup, done);
      return popup;
    }, "menu", signal);
    this.#what = what;
  }
  readonly #what: string;

  show(name: string): void {
    if (name === this.#now) return;
    this.#now = name;
    this.element.replaceChildren(swatch(name));
    this.element.title = `${this.#what}: ${name}`;
    this.element.setAttribute("aria-label", this.element.title);
  }
}

export function closeOnEscape(popup: HTMLElement, done: () => void): void {
  popup.addEventListener("keydown", (event) => {
    // Keys typed in a pop-up are not for the picture.
    if (event.key !== "Tab") event.stopPropagation();
    if (event.key !== "Escape") return;
    event.preventDefault();
    done();
  });
}

/** A field for a number that applies on Enter and when it is left; what is no number is put back. */
export class NumberField {
  readonly element: HTMLInputElement;
  #shown = "";

  constructor(name: string, id: string, private readonly apply: (value: number | null) => void, signal: AbortSignal, private readonly optional = false) {
    this.element = h("input", {
      type: "text", inputmode: "decimal", class: "nbannot-number", "aria-label": name, title: name, "data-nbannot-field": id, autocomplete: "off",
    });
    listen(this.element, "keydown", signal, (event) => {
      event.stopPropagation();
      if (event.key === "Enter") this.#take();
      else if (event.key === "Escape") this.#put();
      else return;
      event.preventDefault();
    });
    listen(this.element, "blur", signal, () => this.#take());
  }

  /** Show a number, unless somebody is typing another one. */
  show(text: string): void {
    const typing = document.activeElement === this.element && this.element.value !== this.#shown;
    this.#shown = text;
    if (!typing) this.#put();
  }

  #put(): void {
    if (this.element.value !== this.#shown) this.element.value = this.#shown;
  }

  #take(): void {
    const text = this.element.value.trim();
    if (text === this.#shown) return;
    if (text === "" && this.optional) return this.apply(null);
    const value = readNumber(text);
    if (value === null) this.#put();
    else this.apply(value);
  }
}

/** A number as people type it: with a comma, with a real minus. */
export function readNumber(text: string): number | null {
  const plain = text.trim().replace("−", "-").replace(",", ".");
  const value = plain === "" ? NaN : Number(plain);
  return Number.isFinite(value) ? value : null;
}
