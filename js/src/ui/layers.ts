/** Images drawn over another: adding, changing, removing. */
import type { ImageJson } from "../model/protocol";
import type { LayerState } from "../state/parts";
import { suvWindow } from "./presets";
import type { Scene } from "./scene";
import { HEAT } from "./tables";
import { withWindow } from "./windows";

/** Upper end of the window of a PET over another image, SUV. */
const LAYER_SUV = 10;
const PROBABILITY = /prob|heat ?map|saliency|attention/i;

/** Whether the values of an image are probabilities, as far as can be told before they are here. */
export function isProbability({ dtype, windows, name }: ImageJson): boolean {
  const [first] = windows;
  return (dtype === "float32" && first?.center === 0.5 && first.width === 1) || (dtype === "uint8" && PROBABILITY.test(name));
}

/** Draw an image over another, as is customary for its kind. */
export function addLayer(scene: Scene, base: ImageJson, image: ImageJson): void {
  const { view } = scene;
  const { layers, windows, units } = view.value;
  const heat = isProbability(image);
  const layer: LayerState = {
    image: image.id, colormap: heat ? HEAT : "hot iron", opacity: heat ? 0.7 : 0.5, visible: true, lower: null,
  };
  const factor = image.suv?.bw;
  const window = image.id in windows ? null
    : factor !== undefined && units[image.id] !== "stored" ? suvWindow(factor, LAYER_SUV)
    : heat && image.dtype === "uint8" ? { center: 127.5, width: 255 } : null;
  view.set({
    layers: { ...layers, [base.id]: [...(layers[base.id] ?? []), layer] },
    ...(window ? withWindow(view.value, [image.id], window) : {}),
  });
}

/** Change the layers over a base image; an empty list is left out. */
export function setLayers(scene: Scene, base: ImageJson, next: readonly LayerState[]): void {
  const { [base.id]: _, ...rest } = scene.view.value.layers;
  scene.view.set({ layers: next.length > 0 ? { ...rest, [base.id]: next } : rest });
}
