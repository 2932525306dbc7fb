/** How a viewer shows its images: the small shared view state, its rules and its store. */
import type { Vec3 } from "./model/geometry";

export const VIEW_NAMES = ["axial", "coronal", "sagittal", "single"] as const;
export type ViewName = (typeof VIEW_NAMES)[number];

export const LAYOUTS = ["auto", "mpr", "axial", "coronal", "sagittal", "single"] as const;
export type Layout = (typeof LAYOUTS)[number];

export const TOOLS = ["crosshair", "window", "pan", "zoom", "brush", "eraser", "box"] as const;
export type ToolName = (typeof TOOLS)[number];

export const BACKENDS = ["auto", "cpu", "webgl2"] as const;
export type Backend = (typeof BACKENDS)[number];

/** The synced view state; snake_case because it travels to Python as it is. */
export interface ViewState {
  readonly tool: ToolName;
  /** Brush diameter in mm (px for pictures without a physical scale). */
  readonly size_mm: number;
  /** Id of the label that tools draw with. */
  readonly label: string | null;
  /** Linked crosshair, world LPS mm; null until someone moves it. */
  readonly cursor: Vec3 | null;
  /** Window [centre, width] by image id; absent means the image's own. */
  readonly windows: Readonly<Record<string, readonly [number, number]>>;
  readonly layout: Layout;
  /** Ids of labels that are not drawn. */
  readonly hidden: readonly string[];
  /** World mm per CSS pixel by view; absent means fit. */
  readonly zoom: Readonly<Record<string, number>>;
  /** Shift of the view centre from the slice centre, mm right and down, by view. */
  readonly pan: Readonly<Record<string, readonly [number, number]>>;
  /** Plane number by image id, for stacks, whose planes the cursor cannot tell apart. */
  readonly slice: Readonly<Record<string, number>>;
  /** Id of the shown image; null means the first. */
  readonly image: string | null;
  readonly backend: Backend;
  readonly interpolate: boolean;
  /** Time frame, 0-based. */
  readonly frame: number;
  /** Fill of the label overlay, 0 to 1. */
  readonly opacity: number;
  readonly overlay: boolean;
  /** Ids of images shown with black and white exchanged. */
  readonly inverted: readonly string[];
  /** Whether the crosshair is drawn. */
  readonly crosshair: boolean;
  /** Whether the side panel is open; null means: open where there is room. */
  readonly panel: boolean | null;
  /** Height of the viewer, CSS px; null means its default. */
  readonly height: number | null;
}

export type ViewPatch = Partial<ViewState>;

export const BRUSH_MIN = 0.2;
export const BRUSH_MAX = 300;

export const DEFAULT_VIEW: ViewState = {
  tool: "crosshair",
  size_mm: 10,
  label: null,
  cursor: null,
  windows: {},
  layout: "auto",
  hidden: [],
  zoom: {},
  pan: {},
  slice: {},
  image: null,
  backend: "auto",
  interpolate: true,
  frame: 0,
  opacity: 0.35,
  overlay: true,
  inverted: [],
  crosshair: true,
  panel: null,
  height: null,
};

const finite = (x: unknown): x is number => typeof x === "number" && Number.isFinite(x);
const clamp = (x: number, low: number, high: number): number => Math.min(high, Math.max(low, x));

function oneOf<T extends string>(choices: readonly T[], value: unknown, otherwise: T): T {
  return choices.includes(value as T) ? (value as T) : otherwise;
}

function numbers(value: unknown, length: number): number[] | null {
  return Array.isArray(value) && value.length === length && value.every(finite) ? value : null;
}

function record<T>(value: unknown, each: (entry: unknown) => T | null): Record<string, T> {
  const out: Record<string, T> = {};
  if (typeof value !== "object" || value === null || Array.isArray(value)) return out;
  for (const [key, entry] of Object.entries(value)) {
    const kept = each(entry);
    if (kept !== null) out[key] = kept;
  }
  return out;
}

const pair = (low: number) => (entry: unknown): readonly [number, number] | null => {
  const both = numbers(entry, 2);
  return both && both[1]! > low ? [both[0]!, both[1]!] : null;
};

const text = (value: unknown): string | null =>
  typeof value === "string" && value !== "" ? value : null;

