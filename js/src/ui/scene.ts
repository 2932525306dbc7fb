/** The whole viewer as state: images, panes, links, windows and labels; no DOM. */
import { GridGeometry, type Vec3 } from "../model/geometry";
import type { BoxItem, EditDraft, ImageJson, LabelItem, MaskItem, ShapeItem } from "../model/protocol";
import type { TypedArray } from "../model/masks";
import { movePoint } from "../model/transform";
import { arrange, type Arrangement } from "../layout";
import type { SegmentStyle } from "../render/renderer";
import type { ViewPatch } from "../state";
import { without, type ViewStore } from "../state/store";
import type { LayoutTree, Links, PaneChoice, Turn } from "../state/parts";
import { clampSlice, freeFrame, hasPlanes, isGrid, planeAxes, sliceFrame, type Frame, type Pair } from "../tools/frame";
import type { BoxDraft, Drawing, MaskVoxels, Repaint, ToastAction, Typing, Window } from "../tools/tool";
import { withDefaults } from "../tools/defaults";
import { follow, type Lead } from "./follow";
import { meets, type Wall } from "./chestwall";
import { hungTurn } from "./hanging";
import { fellowsOf, movedCursors } from "./links";
import { scaledWith } from "./onescale";
import { Pane, type PaneOwner, type Pick } from "./pane";
import type { OutlineJob, Preview } from "./previewlayer";
import { Keymap } from "../commands/keymap";
import { autoWindow, fullWindow, percentileWindow } from "./percentiles";
import { percentileOf, presetsOf, type Preset } from "./presets";
import type { Source } from "./source";
import { Spaces } from "./spaces";
import { ownWindow, windowOf, withWindow } from "./windows";
import { BoxNumbers } from "./boxnumbers";
import { Statistics } from "./statistics";
import { rgb } from "./rgb";

const NONE: Readonly<Record<string, LayoutTree>> = {};

export interface SceneEvents {
  toast(text: string, action?: ToastAction): void;
  repaint(what?: Repaint): void;
  /** The user wants a label but has none. */
  needsLabel(): void;
  failed(error: unknown): void;
  /** Work out an operation on outlines and show what it would make. */
  outline(job: OutlineJob): void;
}

const geometries = new WeakMap<ImageJson, GridGeometry>();

function geometryOf(image: ImageJson): GridGeometry {
  let geometry = geometries.get(image);
  if (!geometry) geometries.set(image, (geometry = new GridGeometry(image.geometry)));
  return geometry;
}

/** A value computed anew only when what it depends on is another. */
class Memo<T> {
  #key: readonly unknown[] | null = null;
  #value: T | undefined;

  get(key: readonly unknown[], make: () => T): T {
    if (this.#key === null || key.length !== this.#key.length || !key.every((one, n) => one === this.#key![n])) {
      this.#value = make();
      this.#key = key;
    }
    return this.#value!;
  }
}

export class Scene implements PaneOwner {
  readonly #panes = new Map<string, Pane>();
  readonly #auto = new Map<string, Window>();
  readonly #arrangement = new Memo<Arrangement & { readonly known: boolean }>();
  readonly #spaces = new Memo<Spaces>();
  #draft: BoxDraft | null = null;
  #sketch: ShapeItem | null = null;
  /** Boxes and shapes that are being moved together, by id. */
  #carried: ReadonlyMap<string, BoxItem | ShapeItem> = new Map();
  readonly statistics = new Statistics();
  readonly boxNumbers: BoxNumbers;
  /** The point of a shape that was taken hold of last. */
  point: { readonly id: string; readonly n: number } | null = null;
  drawing: Drawing | null = null;
  /** The text that is being typed over a picture. */
  typing: Typing | null = null;
  /** Id of the pane under the pointer or last used; keys act on it. */
  active = "axial";
  /** Id of the pane that was pressed last: the active one while the pointer is over none. */
  chosen: string | null = null;
  /** Which of two images a running flicker shows; null: it stands as the view state says. */
  flicker: boolean | null = null;

