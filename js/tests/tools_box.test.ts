import { describe, expect, it } from "vitest";
import type { Vec3 } from "../src/model/geometry";
import { box, boxOutline, boxPoint, boxShown, HANDLES, hitBox, middleOf, resizeBox } from "../src/tools/box";
import { moveBox, ordered } from "../src/tools/group";
import { boxAround, boxSection } from "../src/tools/boxsection";
import { freeFrame, sliceFrame, turnAbout, type Pair } from "../src/tools/frame";
import { shapeTools } from "../src/tools/shapes";
import { boxItem, fakeHost, grid, GRIDS, label, overPlane, plain, pointAt, random, VIEWS, type Fake } from "./tools_help";

const flat = [[3, 2, 4], [3, 8, 12]] as const;
const solid = [[2, 2, 4], [5, 8, 12]] as const;

function drag(host: Fake, view: (typeof VIEWS)[number], slice: number, from: Vec3, to: Vec3): void {
  const frame = sliceFrame(host.geometry, view, slice);
  const gesture = box.begin(pointAt(frame, from), host);
  gesture?.move(pointAt(frame, to));
  gesture?.end(pointAt(frame, to));
}

describe.each(GRIDS)("box handles on a %s grid", (_, geometry) => {
  it.each(VIEWS)("move their own sides only: %s", (view) => {
    const rnd = random(21);
    const frame = sliceFrame(geometry, view, 3);
    for (const handle of HANDLES) {
      const to = geometry.shape.map((size) => Math.round(rnd() * (size - 1) * 100) / 100) as unknown as Vec3;
      const [low, high] = resizeBox(solid, frame, handle, to, geometry);
      expect([low[frame.axis], high[frame.axis]]).toEqual([solid[0][frame.axis], solid[1][frame.axis]]);
      for (const [axis, side] of [[frame.uAxis, handle.u], [frame.vAxis, handle.v]] as const) {
        const still = side === 0 ? [solid[0][axis], solid[1][axis]] : [side < 0 ? solid[1][axis] : solid[0][axis], to[axis]];
        expect([low[axis], high[axis]]).toEqual(still.sort((a, b) => a - b));
      }
    }
  });

  it.each(VIEWS)("are hit where they are drawn: %s", (view) => {
    const frame = sliceFrame(geometry, view, 3);
    const item = boxItem(solid);
    for (const handle of HANDLES) {
      const plane = boxPoint(solid, frame, handle);
      const pointer = { ...pointAt(frame, frame.toIndex(plane)), mmPerPx: 0.01 };
      expect(hitBox(pointer, [item], "box", geometry)?.handle).toEqual(handle);
    }
    expect(boxOutline(solid, frame, geometry)).toHaveLength(4);
  });
});

describe("hitting", () => {
  const frame = sliceFrame(plain, "axial", 3);
  const other = boxItem([[3, 0, 0], [3, 12, 15]], { id: "other" });
  const item = boxItem(flat);

  it("takes the outline of any box, the inside of the selected one, and nothing else", () => {
    const inside = { ...pointAt(frame, [3, 5, 8]), mmPerPx: 0.02 };
    expect(hitBox(inside, [other, item], null, plain)).toBeNull();
    expect(hitBox(inside, [other, item], "box", plain)).toMatchObject({ box: { id: "box" }, handle: null });
    const edge = { ...pointAt(frame, [3, 2, 6]), mmPerPx: 0.02 };
    expect(hitBox(edge, [other, item], null, plain)).toMatchObject({ box: { id: "box" }, handle: null });
  });

  it("shows a flat box on its slice, a solid one on all of its slices", () => {
    const on = (index: Parameters<typeof boxItem>[0], slice: number, more = {}): boolean =>
      boxShown(boxItem(index, more), sliceFrame(plain, "axial", slice), "img", 0, plain);
    expect([2, 3, 4].map((slice) => on(flat, slice))).toEqual([false, true, false]);
    expect([1, 2, 5, 6].map((slice) => on(solid, slice))).toEqual([false, true, true, false]);
    expect(on(flat, 3, { image: "another" })).toBe(false);
    expect(on(flat, 3, { frame: 2 })).toBe(false);
  });
});

