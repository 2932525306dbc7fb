/** How shapes come into being: by dragging, by clicks, or by a drawn line. */
import { dot, subtract, type Vec3 } from "../../model/geometry";
import type { LabelItem, ShapeItem, ShapeKind } from "../../model/protocol";
import type { ShapeToolName } from "../../state/shapetools";
import type { Frame, Pair } from "../frame";
import { obstacle } from "../labels";
import type { Drawing, Gesture, Pointer, ToolHost } from "../tool";
import { makeShape, putShape } from "./edits";
import { crossesItself, far, thin, thinClosed } from "./flat";
import { bidirectional, circleOf, ellipseOf, FORMS, rectangleOf } from "./kinds";
import { Tracer } from "./wire";

/** How a tool makes its shape. */
interface Way {
  readonly kind: ShapeKind;
  /** Points that are placed; null: as many as one likes. */
  readonly count: number | null;
  readonly least: number;
  /** The shape's points from those that were placed. */
  make?(points: readonly Pair[], shift: boolean): readonly Pair[];
  /** Drawn in one go. */
  readonly stroke?: true;
  /** Free in space: points may be placed in any plane. */
  readonly loose?: true;
  /** Between points the way is searched along edges of the picture. */
  readonly traced?: true;
  /** A text is typed at the end; "needed": without one there is no shape. */
  readonly typed?: "needed" | "asked";
}

const clicks = (kind: ShapeKind, least: number): Way => ({ kind, count: null, least });
const places = (kind: ShapeKind, count: number, more: Partial<Way> = {}): Way => ({ kind, count, least: count, ...more });

export const WAYS: Readonly<Record<Exclude<ShapeToolName, "select">, Way>> = {
  keypoint: places("points", 1, { loose: true }),
  landmarks: { ...clicks("points", 1), loose: true },
  ruler: places("ruler", 2),
  bidirectional: places("bidirectional", 2, { make: ([a, b]) => bidirectional(a!, b!) }),
  angle: places("angle", 3),
  cobb: places("cobb", 4),
  rectangle: places("rectangle", 2, { make: ([a, b], shift) => (shift ? square(a!, b!) : rectangleOf(a!, b!)) }),
  ellipse: places("ellipse", 2, { make: ([a, b], shift) => ellipseOf(a!, b!, shift) }),
  circle: places("ellipse", 2, { make: ([a, b]) => circleOf(a!, b!) }),
  polygon: clicks("polygon", 3),
  freehand: { ...clicks("freehand", 3), stroke: true },
  "open-freehand": { ...clicks("open-freehand", 2), stroke: true },
  spline: clicks("spline", 2),
  "closed-spline": clicks("closed-spline", 3),
  livewire: { ...clicks("livewire", 3), traced: true },
  curve: clicks("curve", 2),
  arrow: places("arrow", 2, { typed: "asked" }),
  text: places("text", 1, { typed: "needed" }),
  probe: places("probe", 1),
};

function square(a: Pair, b: Pair): Pair[] {
  const size = Math.max(Math.abs(b[0] - a[0]), Math.abs(b[1] - a[1]));
  return rectangleOf(a, [a[0] + Math.sign(b[0] - a[0] || 1) * size, a[1] + Math.sign(b[1] - a[1] || 1) * size]);
}

const ELSEWHERE = "This drawing began in another plane. Go back to it, or press Escape.";
const CROSSES = "This outline crosses itself: where it covers itself twice counts as outside (even-odd).";

/** A press that moves further (px) is a drag. */
const DRAG = 4;
/** What is smaller (px) was a slip of the hand. */
const SLIP = 2;
/** Anchors of a livewire find an edge within this (px). */
const SNAP = 8;
/** Drawn lines keep this close (px) to where the pointer was. */
const THIN = 0.5;

const samePlane = (a: Frame, b: Frame): boolean =>
  Math.abs(dot(a.normal, b.normal)) > 1 - 1e-6 && a.slice === b.slice && Math.abs(dot(subtract(b.centre, a.centre), a.normal)) < 1e-3;

const sameWorld = (a: Vec3, b: Vec3): boolean => a.every((x, n) => Math.abs(x - b[n]!) < 1e-6);

/** Begin a shape at a press. */
export function beginShape(tool: Exclude<ShapeToolName, "select">, pointer: Pointer, host: ToolHost): Gesture | null {
  const label = host.activeLabel();
  if (!label) return null;
  const why = obstacle(host, label);
  if (why) {
    host.toast(why);
    return null;
  }
  const drawing = new ShapeDrawing(tool, WAYS[tool], label, pointer.frame, host);
  host.drawing = drawing;
  return drawing.press(pointer, host);
}

class ShapeDrawing implements Drawing {
  /** World points that were placed. */
  #placed: Vec3[] = [];
  /** Traced ways between them, in the plane; the first is empty. */
  #ways: Pair[][] = [];
  /** Where the last press was, in the plane. */
  #pressed: Pair | null = null;
  readonly #tracer: Tracer | null;
  readonly #image: string;
  readonly #time: number;
  readonly #id: ShapeItem["id"];

