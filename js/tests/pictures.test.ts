/** Pictures made in Python show what the browser shows: the same colours, planes and cells. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { arrange, computeCells } from "../src/layout";
import { GridGeometry, type Vec3 } from "../src/model/geometry";
import { COLORMAPS, colormap } from "../src/render/colormaps";
import type { Plane, Quaternion, Turn } from "../src/state/parts";
import { freeFrame, sliceFrame, type Pair } from "../src/tools/frame";

interface PlaneCase {
  readonly grid: string; readonly plane: Plane; readonly turn: Turn; readonly free: boolean; readonly point?: Vec3;
  readonly right: number[]; readonly down: number[]; readonly normal: number[]; readonly centre: number[];
  readonly extent: number[]; readonly thickness: number; readonly slice: number; readonly count: number;
  readonly index: number[][];
}
interface Golden {
  readonly colormaps: Record<string, number[][]>;
  readonly grids: Record<string, { affine: number[][]; shape: Vec3 }>;
  readonly rotation: Quaternion;
  readonly places: Pair[];
  readonly planes: PlaneCase[];
  readonly layouts: { layout: string; width: number; height: number; cells: unknown[][]; images: Record<string, string> }[];
}
const golden = JSON.parse(
  readFileSync(new URL("../../tests/fixtures/pictures.json", import.meta.url), "utf8"),
) as Golden;

const close = (found: readonly number[], wanted: readonly number[]): void => {
  expect(found.length).toBe(wanted.length);
  found.forEach((value, n) => expect(value).toBeCloseTo(wanted[n]!, 6));
};

describe("what pictures made in Python share with the browser", () => {
  it("colour maps", () => {
    expect(COLORMAPS).toEqual(Object.keys(golden.colormaps));
    for (const [name, colors] of Object.entries(golden.colormaps)) {
      const table = colormap(name);
      const found = colors.map((_, n) => [0, 8, 16].map((shift) => (table[15 * n]! >>> shift) & 255));
      expect(found, name).toEqual(colors);
    }
  });

  it.each(golden.planes)("the $plane plane of the $grid grid, free: $free", (one) => {
    const geometry = new GridGeometry({ kind: "grid", ...golden.grids[one.grid]! });
    const frame = one.free
      ? freeFrame(geometry, one.plane, golden.rotation, one.point!, one.plane, one.turn)
      : sliceFrame(geometry, one.plane, 3, one.plane, one.turn);
    for (const key of ["right", "down", "normal", "centre", "extent"] as const) close(frame[key], one[key]);
    close([frame.thickness, frame.slice, frame.count], [one.thickness, one.slice, one.count]);
    golden.places.forEach((place, n) => close(frame.toIndex(place), one.index[n]!));
  });

  it.each(golden.layouts)("the layout $layout in $width × $height", ({ layout, width, height, cells, images }) => {
    const made = arrange(layout, true, ["a", "b"]);
    const found = computeCells(made, null, width, height);
    expect(found.map((one) => [one.pane, one.x, one.y, one.width, one.height])).toEqual(cells);
    expect(Object.fromEntries(made.panes.flatMap(({ id, image }) => (image ? [[id, image]] : [])))).toEqual(images);
  });
});
