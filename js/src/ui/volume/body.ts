/** Everything in a 3-D pane: picture, cube, crosshair, toolbar, editor and crop box. */
import { add, scale, subtract, type Vec3 } from "../../model/geometry";
import { basis, FRONT, lookFrom, normalized, project, rayThrough, type Look, type Pair, type Quaternion, type Side } from "../../volume3d/camera";
import { MAX_LAYERS, type CastLayer, type Scene3d } from "../../volume3d/caster";
import { cropIn, IDENTITY, inverted } from "../../volume3d/field";
import { pick } from "../../volume3d/pick";
import { presetsFor, readPoints, resolved, rgbOf, tableOf, type Mode, type Point, type Preset } from "../../volume3d/transfer";
import { h, listen, s, setAttribute, setText } from "../dom";
import type { VolumeBody, VolumeHost } from "../volumepane";
import { Bar, type Toggle } from "./bar";
import { Content } from "./content";
import { CropPanel } from "./crop";
import { Cube } from "./cube";
import { Editor } from "./editor";
import { Hand } from "./hand";
import { Painter } from "./painter";

/** Part of the pane that the volume fills at zoom 1. */
const FILL = 0.9;

export class Body implements VolumeBody {
  readonly #canvas = h("canvas", {
    class: "nbannot-canvas nbannot-volume-canvas", tabindex: 0, role: "img", "data-nbannot-keys": "picture",
    "aria-label": "3-D picture. Arrow keys turn it, with Shift they shift it, + and - zoom, Enter puts the crosshair on the surface in the middle.",
  });
  readonly #cross = s("path", { class: "nbannot-volume-cross" });
  readonly #crossShadow = s("path", { class: "nbannot-volume-cross nbannot-volume-cross-shadow" });
  readonly #svg = s("svg", { class: "nbannot-overlay", "aria-hidden": "true" }, this.#crossShadow, this.#cross);
  readonly #note = h("div", { class: "nbannot-corner nbannot-left" });
  readonly #again = h("button", { type: "button" }, "Try again");
  readonly #text = h("span");
  readonly #message = h("div", { class: "nbannot-volume-message", role: "alert", hidden: true }, this.#text, this.#again);
  readonly #abort = new AbortController();
  readonly #content: Content;
  readonly #painter: Painter;
  readonly #bar: Bar;
  readonly #cube: Cube;
  readonly #editor: Editor;
  readonly #crop: CropPanel;
  readonly #hand: Hand;
  readonly #open = new Set<Toggle>();
  #width = 0;
  #height = 0;
  #ratio = 1;
  #key: readonly unknown[] = [];
  #error = "";
  #losses = 0;
  #fit = 1;

  constructor(
    private readonly host: VolumeHost,
    private readonly element: HTMLElement,
  ) {
    const { signal } = this.#abort;
    this.#content = new Content(host, () => host.repaint());
    this.#painter = new Painter(this.#canvas, {
      done: () => host.repaint(),
      failed: (error) => this.#fail(error instanceof Error ? error.message : String(error)),
      lost: () => this.#lost(),
    });
    this.#bar = new Bar(
      {
        preset: (id) => this.#choose(id),
        toggle: (name) => this.#toggle(name),
        look: (side) => this.#look(side),
        reset: () => this.#reset(),
      },
      signal,
    );
    this.#cube = new Cube((side) => this.#look(side), signal);
    this.#editor = new Editor({ change: (points) => host.set({ points }) }, signal);
    this.#crop = new CropPanel((crop) => host.set({ crop }), signal);
    this.#hand = new Hand(
      this.#canvas,
      {
        camera: () => this.#camera,
        zoom: () => this.#zoom,
        pan: () => host.pan,
        mmPerPx: () => this.#fit / this.#zoom,
        setCamera: (camera) => host.set({ camera }),
        setZoom: (zoom) => host.set({ zoom }),
        setPan: (pan) => host.setPan(pan),
        pick: (place) => this.#pick(place),
      },
      signal,
    );
    listen(this.#canvas, "dblclick", signal, () => host.maximize());
    listen(this.#again, "click", signal, () => this.#retry());
    this.element.append(this.#canvas, this.#svg, this.#cube.element, this.#bar.element, this.#editor.element, this.#crop.element, this.#note, this.#message);
  }

  get complete(): boolean {
    return this.#error !== "" || this.#content.error !== "" || (this.#content.complete && this.#painter.sharp);
  }

  /** How long pictures took, for measurements. */
  get timing(): object {
    return this.#painter.timing;
  }

  draw(width: number, height: number, ratio: number): void {
    Object.assign(this.element.dataset, { nbannotComplete: String(this.complete) });
    if (!(width > 0 && height > 0)) return;
    this.#width = width;
    this.#height = height;
    this.#ratio = ratio;
    const content = this.#content;
    content.update();
    this.#drawTexts();
    if (content.error || this.#error || !content.field) return;
    this.#request();
    this.#drawOverlay();
    const { dataset } = this.element;
    dataset["nbannotComplete"] = String(this.complete);
    dataset["nbannotTiming"] = JSON.stringify(this.#painter.timing);
  }

  cancel(): boolean {
    return this.#hand.cancel();
  }

  close(): void {
    this.#abort.abort();
    this.#content.close();
    this.#painter.close();
  }

  // What is drawn -------------------------------------------------------------------------------

  get #camera(): Quaternion {
    const { camera } = this.host.settings;
    return camera && camera.length === 4 && camera.every(Number.isFinite) && Math.hypot(...camera) > 1e-6 ? normalized(camera) : FRONT;
  }

  get #zoom(): number {
    const { zoom } = this.host.settings;
    return zoom !== null && zoom > 0 ? zoom : 1;
  }

  get #presets(): readonly Preset[] {
    return presetsFor(this.host.image);
  }

  get #preset(): Preset {
    const presets = this.#presets;
    return presets.find(({ id }) => id === this.host.settings.preset) ?? presets[0]!;
  }

  get #mode(): Mode {
    const { preset, mode } = this.host.settings;
    return preset === null ? (mode === "mip" ? "mip" : this.#preset.mode) : mode;
  }

  get #points(): readonly Point[] {
    const { host } = this;
    const own = readPoints(host.settings.points);
    if (own) return own;
    const preset = this.#preset;
    // A projection of what is made for surfaces, or the reverse: the modality's own.
    const mode = this.#mode;
    const shown = mode === preset.mode ? preset : (this.#presets.find((one) => one.mode === mode) ?? preset);
    return resolved(shown, this.#content.histogram!, host.window);
  }

  #layers(): CastLayer[] {
    const { host } = this;
    if (!host.settings.layers) return [];
    const out: CastLayer[] = [];
    for (const layer of host.layers.slice(-MAX_LAYERS)) {
      const field = this.#content.layers.get(`${layer.image}/${layer.frame}`);
      if (!field) continue;
      const toBase = layer.toBase.length === 16 ? layer.toBase : IDENTITY;
      try {
        inverted(toBase);
      } catch {
        continue;
      }
      out.push({ field, toBase, window: layer.window, table: layer.table, opacity: layer.opacity, lower: layer.lower });
    }
    return out;
  }

  #scene(): Scene3d {
    const { host } = this;
    const { field, surface } = this.#content;
    const points = this.#points;
    const { spacing, shape } = host.geometry;
    const mode = this.#mode;
    const sameGrid = surface?.size.every((n, at) => n === field!.size[at]);
    return {
      field: field!, points, mode,
      crop: cropIn(field!, shape, host.settings.crop),
      surface: sameGrid && host.settings.segments ? surface : null,
      layers: this.#layers(),
      unit: Math.cbrt(spacing[0] * spacing[1] * spacing[2]),
      background: mode === "mip" ? rgbOf(points[0]![2]) : [0, 0, 0],
    };
  }

  #request(): void {
    this.#measure();
    const { settings, pan } = this.host;
    const scene = this.#scene();
    const width = Math.max(1, Math.round(this.#width * this.#ratio));
    const height = Math.max(1, Math.round(this.#height * this.#ratio));
    const layers = scene.layers.flatMap(({ field, table, ...rest }) => [field, table, JSON.stringify(rest)]);
    const key = [
      width, height, scene.field, scene.surface, scene.mode, scene.unit,
      JSON.stringify([scene.points, scene.crop, this.#camera, settings.zoom, pan]), ...layers,
    ];
    if (key.length === this.#key.length && key.every((one, n) => one === this.#key[n])) return;
    this.#key = key;
    this.#painter.request(scene, width, height, (w, h) => this.#view(w, h));
  }

  /** mm of one CSS px at zoom 1: the volume as seen from front or side fills the pane. */
  #measure(): void {
    const { shape } = this.host.geometry;
    const low: number[] = [Infinity, Infinity, Infinity];
    const high: number[] = [-Infinity, -Infinity, -Infinity];
    for (let n = 0; n < 8; n++) {
      const end = (bit: number, size: number): number => (n & bit ? size - 0.5 : -0.5);
      this.host.geometry.toWorld([end(1, shape[0]), end(2, shape[1]), end(4, shape[2])]).forEach((x, at) => {
        low[at] = Math.min(low[at]!, x);
        high[at] = Math.max(high[at]!, x);
      });
    }
    const [x, y, z] = [0, 1, 2].map((n) => high[n]! - low[n]!) as [number, number, number];
    this.#fit = Math.max(Math.max(x, y) / this.#width, z / this.#height) / FILL;
  }

  #view(width: number, height: number): Look {
    const { shape } = this.host.geometry;
    const middle = this.host.geometry.toWorld([(shape[0] - 1) / 2, (shape[1] - 1) / 2, (shape[2] - 1) / 2]);
    const axes = basis(this.#camera);
    const [right, down] = this.host.pan;
    const center = subtract(add(middle, scale(axes.right, right)), scale(axes.up, down));
    return { ...axes, center, width, height, mmPerPx: ((this.#fit / this.#zoom) * this.#width) / width };
  }

  // Over the picture ----------------------------------------------------------------------------

  #drawTexts(): void {
    const { error } = this.#content;
    const text = this.#error || error;
    this.#message.hidden = text === "";
    this.#again.hidden = this.#error === "";
    setText(this.#text, text);
    this.#bar.element.hidden = text !== "";
    const { host } = this;
    const loading = !this.#content.field ? "Loading the volume…" : !this.#content.fine ? "Loading finer…" : "";
    setText(this.#note, text ? "" : [loading, ...this.#missing()].filter((line) => line !== "").join("\n"));
    this.#note.toggleAttribute("role", false);
    const pressed = new Set(this.#open);
    if (this.#mode === "mip") pressed.add("mip");
    if (host.settings.segments) pressed.add("segments");
    if (host.settings.layers) pressed.add("layers");
    const hidden = new Set<Toggle>();
    if (host.layers.length + host.missing.length === 0) hidden.add("layers");
    this.#bar.draw({
      presets: this.#presets, preset: this.#preset.id, mode: this.#mode,
      edited: host.settings.points !== null, pressed, hidden,
    });
  }

  /** Which visible layers are not drawn, and why. */
  #missing(): readonly string[] {
    const { host } = this;
    if (!host.settings.layers) return [];
    const below = host.layers.slice(0, -MAX_LAYERS).map((layer) => `${layer.name}: 3-D draws the upper ${MAX_LAYERS} layers.`);
    return [...host.missing, ...below];
  }

  #drawOverlay(): void {
    const { host } = this;
    const look = this.#view(this.#width, this.#height);
    setAttribute(this.#svg, "viewBox", `0 0 ${this.#width} ${this.#height}`);
    this.#cube.draw(this.#camera);
    const { cursor } = host;
    let d = "";
    if (cursor) {
      const [x, y] = project(look, cursor).map((n) => n.toFixed(1)) as [string, string];
      d = `M${x} ${y}m-11 0h7m8 0h7m-11 -11v7m0 8v7m-4 -11a4 4 0 1 0 8 0a4 4 0 1 0 -8 0`;
    }
    setAttribute(this.#cross, "d", d);
    setAttribute(this.#crossShadow, "d", d);
    const { histogram } = this.#content;
    this.#editor.element.hidden = !this.#open.has("edit");
    this.#crop.element.hidden = !this.#open.has("crop");
    if (this.#open.has("edit") && histogram) this.#editor.draw(this.#points, histogram, host.unit);
    if (this.#open.has("crop")) this.#crop.draw(host.geometry, host.settings.crop);
    this.element.toggleAttribute("data-nbannot-inverted", this.#mode === "mip" && rgbOf(this.#points[0]![2])[1] > 140);
  }

  // Doing ---------------------------------------------------------------------------------------

  #choose(id: string): void {
    const preset = this.#presets.find((one) => one.id === id);
    if (preset) this.host.set({ preset: id, mode: preset.mode, points: null });
  }

  #toggle(name: Toggle): void {
    const { host } = this;
    const { settings } = host;
    if (name === "segments") host.set({ segments: !settings.segments });
    else if (name === "layers") host.set({ layers: !settings.layers });
    else if (name === "mip") host.set({ preset: this.#preset.id, mode: this.#mode === "mip" ? "render" : "mip", points: null });
    else {
      if (!this.#open.delete(name)) {
        // Both panels lie at the same place.
        this.#open.delete(name === "edit" ? "crop" : "edit");
        this.#open.add(name);
      }
      host.repaint();
    }
  }

  #look(side: Side): void {
    this.host.set({ camera: lookFrom(side) });
  }

  #reset(): void {
    this.host.setPan([0, 0]);
    this.host.set({ camera: null, zoom: null, crop: null, points: null, preset: null, mode: "render" });
  }

  #pick(place: Pair): void {
    const { field } = this.#content;
    if (!field || this.#error) return;
    const { origin, direction } = rayThrough(this.#view(this.#width, this.#height), place);
    const { crop, mode, surface, points, unit } = this.#scene();
    const hit: Vec3 | null = pick({ field, crop, mode, surface, unit, table: tableOf(points) }, origin, direction);
    if (hit) this.host.setCursor(hit);
  }

  #lost(): void {
    // Once is an accident; again and again the GPU is in trouble.
    if (++this.#losses === 1) return this.#painter.restart();
    this.#fail("The GPU took the 3-D picture away.");
  }

  #fail(text: string): void {
    this.#error = text;
    this.host.repaint();
  }

  #retry(): void {
    this.#error = "";
    this.#losses = 0;
    this.#key = [];
    this.#painter.restart();
    this.host.repaint();
  }
}

export function openVolume(host: VolumeHost, element: HTMLElement): Body {
  return new Body(host, element);
}
