/** Brush and eraser: a disc on the shown plane or a ball in space, in mm; one edit for each stroke. */
import type { Vec3 } from "../model/geometry";
import { length } from "../model/geometry";
import { connected } from "./flood";
import type { Frame } from "./frame";
import {
  frameLimits, halfVoxel, latticeOf, tubeRegion, voxelsUnder, wholeGrid, withVoxels, type Lattice, type Limits, type Region,
} from "./region";
import { workOf, type Gate } from "./rules";
import { commit, STILL_LOADING, Stroke } from "./stroke";
import type { Gesture, Pointer, Tool, ToolHost } from "./tool";

/** How the brush lies in a plane. */
export interface Brush {
  readonly lattice: Lattice;
  readonly limits: Limits;
  /** Unit normal of a disc on a free plane; null: a ball, or a disc on a slice of the grid. */
  readonly normal: Vec3 | null;
  readonly half: number;
}

/** The brush on a frame; `slab`: mm of the thick slice shown, 0 for none. */
export function brushOn(host: Pick<ToolHost, "geometry">, frame: Frame, sphere: boolean, slab = 0): Brush {
  const lattice = latticeOf(host.geometry, frame.slice);
  if (sphere && host.geometry.kind === "grid") return { lattice, limits: wholeGrid(lattice), normal: null, half: 0 };
  if (frame.axis !== null) return { lattice, limits: frameLimits(lattice, frame), normal: null, half: 0 };
  const half = Math.max(halfVoxel(lattice, frame.normal), slab / 2);
  return { lattice, limits: wholeGrid(lattice), normal: frame.normal, half };
}

/** What a brush covers on its way from a to b (world); a brush finer than a voxel still draws a line. */
export function covered({ lattice, limits, normal, half }: Brush, a: Vec3, b: Vec3, radius: number): Region | null {
  const region = tubeRegion(lattice, limits, { a, b, radius, normal, half });
  const [k, j, i] = lattice.steps;
  const cell = (length(k) + length(j) + length(i)) / 2;
  return radius >= cell ? region : withVoxels(region, voxelsUnder(lattice, limits, a, b));
}

/** Part of the size that a pen draws with: a light touch is a quarter, full pressure all of it. */
export const pressed = (pointer: Pointer): number => 0.25 + 0.75 * pointer.pressure;

/** Takes what is like the place where the stroke began, and joined to the brush. */
class Adaptive {
  readonly #mean: number;

  constructor(private readonly host: ToolHost, private readonly brush: Brush, at: Vec3, ball: boolean) {
    const { shape } = brush.lattice;
    const [k0, j0, i0] = brush.lattice.index(at).map(Math.round) as [number, number, number];
    let sum = 0;
    let count = 0;
    const near = (n: 0 | 1 | 2, middle: number): number[] => {
      const [low, high] = ball ? [0, shape[n] - 1] : brush.limits[n];
      return [middle - 1, middle, middle + 1].filter((x) => x >= low && x <= high);
    };
    for (const k of near(0, k0)) for (const j of near(1, j0)) for (const i of near(2, i0)) {
      const value = host.store.slice(k)?.[j * shape[2] + i];
      if (value === undefined || Number.isNaN(value)) continue;
      sum += value;
      count++;
    }
    this.#mean = count > 0 ? sum / count : NaN;
  }

  /** The part of a region that is joined to the brush's way through alike voxels that may change. */
  part(region: Region, a: Vec3, b: Vec3, gate: Gate): Region | null {
    const { lattice, limits } = this.brush;
    const { tolerance } = this.host.view.value.rules;
    const { store } = this.host;
    const [low, high] = [this.#mean - tolerance, this.#mean + tolerance];
    let shown = -1;
    let slice: ArrayLike<number> | undefined;
    const may = (k: number, at: number): boolean => {
      if (k !== shown) {
        shown = k;
        slice = store.partial?.has(k) ? undefined : store.slice(k);
      }
      if (!slice) gate.missing = true;
      return slice !== undefined && slice[at]! >= low && slice[at]! <= high;
    };
    return connected(region, voxelsUnder(lattice, limits, a, b), may, lattice.shape[2]);
  }
}

/** Mm of the thick slice that a pane shows; 0 for none. */
const slabOf = (host: ToolHost, frame: Frame): number => host.view.value.slabs[frame.pane]?.mm ?? 0;

function beginStroke(pointer: Pointer, host: ToolHost, erase: boolean, all: boolean): Gesture | null {
  const work = workOf(host, erase, all);
  if (!work) return null;
  const { rules } = host.view.value;
  const { frame } = pointer;
  const brush = brushOn(host, frame, rules.sphere, slabOf(host, frame));
  const stroke = new Stroke(work);
  const adaptive = rules.adaptive && !erase && !host.image.color
    ? new Adaptive(host, brush, pointer.world, rules.sphere || frame.axis === null) : null;
  let last = pointer.world;
  let done = false;
  const move = (p: Pointer): void => {
    const region = covered(brush, last, p.world, (host.view.value.size_mm / 2) * pressed(p));
    const part = region && adaptive ? adaptive.part(region, last, p.world, work.gate) : region;
    const changed = part !== null && stroke.paint(part);
    last = p.world;
    done ||= changed;
    if (changed) host.repaint("voxels");
  };
  move(pointer);
  return {
    move,
    end: (p) => {
      // Lifting a pen leaves no mark of its own.
      move({ ...p, pressure: Math.min(p.pressure, pointer.pressure) });
      const changes = stroke.result();
      // The document applies the edit itself and must find the old values.
      stroke.revert();
      commit(host, work, changes, erase ? "eraser" : "brush", erase ? "Erase" : "Paint");
      if (stroke.missing || work.gate.missing) host.toast(STILL_LOADING);
      else if (!done) tellWhy(host, work.gate, adaptive !== null);
    },
    cancel: () => {
      stroke.revert();
      work.fresh?.drop();
      host.repaint();
    },
  };
}

function tellWhy(host: ToolHost, gate: Gate, adaptive: boolean): void {
  const why = gate.why ?? (adaptive ? "Nothing under the brush is like the place where the stroke began." : null);
  if (why) host.toast(why);
}

export const brush: Tool = {
  name: "brush",
  cursor: () => "none",
  begin: (pointer, host) => beginStroke(pointer, host, pointer.alt, false),
};

export const eraser: Tool = {
  name: "eraser",
  cursor: () => "none",
  begin: (pointer, host) => beginStroke(pointer, host, true, pointer.alt),
};

/** Where a ball of `radius` mm at `world` cuts a frame: centre (plane mm) and radius; null where it does not. */
export function ballCut(frame: Frame, world: Vec3, radius: number): { readonly at: readonly [number, number]; readonly radius: number } | null {
  const at = frame.toPlane(world);
  const foot = frame.toWorld(at);
  const off = length([world[0] - foot[0], world[1] - foot[1], world[2] - foot[2]]);
  return off < radius ? { at, radius: Math.sqrt(radius * radius - off * off) } : null;
}
