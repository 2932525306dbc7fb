/** From values to pixels: tables, and pixels laid over each other. */
import type { ImageLayer } from "./contract";

// Pixels are written as little-endian RGBA in one 32-bit word, as all browsers store them.
export const MISSING = 0xff181818;
export const OUTSIDE = 0;

/** Values become levels, (value - lower) * factor + 0.5, and levels entries of the table. */
export interface Shade {
  readonly lower: number;
  readonly factor: number;
  /** With the opacity of the layer in it. */
  readonly table: Uint32Array;
  /** Number of the last entry. */
  readonly last: number;
  /** Smaller levels are not drawn; null: all are. */
  readonly cut: number | null;
  /** Pixel where voxels are not here yet. */
  readonly missing: number;
  /** Opacity as the highest byte of a pixel, for colour images. */
  readonly alpha: number;
}

/** Levels of colour images. */
export const PLAIN = { lower: 0, factor: 1 } as const;

interface Shown {
  readonly opacity: number;
  readonly table: Uint32Array;
}
const faded = new WeakMap<Uint32Array, Shown>();
const solid = new WeakMap<Uint32Array, boolean>();

const limited = (opacity: number): number => Math.min(Math.max(opacity, 0), 1);

/** True when no entry lets through what is below. */
function isSolid(table: Uint32Array): boolean {
  let known = solid.get(table);
  if (known === undefined) solid.set(table, (known = table.every((pixel) => pixel >>> 24 === 255)));
  return known;
}

function fade(table: Uint32Array, opacity: number): Uint32Array {
  if (opacity === 1 && isSolid(table)) return table;
  const known = faded.get(table);
  if (known?.opacity === opacity) return known.table;
  const made = table.map((pixel) => {
    const alpha = Math.round((pixel >>> 24) * opacity);
    return alpha === 0 ? 0 : (pixel & 0xffffff) | (alpha << 24);
  });
  faded.set(table, { opacity, table: made });
  return made;
}

/** True where one sees nothing below the layer: voxels on their way are then grey. */
export function hides({ table, opacity, lower, store }: ImageLayer): boolean {
  return opacity >= 1 && lower === null && (store.color || isSolid(table));
}

export const factorOf = ({ window: { lower, upper }, table }: ImageLayer): number =>
  upper > lower ? Math.min((table.length - 1) / (upper - lower), 1e30) : 1e30;

export function shadeOf(layer: ImageLayer, bottom: boolean): Shade {
  const opacity = limited(layer.opacity);
  const factor = factorOf(layer);
  const { lower } = layer.window;
  return {
    ...(layer.store.color ? PLAIN : { lower, factor }),
    table: fade(layer.table, opacity),
    last: layer.table.length - 1,
    cut: layer.lower === null || layer.store.color ? null : (layer.lower - lower) * factor + 0.5,
    missing: layer.gaps !== "clear" && (bottom || hides(layer)) ? MISSING : OUTSIDE,
    alpha: Math.round(opacity * 255) << 24,
  };
}

/** Lay one pixel of any opacity over another. */
export function over(under: number, pixel: number, part: number): number {
  const below = ((under >>> 24) / 255) * (1 - part);
  const alpha = part + below;
  if (!(alpha > 0)) return 0;
  const weight = part / alpha;
  let made = Math.floor(alpha * 255 + 0.5) << 24;
  for (let shift = 0; shift < 24; shift += 8) {
    const a = (under >>> shift) & 255;
    made |= (a + (((pixel >>> shift) & 255) - a) * weight + 0.5) << shift;
  }
  return made;
}

/** Lay pixels from..to of a line over those of a picture, whose line starts at `at`. */
export function layOver(out: Uint32Array, at: number, line: Uint32Array, from: number, to: number): void {
  for (let p = from; p < to; p++) {
    const pixel = line[p]!;
    const alpha = pixel >>> 24;
    if (alpha === 0) continue;
    if (alpha === 255) {
      out[at + p] = pixel;
      continue;
    }
    const under = out[at + p]!;
    if (under >>> 24 !== 255) {
      out[at + p] = over(under, pixel, alpha / 255);
      continue;
    }
    // Two channels at once, the opacity in 256 steps.
    const a = alpha + (alpha >> 7);
    const b = 256 - a;
    const even = Math.imul(pixel & 0xff00ff, a) + Math.imul(under & 0xff00ff, b) + 0x800080;
    const odd = Math.imul((pixel >>> 8) & 0xff, a) + Math.imul((under >>> 8) & 0xff, b) + 0x80;
    out[at + p] = 0xff000000 | ((even >>> 8) & 0xff00ff) | (odd & 0xff00);
  }
}

/** Where a layer writes its pixels: the picture itself for the bottom one, else a line that is laid over it. */
export class Target {
  private readonly line: Uint32Array;

  constructor(
    private readonly out: Uint32Array,
    private readonly width: number,
    readonly bottom: boolean,
  ) {
    this.line = bottom ? out : new Uint32Array(width);
  }

  get pixels(): Uint32Array {
    return this.line;
  }

  /** Where row q starts in `pixels`; the row is empty. */
  start(q: number): number {
    const at = this.bottom ? q * this.width : 0;
    this.line.fill(OUTSIDE, at, at + this.width);
    return at;
  }

  /** Nothing is drawn. */
  empty(): void {
    if (this.bottom) this.line.fill(OUTSIDE);
  }

  /** Row q is written, between these pixels. */
  done(q: number, first: number, last: number): void {
    if (!this.bottom) layOver(this.out, q * this.width, this.line, first, last);
  }

  /** Row q is the same as row `as`, the one written last. */
  repeat(q: number, as: number, first: number, last: number): void {
    if (this.bottom) this.out.copyWithin(q * this.width, as * this.width, (as + 1) * this.width);
    else this.done(q, first, last);
  }
}
