// @vitest-environment happy-dom
import { expect, it } from "vitest";
import { DocumentMirror } from "../src/model/document";
import type { ConfigJson, ImageJson, StateMessage } from "../src/model/protocol";
import { ViewStore } from "../src/state/store";
import { LabelList } from "../src/ui/labellist";
import { Scene } from "../src/ui/scene";
import type { Source } from "../src/ui/source";
import { label } from "./tools_help";

const image = {
  id: "i", name: "i", shape: [2, 4, 5], frames: 1, dtype: "int16", color: false, modality: "MR", unit: "", photometric: "MONOCHROME2", windows: [],
  geometry: { kind: "grid", shape: [2, 4, 5], affine: [[0, 0, 1, 0], [0, 1, 0, 0], [2, 0, 0, 0], [0, 0, 0, 1]] },
  frame_times: null, orientation_labels: null,
} as unknown as ImageJson;

function opened(given: boolean): { list: LabelList; shown: (action: string) => boolean; titles: string[] } {
  const document = new DocumentMirror();
  document.connect({ reserve: () => ({ seq: 1, id: "t:1" }), send: () => undefined, resync: () => undefined });
  const config: Partial<ConfigJson> = { layouts: {}, shortcuts: [], presets: [], disabled: [], problems: [], labels_given: given };
  const nonsense = (): void => undefined;
  document.receiveState({
    type: "state", tab: "t", version: "", document: "d", revision: 1, acked: 0, images: [image], labels: [label("liver")], masks: [],
    boxes: [], shapes: [], tags: [], config, can_undo: false, can_redo: false, http: null, author: "",
  } as unknown as StateMessage);
  const source = { document, volumes: { store: () => undefined }, channel: {} } as unknown as Source;
  const scene = new Scene(source, new ViewStore({}, nonsense), {
    toast: nonsense, repaint: nonsense, outline: nonsense, needsLabel: nonsense, failed: (error) => { throw error; },
  });
  const list = new LabelList(scene, {} as never, globalThis.document.body, new AbortController().signal);
  list.draw();
  const shown = (action: string): boolean =>
    [...list.element.querySelectorAll<HTMLElement>(`[data-nbannot-action="${action}"]`)].some((one) => !one.hidden);
  return { list, shown, titles: list.menu(document.labels[0]!).map(({ title }) => title) };
}

it.each([true, false])("offers to make, name and delete labels only where they are not given: given %s", (given) => {
  const { list, shown, titles } = opened(given);
  expect(["label.add", "label.edit", "label.remove"].map(shown)).toEqual([!given, !given, !given]);
  expect(["label.hide", "label.lock"].map(shown)).toEqual([true, true]);
  expect(titles.includes("Rename") && titles.includes("Delete")).toBe(!given);
  const name = list.element.querySelector<HTMLElement>(".nbannot-name")!;
  name.dispatchEvent(new KeyboardEvent("keydown", { key: "F2", bubbles: true }));
  expect(list.element.querySelector("input[type=text], input:not([type])") !== null).toBe(!given);
});
