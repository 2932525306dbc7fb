// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { COMMANDS, type CommandTarget } from "../src/commands";
import { Keymap, type Own } from "../src/commands/keymap";
import { buildHelp } from "../src/ui/help";
import { listenKeys } from "../src/ui/keyboard";
import { attachMenu } from "../src/ui/menu";
import { configError, Messages } from "../src/ui/messages";

let abort: AbortController;
beforeEach(() => {
  abort = new AbortController();
  document.body.innerHTML = "";
});
afterEach(() => abort.abort());

describe("keys", () => {
  let calls: unknown[][];
  let seen: number;
  let root: HTMLElement;

  function open(own: (key: string) => boolean = () => false): void {
    calls = [];
    seen = 0;
    document.body.innerHTML =
      `<div id="root" data-nbannot-root tabindex="0"><input id="text"><input id="slider" type="range"><button id="tool" data-nbannot-command="x">t</button><button id="plain">p</button></div><textarea id="cell"></textarea>`;
    root = document.getElementById("root")!;
    const target = new Proxy({}, { get: (_, name) => (...args: unknown[]) => calls.push([name, ...args]) });
    listenKeys(root, new Keymap(), target as CommandTarget, { own }, abort.signal);
    document.addEventListener("keydown", () => seen++, { signal: abort.signal });
  }

  const press = (id: string, key: string, more: object = {}): KeyboardEvent => {
    const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, composed: true, ...more });
    document.getElementById(id)!.dispatchEvent(event);
    return event;
  };

  it("run their command and go no further", () => {
    open();
    const event = press("root", "b");
    expect(calls).toEqual([["tool", "brush"]]);
    expect(event.defaultPrevented).toBe(true);
    expect(seen).toBe(0);
    expect(press("root", "Enter", { shiftKey: true }).defaultPrevented).toBe(false);
    expect(seen).toBe(1);
  });

  it("are not taken from a text field or from a cell", () => {
    open();
    press("text", "b");
    press("cell", "b");
    expect(calls).toEqual([]);
    // A field keeps its keys to itself, a cell does not.
    expect(seen).toBe(1);
  });

  it("leave arrows to a slider and space to a button, but not letters", () => {
    open();
    for (const key of ["ArrowUp", "ArrowRight", "End", "PageDown"]) expect(press("slider", key).defaultPrevented).toBe(false);
    // JupyterLab has commands for some of them, and would keep the slider where it is.
    expect(seen).toBe(0);
    press("plain", " ");
    press("tool", " ");
    expect(calls).toEqual([]);
    press("slider", "w");
    press("tool", "ArrowUp");
    expect(calls).toEqual([["tool", "window"], ["scroll", -1]]);
  });

  it("of a label come before the digits, not before the commands", () => {
    const asked: string[] = [];
    open((key) => asked.push(key) > 0);
    press("root", "5");
    press("root", "#");
    press("root", "b");
    expect(asked).toEqual(["5", "#"]);
    expect(calls).toEqual([["tool", "brush"]]);
  });

  it("do nothing after the viewer is closed", () => {
    open();
    abort.abort();
    press("root", "b");
    expect(calls).toEqual([]);
  });
});

it("help names every command", () => {
  let closed = 0;
  const hooks = { close: () => closed++, change: () => undefined, say: () => undefined };
  const keys = new Keymap();
  const help = buildHelp(keys, hooks, abort.signal);
  for (const one of COMMANDS) {
    if (!/_\d$/.test(one.id)) expect(help.textContent).toContain(one.title);
  }
  expect(help.textContent).toContain("Alt+1 … 9");
  help.querySelector("button")!.click();
  expect(closed).toBe(1);
  expect(help.textContent).not.toContain("Your tools");
  keys.setTools([{ name: "grow", title: "Grow by 3 mm", key: "f8" }, { name: "plain", title: "Clean up", key: "" }, { name: "taken", title: "Taken key", key: "b" }]);
  const own = [...help.querySelectorAll("section")].find((one) => one.querySelector("h4")?.textContent === "Your tools")!;
  expect([...own.querySelectorAll(".nbannot-help-row")].map((one) => [...one.children].map((part) => part.textContent))).toEqual([
    ["F8", "Grow by 3 mm"], ["no key", "Clean up"], ["no key", "Taken key"],
  ]);
});

