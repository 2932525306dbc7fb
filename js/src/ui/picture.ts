/** Pictures of what is shown, to be passed on: without names and dates. */
import type { ImageJson } from "../model/protocol";
import { createRenderer } from "../render/renderer";
import type { Layer } from "../render/renderer";
import { compose } from "./composition";
import { frameText } from "./frames";
import { whyNotOver } from "./over";
import { PLANE_COLORS, PLANE_TITLES } from "./overlay";
import type { Pane } from "./pane";
import type { PaneView } from "./paneview";
import { edgeLetters, slicePlace, windowText } from "./readout";
import { slabPossible, slabText } from "./slab";
import { paintSvg } from "./svgpaint";
import { isLight } from "./tables";
import { unitOf } from "./units";
import { lutOf } from "./windows";

export interface PictureOptions {
  /** Window, slice, letters and scale bar. */
  readonly words: boolean;
  /** Masks, boxes and shapes. */
  readonly labels: boolean;
  readonly crosshair: boolean;
  /** 1: the pixels of the screen; 2: twice as many. */
  readonly scale: 1 | 2;
}

interface Shot {
  readonly pane: Pane;
  readonly element: HTMLElement;
  readonly canvas: HTMLCanvasElement;
}

function shotOf(view: PaneView, pane: Pane): Shot | null {
  const canvas = view.element.querySelector("canvas");
  return canvas && pane.problem === null && canvas.width > 1 ? { pane, element: view.element, canvas } : null;
}

/** Draw panes as they lie on the screen; `ratio`: device px per CSS px. */
export function drawPicture(
  views: readonly PaneView[], paneOf: (id: string) => Pane, options: PictureOptions, ratio: number,
): HTMLCanvasElement {
  const boxes = views.map(({ element }) => ({ x: element.offsetLeft, y: element.offsetTop, width: element.offsetWidth, height: element.offsetHeight }));
  const left = Math.min(...boxes.map(({ x }) => x));
  const top = Math.min(...boxes.map(({ y }) => y));
  const scale = ratio * options.scale;
  const picture = document.createElement("canvas");
  picture.width = Math.round((Math.max(...boxes.map(({ x, width }) => x + width)) - left) * scale);
  picture.height = Math.round((Math.max(...boxes.map(({ y, height }) => y + height)) - top) * scale);
  const context = picture.getContext("2d")!;
  context.fillStyle = "#000";
  context.fillRect(0, 0, picture.width, picture.height);
  views.forEach((view, n) => {
    const shot = shotOf(view, paneOf(view.id));
    const box = boxes[n]!;
    if (!shot) return;
    const [x, y] = [Math.round((box.x - left) * scale), Math.round((box.y - top) * scale)];
    context.save();
    context.beginPath();
    context.rect(x, y, Math.round(box.width * scale), Math.round(box.height * scale));
    context.clip();
    drawPane(context, shot, x, y, ratio, options);
    context.restore();
  });
  return picture;
}

function drawPane(context: CanvasRenderingContext2D, shot: Shot, x: number, y: number, ratio: number, options: PictureOptions): void {
  const { pane, element } = shot;
  const scale = ratio * options.scale;
  const [width, height] = [element.offsetWidth, element.offsetHeight];
  const light = pane.plane !== "volume" && isLight(pane.image, pane.view.value);
  if (light) {
    context.fillStyle = "#fff";
    context.fillRect(x, y, Math.ceil(width * scale), Math.ceil(height * scale));
  }
  const source = pictureOf(shot, options);
  context.imageSmoothingEnabled = source === shot.canvas && options.scale > 1;
  context.drawImage(source, x, y, Math.round(shot.canvas.width * options.scale), Math.round(shot.canvas.height * options.scale));
  context.translate(x, y);
  context.scale(scale, scale);
  // Many shapes are on a canvas of their own.
  const sheet = options.labels ? element.querySelector<HTMLCanvasElement>("canvas[data-nbannot-sheet]") : null;
  const at = /translate\(([-0-9.]+)px, ([-0-9.]+)px\)/.exec(sheet?.style.transform ?? "");
  if (sheet && at) context.drawImage(sheet, Number(at[1]), Number(at[2]), parseFloat(sheet.style.width), parseFloat(sheet.style.height));
  const svg = element.querySelector<SVGSVGElement>("svg.nbannot-overlay");
  if (svg) paintSvg(context, svg, (one) => leftOut(one, options));
  if (options.words) drawWords(context, pane, width, height, light);
}

