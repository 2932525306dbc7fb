/** The list of all annotations: find, go to, choose several, rename, lock, hide, join, delete. */
import type { Status } from "../model/protocol";
import {
  arranged, isDrawn, kindTitle, linking, locking, naming, placeOf, rating, removal, relabelling, SORTS, titleOf,
  type Annotation, type Drawn, type Entry, type Sort,
} from "../tools/annotations";
import { hitBox, shownBoxes } from "../tools/box";
import { hitShape } from "../tools/shapes/hit";
import type { Pointer } from "../tools/tool";
import { fillBetween, fillShapes, isFilled, isOutline } from "./between";
import { h, listen, setAttribute, setText } from "./dom";
import { icon } from "./icons";
import { attachMenu, type MenuItem } from "./menu";
import { typeName } from "./rename";
import { STATUS_ICONS, STATUSES } from "../tools/statuses";
import type { Pane } from "./pane";
import type { Scene } from "./scene";

/** Height of a row and of the list at most, CSS px. */
const ROW = 28;
const MOST = 10 * ROW;
/** Rows drawn beyond those in view. */
const MARGIN = 6;

const SORT_TITLES: Readonly<Record<Sort, string>> = {
  drawn: "As drawn", name: "Name", label: "Label", kind: "Kind", slice: "Slice", status: "Status",
};

/** All boxes, shapes and tags of the document. */
export function entriesOf(scene: Scene): Entry[] {
  const { boxes, shapes, tags } = scene.source.document;
  return [...boxes, ...shapes, ...tags].map((item) => ({ item, k: sliceOf(scene, item) }));
}

function sliceOf(scene: Scene, item: Annotation): number | null {
  const at = placed(scene, item)?.index;
  return at ? Math.round(at[0]) : null;
}

function placed(scene: Scene, item: Annotation): ReturnType<typeof placeOf> {
  const image = scene.imageById(item.image) ?? scene.main;
  return placeOf(item, image, (world) => scene.geometryOf(image).toIndex(world));
}

/** The drawn annotation under the pointer. */
export function annotationUnder(pane: Pane, pointer: Pointer): Drawn | null {
  return hitShape(pointer, pane)?.item ?? hitBox(pointer, shownBoxes(pointer, pane), pane.selected, pane.geometry)?.box ?? null;
}

/** Show an annotation: its image, its slice, its frame. */
export function goToAnnotation(scene: Scene, item: Annotation): void {
  const place = placed(scene, item);
  if (place) scene.goTo(scene.imageById(item.image) ?? scene.main, place.index, place.frame, item);
}

/** Go `by` annotations further, in the order of the document, and choose that one. */
export function stepAnnotation(scene: Scene, by: 1 | -1): void {
  const all = entriesOf(scene).map(({ item }) => item).filter(isDrawn);
  if (all.length === 0) return scene.toast("There are no annotations yet.");
  const at = all.findIndex(({ id }) => id === scene.selected);
  const next = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : (at + by + all.length) % all.length]!;
  scene.view.set({ selected: [next.id] });
  goToAnnotation(scene, next);
}

/** The annotations that are chosen. */
export function chosen(scene: Scene): Annotation[] {
  const ids = new Set(scene.view.value.selected);
  return entriesOf(scene).map(({ item }) => item).filter(({ id }) => ids.has(id));
}

/** Delete annotations; locked ones are said and left alone. */
export function removeAnnotations(scene: Scene, items: readonly Annotation[]): void {
  const kept = items.filter((item) => (isDrawn(item) && item.locked) || labelLocked(scene, item));
  const gone = items.filter((item) => !kept.includes(item));
  const edit = removal(gone);
  if (edit) {
    scene.apply(edit);
    scene.view.set({ selected: kept.map(({ id }) => id) });
  }
  if (kept.length > 0) scene.toast(`${kept.length === 1 ? `"${titleOf(kept[0]!)}" is` : `${kept.length} annotations are`} locked. Unlock to delete.`);
}

