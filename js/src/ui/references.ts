/** Reference lines: where the planes of other images cut a pane. */
import { dot, subtract, withAxis, type Axis, type Vec3 } from "../model/geometry";
import { movePoint, type Matrix } from "../model/transform";
import type { Plane } from "../state/parts";
import type { Frame, Pair } from "../tools/frame";
import type { Pane } from "./pane";

/** A line on a pane, in plane mm. */
export interface ReferenceLine {
  /** Pane whose plane it is. */
  readonly pane: string;
  readonly plane: Plane;
  readonly from: Pair;
  readonly to: Pair;
}

/** The corners of what a frame shows of a grid of this shape, in its world. */
function corners(frame: Frame, shape: Vec3): readonly Vec3[] {
  const ring: readonly Pair[] = [[0, 0], [1, 0], [1, 1], [0, 1]];
  const [x, y] = [frame.extent[0] / 2, frame.extent[1] / 2];
  if (frame.axis === null) return ring.map(([u, v]) => frame.toWorld([(2 * u - 1) * x, (2 * v - 1) * y]));
  const { uAxis, vAxis } = frame;
  const end = (axis: Axis, part: number): number => part * shape[axis] - 0.5;
  return ring.map(([u, v]) => {
    const index = withAxis(withAxis([0, 0, 0], uAxis, end(uAxis, u)), vAxis, end(vAxis, v));
    return frame.toWorld(frame.fromIndex(index));
  });
}

/** Planes that are nearly parallel have no line worth showing: below about 3 degrees it would wander. */
const PARALLEL = 0.05;
/** Lines that differ by less are one: sine of the angle, and mm. */
const TURNED = 0.01;
const SLACK_MM = 0.1;

/** Where `other`, of a grid of this shape, crosses the plane of `frame`; `way` leads from its world to that of `frame`. */
export function cutLine(
  frame: Frame, other: Frame, shape: Vec3, way: Matrix,
): { readonly from: Pair; readonly to: Pair } | null {
  const points = corners(other, shape).map((one) => movePoint(way, one));
  const off = points.map((one) => dot(subtract(one, frame.centre), frame.normal));
  const size = Math.max(Math.hypot(...subtract(points[2]!, points[0]!)), 1e-9);
  if (Math.max(...off) - Math.min(...off) < PARALLEL * size) return null;
  const found: Pair[] = [];
  for (let n = 0; n < 4; n++) {
    const [a, b] = [off[n]!, off[(n + 1) % 4]!];
    if (a < 0 === b < 0) continue;
    const part = a / (a - b);
    const [p, q] = [frame.toPlane(points[n]!), frame.toPlane(points[(n + 1) % 4]!)];
    found.push([p[0] + (q[0] - p[0]) * part, p[1] + (q[1] - p[1]) * part]);
  }
  return found.length === 2 ? { from: found[0]!, to: found[1]! } : null;
}

/** The lines of the other panes' planes of other images in the same space; a line that the crosshair is already is left out. */
export function referenceLines(pane: Pane): ReferenceLine[] {
  const { scene, frame, image } = pane;
  if (!pane.view.value.references || pane.plane === "volume") return [];
  const lines: ReferenceLine[] = [];
  const shown = new Set<string>();
  for (const other of scene.panes) {
    if (other === pane || other.image.id === image.id || other.plane === "volume" || other.problem !== null) continue;
    const way = scene.spaces.between(other.image, image);
    if (!way) continue;
    const line = cutLine(frame, other.frame, other.geometry.shape, way);
    const key = line ? [other.plane, ...line.from, ...line.to].map((x) => (typeof x === "number" ? Math.round(x) : x)).join(" ") : "";
    if (!line || shown.has(key) || crosshairShows(pane, other, line)) continue;
    shown.add(key);
    lines.push({ pane: other.id, plane: other.plane, ...line });
  }
  return lines;
}

/** Whether a line lies, within half a slice, where one of the crosshair's is. */
function crosshairShows(pane: Pane, other: Pane, { from, to }: { readonly from: Pair; readonly to: Pair }): boolean {
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
  const size = Math.hypot(dx, dy) || 1;
  const [x, y] = pane.frame.toPlane(pane.cursor);
  if (Math.abs((x - from[0]) * dy - (y - from[1]) * dx) > (other.frame.thickness / 2 + SLACK_MM) * size) return false;
  return pane.lines.some(({ direction: [u, v] }) => Math.abs(dx * v - dy * u) < TURNED * size * Math.hypot(u, v));
}
