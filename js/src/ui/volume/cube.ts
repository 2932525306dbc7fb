/** The orientation cube: shows from where one looks; a click on a face looks from there. */
import { cubeFaces, SIDE_NAMES, type Quaternion, type Side } from "../../volume3d/camera";
import { listen, s, setAttribute } from "../dom";

const SIZE = 15;
const MIDDLE = 34;

export class Cube {
  readonly element: SVGSVGElement;
  readonly #faces = new Map<Side, { readonly group: SVGGElement; readonly shape: SVGPolygonElement; readonly letter: SVGTextElement }>();

  constructor(look: (side: Side) => void, signal: AbortSignal) {
    // For the mouse; the list of views says and does the same for the keyboard and for screen readers.
    this.element = s("svg", { class: "nbannot-cube", viewBox: `0 0 ${2 * MIDDLE} ${2 * MIDDLE}`, "aria-hidden": "true" });
    for (const side of Object.keys(SIDE_NAMES) as Side[]) {
      const shape = s("polygon");
      const letter = s("text", { "text-anchor": "middle", "dominant-baseline": "central" }, side);
      const title = s("title", {}, `Look from the ${SIDE_NAMES[side]}`);
      const group = s("g", { "data-nbannot-side": side }, title, shape, letter);
      this.#faces.set(side, { group, shape, letter });
      this.element.append(group);
      listen(group, "click", signal, () => look(side));
    }
    listen(this.element, "pointerdown", signal, (event) => event.stopPropagation());
    listen(this.element, "dblclick", signal, (event) => event.stopPropagation());
  }

  draw(camera: Quaternion): void {
    const seen = new Map(cubeFaces(camera).map((face) => [face.side, face]));
    for (const [side, { group, shape, letter }] of this.#faces) {
      const face = seen.get(side);
      setAttribute(group, "visibility", face ? "visible" : "hidden");
      if (!face) continue;
      const at = (n: number): number => MIDDLE + n * SIZE;
      setAttribute(shape, "points", face.corners.map(([x, y]) => `${at(x).toFixed(1)},${at(y).toFixed(1)}`).join(" "));
      setAttribute(shape, "fill-opacity", (0.35 + 0.5 * face.facing).toFixed(2));
      setAttribute(letter, "x", at(face.middle[0]).toFixed(1));
      setAttribute(letter, "y", at(face.middle[1]).toFixed(1));
      setAttribute(letter, "opacity", face.facing > 0.3 ? "1" : "0");
    }
  }
}
