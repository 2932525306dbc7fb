/** A small pop-up menu under a button. */
import { h, listen } from "./dom";

export interface MenuItem {
  readonly id: string;
  readonly title: string;
  readonly hint?: string;
  readonly checked?: boolean;
  /** Words above the item, where a new group begins. */
  readonly heading?: string;
  run(): void;
}

/** Open the menu when the button is pressed; items are asked for each time. */
export function attachMenu(
  button: HTMLButtonElement, root: HTMLElement, items: () => readonly MenuItem[], signal: AbortSignal,
): void {
  attachPopup(button, root, (done) => buildMenu(items(), done), "menu", signal);
}

/** Open what `build` makes when the button is pressed; `done` closes it and gives the focus back. */
export function attachPopup(
  button: HTMLButtonElement, root: HTMLElement, build: (done: () => void) => HTMLElement,
  kind: "menu" | "dialog", signal: AbortSignal,
): void {
  let menu: HTMLElement | null = null;
  const close = (): void => {
    menu?.remove();
    menu = null;
    button.setAttribute("aria-expanded", "false");
  };
  const open = (): void => {
    menu = build(() => {
      close();
      button.focus();
    });
    root.append(menu);
    placeBelow(menu, button, root);
    button.setAttribute("aria-expanded", "true");
    menu.querySelector<HTMLElement>("button, select")?.focus();
  };
  button.setAttribute("aria-haspopup", kind);
  button.setAttribute("aria-expanded", "false");
  listen(button, "click", signal, () => (menu ? close() : open()));
  const outside = (event: Event): void => {
    const target = event.target as Node;
    if (menu && !menu.contains(target) && !button.contains(target)) close();
  };
  document.addEventListener("pointerdown", outside, { capture: true, signal });
  signal.addEventListener("abort", close);
}

/** Open a menu at a point (client px); another press or Escape closes it and gives the focus back. */
export function openMenuAt(root: HTMLElement, at: readonly [number, number], items: readonly MenuItem[], signal: AbortSignal): void {
  const before = document.activeElement as HTMLElement | null;
  const closed = new AbortController();
  const close = (): void => {
    menu.remove();
    closed.abort();
  };
  const menu = buildMenu(items, () => {
    close();
    before?.focus();
  });
  root.append(menu);
  const box = root.getBoundingClientRect();
  const within = (place: number, room: number, size: number): string => `${Math.max(4, Math.min(place, room - size - 4))}px`;
  menu.style.maxHeight = `${box.height - 8}px`;
  menu.style.left = within(at[0] - box.left, box.width, menu.offsetWidth);
  menu.style.top = within(at[1] - box.top, box.height, menu.offsetHeight);
  menu.querySelector<HTMLElement>("button")?.focus();
  const outside = (event: Event): void => {
    if (!menu.contains(event.target as Node)) close();
  };
  document.addEventListener("pointerdown", outside, { capture: true, signal: closed.signal });
  signal.addEventListener("abort", close, { signal: closed.signal });
}

function buildMenu(items: readonly MenuItem[], done: () => void): HTMLElement {
  const menu = h("div", { class: "nbannot-menu", role: "menu" });
  for (const item of items) {
    const button = h(
      "button",
      { type: "button", role: "menuitemradio", "aria-checked": String(item.checked ?? false), "data-nbannot-item": item.id },
      h("span", {}, item.title), h("span", { class: "nbannot-hint" }, item.hint ?? ""),
    );
    button.addEventListener("click", () => {
      done();
      item.run();
    });
    if (item.heading) menu.append(h("div", { class: "nbannot-menu-head", role: "presentation" }, item.heading));
    menu.append(button);
  }
  menu.addEventListener("keydown", (event) => {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (event.key === "Escape") done();
    else if (step !== 0) {
      const all = [...menu.querySelectorAll("button")];
      const at = all.indexOf(document.activeElement as HTMLButtonElement);
      all[(at + step + all.length) % all.length]?.focus();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });
  return menu;
}

function placeBelow(menu: HTMLElement, button: HTMLElement, root: HTMLElement): void {
  const at = button.getBoundingClientRect();
  const box = root.getBoundingClientRect();
  const [below, above] = [box.bottom - at.bottom - 8, at.top - box.top - 8];
  const up = below < menu.offsetHeight && above > below;
  if (up) menu.style.bottom = `${box.bottom - at.top + 2}px`;
  else menu.style.top = `${at.bottom - box.top + 2}px`;
  const left = Math.min(at.left - box.left, box.width - menu.offsetWidth - 4);
  menu.style.left = `${Math.max(4, left)}px`;
  menu.style.maxHeight = `${Math.max(120, up ? above : below)}px`;
}
