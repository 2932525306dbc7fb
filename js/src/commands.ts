/** Every command of the viewer with its keys, in one table: keyboard, toolbar and help read it through a `Keymap`. */
import type { ToolName } from "./state";

/** What commands act on; the viewer is one. */
export interface CommandTarget {
  tool(name: ToolName): void;
  brushSize(factor: number): void;
  /** Switch one of the rules of the segmentation tools. */
  rule(name: "sphere" | "adaptive" | "through"): void;
  /** Scroll the view under the pointer by slices. */
  scroll(slices: number): void;
  scrollTo(end: "first" | "last"): void;
  /** Show the frame (or the plane of a stack) `by` further. */
  frame(by: number): void;
  play(): void;
  /** Play faster (+1) or slower (-1). */
  speed(by: 1 | -1): void;
  /** Play to and fro, or start again at the end. */
  bounce(): void;
  zoom(factor: number): void;
  fit(): void;
  reset(): void;
  layout(name: string): void;
  maximize(): void;
  /** Open the menu of the active pane. */
  paneMenu(): void;
  thumbnails(): void;
  /** Show the other of two compared images. */
  otherImage(): void;
  /** Turn the picture of the active view a quarter clockwise. */
  quarter(): void;
  /** Exchange left and right of the active view. */
  flip(): void;
  /** One pixel of the image on one of the screen. */
  fullSize(): void;
  /** Let the planes follow the voxel grid, or turn them to the patient's axes. */
  planes(to: "grid" | "patient"): void;
  slab(): void;
  slabBy(factor: number): void;
  /** Choose the n-th window preset, counted from 0. */
  preset(n: number): void;
  interpolation(): void;
  overlay(): void;
  crosshair(): void;
  /** Exchange black and white of the shown image. */
  invert(): void;
  /** Choose the n-th label, counted from 0. */
  label(n: number): void;
  /** Choose the label `by` further down the list. */
  labelStep(by: number): void;
  undo(): void;
  redo(): void;
  /** Open or close the operations on segments, or the history. */
  dock(name: "operations" | "history"): void;
  /** Run a tool of the user's own. */
  ownTool(name: string): void;
  removeSelected(): void;
  /** Go to the next (+1) or previous (-1) annotation. */
  annotation(by: 1 | -1): void;
  shape(action: ShapeAction): void;
  /** Move the selected shapes by px right and down. */
  nudge(right: number, down: number): void;
  cancel(): void;
  panel(): void;
  /** List what is missing or wrong in the answers. */
  check(): void;
  /** Next status of the active label: to do, in work, done, flagged. */
  status(): void;
  /** The header of the file of the slice shown. */
  header(): void;
  imageInfo(): void;
  screenshot(): void;
  help(): void;
}

/** What can be done with a shape while it is drawn ("finish") or selected. */
export type ShapeAction = "finish" | "next" | "previous" | "duplicate" | "lock" | "hide" | "snap" | "between" | "fill";

export const GROUPS = ["Tools", "Shapes", "Look", "Move", "Labels", "General"] as const;

export interface Command {
  readonly id: string;
  readonly title: string;
  readonly group: (typeof GROUPS)[number];
  /** Keys in the form of `keyName`; the first is shown. */
  readonly keys: readonly string[];
  run(target: CommandTarget): void;
}

/** A new command is one row here and one method of `CommandTarget`; no keys is "". */
type Row = readonly [id: string, title: string, keys: string, run: (target: CommandTarget) => void];

