import { describe, expect, it } from "vitest";
import { computeLayout, GAP, neededHeight, usableLayout, type Cell } from "../src/layout";

const overlap = (a: Cell, b: Cell): boolean =>
  a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;

describe("computeLayout", () => {
  it.each([
    [1100, 520], [521, 520], [1500, 520], [460, 664], [800, 900], [333, 777], [701, 401],
  ])("tiles %i × %i without overlap or hole", (width, height) => {
    const cells = computeLayout("mpr", width, height);
    for (const cell of cells) {
      expect(cell.width).toBeGreaterThan(0);
      expect(cell.height).toBeGreaterThan(0);
      expect(cell.x + cell.width).toBeLessThanOrEqual(width);
      expect(cell.y + cell.height).toBeLessThanOrEqual(height);
      for (const other of cells) if (other !== cell) expect(overlap(cell, other)).toBe(false);
    }
    const area = cells.reduce((sum, cell) => sum + cell.width * cell.height, 0);
    expect(width * height - area).toBeLessThanOrEqual(2 * GAP * (width + height));
    expect(cells.map((cell) => cell.view)).toEqual(expect.arrayContaining(["axial", "coronal", "sagittal"]));
  });

  it("is a grid with an information cell, one column when narrow, a large axial view when broad", () => {
    expect(computeLayout("mpr", 800, 560).map((cell) => cell.view)).toContain("info");
    const narrow = computeLayout("mpr", 500, 700);
    expect(new Set(narrow.map((cell) => cell.x))).toEqual(new Set([0]));
    expect(narrow).toHaveLength(3);
    const broad = computeLayout("mpr", 1400, 520);
    expect(broad[0]).toMatchObject({ view: "axial", height: 520 });
    expect(broad[1]!.x).toBe(broad[2]!.x);
  });

  it("gives one view the whole space, and nothing without space", () => {
    expect(computeLayout("coronal", 300, 200)).toEqual([{ view: "coronal", x: 0, y: 0, width: 300, height: 200 }]);
    expect(computeLayout("mpr", 0, 500)).toEqual([]);
    expect(computeLayout("single", 500, 0)).toEqual([]);
  });
});

it("asks for more height only in one column", () => {
  expect(neededHeight("mpr", 900, 560)).toBe(560);
  expect(neededHeight("mpr", 400, 560)).toBeGreaterThan(600);
  expect(neededHeight("axial", 400, 560)).toBe(560);
});

it("shows pictures and stacks in one view", () => {
  expect(usableLayout("mpr", false)).toBe("single");
  expect(usableLayout("auto", true)).toBe("mpr");
  expect(usableLayout("single", true)).toBe("axial");
  expect(usableLayout("coronal", true)).toBe("coronal");
});
