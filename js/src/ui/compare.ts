/** Swipe and flicker between two images, and the difference of two masks: menu, handle, clock and legend. */
import type { Mask } from "../model/document";
import type { CompareState } from "../state/parts";
import { h, listen, setAttribute, setText } from "./dom";
import { agreement, Difference } from "./difference";
import { listenPopup } from "./layoutmenu";
import { imageTitle } from "./panemenu";
import type { PaneView } from "./paneview";
import type { Scene } from "./scene";

/** Two changes a second. */
const FLICKER_MS = 500;
const COUNT_MS = 400;
const STEP = 0.02;
const BIG_STEP = 0.1;

/** Show the other image of a flicker, or move the swipe to the other end; the clock stops. */
export function flip(scene: Scene): void {
  const { compare } = scene.view.value;
  if (!compare) return scene.toast("Choose an image to compare with first.");
  const at = compare.mode === "flicker" ? (scene.flickered ? 0 : 1) : compare.at < 0.5 ? 1 : 0;
  scene.flicker = null;
  scene.view.set({ compare: { ...compare, at } });
  scene.repaint();
}

/** Images that can be compared with what the panes show. */
const others = (scene: Scene): Scene["images"] =>
  scene.images.filter((image) => scene.panes.some((pane) => pane.image.id !== image.id));

// Menu -------------------------------------------------------------------------------------------

/** Build the popup; `done` closes it. */
export function comparePopup(scene: Scene, done: () => void): HTMLElement {
  const popup = h("div", { class: "nbannot-menu nbannot-compare", role: "dialog", "aria-label": "Compare" });
  const parts = [...(others(scene).length > 0 ? [swipePart(scene)] : []), ...(masksOf(scene).length > 1 ? [differencePart(scene)] : [])];
  popup.append(...parts);
  listenPopup(popup, done);
  return popup;
}

export const canCompare = (scene: Scene): boolean => scene.images.length > 1 || masksOf(scene).length > 1;

const MODES = [["off", "Off"], ["swipe", "Swipe"], ["flicker", "Flicker"]] as const;

function swipePart(scene: Scene): HTMLElement {
  const { view } = scene;
  const images = others(scene);
  const first = images.find((one) => one.id !== scene.pane.image.id && scene.spaces.between(scene.pane.image, one)) ?? images[0]!;
  const choice = select("Image to compare with", images.map(({ id }) => [id, imageTitle(scene, id)]), view.value.compare?.image ?? first.id);
  choice.dataset["nbannotCompareImage"] = "";
  const buttons = MODES.map(([mode, title]) => {
    const button = h("button", { type: "button", "data-nbannot-compare": mode }, title);
    button.addEventListener("click", () => set(mode));
    return button;
  });
  const draw = (): void => buttons.forEach((button, n) =>
    setAttribute(button, "aria-pressed", String((view.value.compare?.mode ?? "off") === MODES[n]![0])));
  const set = (mode: (typeof MODES)[number][0]): void => {
    scene.flicker = null;
    view.set({ compare: mode === "off" ? null : { image: choice.value, mode, at: mode === "swipe" ? 0.5 : 0 } });
    draw();
  };
  choice.addEventListener("change", () => {
    const { compare } = view.value;
    if (compare) view.set({ compare: { ...compare, image: choice.value } });
  });
  draw();
  return h(
    "div", { class: "nbannot-compare-part" }, h("div", { class: "nbannot-menu-head" }, "Compare with"), choice,
    h("div", { class: "nbannot-segmented", role: "group", "aria-label": "How to compare" }, ...buttons),
  );
}

function differencePart(scene: Scene): HTMLElement {
  const { view } = scene;
  const masks = masksOf(scene);
  const titles = masks.map((mask): [string, string] => [mask.item.id, maskTitle(scene, mask)]);
  const [a, b] = view.value.difference ?? pairOf(masks);
  const one = select("First mask", titles, a);
  const two = select("Second mask", titles, b);
  const button = h("button", { type: "button", "data-nbannot-difference": true, "aria-pressed": "false" }, "Show the difference");
  const problem = h("p", { class: "nbannot-compare-problem", role: "status" });
  const draw = (): void => setAttribute(button, "aria-pressed", String(view.value.difference !== null));
  const show = (): void => {
    const found = [one.value, two.value].map((id) => masks.find(({ item }) => item.id === id));
    const text = one.value === two.value ? "Choose two different masks."
      : found[0]?.item.image !== found[1]?.item.image ? "These masks are on different images." : "";
    setText(problem, text);
    view.set({ difference: text === "" ? [one.value, two.value] : null });
    draw();
  };
  button.addEventListener("click", () => {
    if (view.value.difference === null) return show();
    view.set({ difference: null });
    draw();
  });
  for (const choice of [one, two]) choice.addEventListener("change", () => view.value.difference !== null && show());
  one.dataset["nbannotMask"] = "first";
  two.dataset["nbannotMask"] = "second";
  draw();
  return h(
    "div", { class: "nbannot-compare-part" }, h("div", { class: "nbannot-menu-head" }, "Difference of two masks"), one, two, button, problem,
  );
}