const TOOL_ROWS: readonly Row[] = [
  ["tool.crosshair", "Crosshair", "c", (t) => t.tool("crosshair")],
  ["tool.window", "Window / level", "w", (t) => t.tool("window")],
  ["tool.pan", "Pan", "p", (t) => t.tool("pan")],
  ["tool.zoom", "Zoom", "z", (t) => t.tool("zoom")],
  ["tool.magnifier", "Magnifier", "g", (t) => t.tool("magnifier")],
  ["tool.brush", "Brush", "b", (t) => t.tool("brush")],
  ["tool.eraser", "Eraser", "e", (t) => t.tool("eraser")],
  ["tool.scissors", "Scissors", "s", (t) => t.tool("scissors")],
  ["tool.fill", "Fill", "y", (t) => t.tool("fill")],
  ["tool.box", "Box", "x", (t) => t.tool("box")],
  ["brush.smaller", "Smaller brush", "[", (t) => t.brushSize(1 / 1.2)],
  ["brush.larger", "Larger brush", "]", (t) => t.brushSize(1.2)],
  ["brush.sphere", "Brush: disc or ball", "shift+b", (t) => t.rule("sphere")],
  ["brush.adaptive", "Adaptive brush", "", (t) => t.rule("adaptive")],
  ["scissors.through", "Scissors: one slice or through the volume", "", (t) => t.rule("through")],
];

const SHAPE_TOOL_ROWS: readonly (readonly [name: ToolName, title: string, keys: string])[] = [
  ["select", "Select", "q"],
  ["ruler", "Ruler", "d"],
  ["bidirectional", "Bidirectional (RECIST)", "shift+d"],
  ["angle", "Angle", "shift+g"],
  ["cobb", "Cobb angle", ""],
  ["probe", "Probe", "shift+z"],
  ["rectangle", "Rectangle", ""],
  ["ellipse", "Ellipse", "shift+e"],
  ["circle", "Circle", "shift+q"],
  ["polygon", "Polygon", "shift+p"],
  ["freehand", "Freehand outline", "v"],
  ["closed-spline", "Closed spline", "shift+y"],
  ["livewire", "Livewire", "shift+l"],
  ["curve", "Polyline", "shift+u"],
  ["open-freehand", "Freehand line", "shift+v"],
  ["spline", "Spline", ""],
  ["keypoint", "Point", ""],
  ["landmarks", "Landmarks", ""],
  ["arrow", "Arrow with text", ""],
  ["text", "Text", "shift+x"],
];

const SHAPE_ROWS: readonly Row[] = [
  ...SHAPE_TOOL_ROWS.map(([name, title, keys]): Row => [`tool.${name}`, title, keys, (t) => t.tool(name)]),
  ["shape.finish", "Finish the drawing", "enter", (t) => t.shape("finish")],
  ["shape.next", "Copy to the next slice", "ctrl+arrowdown", (t) => t.shape("next")],
  ["shape.previous", "Copy to the previous slice", "ctrl+arrowup", (t) => t.shape("previous")],
  ["shape.duplicate", "Duplicate", "ctrl+d", (t) => t.shape("duplicate")],
  ["shape.snap", "Pull to this slice", "ctrl+enter", (t) => t.shape("snap")],
  ["shape.between", "Fill between slices", "", (t) => t.shape("between")],
  ["shape.fill", "Fill into mask", "", (t) => t.shape("fill")],
  ["shape.lock", "Lock or unlock", "shift+k", (t) => t.shape("lock")],
  ["shape.hide", "Hide (nothing selected: show all)", "shift+n", (t) => t.shape("hide")],
  ["shape.left", "Move left by 1 px", "shift+arrowleft", (t) => t.nudge(-1, 0)],
  ["shape.right", "Move right by 1 px", "shift+arrowright", (t) => t.nudge(1, 0)],
  ["shape.up", "Move up by 1 px", "shift+arrowup", (t) => t.nudge(0, -1)],
  ["shape.down", "Move down by 1 px", "shift+arrowdown", (t) => t.nudge(0, 1)],
  ["shape.left_10", "Move left by 10 px", "ctrl+shift+arrowleft", (t) => t.nudge(-10, 0)],
  ["shape.right_10", "Move right by 10 px", "ctrl+shift+arrowright", (t) => t.nudge(10, 0)],
  ["shape.up_10", "Move up by 10 px", "ctrl+shift+arrowup", (t) => t.nudge(0, -10)],
  ["shape.down_10", "Move down by 10 px", "ctrl+shift+arrowdown", (t) => t.nudge(0, 10)],
];

