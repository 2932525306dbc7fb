import { describe, expect, it } from "vitest";
import type { Vec3 } from "../src/model/geometry";
import { MaskStore, paintRuns } from "../src/model/masks";
import type { BatchEdit, MaskItem, PaintEdit, PutEdit } from "../src/model/protocol";
import { RULES } from "../src/state/rules";
import { bucket } from "../src/tools/bucket";
import { sliceFrame } from "../src/tools/frame";
import { brush, eraser } from "../src/tools/paint";
import { scissors } from "../src/tools/scissors";
import { fakeHost, GRIDS, label, mask, plain, pointAt, random, type Fake } from "./tools_help";

const content = (store: MaskStore): number[] => {
  const [nk, nj, ni] = store.shape;
  return Array.from({ length: nk }, (_, k) => Array.from(store.slice(k) ?? new Uint8Array(nj * ni))).flat();
};

function fill(store: MaskStore, seed: number, values: readonly number[]): void {
  const [nk, nj, ni] = store.shape;
  const rnd = random(seed);
  for (const value of values) {
    const inside = Uint8Array.from({ length: nk * nj * ni }, () => (rnd() < 0.2 ? 1 : 0));
    store.paint([[0, 0, 0], store.shape], paintRuns(store, [[0, 0, 0], store.shape], inside, value));
  }
}

/** A stroke over the middle of a slice, in three moves. */
function stroke(host: Fake, tool: typeof brush, view: "axial" | "coronal" | "sagittal", alt = false): void {
  const frame = sliceFrame(host.geometry, view, 3);
  const point = (n: number): ReturnType<typeof pointAt> =>
    pointAt(frame, host.geometry.shape.map((size) => (size - 1) * n) as unknown as Vec3, { alt });
  const gesture = tool.begin(point(0.2), host);
  gesture?.move(point(0.5));
  gesture?.move(point(0.7));
  gesture?.end(point(0.8));
}

const paints = (host: Fake): PaintEdit[] =>
  host.edits.flatMap((one) => (one.kind === "batch" ? one.edits : [one])).filter((one) => one.kind === "paint") as PaintEdit[];

describe.each(GRIDS)("a stroke on a %s grid", (_, geometry) => {
  it.each(["axial", "coronal", "sagittal"] as const)("is one edit that does what was seen: %s", (view) => {
    const host = fakeHost(geometry, [label("liver"), label("lesion")], [mask("m", [[1, "liver"], [2, "lesion"]])]);
    host.view.set({ size_mm: 5 });
    const store = host.stores.get("m")!;
    fill(store, 9, [2]);
    const before = content(store);
    stroke(host, brush, view);
    expect(host.edits).toHaveLength(1);
    const edit = paints(host)[0]!;
    // Before the document applies the edit, the mask is as it was.
    expect(content(store)).toEqual(before);
    const done = store.paint(edit.box, edit.runs);
    expect([...done.old]).toEqual([...edit.runs.old]);
    expect(content(store).filter((value) => value === 1).length).toBeGreaterThan(10);
    store.unpaint(edit.box, edit.runs);
    expect(content(store)).toEqual(before);
  });
});

