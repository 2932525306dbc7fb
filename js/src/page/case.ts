/** One case that is open: its road, its client and the element it is shown in. */
import type { Traits, ViewState } from "../client";
import type { Opened as OpenedViewer, ViewerModule } from "../index";
import type { Mounted } from "../ui/mount";
import { h } from "../ui/dom";
import type { Service } from "./files";
import type { Opened, Place, Whereabouts } from "./messages";
import { readerTerms } from "./terms";
import { RoadError, ServiceWire, type RoadState } from "./wire";

/** How what was done is kept. */
export interface Saving {
  /** Edits that the service has not answered. */
  readonly waiting: number;
  readonly road: RoadState;
}

/** How a case is opened. */
export interface Opening {
  /** Only to have its images ready: it is not begun. */
  readonly peek: boolean;
  /** One of the readings of an adjudication, from 1, to be looked at; 0: one's own work. */
  readonly reading: number;
}

const LEAVE_MS = 250;

/** How what was done is kept. Before the first state nobody knows what an earlier page left to be sent. */
export function savingOf(document: { readonly unsaved: number; readonly ready: boolean }, road: RoadState): Saving {
  return { waiting: document.unsaved, road: road === "open" && !document.ready ? "opening" : road };
}

export class OpenCase {
  readonly element = h("div", { class: "page-case", "data-nbannot-case": true });
  readonly #viewer: OpenedViewer;
  readonly #mounted: Mounted;

  private constructor(
    readonly wire: ServiceWire,
    /** The newest of what the service says about it. */
    public about: Opened,
    module: ViewerModule,
    worker: string,
    stage: HTMLElement,
    reading: number,
  ) {
    const traits: Traits = {
      get: () => (reading ? { ...about.view, panel: false, thumbnails: false } : about.view) as ViewState,
      set: (view) => reading === 0 && wire.keepView(view),
      onChange: () => () => undefined,
    };
    const terms = readerTerms(about.config.tools, about.read_only);
    this.#viewer = module.open({ uid: reading ? `${about.task}-${reading}` : about.task, wire, traits, worker, terms });
    this.element.classList.add("page-waiting");
    if (reading) this.element.removeAttribute("data-nbannot-case");
    stage.append(this.element);
    this.#mounted = this.#viewer.mount(this.element);
  }

  /** Open a case behind the one that is shown: the service opens it while the viewer's module still loads. */
  static async open(
    service: Service, module: Promise<ViewerModule>, project: string, task: string, { peek, reading }: Opening, stage: HTMLElement,
  ): Promise<OpenCase> {
    let begun = !peek;
    const wire = new ServiceWire({
      connect: () => service.connect(project, task, !begun, reading),
      load: (name) => service.load(name),
      why: () => why(service, project, task),
    });
    let newest: Opened | null = null;
    wire.onPage((message) => message.type === "opened" && (newest = message));
    try {
      const [about, viewer] = await Promise.all([wire.opened(), module]);
      const one = new OpenCase(wire, newest ?? about, viewer, service.file("decode.js"), stage, reading);
      one.#begin = () => (begun = true);
      wire.onPage((message) => message.type === "opened" && one.#again(message));
      return one;
    } catch (error) {
      wire.close();
      throw error;
    }
  }

  #begin: () => void = () => undefined;
  #changed: (() => void) | null = null;

  /** Whether other things may be done or seen now than the viewer was opened for: then it must be opened anew. */
  get outdated(): boolean {
    return this.#outdated;
  }

  #outdated = false;

  #again(about: Opened): void {
    this.#outdated ||= about.read_only !== this.about.read_only || about.version !== this.about.version;
    this.about = about;
    this.#changed?.();
  }

  /** Call back when anything that is told around the viewer has changed. */
  onChange(callback: () => void): void {
    this.#changed = callback;
    this.wire.onState(callback);
    this.#viewer.client.document.on(callback, this.#viewer.client.signal);
  }

