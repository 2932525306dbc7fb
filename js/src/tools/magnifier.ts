/** The magnifier: while it is held, a glass shows what lies under the pointer larger. */
import type { Tool } from "./tool";

/** How much larger than the picture around it. */
export const MAGNIFIED = 3;

export const magnifier: Tool = {
  name: "magnifier",
  cursor: () => "none",
  begin(_, host) {
    const repaint = (): void => host.repaint();
    repaint();
    return { move: repaint, end: repaint, cancel: repaint };
  },
};
