/** Tables of colours: from a few points of our own, from look-up tables of files, from formulas. */

/** From 0 (lowest) to 1: place and colour of points with straight lines between them. */
type Points = readonly (readonly [at: number, color: number])[];

const even = (...colors: number[]): Points => colors.map((color, n) => [n / (colors.length - 1), color]);

const MAPS: Readonly<Record<string, Points>> = {
  grey: even(0x000000, 0xffffff),
  "inverted grey": even(0xffffff, 0x000000),
  // The usual look of a PET alone.
  PET: even(0xffffff, 0x000000),
  "hot iron": [[0, 0x000000], [0.5, 0xff0000], [0.75, 0xff8000], [1, 0xffffff]],
  "hot metal blue": [
    [0, 0x000000], [0.15, 0x000070], [0.33, 0x4b0098], [0.5, 0xa80a50],
    [0.66, 0xf04a00], [0.82, 0xffa500], [0.94, 0xfff070], [1, 0xffffff],
  ],
  heat: even(0x000000, 0x8c0000, 0xff3000, 0xffa000, 0xffff40, 0xffffff),
  rainbow: even(0x8000ff, 0x0040ff, 0x00c0ff, 0x00e060, 0xc0f000, 0xffa000, 0xff0000),
  jet: [[0, 0x000080], [0.125, 0x0000ff], [0.375, 0x00ffff], [0.625, 0xffff00], [0.875, 0xff0000], [1, 0x800000]],
  spectrum: even(0x000000, 0x5000a0, 0x0020e0, 0x00a0c0, 0x00c030, 0xe0e000, 0xff7000, 0xd00000, 0xffd8d8),
  viridis: even(0x440154, 0x472d7b, 0x3b528b, 0x2c728e, 0x21918c, 0x28ae80, 0x5ec962, 0xaddc30, 0xfde725),
  magma: even(0x000004, 0x1d1147, 0x51127c, 0x832681, 0xb73779, 0xe75263, 0xfc8961, 0xfec488, 0xfcfdbf),
  plasma: even(0x0d0887, 0x4c02a1, 0x7e03a8, 0xa92395, 0xcc4778, 0xe66c5c, 0xf89540, 0xfdc527, 0xf0f921),
  inferno: even(0x000004, 0x210c4a, 0x57106e, 0x8a226a, 0xbc3754, 0xe45a31, 0xf98e09, 0xf9cb35, 0xfcffa4),
  cool: even(0x00ffff, 0xff00ff),
  bone: [[0, 0x000000], [0.37, 0x525272], [0.75, 0xa6c6c6], [1, 0xffffff]],
  red: even(0x000000, 0xff0000),
  green: even(0x000000, 0x00ff00),
  blue: even(0x000000, 0x3060ff),
};
/** Names of the colour maps, the plain one first. */
export const COLORMAPS: readonly string[] = Object.keys(MAPS);

// One object for one table: renderers keep what they make of it.
const drawn = new Map<string, Uint32Array>();
const ramped = new WeakMap<Uint32Array, Map<number, Uint32Array>>();

const OPAQUE = 0xff000000;
const grey = (level: number): number => OPAQUE | (level * 0x10101);

/** 256 colours between points. */
function draw(points: Points): Uint32Array {
  const table = new Uint32Array(256);
  let n = 0;
  for (let entry = 0; entry < 256; entry++) {
    const at = entry / 255;
    while (n < points.length - 2 && at > points[n + 1]![0]) n++;
    const [a, from] = points[n]!;
    const [b, to] = points[n + 1]!;
    const part = (at - a) / (b - a);
    const channel = (shift: number): number => {
      const low = (from >> shift) & 255;
      return Math.floor(low + (((to >> shift) & 255) - low) * part + 0.5);
    };
    table[entry] = OPAQUE | (channel(0) << 16) | (channel(8) << 8) | channel(16);
  }
  return table;
}

/** Return 256 opaque colours, the same object each time, not to be changed. Throws RangeError for an unknown name. */
export function colormap(name: string): Uint32Array {
  let table = drawn.get(name);
  if (table) return table;
  const points = Object.hasOwn(MAPS, name) ? MAPS[name] : undefined;
  if (!points) throw new RangeError(`There is no colour map "${name}", but ${COLORMAPS.join(", ")}.`);
  table = draw(points);
  drawn.set(name, table);
  return table;
}

/** The grey table; `invert`: large values dark. The same object each time. */
export const greyTable = (invert: boolean): Uint32Array => colormap(invert ? "inverted grey" : "grey");

/** A VOI LUT of a file: the grey of value `first` and of those that follow. */
export interface Lut {
  readonly first: number;
  readonly values: readonly number[];
}

/** Values at the first and the last entry of `lutTable`. */
export const lutWindow = ({ first, values }: Lut): { lower: number; upper: number } => ({
  lower: first,
  upper: first + values.length - 1,
});

/** Return the greys of a LUT, one entry per value; its full scale is the next power of two. RangeError unless it has 1 to 65536 values. */
export function lutTable({ values }: Lut, invert: boolean): Uint32Array {
  if (values.length < 1 || values.length > 65536)
    throw new RangeError(`A look-up table has 1 to 65536 values, not ${values.length}.`);
  let full = 255;
  for (const value of values) while (full < value) full = 2 * full + 1;
  const table = Uint32Array.from(values, (value) => {
    const level = Math.floor((Math.max(value, 0) / full) * 255 + 0.5);
    return grey(invert ? 255 - level : level);
  });
  return table.length > 1 ? table : new Uint32Array(2).fill(table[0]!);
}

const SIGMOID_ENTRIES = 4096;
const sigmoids: [Uint32Array?, Uint32Array?] = [];

/** Values at the first and the last entry of `sigmoidTable` for a window centre and width. */
export const sigmoidWindow = (center: number, width: number): { lower: number; upper: number } => ({
  lower: center - 2 * width,
  upper: center + 2 * width,
});

/** Return the greys of DICOM's SIGMOID function, 255 / (1 + exp(-4 (value - center) / width)). */
export function sigmoidTable(invert = false): Uint32Array {
  return (sigmoids[invert ? 1 : 0] ??= Uint32Array.from({ length: SIGMOID_ENTRIES }, (_, n) => {
    const widths = (4 * n) / (SIGMOID_ENTRIES - 1) - 2;
    const level = Math.floor(255 / (1 + Math.exp(-4 * widths)) + 0.5);
    return grey(invert ? 255 - level : level);
  }));
}

/** Return a grey table in the colours of a map of 256. */
export const recolored = (greys: Uint32Array, colors: Uint32Array): Uint32Array =>
  greys.map((pixel) => colors[pixel & 255]!);

/** Return the table clear at its low end and from `full` (0..1 of its length) on as it is; the same object for the same table. */
export function withAlphaRamp(table: Uint32Array, full = 0.5): Uint32Array {
  let made = ramped.get(table);
  if (!made) ramped.set(table, (made = new Map()));
  let ramp = made.get(full);
  if (!ramp) {
    const end = full * (table.length - 1);
    ramp = table.map((pixel, n) => {
      const part = n < end ? n / end : 1;
      return (pixel & 0xffffff) | (Math.round((pixel >>> 24) * part) << 24);
    });
    made.set(full, ramp);
  }
  return ramp;
}
