import { describe, expect, it } from "vitest";
import type { ShapeItem, TagItem } from "../src/model/protocol";
import {
  arranged, kindTitle, linking, locking, naming, placeOf, rating, relabelling, removal, titleOf, type Annotation, type Entry,
} from "../src/tools/annotations";
import { annotationMenu } from "../src/ui/annotations";
import { fillBetween, fillShapes, outlineLabel, outlinesBetween } from "../src/ui/between";
import type { OutlineJob } from "../src/ui/previewlayer";
import type { Scene } from "../src/ui/scene";
import { boxItem } from "./tools_help";

const shape = (id: string, more: Partial<ShapeItem> = {}): ShapeItem => ({
  type: "shape", kind: "ruler", label: "lesion", points: [[0, 0, 2], [4, 0, 2]], id, image: "img", frame: null, slice: null,
  normal: null, text: "", names: [], edges: [], name: "", lesion: "", attributes: {}, status: "", locked: false, ...more,
});
const tag: TagItem = {
  type: "tag", id: "t", label: "quality", value: "good", scope: "case", image: "img", index: null, lesion: "", attributes: {},
};
const box = boxItem([[1, 2, 3], [3, 8, 9]], { id: "b", name: "Box 10", status: "done" });
const ruler = shape("r", { name: "Box 9" });
const entry = (item: Annotation, k: number | null): Entry => ({ item, k });
const all = [entry(box, 2), entry(ruler, 1), entry(tag, null)];
const ids = (entries: readonly Entry[]): string[] => entries.map(({ item }) => item.id);

describe("the list of annotations", () => {
  it("calls things by their own name, else by their text or label", () => {
    expect([box, ruler, tag].map(titleOf)).toEqual(["Box 10", "Box 9", "quality: good"]);
    expect(titleOf(shape("a", { kind: "arrow", text: "here" }))).toBe("here");
    expect([box, ruler, tag, shape("p", { kind: "points", points: [[0, 0, 0]] })].map(kindTitle)).toEqual(["Box", "Ruler", "Tag", "Point"]);
  });

  it("knows the middle of each", () => {
    const image = { shape: [9, 11, 13], frames: 1 } as const;
    const flip = ([x, y, z]: readonly [number, number, number]) => [z, y, x] as const;
    expect(placeOf(box, image, flip)).toEqual({ index: [2, 5, 6], frame: null });
    expect(placeOf(ruler, image, flip)?.index).toEqual([2, 0, 2]);
    expect(placeOf(shape("s", { slice: 7, frame: 3 }), image, flip)).toEqual({ index: [7, 0, 2], frame: 3 });
    expect(placeOf(tag, image, flip)).toBeNull();
    const framed = { ...tag, scope: "frame" as const, index: 4 };
    expect(placeOf(framed, image, flip)).toEqual({ index: [4, 5, 6], frame: null });
    expect(placeOf(framed, { ...image, frames: 8 }, flip)).toEqual({ index: [4, 5, 6], frame: 4 });
  });

  it("is put in order by numbers in names, slices, status", () => {
    expect(ids(arranged(all, "", "drawn"))).toEqual(["b", "r", "t"]);
    expect(ids(arranged(all, "", "name"))).toEqual(["r", "b", "t"]);
    expect(ids(arranged(all, "", "slice"))).toEqual(["r", "b", "t"]);
    expect(ids(arranged(all, "", "status"))).toEqual(["r", "b", "t"]);
    expect(ids(arranged(all, "", "kind"))).toEqual(["b", "r", "t"]);
  });

  it("is filtered by every word", () => {
    expect(ids(arranged(all, "box done", "drawn"))).toEqual(["b"]);
    expect(ids(arranged(all, "RULER", "drawn"))).toEqual(["r"]);
    expect(arranged(all, "nothing here", "name")).toEqual([]);
  });
});

describe("edits of several annotations", () => {
  it("are one step, and none where nothing changes", () => {
    const edit = removal([box, ruler, tag]);
    expect(edit?.kind === "batch" && edit.edits.map((one) => one.kind)).toEqual(["remove", "remove", "remove"]);
    expect(removal([])).toBeNull();
    expect(locking([box], false)).toBeNull();
    expect(naming(box, "Box 10")).toBeNull();
    expect(relabelling([box], "liver")).toBeNull();
  });

  it("say what was", () => {
    expect(naming(ruler, "first")).toEqual({ kind: "put", item: { ...ruler, name: "first" }, old: ruler, tool: "list" });
    expect(rating([box, ruler], "done")).toEqual({ kind: "put", item: { ...ruler, status: "done" }, old: ruler, tool: "list" });
    expect(relabelling([tag], "other")).toEqual({ kind: "put", item: { ...tag, label: "other" }, old: tag, tool: "list" });
  });

  it("join into one lesion, add to it, and take it apart", () => {
    const joined = linking([box, ruler]);
    if (joined?.kind !== "batch") throw new Error("not a batch");
    const lesions = joined.edits.map((one) => (one.kind === "put" && one.item.type === "box" ? one.item.lesion : one.kind === "put" && one.item.type === "shape" ? one.item.lesion : ""));
    expect(lesions[0]).not.toBe("");
    expect(lesions[1]).toBe(lesions[0]);
    const old = { ...box, lesion: "x" };
    expect(linking([old, ruler])).toMatchObject({ kind: "put", item: { id: "r", lesion: "x" } });
    expect(linking([old])).toMatchObject({ kind: "put", item: { id: "b", lesion: "" } });
  });
});