function select(label: string, options: readonly (readonly [string, string])[], value: string): HTMLSelectElement {
  const out = h("select", { "aria-label": label, title: label }, ...options.map(([id, title]) => h("option", { value: id }, title)));
  out.value = value;
  return out;
}

const masksOf = (scene: Scene): readonly Mask[] => scene.source.document.masks;

/** Two masks on the image that is looked at, else the first two on one image. */
function pairOf(masks: readonly Mask[]): readonly [string, string] {
  for (const { item } of masks) {
    const same = masks.filter((one) => one.item.image === item.image);
    if (same.length > 1) return [same[0]!.item.id, same[1]!.item.id];
  }
  return [masks[0]!.item.id, masks[1]!.item.id];
}

function maskTitle(scene: Scene, { item }: Mask): string {
  const images = new Set(masksOf(scene).map((one) => one.item.image));
  return images.size > 1 ? `${item.name} – ${imageTitle(scene, item.image)}` : item.name;
}

// On the panes ------------------------------------------------------------------------------------

/** The handle of a swipe on one pane. */
class Handle {
  readonly element = h("div", {
    class: "nbannot-swipe", role: "slider", tabindex: 0, "aria-label": "Swipe", "aria-valuemin": 0, "aria-valuemax": 100,
    "data-nbannot-swipe": true, hidden: true,
  }, h("span", { class: "nbannot-swipe-grip", "aria-hidden": "true" }));
  readonly #left = h("span", { class: "nbannot-swipe-name nbannot-swipe-left", "aria-hidden": "true" });
  readonly #right = h("span", { class: "nbannot-swipe-name nbannot-swipe-right", "aria-hidden": "true" });

