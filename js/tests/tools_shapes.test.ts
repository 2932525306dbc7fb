import { describe, expect, it } from "vitest";
import { dot, subtract, type Vec3 } from "../src/model/geometry";
import type { BoxItem, EditDraft, ShapeItem, ShapeKind } from "../src/model/protocol";
import { SHAPE_TOOLS, type ShapeToolName } from "../src/state/shapetools";
import { freeFrame, sliceFrame, type Frame, type Pair } from "../src/tools/frame";
import { catmullRom, crossesItself, far, nearestOn, thin, thinClosed } from "../src/tools/shapes/flat";
import { areaOf } from "../src/model/outline";
import { copiedTo, dropPoint, insertPoint, makeShape, movedBy, pulledTo, withPoints } from "../src/tools/shapes/edits";
import { hitShape } from "../src/tools/shapes/hit";
import { shapeTools } from "../src/tools/shapes/index";
import { bidirectional, circleOf, ellipseOf, FORMS, rectangleOf } from "../src/tools/shapes/kinds";
import { seatOf } from "../src/tools/shapes/seat";
import { costsOf, Tracer, Wave } from "../src/tools/shapes/wire";
import { boxItem, fakeHost, GRIDS, label, plain, pointIn, random, VIEWS, type Fake } from "./tools_help";

const UPRIGHT = [0.18, -0.11, 0.05, 0.976] as const;
const planesOf = (geometry: (typeof GRIDS)[number][1]): Frame[] => [
  ...VIEWS.map((view) => sliceFrame(geometry, view, 3)),
  freeFrame(geometry, "axial", unitQuaternion(UPRIGHT), geometry.toWorld([3.2, 6, 7])),
];
function unitQuaternion(q: readonly [number, number, number, number]): readonly [number, number, number, number] {
  const size = Math.hypot(...q);
  return [q[0] / size, q[1] / size, q[2] / size, q[3] / size];
}

const host = (geometry = plain): Fake => fakeHost(geometry, [label("lesion")], []);

function press(fake: Fake, tool: ShapeToolName, frame: Frame, from: Pair, to: Pair = from, more = {}): void {
  const gesture = shapeTools[tool].begin(pointIn(frame, from, more), fake);
  for (const part of [0.5, 1]) gesture?.move(pointIn(frame, [from[0] + part * (to[0] - from[0]), from[1] + part * (to[1] - from[1])], more));
  gesture?.end(pointIn(frame, to, more));
}

const click = (fake: Fake, tool: ShapeToolName, frame: Frame, ...at: Pair[]): void => at.forEach((p) => press(fake, tool, frame, p));
const made = (fake: Fake): ShapeItem => {
  const edit = fake.edits.at(-1) as EditDraft & { kind: "put" };
  return edit.item as ShapeItem;
};
const flat = (item: ShapeItem, frame: Frame): Pair[] => item.points.map((p) => frame.toPlane(p));

function expectNear(found: readonly Pair[], wanted: readonly Pair[], off = 2e-4): void {
  expect(found).toHaveLength(wanted.length);
  found.forEach((p, n) => expect(far(p, wanted[n]!), `point ${n}`).toBeLessThan(off));
}

const A: Pair = [-2, -1.5];
const B: Pair = [2.5, 1];
const C: Pair = [1, -2.5];
const D: Pair = [-1.5, 2];

/** What each tool makes of clicks (or drags) at these places, plane mm. */
const CASES: readonly (readonly [ShapeToolName, ShapeKind, readonly Pair[], readonly Pair[]])[] = [
  ["keypoint", "points", [A], [A]],
  ["ruler", "ruler", [A, B], [A, B]],
  ["bidirectional", "bidirectional", [A, B], bidirectional(A, B)],
  ["angle", "angle", [A, B, C], [A, B, C]],
  ["cobb", "cobb", [A, B, C, D], [A, B, C, D]],
  ["rectangle", "rectangle", [A, B], rectangleOf(A, B)],
  ["ellipse", "ellipse", [A, B], ellipseOf(A, B, false)],
  ["circle", "ellipse", [A, B], circleOf(A, B)],
  ["probe", "probe", [B], [B]],
  ["polygon", "polygon", [A, C, B, D, A], [A, C, B, D]],
  ["closed-spline", "closed-spline", [A, C, B, D, A], [A, C, B, D]],
  ["curve", "curve", [A, C, B, B], [A, C, B]],
  ["spline", "spline", [A, C, B, B], [A, C, B]],
];

