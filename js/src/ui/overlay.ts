/** What lies over a picture: crosshair, boxes, brush ring, letters, scale bar and corner texts. */
import type { BoxItem } from "../model/protocol";
import type { Plane } from "../state/parts";
import { boxOutline, boxPoint, boxShown, HANDLES } from "../tools/box";
import type { Pair } from "../tools/frame";
import { handles, type PlaneLine } from "../tools/rotate";
import type { Pointer } from "../tools/tool";
import { BrushMarks } from "./brushmarks";
import { aboveBox, besideBox, boxCaption, LEADING } from "./captions";
import { h, s, setAttribute, setText } from "./dom";
import { frameText } from "./frames";
import {
  edgeLetters, readAt, readingText, scaleBar, shownWindow, slicePlace,
} from "./readout";
import type { Pane } from "./pane";
import { ShapeLayer } from "./shapelayer";
import { slabPossible, slabText } from "./slab";
import { toPx, type Screen } from "./screen";
import { referenceLines, type ReferenceLine } from "./references";

/** Colour of each plane, on its own title and on its line in the other views. */
export const PLANE_COLORS: Readonly<Record<Plane, string>> = {
  axial: "#ff6b6b", coronal: "#5fd35f", sagittal: "#f5d547", acquisition: "#d8dee6", oblique: "#6bb8ff", volume: "#d8dee6",
};
export const PLANE_TITLES: Readonly<Record<Plane, string>> = {
  axial: "Axial", coronal: "Coronal", sagittal: "Sagittal", acquisition: "", oblique: "Free plane", volume: "3-D",
};

/** Free px around the crosshair's centre: the point of interest stays visible. */
const GAP = 11;

/** Px of a view below which place and window are left out, and width below which slice and place need a line each. */
const SMALL = [250, 170] as const;
const NARROW = 300;

/** Boxes with a side shorter than this (px) show the handles of their corners only. */
const EDGE_HANDLES = 40;

export { fromPx, toPx, type Screen } from "./screen";

const fixed = (x: number): string => x.toFixed(1);

const CORNERS = ["title", "note", "left", "right"] as const;
const EDGES = ["w", "e", "n", "s"] as const;

export class Overlay {
  readonly svg: SVGSVGElement;
  readonly texts: HTMLElement;
  readonly #lines = [1, 2, 3].map(() => s("path", { class: "nbannot-cross" }));
  readonly #handles = s("g", { class: "nbannot-handles" });
  /** Dark under the lines: they must show on white, too. */
  readonly #lineShadow = s("path", { class: "nbannot-cross nbannot-cross-shadow" });
  readonly #dot = s("circle", { class: "nbannot-dot", r: 2.5 });
  readonly #references = s("g", { class: "nbannot-references" });
  readonly #boxes = s("g");
  readonly #marks = new BrushMarks();
  readonly #shapes = new ShapeLayer();
  readonly #bar = s("path", { class: "nbannot-bar" });
  readonly #barShadow = s("path", { class: "nbannot-bar nbannot-bar-shadow" });
  readonly #barText = s("text", { class: "nbannot-bar-text", "text-anchor": "end" });
  readonly #corner: Record<(typeof CORNERS)[number], HTMLElement>;
  readonly #edge: Record<(typeof EDGES)[number], HTMLElement>;
  readonly #value = h("div", { class: "nbannot-value" });
  readonly #place = h("div");
  readonly #noteText = h("div");
  readonly #warn = h("div", { class: "nbannot-warn", role: "status" });
  readonly #failed = h("div", { class: "nbannot-failed" });
  #boxKey = "";
  /** What cannot be shown here, and why. */
  notes: readonly string[] = [];

