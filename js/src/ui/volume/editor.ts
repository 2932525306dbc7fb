/** Editor of opacity and colour by value: points over the histogram. */
import { at, type Histogram, type Point } from "../../volume3d/transfer";
import { h, listen, s, setAttribute, setText } from "../dom";

const WIDTH = 300;
const HEIGHT = 84;
const MARGIN = 7;
/** What a finger can press of a point, and what is seen of it. */
const REACH = 12;
const DOT = 5.5;

const POINT = "[data-nbannot-point]";

export interface EditorEvents {
  change(points: readonly Point[]): void;
}

export class Editor {
  readonly element: HTMLElement;
  readonly #svg = s("svg", { class: "nbannot-transfer", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "group", "aria-label": "Opacity by value", "data-nbannot-keys": "points", tabindex: -1 });
  readonly #bars = s("path", { class: "nbannot-transfer-histogram" });
  readonly #line = s("polyline", { class: "nbannot-transfer-line" });
  readonly #handles = s("g");
  readonly #color = h("input", { type: "color", "aria-label": "Colour of the point" });
  readonly #add = h("button", { type: "button", class: "nbannot-small", title: "Add a point in the middle of the widest gap" }, "Add");
  readonly #remove = h("button", { type: "button", class: "nbannot-small", title: "Remove the point (Delete)" }, "Remove");
  readonly #text = h("output", { class: "nbannot-transfer-text" });
  #points: readonly Point[] = [];
  #low = 0;
  #high = 1;
  #selected = 0;
  #drag: number | null = null;
  #histogram: Histogram | null = null;
  #unit = { name: "", factor: 1 };

