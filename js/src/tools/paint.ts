/** Brush and eraser: a disc in mm on the shown plane, one Paint edit for each stroke. */
import type { LabelItem, MaskItem } from "../model/protocol";
import { maskOf, newMask, obstacle } from "./labels";
import { Stroke, type StrokeRule } from "./stroke";
import { onSlice, TURNED, type Gesture, type Pointer, type Tool, type ToolHost } from "./tool";

interface Target {
  readonly mask: MaskItem;
  readonly value: number;
}

/** The mask and segment that hold a label on the shown image, made for the brush when there is none. */
function target(host: ToolHost, label: LabelItem, make: boolean): Target | null {
  let mask = maskOf(host.masks, label.name);
  if (!mask && make) {
    mask = newMask(label.name, host.image.id);
    host.apply({ kind: "put", item: mask, tool: "brush" });
  }
  const segment = mask?.segments.find((one) => one.label === label.name);
  return mask && segment ? { mask, value: segment.value } : null;
}

/** Values of the mask that must not change because their label is locked. */
export function lockedValues(mask: MaskItem, labels: readonly LabelItem[]): Set<number> {
  const locked = new Set(labels.filter((one) => one.locked).map((one) => one.name));
  return new Set(mask.segments.filter((one) => locked.has(one.label)).map((one) => one.value));
}

function rule(mask: MaskItem, value: number, erase: boolean, all: boolean, host: ToolHost): StrokeRule {
  const locked = lockedValues(mask, host.labels);
  if (!erase) return { value, allows: (old) => !locked.has(old) };
  return { value: 0, allows: (old) => (all ? !locked.has(old) : old === value) };
}

function strokes(host: ToolHost, label: LabelItem, erase: boolean, all: boolean): StrokeOf[] {
  const one = target(host, label, !erase);
  const masks = all ? host.masks : [];
  const others = masks.filter((mask) => mask !== one?.mask).map((mask) => ({ mask, value: -1 }));
  const targets = one ? [one, ...others] : others;
  const out: StrokeOf[] = [];
  for (const { mask, value } of targets) {
    const voxels = host.voxels(mask.id);
    if (voxels) out.push({ mask, stroke: new Stroke(voxels, rule(mask, value, erase, all, host)) });
  }
  return out;
}

interface StrokeOf {
  readonly mask: MaskItem;
  readonly stroke: Stroke;
}

function finish(host: ToolHost, made: readonly StrokeOf[], tool: string): void {
  const edits = made.flatMap(({ mask, stroke }) => {
    const result = stroke.result();
    // The document applies the edit itself and must find the old values.
    stroke.revert();
    return result ? [{ kind: "paint" as const, mask: mask.id, ...result, tool }] : [];
  });
  if (edits.length === 1) host.apply(edits[0]!);
  else if (edits.length > 1) host.apply({ kind: "batch", edits, name: "Erase", tool });
  if (made.some(({ stroke }) => stroke.missing)) {
    host.toast("Some slices of the mask are still loading; they were left as they are.");
  }
}

function beginStroke(pointer: Pointer, host: ToolHost, erase: boolean, all: boolean): Gesture | null {
  if (!onSlice(pointer)) {
    host.toast(TURNED);
    return null;
  }
  const label = host.activeLabel();
  if (!label) return null;
  const why = obstacle(host, label);
  if (why) {
    host.toast(why);
    return null;
  }
  const made = strokes(host, label, erase, all);
  if (made.length === 0) {
    host.toast(erase ? `"${label.name}" has nothing to erase here.` : "The mask is not here yet.");
    return null;
  }
  const radius = host.view.value.size_mm / 2;
  let last = pointer.plane;
  const { frame } = pointer;
  const move = (p: Pointer): void => {
    for (const { stroke } of made) stroke.paint(frame, last, p.plane, radius);
    last = p.plane;
    host.repaint();
  };
  move(pointer);
  return {
    move,
    end: (p) => {
      move(p);
      finish(host, made, erase ? "eraser" : "brush");
    },
    cancel: () => {
      for (const { stroke } of made) stroke.revert();
      host.repaint();
    },
  };
}

export const brush: Tool = {
  name: "brush",
  cursor: () => "none",
  begin: (pointer, host) => beginStroke(pointer, host, pointer.alt, false),
};

export const eraser: Tool = {
  name: "eraser",
  cursor: () => "none",
  begin: (pointer, host) => beginStroke(pointer, host, true, pointer.alt),
};