  constructor(private readonly scene: Scene, readonly view: PaneView, signal: AbortSignal) {
    const { element } = this;
    element.append(this.#left, this.#right);
    view.element.append(element);
    listen(element, "pointerdown", signal, (event) => this.#press(event, signal));
    listen(element, "keydown", signal, (event) => this.#key(event));
    // The pane below must not take part.
    for (const type of ["pointermove", "pointerup", "dblclick", "click"] as const) {
      listen(element, type, signal, (event) => event.stopPropagation());
    }
  }

  #set(at: number): void {
    const { compare } = this.scene.view.value;
    if (compare) this.scene.view.set({ compare: { ...compare, at: Math.min(1, Math.max(0, at)) } });
  }

  #press(event: PointerEvent, signal: AbortSignal): void {
    event.preventDefault();
    event.stopPropagation();
    this.scene.press(this.view.id);
    this.element.focus();
    this.element.setPointerCapture(event.pointerId);
    const drag = new AbortController();
    signal.addEventListener("abort", () => drag.abort(), { signal: drag.signal });
    listen(this.element, "pointermove", drag.signal, (now) => {
      const box = this.view.element.getBoundingClientRect();
      this.#set((now.clientX - box.left) / box.width);
    });
    for (const type of ["pointerup", "lostpointercapture"] as const) listen(this.element, type, drag.signal, () => drag.abort());
  }

  #key(event: KeyboardEvent): void {
    const at = this.scene.view.value.compare?.at ?? 0.5;
    const to: Readonly<Record<string, number>> = {
      ArrowLeft: at - STEP, ArrowRight: at + STEP, ArrowDown: at - STEP, ArrowUp: at + STEP,
      PageDown: at - BIG_STEP, PageUp: at + BIG_STEP, Home: 0, End: 1,
    };
    if (to[event.key] === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    this.#set(to[event.key]!);
  }

  draw(compare: CompareState | null): void {
    const pane = this.scene.paneById(this.view.id);
    const shown = compare?.mode === "swipe" && pane.plane !== "volume" && pane.image.id !== compare.image;
    this.element.hidden = !shown;
    if (!shown) return;
    this.element.style.left = `${compare.at * 100}%`;
    setText(this.#left, imageTitle(this.scene, pane.image.id));
    setText(this.#right, imageTitle(this.scene, compare.image));
    setAttribute(this.element, "aria-valuenow", Math.round(compare.at * 100));
    setAttribute(this.element, "aria-valuetext", `${imageTitle(this.scene, pane.image.id)} left of ${Math.round(compare.at * 100)} %`);
  }
}

/** Everything of a comparison that stands over the panes. */
export class Comparison {
  readonly bar = h("div", { class: "nbannot-flicker", hidden: true, "data-nbannot-flicker": true });
  readonly legend = h("div", { class: "nbannot-legend", role: "status", hidden: true, "data-nbannot-legend": true });
  readonly #handles = new Map<PaneView, Handle>();
  readonly #pause = h("button", { type: "button", "data-nbannot-flicker-pause": true });
  readonly #names = h("span");
  #clock: ReturnType<typeof setInterval> | null = null;
  /** The comparison that is flickering, or that was stopped by hand. */
  #key = "";
  #legendKey = "";
  #counting: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly scene: Scene, private readonly signal: AbortSignal) {
    this.bar.append(this.#names, this.#pause);
    listen(this.#pause, "click", signal, () => (this.#clock === null ? this.#start() : this.#stop()));
    signal.addEventListener("abort", () => this.#halt());
  }

  /** Give a pane its handle; `closed` aborts when the pane goes. */
  opened(view: PaneView, closed: AbortSignal): void {
    this.#handles.set(view, new Handle(this.scene, view, closed));
    closed.addEventListener("abort", () => this.#handles.delete(view));
  }

  draw(): void {
    const { scene } = this;
    if (!scene.ready) return;
    const { compare } = scene.view.value;
    for (const handle of this.#handles.values()) handle.draw(compare);
    this.#drawFlicker(compare);
    this.#drawLegend();
  }

  #drawFlicker(compare: CompareState | null): void {
    const { scene } = this;
    const key = compare?.mode === "flicker" ? compare.image : "";
    if (key !== this.#key) {
      this.#key = key;
      if (key === "") this.#halt();
      else this.#start();
    } else if (key !== "" && this.#clock !== null && scene.flicker === null) this.#stop();
    this.bar.hidden = key === "";
    if (key === "") return;
    const base = scene.panes.find((pane) => pane.image.id !== key)?.image.id ?? scene.main.id;
    setText(this.#names, imageTitle(scene, scene.flickered ? key : base));
    setText(this.#pause, this.#clock === null ? "Go on" : "Pause");
  }

  #start(): void {
    this.#halt();
    this.scene.flicker = this.scene.flickered;
    this.#clock = setInterval(() => {
      this.scene.flicker = !this.scene.flicker;
      this.scene.repaint();
    }, FLICKER_MS);
    this.scene.repaint();
  }

  /** Stop at the image that is shown. */
  #stop(): void {
    const { scene } = this;
    const { compare } = scene.view.value;
    const at = scene.flickered ? 1 : 0;
    this.#halt();
    if (compare) scene.view.set({ compare: { ...compare, at } });
    scene.repaint();
  }

  #halt(): void {
    if (this.#clock !== null) clearInterval(this.#clock);
    this.#clock = null;
    this.scene.flicker = null;
  }

  #drawLegend(): void {
    const { scene } = this;
    const pair = scene.view.value.difference?.map((id) => scene.source.document.mask(id));
    const [a, b] = pair ?? [];
    this.legend.hidden = !a || !b;
    if (!a || !b) {
      this.#legendKey = "";
      return;
    }
    const names = [a.item.name, b.item.name, a.item.id, b.item.id].join("\n");
    const key = `${names}\n${a.store.version} ${b.store.version}`;
    if (key === this.#legendKey) return;
    // A stroke changes the masks many times a second: the counts follow when it rests.
    const rests = !this.#legendKey.startsWith(names);
    this.#legendKey = key;
    clearTimeout(this.#counting);
    this.#counting = setTimeout(() => this.#count(a, b), rests ? 0 : COUNT_MS);
  }

  #count(a: Mask, b: Mask): void {
    const { scene } = this;
    if (this.signal.aborted) return;
    const { onlyA, onlyB, both, dice } = agreement(a.store, b.store);
    const mm3 = voxelVolume(scene, a.item.image);
    const row = (value: number, title: string, voxels: number): HTMLElement => {
      const swatch = h("span", { class: "nbannot-swatch" });
      swatch.style.background = `rgb(${Difference.color(value).join(" ")})`;
      return h("div", {}, swatch, h("span", {}, title), h("span", { class: "nbannot-hint" }, amount(voxels, mm3)));
    };
    const waiting = a.store.missing.length + b.store.missing.length > 0;
    this.legend.replaceChildren(
      row(1, `Only ${a.item.name}`, onlyA), row(2, `Only ${b.item.name}`, onlyB), row(3, "Both", both),
      h("div", {}, h("span", {}, waiting ? "…" : dice === null ? "Both are empty" : `Dice ${dice.toFixed(3)}`)),
    );
  }
}

function voxelVolume(scene: Scene, image: string): number | null {
  const found = scene.imageById(image);
  const geometry = found && scene.geometryOf(found);
  if (!geometry || geometry.kind !== "grid") return null;
  const [a, b, c] = ([0, 1, 2] as const).map((axis) => geometry.axisStep(axis)) as [V, V, V];
  return Math.abs(a[0] * (b[1] * c[2] - b[2] * c[1]) - a[1] * (b[0] * c[2] - b[2] * c[0]) + a[2] * (b[0] * c[1] - b[1] * c[0]));
}
type V = readonly [number, number, number];

/** "1234 voxels, 5.6 ml" */
function amount(voxels: number, mm3: number | null): string {
  const ml = mm3 === null ? "" : `, ${Number(((voxels * mm3) / 1000).toPrecision(3))} ml`;
  return `${voxels} voxels${ml}`;
}
