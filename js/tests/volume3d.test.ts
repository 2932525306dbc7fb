import { describe, expect, it } from "vitest";
import { dot, type Vec3 } from "../src/model/geometry";
import {
  basis, cubeFaces, dragged, FRONT, fromBasis, lookFrom, multiply, project, rayThrough, SIDES, turn,
  type Look, type Side,
} from "../src/volume3d/camera";
import { cellsOf, cellsSize, markLayer, visible } from "../src/volume3d/cells";
import { applied, crossing, cropIn, Field, IDENTITY, inverted, times, type Copy } from "../src/volume3d/field";
import { pick } from "../src/volume3d/pick";
import { ISO, surfaceOf } from "../src/volume3d/segments";
import { at, entryOf, histogram, ownRange, presetsFor, readPoints, resolved, TABLE, tableOf, type Point } from "../src/volume3d/transfer";

const close = (a: readonly number[], b: readonly number[]): void => a.forEach((x, n) => expect(x).toBeCloseTo(b[n]!, 6));

describe("camera", () => {
  it("looks from the front at first: left of the patient at the right, head up", () => {
    const { right, up, toward } = basis(FRONT);
    close(right, [1, 0, 0]);
    close(up, [0, 0, 1]);
    close(toward, [0, -1, 0]);
  });

  it.each([["A", "L", "S"], ["P", "R", "S"], ["L", "P", "S"], ["R", "A", "S"], ["S", "R", "A"], ["I", "L", "A"]] as const)(
    "from %s has %s at the right and %s up", (side, right, up) => {
      const axes = basis(lookFrom(side));
      close(axes.toward, SIDES[side]);
      close(axes.right, SIDES[right]);
      close(axes.up, SIDES[up]);
      expect(cubeFaces(lookFrom(side)).map((face) => face.side)).toEqual([side]);
    },
  );

  it("turns back and forth between axes and quaternion", () => {
    for (let n = 0; n < 50; n++) {
      const axis: Vec3 = [Math.sin(n), Math.cos(2 * n), Math.sin(3 * n + 1)];
      const size = Math.hypot(...axis);
      const q = turn([axis[0] / size, axis[1] / size, axis[2] / size], n / 7);
      const again = fromBasis(basis(q));
      expect(Math.abs(q.reduce((sum, x, k) => sum + x * again[k]!, 0))).toBeCloseTo(1, 9);
      const { right, up, toward } = basis(multiply(q, q));
      expect([dot(right, up), dot(up, toward), dot(right, toward)].every((x) => Math.abs(x) < 1e-9)).toBe(true);
    }
  });

  it("moves what is grabbed with the pointer", () => {
    const look = (q: typeof FRONT): Look => ({ ...basis(q), center: [0, 0, 0], mmPerPx: 1, width: 100, height: 100 });
    const nose: Vec3 = [0, -30, 0];
    const [x, y] = project(look(dragged(FRONT, 20, 0)), nose);
    expect(x).toBeGreaterThan(52);
    expect(y).toBeCloseTo(50);
    expect(project(look(dragged(FRONT, 0, 20)), nose)[1]).toBeGreaterThan(52);
  });

  it("shows the letters of the sides that can be seen, where they are", () => {
    const faces = cubeFaces(dragged(FRONT, 30, 20));
    expect(faces.map(({ side }) => side).sort()).toEqual(["A", "R", "S"]);
    const place = Object.fromEntries(faces.map(({ side, middle }) => [side, middle])) as Record<Side, [number, number]>;
    expect(place.R[0]).toBeLessThan(place.A[0]);
    expect(place.S[1]).toBeLessThan(place.A[1]);
    for (const { corners } of faces) expect(corners).toHaveLength(4);
  });

  it("casts the ray that the projection hits", () => {
    const look: Look = { ...basis(lookFrom("L")), center: [3, 4, 5], mmPerPx: 0.5, width: 200, height: 100 };
    const { origin, direction } = rayThrough(look, [30, 80]);
    close(project(look, origin), [30, 80]);
    close(direction, [-1, 0, 0]);
  });
});

