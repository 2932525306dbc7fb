/** A tool for as long as its key is held: letting go brings the former tool back. */
import { TOOLS, type ToolName } from "../state";
import type { ViewStore } from "../state/store";
import { listen } from "./dom";

/** A key that is down for less than this (ms), with nothing done meanwhile, chooses the tool for good. */
const TAP_MS = 300;

interface Hold {
  /** The physical key, as `KeyboardEvent.code`. */
  readonly code: string;
  readonly former: ToolName;
  readonly since: number;
  /** The tool was used meanwhile. */
  used: boolean;
  readonly tool: ToolName;
  /** Whether a short press, too, brings the former tool back. */
  readonly always: boolean;
}

export class HeldTool {
  #hold: Hold | null = null;

  constructor(private readonly view: ViewStore, root: HTMLElement, signal: AbortSignal) {
    listen(root, "pointerdown", signal, () => {
      if (this.#hold) this.#hold.used = true;
    });
    const page = root.ownerDocument.defaultView ?? window;
    const up = (event: KeyboardEvent): void => {
      if (this.#hold?.code === event.code) this.#release(performance.now());
    };
    page.addEventListener("keyup", up, { capture: true, signal });
    page.addEventListener("blur", () => this.#release(Infinity), { signal });
  }

  /** The tool that comes back when the key is let go; null while none is held. */
  get former(): ToolName | null {
    return this.#hold?.former ?? null;
  }

  /** The key of a command goes down; true where there is nothing more to do. `plays`: space plays a clip. */
  key({ code, repeat }: KeyboardEvent, command: string, plays: boolean): boolean {
    const still = command === "frame.play" && !plays;
    const tool = still ? "pan" : TOOLS.find((name) => command === `tool.${name}`);
    if (!tool) return false;
    if (repeat || this.#hold?.code === code) return true;
    const former = this.#hold?.former ?? this.view.value.tool;
    this.#hold = tool === former ? null : { code, former, since: performance.now(), used: false, tool, always: still };
    // Where nothing can be played, the key moves the picture for as long as it is held.
    if (still) this.view.set({ tool });
    return still;
  }

  #release(now: number): void {
    const hold = this.#hold;
    this.#hold = null;
    if (!hold || this.view.value.tool !== hold.tool) return;
    // What is being drawn goes on: the gesture has its tool.
    if (hold.always || hold.used || now - hold.since > TAP_MS) this.view.set({ tool: hold.former });
  }
}
