/** Segmentation tools against brute force: every voxel centre asked one by one. */
import { describe, expect, it } from "vitest";
import { dot, subtract, type Vec3 } from "../src/model/geometry";
import { encodeEdit, type Edit, type PaintEdit } from "../src/model/protocol";
import { readRules, RULES, type Rules } from "../src/state/rules";
import { bucket } from "../src/tools/bucket";
import { freeFrame, sliceFrame, turnAbout, type Frame, type Pair } from "../src/tools/frame";
import { ballCut, brush, brushOn, covered, eraser } from "../src/tools/paint";
import { crossesItself } from "../src/tools/region";
import { cutRegion, scissors } from "../src/tools/scissors";
import type { LongGesture } from "../src/tools/tool";
import {
  distance, every, fakeHost, GRIDS, label, mask, overPlane, plain, pointAt, random, sheared, VIEWS, voxelsOf, type Fake,
} from "./tools_help";

const sorted = (voxels: readonly Vec3[]): string[] => voxels.map((one) => one.join(",")).sort();
const toLine = (p: Vec3, a: Vec3, b: Vec3): number => {
  const d = subtract(b, a);
  const size = dot(d, d);
  const t = size === 0 ? 0 : Math.min(1, Math.max(0, dot(subtract(p, a), d) / size));
  return distance(p, [a[0] + t * d[0], a[1] + t * d[1], a[2] + t * d[2]]);
};

/** Even-odd by a ray to the right. */
function inOutline([x, y]: Pair, outline: readonly Pair[]): boolean {
  let inside = false;
  outline.forEach(([x1, y1], n) => {
    const [x2, y2] = outline[(n + 1) % outline.length]!;
    if (y1 > y !== y2 > y && x < x1 + ((y - y1) * (x2 - x1)) / (y2 - y1)) inside = !inside;
  });
  return inside;
}

function host(geometry = plain, rules: Partial<Rules> = {}, masks = [mask("m", [[1, "a"]]), mask("n", [[1, "b"]])]): Fake {
  const fake = fakeHost(geometry, [label("a"), label("b"), label("c")], masks);
  fake.view.set({ rules: { ...RULES, ...rules } });
  return fake;
}

const paints = (fake: Fake): PaintEdit[] =>
  fake.edits.flatMap((one) => (one.kind === "batch" ? one.edits : [one])).filter((one) => one.kind === "paint") as PaintEdit[];

/** Do what the edits say, and return the voxels of a mask that hold a value. */
function after(fake: Fake, id: string, value: number): Vec3[] {
  for (const edit of paints(fake)) fake.stores.get(edit.mask)!.paint(edit.box, edit.runs);
  fake.edits.length = 0;
  const store = fake.stores.get(id)!;
  return every(fake.geometry, (_, [k, j, i]) => (store.slice(k)?.[j * store.shape[2] + i] ?? 0) === value);
}

function put(fake: Fake, id: string, voxels: readonly Vec3[], value = 1): void {
  const store = fake.stores.get(id)!;
  const one = (x: number): Uint32Array => Uint32Array.of(x);
  for (const [k, j, i] of voxels) {
    store.paint([[k, j, i], [k + 1, j + 1, i + 1]], { start: one(0), length: one(1), old: one(0), new: one(value) });
  }
}

const free = (geometry: typeof plain, seed: number): Frame => {
  const rnd = random(seed);
  const [nk, nj, ni] = geometry.shape;
  const turn = turnAbout([rnd() - 0.5, rnd() - 0.5, rnd() - 0.5], 0.3 + rnd());
  return freeFrame(geometry, "axial", turn, geometry.toWorld([nk * 0.45, nj * 0.55, ni * 0.5]));
};

