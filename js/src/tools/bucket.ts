/** The fill tool: what is joined to the clicked voxel on its slice and alike. */
import { flood, planeRegion } from "./flood";
import type { SliceFrame } from "./frame";
import { withAxis, type Vec3 } from "../model/geometry";
import { workOf, type Work } from "./rules";
import { changeOnce } from "./stroke";
import { onSlice, TURNED, type SlicePointer, type Tool, type ToolHost } from "./tool";

/** Values that the fill takes when it begins at `value`: those of the range, else those within the tolerance. */
function wanted(host: ToolHost, value: number): readonly [number, number] {
  const { range, tolerance } = host.view.value.rules;
  return range ?? [value - tolerance, value + tolerance];
}

function fillFrom(pointer: SlicePointer, host: ToolHost, work: Work): void {
  const { frame } = pointer;
  const { shape } = host.geometry;
  const { store } = host;
  const [k, j, i] = withAxis(pointer.index.map(Math.round) as unknown as Vec3, frame.axis, frame.slice);
  const inside = [k, j, i].every((x, n) => x >= 0 && x < shape[n]!);
  const slice = inside && !store.partial?.has(k) ? store.slice(k) : undefined;
  if (!slice) return host.toast(inside ? "This slice is still loading." : "Click on the image.");
  const value = slice[j * shape[2] + i]!;
  const [low, high] = wanted(host, value);
  if (!(value >= low && value <= high)) return host.toast(`The value here, ${value}, is not from ${low} to ${high}.`);
  const found = flood(shape[frame.uAxis], shape[frame.vAxis], [k, j, i][frame.uAxis]!, [k, j, i][frame.vAxis]!,
    candidates(host, frame, work, low, high));
  changeOnce(host, found && planeRegion(frame, shape, found), work, "fill", "Fill");
}

/** Which voxels of a slice the fill may go through. */
function candidates(
  host: ToolHost, frame: SliceFrame, { gate, targets }: Work, low: number, high: number,
): (u: number, v: number) => boolean {
  const { store } = host;
  const ni = host.geometry.shape[2];
  const own = targets[0]!;
  gate.begin();
  let at = -1;
  let image: ArrayLike<number> | undefined;
  let mask: ArrayLike<number> | undefined;
  let open = false;
  return (u, v) => {
    const [k, j, i] = withAxis(withAxis(withAxis([0, 0, 0], frame.axis, frame.slice), frame.uAxis, u), frame.vAxis, v);
    if (k !== at) {
      at = k;
      image = store.partial?.has(k) ? undefined : store.slice(k);
      mask = own.voxels.slice(k);
      open = image !== undefined && own.voxels.ready(k) && (gate.open || gate.enter(k));
      if (!open) gate.missing = true;
    }
    if (!open) return false;
    const n = j * ni + i;
    const value = image![n]!;
    if (!(value >= low && value <= high)) return false;
    const old = mask ? mask[n]! : 0;
    return (old === own.value || old === 0 || own.allows(old)) && (gate.open || gate.may(n));
  };
}

export const bucket: Tool = {
  name: "fill",
  cursor: () => "cell",
  begin(pointer, host) {
    if (!onSlice(pointer)) {
      host.toast(TURNED);
      return null;
    }
    if (host.image.color) {
      host.toast("A colour picture has no intensity to fill by.");
      return null;
    }
    const work = workOf(host, false);
    if (work) fillFrom(pointer, host, work);
    work?.fresh?.drop();
    return null;
  },
};
