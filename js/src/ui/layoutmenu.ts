/** The menu of layouts: each with a small picture, and a grid to choose how many images stand side by side. */
import { arrange, computeCells, PRESETS, shows } from "../layout";
import type { LayoutTree } from "../state/parts";
import { hasPlanes } from "../tools/frame";
import { h, s, setText } from "./dom";
import { PLANE_COLORS } from "./overlay";
import type { Scene } from "./scene";

const WIDTH = 1040;
const HEIGHT = 700;
const MOST = 3;

/** A layout as a small picture: its panes in the colours of their planes. */
export function layoutPicture(layout: string | LayoutTree, named: Scene["named"] = {}): SVGSVGElement {
  const arrangement = arrange(layout, true, [], named);
  const planes = new Map(arrangement.panes.map(({ id, plane }) => [id, plane]));
  const cells = computeCells(arrangement, null, WIDTH, HEIGHT).filter(({ pane }) => pane !== "info");
  const inset = 18;
  return s(
    "svg", { class: "nbannot-layout-picture", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" },
    ...cells.map((cell) => s("rect", {
      x: cell.x + inset, y: cell.y + inset, width: cell.width - 2 * inset, height: cell.height - 2 * inset,
      rx: 30, fill: PLANE_COLORS[planes.get(cell.pane) ?? "axial"],
    })),
  );
}

interface Entry {
  readonly name: string;
  readonly title: string;
}

/** The layouts that make sense for what is shown. */
export function layoutEntries(scene: Scene): { readonly presets: readonly Entry[]; readonly own: readonly Entry[] } {
  const usable = (name: string, tree: LayoutTree | "mpr"): boolean =>
    !Object.hasOwn(scene.named, name) && !scene.disabled.some((kind) => shows(tree, kind));
  const presets = hasPlanes(scene.geometryOf(scene.main))
    ? Object.entries(PRESETS).filter(([name, { tree }]) => usable(name, tree)).map(([name, { title }]) => ({ name, title }))
    : [{ name: "single", title: "One image" }];
  return { presets, own: Object.keys(scene.named).map((name) => ({ name, title: name })) };
}

/** Build the menu; `choose` takes the name of a layout, `done` closes the menu. */
export function layoutPopup(scene: Scene, choose: (layout: string) => void, done: () => void): HTMLElement {
  const pick = (name: string): void => {
    done();
    choose(name);
  };
  const { presets, own } = layoutEntries(scene);
  const popup = h("div", { class: "nbannot-menu nbannot-layouts", role: "dialog", "aria-label": "Layout" });
  const group = (title: string, entries: readonly Entry[]): void => {
    if (entries.length === 0) return;
    popup.append(
      h("div", { class: "nbannot-menu-head" }, title),
      h("div", { class: "nbannot-layout-list", role: "group", "aria-label": title }, ...entries.map((one) => entryButton(scene, one, pick))),
    );
  };
  group("Layouts", presets);
  group("Of the configuration", own);
  if (scene.images.length > 1) {
    const compare = [{ name: "longitudinal", title: "Prior beside current" }];
    group("Side by side", hasPlanes(scene.geometryOf(scene.main)) ? compare : []);
    popup.append(gridPicker(scene, pick));
  }
  listenPopup(popup, done);
  return popup;
}

function entryButton(scene: Scene, { name, title }: Entry, pick: (name: string) => void): HTMLElement {
  const pressed = String(scene.layout === name);
  const button = h(
    "button", { type: "button", "data-nbannot-item": name, "aria-pressed": pressed, title },
    layoutPicture(name, scene.named), h("span", {}, title),
  );
  button.addEventListener("click", () => pick(name));
  return button;
}

/** Cells up to 3 × 3: pointing at one marks the grid that it ends. */
function gridPicker(scene: Scene, pick: (name: string) => void): HTMLElement {
  const caption = h("span", { class: "nbannot-grid-caption", "aria-hidden": "true" });
  const cells: HTMLButtonElement[] = [];
  const grid = h("div", { class: "nbannot-grid", role: "group", "aria-label": "Images side by side" });
  const mark = (rows: number, columns: number): void => {
    cells.forEach((cell, n) =>
      cell.toggleAttribute("data-marked", Math.floor(n / MOST) < rows && n % MOST < columns));
    setText(caption, rows > 0 ? `${rows} × ${columns}` : "Rows × columns");
  };
  const now = /^compare-([1-3])x([1-3])$/.exec(scene.layout);
  const rest = (): void => mark(Number(now?.[1] ?? 0), Number(now?.[2] ?? 0));
  for (let row = 1; row <= MOST; row++) for (let column = 1; column <= MOST; column++) {
    const name = row === 1 && column === 1 ? (hasPlanes(scene.geometryOf(scene.main)) ? "axial" : "single") : `compare-${row}x${column}`;
    const title = `${row} × ${column}`;
    const cell = h("button", { type: "button", "data-nbannot-grid": `${row}x${column}`, "aria-label": `Compare ${title}`, title });
    cell.addEventListener("click", () => pick(name));
    for (const type of ["pointerenter", "focus"] as const) cell.addEventListener(type, () => mark(row, column));
    cells.push(cell);
  }
  grid.append(...cells);
  grid.addEventListener("pointerleave", rest);
  grid.addEventListener("keydown", (event) => {
    const at = cells.indexOf(document.activeElement as HTMLButtonElement);
    const to = gridStep(at, event.key);
    if (at < 0 || to === null) return;
    cells[to]!.focus();
    event.preventDefault();
    event.stopPropagation();
  });
  rest();
  return h("div", { class: "nbannot-grid-box" }, grid, caption);
}

/** The cell that an arrow key leads to; null where it leaves the grid or is no arrow. */
export function gridStep(at: number, key: string): number | null {
  const row = Math.floor(at / MOST) + (key === "ArrowDown" ? 1 : key === "ArrowUp" ? -1 : 0);
  const column = (at % MOST) + (key === "ArrowRight" ? 1 : key === "ArrowLeft" ? -1 : 0);
  const to = row * MOST + column;
  return row < 0 || column < 0 || row >= MOST || column >= MOST || to === at ? null : to;
}

/** Arrows go through the controls of a popup, Escape closes it, Tab stays in it. */
export function listenPopup(popup: HTMLElement, done: () => void): void {
  popup.addEventListener("keydown", (event) => {
    const all = [...popup.querySelectorAll<HTMLElement>("button:not(:disabled), select")].filter((one) => one.offsetParent !== null);
    const at = all.indexOf(document.activeElement as HTMLElement);
    const tab = event.key === "Tab" ? (event.shiftKey ? -1 : 1) : 0;
    const arrow = document.activeElement instanceof HTMLSelectElement ? 0
      : /^Arrow(Down|Right)$/.test(event.key) ? 1 : /^Arrow(Up|Left)$/.test(event.key) ? -1 : 0;
    if (event.key === "Escape") done();
    else if (tab || arrow) all[(at + (tab || arrow) + all.length) % all.length]?.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
}
