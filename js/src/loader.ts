/**
 * The small module that travels with every widget. It takes the viewer's module once for each page,
 * through the widget's own messages, so it works wherever the widget does.
 */
import { pageModule } from "./channel/modules";
import { widgetWire } from "./channel/wire";
import type { RenderProps, ViewerModule } from "./index";

/** Fingerprint of the module this loader was built with. */
declare const MODULE_HASH: string;

const SLOW_MS = 5000;

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
    const module = await pageModule<ViewerModule>(widgetWire(model), MODULE_HASH);
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
