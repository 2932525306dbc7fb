/** The menu of the tools that make shapes, and of what can be done with the selected ones. */
import { command, type CommandTarget } from "../commands";
import { SHAPE_TOOLS, type ShapeToolName } from "../state/shapetools";
import { h, setAttribute } from "./dom";
import { icon, setIcon } from "./icons";
import { attachPopup } from "./menu";
import type { Scene } from "./scene";

const GROUPS: readonly (readonly [title: string, tools: readonly ShapeToolName[]])[] = [
  ["Measure", ["ruler", "bidirectional", "angle", "cobb", "probe", "curve"]],
  ["Outline", ["rectangle", "ellipse", "circle", "polygon", "freehand", "closed-spline", "livewire"]],
  ["Mark", ["keypoint", "landmarks", "arrow", "text", "open-freehand", "spline"]],
];
export const SHAPE_COMMANDS = [
  "shape.next", "shape.previous", "shape.duplicate", "shape.snap", "shape.between", "shape.fill", "shape.lock", "shape.hide",
  "annotation.remove",
] as const;

export const isShapeTool = (name: string): name is ShapeToolName => (SHAPE_TOOLS as readonly string[]).includes(name);

export class ShapeMenu {
  readonly button = h(
    "button", { type: "button", class: "nbannot-button", "aria-label": "Shapes", "data-nbannot-menu": "shapes", "aria-pressed": "false" },
    icon("ruler"),
  );
  #last: ShapeToolName = "ruler";

  constructor(private readonly scene: Scene, private readonly target: CommandTarget, root: HTMLElement, signal: AbortSignal) {
    attachPopup(this.button, root, (done) => this.#build(done), "dialog", signal);
  }

  /** Show the last tool that was used. */
  draw(): void {
    const { tool } = this.scene.view.value;
    const on = isShapeTool(tool);
    this.button.hidden = !SHAPE_TOOLS.some((name) => this.scene.keys.allows(`tool.${name}`));
    if (on) this.#last = tool;
    setIcon(this.button, this.#last);
    setAttribute(this.button, "aria-pressed", String(on));
    setAttribute(this.button, "title", on ? `Shapes: ${command(`tool.${tool}`).title}` : "Shapes");
  }

  #build(done: () => void): HTMLElement {
    const menu = h("div", { class: "nbannot-menu nbannot-shapes-menu", role: "group", "aria-label": "Shapes", "data-nbannot-shapes-menu": true });
    const head = (text: string): void => menu.append(h("div", { class: "nbannot-menu-head" }, text));
    const allowed = (ids: readonly string[]): string[] => ids.filter((id) => this.scene.keys.allows(id));
    const rows = (ids: readonly string[]): void => {
      menu.append(h("div", { class: "nbannot-shapes-grid" }, ...allowed(ids).map((id) => this.#entry(id, done))));
    };
    rows(["tool.select"]);
    for (const [title, tools] of GROUPS) {
      const ids = allowed(tools.map((name) => `tool.${name}`));
      if (ids.length > 0) head(title);
      rows(ids);
    }
    if (this.scene.selection.length > 0) {
      head(this.scene.selection.length > 1 ? `${this.scene.selection.length} selected` : "Selected");
      rows(SHAPE_COMMANDS);
    }
    menu.addEventListener("keydown", (event) => {
      if (event.key === "Escape") done();
      else if (!step(menu, event.key)) return;
      event.preventDefault();
      event.stopPropagation();
    });
    return menu;
  }

  #entry(id: string, done: () => void): HTMLElement {
    const { title } = command(id);
    const tool = id.startsWith("tool.") ? id.slice(5) : null;
    const active = tool !== null && tool === this.scene.view.value.tool;
    const button = h(
      "button", { type: "button", "data-nbannot-item": id, "aria-pressed": tool === null ? null : String(active), title: this.scene.keys.title(id) },
      ...(tool ? [icon(tool)] : []), h("span", {}, title), h("span", { class: "nbannot-hint" }, this.scene.keys.hint(id)),
    );
    button.addEventListener("click", () => {
      done();
      command(id).run(this.target);
    });
    return button;
  }
}

const COLUMNS = 2;

/** Arrow keys go through the grid. */
function step(menu: HTMLElement, key: string): boolean {
  const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: COLUMNS, ArrowUp: -COLUMNS }[key];
  if (by === undefined) return false;
  const all = [...menu.querySelectorAll("button")];
  const at = all.indexOf(document.activeElement as HTMLButtonElement);
  all[(at + by + all.length) % all.length]?.focus();
  return true;
}
