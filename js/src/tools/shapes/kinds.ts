/** The table of the kinds of shapes: what is drawn, where they are taken hold of, and what a handle does. */
import type { ShapeKind } from "../../model/protocol";
import type { Pair } from "../frame";
import { along, catmullRom, far, heading, lengthOf, middle, minus, plus, quarter, times, turnAbout } from "./flat";

export interface Line {
  readonly points: readonly Pair[];
  readonly closed: boolean;
  /** Dashed: helps to read the shape and is no part of it. */
  readonly aside?: boolean;
}

export interface How {
  readonly shift: boolean;
  readonly mmPerPx: number;
}

/** A kind of shape; points and lines in plane mm. Sizes of marks come with `mmPerPx` (0: no marks). */
export interface Form {
  /** As it stands in a sentence: "This … is locked." */
  readonly title: string;
  readonly closed: boolean;
  /** Points can be added and taken away, down to this many. */
  readonly least?: number;
  lines(points: readonly Pair[], mmPerPx: number, edges: readonly (readonly [number, number])[]): readonly Line[];
  handles(points: readonly Pair[], mmPerPx: number): readonly Pair[];
  /** The points after handle n went to a place. */
  drag(points: readonly Pair[], n: number, to: Pair, how: How): readonly Pair[];
  /** Number of the point that a handle stands for; null where it is none. */
  pointOf(handle: number): number | null;
  /** Put the points in order after a gesture. */
  tidy?(points: readonly Pair[]): readonly Pair[];
}

const open = (points: readonly Pair[]): Line => ({ points, closed: false });
const ring = (points: readonly Pair[]): Line => ({ points, closed: true });
const replace = (points: readonly Pair[], n: number, to: Pair): Pair[] => points.map((p, m) => (m === n ? to : p));
const self = (n: number): number => n;

const plain = (title: string, closed: boolean, more: Partial<Form> & Pick<Form, "lines">): Form => ({
  title, closed, handles: (points) => points, drag: replace, pointOf: self, ...more,
});

// Marks ------------------------------------------------------------------------------------------

const TICK = 5;
const HEAD = 11;

function tick(end: Pair, other: Pair, mmPerPx: number): Line[] {
  if (mmPerPx === 0) return [];
  const across = times(quarter(heading(minus(other, end))), TICK * mmPerPx);
  return [open([plus(end, across), minus(end, across)])];
}

function arrowHead(tail: Pair, head: Pair, mmPerPx: number): Line[] {
  if (mmPerPx === 0) return [];
  const size = Math.min(HEAD * mmPerPx, far(tail, head));
  const back = times(heading(minus(tail, head)), size);
  return [open([plus(head, turnAbout(back, [0, 0], 0.42)), head, plus(head, turnAbout(back, [0, 0], -0.42))])];
}

function arc(a: Pair, vertex: Pair, b: Pair, mmPerPx: number): Line[] {
  const radius = Math.min(18 * mmPerPx, far(a, vertex) / 2, far(b, vertex) / 2);
  if (!(radius > 0)) return [];
  const from = Math.atan2(a[1] - vertex[1], a[0] - vertex[0]);
  const turn = Math.atan2(b[1] - vertex[1], b[0] - vertex[0]) - from;
  const span = Math.atan2(Math.sin(turn), Math.cos(turn));
  return [open(Array.from({ length: 13 }, (_, n): Pair => {
    const angle = from + (span * n) / 12;
    return [vertex[0] + radius * Math.cos(angle), vertex[1] + radius * Math.sin(angle)];
  }))];
}

function cross([x, y]: Pair, mmPerPx: number): Line[] {
  const size = 5 * mmPerPx;
  return size === 0 ? [] : [open([[x - size, y], [x + size, y]]), open([[x, y - size], [x, y + size]])];
}

// Bidirectional ----------------------------------------------------------------------------------

/** Four points from the long axis: the short axis stands across its middle, half as long. */
export function bidirectional(a: Pair, b: Pair): Pair[] {
  const half = times(quarter(minus(b, a)), 0.25);
  const m = middle(a, b);
  return [a, b, plus(m, half), minus(m, half)];
}

/** Where the short axis meets the long one (0 at a, 1 at b), and how far it reaches to both sides. */
function axes([a, b, c, d]: readonly Pair[]): { at: number; c: number; d: number } {
  const way = minus(b!, a!);
  const across = quarter(heading(way));
  const size = along(way, way) || 1;
  return { at: along(minus(middle(c!, d!), a!), way) / size, c: along(minus(c!, a!), across), d: along(minus(d!, a!), across) };
}

function fromAxes(a: Pair, b: Pair, at: number, c: number, d: number): Pair[] {
  const way = minus(b, a);
  const foot = plus(a, times(way, Math.min(1, Math.max(0, at))));
  const across = quarter(heading(way));
  return [a, b, plus(foot, times(across, c)), plus(foot, times(across, d))];
}

