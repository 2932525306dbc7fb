/** What labels ask, and what is wrong in the answers; the same as nbannot/model/schema.py. */
import type {
  AttributeJson, Attributes, AttributeValue, BoxItem, Item, LabelItem, MaskItem, ShapeItem, TagItem,
} from "./items";

export type ProblemKind = "missing" | "type" | "range" | "option" | "unknown" | "condition" | "scope";

export interface Problem {
  /** Id of the item; "mask/value" of a segment, the image's of a series, empty for the case. */
  readonly item: string;
  readonly type: "box" | "shape" | "tag" | "segment" | "case" | "series";
  readonly kind: ProblemKind;
  readonly label: string;
  readonly attribute: string;
  readonly message: string;
}

/** What can have answers of its own. */
export type Answered = BoxItem | ShapeItem | TagItem;

export interface Labelled {
  readonly labels: readonly LabelItem[];
  readonly boxes: readonly BoxItem[];
  readonly shapes: readonly ShapeItem[];
  readonly tags: readonly TagItem[];
  readonly masks: readonly { readonly item: MaskItem }[];
  readonly images: readonly { readonly id: string }[];
}

export const isAnswered = (item: Item): item is Answered => item.type === "box" || item.type === "shape" || item.type === "tag";

/** The attributes that are asked about, given the answers so far, in their order. */
export function asked(attributes: readonly AttributeJson[], answers: Attributes): AttributeJson[] {
  const known = new Map(attributes.map((one) => [one.name, one]));
  const isAsked = (one: AttributeJson): boolean =>
    Object.entries(one.when).every(([name, values]) => {
      const other = known.get(name);
      return other !== undefined && isAsked(other) && holds(answers[name], values);
    });
  return attributes.filter(isAsked);
}

function holds(answer: AttributeValue | undefined, values: readonly AttributeValue[]): boolean {
  const given: readonly (AttributeValue | undefined)[] = Array.isArray(answer) ? (answer as readonly string[]) : [answer];
  return given.some((one) => values.some((value) => value === one));
}

/** The answers that a new item begins with. */
export function defaults(attributes: readonly AttributeJson[]): Attributes {
  let found: Attributes = {};
  for (;;) {
    const more = asked(attributes, found).filter((one) => one.default !== null && !(one.name in found));
    if (more.length === 0) return found;
    found = { ...found, ...Object.fromEntries(more.map((one) => [one.name, one.default!])) };
  }
}

/** The answers without those to questions that they no longer lead to. */
export function withoutUnasked(attributes: readonly AttributeJson[], answers: Attributes): Attributes {
  const wanted = new Set(asked(attributes, answers).map((one) => one.name));
  const own = new Set(attributes.map((one) => one.name));
  const kept = Object.fromEntries(Object.entries(answers).filter(([name]) => wanted.has(name) || !own.has(name)));
  return Object.keys(kept).length === Object.keys(answers).length ? kept : withoutUnasked(attributes, kept);
}

/** "from 0 to 10 mm", "at least 0 mm"; empty without a range. */
export function rangeText({ range, unit }: AttributeJson): string {
  const [low, high] = range ?? [null, null];
  const tail = unit ? ` ${unit}` : "";
  if (low === null) return high === null ? "" : `at most ${high}${tail}`;
  return high === null ? `at least ${low}${tail}` : `from ${low} to ${high}${tail}`;
}

const NEEDED: Readonly<Record<AttributeJson["type"], string>> = {
  choice: "one of the options", choices: "a list of options", number: "a number", text: "a text", yesno: "yes or no",
};

function fits(type: AttributeJson["type"], value: AttributeValue): boolean {
  if (type === "choices") return Array.isArray(value);
  return typeof value === (type === "number" ? "number" : type === "yesno" ? "boolean" : "string");
}

/** What is wrong with an answer; null for a good one. */
export function fault(one: AttributeJson, value: AttributeValue): { readonly kind: ProblemKind; readonly message: string } | null {
  if (!fits(one.type, value)) return { kind: "type", message: `${one.name}: ${NEEDED[one.type]} is needed` };
  if (one.type === "choice" || one.type === "choices") {
    const chosen = Array.isArray(value) ? (value as readonly string[]) : [value as string];
    const unknown = chosen.filter((option) => !one.options.includes(option));
    return unknown.length > 0 ? { kind: "option", message: `${one.name}: ${unknown.join(", ")} is not an option` } : null;
  }
  const [low, high] = one.range ?? [null, null];
  if (typeof value === "number" && ((low !== null && value < low) || (high !== null && value > high))) {
    return { kind: "range", message: `${one.name}: ${value} is not ${rangeText(one)}` };
  }
  return null;
}

