/** Draws a 3-D picture without ever stopping the page: small while it changes, then sharp, part by part. */
import { Caster, type Scene3d } from "../../volume3d/caster";
import type { Look } from "../../volume3d/camera";

/** A picture while something moves should take this long, ms. */
const MOVING_MS = 45;
const PART_MS = 40;
const REST_MS = 140;
const LEAST = 128;
/** Steps in voxels; surfaces are found between the steps, the peaks of a projection are not. */
const FINE = { render: 0.7, mip: 0.5 } as const;
const COARSE = { step: 1.4, fine: false } as const;

export interface PainterEvents {
  /** The sharp picture is there. */
  done(): void;
  failed(error: unknown): void;
  /** The GPU took the context away. */
  lost(): void;
}

/** How long pictures took, ms; for tests and measurements. */
export interface Timing {
  coarse: number;
  coarseWidth: number;
  fine: number;
}

export class Painter {
  readonly timing: Timing = { coarse: 0, coarseWidth: 0, fine: 0 };
  #caster: Caster | null = null;
  #scene: Scene3d | null = null;
  #look: ((width: number, height: number) => Look) | null = null;
  #size: readonly [number, number] = [0, 0];
  /** Number of the newest wish, and of those drawn. */
  #wanted = 0;
  #coarse = 0;
  #fine = 0;
  #asked = 0;
  #running = false;
  #closed = false;
  #shown: Scene3d | null = null;
  /** ms for each pixel of a small picture. */
  #cost = 1.2e-3;

  constructor(
    readonly canvas: HTMLCanvasElement,
    private readonly events: PainterEvents,
  ) {}

  get sharp(): boolean {
    return this.#wanted > 0 && this.#fine === this.#wanted;
  }

  /** Draw this, the newest wish; `look` gives the camera for a picture of so many pixels. */
  request(scene: Scene3d, width: number, height: number, look: (width: number, height: number) => Look): void {
    this.#scene = scene;
    this.#look = look;
    this.#size = [width, height];
    this.#wanted++;
    this.#asked = performance.now();
    if (!this.#running && !this.#closed) void this.#run();
  }

  /** Begin anew after a lost context. */
  restart(): void {
    this.#caster = null;
    this.#shown = null;
    this.#wanted++;
    if (!this.#running && !this.#closed && this.#scene) void this.#run();
  }

  close(): void {
    this.#closed = true;
    this.#caster?.close();
    this.#caster = null;
    this.canvas.width = this.canvas.height = 0;
  }

  async #run(): Promise<void> {
    this.#running = true;
    try {
      while (!this.#closed && this.#fine !== this.#wanted) {
        if (this.#coarse !== this.#wanted) await this.#drawCoarse();
        else {
          const left = REST_MS - (performance.now() - this.#asked);
          if (left > 0) await new Promise((go) => setTimeout(go, Math.min(left, 30)));
          else await this.#drawFine();
        }
      }
    } catch (error) {
      if (!this.#closed) {
        this.#fine = this.#coarse = this.#wanted;
        this.events.failed(error);
      }
    } finally {
      this.#running = false;
    }
    if (!this.#closed && this.sharp) this.events.done();
  }

  #ready(): Caster {
    const caster = (this.#caster ??= new Caster(() => {
      this.#caster = null;
      this.#shown = null;
      this.events.lost();
    }));
    if (this.#shown !== this.#scene) {
      caster.show(this.#scene!);
      this.#shown = this.#scene;
    }
    return caster;
  }

  async #drawCoarse(): Promise<void> {
    const number = this.#wanted;
    const caster = this.#ready();
    const [width, height] = this.#size;
    const scale = Math.min(1, Math.sqrt(MOVING_MS / this.#cost / (width * height)));
    const w = Math.max(Math.min(LEAST, width), Math.round(width * scale));
    const h = Math.max(1, Math.round((w / width) * height));
    const begun = performance.now();
    caster.begin({ look: this.#look!(w, h), ...COARSE });
    await caster.tile(0, h);
    if (this.#closed || !this.#caster) return;
    const taken = performance.now() - begun;
    this.#cost = 0.6 * this.#cost + (0.4 * taken) / (w * h);
    Object.assign(this.timing, { coarse: taken, coarseWidth: w });
    this.#present(caster, 0, h);
    this.#coarse = number;
  }

  async #drawFine(): Promise<void> {
    const number = this.#wanted;
    const caster = this.#ready();
    const [width, height] = this.#size;
    const begun = performance.now();
    caster.begin({ look: this.#look!(width, height), step: FINE[this.#scene!.mode], fine: true });
    let rows = Math.max(4, Math.min(64, Math.round(PART_MS / (this.#cost * 5 * width))));
    for (let from = 0; from < height; ) {
      const to = Math.min(height, from + rows);
      const start = performance.now();
      await caster.tile(from, to);
      if (this.#closed || !this.#caster || this.#wanted !== number) return;
      this.#present(caster, from, to);
      const taken = performance.now() - start;
      rows = Math.max(4, Math.min(256, Math.round(rows * Math.min(2, Math.max(0.5, PART_MS / taken)))));
      from = to;
    }
    this.timing.fine = performance.now() - begun;
    this.#fine = number;
  }

  #present(caster: Caster, from: number, to: number): void {
    const [width, height] = this.#size;
    const { canvas } = this;
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    const context = canvas.getContext("2d");
    if (context) caster.present(context, from, to);
  }
}
