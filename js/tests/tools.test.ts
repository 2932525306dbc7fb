import { describe, expect, it } from "vitest";
import { withAxis, type Vec3 } from "../src/model/geometry";
import { moveToSlice, sliceAt, sliceFrame, type Pair } from "../src/tools/frame";
import { dragWindow, niceNumber, zoomAt } from "../src/tools/navigate";
import { tools } from "../src/tools/index";
import { brushOn, covered } from "../src/tools/paint";
import { distance, fakeHost, GRIDS, plain, pointAt, random, VIEWS, voxelsOf } from "./tools_help";

describe.each(GRIDS)("the slice frame on a %s grid", (_, geometry) => {
  it.each(VIEWS)("maps plane, world and index into each other: %s", (view) => {
    const rnd = random(5);
    const { axis } = sliceFrame(geometry, view, 0);
    for (let n = 0; n < 40; n++) {
      const slice = Math.floor(rnd() * geometry.shape[axis]);
      const frame = sliceFrame(geometry, view, slice);
      const free = geometry.shape.map((size) => rnd() * (size - 1)) as unknown as Vec3;
      const index = withAxis(free, axis, slice);
      const world = geometry.toWorld(index);
      const plane = frame.toPlane(world);
      expect(distance(frame.toWorld(plane), world)).toBeLessThan(1e-9);
      expect(distance(frame.toIndex(plane), index)).toBeLessThan(1e-9);
      const back = frame.fromIndex(index);
      expect(Math.hypot(back[0] - plane[0], back[1] - plane[1])).toBeLessThan(1e-9);
    }
  });

  it("keeps distances in mm", () => {
    const frame = sliceFrame(geometry, "coronal", 3);
    const a = frame.toWorld([1, 2]);
    const b = frame.toWorld([4, 6]);
    expect(distance(a, b)).toBeCloseTo(5, 9);
  });

  it("moves a point straight along the normal when scrolling", () => {
    const from = sliceFrame(geometry, "axial", 1);
    const to = sliceFrame(geometry, "axial", 4);
    const world = geometry.toWorld(withAxis([2, 3, 4], from.axis, 1));
    const moved = moveToSlice(from, to, world);
    expect(sliceAt(geometry, from.axis, moved)).toBe(4);
    const [x, y] = from.toPlane(world);
    const [x2, y2] = to.toPlane(moved);
    expect(Math.hypot(x2 - x, y2 - y)).toBeLessThan(1e-9);
    const off = [moved[0] - world[0], moved[1] - world[1], moved[2] - world[2]];
    expect(Math.abs(off[0]! * from.right[0] + off[1]! * from.right[1] + off[2]! * from.right[2])).toBeLessThan(1e-9);
  });
});

/** Brute force: distance of every voxel centre from 2000 points on the path. */
function brute(frame: ReturnType<typeof sliceFrame>, a: Pair, b: Pair, radius: number, shape: Vec3): Set<string> {
  const out = new Set<string>();
  const steps = 2000;
  for (let u = 0; u < shape[frame.uAxis]; u++) {
    for (let v = 0; v < shape[frame.vAxis]; v++) {
      const [x, y] = frame.fromIndex(withAxis(withAxis([0, 0, 0], frame.uAxis, u), frame.vAxis, v));
      let best = Infinity;
      for (let n = 0; n <= steps; n++) {
        const t = n / steps;
        best = Math.min(best, Math.hypot(x - a[0] - t * (b[0] - a[0]), y - a[1] - t * (b[1] - a[1])));
      }
      if (best <= radius) out.add(`${u},${v}`);
    }
  }
  return out;
}

describe.each(GRIDS)("the brush on a %s grid", (_, geometry) => {
  it.each(VIEWS)("covers what brute force covers: %s", (view) => {
    const rnd = random(11);
    for (let n = 0; n < 6; n++) {
      const frame = sliceFrame(geometry, view, 2);
      const [w, h] = frame.extent;
      const a: Pair = [(rnd() - 0.5) * w * 1.2, (rnd() - 0.5) * h * 1.2];
      const b: Pair = [a[0] + (rnd() - 0.5) * w * 0.6, a[1] + (rnd() - 0.5) * h * 0.6];
      const radius = 1.7 + rnd() * 4;
      const region = covered(brushOn({ geometry }, frame, false), frame.toWorld(a), frame.toWorld(b), radius);
      const got = new Set(voxelsOf(region).map((index) => `${index[frame.uAxis]},${index[frame.vAxis]}`));
      expect([...got].sort()).toEqual([...brute(frame, a, b, radius, geometry.shape)].sort());
    }
  });

  it("finer than a voxel still draws a line without holes", () => {
    const frame = sliceFrame(geometry, "axial", 3);
    const to = withAxis(withAxis([3, 3, 3], frame.uAxis, 8), frame.vAxis, 6);
    const from = withAxis([3, 3, 3], frame.uAxis, 1);
    const world = (index: Vec3): Vec3 => frame.toWorld(frame.fromIndex(index));
    const region = covered(brushOn({ geometry }, frame, false), world(from), world(to), 0.01);
    const got = new Set(voxelsOf(region).map((index) => `${index[frame.uAxis]},${index[frame.vAxis]}`));
    for (let u = 1; u <= Math.min(8, geometry.shape[frame.uAxis] - 1); u++) {
      expect([...got].some((one) => one.startsWith(`${u},`))).toBe(true);
    }
  });
});

describe("navigation", () => {
  it("keeps the point under the pointer while zooming", () => {
    const before = { mmPerPx: 0.5, pan: [3, -2] as Pair };
    const after = zoomAt(before, [10, 20], 2);
    expect(after.mmPerPx).toBe(0.25);
    const px = (camera: typeof before, point: Pair): Pair =>
      [(point[0] - camera.pan[0]) / camera.mmPerPx, (point[1] - camera.pan[1]) / camera.mmPerPx];
    expect(px({ ...after, pan: after.pan }, [10, 20])).toEqual(px(before, [10, 20]));
    expect(zoomAt(before, [0, 0], 1e9).mmPerPx).toBeGreaterThan(0);
  });

  it("widens the window to the right and brightens upwards, never to zero", () => {
    const start = { center: 40, width: 400 };
    expect(dragWindow(start, 100, 0).width).toBeGreaterThan(400);
    expect(dragWindow(start, 0, -30).center).toBe(0);
    expect(dragWindow(start, -1e5, 0).width).toBe(1);
    expect(dragWindow({ center: 0.01, width: 0.02 }, -1e5, 0).width).toBeGreaterThan(0);
    expect(niceNumber(40.4, 400)).toBe(40);
    expect(niceNumber(0.123456, 0.5)).toBe(0.123);
  });

  it.each(["crosshair", "window", "pan", "zoom"] as const)("%s takes everything back on cancel", (name) => {
    const host = fakeHost(plain, [], []);
    const frame = sliceFrame(plain, "axial", 2);
    const before = host.view.value;
    const gesture = tools[name].begin(pointAt(frame, [2, 3, 4]), host)!;
    gesture.move(pointAt(frame, [2, 8, 12]));
    expect(host.view.value).not.toEqual(before);
    gesture.cancel();
    expect(host.view.value).toEqual(before);
  });

  it("the crosshair goes to the world point under the pointer", () => {
    const host = fakeHost(plain, [], []);
    const frame = sliceFrame(plain, "sagittal", 5);
    tools.crosshair.begin(pointAt(frame, [4, 7, 5]), host);
    expect(distance(host.view.value.cursor!, plain.toWorld([4, 7, 5]))).toBeLessThan(1e-9);
  });
});
