/** How a viewer shows its images: the small shared view state and its rules. */
import type { Vec3 } from "./model/geometry";
import { same } from "./model/same";
import {
  LINKED, readChoice, readCompare, readLayers, readLinks, readLook, readQuaternion, readSlab, readTransform,
  readTree, readTurn, readVolume, UNIT_KINDS, VOLUME,
  type CompareState, type LayerState, type LayoutTree, type Links, type PaneChoice, type Quaternion,
  type SegmentLook, type SlabState, type SuvKind, type TransformState, type Turn, type VolumeState,
} from "./state/parts";
import { readRules, RULES, type Rules } from "./state/rules";
import { SHAPE_TOOLS } from "./state/shapetools";
import { clamp, finite, flag, numbers, object, oneOf, pair, record, strings, text, within } from "./state/read";

/** Tools with a button of their own; those that make shapes are in a menu. */
export const BUTTON_TOOLS = ["crosshair", "window", "pan", "zoom", "magnifier", "brush", "eraser", "scissors", "fill", "box"] as const;
export const TOOLS = [...BUTTON_TOOLS, ...SHAPE_TOOLS] as const;
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
  /** How segmentation tools work, and what they may change. */
  readonly rules: Rules;
  /** Linked crosshair, LPS mm in the world of the main image; null until someone moves it. */
  readonly cursor: Vec3 | null;
  /** Crosshairs of images that do not follow the linked one, by image id, each in its own world. */
  readonly cursors: Readonly<Record<string, Vec3>>;
  /** Window [centre, width] in stored units by image id; absent means the image's own. */
  readonly windows: Readonly<Record<string, readonly [number, number]>>;
  /** Name of a layout, or a tree. */
  readonly layout: string | LayoutTree;
  /** What was put into panes, over the layout, by pane id. */
  readonly panes: Readonly<Record<string, PaneChoice>>;
  /** The pane pressed last, by id: what Python calls the current one. */
  readonly active: string | null;
  /** The pane shown alone, by id. */
  readonly maximized: string | null;
  /** Turned planes; null: they follow the voxel grid. */
  readonly rotation: Quaternion | null;
  readonly slabs: Readonly<Record<string, SlabState>>;
  readonly turns: Readonly<Record<string, Turn>>;
  /** Images drawn over a base image (its id), bottom first. */
  readonly layers: Readonly<Record<string, readonly LayerState[]>>;
  readonly colormaps: Readonly<Record<string, string>>;
  /** Number of the file's VOI LUT in use, by image id. */
  readonly luts: Readonly<Record<string, number>>;
  /** Unit that a PET is shown in, by image id; absent: SUV by body weight where it can be computed. */
  readonly units: Readonly<Record<string, SuvKind | "stored">>;
  readonly links: Links;
  readonly transforms: Readonly<Record<string, TransformState>>;
  readonly compare: CompareState | null;
  /** Ids of two masks whose difference is shown. */
  readonly difference: readonly [string, string] | null;
  /** Ids of labels and of items that are not drawn. */
  readonly hidden: readonly string[];
  /** Ids of the items that are chosen, the last one last. */
  readonly selected: readonly string[];
  /** World mm per CSS pixel by pane id; absent means fit. */
  readonly zoom: Readonly<Record<string, number>>;
  /** Shift of the view centre from the slice centre, mm right and down, by pane id. */
  readonly pan: Readonly<Record<string, readonly [number, number]>>;
  /** Plane number by image id, for stacks, whose planes the cursor cannot tell apart. */
  readonly slice: Readonly<Record<string, number>>;
  /** Id of the main image; null means the first. */
  readonly image: string | null;
  readonly backend: Backend;
  readonly interpolate: boolean;
  /** Time frame, 0-based. */
  readonly frame: number;
  /** Pictures per second of a clip; null: as the file says. */
  readonly fps: number | null;
  /** Whether clips play to and fro instead of starting again. */
  readonly bounce: boolean;
  /** Fill of the label overlay, 0 to 1. */
  readonly opacity: number;
  /** Opacity and thickness (CSS px) of the outline of labels. */
  readonly outline: number;
  readonly outline_width: number;
  readonly segments: Readonly<Record<string, SegmentLook>>;
  readonly overlay: boolean;
  /** Ids of images shown with black and white exchanged. */
  readonly inverted: readonly string[];
  /** Whether the crosshair is drawn. */
  readonly crosshair: boolean;
  /** Whether panes show where the planes of the other panes cut them. */
  readonly references: boolean;
  /** Whether the side panel is open; null means: open where there is room. */
  readonly panel: boolean | null;
  /** Whether the strip of thumbnails is open; null means: open where there are several images. */
  readonly thumbnails: boolean | null;
  /** Keys of commands that were changed, by command id. */
  readonly shortcuts: Readonly<Record<string, readonly string[]>>;
  readonly volume: VolumeState;
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
  rules: RULES,
  cursor: null,
  cursors: {},
  windows: {},
  layout: "auto",
  panes: {},
  active: null,
  maximized: null,
  rotation: null,
  slabs: {},
  turns: {},
  layers: {},
  colormaps: {},
  luts: {},
  units: {},
  links: LINKED,
  transforms: {},
  compare: null,
  difference: null,
  hidden: [],
  selected: [],
  zoom: {},
  pan: {},
  slice: {},
  image: null,
  backend: "auto",
  interpolate: true,
  frame: 0,
  fps: null,
  bounce: false,
  opacity: 0.35,
  outline: 1,
  outline_width: 1,
  segments: {},
  overlay: true,
  inverted: [],
  crosshair: true,
  references: true,
  panel: null,
  thumbnails: null,
  shortcuts: {},
  volume: VOLUME,
  height: null,
};

