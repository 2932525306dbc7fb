/** Operations on segments and the user's own tools: choose, fill in, look at what would change, say yes or no. */
import type { LiveMessage, OperationForm, OwnToolJson } from "../../channel/live";
import type { MaskItem, WireError } from "../../model/protocol";
import { maskOf } from "../../tools/labels";
import { h, listen, setAttribute, setText } from "../dom";
import { icon } from "../icons";
import type { LiveHost, OperationsPart } from "../livehost";
import type { Pane } from "../pane";
import type { OutlineJob, Preview } from "../previewlayer";
import { Form, type FormContext, type Values } from "./forms";
import { plannedPreview } from "./planned";
import { previewLayer } from "./preview";
import { changeText, takenText, voxelVolume } from "./words";

const GROUPS: Readonly<Record<string, string>> = {
  intensity: "From intensities", seeds: "From seeds", slices: "Slices", shape: "Form", islands: "Islands", combine: "Combine",
};
const BUSY_MS = 1500;
const AGAIN_MS = 400;

type State = "idle" | "picking" | "running" | "ready" | "applying";
interface Place {
  readonly pane: string;
  readonly image: string;
  readonly frame: number;
  readonly plane: string;
  readonly world: readonly number[];
  readonly index: readonly number[];
}

/** Open the operations. */
export function openOperations(host: LiveHost): OperationsPart {
  return new Operations(host);
}

class Operations implements OperationsPart {
  readonly element: HTMLElement;
  readonly #choose = h("select", { "aria-label": "Operation", "data-nbannot-first": true, "data-nbannot-operation": true });
  readonly #own = h("div", { class: "nbannot-live-own", role: "group", "aria-label": "Own tools" });
  readonly #help = h("p", { class: "nbannot-live-note" });
  readonly #segment = h("select", { "data-nbannot-field": "segment" });
  readonly #segmentRow = h("label", { class: "nbannot-live-row" }, h("span", {}, "Segment"), this.#segment);
  readonly #target = h("select", { "data-nbannot-field": "target" }, h("option", { value: "" }, "same segment"), h("option", { value: "new" }, "new label"));
  readonly #targetRow = h("label", { class: "nbannot-live-row" }, h("span", {}, "Result"), this.#target);
  readonly #from = h("select", { "data-nbannot-field": "from" }, h("option", { value: "" }, ""), h("option", { value: "place" }, "a place to click"));
  readonly #fromRow = h("label", { class: "nbannot-live-row" }, h("span", {}, "Start from"), this.#from);
  readonly #rules = h("input", { type: "checkbox", "data-nbannot-field": "rules" });
  readonly #rulesRow = h("label", { class: "nbannot-live-row" }, h("span", {}, "Keep to the painting rules"), this.#rules);
  readonly #fields = h("div", {});
  readonly #setup = h("div", { class: "nbannot-live-setup" });
  readonly #place = h("p", { class: "nbannot-live-note", hidden: true });
  readonly #status = h("p", { class: "nbannot-live-status", role: "status", "data-nbannot-status": "idle" });
  readonly #bar = h("progress", { max: 1, value: 0, hidden: true, "aria-label": "Progress" });
  readonly #preview = h("button", { type: "submit", class: "nbannot-live-button", "data-nbannot-action": "operation.preview" }, "Preview");
  readonly #apply = h("button", { type: "button", class: "nbannot-live-button nbannot-live-main", title: "Apply (Enter)", "data-nbannot-action": "operation.apply" }, "Apply");
  readonly #cancel = h("button", { type: "button", class: "nbannot-live-button", title: "Cancel (Esc)", "data-nbannot-action": "operation.cancel" }, "Cancel");
  #forms: readonly OperationForm[] = [];
  #form: Form | null = null;
  readonly #kept = new Map<string, Values>();
  #state: State = "idle";
  #rid = 0;
  #tool = "";
  #job: { readonly job: OutlineJob; readonly stays: boolean } | null = null;
  #at: Place | null = null;
  #abort = new AbortController();
  #busy: ReturnType<typeof setTimeout> | undefined;
  #again: ReturnType<typeof setTimeout> | undefined;
  #key = "";
  /** Ids of the masks that what is previewed was worked out from or would change, and what they were then. */
  #masks: readonly string[] = [];
  #seen: readonly unknown[] = [];

