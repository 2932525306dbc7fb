/** Masks over the picture: nearest label per pixel, filled and outlined. */
import type { MaskLayer, Rgb, TypedArray } from "./contract";
import { SNAP, settled } from "./plane";
import type { PlaneRequest } from "./plane";
import { pitches, runsOf, straightness } from "./sample";
import type { Straight } from "./sample";
import type { SheetCache } from "./sheet";

/** Labels of the picture and of one pixel around it, so that outlines do not depend on the canvas edge. */
function straightLabels(
  labels: Uint16Array, plane: PlaneRequest, layer: MaskLayer, straight: Straight, sheets: SheetCache,
): boolean {
  const sheet = sheets.get(layer.store, straight.axis, straight.slice);
  if (!sheet) return false;
  const { x, y, row } = runsOf(plane, layer.store, straight, 1, false, null);
  const [stepX, stepY] = pitches(straight, sheet.columns, 1);
  const width = plane.width + 2;
  const { data } = sheet;
  for (let q = 0; q < plane.height + 2; q++) {
    const to = q * width;
    if (straight.slant !== 0) row(q);
    else if (q > 0 && y.state[q - 1] === y.state[q] && y.low[q - 1] === y.low[q]) {
      labels.copyWithin(to, to - width, to);
      continue;
    }
    labels.fill(0, to, to + width);
    if (y.state[q] === 0) continue;
    const from = y.low[q]! * stepY;
    for (let p = x.first; p < x.last; p++) labels[to + p] = data[from + x.low[p]! * stepX]!;
  }
  return true;
}

function obliqueLabels(labels: Uint16Array, request: PlaneRequest, layer: MaskLayer): boolean {
  const { origin, du, dv, width, height } = settled(request);
  const [nk, nj, ni] = layer.store.shape;
  const slices: (TypedArray | undefined)[] = [];
  for (let k = 0; k < nk; k++) slices.push(layer.store.slice(k));
  const at = (x: number, size: number): number =>
    x >= -0.5 - SNAP && x <= size - 0.5 + SNAP
      ? Math.min(Math.max(Math.floor(x + 0.5 + SNAP), 0), size - 1)
      : -1;
  let to = 0;
  for (let q = -1; q <= height; q++) {
    for (let p = -1; p <= width; p++) {
      const k = at(origin[0] + du[0] * p + dv[0] * q, nk);
      const j = at(origin[1] + du[1] * p + dv[1] * q, nj);
      const i = at(origin[2] + du[2] * p + dv[2] * q, ni);
      labels[to++] = k < 0 || j < 0 || i < 0 ? 0 : (slices[k]?.[j * ni + i] ?? 0);
    }
  }
  return true;
}

const pack = (c: Rgb): number => (0xff000000 | (c[2] << 16) | (c[1] << 8) | c[0]) >>> 0;

function palette(colors: ReadonlyMap<number, Rgb>): Uint32Array {
  let most = 0;
  for (const value of colors.keys()) most = Math.max(most, value);
  const table = new Uint32Array(most + 1);
  for (const [value, color] of colors) if (value > 0) table[value] = pack(color);
  return table;
}

function mix(under: number, over: number, part: number): number {
  let pixel = 0xff000000;
  for (let shift = 0; shift < 24; shift += 8) {
    const a = (under >>> shift) & 255;
    pixel |= (a + (((over >>> shift) & 255) - a) * part + 0.5) << shift;
  }
  return pixel;
}

function blend(out: Uint32Array, labels: Uint16Array, plane: PlaneRequest, layer: MaskLayer): void {
  const table = palette(layer.colors);
  const { width, height } = plane;
  const pitch = width + 2;
  for (let q = 0; q < height; q++) {
    let at = (q + 1) * pitch + 1;
    for (let to = q * width, end = to + width; to < end; to++, at++) {
      const value = labels[at]!;
      if (value === 0 || value >= table.length) continue;
      const color = table[value]!;
      if (color === 0) continue;
      const edge =
        layer.outline &&
        (labels[at - 1] !== value || labels[at + 1] !== value ||
          labels[at - pitch] !== value || labels[at + pitch] !== value);
      if (edge) out[to] = color;
      else if (layer.fill > 0) out[to] = mix(out[to]!, color, layer.fill);
    }
  }
}

/** Lay one mask over the pixels; the mask has the grid of the image. */
export function paintMask(out: Uint32Array, labels: Uint16Array, plane: PlaneRequest, layer: MaskLayer, sheets: SheetCache): void {
  const straight = straightness(plane, layer.store);
  if (straight === "off" || layer.colors.size === 0) return;
  const any = straight
    ? straightLabels(labels, plane, layer, straight, sheets)
    : obliqueLabels(labels, plane, layer);
  if (any) blend(out, labels, plane, layer);
}
