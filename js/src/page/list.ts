/** My cases: what is to be read, how far I am. */
import { h } from "../ui/dom";
import { dayOf, kindText, statusText } from "./bar";
import { isDone, type TaskJson } from "./messages";

export class TaskList {
  readonly element = h("main", { class: "page-list", "data-nbannot-list": true, tabindex: -1 });

  /** `others`: leads to the other projects; null where there are none. */
  constructor(private readonly open: (task: string) => void, private readonly others: (() => void) | null) {
    this.element.addEventListener("keydown", (event) => this.#step(event));
  }

  draw(tasks: readonly TaskJson[], project: string): void {
    const done = tasks.filter(({ status }) => isDone(status)).length;
    const meter = h("progress", { max: Math.max(tasks.length, 1), value: done, "aria-label": "Cases done" });
    const rows = tasks.map((one) => this.#row(one));
    const focused = (document.activeElement as HTMLElement | null)?.dataset["nbannotTask"];
    this.element.replaceChildren(
      h("h1", {}, "My cases"),
      h("p", { class: "page-progress" }, meter, `${done} of ${tasks.length} done`, this.#project(project)),
      tasks.length
        ? h("ul", { "aria-label": "Cases" }, ...rows)
        : h("p", { "data-nbannot-page": "none" }, "There is no case for you to read. When the study team gives you some, they are listed here."),
    );
    // News of a case must not take the keyboard away from the one that is about to be opened.
    if (focused !== undefined) this.element.querySelector<HTMLElement>(`[data-nbannot-task="${CSS.escape(focused)}"]`)?.focus();
  }

  #project(name: string): HTMLElement {
    const said = h("span", { class: "page-project" }, name);
    if (this.others) {
      const change = h("button", { type: "button", class: "page-button", "data-nbannot-page": "projects" }, "Other projects");
      change.addEventListener("click", this.others);
      said.append(" ", change);
    }
    return said;
  }

  /** Put the focus on the first case that is not done. */
  focus(): void {
    const first = this.element.querySelector<HTMLElement>("[data-done=false] button") ?? this.element.querySelector<HTMLElement>("[data-nbannot-task]");
    (first ?? this.element).focus();
  }

  #row({ task, title, kind, status, due, flagged, reason, readable }: TaskJson): HTMLElement {
    const late = due !== null && !isDone(status) && new Date(due).getTime() < Date.now();
    const notes = [
      kindText(kind), flagged ? "marked" : "",
      due && !isDone(status) ? `${late ? "was due" : "due"} ${dayOf(due)}` : "",
    ].filter(Boolean);
    const button = h(
      "button", { type: "button", "data-nbannot-task": task },
      h("strong", {}, title), h("span", { class: "page-status", "data-status": status }, statusText(status)),
      h("span", { class: late ? "page-due page-late" : "page-due" }, notes.join(" · ")),
      ...(status === "returned" && reason ? [h("span", { class: "page-reason" }, reason)] : []),
    );
    button.disabled = !readable;
    if (readable && isDone(status)) button.title = "Look at it again; it cannot be changed";
    button.addEventListener("click", () => this.open(task));
    return h("li", { "data-done": String(isDone(status)) }, button);
  }

  #step(event: KeyboardEvent): void {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const all = [...this.element.querySelectorAll<HTMLElement>("[data-nbannot-task]:enabled")];
    const to = event.key === "Home" ? 0 : event.key === "End" ? all.length - 1
      : by === undefined ? null : all.indexOf(document.activeElement as HTMLElement) + by;
    if (to === null) return;
    event.preventDefault();
    all[Math.min(Math.max(to, 0), all.length - 1)]?.focus();
  }
}
