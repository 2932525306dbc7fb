/** What is known of an image, without names; the memory of the page and what draws. */
import type { InfoRow } from "../model/protocol";
import type { Dialogs } from "./dialog";
import { h, setText } from "./dom";
import { errorOf } from "./messages";
import type { Scene } from "./scene";

const megabytes = (bytes: number): string => {
  const mb = bytes / 2 ** 20;
  return mb >= 1024 ? `${(mb / 1024).toFixed(1)} GB` : `${mb.toFixed(mb < 10 ? 1 : 0)} MB`;
};

export class ImageInfo {
  #abort: AbortController | null = null;
  #shown = "";
  #rows: readonly InfoRow[] = [];
  #note = "";
  readonly #facts = h("div", { class: "nbannot-dialog-facts", tabindex: 0, role: "group", "aria-label": "Facts" });

  constructor(
    private readonly scene: Scene,
    private readonly dialogs: Dialogs,
    /** Says what draws the pictures, and why. */
    private readonly renderer: () => string,
  ) {}

  toggle(): void {
    if (this.dialogs.name === "info") return void this.dialogs.close();
    const { signal } = this.dialogs.build("info", "About the image", [this.#facts], "nbannot-dialog-small");
    this.#abort = new AbortController();
    signal.addEventListener("abort", () => this.#clear());
    this.draw();
  }

  #clear(): void {
    this.#abort?.abort();
    this.#abort = null;
    this.#shown = "";
    this.#rows = [];
  }

  /** Follow the image of the active pane. */
  draw(): void {
    if (!this.#abort || !this.scene.ready) return;
    const { id } = this.scene.pane.image;
    if (id !== this.#shown) {
      this.#shown = id;
      this.#rows = [];
      void this.#load(id, this.#abort.signal);
    }
    this.#drawRows();
  }

  async #load(id: string, signal: AbortSignal): Promise<void> {
    this.#note = "";
    try {
      const rows = (await this.scene.source.channel.info?.(id, signal)) ?? [];
      if (signal.aborted || id !== this.#shown) return;
      this.#rows = rows;
    } catch (error) {
      if (signal.aborted) return;
      this.#note = errorOf(error).message;
    }
    this.#drawRows();
  }

  #drawRows(): void {
    const memory = this.scene.source.volumes.memory?.();
    const rows: InfoRow[] = [
      ["Shown as", this.scene.pane.image.name], ...this.#rows,
      ...(this.#note ? [["", this.#note] as const] : []),
      ...(memory ? [["Memory of the page", `${megabytes(memory.used)} of ${megabytes(memory.budget)}`] as const] : []),
      ["Drawn by", this.renderer()],
    ];
    while (this.#facts.children.length > 2 * rows.length) this.#facts.lastElementChild!.remove();
    while (this.#facts.children.length < 2 * rows.length) this.#facts.append(h("div"));
    rows.forEach(([what, value], n) => {
      setText(this.#facts.children[2 * n]!, what);
      setText(this.#facts.children[2 * n + 1]!, value);
    });
  }
}
