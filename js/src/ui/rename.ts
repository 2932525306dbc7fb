/** A name that is typed in its place in a list. */
import { h } from "./dom";

/** Let a field stand for `name` until Enter, Escape or another press; `done` gets the text, or null where it was given up. */
export function typeName(name: Element, value: string, title: string, done: (text: string | null) => void): void {
  const input = h("input", { class: "nbannot-name", value, "aria-label": title, maxlength: 200 });
  let open = true;
  const finish = (keep: boolean): void => {
    if (!open) return;
    open = false;
    done(keep ? input.value.trim() : null);
  };
  input.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Enter" || event.key === "Escape") finish(event.key === "Enter");
  });
  input.addEventListener("blur", () => finish(true));
  name.replaceWith(input);
  input.focus();
  input.select();
}
