/** The page of a reader: the list of cases, the case that is read, and the next one waiting behind it. */
import type { ViewerModule } from "../index";
import { h } from "../ui/dom";
import { Activity } from "./activity";
import { Bar } from "./bar";
import { OpenCase, RoadError } from "./case";
import { Company } from "./company";
import { commentDialog, keysDialog, Notice, reasonDialog } from "./dialogs";
import { ServiceError, type Service } from "./files";
import { listenPageKeys, type PageKeys } from "./keys";
import { TaskList } from "./list";
import { isDone, type Answered, type TaskJson, type Verdict } from "./messages";
import { Readings } from "./readings";

const TICK_MS = 500;
const SAVED_MS = 15_000;

interface Held {
  readonly task: string;
  readonly opening: Promise<OpenCase>;
  one: OpenCase | null;
}

export class ReaderPage implements PageKeys {
  readonly #stage = h("main", { class: "page-stage", "data-nbannot-stage": true });
  readonly #company = new Company();
  readonly #bar = new Bar(this, this.#company.element, () => void this.#logOut());
  readonly #notice = new Notice();
  readonly #list: TaskList;
  readonly #activity = new Activity((seconds) => this.#now?.wire.tell({ type: "active", seconds }));
  #tasks: readonly TaskJson[] = [];
  #module: Promise<ViewerModule> | null = null;
  #current: Held | null = null;
  #waiting: Held | null = null;
  #submitting = false;
  #out = false;
  /** Cases that could not be made ready: each is tried again only when somebody opens it. */
  readonly #notReady = new Set<string>();
  #readings: Readings | null = null;

