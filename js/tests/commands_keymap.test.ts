import { describe, expect, it } from "vitest";
import { COMMANDS } from "../src/commands";
import { ACTIONS, Keymap, nearest, readKey, type Shortcut } from "../src/commands/keymap";

const wish = (action: string, ...keys: string[]): Shortcut => ({ action, keys, file: ".nbannot.yaml", line: 3 });
const said = (keys: Keymap): string[] => keys.problems.map(({ message, hint }) => `${message}. ${hint}`.trim());

describe("keys as people write them", () => {
  it.each([
    ["Ctrl+p", "ctrl+p"], ["shift-c", "shift+c"], ["ctrl_x", "ctrl+x"], ["ctrl+.", "ctrl+."], ["Shift+Ctrl+Z", "ctrl+shift+z"],
    ["+", "+"], ["-", "-"], ["_", "_"], ["ctrl++", "ctrl++"], ["ctrl--", "ctrl+-"], ["Esc", "escape"], ["del", "delete"],
    ["cmd+z", "ctrl+z"], ["option-1", "alt+1"], ["Space", "space"], [" ", "space"], ["ArrowDown", "arrowdown"], ["up", "arrowup"],
    ["PageUp", "pageup"], ["?", "?"], ["F2", "f2"], ["ctrl+plus", "ctrl++"], ["ä", "ä"], ["3", "3"], ["alt+shift+a", "alt+shift+a"],
    ["ctrl+ctrl+a", "ctrl+a"],
  ])("%s is %s", (text, key) => {
    expect(readKey(text)).toEqual({ key });
  });

  it.each([
    ["", "empty"], ["Shift", "modifier"], ["ctrl+shift", "modifier"], ["tab", "focus"], ["hyper+x", "no such key"], ["ab", "no such key"],
    ["shift+/", "character"], ["shift+1", "character"], ["ctrl+w", "browser"], ["f5", "browser"], ["f99", "no such key"],
  ])("%s cannot be used", (text, why) => {
    expect((readKey(text) as { why: string }).why).toContain(why);
  });

  it("are read again as they are", () => {
    for (const { keys } of COMMANDS) for (const key of keys) expect(readKey(key)).toEqual({ key });
  });
});

it("finds the nearest word", () => {
  expect(nearest("windowLevl", Object.keys(ACTIONS))).toBe("windowLevel");
  expect(nearest("tool.brsh", COMMANDS.map(({ id }) => id))).toBe("tool.brush");
  expect(nearest("qqqqqq", Object.keys(ACTIONS))).toBeNull();
});

it("every action of VolView leads to a command or to none", () => {
  const ids = COMMANDS.map(({ id }) => id);
  for (const id of Object.values(ACTIONS)) if (id !== null) expect(ids).toContain(id);
});

describe("a keymap", () => {
  it("begins with the keys of the table", () => {
    const keys = new Keymap();
    for (const one of COMMANDS) expect(keys.keys(one.id)).toEqual(one.keys);
    expect(keys.problems).toEqual([]);
    expect(keys.title("tool.brush")).toBe("Brush (B)");
    expect(keys.title("label.next")).toBe("Next label");
    expect(keys.yaml()).toBe("shortcuts: {}\n");
  });

  it("takes the keys of a configuration by VolView's names and its own", () => {
    const keys = new Keymap([wish("paint", "Ctrl+F8", "f8"), wish("tool.box", "shift-f9"), wish("incrementLabel", "f9")]);
    expect([keys.keys("tool.brush"), keys.keys("tool.box"), keys.keys("label.next")]).toEqual([["ctrl+f8", "f8"], ["shift+f9"], ["f9"]]);
    expect(keys.owner("b")).toBeUndefined();
    expect(keys.owner("ctrl+f8")?.id).toBe("tool.brush");
    expect(keys.problems).toEqual([]);
    expect(new Keymap([wish("paint")]).keys("tool.brush")).toEqual([]);
    const shapes = new Keymap([wish("ruler", "f7"), wish("polygon", "Ctrl+p"), wish("select", "f8")]);
    expect(["f7", "ctrl+p", "f8"].map((key) => shapes.owner(key)?.id)).toEqual(["tool.ruler", "tool.polygon", "tool.select"]);
  });

  it("gives a wanted key and notes who lost it", () => {
    const keys = new Keymap([wish("paint", "p")]);
    expect([keys.owner("p")?.id, keys.keys("tool.pan")]).toEqual(["tool.brush", []]);
    expect(said(keys)).toEqual(['P is now "Brush", no longer "Pan".']);
    expect(keys.problems[0]).toMatchObject({ note: true, key: "shortcuts.paint", line: 3 });
    expect(new Keymap([wish("paint", "p"), wish("pan", "b")]).problems).toEqual([]);
  });

  it("tells both where two ask for one key; the later has it", () => {
    const keys = new Keymap([wish("paint", "k", "f7"), wish("rectangle", "f7")]);
    expect([keys.keys("tool.brush"), keys.keys("tool.box")]).toEqual([["k"], ["f7"]]);
    expect(said(keys)).toEqual([
      'K is now "Brush", no longer "Hide or show the crosshair".',
      'F7 is now "Box", no longer "Brush". "paint" and "rectangle" both ask for it: give one another key.',
    ]);
    expect(keys.problems.map(({ note }) => note)).toEqual([true, false]);
  });

  it("tells unknown actions, keys that cannot be used, and commands named twice", () => {
    const keys = new Keymap([
      wish("pann", "p"), wish("grabSlice", "Alt+p"), wish("crop"), wish("zoom", "tab"), wish("pan", "f6"), wish("tool.pan", "f10"),
      wish("toString", "a"),
    ]);
    expect(said(keys)).toEqual([
      'Unknown action. Did you mean "pan"?',
      "The viewer has no such command.",
      'The key "tab" cannot be used. Tab moves the focus.',
      '"pan" is the same command. The later one counts.',
      "Unknown action. The help of the viewer lists the actions.",
    ]);
    expect([keys.keys("tool.zoom"), keys.keys("tool.pan")]).toEqual([["z"], ["f10"]]);
  });

  it("puts what was chosen in the viewer over the configuration, and each viewer has its own", () => {
    const config = [wish("paint", "f8")];
    const one = new Keymap(config, { "tool.brush": ["f9"], "no.such": ["x"] });
    expect([one.keys("tool.brush"), new Keymap(config).keys("tool.brush")]).toEqual([["f9"], ["f8"]]);
    expect(one.owner("x")?.id).toBe("tool.box");
    let heard = 0;
    one.on(() => heard++);
    one.set(config, one.reset("tool.brush"));
    expect([one.keys("tool.brush"), heard]).toEqual([["f8"], 1]);
  });

  it("makes a part of a configuration that gives the same keys", () => {
    const keys = new Keymap([], { "tool.brush": ["p", "ctrl+f9"], "tool.pan": [], "view.zoom_in": ["ctrl++"] });
    expect(keys.yaml()).toBe('shortcuts:\n  tool.pan: []\n  tool.brush: ["p", "ctrl+f9"]\n  view.zoom_in: ["ctrl++"]\n');
    const again = new Keymap([wish("tool.pan"), wish("tool.brush", "p", "ctrl+f9"), wish("view.zoom_in", "ctrl++")]);
    for (const { id } of COMMANDS) expect(again.keys(id)).toEqual(keys.keys(id));
  });
});
