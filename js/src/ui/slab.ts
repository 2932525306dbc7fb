/** Thick slices: how the slices of a slab become one picture, and how thick it is. */
import { MOST_SAMPLES } from "../render/contract";
import { SLAB_MODES, type SlabMode } from "../state/parts";
import { without } from "../state/store";
import { hasPlanes } from "../tools/frame";
import type { MenuItem } from "./menu";
import type { Pane } from "./pane";

export const SLAB_TITLES: Readonly<Record<SlabMode, string>> = {
  mip: "Maximum (MIP)", minip: "Minimum (MinIP)", mean: "Mean",
};
const THICKNESSES = [5, 10, 20, 50] as const;
const USUAL = 10;
const SHORT: Readonly<Record<SlabMode, string>> = { mip: "MIP", minip: "MinIP", mean: "Mean" };
/** Part of the wanted thickness that whole slices may be off before the picture says so. */
const OFF = 0.05;

/** Number of slices, `thickness` mm apart, that a slab of `mm` joins. */
export const slabCount = (mm: number, thickness: number): number =>
  Math.min(MOST_SAMPLES, Math.max(1, Math.round(mm / thickness)));

/** "MIP 20 mm"; what the slices in it really take up where that is not what was asked for. */
export function slabText({ mode, mm }: { readonly mode: SlabMode; readonly mm: number }, thickness: number): string {
  const count = slabCount(mm, thickness);
  const real = count * thickness;
  if (Math.abs(real - mm) <= OFF * mm) return `${SHORT[mode]} ${mm} mm`;
  const size = `${Number(real.toPrecision(3))} mm`;
  return count > 1 ? `${SHORT[mode]} ${size} (${count} slices)` : `One slice, ${size}`;
}

/** Whether a pane can show slabs. */
export const slabPossible = (pane: Pane): boolean =>
  pane.plane !== "volume" && hasPlanes(pane.geometry) && !pane.image.color;

function set(pane: Pane, mode: SlabMode, mm: number): void {
  pane.view.set({ slabs: { ...pane.view.value.slabs, [pane.id]: { mode, mm } } });
}

/** Go to the next way of joining slices: none, maximum, minimum, mean. */
export function nextSlab(pane: Pane): void {
  if (!slabPossible(pane)) return;
  const now = pane.view.value.slabs[pane.id];
  const next = SLAB_MODES[now ? SLAB_MODES.indexOf(now.mode) + 1 : 0];
  if (next) set(pane, next, now?.mm ?? USUAL);
  else pane.view.set({ slabs: without(pane.view.value.slabs, pane.id) });
}

/** Make the slab thicker or thinner, by at least one slice. */
export function thicken(pane: Pane, factor: number): void {
  if (!slabPossible(pane)) return;
  const { mode, mm } = pane.view.value.slabs[pane.id] ?? { mode: "mip" as const, mm: pane.frame.thickness };
  const step = pane.frame.thickness;
  const next = factor > 1 ? Math.max(mm * factor, mm + step) : Math.min(mm * factor, mm - step);
  if (next < 1.5 * step) pane.view.set({ slabs: without(pane.view.value.slabs, pane.id) });
  else set(pane, mode, Number(Math.min(next, 500).toPrecision(3)));
}

/** The menu of a pane's slab. */
export function slabItems(pane: Pane): MenuItem[] {
  if (!slabPossible(pane)) return [];
  const now = pane.view.value.slabs[pane.id];
  const off: MenuItem = {
    id: "slab-off", title: "Thin slices", checked: now === undefined,
    run: () => pane.view.set({ slabs: without(pane.view.value.slabs, pane.id) }),
  };
  const modes = SLAB_MODES.map((mode): MenuItem => ({
    id: `slab-${mode}`, title: SLAB_TITLES[mode], hint: now?.mode === mode ? `${now.mm} mm` : "",
    checked: now?.mode === mode, run: () => set(pane, mode, now?.mm ?? USUAL),
  }));
  const sizes = THICKNESSES.map((mm): MenuItem => ({
    id: `slab-${mm}`, title: `${mm} mm`, checked: now?.mm === mm, run: () => set(pane, now?.mode ?? "mip", mm),
  }));
  return [off, ...modes, ...sizes];
}