  constructor() {
    this.svg = s(
      "svg", { class: "nbannot-overlay", "aria-hidden": "true" },
      this.#lineShadow, ...this.#lines, this.#references, this.#handles, this.#dot, this.#boxes, this.#shapes.element, this.#barShadow, this.#bar, this.#barText, this.#marks.element,
    );
    const corner = (name: string): HTMLElement => h("div", { class: `nbannot-corner nbannot-${name}` });
    const edge = (name: string): HTMLElement => h("div", { class: `nbannot-edge nbannot-edge-${name}` });
    this.#corner = { title: corner("title"), note: corner("note"), left: corner("left"), right: corner("right") };
    this.#edge = { w: edge("w"), e: edge("e"), n: edge("n"), s: edge("s") };
    this.#corner.left.append(this.#value, this.#place);
    this.#corner.note.append(this.#noteText, this.#warn);
    this.texts = h(
      "div", { class: "nbannot-texts" },
      ...CORNERS.map((name) => this.#corner[name]), ...EDGES.map((name) => this.#edge[name]), this.#failed,
    );
  }

  draw(pane: Pane, screen: Screen, pointer: Pointer | null): void {
    setAttribute(this.svg, "viewBox", `0 0 ${screen.width} ${screen.height}`);
    this.#drawCross(pane, screen);
    this.#drawReferences(pane, screen);
    this.#drawBoxes(pane, screen);
    this.#shapes.draw(pane, screen);
    this.#drawBar(pane, screen);
    this.#drawTexts(pane, screen);
    this.point(pane, screen, pointer);
  }

  /** What follows the pointer: the value under it, the brush and the outline being drawn. */
  point(pane: Pane, screen: Screen, pointer: Pointer | null): void {
    setText(this.#value, pointer ? readingText(readAt(pane, pointer.index)) : "");
    this.#marks.draw(pane, screen, pointer);
  }

  #drawCross(pane: Pane, screen: Screen): void {
    const { frame } = screen;
    const [x, y] = toPx(screen, frame.toPlane(pane.cursor));
    const { crosshair, cursor } = pane.view.value;
    const { lines } = pane;
    const paths = lines.map((line) => crossLine([x, y], line.direction, screen));
    setAttribute(this.#lineShadow, "d", paths.join(""));
    this.#lines.forEach((path, n) => {
      const line = lines[n];
      setAttribute(path, "visibility", line ? "visible" : "hidden");
      if (!line) return;
      setAttribute(path, "stroke", PLANE_COLORS[line.plane]);
      setAttribute(path, "d", paths[n] ?? "");
    });
    this.#drawHandles(pane, [x, y], lines);
    const single = lines.length === 0 && crosshair && cursor !== null && frame.plane === "acquisition";
    setAttribute(this.#dot, "visibility", single ? "visible" : "hidden");
    setAttribute(this.#dot, "cx", fixed(x));
    setAttribute(this.#dot, "cy", fixed(y));
  }

  #drawReferences(pane: Pane, screen: Screen): void {
    const lines = referenceLines(pane).map((line) => ({ ...line, d: linePath(line, screen) }));
    const key = lines.map((line) => `${line.pane} ${line.plane} ${line.d}`).join("|");
    if (this.#references.dataset["key"] === key) return;
    this.#references.dataset["key"] = key;
    this.#references.replaceChildren(...lines.flatMap(({ pane: id, plane, d }) => [
      s("path", { class: "nbannot-reference nbannot-cross-shadow", d }),
      s("path", { class: "nbannot-reference", d, stroke: PLANE_COLORS[plane], "data-nbannot-reference": id }),
    ]));
  }