/** A long end takes the short axis with it; a short end moves it along and makes it longer or shorter. */
function dragBidirectional(points: readonly Pair[], n: number, to: Pair): Pair[] {
  const { at, c, d } = axes(points);
  const [a, b] = points as [Pair, Pair];
  if (n === 0) return fromAxes(to, b, at, c, d);
  if (n === 1) return fromAxes(a, to, at, c, d);
  const way = minus(b, a);
  const off = along(minus(to, a), quarter(heading(way)));
  return fromAxes(a, b, along(minus(to, a), way) / (along(way, way) || 1), n === 2 ? off : c, n === 3 ? off : d);
}

// Rectangle --------------------------------------------------------------------------------------

export const rectangleOf = ([ax, ay]: Pair, [bx, by]: Pair): Pair[] => [[ax, ay], [bx, ay], [bx, by], [ax, by]];

/** How far outside the rectangle the handle stands that turns it, px. */
const TURN = 22;
/** Corners 0..3, middles of the sides 4..7, the handle that turns 8. */
function rectangleHandles(points: readonly Pair[], mmPerPx: number): Pair[] {
  const side = (n: number): Pair => middle(points[n]!, points[(n + 1) % 4]!);
  const out = heading(minus(side(0), middle(points[0]!, points[2]!)));
  return [...points, side(0), side(1), side(2), side(3), plus(side(0), times(out, TURN * mmPerPx))];
}

function dragRectangle(points: readonly Pair[], n: number, to: Pair, { shift }: How): Pair[] {
  const centre = middle(points[0]!, points[2]!);
  if (n === 8) {
    const from = minus(middle(points[0]!, points[1]!), centre);
    const angle = Math.atan2(to[1] - centre[1], to[0] - centre[0]);
    const now = Math.atan2(from[1], from[0]);
    const step = Math.PI / 12;
    return points.map((p) => turnAbout(p, centre, (shift ? Math.round(angle / step) * step : angle) - now));
  }
  const u = heading(minus(points[1]!, points[0]!));
  const v = quarter(u);
  // In the rectangle's own directions it is upright.
  const own = (p: Pair): Pair => [along(p, u), along(p, v)];
  const back = ([x, y]: Pair): Pair => plus(times(u, x), times(v, y));
  const [a, b, c, d] = points.map(own) as [Pair, Pair, Pair, Pair];
  const [x, y] = own(to);
  if (n < 4) {
    const fixed = [c, d, a, b][n]!;
    return [0, 1, 2, 3].map((m) => {
      const corner = [a, b, c, d][m]!;
      const has = [a, b, c, d][n]!;
      return back([same(corner[0], has[0], fixed[0]) ? x : fixed[0], same(corner[1], has[1], fixed[1]) ? y : fixed[1]]);
    });
  }
  const [p, q] = [n - 4, (n - 3) % 4];
  return [a, b, c, d].map((corner, m) => back(m !== p && m !== q ? corner : n % 2 === 0 ? [corner[0], y] : [x, corner[1]]));
}

/** Whether a coordinate is that of the dragged corner rather than that of the fixed one. */
const same = (x: number, has: number, fixed: number): boolean => Math.abs(x - has) <= Math.abs(x - fixed);

// Ellipse ----------------------------------------------------------------------------------------

const ROUND = 96;
/** From corner to corner of the box around it; `circle`: as wide as high. */
export function ellipseOf(a: Pair, b: Pair, circle: boolean): Pair[] {
  let [w, h] = minus(b, a);
  if (circle) {
    const size = Math.max(Math.abs(w), Math.abs(h));
    [w, h] = [Math.sign(w || 1) * size, Math.sign(h || 1) * size];
  }
  const [x, y] = [a[0] + w / 2, a[1] + h / 2];
  return [[x - w / 2, y], [x + w / 2, y], [x, y - h / 2], [x, y + h / 2]];
}

/** From the centre to a point of the edge. */
export function circleOf(centre: Pair, edge: Pair): Pair[] {
  const way = minus(edge, centre);
  return [minus(centre, way), edge, minus(centre, quarter(way)), plus(centre, quarter(way))];
}

export function ellipseLine([a, b, c, d]: readonly Pair[]): Pair[] {
  const centre = middle(a!, b!);
  const [u, v] = [times(minus(b!, a!), 0.5), times(minus(d!, c!), 0.5)];
  return Array.from({ length: ROUND }, (_, n) => {
    const t = (2 * Math.PI * n) / ROUND;
    return plus(centre, plus(times(u, Math.cos(t)), times(v, Math.sin(t))));
  });
}

const isCircle = ([a, b, c, d]: readonly Pair[]): boolean => Math.abs(far(a!, b!) - far(c!, d!)) < 1e-3 * far(a!, b!);

/** An end of an axis turns it and makes it longer; the other axis stays across. A circle stays one unless Shift is held. */
function dragEllipse(points: readonly Pair[], n: number, to: Pair, { shift }: How): Pair[] {
  const centre = middle(points[0]!, points[1]!);
  const way = n % 2 === 0 ? minus(centre, to) : minus(to, centre);
  const first = n < 2;
  const other = far(points[first ? 2 : 0]!, points[first ? 3 : 1]!) / 2;
  const across = times(quarter(heading(way)), isCircle(points) !== shift ? Math.hypot(...way) : other);
  const [u, v] = first ? [way, across] : [times(across, -1), way];
  return [minus(centre, u), plus(centre, u), minus(centre, v), plus(centre, v)];
}

