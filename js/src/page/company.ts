/** Who else is in the case, where one looks oneself, and following somebody. */
import { h, setAttribute } from "../ui/dom";
import type { OpenCase } from "./case";
import type { PersonJson, Whereabouts } from "./messages";

/** Who is not heard of for longer is not there any more, for the service. */
const STILL_HERE_MS = 20_000;
const REST_MS = 150;
const SHOWN = 3;

export class Company {
  readonly element = h("span", { class: "page-people", "data-nbannot-page": "people", hidden: true });
  #one: OpenCase | null = null;
  #people: readonly PersonJson[] = [];
  #following: number | null = null;
  #applying = false;
  /** Where the followed one was shown. */
  #shown = "";
  #told = "";
  #toldAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #drawn = "";

  /** Be in a case, or in none. */
  enter(one: OpenCase | null): void {
    if (one === this.#one) return;
    this.#one = one;
    this.#people = [];
    this.#following = null;
    this.#told = "";
    // The images may not be known yet: then the next tick tells.
    this.#toldAt = 0;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (one) {
      one.wire.onPage((message) => message.type === "presence" && this.#one === one && this.#came(message.people));
      one.wire.onState(() => this.#one === one && this.#tell());
      one.onView(() => this.#one === one && this.#moved());
      this.#tell();
    }
    this.#draw();
  }

  get following(): boolean {
    return this.#following !== null;
  }

  /** Follow the next one who is here, then nobody. */
  follow(): void {
    const at = this.#people.findIndex(({ id }) => id === this.#following);
    this.#follow(this.#people[at + 1]?.id ?? null);
  }

  stop(): void {
    this.#follow(null);
  }

  /** Called now and then: say that one is still here. */
  tick(): void {
    if (this.#one && !document.hidden && Date.now() - this.#toldAt >= STILL_HERE_MS) this.#tell();
  }

  #follow(id: number | null): void {
    this.#following = id;
    this.#shown = "";
    this.#draw();
    this.#go();
  }

  #came(people: readonly PersonJson[]): void {
    const more = people.length > this.#people.length;
    this.#people = people;
    if (!people.some(({ id }) => id === this.#following)) this.#following = null;
    // Who just came does not know yet where one is; while one is alone, nobody is told of each step.
    if (more) this.#tell();
    this.#draw();
    this.#go();
  }

  /** Look where the followed one does. */
  #go(): void {
    const place = this.#people.find(({ id }) => id === this.#following)?.place;
    const one = this.#one;
    if (!place || !one) return;
    if (JSON.stringify(one.where()) !== JSON.stringify(place)) {
      this.#applying = true;
      one.goTo(place);
      this.#applying = false;
    }
    this.#shown = JSON.stringify(one.where());
    this.#moved();
  }

  #moved(): void {
    if (this.#applying) return;
    const here = JSON.stringify(this.#one?.where() ?? null);
    if (this.#following !== null && this.#shown !== "" && here !== this.#shown) this.stop();
    if (this.#people.length > 0 && here !== this.#told) this.#timer ??= setTimeout(() => this.#tell(), REST_MS);
  }

  #tell(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const place: Whereabouts | null = this.#one?.where() ?? null;
    if (!this.#one || !place) return;
    if (this.#one.wire.state !== "open") return void (this.#toldAt = 0);
    this.#told = JSON.stringify(place);
    this.#toldAt = Date.now();
    this.#one.wire.tell({ type: "be", place });
  }

  #draw(): void {
    const now = JSON.stringify([this.#people.map(({ id, person }) => [id, person]), this.#following]);
    if (now === this.#drawn) return;
    this.#drawn = now;
    this.element.hidden = this.#people.length === 0;
    const some = this.#people.slice(0, SHOWN).map((one) => this.#button(one));
    const left = this.#people.length - some.length;
    this.element.replaceChildren(h("span", { class: "page-dim" }, "Here:"), ...some, ...(left > 0 ? [h("span", { class: "page-dim" }, `+${left}`)] : []));
    setAttribute(this.element, "aria-label", `Also in this case: ${this.#people.map(({ person }) => person).join(", ")}`);
  }

  #button({ id, person }: PersonJson): HTMLElement {
    const on = id === this.#following;
    const title = on ? "Go on by yourself (Esc, or scroll)" : `Follow ${person}: see the place that they look at (Alt+W)`;
    const button = h("button", { type: "button", class: "page-person", title, "aria-pressed": String(on), "data-nbannot-person": person });
    button.append(h("span", { class: "page-dot" }), on ? `Following ${person}` : person);
    button.addEventListener("click", () => this.#follow(on ? null : id));
    return button;
  }
}