describe.each(GRIDS)("on a %s grid", (_, geometry) => {
  const half = (normal: Vec3): number =>
    ([0, 1, 2] as const).reduce<number>((sum, axis) => sum + Math.abs(dot(geometry.axisStep(axis), normal)), 0) / 2;

  it.each(VIEWS)("a ball takes every voxel within its radius of the way: %s", (view) => {
    const rnd = random(4);
    for (let n = 0; n < 5; n++) {
      const frame = sliceFrame(geometry, view, 3);
      const at = (): Vec3 => frame.toWorld([(rnd() - 0.5) * frame.extent[0], (rnd() - 0.5) * frame.extent[1]]);
      const [a, b] = [at(), at()];
      const radius = 2 + rnd() * 4;
      const got = voxelsOf(covered(brushOn({ geometry }, frame, true), a, b, radius));
      expect(sorted(got)).toEqual(sorted(every(geometry, (world) => toLine(world, a, b) <= radius)));
      const cut = ballCut(sliceFrame(geometry, view, 2), a, radius);
      const far = Math.abs(dot(subtract(a, sliceFrame(geometry, view, 2).centre), frame.normal));
      if (cut) expect(cut.radius).toBeCloseTo(Math.sqrt(radius ** 2 - far ** 2), 9);
      else expect(far).toBeGreaterThanOrEqual(radius);
    }
  });

  it("a disc on a free plane takes the voxels that the plane cuts", () => {
    for (let seed = 0; seed < 6; seed++) {
      const frame = free(geometry, seed);
      const rnd = random(seed + 50);
      const at = (): Vec3 => frame.toWorld([(rnd() - 0.5) * 6, (rnd() - 0.5) * 6]);
      const [a, b] = [at(), at()];
      const radius = 1.8 + rnd() * 3;
      const flat = (world: Vec3): Vec3 => frame.toWorld(frame.toPlane(world));
      for (const slab of [0, 7]) {
        const reach = Math.max(half(frame.normal), slab / 2);
        const got = voxelsOf(covered(brushOn({ geometry }, frame, false, slab), a, b, radius));
        const off = (world: Vec3): number => Math.abs(dot(subtract(world, frame.centre), frame.normal));
        const wanted = every(geometry, (world) => toLine(flat(world), a, b) <= radius && off(world) <= reach);
        expect(sorted(got)).toEqual(sorted(wanted));
        expect(got.length).toBeGreaterThan(5);
      }
      // What is seen under the disc is painted: each point shows its nearest voxel.
      const seen = new Set(sorted(voxelsOf(covered(brushOn({ geometry }, frame, false), a, a, radius + 3))));
      for (let n = 0; n < 60; n++) {
        const [x, y] = frame.toPlane(a);
        const index = geometry.toIndex(frame.toWorld([x + (rnd() - 0.5) * 2, y + (rnd() - 0.5) * 2])).map(Math.round);
        if (index.every((one, m) => one >= 0 && one < geometry.shape[m]!)) expect(seen.has(index.join(","))).toBe(true);
      }
    }
  });

  it("scissors take what lies inside the outline by the even-odd rule", () => {
    const rnd = random(8);
    for (const make of [...VIEWS.map((view) => () => sliceFrame(geometry, view, 3)), () => free(geometry, 3)]) {
      const frame = make();
      for (const through of [false, true]) {
        const [w, h] = frame.extent;
        const outline = Array.from({ length: 9 }, (): Pair => [(rnd() - 0.5) * w * 1.3, (rnd() - 0.5) * h * 1.3]);
        const fake = host(geometry);
        const got = voxelsOf(cutRegion(fake, frame, { points: outline, circle: false }, through));
        const reach = half(frame.normal);
        const near = (world: Vec3, index: Vec3): boolean => through
          || (frame.axis === null ? Math.abs(dot(subtract(world, frame.centre), frame.normal)) < reach : index[frame.axis] === frame.slice);
        expect(sorted(got)).toEqual(sorted(every(geometry, (world, index) =>
          near(world, index) && inOutline(frame.toPlane(world), outline))));
        const [centre, rim] = [outline[0]!, outline[1]!];
        const radius = Math.hypot(rim[0] - centre[0], rim[1] - centre[1]);
        const round = voxelsOf(cutRegion(fake, frame, { points: [centre, rim], circle: true }, through));
        const from = (world: Vec3): number => {
          const [x, y] = frame.toPlane(world);
          return Math.hypot(x - centre[0], y - centre[1]);
        };
        expect(sorted(round)).toEqual(sorted(every(geometry, (world, index) => near(world, index) && from(world) <= radius)));
      }
    }
  });

  it.each(VIEWS)("the fill takes the 4-connected part of the slice: %s", (view) => {
    for (let seed = 0; seed < 4; seed++) {
      const fake = host(geometry, { tolerance: 12 });
      const rnd = random(seed);
      fake.values.forEach((slice) => slice.forEach((_v, n) => (slice[n] = Math.floor(rnd() * 40))));
      const frame = sliceFrame(geometry, view, 2);
      const start: [number, number, number] = [2, 4, 5];
      start[frame.axis] = 2;
      bucket.begin(pointAt(frame, start), fake);
      const value = (k: number, j: number, i: number): number => fake.values[k]![j * geometry.shape[2] + i]!;
      const seedValue = value(...start);
      const wanted = new Set([start.join(",")]);
      for (const queue: Vec3[] = [start]; queue.length > 0;) {
        const at = queue.pop()!;
        for (const axis of [frame.uAxis, frame.vAxis]) for (const by of [-1, 1]) {
          const next = at.map((x, n) => x + (n === axis ? by : 0)) as unknown as Vec3;
          if (next.some((x, n) => x < 0 || x >= geometry.shape[n]!) || wanted.has(next.join(","))) continue;
          if (Math.abs(value(...next as [number, number, number]) - seedValue) > 12) continue;
          wanted.add(next.join(","));
          queue.push(next);
        }
      }
      expect(sorted(after(fake, "m", 1))).toEqual([...wanted].sort());
    }
  });

  it("the fill on a turned plane takes what is joined there, as a fill of the picture of nearest voxels does", () => {
    for (let seed = 0; seed < 3; seed++) {
      const fake = host(geometry, { tolerance: 25 });
      const rnd = random(seed + 9);
      fake.values.forEach((slice) => slice.forEach((_v, n) => (slice[n] = Math.floor(rnd() * 40))));
      const frame = free(geometry, seed);
      const pointer = overPlane(frame, [0.3, -0.2]);
      bucket.begin(pointer, fake);
      const got = new Set(sorted(after(fake, "m", 1)));
      const start = pointer.index.map(Math.round) as unknown as Vec3;
      const value = ([k, j, i]: Vec3): number => fake.values[k]![j * geometry.shape[2] + i]!;
      const alike = (at: Vec3): boolean => Math.abs(value(at) - value(start)) <= 25;
      // Every voxel of the layer that the plane cuts, joined over faces.
      const layer = new Set(sorted(every(geometry, (world, index) =>
        Math.abs(dot(subtract(world, frame.centre), frame.normal)) <= half(frame.normal) && alike(index))));
      const wanted = new Set([start.join(",")]);
      for (const queue: Vec3[] = [start]; queue.length > 0;) {
        const at = queue.pop()!;
        for (const axis of [0, 1, 2]) for (const by of [-1, 1]) {
          const next = at.map((x, n) => x + (n === axis ? by : 0)) as unknown as Vec3;
          if (!layer.has(next.join(",")) || wanted.has(next.join(","))) continue;
          wanted.add(next.join(","));
          queue.push(next);
        }
      }
      expect([...got].sort()).toEqual([...wanted].sort());
      // The picture: samples 0.08 mm apart, each its nearest voxel, joined up, down, left and right, over no corner.
      const step = 0.08;
      const shown = (x: number, y: number): Vec3 =>
        geometry.toIndex(frame.toWorld([0.3 + x * step, -0.2 + y * step])).map((n) => Math.round(n) + 0) as unknown as Vec3;
      const seen = new Set([start.join(",")]);
      const places = new Set(["0,0"]);
      for (const queue: Pair[] = [[0, 0]]; queue.length > 0;) {
        const [x, y] = queue.pop()!;
        const here = shown(x, y);
        for (const next of [[x + 1, y], [x - 1, y], [x, y + 1], [x, y - 1]] as const) {
          const at = shown(...next);
          if (places.has(next.join(",")) || distance(at, here) > 1) continue;
          if (at.some((n, axis) => n < 0 || n >= geometry.shape[axis]!) || !alike(at)) continue;
          places.add(next.join(","));
          seen.add(at.join(","));
          queue.push(next);
        }
      }
      expect([...seen].filter((one) => !got.has(one))).toEqual([]);
      // What is not met by a sample lies in the plane by a hair only.
      expect(seen.size).toBeGreaterThan(0.8 * got.size);
      expect(got.size).toBeGreaterThan(4);
    }
  });
});

