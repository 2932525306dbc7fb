/** How the segmentation tools work, and what they may change: part of the shared view state. */
import { finite, flag, numbers, object, oneOf, text } from "./read";

export const AREAS = ["everywhere", "inside", "outside"] as const;
export const OVERWRITES = ["all", "visible", "none"] as const;
export const CUTS = ["fill", "erase-inside", "erase-outside"] as const;
export const OUTLINES = ["lasso", "polygon", "rectangle", "circle"] as const;

export interface Rules {
  /** Only voxels whose value (stored unit of the image) lies in this range change; null: all. */
  readonly range: readonly [number, number] | null;
  /** Everywhere, inside one segment, or outside of all others. */
  readonly area: (typeof AREAS)[number];
  /** Id of the label that "inside" means. */
  readonly area_label: string | null;
  /** Which segments lose the voxels that another gets; none: segments may overlap. */
  readonly overwrite: (typeof OVERWRITES)[number];
  /** Whether the brush is a ball instead of a disc. */
  readonly sphere: boolean;
  /** Whether scissors cut through the volume instead of one slice. */
  readonly through: boolean;
  readonly scissors: (typeof CUTS)[number];
  /** How scissors are drawn. */
  readonly outline: (typeof OUTLINES)[number];
  /** Whether the brush takes only what is like the place where the stroke begins. */
  readonly adaptive: boolean;
  /** How far from that place's value (stored unit) the adaptive brush and the fill go. */
  readonly tolerance: number;
}

export const RULES: Rules = {
  range: null, area: "everywhere", area_label: null, overwrite: "all", sphere: false, through: false, scissors: "fill",
  outline: "lasso", adaptive: false, tolerance: 50,
};

export function readRules(value: unknown): Rules {
  const raw = object(value);
  const range = numbers(raw["range"], 2);
  return {
    range: range && range[0]! <= range[1]! ? [range[0]!, range[1]!] : null,
    area: oneOf(AREAS, raw["area"], RULES.area),
    area_label: text(raw["area_label"]),
    overwrite: oneOf(OVERWRITES, raw["overwrite"], RULES.overwrite),
    sphere: flag(raw["sphere"], RULES.sphere),
    through: flag(raw["through"], RULES.through),
    scissors: oneOf(CUTS, raw["scissors"], RULES.scissors),
    outline: oneOf(OUTLINES, raw["outline"], RULES.outline),
    adaptive: flag(raw["adaptive"], RULES.adaptive),
    tolerance: finite(raw["tolerance"]) && raw["tolerance"] >= 0 ? raw["tolerance"] : RULES.tolerance,
  };
}
