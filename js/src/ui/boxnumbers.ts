/** What is measured of a box: small ones from the slices here, the others by the host. */
import type { BoxValues, LiveMessage } from "../channel/live";
import type { BoxItem } from "../model/items";
import { boxVoxels, measure, type Measures } from "../model/measures";
import type { Pane } from "./pane";
import type { Source } from "./source";
import { measuresText } from "./statistics";
import { unitOf } from "./units";

/** Boxes of more voxels are left to the host: in the browser they would hold up the drawing. A slice of 512 × 512. */
export const MOST_VOXELS = 512 * 512;

type BoxPane = Pick<Pane, "image" | "geometry" | "time" | "view"> & {
  readonly scene: { readonly statistics: { lines(box: BoxItem, pane: BoxPane): readonly string[] } };
};

interface Asked {
  /** Place, frame and unit that were asked for. */
  readonly key: string;
  readonly rid: number;
  answer: Extract<LiveMessage, { type: "box_values" }> | null;
}

export class BoxNumbers {
  readonly #asked = new Map<string, Asked>();
  #listening = false;

  constructor(private readonly source: Pick<Source, "channel" | "document">, private readonly repaint: () => void) {}

  /** The lines beside a box; "…" among them while its values are not known. */
  lines(box: BoxItem, pane: BoxPane): readonly string[] {
    const { image, geometry } = pane;
    const live = this.source.channel?.live;
    const here = image.color || boxVoxels(box, geometry.shape) <= MOST_VOXELS;
    const lines = here ? pane.scene.statistics.lines(box, pane) : null;
    if (lines && (!lines.includes("…") || !live)) return lines;
    const unit = unitOf(image, pane.view.value);
    const sizes = measure(box, { geometry, color: image.color, unit, slices: () => undefined }, false);
    if (!live) return measuresText({ ...sizes, note: "too many voxels to measure here" });
    const frame = Math.min(box.frame ?? pane.time, image.frames - 1);
    const key = JSON.stringify([box.index, image.id, frame, unit]);
    const answer = this.#answer(box, key, frame, pane);
    if (!answer) return lines ?? measuresText({ ...sizes, pending: true });
    return measuresText({ ...sizes, ...(answer.error ? { note: answer.error.message } : told(answer.values)) });
  }

  /** The host's answer; it is asked once, and not about a box that is still being drawn or moved. */
  #answer(box: BoxItem, key: string, frame: number, pane: BoxPane): Asked["answer"] {
    const known = this.#asked.get(box.id);
    if (known?.key === key) return known.answer;
    const { channel: { live }, document } = this.source;
    if (!live || !document.boxes.includes(box)) return null;
    if (!this.#listening) live.on((message) => this.#receive(message));
    this.#listening = true;
    const rid = live.nextRid();
    this.#asked.set(box.id, { key, rid, answer: null });
    live.ask({ type: "box_values", rid, box: box.id, frame, units: pane.view.value.units });
    return null;
  }

  #receive(message: LiveMessage): void {
    // A new connection: what was not answered is asked again.
    if (message.type === "tools") for (const [id, { answer }] of this.#asked) if (!answer) this.#asked.delete(id);
    if (message.type !== "box_values") return;
    const asked = this.#asked.get(message.box);
    if (asked?.rid !== message.rid) return;
    asked.answer = message;
    this.repaint();
  }
}

/** An answer as measures: what is null there is not there. */
function told(values: BoxValues | null): Partial<Measures> {
  return Object.fromEntries(Object.entries(values ?? {}).filter(([, value]) => value !== null));
}
