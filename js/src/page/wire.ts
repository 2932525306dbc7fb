/** The road to the service: one websocket for one case, opened again whenever it is lost. */
import type { Bytes, Wire } from "../channel/wire";
import type { BrowserMessage, WireError } from "../model/protocol";
import { packFrame, unpackFrame } from "./frames";
import type { Answered, Opened, PageMessage, Request, ServiceMessage } from "./messages";

export const PROTOCOL_NAME = "nbannot.v1";

/** How the road is: `lost` is tried again, the others are for good. */
export type RoadState = "opening" | "open" | "lost" | "loggedOut" | "gone" | "takenOver";

const ENDS: Readonly<Record<number, RoadState>> = { 4401: "loggedOut", 4404: "gone", 4409: "takenOver" };
const FIRST_MS = 300;
const MOST_MS = 5000;
const STEADY_MS = 5000;
const ANSWER_MS = 8000;
/** The case cannot be opened now. */
const AGAIN = 1013;
const MOST_AGAIN = 8;
/** The case is shown otherwise from now on. */
const RENEWED = 4410;
const PAGE_MESSAGES = new Set(["opened", "answered", "presence", "closing"]);

export type Socket = Pick<WebSocket, "binaryType" | "onopen" | "onclose" | "onmessage" | "send" | "close">;

export interface RoadOptions {
  connect(): Socket;
  /** Import a module of the viewer by name. */
  load(name: string): Promise<{ readonly default: () => unknown }>;
  /** Look why a connection cannot be had: null where nobody answers. */
  why(): Promise<RoadState | null>;
  /** 0 to 1; spreads the tries of many pages. */
  random?(): number;
}

interface Waiting {
  readonly message: PageMessage;
  readonly settle: (answer: Answered) => void;
  sent: number;
}

export class ServiceWire implements Wire {
  #socket: Socket | null = null;
  #state: RoadState = "opening";
  #closed = false;
  #tries = 0;
  #wasOpened = false;
  #refusals = 0;
  #since = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #beat: ReturnType<typeof setInterval>;
  #rid = 0;
  #view: Readonly<Record<string, unknown>> | null = null;
  #reason = "";
  readonly #waiting = new Map<number, Waiting>();
  readonly #receivers = new Set<(message: unknown, buffers: readonly Uint8Array[]) => void>();
  readonly #page = new Set<(message: ServiceMessage) => void>();
  readonly #states = new Set<(state: RoadState) => void>();
  readonly #retry = (): void => this.retry();
  readonly load: RoadOptions["load"];

