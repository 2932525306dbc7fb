import { describe, expect, it } from "vitest";
import { GridGeometry } from "../src/model/geometry";
import type { GeometryJson, HeaderRow, ImageJson } from "../src/model/protocol";
import { sliceFrame } from "../src/tools/frame";
import { frameText, frameValue } from "../src/ui/frames";
import { pixelForPixel } from "../src/ui/fullsize";
import { hungTurn } from "../src/ui/hanging";
import { filterRows } from "../src/ui/headers";
import { nextFrame, nextSpeed } from "../src/ui/player";
import { edgeLetters } from "../src/ui/readout";
import { slabCount, slabText } from "../src/ui/slab";

const flat = (row: number, column: number, shape: readonly [number, number, number]): GeometryJson => ({
  kind: "stack", shape, unit: "mm", patient_space: false,
  planes: Array.from({ length: shape[0] }, () => ({ origin: [0, 0, 0], row_step: [0, row, 0], column_step: [column, 0, 0] }) as const),
});
const picture = (more: Partial<ImageJson> = {}, geometry = flat(0.1, 0.1, [1, 300, 201])): ImageJson => ({
  id: "x", name: "x", shape: geometry.shape, frames: 1, dtype: "uint16", color: false, modality: "MG", unit: "",
  photometric: "MONOCHROME2", windows: [], geometry, frame_times: null, orientation_labels: null, ...more,
});

describe("frames", () => {
  it("go round or turn at the ends, and leave none out", () => {
    const walk = (bounce: boolean): number[] => {
      let [at, way]: readonly [number, 1 | -1] = [0, 1];
      return Array.from({ length: 7 }, () => {
        [at, way] = nextFrame(at, 4, way, bounce);
        return at;
      });
    };
    expect(walk(false)).toEqual([1, 2, 3, 0, 1, 2, 3]);
    expect(walk(true)).toEqual([1, 2, 3, 2, 1, 0, 1]);
    expect(nextFrame(1, 2, 1, true)[0]).toBe(0);
  });

  it("have speeds that go up and down in steps and end", () => {
    expect([nextSpeed(30, 1), nextSpeed(30, -1), nextSpeed(29.97, 1), nextSpeed(60, 1), nextSpeed(0.5, -1)]).toEqual([40, 25, 40, 60, 0.5]);
  });

  it("are named by what tells them apart", () => {
    const series = picture({ frames: 3, frame_label: "b-value", frame_values: [50, 400, 800] });
    expect(frameValue(series, 2)).toBe("b-value 800 s/mm²");
    expect(frameText(series, 1)).toBe("frame 2/3 · b-value 400 s/mm²");
    expect(frameValue(picture({ frames: 2, frame_label: "time", frame_values: [0, 12.4] }), 1)).toBe("12.4 s");
    expect(frameValue(picture({ frame_times: [0, 0.0333] }), 1)).toBe("0.03 s");
    expect(frameText(picture({ frames: 2 }), 1)).toBe("frame 2/2");
    expect(frameText(picture(), 0)).toBe("");
  });
});

describe("slabs", () => {
  it("are whole slices, and say how thick those are where that is not what was asked for", () => {
    expect([slabCount(9, 3), slabCount(5, 3.27), slabCount(5, 5), slabCount(1, 5), slabCount(9000, 0.5)]).toEqual([3, 2, 1, 1, 1024]);
    expect(slabText({ mode: "mip", mm: 20 }, 0.98)).toBe("MIP 20 mm");
    expect(slabText({ mode: "minip", mm: 5 }, 3.27)).toBe("MinIP 6.54 mm (2 slices)");
    expect(slabText({ mode: "mean", mm: 5 }, 4.851)).toBe("Mean 5 mm");
    expect(slabText({ mode: "mip", mm: 5 }, 3.6)).toBe("One slice, 3.6 mm");
    expect(slabText({ mode: "mip", mm: 100 }, 0.05)).toBe("MIP 51.2 mm (1024 slices)");
  });
});