  /** Where the lines can be taken to turn the planes. */
  #drawHandles(pane: Pane, [x, y]: Pair, lines: readonly PlaneLine[]): void {
    const shown = pane.view.value.tool === "crosshair" ? lines : [];
    const places = shown.flatMap((line) => handles(line, pane.size).map((at) => ({ line, at })));
    while (this.#handles.children.length < places.length) this.#handles.append(s("circle", { r: 4 }));
    [...this.#handles.children].forEach((circle, n) => {
      const place = places[n];
      setAttribute(circle, "visibility", place ? "visible" : "hidden");
      if (!place) return;
      setAttribute(circle, "cx", fixed(x + place.at[0]));
      setAttribute(circle, "cy", fixed(y + place.at[1]));
      setAttribute(circle, "stroke", PLANE_COLORS[place.line.plane]);
    });
  }

  #drawBoxes(pane: Pane, screen: Screen): void {
    const { overlay, hidden, tool } = pane.view.value;
    const colors = new Map(pane.labels.map((one) => [one.name, one.color]));
    const unseen = new Set(pane.labels.filter((one) => hidden.includes(one.id)).map((one) => one.name));
    const { frame } = screen;
    const shown = overlay
      ? pane.boxes.filter((box) => !unseen.has(box.label) && !hidden.includes(box.id) && boxShown(box, frame, pane.image.id, pane.time, pane.geometry))
      : [];
    const place = frame.axis === null ? [frame.centre, frame.right, frame.down] : frame.slice;
    const captions = shown.map((box) => boxCaption(box, pane));
    const key = JSON.stringify([shown, captions, [...colors], pane.selection, tool, place, screen.pan, screen.mmPerPx, screen.width, screen.height, pane.image.id]);
    if (key === this.#boxKey) return;
    this.#boxKey = key;
    this.#boxes.replaceChildren(
      ...shown.map((box, n) => boxShape(box, pane, screen, colors.get(box.label) ?? "#ffffff", captions[n]!)),
    );
  }

  #drawBar(pane: Pane, screen: Screen): void {
    const room = Math.min(140, screen.width * 0.3);
    const bar = scaleBar(screen.mmPerPx, room, pane.geometry.unit);
    const right = screen.width - 10;
    const bottom = screen.height - 30;
    const shown = screen.width >= 160 && screen.height >= 120;
    const d = shown
      ? `M${fixed(right - bar.length)} ${bottom - 5}v5H${right}v-5M${fixed(right - bar.length / 2)} ${bottom - 3}v3`
      : "";
    setAttribute(this.#bar, "d", d);
    setAttribute(this.#barShadow, "d", d);
    setAttribute(this.#barText, "x", right);
    setAttribute(this.#barText, "y", bottom - 9);
    setText(this.#barText, shown ? bar.text : "");
  }

  #drawTexts(pane: Pane, screen: Screen): void {
    const { frame } = screen;
    const { image, geometry } = pane;
    this.#corner.title.style.color = PLANE_COLORS[frame.plane];
    const patient = geometry.patientSpace;
    const small = screen.width < SMALL[0] || screen.height < SMALL[1];
    setText(this.#corner.title, PLANE_TITLES[frame.plane] || image.name);
    const named = pane.scene.layout !== "mpr" || pane.hasOwnImage || pane.scene.maximized !== null;
    const name = named && PLANE_TITLES[frame.plane] !== "" ? image.name : "";
    const slab = pane.view.value.slabs[pane.id];
    setText(this.#noteText, [name, slab && slabPossible(pane) ? slabText(slab, frame.thickness) : "", frameText(image, pane.time)].filter(Boolean).join("\n"));
    setText(this.#warn, this.notes.join("\n"));
    const failed = frame.axis === 0 && pane.store.failed?.has(frame.slice);
    setText(this.#failed, failed ? "This slice cannot be shown" : "");
    const place = small ? "" : slicePlace(frame, patient);
    const number = frame.count > 1 ? `${frame.slice + 1}/${frame.count}` : "";
    setText(this.#place, [number, place].filter(Boolean).join(screen.width < NARROW ? "\n" : "  "));
    setText(this.#corner.right, image.color || small ? "" : shownWindow(image, pane.view.value, pane.window()));
    const names = edgeLetters(image, frame, patient);
    EDGES.forEach((edge, n) => setText(this.#edge[edge], names[n] ?? ""));
  }
}

function crossLine([x, y]: Pair, direction: Pair, screen: Screen): string {
  const size = Math.hypot(direction[0], direction[1]) || 1;
  const dx = direction[0] / size;
  const dy = direction[1] / size;
  const far = screen.width + screen.height + Math.hypot(x, y);
  const piece = (from: number, to: number): string =>
    `M${fixed(x + from * dx)} ${fixed(y + from * dy)}L${fixed(x + to * dx)} ${fixed(y + to * dy)}`;
  return piece(-far, -GAP) + piece(GAP, far);
}

function linePath({ from, to }: ReferenceLine, screen: Screen): string {
  return `M${toPx(screen, from).map(fixed).join(" ")}L${toPx(screen, to).map(fixed).join(" ")}`;
}

function boxShape(box: BoxItem, pane: Pane, screen: Screen, color: string, lines: readonly string[]): SVGGElement {
  const { frame } = screen;
  const selected = pane.selection.includes(box.id);
  const corners = boxOutline(box.index, frame, pane.geometry).map((corner) => toPx(screen, corner));
  const outline = corners.map((corner) => corner.map(fixed).join(",")).join(" ");
  const [left, top, right, bottom] = ([[Math.min, 0], [Math.min, 1], [Math.max, 0], [Math.max, 1]] as const)
    .map(([end, n]) => end(...corners.map((corner) => corner[n]))) as [number, number, number, number];
  const group = s(
    "g", { class: `nbannot-box${selected ? " nbannot-selected" : ""}`, stroke: color, "data-nbannot-box": box.id },
    s("polygon", { points: outline, class: "nbannot-box-shadow" }),
    s("polygon", { points: outline }),
  );
  // The name alone stands on the box; with numbers it begins the block beside it, as that of a shape does.
  const at = lines.length > 1
    ? besideBox(lines, { left, top, right, bottom }, screen)
    : aboveBox(lines[0] ?? "", [left, top], screen);
  if (at) lines.forEach((line, n) => group.append(s("text", {
    x: fixed(at.x), y: fixed(at.y + n * LEADING), fill: color, "text-anchor": at.end ? "end" : "start", "data-nbannot-caption": box.id,
  }, line)));
  if (selected && frame.axis !== null) {
    const roomy = Math.min(right - left, bottom - top) >= EDGE_HANDLES;
    for (const handle of HANDLES) {
      if (!roomy && (handle.u === 0 || handle.v === 0)) continue;
      const [cx, cy] = toPx(screen, boxPoint(box.index, frame, handle));
      group.append(s("rect", { x: fixed(cx - 3.5), y: fixed(cy - 3.5), width: 7, height: 7, fill: color }));
    }
  }
  return group;
}
