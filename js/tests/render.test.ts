import { describe, expect, it } from "vitest";
import { GridGeometry, dot, subtract, viewPlanes } from "../src/model/geometry";
import type { Vec3, View } from "../src/model/geometry";
import { CpuRenderer } from "../src/render/cpu";
import { fitView, indexAtPixel, pixelAtWorld, planeRequest, slicesOf, worldAtPixel } from "../src/render/plane";
import type { PlaneRequest } from "../src/render/plane";
import { greyTable } from "../src/render/colormaps";
import type { ImageLayer, Layer, MaskLayer, Rgb, SliceStore, TypedArray } from "../src/render/renderer";
import { createRenderer } from "../src/render/renderer";

const SHAPE: Vec3 = [7, 13, 17];
const [NK, NJ, NI] = SHAPE;

/** Slices of numbers that follow no pattern. */
class Slices implements SliceStore {
  readonly shape = SHAPE;
  readonly color: boolean;
  readonly emptyIsZero: boolean;
  readonly gone = new Set<number>();
  version = 1;
  reads = 0;
  private readonly data: TypedArray[] = [];
  private readonly changes: number[] = [];

  constructor(readonly dtype: "int16" | "uint8", options: { color?: boolean; mask?: boolean } = {}) {
    this.color = options.color ?? false;
    this.emptyIsZero = options.mask ?? false;
    let seed = 7;
    for (let k = 0; k < NK; k++) {
      const slice = new (dtype === "int16" ? Int16Array : Uint8Array)(NJ * NI * (this.color ? 3 : 1));
      for (let n = 0; n < slice.length; n++) {
        seed = (seed * 1103515245 + 12345) % 2147483648;
        slice[n] = options.mask ? (seed >> 16) % 3 : (seed >> 12) % 4000;
      }
      this.data.push(slice);
    }
  }

  slice(k: number): TypedArray | undefined {
    this.reads += 1;
    return this.gone.has(k) ? undefined : this.data[k];
  }

  changedSince(version: number): number[] {
    return this.changes.slice(version - 1);
  }

  set(k: number, j: number, i: number, value: number): void {
    this.data[k]![j * NI + i] = value;
    this.changes.push(k);
    this.version += 1;
  }

  at(k: number, j: number, i: number, channel = 0): number {
    return this.data[k]![(j * NI + i) * (this.color ? 3 : 1) + channel]!;
  }
}

/** Eight neighbours, each weighted by how near it is: slow and plain. */
function trilinear(store: Slices, index: Vec3, channel: number): number {
  const at = index.map((x, n) => Math.min(Math.max(x, 0), SHAPE[n]! - 1));
  let sum = 0;
  for (let k = 0; k < NK; k++)
    for (let j = 0; j < NJ; j++)
      for (let i = 0; i < NI; i++) {
        const weight = (n: number, x: number): number => Math.max(0, 1 - Math.abs(at[n]! - x));
        const w = weight(0, k) * weight(1, j) * weight(2, i);
        if (w > 0) sum += w * store.at(k, j, i, channel);
      }
  return sum;
}

function expected(store: Slices, plane: PlaneRequest, x: number, y: number, layer: Look<ImageLayer>): number[] {
  const index = indexAtPixel(plane, x + 0.5, y + 0.5);
  if (index.some((c, n) => c < -0.5 || c > SHAPE[n]! - 0.5)) return [0, 0, 0, 0];
  const nearest = index.map((c, n) => Math.min(Math.max(Math.round(c), 0), SHAPE[n]! - 1)) as [number, number, number];
  const { lower, upper } = layer.window;
  return [0, 1, 2, 3].map((c) => {
    if (c === 3) return 255;
    const channel = store.color ? c : 0;
    const value = layer.interpolate ? trilinear(store, index, channel) : store.at(...nearest, channel);
    const grey = store.color ? value : (255 * (value - lower)) / (upper - lower);
    return Math.min(Math.max(Math.floor(grey + 0.5), 0), 255);
  });
}

/** A layer without its plane. */
type Look<T extends Layer> = T extends Layer ? Omit<T, "plane"> : never;

