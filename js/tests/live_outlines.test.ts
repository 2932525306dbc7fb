// @vitest-environment happy-dom
import { describe, expect, it } from "vitest";
import { LiveRoad, type LiveMessage } from "../src/channel/live";
import { GridGeometry } from "../src/model/geometry";
import { MaskStore } from "../src/model/masks";
import { emptyRuns, encodeEdit, type Edit, type EditMeta, type Item, type Runs, type ShapeItem } from "../src/model/protocol";
import { openOperations } from "../src/ui/live/operations";
import { plannedPreview } from "../src/ui/live/planned";
import type { OutlineJob } from "../src/ui/previewlayer";
import type { Scene } from "../src/ui/scene";
import { IMAGE, MASK, SHAPE } from "./host";

const META: EditMeta = { id: "e", author: "", time: 0, origin: "hand", tool: "op:x", undoes: null };
const polygon = (id: string, z: number): ShapeItem => ({
  type: "shape", kind: "polygon", label: "liver", points: [[0, 0, z], [4, 0, z], [4, 4, z]], id, image: "img", frame: null, slice: null,
  normal: [0, 0, 1], text: "", names: [], edges: [], name: "", lesion: "", attributes: {}, status: "", locked: false,
});
const put = (item: Item): Edit => ({ kind: "put", item, old: null, at: null, ...META });
const runs = (rows: readonly (readonly [number, number, number, number])[]): Runs => {
  const out = emptyRuns(rows.length);
  rows.forEach(([start, length, old, value], n) => {
    [out.start[n], out.length[n], out.old[n], out.new[n]] = [start, length, old, value];
  });
  return out;
};
const paint = (mask: string, rows: Parameters<typeof runs>[0]): Edit =>
  ({ kind: "paint", mask, box: [[1, 0, 0], [2, 6, 5]], runs: runs(rows), ...META });
const batch = (...edits: Edit[]): Edit => ({ kind: "batch", edits, name: "", ...META });
const VESSEL = { ...MASK, id: "m2", name: "vessel", segments: [{ value: 3, label: "vessel", status: "" as const }] };

/** What comes from the host for an edit. */
function planned(edit: Edit, rid = 1): [LiveMessage & { type: "planned" }, Uint8Array[]] {
  const { json, buffers } = encodeEdit(edit);
  return [{ type: "planned", tab: "T", rid, edit: json }, buffers];
}

function world() {
  const geometry = new GridGeometry(IMAGE.geometry);
  const stores = new Map([MASK, VESSEL].map(({ id }) => [id, new MaskStore(SHAPE, "uint8")]));
  const toasts: string[] = [];
  const pane = { id: "axial", image: IMAGE, time: 0, plane: "axial", cursor: [0, 0, 0], geometry, slice: 0 };
  const scene = {
    ready: true, labels: [{ id: "l", name: "liver", color: "#004000" }], label: { id: "l", name: "liver" }, view: { value: {} },
    preview: null, pick: null, pane, panes: [pane], main: IMAGE, keys: { toolHint: () => "" }, repaint: () => undefined,
    imageById: (id: string) => (id === "img" ? IMAGE : undefined), geometryOf: () => geometry, masksOf: () => [MASK, VESSEL],
    toast: (text: string) => void toasts.push(text),
    source: {
      document: {
        masks: [MASK, VESSEL].map((item) => ({ item, store: stores.get(item.id)! })), shapes: [polygon("a", 0), polygon("b", 2)], boxes: [],
        mask: (id: string) => (stores.has(id) ? { store: stores.get(id)! } : undefined),
      },
    },
  };
  return { scene: scene as Omit<typeof scene, "preview"> & { preview: Scene["preview"] }, stores, toasts };
}

