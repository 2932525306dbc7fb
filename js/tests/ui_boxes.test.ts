import { readFileSync } from "node:fs";
import { beforeEach, describe, expect, it } from "vitest";
import { LiveRoad, type BoxValues, type LiveMessage } from "../src/channel/live";
import { GridGeometry, type GridMeta } from "../src/model/geometry";
import type { BoxItem } from "../src/model/items";
import { boxVoxels, measure, type ValueUnit } from "../src/model/measures";
import type { ImageJson } from "../src/model/protocol";
import { BoxNumbers, MOST_VOXELS } from "../src/ui/boxnumbers";
import { aboveBox, besideBox, boxCaption } from "../src/ui/captions";
import type { Pane } from "../src/ui/pane";
import { Statistics } from "../src/ui/statistics";
import { Volume } from "../src/volumes/volume";

interface Golden {
  readonly images: Record<string, { geometry: GridMeta; unit: ValueUnit }>;
  readonly cases: readonly { image: string; name: string; item: BoxItem; expected: Record<string, number> }[];
}
/** Written by Python: tests/measure_cases.py. */
const golden = JSON.parse(readFileSync(new URL("../../tests/fixtures/measures.json", import.meta.url), "utf8")) as Golden;
const one = (name: string) => golden.cases.find((it) => it.image === "plain" && it.name === name)!;
const voxel = (k: number, j: number, i: number): number => ((k * 37 + j * 13 + i * 29 + ((j * i) % 17)) % 211) - 60;

const meta = (shape: ImageJson["shape"], more: Partial<ImageJson> = {}): ImageJson =>
  ({ id: "plain", shape, frames: 1, dtype: "int16", color: false, modality: "CT", unit: "HU", suv: null, ...more }) as ImageJson;

interface World { pane: Pane; sent: Record<string, unknown>[]; road: LiveRoad; boxes: BoxItem[]; volume: Volume; painted: number }

function world(geometry: GridGeometry, image: ImageJson, connected = true): World {
  const sent: Record<string, unknown>[] = [];
  const road = new LiveRoad("T", { send: (message: object) => void sent.push({ ...message }) } as never, () => undefined);
  const made = { sent, road, boxes: [] as BoxItem[], volume: new Volume(image, 0), painted: 0 } as World;
  const document = { get boxes() { return made.boxes; } };
  const numbers = new BoxNumbers({ channel: connected ? { live: road } : {}, document } as never, () => void made.painted++);
  made.pane = {
    image, geometry, time: 0, view: { value: { units: {} } }, selection: ["b"],
    scene: { statistics: new Statistics(), boxNumbers: numbers, source: { volumes: { store: () => made.volume } } },
  } as unknown as Pane;
  return made;
}

const fill = ({ volume }: World, geometry: GridGeometry): void => {
  const [nk, nj, ni] = geometry.shape;
  for (let k = 0; k < nk; k++) volume.put(k, Int16Array.from({ length: nj * ni }, (_, n) => voxel(k, Math.floor(n / ni), n % ni)));
};

const box = (index: BoxItem["index"], more: Partial<BoxItem> = {}): BoxItem =>
  ({ ...one("box").item, id: "b", label: "lesion", index, ...more });

describe("beside a selected box", () => {
  const geometry = new GridGeometry(golden.images["plain"]!.geometry);

  it.each([
    ["flat box", ["lesion Area 184 mm²", "17.0 × 10.8 mm", "Perimeter 55.6 mm", "Mean 46 ± 61 HU", "Min −59 · max 150 HU"]],
    ["box", ["lesion Volume 1.61 ml", "17.0 × 10.8 × 8.8 mm", "Max ⌀ 22.0 mm", "Mean 45 ± 61 HU", "Min −60 · max 150 HU"]],
  ])("%s: size, and the values that Python finds in it", (name, lines) => {
    const here = world(geometry, meta(geometry.shape));
    fill(here, geometry);
    const { item, expected } = one(name);
    const chosen = { ...item, id: "b", label: "lesion" };
    expect(boxCaption(chosen, here.pane)).toEqual(lines);
    expect(boxVoxels(chosen, geometry.shape)).toBe(expected["count"]);
    const found = measure(chosen, { geometry, color: false, unit: { name: "HU", factor: 1 }, slices: (k) => here.volume.slice(k) });
    for (const key of ["count", "min", "max"] as const) expect(found[key]).toBe(expected[key]);
    for (const key of ["mean", "sd"] as const) expect(found[key]).toBeCloseTo(expected[key]!, 9);
    expect(here.sent).toEqual([]);
  });

  it("stands its label alone where it is not selected", () => {
    const here = world(geometry, meta(geometry.shape));
    expect(boxCaption(box([[1, 1, 1], [2, 5, 5]], { id: "other" }), here.pane)).toEqual(["lesion"]);
    expect(boxCaption({ ...box([[1, 1, 1], [2, 5, 5]], { id: "other" }), name: "target 1" }, here.pane)).toEqual(["target 1"]);
  });

  it("counts the voxels on its sides, within the image, and none between centres", () => {
    expect(boxVoxels(box([[1, 2, 3], [3, 4, 5]]), [6, 40, 50])).toBe(27);
    expect(boxVoxels(box([[-2, 38.5, 48], [0.5, 60, 60]]), [6, 40, 50])).toBe(2);
    expect(boxVoxels(box([[1.2, 0, 0], [1.8, 9, 9]]), [6, 40, 50])).toBe(0);
    expect(boxVoxels(box([[9, 0, 0], [12, 9, 9]]), [6, 40, 50])).toBe(0);
  });

  it("says of colour that it has no values, whatever its size", () => {
    const here = world(geometry, meta(geometry.shape, { color: true, unit: "" }));
    expect(boxCaption(box([[1, 1, 1], [2, 5, 5]]), here.pane).at(-1)).toBe("Colour image: no statistics of values");
  });

  it("asks the host while slices are missing, and takes what comes first", () => {
    const here = world(geometry, meta(geometry.shape));
    const chosen = box(one("box").item.index);
    here.boxes = [chosen];
    expect(boxCaption(chosen, here.pane)).toContain("…");
    expect(here.sent).toHaveLength(1);
    fill(here, geometry);
    expect(boxCaption(chosen, here.pane)).toContain("Mean 45 ± 61 HU");
    expect(here.sent).toHaveLength(1);
  });
});

