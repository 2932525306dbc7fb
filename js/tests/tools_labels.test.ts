import { describe, expect, it } from "vitest";
import type { TagItem } from "../src/model/protocol";
import { addLabel, freeName, labelUse, nameProblem, newLabel, PALETTE, putLabel, removeLabel, renameLabel, type Named } from "../src/tools/labels";
import { boxItem, label, mask } from "./tools_help";

const tag: TagItem = { type: "tag", id: "t", label: "liver", value: 1, scope: "case", image: "", index: null, lesion: "", attributes: {} };
const named: Named = {
  labels: [label("liver"), label("lesion")],
  masks: [mask("liver", [[1, "liver"]]), mask("both", [[1, "liver"], [2, "lesion"]])],
  boxes: [boxItem([[0, 0, 0], [1, 1, 1]]), boxItem([[0, 0, 0], [1, 1, 1]], { id: "b2", label: "lesion" })],
  shapes: [],
  tags: [tag],
};

describe("labels", () => {
  it("are added with their mask on the image, as one step", () => {
    const { edit, id } = addLabel(named, "img", "vessel");
    expect(edit).toMatchObject({
      kind: "batch",
      edits: [
        { kind: "put", item: { type: "label", id, name: "vessel" } },
        { kind: "put", item: { type: "mask", name: "vessel", image: "img", segments: [{ value: 1, label: "vessel" }] } },
      ],
    });
  });

  it("get free names and colours", () => {
    expect(freeName([label("label 1"), label("label 3")])).toBe("label 2");
    const first = newLabel([], "a");
    expect(first.color).toBe(PALETTE[0]);
    expect(newLabel([first], "b").color).toBe(PALETTE[1]);
    expect(new Set(PALETTE).size).toBe(PALETTE.length);
  });

  it("are renamed everywhere, as one step that says what was", () => {
    const edit = renameLabel(named, named.labels[0]!, "hepar");
    if (edit.kind !== "batch") throw new Error("not a batch");
    const items = edit.edits.map((one) => (one.kind === "put" ? [one.item, one.old] : []));
    expect(items).toEqual([
      [{ ...named.labels[0]!, name: "hepar" }, named.labels[0]],
      [{ ...named.masks[0]!, name: "hepar", segments: [{ value: 1, label: "hepar", status: "" }] }, named.masks[0]],
      [{ ...named.masks[1]!, segments: [{ value: 1, label: "hepar", status: "" }, { value: 2, label: "lesion", status: "" }] }, named.masks[1]],
      [{ ...named.boxes[0]!, label: "hepar" }, named.boxes[0]],
      [{ ...tag, label: "hepar" }, tag],
    ]);
  });

  it("refuse empty names and names that are taken", () => {
    expect(nameProblem(named, named.labels[0]!, " ")).toContain("name");
    expect(nameProblem(named, named.labels[0]!, "lesion")).toContain("already");
    expect(nameProblem(named, named.labels[0]!, "liver")).toBeNull();
  });

  it("know their use and are removed with it", () => {
    expect(labelUse(named, "liver")).toMatchObject({ masks: 2, boxes: 1, tags: 1, shared: [named.masks[1]] });
    const edit = removeLabel({ ...named, masks: [named.masks[0]!] }, named.labels[0]!);
    if (edit.kind !== "batch") throw new Error("not a batch");
    expect(edit.edits.map((one) => (one.kind === "remove" ? one.item.type : one.kind))).toEqual(["mask", "box", "tag", "label"]);
    expect(putLabel(named.labels[0]!, { locked: true })).toMatchObject({ item: { locked: true }, old: { locked: false } });
  });
});