describe("the rules", () => {
  const frame = sliceFrame(plain, "axial", 4);
  const stroke = (fake: Fake, tool = brush): void => {
    fake.view.set({ size_mm: 6 });
    const gesture = tool.begin(overPlane(frame, [-1, 0]), fake);
    gesture?.move(overPlane(frame, [1.5, 1]));
    gesture?.end(overPlane(frame, [1.5, 1]));
  };
  const disc = (() => {
    const fake = host();
    stroke(fake);
    return after(fake, "m", 1);
  })();
  const value = (fake: Fake, [k, j, i]: Vec3): number => fake.values[k]![j * 17 + i]!;

  it("keep strokes to a range of values", () => {
    const fake = host(plain, { range: [100, 130] });
    stroke(fake);
    const wanted = disc.filter((one) => value(fake, one) >= 100 && value(fake, one) <= 130);
    expect(wanted.length).toBeGreaterThan(3);
    expect(sorted(after(fake, "m", 1))).toEqual(sorted(wanted));
    const none = host(plain, { range: [-9, -5] });
    stroke(none);
    expect(none.edits).toEqual([]);
    expect(none.toasts).toEqual(["Nothing here has a value from -9 to -5."]);
  });

  it("keep strokes inside or outside of segments", () => {
    const some = disc.filter((_, n) => n % 3 === 0);
    const inside = host(plain, { area: "inside", area_label: "id-b", overwrite: "none" });
    put(inside, "n", some);
    stroke(inside);
    expect(sorted(after(inside, "m", 1))).toEqual(sorted(some));
    const outside = host(plain, { area: "outside" });
    put(outside, "n", some);
    stroke(outside);
    expect(sorted(after(outside, "m", 1))).toEqual(sorted(disc.filter((_, n) => n % 3 !== 0)));
    expect(after(outside, "n", 1)).toHaveLength(some.length);
    const nowhere = host(plain, { area: "inside" });
    stroke(nowhere);
    expect(nowhere.toasts).toEqual(["Choose the segment to work inside of."]);
  });

  it("say which segments lose what another gets, as one edit", () => {
    const some = disc.filter((_, n) => n % 2 === 0);
    for (const [overwrite, hidden, kept] of [["all", ["id-b"], 0], ["visible", ["id-b"], 1], ["visible", [], 0], ["none", [], 1]] as const) {
      const fake = host(plain, { overwrite });
      fake.view.set({ hidden: [...hidden] });
      put(fake, "n", some);
      stroke(fake);
      expect(fake.edits).toHaveLength(1);
      expect(after(fake, "m", 1)).toHaveLength(disc.length);
      expect(after(fake, "n", 1)).toHaveLength(kept ? some.length : 0);
    }
  });

  it("never change a locked segment, nor lay another over it unless segments may overlap", () => {
    const some = disc.filter((_, n) => n % 2 === 0);
    for (const overwrite of ["all", "none"] as const) {
      const fake = host(plain, { overwrite });
      fake.labels = fake.labels.map((one) => (one.name === "b" ? { ...one, locked: true } : one));
      put(fake, "n", some);
      stroke(fake);
      expect(after(fake, "m", 1)).toHaveLength(overwrite === "all" ? disc.length - some.length : disc.length);
      expect(after(fake, "n", 1)).toHaveLength(some.length);
    }
  });

  it("let the adaptive brush take what is joined and alike", () => {
    const fake = host(plain, { adaptive: true, tolerance: 5 });
    // Two bright plates with a dark one between: columns 6 to 8 and 10 up.
    fake.values.forEach((slice) => slice.forEach((_v, n) => (slice[n] = n % 17 === 9 || n % 17 < 6 ? 0 : 100)));
    fake.view.set({ size_mm: 6 });
    const at = frame.fromIndex([4, 7, 7]);
    const gesture = brush.begin(overPlane(frame, at), fake)!;
    gesture.end(overPlane(frame, at));
    const got = after(fake, "m", 1);
    expect(got.length).toBeGreaterThan(9);
    expect(got.every(([, , i]) => i >= 6 && i <= 8)).toBe(true);
    const reach = (one: Vec3): number => distance(plain.toWorld(one), frame.toWorld(at));
    expect(sorted(got)).toEqual(sorted(every(plain, (_w, one) => one[0] === 4 && one[2] >= 6 && one[2] <= 8 && reach(one) <= 3)));
  });

  it("erase by the range, too, and a pen's pressure scales the brush", () => {
    const fake = host(plain, { range: [0, 120] });
    put(fake, "m", disc);
    stroke(fake, eraser);
    expect(sorted(after(fake, "m", 1))).toEqual(sorted(disc.filter((one) => value(fake, one) > 120)));
    const light = host();
    light.view.set({ size_mm: 8 });
    const gesture = brush.begin(overPlane(frame, [0, 0], { pressure: 1 / 3 }), light)!;
    gesture.end(overPlane(frame, [0, 0], { pressure: 0 }));
    expect(sorted(after(light, "m", 1))).toEqual(sorted(every(plain, (world, [k]) => k === 4 && distance(world, frame.toWorld([0, 0])) <= 2)));
  });

  it("are read from anywhere", () => {
    expect(readRules(null)).toEqual(RULES);
    expect(readRules({ range: [3, 1], area: "up", tolerance: -1, sphere: "yes", scissors: "cut" })).toEqual(RULES);
    const rules = { ...RULES, range: [1, 3], overwrite: "none", outline: "circle", tolerance: 0 };
    expect(readRules(rules)).toEqual(rules);
  });
});