describe("fill between outlines", () => {
  const outline = (id: string, z: number, more: Partial<ShapeItem> = {}): ShapeItem =>
    shape(id, { kind: "polygon", points: [[0, 0, z], [4, 0, z], [4, 4, z]], normal: [0, 0, 1], ...more });
  const shapes = [
    outline("a", 0), outline("b", 6, { normal: [0, 0, -1] }), outline("c", 0, { normal: [0, 1, 0] }), outline("d", 2, { lesion: "L" }),
    outline("e", 2, { label: "node" }), outline("f", 2, { frame: 1 }), shape("r"),
  ];

  it("takes those chosen, and of one alone all that belong to it", () => {
    expect(outlinesBetween([shapes[0]!], shapes).map(({ id }) => id)).toEqual(["a", "b"]);
    expect(outlinesBetween([shapes[0]!, shapes[3]!], shapes).map(({ id }) => id)).toEqual(["a", "d"]);
    expect(outlinesBetween([], shapes)).toEqual([]);
  });

  it("asks for those, or for an outline first", () => {
    const jobs: OutlineJob[] = [];
    const toasts: string[] = [];
    const scene = {
      selection: ["r"], source: { document: { shapes } }, toast: (text: string) => void toasts.push(text),
      outline: (job: OutlineJob) => void jobs.push(job),
    };
    fillBetween(scene as unknown as Scene);
    scene.selection = ["r", "a"];
    fillBetween(scene as unknown as Scene);
    expect(jobs.map(({ request }) => request)).toEqual([{ op: "fill_between_shapes", shapes: ["a", "b"] }]);
    expect(toasts).toEqual(["Select an outline first."]);
  });
});

describe("outlines into masks and back", () => {
  const outline = shape("a", { kind: "ellipse", normal: [0, 0, 1] });
  const mask = { type: "mask", id: "m", name: "both", image: "img", dtype: "uint8", segments: [{ value: 3, label: "lesion", status: "" }] };
  const jobs: OutlineJob[] = [];
  const toasts: string[] = [];
  const scene = {
    selection: ["a", "b", "r"], labels: [], view: { value: { hidden: [] } }, toast: (text: string) => void toasts.push(text),
    source: { document: { shapes: [outline, ruler], boxes: [box] } }, outline: (job: OutlineJob) => void jobs.push(job),
    masksOf: () => [mask], pane: { image: { id: "img" }, plane: "coronal", frame: { axis: 1 as number | null } },
  };
  const items = (...chosen: Annotation[]): string[] => annotationMenu(scene as unknown as Scene, chosen, () => undefined).map(({ id }) => id);

  it("are offered for what has an inside", () => {
    expect(items(outline, ruler)).toContain("fill");
    expect(items(box)).toContain("fill");
    expect(items(box)).not.toContain("between");
    expect(items(ruler)).not.toContain("fill");
  });

  it("fill the chosen outlines and boxes", () => {
    fillShapes({ ...scene, selection: ["r"] } as unknown as Scene);
    fillShapes(scene as unknown as Scene);
    expect(jobs.splice(0).map(({ request }) => request)).toEqual([{ op: "fill_shapes", shapes: ["a", "b"] }]);
    expect(toasts.splice(0)).toEqual(["Select an outline or a box first."]);
  });

  it("outline a label across the axis of the view", () => {
    const label = { name: "lesion" };
    outlineLabel(scene as unknown as Scene, label as never);
    scene.pane.frame.axis = null;
    outlineLabel(scene as unknown as Scene, label as never);
    outlineLabel(scene as unknown as Scene, { name: "node" } as never);
    expect(jobs.map(({ request }) => request)).toEqual([1, 0].map((axis) =>
      ({ op: "outline_segments", mask: "m", segment: 3, params: { axis } })));
    expect(toasts.splice(0)).toEqual(['"node" has no segment yet. Paint it first.']);
  });
});
