/** Fill between slices for outlines: asks Python for the polygons on the slices between. */
import { dot } from "../model/geometry";
import type { ShapeItem } from "../model/protocol";
import { FORMS } from "../tools/shapes/kinds";
import type { Scene } from "./scene";

const OPERATION = "fill_between_shapes";
const PARALLEL = 1 - 1e-6;

export const isOutline = (item: { readonly type: string }): item is ShapeItem =>
  item.type === "shape" && FORMS[(item as ShapeItem).kind].closed;

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
  const road = scene.source.channel.live;
  if (outlines.length === 0) return scene.toast("Select an outline first.");
  if (!road) return scene.toast("This needs the kernel.");
  const rid = road.nextRid();
  const off = road.on((message) => {
    if (message.type !== "operate_ended" || message.rid !== rid) return;
    off();
    if (message.error) scene.toast(`${message.error.message}${/[.!?]$/.test(message.error.message) ? "" : "."} ${message.error.hint}`.trim());
    else scene.toast(message.edit ? "Filled between the slices." : "There is nothing to fill between.");
  });
  if (road.ask({ type: "operate", rid, op: OPERATION, shapes: outlines.map(({ id }) => id) })) return;
  off();
  scene.toast("There is no connection to the kernel.");
}
