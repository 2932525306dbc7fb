/** What a 3-D view draws: fetches the host's copies, coarse first, and follows what changes. */
import type { Vec3 } from "../../model/geometry";
import type { Preview } from "../../volumes/previews";
import { Field } from "../../volume3d/field";
import { surfaceOf, type Surface } from "../../volume3d/segments";
import { histogram, type Histogram } from "../../volume3d/transfer";
import type { VolumeHost, VolumeSegments } from "../volumepane";

export const EDGE = 256;
const FIRST_EDGE = 64;
/** Strokes come fast; their voxels are fetched when they pause. */
const PAUSE_MS = 400;

export class Content {
  field: Field | null = null;
  histogram: Histogram | null = null;
  surface: Surface | null = null;
  /** Copies of layers by image and frame. */
  readonly layers = new Map<string, Field>();
  /** Why nothing can be shown. */
  error = "";
  /** Whether the best copy of the image is here. */
  fine = false;
  #image = "";
  #wanted = "";
  #abort = new AbortController();
  #masks = new Map<string, Preview>();
  #maskKey = "";
  #surfaceKey = "";
  #busy = new Set<string>();
  #failed = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(
    private readonly host: VolumeHost,
    private readonly changed: () => void,
  ) {}

  /** Whether everything is here. */
  get complete(): boolean {
    return this.error !== "" || (this.fine && this.#busy.size === 0 && this.#timer === undefined);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#abort.abort();
    this.layers.clear();
    this.#masks.clear();
    this.field = this.surface = null;
  }

  /** Fetch what is needed now and not here. */
  update(): void {
    const { image, frame, geometry } = this.host;
    if (image.id !== this.#image) this.#forget(image.id);
    if (image.color || geometry.kind !== "grid") {
      this.error = image.color
        ? "A colour image has no 3-D view."
        : "The planes of this image form no regular volume, so there is no 3-D view.";
      return;
    }
    const wanted = `${image.id}/${frame}`;
    if (wanted !== this.#wanted) {
      this.#wanted = wanted;
      void this.#fetchImage(wanted, image.id, frame, image.shape);
    }
    this.#updateLayers();
    this.#updateSegments();
  }

  #forget(image: string): void {
    this.#abort.abort();
    this.#abort = new AbortController();
    this.#image = image;
    this.field = this.surface = this.histogram = null;
    this.fine = false;
    this.error = this.#wanted = this.#maskKey = this.#surfaceKey = "";
    this.#masks.clear();
    this.#busy.clear();
    this.#failed.clear();
    this.layers.clear();
  }

  async #fetchImage(wanted: string, id: string, frame: number, shape: Vec3): Promise<void> {
    const { signal } = this.#abort;
    this.fine = false;
    // Where something is shown already (another frame), the coarse copy would only flicker.
    const edges = Math.max(...shape) > 2 * FIRST_EDGE && !this.field ? [FIRST_EDGE, EDGE] : [EDGE];
    try {
      for (const edge of edges) {
        const preview = await this.host.preview(id, frame, edge, signal);
        if (signal.aborted || wanted !== this.#wanted) return;
        this.field = new Field(preview);
        this.histogram = histogram(preview);
        this.fine = edge === EDGE;
        this.changed();
      }
    } catch (error) {
      if (signal.aborted || wanted !== this.#wanted) return;
      if (!this.field) this.error = message(error);
      else this.host.toast(`3-D: ${message(error)}`);
      this.fine = true;
      this.changed();
    }
  }

  #updateLayers(): void {
    if (!this.host.settings.layers) return;
    for (const { image, frame } of this.host.layers) {
      const key = `${image}/${frame}`;
      if (this.layers.has(key) || this.#busy.has(key) || this.#failed.has(key)) continue;
      this.#fetch(key, image, frame, (preview) => this.layers.set(key, new Field(preview)));
    }
  }

  #fetch(key: string, id: string, frame: number | null, take: (preview: Preview) => void): void {
    const { signal } = this.#abort;
    this.#busy.add(key);
    const end = (): void => {
      if (signal.aborted) return;
      this.#busy.delete(key);
      this.changed();
    };
    this.host.preview(id, frame, EDGE, signal).then(
      (preview) => {
        if (!signal.aborted) take(preview);
        end();
      },
      (error: unknown) => {
        if (!signal.aborted) {
          this.#failed.add(key);
          this.host.toast(`3-D: ${message(error)}`);
        }
        end();
      },
    );
  }

  #updateSegments(): void {
    const shown = this.host.settings.segments ? this.host.segments : [];
    const key = shown.map(({ mask, version }) => `${mask}:${version}`).join();
    if (key !== this.#maskKey) {
      const first = this.#maskKey === "";
      this.#maskKey = key;
      clearTimeout(this.#timer);
      this.#timer = undefined;
      if (first) this.#fetchMasks(shown);
      else this.#timer = setTimeout(() => this.#paused(), PAUSE_MS);
    }
    this.#buildSurface(shown);
  }

  #paused(): void {
    this.#timer = undefined;
    if (!this.#closed && this.host.settings.segments) this.#fetchMasks(this.host.segments);
    this.changed();
  }

  #fetchMasks(shown: readonly VolumeSegments[]): void {
    for (const { mask, version } of shown) {
      this.#fetch(`${mask}:${version}`, mask, null, (preview) => this.#masks.set(mask, preview));
    }
  }

  #buildSurface(shown: readonly VolumeSegments[]): void {
    const { field } = this;
    if (!field || !this.fine) return;
    const here = shown.flatMap((one) => {
      const preview = this.#masks.get(one.mask);
      return preview ? [{ ...one, preview }] : [];
    });
    const key = here.map((one) => `${one.mask}@${stamp(one.preview)}${JSON.stringify([...one.colors])}`).join();
    if (key === this.#surfaceKey) return;
    this.#surfaceKey = key;
    this.surface = surfaceOf(field.size, here.map(({ preview, colors }) => ({ values: preview.values, colors })));
  }
}

const stamps = new WeakMap<object, number>();

/** A number of its own for each object, as good as certainly. */
function stamp(one: object): number {
  const known = stamps.get(one) ?? Math.random();
  stamps.set(one, known);
  return known;
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
