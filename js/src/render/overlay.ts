/** Masks over the picture: nearest label per pixel, filled and outlined. */
import type { Axis } from "../model/geometry";
import type { MaskLayer, Rgb, SegmentStyle } from "./contract";
import { reach, slicesNear } from "./oblique";
import { SNAP, settled, shifted, slabOffsets } from "./plane";
import type { PlaneRequest } from "./plane";
import { State, clamp, linesOf, pitches, straightness } from "./runs";
import type { Straight } from "./runs";
import { over } from "./shade";
import type { Sheet, SheetCache } from "./sheet";

/** Widest edge of a segment, in device pixels. */
export const WIDEST = 8;

const pack = (c: Rgb): number => (0xff000000 | (c[2] << 16) | (c[1] << 8) | c[0]) >>> 0;

/** Width of an edge that is drawn, or 0. */
export function edgeOf({ outline, width }: SegmentStyle): number {
  return outline > 0 && width > 0 ? Math.min(Math.max(width, 1), WIDEST) : 0;
}

/** Samples of a slab from the middle outward. */
export const fromMiddle = (plane: PlaneRequest): readonly number[] =>
  [...slabOffsets(plane)].sort((a, b) => Math.abs(a) - Math.abs(b) || a - b);

/** The styles of a mask by number, with that number for each value (0: not shown). */
class Palette {
  readonly index: Uint16Array;
  readonly color: number[] = [0];
  readonly fill: number[] = [0];
  readonly outline: number[] = [0];
  /** Squared widths of the edges. */
  readonly reach: number[] = [0];
  readonly widest: number;

  constructor(segments: ReadonlyMap<number, SegmentStyle>) {
    this.index = new Uint16Array(Math.max(0, ...segments.keys()) + 1);
    let widest = 0;
    for (const [value, style] of segments) {
      if (!(value > 0)) continue;
      const edge = edgeOf(style);
      this.index[value] = this.color.length;
      this.color.push(pack(style.color));
      this.fill.push(Math.min(Math.max(style.fill, 0), 1));
      this.outline.push(Math.min(Math.max(style.outline, 0), 1));
      this.reach.push(edge * edge);
      widest = Math.max(widest, edge);
    }
    this.widest = widest;
  }
}

/** Labels of a picture and of `border` pixels around it, so that outlines do not depend on the canvas edge. */
interface Labels {
  readonly data: Uint16Array;
  readonly pitch: number;
  readonly border: number;
}

/** Draws masks; keeps its buffers. */
export class MaskPainter {
  private labels = new Uint16Array(0);
  private edges = new Uint8Array(0);

  constructor(private readonly sheets: SheetCache) {}

  /** Lay a mask over the pixels. */
  paint(out: Uint32Array, layer: MaskLayer): void {
    const { width, height } = layer.plane;
    const palette = new Palette(layer.segments);
    if (palette.color.length < 2) return;
    const border = Math.max(1, Math.floor(palette.widest));
    const size = (width + 2 * border) * (height + 2 * border);
    if (this.labels.length < size) this.labels = new Uint16Array(size);
    const labels = { data: this.labels, pitch: width + 2 * border, border };
    if (!this.read(labels, layer, palette)) return;
    const columns = layer.clip ? ([Math.max(0, layer.clip[0]), Math.min(width, layer.clip[1])] as const) : ([0, width] as const);
    if (palette.widest * palette.widest < 2) blendThin(out, labels, width, height, columns, palette);
    else {
      if (this.edges.length < size) this.edges = new Uint8Array(size);
      this.edges.fill(0, 0, size);
      markEdges(this.edges, labels, height + 2 * border, palette);
      blendWide(out, labels, this.edges, width, height, columns, palette);
    }
  }

  clear(): void {
    this.labels = new Uint16Array(0);
    this.edges = new Uint8Array(0);
  }

  /** False when there is nothing to draw. */
  private read(labels: Labels, layer: MaskLayer, { index }: Palette): boolean {
    const { store } = layer;
    const plane = settled(layer.plane, false);
    labels.data.fill(0, 0, labels.pitch * (plane.height + 2 * labels.border));
    let any = false;
    for (const offset of fromMiddle(plane)) {
      const at = shifted(plane, offset);
      const straight = straightness(at, store, false);
      if (straight === "off") continue;
      // A sample behind others shows only where those show nothing.
      const behind = plane.slab ? index : null;
      if (straight === null) obliqueRows(labels, at, layer, behind);
      else {
        const sheet = this.sheets.get(store, straight.axis, straight.slice);
        if (!sheet) continue;
        straightRows(labels, at, layer, straight, sheet, behind);
      }
      any = true;
    }
    return any;
  }
}

/** Write where nothing is yet, and only labels that are shown. */
function put(data: Uint16Array, at: number, value: number, shown: Uint16Array): void {
  if (value !== 0 && data[at] === 0 && value < shown.length && shown[value] !== 0) data[at] = value;
}

