/** Draws one 3-D picture, in parts if need be, with the page's WebGL2 context. */
import { scale, subtract, unit, add, type Vec3 } from "../model/geometry";
import type { Look } from "./camera";
import { CELL, cellsOf, cellsSize, markLayer, visible, type Cells } from "./cells";
import { CastError, Context, type Program } from "./context";
import { applied, appliedToStep, inverted, times, type Box, type Field, type Matrix } from "./field";
import { ISO, type Surface } from "./segments";
import { TABLE, tableOf, type Mode, type Point, type Table } from "./transfer";

/** Another image over the base. */
export interface CastLayer {
  readonly field: Field;
  /** World of the layer to the world of the base, 4 x 4. */
  readonly toBase: Matrix;
  readonly window: { readonly lower: number; readonly upper: number };
  /** RGBA, little endian; any number of entries. */
  readonly table: Uint32Array;
  readonly opacity: number;
  /** Values below are not drawn; null: those up to the window's lower end. */
  readonly lower: number | null;
}

export interface Scene3d {
  readonly field: Field;
  readonly points: readonly Point[];
  readonly mode: Mode;
  /** In texture coordinates of the field. */
  readonly crop: Box;
  readonly surface: Surface | null;
  readonly layers: readonly CastLayer[];
  /** Length (mm) that the opacities stand for. */
  readonly unit: number;
  /** 0..255 */
  readonly background: Vec3;
}

export interface Pass {
  readonly look: Look;
  /** Step between samples, in voxels. */
  readonly step: number;
  /** Smooth gradients and refined surfaces. */
  readonly fine: boolean;
}

const UNITS = ["data", "cells", "occupancy", "colors", "table", "palette", "layerTables"] as const;
const FLAT: readonly string[] = ["table", "palette", "layerTables"];
type Unit = (typeof UNITS)[number] | `layer${number}`;
/** WebGL2 promises 16 textures for a picture. */
export const MAX_LAYERS = 8;

export class Caster {
  readonly #context: Context;
  readonly #gl: WebGL2RenderingContext;
  readonly #textures = new Map<Unit, WebGLTexture>();
  readonly #kept = new Map<Unit, unknown>();
  readonly #cells = new WeakMap<Field, Cells>();
  readonly #frame: WebGLFramebuffer;
  readonly #picture: WebGLTexture;
  #size: readonly [number, number] = [0, 0];
  #program: Program | null = null;
  #scene: Scene3d | null = null;
  #table: Table | null = null;
  #seen: readonly unknown[] = [];
  #pass: Pass | null = null;

