/** What one pane shows: image, plane, cursor, camera and window, computed from state; no DOM. */
import { add, scale, type GridGeometry, type Vec3 } from "../model/geometry";
import type { EditDraft, ImageJson, LabelItem, MaskItem, BoxItem, ShapeItem } from "../model/protocol";
import type { SliceStore } from "../model/masks";
import { movePoint, type Matrix } from "../model/transform";
import type { Keymap } from "../commands/keymap";
import type { Arrangement, Cell, PaneSpec } from "../layout";
import type { SegmentStyle } from "../render/renderer";
import { nearest } from "../render/plane";
import { without, type ViewStore } from "../state/store";
import type { Plane, Turn } from "../state/parts";
import {
  clampSlice, freeFrame, gridRotation, hasPlanes, isGrid, middleVoxel, moveToSlice, planeAxes, sliceFrame,
  type Frame, type Pair,
} from "../tools/frame";
import { zoomAt } from "../tools/navigate";
import { pixelForPixel } from "./fullsize";
import type { Preview } from "./previewlayer";
import { planeLines, type PlaneLine } from "../tools/rotate";
import { Seats } from "../tools/shapes/seat";
import type { BoxDraft, Camera, CutLine, Drawing, MaskVoxels, Pointer, Repaint, ToastAction, ToolHost, Typing, Window } from "../tools/tool";
import type { Source } from "./source";
import type { Spaces } from "./spaces";

/** Takes the next press in a picture; false lets it through. */
export type Pick = (pane: Pane, pointer: Pointer) => boolean;

/** The viewer as its panes see it. */
export interface PaneOwner {
  readonly source: Source;
  readonly view: ViewStore;
  readonly keys: Keymap;
  readonly ready: boolean;
  readonly main: ImageJson;
  readonly images: readonly ImageJson[];
  imageById(id: string | null): ImageJson | undefined;
  geometryOf(image: ImageJson): GridGeometry;
  readonly spaces: Spaces;
  readonly arrangement: Arrangement;
  readonly layout: string;
  readonly maximized: string | null;
  readonly panes: readonly Pane[];
  readonly pane: Pane;
  /** Id of the pane that keys act on. */
  active: string;
  /** Id of the pane pressed last. */
  readonly chosen: string | null;
  press(id: string): void;
  /** Whether the other image of a flicker is shown. */
  readonly flickered: boolean;
  paneById(id: string): Pane;
  /** Panes whose camera moves with this one's. */
  fellows(pane: Pane): readonly Pane[];
  planesOf(pane: Pane): readonly Frame[];
  moveCursor(pane: Pane, world: Vec3, link: "slice" | "cursor"): void;
  hungTurn(image: ImageJson): Turn;
  /** The edge where a pane meets the chest wall of the other breast (-1 left, 1 right; 0: it meets none). */
  chestWall(pane: Pane): -1 | 0 | 1;
  /** The panes that are fitted in one scale with this one, itself among them. */
  scaledWith(pane: Pane): readonly Pane[];
  window(image: ImageJson): Window;
  setWindow(image: ImageJson, window: Window): void;
  readonly labels: readonly LabelItem[];
  readonly label: LabelItem | null;
  masksOf(image: ImageJson): readonly MaskItem[];
  segmentStyle(label: string, ratio: number): SegmentStyle | null;
  readonly boxes: readonly BoxItem[];
  readonly shapes: readonly ShapeItem[];
  /** What is measured of items: all of it, or the size alone. */
  readonly statistics: { lines(item: ShapeItem | BoxItem, pane: Pane): readonly string[]; size(item: ShapeItem, pane: Pane): string };
  readonly boxNumbers: { lines(box: BoxItem, pane: Pane): readonly string[] };
  selected: string | null;
  readonly preview: Preview | null;
  pick: Pick | null;
  selection: readonly string[];
  point: { readonly id: string; readonly n: number } | null;
  drawing: Drawing | null;
  /** Id of the shape that is being drawn or changed. */
  readonly sketched: string | null;
  readonly typing: Typing | null;
  voxels(mask: string): MaskVoxels | undefined;
  activeLabel(): LabelItem | null;
  apply(edit: EditDraft): void;
  draft(box: BoxDraft | null): void;
  /** The outline that is being drawn. */
  cutLine: CutLine | null;
  /** Where the pointer is, and in which pane. */
  pointed: { readonly pane: string; readonly image: string; readonly world: Vec3; readonly erases: boolean } | null;
  sketch(shape: ShapeItem | null): void;
  carry(items: readonly (BoxItem | ShapeItem)[]): void;
  type(typing: Typing | null): void;
  toast(text: string, action?: ToastAction): void;
  repaint(what?: Repaint): void;
}