describe("scissors", () => {
  const frame = sliceFrame(sheared, "coronal", 5);
  const corners: Pair[] = [[-3, -6], [2.6, -5], [2, 6], [-2.5, 5.5]];
  const draw = (fake: Fake): LongGesture => {
    const gesture = scissors.begin(overPlane(frame, corners[0]!), fake) as LongGesture;
    for (const corner of corners.slice(1)) gesture.press(overPlane(frame, corner));
    return gesture;
  };
  const inside = (through: boolean): Vec3[] => every(sheared, (world, index) =>
    (through || index[1] === 5) && inOutline(frame.toPlane(world), corners));

  it("fill and erase, inside and outside, on a slice and through the volume", () => {
    for (const through of [false, true]) {
      const fake = host(sheared, { outline: "polygon", through });
      expect(draw(fake).finish()).toBe(false);
      expect(fake.edits).toHaveLength(1);
      expect(sorted(after(fake, "m", 1))).toEqual(sorted(inside(through)));
      for (const mode of ["erase-inside", "erase-outside"] as const) {
        const wipe = host(sheared, { outline: "polygon", through, scissors: mode });
        put(wipe, "m", every(sheared, () => true));
        draw(wipe).key("enter");
        const lost = new Set(sorted(inside(through)));
        const there = (index: Vec3): boolean => through || index[1] === 5;
        const kept = every(sheared, (_, index) => !there(index) || lost.has(index.join(",")) === (mode === "erase-outside"));
        expect(sorted(after(wipe, "m", 1))).toEqual(sorted(kept));
      }
    }
  });

  it("take points back, close at the first point, and can be given up", () => {
    const fake = host(sheared, { outline: "polygon" });
    const gesture = draw(fake);
    gesture.press(overPlane(frame, [9, 9]));
    expect(fake.shownCut?.points).toHaveLength(6);
    expect(gesture.key("backspace")).toBe("took");
    expect(gesture.key("a")).toBeNull();
    expect(gesture.press(overPlane(frame, [-3.1, -6.1]))).toBe(false);
    expect(fake.shownCut).toBeNull();
    expect(sorted(after(fake, "m", 1))).toEqual(sorted(inside(false)));
    const given = draw(fake);
    given.cancel();
    expect([fake.shownCut, fake.edits]).toEqual([null, []]);
    const short = scissors.begin(overPlane(frame, [0, 0]), fake) as LongGesture;
    expect(short.finish()).toBe(true);
    expect(fake.toasts).toEqual(["A polygon needs three points."]);
  });

  it("draw lasso, rectangle and circle by dragging, and say that an outline crosses itself", () => {
    const bow: Pair[] = [[-4, -6], [4, 6], [4, -6], [-4, 6]];
    for (const outline of ["lasso", "rectangle", "circle"] as const) {
      const fake = host(sheared, { outline });
      const gesture = scissors.begin(overPlane(frame, bow[0]!), fake)!;
      for (const corner of bow.slice(1)) gesture.move(overPlane(frame, corner));
      gesture.end(overPlane(frame, bow[3]!));
      const [x, y] = [Math.abs, Math.abs];
      const wanted = every(sheared, (world, index) => {
        const at = frame.toPlane(world);
        if (index[1] !== 5) return false;
        if (outline === "circle") return Math.hypot(at[0] + 4, at[1] + 6) <= 12;
        return outline === "lasso" ? inOutline(at, bow) : x(at[0]) < 0 && y(at[1]) < 6;
      });
      if (outline !== "rectangle") expect(sorted(after(fake, "m", 1))).toEqual(sorted(wanted));
      expect(fake.toasts.join()).toContain(outline === "lasso" ? "crosses itself" : outline === "rectangle" ? "Nothing changes" : "");
    }
    expect(crossesItself(bow)).toBe(true);
    expect(crossesItself(corners)).toBe(false);
  });
});

