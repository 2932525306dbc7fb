/** The row below the buttons: options of the segmentation tool in use, else how the tool is used. It is always there. */
import { BRUSH_MAX, BRUSH_MIN, type ToolName } from "../state";
import type { Rules } from "../state/rules";
import { isGrid } from "../tools/frame";
import { command } from "../commands";
import { h, listen, setAttribute, setText } from "./dom";
import { icon } from "./icons";
import type { Scene } from "./scene";
import { TIPS } from "./tips";

type Choice<T extends string> = readonly (readonly [value: T, title: string, picture?: string])[];

const OUTLINES: Choice<Rules["outline"]> = [
  ["lasso", "Lasso", "lasso"], ["polygon", "Polygon", "polygon"], ["rectangle", "Rectangle", "rectangle"], ["circle", "Circle", "circle"],
];
const CUTS: Choice<Rules["scissors"]> = [
  ["fill", "Fill inside"], ["erase-inside", "Erase inside"], ["erase-outside", "Erase outside"],
];
const OVERWRITES: Choice<Rules["overwrite"]> = [
  ["all", "Overwrite all"], ["visible", "Overwrite visible"], ["none", "Let overlap"],
];
const PAINTING: readonly ToolName[] = ["brush", "eraser", "scissors", "fill"];

/** Shape of a number as a field shows it. */
const shown = (x: number): string => String(Number(x.toPrecision(6)));

export class PaintBar {
  readonly element = h("div", {
    class: "nbannot-paintbar", role: "toolbar", "aria-label": "Options of the tool", "data-nbannot-paintbar": "tip",
  });
  readonly #size = number("Brush diameter", "size", { min: BRUSH_MIN, max: BRUSH_MAX, class: "nbannot-size" });
  readonly #unit = h("span");
  readonly #ball = toggle("Ball in space instead of a disc on the slice", "sphere", "ball");
  readonly #gated = toggle("Only values in a range", "range", "range");
  readonly #low = number("Lowest value that may change", "low");
  readonly #high = number("Highest value that may change", "high");
  readonly #adaptive = toggle("Only what is like the place where the stroke begins", "adaptive", "adaptive");
  readonly #tolerance = number("How far values may be from the place where it begins", "tolerance", { min: 0 });
  readonly #through = toggle("Through the whole volume", "through", "through");
  readonly #outlines: HTMLElement;
  readonly #cuts = select("What the scissors do", "scissors", CUTS);
  readonly #overwrite = select("What happens to other segments", "overwrite", OVERWRITES);
  readonly #area = h("select", { "aria-label": "Where voxels may change", title: "Where voxels may change", "data-nbannot-rule": "area" });
  readonly #tip = h("div", { class: "nbannot-tip", "data-nbannot-tip": true });
  readonly #parts: Readonly<Record<string, HTMLElement>>;
  #areas = "";