  constructor(private readonly events: EditorEvents, signal: AbortSignal) {
    this.#svg.append(this.#bars, this.#line, this.#handles);
    this.element = h(
      "div", { class: "nbannot-volume-editor", hidden: true }, this.#svg,
      h("div", { class: "nbannot-volume-row" }, this.#color, this.#add, this.#remove, this.#text),
    );
    listen(this.#svg, "dblclick", signal, (event) => this.#insertAt(event));
    listen(this.#svg, "pointerdown", signal, (event) => this.#press(event));
    listen(this.#svg, "pointermove", signal, (event) => this.#move(event));
    for (const type of ["pointerup", "pointercancel"] as const) listen(this.#svg, type, signal, () => (this.#drag = null));
    listen(this.#svg, "keydown", signal, (event) => this.#key(event));
    listen(this.#svg, "focusin", signal, (event) => this.#focus(event.target as Element));
    listen(this.#color, "input", signal, () => this.#change(this.#selected, { color: this.#color.value }));
    listen(this.#add, "click", signal, () => this.#insertInGap());
    listen(this.#remove, "click", signal, () => this.#delete());
  }

  draw(points: readonly Point[], histogram: Histogram, unit: { readonly name: string; readonly factor: number }): void {
    if (this.#drag === null) {
      const first = points[0]![0];
      const last = points[points.length - 1]![0];
      const rest = Math.max((last - first) * 0.15, 1e-6);
      this.#low = Math.max(Math.min(histogram.min, first), first - 6 * rest);
      this.#high = Math.min(Math.max(histogram.max, last), last + 3 * rest);
    }
    this.#points = points;
    this.#unit = unit;
    this.#selected = Math.min(this.#selected, points.length - 1);
    this.#drawBars(histogram);
    this.#drawPoints();
  }

  #x(value: number): number {
    return MARGIN + ((value - this.#low) / (this.#high - this.#low)) * (WIDTH - 2 * MARGIN);
  }

  #y(opacity: number): number {
    return HEIGHT - MARGIN - opacity * (HEIGHT - 2 * MARGIN);
  }

  #place(event: MouseEvent): readonly [number, number] {
    const box = this.#svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * WIDTH;
    const y = ((event.clientY - box.top) / box.height) * HEIGHT;
    const value = this.#low + ((x - MARGIN) / (WIDTH - 2 * MARGIN)) * (this.#high - this.#low);
    return [value, Math.min(1, Math.max(0, (HEIGHT - MARGIN - y) / (HEIGHT - 2 * MARGIN)))];
  }

  #drawBars(histogram: Histogram): void {
    if (histogram === this.#histogram && this.#drag !== null) return;
    this.#histogram = histogram;
    const { bins, min, max } = histogram;
    const columns = new Float64Array(WIDTH);
    bins.forEach((count, n) => {
      const x = Math.round(this.#x(min + ((max - min) * n) / (bins.length - 1)));
      if (x >= MARGIN && x <= WIDTH - MARGIN) columns[x] = Math.max(columns[x]!, count);
    });
    const top = Math.log1p(columns.reduce((a, b) => Math.max(a, b), 1));
    let d = `M${MARGIN} ${HEIGHT - MARGIN}`;
    columns.forEach((count, x) => {
      if (count > 0) d += `L${x} ${this.#y(Math.log1p(count) / top).toFixed(1)}`;
    });
    setAttribute(this.#bars, "d", `${d}L${WIDTH - MARGIN} ${HEIGHT - MARGIN}Z`);
  }

  #drawPoints(): void {
    const points = this.#points;
    setAttribute(this.#line, "points", points.map(([value, opacity]) => `${this.#x(value).toFixed(1)},${this.#y(opacity).toFixed(1)}`).join(" "));
    while (this.#handles.childElementCount > points.length) this.#handles.lastElementChild!.remove();
    while (this.#handles.childElementCount < points.length) {
      this.#handles.append(s(
        "g", { tabindex: 0, role: "slider", "aria-valuemin": 0, "aria-valuemax": 100 },
        s("circle", { r: REACH, class: "nbannot-transfer-reach" }), s("circle", { r: DOT }),
      ));
    }
    points.forEach(([value, opacity, color], n) => {
      const handle = this.#handles.children[n]!;
      setAttribute(handle, "transform", `translate(${this.#x(value).toFixed(1)} ${this.#y(opacity).toFixed(1)})`);
      setAttribute(handle, "fill", color);
      setAttribute(handle, "data-nbannot-point", n);
      setAttribute(handle, "aria-label", `Point ${n + 1} of ${points.length} at ${this.#number(value)}`);
      setAttribute(handle, "aria-valuenow", Math.round(opacity * 100));
      setAttribute(handle, "aria-valuetext", `${this.#number(value)}, opacity ${Math.round(opacity * 100)} %`);
      setAttribute(handle, "class", n === this.#selected ? "nbannot-selected" : null);
    });
    const [value, opacity, color] = points[this.#selected]!;
    if (document.activeElement !== this.#color) this.#color.value = color;
    this.#remove.disabled = points.length < 3;
    setText(this.#text, `${this.#number(value)}, opacity ${Math.round(opacity * 100)} %`);
  }

  #number(value: number): string {
    const { name, factor } = this.#unit;
    const span = (this.#high - this.#low) * factor;
    const digits = Math.max(0, Math.min(6, 2 - Math.floor(Math.log10(span || 1))));
    return `${(value * factor).toFixed(span >= 50 ? 0 : digits)}${name && ` ${name}`}`;
  }

  #focus(target: Element): void {
    const n = target.getAttribute("data-nbannot-point");
    if (n === null) return;
    this.#selected = Number(n);
    this.#drawPoints();
  }

  #press(event: PointerEvent): void {
    event.stopPropagation();
    if (!(event.target as Element).closest(POINT)) return;
    // Where several are in reach, the nearest.
    const n = this.#nearest(event);
    this.#drag = this.#selected = n;
    this.#svg.setPointerCapture(event.pointerId);
    (this.#handles.children[n] as SVGElement).focus();
    event.preventDefault();
  }

  #nearest(event: MouseEvent): number {
    const [value, opacity] = this.#place(event);
    const far = this.#points.map(([x, y]) => Math.hypot(this.#x(x) - this.#x(value), this.#y(y) - this.#y(opacity)));
    return far.indexOf(Math.min(...far));
  }

  #move(event: PointerEvent): void {
    if (this.#drag === null) return;
    const [value, opacity] = this.#place(event);
    this.#change(this.#drag, { value, opacity });
  }

  #key(event: KeyboardEvent): void {
    const n = Number((event.target as Element).getAttribute("data-nbannot-point") ?? NaN);
    const point = this.#points[n];
    if (!point) return;
    const step = ((this.#high - this.#low) / 100) * (event.shiftKey ? 5 : 1);
    const part = event.shiftKey ? 0.1 : 0.02;
    const moves: Readonly<Record<string, () => void>> = {
      ArrowLeft: () => this.#change(n, { value: point[0] - step }),
      ArrowRight: () => this.#change(n, { value: point[0] + step }),
      ArrowUp: () => this.#change(n, { opacity: point[1] + part }),
      ArrowDown: () => this.#change(n, { opacity: point[1] - part }),
      Delete: () => this.#delete(),
      Backspace: () => this.#delete(),
    };
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    event.stopPropagation();
    move();
  }

  #change(n: number, patch: { readonly value?: number; readonly opacity?: number; readonly color?: string }): void {
    const [value, opacity, color] = this.#points[n]!;
    // A point stays between its neighbours, so that its number does not change below the pointer.
    const low = this.#points[n - 1]?.[0] ?? -Infinity;
    const high = this.#points[n + 1]?.[0] ?? Infinity;
    const moved = Math.min(high, Math.max(low, patch.value ?? value));
    const next: Point = [moved, Math.min(1, Math.max(0, patch.opacity ?? opacity)), patch.color ?? color];
    this.#set(this.#points.map((one, at) => (at === n ? next : one)));
  }

  #set(points: readonly Point[]): void {
    this.#points = points;
    this.#drawPoints();
    this.events.change(points);
  }

  #insert(value: number, opacity: number): void {
    const [r, g, b] = at(this.#points, value);
    const color = `#${[r, g, b].map((x) => Math.round(x).toString(16).padStart(2, "0")).join("")}`;
    const n = this.#points.findIndex(([x]) => x > value);
    const where = n === -1 ? this.#points.length : n;
    this.#selected = where;
    this.#set([...this.#points.slice(0, where), [value, opacity, color], ...this.#points.slice(where)]);
    (this.#handles.children[where] as SVGElement).focus();
  }

  #insertAt(event: MouseEvent): void {
    event.stopPropagation();
    if ((event.target as Element).closest(POINT)) return;
    this.#insert(...this.#place(event));
  }

  #insertInGap(): void {
    let best = 1;
    const gap = (n: number): number => this.#points[n]![0] - this.#points[n - 1]![0];
    for (let n = 2; n < this.#points.length; n++) if (gap(n) > gap(best)) best = n;
    const value = (this.#points[best - 1]![0] + this.#points[best]![0]) / 2;
    this.#insert(value, at(this.#points, value)[3]);
  }

  #delete(): void {
    if (this.#points.length < 3) return;
    const n = this.#selected;
    this.#selected = Math.max(0, n - 1);
    this.#set(this.#points.filter((_, k) => k !== n));
    (this.#handles.children[this.#selected] as SVGElement | undefined)?.focus();
  }
}
