/** The bar on top: which case, how it is kept, and what can be done with it. */
import { h, setAttribute, setText } from "../ui/dom";
import type { Saving } from "./case";
import { isDone, type Opened } from "./messages";
import { PAGE_KEYS, pageKeyTitle, type PageAction, type PageKeys } from "./keys";

const STATUS: Readonly<Record<string, string>> = {
  "to do": "To do", "in work": "In work", submitted: "Submitted", returned: "Given back", accepted: "Accepted", rejected: "Rejected",
};

const KINDS: Readonly<Record<string, string>> = { review: "Review", adjudicate: "Adjudication" };

export const kindText = (kind: string): string => KINDS[kind] ?? "";
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
  readonly #kind = h("span", { class: "page-status", "data-nbannot-page": "kind" });
  readonly #buttons = new Map<PageAction, HTMLButtonElement>();
  readonly #leave = h("button", { type: "button", class: "page-button", title: "End the login of this browser", "data-nbannot-page": "logout" }, "Log out");
  readonly element: HTMLElement;

  /** `people`: who else is here; `leave`: logs out. */
  constructor(private readonly actions: PageKeys, people: HTMLElement, leave: () => void) {
    this.#leave.addEventListener("click", leave);
    const button = (name: PageAction, text: string, main = false): HTMLButtonElement => {
      const title = PAGE_KEYS.find(([, one]) => one === name)![2];
      const made = h("button", { type: "button", class: main ? "page-main" : "page-button", title: `${title} (${pageKeyTitle(name)})`, "data-nbannot-page": name }, text);
      made.addEventListener("click", () => this.actions[name]());
      this.#buttons.set(name, made);
      return made;
    };
    this.element = h(
      "header", { class: "page-bar" },
      button("list", "My cases"),
      h("span", { class: "page-what" }, this.#title, this.#kind, this.#status, this.#due),
      people,
      this.#saving,
      h("span", { class: "page-doing" },
        button("previous", "Previous"), button("next", "Next"), button("flag", "Mark"), button("comment", "Comment"),
        button("help", "Keys"), this.#leave, button("reject", "Reject"), button("giveBack", "Give back"), button("submit", "Submit", true)),
    );
  }

  /** Show a case; null: the list. */
  draw(about: Opened | null, saving: Saving | null): void {
    setText(this.#title, about ? titleOf(about) : "My cases");
    setText(this.#kind, about ? kindText(about.kind) : "");
    setText(this.#status, about ? statusText(about.status) : "");
    setAttribute(this.#status, "data-status", about?.status ?? "");
    setText(this.#due, about?.due && !isDone(about.status) ? `due ${dayOf(about.due)}` : "");
    const { text, level } = saving ? savingText(saving) : ({ text: "", level: "good" } as const);
    setText(this.#saving, text);
    setAttribute(this.#saving, "data-level", level);
    for (const [name, button] of this.#buttons) button.hidden = about === null && name !== "help";
    const review = about?.kind === "review";
    for (const name of ["giveBack", "reject"] as const) this.#buttons.get(name)!.hidden = !review;
    setText(this.#buttons.get("submit")!, review ? "Accept" : "Submit");
    this.#leave.hidden = about !== null;
    const flag = this.#buttons.get("flag")!;
    setAttribute(flag, "aria-pressed", String(about?.flagged ?? false));
    setText(flag, about?.flagged ? "Marked" : "Mark");
    const count = about?.comments.length ?? 0;
    setText(this.#buttons.get("comment")!, count ? `Comments (${count})` : "Comment");
    const locked = about !== null && about.read_only !== "";
    this.#buttons.get("submit")!.disabled = locked;
    for (const name of ["flag", "giveBack", "reject"] as const) this.#buttons.get(name)!.disabled = locked;
  }
}

/** "Case 3 of 5", or the name where it is known, with the place in the list. */
const titleOf = ({ title, position, of }: Opened): string => (/^Case \d+$/.test(title) ? `${title} of ${of}` : `${title} · ${position} of ${of}`);

/** A date as people read it; the day only. */
export function dayOf(text: string): string {
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? text : date.toLocaleDateString(undefined, { day: "numeric", month: "short", year: "numeric" });
}
