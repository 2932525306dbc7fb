/** Lines and outlines: the path that is drawn, and its length, area and diameters. Equal to nbannot.model.measures. */
import type { ShapeItem } from "./items";
import { add, cross, dot, length, scale, subtract, unit, type Vec3 } from "./geometry";

export type Flat = readonly [number, number];

/** Straight pieces that a spline is drawn with between two of its points. */
export const SPAN_STEPS = 32;

const CLOSED: ReadonlySet<string> = new Set(["rectangle", "ellipse", "polygon", "freehand", "closed-spline", "livewire"]);

/** Whether a shape is an outline with an area. */
export const isClosed = (shape: Pick<ShapeItem, "kind">): boolean => CLOSED.has(shape.kind);

const mix = (a: Vec3, b: Vec3, from: number, to: number, t: number): Vec3 =>
  add(scale(a, (to - t) / (to - from)), scale(b, (t - from) / (to - from)));

/** The points without those that repeat the one before. */
export function distinct(points: readonly Vec3[], closed = false): readonly Vec3[] {
  const out = points.filter((point, n) => n === 0 || length(subtract(point, points[n - 1]!)) > 1e-9);
  if (closed && out.length > 1 && length(subtract(out[0]!, out.at(-1)!)) <= 1e-9) out.pop();
  return out;
}

/**
 * The centripetal Catmull–Rom curve through points, as straight pieces: Barry and Goldman's recursion with
 * knots at the square root of the distances. An open one goes on at its ends as if mirrored there.
 */
export function spline(given: readonly Vec3[], closed = false): readonly Vec3[] {
  const points = distinct(given, closed);
  const n = points.length;
  if (n < 3) return points;
  const mirrored = (end: Vec3, next: Vec3): Vec3 => subtract(scale(end, 2), next);
  const rows = closed
    ? [points[n - 1]!, ...points, points[0]!, points[1]!]
    : [mirrored(points[0]!, points[1]!), ...points, mirrored(points[n - 1]!, points[n - 2]!)];
  const out: Vec3[] = [];
  for (let s = 0; s + 3 < rows.length; s++) {
    const [p0, p1, p2, p3] = [rows[s]!, rows[s + 1]!, rows[s + 2]!, rows[s + 3]!];
    const t1 = Math.sqrt(length(subtract(p1, p0)));
    const t2 = t1 + Math.sqrt(length(subtract(p2, p1)));
    const t3 = t2 + Math.sqrt(length(subtract(p3, p2)));
    for (let step = 0; step < SPAN_STEPS; step++) {
      const t = t1 + (t2 - t1) * (step / SPAN_STEPS);
      const middle = mix(p1, p2, t1, t2, t);
      out.push(mix(mix(mix(p0, p1, 0, t1, t), middle, 0, t2, t), mix(middle, mix(p2, p3, t2, t3, t), t1, t3, t), t1, t2, t));
    }
  }
  if (!closed) out.push(points[n - 1]!);
  return out;
}

/** Centre and two half axes (conjugate ones) of the ends of an ellipse's axes. */
export function ellipseOf(points: readonly Vec3[]): { centre: Vec3; u: Vec3; v: Vec3 } {
  const [a, b, c, d] = [points[0]!, points[1]!, points[2]!, points[3]!];
  return { centre: scale(add(add(a, b), add(c, d)), 1 / 4), u: scale(subtract(b, a), 1 / 2), v: scale(subtract(d, c), 1 / 2) };
}

/** The line or outline (world) that a shape is drawn as; an outline does not repeat its first point. */
export function path(shape: ShapeItem): readonly Vec3[] {
  const { kind, points } = shape;
  if (kind === "spline" || kind === "closed-spline") return spline(points, isClosed(shape));
  if (kind === "ellipse") {
    const { centre, u, v } = ellipseOf(points);
    return Array.from({ length: 4 * SPAN_STEPS }, (_, n) => {
      const turn = n * ((2 * Math.PI) / (4 * SPAN_STEPS));
      return add(centre, add(scale(u, Math.cos(turn)), scale(v, Math.sin(turn))));
    });
  }
  return isClosed(shape) ? distinct(points, true) : points;
}

export function lengthOf(points: readonly Vec3[], closed = false): number {
  let sum = 0;
  for (let n = 1; n < points.length; n++) sum += length(subtract(points[n]!, points[n - 1]!));
  if (closed && points.length > 1) sum += length(subtract(points[0]!, points.at(-1)!));
  return sum;
}

/** The full long and short axis of the ellipse u cos t + v sin t. */
export function ellipseAxes(u: Vec3, v: Vec3): { long: number; short: number } {
  const [uu, vv, uv] = [dot(u, u), dot(v, v), dot(u, v)];
  const middle = (uu + vv) / 2;
  const spread = Math.hypot((uu - vv) / 2, uv);
  return { long: 2 * Math.sqrt(middle + spread), short: 2 * Math.sqrt(Math.max(middle - spread, 0)) };
}

/** The complete elliptic integral of the second kind, by the arithmetic–geometric mean. */
export function ellipsePerimeter(long: number, short: number): number {
  if (short <= 0) return 2 * long;
  const a = long / 2;
  let [mean, other, power] = [a, short / 2, 0.5];
  let total = (a * a - other * other) / 2;
  while (Math.abs(mean - other) > 1e-15 * a) {
    power *= 2;
    const half = (mean - other) / 2;
    [mean, other] = [(mean + other) / 2, Math.sqrt(mean * other)];
    total += power * half * half;
  }
  return ((2 * Math.PI) / mean) * (a * a - total);
}