describe.each(GRIDS)("shapes on a %s grid", (_, geometry) => {
  it.each(CASES)("%s: clicks make a %s where they were, in any plane", (tool, kind, at, wanted) => {
    for (const frame of planesOf(geometry)) {
      const fake = host(geometry);
      click(fake, tool, frame, ...at);
      expect(fake.edits).toHaveLength(1);
      const item = made(fake);
      expect(item).toMatchObject({ type: "shape", kind, label: "lesion", image: "img", frame: null, slice: null, locked: false });
      expectNear(flat(item, frame), wanted);
      for (const p of item.points) expect(Math.abs(dot(subtract(p, frame.centre), frame.normal))).toBeLessThan(2e-4);
      expect(item.normal).toEqual(kind === "points" ? null : frame.normal);
      expect(fake.selection).toEqual([item.id]);
      expect([fake.sketched, fake.drawing]).toEqual([null, null]);
      // Only these outlines of four corners cross themselves.
      expect(fake.toasts).toHaveLength(["polygon", "closed-spline"].includes(kind) && crossesItself(FORMS[kind].lines(wanted, 0, [])[0]!.points) ? 1 : 0);
    }
  });

  it("is seen on its slice with handles, as a cut across, and nowhere else", () => {
    for (const view of VIEWS) {
      const frame = sliceFrame(geometry, view, 3);
      const item = makeShape(host(geometry), frame, "polygon", "lesion", [A, C, B, D].map((p) => frame.toWorld(p)));
      expect(seatOf(item, frame)?.inside).toBe(true);
      expect(seatOf(item, sliceFrame(geometry, view, 4))).toBeNull();
      for (const other of VIEWS.filter((one) => one !== view)) {
        const across = freeFrame(geometry, other, [0, 0, 0, 1], frame.toWorld([0, 0]));
        const parallel = Math.abs(dot(across.normal, frame.normal)) > 0.9;
        const seat = seatOf(item, across);
        if (parallel) continue;
        expect(seat?.inside).toBe(false);
        expect(seat?.cuts).toHaveLength(1);
        // The cut lies in both planes and ends on the outline.
        for (const end of seat!.cuts[0]!) {
          const world = across.toWorld(end);
          expect(Math.abs(dot(subtract(world, frame.centre), frame.normal))).toBeLessThan(1e-3);
          expect(nearestOn(frame.toPlane(world), [A, C, B, D], true).far).toBeLessThan(1e-3);
        }
      }
    }
  });
});

