/** The fill tool: what is joined to the clicked voxel on its slice, or on a turned plane, and alike. */
import { flatFlood, flood, planeRegion } from "./flood";
import { withAxis, type Vec3 } from "../model/geometry";
import { latticeOf, type Region } from "./region";
import { workOf, type Work } from "./rules";
import { changeOnce } from "./stroke";
import { onSlice, type Pointer, type Tool, type ToolHost } from "./tool";

/** Values that the fill takes when it begins at `value`: those of the range, else those within the tolerance. */
function wanted(host: ToolHost, value: number): readonly [number, number] {
  const { range, tolerance } = host.view.value.rules;
  return range ?? [value - tolerance, value + tolerance];
}

function fillFrom(pointer: Pointer, host: ToolHost, work: Work): void {
  const { shape } = host.geometry;
  const { store } = host;
  const near = pointer.index.map(Math.round) as unknown as Vec3;
  const start = onSlice(pointer) ? withAxis(near, pointer.frame.axis, pointer.frame.slice) : near;
  const [k, j, i] = start;
  const inside = start.every((x, n) => x >= 0 && x < shape[n]!);
  const slice = inside && !store.partial?.has(k) ? store.slice(k) : undefined;
  if (!slice) return host.toast(inside ? "This slice is still loading." : "Click on the image.");
  const value = slice[j * shape[2] + i]!;
  const [low, high] = wanted(host, value);
  if (!(value >= low && value <= high)) return host.toast(`The value here, ${value}, is not from ${low} to ${high}.`);
  changeOnce(host, alike(pointer, host, start, candidates(host, work, low, high)), work, "fill", "Fill");
}

/** What is joined to a voxel over edges of the slice, or of what a turned plane cuts. */
function alike(pointer: Pointer, host: ToolHost, start: Vec3, may: (k: number, at: number) => boolean): Region | null {
  const { shape } = host.geometry;
  if (!onSlice(pointer)) return flatFlood(latticeOf(host.geometry, 0), pointer.frame, start, may);
  const { frame } = pointer;
  const { axis, uAxis, vAxis } = frame;
  const found = flood(shape[uAxis], shape[vAxis], start[uAxis], start[vAxis], (u, v) => {
    const [k, j, i] = withAxis(withAxis(withAxis([0, 0, 0], axis, frame.slice), uAxis, u), vAxis, v);
    return may(k, j * shape[2] + i);
  });
  return found && planeRegion(frame, shape, found);
}

/** Which voxels (flat offset in slice k) the fill may go through. */
function candidates(
  host: ToolHost, { gate, targets }: Work, low: number, high: number,
): (k: number, at: number) => boolean {
  const { store } = host;
  const own = targets[0]!;
  gate.begin();
  let shown = -1;
  let image: ArrayLike<number> | undefined;
  let mask: ArrayLike<number> | undefined;
  let open = false;
  return (k, at) => {
    if (k !== shown) {
      shown = k;
      image = store.partial?.has(k) ? undefined : store.slice(k);
      mask = own.voxels.slice(k);
      open = image !== undefined && own.voxels.ready(k) && (gate.open || gate.enter(k));
      if (!open) gate.missing = true;
    }
    if (!open) return false;
    const value = image![at]!;
    if (!(value >= low && value <= high)) return false;
    const old = mask ? mask[at]! : 0;
    return (old === own.value || old === 0 || own.allows(old)) && (gate.open || gate.may(at));
  };
}

export const bucket: Tool = {
  name: "fill",
  cursor: () => "cell",
  begin(pointer, host) {
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
