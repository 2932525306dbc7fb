/** The renderer that lets the GPU fetch, interpolate and blend. */
import { RendererError, anyMissing, checkLayers } from "./contract";
import type { ImageLayer, Layer, MaskLayer, Renderer, RendererOptions, SegmentStyle, SliceStore } from "./contract";
import { GlContext } from "./glcontext";
import type { Program } from "./glcontext";
import { settled, slicesOf } from "./plane";
import type { PlaneRequest } from "./plane";
import { edgeOf } from "./overlay";
import { factorOf, hides } from "./shade";
import { TABLE_WIDTH } from "./shaders";

const MOST_TABLES = 16;
const MODES = ["mip", "minip", "mean"];

/** Draws with WebGL2; the picture is that of CpuRenderer within one grey level (two where layers are blended). */
export class GlRenderer implements Renderer {
  readonly name = "webgl2";
  readonly gpu: string;
  lost = false;
  private readonly context: GlContext;
  private readonly tables: Textures<Uint32Array>;
  private readonly palettes: Textures<string>;

  /** Throws RendererError where there is no WebGL2. */
  constructor(options: RendererOptions = {}) {
    this.context = GlContext.join(this, () => {
      this.lost = true;
      options.onLost?.();
    });
    this.tables = new Textures(this.context, MOST_TABLES);
    this.palettes = new Textures(this.context, MOST_TABLES);
    this.gpu = this.context.gpu;
  }

  draw(canvas: HTMLCanvasElement, width: number, height: number, layers: readonly Layer[]): { missing: boolean } {
    const { gl } = this.context;
    if (this.lost || gl.isContextLost()) throw new RendererError("The GPU took the picture away.", "lost");
    if (width < 1 || height < 1) return { missing: false };
    checkLayers(width, height, layers);
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    this.context.reserve(width, height);
    gl.viewport(0, 0, width, height);
    // An image at the bottom writes all pixels.
    if (layers[0]?.kind !== "image") gl.clear(gl.COLOR_BUFFER_BIT);
    layers.forEach((layer, n) => {
      if (layer.kind === "image") this.drawImage(layer, n === 0);
      else if (layer.segments.size > 0) this.drawMask(layer);
      gl.enable(gl.BLEND);
    });
    gl.disable(gl.BLEND);
    const screen = canvas.getContext("2d")!;
    screen.globalCompositeOperation = "copy";
    const source = this.context.canvas;
    screen.drawImage(source, 0, source.height - height, width, height, 0, 0, width, height);
    screen.globalCompositeOperation = "source-over";
    return { missing: layers.some(anyMissing) };
  }

  release(store: SliceStore): void {
    if (!this.lost) this.context.release(this, store);
  }

  dispose(): void {
    if (this.lost) return;
    this.tables.clear();
    this.palettes.clear();
    this.lost = true;
    this.context.leave(this);
  }

  private use(program: Program, plane: PlaneRequest, store: SliceStore): void {
    const { gl } = this.context;
    gl.useProgram(program.handle);
    gl.uniform3fv(program.uniform("origin"), plane.origin);
    gl.uniform3fv(program.uniform("du"), plane.du);
    gl.uniform3fv(program.uniform("dv"), plane.dv);
    gl.uniform3fv(program.uniform("step_"), plane.slab?.step ?? [0, 0, 0]);
    gl.uniform1i(program.uniform("count"), plane.slab?.count ?? 1);
    gl.uniform3iv(program.uniform("size"), store.shape);
    gl.uniform3fv(program.uniform("extent"), store.extent ?? store.shape);
    gl.uniform1f(program.uniform("height"), plane.height);
  }