  /** `others`: leads to the other projects of the reader; null where there are none. */
  constructor(private readonly service: Service, private readonly project: string, root: HTMLElement, others: (() => void) | null) {
    this.#list = new TaskList((task) => void this.go(task), others);
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
      this.#company.enter(one);
      this.#compare(one, task);
      this.#tell(one);
      this.#draw();
      void one.begin().then(() => this.#reload());
      this.#measure(one, begun);
    } catch (error) {
      if (this.#current === held) this.#failed(error);
    }
  }

  #hold(task: string, peek: boolean): Held {
    const opening = OpenCase.open(this.service, (this.#module ??= this.service.viewer()), this.project, task, { peek, reading: 0 }, this.#stage);
    const held: Held = { task, opening, one: null };
    opening.then((one) => (held.one = one)).catch(() => undefined);
    return held;
  }

  /** Beside an adjudication stand the readings. */
  #compare(one: OpenCase, task: string): void {
    const { kind, readings = 0 } = one.about;
    if (kind !== "adjudicate" || readings === 0) return;
    const open = (reading: number, stage: HTMLElement): Promise<OpenCase> =>
      OpenCase.open(this.service, this.#module!, this.project, task, { peek: true, reading }, stage);
    this.#readings = new Readings(one, readings, open, (reading, mark) => void this.#choose(one, reading, mark));
    this.#stage.prepend(this.#readings.element);
    this.#stage.classList.add("page-deciding");
  }

  #leave(): void {
    this.#activity.flush();
    this.#company.enter(null);
    this.#readings?.close();
    this.#readings = null;
    this.#stage.classList.remove("page-deciding");
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
    const next = after?.readable ? after.task : null;
    if (this.#waiting && this.#waiting.task !== next) {
      this.#drop(this.#waiting);
      this.#waiting = null;
    }
    if (!next || this.#out || this.#waiting || this.#notReady.has(next) || document.hidden) return;
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

  follow(): void {
    this.#company.follow();
  }

  readings(): void {
    this.#readings?.focus();
  }

  other(key: string): boolean {
    if (key === "escape" && this.#company.following) {
      this.#company.stop();
      return true;
    }
    // Where the focus is on the bar, the viewer does not hear of keys.
    const command = { "ctrl+z": "edit.undo", "ctrl+shift+z": "edit.redo", "ctrl+y": "edit.redo" }[key];
    if (command && this.#now) this.#now.run(command);
    return command !== undefined && this.#now !== null;
  }

  giveBack(): void {
    this.#judgeWithReason("return", "Give back", "The reader can change the reading and sees this reason.");
  }

  reject(): void {
    this.#judgeWithReason("reject", "Reject", "The reading is not used. Say why.");
  }

  submit(): void {
    const one = this.#now;
    if (!one || one.about.read_only || this.#submitting) return;
    void (one.about.kind === "review" ? this.#judge(one, "accept", "") : this.#submit(one));
  }

  #judgeWithReason(verdict: Verdict, title: string, what: string): void {
    const one = this.#now;
    if (!one || one.about.kind !== "review" || one.about.read_only) return;
    reasonDialog(title, what, (reason) => this.#judge(one, verdict, reason));
  }

  /** Hand a verdict in; returns what went wrong. */
  async #judge(one: OpenCase, verdict: Verdict, reason: string): Promise<string> {
    const problem = await this.#handIn(one, () => one.wire.ask({ type: "judge", verdict, reason }));
    if (problem) this.#notice.show("submit", problem, "");
    return problem;
  }

  async #choose(one: OpenCase, reading: number, mark: string): Promise<void> {
    if (one.about.read_only) return;
    const { ok, error } = await one.wire.ask({ type: "choose", reading, mark });
    if (this.#now !== one) return;
    if (ok) this.#notice.show("chosen", `The reading of Reader ${reading} is your result now.`, "Change it or submit it; Ctrl+Z takes it back.");
    else this.#notice.show("chosen", error?.message ?? "The reading was not taken", error?.hint ?? "");
  }

  async #logOut(): Promise<void> {
    this.#out = true;
    this.#drop(this.#waiting);
    this.#waiting = null;
    try {
      await this.service.logOut();
      this.#loggedOut("");
    } catch (error) {
      this.#out = false;
      this.#failed(error);
    }
  }

  /** Ask for something once everything is saved, and go on to the next case; returns what went wrong. */
  async #handIn(one: OpenCase, ask: () => Promise<Answered>): Promise<string> {
    this.#submitting = true;
    try {
      if (!(await saved(one))) {
        const { waiting } = one.saving;
        const what = waiting === 1 ? "1 change is" : `${waiting} changes are`;
        return `The case cannot be submitted now: ${what} waiting for the service. Try again when they are saved.`;
      }
      const { ok, error } = await ask();
      if (!ok) return `${error?.message ?? "The case was not submitted"}${error?.hint ? `. ${error.hint}` : ""}`;
      if (this.#now === one) await this.#submitted(one);
      return "";
    } finally {
      this.#submitting = false;
    }
  }

  async #submit(one: OpenCase): Promise<void> {
    // What is being typed becomes an answer first.
    (document.activeElement as HTMLElement | null)?.blur();
    let refused = false;
    const problem = await this.#handIn(one, async () => {
      const answer = await one.wire.ask({ type: "submit", comment: "" });
      refused = !answer.ok;
      return answer;
    });
    if (!problem || this.#now !== one) return;
    this.#notice.show("submit", problem, "");
    if (!refused) return;
    one.focus("pictures");
    one.run("labels.check");
  }

  async #submitted({ about: { title, task, kind } }: OpenCase): Promise<void> {
    this.#tasks = this.#tasks.map((each) => (each.task === task ? { ...each, status: "submitted" } : each));
    const next = this.#after(true);
    if (next) await this.go(next.task);
    else await this.list();
    this.#notice.show("submitted", `${title} is ${kind === "review" ? "reviewed" : "submitted"}.`, next ? "" : "That was the last one: all your cases are done.");
  }

  // What is told --------------------------------------------------------------------------------

  #tick(): void {
    this.#activity.tick(!document.hidden && this.#now !== null);
    this.#company.tick();
    this.#draw();
    this.#prefetch();
  }

  #draw(): void {
    const one = this.#now;
    if (one?.outdated) return void this.#reopen();
    this.#bar.draw(one?.about ?? null, one?.saving ?? (this.#current ? { waiting: 0, road: "opening" } : null));
    if (one) this.#road(one);
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
