/** The side panel: layers, labels, answers and boxes. */
import { middleOf, ordered } from "../tools/box";
import type { BoxItem } from "../model/protocol";
import type { Dialogs } from "./dialog";
import { h, setAttribute } from "./dom";
import { Answers } from "./formsmodule";
import { LabelList, smallButton } from "./labellist";
import { LayersPanel } from "./layerspanel";
import type { Scene } from "./scene";

export class Panel {
  readonly element = h("div", { class: "nbannot-panel", "data-nbannot-panel": true });
  readonly #boxes = h("div", { class: "nbannot-list", "aria-label": "Boxes" });
  readonly #boxHead: HTMLElement;
  #key = "";
  readonly #layers: LayersPanel;
  readonly labels: LabelList;
  readonly answers: Answers;

  constructor(private readonly scene: Scene, dialogs: Dialogs, root: HTMLElement, signal: AbortSignal) {
    this.#layers = new LayersPanel(scene, root, signal);
    this.labels = new LabelList(scene, dialogs, root, signal);
    this.answers = new Answers(scene, signal);
    this.#boxHead = h("header", {}, h("strong", {}, "Boxes"));
    this.element.append(this.#layers.element, this.labels.element, this.answers.element, this.#boxHead, this.#boxes);
  }

  /** Add a label with a free name, choose it, and let the user type its name. */
  addLabel(): void {
    this.labels.addLabel();
  }

  draw(): void {
    const { scene } = this;
    if (!scene.ready) return;
    this.#layers.draw();
    this.labels.draw();
    this.answers.draw();
    const key = JSON.stringify([scene.labels, scene.source.document.boxes, scene.selected]);
    if (key === this.#key) return;
    this.#key = key;
    const focused = (document.activeElement as HTMLElement | null)?.dataset["nbannotFocus"];
    const { boxes } = scene.source.document;
    this.#boxHead.hidden = boxes.length === 0;
    this.#boxes.replaceChildren(...boxes.map((box) => this.#boxRow(box)));
    if (focused) this.#boxes.querySelector<HTMLElement>(`[data-nbannot-focus="${CSS.escape(focused)}"]`)?.focus();
  }

  #boxRow(box: BoxItem): HTMLElement {
    const { scene } = this;
    const color = scene.labels.find((one) => one.name === box.label)?.color ?? "#ffffff";
    const [low, high] = ordered(box.index);
    const size = [2, 1, 0].map((n) => Math.round(high[n]! - low[n]!)).filter((one) => one > 0).join(" × ");
    const go = h(
      "button", { type: "button", class: "nbannot-name", title: "Go to this box", "data-nbannot-focus": `box-${box.id}` },
      box.label, h("small", {}, ` ${size}`),
    );
    go.addEventListener("click", () => this.#goTo(box));
    const remove = smallButton("trash", "Delete", "box.delete");
    setAttribute(remove, "aria-label", `Delete box ${box.label}`);
    remove.addEventListener("click", () => removeBox(scene, box));
    const swatch = h("span", { class: "nbannot-swatch" });
    swatch.style.background = color;
    return h(
      "div", { class: "nbannot-row", "data-nbannot-box-row": box.id, "data-active": scene.selected === box.id },
      swatch, go, remove,
    );
  }

  #goTo(box: BoxItem): void {
    const { scene } = this;
    scene.goTo(scene.imageById(box.image) ?? scene.main, middleOf(box.index), box.frame, box.label);
    scene.selected = box.id;
  }
}

/** Delete a box unless its label is locked. */
export function removeBox(scene: Scene, box: BoxItem): void {
  if (scene.labels.some((one) => one.name === box.label && one.locked)) {
    return scene.toast(`The label "${box.label}" is locked. Unlock it to delete its boxes.`);
  }
  scene.apply({ kind: "remove", item: box, tool: "box" });
  if (scene.selected === box.id) scene.selected = null;
}
