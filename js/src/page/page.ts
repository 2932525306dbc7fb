/** The page of a reader: the list of cases, the case that is read, and the next one waiting behind it. */
import type { ViewerModule } from "../index";
import { h } from "../ui/dom";
import { Activity } from "./activity";
import { Bar } from "./bar";
import { OpenCase, RoadError } from "./case";
import { commentDialog, keysDialog, Notice } from "./dialogs";
import { ServiceError, type Service } from "./files";
import { listenPageKeys, type PageKeys } from "./keys";
import { TaskList } from "./list";
import { isDone, type TaskJson } from "./messages";

const TICK_MS = 500;
const SAVED_MS = 15_000;

interface Held {
  readonly task: string;
  readonly opening: Promise<OpenCase>;
  one: OpenCase | null;
}

export class ReaderPage implements PageKeys {
  readonly #stage = h("main", { class: "page-stage", "data-nbannot-stage": true });
  readonly #bar = new Bar(this);
  readonly #notice = new Notice();
  readonly #list = new TaskList((task) => void this.go(task));
  readonly #activity = new Activity((seconds) => this.#now?.wire.tell({ type: "active", seconds }));
  #tasks: readonly TaskJson[] = [];
  #module: Promise<ViewerModule> | null = null;
  #current: Held | null = null;
  #waiting: Held | null = null;
  #submitting = false;
  /** Cases that could not be made ready: each is tried again only when somebody opens it. */
  readonly #notReady = new Set<string>();

