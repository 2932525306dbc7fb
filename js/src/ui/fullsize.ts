/** The camera that shows pixels of the image one by one. */
import type { Frame, Pair } from "../tools/frame";
import type { Camera } from "../tools/tool";

/**
 * One pixel of the image on one device pixel, the middles of both at the same place: the picture is as sharp
 * as the image. `size` in CSS px, `ratio`: device px per CSS px. Pixels that are not square are so across the
 * columns of the image.
 */
export function pixelForPixel(frame: Frame, pan: Pair, size: Pair, ratio: number): Camera {
  const device = size.map((one) => Math.max(1, Math.round(one * ratio)));
  // The canvas has whole pixels: its own ratio may differ a little from the screen's.
  const own = device[0]! / size[0];
  if (frame.axis === null) return { mmPerPx: frame.thickness * own, pan };
  const { uStep, vStep } = frame;
  const step = Math.hypot(...uStep);
  const zero = frame.fromIndex([0, 0, 0]);
  const snapped = ([0, 1] as const).map((n) => {
    const along = Math.abs(uStep[n]) >= Math.abs(vStep[n]) ? uStep[n] : vStep[n];
    // Only lines of pixels along the screen can lie on its pixels.
    if (Math.abs(Math.abs(along) - step) > 1e-6 * step) return pan[n];
    // Middle of the first device pixel, in pixels of the image from its first.
    const first = (pan[n] + (0.5 - device[n]! / 2) * step - zero[n]) / along;
    return pan[n] + (Math.round(first) - first) * along;
  });
  return { mmPerPx: step * own, pan: [snapped[0]!, snapped[1]!] };
}