/** A copy of a sheared, anisotropic grid. */
function copyOf(shape: Vec3, fill: (k: number, j: number, i: number) => number, factors: Vec3 = [1, 1, 1]): Copy {
  const values = new Int16Array(shape[0] * shape[1] * shape[2]);
  for (let k = 0, n = 0; k < shape[0]; k++) for (let j = 0; j < shape[1]; j++) for (let i = 0; i < shape[2]; i++) values[n++] = fill(k, j, i);
  const affine = [[0.3, 0, 0.7, -10], [0.9, 0.8, 0, 5], [2.5, 0, 0, 40], [0, 0, 0, 1]];
  return { shape, values, affine, factors, slope: 1, intercept: 0 };
}

describe("field", () => {
  const field = new Field(copyOf([6, 8, 10], (k, j, i) => 100 * k + 10 * j + i, [2, 2, 2]));

  it("maps sheared grids right", () => {
    // Voxel (k, j, i) = (2, 3, 4)
    const world: Vec3 = [0.3 * 2 + 0.7 * 4 - 10, 0.9 * 2 + 0.8 * 3 + 5, 2.5 * 2 + 40];
    const p = applied(field.toTexture, world);
    close(p, [4.5 / 10, 3.5 / 8, 2.5 / 6]);
    close(applied(field.toWorld, p), world);
    expect(field.sample(p)).toBeCloseTo(234, 6);
    close(times(field.toTexture, field.toWorld), IDENTITY);
    expect([field.min, field.max]).toEqual([0, 579]);
  });

  it("knows the indices of the full grid", () => {
    close(field.ofIndex([-0.5, -0.5, -0.5]), [0, 0, 0]);
    close(field.ofIndex([11.5, 15.5, 19.5]), [1, 1, 1]);
  });

  it("keeps the crop box inside the grid, whichever way round", () => {
    close(cropIn(field, [11, 16, 20], null)[1], [1, 1, 11 / 12]);
    const [low, high] = cropIn(field, [12, 16, 20], [[5.5, 99, 3.5], [-0.5, 3.5, -7]]);
    close(low, [0, 0.25, 0]);
    close(high, [0.2, 1, 0.5]);
  });

  it("finds where rays cross the box", () => {
    expect(crossing([-1, 0.5, 0.5], [1, 0, 0], [[0, 0, 0], [1, 1, 1]])).toEqual([1, 2]);
    expect(crossing([-1, 2, 0.5], [1, 0, 0], [[0, 0, 0], [1, 1, 1]])).toBeNull();
    expect(() => inverted([1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 1])).toThrow(RangeError);
  });
});

