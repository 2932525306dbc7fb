/** Which commands of the viewer a reader has. */
import type { Terms } from "../client";

/** What takes pictures or words of the file away. */
const NEVER = new Set(["view.screenshot", "image.header"]);
const LOOKING = new Set(["crosshair", "window", "pan", "zoom", "magnifier", "select"]);
const CHANGING = /^(edit\.(undo|redo)|shape\..*|annotation\.remove|label\.status|operations\.toggle|brush\..*|scissors\..*)$/;
const PAINTING = ["brush", "eraser", "scissors", "fill"];

/** `tools`: those of the configuration; empty for all. */
export function readerTerms(tools: readonly string[], readOnly: string): Terms {
  const paints = tools.length === 0 || PAINTING.some((name) => tools.includes(name));
  return {
    readOnly,
    fills: true,
    allows(command) {
      if (NEVER.has(command)) return false;
      const tool = /^tool\.(.+)$/.exec(command)?.[1];
      if (tool !== undefined) return LOOKING.has(tool) || (readOnly === "" && (tools.length === 0 || tools.includes(tool)));
      if (readOnly !== "" && CHANGING.test(command)) return false;
      return paints || !/^(operations|brush|scissors)\./.test(command);
    },
  };
}
