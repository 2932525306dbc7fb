// @vitest-environment happy-dom
import { describe, expect, it } from "vitest";
import type { AttributeJson, Attributes } from "../src/model/protocol";
import { AttributeForm } from "../src/ui/forms/attributes";

const attributes: readonly AttributeJson[] = [
  { name: "texture", type: "choice", options: ["solid", "part-solid"], range: null, unit: "", required: true, default: null, when: {} },
  { name: "note", type: "text", options: [], range: null, unit: "", required: false, default: null, when: {} },
];

describe("a form of answers", () => {
  it("still asks when the labels came anew", () => {
    const form = new AttributeForm();
    const question = { owner: "b", attributes, answers: {}, change: () => undefined };
    form.draw(question);
    form.draw({ ...question, attributes: structuredClone(attributes) });
    const rows = [...form.element.querySelectorAll<HTMLElement>("[data-nbannot-field]")];
    expect(rows.map((row) => [row.dataset["nbannotField"], row.hidden])).toEqual([["texture", false], ["note", false]]);
  });

  it("keeps answers given before it was drawn again", () => {
    const form = new AttributeForm();
    document.body.append(form.element);
    let held: Attributes = {};
    form.draw({ owner: "b", attributes, answers: held, now: () => held, change: (answers) => (held = answers) });
    form.element.querySelector<HTMLInputElement>('[data-nbannot-option="solid"]')!.click();
    const note = form.element.querySelector<HTMLInputElement>('[data-nbannot-field="note"] input')!;
    note.value = "near the hilum";
    note.dispatchEvent(new Event("blur"));
    expect(held).toEqual({ texture: "solid", note: "near the hilum" });
  });
});
