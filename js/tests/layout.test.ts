import { describe, expect, it } from "vitest";
import { arrange, computeCells, GAP, neededHeight, PRESETS, type Cell } from "../src/layout";

const overlap = (a: Cell, b: Cell): boolean =>
  a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
const mpr = arrange("mpr", true, ["ct"]);
const SIZES = [[1100, 520], [521, 520], [1500, 520], [460, 664], [800, 900], [333, 777], [701, 401]] as const;
const NAMES = [...Object.keys(PRESETS), "longitudinal", "compare-1x2", "compare-2x3", "compare-3x3"];

describe("computeCells", () => {
  it.each(NAMES.flatMap((name) => SIZES.map((size) => [name, ...size] as const)))(
    "tiles %s in %i × %i without overlap or hole", (name, width, height) => {
      const arrangement = arrange(name, true, ["a", "b"]);
      const cells = computeCells(arrangement, null, width, height);
      for (const cell of cells) {
        expect(cell.width).toBeGreaterThan(0);
        expect(cell.height).toBeGreaterThan(0);
        expect(cell.x + cell.width).toBeLessThanOrEqual(width);
        expect(cell.y + cell.height).toBeLessThanOrEqual(height);
        for (const other of cells) if (other !== cell) expect(overlap(cell, other)).toBe(false);
      }
      const area = cells.reduce((sum, cell) => sum + cell.width * cell.height, 0);
      expect(width * height - area).toBeLessThanOrEqual(8 * GAP * (width + height));
      expect(cells.map((cell) => cell.pane)).toEqual(expect.arrayContaining(arrangement.panes.map(({ id }) => id)));
    });

  it("is a grid with an information cell, one column when narrow, a large axial view when broad", () => {
    expect(computeCells(mpr, null, 800, 560).map((cell) => cell.pane)).toContain("info");
    const narrow = computeCells(mpr, null, 500, 700);
    expect(new Set(narrow.map((cell) => cell.x))).toEqual(new Set([0]));
    expect(narrow).toHaveLength(3);
    const broad = computeCells(mpr, null, 1400, 520);
    expect(broad[0]).toMatchObject({ pane: "axial", height: 520 });
    expect(broad[1]!.x).toBe(broad[2]!.x);
  });

  it("gives a maximized pane the whole space, and nothing without space", () => {
    expect(computeCells(mpr, "coronal", 300, 200)).toEqual([{ pane: "coronal", x: 0, y: 0, width: 300, height: 200 }]);
    expect(computeCells(mpr, "gone", 800, 560)).toHaveLength(4);
    expect(computeCells(mpr, null, 0, 500)).toEqual([]);
    expect(computeCells(mpr, null, 500, 0)).toEqual([]);
  });

  it("keeps its own cells in a narrow space where one column would make them flat", () => {
    const four = arrange("four-up", true, []);
    expect(computeCells(four, null, 420, 540).map(({ width }) => width)).toEqual([209, 209, 209, 209]);
    expect(computeCells(four, null, 420, 900).map(({ width }) => width)).toEqual([420, 420, 420, 420]);
    expect(computeCells(mpr, null, 420, 540).map(({ width }) => width)).toEqual([420, 420, 420]);
    const row = arrange({ row: [1, 2, 3, 4, 5, 6].map(() => ({ plane: "axial" as const })) }, true, []);
    expect(computeCells(row, null, 420, 540)[0]!.width).toBe(420);
  });

  it("cuts by the given sizes", () => {
    const tree = arrange({ row: [{ plane: "axial" }, { plane: "coronal" }], sizes: [3, 1] }, true, []);
    const [left, right] = computeCells(tree, null, 802, 600);
    expect([left!.width, right!.x, right!.width]).toEqual([600, 602, 200]);
  });
});

it("asks for more height only in one column", () => {
  expect(neededHeight(mpr, null, 900, 560)).toBe(560);
  expect(neededHeight(mpr, null, 400, 560)).toBeGreaterThan(600);
  expect(neededHeight(mpr, "axial", 400, 560)).toBe(560);
  expect(neededHeight(arrange("axial", true, []), null, 400, 560)).toBe(560);
});

describe("arrange", () => {
  it("shows pictures and stacks in one pane", () => {
    expect(arrange("mpr", false, []).panes).toMatchObject([{ id: "acquisition", plane: "acquisition" }]);
    expect(arrange("mpr", false, []).name).toBe("single");
    expect(arrange("auto", true, []).name).toBe("mpr");
    expect(arrange("single", true, []).panes).toMatchObject([{ plane: "axial" }]);
    expect(arrange("coronal", true, []).panes).toMatchObject([{ plane: "coronal" }]);
  });

  it("gives every pane an id of its own and each compared image a pane", () => {
    const { panes } = arrange("compare-2x2", true, ["a", "b", "c"]);
    expect(panes.map(({ id }) => id)).toEqual(["axial", "axial-2", "axial-3", "axial-4"]);
    expect(panes.map(({ image }) => image)).toEqual(["a", "b", "c", "c"]);
  });

  it("says that it does not know a name, and shows what it would show anyway", () => {
    expect(arrange("tumour board", true, [])).toMatchObject({ known: false, name: "mpr" });
    const named = { "tumour board": { row: [{ plane: "axial" }, { plane: "volume" }] } } as const;
    expect(arrange("tumour board", true, [], named)).toMatchObject({ known: true, name: "tumour board" });
  });
});
