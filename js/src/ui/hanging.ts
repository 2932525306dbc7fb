/** How pictures are turned when nobody did: mammograms with the chest walls towards each other. */
import type { ImageJson } from "../model/protocol";
import { NO_TURN, type Turn } from "../state/parts";
import { opposite } from "./readout";

const MAMMOGRAMS = new Set(["MG", "CR", "DX", "RG", "SC", "OT", "XC"]);
/** Views (0018,5101) that show the breast from above. */
const FROM_ABOVE = /^(CC|XCC|FB$)/;
const FROM_THE_SIDE = /^(MLO|ML|LM|LMO|SIO|ISO|AT)$/;

/** Whether an image is a mammogram, by its modality or by its view. */
export function isBreast({ modality, view_position: view = "" }: ImageJson): boolean {
  return modality === "MG" || (MAMMOGRAMS.has(modality) && (FROM_ABOVE.test(view) || FROM_THE_SIDE.test(view)));
}

/**
 * The turn of an image that hangs as breasts do: the right one left on the screen with its chest wall to the
 * right, the left one the other way round; heads up, and in views from above the outer side up.
 */
export function hungTurn(image: ImageJson): Turn {
  const { laterality: side, view_position: view = "", orientation_labels: given } = image;
  const above = FROM_ABOVE.test(view);
  if (!isBreast(image) || !side || !given || image.shape[0] !== 1) return NO_TURN;
  const right = side === "R" ? "P" : "A";
  const down = above ? opposite(side) : "F";
  const across = points(given[0], opposite(right));
  const upside = points(given[1], opposite(down));
  // Upside down: two quarter turns bring left and right back after an exchange.
  return { quarter: upside ? 2 : 0, flip: across !== upside };
}

/** Whether a direction, such as "FR", goes mainly this way. */
const points = (direction: string, way: string): boolean => direction.startsWith(way);
