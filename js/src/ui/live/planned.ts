/** The picture of what an operation on outlines would make: shapes dashed, voxels as in the preview of any operation. */
import type { PlannedMessage } from "../../channel/live";
import { dot, type Vec3 } from "../../model/geometry";
import { MaskStore } from "../../model/masks";
import { decodeEdit, type Edit, type MaskItem, type PaintEdit, type ShapeItem } from "../../model/protocol";
import type { Preview, PreviewLayer } from "../previewlayer";
import type { Scene } from "../scene";
import { comingVoxels } from "./preview";
import { changeText, takenText, voxelVolume, whole } from "./words";

export interface Planned extends Preview {
  /** "+3 polygons on 3 slices" */
  readonly text: string;
  /** Ids of the masks that would change. */
  readonly masks: readonly string[];
}

const parts = (edit: Edit): readonly Edit[] => (edit.kind === "batch" ? edit.edits.flatMap(parts) : [edit]);

/** What the edit of a message would make. */
export function plannedPreview(scene: Scene, message: PlannedMessage, buffers: readonly Uint8Array[]): Planned {
  const edits = parts(decodeEdit(message.edit, buffers));
  const items = edits.flatMap((one) => (one.kind === "put" ? [one.item] : []));
  const shapes = items.filter((item) => item.type === "shape");
  const masks = new Map([...scene.source.document.masks.map(({ item }) => item), ...items.filter((item) => item.type === "mask")]
    .map((item) => [item.id, item]));
  const paints = edits.flatMap((one) => {
    const mask = one.kind === "paint" ? masks.get(one.mask) : undefined;
    return one.kind === "paint" && mask ? [{ edit: one, mask, ...counted(one, mask) }] : [];
  });
  // Where voxels go from one mask to another they are shown as what they become.
  const gaining = paints.filter(({ added }) => added > 0);
  const drawn = gaining.length > 0 ? gaining : paints;
  const taken: Record<string, number> = {};
  for (const one of paints) {
    for (const [label, n] of [...one.covered, ...(drawn.includes(one) ? [] : one.erased)]) taken[label] = (taken[label] ?? 0) + n;
  }
  const changes = drawn.map(({ added, erased, mask, names }) => {
    const gone = [...erased.values()].reduce((sum, n) => sum + n, 0);
    const text = changeText(added + gone, gone, voxelVolume(scene.geometryOf(scene.imageById(mask.image) ?? scene.main)));
    return drawn.length > 1 ? `${names.join(", ")} ${text}` : text;
  });
  return {
    layers: drawn.flatMap(({ edit, mask }) => layer(scene, edit, mask)), shapes,
    masks: paints.map(({ mask }) => mask.id),
    text: [...(shapes.length > 0 ? [shapesText(shapes)] : []), ...changes].join("; ") + takenText(taken),
  };
}

function layer(scene: Scene, { box, runs }: PaintEdit, mask: MaskItem): PreviewLayer[] {
  const image = scene.imageById(mask.image);
  if (!image) return [];
  const erase = Math.max(0, ...mask.segments.map(({ value }) => value)) + 1;
  const names = Object.fromEntries(mask.segments.map(({ value, label }) => [value, label]));
  return [comingVoxels(scene, new MaskStore(image.shape, "uint16"), { image: image.id, box, runs, names, erase, color: null })];
}

interface Counts {
  readonly added: number;
  /** Labels whose voxels are added, and those that lose voxels: to them, or to nobody. */
  readonly names: readonly string[];
  readonly covered: ReadonlyMap<string, number>;
  readonly erased: ReadonlyMap<string, number>;
}

/** Count the voxels that a paint would change. */
function counted({ runs }: PaintEdit, mask: MaskItem): Counts {
  const label = new Map(mask.segments.map((one) => [one.value, one.label]));
  const [covered, erased] = [new Map<string, number>(), new Map<string, number>()];
  const gains = new Set<number>();
  let added = 0;
  runs.new.forEach((value, n) => {
    const length = runs.length[n]!;
    const old = runs.old[n]!;
    const losers = value === 0 ? erased : covered;
    if (value !== 0) {
      gains.add(value);
      added += length;
    }
    if (old !== 0) losers.set(label.get(old) ?? mask.name, (losers.get(label.get(old) ?? mask.name) ?? 0) + length);
  });
  return { added, names: [...gains].flatMap((value) => label.get(value) ?? []), covered, erased };
}

/** "+12 polygons on 5 slices" */
function shapesText(shapes: readonly ShapeItem[]): string {
  const levels = new Set(shapes.map(({ slice, normal, points }) =>
    (slice ?? (normal ? dot(normal, points[0] as Vec3).toFixed(3) : 0))));
  return `+${whole.format(shapes.length)} ${shapes.length === 1 ? "polygon" : "polygons"} on ${whole.format(levels.size)} ${levels.size === 1 ? "slice" : "slices"}`;
}
