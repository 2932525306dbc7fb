/** What one hits with a click: the first surface along a ray, or the largest value of a projection. */
import { add, length, scale, type Vec3 } from "../model/geometry";
import { applied, appliedToStep, crossing, interpolated, type Box, type Field } from "./field";
import { ISO, type Surface } from "./segments";
import { entryOf, type Mode, type Table } from "./transfer";

export interface Target {
  readonly field: Field;
  /** In texture coordinates. */
  readonly crop: Box;
  readonly table: Table;
  readonly mode: Mode;
  readonly surface: Surface | null;
  /** Length (mm) that the opacities of the table stand for. */
  readonly unit: number;
}

/** This much light taken away counts as a surface. */
const HIT = 0.5;

/** World point hit by a ray, or null where it meets nothing. `origin` may lie anywhere on the ray. */
export function pick(target: Target, origin: Vec3, direction: Vec3): Vec3 | null {
  const { field } = target;
  const o = applied(field.toTexture, origin);
  const d = appliedToStep(field.toTexture, scale(direction, 1 / length(direction)));
  const ends = crossing(o, d, target.crop);
  if (!ends) return null;
  const at = (t: number): Vec3 => add(o, scale(d, t));
  const t = target.mode === "mip" ? largest(target, at, ends) : first(target, at, ends);
  return t === null ? null : applied(field.toWorld, at(t));
}

type Ends = readonly [number, number];

function largest({ field }: Target, at: (t: number) => Vec3, [near, far]: Ends): number | null {
  const step = field.step / 4;
  let best = -Infinity;
  let where: number | null = null;
  for (let t = near; t <= far; t += step) {
    const value = field.sample(at(t));
    if (value > best) [best, where] = [value, t];
  }
  return where;
}

function first({ field, table, surface, unit }: Target, at: (t: number) => Vec3, [near, far]: Ends): number | null {
  const step = field.step / 2;
  let light = 1;
  let most = 0;
  let strongest: number | null = null;
  for (let t = near; t <= far; t += step) {
    const p = at(t);
    if (surface && interpolated(surface.occupancy, surface.size, p) >= ISO) return t;
    const entry = Math.round(entryOf(table, field.sample(p)));
    const opacity = 1 - (1 - table.rgba[entry * 4 + 3]! / 255) ** (step / unit);
    if (light * opacity > most) [most, strongest] = [light * opacity, t];
    light *= 1 - opacity;
    if (1 - light >= HIT) return t;
  }
  // Something thin: what adds most to the picture, if one can see it.
  return 1 - light > 0.1 ? strongest : null;
}