describe("the editor of keys", () => {
  let keys: Keymap;
  let said: string[];
  let help: HTMLElement;

  beforeEach(() => {
    keys = new Keymap();
    said = [];
    const hooks = {
      close: () => undefined,
      change: (own: Own) => keys.set([], own),
      say: (text: string) => void said.push(text),
    };
    help = buildHelp(keys, hooks, abort.signal);
    document.body.append(help);
  });

  const find = (selector: string): HTMLElement => help.querySelector<HTMLElement>(selector)!;
  const click = (id: string): void => find(`[data-nbannot-key="${id}"]`).click();
  const press = (key: string, more: object = {}): boolean => {
    const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more });
    document.body.dispatchEvent(event);
    return event.defaultPrevented;
  };

  it("takes a free key at once and gives the first one back", () => {
    click("tool.brush");
    expect(find(`[data-nbannot-key="tool.brush"]`).textContent).toBe("Press a key …");
    press("Shift");
    press("F8", { shiftKey: true });
    expect(keys.keys("tool.brush")).toEqual(["shift+f8"]);
    expect(find(`[data-nbannot-key="tool.brush"]`).textContent).toBe("Shift+F8");
    find(`[data-nbannot-key-reset="tool.brush"]`).click();
    expect(keys.keys("tool.brush")).toEqual(["b"]);
    expect(press("F8")).toBe(false);
  });

  it("asks before a key is taken from another command", () => {
    click("tool.brush");
    press("p");
    expect(find("[role=status]").textContent).toContain('P is "Pan".');
    expect(keys.keys("tool.brush")).toEqual(["b"]);
    find("[data-nbannot-key-use]").click();
    expect([keys.keys("tool.brush"), keys.keys("tool.pan")]).toEqual([["p"], []]);
    expect(keys.own).toEqual({ "tool.brush": ["p"], "tool.pan": [] });
    find(`[data-nbannot-keys="reset"]`).click();
    expect([keys.own, keys.keys("tool.pan")]).toEqual([{}, ["p"]]);
  });

  it("says why a key cannot be used, and stops with Escape", () => {
    click("tool.brush");
    press("w", { ctrlKey: true });
    expect(find("[role=status]").textContent).toBe("Ctrl+W cannot be used. The browser keeps it for itself.");
    press("Escape");
    expect(help.querySelector("[role=status]")).toBeNull();
    expect(keys.own).toEqual({});
  });

  it("keeps other commands from running while it waits", () => {
    const calls: unknown[] = [];
    const root = document.body.appendChild(document.createElement("div"));
    root.toggleAttribute("data-nbannot-root");
    root.append(help);
    const target = new Proxy({}, { get: (_, name) => () => calls.push(name) }) as CommandTarget;
    listenKeys(root, keys, target, { own: () => false }, abort.signal);
    click("tool.brush");
    find(`[data-nbannot-key="tool.brush"]`).dispatchEvent(new KeyboardEvent("keydown", { key: "F8", bubbles: true, composed: true }));
    expect([calls, keys.keys("tool.brush")]).toEqual([[], ["f8"]]);
  });

  it("shows the keys as YAML where there is no clipboard", async () => {
    keys.set([], { "tool.brush": ["f8"] });
    find(`[data-nbannot-keys="copy"]`).click();
    await new Promise((resolve) => setTimeout(resolve));
    const shown = help.querySelector("textarea")!.value || said.join("");
    expect(shown).toMatch(/tool\.brush: \["f8"\]|clipboard/);
  });
});

describe("messages", () => {
  it("name what was left out of the configuration", () => {
    const problem = {
      file: ".nbannot.yaml", up: 2, line: 4, key: "layouts.T", value: "x", message: "Unknown plane 'axail'", hint: "Did you mean 'axial'?",
    };
    const { problems } = new Keymap([{ action: "pann", keys: ["p"], file: null, line: null }]);
    expect(configError([], [])).toBeNull();
    expect(configError([problem], problems)).toEqual({
      kind: "ConfigError",
      message: "2 parts of the configuration left out",
      hint: ".nbannot.yaml, line 4, 2 folders up: layouts.T: Unknown plane 'axail'. Did you mean 'axial'?\n"
        + 'shortcuts.pann: Unknown action. Did you mean "pan"?',
    });
  });

  it("show an error once, aloud, until it is closed", () => {
    const messages = new Messages(abort.signal);
    const error = { kind: "StoreError", message: "The disk is full", hint: "Free some space." };
    messages.error(error);
    messages.error(error);
    const banners = messages.errors.querySelectorAll("[role=alert]");
    expect(banners).toHaveLength(1);
    expect(banners[0]!.textContent).toContain("Free some space.");
    banners[0]!.querySelector("button")!.click();
    expect(messages.errors.children).toHaveLength(0);
  });

  it("run the action of a toast and show the connection and the progress", () => {
    const messages = new Messages(abort.signal);
    let ran = 0;
    messages.toast("Add a label first.", { title: "Add", run: () => ran++ });
    messages.toastBox.querySelector("button")!.click();
    expect([ran, messages.toastBox.hidden]).toEqual([1, true]);
    messages.connection("busy", "The kernel is busy.");
    expect(messages.strip.hidden).toBe(false);
    messages.connection("ready", "");
    expect(messages.strip.hidden).toBe(true);
    messages.progress({ have: 1, total: 4 });
    expect([messages.bar.hidden, (messages.bar.firstElementChild as HTMLElement).style.width]).toEqual([false, "25%"]);
    messages.progress({ have: 4, total: 4 });
    expect(messages.bar.hidden).toBe(true);
  });
});

it("a menu opens, runs its item and closes", () => {
  const button = document.createElement("button");
  document.body.append(button);
  let ran = "";
  attachMenu(button, document.body, () => [{ id: "a", title: "A", run: () => (ran = "a") }], abort.signal);
  button.click();
  expect(button.getAttribute("aria-expanded")).toBe("true");
  document.querySelector<HTMLButtonElement>("[data-nbannot-item=a]")!.click();
  expect([ran, document.querySelector("[role=menu]")]).toEqual(["a", null]);
  button.click();
  document.body.dispatchEvent(new Event("pointerdown", { bubbles: true }));
  expect(button.getAttribute("aria-expanded")).toBe("false");
});
