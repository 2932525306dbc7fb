import { describe, expect, it } from "vitest";
import { command, COMMANDS, keyName, keyTitle, type CommandTarget } from "../src/commands";
import { Keymap } from "../src/commands/keymap";

const keymap = new Keymap();
const commandFor = (event: Parameters<typeof keyName>[0]) => keymap.commandFor(event);

const press = (key: string, more: object = {}): Parameters<typeof keyName>[0] => ({
  key, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...more,
});

/** A target that writes down what it was told. */
function recorder(): { target: CommandTarget; calls: unknown[][] } {
  const calls: unknown[][] = [];
  const target = new Proxy({}, {
    get: (_, name) => (...args: unknown[]) => calls.push([name, ...args]),
  }) as CommandTarget;
  return { target, calls };
}

describe("the table of commands", () => {
  it("has every id and every key once", () => {
    const ids = COMMANDS.map((one) => one.id);
    const keys = COMMANDS.flatMap((one) => one.keys);
    expect(new Set(ids).size).toBe(ids.length);
    expect(new Set(keys).size).toBe(keys.length);
  });

  it("has a title and a working action for each", () => {
    for (const one of COMMANDS) {
      const { target, calls } = recorder();
      one.run(target);
      expect(calls, one.id).toHaveLength(1);
      expect(one.title).not.toBe("");
    }
  });

  it.each([
    ["c", "tool.crosshair"], ["w", "tool.window"], ["p", "tool.pan"], ["z", "tool.zoom"], ["b", "tool.brush"],
    ["e", "tool.eraser"], ["x", "tool.box"], ["[", "brush.smaller"], ["]", "brush.larger"], ["r", "view.reset"],
    ["h", "labels.overlay"], ["i", "view.interpolation"], ["f", "view.fit"], [" ", "frame.play"], [",", "frame.previous"],
    [".", "frame.next"], ["Delete", "annotation.remove"], ["Escape", "gesture.cancel"], ["PageDown", "slice.forward"],
    ["Home", "slice.first"], ["3", "label.choose_3"],
  ])("finds the command of %s", (key, id) => {
    expect(commandFor(press(key))?.id).toBe(id);
  });
});

describe("keyName", () => {
  it("tells modifiers apart", () => {
    expect(commandFor(press("z", { ctrlKey: true }))?.id).toBe("edit.undo");
    expect(commandFor(press("Z", { ctrlKey: true, shiftKey: true }))?.id).toBe("edit.redo");
    expect(commandFor(press("y", { ctrlKey: true }))?.id).toBe("edit.redo");
    expect(commandFor(press("z", { metaKey: true }))?.id).toBe("edit.undo");
    expect(commandFor(press("c", { ctrlKey: true }))).toBeUndefined();
    expect(commandFor(press("Enter", { shiftKey: true }))).toBeUndefined();
  });

  it("ignores shift where it only makes the character", () => {
    expect(commandFor(press("?", { shiftKey: true }))?.id).toBe("help.toggle");
    expect(commandFor(press("+", { shiftKey: true }))?.id).toBe("view.zoom_in");
  });

  it("reads a bracket typed with AltGr, and a digit under Option", () => {
    const graph = { ctrlKey: true, altKey: true, getModifierState: (name: string) => name === "AltGraph" };
    expect(commandFor(press("[", graph))?.id).toBe("brush.smaller");
    expect(commandFor(press("¡", { altKey: true, code: "Digit1" }))?.id).toBe("window.preset_1");
  });

  it("is shown as people read it", () => {
    expect(keyTitle("ctrl+shift+z")).toBe("Ctrl+Shift+Z");
    expect(keyTitle("+")).toBe("+");
    expect(keyTitle("ctrl++")).toBe("Ctrl++");
    expect(keymap.title("tool.brush")).toBe("Brush (B)");
    expect(() => command("tool.saw")).toThrow("tool.saw");
  });
});
