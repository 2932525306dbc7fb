// @vitest-environment happy-dom
import { describe, expect, it } from "vitest";
import { LiveRoad, isLive, type OperatedMessage, type OperationForm, type ParameterForm } from "../src/channel/live";
import { Keymap } from "../src/commands/keymap";
import { DocumentMirror } from "../src/model/document";
import { emptyRuns, encodeRuns, type Command } from "../src/model/protocol";
import { Form, readSlices, type FormContext } from "../src/ui/live/forms";
import { originText, timeText } from "../src/ui/live/history";
import { needsPlace } from "../src/ui/live/operations";
import { previewLayer } from "../src/ui/live/preview";
import { changeText, takenText } from "../src/ui/live/words";
import type { Scene } from "../src/ui/scene";
import { FakeHost, MASK } from "./host";

const parameter = (more: Partial<ParameterForm>): ParameterForm => ({
  name: "p", title: "P", type: "number", default: null, unit: "", low: null, high: null, options: [], help: "", required: false, when: {}, ...more,
});
const CONTEXT: FormContext = {
  masks: [MASK, { ...MASK, id: "m2", name: "vessel", segments: [{ value: 3, label: "vessel", status: "" }] }],
  mask: "m1", shape: [4, 6, 5], index: [2, 1, 1], unit: "HU",
};
const operation = (parameters: ParameterForm[], more: Partial<OperationForm> = {}): OperationForm => ({
  name: "op", title: "Op", group: "shape", help: "", parameters, gives: "segment", needs_image: false, needs_point: "no", starts: "",
  needs_voxels: true, ...more,
});
const input = (form: Form, name: string): HTMLInputElement => form.element.querySelector(`[data-nbannot-field="${name}"]`)!;

describe("forms of operations", () => {
  it("reads each kind of field, and leaves out what is empty or not asked now", () => {
    const form = new Form(operation([
      parameter({ name: "mm", default: 3, unit: "mm" }), parameter({ name: "lo", unit: "value" }),
      parameter({ name: "method", type: "choice", default: "a", options: [["a", "A"], ["b", "B"]] }),
      parameter({ name: "only_b", default: 1, when: { method: ["b"] } }),
      parameter({ name: "axis", type: "choice", default: null, options: [[0, "k"], [1, "j"]] }),
      parameter({ name: "keep", type: "yesno", default: false }), parameter({ name: "source", type: "slice" }),
      parameter({ name: "to", type: "slices" }), parameter({ name: "other", type: "segment" }),
      parameter({ name: "segments", type: "segments" }),
    ]), CONTEXT, {}, () => undefined);
    expect(form.values).toEqual({ mm: 3, method: "a", keep: false, source: 2, to: [3], other: { mask: "m2", segment: 3 } });
    const method = input(form, "method");
    method.value = "1";
    method.dispatchEvent(new Event("input", { bubbles: true }));
    expect(form.values).toMatchObject({ method: "b", only_b: 1 });
    expect(form.element.textContent).toContain("HU");
    input(form, "to").value = "3, x";
    expect(form.problem).toContain("3, 7-9");
  });

  it("keeps what was filled in before", () => {
    const form = new Form(operation([parameter({ name: "mm", default: 3 })]), CONTEXT, { mm: 7 }, () => undefined);
    expect(form.values).toEqual({ mm: 7 });
  });

  it("reads slices", () => {
    expect(readSlices("3, 7-9,12")).toEqual([3, 7, 8, 9, 12]);
    for (const wrong of ["", "a", "9-7", "1-", "-1", "0-99999999"]) expect(readSlices(wrong)).toBeNull();
  });

  it("asks for a place only where one is needed", () => {
    expect(needsPlace(operation([], { needs_point: "yes" }), {})).toBe(true);
    const marching = operation([], { needs_point: "depends", starts: "the segment" });
    expect([needsPlace(marching, {}), needsPlace(marching, {}, "place")]).toEqual([false, true]);
    const islands = operation([], { needs_point: "depends" });
    expect([needsPlace(islands, { method: "largest" }), needsPlace(islands, { method: "selected" })]).toEqual([false, true]);
  });
});

describe("words", () => {
  it("of a change", () => {
    expect(changeText(1234, 0, 1)).toBe("+1,234 voxels (1.23 ml)");
    expect(changeText(5, 5, null)).toBe("−5 voxels");
    expect(changeText(3, 1, null)).toBe("+2 voxels, −1 voxel");
    expect([takenText({}), takenText({ liver: 1200, vein: 1 })]).toEqual(["", "; takes 1,200 voxels from liver, 1 voxel from vein"]);
  });

  it("of a step", () => {
    const now = new Date(2026, 4, 3, 14, 5, 9);
    expect(timeText(now.getTime() / 1000, now)).toBe("14:05:09");
    expect(timeText(now.getTime() / 1000 - 90_000, now)).toContain(" ");
    expect([originText("hand"), originText("model:net 2")]).toEqual(["by hand", "model net 2"]);
  });
});

