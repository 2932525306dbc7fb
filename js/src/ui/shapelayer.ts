/** Shapes over a picture. A picture that is only moved takes its shapes along: their paths are kept. */
import type { ShapeItem } from "../model/protocol";
import type { Pair } from "../tools/frame";
import { FORMS } from "../tools/shapes/kinds";
import { shownShapes, type Seated } from "../tools/shapes/hit";
import { isLoose, type Seat } from "../tools/shapes/seat";
import { BESIDE, caption, LEADING, LETTER } from "./captions";
import { h, s, setAttribute, setText } from "./dom";
import type { Screen } from "./screen";
import type { Pane } from "./pane";

/** With more shapes in view only the selected ones are named. */
const MOST_NAMED = 80;
/** What lies outside the view by more than this part of its size is not drawn. */
const MARGIN = 0.5;
const DOT = 3;

/** The lines of a shape in px at one zoom, and the box around them. */
interface Outline {
  readonly mmPerPx: number;
  readonly main: string;
  readonly aside: string;
  readonly box: readonly [number, number, number, number];
}

interface Row extends Seated {
  readonly outline: Outline;
  readonly color: string;
  /** It is not there yet: an operation would draw it. */
  readonly coming: boolean;
}

const DASHES = [7, 4];

const short = (x: number): number => Math.round(x * 10) / 10;

function path(points: readonly Pair[], closed: boolean, mmPerPx: number): string {
  let d = "";
  for (const [x, y] of points) d += `${d === "" ? "M" : "L"}${short(x / mmPerPx)} ${short(y / mmPerPx)}`;
  return closed ? `${d}Z` : d;
}

const dot = ([x, y]: Pair, mmPerPx: number): string =>
  `M${short(x / mmPerPx) - DOT} ${short(y / mmPerPx)}a${DOT} ${DOT} 0 1 0 ${2 * DOT} 0a${DOT} ${DOT} 0 1 0 ${-2 * DOT} 0`;

/** Points and lines of a loose shape that are near the plane. */
function nearPart({ edges }: ShapeItem, { points, near }: Seat): { points: Pair[]; edges: [number, number][] } {
  const place = new Map(near.map((n, m) => [n, m]));
  return {
    points: near.map((n) => points[n]!),
    edges: edges.flatMap(([a, b]): [number, number][] => {
      const ends = [place.get(a), place.get(b)];
      return ends[0] === undefined || ends[1] === undefined ? [] : [[ends[0], ends[1]]];
    }),
  };
}

function trace(item: ShapeItem, seat: Seat, mmPerPx: number): Outline {
  const all: Pair[] = [];
  let [main, aside] = ["", ""];
  if (seat.inside) {
    const part = isLoose(item.kind) ? nearPart(item, seat) : { points: seat.points, edges: item.edges };
    for (const line of FORMS[item.kind].lines(part.points, mmPerPx, part.edges)) {
      const d = path(line.points, line.closed, mmPerPx);
      if (line.aside) aside += d;
      else main += d;
      for (const p of line.points) all.push(p);
    }
    for (const p of part.points) all.push(p);
  } else {
    for (const cut of seat.cuts) aside += path(cut, false, mmPerPx);
    for (const p of seat.dots) main += dot(p, mmPerPx);
    for (const n of seat.near) main += dot(seat.points[n]!, mmPerPx);
    all.push(...seat.cuts.flat(), ...seat.dots, ...seat.near.map((n) => seat.points[n]!));
  }
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [x, y] of all) {
    left = Math.min(left, x / mmPerPx);
    right = Math.max(right, x / mmPerPx);
    top = Math.min(top, y / mmPerPx);
    bottom = Math.max(bottom, y / mmPerPx);
  }
  return { mmPerPx, main, aside, box: [left, top, right, bottom] };
}

/** Shapes that are drawn together, the dark lines below all others. */
class Group {
  readonly element = s("g");
  // One for each: a single long path takes seconds to paint.
  readonly #shadows = s("g");
  readonly #paths = s("g");
  readonly #texts = s("g");
  readonly #kept = new Map<string, SVGPathElement[]>();

