/** What is shown: image, slices, cameras, windows and label layers, computed from state; no DOM. */
import { GridGeometry, type Vec3 } from "../model/geometry";
import type { BoxItem, EditDraft, ImageJson, LabelItem, MaskItem } from "../model/protocol";
import type { SliceStore, TypedArray } from "../model/masks";
import { usableLayout, type UsableLayout } from "../layout";
import type { MaskLayer, PlaneRequest, Rgb, SegmentStyle } from "../render/renderer";
import { without, type ViewName, type ViewPatch, type ViewStore } from "../state";
import {
  clampSlice, hasPlanes, isGrid, middleVoxel, moveToSlice, sliceFrame, viewAxes,
  type Pair, type SliceFrame,
} from "../tools/frame";
import type { BoxDraft, Camera, MaskVoxels, ToastAction, ToolHost, Window } from "../tools/tool";
import { zoomView } from "../tools/navigate";
import { autoWindow, fullWindow, presetsOf, type Preset } from "./presets";
import type { Source } from "./source";

export interface SceneEvents {
  toast(text: string, action?: ToastAction): void;
  repaint(): void;
  /** The user wants a label but has none. */
  needsLabel(): void;
  failed(error: unknown): void;
}

const geometries = new WeakMap<ImageJson, GridGeometry>();

function geometryOf(image: ImageJson): GridGeometry {
  let geometry = geometries.get(image);
  if (!geometry) geometries.set(image, (geometry = new GridGeometry(image.geometry)));
  return geometry;
}

export function rgb(color: string): Rgb {
  const value = parseInt(color.slice(1), 16) || 0;
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}

export class Scene implements ToolHost {
  readonly #sizes = new Map<ViewName, Pair>();
  readonly #auto = new Map<string, Window>();
  #draft: BoxDraft | null = null;
  #selected: string | null = null;
  /** View under the pointer or last used; keys act on it. */
  active: ViewName = "axial";

  constructor(
    readonly source: Source,
    readonly view: ViewStore,
    private readonly events: SceneEvents,
  ) {}

  /** Whether there is anything to show. */
  get ready(): boolean {
    return this.source.document.ready && this.source.document.images.length > 0;
  }

  get images(): readonly ImageJson[] {
    return this.source.document.images;
  }

  get image(): ImageJson {
    const { images } = this;
    return images.find((one) => one.id === this.view.value.image) ?? images[0]!;
  }

  get geometry(): GridGeometry {
    return geometryOf(this.image);
  }

  get layout(): UsableLayout {
    return usableLayout(this.view.value.layout, hasPlanes(this.geometry));
  }

  get time(): number {
    return Math.min(this.view.value.frame, this.image.frames - 1);
  }

  get store(): SliceStore {
    return this.source.volumes.store(this.image.id, this.time)!;
  }

  // Slices and cameras --------------------------------------------------------------------------

  get cursor(): Vec3 {
    return this.view.value.cursor ?? middleVoxel(this.geometry);
  }

  slice(view: ViewName): number {
    const { geometry, image } = this;
    const { axis } = viewAxes(geometry, view);
    if (!isGrid(geometry)) {
      return clampSlice(geometry, 0, this.view.value.slice[image.id] ?? this.#firstPlane());
    }
    return clampSlice(geometry, axis, geometry.toIndex(this.cursor)[axis]);
  }

  /** Cine starts at its first plane, a series of separate planes in the middle. */
  #firstPlane(): number {
    const { geometry } = this;
    const last = geometry.shape[0] - 1;
    const a = geometry.plane(0).origin;
    const b = geometry.plane(last).origin;
    return a.every((x, n) => x === b[n]) ? 0 : Math.floor((last + 1) / 2);
  }

  frame(view: ViewName): SliceFrame {
    return sliceFrame(this.geometry, view, this.slice(view));
  }

  scrollTo(view: ViewName, slice: number): void {
    const { geometry, image } = this;
    const frame = this.frame(view);
    const to = clampSlice(geometry, frame.axis, slice);
    if (to === frame.slice) return;
    if (!isGrid(geometry)) {
      this.view.set({ slice: { ...this.view.value.slice, [image.id]: to } });
      return;
    }
    this.view.set({ cursor: moveToSlice(frame, sliceFrame(geometry, view, to), this.cursor) });
  }

