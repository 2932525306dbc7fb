/** Parts of a picture: which pixels show some voxels, and the layers in them. */
import { add, scale } from "../model/geometry";
import type { IndexBox } from "../model/items";
import type { Layer, Part } from "./contract";
import { SNAP, type PlaneRequest } from "./plane";

/** Smallest and largest of a quantity. */
type Range = readonly [low: number, high: number];

const times = ([low, high]: Range, factor: number): Range => (factor < 0 ? [high * factor, low * factor] : [low * factor, high * factor]);
const plus = (a: Range, b: Range): Range => [a[0] + b[0], a[1] + b[1]];
const both = (a: Range, b: Range): Range => [Math.max(a[0], b[0]), Math.min(a[1], b[1])];

/** The values of x in `range` for which rest + step·x can lie in `wanted`. */
function solved(wanted: Range, rest: Range, step: number, range: Range): Range {
  if (Math.abs(step) < 1e-12) return range;
  return both(range, times(plus(wanted, [-rest[1], -rest[0]]), 1 / step));
}

/** The pixels of a plane that may show voxels of a box (half-open bounds) and `margin` around them; null where none does. */
export function partOf(plane: PlaneRequest, [low, high]: IndexBox, margin: number): Part | null {
  const { width, height, origin, du, dv, slab } = plane;
  const deep: Range = slab ? [-(slab.count - 1) / 2, (slab.count - 1) / 2] : [0, 0];
  let x: Range = [0, width - 1];
  let y: Range = [0, height - 1];
  for (const n of [0, 1, 2] as const) {
    const wanted: Range = [low[n] - 0.5 - 2 * SNAP, high[n] - 0.5 + 2 * SNAP];
    const still = plus([origin[n], origin[n]], slab ? times(deep, slab.step[n]) : [0, 0]);
    const met = both(wanted, plus(still, plus(times(x, du[n]), times(y, dv[n]))));
    if (met[0] > met[1]) return null;
    x = solved(wanted, plus(still, times(y, dv[n])), du[n], x);
    y = solved(wanted, plus(still, times(x, du[n])), dv[n], y);
    if (x[0] > x[1] || y[0] > y[1]) return null;
  }
  const left = Math.max(0, Math.floor(x[0]) - margin);
  const top = Math.max(0, Math.floor(y[0]) - margin);
  return {
    x: left, y: top,
    width: Math.min(width, Math.ceil(x[1]) + 1 + margin) - left,
    height: Math.min(height, Math.ceil(y[1]) + 1 + margin) - top,
  };
}

/** The smallest part that holds both. */
export function joined(a: Part | null, b: Part | null): Part | null {
  if (!a || !b) return a ?? b;
  const x = Math.min(a.x, b.x);
  const y = Math.min(a.y, b.y);
  return { x, y, width: Math.max(a.x + a.width, b.x + b.width) - x, height: Math.max(a.y + a.height, b.y + b.height) - y };
}

/** The layers of a picture in a part of it. */
export function cropped(layers: readonly Layer[], { x, y, width, height }: Part): Layer[] {
  return layers.map((layer) => {
    const { plane, clip } = layer;
    const origin = add(plane.origin, add(scale(plane.du, x), scale(plane.dv, y)));
    return { ...layer, plane: { ...plane, origin, width, height }, clip: clip ? [clip[0] - x, clip[1] - x] as const : null };
  });
}
