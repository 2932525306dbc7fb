/** The table of keys, made from the table of commands; keys can be changed in it. */
import { COMMANDS, GROUPS, keyTitle } from "../commands";
import type { Keymap } from "../commands/keymap";
import { h, listen } from "./dom";
import { icon } from "./icons";
import { ShortcutEditor, type ShortcutHooks } from "./shortcuts";

/** What the mouse does; the user's guide shows the same table. */
export const MOUSE: readonly (readonly [string, string])[] = [
  ["Wheel", "Scroll slices"],
  ["Ctrl+wheel", "Zoom at the pointer"],
  ["Shift+wheel", "Brush size"],
  ["Left drag", "The chosen tool"],
  ["Middle drag", "Pan"],
  ["Right drag", "Zoom"],
  ["Double click", "Maximize or restore"],
  ["Alt with brush", "Erase the label"],
  ["Alt with eraser", "Erase all unlocked labels"],
  ["Key of a tool, held", "That tool until the key is let go"],
  ["Space, held", "Pan (where no clip can be played)"],
  ["Double click, Enter", "Close the polygon of the scissors; Backspace takes the last point back"],
];

const row = (keys: readonly string[], title: string): HTMLElement =>
  h("div", { class: "nbannot-help-row" }, h("span", {}, ...keys.map((key) => h("kbd", {}, key))), h("span", {}, title));

/** Rows of a group; nine equal commands in a row are shown as one. */
function rows(group: (typeof GROUPS)[number], keys: Keymap, editor: ShortcutEditor): HTMLElement[] {
  const out: HTMLElement[] = [];
  for (const one of COMMANDS) {
    if (one.group !== group || /_[2-9]$/.test(one.id) || !keys.allows(one.id)) continue;
    const many = one.id.endsWith("_1");
    const first = keys.keys(one.id).map(keyTitle);
    out.push(many ? row([`${first[0] ?? ""} … 9`], one.title.replace(/ 1$/, "")) : editor.row(one));
  }
  return out;
}

/** The help; it follows the keymap until the signal aborts. */
export function buildHelp(
  keys: Keymap, hooks: ShortcutHooks & { readonly close: () => void }, signal: AbortSignal,
): HTMLElement {
  const editor = new ShortcutEditor(keys, hooks, signal);
  const button = h("button", { type: "button", class: "nbannot-button", title: "Close (Esc)", "aria-label": "Close" }, icon("close"));
  listen(button, "click", signal, hooks.close);
  const section = (title: string, body: readonly HTMLElement[]): HTMLElement =>
    h("section", {}, h("h4", {}, title), ...body);
  // Columns inside a scrolling box: limited in height themselves they would run out sideways.
  const columns = h("div");
  const foot = h("div");
  const fill = (): void => {
    const focused = (columns.ownerDocument.activeElement as HTMLElement | null)?.dataset["nbannotKey"];
    editor.cancel();
    columns.replaceChildren(
      section("Mouse", MOUSE.map(([what, title]) => row([what], title))),
      ...GROUPS.map((group) => section(group, rows(group, keys, editor))),
    );
    if (keys.tools.length > 0) {
      columns.append(section("Your tools", keys.tools.map(({ name, title }) => row([keys.toolHint(name) || "no key"], title))));
    }
    if (keys.problems.length > 0) {
      columns.append(section("About these keys", keys.problems.map(({ key, message, hint }) =>
        h("div", { class: "nbannot-key-note" }, `${key}: ${message}. ${hint}`))));
    }
    foot.replaceChildren(editor.footer());
    if (focused) columns.querySelector<HTMLElement>(`[data-nbannot-key="${focused}"]`)?.focus();
  };
  fill();
  keys.on(fill, signal);
  return h(
    "div", { class: "nbannot-help", role: "dialog", "aria-label": "Keys", "data-nbannot-help": true },
    h("header", {}, h("strong", {}, "Keys and mouse"), button),
    h("div", { class: "nbannot-help-body" }, columns),
    foot,
  );
}
