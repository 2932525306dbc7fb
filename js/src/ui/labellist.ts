/** The labels as a tree: choose, colour, name, status, show, lock, edit, add, delete; segments of all masks in one list. */
import type { LabelItem, MaskItem, Status } from "../model/protocol";
import { addLabel, freeName, labelUse, nameProblem, putLabel, removeLabel, renameLabel, type Named } from "../tools/labels";
import { outlineLabel } from "./between";
import type { Dialogs } from "./dialog";
import { typeName } from "./rename";
import { h, listen, setAttribute } from "./dom";
import { icon } from "./icons";
import { focusOn } from "./focus";
import { editLabel } from "./formsmodule";
import { stylePopup } from "./maskstyle";
import { attachMenu, attachPopup, openMenuAt, type MenuItem } from "./menu";
import type { Scene } from "./scene";
import { SegmentNumbers } from "./segmentnumbers";
import { cycleStatus, STATUS_ICONS, STATUSES, statusOf } from "../tools/statuses";
import { countVoxels, drawnSlice } from "./voxels";

/** From so many labels on they can be searched. */
const FILTER_FROM = 13;

/** A label with its depth in the tree. */
export interface Branch {
  readonly label: LabelItem;
  readonly depth: number;
  readonly parent: boolean;
}

/** Labels below their parents, without what is folded away or does not match; matches keep what is above them. */
export function branches(labels: readonly LabelItem[], folded: ReadonlySet<string>, words: string): Branch[] {
  const names = new Set(labels.map(({ name }) => name));
  const children = new Map<string, LabelItem[]>();
  for (const one of labels) {
    const parent = names.has(one.parent) ? one.parent : "";
    children.set(parent, [...(children.get(parent) ?? []), one]);
  }
  const wanted = words.trim().toLowerCase();
  const walk = (parent: string, depth: number): Branch[] => (children.get(parent) ?? []).flatMap((label): Branch[] => {
    const below = walk(label.name, depth + 1);
    const hit = wanted === "" || `${label.name} ${label.code?.meaning ?? ""} ${label.code?.value ?? ""}`.toLowerCase().includes(wanted);
    if (!hit && below.length === 0) return [];
    const open = wanted !== "" || !folded.has(label.id);
    return [{ label, depth, parent: children.has(label.name) }, ...(open ? below : [])];
  });
  return walk("", 0);
}

/** What a row shows; the same parts, the same row. */
type Shown = readonly [LabelItem, number, boolean, boolean, boolean, boolean, Status | null, number];

interface Row {
  readonly shown: Shown;
  readonly element: HTMLElement;
}

export class LabelList {
  readonly element = h("section", { class: "nbannot-labels" });
  readonly #list = h("div", { class: "nbannot-list nbannot-label-list", role: "radiogroup", "aria-label": "Labels" });
  readonly #filter = h("input", { type: "search", placeholder: "Find a label", "aria-label": "Find a label", "data-nbannot-labels": "filter", hidden: true });
  readonly #empty = h("p", {}, "No labels yet. Add one to paint or to draw boxes.");
  readonly #more = smallButton("more", "What to do with the active label", "label.menu");
  readonly #folded = new Set<string>();
  #rows = new Map<string, Row>();
  readonly #numbers: SegmentNumbers;
  /** Id of the label being renamed: its row must not be built anew under the cursor. */
  #editing: string | null = null;

  readonly #add = smallButton("plus", "Add a label", "label.add");

