import { describe, expect, it } from "vitest";
import { keyOf } from "../src/board/keys";

const none = { altKey: false, ctrlKey: false, metaKey: false, shiftKey: false };

describe("keys of the work list", () => {
  it("knows its own", () => {
    expect(keyOf({ ...none, code: "KeyN", altKey: true })).toBe("next");
    expect(keyOf({ ...none, code: "KeyU", altKey: true })).toBe("next_undone");
    expect(keyOf({ ...none, code: "Enter", ctrlKey: true, shiftKey: true })).toBe("done");
    expect(keyOf({ ...none, code: "NumpadEnter", metaKey: true, shiftKey: true })).toBe("done");
  });
  it("leaves all others alone", () => {
    expect(keyOf({ ...none, code: "KeyN" })).toBeUndefined();
    expect(keyOf({ ...none, code: "KeyN", altKey: true, ctrlKey: true })).toBeUndefined();
    expect(keyOf({ ...none, code: "Enter", ctrlKey: true })).toBeUndefined();
    expect(keyOf({ ...none, code: "KeyZ", altKey: true })).toBeUndefined();
  });
});
