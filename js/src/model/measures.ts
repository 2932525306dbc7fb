/** Length, area, angle and values of a shape or box: the same definitions as nbannot.model.measures, live. */
import { add, cross, dot, length, scale, subtract, unit, type GridGeometry, type Vec3 } from "./geometry";
import type { BoxItem, ShapeItem } from "./items";
import { angleBetween, areaOf, ellipseAxes, ellipseOf, ellipsePerimeter, flattened, isClosed, lengthOf, maxDistance, path } from "./outline";
import type { Flat } from "./outline";
import { gather, insideEllipse, insidePolygon, linearAt, sliceOf, statistics, type Slices, type Summary } from "./sampling";

export type { Slices } from "./sampling";

/** The unit that values are given in: value = factor × stored value. */
export interface ValueUnit {
  readonly name: string;
  readonly factor: number;
}

/** The image that an item lies on. */
export interface Measured {
  readonly geometry: GridGeometry;
  readonly color: boolean;
  /** Slice k of the frame shown, row by row; undefined while it is not here. */
  readonly slices: Slices;
  readonly unit: ValueUnit;
}

/** Quantities of an item; those that make no sense are not there. */
export interface Measures extends Summary {
  /** Of lengths; areas and volumes in its powers. */
  readonly unit: "mm" | "px";
  readonly length?: number;
  readonly perimeter?: number;
  readonly area?: number;
  readonly width?: number;
  readonly height?: number;
  readonly depth?: number;
  readonly long_axis?: number;
  readonly short_axis?: number;
  readonly max_diameter?: number;
  /** Degrees. */
  readonly angle?: number;
  readonly volume?: number;
  readonly value?: number;
  readonly linear?: number;
  readonly value_unit: string;
  readonly note: string;
  /** Slices that the values need are not here yet. */
  readonly pending: boolean;
}

type Found = { -readonly [K in keyof Measures]?: Measures[K] };

const CROSSES = "the outline crosses itself: area and voxels by the even-odd rule";
const COLOUR = "colour image: no statistics of values";
const FREE_PLANE = "free plane: sampled at the voxel spacing, linear between voxels";
const OPEN: ReadonlySet<string> = new Set(["ruler", "curve", "open-freehand", "spline"]);
/** Axes of a bidirectional that are further from a right angle, degrees, are named in the note. */
const ASKEW = 5;

/** Measure a shape or box; `values: false` leaves the image alone. */
export function measure(item: ShapeItem | BoxItem, given: Measured, values = true): Measures {
  const image = { ...given, slices: once(given.slices) };
  const sizes = item.type === "box" ? boxSizes(item, image.geometry) : shapeSizes(item);
  const inside = values ? (item.type === "box" ? boxValues(item, image) : shapeValues(item, image)) : {};
  const note = [sizes.note, inside.note].filter(Boolean).join("; ");
  return { value_unit: "", pending: false, ...sizes, ...inside, unit: image.geometry.unit, note };
}

/** The same slices, each asked for once. */
function once(slices: Slices): Slices {
  const known = new Map<number, ReturnType<Slices>>();
  return (k) => {
    if (!known.has(k)) known.set(k, slices(k));
    return known.get(k);
  };
}

function shapeSizes(shape: ShapeItem): Found {
  const { kind, points } = shape;
  const [a, b, c, d] = [points[0]!, points[1]!, points[2]!, points[3]!];
  if (OPEN.has(kind)) return { length: lengthOf(path(shape)) };
  if (kind === "bidirectional") {
    const axes = [length(subtract(b, a)), length(subtract(d, c))];
    const angle = angleBetween(subtract(b, a), subtract(d, c));
    const askew = angle !== null && Math.abs(angle - 90) > ASKEW;
    const note = askew ? `the axes are at ${Math.min(angle, 180 - angle).toFixed(0)}°` : "";
    return { long_axis: Math.max(...axes), short_axis: Math.min(...axes), note };
  }
  if (kind === "angle" || kind === "cobb") {
    const angle = kind === "angle" ? angleBetween(subtract(a, b), subtract(c, b)) : angleBetween(subtract(b, a), subtract(d, c));
    if (angle === null) return {};
    return { angle: kind === "cobb" ? Math.min(angle, 180 - angle) : angle };
  }
  return isClosed(shape) ? outlineSizes(shape) : {};
}