export class Pane implements ToolHost {
  #cell: Cell;
  #frame: { readonly key: readonly unknown[]; readonly frame: Frame } | null = null;

  readonly seats = new Seats();

  constructor(readonly scene: PaneOwner, readonly id: string) {
    this.#cell = { pane: id, x: 0, y: 0, width: 1, height: 1 };
  }

  get view(): ViewStore {
    return this.scene.view;
  }

  get spec(): PaneSpec {
    const { panes } = this.scene.arrangement;
    return panes.find(({ id }) => id === this.id) ?? { id: this.id, plane: "acquisition" };
  }

  /** Why the pane cannot show what it should, or null. */
  get problem(): string | null {
    const { image } = this.#wanted;
    if (image !== undefined && !this.scene.imageById(image)) return "The layout names an image that is not here.";
    if (this.#wanted.plane === "volume" && !hasPlanes(this.geometry)) return "This image has no volume to show in 3-D.";
    return null;
  }

  get #wanted(): PaneSpec {
    const { spec } = this;
    const choice = this.view.value.panes[this.id];
    return { id: this.id, plane: choice?.plane ?? spec.plane, image: choice?.image ?? spec.image };
  }

  /** Whether the pane has an image of its own instead of the main one. */
  get hasOwnImage(): boolean {
    return this.#wanted.image !== undefined;
  }

  get image(): ImageJson {
    return this.scene.imageById(this.#wanted.image ?? null) ?? this.scene.main;
  }

  get geometry(): GridGeometry {
    return this.scene.geometryOf(this.image);
  }

  /** The plane shown; images without patient planes show their slices as stored. */
  get plane(): Plane {
    const { plane } = this.#wanted;
    return hasPlanes(this.geometry) || plane === "volume" ? plane : "acquisition";
  }

  /** Whether this pane's plane is turned freely. */
  get free(): boolean {
    const { rotation } = this.view.value;
    const { plane } = this;
    if (plane === "oblique") return true;
    if (plane === "acquisition" || plane === "volume" || rotation === null) return false;
    return !this.scene.arrangement.panes.some((one) => one.plane === "oblique") && this.fromMain !== null;
  }

  get time(): number {
    return Math.min(this.view.value.frame, this.image.frames - 1);
  }

  get store(): SliceStore {
    return this.scene.source.volumes.store(this.image.id, this.time)!;
  }

  // Place ---------------------------------------------------------------------------------------

  /** The way from the world of the main image to this one's; null where there is none. */
  get fromMain(): Matrix | null {
    return this.scene.spaces.between(this.scene.main, this.image);
  }

  get toMain(): Matrix | null {
    return this.scene.spaces.between(this.image, this.scene.main);
  }

  /** Whether the pane's cursor is the linked one. */
  get follows(): boolean {
    return !(this.image.id in this.view.value.cursors) && this.fromMain !== null;
  }

  /** Crosshair in the world of this pane's image. */
  get cursor(): Vec3 {
    const { cursors, cursor } = this.view.value;
    const own = cursors[this.image.id];
    if (own) return own;
    const way = this.fromMain;
    if (!way || cursor === null) return this.#start(way);
    return movePoint(way, cursor);
  }

  #start(way: Matrix | null): Vec3 {
    return way ? movePoint(way, middleVoxel(this.scene.geometryOf(this.scene.main))) : middleVoxel(this.geometry);
  }

  get turn(): Turn {
    return this.view.value.turns[this.id] ?? this.scene.hungTurn(this.image);
  }

