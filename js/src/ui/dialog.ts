/** What lies over the viewer until it is closed: the focus goes there and comes back. */
import { h, listen } from "./dom";
import { giveBack } from "./focus";
import { icon } from "./icons";

export interface Dialog {
  readonly element: HTMLElement;
  /** Aborted when the dialog is closed. */
  readonly signal: AbortSignal;
  close(): void;
}

const CONTROLS = "button:not(:disabled), input:not(:disabled), select:not(:disabled), [tabindex='0']";

/** One dialog of a viewer at a time. */
export class Dialogs {
  #open: { readonly name: string; readonly element: HTMLElement; readonly abort: AbortController; readonly back: Element | null } | null = null;

  constructor(private readonly root: HTMLElement, signal: AbortSignal) {
    signal.addEventListener("abort", () => this.#open?.abort.abort());
  }

  /** Name of the dialog that is open, or null. */
  get name(): string | null {
    return this.#open?.name ?? null;
  }

  /** Show an element with role="dialog" in place of any other. */
  show(name: string, element: HTMLElement): Dialog {
    this.close();
    const page = this.root.ownerDocument;
    const abort = new AbortController();
    const { signal } = abort;
    const within = this.root.contains(page.activeElement) ? page.activeElement : null;
    this.#open = { name, element, abort, back: within };
    listen(element, "keydown", signal, (event) => this.#key(event));
    this.root.append(element);
    (element.querySelector<HTMLElement>("[data-nbannot-first]") ?? element.querySelector<HTMLElement>(CONTROLS))?.focus({ preventScroll: true });
    return { element, signal, close: () => this.#open?.element === element && this.close() };
  }

  /** Show a dialog with a title and a button to close it. */
  build(name: string, title: string, body: readonly (Node | string)[], kind = ""): Dialog {
    const button = h("button", { type: "button", class: "nbannot-button", title: "Close (Esc)", "aria-label": "Close" }, icon("close"));
    const element = h(
      "div", { class: `nbannot-dialog ${kind}`, role: "dialog", "aria-label": title, "data-nbannot-dialog": name },
      h("header", {}, h("strong", {}, title), button),
      h("div", { class: "nbannot-dialog-body" }, ...body),
    );
    const dialog = this.show(name, element);
    listen(button, "click", dialog.signal, () => dialog.close());
    return dialog;
  }

  /** Close what is open; false when nothing is. */
  close(): boolean {
    const open = this.#open;
    if (!open) return false;
    this.#open = null;
    const focused = open.element.contains(this.root.ownerDocument.activeElement);
    open.abort.abort();
    open.element.remove();
    if (focused) giveBack(this.root, open.back);
    return true;
  }

  #key(event: KeyboardEvent): void {
    if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      this.close();
    } else if (event.key === "Tab") this.#tab(event);
  }

  /** Tab goes round within the dialog. */
  #tab(event: KeyboardEvent): void {
    const all = [...(this.#open?.element.querySelectorAll<HTMLElement>(CONTROLS) ?? [])].filter((one) => one.offsetParent !== null);
    const at = all.indexOf(event.target as HTMLElement);
    if (at < 0 || (event.shiftKey ? at > 0 : at < all.length - 1)) return;
    event.preventDefault();
    all[event.shiftKey ? all.length - 1 : 0]?.focus();
  }
}

/** Put text on the clipboard; false where the page may not. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
