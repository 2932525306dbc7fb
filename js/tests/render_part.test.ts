// After painting only a part of a picture is drawn: it must be the picture that is drawn as a whole.
import { beforeAll, describe, expect, it } from "vitest";
import type { Vec3 } from "../src/model/geometry";
import { MaskStore } from "../src/model/masks";
import type { IndexBox, Runs } from "../src/model/protocol";
import { CpuRenderer } from "../src/render/cpu";
import { partOf } from "../src/render/part";
import type { Layer, PlaneRequest, SegmentStyle, SliceStore } from "../src/render/renderer";
import { Drawn } from "../src/ui/drawn";

const SHAPE = [9, 14, 17] as const;
const SIZE = { width: 60, height: 48 };

beforeAll(() => {
  globalThis.ImageData ??= class {
    constructor(readonly data: Uint8ClampedArray, readonly width: number, readonly height: number) {}
  } as unknown as typeof ImageData;
});

/** A canvas in memory. */
class Canvas {
  width = 1;
  height = 1;
  pixels = new Uint32Array(SIZE.width * SIZE.height);
  /** Pixels that were put into it. */
  put = 0;

  getContext(): { putImageData(image: ImageData, x: number, y: number): void } {
    return {
      putImageData: ({ data, width, height }, left, top) => {
        const words = new Uint32Array(data.slice().buffer);
        for (let y = 0; y < height; y++) this.pixels.set(words.subarray(y * width, (y + 1) * width), (top + y) * this.width + left);
        this.put += width * height;
      },
    };
  }
}

function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1103515245) + 12345) | 0;
    return Math.floor(((state >>> 8) / 2 ** 24) * below);
  };
}

function image(next: (below: number) => number): SliceStore {
  const slices = Array.from({ length: SHAPE[0] }, () => Int16Array.from({ length: SHAPE[1] * SHAPE[2] }, () => next(4000)));
  return { shape: SHAPE, dtype: "int16", color: false, version: 1, slice: (k) => slices[k], changedSince: () => [] };
}

/** A small box somewhere. */
function anyBox(next: (below: number) => number): IndexBox {
  const low = SHAPE.map((size) => next(size)) as unknown as Vec3;
  return [low, low.map((from, n) => Math.min(SHAPE[n]!, from + 1 + next(4))) as unknown as Vec3];
}

/** Paint a box of a mask, row by row. */
function paint(store: MaskStore, box: IndexBox, value: number): void {
  const [low, high] = box;
  const [nk, nj, ni] = low.map((from, n) => high[n]! - from) as [number, number, number];
  const rows = nk * nj;
  const column = (make: (n: number) => number): Uint32Array => Uint32Array.from({ length: rows }, (_, n) => make(n));
  const runs = { start: column((n) => n * ni), length: column(() => ni), old: column(() => 0), new: column(() => value) } as Runs;
  store.paint(box, runs);
}

const PLANES: Record<string, PlaneRequest> = {
  axial: { ...SIZE, origin: [4, -1.1317, -1.2171], du: [0, 0, 0.3319], dv: [0, 0.3413, 0] },
  mirrored: { ...SIZE, origin: [4, 14.1317, 17.2171], du: [0, 0, -0.3319], dv: [0, -0.3413, 0] },
  coronal: { ...SIZE, origin: [-0.9137, 6, 1.2119], du: [0, 0, 0.2533], dv: [0.2171, 0, 0] },
  "sagittal, upside down": { ...SIZE, origin: [9.1, 0.4, 8], du: [0, 0.21, 0], dv: [-0.2, 0, 0] },
  sheared: { ...SIZE, origin: [4, -1.1317, -1.2171], du: [0, 0, 0.3319], dv: [0, 0.3413, 0.0713] },
  oblique: { ...SIZE, origin: [1.3, -0.7, 0.9], du: [0.031, 0.11, 0.27], dv: [0.119, 0.201, -0.053] },
  slab: { ...SIZE, origin: [4, -1.1317, -1.2171], du: [0, 0, 0.3319], dv: [0, 0.3413, 0], slab: { mode: "mip", step: [1, 0, 0], count: 3 } },
  "oblique slab": {
    ...SIZE, origin: [1.3, -0.7, 0.9], du: [0.031, 0.11, 0.27], dv: [0.119, 0.201, -0.053], slab: { mode: "mean", step: [0.7, -0.3, 0.1], count: 4 },
  },
};

const STYLES: Record<string, SegmentStyle> = {
  thin: { color: [255, 60, 0], fill: 0.4, outline: 1, width: 1 },
  wide: { color: [0, 200, 90], fill: 0.25, outline: 0.9, width: 6 },
};

const table = Uint32Array.from({ length: 256 }, (_, n) => (0xff000000 | (n * 0x10101)) >>> 0);

function layersOn(plane: PlaneRequest, store: SliceStore, mask: MaskStore, style: SegmentStyle, clip: readonly [number, number] | null): Layer[] {
  return [
    { kind: "image", store, plane, window: { lower: 0, upper: 4000 }, table, interpolate: true, opacity: 1, lower: null, clip },
    { kind: "mask", store: mask, plane, segments: new Map([[1, style], [2, { ...style, color: [80, 80, 255] }]]), clip },
  ];
}