  /** What an operation would change. */
  preview: Preview | null = null;
  /** Takes the next press in a picture. */
  pick: Pick | null = null;

  /** The keys of this viewer. */
  readonly keys: Keymap;

  cutLine: PaneOwner["cutLine"] = null;
  pointed: PaneOwner["pointed"] = null;

  /** The pane whose frames play, and which way. */
  playing: { readonly pane: string; readonly direction: 1 | -1 } | null = null;

  constructor(
    readonly source: Source,
    readonly view: ViewStore,
    private readonly events: SceneEvents,
  ) {
    this.boxNumbers = new BoxNumbers(source, () => events.repaint());
    this.keys = new Keymap([], {}, source.terms?.allows);
  }

  /** Whether there is anything to show. */
  get ready(): boolean {
    return this.source.document.ready && this.source.document.images.length > 0;
  }

  // Images and panes ----------------------------------------------------------------------------

  get images(): readonly ImageJson[] {
    return this.source.document.images;
  }

  imageById(id: string | null): ImageJson | undefined {
    return id === null ? undefined : this.images.find((one) => one.id === id);
  }

  /** The image of all panes that have none of their own. */
  get main(): ImageJson {
    return this.imageById(this.view.value.image) ?? this.images[0]!;
  }

  geometryOf(image: ImageJson): GridGeometry {
    return geometryOf(image);
  }

  get spaces(): Spaces {
    const { transforms } = this.view.value;
    return this.#spaces.get([this.images, transforms], () => new Spaces(this.images, transforms, geometryOf));
  }