function paint(
  plane: PlaneRequest, layer: Look<ImageLayer>, masks: Look<MaskLayer>[] = [], renderer = new CpuRenderer(),
) {
  const words = new Uint32Array(plane.width * plane.height).fill(0x12345678);
  const layers = [layer, ...masks].map((one) => ({ ...one, plane }) as Layer);
  const { missing } = renderer.paint(words, plane.width, plane.height, layers);
  const bytes = new Uint8Array(words.buffer);
  const pixel = (x: number, y: number): number[] => [...bytes.subarray(4 * (y * plane.width + x), 4 * (y * plane.width + x) + 4)];
  return { pixel, missing };
}

/** False where rounding decides between two voxels, or between voxel and nothing. */
function sure(plane: PlaneRequest, x: number, y: number): boolean {
  return indexAtPixel(plane, x + 0.5, y + 0.5).every((c) => Math.abs(c - Math.floor(c) - 0.5) > 2e-3);
}

const size = { width: 24, height: 19 };
const PLANES: Record<string, PlaneRequest> = {
  axial: { ...size, origin: [3, -1.1317, -1.2171], du: [0, 0, 0.8319], dv: [0, 0.8113, 0] },
  mirrored: { ...size, origin: [3, 13.1317, 17.2171], du: [0, 0, -0.8319], dv: [0, -0.8113, 0] },
  coronal: { ...size, origin: [-0.9137, 5, 1.2119], du: [0, 0, 0.6133], dv: [0.4171, 0, 0] },
  sagittal: { ...size, origin: [6.9137, 1.3119, 11], du: [0, 0.3733, 0], dv: [-0.4171, 0, 0] },
  turned: { ...size, origin: [-0.9137, 5, 1.2119], du: [0.3171, 0, 0], dv: [0, 0, 0.6733] },
  slanted: { ...size, origin: [-0.9137, 1.3119, 11], du: [0, 0.3733, 0], dv: [0.4171, 0.1719, 0] },
  crooked: { ...size, origin: [3, 1.1117, 1.2119], du: [0, 0.2033, 0.6171], dv: [0, 0.6119, -0.1013] },
  oblique: { ...size, origin: [-0.7137, 1.1219, 2.3371], du: [0.1133, 0.3171, 0.4119], dv: [0.2317, -0.0713, 0.3111] },
  beside: { ...size, origin: [7, 1, 1], du: [0, 0, 0.5], dv: [0, 0.5, 0] },
};

const grey = (store: SliceStore, interpolate: boolean): Look<ImageLayer> => ({
  kind: "image", store, interpolate, window: { lower: 310, upper: 3555 },
  table: greyTable(false), opacity: 1, lower: null, clip: null,
});

/** A mask whose segments all look the same but for their colour. */
const mask = (
  store: SliceStore, colors: ReadonlyMap<number, Rgb>, fill: number, outline: boolean, width = 1,
): Look<MaskLayer> => ({
  kind: "mask", store,
  segments: new Map([...colors].map(([value, color]) => [value, { color, fill, outline: outline ? 1 : 0, width }])),
});

