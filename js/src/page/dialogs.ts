/** What lies over the page: comments, keys, and messages that must not be overlooked. */
import { keyTitle } from "../commands";
import { h } from "../ui/dom";
import { PAGE_KEYS } from "./keys";
import type { CommentJson } from "./messages";

function open(title: string, name: string, ...body: readonly (Node | string)[]): HTMLDialogElement {
  const close = h("button", { type: "button", class: "page-button" }, "Close");
  const dialog = h(
    "dialog", { class: "page-dialog", "aria-label": title, "data-nbannot-dialog": name },
    h("header", {}, h("strong", {}, title), close), ...body,
  );
  const before = document.activeElement as HTMLElement | null;
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    dialog.remove();
    before?.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** The comments of a case, and a field for one more. */
export function commentDialog(comments: readonly CommentJson[], placed: boolean, send: (text: string, here: boolean) => Promise<string>): void {
  const rows = comments.map(({ text, time, mine, place }) => h(
    "li", {}, h("span", { class: "page-dim" }, `${mine ? "You" : "Study team"}, ${new Date(time * 1000).toLocaleString()}${place ? ", with a place" : ""}`),
    h("span", {}, text),
  ));
  const text = h("textarea", { rows: 4, maxlength: 4000, "aria-label": "Comment", required: true });
  const here = h("input", { type: "checkbox" });
  const note = h("p", { class: "page-wrong", role: "alert", hidden: true });
  const save = h("button", { type: "submit", class: "page-main" }, "Add the comment");
  const form = h(
    "form", {}, text, h("label", { class: "page-check" }, here, "At the place of the crosshair"), note,
    h("footer", {}, h("span", { class: "page-dim" }, "Ctrl+Enter adds it"), save),
  );
  (here.parentElement as HTMLElement).hidden = !placed;
  const dialog = open("Comments", "comment", ...(rows.length ? [h("ul", { class: "page-comments" }, ...rows)] : []), form);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!text.value.trim()) return text.focus();
    save.disabled = true;
    void send(text.value.trim(), here.checked).then((problem) => {
      if (!problem) return dialog.close();
      save.disabled = false;
      note.textContent = problem;
      note.hidden = false;
    });
  });
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  text.focus();
}

/** Why a reading is given back or rejected. */
export function reasonDialog(title: string, what: string, send: (reason: string) => Promise<string>): void {
  const text = h("textarea", { rows: 4, maxlength: 4000, "aria-label": "Reason", required: true });
  const note = h("p", { class: "page-wrong", role: "alert", hidden: true });
  const done = h("button", { type: "submit", class: "page-main" }, title);
  const form = h("form", {}, h("p", { class: "page-dim" }, what), text, note, h("footer", {}, h("span", { class: "page-dim" }, "Ctrl+Enter"), done));
  const dialog = open(title, "reason", form);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!text.value.trim()) return text.focus();
    done.disabled = true;
    void send(text.value.trim()).then((problem) => {
      if (!problem) return dialog.close();
      done.disabled = false;
      note.textContent = problem;
      note.hidden = false;
    });
  });
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  text.focus();
}

/** The keys of the page; those of the viewer are in its own help. */
export function keysDialog(viewerKeys: (() => void) | null): void {
  const rows = PAGE_KEYS.map(([key, , title]) => h("div", { class: "page-key" }, h("kbd", {}, keyTitle(key)), h("span", {}, title)));
  const inForms = [["1 … 9", "Choose an answer"], ["Enter", "Next question"], ["Tab", "Next field or button"], ["Esc", "Close what is open"]]
    .map(([key, title]) => h("div", { class: "page-key" }, h("kbd", {}, key!), h("span", {}, title!)));
  const more = h("button", { type: "button", class: "page-button", hidden: viewerKeys === null }, "Keys of the viewer");
  const dialog = open("Keys", "keys", h("h2", {}, "Case"), ...rows, h("h2", {}, "Answers"), ...inForms, more);
  more.addEventListener("click", () => {
    dialog.close();
    viewerKeys?.();
  });
}

/** A line below the bar that stays until it is replaced or closed. */
export class Notice {
  readonly element = h("div", { class: "page-notice", role: "alert", hidden: true, "data-nbannot-page": "notice" });
  #name = "";

  /** `name`: what it is about; the same one is not drawn again. */
  show(name: string, text: string, hint: string, action?: { readonly title: string; readonly run: () => void }): void {
    if (!this.element.hidden && this.#name === name + text) return;
    this.#name = name + text;
    this.element.dataset["notice"] = name;
    const close = h("button", { type: "button", class: "page-button" }, "Close");
    close.addEventListener("click", () => this.hide());
    this.element.replaceChildren(h("div", {}, h("strong", {}, text), ...(hint ? [h("span", {}, hint)] : [])));
    if (action) {
      const button = h("button", { type: "button", class: "page-main" }, action.title);
      button.addEventListener("click", action.run);
      this.element.append(button);
    }
    this.element.append(close);
    this.element.hidden = false;
  }

  /** Take it away; with a name only where it is about that. */
  hide(name?: string): void {
    if (name !== undefined && this.element.dataset["notice"] !== name) return;
    this.element.hidden = true;
    this.#name = "";
  }
}
