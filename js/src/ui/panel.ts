/** The side panel: layers, labels, answers and annotations. */
import type { Drawn } from "../tools/annotations";
import type { Pointer } from "../tools/tool";
import { annotationMenu, AnnotationList, annotationUnder, chosen } from "./annotations";
import type { Dialogs } from "./dialog";
import { h } from "./dom";
import { Answers } from "./formsmodule";
import { LabelList } from "./labellist";
import { LayersPanel } from "./layerspanel";
import type { MenuItem } from "./menu";
import type { Pane } from "./pane";
import { paneItems } from "./panemenu";
import { readAt } from "./readout";
import type { Scene } from "./scene";

export class Panel {
  readonly element = h("div", { class: "nbannot-panel", "data-nbannot-panel": true });
  readonly #layers: LayersPanel;
  readonly labels: LabelList;
  readonly answers: Answers;
  readonly #annotations: AnnotationList;

  constructor(private readonly scene: Scene, dialogs: Dialogs, root: HTMLElement, signal: AbortSignal) {
    this.#layers = new LayersPanel(scene, root, signal);
    this.labels = new LabelList(scene, dialogs, root, signal);
    this.answers = new Answers(scene, signal);
    this.#annotations = new AnnotationList(scene, root, signal);
    this.element.append(this.#layers.element, this.labels.element, this.answers.element, this.#annotations.element);
  }

  /** Add a label with a free name, choose it, and let the user type its name. */
  addLabel(): void {
    this.labels.addLabel();
  }

  /** The menu of the annotation under the pointer, else those of the segment there and of the pane. */
  menuUnder(pane: Pane, pointer: Pointer, maximize: (pane: string) => void): MenuItem[] {
    const item = annotationUnder(pane, pointer);
    if (!item) {
      const { labels, view } = this.scene;
      const names = readAt(pane, pointer.index)?.labels ?? [];
      const label = labels.find(({ name, id }) => names.includes(name) && view.value.overlay && !view.value.hidden.includes(id));
      return [...(label ? this.labels.menuOf(label) : []), ...paneItems(this.scene, pane.id, () => maximize(pane.id))];
    }
    if (!this.scene.view.value.selected.includes(item.id)) this.scene.view.set({ selected: [item.id] });
    return annotationMenu(this.scene, chosen(this.scene), (one) => this.#renameItem(one));
  }

  #renameItem(item: Drawn): void {
    this.scene.view.set({ panel: true });
    this.draw();
    this.#annotations.rename(item);
  }

  draw(): void {
    if (!this.scene.ready) return;
    this.#layers.draw();
    this.labels.draw();
    this.answers.draw();
    this.#annotations.draw();
  }
}
