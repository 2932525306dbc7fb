/** Rows of the help whose keys can be changed: click, press the new key. */
import { keyName, keyTitle, type Command } from "../commands";
import { readKey, type Keymap, type Own } from "../commands/keymap";
import { h, listen } from "./dom";

/** While a key is awaited the keyboard runs no commands; see `listenKeys`. */
export const AWAITING = "data-nbannot-awaiting";
const MODIFIERS = ["Shift", "Control", "Alt", "Meta", "AltGraph", "CapsLock", "Dead"];

export interface ShortcutHooks {
  /** Keep keys chosen in the viewer. */
  change(own: Own): void;
  /** Say something that goes by itself. */
  say(text: string): void;
}

/** The editor of one viewer's keys; it awaits at most one key at a time. */
export class ShortcutEditor {
  #wait: AbortController | null = null;

  constructor(private readonly keys: Keymap, private readonly hooks: ShortcutHooks, private readonly signal: AbortSignal) {
    signal.addEventListener("abort", () => this.cancel());
  }

  /** Stop waiting for a key. */
  cancel(): void {
    this.#wait?.abort();
    this.#wait = null;
  }

  /** A row: the keys as a button that changes them, and the title. */
  row(one: Command): HTMLElement {
    const keys = this.keys.keys(one.id);
    const names = keys.map((key) => h("kbd", {}, keyTitle(key)));
    const said = keys.length > 0 ? keys.map(keyTitle).join(", ") : "no key";
    const button = h(
      "button", {
        type: "button", class: "nbannot-key", "data-nbannot-key": one.id, title: "Change the key",
        "aria-label": `${one.title}: ${said}. Change the key`,
      },
      ...(names.length > 0 ? names : [h("kbd", { class: "nbannot-key-none" }, "none")]),
    );
    const row = h("div", { class: "nbannot-help-row" }, h("span", {}, button), h("span", {}, one.title));
    listen(button, "click", this.signal, () => this.#await(one, button, row));
    if (Object.hasOwn(this.keys.own, one.id)) row.lastElementChild!.append(" ", this.#reset(one));
    return row;
  }

  /** Buttons for all keys together. */
  footer(): HTMLElement {
    const all = h("button", { type: "button", "data-nbannot-keys": "reset" }, "Reset all keys");
    all.toggleAttribute("disabled", Object.keys(this.keys.own).length === 0);
    listen(all, "click", this.signal, () => this.hooks.change({}));
    const copy = h("button", { type: "button", "data-nbannot-keys": "copy" }, "Copy as YAML");
    const text = h("textarea", { class: "nbannot-yaml", readonly: true, hidden: true, rows: 4, "aria-label": "Keys as YAML" });
    listen(copy, "click", this.signal, () => void this.#copy(text));
    const hint = h("span", {}, "Click a key to change it.");
    return h("footer", { class: "nbannot-help-footer" }, hint, all, copy, text);
  }

  async #copy(text: HTMLTextAreaElement): Promise<void> {
    text.value = this.keys.yaml();
    try {
      await navigator.clipboard.writeText(text.value);
      this.hooks.say("The keys are in the clipboard, for .nbannot.yaml.");
    } catch {
      // Pages without a secure address have no clipboard.
      text.hidden = false;
      text.focus();
      text.select();
    }
  }

  #reset(one: Command): HTMLElement {
    const button = h("button", { type: "button", class: "nbannot-key-reset", "data-nbannot-key-reset": one.id, "aria-label": `${one.title}: back to the first key` }, "reset");
    listen(button, "click", this.signal, () => this.hooks.change(this.keys.reset(one.id)));
    return button;
  }

  #await(one: Command, button: HTMLElement, row: HTMLElement): void {
    this.cancel();
    const wait = new AbortController();
    this.#wait = wait;
    const before = [...button.childNodes];
    const note = h("div", { class: "nbannot-key-note", role: "status" });
    button.setAttribute(AWAITING, "");
    button.replaceChildren(h("kbd", {}, "Press a key …"));
    row.after(note);
    wait.signal.addEventListener("abort", () => {
      button.removeAttribute(AWAITING);
      button.replaceChildren(...before);
      note.remove();
    });
    const take = (key: string): void => {
      this.cancel();
      this.hooks.change(this.keys.choose(one.id, key));
    };
    const press = (event: KeyboardEvent): void => {
      if (event.key === "Tab") return this.cancel();
      // Once there is a question, its buttons need the keyboard.
      if (note.contains(event.target as Node) && [" ", "Enter"].includes(event.key)) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      if (MODIFIERS.includes(event.key)) return;
      if (event.key === "Escape") return this.cancel();
      const name = keyName(event);
      const read = readKey(name);
      if ("why" in read) {
        note.replaceChildren(`${keyTitle(name)} cannot be used. ${read.why}`);
        return;
      }
      const other = this.keys.owner(read.key);
      if (!other || other.id === one.id) return take(read.key);
      this.#ask(note, `${keyTitle(read.key)} is "${other.title}".`, () => take(read.key), wait.signal);
    };
    window.addEventListener("keydown", press, { capture: true, signal: wait.signal });
  }

  #ask(note: HTMLElement, text: string, use: () => void, signal: AbortSignal): void {
    const here = h("button", { type: "button", "data-nbannot-key-use": true }, "Use it here");
    const leave = h("button", { type: "button" }, "Leave it");
    listen(here, "click", signal, use);
    listen(leave, "click", signal, () => this.cancel());
    note.replaceChildren(text, " ", here, " ", leave);
    here.focus();
  }
}
