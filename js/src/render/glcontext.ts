/** The one WebGL2 context of the page, and the slices it holds. */
import { RendererError } from "./contract";
import type { Dtype, SliceStore } from "./contract";
import { pageLedger } from "../volumes/ledger";
import type { Victim } from "../volumes/ledger";
import { VERTEX, imageShader, maskShader } from "./shaders";

export interface Program {
  readonly handle: WebGLProgram;
  uniform(name: string): WebGLUniformLocation | null;
}

interface Volume {
  readonly bytes: number;
  readonly data: WebGLTexture;
  readonly present: WebGLTexture;
  readonly here: Uint8Array;
  /** Slices to be read again when a picture needs them. */
  readonly stale: Uint8Array;
  version: number;
  readonly users: Set<object>;
  /** When it was drawn last, ms. */
  drawn: number;
}

// anywidget runs the module once per widget, so what the page shares is found on globalThis.
const KEY = Symbol.for("nbannot.gl.1");
type Page = Record<symbol, GlContext | undefined>;

const BYTES: Record<Dtype, number> = { uint8: 1, int8: 1, uint16: 2, int16: 2, int32: 4, float32: 4 };

// Textures that were not drawn for so long are given up before slices near the view are.
const IDLE_MS = 5000;
const IDLE_COST = 2.5;
// More than this share of the page's memory is not copied to the GPU: the slices themselves need room too.
const MOST = 0.4;

type Format = readonly [internal: number, format: number, type: number];

function formatOf(gl: WebGL2RenderingContext, dtype: Dtype, color: boolean): Format {
  if (color) return [gl.RGB8UI, gl.RGB_INTEGER, gl.UNSIGNED_BYTE];
  const formats: Record<Dtype, Format> = {
    uint8: [gl.R8UI, gl.RED_INTEGER, gl.UNSIGNED_BYTE],
    int8: [gl.R8I, gl.RED_INTEGER, gl.BYTE],
    uint16: [gl.R16UI, gl.RED_INTEGER, gl.UNSIGNED_SHORT],
    int16: [gl.R16I, gl.RED_INTEGER, gl.SHORT],
    int32: [gl.R32I, gl.RED_INTEGER, gl.INT],
    float32: [gl.R32F, gl.RED, gl.FLOAT],
  };
  return formats[dtype];
}

/** Shared by all renderers of the page; freed by the last of them. */
export class GlContext {
  readonly canvas = new OffscreenCanvas(16, 16);
  readonly gl: WebGL2RenderingContext;
  /** Bytes of slices to keep; beyond, those drawn longest ago go first (the frames of a long film). */
  budget = 2 ** 30;
  /** Name of the GPU as the browser tells it. */
  readonly gpu: string;
  private readonly users = new Map<object, () => void>();
  private readonly programs = new Map<string, Program>();
  private readonly volumes = new Map<SliceStore, Volume>();
  private readonly uncount = pageLedger().add({ kind: "textures", held: () => this.held(), worst: () => this.idle() });

