import { describe, expect, it } from "vitest";
import type { Vec3 } from "../src/model/geometry";
import { box, boxOutline, boxPoint, boxShown, HANDLES, hitBox, middleOf, resizeBox } from "../src/tools/box";
import { moveBox, ordered } from "../src/tools/group";
import { sliceFrame } from "../src/tools/frame";
import { boxItem, fakeHost, GRIDS, label, plain, pointAt, random, VIEWS, type Fake } from "./tools_help";

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
      expect(hitBox(pointer, [item], "box")?.handle).toEqual(handle);
    }
    expect(boxOutline(solid, frame)).toHaveLength(4);
  });
});

describe("hitting", () => {
  const frame = sliceFrame(plain, "axial", 3);
  const other = boxItem([[3, 0, 0], [3, 12, 15]], { id: "other" });
  const item = boxItem(flat);

  it("takes the outline of any box, the inside of the selected one, and nothing else", () => {
    const inside = { ...pointAt(frame, [3, 5, 8]), mmPerPx: 0.02 };
    expect(hitBox(inside, [other, item], null)).toBeNull();
    expect(hitBox(inside, [other, item], "box")).toMatchObject({ box: { id: "box" }, handle: null });
    const edge = { ...pointAt(frame, [3, 2, 6]), mmPerPx: 0.02 };
    expect(hitBox(edge, [other, item], null)).toMatchObject({ box: { id: "box" }, handle: null });
  });

  it("shows a flat box on its slice, a solid one on all of its slices", () => {
    const on = (index: Parameters<typeof boxItem>[0], slice: number, more = {}): boolean =>
      boxShown(boxItem(index, more), sliceFrame(plain, "axial", slice), "img", 0);
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
