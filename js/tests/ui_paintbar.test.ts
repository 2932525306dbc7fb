// @vitest-environment happy-dom
import { expect, it } from "vitest";
import { Keymap } from "../src/commands/keymap";
import { TOOLS, type ToolName } from "../src/state";
import { ViewStore } from "../src/state/store";
import { PaintBar } from "../src/ui/paintbar";
import type { Scene } from "../src/ui/scene";
import { TIPS } from "../src/ui/tips";
import { image, label, plain } from "./tools_help";

it("has a row for every tool: its options, or how it is used", () => {
  const view = new ViewStore({}, () => undefined);
  const scene = {
    ready: true, view, keys: new Keymap(), labels: [label("lesion")], pane: { geometry: plain, image: image(plain) },
    window: () => ({ center: 40, width: 400 }),
  } as unknown as Scene;
  const bar = new PaintBar(scene, new AbortController().signal);
  const shown = (): HTMLElement[] => ([...bar.element.children] as HTMLElement[]).filter((part) => !part.hidden);
  expect(shown()).toEqual([]);
  for (const tool of TOOLS as readonly ToolName[]) {
    view.set({ tool });
    bar.draw(null);
    expect(bar.element.hidden).toBe(false);
    const tip = bar.element.querySelector<HTMLElement>("[data-nbannot-tip]")!;
    const options = ["brush", "eraser", "scissors", "fill"].includes(tool);
    expect(bar.element.dataset["nbannotPaintbar"]).toBe(options ? "options" : "tip");
    expect(tip.hidden).toBe(options);
    if (options) expect(shown().length).toBeGreaterThan(2);
    else expect(tip.textContent).toContain(`: ${TIPS[tool]!}`);
    expect(TIPS[tool] === undefined, tool).toBe(options);
  }
  // While a key is held the options of the tool that comes back stay.
  view.set({ tool: "pan" });
  bar.draw("brush");
  expect(bar.element.dataset["nbannotPaintbar"]).toBe("options");
});
