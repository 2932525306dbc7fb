/** A form from the table of operations: one field for each parameter. */
import type { OperationForm, ParameterForm } from "../../channel/live";
import type { MaskItem } from "../../model/protocol";
import { h } from "../dom";

/** What a form must know of the viewer. */
export interface FormContext {
  /** Masks of the image. */
  readonly masks: readonly MaskItem[];
  /** The mask worked on. */
  readonly mask: string | null;
  /** Slices of the image along (k, j, i), and the ones shown there now. */
  readonly shape: readonly [number, number, number];
  readonly index: readonly [number, number, number];
  /** Unit of the image's values. */
  readonly unit: string;
}

export type Values = Record<string, unknown>;

/** "3, 7-9" as numbers; null where it cannot be read. */
export function readSlices(text: string): number[] | null {
  const out: number[] = [];
  for (const part of text.split(",").map((one) => one.trim()).filter(Boolean)) {
    const found = /^(\d+)(?:\s*[-–]\s*(\d+))?$/.exec(part);
    if (!found) return null;
    const from = Number(found[1]);
    const to = Number(found[2] ?? found[1]);
    if (to < from || to - from > 100_000) return null;
    for (let n = from; n <= to; n++) out.push(n);
  }
  return out.length > 0 ? out : null;
}

/** The fields of one operation. */
export class Form {
  readonly element = h("div", { class: "nbannot-live-fields" });
  readonly #rows = new Map<string, { readonly parameter: ParameterForm; readonly row: HTMLElement; read(): unknown }>();

  constructor(readonly operation: OperationForm, context: FormContext, kept: Values, changed: () => void) {
    for (const parameter of operation.parameters) {
      const row = this.#row(parameter, context, kept[parameter.name]);
      this.element.append(row);
    }
    this.element.addEventListener("input", () => {
      this.#arrange();
      changed();
    });
    this.#arrange();
  }

  /** What is filled in, without what is not asked now; numbers that are left empty are absent. */
  get values(): Values {
    const values: Values = {};
    for (const [name, { row, read }] of this.#rows) {
      const value = row.hidden ? null : read();
      if (value !== null && value !== undefined) values[name] = value;
    }
    return values;
  }

  /** What is wrong in the form; empty for nothing. */
  get problem(): string {
    for (const { parameter, row } of this.#rows.values()) {
      const input = row.querySelector("input");
      if (row.hidden || !input) continue;
      if (!input.checkValidity()) return `${parameter.title}: ${input.validationMessage}`;
      if (parameter.type === "slices" && input.value.trim() && !readSlices(input.value)) return `${parameter.title}: write numbers such as 3, 7-9.`;
      if (parameter.required && input.value.trim() === "") return `${parameter.title} is needed.`;
    }
    return "";
  }

  #arrange(): void {
    for (const { parameter, row } of this.#rows.values()) {
      row.hidden = !Object.entries(parameter.when).every(([name, wanted]) => wanted.includes(this.#rows.get(name)?.read()));
    }
  }

  #row(parameter: ParameterForm, context: FormContext, kept: unknown): HTMLElement {
    const { control, read } = field(parameter, context, kept);
    const unit = parameter.unit === "value" ? context.unit : parameter.unit;
    control.dataset["nbannotField"] = parameter.name;
    if (control instanceof HTMLInputElement || control instanceof HTMLSelectElement) control.title = parameter.help;
    const several = parameter.type === "segments";
    const row = h(
      several ? "div" : "label", { class: "nbannot-live-row", "data-nbannot-parameter": parameter.name, ...(several ? { role: "group", "aria-label": parameter.title } : {}) },
      h("span", {}, parameter.title, unit ? h("small", {}, ` ${unit}`) : ""), control,
      ...(parameter.help ? [h("small", { class: "nbannot-live-help" }, parameter.help)] : []),
    );
    this.#rows.set(parameter.name, { parameter, row, read });
    return row;
  }
}

interface Field {
  readonly control: HTMLElement;
  read(): unknown;
}

function field(parameter: ParameterForm, context: FormContext, kept: unknown): Field {
  const start = kept ?? parameter.default;
  switch (parameter.type) {
    case "number":
    case "integer":
      return numberField(parameter, start);
    case "choice":
      return choiceField(parameter, start);
    case "yesno": {
      const control = h("input", { type: "checkbox" });
      control.checked = start === true;
      return { control, read: () => control.checked };
    }
    case "slice": {
      const control = h("input", { type: "number", min: 0, step: 1, value: typeof start === "number" ? start : context.index[0] });
      return { control, read: () => (control.value === "" ? null : Number(control.value)) };
    }
    case "slices": {
      const control = h("input", { type: "text", value: Array.isArray(start) ? start.join(", ") : `${context.index[0] + 1}`, spellcheck: false });
      return { control, read: () => readSlices(control.value) };
    }
    case "segment":
      return segmentField(parameter, context);
    case "segments":
      return segmentsField(context);
  }
}

function numberField(parameter: ParameterForm, start: unknown): Field {
  const control = h("input", {
    type: "number", step: parameter.type === "integer" ? 1 : "any",
    min: parameter.low, max: parameter.high, value: typeof start === "number" ? start : "", placeholder: "any",
  });
  return { control, read: () => (control.value === "" ? null : Number(control.value)) };
}

function choiceField(parameter: ParameterForm, start: unknown): Field {
  const empty = parameter.options.some(([value]) => value === parameter.default) ? [] : [[null, "automatic"] as const];
  const options = [...empty, ...parameter.options];
  const control = h("select", {}, ...options.map(([, title], n) => h("option", { value: n }, title)));
  control.value = String(Math.max(0, options.findIndex(([value]) => value === start)));
  return { control, read: () => options[Number(control.value)]?.[0] ?? null };
}

function segmentField(parameter: ParameterForm, context: FormContext): Field {
  const all = context.masks.flatMap((mask) => mask.segments.map((segment) => ({ mask, segment })));
  const control = h(
    "select", {}, ...(parameter.required ? [] : [h("option", { value: "" }, "none")]),
    ...all.map(({ segment }, n) => h("option", { value: n }, segment.label)),
  );
  if (parameter.name === "other") control.value = String(all.findIndex(({ mask }) => mask.id !== context.mask));
  return {
    control,
    read: () => {
      const found = control.value === "" ? undefined : all[Number(control.value)];
      if (!found) return null;
      return found.mask.id === context.mask ? found.segment.value : { mask: found.mask.id, segment: found.segment.value };
    },
  };
}

function segmentsField(context: FormContext): Field {
  const segments = context.masks.find((mask) => mask.id === context.mask)?.segments ?? [];
  const boxes = segments.map(({ value, label }) => {
    const box = h("input", { type: "checkbox", value });
    box.checked = true;
    return { box, row: h("label", {}, box, label) };
  });
  const control = h("div", { class: "nbannot-live-segments" }, ...boxes.map(({ row }) => row));
  return {
    control,
    // All of them: those that have voxels.
    read: () => (boxes.every(({ box }) => box.checked) ? null : boxes.filter(({ box }) => box.checked).map(({ box }) => Number(box.value))),
  };
}