/** What follows the pointer is never drawn; the rest as wanted. */
export function leftOut(element: SVGElement, { words, labels, crosshair }: PictureOptions): boolean {
  const is = (...names: string[]): boolean => names.some((name) => element.classList.contains(`nbannot-${name}`));
  if (is("ring", "handles", "shape-handles")) return true;
  if (!words && is("bar", "bar-shadow", "bar-text")) return true;
  if (!labels && is("box", "shapes")) return true;
  return !crosshair && is("cross", "cross-shadow", "dot");
}

/** The pixels: those on the screen, or drawn anew where they are to be others. */
function pictureOf({ pane, canvas }: Shot, options: PictureOptions): HTMLCanvasElement {
  if (pane.plane === "volume" || (options.scale === 1 && options.labels)) return canvas;
  const [width, height] = [canvas.width * options.scale, canvas.height * options.scale];
  const layers: readonly Layer[] = compose(pane, width, height, width / pane.size[0]).layers;
  const anew = document.createElement("canvas");
  const { renderer } = createRenderer("cpu");
  try {
    renderer.draw(anew, width, height, options.labels ? layers : layers.filter(({ kind }) => kind === "image"));
  } finally {
    renderer.dispose();
  }
  return anew;
}

/** Title, slice, place and window; never the image's name, which may say who it is. */
export function wordsOf(pane: Pane): { readonly title: readonly string[]; readonly left: string; readonly right: string; readonly edges: readonly string[] } {
  const { image, geometry, plane } = pane;
  const title = [PLANE_TITLES[plane] || image.modality, frameText(image, pane.time)].filter(Boolean);
  if (plane === "volume") return { title, left: "", right: "", edges: ["", "", "", ""] };
  const { frame } = pane;
  const slab = pane.view.value.slabs[pane.id];
  const patient = geometry.patientSpace;
  if (slab && slabPossible(pane)) title.push(slabText(slab, frame.thickness));
  title.push(...layerWords(pane));
  const number = frame.count > 1 ? `${frame.slice + 1}/${frame.count}` : "";
  return {
    title,
    left: [number, slicePlace(frame, patient)].filter(Boolean).join("  "),
    right: windowWords(pane, image),
    edges: edgeLetters(image, frame, patient),
  };
}

/** The window of an image in the shown unit; what a table of the file is called is the file's own text. */
function windowWords({ scene, view }: Pane, image: ImageJson): string {
  if (image.color) return "";
  return lutOf(image, view.value) === undefined ? windowText(scene.window(image), unitOf(image, view.value)) : "Table of the file";
}

/** "PT  C 5  W 10 SUVbw" for each layer that is drawn. */
function layerWords(pane: Pane): string[] {
  const { scene, image, view } = pane;
  return (view.value.layers[image.id] ?? []).flatMap(({ image: id, visible, opacity }) => {
    const other = visible && opacity > 0 ? scene.imageById(id) : undefined;
    if (!other || whyNotOver(scene, image, other) !== null) return [];
    return [[other.modality || "Layer", windowWords(pane, other)].filter(Boolean).join("  ")];
  });
}

const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";

function drawWords(context: CanvasRenderingContext2D, pane: Pane, width: number, height: number, light: boolean): void {
  const { title, left, right, edges } = wordsOf(pane);
  context.lineJoin = "round";
  context.lineWidth = 3;
  const put = (text: string, x: number, y: number, align: CanvasTextAlign, color: string, font: string): void => {
    if (text === "") return;
    context.font = font;
    context.textAlign = align;
    context.strokeStyle = light ? "#fff" : "#000";
    context.strokeText(text, x, y);
    context.fillStyle = light ? "#10161d" : color;
    context.fillText(text, x, y);
  };
  const small = `12px ${FONT}`;
  title.forEach((line, n) => put(line, 7, 17 + 16 * n, "left", n === 0 ? PLANE_COLORS[pane.plane] : "#e9edf1", n === 0 ? `600 12px ${FONT}` : small));
  put(left, 7, height - 8, "left", "#e9edf1", small);
  put(right, width - 7, height - 8, "right", "#e9edf1", small);
  const [west = "", east = "", north = "", south = ""] = edges;
  const bold = `700 13px ${FONT}`;
  put(west, 8, height / 2 + 5, "left", "#ffd9a0", bold);
  put(east, width - 8, height / 2 + 5, "right", "#ffd9a0", bold);
  put(north, width / 2, 17, "center", "#ffd9a0", bold);
  put(south, width / 2, height - 8, "center", "#ffd9a0", bold);
}
