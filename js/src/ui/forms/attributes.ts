/** The form of the answers about one thing: a field for each attribute that is asked about. */
import { same } from "../../model/same";
import { asked, rangeText, withoutUnasked } from "../../model/schema";
import type { AttributeJson, Attributes, AttributeValue } from "../../model/protocol";
import { h, setAttribute, setText } from "../dom";

const RADIO_OPTIONS = 5;

/** What a form is about. */
export interface Question {
  /** Changes with the thing that is asked about. */
  readonly owner: string;
  readonly attributes: readonly AttributeJson[];
  /** The answers at this moment, where those drawn may be older. */
  readonly now?: () => Attributes;
  readonly answers: Attributes;
  readonly disabled?: boolean;
  /** Words beside a field, by attribute. */
  readonly notes?: ReadonlyMap<string, string>;
  change(answers: Attributes): void;
}

interface Field {
  readonly one: AttributeJson;
  readonly row: HTMLElement;
  readonly note: HTMLElement;
  /** Show an answer, except where somebody is typing. */
  show(value: AttributeValue | undefined): void;
}

/** A number as people type it; null for none, undefined for what is no number. */
export function readAnswer(text: string): number | null | undefined {
  const trimmed = text.trim().replace(",", ".");
  if (trimmed === "") return null;
  return /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(trimmed) && Number.isFinite(Number(trimmed)) ? Number(trimmed) : undefined;
}

let forms = 0;

/** One form; `draw` brings it up to date and leaves alone what is being typed. */
export class AttributeForm {
  readonly element = h("div", { class: "nbannot-form", "data-nbannot-form": true });
  readonly #name = `nbannot-form-${(forms += 1)}`;
  #fields: Field[] = [];
  #key = "";
  #question: Question | null = null;

  draw(question: Question): void {
    this.#question = question;
    const key = `${question.owner} ${JSON.stringify(question.attributes)} ${question.disabled ?? false}`;
    if (key !== this.#key) {
      this.#key = key;
      this.#fields = question.attributes.map((one, n) => this.#field(one, `${this.#name}-${n}`));
      this.element.replaceChildren(...this.#fields.map(({ row }) => row), ...this.#strays(question));
      if (question.disabled) for (const one of this.element.querySelectorAll<HTMLInputElement>("input, select, button")) one.disabled = true;
    }
    // By name: a state that came anew holds other objects of the same attributes.
    const shown = new Set(asked(question.attributes, question.answers).map(({ name }) => name));
    for (const field of this.#fields) {
      field.row.hidden = !shown.has(field.one.name);
      field.show(question.answers[field.one.name]);
      this.#say(field, question.notes?.get(field.one.name) ?? "", false);
    }
  }

  /** Put the cursor into the field of an attribute. */
  focus(attribute: string): void {
    const field = this.#fields.find(({ one }) => one.name === attribute) ?? this.#fields.find(({ row }) => !row.hidden);
    field?.row.querySelector<HTMLElement>("input:checked, input, select")?.focus({ preventScroll: false });
  }

  /** Answers that no attribute asks for are shown, not hidden. */
  #strays({ attributes, answers }: Question): HTMLElement[] {
    const known = new Set(attributes.map((one) => one.name));
    const strays = Object.entries(answers).filter(([name]) => !known.has(name));
    return strays.map(([name, value]) => h("p", {}, `${name}: ${String(value)}`));
  }