  /** Scroll slices; where there is one slice only, frames. */
  scroll(view: ViewName, by: number): void {
    const frame = this.frame(view);
    if (frame.count > 1) this.scrollTo(view, frame.slice + by);
    else if (this.image.frames > 1) this.setTime(this.time + by);
  }

  setTime(frame: number): void {
    this.view.set({ frame: Math.min(this.image.frames - 1, Math.max(0, frame)) });
  }

  /** Number of pictures that play: frames, or the planes of a stack. */
  get cineLength(): number {
    if (this.image.frames > 1) return this.image.frames;
    return isGrid(this.geometry) ? 1 : this.geometry.shape[0];
  }

  /** Show the picture `by` further, starting again at the end. */
  cineStep(by: number): void {
    const n = this.cineLength;
    if (n < 2) return;
    if (this.image.frames > 1) this.setTime((this.time + by + n) % n);
    else this.scrollTo("single", (this.slice("single") + by + n) % n);
  }

  setSize(view: ViewName, width: number, height: number): void {
    this.#sizes.set(view, [width, height]);
  }

  camera(view: ViewName): Camera {
    const { zoom, pan } = this.view.value;
    return { mmPerPx: zoom[view] ?? this.fitScale(view), pan: pan[view] ?? [0, 0] };
  }

  fitScale(view: ViewName): number {
    const [width, height] = this.#sizes.get(view) ?? [1, 1];
    const { extent } = this.frame(view);
    return Math.max(extent[0] / width, extent[1] / height) || 1;
  }

  /** Zoom about the crosshair where it is in view, else about the middle. */
  zoom(view: ViewName, factor: number): void {
    const [width, height] = this.#sizes.get(view) ?? [0, 0];
    const camera = this.camera(view);
    const point = this.frame(view).toPlane(this.cursor);
    const inView =
      Math.abs(point[0] - camera.pan[0]) * 2 < width * camera.mmPerPx &&
      Math.abs(point[1] - camera.pan[1]) * 2 < height * camera.mmPerPx;
    zoomView(this, view, inView ? point : camera.pan, factor);
  }

  fit(view: ViewName): void {
    this.view.set({
      zoom: without(this.view.value.zoom, view),
      pan: without(this.view.value.pan, view),
    });
  }

  /** Show another image; between images of one space the picture stays where it is. */
  choose(id: string): void {
    const before = this.geometry;
    const next = this.images.find((one) => one.id === id);
    if (!next || next.id === this.image.id) return;
    const linked = hasPlanes(before) && hasPlanes(geometryOf(next));
    const cameras = linked ? this.#camerasFor(geometryOf(next)) : { cursor: null, zoom: {}, pan: {} };
    this.view.set({ image: id, frame: 0, ...cameras });
  }

  /** The cameras that show another image at the same place and size as this one. */
  #camerasFor(geometry: GridGeometry): ViewPatch {
    const zoom: Record<string, number> = {};
    const pan: Record<string, Pair> = {};
    for (const view of ["axial", "coronal", "sagittal"] as const) {
      if (!this.#sizes.has(view)) continue;
      const frame = this.frame(view);
      const camera = this.camera(view);
      const { axis } = viewAxes(geometry, view);
      const slice = clampSlice(geometry, axis, geometry.toIndex(this.cursor)[axis]);
      zoom[view] = camera.mmPerPx;
      pan[view] = sliceFrame(geometry, view, slice).toPlane(frame.toWorld(camera.pan));
    }
    return { zoom, pan };
  }

  // Windows -------------------------------------------------------------------------------------

  window(): Window {
    const { image } = this;
    const set = this.view.value.windows[image.id];
    if (set) return { center: set[0], width: set[1] };
    const own = image.windows[0];
    if (own) return own;
    return this.#auto.get(image.id) ?? this.#measure() ?? { center: 128, width: 256 };
  }