function outlineSizes(shape: ShapeItem): Found {
  const { points } = shape;
  if (shape.kind === "ellipse") {
    const { u, v } = ellipseOf(points);
    const { long, short } = ellipseAxes(u, v);
    const area = length(cross(u, v)) * Math.PI;
    return { area, perimeter: ellipsePerimeter(long, short), long_axis: long, short_axis: short, max_diameter: long };
  }
  const line = path(shape);
  const flat = flattened(line, normalOf(shape));
  const { area, crosses } = areaOf(flat);
  const found: Found = { area, perimeter: lengthOf(line, true), max_diameter: maxDistance(flat) };
  if (shape.kind === "rectangle") {
    found.width = length(subtract(points[1]!, points[0]!));
    found.height = length(subtract(points[2]!, points[1]!));
  }
  if (crosses) found.note = CROSSES;
  return found;
}

/** The normal of an outline; one that is being drawn may not have it yet. */
function normalOf(shape: ShapeItem): Vec3 {
  if (shape.normal) return shape.normal;
  const [first, ...rest] = shape.points;
  const arms = rest.map((point) => subtract(point, first!));
  let best: Vec3 = [0, 0, 0];
  for (let n = 1; n < arms.length; n++) {
    const across = cross(arms[n - 1]!, arms[n]!);
    if (length(across) > length(best)) best = across;
  }
  return length(best) > 0 ? unit(best) : [0, 0, 1];
}

function shapeValues(shape: ShapeItem, image: Measured): Found {
  const probe = shape.kind === "probe" || (shape.kind === "points" && shape.points.length === 1);
  if (!probe && !isClosed(shape)) return {};
  if (image.color) return { note: COLOUR };
  if (probe) return probeValues(shape, image);
  const world = shape.kind === "ellipse" ? shape.points : path(shape);
  const index = world.map((point) => indexOf(image.geometry, point, shape.slice));
  const place = sliceOf(index);
  if (place === null) return sampled(shape, world, image);
  const { axis, number } = place;
  const [down, across] = ([[1, 2], [0, 2], [0, 1]] as const)[axis];
  const size = image.geometry.shape;
  const flat = index.map((point): Flat => [point[across], point[down]]);
  const inside = shape.kind === "ellipse" ? insideEllipse : insidePolygon;
  const within = number >= 0 && number < size[axis];
  const runs = within ? inside(flat, [size[across], size[down]]) : [];
  const voxel = (x: number, y: number): Vec3 => (axis === 0 ? [number, y, x] : axis === 1 ? [y, number, x] : [y, x, number]);
  return summary(gather(runs, (x, y) => valueAt(image, voxel(x, y))), image);
}

/** Index of a world point; in a stack on plane k. */
function indexOf(geometry: GridGeometry, world: Vec3, k: number | null): Vec3 {
  if (geometry.kind === "grid") return geometry.toIndex(world);
  const plane = geometry.plane(k ?? 0);
  const [, j, i] = geometry.stepToIndex(subtract(world, plane.origin), k ?? 0);
  return [k ?? 0, j, i];
}

function valueAt(image: Measured, [k, j, i]: Vec3): number | undefined {
  return image.slices(k)?.[j * image.geometry.shape[2] + i];
}

function summary(values: Float64Array | null, image: Measured, how = ""): Found {
  if (!values) return { pending: true, note: how, value_unit: image.unit.name };
  const { note, ...found } = statistics(values, image.unit.factor);
  return { ...found, value_unit: image.unit.name, note: [how, note].filter(Boolean).join("; ") };
}

function probeValues(shape: ShapeItem, image: Measured): Found {
  const index = indexOf(image.geometry, shape.points[0]!, shape.slice);
  const size = image.geometry.shape;
  if (index.some((at, n) => at < -0.5 - 1e-9 || at > size[n]! - 0.5 + 1e-9)) return { note: "outside the image" };
  const near = (n: 0 | 1 | 2): number => Math.min(Math.max(Math.floor(index[n] + 0.5), 0), size[n] - 1);
  const value = valueAt(image, [near(0), near(1), near(2)]);
  const linear = linearAt(image.slices, size, index);
  if (value === undefined || linear === undefined) return { pending: true, value_unit: image.unit.name };
  if (!Number.isFinite(value) || linear === null || !Number.isFinite(linear)) return { note: "no value here" };
  return { value: value * image.unit.factor, linear: linear * image.unit.factor, value_unit: image.unit.name };
}