const strings = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((x) => typeof x === "string") : [];

const flag = (value: unknown, otherwise: boolean): boolean =>
  typeof value === "boolean" ? value : otherwise;

/** Read a view state from anywhere: what is missing or wrong becomes the default. */
export function readView(json: unknown): ViewState {
  const raw = (typeof json === "object" && json !== null ? json : {}) as Record<string, unknown>;
  const d = DEFAULT_VIEW;
  return {
    tool: oneOf(TOOLS, raw["tool"], d.tool),
    size_mm: finite(raw["size_mm"]) ? clamp(raw["size_mm"], BRUSH_MIN, BRUSH_MAX) : d.size_mm,
    label: text(raw["label"]),
    cursor: numbers(raw["cursor"], 3) as Vec3 | null,
    windows: record(raw["windows"], pair(0)),
    layout: oneOf(LAYOUTS, raw["layout"], d.layout),
    hidden: strings(raw["hidden"]),
    zoom: record(raw["zoom"], (x) => (finite(x) && x > 0 ? x : null)),
    pan: record(raw["pan"], pair(-Infinity)),
    slice: record(raw["slice"], (x) => (finite(x) && x >= 0 ? Math.round(x) : null)),
    image: text(raw["image"]),
    backend: oneOf(BACKENDS, raw["backend"], d.backend),
    interpolate: flag(raw["interpolate"], d.interpolate),
    frame: finite(raw["frame"]) ? Math.max(0, Math.round(raw["frame"])) : d.frame,
    opacity: finite(raw["opacity"]) ? clamp(raw["opacity"], 0, 1) : d.opacity,
    overlay: flag(raw["overlay"], d.overlay),
    inverted: strings(raw["inverted"]),
    crosshair: flag(raw["crosshair"], d.crosshair),
    panel: typeof raw["panel"] === "boolean" ? raw["panel"] : null,
    height: finite(raw["height"]) ? clamp(raw["height"], 200, 4000) : null,
  };
}

const KEYS = Object.keys(DEFAULT_VIEW) as (keyof ViewState)[];

/** The keys in which two states differ, by value. */
export function changedKeys(a: ViewState, b: ViewState): (keyof ViewState)[] {
  return KEYS.filter((key) => !same(a[key], b[key]));
}

function same(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  const one = a as Record<string, unknown>;
  const two = b as Record<string, unknown>;
  const keys = Object.keys(one);
  if (keys.length !== Object.keys(two).length) return false;
  return keys.every((key) => key in two && same(one[key], two[key]));
}

export type ViewListener = (value: ViewState, changed: ReadonlySet<keyof ViewState>) => void;

/**
 * One view's copy of the shared state.
 *
 * Local changes act at once and are handed to `save` key by key; states from Python or from a second
 * view of the same viewer are followed key by key, so that a late message about one thing does not
 * take back a local change of another.
 */
export class ViewStore {
  #value: ViewState;
  #base: ViewState;
  #listeners = new Set<ViewListener>();

  constructor(
    initial: unknown,
    private readonly save: (changed: ViewPatch) => void,
  ) {
    this.#value = this.#base = readView(initial);
  }

  get value(): ViewState {
    return this.#value;
  }

  set(patch: ViewPatch): void {
    const changed = this.#replace({ ...this.#value, ...patch });
    if (changed.length === 0) return;
    this.#base = this.#value;
    this.save(Object.fromEntries(changed.map((key) => [key, this.#value[key]])));
  }

  /** Take over what changed remotely. */
  follow(json: unknown): void {
    const remote = readView(json);
    const news = changedKeys(this.#base, remote).map((key) => [key, remote[key]]);
    this.#base = remote;
    this.#replace({ ...this.#value, ...Object.fromEntries(news) });
  }

  on(listener: ViewListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#listeners.clear();
  }

  #replace(next: ViewState): (keyof ViewState)[] {
    const changed = changedKeys(this.#value, next);
    if (changed.length === 0) return changed;
    this.#value = next;
    for (const listener of [...this.#listeners]) listener(next, new Set(changed));
    return changed;
  }
}

/** Return `record` without `key`. */
export function without<T>(record: Readonly<Record<string, T>>, key: string): Record<string, T> {
  return Object.fromEntries(Object.entries(record).filter(([name]) => name !== key));
}
