/** The readings that an adjudication decides between, side by side with one's own result. */
import { h } from "../ui/dom";
import type { OpenCase } from "./case";

/** Opens one of the readings in an element, to be looked at. */
export type OpenReading = (reading: number, stage: HTMLElement) => Promise<OpenCase>;

export class Readings {
  readonly element = h("section", { class: "page-readings", "data-nbannot-readings": true, "aria-label": "Readings" });
  readonly #cases = new Map<number, OpenCase>();
  #closed = false;
  #applying = false;

  constructor(
    private readonly own: OpenCase,
    count: number,
    open: OpenReading,
    private readonly choose: (reading: number, mark: string) => void,
  ) {
    this.element.style.setProperty("--page-readings", String(count));
    for (let n = 1; n <= count; n++) this.#add(n, open);
    own.openPanel();
    own.onView(() => this.#follow(own));
  }

  /** Put the focus on the next reading: Enter takes it. */
  focus(): void {
    const all = [...this.element.querySelectorAll<HTMLButtonElement>("[data-nbannot-choose]:enabled")];
    all[(all.indexOf(document.activeElement as HTMLButtonElement) + 1) % all.length]?.focus();
  }

  #take(reading: number): void {
    const mark = this.#cases.get(reading)?.about.mark;
    if (mark) this.choose(reading, mark);
  }

  close(): void {
    this.#closed = true;
    for (const one of this.#cases.values()) one.close();
    this.element.remove();
  }

  #add(n: number, open: OpenReading): void {
    const dot = h("span", { class: "page-dot" });
    const use = h("button", {
      type: "button", class: "page-button", disabled: true, title: "Make this reading the result, to be changed or submitted (Alt+G leads here)", "data-nbannot-choose": n,
    }, "Use this");
    const answers = h("dl", { class: "page-answers" });
    const stage = h("div", { class: "page-reading-stage" });
    const title = `Reader ${n}`;
    use.addEventListener("click", () => this.#take(n));
    this.element.append(h(
      "section", { class: "page-reading", "aria-label": title, "data-nbannot-reading": n },
      h("header", {}, dot, h("strong", {}, title), use), answers, stage,
    ));
    open(n, stage).then((one) => {
      if (this.#closed) return one.close();
      this.#cases.set(n, one);
      dot.style.background = one.about.color ?? "";
      answers.append(...(one.about.answers ?? []).flatMap(([question, answer]) => [h("dt", {}, question), h("dd", {}, answer)]));
      use.disabled = this.own.about.read_only !== "";
      one.show(true);
      one.onView(() => this.#follow(one));
      this.#follow(this.own);
    }, (error: unknown) => stage.append(h("p", { class: "page-wrong", role: "alert" }, error instanceof Error ? error.message : String(error))));
  }

  /** All show the place and the grey values of the one that was moved. */
  #follow(moved: OpenCase): void {
    const where = moved.where();
    if (this.#applying || !where) return;
    this.#applying = true;
    const at = JSON.stringify([where, moved.windows]);
    for (const one of [this.own, ...this.#cases.values()]) {
      if (one === moved || JSON.stringify([one.where(), one.windows]) === at) continue;
      one.goTo(where);
      one.windows = moved.windows;
    }
    this.#applying = false;
  }
}
