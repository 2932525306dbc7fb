import { describe, expect, it } from "vitest";
import {
  COLORMAPS, colormap, greyTable, lutTable, lutWindow, recolored, sigmoidTable, sigmoidWindow, withAlphaRamp,
} from "../src/render/colormaps";
import type { ImageLayer, Layer, SliceStore } from "../src/render/contract";
import { CpuRenderer } from "../src/render/cpu";
import { slicesOf } from "../src/render/plane";

const level = (pixel: number | undefined): number => pixel! & 255;
const alpha = (pixel: number | undefined): number => pixel! >>> 24;

describe("colour maps", () => {
  it.each(COLORMAPS)("%s is 256 opaque colours, made once", (name) => {
    const table = colormap(name);
    expect(table.length).toBe(256);
    expect(table.every((pixel) => alpha(pixel) === 255)).toBe(true);
    expect(new Set(table).size).toBeGreaterThan(100);
    expect(colormap(name)).toBe(table);
  });

  it("have the grey of each level, and its opposite", () => {
    for (let n = 0; n < 256; n++) {
      expect(greyTable(false)[n]).toBe((0xff000000 | (n * 0x10101)) >>> 0);
      expect(greyTable(true)[n]).toBe(greyTable(false)[255 - n]);
    }
    expect([...colormap("PET")]).toEqual([...greyTable(true)]);
  });

  it("go through their points", () => {
    const iron = colormap("hot iron");
    expect([iron[0], iron[255]]).toEqual([0xff000000, 0xffffffff]);
    expect([level(iron[127]), (iron[127]! >> 8) & 255]).toEqual([254, 0]);
    expect(colormap("viridis")[0]).toBe(0xff540144);
  });

  it("refuse unknown names", () => {
    expect(() => colormap("constructor")).toThrow(RangeError);
    expect(() => colormap("sunset")).toThrow("grey, inverted grey, PET");
  });

  it("become clear at the low end", () => {
    const table = withAlphaRamp(colormap("heat"));
    expect([alpha(table[0]), alpha(table[64]), alpha(table[128]), alpha(table[255])]).toEqual([0, 128, 255, 255]);
    expect(withAlphaRamp(colormap("heat"))).toBe(table);
    expect(alpha(withAlphaRamp(colormap("heat"), 0)[0])).toBe(255);
  });
});

describe("tables of files", () => {
  it("take the full scale of a LUT from its bits", () => {
    const lut = { first: -5, values: [0, 2048, 4000] };
    expect([...lutTable(lut, false)].map(level)).toEqual([0, 128, 249]);
    expect([...lutTable(lut, true)].map(level)).toEqual([255, 127, 6]);
    expect(lutWindow(lut)).toEqual({ lower: -5, upper: -3 });
    expect([...lutTable({ first: 0, values: [255] }, false)].map(level)).toEqual([255, 255]);
    expect(() => lutTable({ first: 0, values: [] }, false)).toThrow(RangeError);
  });

  it("follow the sigmoid of DICOM", () => {
    const table = sigmoidTable();
    const { lower, upper } = sigmoidWindow(40, 400);
    for (const value of [lower, -300, 40, 110, 500, upper]) {
      const entry = Math.floor(((value - lower) / (upper - lower)) * (table.length - 1) + 0.5);
      expect(level(table[entry])).toBeCloseTo(255 / (1 + Math.exp((-4 * (value - 40)) / 400)), -0.3);
    }
    expect(level(sigmoidTable(true)[0])).toBe(255);
    expect(recolored(table, colormap("red"))[table.length - 1]).toBe(0xff0000ff);
  });
});

const store: SliceStore = {
  shape: [3, 4, 4], dtype: "uint8", color: false, version: 1,
  slice: (k) => new Uint8Array(16).fill(k * 100), changedSince: () => [],
};
const plane = { width: 4, height: 4, origin: [1, 0, 0], du: [0, 0, 1], dv: [0, 1, 0] } as const;
const layer: ImageLayer = {
  kind: "image", store, plane, window: { lower: 0, upper: 255 }, table: greyTable(false),
  interpolate: true, opacity: 1, lower: null, clip: null,
};
const pixels = (layers: readonly Layer[]): Uint32Array => {
  const out = new Uint32Array(16).fill(77);
  new CpuRenderer().paint(out, 4, 4, layers);
  return out;
};

describe("layers", () => {
  it("are refused where they make no sense", () => {
    const bad: Layer[] = [
      { ...layer, opacity: NaN }, { ...layer, opacity: Infinity }, { ...layer, table: new Uint32Array(1) },
      { ...layer, plane: { ...plane, width: 5 } },
      { ...layer, plane: { ...plane, slab: { mode: "mip", step: [1, 0, 0], count: 0 } } },
      { ...layer, plane: { ...plane, slab: { mode: "mip", step: [NaN, 0, 0], count: 3 } } },
      { kind: "mask", store, plane, segments: new Map([[1, { color: [1, 2, 3], fill: NaN, outline: 1, width: 1 }]]) },
    ];
    for (const one of bad) expect(() => pixels([one])).toThrow(RangeError);
  });

  it("between slices are interpolated, on them not", () => {
    expect(level(pixels([{ ...layer, plane: { ...plane, origin: [1.25, 0, 0] } }])[0])).toBe(125);
    expect(level(pixels([{ ...layer, plane: { ...plane, origin: [1.0005, 0, 0] } }])[0])).toBe(100);
    expect(level(pixels([{ ...layer, interpolate: false, plane: { ...plane, origin: [1.25, 0, 0] } }])[0])).toBe(100);
  });

  it("that miss their grid, or whose plane is no plane, draw nothing", () => {
    expect([...pixels([{ ...layer, plane: { ...plane, origin: [9, 0, 0] } }])]).toEqual(Array(16).fill(0));
    expect([...pixels([{ ...layer, plane: { ...plane, origin: [NaN, 0, 0] } }])]).toEqual(Array(16).fill(0));
    expect([...pixels([])]).toEqual(Array(16).fill(0));
  });
});

describe("slabs", () => {
  it("need the slices they cross", () => {
    const slab = { mode: "mip", step: [1, 0, 0], count: 5 } as const;
    expect(slicesOf({ ...plane, origin: [10, 0, 0], slab }, 20)).toEqual([8, 12]);
    expect(slicesOf({ ...plane, origin: [1, 0, 0], slab }, 20)).toEqual([0, 3]);
    expect(slicesOf({ ...plane, origin: [-2, 0, 0], slab }, 20)).toEqual([0, 0]);
    expect(slicesOf({ ...plane, origin: [1.25, 0, 0] }, 20)).toEqual([1, 2]);
    expect(slicesOf({ ...plane, origin: [1.25, 0, 0] }, 20, false)).toEqual([1, 1]);
  });
});