  constructor() {
    this.element.append(this.#shadows, this.#paths, this.#texts);
  }

  draw(rows: readonly Row[], texts: readonly SVGElement[], selected: boolean): void {
    const ids = new Set(rows.map(({ item }) => item.id));
    for (const [id, paths] of this.#kept) {
      if (ids.has(id)) continue;
      for (const one of paths) one.remove();
      this.#kept.delete(id);
    }
    for (const row of rows) this.#drawRow(row, selected);
    this.#texts.replaceChildren(...texts);
  }

  #drawRow({ item, outline, color, seat, coming }: Row, selected: boolean): void {
    let paths = this.#kept.get(item.id);
    if (!paths) {
      const shadow = s("path", { class: "nbannot-shape-shadow" });
      const main = s("path", { [coming ? "data-nbannot-coming" : "data-nbannot-shape"]: item.id, "data-nbannot-kind": item.kind });
      paths = [main, shadow];
      this.#kept.set(item.id, paths);
      this.#shadows.append(shadow);
      this.#paths.append(main);
    }
    if (outline.aside !== "" && paths.length < 3) {
      const aside = s("path", { "data-nbannot-aside": item.id });
      paths.push(aside);
      this.#paths.append(aside);
    }
    const faint = (seat.inside ? "" : " nbannot-shape-faint") + (coming ? " nbannot-shape-coming" : "");
    paths.forEach((one, n) => {
      setAttribute(one, "d", n === 2 ? outline.aside : outline.main);
      if (n === 1) return;
      setAttribute(one, "class", `nbannot-shape${selected ? " nbannot-shape-selected" : ""}${faint}${n === 2 ? " nbannot-shape-aside" : ""}`);
      setAttribute(one, "stroke", color);
    });
  }
}

/**
 * Many shapes on a canvas larger than the view: it is painted once for a zoom and then only moved.
 *
 * Chromium without a GPU takes seconds to paint as many SVG paths.
 */
class Sheet {
  readonly element = h("canvas", { class: "nbannot-shape-sheet", "aria-hidden": "true", "data-nbannot-sheet": true });
  #at: Pair = [0, 0];

  /** Paint the rows; `part` is the part of the plane, px at this zoom. */
  paint(rows: readonly Row[], [left, top, right, bottom]: readonly [number, number, number, number]): void {
    const { element } = this;
    const ratio = globalThis.devicePixelRatio || 1;
    this.#at = [left, top];
    element.width = Math.ceil((right - left) * ratio);
    element.height = Math.ceil((bottom - top) * ratio);
    element.style.width = `${element.width / ratio}px`;
    element.style.height = `${element.height / ratio}px`;
    const context = element.getContext("2d", { willReadFrequently: true });
    if (!context) return;
    context.setTransform(ratio, 0, 0, ratio, -left * ratio, -top * ratio);
    context.lineJoin = context.lineCap = "round";
    const lines = rows.map(({ outline, ...row }) => ({ main: new Path2D(outline.main), aside: new Path2D(outline.aside), ...row }));
    context.strokeStyle = "rgb(0 0 0 / 50%)";
    context.lineWidth = 3.5;
    for (const { main } of lines) context.stroke(main);
    for (const { main, aside, color, seat, coming } of lines) {
      context.setLineDash(coming ? DASHES : []);
      context.globalAlpha = seat.inside ? 1 : 0.65;
      context.strokeStyle = color;
      context.lineWidth = 1.5;
      context.stroke(main);
      context.lineWidth = 1;
      context.stroke(aside);
    }
  }

  /** Show it below the lines of a view whose top left corner is at a place of the plane, px. */
  move([x, y]: Pair, lines: SVGSVGElement | null): void {
    if (!this.element.isConnected) lines?.before(this.element);
    this.element.style.transform = `translate(${short(this.#at[0] - x)}px, ${short(this.#at[1] - y)}px)`;
  }

  clear(): void {
    this.element.remove();
    this.element.width = this.element.height = 0;
  }
}