const labelLocked = (scene: Scene, item: Annotation): boolean =>
  scene.labels.some(({ name, locked }) => locked && name === item.label);

/** Hide the items where one is shown, else show them. */
export function toggleHidden(scene: Scene, items: readonly Annotation[]): void {
  const { hidden } = scene.view.value;
  const ids = items.map(({ id }) => id);
  const hide = ids.some((id) => !hidden.includes(id));
  const rest = hidden.filter((id) => !ids.includes(id));
  scene.view.set({ hidden: hide ? [...rest, ...ids] : rest });
}

/** What can be done with some annotations, as a menu. */
export function annotationMenu(scene: Scene, items: readonly Annotation[], rename: (item: Drawn) => void): MenuItem[] {
  const drawn = items.filter(isDrawn);
  const { hidden } = scene.view.value;
  const apply = (edit: ReturnType<typeof removal>): void => {
    if (edit) scene.apply(edit);
  };
  const first = drawn[0];
  const locked = drawn.length > 0 && drawn.every((item) => item.locked);
  const oneLesion = first !== undefined && first.lesion !== "" && drawn.every(({ lesion }) => lesion === first.lesion);
  const statuses = (Object.keys(STATUSES) as Status[]).map((status, n): MenuItem => ({
    id: `status-${status || "none"}`, title: STATUSES[status] || "no status", checked: drawn.every((item) => item.status === status),
    ...(n === 0 ? { heading: "Status" } : {}), run: () => apply(rating(drawn, status)),
  }));
  return [
    ...(items.length === 1 ? [{ id: "goto", title: "Go to", run: () => goToAnnotation(scene, items[0]!) }] : []),
    ...(drawn.length === 1 && first ? [{ id: "rename", title: "Rename", hint: "F2", run: () => rename(first) }] : []),
    { id: "hide", title: items.every(({ id }) => hidden.includes(id)) ? "Show" : "Hide", run: () => toggleHidden(scene, items) },
    ...(first ? [{ id: "lock", title: locked ? "Unlock" : "Lock", run: () => apply(locking(drawn, !locked)) }] : []),
    ...(drawn.length > 1 || oneLesion ? [{ id: "lesion", title: oneLesion ? "Take the lesion apart" : "Join into one lesion", run: () => apply(linking(drawn)) }] : []),
    ...(items.some(isOutline) ? [{ id: "between", title: "Fill between slices", run: () => fillBetween(scene) }] : []),
    ...(items.some(isFilled) ? [{ id: "fill", title: "Fill into mask", run: () => fillShapes(scene) }] : []),
    { id: "remove", title: "Delete", hint: "Del", run: () => removeAnnotations(scene, items) },
    ...(first ? statuses : []),
    ...scene.labels.map((label, n): MenuItem => ({
      id: `label-${label.id}`, title: label.name, checked: items.every((item) => item.label === label.name),
      ...(n === 0 ? { heading: "Label" } : {}), run: () => apply(relabelling(items, label.name)),
    })),
  ];
}