describe("drawing", () => {
  const frame = sliceFrame(plain, "axial", 3);

  it("takes a drag for two places, and a drag with a click for an angle", () => {
    const fake = host();
    press(fake, "ruler", frame, A, B);
    expectNear(flat(made(fake), frame), [A, B]);
    fake.selection = [];
    press(fake, "angle", frame, A, B);
    expect(fake.edits).toHaveLength(1);
    click(fake, "angle", frame, C);
    expectNear(flat(made(fake), frame), [A, B, C]);
    press(fake, "cobb", frame, [3, 3], [4, 4]);
    press(fake, "cobb", frame, [3, 0], [4, -1]);
    expectNear(flat(made(fake), frame), [[3, 3], [4, 4], [3, 0], [4, -1]]);
  });

  it("makes a circle of an ellipse and a square of a rectangle while Shift is held", () => {
    const fake = host();
    press(fake, "ellipse", frame, [-1, -1], [2, 1], { shift: true });
    const [a, b, c, d] = flat(made(fake), frame) as [Pair, Pair, Pair, Pair];
    expect(far(a, b)).toBeCloseTo(3, 3);
    expect(far(c, d)).toBeCloseTo(3, 3);
    press(fake, "rectangle", frame, [3, 3], [6, 4], { shift: true });
    expect(areaOf(flat(made(fake), frame)).area).toBeCloseTo(9, 2);
  });

  it("drops slips, takes the last point back, and is cancelled", () => {
    const fake = host();
    press(fake, "rectangle", frame, A);
    press(fake, "rectangle", frame, [A[0] + 0.1, A[1]]);
    expect(fake.edits).toEqual([]);
    fake.drawing?.cancel(fake);
    click(fake, "polygon", frame, A, C, B);
    fake.drawing!.back(fake);
    expect(fake.sketched?.points).toHaveLength(2);
    click(fake, "polygon", frame, D, [0, 3]);
    fake.drawing!.finish(fake);
    expectNear(flat(made(fake), frame), [A, C, D, [0, 3]]);
    click(fake, "polygon", frame, [5, 5], [6, 6]);
    fake.drawing!.cancel(fake);
    expect([fake.edits.length, fake.sketched, fake.drawing]).toEqual([1, null, null]);
    click(fake, "polygon", frame, [5, 5], [6, 6]);
    fake.drawing!.finish(fake);
    expect(fake.edits).toHaveLength(1);
  });

  it("stays in its plane", () => {
    const fake = host();
    click(fake, "polygon", frame, A, C);
    press(fake, "polygon", sliceFrame(plain, "axial", 4), B);
    expect(fake.toasts[0]).toContain("another plane");
    press(fake, "polygon", frame, B);
    fake.drawing!.finish(fake);
    expectNear(flat(made(fake), frame), [A, C, B]);
  });

  it("places landmarks in any plane, and names them as the last set of the label", () => {
    const fake = host();
    const first = makeShape(fake, frame, "points", "lesion", [[0, 0, 0], [1, 1, 1], [2, 2, 2]], {
      names: ["apex", "left", "right"], edges: [[0, 1], [1, 2]], normal: null,
    });
    fake.shapes = [first];
    const across = sliceFrame(plain, "coronal", 5);
    press(fake, "landmarks", frame, A);
    press(fake, "landmarks", across, B);
    expect(fake.sketched).toMatchObject({ names: ["apex", "left"], edges: [[0, 1]] });
    press(fake, "landmarks", frame, C);
    const item = made(fake);
    expect(item).toMatchObject({ kind: "points", names: ["apex", "left", "right"], edges: [[0, 1], [1, 2]], normal: null });
    expect(far(across.toPlane(item.points[1]!), B)).toBeLessThan(2e-4);
  });

  it("thins a drawn line to what matters", () => {
    const fake = host();
    const way = Array.from({ length: 400 }, (_, n): Pair => [3 * Math.cos(n / 63.7), 2 * Math.sin(n / 63.7)]);
    const gesture = shapeTools.freehand.begin(pointIn(frame, way[0]!), fake)!;
    for (const p of way) gesture.move(pointIn(frame, p));
    gesture.end(pointIn(frame, way.at(-1)!));
    const points = flat(made(fake), frame);
    expect(points.length).toBeLessThan(60);
    for (const p of way) expect(nearestOn(p, points, true).far).toBeLessThan(0.051);
    expect(areaOf(points).area).toBeCloseTo(areaOf(way).area, 0);
  });

  it("types texts, keeps an arrow without one, and drops a text without words", () => {
    const fake = host();
    press(fake, "arrow", frame, A, B);
    expect(fake.edits).toEqual([]);
    fake.typing!.done(" here ");
    expect(made(fake)).toMatchObject({ kind: "arrow", text: "here" });
    click(fake, "text", frame, D);
    fake.typing!.done("");
    expect(fake.edits).toHaveLength(1);
    expect(fake.sketched).toBeNull();
  });

  it("says when an outline crosses itself, and why a label cannot be drawn with", () => {
    const fake = host();
    click(fake, "polygon", frame, [0, 0], [4, 4], [4, 0], [0, 3], [0, 0]);
    expect(fake.toasts[0]).toContain("crosses itself");
    fake.labels = [label("lesion", { locked: true })];
    press(fake, "ruler", frame, [6, 6], [8, 8]);
    expect(fake.toasts[1]).toContain("locked");
    expect(fake.edits).toHaveLength(1);
  });

  it("writes the frame in time and the slice of a stack", () => {
    const fake = host();
    Object.assign(fake, { image: { ...fake.image, frames: 5 }, time: 2 });
    press(fake, "ruler", frame, A, B);
    expect(made(fake).frame).toBe(2);
  });
});

