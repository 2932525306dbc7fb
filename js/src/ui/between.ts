/** Outlines between slices, into masks and from masks: what is asked of Python, which shows it first. */
import { dot } from "../model/geometry";
import type { LabelItem, ShapeItem } from "../model/protocol";
import { maskOf } from "../tools/labels";
import { FORMS } from "../tools/shapes/kinds";
import type { Scene } from "./scene";

const PARALLEL = 1 - 1e-6;

export const isOutline = (item: { readonly type: string }): item is ShapeItem =>
  item.type === "shape" && FORMS[(item as ShapeItem).kind].closed;

/** Whether there are voxels inside. */
export const isFilled = (item: { readonly type: string }): boolean => item.type === "box" || isOutline(item);

/** The outlines to fill between: those chosen; of a single one all of its label, lesion, image and frame in its direction. */
export function outlinesBetween(picked: readonly ShapeItem[], all: readonly ShapeItem[]): readonly ShapeItem[] {
  const [one] = picked;
  if (!one || picked.length > 1) return picked;
  return all.filter((item) => isOutline(item) && item.label === one.label && item.lesion === one.lesion && item.image === one.image
    && item.frame === one.frame && item.normal !== null && one.normal !== null && Math.abs(dot(item.normal, one.normal)) > PARALLEL);
}

/** Draw polygons on the slices between the chosen outlines; what comes of it is said. */
export function fillBetween(scene: Scene): void {
  const { shapes } = scene.source.document;
  const ids = new Set(scene.selection);
  const outlines = outlinesBetween(shapes.filter((item) => ids.has(item.id) && isOutline(item)), shapes);
  if (outlines.length === 0) return scene.toast("Select an outline first.");
  scene.outline({
    title: "Fill between slices", request: { op: "fill_between_shapes", shapes: outlines.map(({ id }) => id) },
    done: "Filled between the slices.", nothing: "There is nothing to fill between.",
  });
}

/** Give the voxels inside the chosen outlines and boxes to the masks of their labels. */
export function fillShapes(scene: Scene): void {
  const { shapes, boxes } = scene.source.document;
  const ids = new Set(scene.selection);
  const filled = [...shapes, ...boxes].filter((item) => ids.has(item.id) && isFilled(item));
  if (filled.length === 0) return scene.toast("Select an outline or a box first.");
  scene.outline({
    title: "Fill into mask", request: { op: "fill_shapes", shapes: filled.map(({ id }) => id) },
    done: "Filled into the mask.", nothing: "The mask has these voxels already.",
  });
}

/** Draw the outlines of a label's segment on every slice of the view's axis; on those of the file where the view has none. */
export function outlineLabel(scene: Scene, label: LabelItem): void {
  const mask = maskOf(scene.masksOf(scene.pane.image), label.name);
  const segment = mask?.segments.find((one) => one.label === label.name);
  if (!mask || !segment) return scene.toast(`"${label.name}" has no segment yet. Paint it first.`);
  const axis = scene.pane.plane === "volume" ? 0 : scene.pane.frame.axis ?? 0;
  scene.outline({
    title: "Outlines of the slices", request: { op: "outline_segments", mask: mask.id, segment: segment.value, params: { axis } },
    done: `Outlines of "${label.name}" are on its slices.`, nothing: `"${label.name}" is empty.`,
  });
}
