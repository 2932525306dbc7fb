/** What the commands of keyboard, toolbar and help do. */
import type { CommandTarget, ShapeAction } from "../commands";
import { BRUSH_MAX, BRUSH_MIN } from "../state";
import { stepAnnotation } from "./annotations";
import { flip as flipCompared } from "./compare";
import type { Turn } from "../state/parts";
import { cinePane } from "./frames";
import type { Pane } from "./pane";
import { nextSpeed, speedOf } from "./player";
import type { Scene } from "./scene";
import { doWithShapes, nudge, removeSelected } from "./shapeactions";
import { isShapeTool } from "./shapemenu";
import { nextSlab, thicken } from "./slab";

/** What commands need of the page. */
export interface ActionHooks {
  /** Give up the gesture in progress; false when there is none. */
  cancelGesture(): boolean;
  /** Close what lies over the viewer; false when nothing does. */
  closeDialog(): boolean;
  needsLabel(): void;
  play(): void;
  panel(): void;
  /** List what is missing in the answers. */
  check(): void;
  /** Give the active label's segment the next status. */
  status(): void;
  header(): void;
  imageInfo(): void;
  screenshot(): void;
  help(): void;
  paneMenu(): void;
  thumbnails(): void;
  dock(name: "operations" | "history"): void;
  ownTool(name: string): void;
}

export class Actions implements CommandTarget {
  constructor(private readonly scene: Scene, private readonly hooks: ActionHooks) {}

  tool(name: Parameters<CommandTarget["tool"]>[0]): void {
    this.hooks.cancelGesture();
    this.scene.dropDrawing();
    this.scene.view.set({ tool: name });
    const makes = ["brush", "scissors", "fill", "box"].includes(name) || (isShapeTool(name) && name !== "select");
    if (makes && this.scene.ready && !this.scene.label) this.hooks.needsLabel();
  }

  brushSize(factor: number): void {
    const size = Math.min(BRUSH_MAX, Math.max(BRUSH_MIN, this.scene.view.value.size_mm * factor));
    this.scene.view.set({ size_mm: Number(size.toPrecision(3)) });
  }

  rule(name: Parameters<CommandTarget["rule"]>[0]): void {
    const { rules } = this.scene.view.value;
    this.scene.view.set({ rules: { ...rules, [name]: !rules[name] } });
  }

  scroll(slices: number): void {
    if (this.scene.ready) this.scene.pane.scroll(slices);
  }

  scrollTo(end: "first" | "last"): void {
    if (this.scene.ready) this.scene.pane.scrollTo(end === "first" ? 0 : Number.MAX_SAFE_INTEGER);
  }

  frame(by: number): void {
    cinePane(this.scene)?.cineStep(by);
  }

  play(): void {
    if (this.scene.ready) this.hooks.play();
  }

  speed(by: 1 | -1): void {
    const pane = cinePane(this.scene);
    if (pane) this.scene.view.set({ fps: nextSpeed(speedOf(pane), by) });
  }

  bounce(): void {
    this.scene.view.set({ bounce: !this.scene.view.value.bounce });
  }

  zoom(factor: number): void {
    if (this.scene.ready) this.scene.pane.zoom(factor);
  }

  fit(): void {
    if (this.scene.ready) this.scene.pane.fit();
  }

  reset(): void {
    if (!this.scene.ready) return;
    this.scene.resetWindow();
    this.scene.view.set({ zoom: {}, pan: {}, cursor: null, cursors: {}, rotation: null, turns: {} });
  }

  layout(layout: Parameters<CommandTarget["layout"]>[0]): void {
    this.scene.view.set({ layout, panes: {}, maximized: null });
  }

  maximize(): void {
    this.maximizePane(this.scene.active);
  }

  maximizePane(pane: string): void {
    if (!this.scene.ready || this.scene.arrangement.panes.length < 2) return;
    this.scene.active = pane;
    this.scene.view.set({ maximized: this.scene.maximized === null ? pane : null });
  }

  paneMenu(): void {
    if (this.scene.ready) this.hooks.paneMenu();
  }

  thumbnails(): void {
    this.hooks.thumbnails();
  }

  otherImage(): void {
    flipCompared(this.scene);
  }