  constructor(private readonly scene: Scene, private readonly signal: AbortSignal) {
    this.#outlines = h("div", { class: "nbannot-group", role: "group", "aria-label": "Outline" }, ...OUTLINES.map(([value, title, picture]) => h(
      "button", { type: "button", class: "nbannot-button", title, "aria-label": title, "data-nbannot-outline": value }, icon(picture!),
    )));
    const part = (...nodes: Node[]): HTMLElement => h("div", { class: "nbannot-paintpart" }, ...nodes);
    this.#parts = {
      outline: this.#outlines,
      cut: part(this.#cuts, this.#through),
      size: part(this.#ball, h("label", { class: "nbannot-sizebox" }, this.#size, this.#unit)),
      range: part(this.#gated, this.#low, h("span", { "aria-hidden": "true" }, "–"), this.#high),
      adaptive: part(this.#adaptive, h("span", { "aria-hidden": "true" }, "±"), this.#tolerance),
      area: part(this.#area),
      overwrite: part(this.#overwrite),
      tip: this.#tip,
    };
    this.element.append(...Object.values(this.#parts));
    this.#show({});
    this.#listen();
    scene.keys.on(() => this.#retitle(), signal);
    this.#retitle();
  }

  #retitle(): void {
    const keys = ["brush.smaller", "brush.larger"].map((id) => this.scene.keys.hint(id)).filter(Boolean).join(" and ");
    setAttribute(this.#size, "title", `Brush diameter (${[keys, "Shift+wheel"].filter(Boolean).join(", or ")})`);
  }

  #set(patch: Partial<Rules>): void {
    const { view } = this.scene;
    view.set({ rules: { ...view.value.rules, ...patch } });
  }

  #listen(): void {
    const { scene, signal } = this;
    const rules = (): Rules => scene.view.value.rules;
    const flips = [[this.#ball, "sphere"], [this.#adaptive, "adaptive"], [this.#through, "through"]] as const;
    for (const [button, name] of flips) listen(button, "click", signal, () => this.#set({ [name]: !rules()[name] }));
    for (const button of this.#outlines.querySelectorAll("button")) {
      listen(button, "click", signal, () => this.#set({ outline: button.dataset["nbannotOutline"] as Rules["outline"] }));
    }
    listen(this.#gated, "click", signal, () => this.#set({ range: rules().range ? null : this.#usualRange() }));
    for (const field of [this.#low, this.#high]) listen(field, "change", signal, () => this.#takeRange(field));
    listen(this.#size, "change", signal, () => {
      const size = Number(this.#size.value);
      if (size > 0) scene.view.set({ size_mm: Math.min(BRUSH_MAX, Math.max(BRUSH_MIN, size)) });
    });
    listen(this.#tolerance, "change", signal, () => {
      const value = Number(this.#tolerance.value);
      if (this.#tolerance.value !== "" && value >= 0) this.#set({ tolerance: value });
    });
    listen(this.#cuts, "change", signal, () => this.#set({ scissors: this.#cuts.value as Rules["scissors"] }));
    listen(this.#overwrite, "change", signal, () => this.#set({ overwrite: this.#overwrite.value as Rules["overwrite"] }));
    listen(this.#area, "change", signal, () => {
      const { value } = this.#area;
      const plain = value === "everywhere" || value === "outside";
      this.#set(plain ? { area: value, area_label: null } : { area: "inside", area_label: value.slice("in ".length) });
    });
    // Back to the picture, where the next key is for the viewer.
    listen(this.element, "keydown", signal, (event) => {
      if (event.key !== "Enter" && event.key !== "Escape") return;
      const { target } = event;
      if (!(target instanceof HTMLInputElement)) return;
      event.stopPropagation();
      target.blur();
      this.element.closest<HTMLElement>("[data-nbannot-root]")?.focus({ preventScroll: true });
    });
  }

  /** What the window shows. */
  #usualRange(): readonly [number, number] {
    const { center, width } = this.scene.window();
    return [center - width / 2, center + width / 2];
  }

  /** The other bound goes along where the two would change places. */
  #takeRange(field: HTMLInputElement): void {
    const { range } = this.scene.view.value.rules;
    const value = Number(field.value);
    if (!range || field.value === "" || !Number.isFinite(value)) return;
    this.#set({ range: field === this.#low ? [value, Math.max(value, range[1])] : [Math.min(value, range[0]), value] });
  }

  /** `held`: the tool that comes back when a key is let go; its options stay meanwhile. */
  draw(held: ToolName | null): void {
    const { scene } = this;
    if (!scene.ready) return;
    const { tool: now, rules, size_mm } = scene.view.value;
    const tool = PAINTING.includes(now) ? now : held ?? now;
    const painting = PAINTING.includes(tool);
    setAttribute(this.element, "data-nbannot-paintbar", painting ? "options" : "tip");
    if (!painting) {
      setText(this.#tip, `${command(`tool.${tool}`).title}: ${TIPS[tool] ?? ""}`);
      return this.#show({ tip: true });
    }
    const { pane } = scene;
    const brush = tool === "brush" || tool === "eraser";
    const grid = isGrid(pane.geometry);
    const { color } = pane.image;
    this.#show({
      outline: tool === "scissors", cut: tool === "scissors", size: brush, range: !color,
      adaptive: !color && (tool === "brush" || tool === "fill"), area: true,
      overwrite: tool !== "eraser" && (tool !== "scissors" || rules.scissors === "fill"),
    });
    this.#ball.hidden = this.#through.hidden = !grid || pane.geometry.shape.some((n) => n < 2);
    // The fill always goes by the tolerance, but for a range.
    this.#adaptive.hidden = tool === "fill";
    this.#tolerance.disabled = tool === "fill" ? rules.range !== null : !rules.adaptive;
    for (const [button, on] of [[this.#ball, rules.sphere], [this.#gated, rules.range !== null], [this.#adaptive, rules.adaptive], [this.#through, rules.through]] as const) {
      setAttribute(button, "aria-pressed", String(on));
    }
    for (const button of this.#outlines.querySelectorAll("button")) {
      setAttribute(button, "aria-pressed", String(button.dataset["nbannotOutline"] === rules.outline));
    }
    for (const field of [this.#low, this.#high]) field.disabled = rules.range === null;
    put(this.#low, rules.range ? shown(rules.range[0]) : "");
    put(this.#high, rules.range ? shown(rules.range[1]) : "");
    put(this.#size, String(Number(size_mm.toPrecision(3))));
    put(this.#tolerance, shown(rules.tolerance));
    setText(this.#unit, pane.geometry.unit);
    this.#cuts.value = rules.scissors;
    this.#overwrite.value = rules.overwrite;
    this.#drawAreas(rules);
  }

  #show(parts: Readonly<Record<string, boolean>>): void {
    for (const [name, part] of Object.entries(this.#parts)) part.hidden = parts[name] !== true;
  }

  #drawAreas({ area, area_label }: Rules): void {
    const { labels } = this.scene;
    const key = JSON.stringify(labels.map(({ id, name }) => [id, name]));
    if (key !== this.#areas) {
      this.#areas = key;
      const option = (value: string, title: string): HTMLElement => h("option", { value }, title);
      this.#area.replaceChildren(
        option("everywhere", "Everywhere"), option("outside", "Outside other segments"),
        ...labels.map(({ id, name }) => option(`in ${id}`, `Inside ${name}`)),
      );
    }
    this.#area.value = area === "inside" ? `in ${area_label ?? ""}` : area;
  }
}

/** A value into a field that nobody types in. */
function put(field: HTMLInputElement, value: string): void {
  if (field.ownerDocument.activeElement !== field && field.value !== value) field.value = value;
}

function number(title: string, name: string, more: Readonly<Record<string, string | number>> = {}): HTMLInputElement {
  return h("input", {
    type: "number", step: "any", class: "nbannot-number", "aria-label": title, title, "data-nbannot-rule": name, ...more,
  });
}

function toggle(title: string, name: string, picture: string): HTMLButtonElement {
  return h(
    "button", { type: "button", class: "nbannot-button", title, "aria-label": title, "aria-pressed": "false", "data-nbannot-rule": name },
    icon(picture),
  );
}

function select<T extends string>(title: string, name: string, choices: Choice<T>): HTMLSelectElement {
  return h(
    "select", { "aria-label": title, title, "data-nbannot-rule": name },
    ...choices.map(([value, text]) => h("option", { value }, text)),
  );
}
