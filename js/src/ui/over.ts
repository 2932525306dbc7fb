/** Which images can lie over another. */
import type { GridGeometry, Vec3 } from "../model/geometry";
import type { ImageJson } from "../model/protocol";
import { IDENTITY, movePoint, type Matrix } from "../model/transform";
import { isGrid } from "../tools/frame";
import type { PaneOwner } from "./pane";
import { bounds, overlap } from "./spaces";

/** Why an image cannot lie over another, as the rest of a sentence that begins with its name; null where it can. */
export function whyNotOver(scene: PaneOwner, image: ImageJson, other: ImageJson): string | null {
  const geometry = scene.geometryOf(image);
  const target = scene.geometryOf(other);
  if (geometry.kind === "stack" && target.kind === "stack" && sameShape(geometry, target)) return null;
  if (!isGrid(geometry) || !isGrid(target)) return "has no regular grid, so it cannot lie over another image.";
  const way = scene.spaces.between(image, other);
  if (!way && scene.spaces.flat(image, other)) return "has a transform that cannot be inverted. Register it anew.";
  if (!way) return "is in another frame of reference. Register it to this image.";
  const moved = way === IDENTITY ? bounds(geometry) : movedBounds(geometry, way);
  return overlap(moved, bounds(target)) <= 0 ? "does not overlap this image." : null;
}

const sameShape = (a: GridGeometry, b: GridGeometry): boolean => a.shape.every((n, at) => n === b.shape[at]);

function movedBounds(geometry: GridGeometry, way: Matrix): readonly [Vec3, Vec3] {
  const [low, high] = bounds(geometry);
  const corners = [0, 1, 2, 3, 4, 5, 6, 7].map((n): Vec3 =>
    movePoint(way, [(n & 1 ? high : low)[0], (n & 2 ? high : low)[1], (n & 4 ? high : low)[2]]));
  const end = (pick: (...values: number[]) => number): Vec3 =>
    [0, 1, 2].map((n) => pick(...corners.map((one) => one[n]!))) as unknown as Vec3;
  return [end(Math.min), end(Math.max)];
}
