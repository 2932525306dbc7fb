/** Voxels of segments, as far as they are here. */
import type { MaskStore } from "../model/masks";

interface Known {
  readonly version: number;
  readonly k: number | null;
}
const known = new WeakMap<MaskStore, Map<number, Known>>();

/** A slice that holds a value, or that is still to come; null for none. Cheap where nothing changed. */
export function drawnSlice(store: MaskStore, value: number): number | null {
  let values = known.get(store);
  if (!values) known.set(store, (values = new Map()));
  const before = values.get(value);
  if (before?.version === store.version) return before.k;
  const holds = (k: number): boolean => !store.ready(k) || (store.slice(k)?.includes(value) ?? false);
  let k = before && before.k !== null && holds(before.k) ? before.k : null;
  for (let n = 0; k === null && n < store.shape[0]; n++) if (holds(n)) k = n;
  values.set(value, { version: store.version, k });
  return k;
}

/** Number of voxels of a value; null while slices are missing. */
export function countVoxels(store: MaskStore, value: number): number | null {
  if (store.missing.length > 0) return null;
  let count = 0;
  for (let k = 0; k < store.shape[0]; k++) for (const one of store.slice(k) ?? []) if (one === value) count += 1;
  return count;
}
