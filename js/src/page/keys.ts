/** Keys of the page around the viewer; all with Alt or Ctrl+Shift, which no command of the viewer has. */
import { keyTitle, type KeyLike } from "../commands";
import { isEditable } from "../ui/dom";

export interface PageKeys {
  submit(): void;
  next(): void;
  previous(): void;
  undone(): void;
  answers(): void;
  pictures(): void;
  comment(): void;
  flag(): void;
  list(): void;
  follow(): void;
  giveBack(): void;
  reject(): void;
  readings(): void;
  help(): void;
  /** A key that is nobody else's: Escape, undo and redo outside of the viewer; whether it was taken. */
  other(key: string): boolean;
}

/** What has a key and a button of its own. */
export type PageAction = Exclude<keyof PageKeys, "other">;

/** Keys by what they do: as pressed, and as people read them. */
export const PAGE_KEYS: readonly (readonly [key: string, name: PageAction, title: string])[] = [
  ["ctrl+shift+enter", "submit", "Submit the case"],
  ["alt+n", "next", "Next case"],
  ["alt+p", "previous", "Previous case"],
  ["alt+u", "undone", "Next case that is not done"],
  ["alt+a", "answers", "To the answers"],
  ["alt+i", "pictures", "To the pictures"],
  ["alt+c", "comment", "Comment on the case"],
  ["alt+m", "flag", "Mark the case for the study team"],
  ["alt+r", "giveBack", "Review: give the reading back"],
  ["alt+j", "reject", "Review: reject the reading"],
  ["alt+g", "readings", "Adjudication: to the readings, one after another"],
  ["alt+w", "follow", "Follow who else is here, or stop"],
  ["alt+l", "list", "List of my cases"],
  ["alt+k", "help", "Keys of this page"],
];

/** Name of a press as in the table; letters by their place on the keyboard, since Alt types other characters on some. */
export function pageKey(event: KeyLike): string {
  const letter = /^Key([A-Z])$/.exec(event.code ?? "")?.[1]?.toLowerCase();
  const ctrl = event.ctrlKey || event.metaKey;
  const parts = [ctrl && "ctrl", event.altKey && "alt", event.shiftKey && "shift"].filter(Boolean);
  return [...parts, letter ?? event.key.toLowerCase()].join("+");
}

export function listenPageKeys(keys: PageKeys, signal: AbortSignal): void {
  const table = new Map(PAGE_KEYS.map(([key, name]) => [key, name]));
  const press = (event: KeyboardEvent): void => {
    const key = pageKey(event);
    const name = table.get(key);
    // AltGr types characters and says that it is Ctrl+Alt.
    if (event.getModifierState("AltGraph") || document.querySelector("dialog[open]")) return;
    if (name && event.repeat) return;
    const outside = !isEditable(event.target) && !(event.target as Element | null)?.closest?.("[data-nbannot-root]");
    if (!name && !((key === "escape" || outside) && keys.other(key))) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (name) keys[name]();
  };
  window.addEventListener("keydown", press, { capture: true, signal });
}

export const pageKeyTitle = (name: PageAction): string => keyTitle(PAGE_KEYS.find(([, one]) => one === name)![0]);
