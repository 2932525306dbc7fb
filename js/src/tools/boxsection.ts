/** Boxes on planes that follow no axis of the grid: the box that a rectangle there stands for, and the section of a box. */
import { dot, subtract, type Axis, type GridGeometry, type Vec3 } from "../model/geometry";
import type { IndexBox } from "../model/protocol";
import type { FreeFrame, Pair } from "./frame";
import { ordered } from "./group";

/** Sides, in voxels, that are shorter count as this long: a flat box is its slice. */
const LEAST = 1;

const AXES: readonly Axis[] = [0, 1, 2];

const vec = (of: (axis: Axis) => number): Vec3 => [of(0), of(1), of(2)];

/** A box with sides of at least one voxel: shorter ones grow about their middle. */
export function thick(index: IndexBox): IndexBox {
  const [low, high] = ordered(index);
  const more = (n: Axis): number => Math.max(0, LEAST - (high[n] - low[n])) / 2;
  return [vec((n) => low[n] - more(n)), vec((n) => high[n] + more(n))];
}

const round = (x: number): number => Math.round(x * 100) / 100;

/**
 * The box along the grid that holds the rectangle between two places of a free plane, cut at the image's border.
 *
 * No side is shorter than one voxel. Null where the rectangle does not meet the image.
 */
export function boxAround(from: Pair, to: Pair, frame: FreeFrame, geometry: GridGeometry): IndexBox | null {
  const corners = ([from, [to[0], from[1]], to, [from[0], to[1]]] as const).map((place) => frame.toIndex(place));
  const low = vec((n) => Math.max(-0.5, Math.min(...corners.map((one) => one[n]))));
  const high = vec((n) => Math.min(geometry.shape[n] - 0.5, Math.max(...corners.map((one) => one[n]))));
  if (AXES.some((n) => low[n] >= geometry.shape[n] - 0.5 || high[n] <= -0.5)) return null;
  const [a, b] = thick([low, high]);
  // A side that grew over the border is moved back onto the image.
  const shift = vec((n) => Math.max(0, -0.5 - a[n]) - Math.max(0, b[n] - (geometry.shape[n] - 0.5)));
  return [vec((n) => round(a[n] + shift[n])), vec((n) => round(b[n] + shift[n]))];
}

/**
 * The section of a box with a free plane, mm of the plane: a convex polygon of 3 to 6 corners, none where they do not meet.
 *
 * Its corners are where the plane cuts the edges of the box; they are ordered by their angle about their middle.
 */
export function boxSection(index: IndexBox, frame: FreeFrame, geometry: GridGeometry): readonly Pair[] {
  const ends = thick(index);
  const corners = [0, 1, 2, 3, 4, 5, 6, 7].map((bits) => {
    const world = geometry.toWorld(vec((n) => ends[(bits >> n) & 1]![n]));
    return { flat: frame.toPlane(world), off: dot(subtract(world, frame.centre), frame.normal) };
  });
  const found: Pair[] = [];
  const keep = (place: Pair): void => {
    if (found.every(([x, y]) => Math.hypot(x - place[0], y - place[1]) > 1e-6)) found.push(place);
  };
  for (let bits = 0; bits < 8; bits++) {
    for (const axis of AXES) {
      if ((bits >> axis) & 1) continue;
      const [a, b] = [corners[bits]!, corners[bits | (1 << axis)]!];
      if (a.off > 0 === b.off > 0) continue;
      const t = a.off / (a.off - b.off);
      keep([a.flat[0] + t * (b.flat[0] - a.flat[0]), a.flat[1] + t * (b.flat[1] - a.flat[1])]);
    }
  }
  if (found.length < 3) return [];
  const mean = (n: 0 | 1): number => found.reduce((sum, place) => sum + place[n], 0) / found.length;
  const [x, y] = [mean(0), mean(1)];
  return found.sort((a, b) => Math.atan2(a[1] - y, a[0] - x) - Math.atan2(b[1] - y, b[0] - x));
}
