/** The header of the file of the slice shown: a table to search. What it says stays in the dialog. */
import type { HeaderRow, ImageJson } from "../model/protocol";
import { copyText, type Dialog, type Dialogs } from "./dialog";
import { h, listen, setAttribute, setText } from "./dom";
import { errorOf } from "./messages";
import type { Scene } from "./scene";

const LINE = 22;
const SPARE = 8;
/** While somebody scrolls, not every slice's header is fetched. */
const PAUSE_MS = 120;

export interface Found {
  /** Number of the row. */
  readonly at: number;
  /** False for rows that are shown only because one of their items was found. */
  readonly hit: boolean;
}

const plain = (text: string): string => text.toLowerCase().replace(/[(),]/g, "");

/** Rows in which every word is found, in tag, name or value; each after the sequences that it lies in. */
export function filterRows(rows: readonly HeaderRow[], query: string): Found[] {
  const words = query.trim().split(/\s+/).filter(Boolean);
  if (words.length === 0) return rows.map((_, at) => ({ at, hit: true }));
  const above: number[] = [];
  const out: Found[] = [];
  let last = -1;
  rows.forEach(([depth, tag, name, vr, value], at) => {
    above.length = depth;
    const text = `${tag} ${name} ${vr} ${value}`.toLowerCase();
    const hit = words.every((word) => text.includes(word.toLowerCase()) || plain(tag).includes(plain(word) || "\n"));
    if (hit) {
      for (const parent of above) if (parent !== undefined && parent > last) out.push({ at: parent, hit: false });
      out.push({ at, hit: true });
      last = at;
    }
    above[depth] = at;
  });
  return out;
}

/** Text with the words of a search marked. */
export function marked(text: string, query: string): (Node | string)[] {
  const words = query.trim().split(/\s+/).filter(Boolean).map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  if (words.length === 0) return [text];
  return text.split(new RegExp(`(${words.join("|")})`, "gi")).map((part, n) => (n % 2 ? h("mark", {}, part) : part));
}

/** "slice 3, frame 2": what the header belongs to. */
function placeOf(image: ImageJson | undefined, time: number, k: number): string {
  if (!image) return "";
  const clip = image.frames < 2 && image.frame_times !== null;
  const slice = image.shape[0] > 1 ? `${clip ? "frame" : "slice"} ${k + 1}` : "";
  return [slice, image.frames > 1 ? `frame ${time + 1}` : ""].filter(Boolean).join(", ");
}

export class HeaderBrowser {
  #dialog: Dialog | null = null;
  #fetch: AbortController | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #shown = "";
  #rows: readonly HeaderRow[] = [];
  #found: readonly Found[] = [];
  /** Number, among the rows found, of the chosen one. */
  #chosen = -1;
  #first = -1;
  /** Why this viewer shows no headers. */
  refused = "";
  readonly #search = h("input", { type: "search", placeholder: "Tag, name or value", "aria-label": "Search the header", "data-nbannot-first": true });
  readonly #note = h("p", { role: "status", "data-nbannot-header-note": true });
  readonly #list = h("div", { class: "nbannot-rows", role: "grid", tabindex: 0, "aria-label": "Header" });
  readonly #space = h("div");
  readonly #detail = h("div", { class: "nbannot-dialog-detail" });

