/** Turning planes: the crosshair's lines are taken by their handles. */
import { cross, dot, length, type Vec3 } from "../model/geometry";
import type { Plane, Quaternion } from "../state/parts";
import { gridRotation, multiply, turnAbout, type Frame, type Pair } from "./frame";
import type { Gesture, Pointer, ToolHost } from "./tool";

/** Where another plane cuts this one. */
export interface PlaneLine {
  readonly plane: Plane;
  /** Along the line, plane mm, of unit length. */
  readonly direction: Pair;
}

/** Below this the planes are parallel: they have no line in common. */
const PARALLEL = 0.02;
/** How far the handles are from the crosshair: part of the shorter side of the view. */
const REACH = 0.38;
const GRIP = 9;

/** Lines in which planes through one point cut a plane. */
export function planeLines(frame: Frame, others: readonly Frame[]): PlaneLine[] {
  return others.flatMap((other) => {
    const along = cross(frame.normal, other.normal);
    const size = length(along);
    if (size < PARALLEL) return [];
    return [{ plane: other.plane, direction: [dot(along, frame.right) / size, dot(along, frame.down) / size] as const }];
  });
}

/** Distance of the handles from the crosshair, in px, for a view of this size. */
export const handleReach = (size: Pair): number => Math.max(30, REACH * Math.min(size[0], size[1]));

/** The handles of a line, px from the crosshair. */
export function handles({ direction }: PlaneLine, size: Pair): readonly [Pair, Pair] {
  const far = handleReach(size);
  return [[direction[0] * far, direction[1] * far], [-direction[0] * far, -direction[1] * far]];
}

/** Whether the pointer is on a handle of one of the lines. */
export function onHandle(pointer: Pointer, host: ToolHost, lines: readonly PlaneLine[], size: Pair): boolean {
  const centre = pointer.frame.toPlane(host.cursor);
  const at: Pair = [(pointer.plane[0] - centre[0]) / pointer.mmPerPx, (pointer.plane[1] - centre[1]) / pointer.mmPerPx];
  const grip = pointer.touch ? 2 * GRIP : GRIP;
  return lines.some((line) => handles(line, size).some(([x, y]) => Math.hypot(at[0] - x, at[1] - y) <= grip));
}

/** The planes after turning them about a direction, beginning with those of the grid. */
export function turnedBy(rotation: Quaternion | null, host: ToolHost, axis: Vec3, radians: number): Quaternion {
  return multiply(turnAbout(axis, radians), rotation ?? gridRotation(host.geometry));
}

/** Turn the other planes about this one's normal, following the pointer. */
export function beginTurn(pointer: Pointer, host: ToolHost): Gesture {
  const { rotation, cursor, cursors } = host.view.value;
  const { frame } = pointer;
  const centre = frame.toPlane(host.cursor);
  const angle = (p: Pointer): number => Math.atan2(p.plane[1] - centre[1], p.plane[0] - centre[0]);
  const start = angle(pointer);
  const move = (p: Pointer): void =>
    host.view.set({ rotation: turnedBy(rotation, host, frame.normal, angle(p) - start) });
  return { move, end: move, cancel: () => host.view.set({ rotation, cursor, cursors }) };
}
