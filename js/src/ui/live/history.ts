/** The history beside the pictures: every step, where we are, and the way to any of them. */
import type { LiveMessage, StepRow } from "../../channel/live";
import { h, listen, setAttribute, setText } from "../dom";
import { icon } from "../icons";
import type { LiveHost, LivePart } from "../livehost";

const REFRESH_MS = 250;
const ORIGINS: Readonly<Record<string, string>> = { hand: "by hand", python: "Python", import: "imported" };

type Steps = Extract<LiveMessage, { type: "steps" }>;

/** "14:05:09", with the day where that is not today. */
export function timeText(seconds: number, now = new Date()): string {
  const date = new Date(seconds * 1000);
  const time = date.toLocaleTimeString(undefined, { hour12: false });
  return date.toDateString() === now.toDateString() ? time : `${date.toLocaleDateString()} ${time}`;
}

export const originText = (origin: string): string => ORIGINS[origin] ?? origin.replace(/^model:/, "model ");

/** Open the history. */
export function openHistory(host: LiveHost): LivePart {
  return new History(host);
}

class History implements LivePart {
  readonly element: HTMLElement;
  readonly #list = h("div", { class: "nbannot-live-steps", role: "listbox", "aria-label": "Steps, the newest first" });
  readonly #note = h("p", { class: "nbannot-live-note", hidden: true });
  #steps: Steps | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asked = 0;

  constructor(private readonly host: LiveHost) {
    const { signal, road, scene } = host;
    const close = h("button", { type: "button", class: "nbannot-small", title: "Close", "aria-label": "Close the history" }, icon("close"));
    listen(close, "click", signal, () => host.close());
    this.element = h(
      "section", { class: "nbannot-live", "data-nbannot-live": "history", "aria-label": "History" },
      h("header", {}, h("strong", {}, "History"), close), this.#note, this.#list,
    );
    listen(this.#list, "keydown", signal, (event) => this.#key(event));
    listen(this.#list, "click", signal, (event) => {
      const row = (event.target as Element).closest<HTMLElement>("[data-nbannot-step]");
      if (row) this.#jump(row.dataset["nbannotStep"]!);
    });
    road.on((message) => message.type === "steps" && this.#show(message), signal);
    scene.source.document.on(() => this.#later(), signal);
    this.#ask();
  }

  draw(): void {
    // The document's own events say when there is something new.
  }

  key(): boolean {
    return false;
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #later(): void {
    this.#timer ??= setTimeout(() => this.#ask(), Math.max(0, REFRESH_MS - (performance.now() - this.#asked)));
  }

  #ask(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#asked = performance.now();
    this.host.road.ask({ type: "history" });
  }

  #show(steps: Steps): void {
    const first = this.#steps === null;
    this.#steps = steps;
    const done = steps.rows.filter((row) => row.done).length;
    const start = h("button", this.#row("", done === 0 && steps.earlier === 0, true), h("span", {}, "Start"));
    const rows = steps.rows.map((row, n) => this.#stepRow(row, n === done - 1)).reverse();
    const focus = (this.#list.ownerDocument.activeElement as HTMLElement | null)?.dataset["nbannotStep"];
    const top = this.#list.scrollTop;
    this.#list.replaceChildren(...rows, ...(steps.earlier === 0 ? [start] : []));
    const hidden = steps.earlier + steps.later;
    this.#note.hidden = hidden === 0 && steps.rows.length > 0;
    setText(this.#note, hidden ? `${hidden} more steps are not listed.` : "Nothing has been done yet.");
    this.#list.scrollTop = top;
    if (first) this.#list.querySelector<HTMLElement>('[tabindex="0"]')?.focus({ preventScroll: true });
    if (focus !== undefined) this.#list.querySelector<HTMLElement>(`[data-nbannot-step="${CSS.escape(focus)}"]`)?.focus({ preventScroll: true });
    setAttribute(this.element, "data-nbannot-revision", steps.revision);
  }

  #row(id: string, here: boolean, done: boolean): Record<string, string | boolean | number> {
    return {
      type: "button", class: "nbannot-live-step", role: "option", tabindex: here ? 0 : -1, "data-nbannot-step": id, "aria-selected": String(here),
      "data-done": done, title: here ? "The picture shows this step" : `Go ${done ? "back" : "forward"} to this step`,
    };
  }

  #stepRow(row: StepRow, here: boolean): HTMLElement {
    const tool = row.tool.replace(/^(op|tool):/, "");
    const by = [row.author, originText(row.origin), tool].filter(Boolean).join(" · ");
    return h(
      "button", this.#row(row.id, here, row.done), h("span", {}, row.what), h("time", {}, timeText(row.time)), h("small", {}, by),
    );
  }

  #jump(to: string): void {
    const here = this.#list.querySelector<HTMLElement>('[aria-selected="true"]')?.dataset["nbannotStep"];
    if (!this.#steps || here === to) return;
    this.host.scene.source.document.jump(to);
  }

  #key(event: KeyboardEvent): void {
    const rows = [...this.#list.querySelectorAll<HTMLElement>("[data-nbannot-step]")];
    const at = rows.indexOf(this.#list.ownerDocument.activeElement as HTMLElement);
    const by = { ArrowDown: 1, ArrowUp: -1, Home: -rows.length, End: rows.length }[event.key];
    if (by !== undefined) {
      const start = at >= 0 ? at : rows.findIndex((row) => row.getAttribute("aria-selected") === "true") - by;
      rows[Math.min(rows.length - 1, Math.max(0, start + by))]?.focus();
    } else if ((event.key === "Enter" || event.key === " ") && at >= 0) this.#jump(rows[at]!.dataset["nbannotStep"]!);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