describe("transfer", () => {
  const points: Point[] = [[100, 0, "#000000"], [200, 0.5, "#ff0000"], [300, 1, "#ffffff"]];

  it("is linear between the points and constant outside", () => {
    expect(at(points, 150)).toEqual([127.5, 0, 0, 0.25]);
    expect(at(points, -5)).toEqual([0, 0, 0, 0]);
    expect(at(points, 900)).toEqual([255, 255, 255, 1]);
    const table = tableOf(points);
    expect(table.rgba.slice(0, 4)).toEqual(Uint8Array.of(0, 0, 0, 0));
    expect(table.rgba.slice(-4)).toEqual(Uint8Array.of(255, 255, 255, 255));
    expect([entryOf(table, 50), entryOf(table, 200), entryOf(table, 999)]).toEqual([0, (TABLE - 1) / 2, TABLE - 1]);
    expect(table.solid[TABLE]).toBe(TABLE - 1);
  });

  it("has presets for each modality whose values lie in order", () => {
    for (const [modality, unit, first] of [["CT", "HU", "ct-bone"], ["CT", "mg", "mr"], ["PT", "BQML", "pt-mip"], ["MR", "", "mr"], ["US", "", "us"], ["", "", "mr"]]) {
      const presets = presetsFor({ modality: modality!, unit: unit! });
      expect(presets[0]!.id).toBe(first);
      expect(new Set(presets.map(({ id }) => id)).size).toBe(presets.length);
      for (const preset of presets) if (preset.points) expect(readPoints(preset.points)).toEqual(preset.points);
    }
  });

  it("takes relative presets from the image's own values", () => {
    const values = new Int16Array(10000).fill(0);
    values.fill(400, 0, 4000);
    values[9999] = 4000;
    const found = histogram({ values, slope: 2, intercept: 0 });
    const [low, high] = ownRange(found);
    expect(low).toBe(0);
    expect(Math.abs(high - 800)).toBeLessThan(10);
    const angio = presetsFor({ modality: "MR", unit: "" }).find(({ id }) => id === "mr-angio")!;
    expect(resolved(angio, found, { lower: 0, upper: 1 })[1]![0]).toBeCloseTo(high);
    const mip = presetsFor({ modality: "CT", unit: "HU" }).find(({ id }) => id === "mip")!;
    expect(resolved(mip, found, { lower: -160, upper: 240 }).map(([value]) => value)).toEqual([-160, 240]);
  });

  it("refuses points that are none", () => {
    expect(readPoints([[3, 2, "#FFffff"], [1, -1, "#000000"]])).toEqual([[1, 0, "#000000"], [3, 1, "#ffffff"]]);
    for (const bad of [null, [], {}, [[1, 1]], [[NaN, 1, "#000000"]], [[1, 1, "red"]], ["x"]]) expect(readPoints(bad)).toBeNull();
  });
});

describe("cells", () => {
  const field = new Field(copyOf([20, 20, 20], (k, j, i) => (k === 10 && j === 3 && i === 17 ? 500 : 0)));

  it("are skipped where nothing can be seen", () => {
    const cells = cellsOf(field);
    expect(cellsSize(field.size)).toEqual([3, 3, 3]);
    const bytes = visible(cells, tableOf([[300, 0, "#000000"], [400, 1, "#ffffff"]]), null);
    const seen = Array.from({ length: 27 }, (_, n) => n).filter((n) => bytes[2 * n] === 255);
    // Cell (x 2, y 0, z 1) and its neighbours.
    expect(seen).toEqual([1, 2, 4, 5, 10, 11, 13, 14, 19, 20, 22, 23]);
    expect(bytes[2 * 11 + 1]).toBe(255);
    expect(bytes[1]).toBe(0);
  });

  it("are kept where a layer lies", () => {
    const also = new Uint8Array(27);
    markLayer(also, field, field, cellsOf(field), IDENTITY, 100);
    expect(also[11]).toBe(1);
    expect(also[6]).toBe(0);
  });
});

