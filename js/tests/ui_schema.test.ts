import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type { AttributeJson, Attributes, LabelItem, TagItem } from "../src/model/protocol";
import { asked, checkAnswers, defaults, problems, rangeText, withoutUnasked } from "../src/model/schema";
import { withDefaults } from "../src/tools/defaults";
import { answering } from "../src/ui/forms/answers";
import { readAnswer } from "../src/ui/forms/attributes";
import { labelEdit, readAttributes, typedOf } from "../src/ui/forms/labeleditor";
import { branches } from "../src/ui/labellist";
import { cycleStatus, nextStatus, statusOf } from "../src/tools/statuses";
import { countVoxels, drawnSlice } from "../src/ui/voxels";
import { MaskStore } from "../src/model/masks";
import { boxItem, label, mask } from "./tools_help";

interface Golden {
  readonly attributes: readonly AttributeJson[];
  readonly cases: readonly { readonly answers: Attributes; readonly asked: readonly string[]; readonly problems: readonly (readonly [string, string])[] }[];
}
const golden = JSON.parse(readFileSync(fileURLToPath(new URL("../../tests/fixtures/schema.json", import.meta.url)), "utf8")) as Golden;
const nodule = label("nodule", { attributes: golden.attributes, scope: ["lesion"] });

describe("answers", () => {
  it.each(golden.cases.map((one) => [JSON.stringify(one.answers), one] as const))("%s", (_, one) => {
    expect(asked(golden.attributes, one.answers).map(({ name }) => name)).toEqual(one.asked);
    expect(checkAnswers(nodule, one.answers).map(({ kind, attribute }) => [kind, attribute])).toEqual(one.problems);
  });

  it("begin with defaults, and lose what is not asked any more", () => {
    expect(defaults(golden.attributes)).toEqual({ sides: ["left"] });
    const answers = { texture: "solid", core: 3, sharp: true, other: 1 };
    expect(withoutUnasked(golden.attributes, answers)).toEqual({ texture: "solid", other: 1 });
    const put = withDefaults([nodule], { kind: "put", item: boxItem([[0, 0, 0], [1, 1, 1]], { label: "nodule" }) });
    expect(put).toMatchObject({ item: { attributes: { sides: ["left"] } } });
    const kept = { kind: "put", item: boxItem([[0, 0, 0], [1, 1, 1]], { label: "nodule", attributes: { texture: "solid" } }) } as const;
    expect(withDefaults([nodule], kept)).toBe(kept);
  });

  it("are read as people type numbers", () => {
    expect(["", " 3,5 ", "-2", "1e3", "3 mm", "abc", "."].map(readAnswer)).toEqual([null, 3.5, -2, 1000, undefined, undefined, undefined]);
    expect(rangeText(golden.attributes[1]!)).toBe("from 0 to 50 mm");
  });

  it("make a tag with the first and take it away with the last", () => {
    const quality = label("quality", { scope: ["case"], attributes: golden.attributes.slice(0, 1) });
    const place = { scope: "case" as const, image: "", index: null, lesion: "" };
    const made = answering({ label: quality, item: null, place }, { texture: "solid" });
    expect(made).toMatchObject({ kind: "put", item: { type: "tag", scope: "case", attributes: { texture: "solid" } } });
    const tag = (made as { item: TagItem }).item;
    expect(answering({ label: quality, item: tag, place }, {})).toMatchObject({ kind: "remove", item: tag });
  });

  it("are asked of case, series and segments that nobody answered", () => {
    const must = golden.attributes.slice(0, 1);
    const labels: LabelItem[] = [label("a", { scope: ["case"], attributes: must }), label("b", { scope: ["series"], attributes: must }), label("c", { attributes: must })];
    const masks = [{ item: mask("m", [[2, "c"]]) }];
    const found = problems({ labels, boxes: [], shapes: [], tags: [], masks, images: [{ id: "i" }] }, (_, value) => value === 2);
    expect(found.map(({ type, item }) => [type, item])).toEqual([["case", ""], ["series", "i"], ["segment", "m/2"]]);
  });
});

