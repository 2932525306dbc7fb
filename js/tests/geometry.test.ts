import { describe, expect, it } from "vitest";
import { GridGeometry, cross, dot, letters, length, unit, viewPlanes } from "../src/model/geometry";
import type { GridMeta, StackMeta, Vec3, View } from "../src/model/geometry";

const VIEWS: readonly View[] = ["axial", "coronal", "sagittal"];
const SHAPE: Vec3 = [9, 23, 31];

/** Columns are the world steps of k, j and i. */
function grid(k: Vec3, j: Vec3, i: Vec3, origin: Vec3 = [-11.3, 7.1, 40.2]): GridGeometry {
  const row = (n: 0 | 1 | 2): number[] => [k[n], j[n], i[n], origin[n]];
  return new GridGeometry({ kind: "grid", affine: [row(0), row(1), row(2), [0, 0, 0, 1]], shape: SHAPE });
}

function near(a: Vec3, b: Vec3, digits = 9): void {
  for (const n of [0, 1, 2] as const) expect(a[n]).toBeCloseTo(b[n], digits);
}

const turn = ([x, y, z]: Vec3): Vec3 => {
  const [a, b, c] = [0.3, -0.2, 0.4];
  const p: Vec3 = [x, y * Math.cos(a) - z * Math.sin(a), y * Math.sin(a) + z * Math.cos(a)];
  const q: Vec3 = [p[0] * Math.cos(b) + p[2] * Math.sin(b), p[1], -p[0] * Math.sin(b) + p[2] * Math.cos(b)];
  return [q[0] * Math.cos(c) - q[1] * Math.sin(c), q[0] * Math.sin(c) + q[1] * Math.cos(c), q[2]];
};

const GRIDS: Record<string, GridGeometry> = {
  plain: grid([0, 0, 2.5], [0, 0.7, 0], [0.6, 0, 0]),
  flipped: grid([0, 0, -2.5], [0, -0.7, 0], [-0.6, 0, 0]),
  sagittal: grid([2.5, 0, 0], [0, 0, -0.7], [0, 0.6, 0]),
  oblique: grid(turn([0, 0, 2.5]), turn([0, 0.7, 0]), turn([0.6, 0, 0])),
  sheared: grid([0.2, -0.9, 2.5], [0.1, 0.7, 0], [0.6, 0, 0.05]),
};

describe("index and world", () => {
  it("uses voxel centres at integers and the order k, j, i", () => {
    near(GRIDS["plain"]!.toWorld([0, 0, 0]), [-11.3, 7.1, 40.2]);
    near(GRIDS["plain"]!.toWorld([2, 3, 5]), [-11.3 + 3, 7.1 + 2.1, 40.2 + 5]);
    near(GRIDS["plain"]!.toIndex([-11.3 + 0.3, 7.1, 40.2 - 1.25]), [-0.5, 0, 0.5]);
    near(GRIDS["plain"]!.spacing, [2.5, 0.7, 0.6]);
  });

  it.each(Object.keys(GRIDS))("goes there and back: %s", (name) => {
    const geometry = GRIDS[name]!;
    for (const index of [[0, 0, 0], [8, 22, 30], [1.25, -3.5, 40.75]] as Vec3[])
      near(geometry.toIndex(geometry.toWorld(index)), index);
    near(geometry.stepToIndex(geometry.stepToWorld([1, 2, 3])), [1, 2, 3]);
    const plane = geometry.plane(4);
    near(plane.origin, geometry.toWorld([4, 0, 0]));
    near(plane.column_step, geometry.stepToWorld([0, 0, 1]));
    near(plane.row_step, geometry.stepToWorld([0, 1, 0]));
  });

  it("refuses a grid that is flat", () => {
    expect(() => grid([0, 0, 1], [0, 0, 2], [1, 0, 0])).toThrow(RangeError);
    expect(() => grid([0, 0, NaN], [0, 1, 0], [1, 0, 0])).toThrow(RangeError);
  });
});

