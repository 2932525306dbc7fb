/** What the rules of painting allow: which voxels may change, and in which masks. */
import type { SliceStore } from "../model/masks";
import type { EditDraft, LabelItem, MaskItem } from "../model/protocol";
import { maskOf, newMask, obstacle } from "./labels";
import type { MaskVoxels, ToolHost } from "./tool";

/** A mask that a gesture changes, and how. */
export interface Target {
  readonly mask: MaskItem;
  readonly voxels: MaskVoxels;
  /** Value written. */
  readonly value: number;
  /** Whether a voxel that holds `old` may be changed. */
  allows(old: number): boolean;
}

/** Some values of one mask, looked up by voxel. */
class Holder {
  #slice: ArrayLike<number> | undefined;

  constructor(private readonly voxels: MaskVoxels, private readonly values: ReadonlySet<number> | "any") {}

  /** Go to slice k; false where it is not here. */
  enter(k: number): boolean {
    this.#slice = this.voxels.slice(k);
    return this.voxels.ready(k);
  }

  get empty(): boolean {
    return this.#slice === undefined;
  }

  has(at: number): boolean {
    const value = this.#slice?.[at] ?? 0;
    return value !== 0 && (this.values === "any" || this.values.has(value));
  }
}

/** Says for each voxel whether it may change. Enter a slice, then ask for voxels of it. */
export class Gate {
  /** Something had to be left alone because it is not here yet. */
  missing = false;
  /** How many voxels were left alone by the intensity, by the area, and for locked labels. */
  readonly refused = { range: 0, area: 0, locked: 0 };
  #k = -1;
  #entered = false;
  #values: ArrayLike<number> | undefined;
  #barring: Holder[] = [];
  #locking: Holder[] = [];

  constructor(
    private readonly image: SliceStore,
    private readonly range: readonly [number, number] | null,
    private readonly inside: Holder | null,
    private readonly outside: readonly Holder[],
    private readonly locked: readonly Holder[],
  ) {}

  /** Whether everything may change. */
  get open(): boolean {
    return this.range === null && this.inside === null && this.outside.length === 0 && this.locked.length === 0;
  }

  /** Look at all slices anew: masks may have changed since. */
  begin(): void {
    this.#k = -1;
  }