  constructor(private readonly scene: Scene, private readonly dialogs: Dialogs, root: HTMLElement, signal: AbortSignal) {
    const style = smallButton("style", "Style of the labels", "label.style");
    attachPopup(style, root, (done) => stylePopup(scene, done), "dialog", signal);
    this.#numbers = new SegmentNumbers(scene, signal);
    const values = smallButton("values", "Volume and values of the chosen label", "label.values", false);
    values.hidden = !scene.source.channel.live;
    listen(values, "click", signal, () => {
      this.#numbers.toggle();
      setAttribute(values, "aria-pressed", String(this.#numbers.isOpen));
      this.draw();
    });
    const add = this.#add;
    listen(add, "click", signal, () => this.addLabel());
    listen(this.#filter, "input", signal, () => this.draw());
    listen(this.#filter, "keydown", signal, (event) => {
      if (event.key === "Enter") this.#list.querySelector<HTMLElement>("button.nbannot-name")?.click();
    });
    attachMenu(this.#more, root, () => (scene.label ? this.menu(scene.label) : []), signal);
    listen(this.#list, "contextmenu", signal, (event) => this.#open(event, root, signal));
    this.element.append(h("header", {}, h("strong", {}, "Labels"), h("span", {}, values, style, add, this.#more)), this.#filter, this.#list);
  }

  /** Add a label with a free name, choose it, and let the user type its name. */
  addLabel(): void {
    const { scene } = this;
    const { edit, id } = addLabel(this.#named(), scene.pane.image.id, freeName(scene.labels));
    scene.apply(edit);
    scene.view.set({ label: id });
    this.#filter.value = "";
    this.draw();
    const label = scene.labels.find((one) => one.id === id);
    if (label && this.element.offsetParent !== null) this.#rename(label);
  }

  /** What can be done with a label. */
  menu(label: LabelItem): MenuItem[] {
    const outlines = { id: "outlines", title: "Outlines of the slices", run: () => outlineLabel(this.scene, label) };
    if (this.scene.labelsGiven) return [outlines];
    return [
      { id: "rename", title: "Rename", hint: "F2", run: () => this.#rename(label) },
      { id: "edit", title: "Edit", run: () => void editLabel(this.scene, this.dialogs, label, this.#named()) },
      outlines,
      { id: "remove", title: "Delete", run: () => this.#remove(label) },
    ];
  }

  /** What can be done with a label whose voxels were pointed at. */
  menuOf(label: LabelItem): MenuItem[] {
    const { scene } = this;
    return [
      { id: "segment-choose", heading: `Segment: ${label.name}`, title: "Draw with this label", run: () => scene.view.set({ label: label.id }) },
      { id: "segment-hide", title: "Hide", run: () => this.#toggleHidden(label.id) },
      { id: "segment-lock", title: label.locked ? "Unlock" : "Lock", run: () => scene.apply(putLabel(label, { locked: !label.locked })) },
      { id: "segment-status", title: "Next status", hint: "Shift+W", run: () => this.cycle(label) },
      { id: "segment-outlines", title: "Outlines of the slices", run: () => outlineLabel(scene, label) },
    ];
  }

  #open(event: MouseEvent, root: HTMLElement, signal: AbortSignal): void {
    const id = (event.target as Element).closest<HTMLElement>("[data-nbannot-label]")?.dataset["nbannotLabel"];
    const label = this.scene.labels.find((one) => one.id === id);
    if (!label) return;
    event.preventDefault();
    // JupyterLab would open its own menu.
    event.stopPropagation();
    openMenuAt(root, [event.clientX, event.clientY], this.menu(label), signal);
  }

  /** Give the active label's segment the next status. */
  cycle(label: LabelItem | null = this.scene.label): void {
    const edit = label && cycleStatus(this.#masks(), label.name);
    if (edit) this.scene.apply(edit);
    else if (label) this.scene.toast(`"${label.name}" has no segment yet. Paint it first.`);
  }

  draw(): void {
    const { scene } = this;
    if (this.#editing !== null) return;
    const { labels } = scene;
    const { hidden } = scene.view.value;
    const masks = this.#masks();
    this.#add.hidden = scene.labelsGiven;
    this.#more.hidden = labels.length === 0;
    this.#filter.hidden = labels.length < FILTER_FROM;
    const places = new Map(labels.map(({ id }, n) => [id, n]));
    const rows = new Map<string, Row>();
    const branch = branches(labels, this.#folded, this.#filter.hidden ? "" : this.#filter.value);
    const focused = (this.element.ownerDocument.activeElement as HTMLElement | null)?.dataset["nbannotFocus"];
    for (const { label, depth, parent } of branch) {
      const shown: Shown = [
        label, places.get(label.id)!, scene.label?.id === label.id, hidden.includes(label.id), parent,
        this.#folded.has(label.id), statusOf(masks, label.name), depth,
      ];
      const before = this.#rows.get(label.id);
      rows.set(label.id, before?.shown.every((one, n) => one === shown[n]) ? before : { shown, element: this.#row(shown) });
    }
    const wanted = [...rows.values()].map(({ element }) => element);
    this.#rows = rows;
    const chosen = scene.label && rows.get(scene.label.id);
    if (this.#numbers.draw(scene.label) && chosen) wanted.splice(wanted.indexOf(chosen.element) + 1, 0, this.#numbers.element);
    const { children } = this.#list;
    if (wanted.length === 0) this.#list.replaceChildren(labels.length === 0 ? this.#empty : h("p", {}, "No label matches."));
    else if (wanted.length !== children.length || wanted.some((one, n) => children[n] !== one)) {
      this.#list.replaceChildren(...wanted);
      const again = focused ? this.element.querySelector<HTMLElement>(`[data-nbannot-focus="${CSS.escape(focused)}"]`) : null;
      if (again) focusOn(again);
    }
  }

  #masks(): MaskItem[] {
    return this.scene.source.document.masks.map(({ item }) => item);
  }

  #named(): Named {
    const { document } = this.scene.source;
    return { labels: document.labels, masks: this.#masks(), boxes: document.boxes, shapes: document.shapes, tags: document.tags };
  }

  #row([label, place, active, hidden, parent, folded, status, depth]: Shown): HTMLElement {
    const { scene } = this;
    const color = h("input", { type: "color", value: label.color, title: "Colour", "aria-label": `Colour of ${label.name}` });
    color.addEventListener("change", () => scene.apply(putLabel(label, { color: color.value })));
    const eye = smallButton(hidden ? "eyeoff" : "eye", hidden ? "Show" : "Hide", "label.hide", !hidden);
    eye.addEventListener("click", () => this.#toggleHidden(label.id));
    const lock = smallButton(label.locked ? "lock" : "unlock", label.locked ? "Unlock" : "Lock", "label.lock", label.locked);
    lock.addEventListener("click", () => scene.apply(putLabel(label, { locked: !label.locked })));
    const edit = smallButton("edit", "Edit", "label.edit");
    edit.addEventListener("click", () => void editLabel(scene, this.dialogs, label, this.#named()));
    const remove = smallButton("trash", "Delete", "label.remove");
    remove.addEventListener("click", () => this.#remove(label));
    const own: (readonly [string, HTMLElement])[] = scene.labelsGiven ? [] : [["edit", edit], ["remove", remove]];
    const marked: (readonly [string, HTMLElement])[] = status === null ? [] : [["status", this.#status(label, status)]];
    const buttons = [...own, ...marked, ["eye", eye] as const, ["lock", lock] as const];
    for (const [what, button] of buttons) {
      button.dataset["nbannotFocus"] = `${what}-${label.id}`;
      setAttribute(button, "aria-label", `${button.title} ${label.name}`);
    }
    const row = h(
      "div", { class: "nbannot-row", "data-nbannot-label": label.id, "data-active": active, "data-hidden": hidden, "data-nbannot-depth": depth },
      ...(parent ? [this.#fold(label, folded)] : []), color, this.#name(label, place, active), ...buttons.map(([, button]) => button),
    );
    row.style.paddingLeft = `${4 + 12 * Math.min(depth, 6)}px`;
    row.addEventListener("dblclick", (event) => (event.target as Element).closest("button.nbannot-name") && this.#rename(label));
    return row;
  }

  #name(label: LabelItem, place: number, active: boolean): HTMLElement {
    const key = label.key ?? (place < 9 ? String(place + 1) : "");
    const said = [label.code?.meaning ?? "", key ? `key ${key}` : "", this.scene.labelsGiven ? "" : "double click or F2 to rename"].filter(Boolean).join(" – ");
    const name = h(
      "button", {
        type: "button", role: "radio", "aria-checked": String(active), class: "nbannot-name", title: `${label.name} – ${said}`,
        "data-nbannot-focus": `name-${label.id}`,
      },
      label.name, ...(key ? [h("kbd", { "aria-hidden": "true" }, key)] : []),
    );
    name.addEventListener("click", () => this.scene.view.set({ label: label.id }));
    name.addEventListener("keydown", (event) => {
      const fold = event.key === "ArrowLeft" ? true : event.key === "ArrowRight" ? false : null;
      if (event.key === "F2") this.#rename(label);
      else if (fold !== null && this.#rows.get(label.id)?.shown[4]) this.#setFolded(label.id, fold);
      else return;
      event.preventDefault();
    });
    return name;
  }

  #fold(label: LabelItem, folded: boolean): HTMLElement {
    const title = folded ? "Unfold" : "Fold";
    const button = h("button", {
      type: "button", class: "nbannot-small nbannot-fold", title, "aria-label": `${title} ${label.name}`, "aria-expanded": String(!folded),
      "data-nbannot-action": "label.fold", "data-nbannot-focus": `fold-${label.id}`,
    }, icon(folded ? "fold" : "unfold"));
    button.addEventListener("click", () => this.#setFolded(label.id, !folded));
    return button;
  }

  #setFolded(id: string, folded: boolean): void {
    if (folded) this.#folded.add(id);
    else this.#folded.delete(id);
    this.draw();
  }

  #status(label: LabelItem, status: Status): HTMLElement {
    const words = STATUSES[status] || "no status";
    const button = h("button", {
      type: "button", class: "nbannot-small nbannot-status", title: `Status: ${words}. Next status of`, "data-nbannot-action": "label.status", "data-nbannot-status": status,
    }, icon(STATUS_ICONS[status]));
    button.addEventListener("click", () => this.cycle(label));
    return button;
  }

  #toggleHidden(id: string): void {
    const { view } = this.scene;
    const { hidden } = view.value;
    view.set({ hidden: hidden.includes(id) ? hidden.filter((one) => one !== id) : [...hidden, id] });
  }

  #rename(label: LabelItem): void {
    const name = this.#rows.get(label.id)?.element.querySelector(".nbannot-name");
    if (!name || this.scene.labelsGiven) return;
    this.#editing = label.id;
    typeName(name, label.name, "Name of the label", (text) => {
      this.#editing = null;
      this.#rows.delete(label.id);
      if (text !== null) this.#setName(label, text);
      this.draw();
    });
  }

  #setName(old: LabelItem, name: string): void {
    const named = this.#named();
    const label = named.labels.find((one) => one.id === old.id);
    if (!label || name === label.name) return;
    const problem = nameProblem(named, label, name);
    if (problem) this.scene.toast(problem);
    else this.scene.apply(renameLabel(named, label, name));
  }

  /** Delete a label; where it is used, after asking with all that goes with it. */
  #remove(label: LabelItem): void {
    const { scene } = this;
    if (label.locked) return scene.toast(`The label "${label.name}" is locked. Unlock it to delete it.`);
    const use = labelUse(this.#named(), label.name);
    const voxels = this.#voxels(label.name);
    const what = [
      voxels === null ? "its voxels" : count(voxels, "voxel", "voxels"), count(use.boxes, "box", "boxes"),
      count(use.shapes, "shape", "shapes"), count(use.tags, "tag", "tags"),
    ].filter(Boolean);
    // The host has all voxels, also of masks that hold other labels.
    const run = (): void => scene.source.document.removeLabel(label.id);
    if (what.length > 0) return scene.toast(`Delete "${label.name}" with ${list(what)}?`, { title: "Delete", run });
    if (use.shared.length > 0) run();
    else scene.apply(removeLabel(this.#named(), label));
  }

  /** Voxels of a label in all masks; null where that is not known here. */
  #voxels(label: string): number | null {
    let sum = 0;
    for (const { item, store } of this.scene.source.document.masks) {
      for (const { value, label: name } of item.segments) {
        if (name !== label || drawnSlice(store, value) === null) continue;
        const own = countVoxels(store, value);
        if (own === null) return null;
        sum += own;
      }
    }
    return sum;
  }
}

const count = (n: number, one: string, many: string): string => (n === 0 ? "" : `${n.toLocaleString("en").replaceAll(",", " ")} ${n === 1 ? one : many}`);

const list = (parts: readonly string[]): string =>
  parts.length < 2 ? parts.join("") : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)!}`;

export function smallButton(picture: string, title: string, id: string, pressed?: boolean): HTMLButtonElement {
  const state = pressed === undefined ? {} : { "aria-pressed": String(pressed) };
  return h(
    "button", { type: "button", class: "nbannot-small", title, "aria-label": title, "data-nbannot-action": id, ...state },
    icon(picture),
  );
}