function straightRows(
  { data, pitch, border }: Labels, plane: PlaneRequest, { store }: MaskLayer, straight: Straight, sheet: Sheet,
  behind: Uint16Array | null,
): void {
  const { x, y, row } = linesOf(plane, store, straight, false, null, border);
  const [stepX, stepY] = pitches(straight, sheet.columns, 1);
  const source = sheet.data;
  const { low } = x;
  for (let q = 0; q < y.count; q++) {
    const to = q * pitch;
    if (straight.slant !== 0) row(q);
    else if (!behind && q > 0 && y.state[q - 1] === y.state[q] && y.low[q - 1] === y.low[q]) {
      data.copyWithin(to, to - pitch, to);
      continue;
    }
    if (y.state[q] === State.Outside) continue;
    const from = y.low[q]! * stepY;
    if (behind) for (let p = x.first; p < x.last; p++) put(data, to + p, source[from + low[p]! * stepX]!, behind);
    else for (let p = x.first; p < x.last; p++) data[to + p] = source[from + low[p]! * stepX]!;
  }
}

function obliqueRows(
  { data, pitch, border }: Labels, plane: PlaneRequest, { store }: MaskLayer, behind: Uint16Array | null,
): void {
  const { origin, du, dv, height } = plane;
  const { shape } = store;
  const [nk, nj, ni] = shape;
  const slices = slicesNear(plane, store);
  const start = (n: Axis, q: number): number => origin[n] - du[n] * border + dv[n] * (q - border);
  for (let q = 0; q < height + 2 * border; q++) {
    const [k0, j0, i0] = [start(0, q), start(1, q), start(2, q)];
    const [first, last] = reach([k0, j0, i0], du, pitch, shape);
    for (let p = first; p < last; p++) {
      const slice = slices[clamp(Math.floor(k0 + du[0] * p + 0.5 + SNAP), nk)];
      if (!slice) continue;
      const j = clamp(Math.floor(j0 + du[1] * p + 0.5 + SNAP), nj);
      const value = slice[j * ni + clamp(Math.floor(i0 + du[2] * p + 0.5 + SNAP), ni)]!;
      if (behind) put(data, q * pitch + p, value, behind);
      else data[q * pitch + p] = value;
    }
  }
}

/** Lay a colour over pixel `at`. */
function lay(out: Uint32Array, at: number, color: number, part: number): void {
  if (part >= 1) out[at] = color;
  else if (part > 0) out[at] = over(out[at]!, color, part);
}

/** Columns [from, to) that are drawn. */
type Columns = readonly [number, number];

/** Edges of one pixel: those with another label beside, above or below them. */
function blendThin(
  out: Uint32Array, { data, pitch, border }: Labels, width: number, height: number, columns: Columns, palette: Palette,
): void {
  const { index, color, fill, outline, reach: edges } = palette;
  for (let q = 0; q < height; q++) {
    let at = (q + border) * pitch + border + columns[0];
    for (let to = q * width + columns[0], end = q * width + columns[1]; to < end; to++, at++) {
      const value = data[at]!;
      if (value === 0 || value >= index.length) continue;
      const n = index[value]!;
      if (n === 0) continue;
      const edge =
        edges[n] !== 0 &&
        (data[at - 1] !== value || data[at + 1] !== value ||
          data[at - pitch] !== value || data[at + pitch] !== value);
      lay(out, to, color[n]!, edge ? outline[n]! : fill[n]!);
    }
  }
}

function blendWide(
  out: Uint32Array, { data, pitch, border }: Labels, marks: Uint8Array, width: number, height: number, columns: Columns,
  palette: Palette,
): void {
  const { index, color, fill, outline } = palette;
  for (let q = 0; q < height; q++) {
    let at = (q + border) * pitch + border + columns[0];
    for (let to = q * width + columns[0], end = q * width + columns[1]; to < end; to++, at++) {
      const value = data[at]!;
      if (value === 0 || value >= index.length) continue;
      const n = index[value]!;
      if (n !== 0) lay(out, to, color[n]!, marks[at] ? outline[n]! : fill[n]!);
    }
  }
}

/** Offsets within a circle, with their squared distances. */
function circle(radius: number): readonly (readonly [dx: number, dy: number, squared: number])[] {
  const made: [number, number, number][] = [];
  const r = Math.floor(radius);
  for (let dy = -r; dy <= r; dy++)
    for (let dx = -r; dx <= r; dx++) {
      const squared = dx * dx + dy * dy;
      if (squared > 0 && squared <= radius * radius) made.push([dx, dy, squared]);
    }
  return made;
}

/**
 * Mark the pixels of segments that have another label within the width of their edge.
 *
 * The other label nearest to a pixel has a neighbour with a label that is not its own, so it is enough to
 * draw a circle around each pixel that has one.
 */
function markEdges(marks: Uint8Array, { data, pitch }: Labels, rows: number, palette: Palette): void {
  const { index, reach: edges } = palette;
  const offsets = circle(palette.widest);
  const stamp = (x: number, y: number, value: number): void => {
    for (const [dx, dy, squared] of offsets) {
      if (x + dx < 0 || x + dx >= pitch || y + dy < 0 || y + dy >= rows) continue;
      const at = (y + dy) * pitch + x + dx;
      const other = data[at]!;
      if (other !== value && other < index.length && edges[index[other]!]! >= squared) marks[at] = 1;
    }
  };
  for (let y = 0; y < rows; y++)
    for (let x = 0, at = y * pitch; x < pitch; x++, at++) {
      const value = data[at]!;
      const lone =
        (x > 0 && data[at - 1] !== value) || (x < pitch - 1 && data[at + 1] !== value) ||
        (y > 0 && data[at - pitch] !== value) || (y < rows - 1 && data[at + pitch] !== value);
      if (lone) stamp(x, y, value);
    }
}