describe("changing", () => {
  const frame = sliceFrame(plain, "axial", 3);
  const shape = (fake: Fake, kind: ShapeKind, points: readonly Pair[], more: Partial<ShapeItem> = {}): ShapeItem => {
    const item = makeShape(fake, frame, kind, "lesion", points.map((p) => frame.toWorld(p)), more);
    fake.shapes = [...fake.shapes, item];
    return item;
  };

  it("selects by a click, moves as a whole and by handles, one edit each", () => {
    const fake = host();
    const item = shape(fake, "polygon", [A, C, B, D]);
    const edge: Pair = [(A[0] + C[0]) / 2, (A[1] + C[1]) / 2];
    press(fake, "select", frame, edge);
    expect(fake.selection).toEqual([item.id]);
    expect(fake.edits).toEqual([]);
    press(fake, "select", frame, edge, [edge[0] + 1, edge[1] + 2]);
    expect(fake.edits.at(-1)).toMatchObject({ kind: "put", old: item });
    expectNear(flat(made(fake), frame), [A, C, B, D].map(([x, y]): Pair => [x + 1, y + 2]));
    press(fake, "select", frame, [B[0] + 1, B[1] + 2], [5, 5]);
    expectNear([flat(made(fake), frame)[2]!], [[5, 5]]);
    expect(fake.point).toEqual({ id: item.id, n: 2 });
  });

  it("moves all that is selected together, boxes too, in one edit; what is locked stays", () => {
    const fake = host();
    const edge: Pair = [(A[0] + C[0]) / 2, (A[1] + C[1]) / 2];
    const one = shape(fake, "polygon", [A, C, B, D]);
    const point = shape(fake, "points", [[-3, 2]]);
    const away = makeShape(fake, sliceFrame(plain, "axial", 5), "ruler", "lesion", [[0, 0], [1, 1]].map((p) => sliceFrame(plain, "axial", 5).toWorld(p as [number, number])));
    const locked = shape(fake, "ruler", [[3, 3], [4, 4]], { locked: true });
    fake.shapes = [...fake.shapes, away];
    fake.boxes = [boxItem([[3, 2, 2], [3, 4, 4]], { label: "lesion" })];
    fake.selection = [one.id, point.id, away.id, locked.id, "box"];
    const gesture = shapeTools.select.begin(pointIn(frame, edge), fake)!;
    gesture.move(pointIn(frame, [edge[0] + 1, edge[1] + 0.8]));
    expect(fake.carried.map(({ id }) => id)).toEqual(["box", one.id, point.id, away.id]);
    expect(fake.edits).toEqual([]);
    gesture.end(pointIn(frame, [edge[0] + 1, edge[1] + 0.8]));
    expect(fake.carried).toEqual([]);
    expect(fake.edits).toHaveLength(1);
    const [batch] = fake.edits as [EditDraft & { kind: "batch" }];
    const items = batch.edits.map((edit) => (edit as EditDraft & { kind: "put" }).item);
    expect((items[0] as BoxItem).index).toEqual([[3, 3, 4], [3, 5, 6]]);
    const by = (item: ShapeItem, was: ShapeItem): Pair => {
      const [to, from] = [frame.toPlane(item.points[0]!), frame.toPlane(was.points[0]!)];
      return [to[0] - from[0], to[1] - from[1]];
    };
    [one, point, away].forEach((was, n) => expectNear([by(items[n + 1] as ShapeItem, was)], [[1, 0.8]]));
    expect(fake.toasts).toEqual(["1 of 5 are locked and stay. 1 on other slices moved along."]);
    // From the point, from the box, and given up.
    press(fake, "select", frame, [-3, 2], [-3.5, 2]);
    expect((fake.edits.at(-1) as EditDraft & { kind: "batch" }).edits).toHaveLength(4);
    const corner = frame.fromIndex([3, 2, 3]);
    press(fake, "select", frame, corner, [corner[0] + 1, corner[1]]);
    expect(fake.edits.at(-1)).toMatchObject({ kind: "batch", name: "Move 4 annotations" });
    shapeTools.select.begin(pointIn(frame, edge), fake)!.cancel();
    expect(fake.edits).toHaveLength(3);
    // A click takes the one alone; Shift adds a box and takes it away.
    press(fake, "select", frame, edge);
    expect(fake.selection).toEqual([one.id]);
    press(fake, "select", frame, corner, corner, { shift: true });
    expect(fake.selection).toEqual([one.id, "box"]);
    press(fake, "select", frame, corner, corner, { shift: true });
    expect(fake.selection).toEqual([one.id]);
    expect(fake.edits).toHaveLength(3);
  });

  it("adds a point on an edge of the selected outline and takes one away with Alt", () => {
    const fake = host();
    const item = shape(fake, "polygon", [A, C, B, D]);
    fake.selection = [item.id];
    const edge: Pair = [(B[0] + D[0]) / 2, (B[1] + D[1]) / 2];
    press(fake, "polygon", frame, edge);
    expectNear(flat(made(fake), frame), [A, C, B, edge, D]);
    press(fake, "polygon", frame, C, C, { alt: true });
    expectNear(flat(made(fake), frame), [A, B, edge, D]);
    expect(dropPoint({ ...item, points: item.points.slice(0, 3) }, 0)).toBeNull();
  });

  it("adds points of a spline where the curve runs", () => {
    const fake = host();
    for (const kind of ["spline", "closed-spline"] as const) {
      const item = shape(fake, kind, [A, C, B, D]);
      const at = catmullRom([A, C, B, D], kind === "closed-spline")[24]!;
      const { n, item: more } = insertPoint(item, seatOf(item, frame)!, at, frame);
      expect(n).toBe(2);
      expectNear([flat(more, frame)[2]!], [at], 0.01);
    }
  });

  it("keeps the short axis across the long one, and the longer one first", () => {
    const fake = host();
    const item = shape(fake, "bidirectional", bidirectional(A, B));
    const rnd = random(5);
    for (let n = 0; n < 40; n++) {
      const to: Pair = [rnd() * 8 - 4, rnd() * 8 - 4];
      const [a, b, c, d] = FORMS.bidirectional.drag(flat(item, frame), n % 4, to, { shift: false, mmPerPx: 0.1 }) as [Pair, Pair, Pair, Pair];
      expect(Math.abs((b[0] - a[0]) * (d[0] - c[0]) + (b[1] - a[1]) * (d[1] - c[1]))).toBeLessThan(1e-9);
      if (n % 4 < 2) expectNear([[a, b][n % 4]!], [to]);
    }
    fake.selection = [item.id];
    const short = flat(item, frame)[2]!;
    press(fake, "select", frame, short, [short[0] * 9, short[1] * 9]);
    const [a, b, c, d] = flat(made(fake), frame) as [Pair, Pair, Pair, Pair];
    expect(far(a, b)).toBeGreaterThan(far(c, d));
  });

  it("turns a rectangle by its handle and moves corners in its own directions", () => {
    const square = rectangleOf([-1, -1], [1, 1]);
    const how = { shift: false, mmPerPx: 0.05 };
    const turned = FORMS.rectangle.drag(square, 8, [5, -5], how);
    expect(areaOf(turned).area).toBeCloseTo(4, 9);
    expectNear([turned[0]!], [[0, -Math.SQRT2]], 1e-9);
    const snapped = FORMS.rectangle.drag(square, 8, [1, -5], { ...how, shift: true });
    expect(Math.atan2(snapped[1]![1] - snapped[0]![1], snapped[1]![0] - snapped[0]![0])).toBeCloseTo(Math.PI / 12, 9);
    for (let n = 0; n < 8; n++) {
      const moved = FORMS.rectangle.drag(turned, n, [3, 4], how);
      const side = (a: number, b: number): Pair => [moved[b]![0] - moved[a]![0], moved[b]![1] - moved[a]![1]];
      const [u, v] = [side(0, 1), side(1, 2)];
      expect(Math.abs(u[0] * v[0] + u[1] * v[1])).toBeLessThan(1e-9);
      if (n < 4) expectNear([moved[n]!, moved[(n + 2) % 4]!], [[3, 4], turned[(n + 2) % 4]!], 1e-9);
    }
  });

  it("turns an ellipse by the ends of its axes; a circle stays one", () => {
    const how = { shift: false, mmPerPx: 0.05 };
    const ellipse = FORMS.ellipse.drag(ellipseOf([-3, -1], [3, 1], false), 1, [0, 4], how);
    expectNear(ellipse, [[0, -4], [0, 4], [1, 0], [-1, 0]], 1e-9);
    const circle = FORMS.ellipse.drag(circleOf([0, 0], [2, 0]), 2, [3, -4], how);
    for (const p of circle) expect(Math.hypot(...p)).toBeCloseTo(5, 9);
    const wide = FORMS.ellipse.drag(circleOf([0, 0], [2, 0]), 1, [5, 0], { ...how, shift: true });
    expect(far(wide[2]!, wide[3]!)).toBeCloseTo(4, 9);
  });

  it("leaves what is locked, and says why", () => {
    const fake = host();
    shape(fake, "ruler", [A, B], { locked: true });
    press(fake, "select", frame, A, [4, 4]);
    press(fake, "select", frame, A, [4, 4]);
    expect(fake.edits).toEqual([]);
    expect(fake.toasts[0]).toContain("locked");
  });

  it("does not find what is hidden, in another frame or of another image", () => {
    const fake = host();
    const item = shape(fake, "ruler", [A, B]);
    const hit = (): string | undefined => hitShape(pointIn(frame, A), fake)?.item.id;
    expect(hit()).toBe(item.id);
    fake.view.set({ hidden: [item.id] });
    expect(hit()).toBeUndefined();
    fake.view.set({ hidden: ["id-lesion"] });
    expect(hit()).toBeUndefined();
    fake.view.set({ hidden: [], overlay: false });
    expect(hit()).toBeUndefined();
    fake.view.set({ overlay: true });
    fake.shapes = [{ ...item, frame: 3 }];
    expect(hit()).toBeUndefined();
    fake.shapes = [{ ...item, image: "other" }];
    expect(hit()).toBeUndefined();
  });

  it("reaches 8 px with the mouse and 16 with a finger", () => {
    const fake = host();
    shape(fake, "ruler", [[-3, 0], [3, 0]]);
    const at = (px: number, touch: boolean): boolean => hitShape(pointIn(frame, [0.7, px * 0.1], { touch }), fake) !== null;
    expect([at(7, false), at(9, false), at(15, true), at(17, true)]).toEqual([true, false, true, false]);
  });

  it("copies to another slice, pulls onto one, and moves off the plane by nothing", () => {
    const fake = host();
    const item = shape(fake, "polygon", [A, C, B, D]);
    const next = sliceFrame(plain, "axial", 4);
    const copy = copiedTo(item, frame, next, 0);
    expect(copy.id).not.toBe(item.id);
    expectNear(flat(copy, next), [A, C, B, D]);
    expect(seatOf(copy, next)?.inside).toBe(true);
    const pulled = pulledTo(item, next, 0)!;
    expect(pulled.id).toBe(item.id);
    expectNear(flat(pulled, next), [A, C, B, D]);
    expect(pulledTo(item, sliceFrame(plain, "coronal", 5), 0)).toBeNull();
    const beside = { ...item, points: item.points.map((p): Vec3 => [p[0], p[1], p[2] + 0.7]) };
    const moved = movedBy(beside, frame, [1, 2]);
    moved.points.forEach((p, n) => expect(subtract(p, beside.points[n]!)).toEqual([1, 2, 0].map((x) => expect.closeTo(x, 3))));
    const again = withPoints(beside, seatOf(beside, frame)!, [A, C, B, [0, 0]], frame);
    expect(again.points[3]![2]).toBeCloseTo(beside.points[3]![2], 3);
  });
});

