/** Where the page's own files and the service are, as the page says in its `data-` attributes. */
import type { ViewerModule } from "../index";
import type { TaskJson } from "./messages";

interface Files {
  readonly base: string;
  readonly names: Readonly<Record<string, string>>;
  /** What the page came with; asked for where it came without. */
  readonly mine: Mine | null;
}

type Mine = Me & { readonly project?: string; readonly tasks?: readonly TaskJson[] };

export function readFiles(body: HTMLElement): Files {
  const base = new URL(body.dataset["nbannotBase"] ?? "./", location.href).href;
  const mine = body.dataset["nbannotMine"];
  return {
    base, names: JSON.parse(body.dataset["nbannotFiles"] ?? "{}") as Record<string, string>,
    mine: mine ? (JSON.parse(mine) as Mine) : null,
  };
}

export interface Me {
  readonly csrf: string;
  readonly projects: readonly { readonly name: string }[];
}

/** The service does not answer as it should. */
export class ServiceError extends Error {
  constructor(readonly status: number, message: string) {
    super(message);
  }
}

/** The service, as far as the page asks it for anything but cases. */
export class Service {
  #csrf = "";
  /** Of what the page came with: each is taken once. */
  #me: Me | null;
  #listed: Mine | null;
  /** Random, new for each page: one that comes back after a cut is the same writer. */
  readonly #page = Array.from(crypto.getRandomValues(new Uint8Array(8)), (one) => one.toString(16).padStart(2, "0")).join("");

  constructor(private readonly files: Files) {
    this.#me = this.#listed = files.mine;
  }

  /** Place of a file of the viewer. */
  file(name: string): string {
    const found = this.files.names[name];
    if (!found) throw new Error(`The page has no ${name}. Reload it.`);
    return new URL(found, this.files.base).href;
  }

  load<T = unknown>(name: string): Promise<{ readonly default: () => T }> {
    return import(/* @vite-ignore */ this.file(`${name}.js`)) as Promise<{ default: () => T }>;
  }

  async viewer(): Promise<ViewerModule> {
    return (await this.load<ViewerModule>("viewer")).default();
  }

  async me(): Promise<Me> {
    const me = this.#me ?? (await this.#get<Me>("api/v1/me"));
    this.#me = null;
    this.#csrf = me.csrf;
    return me;
  }

  /** My tasks in a project, in the order they are to be read in. */
  async tasks(project: string): Promise<readonly TaskJson[]> {
    const { project: of, tasks } = this.#listed ?? {};
    this.#listed = null;
    if (tasks && of === project) return tasks;
    return (await this.#get<{ readonly tasks: readonly TaskJson[] }>(`api/v1/projects/${encodeURIComponent(project)}/reading`)).tasks;
  }

  /** Open the websocket of a task; `peek`: to have its images ready, without beginning it; `reading`: to look at one of its readings. */
  connect(project: string, task: string, peek: boolean, reading: number): WebSocket {
    const path = `api/v1/projects/${encodeURIComponent(project)}/tasks/${encodeURIComponent(task)}/live?page=${this.#page}${peek ? "&peek=1" : ""}${reading ? `&reading=${reading}` : ""}`;
    const url = new URL(path, this.files.base);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    return new WebSocket(url, ["nbannot.v1", `csrf.${this.#csrf}`]);
  }

  /** End the login of this browser; its open cases are closed. */
  async logOut(): Promise<void> {
    const reply = await fetch(new URL("logout", this.files.base), {
      method: "POST", credentials: "same-origin", headers: { "X-CSRF-Token": this.#csrf },
    });
    if (!reply.ok) throw new ServiceError(reply.status, `The service answered ${reply.status}.`);
  }

  async #get<T>(path: string): Promise<T> {
    const reply = await fetch(new URL(path, this.files.base), {
      credentials: "same-origin", cache: "no-store", redirect: "manual", headers: { Accept: "application/json" },
    });
    if (!reply.ok) throw new ServiceError(reply.type === "opaqueredirect" ? 401 : reply.status, `The service answered ${reply.status}.`);
    return (await reply.json()) as T;
  }
}
