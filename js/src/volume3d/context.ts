/** The page's one WebGL2 context for 3-D, shared by all its 3-D views. */
import { fragmentShader, VERTEX, type Variant } from "./shader";

const KEY = Symbol.for("nbannot.volume3d.1");
type Page = Record<symbol, Context | undefined>;

/** 3-D cannot be drawn; the message is for users. */
export class CastError extends Error {
  override readonly name = "CastError";
}

export interface Program {
  readonly handle: WebGLProgram;
  place(name: string): WebGLUniformLocation | null;
}

export class Context {
  readonly canvas = document.createElement("canvas");
  readonly gl: WebGL2RenderingContext;
  readonly #users = new Map<object, () => void>();
  readonly #programs = new Map<string, Program>();

  private constructor() {
    const gl = this.canvas.getContext("webgl2", { antialias: false, depth: false, stencil: false, alpha: false });
    if (!gl) throw new CastError("This browser offers no WebGL2, which the 3-D view needs. The other views work without it.");
    this.gl = gl;
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    gl.bindVertexArray(gl.createVertexArray());
    gl.disable(gl.DITHER);
    this.canvas.addEventListener("webglcontextlost", (event) => {
      event.preventDefault();
      this.#forget();
      const told = [...this.#users.values()];
      this.#users.clear();
      for (const lost of told) lost();
    });
  }

  static join(user: object, onLost: () => void): Context {
    const page = globalThis as unknown as Page;
    if (page[KEY]?.gl.isContextLost()) delete page[KEY];
    const context = (page[KEY] ??= new Context());
    context.#users.set(user, onLost);
    return context;
  }

  leave(user: object): void {
    if (!this.#users.delete(user) || this.#users.size > 0) return;
    this.#forget();
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }

  /** Use the program for such a picture. Throws CastError where the GPU refuses it. */
  use(variant: Variant): Program {
    const key = JSON.stringify(variant);
    let program = this.#programs.get(key);
    if (!program) {
      const { gl } = this;
      const handle = this.#link(fragmentShader(variant));
      const places = new Map<string, WebGLUniformLocation | null>();
      const place = (name: string): WebGLUniformLocation | null => {
        let found = places.get(name);
        if (found === undefined) places.set(name, (found = gl.getUniformLocation(handle, name)));
        return found;
      };
      this.#programs.set(key, (program = { handle, place }));
    }
    this.gl.useProgram(program.handle);
    return program;
  }

  reserve(width: number, height: number): void {
    const { canvas } = this;
    if (canvas.width < width) canvas.width = width;
    if (canvas.height < height) canvas.height = height;
  }

  #forget(): void {
    const page = globalThis as unknown as Page;
    if (page[KEY] === this) delete page[KEY];
  }

  #link(fragment: string): WebGLProgram {
    const { gl } = this;
    const program = gl.createProgram();
    const logs: string[] = [];
    for (const [type, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, fragment]] as const) {
      const shader = gl.createShader(type)!;
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) logs.push(gl.getShaderInfoLog(shader) ?? "");
      gl.attachShader(program, shader);
      gl.deleteShader(shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) {
      if (gl.isContextLost()) throw new CastError("The GPU took the 3-D picture away.");
      console.warn("nbannot 3-D:", ...logs, gl.getProgramInfoLog(program));
      throw new CastError("This GPU refuses nbannot's 3-D shader. The other views work without it.");
    }
    return program;
  }
}
