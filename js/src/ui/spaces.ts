/** Which images share a space, and the way from the world of one to that of another. */
import type { GridGeometry, Vec3 } from "../model/geometry";
import type { ImageJson } from "../model/protocol";
import { compose, IDENTITY, inverse, type Matrix } from "../model/transform";
import type { TransformState } from "../state/parts";
import { hasPlanes } from "../tools/frame";

type Range = readonly [Vec3, Vec3];

/** Corners of the box along the world's axes that holds all voxels. */
export function bounds(geometry: GridGeometry): Range {
  const [nk, nj, ni] = geometry.shape;
  const corners: Vec3[] = [];
  for (const k of [-0.5, nk - 0.5]) for (const j of [-0.5, nj - 0.5]) for (const i of [-0.5, ni - 0.5]) {
    corners.push(geometry.toWorld([k, j, i]));
  }
  const end = (pick: (...values: number[]) => number): Vec3 =>
    [0, 1, 2].map((n) => pick(...corners.map((one) => one[n]!))) as unknown as Vec3;
  return [end(Math.min), end(Math.max)];
}

/** Part of the smaller box that lies in the other, 0 to 1. */
export function overlap(a: Range, b: Range): number {
  let both = 1;
  let one = 1;
  let two = 1;
  for (const n of [0, 1, 2] as const) {
    both *= Math.max(0, Math.min(a[1][n], b[1][n]) - Math.max(a[0][n], b[0][n]));
    one *= a[1][n] - a[0][n];
    two *= b[1][n] - b[0][n];
  }
  return both / Math.min(one, two);
}

/** Images without a frame of reference count as one space when at least half of the smaller lies in the other. */
const SAME_SPACE = 0.5;

/** The ways between the worlds of some images. */
export class Spaces {
  readonly #ways = new Map<string, Matrix | null>();

  constructor(
    private readonly images: readonly ImageJson[],
    private readonly transforms: Readonly<Record<string, TransformState>>,
    private readonly geometryOf: (image: ImageJson) => GridGeometry,
  ) {}

  /** The map from the world of `from` to that of `to`; null where none is known. */
  between(from: ImageJson, to: ImageJson): Matrix | null {
    if (from.id === to.id) return IDENTITY;
    const key = `${from.id} ${to.id}`;
    let way = this.#ways.get(key);
    if (way === undefined) this.#ways.set(key, (way = this.#search(from, to)));
    return way;
  }

  /** Whether the transform between two images leads nowhere: it cannot be inverted. */
  flat(a: ImageJson, b: ImageJson): boolean {
    const flat = (from: ImageJson, to: ImageJson): boolean => {
      const step = this.transforms[from.id];
      return step?.to === to.id && inverse(step.matrix) === null;
    };
    return flat(a, b) || flat(b, a);
  }

  #search(from: ImageJson, to: ImageJson): Matrix | null {
    const ways = new Map<string, Matrix>([[from.id, IDENTITY]]);
    const queue = [from];
    for (let here = queue.shift(); here; here = queue.shift()) {
      const way = ways.get(here.id)!;
      if (here.id === to.id) return way;
      for (const next of this.images) {
        if (ways.has(next.id)) continue;
        const step = this.#step(here, next);
        if (!step) continue;
        ways.set(next.id, compose(step, way));
        queue.push(next);
      }
    }
    return null;
  }

  #step(from: ImageJson, to: ImageJson): Matrix | null {
    const ahead = this.transforms[from.id];
    if (ahead?.to === to.id) return inverse(ahead.matrix) ? ahead.matrix : null;
    const back = this.transforms[to.id];
    if (back?.to === from.id) return inverse(back.matrix);
    return this.#share(from, to) ? IDENTITY : null;
  }

  #share(a: ImageJson, b: ImageJson): boolean {
    if (a.frame_of_reference && b.frame_of_reference) return a.frame_of_reference === b.frame_of_reference;
    const one = this.geometryOf(a);
    const two = this.geometryOf(b);
    return hasPlanes(one) && hasPlanes(two) && overlap(bounds(one), bounds(two)) >= SAME_SPACE;
  }
}
