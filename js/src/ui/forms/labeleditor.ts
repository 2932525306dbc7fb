/** The dialog that defines a label: name, colour, key, code, parent, scope and what is asked about it; one edit. */
import type { LiveRoad } from "../../channel/live";
import type { AttributeJson, AttributeValue, EditDraft, LabelItem } from "../../model/protocol";
import { fault } from "../../model/schema";
import { nameProblem, putLabel, renameLabel, type Named } from "../../tools/labels";
import { readAnswer } from "./attributes";
import { codeFinder } from "./codefinder";
import type { Dialogs } from "../dialog";
import { h } from "../dom";
import { icon } from "../icons";
import type { Scene } from "../scene";

const SCOPES = ["case", "series", "image", "lesion"] as const;
const SCHEMES = ["SCT", "RADLEX", "FMA", "DCM", "SRT", "LN", "NCIt", "UMLS", "MDC", "MSH", "NEU", "UBERON"];
const TYPES: readonly (readonly [AttributeJson["type"], string])[] =
  [["choice", "one of"], ["choices", "several of"], ["number", "number"], ["text", "text"], ["yesno", "yes/no"]];

/** An attribute as it stands in the fields of the dialog. */
export interface Typed {
  readonly name: string;
  readonly type: AttributeJson["type"];
  /** Separated by commas. */
  readonly options: string;
  readonly low: string;
  readonly high: string;
  readonly unit: string;
  readonly required: boolean;
  readonly initial: string;
  /** Name of the attribute that it depends on. */
  readonly when: string;
  /** Its values, separated by commas. */
  readonly is: string;
}

const listed = (text: string): string[] => text.split(",").map((one) => one.trim()).filter(Boolean);

function valueOf(type: AttributeJson["type"] | undefined, text: string): AttributeValue | undefined {
  if (type === "yesno") return { yes: true, no: false }[text.trim().toLowerCase()];
  if (type === "number") return readAnswer(text) ?? undefined;
  return type === "choices" ? listed(text) : text.trim();
}

/** Read the fields of all attributes; a text says what is wrong with them. */
export function readAttributes(typed: readonly Typed[]): AttributeJson[] | string {
  const out: AttributeJson[] = [];
  for (const one of typed) {
    const name = one.name.trim();
    if (name === "") return "Each question needs a name.";
    if (out.some((other) => other.name === name)) return `There are two questions "${name}".`;
    const options = one.type === "choice" || one.type === "choices" ? listed(one.options) : [];
    if (options.length === 0 && (one.type === "choice" || one.type === "choices")) return `${name}: options are needed, separated by commas.`;
    if (new Set(options).size < options.length) return `${name}: an option is given twice.`;
    const [low, high] = [readAnswer(one.low), readAnswer(one.high)];
    if (low === undefined || high === undefined) return `${name}: the range is two numbers.`;
    if (low !== null && high !== null && low > high) return `${name}: the range is empty.`;
    const range = one.type === "number" && (low !== null || high !== null) ? ([low, high] as const) : null;
    const plain = { name, type: one.type, options, range, unit: one.type === "number" ? one.unit.trim() : "", required: one.required };
    const initial = one.initial.trim() === "" ? null : valueOf(one.type, one.initial);
    if (initial === undefined) return `${name}: the first value is not understood.`;
    const made: AttributeJson = { ...plain, default: initial, when: {} };
    const wrong = initial === null ? null : fault(made, initial);
    if (wrong) return wrong.message;
    out.push(made);
  }
  return withConditions(out, typed);
}

function withConditions(made: readonly AttributeJson[], typed: readonly Typed[]): AttributeJson[] | string {
  const out: AttributeJson[] = [];
  for (const [n, one] of made.entries()) {
    const { when, is } = typed[n]!;
    if (when === "") {
      out.push(one);
      continue;
    }
    const other = made.find(({ name }) => name === when);
    if (!other || other === one) return `${one.name}: there is no other question "${when}".`;
    const type = other.type === "choices" ? "choice" : other.type;
    const values = listed(is).map((text) => valueOf(type, text)).filter((value) => value !== undefined);
    if (values.length === 0) return `${one.name}: say for which answers to "${when}" it is asked.`;
    if (other.options.length > 0 && values.some((value) => !other.options.includes(value as string))) return `${one.name}: "${is}" is no answer to "${when}".`;
    out.push({ ...one, when: { [when]: values } });
  }
  return circular(out) ? "Some questions wait for each other." : out;
}

function circular(all: readonly AttributeJson[]): boolean {
  let left = all;
  for (;;) {
    const names = new Set(left.map(({ name }) => name));
    const next = left.filter(({ when }) => Object.keys(when).some((name) => names.has(name)));
    if (next.length === 0 || next.length === left.length) return next.length > 0;
    left = next;
  }
}

