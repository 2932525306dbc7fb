/** What a canvas shows, to tell what of it is to be drawn anew. */
import type { Layer, Part } from "../render/renderer";
import { WIDEST } from "../render/overlay";
import { joined, partOf } from "../render/part";

export class Drawn {
  readonly #key: readonly unknown[];
  readonly #versions: readonly number[];

  constructor(renderer: object, private readonly layers: readonly Layer[], private readonly width: number, private readonly height: number) {
    this.#key = pictureKey(renderer, layers);
    this.#versions = layers.map(({ store }) => store.version);
  }

  /** The pixels in which this differs from what the canvas shows (null: nothing yet); null for none. */
  since(shown: Drawn | null): Part | null {
    const { width, height } = this;
    const same = shown !== null && shown.#key.length === this.#key.length && shown.#key.every((value, n) => value === this.#key[n]);
    const part = same ? this.#painted(shown.#versions) : "all";
    return part === "all" ? { x: 0, y: 0, width, height } : part;
  }

  /** The pixels of voxels that were painted after these versions, and as far around them as edges of segments reach. */
  #painted(versions: readonly number[]): Part | "all" | null {
    let part: Part | null = null;
    for (const [n, { store, plane }] of this.layers.entries()) {
      if (this.#versions[n] === versions[n]) continue;
      const bounds = store.boundsSince?.(versions[n]!) ?? "all";
      if (bounds === "all") return "all";
      part = joined(part, partOf(plane, bounds, WIDEST + 1));
    }
    return part;
  }
}

/** Everything a picture depends on but the voxels of masks. */
function pictureKey(renderer: object, layers: readonly Layer[]): readonly unknown[] {
  const key: unknown[] = [renderer];
  for (const layer of layers) {
    const { origin, du, dv, width, height, slab } = layer.plane;
    key.push(layer.store, ...origin, ...du, ...dv, width, height);
    key.push(slab?.mode, slab?.count, ...(slab?.step ?? []));
    if (layer.kind === "mask") {
      key.push(JSON.stringify([...layer.segments]), layer.clip?.[0], layer.clip?.[1]);
    } else {
      const { store, window, table, interpolate, opacity, lower, clip, gaps } = layer;
      key.push(store.version, window.lower, window.upper, table, interpolate, opacity, lower, clip?.[0], clip?.[1], gaps);
    }
  }
  return key;
}