describe("segments", () => {
  const size: Vec3 = [16, 16, 16];
  const filled = (box: readonly [number, number], value: number): Uint8Array => {
    const out = new Uint8Array(16 ** 3);
    for (let z = box[0]; z < box[1]; z++) for (let y = box[0]; y < box[1]; y++) for (let x = box[0]; x < box[1]; x++) out[(z * 16 + y) * 16 + x] = value;
    return out;
  };

  it("are smoothed and keep their colours, the later mask above", () => {
    const big = { values: filled([4, 12], 3), colors: new Map([[3, [255, 0, 0] as const]]) };
    const small = { values: filled([6, 8], 1), colors: new Map([[1, [0, 0, 255] as const]]) };
    const found = surfaceOf(size, [big, small])!;
    const here = (x: number, y: number, z: number): number => (z * 16 + y) * 16 + x;
    expect(found.occupancy[here(8, 8, 8)]).toBe(255);
    expect(found.occupancy[here(0, 0, 0)]).toBe(0);
    const edge = found.occupancy[here(4, 8, 8)]!;
    expect(edge > ISO && edge < 255).toBe(true);
    const color = (x: number, y: number, z: number): number[] => [...found.palette.slice(found.colors[here(x, y, z)]! * 4, found.colors[here(x, y, z)]! * 4 + 3)];
    expect(color(5, 5, 5)).toEqual([255, 0, 0]);
    expect(color(6, 6, 6)).toEqual([0, 0, 255]);
    expect(color(3, 8, 8)).toEqual([255, 0, 0]);
  });

  it("keep what is thin, leave out what is hidden", () => {
    const line = new Uint8Array(16 ** 3);
    for (let x = 3; x < 12; x++) line[(8 * 16 + 8) * 16 + x] = 2;
    const colors = new Map([[2, [1, 2, 3] as const]]);
    expect(surfaceOf(size, [{ values: line, colors }])!.occupancy[(8 * 16 + 8) * 16 + 6]).toBeGreaterThan(ISO);
    expect(surfaceOf(size, [{ values: line, colors: new Map() }])).toBeNull();
    expect(surfaceOf(size, [{ values: new Uint8Array(5).fill(2), colors }])).toBeNull();
  });
});

describe("picking", () => {
  const field = new Field(copyOf([24, 24, 24], (k, j, i) => (k >= 12 && k < 18 && j >= 4 && j < 8 && i >= 10 && i < 16 ? 1000 : 0)));
  const crop = cropIn(field, [24, 24, 24], null);
  const table = tableOf([[400, 0, "#000000"], [600, 0.9, "#ffffff"]]);
  const base = { field, crop, table, mode: "render", surface: null, unit: 1 } as const;
  const middle = applied(field.toWorld, [13 / 24, 6 / 24, 15 / 24]);

  it("finds the surface that faces the viewer", () => {
    const hit = pick(base, middle, [0, 1, 0])!;
    const [x, y, z] = applied(field.toTexture, hit).map((n) => n * 24 - 0.5) as [number, number, number];
    // From the front: along y only, which in this sheared grid is the j axis.
    expect(Math.abs(x - 12.5)).toBeLessThan(0.1);
    expect(Math.abs(z - 14.5)).toBeLessThan(0.1);
    expect(Math.abs(y - 3.5)).toBeLessThan(1);
    const behind = pick(base, middle, [0, -1, 0])!;
    expect(Math.abs(applied(field.toTexture, behind)[1] * 24 - 0.5 - 7.5)).toBeLessThan(1);
  });

  it("finds the largest value of a projection, and nothing beside the volume", () => {
    const hit = pick({ ...base, mode: "mip" }, middle, [0, 1, 0])!;
    const y = applied(field.toTexture, hit)[1] * 24 - 0.5;
    expect(y >= 3.7 && y <= 7).toBe(true);
    expect(pick(base, [1000, 0, 0], [0, 1, 0])).toBeNull();
    expect(pick(base, applied(field.toWorld, [0.1, 0.5, 0.1]), [0, 1, 0])).toBeNull();
  });

  it("does not find what is cropped away, and finds segments before the image", () => {
    const cut = cropIn(field, [24, 24, 24], [[-0.5, 8.5, -0.5], [23.5, 23.5, 23.5]]);
    expect(pick({ ...base, crop: cut }, middle, [0, 1, 0])).toBeNull();
    const values = Uint8Array.from(field.copy.values, (value, n) => (value > 0 && (n / 24) % 24 >= 6 ? 1 : 0));
    const surface = surfaceOf(field.size, [{ values, colors: new Map([[1, [9, 9, 9] as const]]) }]);
    const empty = tableOf([[5000, 0, "#000000"]]);
    const hit = pick({ ...base, table: empty, surface }, middle, [0, 1, 0])!;
    expect(Math.abs(applied(field.toTexture, hit)[1] * 24 - 0.5 - 5.5)).toBeLessThan(1);
  });
});