const LOOK_ROWS: readonly Row[] = [
  ["view.zoom_in", "Zoom in", "+ =", (t) => t.zoom(1.25)],
  ["view.zoom_out", "Zoom out", "- _", (t) => t.zoom(1 / 1.25)],
  ["view.fit", "Fit the view", "f", (t) => t.fit()],
  ["view.reset", "Reset views and window", "r", (t) => t.reset()],
  ["view.maximize", "Maximize or restore the view", "m", (t) => t.maximize()],
  ["view.menu", "Menu of the view", "shift+f10 contextmenu", (t) => t.paneMenu()],
  ["view.thumbnails", "Open or close the thumbnails", "shift+t", (t) => t.thumbnails()],
  ["compare.other", "Show the other of two compared images", "shift+o", (t) => t.otherImage()],
  ["layout.mpr", "Axial, coronal and sagittal", "shift+m", (t) => t.layout("mpr")],
  ["view.full_size", "Original size: pixel for pixel", "o", (t) => t.fullSize()],
  ["view.quarter", "Turn the picture clockwise", "shift+r", (t) => t.quarter()],
  ["view.flip", "Exchange left and right", "shift+f", (t) => t.flip()],
  ["planes.grid", "Planes along the voxels", "a", (t) => t.planes("grid")],
  ["planes.patient", "Planes along the patient", "shift+a", (t) => t.planes("patient")],
  ["slab.next", "Thick slices: MIP, MinIP, mean, none", "t", (t) => t.slab()],
  ["slab.thicker", "Thicker slab", "}", (t) => t.slabBy(1.25)],
  ["slab.thinner", "Thinner slab", "{", (t) => t.slabBy(1 / 1.25)],
  ["view.interpolation", "Smooth or raw pixels", "i", (t) => t.interpolation()],
  ["view.invert", "Exchange black and white", "n", (t) => t.invert()],
  ["view.crosshair", "Hide or show the crosshair", "k", (t) => t.crosshair()],
  ...Array.from({ length: 9 }, (_, n): Row => [
    `window.preset_${n + 1}`, `Window preset ${n + 1}`, `alt+${n + 1}`, (t) => t.preset(n),
  ]),
];

const MOVE_ROWS: readonly Row[] = [
  ["slice.next", "Next slice", "arrowdown arrowright", (t) => t.scroll(1)],
  ["slice.previous", "Previous slice", "arrowup arrowleft", (t) => t.scroll(-1)],
  ["slice.forward", "10 slices on", "pagedown", (t) => t.scroll(10)],
  ["slice.back", "10 slices back", "pageup", (t) => t.scroll(-10)],
  ["slice.first", "First slice", "home", (t) => t.scrollTo("first")],
  ["slice.last", "Last slice", "end", (t) => t.scrollTo("last")],
  ["frame.next", "Next frame", ".", (t) => t.frame(1)],
  ["frame.previous", "Previous frame", ",", (t) => t.frame(-1)],
  ["frame.play", "Play or pause", "space", (t) => t.play()],
  ["frame.slower", "Play slower", "<", (t) => t.speed(-1)],
  ["frame.faster", "Play faster", ">", (t) => t.speed(1)],
  ["frame.bounce", "Play to and fro", "shift+space", (t) => t.bounce()],
];

const LABEL_ROWS: readonly Row[] = [
  ...Array.from({ length: 9 }, (_, n): Row => [
    `label.choose_${n + 1}`, `Choose label ${n + 1}`, `${n + 1}`, (t) => t.label(n),
  ]),
  ["label.next", "Next label", "", (t) => t.labelStep(1)],
  ["label.previous", "Previous label", "", (t) => t.labelStep(-1)],
  ["label.status", "Next status of the label", "shift+w", (t) => t.status()],
  ["labels.check", "Check the answers", "shift+c", (t) => t.check()],
  ["labels.overlay", "Hide or show all labels", "h", (t) => t.overlay()],
  ["annotation.next", "Next annotation", "j", (t) => t.annotation(1)],
  ["annotation.previous", "Previous annotation", "shift+j", (t) => t.annotation(-1)],
  ["annotation.remove", "Delete what is chosen, or the last point of a drawing", "delete backspace", (t) => t.removeSelected()],
];