/** Points of a plane in two coordinates, in some turn. */
export function flattened(points: readonly Vec3[], normal: Vec3): readonly Flat[] {
  const size = normal.map(Math.abs);
  const least = size.indexOf(Math.min(...size));
  const first = unit(cross(normal, [least === 0 ? 1 : 0, least === 1 ? 1 : 0, least === 2 ? 1 : 0]));
  const second = cross(normal, first);
  return points.map((point) => [dot(point, first), dot(point, second)]);
}

/**
 * The area within an outline by the even-odd rule, and whether it crosses itself.
 *
 * Simple outlines by the shoelace formula; others cut into strips between corners and crossings, in which the
 * width changes evenly.
 */
export function areaOf(outline: readonly Flat[]): { area: number; crosses: boolean } {
  const raised = distinct(outline.map(([x, y]): Vec3 => [x - outline[0]![0], y - outline[0]![1], 0]), true);
  if (raised.length < 3) return { area: 0, crosses: false };
  const points = raised.map(([x, y]): Flat => [x, y]);
  let twice = 0;
  points.forEach(([x, y], n) => {
    const [x1, y1] = points[(n + 1) % points.length]!;
    twice += x * y1 - y * x1;
  });
  const plain = Math.abs(twice) / 2;
  const { touches, heights } = crossings(points);
  if (!touches) return { area: plain, crosses: false };
  const area = strips(points, heights);
  return { area, crosses: heights.length > 0 || Math.abs(area - plain) > 1e-9 * Math.max(area, plain) };
}

const side = (a: Flat, b: Flat, p: Flat): number => (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0]);

/** Whether edges that are no neighbours meet, and the heights where edges cross. */
function crossings(points: readonly Flat[]): { touches: boolean; heights: readonly number[] } {
  const count = points.length;
  const end = (n: number): Flat => points[(n + 1) % count]!;
  const low = points.map((point, n) => Math.min(point[0], end(n)[0]));
  const order = points.map((_, n) => n).sort((a, b) => low[a]! - low[b]!);
  const heights: number[] = [];
  let touches = false;
  for (let m = 0; m < count; m++) {
    const a = order[m]!;
    const [a0, a1] = [points[a]!, end(a)];
    const reach = Math.max(a0[0], a1[0]);
    const [lowest, highest] = [Math.min(a0[1], a1[1]), Math.max(a0[1], a1[1])];
    for (let n = m + 1; n < count && low[order[n]!]! <= reach; n++) {
      const b = order[n]!;
      const gap = Math.abs(a - b);
      if (gap === 1 || gap === count - 1) continue;
      const [b0, b1] = [points[b]!, end(b)];
      if (Math.min(b0[1], b1[1]) > highest || Math.max(b0[1], b1[1]) < lowest) continue;
      const left = side(a0, a1, b0) * side(a0, a1, b1);
      const [from, to] = [side(b0, b1, a0), side(b0, b1, a1)];
      if (left > 0 || from * to > 0) continue;
      touches = true;
      if (left < 0 && from * to < 0) heights.push(a0[1] + (from / (from - to)) * (a1[1] - a0[1]));
    }
  }
  return { touches, heights };
}

function strips(points: readonly Flat[], crossed: readonly number[]): number {
  const heights = [...new Set([...points.map((point) => point[1]), ...crossed])].sort((a, b) => a - b);
  const place = new Map(heights.map((height, n) => [height, n]));
  const cuts: number[][] = heights.map(() => []);
  points.forEach((a, n) => {
    const b = points[(n + 1) % points.length]!;
    const until = place.get(Math.max(a[1], b[1]))!;
    for (let s = place.get(Math.min(a[1], b[1]))!; s < until; s++) {
      const middle = (heights[s]! + heights[s + 1]!) / 2;
      cuts[s]!.push(a[0] + ((middle - a[1]) / (b[1] - a[1])) * (b[0] - a[0]));
    }
  });
  let area = 0;
  cuts.forEach((row, s) => {
    row.sort((a, b) => a - b);
    row.forEach((x, n) => { area += (n % 2 ? x : -x) * (heights[s + 1]! - heights[s]!); });
  });
  return area;
}

/** The largest distance between two of the points, over their convex hull. */
export function maxDistance(points: readonly Flat[]): number {
  const hull = hullOf(points);
  let best = 0;
  for (let a = 0; a < hull.length; a++)
    for (let b = a + 1; b < hull.length; b++)
      best = Math.max(best, Math.hypot(hull[a]![0] - hull[b]![0], hull[a]![1] - hull[b]![1]));
  return best;
}

/** Corners of the convex hull (Andrew's monotone chain). */
function hullOf(points: readonly Flat[]): readonly Flat[] {
  const ordered = [...points].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  if (ordered.length < 4) return ordered;
  return [ordered, [...ordered].reverse()].flatMap((run) => {
    const chain: Flat[] = [];
    for (const point of run) {
      while (chain.length > 1 && side(chain.at(-2)!, chain.at(-1)!, point) <= 0) chain.pop();
      chain.push(point);
    }
    return chain.slice(0, -1);
  });
}

/** The angle between two vectors, 0 to 180 degrees; null where one has no length. */
export function angleBetween(a: Vec3, b: Vec3): number | null {
  if (length(a) === 0 || length(b) === 0) return null;
  return (Math.atan2(length(cross(a, b)), dot(a, b)) * 180) / Math.PI;
}
