// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { LiveRoad, type LiveMessage, type SegmentRow } from "../src/channel/live";
import type { LabelItem } from "../src/model/protocol";
import type { Scene } from "../src/ui/scene";
import { segmentText, SegmentNumbers } from "../src/ui/segmentnumbers";
import { MASK } from "./host";

const ROW: SegmentRow = {
  mask: "m1", value: 1, frames: 1, count: 12345, volume: 4567.8, area: null, unit: "mm", mean: 45.2, sd: 61.4, min: -60, max: 150,
  value_unit: "HU", note: "",
};

describe("the numbers of a segment", () => {
  it.each([
    [{}, ["4.57 ml · 12 345 voxels", "Mean 45 ± 61 HU"]],
    [{ volume: 1_234_567, count: 1 }, ["1235 ml · 1 voxel", "Mean 45 ± 61 HU"]],
    [{ volume: 23.4, mean: 2.345, sd: 0.456, value_unit: "SUVbw" }, ["0.023 ml · 12 345 voxels", "Mean 2.35 ± 0.46 SUVbw"]],
    [{ volume: null, area: 528.4, frames: 3 }, ["528 mm² · 12 345 voxels", "Mean 45 ± 61 HU (frame 1)"]],
    [{ volume: null, area: 528.4, unit: "px", mean: null, sd: null, note: "colour image" }, ["528 px² · 12 345 voxels", "Colour image"]],
    [{ count: 0, volume: 0, mean: null, sd: null, note: "no voxel centre inside" }, ["No voxels"]],
  ] as const)("%j", (more, lines) => expect(segmentText({ ...ROW, ...more })).toEqual(lines));
});

describe("below the row of the chosen label", () => {
  const liver = { id: "l1", name: "liver" } as LabelItem;
  const spleen = { id: "l2", name: "spleen" } as LabelItem;
  let sent: Record<string, unknown>[];
  let road: LiveRoad;
  let store: { version: number };
  let numbers: SegmentNumbers;
  const text = (): string[] => [...numbers.element.children].map((one) => one.textContent ?? "");
  const answer = (label: string, rows: readonly SegmentRow[], error: Extract<LiveMessage, { type: "segment_values" }>["error"] = null): void =>
    road.receive({ type: "segment_values", tab: "T", label, rows, error }, []);

  beforeEach(() => {
    vi.useFakeTimers();
    sent = [];
    store = { version: 1 };
    road = new LiveRoad("T", { send: (message: object) => void sent.push({ ...message }) } as never, () => undefined);
    const mask = { item: MASK, store };
    const scene = {
      source: { channel: { live: road }, document: { masks: [mask], mask: () => mask } }, view: { value: { units: { pet: "stored" } } },
    } as unknown as Scene;
    numbers = new SegmentNumbers(scene, new AbortController().signal);
  });
  afterEach(() => void vi.useRealTimers());

  it("asks nothing while closed, and once when opened", () => {
    expect(numbers.draw(liver)).toBe(false);
    vi.runAllTimers();
    expect(sent).toEqual([]);
    numbers.toggle();
    expect(numbers.draw(null)).toBe(false);
    for (let n = 0; n < 3; n++) expect(numbers.draw(liver)).toBe(true);
    expect(text()).toEqual(["…"]);
    vi.runAllTimers();
    expect(sent).toEqual([{ type: "segment_values", tab: "T", label: "l1", units: { pet: "stored" } }]);
    answer("l2", []);
    expect(text()).toEqual(["…"]);
    answer("l1", [ROW]);
    expect(text()).toEqual(["4.57 ml · 12 345 voxels", "Mean 45 ± 61 HU"]);
  });

  it("asks again when edits have settled, and keeps the old numbers until then", () => {
    numbers.toggle();
    numbers.draw(liver);
    vi.runAllTimers();
    answer("l1", [ROW]);
    for (let n = 0; n < 5; n++) {
      store.version++;
      numbers.draw(liver);
    }
    expect(text()).toEqual(["4.57 ml · 12 345 voxels", "Mean 45 ± 61 HU …"]);
    vi.runAllTimers();
    expect(sent).toHaveLength(2);
    answer("l1", [ROW, { ...ROW, count: 0 }]);
    expect(text()).toEqual(["liver", "4.57 ml · 12 345 voxels", "Mean 45 ± 61 HU", "liver", "No voxels"]);
    numbers.draw(spleen);
    expect(text()).toEqual(["…"]);
    vi.runAllTimers();
    expect(sent.at(-1)).toMatchObject({ label: "l2" });
    answer("l2", []);
    expect(text()).toEqual(["No voxels"]);
    answer("l2", [], { kind: "OSError", message: "The kernel could not do this (OSError)", hint: "" });
    expect(text()).toEqual(["The kernel could not do this (OSError)"]);
    numbers.toggle();
    store.version++;
    expect(numbers.draw(spleen)).toBe(false);
    vi.runAllTimers();
    expect(sent).toHaveLength(3);
  });
});