/** Values inside an outline in a free plane, on a square raster at the smallest voxel spacing. */
function sampled(shape: ShapeItem, world: readonly Vec3[], image: Measured): Found {
  const { geometry } = image;
  const step = Math.min(...geometry.spacing);
  const normal = normalOf(shape);
  const plane = geometry.plane(0);
  const column = unit(plane.column_step);
  const along = Math.abs(dot(column, normal)) <= 0.9 ? column : unit(plane.row_step);
  const first = unit(subtract(along, scale(normal, dot(along, normal))));
  const second = cross(normal, first);
  const flat = world.map((point): Vec3 => {
    const offset = subtract(point, world[0]!);
    return [dot(offset, first), dot(offset, second), 0];
  });
  const [low, high] = reach(shape, flat);
  const size: Flat = [Math.ceil((high[0] - low[0]) / step - 1e-6), Math.ceil((high[1] - low[1]) / step - 1e-6)];
  const places = flat.map(([x, y]): Flat => [(x - low[0]) / step - 0.5, (y - low[1]) / step - 0.5]);
  const inside = shape.kind === "ellipse" ? insideEllipse : insidePolygon;
  const at = (x: number, y: number): number | null | undefined => {
    const point = add(world[0]!, add(scale(first, (x + 0.5) * step + low[0]), scale(second, (y + 0.5) * step + low[1])));
    return linearAt(image.slices, geometry.shape, geometry.toIndex(point));
  };
  return summary(gather(inside(places, size), at), image, FREE_PLANE);
}

/** The box round an outline in its plane. */
function reach(shape: ShapeItem, flat: readonly Vec3[]): readonly [Flat, Flat] {
  if (shape.kind === "ellipse") {
    const { centre, u, v } = ellipseOf(flat);
    const [x, y] = [Math.hypot(u[0], v[0]), Math.hypot(u[1], v[1])];
    return [[centre[0] - x, centre[1] - y], [centre[0] + x, centre[1] + y]];
  }
  const [xs, ys] = [flat.map((point) => point[0]), flat.map((point) => point[1])];
  const ends = (values: number[], pick: (a: number, b: number) => number): number => values.reduce((a, b) => pick(a, b));
  return [[ends(xs, Math.min), ends(ys, Math.min)], [ends(xs, Math.max), ends(ys, Math.max)]];
}

const SIDES = ["depth", "height", "width"] as const;

function boxSizes(box: BoxItem, geometry: GridGeometry): Found {
  const [low, high] = box.index;
  const stack = geometry.kind === "stack";
  const first = Math.min(Math.max(Math.round(low[0]), 0), geometry.shape[0] - 1);
  const edge = (axis: 0 | 1 | 2): Vec3 =>
    stack && axis === 0 ? [0, 0, 0] : scale(geometry.axisStep(axis, first), high[axis] - low[axis]);
  const edges = [edge(0), edge(1), edge(2)] as const;
  const used = ([0, 1, 2] as const).filter((axis) => high[axis] > low[axis] && !(stack && axis === 0));
  const found: Found = {};
  for (const axis of used) found[SIDES[axis]] = length(edges[axis]);
  if (used.length === 2) {
    found.area = length(cross(edges[used[0]!], edges[used[1]!]));
    found.perimeter = 2 * (length(edges[used[0]!]) + length(edges[used[1]!]));
  } else found.volume = Math.abs(dot(edges[0], cross(edges[1], edges[2])));
  const diagonals = [[1, 1, 1], [-1, 1, 1], [1, -1, 1], [1, 1, -1]].map(([a, b, c]) =>
    length(add(scale(edges[0], a!), add(scale(edges[1], b!), scale(edges[2], c!)))));
  found.max_diameter = Math.max(...edges.map(length), ...diagonals);
  return found;
}

/** The voxels in a box along an axis, from one up to but without another. */
function boxRange({ index: [low, high] }: BoxItem, shape: Vec3, n: 0 | 1 | 2): readonly [from: number, until: number] {
  const from = Math.max(Math.ceil(low[n] - 1e-9), 0);
  return [from, Math.max(from, Math.min(Math.floor(high[n] + 1e-9), shape[n] - 1) + 1)];
}

/** How many voxels of an image of this shape have their centres in a box, on its sides included. */
export function boxVoxels(box: BoxItem, shape: Vec3): number {
  return ([0, 1, 2] as const).map((n) => boxRange(box, shape, n)).reduce((all, [from, until]) => all * (until - from), 1);
}

function boxValues(box: BoxItem, image: Measured): Found {
  if (image.color) return { note: COLOUR };
  const { shape } = image.geometry;
  const [[k0, k1], [j0, j1], [i0, i1]] = [boxRange(box, shape, 0), boxRange(box, shape, 1), boxRange(box, shape, 2)];
  const values = new Float64Array(boxVoxels(box, shape));
  let n = 0;
  for (let k = k0; k < k1; k++) {
    const slice = image.slices(k);
    if (!slice) return summary(null, image);
    for (let j = j0; j < j1; j++)
      for (let i = i0; i < i1; i++) values[n++] = slice[j * shape[2] + i]!;
  }
  return summary(values, image);
}