  /** Go to slice k; false where nothing in it may change now. */
  enter(k: number): boolean {
    if (k === this.#k) return this.#entered;
    this.#k = k;
    this.#values = this.range && !this.image.partial?.has(k) ? this.image.slice(k) : undefined;
    const holders = [...(this.inside ? [this.inside] : []), ...this.outside, ...this.locked];
    const here = holders.map((one) => one.enter(k)).every(Boolean) && (this.range === null || this.#values !== undefined);
    if (!here) this.missing = true;
    this.#barring = this.outside.filter((one) => !one.empty);
    this.#locking = this.locked.filter((one) => !one.empty);
    return (this.#entered = here);
  }

  /** Whether the voxel at this offset of the slice may change. */
  may(at: number): boolean {
    const { range } = this;
    if (range) {
      const value = this.#values![at]!;
      if (!(value >= range[0] && value <= range[1])) {
        this.refused.range++;
        return false;
      }
    }
    if (this.inside && !this.inside.has(at)) {
      this.refused.area++;
      return false;
    }
    for (const one of this.#barring) if (one.has(at)) {
      this.refused.area++;
      return false;
    }
    for (const one of this.#locking) if (one.has(at)) {
      this.refused.locked++;
      return false;
    }
    return true;
  }

  /** Why nothing was changed, or null where the rules are not to blame. */
  get why(): string | null {
    const { range, area, locked } = this.refused;
    if (range + area + locked === 0) return null;
    if (locked > range && locked > area) return "Only voxels of locked segments are here.";
    if (area > range) return this.inside ? "Nothing here lies inside the chosen segment." : "Only voxels of other segments are here.";
    return `Nothing here has a value from ${this.range![0]} to ${this.range![1]}.`;
  }
}

/** A mask that a gesture makes; it is shown, and becomes part of the gesture's edit. */
export interface Fresh {
  readonly put: EditDraft;
  /** Show it no more; twice does no harm. */
  drop(): void;
}

/** What a gesture may change: masks in which it writes, the first being the label's own. */
export interface Work {
  readonly label: LabelItem;
  readonly targets: readonly Target[];
  readonly gate: Gate;
  /** Whether the other masks lose what the first one gets. */
  readonly exclusive: boolean;
  readonly fresh: Fresh | null;
}

const valuesOf = (mask: MaskItem, names: ReadonlySet<string>): Set<number> =>
  new Set(mask.segments.filter((one) => names.has(one.label)).map((one) => one.value));

/** Labels by what may happen to their voxels. */
class Names {
  readonly locked: ReadonlySet<string>;
  /** Locked labels whose voxels a new one may not lie over. */
  readonly fixed: ReadonlySet<string>;
  /** Labels whose voxels may become those of another label. */
  readonly free: ReadonlySet<string>;

  constructor(host: ToolHost) {
    const { hidden, rules } = host.view.value;
    const names = (keep: (one: LabelItem) => boolean): Set<string> => new Set(host.labels.filter(keep).map((one) => one.name));
    const covered = (one: LabelItem): boolean =>
      rules.overwrite === "all" || (rules.overwrite === "visible" && !hidden.includes(one.id));
    this.locked = names((one) => one.locked);
    this.fixed = names((one) => one.locked && covered(one));
    this.free = names((one) => !one.locked && covered(one));
  }
}

/** A new mask for a label, shown until the gesture that needs it is over. */
function freshMask(host: ToolHost, label: LabelItem): Fresh {
  const put: EditDraft = { kind: "put", item: newMask(label.name, host.image.id) };
  return { put, drop: host.propose(put) };
}

/** The mask and value of a label on the shown image. */
function segmentOf(host: ToolHost, label: LabelItem): { mask: MaskItem; value: number } | null {
  const mask = maskOf(host.masks, label.name);
  const segment = mask?.segments.find((one) => one.label === label.name);
  return mask && segment ? { mask, value: segment.value } : null;
}

function holder(host: ToolHost, mask: MaskItem, values: ReadonlySet<number> | "any"): Holder[] {
  const voxels = values === "any" || values.size > 0 ? host.voxels(mask.id) : undefined;
  return voxels ? [new Holder(voxels, values)] : [];
}

function gateOf(host: ToolHost, own: { mask: MaskItem; value: number } | null, names: Names, erase: boolean): Gate | string {
  const { rules } = host.view.value;
  let inside: Holder | null = null;
  if (rules.area === "inside") {
    const label = host.labels.find((one) => one.id === rules.area_label);
    if (!label) return "Choose the segment to work inside of.";
    const there = segmentOf(host, label);
    const voxels = there && host.voxels(there.mask.id);
    if (!there || !voxels) return `"${label.name}" has no voxels on this image.`;
    inside = new Holder(voxels, new Set([there.value]));
  }
  const others = (mask: MaskItem): ReadonlySet<number> | "any" =>
    mask === own?.mask ? new Set(mask.segments.map((one) => one.value).filter((value) => value !== own.value)) : "any";
  const outside = rules.area === "outside" ? host.masks.flatMap((mask) => holder(host, mask, others(mask))) : [];
  const locked = erase ? []
    : host.masks.flatMap((mask) => (mask === own?.mask ? [] : holder(host, mask, valuesOf(mask, names.fixed))));
  return new Gate(host.store, host.image.color ? null : rules.range, inside, outside, locked);
}

function writers(host: ToolHost, label: LabelItem, own: { mask: MaskItem; value: number }, names: Names): Target[] {
  const targets: Target[] = [];
  const ownFree = valuesOf(own.mask, names.free);
  const known = new Set(own.mask.segments.map((one) => one.value));
  // Values that no segment names are nobody's.
  const allows = (old: number): boolean => old === 0 || ownFree.has(old) || !known.has(old);
  const voxels = host.voxels(own.mask.id);
  if (voxels) targets.push({ mask: own.mask, voxels, value: own.value, allows });
  for (const mask of host.masks) {
    if (mask === own.mask || mask.segments.some((one) => one.label === label.name)) continue;
    const free = valuesOf(mask, names.free);
    const theirs = free.size > 0 ? host.voxels(mask.id) : undefined;
    if (theirs) targets.push({ mask, voxels: theirs, value: 0, allows: (old) => free.has(old) });
  }
  return targets;
}

function erasers(host: ToolHost, own: { mask: MaskItem; value: number } | null, all: boolean, names: Names): Target[] {
  const masks = all ? host.masks : own ? [own.mask] : [];
  return masks.flatMap((mask): Target[] => {
    const voxels = host.voxels(mask.id);
    const locked = valuesOf(mask, names.locked);
    const allows = all ? (old: number) => !locked.has(old) : (old: number) => old === own!.value;
    return voxels ? [{ mask, voxels, value: 0, allows }] : [];
  });
}

/** The active label where it may be drawn with; null after saying why not. */
export function mayDraw(host: ToolHost): LabelItem | null {
  const label = host.activeLabel();
  const why = label && obstacle(host, label);
  if (why) host.toast(why);
  return why ? null : label;
}

/** What the active label may change now; null after saying why it may not. `all`: erase every unlocked label. */
export function workOf(host: ToolHost, erase: boolean, all = false): Work | null {
  const label = mayDraw(host);
  if (!label) return null;
  const fresh = erase || maskOf(host.masks, label.name) ? null : freshMask(host, label);
  const refuse = (why: string): null => {
    fresh?.drop();
    host.toast(why);
    return null;
  };
  const own = segmentOf(host, label);
  const names = new Names(host);
  const targets = erase ? erasers(host, own, all, names) : own ? writers(host, label, own, names) : [];
  if (targets.length === 0) return refuse(erase ? `"${label.name}" has nothing to erase here.` : "The mask is not here yet.");
  const gate = gateOf(host, own, names, erase);
  return typeof gate === "string" ? refuse(gate) : { label, targets, gate, exclusive: !erase, fresh };
}