describe("what an operation on outlines would make", () => {
  it("is drawn and told: shapes on their slices", () => {
    const { scene } = world();
    const found = plannedPreview(scene as unknown as Scene, ...planned(batch(put(polygon("c", 1)), put(polygon("d", 1)), put(polygon("e", 1.5)))));
    expect(found.shapes.map(({ id }) => id)).toEqual(["c", "d", "e"]);
    expect([found.text, found.layers, found.masks]).toEqual(["+3 polygons on 2 slices", [], []]);
  });

  it("is drawn and told: voxels, and who loses some", () => {
    const { scene, stores } = world();
    const found = plannedPreview(scene as unknown as Scene, ...planned(batch(paint("m1", [[0, 4, 0, 1]]), paint("m2", [[2, 2, 3, 0]]))));
    expect(found.text).toBe("+4 voxels (0.00400 ml); takes 2 voxels from vessel");
    expect(found.masks).toEqual(["m1", "m2"]);
    // Voxels that go to another label are drawn as what they become, once.
    expect(found.layers).toHaveLength(1);
    expect([...found.layers[0]!.store.slice(1)!.slice(0, 5)]).toEqual([1, 1, 1, 1, 0]);
    expect(stores.get("m1")!.slice(1)).toBeUndefined();
    // Into a label that has no mask yet, and over a segment of the same mask.
    const fresh = { ...VESSEL, id: "m3", segments: [{ value: 1, label: "liver", status: "" as const }, { value: 2, label: "node", status: "" as const }] };
    const other = plannedPreview(scene as unknown as Scene, ...planned(batch(put(fresh), paint("m3", [[0, 1, 0, 1], [5, 2, 2, 1]]))));
    expect(other.text).toBe("+3 voxels (0.00300 ml); takes 2 voxels from node");
    // What is only taken away is hatched.
    const less = plannedPreview(scene as unknown as Scene, ...planned(paint("m2", [[0, 5, 3, 0]])));
    expect(less.text).toBe("−5 voxels (0.00500 ml)");
    expect(new Set(less.layers[0]!.store.slice(1)!.slice(0, 5))).toEqual(new Set([4, 5]));
  });
});

describe("the panel of an operation on outlines", () => {
  const job: OutlineJob = { title: "Fill between slices", request: { op: "fill_between_shapes", shapes: ["a", "b"] }, done: "Filled.", nothing: "Nothing to fill." };

  function opened(stays = false) {
    const { scene, toasts, stores } = world();
    const sent: { type: string; rid?: number; op?: string }[] = [];
    const road = new LiveRoad("T", { send: (message) => void sent.push(message as never), onMessage: () => () => undefined }, () => undefined);
    let closed = 0;
    const part = openOperations({ scene: scene as unknown as Scene, road, signal: new AbortController().signal, close: () => (closed++, part.close()) });
    part.outline(job, stays);
    const asked = () => sent.filter(({ type }) => type !== "operations");
    const state = () => part.element.dataset["nbannotState"];
    const comes = (message: object, buffers: Uint8Array[] = []) =>
      road.receive({ tab: "T", rid: asked().filter(({ type }) => type === "operate").at(-1)!.rid, ...message } as never, buffers);
    const shows = () => comes(...(([message, buffers]) => [{ type: "planned", edit: message.edit }, buffers] as const)(planned(put(polygon("c", 1)))));
    const says = () => part.element.querySelector("[data-nbannot-status]")!.textContent;
    return { part, scene, toasts, stores, asked, state, comes, shows, says, closed: () => closed };
  }

  it("shows progress, then what would come, and applies it", () => {
    const { part, scene, toasts, asked, state, comes, shows, says, closed } = opened();
    expect(asked()).toMatchObject([{ type: "operate", op: "fill_between_shapes", shapes: ["a", "b"] }]);
    const setup = part.element.querySelector<HTMLElement>(".nbannot-live-setup")!;
    expect([state(), setup.hidden]).toEqual(["running", true]);
    comes({ type: "operating", done: 0.5, text: "Filling between slices" });
    expect([says(), part.element.querySelector("progress")!.value]).toEqual(["Filling between slices", 0.5]);
    shows();
    expect([state(), says()]).toEqual(["ready", "Fill between slices: +1 polygon on 1 slice"]);
    expect(scene.preview!.shapes).toHaveLength(1);
    expect(part.key("enter")).toBe(true);
    expect(asked().at(-1)).toMatchObject({ type: "operate_apply" });
    comes({ type: "operate_ended", edit: "e", error: null });
    expect([scene.preview, toasts, closed(), setup.hidden]).toEqual([null, ["Filled."], 1, false]);
  });

  it("is dropped by Escape, and stays open where it was", () => {
    for (const stays of [false, true]) {
      const { part, scene, asked, shows, closed } = opened(stays);
      shows();
      expect(part.key("escape")).toBe(true);
      expect(asked().at(-1)).toMatchObject({ type: "operate_cancel" });
      expect([scene.preview, closed(), part.key("escape")]).toEqual([null, stays ? 0 : 1, false]);
    }
  });

  it("works it out again when an outline was changed, and says why nothing comes", () => {
    const { part, scene, toasts, asked, state, comes, shows } = opened();
    shows();
    part.draw();
    expect(state()).toBe("ready");
    scene.source.document.shapes = [polygon("a", 0), polygon("b", 3)];
    part.draw();
    expect([state(), asked().filter(({ type }) => type === "operate").length]).toEqual(["running", 2]);
    comes({ type: "operate_ended", edit: null, error: null, nothing: true });
    part.outline(job, false);
    comes({ type: "operate_ended", edit: null, error: { kind: "E", message: "It lies on a turned plane", hint: "Choose others." } });
    expect(toasts).toEqual(["Nothing to fill.", "It lies on a turned plane. Choose others."]);
  });
});
