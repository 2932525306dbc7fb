/** The viewer's module: one client for each widget, shared by its views. */

import { widgetWire } from "./channel/wire";
import { openClient } from "./client";
import { mount } from "./ui/mount";
import { WorkerPool } from "./volumes/pool";
import type { WidgetModel, Wire } from "./channel/wire";
import type { Client, Terms, Traits, ViewState } from "./client";
import type { Mounted } from "./ui/mount";

interface Shared {
  readonly client: Client & { close(): void };
  views: number;
}

function widgetTraits(model: WidgetModel): Traits {
  return {
    get: () => (model.get("view") ?? {}) as ViewState,
    set(view) {
      model.set("view", { ...view });
      model.save_changes();
    },
    onChange(callback) {
      model.on("change:view", callback);
      return () => model.off("change:view", callback);
    },
  };
}

type Clients = Map<string, Shared>;

function acquire(clients: Clients, model: WidgetModel): Shared {
  const uid = String(model.get("uid"));
  let shared = clients.get(uid);
  if (!shared) {
    shared = { client: openClient(uid, widgetWire(model), widgetTraits(model), new WorkerPool()), views: 0 };
    clients.set(uid, shared);
  }
  shared.views++;
  return shared;
}

function release(clients: Clients, shared: Shared): void {
  if (--shared.views > 0) return;
  clients.delete(shared.client.uid);
  shared.client.close();
}

/** Show in the cell what went wrong and what to do about it. */
export function showError(el: HTMLElement, error: unknown): void {
  const box = el.ownerDocument.createElement("div");
  box.className = "nbannot-error";
  box.setAttribute("role", "alert");
  box.style.cssText =
    "border:1px solid #c62828;border-left-width:4px;padding:8px 12px;font:13px/1.5 system-ui,sans-serif;" +
    "color:#1a1a1a;background:#fdecea";
  const title = box.appendChild(el.ownerDocument.createElement("strong"));
  title.textContent = "nbannot could not show the viewer";
  const cause = box.appendChild(el.ownerDocument.createElement("div"));
  cause.textContent = error instanceof Error ? error.message : String(error);
  const hint = box.appendChild(el.ownerDocument.createElement("div"));
  hint.textContent =
    "Run the cell again. If that does not help, save the notebook and reload the page; nbannot.doctor() checks the environment.";
  el.replaceChildren(box);
}

export interface RenderProps {
  readonly model: WidgetModel;
  readonly el: HTMLElement;
}

export interface ViewerModule {
  /** Show a widget in an element; the returned function takes it away. */
  render(props: RenderProps): () => void;
  /** For a page without widgets: open a client on a road of its own. */
  open(props: OpenProps): Opened;
}

export interface OpenProps {
  readonly uid: string;
  readonly wire: Wire;
  readonly traits: Traits;
  /** Place of the script of the decoding workers. */
  readonly worker: string;
  readonly terms: Terms;
}

export interface Opened {
  readonly client: Client;
  /** Show it in an element until the client is closed. */
  mount(el: HTMLElement): Mounted;
  close(): void;
}

function openOne({ uid, wire, traits, worker, terms }: OpenProps): Opened {
  const client = openClient(uid, wire, traits, new WorkerPool(worker), terms);
  return { client, mount: (el) => mount(el, client, client.signal), close: () => client.close() };
}

function render(clients: Clients, { model, el }: RenderProps): () => void {
  const view = new AbortController();
  let shared: Shared | null = null;
  try {
    shared = acquire(clients, model);
    mount(el, shared.client, view.signal);
  } catch (error) {
    showError(el, error);
    console.error("nbannot:", error);
  }
  return () => {
    view.abort();
    if (shared) release(clients, shared);
    shared = null;
  };
}

/** The module as the loader takes it, once for each page. */
export default function open(): ViewerModule {
  const clients: Clients = new Map();
  return { render: (props) => render(clients, props), open: openOne };
}