export class ShapeLayer {
  readonly #sheet = new Sheet();
  readonly element = s("g", { class: "nbannot-shapes" });
  readonly #rest = new Group();
  readonly #live = new Group();
  readonly #handles = s("g", { class: "nbannot-shape-handles" });
  #outlines = new WeakMap<Seat, Outline>();
  #restKey: readonly unknown[] = [];
  /** The part of the plane (px at this zoom) that was drawn. */
  #drawn: readonly [number, number, number, number] = [0, 0, 0, 0];

  constructor() {
    this.element.append(this.#rest.element, this.#live.element, this.#handles);
  }

  draw(pane: Pane, screen: Screen): void {
    const { mmPerPx, pan, width, height } = screen;
    const [x, y] = [pan[0] / mmPerPx, pan[1] / mmPerPx];
    setAttribute(this.element, "transform", `translate(${short(width / 2 - x)} ${short(height / 2 - y)})`);
    const colors = new Map(pane.labels.map((one) => [one.name, one.color]));
    const shown = shownShapes(pane, screen.frame);
    const chosen = new Set([...pane.selection, ...(pane.sketched === null ? [] : [pane.sketched])]);
    const coming = new Set(shownShapes(pane, screen.frame, pane.scene.preview?.shapes ?? []));
    const row = (one: Seated): Row => ({
      ...one, outline: this.#outline(one, mmPerPx), color: colors.get(one.item.label) ?? "#ffffff", coming: coming.has(one),
    });
    this.#drawRest(pane, screen, [...shown.filter(({ item }) => !chosen.has(item.id)), ...coming], row);
    const live = shown.filter(({ item }) => chosen.has(item.id)).map(row);
    this.#live.draw(live, live.flatMap((one) => textsOf(one, pane, screen)), true);
    const { drawing } = pane;
    if (drawing === null) return this.#drawHandles(handlesOf(live.filter(({ item }) => pane.selection.includes(item.id)), pane, mmPerPx), mmPerPx);
    const sketch = live.find(({ item, seat }) => item.id === pane.sketched && seat.inside);
    this.#drawHandles(sketch ? drawing.anchors.map((one) => ({ at: screen.frame.toPlane(one), color: sketch.color, chosen: false })) : [], mmPerPx);
  }

  #outline({ item, seat }: Seated, mmPerPx: number): Outline {
    let outline = this.#outlines.get(seat);
    if (outline?.mmPerPx !== mmPerPx) this.#outlines.set(seat, (outline = trace(item, seat, mmPerPx)));
    return outline;
  }

  #drawRest(pane: Pane, screen: Screen, shown: readonly Seated[], row: (one: Seated) => Row): void {
    const { mmPerPx, pan, width, height } = screen;
    const [x, y] = [pan[0] / mmPerPx, pan[1] / mmPerPx];
    const few = shown.length <= MOST_NAMED;
    // Names keep inside the view: where they are few they are placed anew for each picture.
    const colors = pane.labels.map(({ name, color }) => `${name} ${color}`).join();
    const key = [mmPerPx, colors, ...(few ? [x, y, width, height, pane.time, pane.store.version] : []), ...shown.map(({ seat }) => seat), ...shown.map(({ item }) => item)];
    const [left, top, right, bottom] = [x - width / 2, y - height / 2, x + width / 2, y + height / 2];
    const [l, t, r, b] = this.#drawn;
    const held = left >= l && right <= r && top >= t && bottom <= b;
    if (held && key.length === this.#restKey.length && key.every((one, n) => one === this.#restKey[n])) {
      if (!few) this.#sheet.move([left, top], this.element.ownerSVGElement);
      return;
    }
    this.#restKey = key;
    this.#drawn = [left - MARGIN * width, top - MARGIN * height, right + MARGIN * width, bottom + MARGIN * height];
    const [l2, t2, r2, b2] = this.#drawn;
    const rows = shown.map(row).filter(({ outline: { box } }) => box[2] >= l2 && box[0] <= r2 && box[3] >= t2 && box[1] <= b2);
    this.#rest.draw(few ? rows : [], few ? rows.flatMap((one) => (one.coming ? [] : textsOf(one, pane, screen))) : [], false);
    if (few) return this.#sheet.clear();
    this.#sheet.paint(rows, this.#drawn);
    this.#sheet.move([left, top], this.element.ownerSVGElement);
  }

  #drawHandles(places: readonly Grip[], mmPerPx: number): void {
    while (this.#handles.children.length > places.length) this.#handles.lastChild!.remove();
    while (this.#handles.children.length < places.length) this.#handles.append(s("circle", { r: 4 }));
    places.forEach(({ at, color, chosen }, n) => {
      const circle = this.#handles.children[n]!;
      setAttribute(circle, "cx", short(at[0] / mmPerPx));
      setAttribute(circle, "cy", short(at[1] / mmPerPx));
      setAttribute(circle, "fill", chosen ? "#ffffff" : color);
    });
  }
}

