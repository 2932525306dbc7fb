/** Rows of the section of images: how the base and each layer look. */
import type { ImageJson } from "../model/protocol";
import { COLORMAPS, colormap } from "../render/colormaps";
import type { LayerState } from "../state/parts";
import type { Window } from "../tools/tool";
import { ColourButton, NumberField } from "./colours";
import { h, listen, setAttribute, setText } from "./dom";
import { icon, setIcon } from "./icons";
import { setLayers } from "./layers";
import { whyNotOver } from "./over";
import { fullWindow } from "./percentiles";
import { windowBetween, windowBounds } from "./presets";
import { showEnd, showNumber } from "./readout";
import type { Scene } from "./scene";
import { colormapOf, tableOf } from "./tables";
import { unitOf } from "./units";
import { lutOf, withWindow } from "./windows";
import { noSuvLine, setColormap, unitSelect } from "./windowmenu";
import { WindowBar, type Range } from "./windowbar";

/** Least upper end of the bar of a PET, SUV. */
const SUV_ROOM = 20;

const nameOf = (image: ImageJson | undefined): string => image?.name || image?.modality || "Image";

function smallButton(picture: string, title: string, id: string): HTMLButtonElement {
  return h("button", { type: "button", class: "nbannot-small", title, "aria-label": title, "data-nbannot-action": id }, icon(picture));
}

/** Window of one image: the bar, both ends as numbers, the unit. */
class WindowControl {
  readonly element: HTMLElement;
  readonly #bar: WindowBar;
  readonly #lower: NumberField;
  readonly #upper: NumberField;
  readonly #unit = h("span", { class: "nbannot-unit" });
  readonly #units: HTMLSelectElement | null;
  #range: Range | null = null;
  #seen = 0;

  constructor(private readonly scene: Scene, private readonly image: ImageJson, signal: AbortSignal) {
    const name = nameOf(image);
    this.#bar = new WindowBar((window) => this.#set(window), signal);
    const end = (which: "lower" | "upper") => (value: number | null): void => {
      if (value === null) return;
      const { lower, upper } = this.#bounds;
      const stored = value / unitOf(image, scene.view.value).factor;
      this.#set(which === "lower" ? windowBetween(image, stored, upper) : windowBetween(image, lower, stored));
    };
    this.#lower = new NumberField(`Lower end of the window of ${name}`, "lower", end("lower"), signal);
    this.#upper = new NumberField(`Upper end of the window of ${name}`, "upper", end("upper"), signal);
    this.#units = image.suv ? unitSelect(scene, image) : null;
    this.element = h(
      "div", { class: "nbannot-wcontrol" }, this.#bar.element,
      h("div", { class: "nbannot-ends" }, this.#lower.element, h("span", {}, "–"), this.#upper.element, this.#unit),
      ...(this.#units ? [this.#units, ...noSuvLine(image)] : []),
    );
  }

  get #bounds(): Range {
    return windowBounds(this.image, this.scene.window(this.image));
  }

  #set(window: Window): void {
    this.scene.view.set(withWindow(this.scene.view.value, [this.image.id], window));
  }

  draw(table: Uint32Array): void {
    const { scene, image } = this;
    const { factor, name, kind } = unitOf(image, scene.view.value);
    const { lower, upper } = this.#bounds;
    this.#bar.draw(image, scene.window(image), this.#domain(), table);
    const span = (upper - lower) * factor;
    this.#lower.show(showEnd(lower * factor, span, 4));
    this.#upper.show(showEnd(upper * factor, span, 4));
    setText(this.#unit, name);
    if (this.#units && this.#units.value !== kind) this.#units.value = kind;
  }

  /** Values that the bar spans: those of the image as far as they are here. */
  #domain(): Range {
    const { scene, image } = this;
    const factor = image.suv?.bw;
    if (factor !== undefined) return { lower: 0, upper: SUV_ROOM / factor };
    const here = scene.slicesHere(image);
    // A look at the slices when the first came, and again when they are many.
    if (this.#range === null || here.length > 4 * this.#seen) {
      const full = fullWindow(here);
      if (full) this.#range = { lower: full.center - full.width / 2, upper: full.center + full.width / 2 };
      this.#seen = here.length;
    }
    return this.#range ?? this.#bounds;
  }
}

export class BaseRow {
  readonly element: HTMLElement;
  readonly #colours: ColourButton;
  readonly #window: WindowControl | null;
  readonly #abort: AbortController;