  #answer(name: string, value: AttributeValue | null): void {
    const question = this.#question;
    if (!question) return;
    // What was drawn may be older than what was answered last.
    const now = question.now?.() ?? question.answers;
    if (same(now[name] ?? null, value)) return;
    const answers: Record<string, AttributeValue> = { ...now };
    if (value === null) delete answers[name];
    else answers[name] = value;
    question.change(withoutUnasked(question.attributes, answers));
  }

  #say(field: Field, text: string, wrong: boolean): void {
    // What is wrong with what was just typed stays until it is right.
    if (!wrong && field.note.dataset["typed"] === "true" && text === "") return;
    field.note.dataset["typed"] = String(wrong);
    setText(field.note, text);
    field.note.hidden = text === "";
    for (const input of field.row.querySelectorAll("input, select")) {
      setAttribute(input, "aria-invalid", text === "" ? null : "true");
      setAttribute(input, "aria-describedby", text === "" ? null : field.note.id);
    }
  }

  #field(one: AttributeJson, id: string): Field {
    const note = h("div", { class: "nbannot-form-note", id: `${id}-note`, role: "alert", hidden: true });
    const title = h("span", { class: "nbannot-form-title" }, one.name);
    if (one.required) title.append(h("span", { class: "nbannot-required", title: "Required" }, " *"), h("span", { class: "nbannot-unseen" }, " required"));
    const grouped = one.type === "yesno" || one.type === "choices" || (one.type === "choice" && one.options.length <= RADIO_OPTIONS);
    const row = grouped
      ? h("fieldset", { class: "nbannot-field", "data-nbannot-field": one.name }, h("legend", {}, title))
      : h("label", { class: "nbannot-field", "data-nbannot-field": one.name }, title);
    const field = { one, row, note } as unknown as { -readonly [key in keyof Field]: Field[key] };
    if (grouped) field.show = one.type === "choices" ? this.#boxes(one, row) : this.#radios(one, row, id);
    else field.show = one.type === "choice" ? this.#select(one, row) : this.#text(one, row, field);
    row.append(note);
    return field;
  }

  #radios(one: AttributeJson, row: HTMLElement, id: string): Field["show"] {
    const options: readonly (readonly [string, AttributeValue])[] =
      one.type === "yesno" ? [["Yes", true], ["No", false]] : one.options.map((option) => [option, option] as const);
    const inputs = options.map(([text, value]) => {
      const input = h("input", { type: "radio", name: id, "data-nbannot-option": text });
      input.addEventListener("change", () => this.#answer(one.name, value));
      row.append(h("label", { class: "nbannot-option" }, input, text));
      return { input, value };
    });
    const clear = h("button", { type: "button", class: "nbannot-plain nbannot-clear", "aria-label": `Take back the answer to ${one.name}` }, "Clear");
    clear.addEventListener("click", () => this.#answer(one.name, null));
    if (!one.required) row.append(clear);
    return (answer) => {
      for (const { input, value } of inputs) input.checked = answer === value;
      clear.hidden = answer === undefined;
    };
  }

  #boxes(one: AttributeJson, row: HTMLElement): Field["show"] {
    const inputs = one.options.map((option) => {
      const input = h("input", { type: "checkbox", "data-nbannot-option": option });
      row.append(h("label", { class: "nbannot-option" }, input, option));
      return { input, option };
    });
    for (const { input } of inputs) {
      input.addEventListener("change", () => {
        const chosen = inputs.filter((each) => each.input.checked).map(({ option }) => option);
        this.#answer(one.name, chosen.length > 0 ? chosen : null);
      });
    }
    return (answer) => {
      for (const { input, option } of inputs) input.checked = Array.isArray(answer) && (answer as readonly string[]).includes(option);
    };
  }

  #select(one: AttributeJson, row: HTMLElement): Field["show"] {
    const select = h("select", {}, h("option", { value: "" }, "–"), ...one.options.map((option) => h("option", { value: option }, option)));
    select.addEventListener("change", () => this.#answer(one.name, select.value || null));
    row.append(select);
    return (answer) => void (select.value = typeof answer === "string" ? answer : "");
  }

  #text(one: AttributeJson, row: HTMLElement, field: Field): Field["show"] {
    const isNumber = one.type === "number";
    const input = h("input", { type: "text", maxlength: 2000, ...(isNumber ? { inputmode: "decimal", class: "nbannot-number" } : {}) });
    const hint = [isNumber ? one.unit : "", isNumber && one.range ? rangeText({ ...one, unit: "" }) : ""].filter(Boolean).join(", ");
    const text = (value: AttributeValue | undefined): string => (value === undefined ? "" : String(value));
    let kept: AttributeValue | undefined;
    const take = (): boolean => {
      const typed = isNumber ? readAnswer(input.value) : input.value.trim() || null;
      const [low, high] = one.range ?? [null, null];
      const outside = typeof typed === "number" && ((low !== null && typed < low) || (high !== null && typed > high));
      if (typed === undefined || outside) {
        this.#say(field, outside ? `${typed} is not ${rangeText(one)}. Not kept.` : "This is no number. Not kept.", true);
        return false;
      }
      field.note.dataset["typed"] = "false";
      this.#say(field, this.#question?.notes?.get(one.name) ?? "", false);
      this.#answer(one.name, typed);
      return true;
    };
    input.addEventListener("blur", () => void (take() || (input.value = text(kept))));
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") take();
      else if (event.key === "Escape") {
        input.value = text(kept);
        field.note.dataset["typed"] = "false";
        this.#say(field, "", false);
      } else return;
      event.preventDefault();
      event.stopPropagation();
    });
    row.append(hint ? h("span", { class: "nbannot-field-line" }, input, h("span", { class: "nbannot-unit" }, hint)) : input);
    return (answer) => {
      const typing = input.ownerDocument.activeElement === input && input.value !== text(kept);
      kept = answer;
      // Where nothing is being typed, undo is the document's.
      input.dataset["nbannotKept"] = text(answer);
      if (!typing) input.value = text(answer);
    };
  }
}