const said = (value: AttributeValue): string =>
  typeof value === "boolean" ? (value ? "yes" : "no") : Array.isArray(value) ? value.join(", ") : String(value as string | number);

/** The fields of an attribute as it is. */
export function typedOf(one: AttributeJson): Typed {
  const [when = "", values = []] = Object.entries(one.when)[0] ?? [];
  return {
    name: one.name, type: one.type, options: one.options.join(", "), low: String(one.range?.[0] ?? ""), high: String(one.range?.[1] ?? ""),
    unit: one.unit, required: one.required, initial: one.default === null ? "" : said(one.default), when, is: values.map(said).join(", "),
  };
}

const NEW: Typed = { name: "", type: "choice", options: "", low: "", high: "", unit: "", required: false, initial: "", when: "", is: "" };

/** The edit of a changed label: renamed everywhere and put, as one step. */
export function labelEdit(named: Named, old: LabelItem, item: LabelItem): EditDraft | null {
  const put = putLabel({ ...old, name: item.name }, item);
  if (item.name === old.name) return JSON.stringify(item) === JSON.stringify(old) ? null : put;
  const renamed = renameLabel(named, old, item.name);
  return renamed.kind === "batch" ? { ...renamed, edits: [...renamed.edits, put], name: `Edit label ${item.name}` } : null;
}

type Control = HTMLInputElement | HTMLSelectElement;
const field = (title: string, control: HTMLElement): HTMLElement => h("label", { class: "nbannot-edit-field" }, h("span", {}, title), control);
const input = (id: string, value: string, more: Record<string, string | boolean> = {}): HTMLInputElement =>
  h("input", { type: "text", value, "data-nbannot-edit": id, maxlength: 2000, ...more });
function select(id: string, options: readonly (readonly [string, string])[], value: string): HTMLSelectElement {
  const made = h("select", { "data-nbannot-edit": id }, ...options.map(([one, text]) => h("option", { value: one }, text)));
  made.value = value;
  return made;
}

/** One row of the list of questions; `read` gives what stands in it. */
function questionRow(one: Typed, remove: (row: HTMLElement) => void): { row: HTMLElement; read(): Typed } {
  const name = input("question", one.name, { placeholder: "size", "aria-label": "Question" });
  const type = select("type", TYPES, one.type);
  type.setAttribute("aria-label", "Kind of answer");
  const options = input("options", one.options, { placeholder: "solid, part-solid" });
  const [low, high, unit] = [input("low", one.low), input("high", one.high), input("unit", one.unit, { placeholder: "mm" })];
  const initial = input("initial", one.initial);
  const required = h("input", { type: "checkbox", "data-nbannot-edit": "required" });
  required.checked = one.required;
  const [when, is] = [input("when", one.when), input("is", one.is)];
  const gone = h("button", { type: "button", class: "nbannot-small", title: "Remove the question", "aria-label": `Remove the question ${one.name}` }, icon("trash"));
  const choices = field("Options", options);
  const numbers = [field("From", low), field("to", high), field("Unit", unit)];
  const row = h(
    "div", { class: "nbannot-edit-question", "data-nbannot-question": true },
    h("div", { class: "nbannot-edit-line" }, name, type, h("label", { class: "nbannot-option" }, required, "Required"), gone),
    h("div", { class: "nbannot-edit-line" }, choices, ...numbers, field("First value", initial)),
    h("div", { class: "nbannot-edit-line" }, field("Only where", when), field("is", is)),
  );
  const show = (): void => {
    choices.hidden = type.value !== "choice" && type.value !== "choices";
    for (const each of numbers) each.hidden = type.value !== "number";
  };
  type.addEventListener("change", show);
  gone.addEventListener("click", () => remove(row));
  show();
  const read = (): Typed => ({
    name: name.value, type: type.value as AttributeJson["type"], options: options.value, low: low.value, high: high.value, unit: unit.value,
    required: required.checked, initial: initial.value, when: when.value.trim(), is: is.value,
  });
  return { row, read };
}

