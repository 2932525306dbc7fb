/** Keys reach the viewer when it has the focus, or the pointer while nobody is typing. */
import { keyName, type CommandTarget } from "../commands";
import type { Keymap } from "../commands/keymap";
import { isEditable } from "./dom";
import { answerByKey } from "./hotkeys";
import { AWAITING } from "./shortcuts";

export interface KeyHooks {
  /** Takes keys that labels have for themselves: digits and keys without a command. */
  own(key: string): boolean;
  /** Takes keys for what is being drawn. */
  drawing?(key: string): boolean;
  /** Takes the key of a command that lasts while it is held. */
  hold?(event: KeyboardEvent, command: string): boolean;
}

export function listenKeys(
  root: HTMLElement, keys: Keymap, target: CommandTarget, hooks: KeyHooks, signal: AbortSignal,
): void {
  const press = (event: KeyboardEvent): void => {
    // Else JupyterLab would take the arrows of radio buttons, sliders and lists for itself.
    if (ownKeys(event, root)) return event.stopImmediatePropagation();
    if (answerByKey(event, root)) return event.stopImmediatePropagation();
    if (event.defaultPrevented || !mine(event, root)) return;
    if (root.querySelector(`[${AWAITING}]`)) return;
    const key = keyName(event);
    const found = keys.commandFor(event);
    const taken = hooks.drawing?.(key) || ((!found || /^[1-9]$/.test(key)) && hooks.own(key));
    if (!found && !taken) return;
    // JupyterLab listens on the document in the capture phase: a plain stopPropagation comes too late.
    event.preventDefault();
    event.stopImmediatePropagation();
    if (found && !taken && !hooks.hold?.(event, found.id)) found.run(target);
  };
  window.addEventListener("keydown", press, { capture: true, signal });
  // A field keeps its keys: in command mode the notebook would take Enter, and the field would not change.
  root.addEventListener("keydown", (event) => isEditable(event.target) && event.stopPropagation(), { signal });
}

/** Whether a slider, a list, or a choice in a form has the focus and the browser knows what the key does there. */
function ownKeys(event: KeyboardEvent, root: HTMLElement): boolean {
  const from = event.composedPath()[0] ?? event.target;
  if (!(from instanceof Element) || !root.contains(from) || event.ctrlKey || event.altKey || event.metaKey) return false;
  if (/^(Arrow.*|Home|End|Page.*)$/.test(event.key) && from.matches("input[type=range], select")) return true;
  return /^( |Arrow.*|Home|End)$/.test(event.key)
    && from.matches(":is(.nbannot-form, form) :is(input[type=radio], input[type=checkbox], select)");
}

/** The viewer under the pointer comes first, then the one that has the focus. */
export function mine(event: KeyboardEvent, root: HTMLElement): boolean {
  const from = event.composedPath()[0] ?? event.target;
  if (isEditable(from) && !undoes(event, from)) return false;
  const page = root.ownerDocument;
  const pointed = page.querySelector(`${ROOT}:hover`);
  const focused = from instanceof Element ? from.closest(ROOT) : null;
  if (focused === root && !freeKey(from as Element, event.key)) return false;
  return pointed ? pointed === root && !page.querySelector("dialog[open]") : focused === root;
}

/** Whether undo is pressed in an answer that nobody is typing: it is the document's then, whatever came last. */
function undoes(event: KeyboardEvent, from: EventTarget | null): boolean {
  if (!(event.ctrlKey || event.metaKey) || event.altKey || !/^[zy]$/i.test(event.key)) return false;
  if (from instanceof HTMLSelectElement) return from.closest(".nbannot-form") !== null;
  return from instanceof HTMLInputElement && from.dataset["nbannotKept"] === from.value;
}

const ROOT = "[data-nbannot-root]";
/** A picture that turns and shifts by keys of its own, such as the 3-D view. */
const PICTURE = "[data-nbannot-keys=picture]";
const PICTURE_KEYS = /^(Enter|Arrow.*|[+=-])$/;
const CONTROL_KEYS = /^( |Enter|Tab|Arrow.*|Home|End|PageUp|PageDown)$/;

/**
 * Enter, space and arrows belong to a focused control (on a tool button only the first two), Escape to an open menu,
 * the keys that turn and zoom to a focused 3-D picture.
 */
function freeKey(from: Element, key: string): boolean {
  if (key === "Escape" && from.closest(".nbannot-menu, [role=menu]")) return false;
  if (from.matches(PICTURE) && PICTURE_KEYS.test(key)) {
    // With the pointer over another view the keys are that view's.
    const pointed = from.ownerDocument.querySelector("[data-nbannot-view]:hover");
    return pointed !== null && !pointed.contains(from);
  }
  if (/^(Delete|Backspace)$/.test(key) && from.closest("[data-nbannot-keys=points]")) return false;
  const control = from.closest("button, input, [role=menu], [role=slider], [role=dialog], [role=listbox]");
  if (!control || !CONTROL_KEYS.test(key)) return true;
  // A slider has no use for these: after a drag along the frames, space plays the clip.
  if (control.matches("input[type=range]") && (key === " " || key === "Enter")) return true;
  return control.matches("button[data-nbannot-command], .nbannot-toolbar button, .nbannot-panemenu") && ![" ", "Enter", "Tab"].includes(key);
}
