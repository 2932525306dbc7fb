/** Fetches modules from the host, once for each page: the viewer itself, and parts that few need. */

/** The road a module comes by; a Wire is one. */
export interface ModuleRoad {
  send(message: { readonly type: "module"; readonly name?: string }): void;
  onMessage(callback: (message: unknown, buffers: readonly Uint8Array[]) => void): () => void;
  /** Import a module from a file; only where the page has them as files. */
  load?(name: string): Promise<{ readonly default: () => unknown }>;
}

const RETRY_MS = 2000;

interface Reply {
  readonly type?: unknown;
  readonly name?: unknown;
  readonly hash?: unknown;
}

async function unpack<T>(packed: Uint8Array<ArrayBuffer>): Promise<T> {
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = new Blob([await new Response(stream).arrayBuffer()], { type: "text/javascript" });
  const url = URL.createObjectURL(script);
  try {
    return ((await import(/* @vite-ignore */ url)) as { default: () => T }).default();
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** Ask the host until it answers; fails when what it has is of another build. Without a name: the viewer. */
export function fetchModule<T>(road: ModuleRoad, hash: string, name?: string): Promise<T> {
  if (name && road.load) return road.load(name).then((module) => module.default() as T);
  return new Promise((resolve, reject) => {
    const ask = (): void => {
      try {
        road.send(name ? { type: "module", name } : { type: "module" });
      } catch {
        // no connection now: the timer asks again
      }
    };
    const timer = setInterval(ask, RETRY_MS);
    const off = road.onMessage((content, [packed]) => {
      const message = content as Reply | null;
      if (message?.type !== "module" || message.name !== name) return;
      clearInterval(timer);
      off();
      if (message.hash !== hash || !packed) {
        reject(new Error("The page and the kernel have different versions of nbannot. Save the notebook and reload the page."));
      } else {
        unpack<T>(packed as Uint8Array<ArrayBuffer>).then(resolve, reject);
      }
    });
    ask();
  });
}

/** A module of this page: asked for once, by whoever comes first. */
export function pageModule<T>(road: ModuleRoad, hash: string, name?: string): Promise<T> {
  const page = globalThis as unknown as Record<symbol, Promise<T> | undefined>;
  const key = Symbol.for(name ? `nbannot.module.${name}.${hash}` : `nbannot.module.${hash}`);
  const found = (page[key] ??= fetchModule<T>(road, hash, name));
  found.catch(() => delete page[key]);
  return found;
}
