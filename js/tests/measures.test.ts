import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { GridGeometry, type GridMeta } from "../src/model/geometry";
import type { BoxItem, ShapeItem } from "../src/model/items";
import { measure, type Measured, type ValueUnit } from "../src/model/measures";
import { areaOf, spline } from "../src/model/outline";
import { statisticsText } from "../src/ui/statistics";

interface Golden {
  readonly images: Record<string, { geometry: GridMeta; unit: ValueUnit }>;
  readonly cases: readonly { image: string; name: string; item: ShapeItem | BoxItem; expected: Record<string, number | string> }[];
}

const golden = JSON.parse(
  readFileSync(new URL("../../tests/fixtures/measures.json", import.meta.url), "utf8"),
) as Golden;

const voxel = (k: number, j: number, i: number): number => ((k * 37 + j * 13 + i * 29 + ((j * i) % 17)) % 211) - 60;

function image(name: string): Measured {
  const { geometry: meta, unit } = golden.images[name]!;
  const geometry = new GridGeometry(meta);
  const [, nj, ni] = geometry.shape;
  const slices = (k: number): Int16Array => Int16Array.from({ length: nj * ni }, (_, n) => voxel(k, Math.floor(n / ni), n % ni));
  return { geometry, unit, slices, color: false };
}

const item = (name: string, on = "plain"): ShapeItem | BoxItem =>
  golden.cases.find((one) => one.image === on && one.name === name)!.item;

describe("measures equal those of Python", () => {
  it.each(golden.cases.map((one) => [one.image, one.name, one] as const))("%s: %s", (_image, _name, { expected, ...one }) => {
    const { pending, ...found } = measure(one.item, image(one.image));
    expect(pending).toBe(false);
    expect(Object.keys(found).filter((key) => found[key as keyof typeof found] !== undefined).sort()).toEqual(Object.keys(expected).sort());
    for (const [key, value] of Object.entries(expected)) {
      const here = found[key as keyof typeof found];
      if (typeof value === "number") expect(Math.abs((here as number) - value), key).toBeLessThan(1e-9 * Math.max(Math.abs(value), 1));
      else expect(here, key).toBe(value);
    }
  });
});

describe("while slices are missing", () => {
  const missing: Measured = { ...image("plain"), slices: () => undefined };
  it.each(["polygon", "ellipse", "box", "probe", "free"])("%s has its sizes, and values later", (name) => {
    const found = measure(item(name), missing);
    expect(found.pending).toBe(true);
    expect(found.mean).toBeUndefined();
    expect(statisticsText(item(name), missing)).toContain("…");
  });
  it("asks for the slices it needs only", () => {
    const asked = new Set<number>();
    const whole = image("plain");
    measure(item("polygon"), { ...whole, slices: (k) => (asked.add(k), whole.slices(k)) });
    expect([...asked]).toEqual([3]);
  });
});

describe("statisticsText", () => {
  it.each([
    ["ruler", ["32.4 mm"]],
    ["bidirectional", ["25.2 × 13.4 mm", "The axes are at 72°"]],
    ["angle", ["58.0°"]],
    ["cobb", ["25.4°"]],
    ["probe", ["108 HU"]],
    ["rectangle", ["Area 217 mm²", "Max ⌀ 21.5 mm", "Mean 46 ± 61 HU", "Min −59 · max 150 HU"]],
    ["box", ["Volume 1.61 ml", "Max ⌀ 22.0 mm", "Mean 45 ± 61 HU", "Min −60 · max 150 HU"]],
    ["small", ["Area 0.1 mm²", "Max ⌀ 0.5 mm", "No voxel centre inside"]],
    ["text", []],
  ])("%s", (name, lines) => {
    expect(statisticsText(item(name), image("plain"))).toEqual(lines);
  });
  it("names pixels where there are no mm, and SUV", () => {
    expect(statisticsText(item("ruler", "pixels"), image("pixels"))).toEqual(["46.3 px"]);
    expect(statisticsText(item("ellipse", "tilted"), image("tilted")).join()).toContain("SUVbw");
  });
  it("says that colour has no values", () => {
    const lines = statisticsText(item("polygon"), { ...image("plain"), color: true });
    expect(lines.at(-1)).toBe("Colour image: no statistics of values");
  });
});

describe("lines", () => {
  it("runs through the points of a spline, without loops at near ones", () => {
    const points = [[0, 0, 0], [10, 0, 0], [10.1, 0, 0], [10.1, 10, 0]] as const;
    const curve = spline(points);
    for (const point of points) expect(curve.some((at) => Math.hypot(at[0] - point[0], at[1] - point[1]) < 1e-9)).toBe(true);
  });
  it("is quick for a freehand line of 2000 points", () => {
    const points = Array.from({ length: 2000 }, (_, n) => [Math.cos(n / 300) * (50 - n / 1e3), Math.sin(n / 300) * 50] as const);
    const start = performance.now();
    const { area, crosses } = areaOf(points);
    expect(performance.now() - start).toBeLessThan(100);
    expect(crosses).toBe(true);
    expect(area).toBeGreaterThan(0);
  });
});