describe("headers", () => {
  const rows: HeaderRow[] = [
    [0, "(0028,0010)", "Rows", "US", "240"],
    [0, "(5200,9229)", "Shared Functional Groups Sequence", "SQ", "1 item"],
    [1, "", "Item 1", "", ""],
    [2, "(0028,9110)", "Pixel Measures Sequence", "SQ", "1 item"],
    [4, "(0028,0030)", "Pixel Spacing", "DS", "0.5\\0.5"],
    [0, "(0010,0010)", "Patient's Name", "PN", "A^B (C)"],
  ];
  const found = (query: string): string[] => filterRows(rows, query).map(({ at, hit }) => `${at}${hit ? "" : "-"}`);

  it("are searched by tag, name and value, whichever way a tag is written", () => {
    expect(found("")).toHaveLength(6);
    expect(found("rows")).toEqual(["0"]);
    expect(found("00280010")).toEqual(["0"]);
    expect(found("(0028,0010)")).toEqual(["0"]);
    expect(found("a^b (c)")).toEqual(["5"]);
    expect(found("nothing")).toEqual([]);
  });

  it("show items within their sequences", () => {
    expect(found("spacing ds")).toEqual(["1-", "2-", "3-", "4"]);
  });
});

describe("pictures in two dimensions", () => {
  it("lie with each pixel on one of the screen", () => {
    for (const [geometry, turn] of [[flat(0.1, 0.1, [1, 300, 201]), 0], [flat(0.1, 0.1, [1, 300, 201]), 1]] as const) {
      const frame = sliceFrame(new GridGeometry(geometry), "acquisition", 0, "acquisition", { quarter: turn, flip: turn === 1 });
      const size = [333, 222] as const;
      const camera = pixelForPixel(frame, [1.234, -0.77], size, 1.5);
      const device = [Math.round(333 * 1.5), Math.round(222 * 1.5)] as const;
      const mm = camera.mmPerPx * (333 / device[0]);
      expect(mm).toBeCloseTo(0.1, 12);
      const index = frame.toIndex([camera.pan[0] + (7.5 - device[0] / 2) * mm, camera.pan[1] + (9.5 - device[1] / 2) * mm]);
      for (const at of index) expect(Math.abs(at - Math.round(at))).toBeLessThan(1e-9);
      expect(Math.hypot(camera.pan[0] - 1.234, camera.pan[1] + 0.77)).toBeLessThan(0.1);
    }
  });

  it("keep their letters when they are turned", () => {
    const image = picture({ orientation_labels: ["A", "F"] });
    const at = (quarter: 0 | 1 | 2 | 3, flip: boolean): readonly string[] =>
      edgeLetters(image, sliceFrame(new GridGeometry(image.geometry), "acquisition", 0, "acquisition", { quarter, flip }), false);
    expect(at(0, false)).toEqual(["P", "A", "H", "F"]);
    expect(at(0, true)).toEqual(["A", "P", "H", "F"]);
    // A quarter clockwise: what was at the left goes to the top.
    expect(at(1, false)).toEqual(["F", "H", "P", "A"]);
    expect(at(2, false)).toEqual(["A", "P", "F", "H"]);
  });

  it("hang as breasts do: chest walls in the middle, heads and outer sides up", () => {
    const turn = (laterality: "R" | "L", view_position: string, orientation_labels: readonly [string, string], modality = "MG"): string => {
      const { quarter, flip } = hungTurn(picture({ laterality, view_position, orientation_labels, modality }));
      return `${quarter}${flip ? " flipped" : ""}`;
    };
    expect(turn("L", "MLO", ["A", "FR"])).toBe("0");
    expect(turn("R", "MLO", ["P", "FL"])).toBe("0");
    expect(turn("R", "MLO", ["A", "FL"])).toBe("0 flipped");
    expect(turn("L", "CC", ["A", "R"])).toBe("0");
    expect(turn("R", "CC", ["P", "R"])).toBe("2 flipped");
    expect(turn("L", "CC", ["P", "L"])).toBe("2");
    expect(turn("R", "MLO", ["A", "F"], "RG")).toBe("0 flipped");
    expect(turn("R", "PA", ["A", "F"], "CR")).toBe("0");
  });
});
