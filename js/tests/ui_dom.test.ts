// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { COMMANDS, type CommandTarget } from "../src/commands";
import { buildHelp } from "../src/ui/help";
import { listenKeys } from "../src/ui/keyboard";
import { attachMenu } from "../src/ui/menu";
import { Messages } from "../src/ui/messages";

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
    listenKeys(root, target as CommandTarget, own, abort.signal);
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
    expect(seen).toBe(2);
  });

  it("leave arrows to a slider and space to a button, but not letters", () => {
    open();
    press("slider", "ArrowUp");
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
    press("root", "q");
    press("root", "b");
    expect(asked).toEqual(["5", "q"]);
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
  const help = buildHelp(() => closed++);
  for (const one of COMMANDS) {
    if (!/_\d$/.test(one.id)) expect(help.textContent).toContain(one.title);
  }
  expect(help.textContent).toContain("Alt+1 … 9");
  help.querySelector("button")!.click();
  expect(closed).toBe(1);
});

describe("messages", () => {
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
