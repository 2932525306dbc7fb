/** The pop-up of the window button: presets, percentiles, numbers, unit and colour map of the shown image. */
import type { ImageJson } from "../model/protocol";
import { closeOnEscape, colourGrid, NumberField } from "./colours";
import { h } from "./dom";
import { percentilePresets, windowBetween, windowBounds, type Preset } from "./presets";
import { showNumber, windowText } from "./readout";
import type { Scene } from "./scene";
import { colormapOf } from "./tables";
import { noSuv, unitChoices, unitOf } from "./units";
import { lutOf } from "./windows";

const HEADS = { own: "Your own", customary: "Customary", file: "From the file", values: "By the values" } as const;

export function windowPopup(scene: Scene, done: () => void): HTMLElement {
  const { image } = scene.pane;
  const closed = new AbortController();
  const finish = (): void => {
    closed.abort();
    done();
  };
  const popup = h("div", { class: "nbannot-menu nbannot-windows", role: "dialog", "aria-label": `Window of ${image.name || "the image"}` });
  popup.append(numbers(scene, image, closed.signal), ...presetRows(scene, image, finish));
  const units = unitRow(scene, image, finish);
  if (units) popup.append(units);
  popup.append(
    h("div", { class: "nbannot-menu-head" }, "Colours"),
    colourGrid(colormapOf(image, scene.view.value), (name) => {
      finish();
      setColormap(scene, image, name);
    }),
  );
  walkWithArrows(popup);
  closeOnEscape(popup, finish);
  return popup;
}

export function setColormap(scene: Scene, image: ImageJson, name: string): void {
  scene.view.set({ colormaps: { ...scene.view.value.colormaps, [image.id]: name } });
}

/** Fields for centre and width, lower and upper end, in the shown unit. */
function numbers(scene: Scene, image: ImageJson, signal: AbortSignal): HTMLElement {
  const { factor, name } = unitOf(image, scene.view.value);
  const bounds = () => windowBounds(image, scene.window(image));
  const fields: NumberField[] = [];
  const show = (): void => {
    const { center, width } = scene.window(image);
    const { lower, upper } = bounds();
    [center, width, lower, upper].forEach((value, n) => fields[n]!.show(showNumber(value * factor)));
  };
  const field = (title: string, id: string, apply: (value: number) => void): HTMLElement => {
    const made = new NumberField(title, id, (value) => {
      if (value !== null) apply(value / factor);
      show();
    }, signal);
    fields.push(made);
    return h("label", {}, h("span", {}, title), made.element);
  };
  const box = h(
    "div", { class: "nbannot-windowfields" },
    field("Centre", "center", (center) => scene.setWindow(image, { center, width: scene.window(image).width })),
    field("Width", "width", (width) => width > 0 && scene.setWindow(image, { center: scene.window(image).center, width })),
    field("Lower", "lower", (lower) => scene.setWindow(image, windowBetween(image, lower, bounds().upper))),
    field("Upper", "upper", (upper) => scene.setWindow(image, windowBetween(image, bounds().lower, upper))),
  );
  show();
  const head = h("div", { class: "nbannot-menu-head" }, name ? `Window (${name})` : "Window");
  return h("div", {}, head, box);
}

function presetRows(scene: Scene, image: ImageJson, finish: () => void): HTMLElement[] {
  const { value } = scene.view;
  const now = scene.window(image);
  const unit = unitOf(image, value);
  const lut = lutOf(image, value);
  const row = (preset: Preset, hint: string): HTMLElement => {
    const same = preset.window?.center === now.center && preset.window.width === now.width;
    const checked = preset.lut === undefined ? same && lut === undefined : lut === preset.lut;
    const button = h(
      "button", { type: "button", role: "menuitemradio", "aria-checked": String(checked), "data-nbannot-item": preset.id },
      h("span", {}, preset.title), h("span", { class: "nbannot-hint" }, hint),
    );
    button.addEventListener("click", () => {
      finish();
      scene.applyPreset(preset, image);
    });
    return button;
  };
  const out: HTMLElement[] = [];
  let group = "";
  scene.presets.forEach((preset, n) => {
    if (preset.group !== group) out.push(h("div", { class: "nbannot-menu-head" }, HEADS[(group = preset.group) as keyof typeof HEADS]));
    const key = n < 9 ? scene.keys.hint(`window.preset_${n + 1}`) : "";
    out.push(row(preset, [preset.window ? windowText(preset.window, unit) : "", key].filter(Boolean).join("   ")));
  });
  for (const [of, title] of [["slice", "This slice"], ["here", "All slices here"]] as const) {
    const buttons = percentilePresets(of).map((preset) => row(preset, ""));
    out.push(h("div", { class: "nbannot-percentiles", role: "group", "aria-label": title }, h("span", {}, title), ...buttons));
  }
  const reset = h(
    "button", { type: "button", "data-nbannot-item": "reset", role: "menuitemradio", "aria-checked": String(!(image.id in value.windows) && !(image.id in value.luts)) },
    h("span", {}, "As at the start"),
  );
  reset.addEventListener("click", () => {
    finish();
    scene.resetWindow();
  });
  return [...out, reset];
}

/** Choice of the unit; null where there is only one. */
function unitRow(scene: Scene, image: ImageJson, finish: () => void): HTMLElement | null {
  if (unitChoices(image).length < 2) return null;
  const select = unitSelect(scene, image);
  select.addEventListener("change", finish);
  return h("div", {}, h("div", { class: "nbannot-menu-head" }, "Unit"), select, ...noSuvLine(image));
}

/** Why a PET is not shown in SUV. */
export function noSuvLine(image: ImageJson): HTMLElement[] {
  const text = noSuv(image);
  return text ? [h("p", { class: "nbannot-nosuv", "data-nbannot-nosuv": image.id }, text)] : [];
}

/** A list of the units of an image; those that cannot be computed say why. */
export function unitSelect(scene: Scene, image: ImageJson): HTMLSelectElement {
  const select = h("select", { class: "nbannot-units", "aria-label": `Unit of ${image.name || "the image"}`, "data-nbannot-units": image.id });
  for (const { kind, title, reason } of unitChoices(image)) {
    select.append(h("option", { value: kind, disabled: reason !== "", title: reason }, reason ? `${title}: ${reason}` : title));
  }
  select.value = unitOf(image, scene.view.value).kind;
  select.addEventListener("change", () => {
    const kind = unitChoices(image).find((one) => one.kind === select.value)?.kind ?? "stored";
    scene.view.set({ units: { ...scene.view.value.units, [image.id]: kind } });
  });
  return select;
}

/** Up and down go from button to button. */
function walkWithArrows(popup: HTMLElement): void {
  popup.addEventListener("keydown", (event) => {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step === 0 || !(event.target instanceof HTMLButtonElement)) return;
    const all = [...popup.querySelectorAll("button")];
    all[(all.indexOf(event.target) + step + all.length) % all.length]?.focus();
    event.preventDefault();
  });
}
