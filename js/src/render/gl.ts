/** The renderer that lets the GPU fetch, interpolate and blend. */
import { RendererError, anyMissing } from "./contract";
import type { ImageLayer, MaskLayer, Renderer, RendererOptions, Rgb, SliceStore } from "./contract";
import { GlContext } from "./glcontext";
import type { Program } from "./glcontext";
import { settled, slicesOf } from "./plane";
import type { PlaneRequest } from "./plane";

const MOST_PALETTES = 16;

/** Draws with WebGL2; the picture is that of CpuRenderer within one grey level. */
export class GlRenderer implements Renderer {
  readonly name = "webgl2";
  readonly gpu: string;
  lost = false;
  private readonly context: GlContext;
  private readonly palettes = new Map<string, WebGLTexture>();

  /** Throws RendererError where there is no WebGL2. */
  constructor(options: RendererOptions = {}) {
    this.context = GlContext.join(this, () => {
      this.lost = true;
      this.palettes.clear();
      options.onLost?.();
    });
    this.gpu = this.context.gpu;
  }

  draw(
    canvas: HTMLCanvasElement, plane: PlaneRequest, image: ImageLayer, masks: readonly MaskLayer[],
  ): { missing: boolean } {
    const { gl } = this.context;
    if (this.lost || gl.isContextLost()) throw new RendererError("The GPU took the picture away.", "lost");
    const { width, height } = plane;
    if (width < 1 || height < 1) return { missing: false };
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    this.context.reserve(width, height);
    gl.viewport(0, 0, width, height);
    const exact = settled(plane);
    this.drawImage(exact, image);
    gl.enable(gl.BLEND);
    for (const mask of masks) if (mask.colors.size > 0) this.drawMask(exact, mask);
    gl.disable(gl.BLEND);
    const screen = canvas.getContext("2d")!;
    screen.globalCompositeOperation = "copy";
    const source = this.context.canvas;
    screen.drawImage(source, 0, source.height - height, width, height, 0, 0, width, height);
    screen.globalCompositeOperation = "source-over";
    return { missing: [image, ...masks].some(({ store }) => anyMissing(store, slicesOf(exact, store.shape[0]))) };
  }

  release(store: SliceStore): void {
    if (!this.lost) this.context.release(this, store);
  }

  dispose(): void {
    if (this.lost) return;
    for (const palette of this.palettes.values()) this.context.gl.deleteTexture(palette);
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
    gl.uniform3iv(program.uniform("size"), store.shape);
    gl.uniform1f(program.uniform("height"), plane.height);
  }

  private drawImage(plane: PlaneRequest, layer: ImageLayer): void {
    const { gl } = this.context;
    const { store, window } = layer;
    const program = this.context.program("image", store);
    this.context.bind(this, store, slicesOf(plane, store.shape[0]), true);
    this.use(program, plane, store);
    // So far that value - whole stays an int32 in the shader, which takes int32 values in two halves.
    const most = store.dtype === "float32" ? 0 : store.dtype === "int32" ? 2 ** 31 - 1 : 2 ** 30;
    const whole = Math.min(Math.max(Math.floor(window.lower), -most), most);
    const width = window.upper - window.lower;
    gl.uniform1i(program.uniform("base"), whole);
    gl.uniform1f(program.uniform("rest"), window.lower - whole);
    gl.uniform1f(program.uniform("factor"), width > 0 ? Math.min(255 / width, 1e30) : 1e30);
    gl.uniform1i(program.uniform("invert"), layer.invert ? 1 : 0);
    gl.uniform1i(program.uniform("smooth_"), layer.interpolate ? 1 : 0);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  private drawMask(plane: PlaneRequest, layer: MaskLayer): void {
    const { gl } = this.context;
    const program = this.context.program("mask", layer.store);
    this.context.bind(this, layer.store, slicesOf(plane, layer.store.shape[0]), false);
    this.use(program, plane, layer.store);
    gl.activeTexture(gl.TEXTURE1);
    this.bindPalette(layer.colors);
    gl.uniform1f(program.uniform("fill"), layer.fill);
    gl.uniform1i(program.uniform("outline"), layer.outline ? 1 : 0);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  private bindPalette(colors: ReadonlyMap<number, Rgb>): void {
    const { gl } = this.context;
    const key = JSON.stringify([...colors]);
    const known = this.palettes.get(key);
    if (known) {
      gl.bindTexture(gl.TEXTURE_2D, known);
      return;
    }
    const rows = (Math.max(...colors.keys()) >> 8) + 1;
    const table = new Uint8Array(rows * 1024);
    for (const [value, color] of colors) if (value > 0) table.set([...color, 255], value * 4);
    this.palettes.set(key, this.context.texture(gl.TEXTURE_2D));
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, 256, rows, 0, gl.RGBA, gl.UNSIGNED_BYTE, table);
    for (const [old, texture] of this.palettes) {
      if (this.palettes.size <= MOST_PALETTES) return;
      gl.deleteTexture(texture);
      this.palettes.delete(old);
    }
  }
}
