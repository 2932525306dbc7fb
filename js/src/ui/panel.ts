/** The side panel: labels (choose, colour, name, show, lock, add, delete) and boxes. */
import type { LabelItem } from "../model/protocol";
import type { Drawn } from "../tools/annotations";
import type { Pointer } from "../tools/tool";
import {
  addLabel, freeName, labelUse, nameProblem, putLabel, removeLabel, renameLabel, type Named,
} from "../tools/labels";
import { annotationMenu, AnnotationList, annotationUnder, chosen } from "./annotations";
import { h, listen, setAttribute } from "./dom";
import { icon } from "./icons";
import { LayersPanel } from "./layerspanel";
import { stylePopup } from "./maskstyle";
import { attachPopup, type MenuItem } from "./menu";
import type { Pane } from "./pane";
import { paneItems } from "./panemenu";
import type { Scene } from "./scene";

export class Panel {
  readonly element = h("div", { class: "nbannot-panel", "data-nbannot-panel": true });
  readonly #labels = h("div", { class: "nbannot-list", role: "radiogroup", "aria-label": "Labels" });
  #key = "";
  /** Id of the label being renamed: the list must not be rebuilt under the cursor. */
  #editing: string | null = null;

  readonly #layers: LayersPanel;
  readonly #annotations: AnnotationList;

  constructor(private readonly scene: Scene, root: HTMLElement, signal: AbortSignal) {
    this.#layers = new LayersPanel(scene, root, signal);
    const style = smallButton("style", "Style of the labels", "label.style");
    attachPopup(style, root, (done) => stylePopup(scene, done), "dialog", signal);
    const add = smallButton("plus", "Add a label", "label.add");
    listen(add, "click", signal, () => this.addLabel());
    this.#annotations = new AnnotationList(scene, root, signal);
    this.element.append(
      this.#layers.element,
      h("header", {}, h("strong", {}, "Labels"), h("span", {}, style, add)), this.#labels, this.#annotations.element,
    );
  }

  /** Add a label with a free name, choose it, and let the user type its name. */
  addLabel(): void {
    const { scene } = this;
    const named = this.#named();
    const name = freeName(scene.labels);
    const { edit, id } = addLabel(named, scene.pane.image.id, name);
    scene.apply(edit);
    scene.view.set({ label: id });
    this.draw();
    const label = scene.labels.find((one) => one.id === id);
    if (label && this.element.offsetParent !== null) this.#rename(label);
  }

  /** The menu of the annotation under the pointer, else that of the pane. */
  menuUnder(pane: Pane, pointer: Pointer, maximize: (pane: string) => void): MenuItem[] {
    const item = annotationUnder(pane, pointer);
    if (!item) return paneItems(this.scene, pane.id, () => maximize(pane.id));
    if (!this.scene.view.value.selected.includes(item.id)) this.scene.view.set({ selected: [item.id] });
    return annotationMenu(this.scene, chosen(this.scene), (one) => this.#renameItem(one));
  }

  #renameItem(item: Drawn): void {
    this.scene.view.set({ panel: true });
    this.draw();
    this.#annotations.rename(item);
  }

