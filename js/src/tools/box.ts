/** Boxes: draw one flat on the shown slice, or through a turned plane; move it in any view, resize it by handles on slices. */
import { withAxis, type Axis, type GridGeometry, type Vec3 } from "../model/geometry";
import type { BoxItem, IndexBox } from "../model/protocol";
import { boxAround, boxSection } from "./boxsection";
import type { Frame, Pair, SliceFrame } from "./frame";
import { dragTogether, moveBox, ordered, whyFixed } from "./group";
import { obstacle } from "./labels";
import { freshId, type Gesture, type Pointer, type Tool, type ToolHost } from "./tool";

/** Which sides of the box a handle moves along u and v: -1 low, 0 neither, 1 high. */
export interface Handle {
  readonly u: -1 | 0 | 1;
  readonly v: -1 | 0 | 1;
}

export const HANDLES: readonly Handle[] = [
  { u: -1, v: -1 }, { u: 0, v: -1 }, { u: 1, v: -1 }, { u: 1, v: 0 },
  { u: 1, v: 1 }, { u: 0, v: 1 }, { u: -1, v: 1 }, { u: -1, v: 0 },
];

/** Whether a box crosses the shown plane (half a voxel counts) in the shown frame. */
export function boxShown(box: BoxItem, frame: Frame, image: string, time: number, geometry: GridGeometry): boolean {
  if (box.image !== "" && box.image !== image) return false;
  if (box.frame !== null && box.frame !== time) return false;
  if (frame.axis === null) return boxSection(box.index, frame, geometry).length > 0;
  const [low, high] = ordered(box.index);
  const { axis, slice } = frame;
  return slice >= low[axis] - 0.5 - 1e-6 && slice <= high[axis] + 0.5 + 1e-6;
}

/** Corner of a box in the plane: side -1 or 1 along u and v, 0 halfway. */
export function boxPoint(index: IndexBox, frame: SliceFrame, handle: Handle): Pair {
  const [low, high] = ordered(index);
  const along = (axis: Axis, side: number): number =>
    side === 0 ? (low[axis] + high[axis]) / 2 : side < 0 ? low[axis] : high[axis];
  const corner = withAxis(
    withAxis([frame.slice, frame.slice, frame.slice], frame.uAxis, along(frame.uAxis, handle.u)),
    frame.vAxis, along(frame.vAxis, handle.v),
  );
  return frame.fromIndex(corner);
}

/** Its corners in drawing order, plane mm: four on a slice, those of the section on a turned plane. */
export function boxOutline(index: IndexBox, frame: Frame, geometry: GridGeometry): readonly Pair[] {
  if (frame.axis === null) return boxSection(index, frame, geometry);
  return HANDLES.filter(({ u, v }) => u !== 0 && v !== 0).map((one) => boxPoint(index, frame, one));
}

const round = (x: number): number => Math.round(x * 100) / 100;

function clampIndex(index: Vec3, geometry: GridGeometry): Vec3 {
  const one = (n: Axis): number =>
    round(Math.min(geometry.shape[n] - 0.5, Math.max(-0.5, index[n])));
  return [one(0), one(1), one(2)];
}

/** The box after dragging a handle to a continuous index; sides may pass each other. */
export function resizeBox(
  index: IndexBox, frame: SliceFrame, handle: Handle, to: Vec3, geometry: GridGeometry,
): IndexBox {
  let [low, high] = ordered(index);
  const target = clampIndex(to, geometry);
  for (const [axis, side] of [[frame.uAxis, handle.u], [frame.vAxis, handle.v]] as const) {
    if (side < 0) low = withAxis(low, axis, target[axis]);
    if (side > 0) high = withAxis(high, axis, target[axis]);
  }
  return ordered([low, high]);
}

export interface Hit {
  readonly box: BoxItem;
  /** Null means: move the whole box. */
  readonly handle: Handle | null;
}

function inside(p: Pair, corners: readonly Pair[]): boolean {
  let within = false;
  for (let n = 0, m = corners.length - 1; n < corners.length; m = n++) {
    const [ax, ay] = corners[n]!;
    const [bx, by] = corners[m]!;
    if (ay > p[1] !== by > p[1] && p[0] < ((bx - ax) * (p[1] - ay)) / (by - ay) + ax) within = !within;
  }
  return within;
}