describe("the box tool", () => {
  const host = (): Fake => fakeHost(plain, [label("liver")], []);

  it("draws a flat box on the shown slice and selects it", () => {
    const fake = host();
    drag(fake, "axial", 3, [3, 2, 4], [3, 8, 12]);
    expect(fake.edits).toHaveLength(1);
    expect(fake.edits[0]).toMatchObject({ kind: "put", item: { type: "box", label: "liver", image: "img", frame: null, index: flat } });
    expect(fake.selected).not.toBeNull();
    expect(fake.shownDraft).toBeNull();
  });

  it("makes nothing of a click, and of a gesture that is cancelled", () => {
    const fake = host();
    drag(fake, "axial", 3, [3, 2, 4], [3, 2, 4]);
    const frame = sliceFrame(plain, "axial", 3);
    const gesture = box.begin(pointAt(frame, [3, 2, 4]), fake)!;
    gesture.move(pointAt(frame, [3, 9, 12]));
    expect(fake.shownDraft).not.toBeNull();
    gesture.cancel();
    expect(fake.edits).toEqual([]);
    expect(fake.shownDraft).toBeNull();
  });

  it("extends a flat box to 3-D by dragging it in another view, saying what it was", () => {
    const fake = host();
    const old = boxItem(flat);
    fake.boxes = [old];
    fake.selected = "box";
    drag(fake, "coronal", 5, [3, 5, 4], [6, 5, 2]);
    expect(fake.edits[0]).toMatchObject({ kind: "put", old, item: { id: "box", index: [[3, 2, 2], [6, 8, 12]] } });
  });

  it("moves a selected box and keeps it inside the image", () => {
    const fake = host();
    fake.boxes = [boxItem(flat)];
    fake.selected = "box";
    drag(fake, "axial", 3, [3, 5, 8], [3, 6, 9]);
    expect(fake.edits[0]).toMatchObject({ item: { index: [[3, 3, 5], [3, 9, 13]] } });
    const moved = moveBox(flat, [0, 100, -100], plain);
    expect(moved).toEqual([[3, 7.5, -0.5], [3, 13.5, 7.5]]);
  });

  it("does not change boxes of a locked label", () => {
    const fake = fakeHost(plain, [label("liver", { locked: true })], []);
    fake.boxes = [boxItem(flat)];
    drag(fake, "axial", 3, [3, 2, 6], [3, 4, 8]);
    drag(fake, "axial", 3, [3, 10, 1], [3, 12, 3]);
    expect(fake.edits).toEqual([]);
    expect(fake.toasts).toHaveLength(2);
  });
});

it("orders corners and finds the middle", () => {
  expect(ordered([[5, 2, 9], [1, 4, 3]])).toEqual([[1, 2, 3], [5, 4, 9]]);
  expect(middleOf([[1, 2, 3], [3, 4, 6]])).toEqual([2, 3, 4.5]);
});

/** Tilted by 45 degrees about x, through the middle of voxel (4, 6, 8): right is x, down is y and z alike. */
const tilted = freeFrame(plain, "axial", turnAbout([1, 0, 0], Math.PI / 4), plain.toWorld([4, 6, 8]));
/** Voxels of 1 mm. */
const cube = grid([[0, 0, 1], [0, 1, 0], [1, 0, 0]], [0, 0, 0], [10, 10, 10]);
/** The plane x + y + z = sum. */
const slanted = (sum: number): typeof tilted =>
  freeFrame(cube, "axial", turnAbout([-1, 1, 0], Math.acos(1 / Math.sqrt(3))), [sum / 3, sum / 3, sum / 3]);
const at = (index: Vec3): Pair => tilted.toPlane(plain.toWorld(index));
const sides = (corners: readonly Pair[]): number[] => corners.map(([x, y], n) => {
  const [x2, y2] = corners[(n + 1) % corners.length]!;
  return Math.hypot(x2 - x, y2 - y);
});

