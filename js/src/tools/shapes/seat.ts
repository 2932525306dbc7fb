/** How a shape lies to the shown plane: in it, across it, or away from it. */
import { add, cross, dot, scale, subtract, unit, type Vec3 } from "../../model/geometry";
import type { ShapeItem, ShapeKind } from "../../model/protocol";
import type { Frame, Pair } from "../frame";
import { far, minus } from "./flat";
import { FORMS } from "./kinds";

export interface Seat {
  /** Whether the whole shape lies in the plane: it is drawn in full and has handles. */
  readonly inside: boolean;
  /** Every point, plane mm, and how far behind the plane it lies. */
  readonly points: readonly Pair[];
  readonly depths: readonly number[];
  /** Numbers of the points within half a slice. */
  readonly near: readonly number[];
  /** Where an outline or line crosses the plane: stretches inside an outline, and single places. */
  readonly cuts: readonly (readonly [Pair, Pair])[];
  readonly dots: readonly Pair[];
}

/** Kinds whose points stand for themselves: each is shown and moved wherever it is near. */
const LOOSE: ReadonlySet<ShapeKind> = new Set(["points", "probe", "text"]);
export const isLoose = (kind: ShapeKind): boolean => LOOSE.has(kind);

/** Half a plane of a stack, which has no thickness: mm or px. */
const STACK_REACH = 0.5;
const PARALLEL = 1 - 1e-6;
const HAIR = 1e-3;

/** Whether a shape belongs to what a pane shows, wherever its points are. */
export function belongs(item: ShapeItem, frame: Frame, image: string, time: number, stack: boolean): boolean {
  if (item.image !== "" && item.image !== image) return false;
  if (item.frame !== null && item.frame !== time) return false;
  return !stack || item.slice === null || item.slice === frame.slice;
}

/** Where a shape lies in a plane; null where nothing of it is to be seen. */
export function seatOf(item: ShapeItem, frame: Frame): Seat | null {
  const reach = (frame.thickness > 0 ? frame.thickness / 2 : STACK_REACH) + HAIR;
  const named = item.slice !== null && frame.thickness === 0;
  const loose = isLoose(item.kind);
  const { normal } = item;
  const parallel = normal === null || Math.abs(dot(normal, frame.normal)) > PARALLEL;
  const first = item.points[0]!;
  // Most shapes lie in other slices: nothing more is computed for them.
  if (!named && !loose && normal !== null && parallel && Math.abs(depth(first, frame)) > reach) return null;
  const depths = item.points.map((point) => depth(point, frame));
  const near = depths.flatMap((off, n) => (named || Math.abs(off) <= reach ? [n] : []));
  const points = item.points.map((point) => frame.toPlane(point));
  if (near.length === depths.length && (parallel || loose)) return { inside: true, points, depths, near, cuts: [], dots: [] };
  const inside = loose && near.length > 0;
  const crossing = loose ? [] : crossings(item, frame);
  if (near.length === 0 && crossing.length === 0) return null;
  const { cuts, dots } = FORMS[item.kind].closed ? { cuts: pairs(crossing), dots: [] } : { cuts: [], dots: crossing };
  return { inside, points, depths, near, cuts, dots };
}

const depth = (point: Vec3, frame: Frame): number => dot(subtract(point, frame.centre), frame.normal);

/** Places where the lines of a shape pass through the plane. */
function crossings(item: ShapeItem, frame: Frame): Pair[] {
  return spaceLines(item).flatMap(({ points, closed }) => {
    const depths = points.map((point) => depth(point, frame));
    const out: Pair[] = [];
    for (let k = 0; k < (closed ? points.length : points.length - 1); k++) {
      const m = (k + 1) % points.length;
      const [a, b] = [depths[k]!, depths[m]!];
      if (a < 0 === b < 0) continue;
      out.push(frame.toPlane(add(points[k]!, scale(subtract(points[m]!, points[k]!), a / (a - b)))));
    }
    return out;
  });
}

/** The lines of a shape in space, as they are drawn in its own plane; points free in space are joined straight. */
function spaceLines({ kind, points, normal }: ShapeItem): { points: readonly Vec3[]; closed: boolean }[] {
  const { closed, lines } = FORMS[kind];
  if (normal === null) return [{ points, closed }];
  const origin = points[0]!;
  const u = unit(cross(normal, Math.abs(normal[0]) < 0.9 ? [1, 0, 0] : [0, 1, 0]));
  const v = cross(normal, u);
  const flat = points.map((p): Pair => [dot(subtract(p, origin), u), dot(subtract(p, origin), v)]);
  return lines(flat, 0, []).map((line) => ({
    closed: line.closed,
    points: line.points.map(([x, y]) => add(origin, add(scale(u, x), scale(v, y)))),
  }));
}

/** The crossing places in order along their line, two and two: what lies between is inside (even-odd). */
function pairs(places: Pair[]): [Pair, Pair][] {
  if (places.length < 2) return [];
  const a = places[0]!;
  const way = minus(places.reduce((best, p) => (far(p, a) > far(best, a) ? p : best)), a);
  const order = [...places].sort((p, q) => (p[0] - q[0]) * way[0] + (p[1] - q[1]) * way[1]);
  return Array.from({ length: order.length >> 1 }, (_, n) => [order[2 * n]!, order[2 * n + 1]!]);
}

/** Seats of the shapes in one pane, kept while its plane stays. */
export class Seats {
  #plane: readonly number[] = [];
  #kept = new WeakMap<ShapeItem, Seat | { none: true }>();
  /** Grows when the plane changes. */
  version = 0;

  get(item: ShapeItem, frame: Frame): Seat | null {
    this.follow(frame);
    let seat = this.#kept.get(item);
    if (!seat) this.#kept.set(item, (seat = seatOf(item, frame) ?? { none: true }));
    return "none" in seat ? null : seat;
  }

  /** Forget everything when the plane is another. */
  follow({ right, down, normal, centre, slice, thickness }: Frame): void {
    const plane = [...right, ...down, ...normal, ...centre, slice, thickness];
    if (plane.length === this.#plane.length && plane.every((x, n) => x === this.#plane[n])) return;
    this.#plane = plane;
    this.#kept = new WeakMap();
    this.version++;
  }
}
