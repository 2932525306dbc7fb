/** The pane of the 3-D view: fetches the 3-D module when it is first needed and shows what that draws. */
import { pageModule, type ModuleRoad } from "../channel/modules";
import type { Cell } from "../layout";
import type { GridGeometry, Vec3 } from "../model/geometry";
import type { ImageJson } from "../model/protocol";
import type { Renderer } from "../render/renderer";
import type { Preview } from "../volumes/previews";
import { h, setText } from "./dom";
import type { PaneView } from "./paneview";

/** Fingerprint of the 3-D module this viewer was built with. */
declare const VOLUME3D_HASH: string;

/** The part of the view state under `volume`. */
export interface VolumeSettings {
  /** Id of a preset of the image's modality; null: the first of them. */
  readonly preset: string | null;
  readonly mode: "render" | "mip";
  /** Two corners (k, j, i) in continuous voxel coordinates of the image; null: everything. */
  readonly crop: readonly [Vec3, Vec3] | null;
  /** Value, opacity, "#rrggbb"; null: those of the preset. */
  readonly points: readonly (readonly [number, number, string])[] | null;
  readonly segments: boolean;
  readonly layers: boolean;
  /** Unit quaternion that turns the camera's axes (right, up, towards the viewer) to the world; null: from the front. */
  readonly camera: readonly [number, number, number, number] | null;
  /** 1 or null: the image fills the pane. */
  readonly zoom: number | null;
}

export const DEFAULT_VOLUME: VolumeSettings = {
  preset: null, mode: "render", crop: null, points: null, segments: true, layers: true, camera: null, zoom: null,
};

/** Segments of one mask on the image of the pane. */
export interface VolumeSegments {
  readonly mask: string;
  /** Changes with the voxels; the host's copy is then fetched again. */
  readonly version: number;
  /** Colours (0..255) of the values that are shown. */
  readonly colors: ReadonlyMap<number, readonly [number, number, number]>;
}

/** An image drawn over that of the pane, sampled in its own grid. */
export interface VolumeLayer {
  readonly image: string;
  readonly name: string;
  readonly frame: number;
  /** Values at the first and the last entry of the table. */
  readonly window: { readonly lower: number; readonly upper: number };
  /** RGBA, little endian. */
  readonly table: Uint32Array;
  readonly opacity: number;
  /** Values below are not drawn. */
  readonly lower: number | null;
  /** Its world to the world of the pane's image: 4 x 4, row by row. */
  readonly toBase: readonly number[];
}

/** What a 3-D pane needs of the viewer. */
export interface VolumeHost {
  readonly image: ImageJson;
  readonly frame: number;
  readonly geometry: GridGeometry;
  readonly settings: VolumeSettings;
  set(patch: Partial<VolumeSettings>): void;
  /** Shift of the middle of the picture, mm right and down. */
  readonly pan: readonly [number, number];
  setPan(pan: readonly [number, number]): void;
  /** Crosshair in the world of the image; null where it is not shown. */
  readonly cursor: Vec3 | null;
  setCursor(world: Vec3): void;
  /** Values shown black and white in the other panes. */
  readonly window: { readonly lower: number; readonly upper: number };
  /** Unit that values are shown in: a name, and the factor from the stored value. */
  readonly unit: { readonly name: string; readonly factor: number };
  readonly segments: readonly VolumeSegments[];
  /** Bottom first. */
  readonly layers: readonly VolumeLayer[];
  /** Why visible layers are not among them, for readers. */
  readonly missing: readonly string[];
  preview(id: string, frame: number | null, edge: number, signal: AbortSignal): Promise<Preview>;
  module(): Promise<VolumeModule>;
  toast(text: string): void;
  maximize(): void;
  /** The picture became complete, or something came that it needs: draw the pane again. */
  repaint(): void;
}

/** What the 3-D module draws in a pane. */
export interface VolumeBody {
  readonly complete: boolean;
  draw(width: number, height: number, ratio: number): void;
  cancel(): boolean;
  close(): void;
}
export interface VolumeModule {
  open(host: VolumeHost, element: HTMLElement): VolumeBody;
}

/** Fetch the 3-D module, once for each page. */
export function volumeModule(road: ModuleRoad): Promise<VolumeModule> {
  return pageModule<VolumeModule>(road, VOLUME3D_HASH, "volume3d");
}

export class VolumePane implements PaneView {
  readonly element: HTMLElement;
  readonly #message = h("div", { class: "nbannot-volume-message", role: "status" });
  #body: VolumeBody | null = null;
  #asked = false;
  #closed = false;
  #width = 0;
  #height = 0;
  #ratio = 1;
  dirty: PaneView["dirty"] = true;

  constructor(
    readonly id: string,
    private readonly host: VolumeHost,
  ) {
    this.element = h(
      "div", { class: "nbannot-view nbannot-volume", "data-nbannot-view": id, role: "group", "aria-label": "3-D view" },
      this.#message,
    );
  }

  get complete(): boolean {
    // A pane that can only show a message is not waited for.
    return this.#body ? this.#body.complete : this.#message.getAttribute("role") === "alert";
  }

  place(cell: Cell): void {
    const { style } = this.element;
    style.left = `${cell.x}px`;
    style.top = `${cell.y}px`;
    style.width = `${cell.width}px`;
    style.height = `${cell.height}px`;
    this.#width = cell.width;
    this.#height = cell.height;
    this.dirty = true;
  }

  draw(_: Renderer | null, ratio: number): void {
    this.dirty = false;
    this.#ratio = ratio;
    if (!this.#body) this.#open();
    this.#body?.draw(this.#width, this.#height, ratio);
    this.element.dataset["nbannotComplete"] = String(this.complete);
  }

  cancel(): boolean {
    return this.#body?.cancel() ?? false;
  }

  close(): void {
    this.#closed = true;
    this.#body?.close();
    this.element.remove();
  }

  #open(): void {
    if (this.#asked) return;
    this.#asked = true;
    setText(this.#message, "Loading the 3-D view…");
    this.host.module().then(
      (module) => {
        if (this.#closed) return;
        this.#body = module.open(this.host, this.element);
        this.#message.remove();
        this.#body.draw(this.#width, this.#height, this.#ratio);
      },
      (error: unknown) => {
        const text = error instanceof Error ? error.message : String(error);
        setText(this.#message, `The 3-D view could not be loaded: ${text}`);
        this.#message.setAttribute("role", "alert");
        this.host.repaint();
      },
    );
  }
}
