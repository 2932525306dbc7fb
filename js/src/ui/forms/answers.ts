/** The part of the panel with questions and answers: the selected item, the case, and what is missing. */
import { allows, defaults, problems, segmentKey, type Answered, type Problem } from "../../model/schema";
import type { Attributes, EditDraft, Item, LabelItem, Status, TagItem } from "../../model/protocol";
import { placeOf } from "../../tools/annotations";
import { STATUSES } from "../../tools/statuses";
import { freshId } from "../../tools/tool";
import { AttributeForm } from "./attributes";
import { h, listen } from "../dom";
import type { Pane } from "../pane";
import type { Scene } from "../scene";
import { drawnSlice } from "../voxels";

type TagPlace = Pick<TagItem, "scope" | "image" | "index" | "lesion">;

/** Something that has answers, or can have: an item, or a tag that is made with the first answer. */
interface Subject {
  readonly owner: string;
  readonly title: string;
  readonly label: LabelItem;
  readonly item: Answered | null;
  readonly place: TagPlace | null;
}

/** The slice k that a pane shows; across the slices the one under the crosshair. */
function shownSlice({ geometry, cursor, slice, image }: Pane): number {
  // The planes of a stack are turned over without the crosshair.
  if (geometry.kind === "stack") return slice;
  return Math.min(Math.max(Math.round(geometry.toIndex(cursor)[0]), 0), image.shape[0] - 1);
}

/** The edit that gives a subject other answers: a tag is made with the first, and goes with the last. */
export function answering(subject: Pick<Subject, "label" | "item" | "place">, answers: Attributes): EditDraft | null {
  const { label, item, place } = subject;
  const tool = "attributes";
  const none = Object.keys(answers).length === 0;
  if (item) {
    if (place && none && label.attributes.length > 0) return { kind: "remove", item, tool };
    return { kind: "put", item: { ...item, attributes: answers } as Item, old: item, tool };
  }
  if (!place) return null;
  const tag: TagItem = { type: "tag", id: freshId(), label: label.name, value: null, ...place, attributes: { ...defaults(label.attributes), ...answers } };
  return { kind: "put", item: tag, tool };
}

