import { describe, expect, it } from "vitest";
import type { BoxItem, EditDraft } from "../src/model/protocol";
import { sliceFrame } from "../src/tools/frame";
import { doWithShapes } from "../src/ui/shapeactions";
import type { Scene } from "../src/ui/scene";
import { boxItem, image, plain } from "./tools_help";

function world(box: BoxItem, slice = 4) {
  const edits: EditDraft[] = [];
  const toasts: string[] = [];
  const frame = sliceFrame(plain, "axial", slice);
  const pane = {
    plane: "axial", frame, time: 0, geometry: plain, camera: { mmPerPx: 0.5, pan: [0, 0] }, scroll: () => undefined,
    neighbour: (by: number) => ({ frame: sliceFrame(plain, "axial", slice + by), time: 0 }),
  };
  const scene = {
    ready: true, pane, labels: [], selection: [box.id], view: { value: { selected: [box.id] } },
    main: image(plain), imageById: () => undefined, geometryOf: () => plain, source: { document: { boxes: [box], shapes: [], tags: [] } },
    apply: (edit: EditDraft) => void edits.push(edit), toast: (text: string) => void toasts.push(text),
  };
  const made = (): BoxItem[] => edits.flatMap((one) => (one.kind === "batch" ? one.edits : [one])).map((one) => (one as { item: BoxItem }).item);
  return { scene: scene as unknown as Scene, toasts, made };
}

describe("what is done with selected boxes", () => {
  const flat = boxItem([[2, 3, 4], [2, 8, 9]], { name: "target", lesion: "L", locked: false });
  const thick = boxItem([[1, 3, 4], [5, 8, 9]]);

  it("duplicates them beside themselves", () => {
    const { scene, made } = world(thick);
    doWithShapes(scene, "duplicate");
    // 14 px of 0.5 mm: 8.75 voxels of 0.8 mm down, cut at the border, and 14 of 0.5 mm right.
    expect(made()).toMatchObject([{ label: "liver", name: "", index: [[1, 8.5, 11.5], [5, 13.5, 16.5]] }]);
    expect(made()[0]!.id).not.toBe(thick.id);
    expect(scene.selection).toEqual([made()[0]!.id]);
  });

  it("copies flat ones to the next slice, in their lesion, and pulls them onto the one shown", () => {
    const copied = world(flat, 2);
    doWithShapes(copied.scene, "next");
    expect(copied.made()).toMatchObject([{ lesion: "L", index: [[3, 3, 4], [3, 8, 9]] }]);
    const pulled = world(flat);
    doWithShapes(pulled.scene, "snap");
    expect(pulled.made()).toMatchObject([{ id: flat.id, name: "target", index: [[4, 3, 4], [4, 8, 9]] }]);
    expect([copied.toasts, pulled.toasts]).toEqual([[], []]);
  });

  it("says why others stay, and keeps them selected", () => {
    for (const action of ["next", "snap"] as const) {
      const { scene, toasts, made } = world(thick);
      doWithShapes(scene, action);
      expect([made(), scene.selection, toasts]).toEqual([[], [thick.id], ["Only boxes that are flat in this plane have a slice: others stay."]]);
    }
    const { scene, toasts, made } = world({ ...flat, locked: true });
    doWithShapes(scene, "snap");
    expect([made(), toasts]).toEqual([[], ['The box "target" is locked. Unlock it to change it.']]);
  });
});
