/** Puts a viewer into an element and keeps its parts in step until the signal aborts. */
import type { ViewPatch } from "../state";
import { ViewStore } from "../state/store";
import type { Pointer } from "../tools/tool";
import { command } from "../commands";
import { Actions } from "./actions";
import { CineBar } from "./cine";
import { Dialogs } from "./dialog";
import { h, listen } from "./dom";
import { FirstPicture } from "./firstpicture";
import { cinePane } from "./frames";
import { HeaderBrowser } from "./headers";
import { HeldTool } from "./held";
import { buildHelp } from "./help";
import { ImageInfo } from "./imageinfo";
import { listenKeys, type KeyHooks } from "./keyboard";
import { LiveDock } from "./livehost";
import { openMenuAt } from "./menu";
import { configError, errorOf, Messages } from "./messages";
import { PaintBar } from "./paintbar";
import type { Pane } from "./pane";
import { Panel } from "./panel";
import type { PaneView } from "./paneview";
import { Places } from "./places";
import { Player } from "./player";
import { Scene } from "./scene";
import { Screenshots } from "./screenshot";
import type { Source } from "./source";
import { Stage } from "./stage";
import { Toolbar } from "./toolbar";

const HEIGHT = 652;
const PANEL_ROOM = 760;
const PROGRESS_MS = 250;
const CONTROLS_MS = 100;
/** Changes that lay the panes out again. */
const ARRANGING = ["layout", "image", "panes", "maximized"] as const;

/** Show a viewer in `el`; everything it opened is closed when `signal` aborts. */
export function mount(el: HTMLElement, client: Source, signal: AbortSignal): Mounted {
  return new Viewer(el, client, signal);
}

/** A viewer that is shown, as the page around it sees it. */
export interface Mounted {
  /** Run a command by its id. */
  run(id: string): void;
  /** Put the focus on the pictures, or into the first question. */
  focus(on: "pictures" | "answers"): void;
  /** Whether the first pictures have been painted. */
  readonly painted: boolean;
}

