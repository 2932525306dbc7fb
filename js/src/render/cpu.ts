/** The renderer that needs no GPU. */
import { anyMissing, checkLayers } from "./contract";
import type { ImageLayer, Layer, Part, Renderer, SliceStore } from "./contract";
import { paintOblique } from "./oblique";
import { MaskPainter } from "./overlay";
import { cropped } from "./part";
import { alignedAxis, shifted, slabOffsets } from "./plane";
import { straightness } from "./runs";
import type { Straight } from "./runs";
import { Target, shadeOf } from "./shade";
import { SheetCache } from "./sheet";
import { paintStraight } from "./straight";

/** How the plane of a layer follows its grid; a slab is off where all its samples are. */
function courseOf({ plane, store, interpolate }: ImageLayer): Straight | "off" | null {
  if (alignedAxis(plane) === null) return null;
  let found: Straight | "off" | null = "off";
  for (const offset of slabOffsets(plane)) {
    found = straightness(shifted(plane, offset), store, interpolate);
    if (found !== "off") return found;
  }
  return found;
}

/** Draws with typed arrays alone. */
export class CpuRenderer implements Renderer {
  readonly name = "cpu";
  readonly lost = false;
  private readonly sheets = new SheetCache();
  private readonly masks = new MaskPainter(this.sheets);
  private pixels = new ArrayBuffer(0);

  draw(
    canvas: HTMLCanvasElement, width: number, height: number, layers: readonly Layer[], part: Part = { x: 0, y: 0, width, height },
  ): { missing: boolean } {
    if (width < 1 || height < 1) return { missing: false };
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    checkLayers(width, height, layers);
    const size = part.width * part.height;
    if (this.pixels.byteLength < size * 4) this.pixels = new ArrayBuffer(size * 4);
    this.paint(new Uint32Array(this.pixels, 0, size), part.width, part.height, cropped(layers, part));
    const picture = new ImageData(new Uint8ClampedArray(this.pixels, 0, size * 4), part.width, part.height);
    canvas.getContext("2d")!.putImageData(picture, part.x, part.y);
    return { missing: layers.some(anyMissing) };
  }

  /** Write the layers into width * height pixels (RGBA bytes, seen as little-endian words). */
  paint(out: Uint32Array, width: number, height: number, layers: readonly Layer[]): { missing: boolean } {
    checkLayers(width, height, layers);
    if (layers[0]?.kind !== "image") out.fill(0);
    layers.forEach((layer, n) => {
      if (layer.kind === "mask") this.masks.paint(out, layer);
      else this.image(new Target(out, width, n === 0), layer);
    });
    return { missing: layers.some(anyMissing) };
  }

  private image(target: Target, layer: ImageLayer): void {
    const course = courseOf(layer);
    if (course === "off") return target.empty();
    const shade = shadeOf(layer, target.bottom);
    if (course === null) paintOblique(target, layer.plane, layer, shade);
    else paintStraight(target, layer.plane, layer, course, shade, this.sheets);
  }

  release(store: SliceStore): void {
    this.sheets.release(store);
  }

  dispose(): void {
    this.sheets.clear();
    this.pixels = new ArrayBuffer(0);
    this.masks.clear();
  }
}