  constructor(private readonly options: RoadOptions) {
    this.load = options.load;
    globalThis.addEventListener?.("online", this.#retry);
    this.#beat = setInterval(() => this.#resend(), ANSWER_MS / 4);
    this.#connect();
  }

  get state(): RoadState {
    return this.#state;
  }

  /** Why the service closed the road, in its words. */
  get reason(): string {
    return this.#reason;
  }

  onState(callback: (state: RoadState) => void): void {
    this.#states.add(callback);
  }

  onPage(callback: (message: ServiceMessage) => void): void {
    this.#page.add(callback);
  }

  onMessage(callback: (message: unknown, buffers: readonly Uint8Array[]) => void): () => void {
    this.#receivers.add(callback);
    return () => this.#receivers.delete(callback);
  }

  /** The first message of the service about this case; fails where there is none to be had. */
  opened(): Promise<Opened> {
    return new Promise((resolve, reject) => {
      this.onPage((message) => message.type === "opened" && resolve(message));
      const look = (state: RoadState): void => {
        if (["loggedOut", "gone", "takenOver"].includes(state)) reject(new RoadError(state, this.#reason));
      };
      look(this.#state);
      this.onState(look);
    });
  }

  send(message: BrowserMessage | PageMessage, buffers: readonly Bytes[] = []): void {
    if (this.#state !== "open" || !this.#socket) throw new Error("there is no connection");
    this.#socket.send(packFrame(message, buffers));
  }

  /** Ask the service; asked again until it answers. */
  ask(request: Request): Promise<Answered> {
    const rid = ++this.#rid;
    return new Promise((settle) => {
      this.#waiting.set(rid, { message: { ...request, rid } as PageMessage, settle, sent: 0 });
      this.#resend();
    });
  }

  /** Tell what need not be answered; lost where there is no connection. */
  tell(message: PageMessage): void {
    if (this.#state === "open") this.send(message);
  }

  /** Keep the view state with the session: the newest one, as soon as there is a connection. */
  keepView(view: Readonly<Record<string, unknown>>): void {
    this.#view = view;
    this.#flushView();
  }

  /** Try again now. */
  retry(): void {
    if (this.#closed || this.#state !== "lost") return;
    clearTimeout(this.#timer);
    this.#connect();
  }

  /** Open again after another window took over. */
  again(): void {
    if (this.#closed || this.#state === "open") return;
    this.#set("lost");
    this.retry();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearInterval(this.#beat);
    globalThis.removeEventListener?.("online", this.#retry);
    const gone: WireError = { kind: "ViewerError", message: "The case was closed", hint: "" };
    for (const [rid, { settle }] of this.#waiting) settle({ type: "answered", rid, ok: false, error: gone });
    this.#waiting.clear();
    this.#socket?.close();
    this.#receivers.clear();
    this.#page.clear();
    this.#states.clear();
  }

  #connect(): void {
    this.#drop();
    let socket: Socket;
    try {
      socket = this.options.connect();
    } catch {
      return this.#later();
    }
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.#since = Date.now();
      this.#set("open");
      this.#flushView();
      for (const one of this.#waiting.values()) one.sent = 0;
      this.#resend();
    };
    socket.onmessage = ({ data }: { readonly data: unknown }) => this.#receive(data);
    socket.onclose = ({ code }) => this.#lost(code);
  }

  /** Hear no more of the socket before. */
  #drop(): void {
    const socket = this.#socket;
    if (!socket) return;
    socket.onopen = socket.onclose = socket.onmessage = null;
    socket.close();
    this.#socket = null;
  }

  #lost(code: number): void {
    this.#socket = null;
    if (this.#closed) return;
    if (code === RENEWED) {
      this.#set("opening");
      return this.#connect();
    }
    if (code === AGAIN) this.#refusals++;
    // A case that was never open may have a fault that does not pass; one that was is tried for ever.
    const end = ENDS[code] ?? (!this.#wasOpened && this.#refusals >= MOST_AGAIN ? "gone" : undefined);
    if (end) return this.#set(end);
    // One that held for a while was a good one: the first try comes at once.
    if (this.#state === "open" && Date.now() - this.#since > STEADY_MS) this.#tries = 0;
    this.#set("lost");
    void this.options.why().then((why) => {
      if (why && why !== "open" && this.#state === "lost" && !this.#closed) this.#set(why);
    });
    this.#later();
  }

  #later(): void {
    const pause = Math.min(MOST_MS, FIRST_MS * 2 ** this.#tries) * (0.75 + 0.5 * (this.options.random ?? Math.random)());
    this.#tries++;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.retry(), pause);
  }

  #receive(data: unknown): void {
    if (!(data instanceof ArrayBuffer)) return;
    let frame;
    try {
      frame = unpackFrame(data);
    } catch {
      // What is torn is asked for again by whoever waits for it.
      return;
    }
    const message = frame.message as ServiceMessage | null;
    if (typeof message !== "object" || message === null) return;
    if (!PAGE_MESSAGES.has(message.type)) {
      for (const callback of [...this.#receivers]) callback(message, frame.buffers);
      return;
    }
    if (message.type === "opened") {
      this.#tries = this.#refusals = 0;
      this.#wasOpened = true;
    }
    if (message.type === "closing") this.#reason = message.reason;
    if (message.type === "answered") {
      this.#waiting.get(message.rid)?.settle(message);
      this.#waiting.delete(message.rid);
    }
    for (const callback of [...this.#page]) callback(message);
  }

  #resend(): void {
    if (this.#state !== "open") return;
    const now = Date.now();
    for (const one of this.#waiting.values()) {
      if (now - one.sent < ANSWER_MS) continue;
      one.sent = now;
      this.send(one.message);
    }
  }

  #flushView(): void {
    const view = this.#view;
    if (this.#state !== "open" || !view) return;
    this.#view = null;
    this.send({ type: "view", view });
  }

  #set(state: RoadState): void {
    if (state === this.#state) return;
    this.#state = state;
    if (state !== "lost" && state !== "opening") clearTimeout(this.#timer);
    for (const callback of [...this.#states]) callback(state);
  }
}

/** The service does not open this case. */
export class RoadError extends Error {
  constructor(readonly state: RoadState, reason: string) {
    super(reason);
  }
}