// Drawn lines ------------------------------------------------------------------------------------

const GRIPS = 24;
/** Numbers of the points of a drawn line that get a handle. */
function grips(count: number): number[] {
  if (count <= GRIPS) return Array.from({ length: count }, (_, n) => n);
  return Array.from({ length: GRIPS }, (_, n) => Math.round((n * (count - 1)) / (GRIPS - 1)));
}

/** Pull a drawn line: what lies near along it comes along, less and less. */
function pull(points: readonly Pair[], at: number, to: Pair, closed: boolean): Pair[] {
  const by = minus(to, points[at]!);
  const whole = lengthOf(points, closed);
  const reach = points.length <= GRIPS ? 0 : whole / (GRIPS / 2);
  const upTo = points.reduce<number[]>((sums, p, n) => [...sums, n === 0 ? 0 : sums[n - 1]! + far(p, points[n - 1]!)], []);
  return points.map((p, n) => {
    const straight = Math.abs(upTo[n]! - upTo[at]!);
    const off = closed ? Math.min(straight, whole - straight) : straight;
    const share = n === at ? 1 : off >= reach ? 0 : (1 + Math.cos((Math.PI * off) / reach)) / 2;
    return plus(p, times(by, share));
  });
}

const drawn = (title: string, closed: boolean): Form => ({
  title, closed,
  lines: (points) => [{ points, closed }],
  handles: (points) => grips(points.length).map((n) => points[n]!),
  drag: (points, n, to) => pull(points, grips(points.length)[n]!, to, closed),
  pointOf: () => null,
});

// ------------------------------------------------------------------------------------------------

export const FORMS: Readonly<Record<ShapeKind, Form>> = {
  points: plain("set of points", false, {
    least: 1,
    lines: (points, mmPerPx, edges) => [
      ...edges.flatMap(([a, b]) => (points[a] && points[b] ? [open([points[a], points[b]])] : [])),
      ...points.flatMap((point) => cross(point, mmPerPx)),
    ],
  }),
  ruler: plain("ruler", false, {
    lines: ([a, b], mmPerPx) => (a && b ? [open([a, b]), ...tick(a, b, mmPerPx), ...tick(b, a, mmPerPx)] : []),
  }),
  bidirectional: plain("measurement", false, {
    lines: ([a, b, c, d]) => [open([a!, b!]), open([c!, d!])],
    drag: dragBidirectional,
    tidy: (points) => (far(points[2]!, points[3]!) > far(points[0]!, points[1]!) ? [points[2]!, points[3]!, points[0]!, points[1]!] : points),
  }),
  angle: plain("angle", false, {
    lines: ([a, vertex, b], mmPerPx) => (b ? [open([a!, vertex!, b]), ...arc(a!, vertex!, b, mmPerPx)] : [open([a!, vertex!])]),
  }),
  cobb: plain("Cobb angle", false, {
    lines: ([a, b, c, d], mmPerPx) => [
      open([a!, b!]), ...(c && d ? [open([c, d])] : []),
      ...(c && d && mmPerPx > 0 ? [{ ...open([middle(a!, b!), middle(c, d)]), aside: true }] : []),
    ],
  }),
  rectangle: plain("rectangle", true, {
    lines: (points) => [ring(points)],
    handles: rectangleHandles, drag: dragRectangle, pointOf: () => null,
  }),
  ellipse: plain("ellipse", true, { lines: (points) => [ring(ellipseLine(points))], drag: dragEllipse, pointOf: () => null }),
  polygon: plain("polygon", true, { least: 3, lines: (points) => [ring(points)] }),
  freehand: drawn("outline", true),
  livewire: drawn("outline", true),
  "open-freehand": drawn("line", false),
  curve: plain("line", false, { least: 2, lines: (points) => [open(points)] }),
  spline: plain("curve", false, { least: 2, lines: (points) => [open(catmullRom(points, false))] }),
  "closed-spline": plain("curve", true, { least: 3, lines: (points) => [ring(catmullRom(points, true))] }),
  arrow: plain("arrow", false, {
    lines: ([tail, head], mmPerPx) => (tail && head ? [open([tail, head]), ...arrowHead(tail, head, mmPerPx)] : []),
  }),
  text: plain("text", false, { lines: () => [] }),
  probe: plain("probe", false, {
    lines: ([at], mmPerPx) => (mmPerPx === 0 || !at ? [] : [ring(Array.from({ length: 16 }, (_, n): Pair => [
      at[0] + 5 * mmPerPx * Math.cos((Math.PI * n) / 8), at[1] + 5 * mmPerPx * Math.sin((Math.PI * n) / 8),
    ])), ...cross(at, mmPerPx * 0.4)]),
  }),
};