describe("of a large box", () => {
  const shape = [300, 512, 512] as const;
  const geometry = new GridGeometry({ kind: "grid", affine: [[0, 0, 1, 0], [0, 1, 0, 0], [2, 0, 0, 0], [0, 0, 0, 1]], shape: [...shape] } as GridMeta);
  const large = box([[0, 0, 0], [1, 511, 511]]);
  const VALUES: BoxValues = { count: 524288, mean: -321.25, sd: 410.5, min: -1024, max: 1701, value_unit: "HU", note: "" };
  let here: World;
  const answer = (rid: number, values: BoxValues | null, error: Extract<LiveMessage, { type: "box_values" }>["error"] = null): void =>
    here.road.receive({ type: "box_values", tab: "T", rid, box: "b", values, error }, []);
  beforeEach(() => {
    here = world(geometry, meta([...shape]));
    here.boxes = [large];
  });

  it("the host is asked once, and its numbers are written", () => {
    expect(boxVoxels(large, shape)).toBeGreaterThan(MOST_VOXELS);
    for (let n = 0; n < 3; n++) expect(boxCaption(large, here.pane)).toContain("…");
    expect(here.sent).toEqual([{ type: "box_values", tab: "T", rid: 1, box: "b", frame: 0, units: {} }]);
    answer(1, VALUES);
    expect(here.painted).toBe(1);
    expect(boxCaption(large, here.pane)).toEqual([
      "lesion Volume 522.2 ml", "511.0 × 511.0 × 2.0 mm", "Max ⌀ 722.7 mm", "Mean −321 ± 411 HU", "Min −1024 · max 1701 HU",
    ]);
  });

  it("nothing is asked while it is drawn, and an answer about where it was is not taken", () => {
    boxCaption(large, here.pane);
    const moved = box([[1, 0, 0], [2, 511, 511]]);
    expect(boxCaption(moved, here.pane)).toContain("…");
    expect(here.sent).toHaveLength(1);
    here.boxes = [moved];
    boxCaption(moved, here.pane);
    expect(here.sent.map(({ rid }) => rid)).toEqual([1, 2]);
    answer(1, VALUES);
    expect(boxCaption(moved, here.pane)).toContain("…");
    answer(2, { ...VALUES, mean: 5, sd: 2.5 });
    expect(boxCaption(moved, here.pane)).toContain("Mean 5.0 ± 2.5 HU");
    const renamed = { ...moved, name: "L1" };
    here.boxes = [renamed];
    expect(boxCaption(renamed, here.pane)).toContain("Mean 5.0 ± 2.5 HU");
    expect(here.sent).toHaveLength(2);
  });

  it("what went wrong is said, and after a new connection what was open is asked again", () => {
    boxCaption(large, here.pane);
    here.road.receive({ type: "tools", tools: [] }, []);
    boxCaption(large, here.pane);
    expect(here.sent).toHaveLength(2);
    answer(2, null, { kind: "OSError", message: "the file is gone", hint: "" });
    expect(boxCaption(large, here.pane).at(-1)).toBe("The file is gone");
  });

  it("without a host it says why there are no values", () => {
    here = world(geometry, meta([...shape]), false);
    expect(boxCaption(large, here.pane).at(-1)).toBe("Too many voxels to measure here");
  });
});

it("stands on the right, else on the left, else below or above, else within the view, and nowhere without the box", () => {
  const lines = ["x".repeat(20), "y"];
  const view = { width: 400, height: 300 };
  const at = (left: number, top: number, right: number, bottom: number) => besideBox(lines, { left, top, right, bottom }, view);
  expect(at(50, 40, 150, 90)).toEqual({ x: 160, y: 44, end: false });
  expect(at(200, 40, 390, 90)).toEqual({ x: 190, y: 44, end: true });
  expect(at(20, 40, 390, 120)).toEqual({ x: 20, y: 135, end: false });
  expect(at(20, 80, 390, 290)).toEqual({ x: 20, y: 60, end: false });
  expect(at(10, -500, 390, 600)).toEqual({ x: 262, y: 15, end: false });
  expect(at(10, 295, 100, 320)!.y).toBe(270);
  for (const [x, y] of [[-500, 0], [500, 0], [0, -400], [0, 400]] as const) expect(at(50 + x, 40 + y, 150 + x, 90 + y)).toBeNull();
  // A name alone ends within the view.
  expect([aboveBox(lines[0]!, [50, 40], view), aboveBox(lines[0]!, [390, 40], view), aboveBox(lines[0]!, [450, 40], view)])
    .toEqual([50, 268, 450].map((x) => ({ x, y: 35, end: false })));
});