/** Fields of the label itself; `read` gives the label, or what is wrong. */
function labelFields(label: LabelItem, named: Named, live: LiveRoad | undefined, signal: AbortSignal): { rows: HTMLElement[]; read(): LabelItem | string } {
  const name = input("name", label.name, { "data-nbannot-first": true });
  const color = h("input", { type: "color", value: label.color, "data-nbannot-edit": "color" });
  const key = input("key", label.key ?? "", { maxlength: "1", class: "nbannot-number" });
  const below = new Set([label.name]);
  for (let size = 0; size < below.size;) {
    size = below.size;
    for (const one of named.labels) if (below.has(one.parent)) below.add(one.name);
  }
  const parents = named.labels.filter((one) => !below.has(one.name)).map((one) => [one.name, one.name] as const);
  const parent = select("parent", [["", "none"], ...parents], label.parent);
  const own = label.code && !SCHEMES.includes(label.code.scheme) ? [label.code.scheme] : [];
  const scheme = input("scheme", label.code?.scheme ?? "", { list: "nbannot-schemes", placeholder: "SCT", class: "nbannot-number" });
  const schemes = h("datalist", { id: "nbannot-schemes" }, ...[...SCHEMES, ...own].map((one) => h("option", { value: one })));
  const [value, meaning] = [input("code", label.code?.value ?? ""), input("meaning", label.code?.meaning ?? "")];
  const finder = live && codeFinder(live, signal, (code) => {
    [scheme.value, value.value, meaning.value] = [code.scheme, code.value, code.meaning];
  });
  const scopes = SCOPES.map((scope) => {
    const box = h("input", { type: "checkbox", "data-nbannot-edit": `scope-${scope}` });
    box.checked = label.scope.includes(scope);
    return { scope, box, row: h("label", { class: "nbannot-option" }, box, scope) };
  });
  const rows = [
    h("div", { class: "nbannot-edit-line" }, field("Name", name), field("Colour", color), field("Key", key)),
    h("div", { class: "nbannot-edit-line" }, field("Below", parent)),
    ...(finder ? [finder] : []),
    h("div", { class: "nbannot-edit-line" }, field("Code: scheme", scheme), field("value", value), field("meaning", meaning), schemes),
    h("fieldset", { class: "nbannot-edit-line" }, h("legend", {}, "Said of (none ticked: all)"), ...scopes.map(({ row }) => row)),
  ];
  const text = (control: Control): string => control.value.trim();
  const read = (): LabelItem | string => {
    const problem = nameProblem(named, label, text(name));
    if (problem) return problem;
    const coded = [text(scheme), text(value), text(meaning)];
    if (coded.some(Boolean) && !coded.every(Boolean)) return "A code needs scheme, value and meaning.";
    if (coded[0] && !SCHEMES.includes(coded[0]) && !own.includes(coded[0]) && !coded[0].startsWith("99")) {
      return `The scheme "${coded[0]}" is not known. Private schemes begin with 99.`;
    }
    return {
      ...label, name: text(name), color: color.value, key: text(key).toLowerCase() || null, parent: parent.value,
      code: coded[0] ? { value: coded[1]!, scheme: coded[0], meaning: coded[2]! } : null,
      scope: scopes.filter(({ box }) => box.checked).map(({ scope }) => scope),
    };
  };
  return { rows, read };
}

/** Open the dialog; what it changes is one edit. */
export function editLabel(scene: Scene, dialogs: Dialogs, label: LabelItem, named: Named): void {
  const abort = new AbortController();
  const fields = labelFields(label, named, scene.source.channel.live, abort.signal);
  let questions: ReturnType<typeof questionRow>[] = [];
  const holder = h("div", { class: "nbannot-edit-questions" });
  const problem = h("div", { class: "nbannot-form-note", role: "alert", hidden: true });
  const add = (one: Typed): HTMLElement => {
    const made = questionRow(one, (row) => {
      questions = questions.filter((each) => each.row !== row);
      row.remove();
      more.focus();
    });
    questions.push(made);
    holder.append(made.row);
    return made.row;
  };
  const more = h("button", { type: "button", class: "nbannot-plain", "data-nbannot-edit": "add" }, "Add a question");
  more.addEventListener("click", () => add(NEW).querySelector("input")?.focus());
  const save = h("button", { type: "submit", class: "nbannot-plain nbannot-primary", "data-nbannot-edit": "save" }, "Save");
  const cancel = h("button", { type: "button", class: "nbannot-plain" }, "Cancel");
  const form = h(
    "form", { class: "nbannot-label-editor" }, ...fields.rows, h("h4", {}, "Questions"), holder,
    h("div", {}, more), problem, h("div", { class: "nbannot-dialog-actions" }, save, cancel),
  );
  label.attributes.forEach((one) => add(typedOf(one)));
  const dialog = dialogs.build("label", `Label ${label.name}`, [form]);
  dialog.signal.addEventListener("abort", () => abort.abort());
  cancel.addEventListener("click", () => dialog.close());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const item = fields.read();
    const attributes = readAttributes(questions.map((one) => one.read()));
    const wrong = typeof item === "string" ? item : typeof attributes === "string" ? attributes : null;
    problem.hidden = wrong === null;
    problem.textContent = wrong ?? "";
    if (wrong !== null || typeof item === "string" || typeof attributes === "string") return;
    // More than one condition cannot be shown here, and must not be lost.
    const kept = attributes.map((one) => {
      const old = label.attributes.find(({ name }) => name === one.name);
      return old && Object.keys(old.when).length > 1 ? { ...one, when: old.when } : one;
    });
    dialog.close();
    const edit = labelEdit(named, label, { ...item, attributes: kept });
    if (edit) scene.apply(edit);
  });
}
