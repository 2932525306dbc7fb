/** The unit in which the values of an image are shown: the stored one, or SUV for a PET that allows it. */
import type { ImageJson, SuvKind } from "../model/protocol";
import type { ViewState } from "../state";

/** DICOM's codes of units as people write them. */
const UNITS: Readonly<Record<string, string>> = { BQML: "Bq/ml", GML: "g/ml", PROPCPS: "cps", CNTS: "counts", "1": "" };
const SUV: Readonly<Record<SuvKind, string>> = { bw: "SUVbw", lbm: "SUVlbm", bsa: "SUVbsa" };
const SUV_TITLES: Readonly<Record<SuvKind, string>> = {
  bw: "SUV by body weight", lbm: "SUV by lean body mass", bsa: "SUV by body surface",
};

export type UnitKind = SuvKind | "stored";

export interface Unit {
  readonly kind: UnitKind;
  /** As it stands behind a number; may be empty. */
  readonly name: string;
  /** Shown value = factor × stored value. */
  readonly factor: number;
}

const stored = (image: ImageJson): Unit => ({ kind: "stored", name: UNITS[image.unit] ?? image.unit, factor: 1 });

/** The unit that an image is shown in: as chosen; a PET whose SUV can be computed is shown in SUVbw. */
export function unitOf(image: ImageJson, view: Pick<ViewState, "units">): Unit {
  const kind = view.units[image.id] ?? "bw";
  const factor = kind === "stored" ? undefined : image.suv?.[kind];
  return kind === "stored" || factor === undefined ? stored(image) : { kind, name: SUV[kind], factor };
}

export interface UnitChoice {
  readonly kind: UnitKind;
  readonly title: string;
  /** Why it cannot be chosen; empty where it can. */
  readonly reason: string;
}

/** The units an image may be shown in; one entry for images that have no other than the stored one. */
export function unitChoices(image: ImageJson): readonly UnitChoice[] {
  const own = stored(image).name;
  const out: UnitChoice[] = [{ kind: "stored", title: own ? `As stored: ${own}` : "As stored", reason: "" }];
  const { suv } = image;
  if (!suv) return out;
  for (const kind of ["bw", "lbm", "bsa"] as const) {
    const reason = suv[kind] === undefined ? suv.reason[kind] || "the file does not say enough" : "";
    out.push({ kind, title: SUV_TITLES[kind], reason });
  }
  return out;
}

/** "No SUV: …" for a PET whose file does not say enough; "" for all others. */
export function noSuv(image: ImageJson): string {
  const reason = unitChoices(image).find(({ kind }) => kind === "bw")?.reason ?? "";
  return reason && `No SUV: ${reason}.`;
}
