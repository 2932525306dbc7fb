// @vitest-environment happy-dom
import { describe, expect, it } from "vitest";
import { DocumentMirror } from "../src/model/document";
import type { GeometryJson, ImageJson, LabelItem, StateMessage } from "../src/model/protocol";
import { ViewStore } from "../src/state/store";
import { AnswersPanel } from "../src/ui/forms/answers";
import { annotated } from "../src/ui/frames";
import { Scene } from "../src/ui/scene";
import type { Source } from "../src/ui/source";
import { label } from "./tools_help";

const picture = (id: string, geometry: GeometryJson, more: Partial<ImageJson> = {}): ImageJson => ({
  id, name: id, shape: geometry.shape, frames: 1, dtype: "int16", color: false, modality: "MR", unit: "",
  photometric: "MONOCHROME2", windows: [], geometry, frame_times: null, orientation_labels: null, ...more,
});
const grid = (shape: readonly [number, number, number]): GeometryJson =>
  ({ kind: "grid", shape, affine: [[0, 0, 1, 0], [0, 1, 0, 0], [2, 0, 0, 0], [0, 0, 0, 1]] });
const plane = (z: number) => ({ origin: [0, 0, z], column_step: [1, 0, 0], row_step: [0, 1, 0] }) as const;
const stack = (zs: readonly number[]): GeometryJson => ({ kind: "stack", planes: zs.map(plane), shape: [zs.length, 4, 5], unit: "mm", patient_space: true });

const volume = picture("volume", grid([8, 4, 5]));
const cine = picture("cine", grid([1, 4, 5]), { frames: 6 });
/** Ultrasound: all planes at one place. */
const loop = picture("loop", stack([0, 0, 0, 0, 0, 0]));
const uneven = picture("uneven", stack([0, 3, 7, 12, 14, 20]));

const graded: LabelItem["attributes"] = [
  { name: "grade", type: "choice", options: ["good", "poor"], range: null, unit: "", required: false, default: null, when: {} },
];

function open(image: ImageJson, attributes: LabelItem["attributes"] = []) {
  const document = new DocumentMirror();
  let seq = 0;
  document.connect({ reserve: () => ({ seq: ++seq, id: `t:${seq}` }), send: () => undefined, resync: () => undefined });
  document.receiveState({
    type: "state", tab: "t", version: "", document: "d", revision: 1, acked: 0, images: [image],
    labels: [label("quality", { scope: ["image"], attributes })], masks: [], boxes: [], shapes: [], tags: [],
    can_undo: false, can_redo: false, http: null, author: "",
  } as StateMessage);
  const nothing = (): void => undefined;
  const source = { document, volumes: { store: () => undefined }, channel: {} } as unknown as Source;
  const scene = new Scene(source, new ViewStore({}, nothing), {
    toast: nothing, repaint: nothing, outline: () => undefined, needsLabel: nothing, failed: (error) => { throw error; },
  });
  for (const { id } of scene.panes) scene.paneById(id).place({ pane: id, x: 0, y: 0, width: 200, height: 100 });
  scene.active = scene.panes[0]!.id;
  const panel = new AnswersPanel(scene, new AbortController().signal);
  globalThis.document.body.replaceChildren(panel.element);
  const at = (n: number): void => {
    if (image.frames > 1) scene.pane.setTime(n);
    else scene.pane.scrollTo(n);
    panel.draw();
  };
  const tick = (): HTMLInputElement => panel.element.querySelector<HTMLInputElement>('[data-nbannot-tag="quality"]')!;
  return { document, scene, panel, at, tick };
}

describe.each([
  ["a slice of a volume", volume, "slice"],
  ["a frame in time", cine, "frame"],
  ["a plane of a loop that stands still", loop, "slice"],
  ["a plane of uneven slices", uneven, "slice"],
] as const)("a tag of %s", (_, image, scope) => {
  it("is made for what is shown, listed there only, and goes with its tick", () => {
    const { document, scene, panel, at, tick } = open(image);
    for (const n of [4, 1]) {
      at(n);
      expect(panel.element.textContent).toContain(`quality, ${scope} ${n + 1}`);
      expect(tick().checked).toBe(false);
      tick().click();
    }
    expect(document.tags.map(({ label: name, scope: of, image: on, index, lesion }) => [name, of, on, index, lesion])).toEqual([
      ["quality", scope, image.id, 4, ""], ["quality", scope, image.id, 1, ""],
    ]);
    if (image !== volume) expect(annotated(scene.pane)).toEqual([1, 4]);
    at(2);
    expect(tick().checked).toBe(false);
    at(4);
    expect(tick().checked).toBe(true);
    tick().click();
    expect(document.tags.map(({ index }) => index)).toEqual([1]);
    document.undo();
    expect(document.tags.map(({ index }) => index).sort()).toEqual([1, 4]);
  });

  it("holds the answers about it", () => {
    const { document, panel, at } = open(image, graded);
    at(3);
    panel.element.querySelector<HTMLInputElement>('[data-nbannot-option="poor"]')!.click();
    expect(document.tags).toMatchObject([{ label: "quality", scope, image: image.id, index: 3, attributes: { grade: "poor" } }]);
    at(0);
    panel.element.querySelector<HTMLInputElement>('[data-nbannot-option="good"]')!.click();
    expect(document.tags.map(({ index, attributes }) => [index, attributes["grade"]])).toEqual([[3, "poor"], [0, "good"]]);
  });
});
