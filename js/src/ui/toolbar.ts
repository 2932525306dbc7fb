/** The row of buttons on top. */
import { command, type CommandTarget } from "../commands";
import { BACKENDS, BUTTON_TOOLS } from "../state";
import { hasPlanes } from "../tools/frame";
import { h, listen, setAttribute, setText } from "./dom";
import { icon, setIcon } from "./icons";
import { canCompare, comparePopup } from "./compare";
import { layoutPopup } from "./layoutmenu";
import { linkItems } from "./links";
import { attachMenu, attachPopup, type MenuItem } from "./menu";
import { shownWindow } from "./readout";
import type { Scene } from "./scene";
import { ShapeMenu } from "./shapemenu";
import { slabItems, slabPossible } from "./slab";
import { windowPopup } from "./windowmenu";

const BACKEND_TITLES = { auto: "Automatic", cpu: "CPU", webgl2: "WebGL2" } as const;

export class Toolbar {
  readonly element = h("div", { class: "nbannot-toolbar", role: "toolbar", "aria-label": "Viewer tools" });
  readonly #buttons = new Map<string, HTMLButtonElement>();
  readonly #images = h("select", { class: "nbannot-images", title: "Image", "aria-label": "Image" });
  readonly #window: HTMLButtonElement;
  readonly #layout: HTMLButtonElement;
  readonly #links = menuButton("Links between images", "links");
  readonly #compare = menuButton("Compare", "compare");
  readonly #slab: HTMLButtonElement;
  readonly #shapes: ShapeMenu;
  readonly #opacity = h("input", {
    type: "range", class: "nbannot-opacity", min: 0, max: 1, step: 0.05,
    "aria-label": "Opacity of the labels", title: "Opacity of the labels",
  });
  #imageKey = "";
  #note = "";
  /** Whether headers of files may be shown, as far as is known. */
  headers = (): boolean => true;

  constructor(
    private readonly scene: Scene,
    private readonly target: CommandTarget,
    root: HTMLElement,
    private readonly signal: AbortSignal,
  ) {
    this.#window = h("button", { type: "button", class: "nbannot-button nbannot-window", title: "Window presets (Alt+1, Alt+2, …)" });
    this.#layout = h("button", { type: "button", class: "nbannot-button", title: "Layout", "aria-label": "Layout" }, icon("mpr"));
    this.#slab = h("button", { type: "button", class: "nbannot-button", title: "Thick slices (T)", "aria-label": "Thick slices" }, icon("slab"));
    const more = h("button", { type: "button", class: "nbannot-button", title: "More", "aria-label": "More" }, icon("more"));
    this.#shapes = new ShapeMenu(scene, target, root, signal);
    const group = (...nodes: Node[]): HTMLElement => h("div", { class: "nbannot-group" }, ...nodes);
    this.element.append(
      this.#button("view.thumbnails", "thumbs", true), this.#images,
      group(...BUTTON_TOOLS.map((name) => this.#button(`tool.${name}`, name, true)), this.#shapes.button),
      group(this.#window, this.#layout, this.#slab, this.#links, this.#compare, this.#button("view.reset", "reset"), this.#button("frame.play", "play")),
      group(this.#button("edit.undo", "undo"), this.#button("edit.redo", "redo"), this.#button("history.toggle", "history")),
      group(this.#button("operations.toggle", "operations")),
      h(
        "div", { class: "nbannot-tail" }, group(this.#button("labels.overlay", "eye", true), this.#opacity),
        group(this.#button("help.toggle", "help"), more, this.#button("panel.toggle", "panel", true)),
      ),
    );
    attachPopup(this.#window, root, (done) => windowPopup(scene, done), "dialog", signal);
    attachPopup(this.#layout, root, (done) => layoutPopup(scene, (name) => target.layout(name), done), "dialog", signal);
    attachPopup(this.#compare, root, (done) => comparePopup(scene, done), "dialog", signal);
    attachMenu(this.#links, root, () => linkItems(scene), signal);
    attachMenu(this.#slab, root, () => slabItems(this.scene.pane), signal);
    attachMenu(more, root, () => this.#moreItems(), signal);
    this.#listen();
    scene.keys.on(() => this.#retitle(), signal);
    this.#retitle();
  }

  /** Tooltips name the keys. */
  #retitle(): void {
    const { keys } = this.scene;
    for (const [id, button] of this.#buttons) setAttribute(button, "title", keys.title(id));
    const presets = [1, 2].map((n) => keys.hint(`window.preset_${n}`)).filter(Boolean);
    setAttribute(this.#window, "title", presets.length ? `Window presets (${presets.join(", ")}, …)` : "Window presets");
  }

  #button(id: string, picture: string, toggles = false): HTMLButtonElement {
    const title = this.scene.keys.title(id);
    const button = h(
      "button",
      { type: "button", class: "nbannot-button", title, "aria-label": command(id).title, "data-nbannot-command": id },
      icon(picture),
    );
    if (toggles) button.setAttribute("aria-pressed", "false");
    listen(button, "click", this.signal, () => command(id).run(this.target));
    // One that is hidden for other reasons as well is not to come back.
    if (!this.scene.keys.allows(id)) button.classList.add("nbannot-left-out");
    this.#buttons.set(id, button);
    return button;
  }

  #listen(): void {
    const { scene, signal } = this;
    listen(this.#images, "change", signal, () => scene.choose(this.#images.value));
    listen(this.#opacity, "input", signal, () => scene.view.set({ opacity: Number(this.#opacity.value) }));
  }

  /** Which renderer is at work, and why. */
  get renderer(): string {
    return this.#note || BACKEND_TITLES[this.scene.view.value.backend];
  }

  /** Say which renderer is at work. */
  note(text: string): void {
    this.#note = text;
  }

  draw(playing: boolean, panelOpen: boolean, thumbnailsOpen: boolean): void {
    const { scene } = this;
    if (!scene.ready) return;
    const { tool, overlay, opacity } = scene.view.value;
    this.#shapes.draw();
    for (const name of BUTTON_TOOLS) this.#pressed(`tool.${name}`, name === tool);
    this.#pressed("labels.overlay", overlay);
    this.#pressed("panel.toggle", panelOpen);
    this.#pressed("view.thumbnails", thumbnailsOpen);
    const { document } = scene.source;
    this.#buttons.get("edit.undo")!.disabled = !document.canUndo;
    this.#buttons.get("edit.redo")!.disabled = !document.canRedo;
    const play = this.#buttons.get("frame.play")!;
    play.hidden = scene.pane.cineLength < 2;
    setIcon(play, playing ? "pause" : "play");
    this.#opacity.value = String(opacity);
    this.#window.hidden = scene.pane.image.color;
    setText(this.#window, shownWindow(scene.pane.image, scene.view.value, scene.window()));
    this.#slab.hidden = !slabPossible(scene.pane);
    this.#layout.hidden = !hasPlanes(scene.geometryOf(scene.main)) && scene.images.length < 2;
    this.#links.hidden = scene.images.length < 2;
    this.#compare.hidden = !canCompare(scene);
    this.#buttons.get("view.thumbnails")!.hidden = scene.images.length < 2;
    this.#drawImages();
  }

  #pressed(id: string, on: boolean): void {
    setAttribute(this.#buttons.get(id)!, "aria-pressed", String(on));
  }

  #drawImages(): void {
    const { images } = this.scene;
    const { image } = this.scene.pane;
    this.#images.hidden = images.length < 2;
    const key = JSON.stringify(images.map((one) => [one.id, one.name]));
    if (key !== this.#imageKey) {
      this.#imageKey = key;
      this.#images.replaceChildren(
        ...images.map((one) => h("option", { value: one.id }, one.name || one.modality || one.id)),
      );
    }
    if (this.#images.value !== image.id) this.#images.value = image.id;
  }

  #moreItems(): MenuItem[] {
    const { view } = this.scene;
    const { interpolate, crosshair, inverted } = view.value;
    const toggle = (id: string, title: string, checked: boolean): MenuItem => ({
      id, title, checked, hint: this.scene.keys.hint(id), run: () => command(id).run(this.target),
    });
    return [
      toggle("view.interpolation", "Smooth pixels", interpolate),
      toggle("view.crosshair", "Crosshair", crosshair),
      toggle("view.invert", "Black and white exchanged", inverted.includes(this.scene.pane.image.id)),
      toggle("view.flip", "Left and right exchanged", this.scene.pane.turn.flip),
      toggle("view.quarter", "Turn the picture clockwise", false),
      toggle("view.full_size", "Original size", false),
      ...(hasPlanes(this.scene.pane.geometry) ? [
        toggle("planes.grid", "Planes along the voxels", view.value.rotation === null),
        toggle("planes.patient", "Planes along the patient", view.value.rotation?.[3] === 1),
      ] : []),
      ...["view.screenshot", "image.info", ...(this.headers() ? ["image.header"] : [])].filter((id) => this.scene.keys.allows(id)).map((id) => toggle(id, `${command(id).title} …`, false)),
      ...BACKENDS.map((backend): MenuItem => ({
        id: `backend-${backend}`,
        title: `Draw with: ${BACKEND_TITLES[backend]}`,
        hint: view.value.backend === backend ? this.#note : "",
        checked: view.value.backend === backend,
        run: () => view.set({ backend }),
      })),
    ];
  }
}

function menuButton(title: string, picture: string): HTMLButtonElement {
  return h(
    "button", { type: "button", class: "nbannot-button", title, "aria-label": title, "data-nbannot-menu": picture, hidden: true },
    icon(picture),
  );
}
