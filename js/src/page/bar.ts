/** The bar on top: which case, how it is kept, and what can be done with it. */
import { h, setAttribute, setText } from "../ui/dom";
import type { Saving } from "./case";
import { isDone, type Opened } from "./messages";
import { PAGE_KEYS, pageKeyTitle, type PageKeys } from "./keys";

const STATUS: Readonly<Record<string, string>> = {
  "to do": "To do", "in work": "In work", submitted: "Submitted", returned: "Given back", accepted: "Accepted", rejected: "Rejected",
};

export const statusText = (status: string): string => STATUS[status] ?? status;

/** Words for how what was done is kept. */
export function savingText({ waiting, road }: Saving): { readonly text: string; readonly level: "good" | "busy" | "bad" } {
  const changes = `${waiting} ${waiting === 1 ? "change" : "changes"}`;
  switch (road) {
    case "loggedOut": return { text: waiting ? `Logged out, ${changes} waiting` : "Logged out", level: "bad" };
    case "gone": return { text: "No longer yours", level: "bad" };
    case "takenOver": return { text: "Open elsewhere", level: "bad" };
    case "opening": return { text: "Opening …", level: "busy" };
    case "lost": return { text: waiting ? `Offline, ${changes} waiting` : "Offline, all saved", level: "bad" };
    case "open": return waiting ? { text: `Saving, ${changes} waiting`, level: "busy" } : { text: "Saved", level: "good" };
  }
}

export class Bar {
  readonly #title = h("strong", { class: "page-title" });
  readonly #status = h("span", { class: "page-status", "data-nbannot-page": "status" });
  readonly #due = h("span", { class: "page-due" });
  readonly #saving = h("span", { class: "page-saving", role: "status", "data-nbannot-page": "saving" });
  readonly #buttons = new Map<keyof PageKeys, HTMLButtonElement>();
  readonly element: HTMLElement;

  constructor(private readonly actions: PageKeys) {
    const button = (name: keyof PageKeys, text: string, main = false): HTMLButtonElement => {
      const title = PAGE_KEYS.find(([, one]) => one === name)![2];
      const made = h("button", { type: "button", class: main ? "page-main" : "page-button", title: `${title} (${pageKeyTitle(name)})`, "data-nbannot-page": name }, text);
      made.addEventListener("click", () => this.actions[name]());
      this.#buttons.set(name, made);
      return made;
    };
    this.element = h(
      "header", { class: "page-bar" },
      button("list", "My cases"),
      h("span", { class: "page-what" }, this.#title, this.#status, this.#due),
      this.#saving,
      h("span", { class: "page-doing" },
        button("previous", "Previous"), button("next", "Next"), button("flag", "Mark"), button("comment", "Comment"),
        button("help", "Keys"), button("submit", "Submit", true)),
    );
  }

  /** Show a case; null: the list. */
  draw(about: Opened | null, saving: Saving | null): void {
    setText(this.#title, about ? `${about.title} of ${about.of}` : "My cases");
    setText(this.#status, about ? statusText(about.status) : "");
    setAttribute(this.#status, "data-status", about?.status ?? "");
    setText(this.#due, about?.due && !isDone(about.status) ? `due ${dayOf(about.due)}` : "");
    const { text, level } = saving ? savingText(saving) : ({ text: "", level: "good" } as const);
    setText(this.#saving, text);
    setAttribute(this.#saving, "data-level", level);
    for (const [name, button] of this.#buttons) button.hidden = about === null && name !== "help";
    const flag = this.#buttons.get("flag")!;
    setAttribute(flag, "aria-pressed", String(about?.flagged ?? false));
    setText(flag, about?.flagged ? "Marked" : "Mark");
    const count = about?.comments.length ?? 0;
    setText(this.#buttons.get("comment")!, count ? `Comments (${count})` : "Comment");
    const locked = about !== null && about.read_only !== "";
    this.#buttons.get("submit")!.disabled = locked;
    this.#buttons.get("flag")!.disabled = locked;
  }
}

/** A date as people read it; the day only. */
export function dayOf(text: string): string {
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? text : date.toLocaleDateString(undefined, { day: "numeric", month: "short", year: "numeric" });
}