describe("many segments and large volumes", () => {
  it("hold values over 255", () => {
    const many = { ...mask("m", [[1, "a"], [300, "c"]]), dtype: "uint16" as const };
    const fake = host(plain, {}, []);
    fake.apply({ kind: "put", item: many });
    fake.edits.length = 0;
    fake.view.set({ label: "id-c", size_mm: 5 });
    const frame = sliceFrame(plain, "sagittal", 8);
    const gesture = brush.begin(overPlane(frame, [0, 0]), fake)!;
    gesture.end(overPlane(frame, [0, 0]));
    const [edit] = paints(fake);
    expect([...new Set(edit!.runs.new)]).toEqual([300]);
    expect(after(fake, "m", 300).length).toBeGreaterThan(5);
    expect(after(fake, "m", 44)).toEqual([]);
  });

  it("take strokes of at most 2 KB, and cuts through hundreds of slices", () => {
    const geometry = new (plain.constructor as typeof import("../src/model/geometry").GridGeometry)({
      kind: "grid", shape: [300, 512, 512],
      affine: [[0, 0, 0.8, 0], [0, 0.8, 0, 0], [1.2, 0, 0, 0], [0, 0, 0, 1]],
    });
    const fake = fakeHost(geometry, [label("a"), label("b")], [mask("m", [[1, "a"]]), mask("n", [[1, "b"]])]);
    fake.view.set({ size_mm: 12 });
    const frame = sliceFrame(geometry, "axial", 150);
    const gesture = brush.begin(overPlane(frame, [-60, 0]), fake)!;
    for (let n = 1; n <= 40; n++) gesture.move(overPlane(frame, [-60 + n * 2, 20 * Math.sin(n / 8)]));
    gesture.end(overPlane(frame, [20, 20 * Math.sin(5)]));
    const size = encodeEdit(paints(fake)[0] as Edit).buffers[0]!.length;
    expect(size).toBeLessThan(2048);
    fake.view.set({ rules: { ...RULES, through: true, outline: "circle" } });
    fake.edits.length = 0;
    const cut = scissors.begin(overPlane(frame, [0, 0]), fake)!;
    cut.end(overPlane(frame, [80, 0]));
    const edit = paints(fake)[0]!;
    const count = edit.runs.length.reduce((sum, one) => sum + one, 0);
    const disc = every(new (plain.constructor as typeof import("../src/model/geometry").GridGeometry)({
      kind: "grid", shape: [1, 512, 512], affine: [[0, 0, 0.8, 0], [0, 0.8, 0, 0], [1.2, 0, 0, 0], [0, 0, 0, 1]],
    }), (world) => Math.hypot(world[0] - 0.8 * 255.5, world[1] - 0.8 * 255.5) <= 80).length;
    expect(count).toBe(300 * disc);
  });
});
