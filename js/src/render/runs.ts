/** Planes along the grid: where their rows and columns of pixels fall on it. */
import type { Axis } from "../model/geometry";
import type { SliceStore } from "./contract";
import { SNAP, alignedAxis, inPlaneAxes, nearest, onSlice } from "./plane";
import type { PlaneRequest } from "./plane";

export const clamp = (x: number, size: number): number => (x > 0 ? (x < size - 1 ? x : size - 1) : 0);

/** What is under a pixel: nothing, a voxel that is not here yet, or one that is. */
export const enum State { Outside, Missing, Here }

/** Source positions of a line of pixels along one grid axis. */
export class Run {
  readonly state: Uint8Array;
  readonly low: Int32Array;
  readonly high: Int32Array;
  readonly part: Float64Array;
  /** First and one past the last pixel that is not outside. */
  first = 0;
  last = 0;
  /** Some pixel falls on a slice that is not here. */
  gaps = false;

  constructor(
    readonly count: number,
    private readonly size: number,
    private readonly linear: boolean,
    private readonly present: Uint8Array | null,
    /** First and one past the last pixel to draw. */
    private readonly clip: readonly [number, number] = [0, count],
    /** Where the axis ends. */
    private readonly extent = size,
  ) {
    this.state = new Uint8Array(count);
    this.low = new Int32Array(count);
    this.high = new Int32Array(count);
    this.part = new Float64Array(count);
  }

  /** Let pixel p lie at `start + p * step`. */
  set(start: number, step: number): this {
    const { count, size, extent, linear, present, state, low, high, part } = this;
    this.first = count;
    this.last = 0;
    this.gaps = false;
    for (let p = 0; p < count; p++) {
      const at = start + p * step;
      if (!(at >= -0.5 - SNAP && at <= extent - 0.5 + SNAP)) {
        state[p] = State.Outside;
        continue;
      }
      if (p < this.first) this.first = p;
      this.last = p + 1;
      const n = clamp(Math.floor(at + 0.5 + SNAP), size);
      const inside = clamp(at, size);
      let a = linear ? Math.floor(inside) : n;
      let b = linear ? Math.min(a + 1, size - 1) : n;
      // A pixel shows its nearest slice; a neighbour that is not here yet does not take part.
      if (present && !(present[a] && present[b])) a = b = n;
      const here = !present || present[n] !== 0;
      if (!here) this.gaps = true;
      state[p] = here ? State.Here : State.Missing;
      low[p] = a;
      high[p] = b;
      part[p] = a === b ? 0 : inside - a;
    }
    return this.cut();
  }

  /** Leave out what is not drawn. */
  private cut(): this {
    this.first = Math.max(this.first, this.clip[0]);
    this.last = Math.min(this.last, this.clip[1]);
    return this;
  }
}

/** A plane that lies in one slice, or between two, and whose pixel rows each follow one grid axis. */
export interface Straight {
  readonly axis: Axis;
  readonly slice: number;
  /** How far the plane is from `slice` to the next; 0 where it shows one slice alone. */
  readonly part: number;
  /** The grid axes that the pixel rows run along and across. */
  readonly along: Axis;
  readonly across: Axis;
  /** Index step along `along` from one pixel row to the next; not 0 where the slice is sheared. */
  readonly slant: number;
}

/** How a plane follows the grid: straight, "off" when it lies beside the volume, null for any other plane. */
export function straightness(plane: PlaneRequest, store: SliceStore, smooth: boolean): Straight | "off" | null {
  const axis = alignedAxis(plane);
  if (axis === null) return null;
  const at = plane.origin[axis];
  const size = store.shape[axis];
  if (!(at >= -0.5 - SNAP && at <= size - 0.5 + SNAP)) return "off";
  const alone = !smooth || onSlice(at);
  const slice = alone ? clamp(nearest(at), size) : Math.floor(clamp(at, size));
  const part = alone ? 0 : clamp(at, size) - slice;
  const [a, b] = inPlaneAxes(axis);
  const { du, dv, width, height } = plane;
  for (const [along, across] of [[b, a], [a, b]] as const)
    if (Math.abs(du[across]) * width < SNAP) {
      const slant = Math.abs(dv[along]) * height < SNAP ? 0 : dv[along];
      return { axis, slice, part, along, across, slant };
    }
  return null;
}

/** The lines of a straight plane; `x` is that of the row `row` was called with last, at first row 0. */
export interface Lines {
  readonly x: Run;
  readonly y: Run;
  row(q: number): void;
}

/** Return the lines of a straight plane, with `border` more pixels on each side; `clip`: columns that are drawn. */
export function linesOf(
  plane: PlaneRequest, store: SliceStore, straight: Straight, linear: boolean, present: Uint8Array | null,
  border = 0, clip?: readonly [number, number] | null,
): Lines {
  const { origin, du, dv, width, height } = plane;
  const { along, across, slant } = straight;
  const rows = inPlaneAxes(straight.axis)[0];
  const here = (axis: Axis): Uint8Array | null => (straight.axis !== 0 && axis === rows ? present : null);
  const { shape, extent = shape } = store;
  const y = new Run(height + 2 * border, shape[across], linear, here(across), undefined, extent[across]);
  y.set(origin[across] - border * dv[across], dv[across]);
  const x = new Run(width + 2 * border, shape[along], linear, here(along), clip ?? undefined, extent[along]);
  const row = (q: number): void => {
    x.set(origin[along] - border * du[along] + (q - border) * slant, du[along]);
  };
  row(0);
  return { x, y, row };
}

/** Index distance in a slice between neighbours along each of its two axes, for pixels across and down. */
export function pitches(straight: Straight, columns: number, channels: number): readonly [number, number] {
  const turned = straight.along === inPlaneAxes(straight.axis)[0];
  return turned ? [columns * channels, channels] : [channels, columns * channels];
}