  constructor(
    readonly tool: Exclude<ShapeToolName, "select">, private readonly way: Way, private readonly label: LabelItem,
    private readonly frame: Frame, host: ToolHost,
  ) {
    this.#image = host.image.id;
    this.#time = host.time;
    this.#id = makeShape(host, frame, way.kind, label.name, []).id;
    this.#tracer = way.traced ? new Tracer(frame, host.geometry.shape, finest(host), host.reader()) : null;
  }

  get anchors(): readonly Vec3[] {
    return this.way.loose ? [] : this.#placed;
  }

  /** Whether a pointer is where this drawing goes on. */
  #here(pointer: Pointer, host: ToolHost): boolean {
    if (host.image.id !== this.#image || host.time !== this.#time) return false;
    return this.way.loose === true || samePlane(this.frame, pointer.frame);
  }

  press(pointer: Pointer, host: ToolHost): Gesture | null {
    if (!this.#here(pointer, host)) {
      host.toast(ELSEWHERE);
      return null;
    }
    if (this.way.stroke) return this.#stroke(pointer, host);
    return this.#point(pointer, host);
  }

  /** A traced line's anchor goes to the strongest edge near it, unless Shift is held. */
  #snapped(pointer: Pointer): Pointer {
    if (!this.#tracer || pointer.shift) return pointer;
    const plane = this.#tracer.snap(this.frame.toPlane(pointer.world), SNAP * pointer.mmPerPx);
    return { ...pointer, plane, world: this.frame.toWorld(plane) };
  }

  #point(pointer: Pointer, host: ToolHost): Gesture | null {
    const first = this.#tracer && this.#placed.length >= this.way.least && sameWorld(this.#snapped(pointer).world, this.#placed[0]!);
    if (first || this.#closes(pointer)) {
      this.finish(host);
      return null;
    }
    if (this.#onLast(pointer)) return null;
    this.#place(pointer);
    const { count } = this.way;
    const follows = count === null || this.#placed.length === count;
    this.#show(host, follows ? null : pointer);
    return {
      move: (p) => {
        if (follows) this.#placeAgain(p);
        this.#show(host, follows ? null : p);
      },
      end: (p) => {
        if (!follows && far(p.px, pointer.px) > DRAG) this.#place(p);
        if (this.#placed.length === (count ?? this.#template(host)?.points.length)) this.#complete(host, p.shift, p.mmPerPx);
      },
      cancel: () => this.back(host),
    };
  }

  /** A press on the last point once more, or on the first of an outline, is the end. */
  #closes(pointer: Pointer): boolean {
    if (this.way.count !== null || this.#placed.length < this.way.least) return false;
    return this.#onLast(pointer) || (FORMS[this.way.kind].closed && this.#on(pointer, this.#placed[0]!));
  }

  #onLast(pointer: Pointer): boolean {
    const last = this.#placed.at(-1);
    if (last === undefined) return false;
    // An anchor may have gone to its edge: the second click of a double click is where the first one was.
    const twice = this.#tracer !== null && this.#pressed !== null
      && far(this.frame.toPlane(pointer.world), this.#pressed) <= (pointer.touch ? 16 : DRAG) * pointer.mmPerPx;
    return twice || this.#on(pointer, last);
  }

  #on(pointer: Pointer, world: Vec3): boolean {
    const at = pointer.frame.toPlane(world);
    const off = Math.abs(dot(subtract(world, pointer.frame.centre), pointer.frame.normal));
    const reach = (pointer.touch ? 16 : DRAG) * pointer.mmPerPx;
    return far(at, pointer.plane) <= reach && (!this.way.loose || off <= reach);
  }

