/** A field over the picture in which a text is typed where it belongs. */
import type { Typing } from "../tools/tool";
import { h } from "./dom";
import { toPx, type Screen } from "./screen";

export class TypeIn {
  readonly element = h("input", {
    class: "nbannot-typein", type: "text", maxlength: 200, "aria-label": "Text", hidden: true, "data-nbannot-typein": true,
  });
  #typing: Typing | null = null;

  constructor() {
    const { element } = this;
    element.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== "Escape") return;
      event.preventDefault();
      event.stopPropagation();
      this.#end(event.key === "Enter");
    });
    element.addEventListener("blur", () => this.#end(true));
    for (const type of ["pointerdown", "dblclick", "wheel"] as const) {
      element.addEventListener(type, (event) => event.stopPropagation());
    }
  }

  /** Show the field for what is asked in this pane. */
  draw(typing: Typing | null, screen: Screen): void {
    const { element } = this;
    if (typing) {
      const [x, y] = toPx(screen, screen.frame.toPlane(typing.at));
      element.style.left = `${Math.min(Math.max(0, x), Math.max(0, screen.width - 130))}px`;
      element.style.top = `${Math.min(Math.max(0, y - 22), Math.max(0, screen.height - 28))}px`;
    }
    if (typing === this.#typing) return;
    this.#typing = typing;
    element.hidden = typing === null;
    if (!typing) return;
    element.value = typing.text;
    element.focus({ preventScroll: true });
    element.select();
  }

  #end(keep: boolean): void {
    const typing = this.#typing;
    this.#typing = null;
    this.element.hidden = true;
    if (!typing) return;
    this.element.closest<HTMLElement>("[data-nbannot-root]")?.focus({ preventScroll: true });
    typing.done(keep ? this.element.value : null);
  }
}
