/** Decoding workers, made when first needed and ended with the viewer. */

import source from "inline-worker:../decode.worker";
import type { DecodePool, Encoded } from "../decode";
import type { TypedArray } from "../model/masks";

const MOST_WORKERS = 4;

/** As many as there are processors beside the page's own, two at least. */
function workers(): number {
  return Math.min(MOST_WORKERS, Math.max(2, (globalThis.navigator?.hardwareConcurrency ?? 2) - 1));
}

interface Answer {
  readonly id: number;
  readonly values?: TypedArray;
  readonly smaller?: readonly TypedArray[];
  readonly error?: string;
}

interface Port {
  post(message: { id: number; slice: Encoded }): void;
  end(): void;
}

interface Job {
  readonly slice: Encoded;
  readonly settle: (answer: Answer) => void;
}

/** Decodes in workers, or in the page where it may not start any. */
export class WorkerPool implements DecodePool {
  #ports: Port[] = [];
  #last = 0;
  #closed = false;
  #url = "";
  readonly #waiting = new Map<number, Job>();

  /** `file`: place of the worker's script, where the page has it as a file. */
  constructor(private readonly file = "") {}

  decode(slice: Encoded, smaller?: (copies: readonly TypedArray[]) => void): Promise<TypedArray> {
    if (this.#closed) return Promise.reject(new Error("the viewer is closed"));
    if (!this.#ports.length) this.#open();
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      const settle = ({ values, smaller: copies, error }: Answer): void => {
        if (copies) smaller?.(copies);
        if (values) resolve(values);
        else reject(new Error(error ?? "the slice could not be decoded"));
      };
      this.#waiting.set(id, { slice, settle });
      this.#ports[id % this.#ports.length]?.post({ id, slice });
    });
  }

  warm(): void {
    if (!this.#closed && !this.#ports.length) this.#open();
  }

  close(): void {
    this.#closed = true;
    this.#end();
    for (const id of [...this.#waiting.keys()]) this.#settle({ id, error: "the viewer is closed" });
  }

  #open(): void {
    try {
      if (!this.file) this.#url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
      for (let n = 0; n < workers(); n++) this.#ports.push(this.#worker(this.file || this.#url));
    } catch {
      this.#stayInPage();
    }
  }

  #end(): void {
    for (const port of this.#ports) port.end();
    this.#ports = [];
    if (this.#url) URL.revokeObjectURL(this.#url);
    this.#url = "";
  }

  #worker(url: string): Port {
    const worker = new Worker(url);
    worker.onmessage = (event: MessageEvent<Answer>) => this.#settle(event.data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#stayInPage();
    };
    return { post: (message) => send(worker, message), end: () => worker.terminate() };
  }

  /** Run the worker's text here, for pages whose security policy allows no workers. */
  #stayInPage(): void {
    this.#end();
    if (this.#closed) return;
    const scope = {
      onmessage: null as ((event: { data: unknown }) => void) | null,
      postMessage: (message: Answer) => this.#settle(message),
    };
    new Function("self", source)(scope);
    const port: Port = {
      post: (message) => scope.onmessage?.({ data: message }),
      end: () => void (scope.onmessage = null),
    };
    this.#ports = [port];
    for (const [id, { slice }] of this.#waiting) port.post({ id, slice });
  }

  #settle(answer: Answer): void {
    const job = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    job?.settle(answer);
  }
}

/** Hand a slice over. Cloned as it is, its view would take the whole answer of the server with it. */
function send(worker: Worker, { id, slice }: { id: number; slice: Encoded }): void {
  const bytes = slice.bytes.slice();
  worker.postMessage({ id, slice: { ...slice, bytes } }, [bytes.buffer]);
}