export class AnnotationList {
  readonly element = h("section", { class: "nbannot-annotations", "data-nbannot-annotations": true });
  readonly #head = h("strong", {});
  readonly #filter = h("input", { type: "search", placeholder: "Filter", "aria-label": "Filter the annotations" });
  readonly #sort = h("select", { "aria-label": "Order of the annotations", title: "Order" });
  readonly #list = h("div", {
    class: "nbannot-anno-list", role: "listbox", tabindex: 0, "aria-label": "Annotations", "aria-multiselectable": "true",
  });
  readonly #spacer = h("div", { role: "presentation" });
  readonly #tools: HTMLElement;
  #rows: Entry[] = [];
  #key = "";
  /** Id of the row that keys act on. */
  #at: string | null = null;
  #editing: string | null = null;

  constructor(private readonly scene: Scene, root: HTMLElement, signal: AbortSignal) {
    this.#sort.append(...SORTS.map((sort) => h("option", { value: sort }, SORT_TITLES[sort])));
    const more = h("button", { type: "button", class: "nbannot-small", title: "What to do with the chosen", "aria-label": "What to do with the chosen annotations", "data-nbannot-action": "annotation.menu" }, icon("more"));
    attachMenu(more, root, () => annotationMenu(scene, chosen(scene), (item) => this.rename(item)), signal);
    this.#tools = h("div", { class: "nbannot-anno-tools" }, this.#filter, this.#sort);
    this.#list.append(this.#spacer);
    this.element.append(h("header", {}, this.#head, more), this.#tools, this.#list);
    listen(this.#filter, "input", signal, () => this.draw());
    listen(this.#filter, "keydown", signal, (event) => event.stopPropagation());
    listen(this.#sort, "change", signal, () => this.draw());
    listen(this.#list, "scroll", signal, () => this.#fill());
    listen(this.#list, "keydown", signal, (event) => this.#press(event));
    listen(this.#list, "click", signal, (event) => this.#click(event));
    listen(this.#list, "dblclick", signal, (event) => {
      const item = this.#itemOf(event.target);
      if (item && isDrawn(item)) this.rename(item);
    });
  }

  draw(): void {
    const { scene } = this;
    if (this.#editing !== null) return;
    const { document } = scene.source;
    const { hidden, selected } = scene.view.value;
    const sort = this.#sort.value as Sort;
    const key = JSON.stringify([document.id, document.revision, document.unsaved, this.#filter.value, sort, hidden, selected, scene.labels.map(({ name, color }) => [name, color])]);
    if (key === this.#key) return;
    this.#key = key;
    const all = entriesOf(scene);
    this.#rows = arranged(all, this.#filter.value, sort);
    this.element.hidden = all.length === 0;
    setText(this.#head, `Annotations (${this.#rows.length === all.length ? all.length : `${this.#rows.length} of ${all.length}`})`);
    this.#tools.hidden = all.length < 2;
    this.#list.style.height = `${Math.min(MOST, Math.max(1, this.#rows.length) * ROW)}px`;
    this.#spacer.style.height = `${this.#rows.length * ROW}px`;
    this.#follow(selected);
    this.#fill();
  }

  /** Scroll to what was chosen elsewhere. */
  #follow(selected: readonly string[]): void {
    const id = selected[selected.length - 1];
    if (id === undefined || id === this.#at) return;
    this.#at = id;
    this.#reveal();
  }

  #reveal(): void {
    const n = this.#rows.findIndex(({ item }) => item.id === this.#at);
    if (n < 0) return;
    const { scrollTop, clientHeight } = this.#list;
    if (n * ROW < scrollTop) this.#list.scrollTop = n * ROW;
    else if ((n + 1) * ROW > scrollTop + clientHeight) this.#list.scrollTop = (n + 1) * ROW - clientHeight;
  }

  /** Draw the rows in view: a list of thousands stays quick. */
  #fill(): void {
    const first = Math.max(0, Math.floor(this.#list.scrollTop / ROW) - MARGIN);
    const last = Math.min(this.#rows.length, Math.ceil((this.#list.scrollTop + MOST) / ROW) + MARGIN);
    this.#spacer.replaceChildren(...this.#rows.slice(first, last).map((entry, n) => this.#row(entry, first + n)));
    setAttribute(this.#list, "aria-activedescendant", this.#spacer.querySelector(".nbannot-anno-at")?.id ?? null);
  }

  #row({ item, k }: Entry, n: number): HTMLElement {
    const { scene } = this;
    const { hidden, selected } = scene.view.value;
    const color = scene.labels.find((one) => one.name === item.label)?.color ?? "#ffffff";
    const swatch = h("span", { class: "nbannot-swatch" });
    swatch.style.background = color;
    const status = isDrawn(item) ? item.status : "";
    const facts = [kindTitle(item), k === null ? "" : `slice ${k + 1}`, item.lesion ? "lesion" : ""].filter(Boolean).join(", ");
    const marks = [
      hidden.includes(item.id) ? icon("eyeoff") : null,
      isDrawn(item) && item.locked ? icon("lock") : null,
      status ? h("span", { class: "nbannot-anno-status", role: "img", title: STATUSES[status], "aria-label": STATUSES[status] }, icon(STATUS_ICONS[status])) : null,
    ].filter((one) => one !== null);
    const row = h(
      "div",
      {
        class: `nbannot-anno${item.id === this.#at ? " nbannot-anno-at" : ""}`, role: "option", id: `nbannot-anno-${item.id}`,
        "aria-selected": String(selected.includes(item.id)), "aria-posinset": n + 1, "aria-setsize": this.#rows.length,
        "data-nbannot-annotation": item.id, title: `${titleOf(item)} – ${facts}`,
        ...(item.type === "box" ? { "data-nbannot-box-row": item.id } : {}),
      },
      swatch, h("span", { class: "nbannot-name" }, titleOf(item), h("small", {}, ` ${facts}`)), ...marks,
    );
    row.style.top = `${n * ROW}px`;
    return row;
  }

  #itemOf(target: EventTarget | null): Annotation | null {
    const id = target instanceof Element ? target.closest<HTMLElement>("[data-nbannot-annotation]")?.dataset["nbannotAnnotation"] : undefined;
    return this.#rows.find(({ item }) => item.id === id)?.item ?? null;
  }

  #click(event: MouseEvent): void {
    const item = this.#itemOf(event.target);
    if (!item) return;
    if (event.shiftKey) this.#extend(item.id);
    else if (event.ctrlKey || event.metaKey) this.#toggle(item.id);
    else this.#choose(item);
  }

  #choose(item: Annotation): void {
    this.#at = item.id;
    this.scene.view.set({ selected: [item.id] });
    goToAnnotation(this.scene, item);
    this.#again();
  }

  #toggle(id: string): void {
    const { selected } = this.scene.view.value;
    this.#at = id;
    this.scene.view.set({ selected: selected.includes(id) ? selected.filter((one) => one !== id) : [...selected, id] });
    this.#again();
  }

  /** Choose everything from the row that keys act on to this one. */
  #extend(id: string): void {
    const ids = this.#rows.map(({ item }) => item.id);
    const [from, to] = [Math.max(0, ids.indexOf(this.#at ?? id)), ids.indexOf(id)];
    const range = ids.slice(Math.min(from, to), Math.max(from, to) + 1);
    this.scene.view.set({ selected: from <= to ? range : range.reverse() });
    this.#at = id;
    this.#again();
  }

  #again(): void {
    this.#key = "";
    this.draw();
  }

  #press(event: KeyboardEvent): void {
    const at = this.#rows.findIndex(({ item }) => item.id === this.#at);
    const item = this.#rows[at]?.item;
    const steps: Readonly<Record<string, number>> = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: this.#rows.length - 1, PageDown: at + 9, PageUp: at - 9 };
    const next = steps[event.key];
    if (next !== undefined) {
      const to = this.#rows[Math.min(this.#rows.length - 1, Math.max(0, next))]?.item;
      if (to && event.shiftKey) this.#extend(to.id);
      else if (to) this.#choose(to);
      this.#reveal();
    } else if (event.key === "Enter" && item) this.#choose(item);
    else if (event.key === " " && item) this.#toggle(item.id);
    else if (event.key === "F2" && item && isDrawn(item)) this.rename(item);
    else if (event.key.toLowerCase() === "a" && (event.ctrlKey || event.metaKey)) {
      this.scene.view.set({ selected: this.#rows.map((one) => one.item.id) });
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Let the user type another name in the row. */
  rename(item: Drawn): void {
    const name = this.#spacer.querySelector(`[data-nbannot-annotation="${CSS.escape(item.id)}"] .nbannot-name`);
    if (!name) return;
    this.#editing = item.id;
    typeName(name, item.name, "Name of the annotation", (text) => {
      this.#editing = null;
      const edit = text === null ? null : naming(item, text);
      if (edit) this.scene.apply(edit);
      this.#again();
      this.#list.focus();
    });
  }
}
