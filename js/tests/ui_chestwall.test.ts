import { beforeEach, describe, expect, it } from "vitest";
import { computeCells } from "../src/layout";
import { DocumentMirror } from "../src/model/document";
import type { GeometryJson, ImageJson, StateMessage } from "../src/model/protocol";
import { ViewStore } from "../src/state/store";
import type { LayoutTree } from "../src/state/parts";
import { Scene } from "../src/ui/scene";
import type { Source } from "../src/ui/source";

const mm = (rows: number, columns: number): GeometryJson => ({
  kind: "stack", shape: [1, rows, columns], unit: "mm", patient_space: false,
  planes: [{ origin: [0, 0, 0], row_step: [0, 0.1, 0], column_step: [0.1, 0, 0] }],
});

function breast(side: "R" | "L", view: string, rows: number, more: Partial<ImageJson> = {}): ImageJson {
  const geometry = mm(rows, 2000);
  return {
    id: side + view, name: side + view, shape: geometry.shape, frames: 1, dtype: "uint16", color: false, modality: "MG",
    unit: "", photometric: "MONOCHROME2", windows: [], geometry, frame_times: null, laterality: side, view_position: view,
    // Right and left ones as detectors give them: the chest wall of either may be at any side of the file.
    orientation_labels: view === "CC" ? [side === "R" ? "P" : "A", side] : ["A", "F"], ...more,
  };
}

const cells = (...ids: string[]): LayoutTree => ({ row: ids.map((image) => ({ plane: "acquisition", image, id: image })) });
const FOUR: LayoutTree = { column: [cells("RCC", "LCC"), cells("RMLO", "LMLO")] };
const IMAGES = [breast("L", "MLO", 3000), breast("R", "CC", 2600), breast("L", "CC", 2500), breast("R", "MLO", 2800)];

function hang(images: readonly ImageJson[], layout: LayoutTree, width = 1002, height = 702): Scene {
  const document = new DocumentMirror();
  document.receiveState({
    type: "state", tab: "t", version: "", document: "d", revision: 1, acked: 0, images, labels: [], masks: [], boxes: [],
    shapes: [], tags: [], can_undo: false, can_redo: false, http: null, author: "",
  } as unknown as StateMessage);
  const scene = new Scene({ document } as unknown as Source, new ViewStore({ layout } as never, () => undefined), {
    toast: () => undefined, repaint: () => undefined, outline: () => undefined, needsLabel: () => undefined, failed: (error) => { throw error; },
  });
  place(scene, width, height);
  return scene;
}

function place(scene: Scene, width: number, height: number): void {
  for (const cell of computeCells(scene.arrangement, scene.maximized, width, height)) scene.paneById(cell.pane).place(cell);
}

/** Px from the left and the right edge of its pane to the picture; its chest wall touches where this is 0. */
function room(scene: Scene, id: string): readonly [number, number] {
  const { camera: { mmPerPx, pan }, frame: { extent }, size } = scene.paneById(id);
  const left = size[0] / 2 + (-extent[0] / 2 - pan[0]) / mmPerPx;
  const right = size[0] / 2 - (extent[0] / 2 - pan[0]) / mmPerPx;
  return [Math.round(left * 1e6) / 1e6, Math.round(right * 1e6) / 1e6];
}

const centred = (scene: Scene, id: string): boolean => room(scene, id)[0] === room(scene, id)[1];
const scales = (scene: Scene): number[] => scene.panes.map(({ camera }) => camera.mmPerPx);

describe("mammograms side by side", () => {
  let scene: Scene;
  beforeEach(() => { scene = hang(IMAGES, FOUR); });

  it("meet at their chest walls, in one scale that shows the whole of each", () => {
    for (const id of ["RCC", "RMLO"]) expect([id, room(scene, id)[1]]).toEqual([id, 0]);
    for (const id of ["LCC", "LMLO"]) expect([id, room(scene, id)[0]]).toEqual([id, 0]);
    for (const id of ["RCC", "RMLO", "LCC", "LMLO"]) expect(Math.min(...room(scene, id))).toBe(0);
    expect(new Set(scales(scene)).size).toBe(1);
    expect(scales(scene)[0]).toBeCloseTo(300 / 350, 9);
    expect(scene.panes.map(({ camera }) => camera.pan[1])).toEqual([0, 0, 0, 0]);
    place(scene, 802, 902);
    expect([room(scene, "RCC")[1], room(scene, "LMLO")[0], new Set(scales(scene)).size]).toEqual([0, 0, 1]);
  });

  it("stay where the user puts them, mirrored in the others, until they are fitted", () => {
    const before = scene.panes.map(({ camera }) => camera.pan[0]);
    scene.paneById("RCC").setCamera({ mmPerPx: 0.2, pan: [before[0]! - 10, 5] });
    expect(new Set(scales(scene))).toEqual(new Set([0.2]));
    const by = scene.panes.map(({ camera }, n) => Math.round(camera.pan[0] - before[n]!));
    expect(by).toEqual([-10, 10, -10, 10]);
    expect(scene.panes.map(({ camera }) => Math.round(camera.pan[1]))).toEqual([5, 5, 5, 5]);
    place(scene, 802, 902);
    expect(scene.paneById("RCC").camera).toEqual({ mmPerPx: 0.2, pan: [before[0]! - 10, 5] });
    scene.paneById("LMLO").fit();
    expect([room(scene, "RCC")[1], room(scene, "LCC")[0], new Set(scales(scene)).size]).toEqual([0, 0, 1]);
  });

  it("are in the middle where no other breast is beside them", () => {
    scene.view.set({ maximized: "RCC" });
    place(scene, 1002, 702);
    expect(centred(scene, "RCC")).toBe(true);
    scene.view.set({ maximized: null });
    place(scene, 500, 1400); // one column
    for (const { id } of scene.panes) expect(centred(scene, id)).toBe(true);
    place(scene, 1002, 702);
    scene.view.set({ turns: { LCC: { quarter: 0, flip: true } } }); // somebody turned its chest wall away
    expect([centred(scene, "RCC"), centred(scene, "LCC"), room(scene, "RMLO")[1]]).toEqual([true, true, 0]);
    const same = hang(IMAGES, cells("RCC", "RMLO"), 1402, 300);
    expect([centred(same, "RCC"), centred(same, "RMLO"), new Set(scales(same)).size]).toEqual([true, true, 2]);
    const swapped = hang(IMAGES, cells("LCC", "RCC"));
    expect([centred(swapped, "LCC"), centred(swapped, "RCC")]).toEqual([true, true]);
  });

  it("are in the middle where the file does not tell, and so are other pictures", () => {
    for (const more of [{ orientation_labels: null }, { modality: "DX", view_position: "AP" }, { laterality: "" }]) {
      const other = hang(IMAGES.map((one) => ({ ...one, ...more }) as ImageJson), FOUR);
      for (const { id } of other.panes) expect([more, centred(other, id)]).toEqual([more, true]);
    }
  });
});
