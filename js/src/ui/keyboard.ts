/** Keys reach the viewer when it has the focus, or the pointer while nobody is typing. */
import { keyName, type CommandTarget } from "../commands";
import type { Keymap } from "../commands/keymap";
import { isEditable } from "./dom";
import { AWAITING } from "./shortcuts";

/** `own` takes keys that labels have for themselves: digits and keys without a command. */
export function listenKeys(
  root: HTMLElement, keys: Keymap, target: CommandTarget, own: (key: string) => boolean, signal: AbortSignal,
): void {
  const press = (event: KeyboardEvent): void => {
    if (event.defaultPrevented || !mine(event, root)) return;
    if (root.querySelector(`[${AWAITING}]`)) return;
    const key = keyName(event);
    const found = keys.commandFor(event);
    const taken = (!found || /^[1-9]$/.test(key)) && own(key);
    if (!found && !taken) return;
    // JupyterLab listens on the document in the capture phase: a plain stopPropagation comes too late.
    event.preventDefault();
    event.stopImmediatePropagation();
    if (!taken) found?.run(target);
  };
  window.addEventListener("keydown", press, { capture: true, signal });
}

/** The viewer under the pointer comes first, then the one that has the focus. */
export function mine(event: KeyboardEvent, root: HTMLElement): boolean {
  const from = event.composedPath()[0] ?? event.target;
  if (isEditable(from)) return false;
  const page = root.ownerDocument;
  const pointed = page.querySelector(`${ROOT}:hover`);
  const focused = from instanceof Element ? from.closest(ROOT) : null;
  if (focused === root && !freeKey(from as Element, event.key)) return false;
  return pointed ? pointed === root && !page.querySelector("dialog[open]") : focused === root;
}

const ROOT = "[data-nbannot-root]";
const CONTROL_KEYS = /^( |Enter|Tab|Arrow.*|Home|End|PageUp|PageDown)$/;

/** Enter, space and arrows belong to a focused control (on a tool button only the first two), Escape to an open menu. */
function freeKey(from: Element, key: string): boolean {
  if (key === "Escape" && from.closest(".nbannot-menu, [role=menu]")) return false;
  const control = from.closest("button, input, [role=menu], [role=slider], [role=dialog]");
  if (!control || !CONTROL_KEYS.test(key)) return true;
  return control.matches("button[data-nbannot-command], .nbannot-toolbar button, .nbannot-panemenu") && ![" ", "Enter", "Tab"].includes(key);
}