  /** Window of the first slice that is here, kept: it must not jump while one scrolls. */
  #measure(): Window | null {
    const slice = this.#shownSlice();
    const window = slice && !this.image.color ? autoWindow(slice) : null;
    if (window) this.#auto.set(this.image.id, window);
    return window;
  }

  #shownSlice(): TypedArray | undefined {
    const { store } = this;
    const first = this.slice(isGrid(this.geometry) && hasPlanes(this.geometry) ? this.#kView() : "single");
    return store.slice(first) ?? store.slice(Math.floor(store.shape[0] / 2));
  }

  /** The view that scrolls along k. */
  #kView(): ViewName {
    const views = ["axial", "coronal", "sagittal"] as const;
    return views.find((view) => viewAxes(this.geometry, view).axis === 0) ?? "axial";
  }

  get presets(): readonly Preset[] {
    return presetsOf(this.image);
  }

  applyPreset(preset: Preset): void {
    const found = preset.window ?? this.#valueWindow(preset.id);
    if (!found) return this.toast("No slice of this image is here yet.");
    const entry: readonly [number, number] = [found.center, found.width];
    this.view.set({ windows: { ...this.view.value.windows, [this.image.id]: entry } });
  }

  #valueWindow(id: string): Window | null {
    const slice = this.#shownSlice();
    if (id === "auto") return slice ? autoWindow(slice) : null;
    const { store } = this;
    const all = Array.from({ length: store.shape[0] }, (_, k) => store.slice(k));
    return fullWindow(all.filter((one) => one !== undefined));
  }

  resetWindow(): void {
    this.view.set({ windows: without(this.view.value.windows, this.image.id) });
  }

  // Labels --------------------------------------------------------------------------------------

  get labels(): readonly LabelItem[] {
    return this.source.document.labels;
  }

  get masks(): readonly MaskItem[] {
    const { id } = this.image;
    return this.source.document.masks.map(({ item }) => item).filter((item) => item.image === id);
  }

  get boxes(): readonly BoxItem[] {
    const draft = this.#draft;
    const { boxes } = this.source.document;
    if (!draft) return boxes;
    return [...boxes.filter((one) => one.id !== draft.item.id), draft.item];
  }

  get selected(): string | null {
    return this.#selected;
  }

  set selected(id: string | null) {
    if (id === this.#selected) return;
    this.#selected = id;
    this.repaint();
  }

  draft(box: BoxDraft | null): void {
    this.#draft = box;
    this.repaint();
  }

  voxels(mask: string): MaskVoxels | undefined {
    return this.source.document.mask(mask)?.store;
  }

  /** The label that tools draw with: the chosen one, else the first. */
  get label(): LabelItem | null {
    const { labels } = this;
    return labels.find((one) => one.id === this.view.value.label) ?? labels[0] ?? null;
  }

  activeLabel(): LabelItem | null {
    const { label } = this;
    if (!label) this.events.needsLabel();
    return label;
  }

  /** Whether all mask slices of this image are here. */
  get masksHere(): boolean {
    const { id } = this.image;
    return this.source.document.masks.every(({ item, store }) => item.image !== id || store.missing.length === 0);
  }

  maskLayers(plane: PlaneRequest): MaskLayer[] {
    const { hidden, opacity, overlay } = this.view.value;
    if (!overlay) return [];
    const shown = new Map(
      this.labels.filter((one) => !hidden.includes(one.id)).map((one) => [one.name, rgb(one.color)]),
    );
    const { id } = this.image;
    return this.source.document.masks.filter(({ item }) => item.image === id).flatMap(({ item, store }) => {
      const segments = new Map<number, SegmentStyle>();
      for (const { value, label } of item.segments) {
        const color = shown.get(label);
        if (color) segments.set(value, { color, fill: opacity, outline: 1, width: 1 });
      }
      return segments.size > 0 ? [{ kind: "mask", store, plane, segments }] : [];
    });
  }

  // Doing ---------------------------------------------------------------------------------------

  apply(edit: EditDraft): void {
    try {
      this.source.document.applyLocal(edit);
    } catch (error) {
      this.events.failed(error);
    }
  }

  toast(text: string, action?: ToastAction): void {
    this.events.toast(text, action);
  }

  repaint(): void {
    this.events.repaint();
  }
}
