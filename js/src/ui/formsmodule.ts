/** Forms for the answers and for labels: fetched when a label asks something, or is edited. */
import { pageModule } from "../channel/modules";
import type { LabelItem } from "../model/protocol";
import type { Named } from "../tools/labels";
import type { Dialogs } from "./dialog";
import { h } from "./dom";
import type { Scene } from "./scene";

declare const FORMS_HASH: string;

/** The part of the panel with questions and answers. */
export interface AnswersPart {
  readonly element: HTMLElement;
  draw(): void;
  /** List what is missing or wrong, and show the first. */
  check(): void;
}

export interface FormsModule {
  answers(scene: Scene, signal: AbortSignal): AnswersPart;
  editLabel(scene: Scene, dialogs: Dialogs, label: LabelItem, named: Named): void;
}

const formsModule = (scene: Scene): Promise<FormsModule> => pageModule<FormsModule>(scene.source.road, FORMS_HASH, "forms");

/** The place of the answers in the panel; empty until a label asks something. */
export class Answers {
  readonly element = h("div", { hidden: true });
  #part: AnswersPart | null = null;
  #asked = false;

  constructor(private readonly scene: Scene, private readonly signal: AbortSignal) {}

  draw(): void {
    const wanted = this.scene.labels.some(({ attributes, scope }) => attributes.length > 0 || scope.length > 0);
    this.element.hidden = !wanted;
    if (!wanted) return;
    if (this.#part) this.#part.draw();
    else if (!this.#asked) void this.#open();
  }

  /** Put the cursor into the first question. */
  focus(): void {
    this.element.querySelector<HTMLElement>(".nbannot-field:not([hidden]) :is(input:checked, input, select)")?.focus();
  }

  async check(): Promise<void> {
    if (this.element.hidden) return this.scene.toast("No label asks anything.");
    this.#part ??= await this.#open();
    this.#part?.check();
  }

  async #open(): Promise<AnswersPart | null> {
    this.#asked = true;
    try {
      const { answers } = await formsModule(this.scene);
      if (this.signal.aborted) return null;
      if (!this.#part) {
        this.#part = answers(this.scene, this.signal);
        this.element.append(this.#part.element);
        this.#part.draw();
      }
    } catch (error) {
      this.#asked = false;
      this.scene.toast(`The forms cannot be shown: ${error instanceof Error ? error.message : String(error)}`);
    }
    return this.#part;
  }
}

/** Open the dialog that defines a label. */
export async function editLabel(scene: Scene, dialogs: Dialogs, label: LabelItem, named: Named): Promise<void> {
  try {
    (await formsModule(scene)).editLabel(scene, dialogs, label, named);
  } catch (error) {
    scene.toast(`The form cannot be shown: ${error instanceof Error ? error.message : String(error)}`);
  }
}