describe("CPU picture", () => {
  it("is checked nearly everywhere", () => {
    for (const plane of Object.values(PLANES).slice(0, -1)) {
      let left = 0;
      for (let y = 0; y < plane.height; y++) for (let x = 0; x < plane.width; x++) if (!sure(plane, x, y)) left += 1;
      expect(left).toBeLessThan(0.03 * plane.width * plane.height);
    }
  });

  for (const interpolate of [true, false])
    it.each(Object.keys(PLANES))(`is that of plain sums: %s, interpolate ${interpolate}`, (name) => {
      const plane = PLANES[name]!;
      for (const store of [new Slices("int16"), new Slices("uint8", { color: true })]) {
        const layer = grey(store, interpolate);
        const { pixel, missing } = paint(plane, layer);
        for (let y = 0; y < plane.height; y++)
          for (let x = 0; x < plane.width; x++)
            if (sure(plane, x, y)) expect(pixel(x, y), `pixel ${x}, ${y}`).toEqual(expected(store, plane, x, y, layer));
        expect(missing).toBe(false);
      }
    });

  it("rounds half up and inverts", () => {
    const store = new Slices("int16");
    [0, 1, 2, 3, 4].forEach((value, i) => store.set(0, 0, i, value));
    const plane = { width: 5, height: 1, origin: [0, 0, 0], du: [0, 0, 1], dv: [0, 1, 0] } as const;
    const layer = { ...grey(store, true), window: { lower: 1, upper: 3 } };
    const shown = (l: Look<ImageLayer>): number[] => [0, 1, 2, 3, 4].map((x) => paint(plane, l).pixel(x, 0)[0]!);
    expect(shown(layer)).toEqual([0, 0, 128, 255, 255]);
    expect(shown({ ...layer, table: greyTable(true) })).toEqual([255, 255, 127, 0, 0]);
    expect(shown({ ...layer, window: { lower: 2, upper: 2 } })).toEqual([0, 0, 0, 255, 255]);
  });

  it("reads only changed slices again", () => {
    const store = new Slices("int16");
    const renderer = new CpuRenderer();
    const layer = grey(store, false);
    paint(PLANES["sagittal"]!, layer, [], renderer);
    const before = paint(PLANES["sagittal"]!, layer, [], renderer);
    store.set(2, 6, 11, 3555);
    store.reads = 0;
    const after = paint(PLANES["sagittal"]!, layer, [], renderer);
    // One slice is gathered; the rest asks whether the slices in view are here.
    expect(store.reads).toBe(1 + NK);
    let changed = 0;
    for (let y = 0; y < size.height; y++)
      for (let x = 0; x < size.width; x++) {
        const index = indexAtPixel(PLANES["sagittal"]!, x + 0.5, y + 0.5).map(Math.round);
        const hit = index[0] === 2 && index[1] === 6;
        if (hit) changed += 1;
        expect(after.pixel(x, y)).toEqual(hit ? [255, 255, 255, 255] : before.pixel(x, y));
      }
    expect(changed).toBeGreaterThan(0);
  });
});

describe("missing slices", () => {
  it("are dim grey in any plane and reported", () => {
    for (const name of ["axial", "coronal", "turned", "slanted", "oblique"]) {
      const store = new Slices("int16");
      store.gone.add(3);
      const plane = PLANES[name]!;
      const { pixel, missing } = paint(plane, grey(store, false));
      expect(missing).toBe(true);
      for (let y = 0; y < plane.height; y++)
        for (let x = 0; x < plane.width; x++) {
          const whole = expected(store, plane, x, y, grey(store, false));
          const gone = Math.round(indexAtPixel(plane, x + 0.5, y + 0.5)[0]) === 3 && whole[3] === 255;
          if (sure(plane, x, y)) expect(pixel(x, y)).toEqual(gone ? [24, 24, 24, 255] : whole);
        }
    }
  });

  it("let through what is below where the layer says so, and are still reported", () => {
    for (const name of ["axial", "coronal", "slanted", "oblique"])
      for (const interpolate of [true, false]) {
        const [below, store] = [new Slices("int16"), new Slices("int16")];
        for (let k = 0; k < NK; k++) for (let j = 0; j < NJ; j++) for (let i = 0; i < NI; i++) store.set(k, j, i, 900 - below.at(k, j, i) / 5);
        const plane = PLANES[name]!;
        // No colour of its own is the grey of missing voxels.
        const table = greyTable(false).map((word) => word & 0xffff00ff);
        const look = { ...grey(store, interpolate), plane, table };
        const draw = (...layers: ImageLayer[]): { words: Uint32Array; missing: boolean } => {
          const words = new Uint32Array(plane.width * plane.height).fill(0x12345678);
          return { words, missing: new CpuRenderer().paint(words, plane.width, plane.height, layers).missing };
        };
        store.gone.add(3);
        const [gone, under] = [draw(look), draw({ ...look, store: below })];
        const both = draw({ ...look, store: below }, { ...look, gaps: "clear" });
        expect(both.missing).toBe(true);
        // What is here is drawn as it would be alone; the rest is what is below.
        expect([...both.words]).toEqual([...gone.words].map((word, n) => (word === 0xff181818 ? under.words[n] : word)));
      }
  });

  it("do not matter out of reach", () => {
    const store = new Slices("int16");
    store.gone.add(4);
    expect(paint(PLANES["axial"]!, grey(store, true)).missing).toBe(false);
    expect(slicesOf(PLANES["axial"]!, NK)).toEqual([3, 3]);
    expect(slicesOf(PLANES["beside"]!, NK)).toBeNull();
  });
});