/** Everything that is wrong with the answers about one thing. */
export function checkAnswers(label: LabelItem, answers: Attributes): { readonly kind: ProblemKind; readonly attribute: string; readonly message: string }[] {
  const wanted = new Set(asked(label.attributes, answers).map((one) => one.name));
  const known = new Set(label.attributes.map((one) => one.name));
  const found = label.attributes.flatMap((one) => {
    const { name: attribute } = one;
    const value = answers[attribute];
    const missing = { kind: "missing" as const, attribute, message: `${attribute} is required` };
    if (value === undefined) return one.required && wanted.has(attribute) ? [missing] : [];
    if (!wanted.has(attribute)) return [{ kind: "condition" as const, attribute, message: `${attribute} is answered, but not asked here` }];
    const wrong = fault(one, value);
    if (wrong) return [{ ...wrong, attribute }];
    return one.required && (value === "" || (Array.isArray(value) && value.length === 0)) ? [missing] : [];
  });
  const unknown = Object.keys(answers).filter((name) => !known.has(name));
  return [...found, ...unknown.map((attribute) => ({ kind: "unknown" as const, attribute, message: `${attribute} is no attribute of ${label.name}` }))];
}

/** What a label must allow for a tag of each scope. */
export const SCOPES = { case: "case", series: "series", slice: "image", frame: "image", lesion: "lesion" } as const;

export const allows = (label: LabelItem, scope: LabelItem["scope"][number]): boolean =>
  label.scope.length === 0 || label.scope.includes(scope);

/** The `lesion` of the tag that holds the answers about a segment. */
export const segmentKey = (mask: string, value: number): string => `${mask}/${value}`;

/** What is missing or wrong; `drawn` tells whether a segment has voxels. */
export function problems(document: Labelled, drawn: (mask: string, value: number) => boolean): Problem[] {
  const named = new Map(document.labels.map((one) => [one.name, one]));
  const items: readonly Answered[] = [...document.boxes, ...document.shapes, ...document.tags];
  const found = items.flatMap((item): Problem[] => {
    const label = named.get(item.label);
    if (!label) return [];
    const head = { item: item.id, type: item.type, label: label.name };
    const scope = item.type === "tag" ? SCOPES[item.scope] : "lesion";
    const wrong = allows(label, scope) ? []
      : [{ ...head, kind: "scope" as const, attribute: "", message: `${label.name} is for the ${label.scope.join(" or ")} only` }];
    return [...wrong, ...checkAnswers(label, item.attributes).map((one) => ({ ...head, ...one }))];
  });
  return [...found, ...document.labels.flatMap((label) => unsaid(document, label, items, drawn))];
}

/** What is required of a case, a series or a segment and was not said at all. */
function unsaid(document: Labelled, label: LabelItem, items: readonly Answered[], drawn: (mask: string, value: number) => boolean): Problem[] {
  const required = asked(label.attributes, {}).filter((one) => one.required);
  if (required.length === 0) return [];
  const own = items.filter((one) => one.label === label.name);
  const tags = own.filter((one) => one.type === "tag");
  const about = (item: string, type: Problem["type"]): Problem[] =>
    required.map(({ name }) => ({ item, type, kind: "missing", label: label.name, attribute: name, message: `${name} is required` }));
  const found: Problem[] = [];
  if (label.scope.includes("case") && !tags.some((one) => one.scope === "case")) found.push(...about("", "case"));
  if (label.scope.includes("series")) {
    const said = new Set(tags.filter((one) => one.scope === "series").map((one) => one.image));
    for (const { id } of document.images) if (!said.has(id)) found.push(...about(id, "series"));
  }
  if (!allows(label, "lesion") || own.length > 0) return found;
  for (const { item: mask } of document.masks) {
    for (const { value, label: name } of mask.segments) {
      if (name === label.name && drawn(mask.id, value)) found.push(...about(segmentKey(mask.id, value), "segment"));
    }
  }
  return found;
}
