/** What the segmentation tools show while they are used: the brush true to scale, and the outline being drawn. */
import { movePoint } from "../model/transform";
import { isGrid } from "../tools/frame";
import { ballCut, pressed } from "../tools/paint";
import type { CutLine, Pointer } from "../tools/tool";
import { s, setAttribute } from "./dom";
import type { Pane } from "./pane";
import { toPx, type Screen } from "./screen";

const fixed = (x: number): string => x.toFixed(1);

/** Whether the tool in use draws with the brush. */
export const brushes = (pane: Pane): boolean => ["brush", "eraser"].includes(pane.view.value.tool);

/** Dashes say what the brush does: "4 3" erases, dots obey the intensity or take what is alike, both mixed. */
function dashes(pane: Pane, erases: boolean): string | null {
  const { range, adaptive } = pane.view.value.rules;
  const gated = (range !== null || (adaptive && !erases)) && !pane.image.color;
  return erases ? (gated ? "5 3 1 3" : "4 3") : gated ? "1 3" : null;
}

export class BrushMarks {
  readonly #ring = s("g", { class: "nbannot-ring" }, s("circle", { class: "nbannot-ring-shadow" }), s("circle", {}));
  readonly #cut = s(
    "g", { class: "nbannot-cut", "data-nbannot-cut": true }, s("path", { class: "nbannot-cut-shadow" }), s("path", {}), s("g", {}),
  );
  readonly element = s("g", {}, this.#cut, this.#ring);

  draw(pane: Pane, screen: Screen, pointer: Pointer | null): void {
    this.#drawRing(pane, screen, pointer);
    const { cutLine } = pane.scene;
    this.#drawCut(screen, cutLine?.pane === pane.id ? cutLine : null, pane.scene.label?.color ?? "#ffffff");
  }

  #drawRing(pane: Pane, screen: Screen, pointer: Pointer | null): void {
    const ring = brushes(pane) ? (pointer ? ringAt(pane, screen, pointer) : ballRing(pane, screen)) : null;
    setAttribute(this.#ring, "visibility", ring ? "visible" : "hidden");
    if (!ring) return;
    for (const circle of this.#ring.children) {
      setAttribute(circle, "cx", fixed(ring.at[0]));
      setAttribute(circle, "cy", fixed(ring.at[1]));
      setAttribute(circle, "r", fixed(Math.max(1, ring.radius)));
    }
    setAttribute(this.#ring, "stroke", ring.erases ? "#ffffff" : (pane.scene.label?.color ?? "#ffffff"));
    setAttribute(this.#ring, "stroke-dasharray", dashes(pane, ring.erases));
  }

  #drawCut(screen: Screen, line: CutLine | null, color: string): void {
    setAttribute(this.#cut, "visibility", line && line.points.length > 0 ? "visible" : "hidden");
    const [shadow, path, dots] = [...this.#cut.children] as [Element, Element, Element];
    const px = line?.points.map((point) => toPx(screen, point)) ?? [];
    const d = line?.circle ? circlePath(px) : px.map(([x, y], n) => `${n ? "L" : "M"}${fixed(x)} ${fixed(y)}`).join("") + (px.length > 2 ? "Z" : "");
    setAttribute(shadow, "d", d);
    setAttribute(path, "d", d);
    setAttribute(this.#cut, "stroke", line?.erases ? "#ffffff" : color);
    setAttribute(path, "stroke-dasharray", line?.erases ? "4 3" : null);
    // The last point follows the pointer.
    const marked = line?.dots ? px.slice(0, -1) : [];
    while (dots.children.length < marked.length) dots.append(s("circle", { r: 3 }));
    [...dots.children].forEach((dot, n) => {
      const at = marked[n];
      setAttribute(dot, "visibility", at ? "inherit" : "hidden");
      if (!at) return;
      setAttribute(dot, "cx", fixed(at[0]));
      setAttribute(dot, "cy", fixed(at[1]));
    });
  }
}

function circlePath([centre, rim]: readonly (readonly [number, number])[]): string {
  if (!centre || !rim) return "";
  const r = Math.hypot(rim[0] - centre[0], rim[1] - centre[1]);
  const [x, y] = centre;
  return `M${fixed(x - r)} ${fixed(y)}a${fixed(r)} ${fixed(r)} 0 1 0 ${fixed(2 * r)} 0a${fixed(r)} ${fixed(r)} 0 1 0 ${fixed(-2 * r)} 0`;
}

interface Ring {
  readonly at: readonly [number, number];
  /** Px. */
  readonly radius: number;
  readonly erases: boolean;
}

const radiusOf = (pane: Pane): number => pane.view.value.size_mm / 2;

function ringAt(pane: Pane, screen: Screen, pointer: Pointer): Ring {
  const erases = pane.view.value.tool === "eraser" || pointer.alt;
  return { at: pointer.px, radius: (radiusOf(pane) * pressed(pointer)) / screen.mmPerPx, erases };
}

/** Where the ball under the pointer of another pane cuts this one. */
function ballRing(pane: Pane, screen: Screen): Ring | null {
  const { pointed } = pane.scene;
  if (!pointed || pointed.pane === pane.id || !pane.view.value.rules.sphere || !isGrid(pane.geometry)) return null;
  const from = pane.scene.imageById(pointed.image);
  const way = from && isGrid(pane.scene.geometryOf(from)) ? pane.scene.spaces.between(from, pane.image) : null;
  const cut = way && ballCut(screen.frame, movePoint(way, pointed.world), radiusOf(pane));
  return cut ? { at: toPx(screen, cut.at), radius: cut.radius / screen.mmPerPx, erases: pointed.erases } : null;
}