describe("masks", () => {
  const plane = { width: 6, height: 6, origin: [0, 0, 0], du: [0, 0, 1], dv: [0, 1, 0] } as const;
  const red = new Map([[1, [255, 0, 0]], [2, [0, 0, 255]]] as const);
  const black = (): Slices => {
    const store = new Slices("int16");
    for (let j = 0; j < NJ; j++) for (let i = 0; i < NI; i++) store.set(0, j, i, 310);
    return store;
  };
  const square = (): Slices => {
    const made = new Slices("uint8", { mask: true });
    for (let j = 0; j < NJ; j++)
      for (let i = 0; i < NI; i++) made.set(0, j, i, j > 0 && j < 5 && i > 0 && i < 5 ? 1 : 0);
    return made;
  };

  it("fill with their opacity and have an edge of one pixel", () => {
    const layer = mask(square(), red, 0.5, true);
    const { pixel } = paint(plane, grey(black(), true), [layer]);
    const row = (y: number): number[] => [0, 1, 2, 3, 4, 5].map((x) => pixel(x, y)[0]!);
    expect(row(0)).toEqual([0, 0, 0, 0, 0, 0]);
    expect(row(1)).toEqual([0, 255, 255, 255, 255, 0]);
    expect(row(2)).toEqual([0, 255, 128, 128, 255, 0]);
  });

  it("have no edge at the edge of the canvas", () => {
    const layer = mask(square(), red, 0.5, true);
    const inner = { ...plane, width: 2, height: 2, origin: [0, 2, 2] as const };
    const { pixel } = paint(inner, grey(black(), true), [layer]);
    expect([pixel(0, 0)[0], pixel(1, 1)[0]]).toEqual([128, 128]);
  });

  it("lie on each other in order, hidden values left out", () => {
    const below = mask(square(), red, 1, false);
    const above = mask(square(), new Map([[1, [0, 255, 0]]]), 0.5, false);
    const hidden = mask(square(), new Map([[2, [9, 9, 9]]]), 1, true);
    const { pixel } = paint(plane, grey(black(), true), [below, above, hidden]);
    expect(pixel(2, 2)).toEqual([128, 128, 0, 255]);
  });

  it("are shown in every plane as stored", () => {
    const labels = new Slices("uint8", { mask: true });
    const image = new Slices("int16");
    for (const [name, p] of Object.entries(PLANES)) {
      const { pixel } = paint(p, grey(image, true), [mask(labels, red, 1, false)]);
      for (let y = 0; y < p.height; y++)
        for (let x = 0; x < p.width; x++) {
          const under = expected(image, p, x, y, grey(image, true));
          const [k, j, i] = indexAtPixel(p, x + 0.5, y + 0.5).map((c, n) => Math.min(Math.max(Math.round(c), 0), SHAPE[n]! - 1));
          const color = under[3] === 0 ? undefined : red.get(labels.at(k!, j!, i!) as 1 | 2);
          if (sure(p, x, y)) expect(pixel(x, y), `${name} ${x}, ${y}`).toEqual(color ? [...color, 255] : under);
        }
    }
  });
});

