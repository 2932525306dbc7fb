/** Livewire: the cheapest way along edges of the picture from one place to another. */
import type { Vec3 } from "../../model/geometry";
import type { Frame, Pair } from "../frame";
import { far } from "./flat";

const STRAIGHT = 5;
const SLANT = 7;
/** Dearest step: two nodes of 255 across a corner. */
const DEAREST = 2 * 255 * SLANT;
const NEIGHBOURS = [[1, 0], [-1, 0], [0, 1], [0, -1], [1, 1], [1, -1], [-1, 1], [-1, -1]] as const;

/** What one step onto a pixel costs: 1 on the strongest edges, 255 where the picture is flat. */
export interface Costs {
  readonly width: number;
  readonly height: number;
  readonly cost: Uint8Array;
  /** Size of the gradient, by which anchors find their edge. */
  readonly edge: Float32Array;
  /** Upper quartile of the gradients that are not zero. */
  readonly usual: number;
}

/**
 * Costs from grey values, by the size of their gradient g: 255 / (1 + (g / g0)²).
 *
 * g0 is the upper quartile of the gradients that are not zero: the noise of the picture costs half, its edges next to nothing.
 */
export function costsOf(values: Float32Array, width: number, height: number): Costs {
  const size = new Float32Array(values.length);
  for (let y = 0; y < height; y++) {
    const [up, down] = [Math.max(0, y - 1) * width, Math.min(height - 1, y + 1) * width];
    for (let x = 0; x < width; x++) {
      const [left, right] = [Math.max(0, x - 1), Math.min(width - 1, x + 1)];
      const dx = values[y * width + right]! - values[y * width + left]!;
      const dy = values[down + x]! - values[up + x]!;
      const g = Math.hypot(dx, dy);
      size[y * width + x] = Number.isFinite(g) ? g : 0;
    }
  }
  const usual = upperQuartile(size);
  const cost = new Uint8Array(values.length);
  for (let n = 0; n < cost.length; n++) cost[n] = Math.max(1, Math.round(255 / (1 + (size[n]! / usual) ** 2)));
  return { width, height, cost, edge: size, usual };
}

function upperQuartile(size: Float32Array): number {
  const every = Math.max(1, Math.floor(size.length / 20_000));
  const some = size.filter((g, n) => n % every === 0 && g > 0).sort();
  return some[Math.floor(some.length * 0.75)] ?? 1;
}

/**
 * The ways from one pixel to all others, found as far as they are asked for (Dijkstra with buckets).
 *
 * A step costs the sum of both pixels' costs times its length (5 straight, 7 across a corner).
 */
export class Wave {
  readonly #sum: Int32Array;
  readonly #from: Int32Array;
  readonly #done: Uint8Array;
  readonly #buckets: number[][] = Array.from({ length: DEAREST + 1 }, () => []);
  #at = 0;
  #open = 1;

  constructor(private readonly costs: Costs, readonly start: number) {
    const n = costs.cost.length;
    this.#sum = new Int32Array(n).fill(0x7fffffff);
    this.#from = new Int32Array(n).fill(-1);
    this.#done = new Uint8Array(n);
    this.#sum[start] = 0;
    this.#buckets[0]!.push(start);
  }

