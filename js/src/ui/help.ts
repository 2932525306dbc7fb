/** The table of keys, made from the table of commands. */
import { COMMANDS, GROUPS, keyTitle } from "../commands";
import { h } from "./dom";
import { icon } from "./icons";

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
];

const row = (keys: readonly string[], title: string): HTMLElement =>
  h("div", { class: "nbannot-help-row" }, h("span", {}, ...keys.map((key) => h("kbd", {}, key))), h("span", {}, title));

/** Rows of a group; nine equal commands in a row are shown as one. */
function rows(group: (typeof GROUPS)[number]): HTMLElement[] {
  const out: HTMLElement[] = [];
  for (const one of COMMANDS) {
    if (one.group !== group || /_[2-9]$/.test(one.id)) continue;
    const many = one.id.endsWith("_1");
    const first = one.keys.map(keyTitle);
    out.push(many ? row([`${first[0]} … 9`], one.title.replace(/ 1$/, "")) : row(first, one.title));
  }
  return out;
}

export function buildHelp(close: () => void): HTMLElement {
  const button = h("button", { type: "button", class: "nbannot-button", title: "Close (Esc)", "aria-label": "Close" }, icon("close"));
  button.addEventListener("click", close);
  const section = (title: string, body: readonly HTMLElement[]): HTMLElement =>
    h("section", {}, h("h4", {}, title), ...body);
  return h(
    "div", { class: "nbannot-help", role: "dialog", "aria-label": "Keys", "data-nbannot-help": true },
    h("header", {}, h("strong", {}, "Keys and mouse"), button),
    // Columns inside a scrolling box: limited in height themselves they would run out sideways.
    h(
      "div", { class: "nbannot-help-body" },
      h(
        "div", {},
        section("Mouse", MOUSE.map(([keys, title]) => row([keys], title))),
        ...GROUPS.map((group) => section(group, rows(group))),
      ),
    ),
  );
}