/** Questions about the selected item or segment, about the case, and the list of what is missing. */
export class AnswersPanel {
  readonly #item = h("section", { class: "nbannot-answers", "data-nbannot-answers": "item", "aria-label": "Answers" });
  readonly #case = h("section", { class: "nbannot-answers", "data-nbannot-answers": "case", "aria-label": "Case" });
  readonly #found = h("section", { class: "nbannot-answers", "data-nbannot-problems": true, role: "status" });
  readonly #check = h("button", { type: "button", class: "nbannot-plain", "data-nbannot-action": "labels.check", title: "List what is missing" }, "Check");
  readonly #head = h("header", {}, h("strong", {}, "Answers"), this.#check);
  readonly #caseHead = h("header", {}, h("strong", {}, "Case"));
  readonly element = h("div", { class: "nbannot-answering" }, this.#head, this.#found, this.#item, this.#case);
  readonly #forms = new Map<string, { readonly box: HTMLElement; readonly head: HTMLElement; readonly form: AttributeForm }>();
  #checking = false;
  #focus: { readonly owner: string; readonly attribute: string } | null = null;
  #key: unknown[] = [];

  constructor(private readonly scene: Scene, signal: AbortSignal) {
    listen(this.#check, "click", signal, () => this.check());
    // What was just ticked is drawn again, also where it was taken back before the next drawing.
    this.element.addEventListener("change", () => (this.#key = []), { signal });
  }

  /** List what is missing or wrong, and show the first. */
  check(): void {
    this.#checking = true;
    const [first] = this.#problems();
    this.#key = [];
    this.draw();
    if (first) this.#show(first);
    else this.scene.toast("Nothing is missing.");
  }

  draw(): void {
    const { scene } = this;
    const { labels } = scene;
    if (!labels.some(({ attributes, scope }) => attributes.length > 0 || scope.length > 0)) {
      this.element.hidden = true;
      return;
    }
    const { boxes, shapes, tags } = scene.source.document;
    const subjects = this.#subjects();
    const key = [scene.selected, this.#checking, this.#focus, ...labels, ...boxes, ...shapes, ...tags, ...subjects.map(({ owner }) => owner)];
    if (key.length === this.#key.length && key.every((one, n) => one === this.#key[n])) return;
    this.#key = key;
    this.element.hidden = false;
    const found = this.#checking ? this.#problems() : [];
    const kept = new Set<string>();
    for (const section of [this.#item, this.#case]) {
      const own = subjects.filter(({ place }) => (section === this.#case) === (place !== null && place.scope !== "lesion"));
      const parts = own.map((one) => {
        kept.add(one.owner);
        return this.#draw(one, found);
      });
      const whole = section === this.#case ? [this.#caseHead, ...parts] : parts;
      section.hidden = parts.length === 0;
      if (whole.length !== section.children.length || whole.some((part, n) => section.children[n] !== part)) section.replaceChildren(...whole);
    }
    for (const owner of [...this.#forms.keys()]) if (!kept.has(owner)) this.#forms.delete(owner);
    this.#list(found);
    this.#focusForm();
  }

  #draw(subject: Subject, found: readonly Problem[]): HTMLElement {
    const { owner, label, item } = subject;
    let part = this.#forms.get(owner);
    if (!part) {
      const form = new AttributeForm();
      const head = h("div", { class: "nbannot-answers-head" });
      this.#forms.set(owner, (part = { head, form, box: h("div", { "data-nbannot-subject": owner }, head, form.element) }));
    }
    this.#title(subject, part.head);
    const own = found.filter((one) => this.#ownerOf(one) === owner);
    part.form.draw({
      owner, attributes: label.attributes, answers: item?.attributes ?? {}, disabled: item !== null && item.type !== "tag" && item.locked,
      notes: new Map(own.map(({ attribute, message }) => [attribute, message])),
      now: () => this.#now(subject)?.attributes ?? {},
      change: (answers) => this.#apply({ ...subject, item: this.#now(subject) }, answers),
    });
    return part.box;
  }

  /** The item of a subject as it is in the document now, also where it was made a moment ago. */
  #now({ item, label, place }: Subject): Answered | null {
    const { boxes, shapes, tags } = this.scene.source.document;
    if (item) return [...boxes, ...shapes, ...tags].find(({ id }) => id === item.id) ?? null;
    const same = (one: TagItem): boolean => one.label === label.name && one.scope === place?.scope && one.image === place.image
      && one.index === place.index && one.lesion === place.lesion;
    return place ? (tags.find(same) ?? null) : null;
  }

  #apply(subject: Subject, answers: Attributes): void {
    const edit = answering(subject, answers);
    if (edit) this.scene.apply(edit);
  }

  /** The title; of a box or shape with its status, of a tag without questions with a check box. */
  #title({ title, label, item, place }: Subject, head: HTMLElement): void {
    if (place && label.attributes.length === 0) {
      const input = h("input", { type: "checkbox", "data-nbannot-tag": label.name });
      input.checked = item !== null;
      input.addEventListener("change", () => {
        if (item) this.scene.apply({ kind: "remove", item, tool: "attributes" });
        else this.#apply({ owner: "", title, label, item, place }, {});
      });
      head.replaceChildren(h("label", { class: "nbannot-option" }, input, title));
    } else if (item && item.type !== "tag") {
      const select = h("select", { "aria-label": `Status of ${title}`, "data-nbannot-status": "item" });
      for (const [status, text] of Object.entries(STATUSES)) select.append(h("option", { value: status }, text || "no status"));
      select.value = item.status;
      select.disabled = item.locked;
      select.addEventListener("change", () => {
        const now = this.#now({ owner: "", title, label, item, place });
        if (now && now.type !== "tag") this.scene.apply({ kind: "put", item: { ...now, status: select.value as Status }, old: now, tool: "status" });
      });
      head.replaceChildren(h("strong", {}, title), select);
    } else head.replaceChildren(h("strong", {}, title));
  }

  // What is asked about --------------------------------------------------------------------------

  #subjects(): Subject[] {
    const chosen = this.#chosen();
    return [...(chosen ? [chosen] : []), ...this.#places()];
  }

  /** The selected item, else the segment of the active label. */
  #chosen(): Subject | null {
    const { scene } = this;
    const { boxes, shapes, tags, masks } = scene.source.document;
    const item = [...boxes, ...shapes, ...tags].find(({ id }) => id === scene.selected);
    const label = item ? scene.labels.find(({ name }) => name === item.label) : scene.label;
    if (!label) return null;
    if (item) {
      const kind = item.type === "shape" ? item.kind : item.type;
      return { owner: item.id, title: item.type === "box" || item.type === "shape" ? item.name || `${label.name} (${kind})` : label.name, label, item, place: null };
    }
    if (label.attributes.length === 0 || !allows(label, "lesion")) return null;
    for (const { item: mask, store } of masks) {
      const segment = mask.segments.find((one) => one.label === label.name);
      if (!segment || drawnSlice(store, segment.value) === null) continue;
      const lesion = segmentKey(mask.id, segment.value);
      const place: TagPlace = { scope: "lesion", image: mask.image, index: null, lesion };
      const tag = tags.find((one) => one.scope === "lesion" && one.lesion === lesion) ?? null;
      return { owner: lesion, title: `${label.name} (segment)`, label, item: tag, place };
    }
    return null;
  }

  /** What is asked of the case, of the series shown and of the slice or frame shown. */
  #places(): Subject[] {
    const { scene } = this;
    const { image } = scene.pane;
    const frame = image.frames > 1;
    const index = frame ? scene.pane.time : shownSlice(scene.pane);
    const places: readonly (readonly [LabelItem["scope"][number], TagPlace, string])[] = [
      ["case", { scope: "case", image: "", index: null, lesion: "" }, ""],
      ["series", { scope: "series", image: image.id, index: null, lesion: "" }, "this series"],
      ["image", { scope: frame ? "frame" : "slice", image: image.id, index, lesion: "" }, `${frame ? "frame" : "slice"} ${index + 1}`],
    ];
    return scene.labels.flatMap((label) => places.filter(([scope]) => label.scope.includes(scope)).map(([, place, words]): Subject => {
      const item = scene.source.document.tags.find((tag) => tag.label === label.name && tag.scope === place.scope
        && tag.index === place.index && (place.scope === "case" || tag.image === place.image)) ?? null;
      const title = words ? `${label.name}, ${words}` : label.name;
      return { owner: `${label.id}/${place.scope}/${place.scope === "case" ? "" : place.image}/${place.index ?? ""}`, title, label, item, place };
    }));
  }

  // What is missing ------------------------------------------------------------------------------

  #problems(): Problem[] {
    const { document } = this.scene.source;
    return problems(document, (id, value) => {
      const store = document.mask(id)?.store;
      return store !== undefined && drawnSlice(store, value) !== null;
    });
  }

  /** Owner of the form that answers a problem. */
  #ownerOf(problem: Problem): string {
    const { scene } = this;
    const label = scene.labels.find(({ name }) => name === problem.label);
    if (problem.type === "case") return `${label?.id}/case//`;
    if (problem.type === "series") return `${label?.id}/series/${problem.item}/`;
    const tag = scene.source.document.tags.find(({ id }) => id === problem.item);
    if (!tag || (tag.scope === "lesion" && !tag.lesion.includes("/"))) return problem.item;
    if (tag.scope === "lesion") return tag.lesion;
    return `${label?.id}/${tag.scope}/${tag.scope === "case" ? "" : tag.image}/${tag.index ?? ""}`;
  }

  #list(found: readonly Problem[]): void {
    this.#found.hidden = !this.#checking;
    if (!this.#checking) return;
    const close = h("button", { type: "button", class: "nbannot-plain", "data-nbannot-action": "labels.uncheck" }, "Close");
    close.addEventListener("click", () => {
      this.#checking = false;
      this.draw();
    });
    const title = found.length === 0 ? "Nothing is missing" : `${found.length} to put right`;
    const rows = found.slice(0, 100).map((one, n) => {
      const button = h("button", { type: "button", class: "nbannot-name nbannot-problem-row", "data-nbannot-problem": one.kind, "data-nbannot-focus": `problem-${n}` },
        h("b", {}, one.label), h("span", {}, one.message));
      button.addEventListener("click", () => this.#show(one));
      return button;
    });
    this.#found.replaceChildren(h("header", {}, h("strong", {}, title), close), ...rows);
  }

  /** Select the item of a problem, go to its slice and put the cursor into its field. */
  #show(problem: Problem): void {
    const { scene } = this;
    const { boxes, shapes, tags } = scene.source.document;
    const item = [...boxes, ...shapes, ...tags].find(({ id }) => id === problem.item);
    const image = scene.imageById(item?.image ?? "") ?? scene.main;
    const place = item ? placeOf(item, image, (world) => scene.geometryOf(image).toIndex(world)) : null;
    if (item && place) scene.goTo(image, place.index, place.frame, item);
    const owner = this.#ownerOf(problem);
    if (item && item.type !== "tag") scene.selected = item.id;
    else this.#showSegment(owner, problem);
    if (problem.type === "series") scene.choose(problem.item);
    this.#focus = { owner, attribute: problem.attribute };
    this.draw();
  }

  #showSegment(owner: string, problem: Problem): void {
    const { scene } = this;
    const found = scene.source.document.masks.find(({ item }) => owner.startsWith(`${item.id}/`));
    if (!found) return;
    const image = scene.imageById(found.item.image) ?? scene.main;
    const k = drawnSlice(found.store, Number(owner.slice(found.item.id.length + 1)));
    scene.selected = null;
    const label = scene.labels.find(({ name }) => name === problem.label);
    if (label) scene.view.set({ label: label.id });
    if (k !== null) scene.goTo(image, [k, (image.shape[1] - 1) / 2, (image.shape[2] - 1) / 2], null, { label: problem.label });
  }

  #focusForm(): void {
    const focus = this.#focus;
    const form = focus && this.#forms.get(focus.owner);
    if (!focus || !form) return;
    this.#focus = null;
    form.box.scrollIntoView({ block: "nearest" });
    form.form.focus(focus.attribute);
  }
}

