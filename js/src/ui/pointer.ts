/** Mouse, pen and fingers over one view: who gets which press, and the wheel. */
import { tools } from "../tools/index";
import { pan, zoom, zoomAt } from "../tools/navigate";
import type { Gesture, LongGesture, Pointer, Tool } from "../tools/tool";
import { listen } from "./dom";
import type { Pane } from "./pane";

export interface PointerView {
  readonly element: HTMLElement;
  /** Null while there is nothing to point at. */
  pointer(event: PointerEvent | WheelEvent | MouseEvent): Pointer | null;
  /** The pointer moved or left. */
  hover(pointer: Pointer | null): void;
  brushSize(factor: number): void;
  maximize(): void;
  /** The right button was pressed and let go in one place. */
  menu(pointer: Pointer, event: PointerEvent): void;
}

/** A press that moves less than this is a click, CSS px. */
const CLICK = 4;

/** Wheel movement to whole steps: a notch is one step, small trackpad deltas add up. */
export class WheelSteps {
  #sum = 0;

  constructor(private readonly perStep = 30) {}

  add(delta: number, mode: number): number {
    const px = mode === 1 ? delta * 40 : mode === 2 ? delta * 400 : delta;
    if (Math.abs(px) >= 50) {
      this.#sum = 0;
      return Math.sign(px);
    }
    if (Math.sign(px) !== Math.sign(this.#sum)) this.#sum = 0;
    this.#sum += px;
    const steps = Math.trunc(this.#sum / this.perStep) + 0;
    this.#sum -= steps * this.perStep;
    return steps;
  }
}

const NAVIGATION = new Set(["crosshair", "window", "pan", "zoom"]);

export class PointerInput {
  #gesture: Gesture | null = null;
  /** A gesture of several presses; between them the others pan, zoom and scroll. */
  #long: LongGesture | null = null;
  #id = -1;
  /** Where the right button went down, while it has not moved. */
  #right: readonly [number, number] | null = null;
  readonly #wheel = new WheelSteps();
  readonly #touches = new Map<number, readonly [number, number]>();
  /** The finger that began the gesture of several presses, while it is down. */
  #began: number | null = null;
  /** The finger of its next press, which counts when it is lifted: with a second one it is a pinch. */
  #tap: number | null = null;

  constructor(
    private readonly view: PointerView,
    private readonly pane: Pane,
    signal: AbortSignal,
  ) {
    const { element } = view;
    listen(element, "pointerdown", signal, (event) => this.#down(event));
    listen(element, "pointermove", signal, (event) => this.#move(event));
    listen(element, "pointerup", signal, (event) => this.#up(event));
    listen(element, "pointercancel", signal, (event) => this.#lost(event));
    listen(element, "lostpointercapture", signal, (event) => this.#lost(event));
    listen(element, "pointerleave", signal, () => this.#gesture ?? view.hover(null));
    listen(element, "wheel", signal, (event) => this.#scroll(event), { passive: false });
    listen(element, "contextmenu", signal, (event) => {
      event.preventDefault();
      // JupyterLab would open its own menu.
      event.stopPropagation();
    });
    // Middle press would start the browser's own scrolling.
    listen(element, "mousedown", signal, (event) => event.button === 1 && event.preventDefault());
    listen(element, "dblclick", signal, (event) => {
      const { tool } = pane.view.value;
      if (this.#long) return this.#keep(this.#long.finish());
      if (NAVIGATION.has(tool)) return view.maximize();
      const pointer = view.pointer(event);
      if (pointer) tools[tool].double?.(pointer, pane);
    });
    signal.addEventListener("abort", () => this.cancel());
  }

  get busy(): boolean {
    return this.#gesture !== null || this.#long !== null;
  }

  /** Give a key (as `keyName` names it) to a gesture of several presses; false where it has no use for it. */
  key(name: string): boolean {
    const took = this.#long?.key(name) ?? null;
    if (took === "done") this.#long = null;
    return took !== null;
  }

  #keep(goesOn: boolean): void {
    if (!goesOn) this.#long = null;
  }

  /** Give up the gesture and take back what it did. */
  cancel(): void {
    this.#gesture?.cancel();
    this.#long?.cancel();
    this.#gesture = this.#long = this.#began = this.#tap = null;
  }

  #toolFor(event: PointerEvent): Tool | null {
    if (event.button === 1) return pan;
    if (event.button === 2) return zoom;
    return event.button === 0 ? tools[this.pane.view.value.tool] : null;
  }

  #down(event: PointerEvent): void {
    const pointer = this.view.pointer(event);
    const tool = this.#toolFor(event);
    if (!pointer || !tool) return;
    this.pane.scene.press(this.pane.id);
    if (event.button === 0 && this.pane.scene.pick?.(this.pane, pointer)) return;
    if (event.pointerType === "touch") {
      this.#touches.set(event.pointerId, pointer.px);
      if (this.#touches.size === 2) return this.#second();
    }
    if (this.#gesture) return;
    this.#right = event.button === 2 ? pointer.px : null;
    if (this.#long && event.button === 0) {
      if (event.pointerType === "touch") this.#tap = event.pointerId;
      else this.#keep(this.#long.press(pointer));
      return this.view.hover(pointer);
    }
    this.view.element.setPointerCapture(event.pointerId);
    this.#id = event.pointerId;
    const begun = tool.begin(pointer, this.pane);
    if (begun && "long" in begun) {
      this.#long = begun;
      this.#began = event.pointerType === "touch" ? event.pointerId : null;
    } else this.#gesture = begun;
    this.view.hover(pointer);
  }

  /** A second finger: both move the picture. What the first began is given up; an outline that was open stays. */
  #second(): void {
    this.#tap = null;
    if (!this.#long || this.#began !== null) return this.cancel();
    this.#gesture?.cancel();
    this.#gesture = null;
  }

  #move(event: PointerEvent): void {
    if (this.#touches.size === 2) return this.#pinch(event);
    if (this.#gesture && event.pointerId === this.#id) {
      // Fast strokes: the browser joins several moves into one event.
      const joined = event.getCoalescedEvents?.() ?? [];
      for (const one of joined.length > 0 ? joined : [event]) {
        const pointer = this.view.pointer(one);
        if (pointer) this.#gesture.move(pointer);
      }
    }
    const pointer = this.view.pointer(event);
    if (pointer) this.pane.scene.active = this.pane.id;
    if (pointer && this.#right && Math.hypot(pointer.px[0] - this.#right[0], pointer.px[1] - this.#right[1]) > CLICK) this.#right = null;
    if (pointer && !this.#gesture) this.#long?.move(pointer);
    this.view.hover(pointer);
  }

  #up(event: PointerEvent): void {
    this.#touches.delete(event.pointerId);
    if (event.pointerId === this.#began) this.#began = null;
    if (event.pointerId === this.#tap) {
      this.#tap = null;
      const at = this.view.pointer(event);
      if (at && this.#long) this.#keep(this.#long.press(at));
    }
    if (event.pointerId !== this.#id) return;
    const gesture = this.#gesture;
    this.#gesture = null;
    this.#id = -1;
    const pointer = this.view.pointer(event);
    const clicked = this.#right !== null;
    this.#right = null;
    if (pointer && clicked) {
      gesture?.cancel();
      this.view.menu(pointer, event);
    } else if (pointer) gesture?.end(pointer);
    else gesture?.cancel();
    this.view.hover(event.pointerType === "touch" ? null : pointer);
  }

  #lost(event: PointerEvent): void {
    this.#touches.delete(event.pointerId);
    if (event.pointerId === this.#tap) this.#tap = null;
    if (event.pointerId === this.#id) this.cancel();
  }

  /** Two fingers move and zoom the picture together. */
  #pinch(event: PointerEvent): void {
    const pointer = this.view.pointer(event);
    const before = this.#touches.get(event.pointerId);
    const other = [...this.#touches].find(([id]) => id !== event.pointerId)?.[1];
    if (!pointer || !before || !other) return;
    this.#touches.set(event.pointerId, pointer.px);
    const { pane } = this;
    const was = Math.hypot(before[0] - other[0], before[1] - other[1]);
    const is = Math.hypot(pointer.px[0] - other[0], pointer.px[1] - other[1]);
    if (was > 20 && is > 20) pane.setCamera(zoomAt(pane.camera, pointer.plane, is / was));
    const { mmPerPx, pan: at } = pane.camera;
    const dx = ((pointer.px[0] - before[0]) / 2) * mmPerPx;
    const dy = ((pointer.px[1] - before[1]) / 2) * mmPerPx;
    pane.setCamera({ mmPerPx, pan: [at[0] - dx, at[1] - dy] });
  }

  #scroll(event: WheelEvent): void {
    const pointer = this.view.pointer(event);
    if (!pointer) return;
    event.preventDefault();
    event.stopPropagation();
    this.pane.scene.active = this.pane.id;
    // Browsers turn shift+wheel into a sideways movement.
    const delta = event.deltaY || event.deltaX;
    if (event.ctrlKey || event.metaKey) {
      const px = event.deltaMode === 1 ? delta * 40 : delta;
      const factor = Math.exp(-Math.max(-120, Math.min(120, px)) / 500);
      this.pane.setCamera(zoomAt(this.pane.camera, pointer.plane, factor));
    } else {
      const steps = this.#wheel.add(delta, event.deltaMode);
      if (steps === 0) return;
      if (event.shiftKey) this.view.brushSize(1.1 ** -steps);
      else if (!this.#gesture) this.pane.scroll(steps);
    }
    const now = this.view.pointer(event);
    if (now) this.view.hover(now);
  }
}