  private drawImage(layer: ImageLayer, bottom: boolean): void {
    const { gl } = this.context;
    const { store, window, table, clip } = layer;
    const plane = settled(layer.plane, layer.interpolate);
    const program = this.context.program("image", store);
    this.context.bind(this, store, slicesOf(plane, store.shape[0]), true);
    this.use(program, plane, store);
    gl.activeTexture(gl.TEXTURE2);
    this.bindTable(table);
    // So far that value - whole stays an int32 in the shader, which takes int32 values in two halves.
    const most = store.dtype === "float32" ? 0 : store.dtype === "int32" ? 2 ** 31 - 1 : 2 ** 30;
    const whole = Math.min(Math.max(Math.floor(window.lower), -most), most);
    gl.uniform1i(program.uniform("base"), whole);
    gl.uniform1f(program.uniform("rest"), window.lower - whole);
    gl.uniform1f(program.uniform("factor"), factorOf(layer));
    gl.uniform1i(program.uniform("last"), table.length - 1);
    gl.uniform1i(program.uniform("cuts"), layer.lower === null ? 0 : 1);
    gl.uniform1f(program.uniform("cut"), (layer.lower ?? 0) - whole);
    gl.uniform1i(program.uniform("mode"), plane.slab ? MODES.indexOf(plane.slab.mode) : 0);
    gl.uniform1i(program.uniform("smooth_"), layer.interpolate ? 1 : 0);
    gl.uniform1f(program.uniform("opacity"), Math.min(Math.max(layer.opacity, 0), 1));
    gl.uniform1f(program.uniform("missing"), layer.gaps !== "clear" && (bottom || hides(layer)) ? 1 : 0);
    gl.uniform2f(program.uniform("clip"), clip?.[0] ?? 0, clip?.[1] ?? plane.width);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  private drawMask(layer: MaskLayer): void {
    const { gl } = this.context;
    const { store } = layer;
    const plane = settled(layer.plane, false);
    const program = this.context.program("mask", store);
    this.context.bind(this, store, slicesOf(plane, store.shape[0]), false);
    this.use(program, plane, store);
    gl.activeTexture(gl.TEXTURE1);
    this.bindPalette(layer.segments);
    if (layer.clip) {
      gl.enable(gl.SCISSOR_TEST);
      gl.scissor(layer.clip[0], 0, Math.max(0, layer.clip[1] - layer.clip[0]), plane.height);
    }
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    gl.disable(gl.SCISSOR_TEST);
  }

  private bindTable(table: Uint32Array): void {
    const { gl } = this.context;
    if (this.tables.bind(table)) return;
    const width = Math.min(table.length, TABLE_WIDTH);
    const rows = Math.ceil(table.length / TABLE_WIDTH);
    const words = new Uint32Array(width * rows);
    words.set(table);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, width, rows, 0, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(words.buffer));
  }

  /** Two texels for each value: its colour and fill, then opacity and width of its edge. */
  private bindPalette(segments: ReadonlyMap<number, SegmentStyle>): void {
    const { gl } = this.context;
    if (this.palettes.bind(JSON.stringify([...segments]))) return;
    const rows = (Math.max(...segments.keys()) >> 8) + 1;
    const texels = new Float32Array(rows * 2048);
    const part = (opacity: number): number => Math.min(Math.max(opacity, 0), 1);
    for (const [value, style] of segments) {
      const [red, green, blue] = style.color;
      if (value > 0)
        texels.set(
          [red / 255, green / 255, blue / 255, part(style.fill), part(style.outline), edgeOf(style), 0, 1], value * 8,
        );
    }
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA32F, 512, rows, 0, gl.RGBA, gl.FLOAT, texels);
  }
}

/** Textures of small tables, those used longest ago thrown away. */
class Textures<K> {
  private readonly kept = new Map<K, WebGLTexture>();

  constructor(
    private readonly context: GlContext,
    private readonly most: number,
  ) {}

  /** Bind the texture of a key; false when it is new and empty. */
  bind(key: K): boolean {
    const { gl } = this.context;
    const known = this.kept.get(key);
    if (known) {
      gl.bindTexture(gl.TEXTURE_2D, known);
      this.kept.delete(key);
      this.kept.set(key, known);
      return true;
    }
    for (const [old, texture] of this.kept) {
      if (this.kept.size < this.most) break;
      gl.deleteTexture(texture);
      this.kept.delete(old);
    }
    this.kept.set(key, this.context.texture(gl.TEXTURE_2D));
    return false;
  }

  clear(): void {
    for (const texture of this.kept.values()) this.context.gl.deleteTexture(texture);
    this.kept.clear();
  }
}