  /** It is the one that is read now; the service notes the beginning. */
  async begin(): Promise<void> {
    this.#begin();
    if (this.about.read_only) return;
    const answer = await this.wire.ask({ type: "begin" });
    if (answer.ok && answer.status) this.about = { ...this.about, status: answer.status };
    this.#changed?.();
  }

  get saving(): Saving {
    return savingOf(this.#viewer.client.document, this.wire.state);
  }

  get painted(): boolean {
    return this.#mounted.painted;
  }

  /** Whether all slices of what is shown are here. */
  get loaded(): boolean {
    const { document, volumes } = this.#viewer.client;
    return document.images.length > 0 && document.images.every(({ id }) => {
      const { have, total } = volumes.progress(id);
      return have >= total;
    });
  }

  show(shown: boolean): void {
    this.element.classList.toggle("page-waiting", !shown);
    this.element.inert = !shown;
  }

  focus(on: "pictures" | "answers"): void {
    this.#mounted.focus(on);
  }

  run(command: string): void {
    this.#mounted.run(command);
  }

  /** Where the reader looks. */
  place(): Place | null {
    const { client } = this.#viewer;
    const view = client.view();
    const image = client.document.images.find(({ id }) => id === view.image) ?? client.document.images[0];
    if (!image) return null;
    return { image: image.id, frame: view.frame ?? 0, ...(view.cursor ? { world: [...view.cursor] } : {}) };
  }

  /** Where the reader looks, as others may follow it. */
  where(): Whereabouts | null {
    const { client } = this.#viewer;
    const { image, frame, cursor, cursors, slice } = client.view();
    const shown = client.document.images.find(({ id }) => id === image) ?? client.document.images[0];
    if (!shown) return null;
    return {
      image: shown.id, frame: frame ?? 0, cursor: cursor ?? null,
      cursors: (cursors ?? {}) as Whereabouts["cursors"], slice: (slice ?? {}) as Whereabouts["slice"],
    };
  }

  /** Look where somebody else does. */
  goTo(where: Whereabouts): void {
    const { image, frame, cursor, cursors, slice } = where;
    const patch = { frame, cursor: cursor as NonNullable<ViewState["cursor"]> | null, cursors, slice };
    // Naming the image that is shown already would lay the panes out anew.
    this.#viewer.client.setView(this.where()?.image === image ? patch : { ...patch, image });
  }

  /** Grey values as shown, by image. */
  get windows(): NonNullable<ViewState["windows"]> {
    return this.#viewer.client.view().windows ?? {};
  }

  set windows(windows: NonNullable<ViewState["windows"]>) {
    this.#viewer.client.setView({ windows });
  }

  /** Call back after each change of the view. */
  onView(callback: () => void): void {
    this.#viewer.client.onView(callback, this.#viewer.client.signal);
  }

  /** Open the panel with the questions, also where there is little room. */
  openPanel(): void {
    this.#viewer.client.setView({ panel: true });
  }

  /** Take it off the page; the road stays until everything done is kept. What cannot be kept now waits in the browser. */
  close(): void {
    this.show(false);
    const leave = (): void => {
      const { waiting, road } = this.saving;
      if (waiting > 0 && !this.about.read_only && road !== "gone" && road !== "loggedOut" && road !== "takenOver") return void setTimeout(leave, LEAVE_MS);
      this.#viewer.close();
      this.wire.close();
      this.element.remove();
    };
    leave();
  }
}

/** Why a case cannot be opened, in words; asked where the road is lost. */
async function why(service: Service, project: string, task: string): Promise<RoadState | null> {
  try {
    await service.me();
    const tasks = await service.tasks(project);
    return tasks.some((one) => one.task === task) ? "open" : "gone";
  } catch (error) {
    const status = (error as { readonly status?: number }).status;
    return status === 401 || status === 403 ? "loggedOut" : null;
  }
}

export { RoadError };