  constructor(private readonly host: LiveHost) {
    const { signal, road } = host;
    const close = h("button", { type: "button", class: "nbannot-small", title: "Close", "aria-label": "Close the operations" }, icon("close"));
    listen(close, "click", signal, () => host.close());
    this.#rules.checked = true;
    this.#setup.append(
      this.#choose, this.#help, this.#segmentRow, this.#targetRow, this.#fromRow, this.#fields, this.#rulesRow, this.#place,
    );
    const form = h(
      "form", { novalidate: true }, this.#own, this.#setup, this.#status, this.#bar, h("div", { class: "nbannot-live-buttons" }, this.#preview, this.#apply, this.#cancel),
    );
    this.element = h(
      "section", { class: "nbannot-live", "data-nbannot-live": "operations", "aria-label": "Operations" },
      h("header", {}, h("strong", {}, "Operations"), close), form,
    );
    listen(form, "submit", signal, (event) => {
      event.preventDefault();
      if (this.#state === "ready" && event.submitter !== this.#preview) this.#yes();
      else this.#begin();
    });
    listen(this.#apply, "click", signal, () => this.#yes());
    listen(this.#cancel, "click", signal, () => this.#drop());
    listen(this.#choose, "change", signal, () => this.#chosen());
    listen(this.#from, "change", signal, () => this.#no());
    for (const control of [this.#segment, this.#target, this.#rules]) listen(control, "change", signal, () => this.#changed(control === this.#segment));
    listen(this.element, "keydown", signal, (event) => {
      // Letters typed into a field stay there; Escape first gives up what is under way.
      if (event.key === "Escape" && this.key("escape")) event.preventDefault();
      else if (event.key === "Escape") host.close();
      else return;
      event.stopPropagation();
    });
    road.on((message, buffers) => this.#receive(message, buffers), signal);
    this.#drawOwn();
    road.ask({ type: "operations" });
    this.#set("idle", "");
  }

  // What the viewer says ------------------------------------------------------------------------

  draw(): void {
    const { scene } = this.host;
    if (!scene.ready) return;
    const key = JSON.stringify([scene.pane.image.id, scene.masksOf(scene.pane.image), scene.label?.id, scene.labels.map(({ name }) => name)]);
    if (key !== this.#key) {
      const first = this.#key === "";
      this.#key = key;
      if (!first) this.#keep();
      this.#drawForm();
    }
    this.#rulesRow.hidden = !this.#restricted;
    // What is under a preview was changed by somebody: what is shown would no longer be what comes.
    if (this.#state === "ready" && this.#now.some((one, n) => one !== this.#seen[n])) this.#rerun();
  }

  /** What the preview depends on, as it is now. */
  get #now(): readonly unknown[] {
    const { document } = this.host.scene.source;
    const { shapes = [], mask } = this.#job?.job.request ?? {};
    const items = shapes.length > 0 ? new Map([...document.shapes, ...document.boxes].map((item) => [item.id, item])) : null;
    return [...(mask ? [mask] : []), ...this.#masks].map((id): unknown => document.mask(id)?.store.version)
      .concat(shapes.map((id) => items?.get(id)));
  }

  key(name: "enter" | "escape"): boolean {
    if (name === "enter") {
      if (this.#state !== "ready") return false;
      this.#yes();
      return true;
    }
    if (this.#state === "idle") return false;
    this.#drop();
    return true;
  }

  run(tool: string): void {
    this.#no();
    this.#job = null;
    this.#tool = tool;
    this.#send(`tool:${tool}`, this.#here());
  }

  outline(job: OutlineJob, stays: boolean): void {
    this.#no();
    this.#tool = "";
    this.#job = { job, stays };
    const { op, ...more } = job.request;
    this.#send(op, this.#here(), more);
  }

  close(): void {
    this.#no();
    clearTimeout(this.#again);
  }

  #receive(message: LiveMessage, buffers: readonly Uint8Array[]): void {
    if (message.type === "operations") {
      this.#forms = message.forms;
      this.#drawChoices();
      this.draw();
    } else if (message.type === "tools") this.#drawOwn();
    if (!("rid" in message) || message.rid !== this.#rid || this.#state === "idle") return;
    clearTimeout(this.#busy);
    const { scene } = this.host;
    if (message.type === "operating" && this.#state === "running") {
      this.#bar.value = message.done;
      this.#say(message.text || "Working …");
    } else if (message.type === "operated") {
      const geometry = scene.geometryOf(scene.imageById(message.image) ?? scene.main);
      const text = changeText(message.count, message.erased, voxelVolume(geometry)) + takenText(message.taken);
      this.#shows(text, message.mask === null ? [] : [message.mask], (signal) =>
        ({ layers: [previewLayer(scene, message, buffers, signal)], shapes: [] }));
    } else if (message.type === "planned") {
      const planned = plannedPreview(scene, message, buffers);
      this.#shows(planned.text, planned.masks, () => planned);
    } else if (message.type === "operate_ended") this.#ended(message.error, message.nothing === true, message.edit !== null);
  }

  #shows(text: string, masks: readonly string[], make: (signal: AbortSignal) => Preview): void {
    const { scene } = this.host;
    this.#abort.abort();
    this.#abort = new AbortController();
    scene.preview = make(this.#abort.signal);
    this.#masks = masks;
    this.#seen = this.#now;
    this.#set("ready", this.#title ? `${this.#title}: ${text}` : text);
    if (this.element.contains(this.element.ownerDocument.activeElement) && this.element.ownerDocument.activeElement === this.#preview) this.#apply.focus();
    scene.repaint();
  }

  #ended(error: WireError | null, nothing: boolean, made: boolean): void {
    this.#clear();
    const why = error && `${error.message}${/[.!?]$/.test(error.message) ? "" : "."} ${error.hint}`.trim();
    const task = this.#job;
    this.#job = null;
    if (why) {
      this.#set("idle", why, "error");
      if (this.#tool) this.host.scene.toast(error!.message);
    } else this.#set("idle", made ? "Done. Undo takes it back." : nothing ? "There is nothing to change." : "", made ? "done" : "idle");
    if (!task) return;
    const said = why ?? (made ? task.job.done : nothing ? task.job.nothing : "");
    if (said) this.host.scene.toast(said);
    if (!task.stays) this.host.close();
  }

  // What the user says --------------------------------------------------------------------------

  #chosen(): void {
    this.#no();
    this.#keep();
    this.#at = null;
    this.#from.value = "";
    this.#drawForm();
    this.#set("idle", "");
  }

  #changed(redraw: boolean): void {
    if (redraw) {
      this.#keep();
      this.#drawForm();
    }
    if (this.#state === "ready" || this.#state === "running") {
      clearTimeout(this.#again);
      this.#again = setTimeout(() => this.#rerun(), AGAIN_MS);
    }
  }

  /** Work it out again with what is filled in now, at the same place. */
  #rerun(): void {
    clearTimeout(this.#again);
    if (this.#state !== "ready" && this.#state !== "running") return;
    if (this.#job) return this.outline(this.#job.job, this.#job.stays);
    if (this.#tool) return this.run(this.#tool);
    this.#begin(this.#at);
  }

  #begin(at: Place | null = null): void {
    const form = this.#form;
    if (!form) return;
    const { operation } = form;
    if (form.problem) return this.#set("idle", form.problem, "error");
    this.#tool = "";
    this.#job = null;
    const picked = needsPlace(operation, form.values, this.#from.value);
    if (!at && picked) return this.#pick();
    const place = at ?? this.#here();
    this.#at = at;
    const { mask, value } = this.#segmentChosen() ?? { mask: null, value: null };
    const target = this.#target.value === "new" && !this.#targetRow.hidden;
    if (!mask && !(target && !operation.needs_voxels)) return this.#set("idle", "Add a label first.", "error");
    this.#send(operation.name, picked ? place : { ...place, index: null }, {
      mask: mask?.id ?? null, segment: value, image: place.image, params: form.values,
      ...(target ? { target: "new" as const } : {}), rules: this.#restricted && this.#rules.checked,
    });
  }

  #send(op: string, at: Omit<Place, "index"> & { readonly index: Place["index"] | null }, more: object = {}): void {
    this.#rid = this.host.road.nextRid();
    this.#bar.removeAttribute("value");
    this.#set("running", "Working …");
    clearTimeout(this.#busy);
    this.#busy = setTimeout(() => this.#say("Waiting for the kernel: it is busy."), BUSY_MS);
    if (!this.host.road.ask({ type: "operate", rid: this.#rid, op, at: { ...at }, ...more })) {
      this.#clear();
      this.#job = null;
      this.#set("idle", "There is no connection to the kernel.", "error");
    }
  }

  #pick(): void {
    const { scene } = this.host;
    scene.pick = (pane, pointer) => {
      if (pane.plane === "volume") return false;
      scene.pick = null;
      pane.pointAt(pointer.world);
      this.#begin(placeOf(pane, pointer.world, pointer.index));
      return true;
    };
    this.#set("picking", "Click the place in a picture.");
  }

  /** Title of the operation on outlines, or of the user's own tool, that is at work; empty for what the form says. */
  get #title(): string {
    return this.#job?.job.title ?? this.host.road.tools.find(({ name }) => name === this.#tool)?.title ?? "";
  }

  #yes(): void {
    if (this.#state !== "ready") return;
    this.host.road.ask({ type: "operate_apply", rid: this.#rid });
    this.#set("applying", "Applying …");
  }

  /** Cancel: a panel that was opened for this alone goes too. */
  #drop(): void {
    const task = this.#job;
    this.#no();
    if (!task) return;
    this.host.scene.toast("Nothing was changed.");
    if (!task.stays) this.host.close();
  }

  #no(): void {
    if (this.#state === "idle") return;
    if (this.#state !== "picking") this.host.road.ask({ type: "operate_cancel", rid: this.#rid });
    this.#clear();
    this.#job = null;
    this.#set("idle", "Nothing was changed.");
  }

  #clear(): void {
    const { scene } = this.host;
    clearTimeout(this.#busy);
    this.#abort.abort();
    this.#masks = [];
    scene.pick = null;
    if (!scene.preview) return;
    scene.preview = null;
    scene.repaint();
  }

  // Drawing -------------------------------------------------------------------------------------

  #set(state: State, text: string, kind: string = state): void {
    this.#state = state;
    setAttribute(this.#status, "data-nbannot-status", kind);
    this.#say(text);
    this.#bar.hidden = state !== "running";
    this.#apply.hidden = state !== "ready";
    this.#cancel.hidden = state === "idle" || state === "applying";
    this.#preview.disabled = state === "applying";
    // What a menu or a key began is not what the form says.
    this.#setup.hidden = this.#preview.hidden = state !== "idle" && this.#title !== "";
    setAttribute(this.element, "data-nbannot-state", state);
  }

  #say(text: string): void {
    setText(this.#status, text);
  }

  #drawChoices(): void {
    const groups = new Map<string, OperationForm[]>();
    for (const form of this.#forms) groups.set(form.group, [...(groups.get(form.group) ?? []), form]);
    const before = this.#choose.value;
    this.#choose.replaceChildren(...[...groups].map(([group, forms]) =>
      h("optgroup", { label: GROUPS[group] ?? group }, ...forms.map((form) => h("option", { value: form.name }, form.title)))));
    this.#choose.value = this.#forms.some(({ name }) => name === before) ? before : "threshold";
    this.#drawForm();
  }

  #drawOwn(): void {
    const { road, scene } = this.host;
    this.#own.hidden = road.tools.length === 0;
    this.#own.replaceChildren(...road.tools.map((tool) => ownButton(tool, scene.keys.toolHint(tool.name), () => this.run(tool.name))));
  }

  #keep(): void {
    if (this.#form) this.#kept.set(this.#form.operation.name, this.#form.values);
  }

  #drawForm(): void {
    const { scene } = this.host;
    const operation = this.#forms.find(({ name }) => name === this.#choose.value);
    if (!operation || !scene.ready) return;
    this.#drawSegments();
    setText(this.#help, operation.help);
    this.#targetRow.hidden = operation.gives !== "segment";
    const one = operation.gives === "segment" || scene.masksOf(scene.pane.image).length > 1;
    this.#segmentRow.hidden = !one;
    const chosen = this.#segmentChosen();
    const { index } = this.#here();
    const context: FormContext = {
      masks: scene.masksOf(scene.pane.image), mask: chosen?.mask.id ?? null, shape: scene.pane.image.shape,
      index: index.map((n) => Math.round(n)) as unknown as FormContext["index"], unit: scene.pane.image.unit,
    };
    this.#form = new Form(operation, context, this.#kept.get(operation.name) ?? {}, () => this.#changed(false));
    this.#fields.replaceChildren(this.#form.element);
    this.#fromRow.hidden = operation.starts === "";
    this.#from.options[0]!.textContent = operation.starts;
    this.#place.hidden = operation.needs_point === "no" || !this.#fromRow.hidden;
    setText(this.#place, operation.needs_point === "yes" ? "It starts where you click after Preview." : "Some choices start where you click after Preview.");
  }

  /** The segments of the image: the active label first chosen. */
  #drawSegments(): void {
    const { scene } = this.host;
    const masks = scene.masksOf(scene.pane.image);
    const before = this.#segment.value;
    const options = masks.flatMap((mask) => mask.segments.map(({ value, label }) => ({ id: `${mask.id} ${value}`, label })));
    this.#segment.replaceChildren(...options.map(({ id, label }) => h("option", { value: id }, label)));
    const active = scene.label ? maskOf(masks, scene.label.name) : undefined;
    const value = active?.segments.find(({ label }) => label === scene.label?.name)?.value;
    const wanted = this.#segment.dataset["label"] === scene.label?.id && options.some(({ id }) => id === before) ? before : `${active?.id} ${value}`;
    this.#segment.dataset["label"] = scene.label?.id ?? "";
    this.#segment.value = options.some(({ id }) => id === wanted) ? wanted : (options[0]?.id ?? "");
  }

  #segmentChosen(): { readonly mask: MaskItem; readonly value: number } | null {
    const { scene } = this.host;
    const [id, value] = this.#segment.value.split(" ");
    const mask = scene.masksOf(scene.pane.image).find((one) => one.id === id);
    return mask ? { mask, value: Number(value) } : null;
  }

  /** Whether the rules of the painting tools leave anything out. */
  get #restricted(): boolean {
    const { rules } = this.host.scene.view.value as { readonly rules?: { readonly range?: unknown; readonly area?: string; readonly overwrite?: string } };
    return rules !== undefined && (Boolean(rules.range) || (rules.area ?? "everywhere") !== "everywhere" || (rules.overwrite ?? "all") !== "all");
  }

  #here(): Place {
    const { scene } = this.host;
    const pane = scene.pane.plane === "volume" ? (scene.panes.find((one) => one.plane !== "volume") ?? scene.pane) : scene.pane;
    const index = pane.geometry.kind === "grid" ? pane.geometry.toIndex(pane.cursor) : ([pane.slice, 0, 0] as const);
    return placeOf(pane, pane.cursor, index);
  }
}

function placeOf(pane: Pane, world: readonly number[], index: readonly number[]): Place {
  return { pane: pane.id, image: pane.image.id, frame: pane.time, plane: pane.plane, world: [...world], index: [...index] };
}

/** Whether the operation, as it is filled in, starts from a place; `from`: what is chosen where there is a choice. */
export function needsPlace(operation: OperationForm, values: Values, from = ""): boolean {
  if (operation.needs_point === "yes") return true;
  if (operation.starts !== "") return from === "place";
  return operation.needs_point === "depends" && ["selected", "remove"].includes(String(values["method"] ?? ""));
}

function ownButton(tool: OwnToolJson, hint: string, run: () => void): HTMLElement {
  const button = h(
    "button", { type: "button", class: "nbannot-live-tool", title: hint ? `${tool.title} (${hint})` : tool.title, "data-nbannot-tool": tool.name },
    h("b", { "aria-hidden": "true" }, tool.icon), tool.title, ...(hint ? [h("kbd", {}, hint)] : []),
  );
  button.addEventListener("click", run);
  return button;
}
