/** Keys reach the viewer when it has the focus, or the pointer while nobody is typing. */
import { commandFor, type CommandTarget } from "../commands";
import { isEditable, listen } from "./dom";

export function listenKeys(root: HTMLElement, target: CommandTarget, signal: AbortSignal): void {
  let hovered = false;
  listen(root, "pointerenter", signal, () => (hovered = true));
  listen(root, "pointerleave", signal, () => (hovered = false));
  const press = (event: KeyboardEvent): void => {
    if (event.defaultPrevented || !mine(event, root, hovered)) return;
    const found = commandFor(event);
    if (!found) return;
    // JupyterLab listens on the document in the capture phase: a plain stopPropagation comes too late.
    event.preventDefault();
    event.stopImmediatePropagation();
    found.run(target);
  };
  window.addEventListener("keydown", press, { capture: true, signal });
}

function mine(event: KeyboardEvent, root: HTMLElement, hovered: boolean): boolean {
  const from = event.composedPath()[0] ?? event.target;
  if (isEditable(from)) return false;
  const inside = from instanceof Node && root.contains(from);
  if (!inside) return hovered && !root.ownerDocument.querySelector("dialog[open]") && !elsewhere(from, root);
  // Enter, space and arrows belong to a focused button, menu or slider.
  const control = from instanceof HTMLElement && from.closest("button, input, [role=menu]");
  return !control || !/^( |Enter|Tab|Arrow.*|Home|End|PageUp|PageDown)$/.test(event.key) || isTool(control, event.key);
}

/** After a click on a tool button the arrows still scroll the picture. */
function isTool(control: Element, key: string): boolean {
  return control.matches("button[data-nbannot-command]") && key !== "Enter" && key !== " " && key !== "Tab";
}

/** The key belongs to another viewer that has the focus. */
function elsewhere(from: EventTarget | null, root: HTMLElement): boolean {
  const owner = from instanceof Element ? from.closest("[data-nbannot-root]") : null;
  return owner !== null && owner !== root;
}
