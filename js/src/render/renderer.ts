/** The one function of the engine, plane to pixels, as its users see it. */
import { RendererError } from "./contract";
import type { Renderer, RendererOptions } from "./contract";
import { CpuRenderer } from "./cpu";
import { GlRenderer } from "./gl";

export { RendererError } from "./contract";
export type {
  Dtype, ImageLayer, Layer, MaskLayer, Part, Renderer, RendererOptions, Rgb, SegmentStyle, SliceStore, TypedArray,
} from "./contract";
export type { PlaneRequest, Slab } from "./plane";

const SOFTWARE = /SwiftShader|llvmpipe|softpipe|Software|Basic Render|WARP/i;

/** Create a renderer and say why this one; "auto" takes WebGL2 only where a GPU does the work. */
export function createRenderer(
  kind: "auto" | "cpu" | "webgl2",
  options: RendererOptions = {},
): { renderer: Renderer; note: string } {
  if (kind === "cpu") return { renderer: new CpuRenderer(), note: "CPU, as chosen" };
  if (kind === "webgl2") return { renderer: new GlRenderer(options), note: "WebGL2, as chosen" };
  try {
    const renderer = new GlRenderer(options);
    if (!SOFTWARE.test(renderer.gpu)) return { renderer, note: `WebGL2 on ${renderer.gpu}` };
    renderer.dispose();
    return { renderer: new CpuRenderer(), note: "CPU: WebGL2 here runs in software" };
  } catch (error) {
    if (!(error instanceof RendererError)) throw error;
    return { renderer: new CpuRenderer(), note: `CPU: ${error.message}` };
  }
}
