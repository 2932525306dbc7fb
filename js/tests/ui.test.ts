import { describe, expect, it } from "vitest";
import { GridGeometry } from "../src/model/geometry";
import { sliceFrame } from "../src/tools/frame";
import { frameDelay } from "../src/ui/player";
import { WheelSteps } from "../src/ui/pointer";
import { autoWindow, fullWindow } from "../src/ui/percentiles";
import { presetsOf } from "../src/ui/presets";
import { edgeLetters, opposite, placeText, scaleBar, showEnd, showNumber, slicePlace } from "../src/ui/readout";
import { image, plain } from "./tools_help";

describe("presets", () => {
  it("are the customary ones for CT, then the file's, then automatic ones", () => {
    const ct = { ...image(plain), windows: [{ center: 30, width: 300, name: "ABDOMEN", function: "LINEAR" } as const] };
    const titles = presetsOf(ct).map((one) => one.title);
    expect(titles.slice(0, 3)).toEqual(["Soft tissue", "Lung", "Bone"]);
    expect(titles).toContain("ABDOMEN");
    expect(presetsOf(ct).map((one) => one.id).slice(-2)).toEqual(["auto", "full"]);
    expect(presetsOf({ ...ct, modality: "MR", unit: "" }).map((one) => one.title)).not.toContain("Lung");
    expect(presetsOf({ ...ct, color: true })).toEqual([]);
  });

  it("measure the values", () => {
    const slice = Int16Array.from({ length: 1001 }, (_, n) => n);
    expect(autoWindow(slice)).toEqual({ center: 500, width: 980 });
    expect(autoWindow(new Int16Array(10).fill(7))).toEqual({ center: 7, width: 1 });
    expect(autoWindow(new Float32Array([NaN, NaN]))).toBeNull();
    expect(fullWindow([Int16Array.of(-5, 3), Int16Array.of(15)])).toEqual({ center: 5, width: 20 });
  });
});

describe("words on the picture", () => {
  it("show numbers short and right", () => {
    expect([-842, 0, 1.23456, 0.00001234, 12345.678, NaN].map(showNumber)).toEqual(["−842", "0", "1.235", "1.23e−5".replace("−", "−"), "12350", "NaN"]);
    expect([showEnd(-1.42e-6, 7, 3), showEnd(1.42e-6, 1e-5, 3), showEnd(6.99951, 7, 3)]).toEqual(["0", "1.42e−6", "7"]);
  });

  it("name the edges, by geometry or as the file says", () => {
    const frame = sliceFrame(plain, "coronal", 3);
    expect(edgeLetters(image(plain), frame, true)).toEqual(["R", "L", "S", "I"]);
    expect(edgeLetters(image(plain), frame, false)).toEqual(["", "", "", ""]);
    const picture = { ...image(plain), orientation_labels: ["A", "FR"] as const };
    expect(edgeLetters(picture, sliceFrame(plain, "acquisition", 3), false)).toEqual(["P", "A", "HL", "FR"]);
    expect(opposite("AFR")).toBe("PHL");
  });

  it("say where a slice and a point lie", () => {
    expect(slicePlace(sliceFrame(plain, "axial", 0), true)).toBe("I 30.0 mm");
    expect(slicePlace(sliceFrame(plain, "axial", 0), false)).toBe("");
    expect(placeText([-12.34, 5, 0], true, "mm")).toBe("R 12.3 · P 5.0 · S 0.0 mm");
  });

  it("make a scale bar of a round length that fits", () => {
    expect(scaleBar(0.5, 140, "mm")).toEqual({ length: 100, text: "5 cm" });
    expect(scaleBar(0.01, 140, "mm")).toEqual({ length: 100, text: "1 mm" });
    expect(scaleBar(1, 140, "px")).toEqual({ length: 100, text: "100 px" });
  });
});

describe("input", () => {
  it("counts a notch as one step and adds small trackpad deltas up", () => {
    const wheel = new WheelSteps();
    expect(wheel.add(120, 0)).toBe(1);
    expect(wheel.add(-3, 1)).toBe(-1);
    expect([10, 10, 10, 10].map((delta) => wheel.add(delta, 0))).toEqual([0, 0, 1, 0]);
    expect([-10, -10, -10].map((delta) => wheel.add(delta, 0))).toEqual([0, 0, -1]);
  });

  it("plays at the file's pace", () => {
    expect(frameDelay([0, 0.04, 0.1], 0)).toBeCloseTo(40);
    expect(frameDelay([0, 0.04, 0.1], 1)).toBeCloseTo(60);
    expect(frameDelay(null, 0)).toBeCloseTo(66.7, 1);
    expect(frameDelay([0, 300], 0)).toBe(500);
  });
});

it("a stack's planes have their own frames", () => {
  const step = [0.5, 0, 0] as const;
  const planes = [0, 1, 2].map((n) => ({ origin: [0, 0, 4 * n * n] as const, column_step: step, row_step: [0, 0.5, 0.1 * n] as const }));
  const stack = new GridGeometry({ kind: "stack", planes, shape: [3, 10, 12], unit: "mm", patient_space: true });
  const frame = sliceFrame(stack, "acquisition", 2);
  expect(frame.toIndex(frame.fromIndex([2, 3, 4]))).toEqual([2, expect.closeTo(3, 9), expect.closeTo(4, 9)]);
  expect(frame.centre[2]).toBeCloseTo(16 + 4.5 * 0.2, 9);
});