describe("the preview", () => {
  const message: OperatedMessage = {
    type: "operated", tab: "T", rid: 1, mask: "m1", image: "img", shape: [4, 6, 5], box: [[1, 0, 0], [2, 6, 5]],
    count: 8, erased: 4, erase: 2, names: { 1: "liver" }, taken: { lesion: 1200, vein: 1 }, color: null, runs: 2, slices: null,
  };
  const runs = { ...emptyRuns(2), start: Uint32Array.of(0, 10), length: Uint32Array.of(4, 4), old: Uint32Array.of(0, 1), new: Uint32Array.of(1, 0) };

  it("shows what comes in a brighter colour of its label, what goes as a hatch", () => {
    const scene = { labels: [{ name: "liver", color: "#004000" }] } as unknown as Scene;
    const layer = previewLayer(scene, message, [encodeRuns(runs)], new AbortController().signal);
    const slice = [...layer.store.slice(1)!];
    expect(slice.slice(0, 4)).toEqual([1, 1, 1, 1]);
    expect(new Set(slice.slice(10, 14))).toEqual(new Set([2, 3]));
    expect(slice.filter(Boolean)).toHaveLength(8);
    const styles = layer.segments(1);
    expect([...styles.keys()]).toEqual([1, 2, 3]);
    expect(styles.get(1)!.color[1]).toBeGreaterThan(64);
    expect(styles.get(2)!.color).not.toEqual(styles.get(3)!.color);
  });
});

describe("keys of own tools", () => {
  const press = (key: string): KeyboardEvent => new KeyboardEvent("keydown", { key });

  it("run the tool, and stay with the viewer's commands where these have them", () => {
    const keys = new Keymap();
    const tool = (name: string, key: string) => ({ name, title: name.toUpperCase(), key });
    keys.setTools([tool("free", "F7"), tool("taken", "b"), tool("odd", "nokey"), tool("none", "")]);
    const ran: string[] = [];
    keys.commandFor(press("F7"))!.run({ ownTool: (name: string) => void ran.push(name) } as never);
    expect(ran).toEqual(["free"]);
    expect(keys.commandFor(press("b"))!.id).toBe("tool.brush");
    expect([keys.toolHint("free"), keys.toolHint("taken")]).toEqual(["F7", ""]);
    expect(keys.toolProblems).toHaveLength(2);
    expect(keys.toolProblems[0]).toContain('B is "Brush"');
    keys.set([{ action: "tool.brush", keys: ["f7"], file: null, line: null }], {});
    expect(keys.commandFor(press("F7"))!.id).toBe("tool.brush");
    expect(keys.commandFor(press("b"))!.id).toBe("own.taken");
  });
});

describe("the road", () => {
  it("adds its tab, hands messages on, and keeps the tools", () => {
    const sent: unknown[] = [];
    const road = new LiveRoad("T", { send: (message) => void sent.push(message), onMessage: () => () => undefined }, () => undefined);
    const heard: string[] = [];
    const off = road.on((message) => heard.push(message.type));
    expect(road.ask({ type: "operate_apply", rid: 4 })).toBe(true);
    expect(sent).toEqual([{ type: "operate_apply", rid: 4, tab: "T" }]);
    const tools = { type: "tools", tools: [{ name: "a", title: "A", key: "", icon: "A", preview: true }] } as const;
    road.receive(tools, []);
    off();
    road.receive({ ...tools, tools: [] }, []);
    expect([heard, road.tools]).toEqual([["tools"], []]);
    expect([isLive(tools), isLive({ type: "bytes" })]).toEqual([true, false]);
  });

  it("says when there is no connection", () => {
    let lost = 0;
    const broken = { send: () => { throw new Error("closed"); }, onMessage: () => () => undefined };
    expect(new LiveRoad("T", broken, () => void lost++).ask({ type: "history" })).toBe(false);
    expect(lost).toBe(1);
  });
});

describe("a jump", () => {
  it("is a command in the lane of the edits, and lets the host do it", () => {
    const document = new DocumentMirror();
    const sent: Command[] = [];
    document.connect({ reserve: () => ({ seq: 1, id: "T:1" }), send: (_, edit) => void sent.push(edit as Command), resync: () => undefined });
    document.receiveState(new FakeHost().state("T") as never);
    document.jump("abc");
    expect(sent).toEqual([{ kind: "jump", id: "T:1", to: "abc" }]);
    expect([document.unsaved, document.canRedo]).toEqual([1, true]);
    document.acknowledge(1, 0);
    expect(document.unsaved).toBe(0);
  });
});