describe("planes", () => {
  const affine = [[0.1, 0.05, 0.6, -11], [-0.9, 0.7, 0, 7], [2.5, 0, 0.02, 40], [0, 0, 0, 1]];
  const geometry = new GridGeometry({ kind: "grid", affine, shape: SHAPE });

  it("have the wished point in the middle and the wished scale", () => {
    for (const view of ["axial", "coronal", "sagittal"] as View[]) {
      const side = viewPlanes(geometry)[view];
      const center = geometry.toWorld([3.2, 5.4, 8.1]);
      const plane = planeRequest(geometry, side, center, 0.37, 101, 80);
      const middle = worldAtPixel(geometry, plane, 50.5, 40);
      const off = subtract(middle, center);
      expect(dot(off, side.right)).toBeCloseTo(0, 9);
      expect(dot(off, side.down)).toBeCloseTo(0, 9);
      expect(plane.origin[side.axis]).toBe([3, 5, 8][side.axis]);
      const step = subtract(worldAtPixel(geometry, plane, 51.5, 43), middle);
      expect(dot(step, side.right)).toBeCloseTo(0.37, 9);
      expect(dot(step, side.down)).toBeCloseTo(3 * 0.37, 9);
      const [x, y, distance] = pixelAtWorld(geometry, plane, center);
      expect([x, y]).toEqual([expect.closeTo(50.5, 9), expect.closeTo(40, 9)]);
      expect(distance).toBeCloseTo(-dot(off, side.normal), 9);
      const [p, q] = pixelAtWorld(geometry, plane, worldAtPixel(geometry, plane, 12.25, 77.5));
      expect([p, q]).toEqual([expect.closeTo(12.25, 9), expect.closeTo(77.5, 9)]);
    }
  });

  it("fit the whole slice, outer voxel halves included", () => {
    for (const view of ["axial", "coronal", "sagittal"] as View[]) {
      const side = viewPlanes(geometry)[view];
      const { center, mmPerPx } = fitView(geometry, side, 200, 100);
      const plane = planeRequest(geometry, side, center, mmPerPx, 200, 100);
      const n = plane.origin[side.axis];
      const xs: number[] = [];
      const ys: number[] = [];
      for (let corner = 0; corner < 8; corner++) {
        const index = [0, 1, 2].map((a) => (a === side.axis ? n : corner & (1 << a) ? SHAPE[a]! - 0.5 : -0.5));
        const [x, y] = pixelAtWorld(geometry, plane, geometry.toWorld(index as unknown as Vec3));
        xs.push(x);
        ys.push(y);
      }
      const width = Math.max(...xs) - Math.min(...xs);
      const height = Math.max(...ys) - Math.min(...ys);
      expect(Math.max(width / 200, height / 100)).toBeCloseTo(1, 9);
      expect((Math.max(...xs) + Math.min(...xs)) / 2).toBeCloseTo(100, 9);
      expect((Math.max(...ys) + Math.min(...ys)) / 2).toBeCloseTo(50, 9);
    }
  });

  it("show the wished frame of coinciding planes", () => {
    const frame = { origin: [0, 0, 0] as Vec3, row_step: [0, 0.5, 0] as Vec3, column_step: [0.5, 0, 0] as Vec3 };
    const stack = new GridGeometry({
      kind: "stack", planes: [frame, frame, frame], shape: [3, 10, 10], unit: "px", patient_space: false,
    });
    const plane = planeRequest(stack, viewPlanes(stack).axial, [2, 2, 0], 0.25, 10, 10, 2);
    expect(plane.origin).toEqual([2, expect.closeTo(1.75, 12), expect.closeTo(1.75, 12)]);
    expect(plane.du).toEqual([0, expect.closeTo(0, 12), expect.closeTo(0.5, 12)]);
    expect(worldAtPixel(stack, plane, 5, 5)).toEqual([expect.closeTo(2, 12), expect.closeTo(2, 12), 0]);
    expect(pixelAtWorld(stack, plane, [1, 1, 0])[0]).toBeCloseTo(1, 9);
  });
});

describe("createRenderer", () => {
  it("falls to the CPU where nothing else is", () => {
    const { renderer, note } = createRenderer("auto");
    expect([renderer.name, renderer.lost, note.startsWith("CPU: ")]).toEqual(["cpu", false, true]);
    expect(() => createRenderer("webgl2")).toThrow("choose the CPU renderer");
  });
});
