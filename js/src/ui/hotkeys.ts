/** Keys of a form while one of its choices has the focus: a digit chooses, Enter goes on to the next question. */

const CHOICES = "input[type=radio], input[type=checkbox]";

/** Take a key for the question that has the focus; false where it is for somebody else. */
export function answerByKey(event: KeyboardEvent, root: HTMLElement): boolean {
  const from = event.composedPath()[0] ?? event.target;
  if (!(from instanceof HTMLElement) || !root.contains(from) || event.ctrlKey || event.altKey || event.metaKey) return false;
  const form = from.closest<HTMLElement>(".nbannot-form");
  const field = from.closest<HTMLElement>(".nbannot-field");
  if (!form || !field || !from.matches(CHOICES)) return false;
  if (event.key === "Enter") {
    const next = nextField(form, field);
    if (!next) return false;
    next.focus();
  } else {
    const chosen = /^[1-9]$/.test(event.key) ? field.querySelectorAll<HTMLInputElement>(CHOICES)[Number(event.key) - 1] : undefined;
    if (!chosen || chosen.disabled) return false;
    chosen.focus();
    chosen.click();
  }
  event.preventDefault();
  return true;
}

/** Where the focus goes in the next question that is asked, in this form or the one after it. */
function nextField(form: HTMLElement, field: HTMLElement): HTMLElement | null {
  const all = [...(form.closest(".nbannot-answering") ?? form).querySelectorAll<HTMLElement>(".nbannot-field")].filter((one) => !one.hidden);
  const next = all[all.indexOf(field) + 1];
  return next?.querySelector<HTMLElement>("input:checked, input, select") ?? null;
}