  constructor(private readonly scene: Scene, private readonly dialogs: Dialogs, signal: AbortSignal) {
    this.#list.append(this.#space);
    listen(this.#search, "input", signal, () => this.#filter());
    listen(this.#list, "scroll", signal, () => this.#drawRows());
    listen(this.#list, "keydown", signal, (event) => this.#key(event));
    listen(this.#list, "click", signal, (event) => {
      const line = (event.target as Element).closest<HTMLElement>("[data-at]");
      if (line) this.#choose(Number(line.dataset["at"]));
    });
    signal.addEventListener("abort", () => this.#clear());
  }

  toggle(): void {
    if (this.dialogs.name === "header") return void this.dialogs.close();
    this.#search.value = "";
    this.#dialog = this.dialogs.build("header", "Header", [this.#search, this.#note, this.#list, this.#detail]);
    this.#dialog.signal.addEventListener("abort", () => this.#clear());
    this.#filter();
    this.draw();
  }

  /** Nothing of the header is kept when it is not shown. */
  #clear(): void {
    clearTimeout(this.#timer);
    this.#fetch?.abort();
    this.#dialog = null;
    this.#shown = "";
    this.#rows = [];
    this.#found = [];
    this.#space.replaceChildren();
    this.#detail.replaceChildren();
    setText(this.#note, "");
  }

  /** Follow the slice of the active pane. */
  draw(): void {
    if (!this.#dialog || !this.scene.ready) return;
    const { image, time, frame } = this.scene.pane;
    const k = frame.axis === 0 ? frame.slice : Math.round(this.scene.pane.geometry.toIndex(this.scene.pane.cursor)[0]);
    const at = Math.min(image.shape[0] - 1, Math.max(0, k));
    const key = `${image.id}/${time}/${at}`;
    if (key === this.#shown) return;
    const first = this.#shown === "";
    this.#shown = key;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#load(image.id, time, at), first ? 0 : PAUSE_MS);
  }

  async #load(image: string, time: number, k: number): Promise<void> {
    const { channel } = this.scene.source;
    this.#fetch?.abort();
    const abort = (this.#fetch = new AbortController());
    try {
      if (!channel.header) throw new Error("Headers cannot be had here.");
      const rows = await channel.header(image, time, k, abort.signal);
      if (abort.signal.aborted) return;
      this.#rows = rows;
    } catch (error) {
      if (abort.signal.aborted) return;
      this.#rows = [];
      const detail = (error as { detail?: { kind?: string } }).detail;
      if (detail?.kind?.startsWith("HeaderRefused")) this.refused = errorOf(error).message;
      this.#filter(errorOf(error).message);
      return;
    }
    this.#filter(undefined, placeOf(this.scene.imageById(image), time, k));
  }

  #place = "";

  #filter(problem?: string, place = this.#place): void {
    this.#place = place;
    this.#found = filterRows(this.#rows, this.#search.value);
    const hits = this.#found.filter(({ hit }) => hit).length;
    const words = problem ?? (this.#rows.length === 0 ? "Reading the header …"
      : [`${hits} of ${this.#rows.length} elements`, place, "it may name the patient"].filter(Boolean).join(" · "));
    setText(this.#note, words);
    setAttribute(this.#note, "data-nbannot-failed", problem !== undefined);
    this.#list.hidden = problem !== undefined;
    this.#space.style.height = `${this.#found.length * LINE}px`;
    setAttribute(this.#list, "aria-rowcount", this.#found.length);
    this.#chosen = Math.min(this.#chosen, this.#found.length - 1);
    if (this.#search.value.trim() !== "" && this.#found.length > 0 && !this.#found[this.#chosen]?.hit) {
      this.#chosen = this.#found.findIndex(({ hit }) => hit);
    }
    this.#first = -1;
    this.#drawRows();
    this.#drawDetail();
  }

  /** Only the rows in view are in the page: headers of enhanced files have thousands. */
  #drawRows(): void {
    const first = Math.max(0, Math.floor(this.#list.scrollTop / LINE) - SPARE);
    // The first row decides which lines are shaded.
    const from = first - (first % 2);
    if (from === this.#first) return;
    this.#first = from;
    const count = Math.ceil((this.#list.clientHeight || 600) / LINE) + 2 * SPARE + 2;
    const query = this.#search.value;
    this.#space.replaceChildren(...this.#found.slice(from, from + count).map(({ at, hit }, n) => this.#line(from + n, this.#rows[at]!, hit, query)));
  }

  #line(at: number, [depth, tag, name, vr, value]: HeaderRow, hit: boolean, query: string): HTMLElement {
    const cell = (text: string): HTMLElement => h("span", { role: "gridcell" }, ...(hit ? marked(text, query) : [text]));
    const title = cell(name);
    title.style.paddingLeft = `${8 * depth}px`;
    const line = h(
      "div",
      { class: "nbannot-rows-line", role: "row", "data-at": at, "data-around": !hit, "data-nbannot-tag": tag, "aria-rowindex": at + 1, "aria-selected": String(at === this.#chosen) },
      cell(tag), title, cell(vr), cell(value),
    );
    line.style.top = `${at * LINE}px`;
    return line;
  }

  #choose(at: number): void {
    if (this.#found.length === 0) return;
    this.#chosen = Math.min(this.#found.length - 1, Math.max(0, at));
    const top = this.#chosen * LINE;
    const { scrollTop, clientHeight } = this.#list;
    if (top < scrollTop) this.#list.scrollTop = top;
    else if (top + LINE > scrollTop + clientHeight) this.#list.scrollTop = top + LINE - clientHeight;
    this.#first = -1;
    this.#drawRows();
    this.#drawDetail();
  }

  #key(event: KeyboardEvent): void {
    const page = Math.max(1, Math.floor(this.#list.clientHeight / LINE) - 1);
    const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -1e9, End: 1e9 };
    const step = steps[event.key];
    if (event.key === "Enter") void this.#copy();
    else if (step !== undefined) this.#choose(this.#chosen + step);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  get #row(): HeaderRow | undefined {
    const found = this.#found[this.#chosen];
    return found && this.#rows[found.at];
  }

  #drawDetail(): void {
    const row = this.#row;
    if (!row) return this.#detail.replaceChildren();
    const copy = h("button", { type: "button", title: "Copy this element (Enter)", "data-nbannot-copy": true }, "Copy");
    copy.addEventListener("click", () => void this.#copy());
    this.#detail.replaceChildren(h("span", {}, `${row[1]} ${row[2]}: ${row[4]}`), copy);
  }

  async #copy(): Promise<void> {
    const row = this.#row;
    if (!row) return;
    const done = await copyText(row.slice(1).join("\t"));
    this.scene.toast(done ? "The element is on the clipboard." : "The browser does not let this page use the clipboard.");
  }
}
