/** Volume, voxels and values of the chosen label below its row; the host works them out. */
import type { SegmentRow } from "../channel/live";
import type { LabelItem } from "../model/protocol";
import { h, setText } from "./dom";
import type { Scene } from "./scene";
import { areaText, spreadText } from "./statistics";

/** So long nothing must have changed before the host is asked again. */
const QUIET_MS = 300;

/** Millilitres, with as many digits as make sense. */
function millilitres(mm3: number): string {
  const ml = mm3 / 1000;
  return `${ml.toFixed(ml >= 100 ? 0 : ml >= 10 ? 1 : ml >= 0.1 ? 2 : ml >= 0.01 ? 3 : 4)} ml`;
}

/** The numbers of one segment as short lines. */
export function segmentText(row: SegmentRow): readonly string[] {
  if (row.count === 0) return ["No voxels"];
  const voxels = `${row.count.toLocaleString("en").replaceAll(",", " ")} ${row.count === 1 ? "voxel" : "voxels"}`;
  const size = row.volume !== null && row.unit === "mm" ? millilitres(row.volume) : row.area !== null ? areaText(row.area, row.unit) : "";
  const lines = [[size, voxels].filter(Boolean).join(" · ")];
  if (row.mean !== null && row.sd !== null) {
    const first = row.frames > 1 ? " (frame 1)" : "";
    lines.push(`Mean ${spreadText(row.mean, row.sd)}${row.value_unit === "" ? "" : ` ${row.value_unit}`}${first}`);
  }
  if (row.note !== "") lines.push(row.note.charAt(0).toUpperCase() + row.note.slice(1));
  return lines;
}

export class SegmentNumbers {
  /** Stands below the row of the chosen label while it is open. */
  readonly element = h("div", { class: "nbannot-numbers", role: "status", "data-nbannot-numbers": true });
  #open = false;
  #label = "";
  /** What the host was asked about: where it changes, it is asked again. */
  #asked = "";
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly scene: Scene, signal: AbortSignal) {
    scene.source.channel.live?.on((message) => {
      if (message.type !== "segment_values" || message.label !== this.#label || !this.#open) return;
      this.#show(message.error ? [message.error.message] : this.#lines(message.rows));
    }, signal);
    signal.addEventListener("abort", () => clearTimeout(this.#timer));
  }

  get isOpen(): boolean {
    return this.#open;
  }

  toggle(): void {
    this.#open = !this.#open;
    this.#asked = "";
    clearTimeout(this.#timer);
  }

  /** Follow the chosen label and the document; true where the numbers are to be seen. */
  draw(label: LabelItem | null): boolean {
    if (!this.#open || !label) return false;
    const key = this.#key(label);
    if (key !== this.#asked) {
      // What is written is of another label, or of voxels that were there before.
      const quiet = this.#asked !== "" && label.id === this.#label;
      this.#asked = key;
      if (!quiet) this.#show(["…"]);
      else this.#wait();
      this.#label = label.id;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#ask(), quiet ? QUIET_MS : 0);
    }
    return true;
  }

  #ask(): void {
    const { live } = this.scene.source.channel;
    live?.ask({ type: "segment_values", label: this.#label, units: this.scene.view.value.units });
  }

  /** Changes with the voxels, the segments and the units of a label. An edit is sent before the question. */
  #key(label: LabelItem): string {
    const { document } = this.scene.source;
    const masks = document.masks.filter(({ item }) => item.segments.some((one) => one.label === label.name));
    const parts = masks.map(({ item, store }) => [item.id, item.segments, store.version]);
    return JSON.stringify([label.id, parts, this.scene.view.value.units]);
  }

  #lines(rows: readonly SegmentRow[]): readonly string[] {
    const { document } = this.scene.source;
    if (rows.length === 0) return ["No voxels"];
    return rows.flatMap((row) => [...(rows.length > 1 ? [document.mask(row.mask)?.item.name ?? ""] : []), ...segmentText(row)]);
  }

  /** Keep what is written, and say that it is not the last word. */
  #wait(): void {
    const last = this.element.lastElementChild;
    if (last && !last.textContent?.endsWith("…")) setText(last, `${last.textContent ?? ""} …`);
  }

  #show(lines: readonly string[]): void {
    while (this.element.children.length > lines.length) this.element.lastElementChild!.remove();
    lines.forEach((line, n) => {
      const node = this.element.children[n] ?? this.element.appendChild(h("div"));
      setText(node, line);
    });
  }
}