  get slice(): number {
    const { geometry, image } = this;
    if (!isGrid(geometry)) {
      return clampSlice(geometry, 0, this.view.value.slice[image.id] ?? firstPlane(geometry));
    }
    const { axis } = planeAxes(geometry, this.plane);
    return clampSlice(geometry, axis, geometry.toIndex(this.cursor)[axis]);
  }

  get frame(): Frame {
    const { view, image } = this;
    const key = [view.value, image, this.scene.arrangement];
    if (this.#frame && this.#frame.key.every((one, n) => one === key[n])) return this.#frame.frame;
    const frame = this.#makeFrame();
    this.#frame = { key, frame };
    return frame;
  }

  #makeFrame(): Frame {
    const { geometry, plane, id, turn } = this;
    if (!this.free) return sliceFrame(geometry, plane, this.slice, id, turn);
    const rotation = this.view.value.rotation ?? gridRotation(geometry);
    return freeFrame(geometry, plane, rotation, this.cursor, id, turn);
  }

  /** The next plane or frame in time that scrolling leads to; null at the end. */
  neighbour(by: number): { readonly frame: Frame; readonly time: number } | null {
    const { geometry, plane, id, turn, frame, time, image } = this;
    if (frame.count < 2) {
      const to = time + by;
      return to >= 0 && to < image.frames ? { frame, time: to } : null;
    }
    const to = frame.slice + by;
    if (to < 0 || to >= frame.count) return null;
    if (frame.axis !== null) return { frame: sliceFrame(geometry, plane, to, id, turn), time };
    const at = add(this.cursor, scale(frame.normal, by * frame.thickness));
    return { frame: freeFrame(geometry, plane, this.view.value.rotation ?? gridRotation(geometry), at, id, turn), time };
  }

  scrollTo(slice: number): void {
    const { geometry, image, frame } = this;
    const to = Math.min(frame.count - 1, Math.max(0, Math.round(slice)));
    if (to === frame.slice) return;
    if (!isGrid(geometry)) {
      this.view.set({ slice: { ...this.view.value.slice, [image.id]: to } });
      return;
    }
    const by = (to - frame.slice) * frame.thickness;
    const next = frame.axis === null
      ? add(this.cursor, scale(frame.normal, by))
      : moveToSlice(frame, sliceFrame(geometry, this.plane, to, this.id, this.turn), this.cursor);
    this.scene.moveCursor(this, next, "slice");
  }

  /** Scroll slices; where there is one slice only, frames. */
  scroll(by: number): void {
    const { frame } = this;
    if (frame.count > 1) this.scrollTo(frame.slice + by);
    else if (this.image.frames > 1) this.setTime(this.time + by);
  }

  setTime(frame: number): void {
    this.view.set({ frame: Math.min(this.image.frames - 1, Math.max(0, Math.round(frame))) });
  }

  /** Number of pictures that play: frames, or the planes of a stack. */
  get cineLength(): number {
    if (this.image.frames > 1) return this.image.frames;
    return isGrid(this.geometry) ? 1 : this.geometry.shape[0];
  }

  /** Number of the picture that is shown of those that play. */
  get cineAt(): number {
    return this.image.frames > 1 ? this.time : this.slice;
  }

  /** Show the picture `by` further, starting again at the end. */
  cineStep(by: number): void {
    const n = this.cineLength;
    if (n > 1) this.cineTo((this.cineAt + by + n) % n);
  }

  cineTo(at: number): void {
    if (this.image.frames > 1) this.setTime(at);
    else this.scrollTo(at);
  }

  /** Whether all that is shown of the picture `at` of those that play is here, or cannot be had. */
  cineHere(at: number): boolean {
    const { image } = this;
    if (image.frames < 2) return isHere(this.store, at);
    const store = this.scene.source.volumes.store(image.id, at);
    const panes = this.scene.panes.filter((one) => one.image.id === image.id && one.plane !== "volume");
    return store !== undefined && panes.every(({ frame }) => (frame.axis === 0
      ? isHere(store, frame.slice) : Array.from({ length: image.shape[0] }, (_, k) => k).every((k) => isHere(store, k))));
  }

