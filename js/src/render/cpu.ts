/** The renderer that needs no GPU. */
import type { ImageLayer, MaskLayer, Renderer, SliceStore } from "./contract";
import { anyMissing } from "./contract";
import { paintMask } from "./overlay";
import { slicesOf } from "./plane";
import type { PlaneRequest } from "./plane";
import { paintOblique, paintStraight, straightness } from "./sample";
import { SheetCache } from "./sheet";

/** Draws with typed arrays alone. */
export class CpuRenderer implements Renderer {
  readonly name = "cpu";
  readonly lost = false;
  private readonly sheets = new SheetCache();
  private pixels = new ArrayBuffer(0);
  private labels = new Uint16Array(0);

  draw(
    canvas: HTMLCanvasElement, plane: PlaneRequest, image: ImageLayer, masks: readonly MaskLayer[],
  ): { missing: boolean } {
    const { width, height } = plane;
    if (width < 1 || height < 1) return { missing: false };
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    const bytes = width * height * 4;
    if (this.pixels.byteLength < bytes) this.pixels = new ArrayBuffer(bytes);
    const drawn = this.paint(new Uint32Array(this.pixels, 0, width * height), plane, image, masks);
    const picture = new ImageData(new Uint8ClampedArray(this.pixels, 0, bytes), width, height);
    canvas.getContext("2d")!.putImageData(picture, 0, 0);
    return drawn;
  }

  /** Write the plane into width * height pixels (RGBA bytes, seen as little-endian words). */
  paint(
    out: Uint32Array, plane: PlaneRequest, image: ImageLayer, masks: readonly MaskLayer[],
  ): { missing: boolean } {
    const straight = straightness(plane, image.store);
    if (straight === "off") {
      out.fill(0);
      return { missing: false };
    }
    if (straight === null) paintOblique(out, plane, image);
    else paintStraight(out, plane, image, straight, this.sheets.get(image.store, straight.axis, straight.slice));
    const size = (plane.width + 2) * (plane.height + 2);
    if (masks.length && this.labels.length < size) this.labels = new Uint16Array(size);
    for (const mask of masks) paintMask(out, this.labels, plane, mask, this.sheets);
    return { missing: [image, ...masks].some(({ store }) => anyMissing(store, slicesOf(plane, store.shape[0]))) };
  }

  release(store: SliceStore): void {
    this.sheets.release(store);
  }

  dispose(): void {
    this.sheets.clear();
    this.pixels = new ArrayBuffer(0);
    this.labels = new Uint16Array(0);
  }
}