class Viewer implements Mounted {
  readonly #root = h("div", {
    class: "nbannot", tabindex: 0, "data-nbannot-root": true, "data-nbannot-ready": "false",
    "data-lm-suppress-shortcuts": "true", role: "application", "aria-label": "Medical image viewer",
  });
  readonly #body = h("div", { class: "nbannot-body" });
  readonly #view: ViewStore;
  readonly #scene: Scene;
  readonly #stage: Stage;
  readonly #places: Places;
  readonly #toolbar: Toolbar;
  readonly #paintbar: PaintBar;
  readonly #held: HeldTool;
  readonly #panel: Panel;
  readonly #live: LiveDock;
  readonly #messages: Messages;
  readonly #player: Player;
  readonly #actions: Actions;
  #told = "";
  #toldKeys = "";
  readonly #cine: CineBar;
  readonly #dialogs: Dialogs;
  readonly #headers: HeaderBrowser;
  readonly #info: ImageInfo;
  readonly #screenshots: Screenshots;
  readonly #first: FirstPicture;
  #frame = 0;
  #controlsAt = -Infinity;
  #controlsTimer: ReturnType<typeof setTimeout> | undefined;
  #progressTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(el: HTMLElement, readonly client: Source, readonly signal: AbortSignal) {
    this.#view = new ViewStore(client.view(), (patch) => client.setView(toRecord(patch)));
    this.#messages = new Messages(signal);
    this.#scene = new Scene(client, this.#view, {
      toast: (text, action) => this.#messages.toast(text, action),
      repaint: (what) => (what === "voxels" ? this.#stage.painted() : this.#refresh()),
      needsLabel: () => this.#needsLabel(),
      failed: (error) => this.#messages.error(errorOf(error)),
      outline: (job) => void this.#live.outline(job),
    });
    this.#actions = new Actions(this.#scene, {
      cancelGesture: () => this.#stage.cancel(),
      closeDialog: () => this.#dialogs.close(),
      needsLabel: () => this.#needsLabel(),
      play: () => this.#player.toggle(),
      panel: () => this.#togglePanel(),
      check: () => {
        this.#view.set({ panel: true });
        void this.#panel.answers.check();
      },
      status: () => this.#panel.labels.cycle(),
      header: () => this.#headers.toggle(),
      imageInfo: () => this.#info.toggle(),
      screenshot: () => this.#screenshots.toggle(),
      help: () => this.#toggleHelp(),
      paneMenu: () => this.#places.openMenu(),
      thumbnails: () => this.#places.toggleThumbnails(),
      dock: (name) => this.#live.toggle(name),
      ownTool: (name) => void this.#live.run(name),
    });
    this.#stage = new Stage(this.#scene, this.#stageEvents(), signal);
    this.#places = new Places(
      this.#scene, this.#stage.element, this.#root, (pane) => this.#actions.maximizePane(pane), this.#messages, signal,
    );
    this.#toolbar = new Toolbar(this.#scene, this.#actions, this.#root, signal);
    this.#paintbar = new PaintBar(this.#scene, signal);
    this.#held = new HeldTool(this.#view, this.#root, signal);
    this.#dialogs = new Dialogs(this.#root, signal);
    this.#panel = new Panel(this.#scene, this.#dialogs, this.#root, signal);
    this.#live = new LiveDock(this.#scene, this.#root, () => this.#resized(), signal);
    this.#player = new Player(this.#scene, () => this.#refreshControls(), signal);
    this.#cine = new CineBar(this.#scene, this.#player, this.#actions, signal);
    this.#headers = new HeaderBrowser(this.#scene, this.#dialogs, signal);
    this.#toolbar.headers = () => client.channel.header !== undefined && this.#headers.refused === "";
    this.#info = new ImageInfo(this.#scene, this.#dialogs, () => this.#toolbar.renderer);
    this.#screenshots = new Screenshots(this.#scene, this.#dialogs, () => this.#stage.views);
    this.#first = new FirstPicture(this.#root, () => this.#whole(), signal);
    this.#build(el);
    this.#follow();
    this.#scene.keys.on(() => this.#tellToolKeys(), signal);
    signal.addEventListener("abort", () => this.#close());
    this.#documentChanged(true);
  }

  #stageEvents(): ConstructorParameters<typeof Stage>[1] {
    return {
      brushSize: (factor: number) => this.#actions.brushSize(factor),
      maximize: (pane: string) => this.#actions.maximizePane(pane),
      menu: (pane: Pane, pointer: Pointer, at: readonly [number, number]) =>
        openMenuAt(this.#root, at, this.#panel.menuUnder(pane, pointer, (id) => this.#actions.maximizePane(id)), this.signal),
      failed: (error: unknown, hint: string) => this.#messages.error({ ...errorOf(error), hint }),
      opened: (view: PaneView) => this.#places.opened(view),
      drawn: (complete: boolean) => this.#drawn(complete),
      painted: (all: boolean) => this.#first.painted(all),
      backend: (name: string, note: string) => {
        this.#root.dataset["nbannotBackend"] = name;
        this.#toolbar.note(note);
      },
    };
  }

  #build(el: HTMLElement): void {
    const grip = h("div", { class: "nbannot-grip", title: "Drag to change the height", "aria-hidden": "true" });
    const waiting = h("div", { class: "nbannot-waiting" }, "Waiting for the image …");
    this.#stage.element.append(waiting);
    const notices = h("div", { class: "nbannot-notices" }, this.#messages.bar, this.#messages.strip, this.#messages.errors);
    this.#body.append(this.#places.element, this.#live.element, this.#panel.element, notices);
    this.#root.append(
      this.#toolbar.element, this.#paintbar.element, this.#body, this.#cine.element, this.#messages.toastBox, grip,
    );
    el.append(this.#root);
    this.#setHeight();
    const { signal } = this;
    const toolbar = this.#toolbar.element;
    // Buttons do not keep the focus after a click: the next key is for the picture.
    for (const bar of [toolbar, this.#paintbar.element]) listen(bar, "mousedown", signal, (event) => {
      if (!(event.target as Element).closest("button")) return;
      event.preventDefault();
      this.#root.focus({ preventScroll: true });
    });
    listen(this.#stage.element, "pointerdown", signal, () => this.#root.focus({ preventScroll: true }));
    listen(grip, "pointerdown", signal, (event) => this.#dragHeight(grip, event));
    const hooks: KeyHooks = {
      own: (key) => this.#chooseByKey(key),
      drawing: (key) => this.#stage.key(key),
      hold: (event, id) => this.#held.key(event, id, cinePane(this.#scene) !== null),
    };
    listenKeys(this.#root, this.#scene.keys, this.#actions, hooks, signal);
    const observer = new ResizeObserver(() => this.#resized());
    observer.observe(this.#root);
    signal.addEventListener("abort", () => observer.disconnect());
  }

  #follow(): void {
    const { client, signal } = this;
    client.document.on((event) => {
      if (event.type === "refused") this.#messages.error(event.error);
      this.#documentChanged(event.type === "state");
    }, signal);
    client.volumes.onArrive((arrival) => {
      if (arrival.kind === "failed") {
        this.#first.end();
        const message = arrival.k < 0 ? arrival.message : `A slice cannot be shown: ${arrival.message}`;
        this.#messages.error({ kind: "SliceError", message, hint: "Show the viewer again to retry." });
      }
      if (arrival.kind === "limit") this.#messages.error({ kind: "MemoryLimit", message: arrival.message, hint: "" });
      this.#progressLater();
      this.#stage.arrived(arrival.k);
      if (!this.#places.pictured(arrival.image, arrival.k)) return;
      this.#refreshControls();
    }, signal);
    client.channel.onHealth((health) => this.#messages.connection(health.status, health.message), signal);
    client.channel.onError((error) => this.#messages.error(error), signal);
    client.onView((view) => this.#view.follow(view), signal);
    this.#view.on((_, changed) => {
      if (ARRANGING.some((key) => changed.has(key))) this.#arrange();
      if (changed.has("shortcuts")) this.#bindKeys();
      // At once: the options must be there when the next press comes.
      if (changed.has("tool")) this.#paintbar.draw(this.#held.former);
      if (changed.has("panel") || changed.has("height") || changed.has("thumbnails")) this.#resized();
      this.#refresh();
    });
    const { status, message } = client.channel.health;
    this.#messages.connection(status, message);
  }

  #documentChanged(whole: boolean): void {
    if (this.#scene.ready) this.#stage.element.querySelector(".nbannot-waiting")?.remove();
    if (whole) {
      // Slices are on their way while the page is laid out.
      this.#stage.ask();
      if (this.#scene.ready) this.#first.asked();
      this.#configure();
      this.#arrange();
    }
    this.#progress();
    this.#refresh();
  }

  /** The first picture is seen: now all that surrounds it. */
  #whole(): void {
    this.#drawControls();
    this.#stage.whole();
    this.#progress();
  }

  /** Take over the configuration, and say once what was left out of it. */
  #configure(): void {
    const { config } = this.client.document;
    this.#bindKeys();
    const told = configError(config?.problems ?? [], this.#scene.keys.problems);
    if (told && told.hint !== this.#told) this.#messages.error(told);
    this.#told = told?.hint ?? "";
  }

  /** Say once which of the user's own tools got no key. */
  #tellToolKeys(): void {
    const { toolProblems } = this.#scene.keys;
    const hint = toolProblems.join("\n");
    if (hint && hint !== this.#toldKeys) this.#messages.error({ kind: "KeyProblem", message: "A key is taken", hint });
    this.#toldKeys = hint;
  }

  #bindKeys(): void {
    this.#scene.keys.set(this.client.document.config?.shortcuts ?? [], this.#view.value.shortcuts);
  }

  #arrange(): void {
    this.#setHeight();
    this.#resized();
    this.#stage.arrange();
  }

  #refresh(): void {
    this.#stage.repaint();
    this.#refreshControls();
  }

  #refreshControls(): void {
    if (this.#frame !== 0 || this.signal.aborted || !this.#first.done) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      // While something is dragged or scrolled the pictures go first: each change of the toolbar paints it anew.
      const early = this.#controlsAt + CONTROLS_MS - performance.now();
      if (early <= 0) this.#drawControls();
      else this.#controlsTimer ??= setTimeout(() => this.#drawControls(), early);
    });
  }

  #drawControls(): void {
    clearTimeout(this.#controlsTimer);
    this.#controlsTimer = undefined;
    if (this.signal.aborted) return;
    this.#controlsAt = performance.now();
    const { dataset } = this.#root;
    dataset["nbannotTool"] = this.#view.value.tool;
    if (this.#scene.ready) dataset["nbannotLayout"] = this.#scene.layout;
    this.#places.draw();
    this.#toolbar.draw(this.#player.playing, !this.#panel.element.hidden, this.#places.thumbnailsOpen);
    this.#paintbar.draw(this.#held.former);
    this.#live.draw();
    this.#cine.draw();
    // These change no size of the pictures.
    if (!this.#first.done) return;
    this.#panel.draw();
    this.#headers.draw();
    this.#info.draw();
  }

  /** Not for every slice: each change composites the page anew. */
  #progressLater(): void {
    if (!this.#scene.ready) return;
    const { have, total } = this.client.volumes.progress(this.#scene.pane.image.id);
    if (have >= total) return this.#progress();
    this.#progressTimer ??= setTimeout(() => this.#progress(), PROGRESS_MS);
  }

  #progress(): void {
    clearTimeout(this.#progressTimer);
    this.#progressTimer = undefined;
    if (!this.#scene.ready || this.signal.aborted || !this.#first.done) return;
    const progress = this.client.volumes.progress(this.#scene.pane.image.id);
    this.#root.dataset["nbannotProgress"] = `${progress.have}/${progress.total}`;
    this.#messages.progress(progress);
  }

  #drawn(complete: boolean): void {
    const { dataset } = this.#root;
    if (complete) dataset["nbannotReady"] = "true";
    dataset["nbannotComplete"] = String(complete);
    this.#progress();
  }

  // Size ----------------------------------------------------------------------------------------

  #setHeight(): void {
    if (this.client.terms?.fills) {
      this.#root.style.height = "100%";
      return;
    }
    const own = this.#view.value.height ?? HEIGHT;
    const height = this.#stage.heightFor(this.#root.clientWidth, own);
    this.#root.style.height = `${height}px`;
  }

  #resized(): void {
    const width = this.#root.clientWidth;
    if (width === 0) return;
    this.#setHeight();
    const open = this.#view.value.panel ?? width >= PANEL_ROOM;
    this.#panel.element.hidden = !open;
    this.#places.resized(width);
    this.#root.classList.toggle("nbannot-narrow", width < 520);
    this.#root.classList.toggle("nbannot-overlap", width < 640);
    this.#drawControls();
  }

  #dragHeight(grip: HTMLElement, event: PointerEvent): void {
    event.preventDefault();
    grip.setPointerCapture(event.pointerId);
    const start = this.#root.offsetHeight - event.clientY;
    const move = (now: PointerEvent): void =>
      this.#view.set({ height: Math.min(4000, Math.max(240, Math.round(start + now.clientY))) });
    const drag = new AbortController();
    listen(grip, "pointermove", drag.signal, move);
    for (const type of ["pointerup", "lostpointercapture"] as const) {
      listen(grip, type, drag.signal, () => drag.abort());
    }
  }

  // For the page around it ----------------------------------------------------------------------

  run(id: string): void {
    if (this.#scene.keys.allows(id)) command(id).run(this.#actions);
  }

  focus(on: "pictures" | "answers"): void {
    if (on === "pictures") return this.#root.focus({ preventScroll: true });
    this.#view.set({ panel: true });
    this.#drawControls();
    this.#panel.answers.focus();
  }

  get painted(): boolean {
    return this.#stage.pictured;
  }

  // Hooks of the commands -----------------------------------------------------------------------

  #needsLabel(): void {
    if (this.#scene.labelsGiven) return this.#messages.toast("There is no label to draw with. Ask the study team.");
    this.#messages.toast("Add a label first.", {
      title: "Add a label",
      run: () => {
        this.#view.set({ panel: true });
        this.#panel.addLabel();
      },
    });
  }

  /** Choose the label whose own key this is. */
  #chooseByKey(key: string): boolean {
    const label = this.#scene.labels.find((one) => one.key?.toLowerCase() === key);
    if (label) this.#view.set({ label: label.id });
    return label !== undefined;
  }

  #togglePanel(): void {
    this.#view.set({ panel: this.#panel.element.hidden === true });
  }

  #toggleHelp(): void {
    if (this.#dialogs.name === "help") return void this.#dialogs.close();
    const open = new AbortController();
    const help = buildHelp(this.#scene.keys, {
      close: () => this.#dialogs.close(),
      change: (shortcuts) => this.#view.set({ shortcuts }),
      say: (text) => this.#messages.toast(text),
    }, open.signal);
    this.#dialogs.show("help", help).signal.addEventListener("abort", () => open.abort());
  }

  #close(): void {
    if (this.#frame !== 0) cancelAnimationFrame(this.#frame);
    clearTimeout(this.#controlsTimer);
    this.#view.close();
    this.#root.remove();
  }
}

const toRecord = (patch: ViewPatch): Record<string, unknown> => ({ ...patch });