  private constructor() {
    const gl = this.canvas.getContext("webgl2", { antialias: false, depth: false, stencil: false });
    if (!gl) throw new RendererError("This browser offers no WebGL2; choose the CPU renderer.", "unsupported");
    this.gl = gl;
    const info = gl.getExtension("WEBGL_debug_renderer_info");
    this.gpu = String(gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    gl.bindVertexArray(gl.createVertexArray());
    gl.disable(gl.DITHER);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    this.canvas.addEventListener("webglcontextlost", () => this.lose());
  }

  /** Join the page's context, made where there is none; `onLost` is called when the GPU takes it away. */
  static join(user: object, onLost: () => void): GlContext {
    if (typeof OffscreenCanvas === "undefined")
      throw new RendererError("This browser cannot draw with WebGL2 off screen; choose the CPU renderer.", "unsupported");
    const page = globalThis as unknown as Page;
    if (page[KEY]?.gl.isContextLost()) page[KEY].lose();
    const context = (page[KEY] ??= new GlContext());
    context.users.set(user, onLost);
    return context;
  }

  leave(user: object): void {
    for (const store of [...this.volumes.keys()]) this.release(user, store);
    if (!this.users.delete(user) || this.users.size > 0) return;
    for (const program of this.programs.values()) this.gl.deleteProgram(program.handle);
    this.programs.clear();
    this.uncount();
    this.forget();
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }

  /** Grow the drawing buffer to hold a picture. */
  reserve(width: number, height: number): void {
    const { canvas, gl } = this;
    const most = Number(gl.getParameter(gl.MAX_TEXTURE_SIZE));
    if (width > most || height > most)
      throw new RendererError(`A picture of ${width} x ${height} pixels is more than this GPU draws (${most}).`, "limit");
    if (canvas.width < width) canvas.width = width;
    if (canvas.height < height) canvas.height = height;
  }

  program(kind: "image" | "mask", store: SliceStore): Program {
    const key = `${kind} ${store.dtype} ${store.color}`;
    let program = this.programs.get(key);
    if (!program) {
      const text = kind === "image" ? imageShader(store.dtype, store.color) : maskShader(store.dtype);
      this.programs.set(key, (program = this.link(text)));
    }
    return program;
  }

  /** Bring slices first..last of a store to the GPU and bind them: data to unit 0, presence to unit 1. */
  bind(user: object, store: SliceStore, range: readonly [number, number] | null, presence: boolean): void {
    const { gl } = this;
    gl.activeTexture(gl.TEXTURE0);
    let volume = this.volumes.get(store);
    volume ??= this.allocate(store);
    this.volumes.delete(store);
    this.volumes.set(store, volume);
    volume.users.add(user);
    volume.drawn = performance.now();
    if (volume.version !== store.version) {
      const changed = store.changedSince(volume.version);
      if (changed === "all") volume.stale.fill(1);
      else for (const k of changed) volume.stale[k] = 1;
      volume.version = store.version;
    }
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, volume.data);
    const arrived = range !== null && this.upload(store, volume, range);
    if (!presence) return;
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D, volume.present);
    if (arrived)
      gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, volume.here.length, 1, gl.RED_INTEGER, gl.UNSIGNED_BYTE, volume.here);
  }

  /** Free the slices of a store once none of its users needs them. */
  release(user: object, store: SliceStore): void {
    const volume = this.volumes.get(store);
    if (!volume?.users.delete(user) || volume.users.size > 0) return;
    this.drop(store, volume);
  }

  private drop(store: SliceStore, volume: Volume): void {
    this.gl.deleteTexture(volume.data);
    this.gl.deleteTexture(volume.present);
    this.volumes.delete(store);
  }

  private held(): number {
    let held = 0;
    for (const volume of this.volumes.values()) held += volume.bytes;
    return held;
  }

  /** The texture drawn longest ago, where that is a while ago. */
  private idle(): Victim | null {
    for (const [store, volume] of this.volumes) {
      const idle = performance.now() - volume.drawn;
      return idle < IDLE_MS ? null : { cost: IDLE_COST + idle / 1000, drop: () => this.drop(store, volume) };
    }
    return null;
  }

  private makeRoom(bytes: number): void {
    let held = bytes + this.held();
    for (const [store, volume] of this.volumes) {
      if (held <= this.budget) return;
      this.drop(store, volume);
      held -= volume.bytes;
    }
  }

  /** True when the presence of a slice changed. */
  private upload(store: SliceStore, volume: Volume, [first, last]: readonly [number, number]): boolean {
    const { gl } = this;
    const [, rows, columns] = store.shape;
    const [, format, type] = formatOf(gl, store.dtype, store.color);
    let arrived = false;
    for (let k = first; k <= last; k++) {
      if (!volume.stale[k]) continue;
      volume.stale[k] = 0;
      let slice = store.slice(k);
      const here = slice ? 1 : 0;
      // A mask slice that became empty again must not keep its old labels.
      if (!slice && volume.here[k] && !store.color && store.dtype.startsWith("u"))
        slice = store.dtype === "uint8" ? new Uint8Array(rows * columns) : new Uint16Array(rows * columns);
      if (slice) gl.texSubImage3D(gl.TEXTURE_2D_ARRAY, 0, 0, 0, k, columns, rows, 1, format, type, slice);
      if (volume.here[k] !== here) arrived = true;
      volume.here[k] = here;
    }
    return arrived;
  }

  private allocate(store: SliceStore): Volume {
    const { gl } = this;
    const [slices, rows, columns] = store.shape;
    const side = Number(gl.getParameter(gl.MAX_TEXTURE_SIZE));
    const layers = Number(gl.getParameter(gl.MAX_ARRAY_TEXTURE_LAYERS));
    if (rows > side || columns > side || slices > Math.min(layers, side))
      throw new RendererError(
        `${slices} slices of ${rows} x ${columns} are more than this GPU holds (${layers} of ${side} x ${side}).`,
        "limit",
      );
    const bytes = slices * rows * columns * (store.color ? 3 : BYTES[store.dtype]);
    if (bytes > MOST * pageLedger().budget)
      throw new RendererError("This image takes too much of the page's memory to be copied to the GPU.", "limit");
    this.makeRoom(bytes);
    pageLedger().room(bytes, 2);
    while (gl.getError() !== gl.NO_ERROR && !gl.isContextLost());
    const data = this.texture(gl.TEXTURE_2D_ARRAY);
    gl.texStorage3D(gl.TEXTURE_2D_ARRAY, 1, formatOf(gl, store.dtype, store.color)[0], columns, rows, slices);
    const present = this.texture(gl.TEXTURE_2D);
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl.R8UI, slices, 1);
    if (gl.getError() !== gl.NO_ERROR) {
      gl.deleteTexture(data);
      gl.deleteTexture(present);
      throw new RendererError("The GPU has no memory left for this image.", "limit");
    }
    return {
      bytes, data, present, here: new Uint8Array(slices), stale: new Uint8Array(slices).fill(1),
      version: store.version, users: new Set(), drawn: performance.now(),
    };
  }

  /** Create and bind a texture that is read texel by texel. */
  texture(target: number): WebGLTexture {
    const { gl } = this;
    const texture = gl.createTexture();
    gl.bindTexture(target, texture);
    gl.texParameteri(target, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(target, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    gl.texParameteri(target, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
    gl.texParameteri(target, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
    return texture;
  }

  private link(fragment: string): Program {
    const { gl } = this;
    const handle = gl.createProgram();
    for (const [type, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, fragment]] as const) {
      const shader = gl.createShader(type)!;
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      gl.attachShader(handle, shader);
      gl.deleteShader(shader);
    }
    gl.linkProgram(handle);
    if (!gl.getProgramParameter(handle, gl.LINK_STATUS)) {
      if (gl.isContextLost()) throw new RendererError("The GPU took the picture away.", "lost");
      throw new RendererError("This GPU refuses nbannot's shaders; choose the CPU renderer.", "unsupported");
    }
    const known = new Map<string, WebGLUniformLocation | null>();
    const uniform = (name: string): WebGLUniformLocation | null => {
      let place = known.get(name);
      if (place === undefined) known.set(name, (place = gl.getUniformLocation(handle, name)));
      return place;
    };
    gl.useProgram(handle);
    gl.uniform1i(uniform("data"), 0);
    gl.uniform1i(uniform("present"), 1);
    gl.uniform1i(uniform("palette"), 1);
    gl.uniform1i(uniform("table"), 2);
    return { handle, uniform };
  }

  private lose(): void {
    this.forget();
    const told = [...this.users.values()];
    this.users.clear();
    this.volumes.clear();
    this.uncount();
    for (const onLost of told) onLost();
  }

  private forget(): void {
    const page = globalThis as unknown as Page;
    if (page[KEY] === this) delete page[KEY];
  }
}
