/** The small toolbar in a 3-D pane. */
import { SIDE_NAMES, type Side } from "../../volume3d/camera";
import type { Mode, Preset } from "../../volume3d/transfer";
import { h, listen, setAttribute } from "../dom";

export type Toggle = "mip" | "segments" | "layers" | "edit" | "crop";

export interface BarEvents {
  preset(id: string): void;
  toggle(name: Toggle): void;
  look(side: Side): void;
  reset(): void;
}

const TOGGLES: readonly (readonly [Toggle, string, string])[] = [
  ["mip", "MIP", "Largest value along each line of sight"],
  ["segments", "Segments", "Show the segments"],
  ["layers", "Layers", "Show the images over this one"],
  ["edit", "Opacity", "Edit opacity and colour by value"],
  ["crop", "Crop", "Cut away parts of the volume"],
];

export interface BarState {
  readonly presets: readonly Preset[];
  readonly preset: string;
  readonly mode: Mode;
  readonly edited: boolean;
  readonly pressed: ReadonlySet<Toggle>;
  /** Toggles that make no sense now. */
  readonly hidden: ReadonlySet<Toggle>;
}

export class Bar {
  readonly element: HTMLElement;
  readonly #preset = h("select", { "aria-label": "Appearance of the volume", title: "Appearance of the volume" });
  readonly #look = h("select", { "aria-label": "Look from", title: "Look from" });
  readonly #buttons = new Map<Toggle, HTMLButtonElement>();
  #listed = "";

  constructor(events: BarEvents, signal: AbortSignal) {
    this.#look.append(h("option", { value: "" }, "View"));
    for (const [side, name] of Object.entries(SIDE_NAMES)) this.#look.append(h("option", { value: side }, `From the ${name}`));
    listen(this.#preset, "change", signal, () => events.preset(this.#preset.value));
    listen(this.#look, "change", signal, () => {
      if (this.#look.value) events.look(this.#look.value as Side);
      this.#look.value = "";
    });
    for (const [name, text, title] of TOGGLES) {
      const button = h("button", { type: "button", class: "nbannot-small", title, "data-nbannot-volume": name }, text);
      listen(button, "click", signal, () => events.toggle(name));
      this.#buttons.set(name, button);
    }
    const reset = h("button", { type: "button", class: "nbannot-small", title: "Look from the front, whole volume, first appearance", "data-nbannot-volume": "reset" }, "Reset");
    listen(reset, "click", signal, () => events.reset());
    this.element = h("div", { class: "nbannot-volume-bar", role: "toolbar", "aria-label": "3-D" }, this.#preset, ...this.#buttons.values(), this.#look, reset);
    for (const type of ["pointerdown", "dblclick", "wheel"] as const) listen(this.element, type, signal, (event) => event.stopPropagation());
  }

  draw({ presets, preset, edited, pressed, hidden }: BarState): void {
    const listed = JSON.stringify([presets.map(({ id }) => id), edited]);
    if (listed !== this.#listed) {
      this.#listed = listed;
      const own = edited ? [h("option", { value: "", disabled: true }, "Edited")] : [];
      this.#preset.replaceChildren(...own, ...presets.map(({ id, title }) => h("option", { value: id }, title)));
    }
    this.#preset.value = edited ? "" : preset;
    for (const [name, button] of this.#buttons) {
      setAttribute(button, "aria-pressed", String(pressed.has(name)));
      button.hidden = hidden.has(name);
    }
  }
}
