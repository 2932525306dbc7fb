/** What a 3-D pane needs of the viewer, taken from the state of its pane. */
import type { GridGeometry, Vec3 } from "../model/geometry";
import type { ImageJson } from "../model/protocol";
import { inverse } from "../model/transform";
import type { VolumeState } from "../state/parts";
import type { Preview } from "../volumes/previews";
import { whyNotOver } from "./over";
import type { Pane } from "./pane";
import { windowBounds } from "./presets";
import { tableOf } from "./tables";
import { unitOf } from "./units";
import {
  volumeModule, type VolumeHost, type VolumeLayer, type VolumeModule, type VolumeSegments,
} from "./volumepane";

/** A pane as its 3-D view sees it. */
export class PaneVolume implements VolumeHost {
  constructor(
    private readonly pane: Pane,
    readonly maximize: () => void,
    readonly repaint: () => void,
  ) {}

  get image(): ImageJson {
    return this.pane.image;
  }

  get frame(): number {
    return this.pane.time;
  }

  get geometry(): GridGeometry {
    return this.pane.geometry;
  }

  get settings(): VolumeState {
    return this.pane.view.value.volume;
  }

  set(patch: Partial<VolumeState>): void {
    this.pane.view.set({ volume: { ...this.settings, ...patch } });
  }

  get pan(): readonly [number, number] {
    return this.pane.view.value.pan[this.pane.id] ?? [0, 0];
  }

  setPan(pan: readonly [number, number]): void {
    this.pane.view.set({ pan: { ...this.pane.view.value.pan, [this.pane.id]: pan } });
  }

  get cursor(): Vec3 | null {
    return this.pane.view.value.crosshair ? this.pane.cursor : null;
  }

  setCursor(world: Vec3): void {
    this.pane.pointAt(world);
  }

  get window(): { readonly lower: number; readonly upper: number } {
    return windowBounds(this.image, this.pane.window());
  }

  get unit(): { readonly name: string; readonly factor: number } {
    return unitOf(this.image, this.pane.view.value);
  }

  get segments(): readonly VolumeSegments[] {
    const { scene, image, view } = this.pane;
    if (!view.value.overlay) return [];
    return scene.source.document.masks.filter(({ item }) => item.image === image.id).flatMap(({ item, store }) => {
      const colors = new Map<number, readonly [number, number, number]>();
      for (const { value, label } of item.segments) {
        const style = scene.segmentStyle(label, 1);
        if (style) colors.set(value, style.color);
      }
      return colors.size > 0 ? [{ mask: item.id, version: store.version, colors }] : [];
    });
  }

  get layers(): readonly VolumeLayer[] {
    return this.#placed.filter((one) => typeof one !== "string");
  }

  get missing(): readonly string[] {
    return this.#placed.filter((one) => typeof one === "string");
  }

  /** The visible layers, each as it lies in the volume, or why it does not. */
  get #placed(): readonly (VolumeLayer | string)[] {
    const { scene, image, view } = this.pane;
    return (view.value.layers[image.id] ?? []).filter((one) => one.visible).map((layer): VolumeLayer | string => {
      const other = scene.imageById(layer.image);
      if (!other) return "The image of a layer is not here.";
      const name = other.name || other.modality || "The layer";
      const problem = other.color ? "is a colour image." : whyNotOver(scene, image, other);
      const way = problem === null ? scene.spaces.between(image, other) : null;
      const toBase = way ? inverse(way) : null;
      if (!toBase) return `${name} ${problem ?? "has no place here."}`;
      const { table, window } = tableOf(other, view.value, layer.colormap, false);
      return {
        image: other.id, name, frame: Math.min(this.frame, other.frames - 1), table, toBase,
        window: window ?? windowBounds(other, scene.window(other)), opacity: layer.opacity, lower: layer.lower,
      };
    });
  }

  preview(id: string, frame: number | null, edge: number, signal: AbortSignal): Promise<Preview> {
    return this.pane.scene.source.volumes.preview(id, frame, edge, signal);
  }

  module(): Promise<VolumeModule> {
    return volumeModule(this.pane.scene.source.road);
  }

  toast(text: string): void {
    this.pane.toast(text);
  }
}