  constructor(private readonly scene: Scene, readonly image: ImageJson, root: HTMLElement, signal: AbortSignal) {
    this.#abort = child(signal);
    const own = this.#abort.signal;
    this.#colours = new ColourButton(root, `Colour map of ${nameOf(image)}`, (name) => setColormap(scene, image, name), own);
    this.#window = image.color ? null : new WindowControl(scene, image, own);
    this.#colours.element.hidden = image.color;
    this.element = h(
      "div", { class: "nbannot-layer nbannot-base", "data-nbannot-base": image.id },
      h("div", { class: "nbannot-layer-head" }, h("span", { class: "nbannot-layer-name", title: nameOf(image) }, nameOf(image)), this.#colours.element),
      ...(this.#window ? [this.#window.element] : []),
    );
  }

  draw(): void {
    const { scene, image } = this;
    const name = colormapOf(image, scene.view.value);
    this.#colours.show(name);
    this.#window?.draw(tableOf(image, scene.view.value, name, true).table);
    this.element.toggleAttribute("data-lut", lutOf(image, scene.view.value) !== undefined);
  }

  close(): void {
    this.#abort.abort();
    this.element.remove();
  }
}

export class LayerRow {
  readonly element: HTMLElement;
  readonly #eye = smallButton("eye", "Hide", "layer.hide");
  readonly #up = smallButton("up", "Up", "layer.up");
  readonly #down = smallButton("down", "Down", "layer.down");
  readonly #opacity = h("input", { type: "range", min: 0, max: 1, step: 0.05, class: "nbannot-slider" });
  readonly #percent = h("span", { class: "nbannot-percent" });
  readonly #note = h("p", { class: "nbannot-warn", role: "status" });
  readonly #colours: ColourButton;
  readonly #threshold: NumberField;
  readonly #unit = h("span", { class: "nbannot-unit" });
  readonly #window: WindowControl | null;
  readonly #body: HTMLElement;
  readonly #abort: AbortController;
  readonly #image: ImageJson | undefined;

  constructor(private readonly scene: Scene, private readonly base: ImageJson, private readonly id: string, root: HTMLElement, signal: AbortSignal) {
    this.#abort = child(signal);
    const own = this.#abort.signal;
    const image = (this.#image = scene.imageById(id));
    const name = nameOf(image);
    const remove = smallButton("trash", "Remove", "layer.remove");
    for (const button of [this.#eye, this.#up, this.#down, remove]) setAttribute(button, "aria-label", `${button.title}: ${name}`);
    setAttribute(this.#opacity, "aria-label", `Opacity of ${name}`);
    this.#opacity.title = "Opacity";
    this.#colours = new ColourButton(root, `Colour map of ${name}`, (colors) => this.#change({ colormap: colors }), own);
    this.#threshold = new NumberField(`Hide values of ${name} below`, "threshold", (value) => {
      const factor = image ? unitOf(image, scene.view.value).factor : 1;
      this.#change({ lower: value === null ? null : value / factor });
    }, own, true);
    this.#window = image && !image.color ? new WindowControl(scene, image, own) : null;
    this.#colours.element.hidden = this.#window === null;
    const threshold = h("label", { class: "nbannot-ends" }, h("span", { class: "nbannot-grow-text" }, "Hide below"), this.#threshold.element, this.#unit);
    this.#body = h(
      "div", { class: "nbannot-layer-body" },
      h("div", { class: "nbannot-ends" }, this.#colours.element, this.#opacity, this.#percent),
      ...(this.#window ? [this.#window.element, threshold] : []),
    );
    this.element = h(
      "div", { class: "nbannot-layer", "data-nbannot-layer": id },
      h("div", { class: "nbannot-layer-head" }, this.#eye, h("span", { class: "nbannot-layer-name", title: name }, name), this.#up, this.#down, remove),
      this.#note, this.#body,
    );
    listen(this.#eye, "click", own, () => this.#change({ visible: this.#eye.getAttribute("aria-pressed") !== "true" }));
    listen(this.#up, "click", own, () => this.#move(1));
    listen(this.#down, "click", own, () => this.#move(-1));
    listen(remove, "click", own, () => setLayers(scene, base, this.#all.filter((one) => one.image !== id)));
    listen(this.#opacity, "input", own, () => this.#change({ opacity: Number(this.#opacity.value) }));
  }

  get #all(): readonly LayerState[] {
    return this.scene.view.value.layers[this.base.id] ?? [];
  }

  #change(change: Partial<LayerState>): void {
    setLayers(this.scene, this.base, this.#all.map((one) => (one.image === this.id ? { ...one, ...change } : one)));
  }

  /** Move one step to the top (1) or to the bottom (-1). */
  #move(by: 1 | -1): void {
    const all = [...this.#all];
    const at = all.findIndex((one) => one.image === this.id);
    const other = all[at + by];
    if (!other) return;
    [all[at + by], all[at]] = [all[at]!, other];
    setLayers(this.scene, this.base, all);
  }

  draw(layer: LayerState, at: number, count: number): void {
    const { scene, base } = this;
    const image = this.#image;
    const problem = !image ? "Its image is not here." : whyNotOver(scene, base, image);
    const unknown = COLORMAPS.includes(layer.colormap) ? "" : `There is no colour map "${layer.colormap}".`;
    setText(this.#note, problem === null ? unknown : image ? `It ${problem}` : problem);
    this.#note.hidden = this.#note.textContent === "";
    this.#body.hidden = problem !== null;
    setIcon(this.#eye, layer.visible ? "eye" : "eyeoff");
    setAttribute(this.#eye, "aria-pressed", String(layer.visible));
    this.#eye.title = layer.visible ? "Hide" : "Show";
    setAttribute(this.#eye, "aria-label", `${this.#eye.title}: ${nameOf(image)}`);
    this.#up.disabled = at === count - 1;
    this.#down.disabled = at === 0;
    this.#up.hidden = this.#down.hidden = count < 2;
    this.element.toggleAttribute("data-hidden", !layer.visible);
    this.#opacity.value = String(layer.opacity);
    setText(this.#percent, `${Math.round(100 * layer.opacity)} %`);
    this.#colours.show(layer.colormap);
    if (!image || !this.#window) return;
    const unit = unitOf(image, scene.view.value);
    const known = COLORMAPS.includes(layer.colormap);
    this.#window.draw(known ? tableOf(image, scene.view.value, layer.colormap, false).table : colormap("grey"));
    this.#threshold.show(layer.lower === null ? "" : showNumber(Number((layer.lower * unit.factor).toPrecision(4))));
    setText(this.#unit, unit.name);
  }

  close(): void {
    this.#abort.abort();
    this.element.remove();
  }
}

/** A controller that ends with a signal. */
function child(signal: AbortSignal): AbortController {
  const controller = new AbortController();
  signal.addEventListener("abort", () => controller.abort(), { signal: controller.signal });
  return controller;
}