describe.each(Object.entries(PLANES))("a painted part of the %s picture", (_, plane) => {
  it.each(Object.entries(STYLES))("is what the whole one shows, edges %s", (_, style) => {
    const next = random(7);
    const mask = new MaskStore(SHAPE, "uint8");
    const layers = layersOn(plane, image(next), mask, style, style.width > 1 ? [5, 51] : null);
    const renderer = new CpuRenderer();
    const [shown, whole] = [new Canvas(), new Canvas()];
    let drawn: Drawn | null = null;
    let drawings = 0;
    // Large enough to have an inside beyond its edges.
    paint(mask, [[1, 2, 2], [8, 12, 15]], 1);
    for (let n = 0; n < 30; n++) {
      for (let m = next(3); m >= 0; m--) paint(mask, anyBox(next), next(3));
      const now = new Drawn(renderer, layers, SIZE.width, SIZE.height);
      const part = now.since(drawn);
      drawn = now;
      if (part) {
        renderer.draw(shown as unknown as HTMLCanvasElement, SIZE.width, SIZE.height, layers, part);
        drawings++;
      }
      renderer.draw(whole as unknown as HTMLCanvasElement, SIZE.width, SIZE.height, layers);
      expect(different(shown.pixels, whole.pixels), `${n}`).toEqual([]);
    }
    expect(drawings).toBeGreaterThan(10);
    expect(shown.put).toBeLessThan(whole.put);
  });
});

/** Pixels that are not the same; a grey level may be rounded to its neighbour. */
function different(a: Uint32Array, b: Uint32Array): number[] {
  const found: number[] = [];
  for (let n = 0; n < a.length; n++) {
    if (a[n] === b[n]) continue;
    if ([0, 8, 16, 24].some((shift) => Math.abs(((a[n]! >>> shift) & 255) - ((b[n]! >>> shift) & 255)) > 1)) found.push(n);
  }
  return found;
}

describe("what is drawn anew", () => {
  const plane = PLANES["axial"]!;
  const next = random(3);
  const renderer = new CpuRenderer();
  const mask = new MaskStore(SHAPE, "uint8");
  const layers = layersOn(plane, image(next), mask, STYLES["thin"]!, null);
  const of = (these: Layer[]): Drawn => new Drawn(renderer, these, SIZE.width, SIZE.height);
  const all = { x: 0, y: 0, ...SIZE };
  const dot = (k: number): void => void mask.paint(
    [[k, 3, 3], [k + 1, 4, 4]],
    { start: Uint32Array.of(0), length: Uint32Array.of(1), old: Uint32Array.of(0), new: Uint32Array.of(1) } as Runs,
  );

  it("is all of a first or another picture, and nothing of the same one", () => {
    const first = of(layers);
    expect(first.since(null)).toEqual(all);
    expect(of(layers).since(first)).toBe(null);
    const wider = layers.map((layer) => (layer.kind === "image" ? { ...layer, window: { lower: 0, upper: 3000 } } : layer));
    expect(of(wider).since(first)).toEqual(all);
    expect(of([layers[0]!]).since(first)).toEqual(all);
    expect(new Drawn(new CpuRenderer(), layers, SIZE.width, SIZE.height).since(first)).toEqual(all);
  });

  it("is what was painted on the slice, nothing for another slice, all where it is not known", () => {
    const before = of(layers);
    dot(2);
    const other = of(layers);
    expect(other.since(before)).toBe(null);
    dot(4);
    const part = of(layers).since(other)!;
    expect(part.width).toBeLessThan(30);
    const middle = [(3 - plane.origin[2]) / plane.du[2], (3 - plane.origin[1]) / plane.dv[1]] as const;
    expect(Math.abs(part.x + part.width / 2 - middle[0])).toBeLessThan(3);
    expect(Math.abs(part.y + part.height / 2 - middle[1])).toBeLessThan(3);
    const known = of(layers);
    for (let n = 0; n < 65; n++) dot(4);
    expect(of(layers).since(known)).toEqual(all);
    const last = of(layers);
    mask.load(3, new Uint8Array(SHAPE[1] * SHAPE[2]), 9);
    expect(of(layers).since(last)).toBe(null);
    mask.drop(4);
    expect(of(layers).since(last)!.width).toBeGreaterThan(50);
    mask.clear();
    expect(of(layers).since(last)).toEqual(all);
  });

  it("lies within the picture", () => {
    for (const one of Object.values(PLANES)) for (let n = 0; n < 50; n++) {
      const low = SHAPE.map((size) => next(size)) as unknown as Vec3;
      const part = partOf(one, [low, low.map((from) => from + 1) as unknown as Vec3], 9);
      if (!part) continue;
      expect(Math.min(part.x, part.y, part.width - 1, part.height - 1)).toBeGreaterThanOrEqual(0);
      expect(part.x + part.width).toBeLessThanOrEqual(one.width);
      expect(part.y + part.height).toBeLessThanOrEqual(one.height);
    }
  });
});