describe("the editor of labels", () => {
  it("gives back what it was given", () => {
    expect(readAttributes(golden.attributes.map(typedOf))).toEqual(golden.attributes);
  });

  it.each([
    [{ name: " " }, "name"], [{ name: "b" }, "two questions"], [{ options: "" }, "options"], [{ options: "x, x" }, "twice"],
    [{ type: "number", low: "3", high: "2" }, "empty"], [{ type: "number", low: "x" }, "two numbers"], [{ initial: "z" }, "not an option"],
    [{ when: "c" }, "no other"], [{ when: "b" }, "for which"], [{ when: "b", is: "z" }, "no answer"],
  ] as const)("says what is wrong with %j", (change, words) => {
    const base = { name: "a", type: "choice", options: "x, y", low: "", high: "", unit: "", required: false, initial: "", when: "", is: "" } as const;
    expect(readAttributes([{ ...base, name: "b" }, { ...base, ...change }])).toContain(words);
    const two = [{ ...base, when: "b", is: "x" }, { ...base, name: "b", when: "a", is: "x" }];
    expect(readAttributes(two)).toContain("wait");
  });

  it("makes one edit, also of a new name", () => {
    const named = { labels: [nodule, label("part", { parent: "nodule" })], masks: [], boxes: [], shapes: [], tags: [] };
    expect(labelEdit(named, nodule, nodule)).toBeNull();
    expect(labelEdit(named, nodule, { ...nodule, key: "q" })).toMatchObject({ kind: "put", item: { key: "q" }, old: nodule });
    const renamed = labelEdit(named, nodule, { ...nodule, name: "lump", key: "q" });
    expect(renamed).toMatchObject({ kind: "batch", edits: [{ item: { name: "lump" } }, { item: { parent: "lump" } }, { item: { name: "lump", key: "q" } }] });
  });
});

describe("the list of labels", () => {
  const labels = [label("b", { parent: "a" }), label("a"), label("c", { parent: "b" }), label("lone", { parent: "gone" })];
  const names = (...args: Parameters<typeof branches>): string[] => branches(...args).map(({ label: one, depth }) => `${depth}${one.name}`);

  it("is a tree that folds and is searched", () => {
    expect(names(labels, new Set(), "")).toEqual(["0a", "1b", "2c", "0lone"]);
    expect(names(labels, new Set(["id-b"]), "")).toEqual(["0a", "1b", "0lone"]);
    expect(names(labels, new Set(["id-a"]), "C")).toEqual(["0a", "1b", "2c"]);
    expect(names(labels, new Set(), "zzz")).toEqual([]);
  });

  it("shows each of 300 labels once, below its parent", () => {
    const many = Array.from({ length: 300 }, (_, n) => label(`l${n}`, { parent: n > 20 ? `l${n % 20}` : "" }));
    const shown = names(many, new Set(), "");
    expect(shown).toHaveLength(300);
    expect(new Set(shown).size).toBe(300);
    expect(shown.filter((entry) => entry.startsWith("0"))).toHaveLength(21);
  });

  it("goes through the status of all segments of a label as one edit", () => {
    const masks = [mask("m", [[1, "liver"], [2, "lesion"]]), mask("n", [[1, "liver"]])];
    expect(statusOf(masks, "lesion")).toBe("");
    expect(statusOf(masks, "none")).toBeNull();
    expect(cycleStatus(masks, "none")).toBeNull();
    expect(cycleStatus(masks, "lesion")).toMatchObject({ kind: "put", item: { segments: [{ status: "" }, { status: "todo" }] } });
    expect(cycleStatus(masks, "liver")).toMatchObject({ kind: "batch", edits: [{ kind: "put" }, { kind: "put" }] });
    expect(nextStatus("flagged")).toBe("");
  });

  it("knows which segments have voxels", () => {
    const store = new MaskStore([3, 2, 2], "uint8");
    expect([drawnSlice(store, 1), countVoxels(store, 1)]).toEqual([null, 0]);
    store.expire([2], 1);
    expect(countVoxels(store, 1)).toBeNull();
    store.load(2, Uint8Array.from([0, 1, 1, 2]), 1);
    expect([drawnSlice(store, 1), countVoxels(store, 1), drawnSlice(store, 3)]).toEqual([2, 2, null]);
  });
});