const point = (value: unknown): Vec3 | null => numbers(value, 3) as Vec3 | null;
const whole = (value: unknown): number | null => (finite(value) && value >= 0 ? Math.round(value) : null);

function twoNames(value: unknown): readonly [string, string] | null {
  const names = strings(value);
  return names.length === 2 ? [names[0]!, names[1]!] : null;
}

type Raw = Record<string, unknown>;

/** What is shown where. */
function readPlaces(raw: Raw) {
  return {
    layout: text(raw["layout"]) ?? readTree(raw["layout"]) ?? DEFAULT_VIEW.layout,
    panes: record(raw["panes"], readChoice),
    active: text(raw["active"]),
    maximized: text(raw["maximized"]),
    image: text(raw["image"]),
    cursor: point(raw["cursor"]),
    cursors: record(raw["cursors"], point),
    slice: record(raw["slice"], whole),
    frame: whole(raw["frame"]) ?? DEFAULT_VIEW.frame,
    zoom: record(raw["zoom"], (x) => (finite(x) && x > 0 ? x : null)),
    pan: record(raw["pan"], pair(-Infinity)),
    rotation: readQuaternion(raw["rotation"]),
    slabs: record(raw["slabs"], readSlab),
    turns: record(raw["turns"], readTurn),
    links: readLinks(raw["links"]),
    transforms: record(raw["transforms"], readTransform),
  };
}

/** How it looks. */
function readLooks(raw: Raw) {
  const d = DEFAULT_VIEW;
  return {
    windows: record(raw["windows"], pair(0)),
    layers: record(raw["layers"], readLayers),
    colormaps: record(raw["colormaps"], text),
    luts: record(raw["luts"], whole),
    units: record(raw["units"], (x) => UNIT_KINDS.find((kind) => kind === x) ?? null),
    compare: readCompare(raw["compare"]),
    difference: twoNames(raw["difference"]),
    hidden: strings(raw["hidden"]),
    selected: strings(raw["selected"]),
    interpolate: flag(raw["interpolate"], d.interpolate),
    opacity: within(raw["opacity"], 0, 1, d.opacity),
    outline: within(raw["outline"], 0, 1, d.outline),
    outline_width: within(raw["outline_width"], 0, 10, d.outline_width),
    segments: record(raw["segments"], readLook),
    overlay: flag(raw["overlay"], d.overlay),
    inverted: strings(raw["inverted"]),
    crosshair: flag(raw["crosshair"], d.crosshair),
    references: flag(raw["references"], d.references),
    volume: readVolume(raw["volume"]),
  };
}

/** Read a view state from anywhere: what is missing or wrong becomes the default. */
export function readView(json: unknown): ViewState {
  const raw = object(json);
  const d = DEFAULT_VIEW;
  return {
    ...readPlaces(raw),
    ...readLooks(raw),
    tool: oneOf(TOOLS, raw["tool"], d.tool),
    size_mm: within(raw["size_mm"], BRUSH_MIN, BRUSH_MAX, d.size_mm),
    label: text(raw["label"]),
    rules: readRules(raw["rules"]),
    backend: oneOf(BACKENDS, raw["backend"], d.backend),
    fps: finite(raw["fps"]) ? clamp(raw["fps"], 0.1, 120) : null,
    bounce: flag(raw["bounce"], d.bounce),
    panel: typeof raw["panel"] === "boolean" ? raw["panel"] : null,
    thumbnails: typeof raw["thumbnails"] === "boolean" ? raw["thumbnails"] : null,
    shortcuts: record(raw["shortcuts"], (keys) => (Array.isArray(keys) ? strings(keys) : null)),
    height: finite(raw["height"]) ? clamp(raw["height"], 200, 4000) : null,
  };
}

const KEYS = Object.keys(DEFAULT_VIEW) as (keyof ViewState)[];

/** The keys in which two states differ, by value. */
export function changedKeys(a: ViewState, b: ViewState): (keyof ViewState)[] {
  return KEYS.filter((key) => !same(a[key], b[key]));
}
