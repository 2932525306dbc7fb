import { readFileSync } from "node:fs";
import { describe, expect, it, test } from "vitest";
import { GridGeometry, type GridMeta } from "../src/model/geometry";
import type { BoxItem, ShapeItem } from "../src/model/items";
import { measure, type Measured, type ValueUnit } from "../src/model/measures";
import { areaOf, spline } from "../src/model/outline";
import { statistics } from "../src/model/sampling";
import type { ImageJson } from "../src/model/protocol";
import { measuresText, Statistics } from "../src/ui/statistics";
import { Volume } from "../src/volumes/volume";

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
    expect(measuresText(measure(item(name), missing))).toContain("…");
  });
  it("asks for the slices it needs only", () => {
    const asked = new Set<number>();
    const whole = image("plain");
    measure(item("polygon"), { ...whole, slices: (k) => (asked.add(k), whole.slices(k)) });
    expect([...asked]).toEqual([3]);
  });
});

describe("measuresText", () => {
  it.each([
    ["ruler", ["32.4 mm"]],
    ["bidirectional", ["25.2 × 13.4 mm", "The axes are at 72°"]],
    ["angle", ["58.0°"]],
    ["cobb", ["25.4°"]],
    ["probe", ["108 HU"]],
    ["rectangle", ["Area 217 mm²", "17.6 × 12.3 mm", "Perimeter 59.9 mm", "Mean 46 ± 61 HU", "Min −59 · max 150 HU"]],
    ["ellipse", ["Area 259 mm²", "Axes 22.4 × 14.7 mm", "Perimeter 58.9 mm", "Mean 43 ± 61 HU", "Min −60 · max 150 HU"]],
    ["polygon", ["Area 333 mm²", "Max ⌀ 32.6 mm", "Perimeter 96.7 mm", "Mean 46 ± 61 HU", "Min −60 · max 150 HU"]],
    ["star", ["Area 116 mm²", "Max ⌀ 23.8 mm · perimeter 114.4 mm", "Mean 42 ± 62 HU", "Min −60 · max 150 HU", "The outline crosses itself: area and voxels by the even-odd rule"]],
    ["flat box", ["Area 184 mm²", "17.0 × 10.8 mm", "Perimeter 55.6 mm", "Mean 46 ± 61 HU", "Min −59 · max 150 HU"]],
    ["free", ["Area 469 mm²", "Max ⌀ 32.6 mm · perimeter 87.8 mm", "Mean 45 ± 44 HU", "Min −48 · max 142 HU", "Free plane: sampled at the voxel spacing, linear between voxels"]],
    ["box", ["Volume 1.61 ml", "17.0 × 10.8 × 8.8 mm", "Max ⌀ 22.0 mm", "Mean 45 ± 61 HU", "Min −60 · max 150 HU"]],
    ["small", ["Area 0.1 mm²", "Max ⌀ 0.5 mm", "Perimeter 1.4 mm", "No voxel centre inside"]],
    ["text", []],
  ])("%s", (name, lines) => {
    expect(measuresText(measure(item(name), image("plain")))).toEqual(lines);
  });
  it("has five lines at most, and leaves out no size of a closed shape", () => {
    for (const { image: on, item: one, expected } of golden.cases) {
      const lines = measuresText(measure(one, image(on)));
      expect(lines.length).toBeLessThanOrEqual(5);
      const text = lines.join("\n").toLowerCase();
      for (const [word, key] of [["area", "area"], ["perimeter", "perimeter"], ["volume", "volume"]] as const)
        expect(text.includes(word), `${one.id} ${key}`).toBe(expected[key] !== undefined || (word === "area" && text.includes("area and voxels")));
      for (const key of ["width", "height", "depth", "short_axis", "perimeter"])
        if (expected[key] !== undefined) expect(text).toContain((expected[key] as number).toFixed(1));
    }
  });
  it("names pixels where there are no mm, and SUV", () => {
    expect(measuresText(measure(item("ruler", "pixels"), image("pixels")))).toEqual(["46.3 px"]);
    expect(measuresText(measure(item("ellipse", "tilted"), image("tilted"))).join()).toContain("SUVbw");
  });
  it("says that colour has no values", () => {
    const lines = measuresText(measure(item("polygon"), { ...image("plain"), color: true }));
    expect(lines.at(-1)).toBe("Colour image: no statistics of values");
  });
});