const GENERAL_ROWS: readonly Row[] = [
  ["edit.undo", "Undo", "ctrl+z", (t) => t.undo()],
  ["edit.redo", "Redo", "ctrl+shift+z ctrl+y", (t) => t.redo()],
  ["history.toggle", "History", "u", (t) => t.dock("history")],
  ["operations.toggle", "Operations on segments", "ctrl+o", (t) => t.dock("operations")],
  ["panel.toggle", "Open or close the side panel", "l", (t) => t.panel()],
  ["image.info", "About the image", "shift+i", (t) => t.imageInfo()],
  ["image.header", "Header of the file", "shift+h", (t) => t.header()],
  ["view.screenshot", "Picture of the view", "shift+s", (t) => t.screenshot()],
  ["gesture.cancel", "Cancel", "escape", (t) => t.cancel()],
  ["help.toggle", "Show the keys", "?", (t) => t.help()],
];

const group = (name: Command["group"], rows: readonly Row[]): Command[] =>
  rows.map(([id, title, keys, run]) => ({ id, title, group: name, keys: keys.split(" ").filter(Boolean), run }));

export const COMMANDS: readonly Command[] = [
  ...group("Tools", TOOL_ROWS),
  ...group("Shapes", SHAPE_ROWS),
  ...group("Look", LOOK_ROWS),
  ...group("Move", MOVE_ROWS),
  ...group("Labels", LABEL_ROWS),
  ...group("General", GENERAL_ROWS),
];

const byId = new Map(COMMANDS.map((one) => [one.id, one]));

export function command(id: string): Command {
  const found = byId.get(id);
  if (!found) throw new Error(`there is no command "${id}"`);
  return found;
}

/** The command that runs a tool of the user's own. */
export function toolCommand(tool: { readonly name: string; readonly title: string; readonly key: string }): Command {
  return { id: `own.${tool.name}`, title: tool.title, group: "Tools", keys: [tool.key], run: (target) => target.ownTool(tool.name) };
}

export interface KeyLike {
  readonly key: string;
  readonly code?: string;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly altKey: boolean;
  readonly shiftKey: boolean;
  getModifierState?(name: string): boolean;
}

/** Name of a key press: "ctrl+shift+z", "alt+1", "?", "space", "arrowup". Cmd counts as ctrl. */
export function keyName(event: KeyLike): string {
  // AltGr types characters such as [ on many keyboards and reports itself as ctrl+alt.
  const graph = event.getModifierState?.("AltGraph") ?? false;
  const ctrl = (event.ctrlKey || event.metaKey) && !graph;
  const alt = event.altKey && !graph;
  let key = event.key === " " ? "space" : event.key.toLowerCase();
  // With alt some systems type another character; the digit is in the code.
  const digit = /^Digit([0-9])$/.exec(event.code ?? "")?.[1];
  if (alt && digit) key = digit;
  const letter = /^[a-z]$/.test(key) || key.length > 1;
  const shift = event.shiftKey && letter;
  return `${ctrl ? "ctrl+" : ""}${alt ? "alt+" : ""}${shift ? "shift+" : ""}${key}`;
}

const NAMES: Readonly<Record<string, string>> = {
  contextmenu: "Menu", arrowup: "↑", arrowdown: "↓", arrowleft: "←", arrowright: "→", pageup: "Page Up",
  pagedown: "Page Down", home: "Home", end: "End", space: "Space", delete: "Del",
  backspace: "Backspace", enter: "Enter", insert: "Insert", escape: "Esc", ctrl: "Ctrl", alt: "Alt", shift: "Shift",
};

/** A key as people read it: "Ctrl+Shift+Z". */
export function keyTitle(key: string): string {
  if (key === "+") return key;
  if (key.endsWith("++")) return `${keyTitle(key.slice(0, -2))}++`;
  return key.split("+").map((part) => NAMES[part] ?? (/^([a-z]|f\d+)$/.test(part) ? part.toUpperCase() : part)).join("+");
}
