/** From the plane to the px of a view, and back. */
import type { Frame, Pair } from "../tools/frame";

/** From plane mm to px of a view. */
export interface Screen {
  readonly frame: Frame;
  readonly width: number;
  readonly height: number;
  readonly mmPerPx: number;
  readonly pan: Pair;
}

export function toPx(screen: Screen, [x, y]: Pair): Pair {
  return [
    screen.width / 2 + (x - screen.pan[0]) / screen.mmPerPx,
    screen.height / 2 + (y - screen.pan[1]) / screen.mmPerPx,
  ];
}

export function fromPx(screen: Screen, [x, y]: Pair): Pair {
  return [
    screen.pan[0] + (x - screen.width / 2) * screen.mmPerPx,
    screen.pan[1] + (y - screen.height / 2) * screen.mmPerPx,
  ];
}