  quarter(): void {
    if (this.scene.ready) this.#turn(this.scene.pane, ({ quarter, flip }) => ({ quarter: ((quarter + 1) % 4) as Turn["quarter"], flip }));
  }

  flip(): void {
    // The picture on the screen is mirrored, whichever way it was turned before.
    if (this.scene.ready) this.#turn(this.scene.pane, ({ quarter, flip }) => ({ quarter: ((4 - quarter) % 4) as Turn["quarter"], flip: !flip }));
  }

  #turn(pane: Pane, change: (turn: Turn) => Turn): void {
    if (pane.plane === "volume") return;
    const { turns } = this.scene.view.value;
    pane.fit();
    this.scene.view.set({ turns: { ...turns, [pane.id]: change(pane.turn) } });
  }

  fullSize(): void {
    if (this.scene.ready && this.scene.pane.plane !== "volume") this.scene.pane.fullSize(devicePixelRatio || 1);
  }

  planes(to: "grid" | "patient"): void {
    this.scene.view.set({ rotation: to === "grid" ? null : [0, 0, 0, 1] });
  }

  slab(): void {
    if (this.scene.ready) nextSlab(this.scene.pane);
  }

  slabBy(factor: number): void {
    if (this.scene.ready) thicken(this.scene.pane, factor);
  }

  preset(n: number): void {
    if (!this.scene.ready) return;
    const preset = this.scene.presets[n];
    if (preset) this.scene.applyPreset(preset);
  }

  interpolation(): void {
    this.scene.view.set({ interpolate: !this.scene.view.value.interpolate });
  }

  overlay(): void {
    this.scene.view.set({ overlay: !this.scene.view.value.overlay });
  }

  label(n: number): void {
    const label = this.scene.labels[n];
    if (label) this.scene.view.set({ label: label.id });
  }

  labelStep(by: number): void {
    const { labels, label } = this.scene;
    if (labels.length === 0) return;
    const at = labels.findIndex(({ id }) => id === label?.id);
    const next = labels[(Math.max(at, by > 0 ? -1 : 0) + by + labels.length) % labels.length]!;
    this.scene.view.set({ label: next.id });
  }

  crosshair(): void {
    this.scene.view.set({ crosshair: !this.scene.view.value.crosshair });
  }

  invert(): void {
    if (!this.scene.ready || this.scene.pane.image.color) return;
    const { id } = this.scene.pane.image;
    const { inverted } = this.scene.view.value;
    this.scene.view.set({ inverted: inverted.includes(id) ? inverted.filter((one) => one !== id) : [...inverted, id] });
  }

  undo(): void {
    this.hooks.cancelGesture();
    this.scene.dropDrawing();
    if (this.scene.source.document.canUndo) this.scene.source.document.undo();
  }

  redo(): void {
    this.hooks.cancelGesture();
    this.scene.dropDrawing();
    if (this.scene.source.document.canRedo) this.scene.source.document.redo();
  }

  dock(name: "operations" | "history"): void {
    if (this.scene.ready) this.hooks.dock(name);
  }

  ownTool(name: string): void {
    if (this.scene.ready) this.hooks.ownTool(name);
  }

  removeSelected(): void {
    removeSelected(this.scene);
  }

  annotation(by: 1 | -1): void {
    if (this.scene.ready) stepAnnotation(this.scene, by);
  }

  shape(action: ShapeAction): void {
    doWithShapes(this.scene, action);
  }

  nudge(right: number, down: number): void {
    nudge(this.scene, right, down);
  }

  cancel(): void {
    const gesture = this.hooks.cancelGesture();
    if (this.scene.dropDrawing() || gesture) return;
    if (!this.hooks.closeDialog()) this.scene.selected = null;
  }

  panel(): void {
    this.hooks.panel();
  }

  check(): void {
    if (this.scene.ready) this.hooks.check();
  }

  status(): void {
    if (this.scene.ready) this.hooks.status();
  }

  header(): void {
    if (this.scene.ready) this.hooks.header();
  }

  imageInfo(): void {
    if (this.scene.ready) this.hooks.imageInfo();
  }

  screenshot(): void {
    if (this.scene.ready) this.hooks.screenshot();
  }

  help(): void {
    this.hooks.help();
  }
}
