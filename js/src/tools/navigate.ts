/** Tools that change how the image is shown: crosshair, window, pan and zoom. */
import type { ViewPatch } from "../state";
import type { ViewStore } from "../state/store";
import { beginTurn, onHandle } from "./rotate";
import { hitShape } from "./shapes/hit";
import { grabbed, takeShape } from "./shapes/index";
import type { Gesture, Pointer, Tool, Window } from "./tool";
import type { Camera } from "./tool";
import type { Pair } from "./frame";

const MIN_MM_PER_PX = 1e-3;
const MAX_MM_PER_PX = 50;

/** A gesture that only changes view state: cancelling restores what it touched. */
function viewGesture(view: ViewStore, before: ViewPatch, move: (p: Pointer) => void): Gesture {
  return { move, end: move, cancel: () => view.set(before) };
}

export const crosshair: Tool = {
  name: "crosshair",
  cursor(pointer, host) {
    if (pointer && grabbed(pointer, host)) return "pointer";
    return pointer && onHandle(pointer, host, host.lines, host.size) ? "grab" : "crosshair";
  },
  begin(pointer, host) {
    const shape = grabbed(pointer, host);
    if (shape) return takeShape(shape, pointer, host);
    if (onHandle(pointer, host, host.lines, host.size)) return beginTurn(pointer, host);
    const { cursor, cursors } = host.view.value;
    const move = (p: Pointer): void => host.pointAt(p.world);
    move(pointer);
    const end = (p: Pointer): void => {
      move(p);
      // A click on a shape selects it; its handles can then be moved.
      const clicked = Math.hypot(p.px[0] - pointer.px[0], p.px[1] - pointer.px[1]) < 3 ? hitShape(p, host) : null;
      if (clicked) host.selection = [clicked.item.id];
    };
    return { ...viewGesture(host.view, { cursor, cursors }, move), end };
  },
};

/** Whole numbers where the window is wide, fine steps where it is narrow. */
export function niceNumber(value: number, width: number): number {
  if (width >= 20) return Math.round(value);
  const digits = Math.min(12, Math.max(0, 2 - Math.floor(Math.log10(Math.max(width, 1e-9)))));
  return Number(value.toFixed(digits));
}

/** Window after a drag of (dx, dy) px: right widens, up brightens. */
export function dragWindow(start: Window, dx: number, dy: number): Window {
  const perPx = start.width / 300;
  // Exponential in width: it can neither reach zero nor need a thousand px for a wide window.
  const width = start.width * Math.exp(dx / 200);
  const center = start.center + dy * perPx;
  const smallest = start.width >= 20 ? 1 : start.width * 1e-3;
  return {
    center: niceNumber(center, width),
    width: Math.max(smallest, niceNumber(width, width)),
  };
}

export const windowLevel: Tool = {
  name: "window",
  cursor: () => "ns-resize",
  begin(pointer, host) {
    if (host.image.color) {
      host.toast("A colour picture has no window.");
      return null;
    }
    const start = host.window();
    const { windows } = host.view.value;
    return viewGesture(host.view, { windows }, (p) => {
      host.setWindow(dragWindow(start, p.px[0] - pointer.px[0], p.px[1] - pointer.px[1]));
    });
  },
};

export const pan: Tool = {
  name: "pan",
  cursor: () => "grab",
  begin(pointer, host) {
    const start = host.camera;
    const { zoom: zoomed, pan: panned } = host.view.value;
    return viewGesture(host.view, { zoom: zoomed, pan: panned }, (p) => {
      const dx = (p.px[0] - pointer.px[0]) * start.mmPerPx;
      const dy = (p.px[1] - pointer.px[1]) * start.mmPerPx;
      host.setCamera({ mmPerPx: start.mmPerPx, pan: [start.pan[0] - dx, start.pan[1] - dy] });
    });
  },
};

/** The camera that shows `plane` where it was, `factor` times as large. */
export function zoomAt(camera: Camera, plane: Pair, factor: number): Camera {
  const wanted = camera.mmPerPx / factor;
  const mmPerPx = Math.min(MAX_MM_PER_PX, Math.max(MIN_MM_PER_PX, wanted));
  const kept = mmPerPx / camera.mmPerPx;
  return {
    mmPerPx,
    pan: [
      plane[0] + (camera.pan[0] - plane[0]) * kept,
      plane[1] + (camera.pan[1] - plane[1]) * kept,
    ],
  };
}

export const zoom: Tool = {
  name: "zoom",
  cursor: () => "zoom-in",
  begin(pointer, host) {
    const start = host.camera;
    const { zoom: zoomed, pan: panned } = host.view.value;
    return viewGesture(host.view, { zoom: zoomed, pan: panned }, (p) => {
      const factor = Math.exp((pointer.px[1] - p.px[1]) / 150);
      host.setCamera(zoomAt(start, pointer.plane, factor));
    });
  },
};