describe("lines in a plane", () => {
  it("go through the points of a spline, centripetally", () => {
    for (const closed of [false, true]) {
      const line = catmullRom([A, C, B, D], closed);
      for (const [n, p] of [A, C, B, D].entries()) expectNear([line[16 * n] ?? line.at(-1)!], [p], 1e-9);
    }
    expect(catmullRom([[0, 0], [1, 0], [2, 0]], false).every(([, y]) => y === 0)).toBe(true);
  });

  it("are thinned within the tolerance", () => {
    const rnd = random(9);
    const line = Array.from({ length: 200 }, (_, n): Pair => [n / 20, Math.sin(n / 15) + 0.02 * rnd()]);
    for (const out of [thin(line, 0.05), thinClosed(line, 0.05)]) {
      expect(out.length).toBeLessThan(60);
      for (const p of line) expect(nearestOn(p, out, true).far).toBeLessThan(0.0501);
    }
  });

  it("are known to cross themselves", () => {
    expect(crossesItself([[0, 0], [2, 2], [2, 0], [0, 2]])).toBe(true);
    expect(crossesItself([[0, 0], [2, 0], [2, 2], [0, 2]])).toBe(false);
  });
});

describe("livewire", () => {
  /** Dijkstra the plain way. */
  function plainDijkstra(cost: Uint8Array, width: number, height: number, start: number): number[] {
    const sum = new Array<number>(cost.length).fill(Infinity);
    const done = new Set<number>();
    sum[start] = 0;
    for (;;) {
      let node = -1;
      sum.forEach((x, n) => !done.has(n) && x < (sum[node] ?? Infinity) && (node = n));
      if (node < 0) return sum;
      done.add(node);
      const [x, y] = [node % width, Math.floor(node / width)];
      for (const dx of [-1, 0, 1]) for (const dy of [-1, 0, 1]) {
        const [u, v] = [x + dx, y + dy];
        if ((dx === 0 && dy === 0) || u < 0 || v < 0 || u >= width || v >= height) continue;
        const next = v * width + u;
        sum[next] = Math.min(sum[next]!, sum[node]! + (cost[node]! + cost[next]!) * (dx !== 0 && dy !== 0 ? 7 : 5));
      }
    }
  }

  it("finds the cheapest ways, also in parts", () => {
    const rnd = random(4);
    const [width, height] = [23, 19];
    const values = Float32Array.from({ length: width * height }, () => rnd() * 100);
    const costs = costsOf(values, width, height);
    const start = 5 * width + 7;
    const wanted = plainDijkstra(costs.cost, width, height, start);
    const wave = new Wave(costs, start);
    for (const target of [0, 22, 18 * 23, 437 - 1, 200, 123]) {
      while (!wave.reach(target, 10)) continue;
      expect(wave.costTo(target)).toBe(wanted[target]);
      const path = wave.path(target);
      expect([path[0], path.at(-1)]).toEqual([start, target]);
      const sum = path.slice(1).reduce((all, n, m) => {
        const before = path[m]!;
        const slant = n % width !== before % width && Math.floor(n / width) !== Math.floor(before / width);
        return all + (costs.cost[n]! + costs.cost[before]!) * (slant ? 7 : 5);
      }, 0);
      expect(sum).toBe(wanted[target]);
    }
  });

  it("follows the edge of a disc and closes the outline on 512 × 512", () => {
    const size = 512;
    const geometry = new (plain.constructor as new (meta: object) => typeof plain)({
      kind: "grid", shape: [1, size, size], affine: [[0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]],
    });
    const frame = sliceFrame(geometry, "axial", 0);
    const centre = (size - 1) / 2;
    const value = ([, j, i]: Vec3): number => (Math.hypot(j - centre, i - centre) < 150 ? 100 : 0) + (((i * 7 + j * 13) % 11) - 5);
    const fake = Object.assign(host(geometry), { reader: () => value });
    const at = (angle: number): Pair => [150 * Math.cos(angle), 150 * Math.sin(angle)];
    const more = { mmPerPx: 1 };
    for (const angle of [0, 2, 4]) press(fake, "livewire", frame, at(angle), at(angle), more);
    fake.drawing!.finish(fake);
    const item = made(fake);
    expect(item.kind).toBe("livewire");
    for (const p of flat(item, frame)) expect(Math.abs(Math.hypot(...p) - 150)).toBeLessThan(3);
    expect(areaOf(flat(item, frame)).area / (Math.PI * 150 ** 2)).toBeCloseTo(1, 1);

    // Anchors find the edge within 5 pixels, but where Shift is held or no edge is near; a double click stays one anchor.
    const beside = (angle: number, off: number): Pair => [(150 + off) * Math.cos(angle), (150 + off) * Math.sin(angle)];
    const anchors = [[0, 4], [1.5, -4], [3, 4], [4.5, 3]] as const;
    // A press on the outline that is there would take it instead.
    Object.assign(fake, { shapes: [], selection: [] });
    for (const [angle, off] of anchors) press(fake, "livewire", frame, beside(angle, off), beside(angle, off), more);
    // Each anchor is shown where it went: on the edge, not where it was clicked.
    const shown = fake.drawing!.anchors.map((one) => frame.toPlane(one));
    expect(shown).toHaveLength(anchors.length);
    for (const at of shown) expect(Math.abs(Math.hypot(...at) - 150)).toBeLessThan(2);
    press(fake, "livewire", frame, beside(4.5, 3), beside(4.5, 3), more);
    expect(fake.drawing).toBeNull();
    const snapped = flat(made(fake), frame);
    expect(Math.max(...snapped.map((p) => Math.abs(Math.hypot(...p) - 150)))).toBeLessThan(2);
    for (const [angle, off] of anchors) {
      expect(Math.min(...snapped.map((p) => far(p, beside(angle, 0))))).toBeLessThan(3);
      expect(Math.min(...snapped.map((p) => far(p, beside(angle, off))))).toBeGreaterThan(1.5);
    }
    Object.assign(fake, { shapes: [], selection: [] });
    for (const [angle, off] of anchors) press(fake, "livewire", frame, beside(angle, off), beside(angle, off), { ...more, shift: true });
    press(fake, "livewire", frame, beside(0, 4), beside(0, 4), { ...more, shift: true });
    const exact = flat(made(fake), frame);
    for (const [angle, off] of anchors) expect(Math.min(...exact.map((p) => far(p, beside(angle, off))))).toBeLessThan(1e-3);

    const tracer = new Tracer(frame, geometry.shape, 1, value);
    expect(far(tracer.snap([149.2, 3.2], 1), [149.2, 3.2])).toBeLessThan(1.2);
    const flatPlace = new Tracer(frame, geometry.shape, 1, ([, j]) => (j < 40 ? 9 : 0)).snap([10.3, 20.4], 8);
    expect(flatPlace).toEqual([10.3, 20.4]);
  });
});

it("every tool has a name of its own", () => {
  for (const name of SHAPE_TOOLS) expect(shapeTools[name].name).toBe(name);
});
