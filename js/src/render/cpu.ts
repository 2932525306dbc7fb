import type { Renderer } from "./contract";
export class CpuRenderer implements Renderer {
  readonly name = "cpu";
  readonly lost = false;
  draw(): { missing: boolean } { return { missing: false }; }
  release(): void {}
  dispose(): void {}
}