  get arrangement(): Arrangement & { readonly known: boolean } {
    const { layout, image } = this.view.value;
    return this.#arrangement.get([layout, image, this.images, this.named], () => {
      const others = this.images.filter((one) => one !== this.main).map(({ id }) => id);
      return arrange(layout, hasPlanes(geometryOf(this.main)), [this.main.id, ...others], this.named);
    });
  }

  /** Layouts of the configuration, by name. */
  get named(): Readonly<Record<string, LayoutTree>> {
    return this.source.document.config?.layouts ?? NONE;
  }

  /** Whether the labels are given: none is made, named anew or deleted here. */
  get labelsGiven(): boolean {
    return this.source.document.config?.labels_given === true;
  }

  /** Kinds of panes that the configuration takes out of the menus: "2D", "3D", "Oblique". */
  get disabled(): readonly string[] {
    return this.source.document.config?.disabled ?? [];
  }

  /** Name of the layout in use. */
  get layout(): string {
    return this.arrangement.name;
  }

  get maximized(): string | null {
    const { maximized } = this.view.value;
    return this.arrangement.panes.some(({ id }) => id === maximized) ? maximized : null;
  }

  /** The panes that are on the screen. */
  get panes(): readonly Pane[] {
    const { maximized } = this;
    return this.arrangement.panes.filter(({ id }) => maximized === null || id === maximized).map(({ id }) => this.paneById(id));
  }

  paneById(id: string): Pane {
    let pane = this.#panes.get(id);
    if (!pane) this.#panes.set(id, (pane = new Pane(this, id)));
    return pane;
  }

  /** The pane that keys and buttons act on. */
  get pane(): Pane {
    const { panes } = this;
    return panes.find(({ id }) => id === this.active) ?? panes[0]!;
  }

  /** Show another image in the active pane where that has its own, else in all panes of the main image. */
  choose(id: string): void {
    const next = this.imageById(id);
    if (!next) return;
    if (this.pane.hasOwnImage) this.choosePane(this.pane.id, { image: id });
    else this.setMain(next);
  }

  /** Put an image or a plane into a pane; within a space the picture stays where it is. */
  choosePane(id: string, choice: PaneChoice): void {
    const { panes, zoom, pan } = this.view.value;
    const next = choice.plane === undefined ? this.imageById(choice.image ?? null) : undefined;
    const camera = next && zoom[id] !== undefined ? this.#cameraFor(this.paneById(id), next) : null;
    this.view.set({
      panes: { ...panes, [id]: { ...panes[id], ...choice } },
      zoom: camera ? zoom : without(zoom, id),
      pan: camera ? { ...pan, [id]: camera } : without(pan, id),
    });
  }

  /** Whether a running or standing flicker shows the other image. */
  get flickered(): boolean {
    return this.flicker ?? (this.view.value.compare?.at ?? 0) >= 0.5;
  }

  /** Make a pane the one that keys, buttons and thumbnails act on. */
  press(id: string): void {
    this.active = id;
    if (this.chosen === id) return;
    this.chosen = id;
    this.view.set({ active: id });
    this.repaint();
  }

  /** Change the main image; between images of one space the picture stays where it is. */
  setMain(next: ImageJson): void {
    const { main } = this;
    if (next.id === main.id) return;
    const way = this.spaces.between(main, next);
    if (!way || !hasPlanes(geometryOf(main)) || !hasPlanes(geometryOf(next))) {
      this.view.set({ image: next.id, frame: 0, cursor: null, zoom: {}, pan: {} });
      return;
    }
    const { cursor } = this.view.value;
    const cameras = this.#camerasFor(next);
    this.view.set({ image: next.id, frame: 0, cursor: cursor && movePoint(way, cursor), ...cameras });
  }

  /** The cameras that show another image at the same place and size as this one. */
  #camerasFor(next: ImageJson): ViewPatch {
    const zoom: Record<string, number> = { ...this.view.value.zoom };
    const pan: Record<string, Pair> = { ...this.view.value.pan };
    for (const pane of this.panes) {
      const place = pane.hasOwnImage ? null : this.#cameraFor(pane, next);
      if (!place) continue;
      zoom[pane.id] = pane.camera.mmPerPx;
      pan[pane.id] = place;
    }
    return { zoom, pan };
  }

  /** Where the middle of a pane lies in its plane of another image of the space; null where that cannot be said. */
  #cameraFor(pane: Pane, next: ImageJson): Pair | null {
    const way = this.spaces.between(pane.image, next);
    const geometry = geometryOf(next);
    if (pane.plane === "volume" || !way || pane.size[0] <= 1 || !hasPlanes(geometry)) return null;
    const { camera, frame, plane } = pane;
    const { axis } = planeAxes(geometry, plane);
    const slice = clampSlice(geometry, axis, geometry.toIndex(movePoint(way, pane.cursor))[axis]);
    return sliceFrame(geometry, plane, slice, pane.id, pane.turn).toPlane(movePoint(way, frame.toWorld(camera.pan)));
  }

  // Links ---------------------------------------------------------------------------------------

  /** The other panes whose camera moves with this one's while cameras are linked. */
  fellows(pane: Pane): Pane[] {
    return this.view.value.links.camera ? fellowsOf(this, pane) : [];
  }

  /** Move the crosshair of a pane, and what is linked to it by slices or by the cursor. */
  moveCursor(pane: Pane, world: Vec3, link: "slice" | "cursor"): void {
    this.view.set(movedCursors(this, pane, world, link));
  }

  /**
   * Show the voxel `index` (k, j, i) of an image, in the pane that has it or in the active one.
   *
   * Images in other panes follow: to the same place where a way leads there, else to the same finding (`counterpart`).
   */
  goTo(image: ImageJson, index: Vec3, frame: number | null = null, lead: Lead | null = null): void {
    if (!this.panes.some((pane) => pane.image.id === image.id)) this.choose(image.id);
    const pane = this.panes.find((one) => one.image.id === image.id) ?? this.pane;
    if (frame !== null) pane.setTime(frame);
    if (!isGrid(pane.geometry)) pane.scrollTo(index[0]);
    this.moveCursor(pane, pane.geometry.toWorld(index), "cursor");
    if (lead) follow(this, pane, index, lead);
  }

  /** The frames of the three patient planes through a pane's crosshair. */
  planesOf(pane: Pane): Frame[] {
    const { geometry, cursor, free } = pane;
    const { rotation } = this.view.value;
    return (["axial", "coronal", "sagittal"] as const).map((plane) => {
      if (free && rotation) return freeFrame(geometry, plane, rotation, cursor, plane);
      const { axis } = planeAxes(geometry, plane);
      return sliceFrame(geometry, plane, clampSlice(geometry, axis, geometry.toIndex(cursor)[axis]), plane);
    });
  }

  setLink(link: keyof Links, on: boolean): void {
    this.view.set({ links: { ...this.view.value.links, [link]: on } });
  }

  /** How a picture is hung when nobody turned it. */
  hungTurn(image: ImageJson): Turn {
    return hungTurn(image);
  }

  chestWall(pane: Pane): Wall {
    return meets(pane, this.panes);
  }

  scaledWith(pane: Pane): readonly Pane[] {
    return scaledWith(this, pane);
  }

  // Windows -------------------------------------------------------------------------------------

  window(image: ImageJson = this.pane.image): Window {
    return windowOf(image, this.view.value) ?? this.#auto.get(image.id) ?? this.#measure(image) ?? { center: 128, width: 256 };
  }

  /** Set a window; images of the same kind that are shown get it too while windows are linked. */
  setWindow(image: ImageJson, window: Window): void {
    const { links } = this.view.value;
    const shown = links.window ? this.panes.map((pane) => pane.image) : [];
    const alike = shown.filter((one) => one.modality === image.modality && one.unit === image.unit);
    this.view.set(withWindow(this.view.value, [image, ...alike].map(({ id }) => id), window));
  }

  /** Window of the first slice that is here, kept: it must not jump while one scrolls. */
  #measure(image: ImageJson): Window | null {
    const slice = image.color ? undefined : this.#shownSlice(image);
    const window = slice ? autoWindow(slice) : null;
    if (window) this.#auto.set(image.id, window);
    return window;
  }

  /** The slice of an image across k that is on the screen, else its middle one, as far as it is here. */
  #shownSlice(image: ImageJson): TypedArray | undefined {
    const along = this.panes.find((pane) => pane.image.id === image.id && pane.frame.axis === 0);
    const store = this.source.volumes.store(image.id, Math.min(this.view.value.frame, image.frames - 1));
    if (!store) return undefined;
    const middle = store.slice(Math.floor(store.shape[0] / 2));
    return (along && store.slice(along.frame.slice)) ?? middle;
  }

  get presets(): readonly Preset[] {
    return presetsOf(this.pane.image, this.source.document.config?.presets);
  }

  applyPreset(preset: Preset, image: ImageJson = this.pane.image): void {
    if (preset.own || preset.lut !== undefined) return this.view.set(ownWindow(this.view.value, image.id, preset.lut));
    const found = preset.window ?? this.#valueWindow(image, preset.id);
    if (!found) return this.toast("No slice of this image is here yet.");
    this.setWindow(image, found);
  }

  #valueWindow(image: ImageJson, id: string): Window | null {
    const wanted = percentileOf(id);
    const shown = this.#shownSlice(image);
    if (wanted?.of === "slice") return shown ? percentileWindow([shown], wanted.cut) : null;
    const here = this.slicesHere(image);
    return wanted ? percentileWindow(here, wanted.cut) : fullWindow(here);
  }

  /** The slices of an image's shown frame that have come. */
  slicesHere(image: ImageJson): TypedArray[] {
    const store = this.source.volumes.store(image.id, Math.min(this.view.value.frame, image.frames - 1));
    const all = store ? Array.from({ length: store.shape[0] }, (_, k) => store.slice(k)) : [];
    return all.filter((one) => one !== undefined);
  }

  resetWindow(): void {
    const { windowing } = this.source.document.config ?? {};
    const { id } = this.pane.image;
    const own = ownWindow(this.view.value, id);
    this.view.set(windowing ? { ...own, windows: { ...own.windows, [id]: windowing } } : own);
  }

  // Labels --------------------------------------------------------------------------------------

  get labels(): readonly LabelItem[] {
    return this.source.document.labels;
  }

  masksOf(image: ImageJson): readonly MaskItem[] {
    return this.source.document.masks.map(({ item }) => item).filter((item) => item.image === image.id);
  }

  get boxes(): readonly BoxItem[] {
    const draft = this.#draft;
    const boxes = this.#moved(this.source.document.boxes);
    if (!draft) return boxes;
    return [...boxes.filter((one) => one.id !== draft.item.id), draft.item];
  }

  /** The document's shapes with the one that is being drawn or changed. */
  get shapes(): readonly ShapeItem[] {
    const shapes = this.#moved(this.source.document.shapes);
    const sketch = this.#sketch;
    return sketch ? [...shapes.filter((one) => one.id !== sketch.id), sketch] : shapes;
  }

  #moved<T extends BoxItem | ShapeItem>(items: readonly T[]): readonly T[] {
    return this.#carried.size === 0 ? items : items.map((item) => (this.#carried.get(item.id) as T | undefined) ?? item);
  }

  get sketched(): string | null {
    return this.#sketch?.id ?? null;
  }

  get selected(): string | null {
    return this.selection.at(-1) ?? null;
  }

  set selected(id: string | null) {
    this.selection = id === null ? [] : [id];
  }

  get selection(): readonly string[] {
    return this.view.value.selected;
  }

  set selection(ids: readonly string[]) {
    if (this.point && !ids.includes(this.point.id)) this.point = null;
    this.view.set({ selected: ids });
  }

  /** Give up the shape that is being drawn; false when there is none. */
  dropDrawing(): boolean {
    const { drawing } = this;
    drawing?.cancel(this.pane);
    return drawing !== null;
  }

  sketch(shape: ShapeItem | null): void {
    this.#sketch = shape;
    this.repaint();
  }

  carry(items: readonly (BoxItem | ShapeItem)[]): void {
    if (items.length === 0 && this.#carried.size === 0) return;
    this.#carried = new Map(items.map((item) => [item.id, item]));
    this.repaint();
  }

  type(typing: Typing | null): void {
    this.typing = typing;
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

  /** How the voxels of a label are drawn; null where it is hidden. Widths in device px. */
  segmentStyle(name: string, ratio: number): SegmentStyle | null {
    const label = this.labels.find((one) => one.name === name);
    const { hidden, opacity, outline, outline_width: width, segments } = this.view.value;
    if (!label || hidden.includes(label.id)) return null;
    const own = segments[label.id];
    return {
      color: rgb(label.color),
      fill: own?.fill ?? opacity,
      outline: own?.outline ?? outline,
      width: Math.max(0, Math.round((own?.width ?? width) * ratio)),
    };
  }

  /** Whether all mask slices of the shown images are here, or all that fit into the memory. */
  get masksHere(): boolean {
    const shown = new Set(this.panes.map((pane) => pane.image.id));
    const { document, volumes } = this.source;
    const here = (id: string, left: number): boolean => left === 0 || (volumes.masksShort?.(id) ?? false);
    return document.masks.every(({ item, store }) => !shown.has(item.image) || here(item.id, store.missing.length));
  }

  // Doing ---------------------------------------------------------------------------------------

  apply(edit: EditDraft): void {
    const { terms } = this.source;
    if (terms?.readOnly) return this.events.toast(terms.readOnly);
    try {
      this.source.document.applyLocal(withDefaults(this.labels, edit));
    } catch (error) {
      this.events.failed(error);
    }
  }

  outline(job: OutlineJob): void {
    this.events.outline(job);
  }

  toast(text: string, action?: ToastAction): void {
    this.events.toast(text, action);
  }

  repaint(what?: Repaint): void {
    this.events.repaint(what);
  }
}