  #place(pointer: Pointer): void {
    const snapped = this.#snapped(pointer);
    const last = this.#placed.at(-1);
    // What finds the edge of the last anchor once more is meant as it is.
    const { world } = last && sameWorld(snapped.world, last) ? pointer : snapped;
    const at = this.frame.toPlane(world);
    this.#ways.push(this.#placed.length > 0 && this.#tracer ? this.#tracer.trace(at, true) : []);
    this.#placed.push(world);
    this.#pressed = this.frame.toPlane(pointer.world);
    this.#tracer?.anchor(at);
  }

  #placeAgain(pointer: Pointer): void {
    this.#takeLast();
    this.#place(pointer);
  }

  #takeLast(): void {
    this.#placed.pop();
    this.#pressed = null;
    this.#ways.pop();
    const last = this.#placed.at(-1);
    if (last) this.#tracer?.anchor(this.frame.toPlane(last));
  }

  hover(pointer: Pointer, host: ToolHost): void {
    if (this.#placed.length > 0 && this.#here(pointer, host)) this.#show(host, this.#snapped(pointer));
  }

  back(host: ToolHost): void {
    this.#takeLast();
    if (this.#placed.length === 0) this.cancel(host);
    else this.#show(host, null);
  }

  cancel(host: ToolHost): void {
    this.#placed = [];
    if (host.drawing === this) host.drawing = null;
    host.sketch(null);
  }

  finish(host: ToolHost): void {
    const { count, least } = this.way;
    if (count !== null || this.#placed.length < least) return this.cancel(host);
    this.#complete(host, false, 0);
  }

  // The shape -----------------------------------------------------------------------------------

  #flat(pointer: Pointer | null): Pair[] {
    const placed = this.#placed.map((p) => this.frame.toPlane(p));
    if (this.#tracer) {
      const traced = placed.flatMap((p, n) => (n === 0 ? [p] : this.#ways[n]!));
      return pointer ? [...traced, ...this.#tracer.trace(this.frame.toPlane(pointer.world), false)] : traced;
    }
    return pointer ? [...placed, this.frame.toPlane(pointer.world)] : placed;
  }

  #item(host: ToolHost, pairs: readonly Pair[], kind: ShapeKind, points?: readonly Vec3[]): ShapeItem {
    const world = points ?? pairs.map((p) => this.frame.toWorld(p));
    const like = this.#template(host);
    return makeShape(host, this.frame, kind, this.label.name, world, {
      id: this.#id, ...(this.way.loose ? { normal: null } : {}),
      ...(like ? { names: like.names.slice(0, world.length), edges: like.edges.filter((pair) => Math.max(...pair) < world.length) } : {}),
    });
  }

  /** The last set of landmarks of this label: its names and lines are used again. */
  #template(host: ToolHost): ShapeItem | undefined {
    if (this.tool !== "landmarks") return undefined;
    return host.shapes.filter(({ kind, label, names, edges, id }) =>
      kind === "points" && label === this.label.name && id !== this.#id && names.length + edges.length > 0).at(-1);
  }

  #show(host: ToolHost, pointer: Pointer | null): void {
    if (this.way.loose) {
      host.sketch(this.#item(host, [], this.way.kind, pointer && this.tool === "landmarks" ? [...this.#placed, pointer.world] : this.#placed));
      return;
    }
    const { kind, count, make } = this.way;
    const pairs = this.#flat(pointer);
    const enough = pairs.length >= (count ?? 2);
    // Until there are enough points, a line stands for the shape.
    const shown = enough ? (make?.(pairs, pointer?.shift ?? false) ?? pairs) : pairs;
    const known = enough || kind === "cobb" || kind === "text" || kind === "probe" || kind === "arrow";
    host.sketch(this.#item(host, shown, known && !this.#tracer ? kind : "curve"));
  }

  #complete(host: ToolHost, shift: boolean, mmPerPx: number): void {
    const { kind, make, loose, count } = this.way;
    let pairs: readonly Pair[] = this.#flat(null);
    if (this.#tracer) pairs = [...pairs, ...this.#tracer.trace(pairs[0]!, true).slice(0, -1)];
    pairs = make?.(pairs, shift) ?? pairs;
    const small = count !== null && pairs.length > 1 && Math.max(...pairs.map((p) => far(p, pairs[0]!))) < SLIP * mmPerPx;
    if (small) return this.cancel(host);
    pairs = FORMS[kind].tidy?.(pairs) ?? pairs;
    this.#keep(host, this.#item(host, pairs, kind, loose ? this.#placed : undefined), pairs);
  }

  #keep(host: ToolHost, item: ShapeItem, pairs: readonly Pair[]): void {
    const { typed } = this.way;
    if (host.drawing === this) host.drawing = null;
    const put = (made: ShapeItem): void => {
      host.sketch(null);
      host.apply(putShape(made));
      host.selection = [made.id];
      const outline = FORMS[made.kind].closed ? FORMS[made.kind].lines(pairs, 0, [])[0]!.points : [];
      if (outline.length > 3 && crossesItself(outline)) host.toast(CROSSES);
    };
    if (!typed) return put(item);
    host.sketch(item);
    host.type({
      pane: this.frame.pane, at: item.points.at(-1)!, text: "",
      done: (text) => {
        host.type(null);
        if (text === null || (typed === "needed" && text.trim() === "")) host.sketch(null);
        else put({ ...item, text: text.trim() });
      },
    });
  }

  // A line drawn in one go ------------------------------------------------------------------------

  #stroke(pointer: Pointer, host: ToolHost): Gesture {
    const line: Pair[] = [this.frame.toPlane(pointer.world)];
    const { kind, least } = this.way;
    const { closed } = FORMS[kind];
    const follow = (p: Pointer): void => {
      if (far(line.at(-1)!, p.plane) > 0.5 * p.mmPerPx) line.push(p.plane);
    };
    return {
      move: (p) => {
        follow(p);
        host.sketch(this.#item(host, line, line.length < 2 ? "text" : "open-freehand"));
      },
      end: (p) => {
        follow(p);
        const points = (closed ? thinClosed : thin)(line, THIN * p.mmPerPx);
        if (points.length < least) return this.cancel(host);
        this.#keep(host, this.#item(host, points, kind), points);
      },
      cancel: () => this.cancel(host),
    };
  }
}

/** Smallest distance of voxels, mm. */
function finest({ geometry }: ToolHost): number {
  const { spacing, shape } = geometry;
  return Math.min(...spacing.filter((step, n) => shape[n]! > 1 && step > 0));
}