describe("Statistics", () => {
  const { geometry, slices } = image("plain");
  const meta = { id: "plain", shape: geometry.shape, frames: 1, dtype: "int16", color: false, unit: "HU" } as unknown as ImageJson;
  const pane = (volume: Volume): Parameters<Statistics["lines"]>[1] => ({
    image: meta, geometry, time: 0, view: { value: { units: {} } }, scene: { source: { volumes: { store: () => volume } } },
  }) as unknown as Parameters<Statistics["lines"]>[1];

  it("waits for whole slices, measures again when they come, and then no more", () => {
    const volume = new Volume(meta, 0);
    const statistics = new Statistics();
    const polygon = item("polygon");
    expect(statistics.lines(polygon, pane(volume))).toContain("…");
    volume.begin(3, 2, new Int16Array(Math.ceil(geometry.shape[1] / 2) * Math.ceil(geometry.shape[2] / 2)));
    expect(statistics.lines(polygon, pane(volume))).toContain("…");
    volume.put(3, slices(3) as Int16Array);
    const lines = statistics.lines(polygon, pane(volume));
    expect(lines).toContain("Mean 46 ± 61 HU");
    volume.clear();
    expect(statistics.lines(polygon, pane(volume))).toBe(lines);
  });
});

describe("lines", () => {
  it("runs through the points of a spline, without loops at near ones", () => {
    const points = [[0, 0, 0], [10, 0, 0], [10.1, 0, 0], [10.1, 10, 0]] as const;
    const curve = spline(points);
    for (const point of points) expect(curve.some((at) => Math.hypot(at[0] - point[0], at[1] - point[1]) < 1e-9)).toBe(true);
  });
  it("measures a circle of 400 px", () => {
    const big = new GridGeometry({ kind: "grid", affine: [[0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]], shape: [1, 512, 512] });
    const values = new Int16Array(512 * 512).map((_, n) => n % 997);
    const circle = { ...item("ellipse"), points: [[56, 256, 0], [456, 256, 0], [256, 56, 0], [256, 456, 0]] } as ShapeItem;
    const shown: Measured = { geometry: big, color: false, unit: { name: "HU", factor: 1 }, slices: () => values };
    expect(measure(circle, shown).count).toBeGreaterThan(125_000);
  });
  it("takes a freehand line of 2000 points", () => {
    const points = Array.from({ length: 2000 }, (_, n) => [Math.cos(n / 300) * (50 - n / 1e3), Math.sin(n / 300) * 50] as const);
    const { area, crosses } = areaOf(points);
    expect(crosses).toBe(true);
    expect(area).toBeGreaterThan(0);
  });
});

test("the median of many values is that of the sorted ones", () => {
  let state = 5;
  const next = (below: number): number => ((state = (Math.imul(state, 1103515245) + 12345) | 0) >>> 8) % below;
  for (let n = 0; n < 400; n++) {
    const values = Float64Array.from({ length: 1 + next(50) }, () => next(n % 2 ? 7 : 100_000) - 3);
    if (n % 5 === 0) values.set([NaN], next(values.length));
    const finite = values.filter(Number.isFinite).sort();
    const half = finite.length >> 1;
    const found = statistics(values, -2);
    if (finite.length === 0) continue;
    expect(found.median).toBe(-2 * (finite.length % 2 ? finite[half]! : (finite[half - 1]! + finite[half]!) / 2));
    expect([found.min, found.max, found.count]).toEqual([-2 * finite.at(-1)!, -2 * finite[0]!, values.length]);
  }
});