describe("boxes on turned planes", () => {
  const centre = at([4, 6, 8]);
  /** Half of the rectangle: 4 voxels along i, 1.5 along j and 0.4 along k. */
  const [half, tall] = [2, 1.2 * Math.SQRT2];
  const corner = (right: number, down: number): Pair => [centre[0] + right * half, centre[1] + down * tall];
  const thin = [[3.5, 4.5, 4], [4.5, 7.5, 12]];

  function dragOver(fake: Fake, from: Pair, to: Pair, tool = box): void {
    const gesture = tool.begin(overPlane(tilted, from), fake);
    gesture?.move(overPlane(tilted, to));
    gesture?.end(overPlane(tilted, to));
  }

  it("are those of the rectangle's corners, at least one voxel thick, from whichever corner it is drawn", () => {
    for (const [right, down] of [[1, 1], [-1, 1], [1, -1], [-1, -1]] as const) {
      const fake = fakeHost(plain, [label("liver")], []);
      dragOver(fake, corner(right, down), corner(-right, -down));
      expect(fake.edits).toMatchObject([{ kind: "put", item: { type: "box", label: "liver", image: "img", index: thin } }]);
      expect(fake.toasts).toEqual([]);
      expect(fake.selected).not.toBeNull();
    }
  });

  it("are cut at the border of the image, where they keep their voxel, and are none outside", () => {
    const from = at([4, 6, 8]);
    expect(boxAround(from, [from[0] + 100, from[1] + 100], tilted, plain)).toEqual([[4, 6, 8], [8.5, 13.5, 16.5]]);
    expect(boxAround([from[0] + 4.2, from[1]], [from[0] + 100, from[1] + tall], tilted, plain)).toEqual([[3.7, 6, 15.5], [4.7, 7.5, 16.5]]);
    expect(boxAround([from[0] + 50, from[1]], [from[0] + 100, from[1] + 1], tilted, plain)).toBeNull();
  });

  it("show the section: the rectangle drawn, a flat box as its slice", () => {
    const found = boxSection(thin as never, tilted, plain);
    const wanted = [corner(-1, -1), corner(1, -1), corner(1, 1), corner(-1, 1)];
    expect(found).toHaveLength(4);
    found.flat().forEach((value, n) => expect(value).toBeCloseTo(wanted.flat()[n]!, 9));
    // Slice 4 reaches 1.5 mm up and down, so sqrt(2) times that along the plane.
    const slice = boxSection([[4, 0, 4], [4, 13, 12]], tilted, plain);
    expect(sides(slice).map((side) => Math.round(side * 1e6) / 1e6)).toEqual([4, 4.242641, 4, 4.242641]);
  });

  it("show three, four, five or six corners", () => {
    const index = [[0, 0, 0], [2, 2, 2]] as const;
    const corners = (sum: number): number => boxSection(index, slanted(sum), cube).length;
    expect([-0.1, 1, 3, 5, 6.1].map(corners)).toEqual([0, 3, 6, 3, 0]);
    expect(boxSection([[0, 0, 0], [2, 2, 4]], slanted(3), cube)).toHaveLength(5);
    for (const side of sides(boxSection(index, slanted(3), cube))) expect(side).toBeCloseTo(Math.SQRT2, 9);
    for (const side of sides(boxSection(index, slanted(1), cube))) expect(side).toBeCloseTo(Math.SQRT2, 9);
  });

  it("are taken by their section and moved as a whole; handles are for slices", () => {
    const fake = fakeHost(plain, [label("liver")], []);
    const old = boxItem(thin as never);
    fake.boxes = [old];
    fake.selected = "box";
    expect(hitBox(overPlane(tilted, corner(1, 1)), [old], "box", plain)).toMatchObject({ handle: null });
    expect(hitBox(overPlane(tilted, [centre[0] + 9, centre[1]]), [old], "box", plain)).toBeNull();
    dragOver(fake, centre, [centre[0] + 1, centre[1] + 0.8 * Math.SQRT2]);
    expect(fake.edits).toMatchObject([{ kind: "put", old, item: { id: "box", index: [[3.77, 5.5, 6], [4.77, 8.5, 14]] } }]);
    dragOver(fake, centre, [centre[0] - 1, centre[1]], shapeTools.select);
    expect(fake.edits[1]).toMatchObject({ item: { index: [[3.5, 4.5, 2], [4.5, 7.5, 10]] } });
    const slice = sliceFrame(plain, "axial", 4);
    expect(hitBox(pointAt(slice, [4, 7.5, 12]), [old], "box", plain)).toMatchObject({ handle: { u: 1, v: 1 } });
  });
});
