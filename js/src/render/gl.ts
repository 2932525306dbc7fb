import { RendererError } from "./contract";
import type { Renderer, RendererOptions } from "./contract";
export function probeGl(): string | null { return null; }
export class GlRenderer implements Renderer {
  readonly name = "webgl2";
  readonly lost = false;
  constructor(_options: RendererOptions) { throw new RendererError("not yet", "unsupported"); }
  draw(): { missing: boolean } { return { missing: false }; }
  release(): void {}
  dispose(): void {}
}