  #named(): Named {
    const { document } = this.scene.source;
    return { labels: document.labels, masks: document.masks.map(({ item }) => item), boxes: document.boxes, shapes: document.shapes, tags: document.tags };
  }

  draw(): void {
    const { scene } = this;
    if (!scene.ready) return;
    this.#layers.draw();
    this.#annotations.draw();
    if (this.#editing !== null) return;
    const { hidden } = scene.view.value;
    const key = JSON.stringify([scene.labels, scene.label?.id, hidden]);
    if (key === this.#key) return;
    this.#key = key;
    const focused = (document.activeElement as HTMLElement | null)?.dataset["nbannotFocus"];
    this.#labels.replaceChildren(...scene.labels.map((label, n) => this.#labelRow(label, n, hidden.includes(label.id))));
    if (scene.labels.length === 0) this.#labels.append(h("p", {}, "No labels yet. Add one to paint or to draw boxes."));
    if (focused) this.element.querySelector<HTMLElement>(`[data-nbannot-focus="${CSS.escape(focused)}"]`)?.focus();
  }

  #labelRow(label: LabelItem, n: number, hidden: boolean): HTMLElement {
    const { scene } = this;
    const active = scene.label?.id === label.id;
    const color = h("input", { type: "color", value: label.color, title: "Colour", "aria-label": `Colour of ${label.name}` });
    color.addEventListener("change", () => scene.apply(putLabel(label, { color: color.value })));
    const name = h(
      "button",
      {
        type: "button", role: "radio", "aria-checked": String(active), class: "nbannot-name",
        title: `${label.name}${n < 9 ? ` (${n + 1})` : ""} – double click or F2 to rename`, "data-nbannot-focus": `name-${label.id}`,
      },
      label.name,
    );
    name.addEventListener("click", () => scene.view.set({ label: label.id }));
    name.addEventListener("keydown", (event) => event.key === "F2" && this.#rename(label));
    const eye = smallButton(hidden ? "eyeoff" : "eye", hidden ? "Show" : "Hide", "label.hide", !hidden);
    eye.addEventListener("click", () => this.#toggleHidden(label.id));
    const lock = smallButton(label.locked ? "lock" : "unlock", label.locked ? "Unlock" : "Lock", "label.lock", label.locked);
    lock.addEventListener("click", () => scene.apply(putLabel(label, { locked: !label.locked })));
    const remove = smallButton("trash", "Delete", "label.remove");
    remove.addEventListener("click", () => this.#remove(label));
    for (const [what, button] of [["eye", eye], ["lock", lock], ["remove", remove]] as const) {
      button.dataset["nbannotFocus"] = `${what}-${label.id}`;
      setAttribute(button, "aria-label", `${button.title} ${label.name}`);
    }
    const row = h(
      "div", { class: "nbannot-row", "data-nbannot-label": label.id, "data-active": active, "data-hidden": hidden },
      color, name, eye, lock, remove,
    );
    row.addEventListener("dblclick", (event) => event.target === name && this.#rename(label));
    return row;
  }

  #toggleHidden(id: string): void {
    const { view } = this.scene;
    const { hidden } = view.value;
    view.set({ hidden: hidden.includes(id) ? hidden.filter((one) => one !== id) : [...hidden, id] });
  }

  #rename(label: LabelItem): void {
    const row = this.#labels.querySelector(`[data-nbannot-label="${CSS.escape(label.id)}"]`);
    const name = row?.querySelector(".nbannot-name");
    if (!name) return;
    const input = h("input", { class: "nbannot-name", value: label.name, "aria-label": "Name of the label", maxlength: 200 });
    this.#editing = label.id;
    const finish = (keep: boolean): void => {
      if (this.#editing !== label.id) return;
      this.#editing = null;
      this.#key = "";
      if (keep) this.#setName(label, input.value.trim());
      this.draw();
    };
    input.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Enter" || event.key === "Escape") finish(event.key === "Enter");
    });
    input.addEventListener("blur", () => finish(true));
    name.replaceWith(input);
    input.focus();
    input.select();
  }

  #setName(old: LabelItem, name: string): void {
    const named = this.#named();
    const label = named.labels.find((one) => one.id === old.id);
    if (!label || name === label.name) return;
    const problem = nameProblem(named, label, name);
    if (problem) this.scene.toast(problem);
    else this.scene.apply(renameLabel(named, label, name));
  }

  #remove(label: LabelItem): void {
    const { scene } = this;
    const named = this.#named();
    const use = labelUse(named, label.name);
    if (label.locked) return scene.toast(`The label "${label.name}" is locked. Unlock it to delete it.`);
    if (use.shared.length > 0) {
      return scene.toast(`"${label.name}" shares the mask "${use.shared[0]!.name}" with other labels. Delete it in Python.`);
    }
    const run = (): void => scene.apply(removeLabel(this.#named(), label));
    const drawn = named.masks.some((mask) => mask.segments.some((one) => one.label === label.name) && hasVoxels(scene, mask.id));
    if (!drawn && use.boxes + use.shapes + use.tags === 0) return run();
    const what = [drawn ? "its voxels" : "", count(use.boxes, "box", "boxes"), count(use.shapes, "shape", "shapes"), count(use.tags, "tag", "tags")].filter(Boolean);
    scene.toast(`Delete "${label.name}" with ${what.join(" and ")}?`, { title: "Delete", run });
  }
}

const count = (n: number, one: string, many: string): string => (n === 0 ? "" : `${n} ${n === 1 ? one : many}`);

function hasVoxels(scene: Scene, id: string): boolean {
  const store = scene.source.document.mask(id)?.store;
  if (!store) return false;
  return Array.from({ length: store.shape[0] }).some(
    (_, k) => !store.ready(k) || (store.slice(k)?.some((value) => value !== 0) ?? false),
  );
}

function smallButton(picture: string, title: string, id: string, pressed?: boolean): HTMLButtonElement {
  const state = pressed === undefined ? {} : { "aria-pressed": String(pressed) };
  return h(
    "button", { type: "button", class: "nbannot-small", title, "aria-label": title, "data-nbannot-action": id, ...state },
    icon(picture),
  );
}
