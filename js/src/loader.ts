/**
 * The small module that travels with every widget. It takes the viewer's module once for each page,
 * through the widget's own messages, so it works wherever the widget does.
 */
import type { RenderProps, ViewerModule } from "./index";
import type { WidgetModel } from "./channel/wire";

/** Fingerprint of the module this loader was built with. */
declare const MODULE_HASH: string;

const RETRY_MS = 2000;
const SLOW_MS = 5000;

interface Reply {
  readonly type?: unknown;
  readonly hash?: unknown;
}

async function unpack(packed: DataView | ArrayBuffer): Promise<ViewerModule> {
  const bytes = packed instanceof ArrayBuffer ? packed : new Uint8Array(packed.buffer, packed.byteOffset, packed.byteLength);
  const stream = new Blob([bytes as BlobPart]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = new Blob([await new Response(stream).arrayBuffer()], { type: "text/javascript" });
  const url = URL.createObjectURL(script);
  try {
    return ((await import(/* @vite-ignore */ url)) as { default: () => ViewerModule }).default();
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** Ask the host until it answers; fails when what it has is of another build. */
export function fetchModule(model: WidgetModel): Promise<ViewerModule> {
  return new Promise((resolve, reject) => {
    const ask = (): void => {
      try {
        model.send({ type: "module" });
      } catch {
        // no connection now: the timer asks again
      }
    };
    const timer = setInterval(ask, RETRY_MS);
    const receive = (message: Reply, buffers: readonly (DataView | ArrayBuffer)[] = []): void => {
      if (message?.type !== "module") return;
      clearInterval(timer);
      model.off("msg:custom", receive as (...args: never[]) => void);
      const [packed] = buffers;
      if (message.hash !== MODULE_HASH || !packed) {
        reject(new Error("The page and the kernel have different versions of nbannot. Save the notebook and reload the page."));
      } else {
        unpack(packed).then(resolve, reject);
      }
    };
    model.on("msg:custom", receive as (...args: never[]) => void);
    ask();
  });
}

/** The module of this page: asked for once, by whoever comes first. */
function pageModule(model: WidgetModel): Promise<ViewerModule> {
  const page = globalThis as unknown as Record<symbol, Promise<ViewerModule> | undefined>;
  const key = Symbol.for(`nbannot.module.${MODULE_HASH}`);
  const found = (page[key] ??= fetchModule(model));
  found.catch(() => delete page[key]);
  return found;
}

function note(el: HTMLElement, text: string): void {
  const line = el.ownerDocument.createElement("div");
  line.setAttribute("role", "status");
  line.style.cssText = "padding:8px 12px;font:13px/1.5 system-ui,sans-serif;opacity:.8";
  line.textContent = text;
  el.replaceChildren(line);
}

async function render(props: RenderProps): Promise<() => void> {
  const { model, el } = props;
  const slow = setTimeout(
    () => note(el, "Waiting for the kernel. It may be busy; the viewer appears when it answers."),
    SLOW_MS,
  );
  try {
    const module = await pageModule(model);
    clearTimeout(slow);
    el.replaceChildren();
    return module.render(props);
  } catch (error) {
    clearTimeout(slow);
    const text = error instanceof Error ? error.message : String(error);
    note(el, `nbannot could not show the viewer: ${text}`);
    el.firstElementChild?.setAttribute("role", "alert");
    console.error("nbannot:", error);
    return () => el.replaceChildren();
  }
}

export default { render };
