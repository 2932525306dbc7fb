/** Pointer and keys over the 3-D picture. */
import { dragged, type Pair, type Quaternion } from "../../volume3d/camera";
import { listen } from "../dom";

export interface HandHost {
  camera(): Quaternion;
  zoom(): number;
  pan(): Pair;
  /** mm of one CSS px. */
  mmPerPx(): number;
  setCamera(camera: Quaternion): void;
  setZoom(zoom: number): void;
  setPan(pan: Pair): void;
  /** A click, in CSS px of the picture. */
  pick(place: Pair): void;
}

const CLICK_PX = 4;
const KEY_PX = 32;
const LEAST_ZOOM = 0.2;
const MOST_ZOOM = 20;

export class Hand {
  /** Pointers that are down, and where they were last. */
  readonly #down = new Map<number, Pair>();
  #before: { readonly camera: Quaternion; readonly zoom: number; readonly pan: Pair } | null = null;
  #travelled = 0;
  #shifts = false;

  constructor(
    readonly element: HTMLElement,
    private readonly host: HandHost,
    signal: AbortSignal,
  ) {
    listen(element, "pointerdown", signal, (event) => this.#press(event));
    listen(element, "pointermove", signal, (event) => this.#move(event));
    listen(element, "pointerup", signal, (event) => this.#release(event));
    listen(element, "pointercancel", signal, () => this.cancel());
    listen(element, "contextmenu", signal, (event) => event.preventDefault());
    listen(element, "wheel", signal, (event) => this.#wheel(event), { passive: false });
    listen(element, "keydown", signal, (event) => this.#key(event));
  }

  /** Put the camera back to where it was before the gesture; false where there is none. */
  cancel(): boolean {
    const before = this.#before;
    this.#down.clear();
    this.#before = null;
    if (!before) return false;
    this.host.setCamera(before.camera);
    this.host.setZoom(before.zoom);
    this.host.setPan(before.pan);
    return true;
  }

  #press(event: PointerEvent): void {
    const { host } = this;
    if (this.#down.size === 0) {
      this.#before = { camera: host.camera(), zoom: host.zoom(), pan: host.pan() };
      this.#travelled = 0;
      this.#shifts = event.button !== 0 || event.shiftKey;
    }
    this.#down.set(event.pointerId, [event.clientX, event.clientY]);
    try {
      this.element.setPointerCapture(event.pointerId);
    } catch {
      // a pointer that is gone already
    }
    this.element.focus({ preventScroll: true });
  }

  #move(event: PointerEvent): void {
    const last = this.#down.get(event.pointerId);
    if (!last) return;
    const next: Pair = [event.clientX, event.clientY];
    const [dx, dy] = [next[0] - last[0], next[1] - last[1]];
    const other = [...this.#down].find(([id]) => id !== event.pointerId)?.[1];
    this.#down.set(event.pointerId, next);
    this.#travelled += Math.hypot(dx, dy);
    if (this.#travelled < CLICK_PX) return;
    if (other) {
      const was = Math.hypot(last[0] - other[0], last[1] - other[1]) || 1;
      this.#zoomBy(Math.hypot(next[0] - other[0], next[1] - other[1]) / was);
      this.#shift(dx / 2, dy / 2);
    } else if (this.#shifts) this.#shift(dx, dy);
    else this.host.setCamera(dragged(this.host.camera(), dx, dy));
  }

  #release(event: PointerEvent): void {
    const down = this.#down.delete(event.pointerId);
    if (!down || this.#down.size > 0) return;
    this.#before = null;
    if (this.#travelled >= CLICK_PX || event.button !== 0) return;
    const box = this.element.getBoundingClientRect();
    const scale = box.width > 0 ? this.element.clientWidth / box.width : 1;
    this.host.pick([(event.clientX - box.left) * scale, (event.clientY - box.top) * scale]);
  }

  #wheel(event: WheelEvent): void {
    event.preventDefault();
    event.stopPropagation();
    const lines = event.deltaMode === 1 ? event.deltaY * 30 : event.deltaY;
    this.#zoomBy(Math.exp(-Math.max(-120, Math.min(120, lines)) / 400));
  }

  #zoomBy(factor: number): void {
    this.host.setZoom(Math.min(MOST_ZOOM, Math.max(LEAST_ZOOM, this.host.zoom() * factor)));
  }

  #shift(dx: number, dy: number): void {
    const mm = this.host.mmPerPx();
    const [x, y] = this.host.pan();
    this.host.setPan([x - dx * mm, y - dy * mm]);
  }

  #key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const turn = (dx: number, dy: number) => (): void => {
      if (event.shiftKey) this.#shift(dx, dy);
      else this.host.setCamera(dragged(this.host.camera(), dx, dy));
    };
    const actions: Readonly<Record<string, () => void>> = {
      ArrowLeft: turn(-KEY_PX, 0), ArrowRight: turn(KEY_PX, 0), ArrowUp: turn(0, -KEY_PX), ArrowDown: turn(0, KEY_PX),
      "+": () => this.#zoomBy(1.2), "=": () => this.#zoomBy(1.2), "-": () => this.#zoomBy(1 / 1.2),
      Enter: () => this.host.pick([this.element.clientWidth / 2, this.element.clientHeight / 2]),
    };
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    event.stopPropagation();
    action();
  }
}
