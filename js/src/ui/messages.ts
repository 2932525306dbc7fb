/** What the viewer says: errors (stay until closed), hints (go by themselves), connection, progress. */
import type { KeyProblem } from "../commands/keymap";
import type { ProblemJson, WireError } from "../model/protocol";
import type { ToastAction } from "../tools/tool";
import { h, setText } from "./dom";
import { icon } from "./icons";
import type { Progress } from "./source";

const TOAST_MS = 4500;
const MAX_ERRORS = 3;

/** Words for anything that was thrown. */
export function errorOf(error: unknown): WireError {
  const kind = error instanceof Error ? error.name : "Error";
  const message = error instanceof Error ? error.message : String(error);
  return { kind, message, hint: "" };
}

const MAX_PROBLEMS = 6;

function placeOf(file: string | null, line: number | null, up: number | null): string {
  const folder = up ? `${up} folder${up === 1 ? "" : "s"} up` : "";
  return [file, line === null ? "" : `line ${line}`, folder].filter(Boolean).join(", ");
}

/** One message for all that was left out of the configuration; null for nothing. */
export function configError(problems: readonly ProblemJson[], keys: readonly KeyProblem[]): WireError | null {
  const all = [...problems, ...keys.filter(({ note }) => !note).map((one) => ({ ...one, up: null }))];
  if (all.length === 0) return null;
  const lines = all.slice(0, MAX_PROBLEMS).map(({ file, line, up, key, message, hint }) => {
    const place = placeOf(file, line, up);
    return `${place ? `${place}: ` : ""}${key ? `${key}: ` : ""}${message}. ${hint}`.trim();
  });
  if (all.length > MAX_PROBLEMS) lines.push(`and ${all.length - MAX_PROBLEMS} more`);
  const count = all.length === 1 ? "One part" : `${all.length} parts`;
  return { kind: "ConfigError", message: `${count} of the configuration left out`, hint: lines.join("\n") };
}

export class Messages {
  readonly errors = h("div", { class: "nbannot-errors" });
  readonly strip = h("div", { class: "nbannot-strip", role: "status", hidden: true });
  readonly toastBox = h("div", { class: "nbannot-toast", role: "status", hidden: true });
  readonly bar = h("div", { class: "nbannot-progress", hidden: true }, h("div"));
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(signal: AbortSignal) {
    signal.addEventListener("abort", () => this.#stop());
  }

  /** Show an error once; the same one is not repeated. */
  error(error: WireError): void {
    const text = `${error.message}\n${error.hint}`;
    if ([...this.errors.children].some((one) => (one as HTMLElement).dataset["text"] === text)) return;
    const close = h("button", { type: "button", class: "nbannot-button", "aria-label": "Close this message", title: "Close" }, icon("close"));
    const banner = h(
      "div", { class: "nbannot-banner", role: "alert", "data-nbannot-error": error.kind },
      h("div", {}, h("strong", {}, error.message), h("div", {}, error.hint)), close,
    );
    banner.dataset["text"] = text;
    close.addEventListener("click", () => banner.remove());
    this.errors.append(banner);
    if (this.errors.children.length > MAX_ERRORS) this.errors.firstElementChild?.remove();
  }

  toast(text: string, action?: ToastAction): void {
    this.#stop();
    this.toastBox.replaceChildren(h("span", {}, text));
    if (action) {
      const button = h("button", { type: "button" }, action.title);
      button.addEventListener("click", () => {
        this.toastBox.hidden = true;
        action.run();
      });
      this.toastBox.append(button);
    }
    this.toastBox.hidden = false;
    this.#timer = setTimeout(() => (this.toastBox.hidden = true), action ? 2 * TOAST_MS : TOAST_MS);
  }

  connection(status: string, message: string): void {
    this.strip.hidden = message === "";
    this.strip.dataset["nbannotStatus"] = status;
    setText(this.strip, message);
  }

  progress({ have, total }: Progress): void {
    this.bar.hidden = total === 0 || have >= total;
    const inner = this.bar.firstElementChild as HTMLElement;
    inner.style.width = `${total === 0 ? 0 : (100 * have) / total}%`;
  }

  #stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
