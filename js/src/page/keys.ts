/** Keys of the page around the viewer; all with Alt or Ctrl+Shift, which no command of the viewer has. */
import { keyTitle, type KeyLike } from "../commands";

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
  help(): void;
}

/** Keys by what they do: as pressed, and as people read them. */
export const PAGE_KEYS: readonly (readonly [key: string, name: keyof PageKeys, title: string])[] = [
  ["ctrl+shift+enter", "submit", "Submit the case"],
  ["alt+n", "next", "Next case"],
  ["alt+p", "previous", "Previous case"],
  ["alt+u", "undone", "Next case that is not done"],
  ["alt+a", "answers", "To the answers"],
  ["alt+i", "pictures", "To the pictures"],
  ["alt+c", "comment", "Comment on the case"],
  ["alt+m", "flag", "Mark the case for the study team"],
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
    const name = table.get(pageKey(event));
    // AltGr types characters and says that it is Ctrl+Alt.
    if (!name || event.repeat || event.getModifierState("AltGraph") || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    keys[name]();
  };
  window.addEventListener("keydown", press, { capture: true, signal });
}

export const pageKeyTitle = (name: keyof PageKeys): string => keyTitle(PAGE_KEYS.find(([, one]) => one === name)![0]);