  /** Where the planes of the panes that share this one's crosshair cut it. */
  get lines(): readonly PlaneLine[] {
    if (!this.view.value.crosshair || this.plane === "volume") return [];
    const frames = this.scene.arrangement.panes.map(({ id }) => this.scene.paneById(id))
      .filter((one) => one !== this && one.image.id === this.image.id && one.plane !== "volume").map((one) => one.frame);
    if (frames.length > 0 || this.plane === "acquisition") return planeLines(this.frame, frames);
    return planeLines(this.frame, this.scene.planesOf(this).filter((one) => one.plane !== this.plane));
  }

  pointAt(world: Vec3): void {
    this.scene.moveCursor(this, world, "cursor");
  }

  // Camera --------------------------------------------------------------------------------------

  /** Where the pane lies on the screen, CSS px. */
  place(cell: Cell): void {
    this.#cell = cell;
  }

  get cell(): Cell {
    return this.#cell;
  }

  get size(): Pair {
    return [this.#cell.width, this.#cell.height];
  }

  /** Zoom and pan of the user; else the whole picture in the middle, or with its chest wall at that of the other breast. */
  get camera(): Camera {
    const { zoom, pan } = this.view.value;
    const mmPerPx = zoom[this.id] ?? Math.max(...this.scene.scaledWith(this).map((one) => one.fitScale));
    const wall = this.scene.chestWall(this);
    const across = wall === 0 ? 0 : (wall * (this.frame.extent[0] - this.#cell.width * mmPerPx)) / 2;
    return { mmPerPx, pan: pan[this.id] ?? [across, 0] };
  }

  /** Mm per px that show the whole picture. */
  get fitScale(): number {
    const { width, height } = this.#cell;
    const { extent } = this.frame;
    return Math.max(extent[0] / width, extent[1] / height) || 1;
  }

  /** Zoom and move; panes that show the same plane of the same space follow while they are linked. */
  setCamera(camera: Camera): void {
    const zoom: Record<string, number> = { ...this.view.value.zoom };
    const pan: Record<string, Pair> = { ...this.view.value.pan };
    for (const pane of [this, ...this.scene.fellows(this)]) {
      const next = pane === this ? camera : sameCamera(this, pane, camera);
      zoom[pane.id] = next.mmPerPx;
      pan[pane.id] = next.pan;
    }
    this.view.set({ zoom, pan });
  }

  fit(): void {
    let { zoom, pan } = this.view.value;
    for (const { id } of [this, ...this.scene.fellows(this)]) {
      zoom = without(zoom, id);
      pan = without(pan, id);
    }
    this.view.set({ zoom, pan });
  }

  /** One pixel of the image on one pixel of the screen, exactly below it: nothing is interpolated. */
  fullSize(ratio: number): void {
    this.setCamera(pixelForPixel(this.frame, this.camera.pan, this.size, ratio));
  }

  /** Zoom about the crosshair where it is in view, else about the middle. */
  zoom(factor: number): void {
    const [width, height] = this.size;
    const { camera } = this;
    const point = this.frame.toPlane(this.cursor);
    const inView =
      Math.abs(point[0] - camera.pan[0]) * 2 < width * camera.mmPerPx &&
      Math.abs(point[1] - camera.pan[1]) * 2 < height * camera.mmPerPx;
    this.setCamera(zoomAt(camera, inView ? point : camera.pan, factor));
  }

  // What tools see ------------------------------------------------------------------------------

  window(): Window {
    return this.scene.window(this.image);
  }

  setWindow(window: Window): void {
    this.scene.setWindow(this.image, window);
  }

  get labels(): readonly LabelItem[] {
    return this.scene.labels;
  }

  get masks(): readonly MaskItem[] {
    return this.scene.masksOf(this.image);
  }

  get boxes(): readonly BoxItem[] {
    return this.scene.boxes;
  }

  get selected(): string | null {
    return this.scene.selected;
  }

  set selected(id: string | null) {
    this.scene.selected = id;
  }

  get shapes(): readonly ShapeItem[] {
    return this.scene.shapes;
  }

  get selection(): readonly string[] {
    return this.scene.selection;
  }

  set selection(ids: readonly string[]) {
    this.scene.selection = ids;
  }

  get point(): { readonly id: string; readonly n: number } | null {
    return this.scene.point;
  }

  set point(point: { readonly id: string; readonly n: number } | null) {
    this.scene.point = point;
  }

  get drawing(): Drawing | null {
    return this.scene.drawing;
  }

  set drawing(drawing: Drawing | null) {
    this.scene.drawing = drawing;
  }

  get sketched(): string | null {
    return this.scene.sketched;
  }

  reader(): (index: Vec3) => number {
    const { store, image: { shape: [nk, nj, ni], color } } = this;
    return (index) => {
      const [k, j, i] = [nearest(index[0]), nearest(index[1]), nearest(index[2])];
      if (k < 0 || j < 0 || i < 0 || k >= nk || j >= nj || i >= ni) return NaN;
      const at = j * ni + i;
      return store.slice(k)?.[color ? 3 * at + 1 : at] ?? NaN;
    };
  }

  sketch(shape: ShapeItem | null): void {
    this.scene.sketch(shape);
  }

  carry(items: readonly (BoxItem | ShapeItem)[]): void {
    this.scene.carry(items);
  }

  type(typing: Typing | null): void {
    this.scene.type(typing);
  }

  voxels(mask: string): MaskVoxels | undefined {
    return this.scene.voxels(mask);
  }

  activeLabel(): LabelItem | null {
    return this.scene.activeLabel();
  }

  apply(edit: EditDraft): void {
    this.scene.apply(edit);
  }

  propose(edit: EditDraft): () => void {
    return this.scene.source.document.propose(edit);
  }

  draft(box: BoxDraft | null): void {
    this.scene.draft(box);
  }

  cutLine(line: CutLine | null): void {
    this.scene.cutLine = line;
    if (!line) this.scene.repaint();
  }

  toast(text: string, action?: ToastAction): void {
    this.scene.toast(text, action);
  }

  repaint(what?: Repaint): void {
    this.scene.repaint(what);
  }
}

/** Whether a slice is here as a whole, or cannot be had. */
function isHere(store: SliceStore, k: number): boolean {
  return (store.slice(k) !== undefined && !store.partial?.has(k)) || (store.failed?.has(k) ?? false);
}

/** Cine starts at its first plane, a series of separate planes in the middle. */
function firstPlane(geometry: GridGeometry): number {
  const last = geometry.shape[0] - 1;
  const a = geometry.plane(0).origin;
  const b = geometry.plane(last).origin;
  return a.every((x, n) => x === b[n]) ? 0 : Math.floor((last + 1) / 2);
}

/**
 * The camera of another pane when this one's becomes `camera`: the same middle and size where a way leads
 * there; else both move by as much of their own size, breasts that meet mirrored.
 */
function sameCamera(pane: Pane, other: Pane, camera: Camera): Camera {
  const walls = [pane, other].map((one) => pane.scene.chestWall(one)) as [number, number];
  const way = walls[0] * walls[1] < 0 ? null : pane.scene.spaces.between(pane.image, other.image);
  if (way) {
    // Over a stack the way through the world says nothing: its planes may all lie in one place.
    const same = !isGrid(pane.geometry) || !isGrid(other.geometry);
    const at = same ? camera.pan : other.frame.toPlane(movePoint(way, pane.frame.toWorld(camera.pan)));
    return { mmPerPx: camera.mmPerPx, pan: at };
  }
  const { mmPerPx, pan } = other.camera;
  const ratio = mmPerPx / pane.camera.mmPerPx;
  // Breasts that meet are each other's mirror image, and move so.
  const across = walls[0] * walls[1] < 0 ? -ratio : ratio;
  const step = (n: 0 | 1, by: number): number => pan[n] + (camera.pan[n] - pane.camera.pan[n]) * by;
  return { mmPerPx: camera.mmPerPx * ratio, pan: [step(0, across), step(1, ratio)] };
}

