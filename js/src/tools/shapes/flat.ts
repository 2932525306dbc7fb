/** Lines and outlines in a plane, mm. */
import type { Pair } from "../frame";

export const plus = (a: Pair, b: Pair): Pair => [a[0] + b[0], a[1] + b[1]];
export const minus = (a: Pair, b: Pair): Pair => [a[0] - b[0], a[1] - b[1]];
export const times = (a: Pair, by: number): Pair => [a[0] * by, a[1] * by];
export const middle = (a: Pair, b: Pair): Pair => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
export const far = (a: Pair, b: Pair): number => Math.hypot(a[0] - b[0], a[1] - b[1]);
export const along = (a: Pair, b: Pair): number => a[0] * b[0] + a[1] * b[1];
/** A quarter turn. */
export const quarter = ([x, y]: Pair): Pair => [-y, x];
/** Unit vector; right for none. */
export function heading(v: Pair): Pair {
  const size = Math.hypot(v[0], v[1]);
  return size > 0 ? [v[0] / size, v[1] / size] : [1, 0];
}

export function turnAbout(p: Pair, centre: Pair, radians: number): Pair {
  const [x, y] = minus(p, centre);
  const [c, s] = [Math.cos(radians), Math.sin(radians)];
  return [centre[0] + c * x - s * y, centre[1] + s * x + c * y];
}

/** The nearest place of a line: how far, on which stretch (after point n), and where. */
export interface Near {
  readonly far: number;
  readonly after: number;
  readonly at: Pair;
}

export function nearestOn(p: Pair, line: readonly Pair[], closed: boolean): Near {
  let best: Near = { far: Infinity, after: 0, at: line[0] ?? p };
  const last = closed ? line.length : line.length - 1;
  if (last < 1 && line[0]) return { far: far(p, line[0]), after: 0, at: line[0] };
  for (let n = 0; n < last; n++) {
    const a = line[n]!;
    const b = line[(n + 1) % line.length]!;
    const dx = b[0] - a[0];
    const dy = b[1] - a[1];
    const t = Math.min(1, Math.max(0, ((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / (dx * dx + dy * dy || 1)));
    const x = a[0] + t * dx;
    const y = a[1] + t * dy;
    const off = Math.hypot(p[0] - x, p[1] - y);
    if (off < best.far) best = { far: off, after: n, at: [x, y] };
  }
  return best;
}

/** The points of a drawn line that matter: no left out point lies further off than `most` (Douglas and Peucker). */
export function thin(line: readonly Pair[], most: number): Pair[] {
  if (line.length < 3) return [...line];
  const keep = new Uint8Array(line.length);
  keep[0] = keep[line.length - 1] = 1;
  const todo: [number, number][] = [[0, line.length - 1]];
  for (let span = todo.pop(); span; span = todo.pop()) {
    const [from, to] = span;
    let [worst, at] = [most, -1];
    for (let n = from + 1; n < to; n++) {
      const off = nearestOn(line[n]!, [line[from]!, line[to]!], false).far;
      if (off > worst) [worst, at] = [off, n];
    }
    if (at < 0) continue;
    keep[at] = 1;
    todo.push([from, at], [at, to]);
  }
  return line.filter((_, n) => keep[n]);
}

/** Thin a closed outline: the point furthest from the first splits it into two lines. */
export function thinClosed(line: readonly Pair[], most: number): Pair[] {
  if (line.length < 4) return [...line];
  const first = line[0]!;
  const split = line.reduce((best, p, n) => (far(p, first) > far(line[best]!, first) ? n : best), 0);
  if (split === 0) return [first];
  return [...thin(line.slice(0, split + 1), most), ...thin([...line.slice(split), first], most).slice(1, -1)];
}

const SAMPLES = 16;

/**
 * A centripetal Catmull–Rom curve through the points (Yuksel, Schaefer and Keyser 2011), as a polyline.
 *
 * An open curve is continued by mirroring: the point before the first is 2 p0 - p1.
 */
export function catmullRom(points: readonly Pair[], closed: boolean, samples = SAMPLES): Pair[] {
  const way = points.filter((p, n) => n === 0 || far(p, points[n - 1]!) > 0);
  if (closed && way.length > 1 && far(way[0]!, way.at(-1)!) === 0) way.pop();
  const n = way.length;
  if (n < 3) return [...way];
  const at = (k: number): Pair => {
    if (closed) return way[(k + n) % n]!;
    return k < 0 ? minus(times(way[0]!, 2), way[1]!) : k >= n ? minus(times(way[n - 1]!, 2), way[n - 2]!) : way[k]!;
  };
  const out: Pair[] = [];
  for (let k = 0; k < (closed ? n : n - 1); k++) {
    for (let s = 0; s < samples; s++) out.push(between(at(k - 1), at(k), at(k + 1), at(k + 2), s / samples));
  }
  if (!closed) out.push(way[n - 1]!);
  return out;
}

/** A point of the stretch b..c by the scheme of Barry and Goldman. */
function between(a: Pair, b: Pair, c: Pair, d: Pair, part: number): Pair {
  const t1 = Math.sqrt(far(a, b));
  const t2 = t1 + Math.sqrt(far(b, c));
  const t3 = t2 + Math.sqrt(far(c, d));
  const t = t1 + part * (t2 - t1);
  const mix = (p: Pair, q: Pair, from: number, to: number): Pair =>
    plus(times(p, (to - t) / (to - from)), times(q, (t - from) / (to - from)));
  const [ab, bc, cd] = [mix(a, b, 0, t1), mix(b, c, t1, t2), mix(c, d, t2, t3)];
  return mix(mix(ab, bc, 0, t2), mix(bc, cd, t1, t3), t1, t2);
}

function sides(a: Pair, b: Pair, c: Pair): number {
  return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
}

/** Outlines with more points are not searched for crossings. */
const MOST_SEARCHED = 600;

/** Whether two stretches of a closed outline cross. */
export function crossesItself(points: readonly Pair[]): boolean {
  const n = points.length;
  if (n > MOST_SEARCHED) return false;
  for (let a = 0; a < n; a++) {
    const [p, q] = [points[a]!, points[(a + 1) % n]!];
    for (let b = a + 2; b < n; b++) {
      if ((b + 1) % n === a) continue;
      const [r, s] = [points[b]!, points[(b + 1) % n]!];
      if (sides(p, q, r) * sides(p, q, s) < 0 && sides(r, s, p) * sides(r, s, q) < 0) return true;
    }
  }
  return false;
}

export function lengthOf(line: readonly Pair[], closed = false): number {
  let sum = closed && line.length > 1 ? far(line.at(-1)!, line[0]!) : 0;
  for (let n = 1; n < line.length; n++) sum += far(line[n - 1]!, line[n]!);
  return sum;
}