  /** Search on until the way to `target` is known, or `most` pixels were settled; true where it is known. */
  reach(target: number, most = Infinity): boolean {
    const { cost } = this.costs;
    for (let left = most; this.#done[target] === 0 && this.#open > 0 && left > 0;) {
      const bucket = this.#buckets[this.#at % (DEAREST + 1)]!;
      const node = bucket.pop();
      if (node === undefined) {
        this.#at++;
        continue;
      }
      this.#open--;
      if (this.#done[node] === 1 || this.#sum[node]! !== this.#at) continue;
      this.#done[node] = 1;
      left--;
      this.#spread(node, cost[node]!);
    }
    return this.#done[target] === 1;
  }

  #spread(node: number, own: number): void {
    const { width, height, cost } = this.costs;
    const x = node % width;
    const y = (node - x) / width;
    for (let n = 0; n < 8; n++) {
      const [dx, dy] = NEIGHBOURS[n]!;
      const [u, v] = [x + dx, y + dy];
      if (u < 0 || v < 0 || u >= width || v >= height) continue;
      const next = v * width + u;
      if (this.#done[next] === 1) continue;
      const sum = this.#at + (own + cost[next]!) * (n < 4 ? STRAIGHT : SLANT);
      if (sum >= this.#sum[next]!) continue;
      this.#sum[next] = sum;
      this.#from[next] = node;
      this.#buckets[sum % (DEAREST + 1)]!.push(next);
      this.#open++;
    }
  }

  /** Cost of the way to a pixel that was reached. */
  costTo(target: number): number {
    return this.#sum[target]!;
  }

  /** Pixels of the way to a pixel that was reached, both ends included. */
  path(target: number): number[] {
    const out: number[] = [];
    for (let n = target; n >= 0; n = this.#from[n]!) out.push(n);
    return out.reverse();
  }
}

// In a plane -------------------------------------------------------------------------------------

/** Pixels of a plane: those of the slice, or of a raster as fine as the voxels where the plane is turned. */
export interface Raster {
  readonly width: number;
  readonly height: number;
  /** Pixel (u, v) of a place in the plane, not rounded. */
  at(plane: Pair): Pair;
  place(u: number, v: number): Pair;
  index(u: number, v: number): Vec3;
}

export function rasterOf(frame: Frame, shape: Vec3, finest: number): Raster {
  if (frame.axis !== null) {
    const { uAxis, vAxis, axis, slice } = frame;
    const index = (u: number, v: number): Vec3 => {
      const out: [number, number, number] = [slice, slice, slice];
      [out[axis], out[uAxis], out[vAxis]] = [slice, u, v];
      return out;
    };
    return {
      width: shape[uAxis], height: shape[vAxis], index,
      at: (p) => {
        const where = frame.toIndex(p);
        return [where[uAxis], where[vAxis]];
      },
      place: (u, v) => frame.fromIndex(index(u, v)),
    };
  }
  const [w, h] = frame.extent;
  const step = Math.max(finest, Math.max(w, h) / 1024);
  const place = (u: number, v: number): Pair => [u * step - w / 2, v * step - h / 2];
  return {
    width: Math.ceil(w / step) + 1, height: Math.ceil(h / step) + 1, place,
    at: ([x, y]) => [(x + w / 2) / step, (y + h / 2) / step],
    index: (u, v) => frame.toIndex(place(u, v)),
  };
}

/** The search goes on for this long (ms) with each move of the pointer, so that no move takes longer than a picture. */
const PER_MOVE = 8;
/** Pixels that an anchor moves at most to its edge. */
const SNAP = 5;
const AT_ONCE = 1000;

/** A way that is being traced on one plane: from the last anchor to the pointer. */
export class Tracer {
  readonly #costs: Costs;
  readonly #raster: Raster;
  #wave: Wave | null = null;

  constructor(frame: Frame, shape: Vec3, finest: number, voxel: (index: Vec3) => number) {
    const raster = (this.#raster = rasterOf(frame, shape, finest));
    const values = new Float32Array(raster.width * raster.height);
    for (let v = 0, n = 0; v < raster.height; v++)
      for (let u = 0; u < raster.width; u++, n++) values[n] = voxel(raster.index(u, v));
    this.#costs = costsOf(values, raster.width, raster.height);
  }

  #node(p: Pair): number {
    const { width, height } = this.#raster;
    const [u, v] = this.#raster.at(p);
    const within = (x: number, n: number): number => Math.min(n - 1, Math.max(0, Math.round(x)));
    return within(v, height) * width + within(u, width);
  }

  /**
   * The strongest edge near a place (plane mm): the pixel of the largest gradient within `reach` mm, at most SNAP pixels.
   *
   * Where there is none stronger than the usual edge of the picture, the place itself (Mortensen & Barrett 1995, cursor snap).
   */
  snap(p: Pair, reach: number): Pair {
    const { width, height, edge, usual } = this.#costs;
    const raster = this.#raster;
    const [u, v] = raster.at(p).map(Math.round) as [number, number];
    let [best, at] = [usual, p];
    for (let y = Math.max(0, v - SNAP); y <= Math.min(height - 1, v + SNAP); y++) {
      for (let x = Math.max(0, u - SNAP); x <= Math.min(width - 1, u + SNAP); x++) {
        const strength = edge[y * width + x]!;
        if (strength <= best) continue;
        const place = raster.place(x, y);
        if (far(place, p) <= reach) [best, at] = [strength, place];
      }
    }
    return at;
  }

  /** Begin a new way at an anchor. */
  anchor(p: Pair): void {
    this.#wave = new Wave(this.#costs, this.#node(p));
  }

  /** The way to a place, plane mm, without the anchor; straight where it is not found yet. */
  trace(p: Pair, whole: boolean): Pair[] {
    const target = this.#node(p);
    const wave = this.#wave;
    if (!wave || !(whole ? wave.reach(target) : search(wave, target))) return [p];
    const { width } = this.#raster;
    const way = wave.path(target).map((n) => this.#raster.place(n % width, Math.floor(n / width)));
    return [...way.slice(1, -1), p];
  }
}

function search(wave: Wave, target: number): boolean {
  for (const start = performance.now(); performance.now() - start < PER_MOVE;) if (wave.reach(target, AT_ONCE)) return true;
  return false;
}
