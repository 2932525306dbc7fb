/** Changes of shapes, each a new value of the item. */
import { add, dot, scale, subtract, type Vec3 } from "../../model/geometry";
import type { EditDraft, ShapeItem, Triple } from "../../model/protocol";
import { isGrid, type Frame, type Pair } from "../frame";
import { freshId, type ToolHost } from "../tool";
import { nearestOn } from "./flat";
import { FORMS } from "./kinds";
import { isLoose, type Seat } from "./seat";

export const TOOL = "shape";

/** Tenths of a micrometre are enough, and short to send. */
const round = (x: number): number => Math.round(x * 1e4) / 1e4 + 0;
export const rounded = (p: Vec3): Triple => [round(p[0]), round(p[1]), round(p[2])];

/** Why a shape must stay as it is, or null. */
export function fixed(host: Pick<ToolHost, "labels">, item: ShapeItem): string | null {
  if (item.locked) return `This ${FORMS[item.kind].title} is locked. Unlock it to change it.`;
  const label = host.labels.find(({ name }) => name === item.label);
  return label?.locked ? `The label "${label.name}" is locked. Unlock it to change its shapes.` : null;
}

export const putShape = (item: ShapeItem, old?: ShapeItem): EditDraft => ({ kind: "put", item, ...(old ? { old } : {}), tool: TOOL });

/** A new shape of the shown image, in a plane of it (or free in space: no normal). */
export function makeShape(
  host: ToolHost, frame: Frame, kind: ShapeItem["kind"], label: string, points: readonly Vec3[], more: Partial<ShapeItem> = {},
): ShapeItem {
  return {
    type: "shape", kind, label, points: points.map(rounded), id: freshId(), image: host.image.id,
    frame: host.image.frames > 1 ? host.time : null, slice: isGrid(host.geometry) ? null : frame.slice, normal: frame.normal,
    text: "", names: [], edges: [], name: "", lesion: "", attributes: {}, status: "", locked: false, ...more,
  };
}

/** The shape with other points, plane mm; each stays as far off the plane as it was. */
export function withPoints(item: ShapeItem, seat: Seat, points: readonly Pair[], frame: Frame): ShapeItem {
  const mean = seat.depths.reduce((sum, off) => sum + off, 0) / seat.depths.length;
  const depthAt = (n: number): number => (points.length === seat.depths.length ? seat.depths[n]! : mean);
  return {
    ...item,
    points: points.map((p, n) => {
      const old = seat.points.indexOf(p);
      if (old >= 0) return item.points[old]!;
      return rounded(add(frame.toWorld(p), scale(frame.normal, depthAt(n))));
    }),
  };
}

/** The shape moved in the plane. */
export function movedBy(item: ShapeItem, frame: Frame, by: Pair): ShapeItem {
  const step = add(scale(frame.right, by[0]), scale(frame.down, by[1]));
  return { ...item, points: item.points.map((p) => rounded(add(p, step))) };
}

/** Kinds whose outline takes a new point where it is clicked. */
export const takesPoints = ({ kind }: ShapeItem): boolean => FORMS[kind].least !== undefined && !isLoose(kind);

/** The shape with a point more where its line is nearest to a place; also tells its number. */
export function insertPoint(item: ShapeItem, seat: Seat, at: Pair, frame: Frame): { item: ShapeItem; n: number } {
  const form = FORMS[item.kind];
  const line = form.lines(seat.points, 0, [])[0]!;
  const near = nearestOn(at, line.points, line.closed);
  // A curve is drawn with equally many stretches from point to point.
  const stretches = line.closed ? line.points.length / seat.points.length : (line.points.length - 1) / (seat.points.length - 1);
  const n = Math.min(seat.points.length, Math.floor(near.after / Math.max(1, stretches)) + 1);
  const points = [...seat.points.slice(0, n), near.at, ...seat.points.slice(n)];
  return { item: withPoints(item, seat, points, frame), n };
}

/** The shape without one of its points; null where it needs them all. */
export function dropPoint(item: ShapeItem, n: number): ShapeItem | null {
  const { least } = FORMS[item.kind];
  if (least === undefined || item.points.length <= least || !(n in item.points)) return null;
  const rest = <T>(all: readonly T[]): T[] => all.filter((_, m) => m !== n);
  const edges = item.edges
    .filter((pair) => !pair.includes(n))
    .map(([a, b]): [number, number] => [a > n ? a - 1 : a, b > n ? b - 1 : b]);
  return { ...item, points: rest(item.points), names: rest(item.names), edges };
}

/** A copy in another plane of the image (or frame in time), at the same place of the picture. */
export function copiedTo(item: ShapeItem, from: Frame, to: Frame, time: number): ShapeItem {
  const points = item.points.map((p) => {
    const off = dot(subtract(p, from.centre), from.normal);
    return rounded(add(to.toWorld(from.toPlane(p)), scale(to.normal, off)));
  });
  return {
    ...item, id: freshId(), points, locked: false, name: "",
    frame: item.frame === null ? null : time,
    slice: item.slice === null ? null : to.slice,
    normal: item.normal === null ? null : Math.abs(dot(item.normal, from.normal)) > 1 - 1e-6 ? to.normal : item.normal,
  };
}

/** The shape pulled onto a plane; null where nothing of its outline would be left. */
export function pulledTo(item: ShapeItem, frame: Frame, time: number): ShapeItem | null {
  if (FORMS[item.kind].closed && item.normal !== null && Math.abs(dot(item.normal, frame.normal)) < 0.1) return null;
  return {
    ...item,
    points: item.points.map((p) => rounded(frame.toWorld(frame.toPlane(p)))),
    normal: item.normal === null ? null : frame.normal,
    frame: item.frame === null ? null : time,
    slice: item.slice === null ? null : frame.slice,
  };
}