/** Where a shape, or a point that was placed, can be taken: mm of the plane. */
interface Grip {
  readonly at: Pair;
  readonly color: string;
  readonly chosen: boolean;
}

function handlesOf(rows: readonly Row[], pane: Pane, mmPerPx: number): Grip[] {
  return rows.filter(({ seat }) => seat.inside).flatMap(({ item, seat, color }) => {
    const form = FORMS[item.kind];
    return form.handles(seat.points, mmPerPx).flatMap((at, n) => {
      if (isLoose(item.kind) && !seat.near.includes(n)) return [];
      const chosen = pane.point?.id === item.id && form.pointOf(n) === pane.point.n;
      return [{ at, color, chosen }];
    });
  });
}

/** The caption of a shape, and the names of its landmarks. */
function textsOf(row: Row, pane: Pane, screen: Screen): SVGElement[] {
  const { item, seat, outline, color } = row;
  const lines = caption(item, seat, pane);
  const longest = Math.max(...lines.map(({ length }) => length));
  const out: SVGElement[] = [];
  const write = (x: number, y: number, words: string, end = false): void => {
    const node = s("text", { x: short(x), y: short(y), fill: color, "text-anchor": end ? "end" : "start", "data-nbannot-caption": item.id });
    setText(node, words);
    out.push(node);
  };
  const px = (p: Pair): Pair => [p[0] / screen.mmPerPx, p[1] / screen.mmPerPx];
  if (item.kind === "points" && item.points.length > 1) {
    for (const n of seat.near) {
      const [x, y] = px(seat.points[n]!);
      write(x + 7, y - 6, item.names[n] ?? String(n + 1));
    }
  }
  if (longest === 0 || !Number.isFinite(outline.box[0])) return out;
  if (item.kind === "text") {
    const [x, y] = px(seat.points[0]!);
    write(x, y, lines[0] ?? "");
    return out;
  }
  const [left, , right] = outline.box;
  const edge = (screen.pan[0] / screen.mmPerPx) + screen.width / 2;
  const flip = right + BESIDE + longest * LETTER > edge && left - BESIDE - longest * LETTER > edge - screen.width;
  const at = sideOf(seat, flip, outline, screen.mmPerPx);
  // Below the name of a landmark that stands there.
  const drop = item.kind === "points" && item.points.length > 1 ? LEADING - 6 : 4;
  lines.forEach((line, n) => write(at[0] + (flip ? -BESIDE : BESIDE), at[1] + drop + n * LEADING, line, flip));
  return out;
}

/** The place of a shape that is furthest to one side, px. */
function sideOf(seat: Seat, left: boolean, outline: Outline, mmPerPx: number): Pair {
  const points = seat.inside ? seat.near.map((n) => seat.points[n]!) : [...seat.cuts.flat(), ...seat.dots];
  const first = points[0];
  if (!first) return [left ? outline.box[0] : outline.box[2], (outline.box[1] + outline.box[3]) / 2];
  const furthest = points.reduce((best, p) => ((left ? p[0] < best[0] : p[0] > best[0]) ? p : best), first);
  return [furthest[0] / mmPerPx, furthest[1] / mmPerPx];
}