  /** Throws CastError where there is no WebGL2. */
  constructor(onLost: () => void) {
    this.#context = Context.join(this, onLost);
    const gl = (this.#gl = this.#context.gl);
    this.#frame = gl.createFramebuffer();
    this.#picture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, this.#picture);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
  }

  /** Largest edge of a copy that this GPU takes. */
  get maxEdge(): number {
    return Number(this.#gl.getParameter(this.#gl.MAX_3D_TEXTURE_SIZE));
  }

  get table(): Table | null {
    return this.#table;
  }

  /** Take over what is to be drawn; only what changed goes to the GPU. Throws CastError. */
  show(scene: Scene3d): void {
    const { field, surface, points } = scene;
    const old = this.#scene;
    this.#scene = scene;
    if (Math.max(...field.size) > this.maxEdge) throw new CastError("This GPU cannot hold a volume of this size.");
    if (this.#kept.get("data") !== field) this.#upload("data", field);
    if (!old || JSON.stringify(old.points) !== JSON.stringify(points) || !this.#table) {
      this.#table = tableOf(points);
      this.#flat("table", this.#table.rgba, TABLE, 1);
    }
    if (this.#kept.get("occupancy") !== surface) this.#uploadSurface(surface);
    const layers = scene.layers.slice(0, MAX_LAYERS);
    layers.forEach(({ field: one }, n) => {
      if (this.#kept.get(`layer${n}`) !== one) this.#upload(`layer${n}`, one);
    });
    for (let n = layers.length; n < MAX_LAYERS; n++) this.#drop(`layer${n}`);
    if (layers.length) this.#flat("layerTables", layerTables(layers), 256, layers.length);
    this.#showCells(layers);
    const { gl } = this.#context;
    if (gl.getError() === gl.OUT_OF_MEMORY) throw new CastError("The GPU has no memory left for the 3-D view.");
  }

  #showCells(layers: readonly CastLayer[]): void {
    const { field, surface } = this.#scene!;
    const seen = [field, this.#table, surface, JSON.stringify(layers.map((one) => [...one.toBase, layerLower(one)])), ...layers.map((one) => one.field)];
    if (seen.length === this.#seen.length && seen.every((one, n) => one === this.#seen[n])) return;
    this.#seen = seen;
    const cells = this.#cellsOf(field);
    let also: Uint8Array | null = surface?.cells ?? null;
    if (layers.length) {
      also = also ? also.slice() : new Uint8Array(cells.low.length);
      for (const layer of layers) markLayer(also, field, layer.field, this.#cellsOf(layer.field), placeOf(field, layer), layerLower(layer));
    }
    const { gl } = this.#context;
    const [x, y, z] = cellsSize(field.size);
    this.#volume("cells", gl.NEAREST);
    gl.texImage3D(gl.TEXTURE_3D, 0, gl.RG8, x, y, z, 0, gl.RG, gl.UNSIGNED_BYTE, visible(cells, this.#table!, also));
  }

  #cellsOf(field: Field): Cells {
    let cells = this.#cells.get(field);
    if (!cells) this.#cells.set(field, (cells = cellsOf(field)));
    return cells;
  }

  /** Values as two bytes, from the least to the largest. */
  #upload(name: Unit, field: Field): void {
    const gl = this.#gl;
    const [x, y, z] = field.size;
    this.#volume(name, gl.LINEAR);
    gl.texStorage3D(gl.TEXTURE_3D, 1, gl.RG8, x, y, z);
    const part = new Uint8Array(2 * x * y);
    const { values, slope, intercept } = field.copy;
    const factor = 65535 / Math.max(field.max - field.min, 1e-12);
    const [times, plus] = [slope * factor, (intercept - field.min) * factor + 0.5];
    for (let k = 0, at = 0; k < z; k++) {
      for (let n = 0; n < part.length; n += 2) {
        const value = values[at++]! * times + plus;
        part[n] = value >> 8;
        part[n + 1] = value & 255;
      }
      gl.texSubImage3D(gl.TEXTURE_3D, 0, 0, 0, k, x, y, 1, gl.RG, gl.UNSIGNED_BYTE, part);
    }
    this.#kept.set(name, field);
  }

  #uploadSurface(surface: Surface | null): void {
    const gl = this.#gl;
    const [x, y, z] = surface?.size ?? [1, 1, 1];
    this.#volume("occupancy", gl.LINEAR);
    gl.texImage3D(gl.TEXTURE_3D, 0, gl.R8, x, y, z, 0, gl.RED, gl.UNSIGNED_BYTE, surface?.occupancy ?? new Uint8Array(1));
    this.#volume("colors", gl.NEAREST);
    gl.texImage3D(gl.TEXTURE_3D, 0, gl.R8UI, x, y, z, 0, gl.RED_INTEGER, gl.UNSIGNED_BYTE, surface?.colors ?? new Uint8Array(1));
    this.#flat("palette", surface?.palette ?? new Uint8Array(1024), 256, 1);
    this.#kept.set("occupancy", surface);
  }

  /** A fresh, bound 3-D texture. */
  #volume(name: Unit, filter: number): void {
    const gl = this.#gl;
    this.#drop(name);
    const texture = gl.createTexture();
    this.#textures.set(name, texture);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_3D, texture);
    for (const side of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T, gl.TEXTURE_WRAP_R]) gl.texParameteri(gl.TEXTURE_3D, side, gl.CLAMP_TO_EDGE);
    gl.texParameteri(gl.TEXTURE_3D, gl.TEXTURE_MIN_FILTER, filter);
    gl.texParameteri(gl.TEXTURE_3D, gl.TEXTURE_MAG_FILTER, filter);
  }

  /** Give the memory of a texture back. */
  #drop(name: Unit): void {
    const old = this.#textures.get(name);
    if (!old) return;
    this.#gl.deleteTexture(old);
    this.#textures.delete(name);
    this.#kept.delete(name);
  }

  #flat(name: Unit, rgba: Uint8Array, width: number, height: number): void {
    const gl = this.#gl;
    let texture = this.#textures.get(name);
    if (!texture) this.#textures.set(name, (texture = gl.createTexture()));
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, texture);
    for (const side of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, side, gl.CLAMP_TO_EDGE);
    const filter = name === "palette" ? gl.NEAREST : gl.LINEAR;
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, filter);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, filter);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, width, height, 0, gl.RGBA, gl.UNSIGNED_BYTE, rgba);
  }

  /** Begin a picture; `tile` then draws its rows. */
  begin(pass: Pass): void {
    const gl = this.#gl;
    const { width, height } = pass.look;
    this.#pass = pass;
    gl.bindTexture(gl.TEXTURE_2D, this.#picture);
    if (this.#size[0] !== width || this.#size[1] !== height) {
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, width, height, 0, gl.RGBA, gl.UNSIGNED_BYTE, null);
      this.#size = [width, height];
    }
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.#frame);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, this.#picture, 0);
  }

  /** Draw rows from..to, counted from the top; resolves once the GPU has done so. */
  async tile(from: number, to: number): Promise<void> {
    const gl = this.#gl;
    const { width, height } = this.#pass!.look;
    this.#bind();
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.#frame);
    gl.viewport(0, 0, width, height);
    gl.enable(gl.SCISSOR_TEST);
    gl.scissor(0, height - to, width, to - from);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    gl.disable(gl.SCISSOR_TEST);
    const fence = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
    gl.flush();
    if (!fence) return;
    // Asked now and then: the page goes on meanwhile.
    for (let n = 0; ; n++) {
      await new Promise<void>((go) => setTimeout(go, n < 4 ? 1 : 6));
      if (gl.isContextLost()) return;
      const state = gl.clientWaitSync(fence, 0, 0);
      if (state !== gl.TIMEOUT_EXPIRED) break;
    }
    gl.deleteSync(fence);
  }

  /** Put rows from..to of the picture into a canvas, stretched to its size. */
  present(target: CanvasRenderingContext2D, from: number, to: number): void {
    const gl = this.#gl;
    const [width, height] = this.#size;
    if (gl.isContextLost() || !width) return;
    this.#context.reserve(width, height);
    const { canvas } = this.#context;
    gl.bindFramebuffer(gl.READ_FRAMEBUFFER, this.#frame);
    gl.bindFramebuffer(gl.DRAW_FRAMEBUFFER, null);
    const [low, high] = [height - to, height - from];
    gl.blitFramebuffer(0, low, width, high, 0, low, width, high, gl.COLOR_BUFFER_BIT, gl.NEAREST);
    const [sx, sy] = [target.canvas.width / width, target.canvas.height / height];
    target.imageSmoothingEnabled = true;
    target.drawImage(canvas, 0, canvas.height - high, width, high - low, 0, from * sy, width * sx, (to - from) * sy);
  }

  close(): void {
    const gl = this.#gl;
    for (const texture of this.#textures.values()) gl.deleteTexture(texture);
    gl.deleteTexture(this.#picture);
    gl.deleteFramebuffer(this.#frame);
    this.#textures.clear();
    this.#context.leave(this);
  }

  #bind(): void {
    const gl = this.#gl;
    const scene = this.#scene!;
    const layers = scene.layers.slice(0, MAX_LAYERS);
    this.#program = this.#context.use({
      mip: scene.mode === "mip", fine: this.#pass!.fine, segments: scene.surface !== null, layers: layers.length,
    });
    [...UNITS, ...layers.map((_, n): Unit => `layer${n}`)].forEach((name, n) => {
      gl.activeTexture(gl.TEXTURE0 + n);
      const flat = FLAT.includes(name);
      // What is not used still needs a texture of the right kind.
      const stand = flat ? "table" : name;
      gl.bindTexture(flat ? gl.TEXTURE_2D : gl.TEXTURE_3D, this.#textures.get(name) ?? this.#textures.get(stand) ?? null);
      gl.uniform1i(this.#place(name), n);
    });
    const { field } = scene;
    this.#vec("size", field.size);
    this.#vec("cellSize", [CELL / field.size[0], CELL / field.size[1], CELL / field.size[2]]);
    this.#vec("low", scene.crop[0]);
    this.#vec("high", scene.crop[1]);
    this.#vec("background", scale(scene.background, 1 / 255));
    this.#look(field);
    const { lower, upper } = this.#table!;
    const [x, y] = placeScale(field, lower, upper);
    gl.uniform3f(this.#place("values"), (x * 65280) / 65535, (x * 255) / 65535, y);
    this.#float("unit", scene.unit);
    this.#float("iso", ISO / 255);
    this.#float("stride", field.step * this.#pass!.step);
    layers.forEach((layer, n) => this.#layer(field, layer, n));
  }

  #look(field: Field): void {
    const { look } = this.#pass!;
    const { toTexture } = field;
    const corner = subtract(
      subtract(look.center, scale(look.right, (look.width / 2) * look.mmPerPx)),
      scale(look.up, (look.height / 2) * look.mmPerPx),
    );
    // Rays begin well in front of everything.
    this.#vec("origin", applied(toTexture, corner));
    this.#vec("stepX", appliedToStep(toTexture, scale(look.right, look.mmPerPx)));
    this.#vec("stepY", appliedToStep(toTexture, scale(look.up, look.mmPerPx)));
    this.#vec("along", appliedToStep(toTexture, scale(look.toward, -1)));
    this.#vec("toward", look.toward);
    this.#vec("lamp", unit(add(add(look.toward, scale(look.up, 0.35)), scale(look.right, -0.3))));
    const t = toTexture;
    // Column by column: the transposed map, as gradients want it.
    const rows = [t[0]!, t[1]!, t[2]!, t[4]!, t[5]!, t[6]!, t[8]!, t[9]!, t[10]!];
    this.#gl.uniformMatrix3fv(this.#place("normals"), false, rows);
  }

  #layer(field: Field, layer: CastLayer, n: number): void {
    const gl = this.#gl;
    gl.uniformMatrix4fv(this.#place(`layerPlace[${n}]`), true, placeOf(field, layer) as number[]);
    const { lower, upper } = layer.window;
    const [x, y] = placeScale(layer.field, lower, upper);
    const least = (layerLower(layer) - lower) / Math.max(upper - lower, 1e-6);
    gl.uniform4f(this.#place(`layerWindow[${n}]`), x, y, least, layer.opacity);
  }

  #place(name: string): WebGLUniformLocation | null {
    return this.#program!.place(name);
  }

  #vec(name: string, v: Vec3): void {
    this.#gl.uniform3f(this.#place(name), v[0], v[1], v[2]);
  }

  #float(name: string, value: number): void {
    this.#gl.uniform1f(this.#place(name), value);
  }
}

/** Place in a table from lower to upper = value in the texture (0..1) * first + second. */
function placeScale(field: Field, lower: number, upper: number): [number, number] {
  const width = Math.max(upper - lower, 1e-6);
  return [Math.max(field.max - field.min, 1e-12) / width, (field.min - lower) / width];
}

/** Texture coordinates of the base to those of a layer. Throws RangeError for a transform without an inverse. */
function placeOf(base: Field, layer: CastLayer): Matrix {
  return times(layer.field.toTexture, times(inverted(layer.toBase), base.toWorld));
}

function layerLower(layer: CastLayer): number {
  return layer.lower ?? layer.window.lower;
}

function layerTables(layers: readonly CastLayer[]): Uint8Array {
  const out = new Uint8Array(256 * layers.length * 4);
  layers.forEach(({ table }, row) => {
    const bytes = new Uint8Array(table.buffer, table.byteOffset, table.byteLength);
    for (let n = 0; n < 256; n++) {
      const from = Math.round((n / 255) * (table.length - 1)) * 4;
      out.set(bytes.subarray(from, from + 4), (row * 256 + n) * 4);
    }
  });
  return out;
}
