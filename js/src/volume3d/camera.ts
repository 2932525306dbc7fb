/**
 * The camera of the 3-D view: a unit quaternion [x, y, z, w] that turns the camera's axes (x right, y up,
 * z towards the viewer) to world axes (LPS), and parallel projection.
 */
import { add, cross, dot, scale, unit, type Vec3 } from "../model/geometry";

export type Quaternion = readonly [number, number, number, number];
export type Pair = readonly [number, number];
export type Side = "A" | "P" | "L" | "R" | "S" | "I";

export interface Basis {
  readonly right: Vec3;
  readonly up: Vec3;
  /** From the patient to the viewer. */
  readonly toward: Vec3;
}

export function multiply(a: Quaternion, b: Quaternion): Quaternion {
  const [ax, ay, az, aw] = a;
  const [bx, by, bz, bw] = b;
  return [
    aw * bx + ax * bw + ay * bz - az * by,
    aw * by - ax * bz + ay * bw + az * bx,
    aw * bz + ax * by - ay * bx + az * bw,
    aw * bw - ax * bx - ay * by - az * bz,
  ];
}

export function normalized(q: Quaternion): Quaternion {
  const size = Math.hypot(...q) || 1;
  return [q[0] / size, q[1] / size, q[2] / size, q[3] / size];
}

/** Turn by an angle (radians) about a unit axis. */
export function turn(axis: Vec3, angle: number): Quaternion {
  const s = Math.sin(angle / 2);
  return [axis[0] * s, axis[1] * s, axis[2] * s, Math.cos(angle / 2)];
}

export function rotated(q: Quaternion, v: Vec3): Vec3 {
  const axis: Vec3 = [q[0], q[1], q[2]];
  const t = scale(cross(axis, v), 2);
  return add(add(v, scale(t, q[3])), cross(axis, t));
}

export function basis(q: Quaternion): Basis {
  return { right: rotated(q, [1, 0, 0]), up: rotated(q, [0, 1, 0]), toward: rotated(q, [0, 0, 1]) };
}

/** The camera whose axes these are; they must be perpendicular and right-handed. */
export function fromBasis({ right, up, toward }: Basis): Quaternion {
  const [a, b, c] = [right, up, toward];
  const trace = a[0] + b[1] + c[2];
  if (trace > 0) {
    const s = 2 * Math.sqrt(trace + 1);
    return normalized([(b[2] - c[1]) / s, (c[0] - a[2]) / s, (a[1] - b[0]) / s, s / 4]);
  }
  if (a[0] >= b[1] && a[0] >= c[2]) {
    const s = 2 * Math.sqrt(1 + a[0] - b[1] - c[2]);
    return normalized([s / 4, (b[0] + a[1]) / s, (c[0] + a[2]) / s, (b[2] - c[1]) / s]);
  }
  if (b[1] >= c[2]) {
    const s = 2 * Math.sqrt(1 + b[1] - a[0] - c[2]);
    return normalized([(b[0] + a[1]) / s, s / 4, (c[1] + b[2]) / s, (c[0] - a[2]) / s]);
  }
  const s = 2 * Math.sqrt(1 + c[2] - a[0] - b[1]);
  return normalized([(c[0] + a[2]) / s, (c[1] + b[2]) / s, s / 4, (a[1] - b[0]) / s]);
}

/** World direction of each side of the patient. */
export const SIDES: Readonly<Record<Side, Vec3>> = {
  A: [0, -1, 0], P: [0, 1, 0], L: [1, 0, 0], R: [-1, 0, 0], S: [0, 0, 1], I: [0, 0, -1],
};
export const SIDE_NAMES: Readonly<Record<Side, string>> = {
  A: "front", P: "back", L: "left", R: "right", S: "head", I: "feet",
};

/** Look at the patient from a side, head up; from head and feet the front of the patient is up. */
export function lookFrom(side: Side): Quaternion {
  const toward = SIDES[side];
  const up: Vec3 = side === "S" || side === "I" ? SIDES.A : SIDES.S;
  return fromBasis({ right: cross(up, toward), up, toward });
}

/** From the front, head up: the patient's right is at the left of the picture. */
export const FRONT: Quaternion = lookFrom("A");

/** Turn the camera by a drag of (dx right, dy down) CSS px: what is grabbed follows. */
export function dragged(q: Quaternion, dx: number, dy: number, radiansPerPx = 0.008): Quaternion {
  const { right, up } = basis(q);
  return normalized(multiply(turn(up, -dx * radiansPerPx), multiply(turn(right, -dy * radiansPerPx), q)));
}

export interface Face {
  readonly side: Side;
  /** Corners in cube units, right and down; the cube reaches from -1 to 1. */
  readonly corners: readonly Pair[];
  readonly middle: Pair;
  /** 1 seen from straight ahead, 0 edge on. */
  readonly facing: number;
}

/** The faces of the orientation cube that can be seen. */
export function cubeFaces(q: Quaternion): Face[] {
  const { right, up, toward } = basis(q);
  const flat = (v: Vec3): Pair => [dot(v, right), -dot(v, up)];
  const faces: Face[] = [];
  for (const side of Object.keys(SIDES) as Side[]) {
    const normal = SIDES[side];
    const facing = dot(normal, toward);
    if (facing < 0.02) continue;
    const u: Vec3 = normal[2] === 0 ? [0, 0, 1] : [1, 0, 0];
    const v = cross(normal, u);
    const signs = [[-1, -1], [1, -1], [1, 1], [-1, 1]] as const;
    const corners = signs.map(([a, b]) => flat(add(normal, add(scale(u, a), scale(v, b)))));
    faces.push({ side, corners, middle: flat(normal), facing });
  }
  return faces;
}

/** What a picture shows: its centre in the world, its axes, and mm for each pixel. */
export interface Look extends Basis {
  readonly center: Vec3;
  readonly mmPerPx: number;
  readonly width: number;
  readonly height: number;
}

/** Where a world point is in the picture, px from its top left corner. */
export function project(look: Look, world: Vec3): Pair {
  const from: Vec3 = [world[0] - look.center[0], world[1] - look.center[1], world[2] - look.center[2]];
  return [
    look.width / 2 + dot(from, look.right) / look.mmPerPx,
    look.height / 2 - dot(from, look.up) / look.mmPerPx,
  ];
}

/** The ray through a place of the picture: a point on the plane through the centre, and its direction. */
export function rayThrough(look: Look, [x, y]: Pair): { readonly origin: Vec3; readonly direction: Vec3 } {
  const across = scale(look.right, (x - look.width / 2) * look.mmPerPx);
  const down = scale(look.up, (look.height / 2 - y) * look.mmPerPx);
  return { origin: add(look.center, add(across, down)), direction: scale(unit(look.toward), -1) };
}