  constructor(private readonly service: Service, private readonly project: string, root: HTMLElement) {
    root.append(this.#bar.element, this.#notice.element, h("div", { class: "page-room" }, this.#list.element, this.#stage));
    this.#behind(true);
    const always = new AbortController();
    listenPageKeys(this, always.signal);
    setInterval(() => this.#tick(), TICK_MS);
    window.addEventListener("hashchange", () => this.#followHash());
    window.addEventListener("beforeunload", (event) => {
      if (this.#now && this.#now.saving.waiting > 0) event.preventDefault();
    });
    document.addEventListener("visibilitychange", () => document.hidden && this.#activity.flush());
  }

  /** Show the case that the address names, else the list. */
  async start(): Promise<void> {
    this.#module = this.service.viewer();
    // Who waits for it sees the failure.
    this.#module.catch(() => undefined);
    const named = taskOfHash();
    if (named) await Promise.all([this.go(named), this.#reload()]);
    else await this.list();
  }

  get #now(): OpenCase | null {
    return this.#current?.one ?? null;
  }

  // Going from case to case ---------------------------------------------------------------------

  /** Show a case. */
  async go(task: string): Promise<void> {
    if (this.#current?.task === task && this.#now && !this.#now.outdated) return;
    const begun = performance.now();
    this.#leave();
    this.#notice.hide();
    const held = this.#waiting?.task === task ? this.#waiting : this.#hold(task, false);
    if (held === this.#waiting) this.#waiting = null;
    this.#drop(this.#waiting);
    this.#waiting = null;
    this.#current = held;
    if (taskOfHash() !== task) history.pushState(null, "", `#${encodeURIComponent(task)}`);
    this.#behind(false);
    this.#draw();
    try {
      const one = await held.opening;
      if (this.#current !== held) return;
      one.show(true);
      one.focus("pictures");
      one.onChange(() => this.#draw());
      this.#tell(one);
      this.#draw();
      void one.begin().then(() => this.#reload());
      this.#measure(one, begun);
    } catch (error) {
      if (this.#current === held) this.#failed(error);
    }
  }

  #hold(task: string, peek: boolean): Held {
    const opening = OpenCase.open(this.service, (this.#module ??= this.service.viewer()), this.project, task, peek, this.#stage);
    const held: Held = { task, opening, one: null };
    opening.then((one) => (held.one = one)).catch(() => undefined);
    return held;
  }

  #leave(): void {
    this.#activity.flush();
    this.#drop(this.#current);
    this.#current = null;
  }

  #drop(held: Held | null): void {
    held?.opening.then((one) => one.close()).catch(() => undefined);
  }

  /** Note how long it took from the key to the picture, for whoever measures it. */
  #measure(one: OpenCase, begun: number): void {
    const look = (): void => {
      if (this.#now !== one) return;
      if (!one.painted) return void requestAnimationFrame(look);
      requestAnimationFrame(() => (this.#stage.dataset["nbannotShownMs"] = String(Math.round(performance.now() - begun))));
    };
    look();
  }

  /** Once the case is here as a whole, the next one is made ready behind it; behind the list, the first one. */
  #prefetch(): void {
    const after = this.#after(true);
    // To make a review ready is to begin it.
    const next = after?.kind === "read" && after.readable ? after.task : null;
    if (this.#waiting && this.#waiting.task !== next) {
      this.#drop(this.#waiting);
      this.#waiting = null;
    }
    if (!next || this.#waiting || this.#notReady.has(next) || document.hidden) return;
    if (this.#current && !(this.#now?.painted && this.#now.loaded && this.#now.wire.state === "open")) return;
    const held = (this.#waiting = this.#hold(next, true));
    const failed = (): void => {
      this.#notReady.add(next);
      if (this.#waiting === held) this.#waiting = null;
    };
    held.opening.then((one) => this.#current === held || one.show(false), failed);
  }

  /** The case after this one, in the order of the list; `undone`: the next that is not done, also from the start. */
  #after(undone: boolean, by = 1): TaskJson | undefined {
    const at = this.#tasks.findIndex(({ task }) => task === this.#current?.task);
    if (!undone) return this.#tasks[at + by];
    return [...this.#tasks.slice(at + 1), ...this.#tasks.slice(0, Math.max(at, 0))].find(({ status }) => !isDone(status));
  }

  async #reload(): Promise<void> {
    try {
      this.#tasks = await this.service.tasks(this.project);
      this.#list.draw(this.#tasks, this.project);
      this.#notice.hide("service");
    } catch (error) {
      this.#failed(error);
    }
  }

  #followHash(): void {
    const task = taskOfHash();
    if (task && task !== this.#current?.task) void this.go(task);
    else if (!task && this.#current) void this.list();
  }

  // What keys and buttons do --------------------------------------------------------------------

  async list(): Promise<void> {
    this.#leave();
    this.#behind(true);
    if (taskOfHash()) history.pushState(null, "", location.pathname + location.search);
    this.#draw();
    await this.#reload();
    if (this.#current) return;
    this.#prefetch();
    this.#list.focus();
  }

  /** Show the list, or the stage: the stage keeps its size behind the list, where the first case is made ready. */
  #behind(list: boolean): void {
    this.#stage.classList.toggle("page-behind", list);
    this.#list.element.hidden = !list;
  }

  next(): void {
    this.#step(this.#after(false), "This is the last case.");
  }

  previous(): void {
    this.#step(this.#after(false, -1), "This is the first case.");
  }

  undone(): void {
    this.#step(this.#after(true), "All other cases are done.");
  }

  #step(to: TaskJson | undefined, none: string): void {
    if (!this.#current) return;
    if (to) void this.go(to.task);
    else this.#notice.show("end", none, "");
  }

  answers(): void {
    this.#now?.focus("answers");
  }

  pictures(): void {
    this.#now?.focus("pictures");
  }

  help(): void {
    const one = this.#now;
    keysDialog(one ? () => one.run("help.toggle") : null);
  }

  flag(): void {
    const one = this.#now;
    if (!one || one.about.read_only) return;
    const on = !one.about.flagged;
    one.about = { ...one.about, flagged: on };
    this.#draw();
    void one.wire.ask({ type: "flag", on }).then(({ ok, error }) => {
      if (ok) return;
      one.about = { ...one.about, flagged: !on };
      if (this.#now === one) this.#notice.show("flag", error?.message ?? "The case could not be marked", error?.hint ?? "");
      this.#draw();
    });
  }

  comment(): void {
    const one = this.#now;
    if (!one) return;
    const place = one.place();
    commentDialog(one.about.comments, place !== null, async (text, here) => {
      const { ok, error, comments } = await one.wire.ask({ type: "comment", text, place: here ? place : null });
      if (comments) one.about = { ...one.about, comments };
      this.#draw();
      return ok ? "" : `${error?.message ?? "The comment was not kept"}. ${error?.hint ?? ""}`;
    });
  }

  submit(): void {
    const one = this.#now;
    if (one && !one.about.read_only && !this.#submitting) void this.#submit(one);
  }

  async #submit(one: OpenCase): Promise<void> {
    this.#submitting = true;
    // What is being typed becomes an answer first.
    (document.activeElement as HTMLElement | null)?.blur();
    try {
      if (!(await saved(one))) {
        const { waiting } = one.saving;
        const what = waiting === 1 ? "1 change is" : `${waiting} changes are`;
        return this.#notice.show("submit", `The case cannot be submitted now: ${what} waiting for the service.`, "Try again when they are saved.");
      }
      const { ok, error } = await one.wire.ask({ type: "submit", comment: "" });
      if (this.#now !== one) return;
      if (!ok) {
        this.#notice.show("submit", error?.message ?? "The case was not submitted", error?.hint ?? "");
        one.focus("pictures");
        return one.run("labels.check");
      }
      await this.#submitted(one);
    } finally {
      this.#submitting = false;
    }
  }

  async #submitted({ about: { title, task } }: OpenCase): Promise<void> {
    this.#tasks = this.#tasks.map((each) => (each.task === task ? { ...each, status: "submitted" } : each));
    const next = this.#after(true);
    if (next) await this.go(next.task);
    else await this.list();
    this.#notice.show("submitted", `${title} is submitted.`, next ? "" : "That was the last one: all your cases are done.");
  }

  // What is told --------------------------------------------------------------------------------

  #tick(): void {
    this.#activity.tick(!document.hidden && this.#now !== null);
    this.#draw();
    this.#prefetch();
  }

  #draw(): void {
    const one = this.#now;
    this.#bar.draw(one?.about ?? null, one?.saving ?? (this.#current ? { waiting: 0, road: "opening" } : null));
    if (!one) return;
    if (one.outdated) return void this.#reopen();
    this.#road(one);
  }

  /** It may be changed now, or not any more. */
  async #reopen(): Promise<void> {
    const task = this.#current?.task;
    if (task) await this.go(task);
  }

  /** Tell why a case is shown as it is. */
  #tell({ about }: OpenCase): void {
    if (about.elsewhere) {
      const run = (): void => void this.#now?.wire.ask({ type: "take" });
      this.#notice.show("elsewhere", "This case is open in another window.", about.read_only, { title: "Go on here", run });
    } else if (about.read_only) this.#notice.show("locked", about.read_only, "");
    else if (about.status === "returned") this.#notice.show("returned", "This case was given back to you.", about.reason);
  }

  #road(one: OpenCase): void {
    const { road, waiting } = one.saving;
    const kept = waiting ? `${waiting} ${waiting === 1 ? "change is" : "changes are"} kept in this browser and sent as soon as the service answers.` : "Everything is saved.";
    if (road === "lost") this.#notice.show("road", "No connection to the service.", `You can go on reading and annotating. ${kept}`);
    else if (road === "loggedOut") this.#loggedOut(kept);
    else if (road === "gone") {
      one.show(false);
      this.#notice.show("road", one.wire.reason || "This case is no longer yours.", "Ask the study team.", { title: "My cases", run: () => void this.list() });
    } else if (road === "takenOver") this.#notice.show("road", "This case was opened in another window or on another computer.", kept, { title: "Go on here", run: () => void this.#takeBack(one) });
    else this.#notice.hide("road");
  }

  #loggedOut(kept: string): void {
    this.#notice.show("road", "You are logged out.", kept, { title: "Log in", run: () => location.reload() });
  }

  async #takeBack(one: OpenCase): Promise<void> {
    one.wire.again();
    await one.wire.ask({ type: "take" });
  }

  #failed(error: unknown): void {
    const list = { title: "My cases", run: () => void this.list() };
    if (error instanceof RoadError) {
      if (error.state === "loggedOut") return this.#loggedOut("");
      return this.#notice.show("service", "This case cannot be opened.", error.message, list);
    }
    if (error instanceof ServiceError && [401, 403].includes(error.status)) return this.#loggedOut("");
    const message = error instanceof Error ? error.message : String(error);
    this.#notice.show("service", "The service does not answer.", message, { title: "Try again", run: () => location.reload() });
  }
}

/** Wait until everything is kept; false where that takes too long. */
async function saved(one: OpenCase): Promise<boolean> {
  for (const end = Date.now() + SAVED_MS; Date.now() < end; await new Promise((go) => setTimeout(go, 50))) {
    const { waiting, road } = one.saving;
    if (waiting === 0 && road === "open") return true;
    if (road !== "open" && road !== "opening") return false;
  }
  return false;
}

const taskOfHash = (): string => decodeURIComponent(location.hash.slice(1));
