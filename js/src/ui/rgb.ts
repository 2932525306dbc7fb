/** Colours as numbers. */
import type { Rgb } from "../render/renderer";

/** "#rrggbb" as 0 to 255. */
export function rgb(color: string): Rgb {
  const value = parseInt(color.slice(1), 16) || 0;
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}
