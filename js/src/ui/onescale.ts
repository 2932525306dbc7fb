/** Panes that are fitted in one scale, so that what is seen in them can be compared by its size. */
import { meets } from "./chestwall";
import { joined, type Linked } from "./links";
import type { Pane } from "./pane";

/** Fields of view that differ by more than this factor are fitted each by itself: the smaller would be tiny. */
const ALIKE = 1.3;
/** Sizes of panes, as parts of each other, that count as the same. */
const SAME_SIZE = 0.05;

const close = (a: number, b: number): boolean => Math.abs(a - b) <= SAME_SIZE * Math.max(a, b);

/**
 * The panes that are fitted in one scale with a pane, itself among them: breasts that meet; and, while pan and zoom are
 * linked, the same plane of other images of its space in panes of its size.
 */
export function scaledWith(scene: Linked, pane: Pane): readonly Pane[] {
  const { panes } = scene;
  if (meets(pane, panes) !== 0) {
    return panes.filter((one) => meets(one, panes) !== 0 && one.geometry.unit === pane.geometry.unit);
  }
  if (panes.length < 2 || !scene.view.value.links.camera || pane.plane === "volume") return [pane];
  const [width, height] = pane.size;
  const alike = panes.filter((one) => one === pane || (one.plane === pane.plane && one.problem === null
    && close(one.size[0], width) && close(one.size[1], height) && joined(scene, pane.image, one.image)));
  const scales = alike.map((one) => one.fitScale);
  return Math.max(...scales) <= ALIKE * Math.min(...scales) ? alike : [pane];
}