describe("painting", () => {
  const two = (): Fake => fakeHost(plain, [label("liver"), label("lesion", { locked: true })], [mask("m", [[1, "liver"], [2, "lesion"]])]);

  it("shows the stroke before the button is released, and takes it back on cancel", () => {
    const host = two();
    const store = host.stores.get("m")!;
    fill(store, 2, [1]);
    const before = content(store);
    const frame = sliceFrame(plain, "axial", 4);
    const gesture = brush.begin(pointAt(frame, [4, 5, 6]), host)!;
    gesture.move(pointAt(frame, [4, 9, 12]));
    expect(content(store)).not.toEqual(before);
    gesture.cancel();
    expect(content(store)).toEqual(before);
    expect(host.edits).toEqual([]);
  });

  it("never overwrites a locked label of the same mask", () => {
    const host = two();
    const store = host.stores.get("m")!;
    fill(store, 4, [2]);
    const locked = content(store).flatMap((value, n) => (value === 2 ? [n] : []));
    stroke(host, brush, "coronal");
    const edit = paints(host)[0]!;
    store.paint(edit.box, edit.runs);
    expect(locked.every((n) => content(store)[n] === 2)).toBe(true);
  });

  it("with alt erases the active label only; the eraser with alt all unlocked ones", () => {
    for (const [tool, alt, gone, kept] of [[brush, true, [1], [2, 3]], [eraser, false, [1], [2, 3]], [eraser, true, [1, 3], [2]]] as const) {
      const host = fakeHost(
        plain, [label("a"), label("b", { locked: true }), label("c")], [mask("m", [[1, "a"], [2, "b"], [3, "c"]])],
      );
      host.view.set({ size_mm: 8 });
      const store = host.stores.get("m")!;
      fill(store, 6, [1, 2, 3]);
      const before = content(store);
      stroke(host, tool, "axial", alt);
      const edit = paints(host)[0]!;
      store.paint(edit.box, edit.runs);
      const changed = new Set(content(store).flatMap((value, n) => (value === before[n] ? [] : [before[n]!])));
      expect([...changed].sort()).toEqual([...gone]);
      expect(kept.some((value) => changed.has(value))).toBe(false);
    }
  });

  it("erases all unlocked labels of several masks as one step", () => {
    const host = fakeHost(plain, [label("a"), label("b")], [mask("m", [[1, "a"]]), mask("n", [[1, "b"]])]);
    for (const store of host.stores.values()) fill(store, 8, [1]);
    stroke(host, eraser, "axial", true);
    expect(host.edits).toHaveLength(1);
    expect(paints(host).map((one) => one.mask).sort()).toEqual(["m", "n"]);
  });

  it("says why it cannot paint", () => {
    const locked = fakeHost(plain, [label("a", { locked: true })], []);
    stroke(locked, brush, "axial");
    expect(locked.toasts[0]).toContain("locked");
    const hidden = fakeHost(plain, [label("a")], []);
    hidden.view.set({ hidden: ["id-a"] });
    stroke(hidden, brush, "axial");
    expect(hidden.toasts[0]).toContain("hidden");
    expect([...locked.edits, ...hidden.edits]).toEqual([]);
  });

  it("makes the mask of a label that has none on this image, in the same edit", () => {
    for (const work of [
      (fake: Fake) => stroke(fake, brush, "axial"),
      (fake: Fake) => bucket.begin(pointAt(sliceFrame(plain, "axial", 3), [3, 5, 6]), fake),
      (fake: Fake) => {
        fake.view.set({ rules: { ...RULES, outline: "rectangle" } });
        stroke(fake, scissors, "axial");
      },
    ]) {
      const host = fakeHost(plain, [label("a")], []);
      host.view.set({ rules: { ...RULES, tolerance: 1000 } });
      work(host);
      expect(host.toasts).toEqual([]);
      expect(host.edits.map((one) => one.kind)).toEqual(["batch"]);
      const edits = (host.edits[0] as BatchEdit).edits;
      expect(edits.map((one) => one.kind)).toEqual(["put", "paint"]);
      expect(edits[0]).toMatchObject({ item: { type: "mask", image: "img", segments: [{ value: 1, label: "a" }] } });
      const item = (edits[0] as PutEdit).item as MaskItem;
      const [paint] = paints(host);
      expect(paint!.mask).toBe(item.id);
      expect(paint!.runs.old.every((value) => value === 0)).toBe(true);
      expect(host.masks).toEqual([item]);
      // The second stroke finds the mask.
      stroke(host, brush, "coronal");
      expect(host.edits.map((one) => one.kind)).toEqual(["batch", "paint"]);
    }
  });

  it("shows a new mask while the stroke goes on, and makes none where nothing comes of it", () => {
    const host = fakeHost(plain, [label("a")], []);
    const frame = sliceFrame(plain, "axial", 4);
    const gesture = brush.begin(pointAt(frame, [4, 5, 6]), host)!;
    expect(host.masks).toHaveLength(1);
    expect(content(host.stores.get(host.masks[0]!.id)!).includes(1)).toBe(true);
    gesture.cancel();
    expect(host.masks).toEqual([]);
    host.view.set({ rules: { ...RULES, range: [9000, 9001] } });
    stroke(host, brush, "axial");
    expect(host.toasts[0]).toContain("9000");
    bucket.begin(pointAt(frame, [4, 5, 6]), host);
    host.view.set({ rules: { ...RULES, area: "inside" } });
    stroke(host, brush, "axial");
    expect(host.toasts.at(-1)).toContain("Choose the segment");
    expect([host.masks, host.edits]).toEqual([[], []]);
  });

  it("leaves slices alone that have not arrived, and says so", () => {
    const host = fakeHost(plain, [label("a")], [mask("m", [[1, "a"]])]);
    const store = host.stores.get("m")!;
    store.expire([3], 5);
    stroke(host, brush, "axial");
    expect(host.edits).toEqual([]);
    expect(host.toasts[0]).toContain("still loading");
  });
});