describe("viewPlanes", () => {
  it("shows an LPS grid as it is stored", () => {
    const views = viewPlanes(GRIDS["plain"]!);
    expect(VIEWS.map((v) => views[v].axis)).toEqual([0, 1, 2]);
    near(views.axial.right, [1, 0, 0]);
    near(views.axial.down, [0, 1, 0]);
    near(views.axial.normal, [0, 0, 1]);
    near(views.coronal.right, [1, 0, 0]);
    near(views.coronal.down, [0, 0, -1]);
    near(views.sagittal.right, [0, 1, 0]);
    near(views.sagittal.down, [0, 0, -1]);
  });

  it("does not mirror a flipped grid", () => {
    const views = viewPlanes(GRIDS["flipped"]!);
    near(views.axial.right, [1, 0, 0]);
    near(views.axial.down, [0, 1, 0]);
    near(views.sagittal.down, [0, 0, -1]);
  });

  it("finds the axes of a sagittal series", () => {
    const views = viewPlanes(GRIDS["sagittal"]!);
    expect(VIEWS.map((v) => views[v].axis)).toEqual([1, 2, 0]);
    near(views.sagittal.right, [0, 1, 0]);
    near(views.axial.right, [1, 0, 0]);
  });

  it("uses each axis once, even at 45 degrees", () => {
    const s = Math.SQRT1_2;
    for (const geometry of [grid([s, 0, s], [0, 1, 0], [s, 0, -s]), grid([s, s, 0], [0, 0, 1], [s, -s, 0])])
      expect(new Set(VIEWS.map((v) => viewPlanes(geometry)[v].axis)).size).toBe(3);
  });

  it.each(Object.keys(GRIDS))("spans the two other grid axes with a right angle: %s", (name) => {
    const geometry = GRIDS[name]!;
    for (const view of VIEWS) {
      const { axis, right, down, normal } = viewPlanes(geometry)[view];
      expect(length(right)).toBeCloseTo(1, 12);
      expect(length(down)).toBeCloseTo(1, 12);
      expect(dot(right, down)).toBeCloseTo(0, 12);
      near(cross(right, down), normal);
      expect(geometry.stepToIndex(right)[axis]).toBeCloseTo(0, 12);
      expect(geometry.stepToIndex(down)[axis]).toBeCloseTo(0, 12);
    }
  });
});

describe("stacks", () => {
  const planes = [0, 1, 2].map((n) => ({
    origin: [0, 0, 4 * n + n * n] as Vec3,
    row_step: [0, 0.5 + n * 0.1, 0.1 * n] as Vec3,
    column_step: [-0.8, 0, 0] as Vec3,
  }));
  const meta: StackMeta = { kind: "stack", planes, shape: [3, 10, 12], unit: "mm", patient_space: true };
  const stack = new GridGeometry(meta as GridMeta);

  it("maps by its planes", () => {
    near(stack.toWorld([2, 3, 4]), [-3.2, 2.1, 12 + 0.6]);
    for (const index of [[0, 2, 3], [1, 9.5, -0.5], [2, 0, 11]] as Vec3[])
      near(stack.toIndex(stack.toWorld(index)), index);
    near(stack.toIndex([-0.8, 0.5, 0.7]), [0, 1, 1]);
  });

  it("takes the plane at hand where planes coincide", () => {
    const frame = { origin: [0, 0, 0] as Vec3, row_step: [0, 1, 0] as Vec3, column_step: [1, 0, 0] as Vec3 };
    const cine = new GridGeometry({
      kind: "stack", planes: [frame, frame, frame], shape: [3, 4, 5], unit: "px", patient_space: false,
    });
    near(cine.toIndex([2, 1, 0]), [0, 1, 2]);
    near(cine.toIndex([2, 1, 0], 2), [2, 1, 2]);
    expect([cine.unit, cine.patientSpace, stack.patientSpace]).toEqual(["px", false, true]);
  });

  it("has one view, as stored", () => {
    const views = viewPlanes(stack, 2);
    for (const view of VIEWS) {
      expect(views[view].axis).toBe(0);
      near(views[view].right, [-1, 0, 0]);
      near(views[view].down, unit([0, 0.7, 0.2]));
    }
  });
});

describe("letters", () => {
  it("names directions, the strongest first", () => {
    expect(letters([1, 0, 0])).toBe("L");
    expect(letters([0, -2, 0])).toBe("A");
    expect(letters([0, -0.6, 0.8])).toBe("SA");
    expect(letters([-0.7, 0.6, -0.5])).toBe("RPI");
    expect(letters([0.99, 0.1, 0])).toBe("L");
    expect(letters([0, 0, 0])).toBe("");
  });
});