function edgeDistance(p: Pair, corners: readonly Pair[]): number {
  let best = Infinity;
  corners.forEach((a, n) => {
    const b = corners[(n + 1) % corners.length]!;
    const dx = b[0] - a[0];
    const dy = b[1] - a[1];
    const along = dx * dx + dy * dy || 1;
    const t = Math.min(1, Math.max(0, ((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / along));
    best = Math.min(best, Math.hypot(p[0] - a[0] - t * dx, p[1] - a[1] - t * dy));
  });
  return best;
}

function shortSide([a, b, c]: readonly Pair[]): number {
  return Math.min(Math.hypot(b![0] - a![0], b![1] - a![1]), Math.hypot(c![0] - b![0], c![1] - b![1]));
}

/** The handle of a box nearest to a place of the slice, and how far it is (mm). */
function nearest(index: IndexBox, frame: SliceFrame, [x, y]: Pair): { readonly handle: Handle; readonly far: number } {
  return HANDLES.map((handle) => {
    const [hx, hy] = boxPoint(index, frame, handle);
    const corner = handle.u !== 0 && handle.v !== 0 ? 0 : 1e-6;
    return { handle, far: Math.hypot(hx - x, hy - y) + corner };
  }).sort((a, b) => a.far - b.far)[0]!;
}

/** What lies under the pointer: a handle of the selected box (on slices), an outline, or the selected box's inside. */
export function hitBox(
  pointer: Pointer, boxes: readonly BoxItem[], selected: string | null, geometry: GridGeometry,
): Hit | null {
  const { frame } = pointer;
  const reach = (pointer.touch ? 16 : 8) * pointer.mmPerPx;
  const chosen = boxes.find((box) => box.id === selected);
  if (chosen) {
    const corners = boxOutline(chosen.index, frame, geometry);
    const within = inside(pointer.plane, corners);
    // In a small box the handles leave room to take hold of the box itself.
    const grip = within ? Math.min(reach, 0.25 * shortSide(corners)) : reach;
    const near = frame.axis === null ? null : nearest(chosen.index, frame, pointer.plane);
    if (near && near.far <= grip) return { box: chosen, handle: near.handle };
    if (within) return { box: chosen, handle: null };
  }
  const edge = boxes
    .map((box) => ({ box, far: edgeDistance(pointer.plane, boxOutline(box.index, frame, geometry)) }))
    .filter(({ far }) => far <= reach)
    .sort((a, b) => a.far - b.far)[0];
  return edge ? { box: edge.box, handle: null } : null;
}

export function shownBoxes(pointer: Pointer, host: ToolHost): BoxItem[] {
  const { hidden, overlay } = host.view.value;
  if (!overlay) return [];
  const unseen = new Set(host.labels.filter((one) => hidden.includes(one.id)).map((one) => one.name));
  return host.boxes.filter(
    (box) => !unseen.has(box.label) && !hidden.includes(box.id) && boxShown(box, pointer.frame, host.image.id, host.time, host.geometry),
  );
}

function change(box: BoxItem, hit: Hit, pointer: Pointer, host: ToolHost): Gesture {
  const start = box.index;
  const from = pointer.index;
  const { frame } = pointer;
  let latest = start;
  return {
    move(p) {
      const by: Vec3 = [p.index[0] - from[0], p.index[1] - from[1], p.index[2] - from[2]];
      latest = hit.handle && frame.axis !== null
        ? resizeBox(start, frame, hit.handle, frame.toIndex(p.plane), host.geometry)
        : moveBox(start, by, host.geometry);
      host.draft({ item: { ...box, index: latest }, old: box });
    },
    end() {
      host.draft(null);
      if (JSON.stringify(latest) === JSON.stringify(start)) return;
      host.apply({ kind: "put", item: { ...box, index: latest }, old: box, tool: "box" });
    },
    cancel: () => host.draft(null),
  };
}

function draw(pointer: Pointer, host: ToolHost): Gesture | null {
  const label = host.activeLabel();
  if (!label) return null;
  const why = obstacle(host, label);
  if (why) {
    host.toast(why);
    return null;
  }
  const { frame } = pointer;
  const start = clampIndex(pointer.index, host.geometry);
  const id = freshId();
  const time = host.image.frames > 1 ? host.time : null;
  const span = (p: Pointer): IndexBox | null => frame.axis === null
    ? boxAround(pointer.plane, p.plane, frame, host.geometry)
    : ordered([start, clampIndex(frame.toIndex(p.plane), host.geometry)]);
  const item = (index: IndexBox): BoxItem => ({
    type: "box", label: label.name, index,
    id, image: host.image.id, frame: time, name: "", lesion: "", attributes: {}, status: "", locked: false,
  });
  const large = (p: Pointer): boolean =>
    Math.min(Math.abs(p.px[0] - pointer.px[0]), Math.abs(p.px[1] - pointer.px[1])) >= 3;
  const made = (p: Pointer): BoxItem | null => {
    const index = large(p) ? span(p) : null;
    return index && item(index);
  };
  return {
    move(p) {
      const box = made(p);
      host.draft(box && { item: box, old: null });
    },
    end(p) {
      host.draft(null);
      const box = made(p);
      if (!box) return;
      host.apply({ kind: "put", item: box, tool: "box" });
      host.selected = id;
    },
    cancel: () => host.draft(null),
  };
}

export const box: Tool = {
  name: "box",
  begin(pointer, host) {
    const hit = hitBox(pointer, shownBoxes(pointer, host), host.selected, host.geometry);
    if (!hit) {
      host.selected = null;
      return draw(pointer, host);
    }
    const { id } = hit.box;
    const was = host.selection.includes(id);
    if (pointer.shift && !hit.handle) {
      host.selection = was ? host.selection.filter((one) => one !== id) : [...host.selection, id];
      return null;
    }
    if (was && !hit.handle && host.selection.length > 1) return dragTogether(hit.box, pointer, host);
    host.selected = id;
    const why = whyFixed(host, hit.box);
    if (why === null) return change(hit.box, hit, pointer, host);
    host.toast(why);
    return null;
  },
  cursor(pointer, host) {
    const hit = pointer && hitBox(pointer, shownBoxes(pointer, host), host.selected, host.geometry);
    if (!hit) return "crosshair";
    if (!hit.handle) return "move";
    const across = hit.handle.u !== 0 && hit.handle.v !== 0;
    return across ? "nwse-resize" : hit.handle.u !== 0 ? "ew-resize" : "ns-resize";
  },
};

/** Continuous index of a box's centre. */
export function middleOf(index: IndexBox): Vec3 {
  const [a, b] = index;
  return [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2, (a[2] + b[2]) / 2];
}
