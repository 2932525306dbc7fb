/** Icons: strokes on a 20 × 20 field in the colour of the text. */
import { s } from "./dom";
import { SHAPE_PATHS } from "./shapeicons";

const PATHS: Readonly<Record<string, string>> = {
  ...SHAPE_PATHS,
  crosshair: "M10 2v6M10 12v6M2 10h6M12 10h6",
  window: "M10 3a7 7 0 1 0 0 14a7 7 0 1 0 0-14M10 3v14M10 6h4.5M10 9h6.5M10 12h6.5M10 15h3.5",
  pan: "M10 2v16M2 10h16M7.5 4.5L10 2l2.5 2.5M7.5 15.5L10 18l2.5-2.5M4.5 7.5L2 10l2.5 2.5M15.5 7.5L18 10l-2.5 2.5",
  magnifier: "M8.500 3a5.500 5.500 0 1 0 0 11a5.500 5.500 0 1 0 0-11M12.500 12.500L17.500 17.500M8.500 5.500a3 3 0 0 0-3 3",
  zoom: "M8.5 3a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11M12.5 12.5L17.5 17.5M6 8.5h5M8.5 6v5",
  brush: "M17.5 2.5c-3 1-7 5-8.5 7.5l1.5 1.5c2.5-1.500 6.500-5.500 7-9M8.500 10.500c-2 0-3.500 1.500-3.500 3.500c0 1.500-1 2.500-2.500 3c3.500 1 7.500 0 8-4",
  eraser: "M11.500 3.500l5 5l-8 8h-4l-2-2l9-11M7.500 8.500l5 5M8.500 16.500h9",
  box: "M4.500 4.500h11v11h-11zM3 3h3v3h-3zM14 3h3v3h-3zM3 14h3v3h-3zM14 14h3v3h-3z",
  scissors: "M5.500 3.500a2 2 0 1 0 0 4a2 2 0 1 0 0-4M5.500 12.500a2 2 0 1 0 0 4a2 2 0 1 0 0-4M7 7l10 8M7 13l10-8",
  fill: "M9 3l7 7l-6 6l-7-7l6-6M9 3l-2-1.500M3 9.500h13M17.500 12.500c-1.500 2-1.500 3.500 0 3.500s1.500-1.500 0-3.500",
  ball: "M10 3a7 7 0 1 0 0 14a7 7 0 1 0 0-14M3 10c2 3 12 3 14 0M10 3c-3.500 3-3.500 11 0 14",
  range: "M3 16V4M3 16h14M6 13v-2M9 13v-6M12 13v-4M15 13v-1M6 5h6M6 5v1M12 5v1",
  adaptive: "M4 16l8-8M12 8l2 2M10.500 9.500l2 2M14 3v3M14 6l3 0M8 4v2M7 5h2M16 10v2M15 11h2",
  through: "M3 6l5-2.500l5 2.500l-5 2.500zM7 11l5-2.500l5 2.500l-5 2.500zM8 6v6M12 11v6M8 12l-2-1M8 12l2-1M12 17l-2-1M12 17l2-1",
  lasso: "M10 4c5 0 7.500 2 7.500 4.500s-3 4.500-7.500 4.500s-7.500-2-7.500-4.500s3-4.500 7.500-4.500M6 12.500c-2 1-2 3 0 3s2 2 0 2.500",
  polygon: "M4 8l7-5l6 6l-4 8h-8z",
  rectangle: "M3 5h14v10h-14z",
  circle: "M10 3a7 7 0 1 0 0 14a7 7 0 1 0 0-14",
  undo: "M7 4L3 8l4 4M3 8h9a5 5 0 0 1 0 9h-4",
  redo: "M13 4l4 4l-4 4M17 8h-9a5 5 0 0 0 0 9h4",
  reset: "M4 10a6 6 0 1 0 2-4.500M3 3v4h4",
  help: "M7 7.500a3 3 0 1 1 4.500 2.500c-1 .7-1.500 1.200-1.500 2.500M10 15.500v.5",
  slab: "M3 13l7 3.500l7-3.500M3 10l7 3.500l7-3.500M3 7l7-3.500l7 3.500l-7 3.500z",
  mpr: "M3 3h6v6h-6zM11 3h6v6h-6zM3 11h6v6h-6zM11 11h6v6h-6z",
  panel: "M3 4h14v12h-14zM12.500 4v12",
  eye: "M2 10c3-5 13-5 16 0c-3 5-13 5-16 0M10 8a2 2 0 1 0 0 4a2 2 0 1 0 0-4",
  eyeoff: "M2 10c3-5 13-5 16 0c-3 5-13 5-16 0M4 16L16 4",
  lock: "M5 9h10v8h-10zM7 9v-2.500a3 3 0 0 1 6 0v2.500",
  unlock: "M5 9h10v8h-10zM7 9v-3.500a3 3 0 0 1 5.800-1",
  trash: "M4 6h12M8 6v-2h4v2M5.500 6l.8 11h7.400l.8-11M8.500 9v5M11.500 9v5",
  plus: "M10 4v12M4 10h12",
  close: "M5 5l10 10M15 5l-10 10",
  goto: "M10 4a6 6 0 1 0 0 12a6 6 0 1 0 0-12M10 1v5M10 14v5M1 10h5M14 10h5",
  play: "M6 3.500l10 6.500l-10 6.500z",
  pause: "M6 4v12M14 4v12",
  stepback: "M14 4l-8 6l8 6zM4 4v12",
  stepon: "M6 4l8 6l-8 6zM16 4v12",
  slower: "M4 10h12",
  faster: "M4 10h12M10 4v12",
  bounce: "M3 10h14M6 6.500l-3.500 3.500l3.500 3.500M14 6.500l3.500 3.500l-3.500 3.500",
  grow: "M12 3h5v5M8 17h-5v-5M17 3l-6 6M3 17l6-6",
  shrink: "M16 9h-5v-5M4 11h5v5M11 9l6-6M9 11l-6 6",
  style: "M10 3a7 7 0 1 0 0 14a7 7 0 1 0 0-14M10 6.500l3.500 3.500M10 10l4 4M10 3v14M10 13.500l2 2",
  up: "M10 16V4M5 9l5-5l5 5",
  down: "M10 4v12M5 11l5 5l5-5",
  thumbs: "M3 3h4v4h-4zM3 9h4v4h-4zM3 15h4v2h-4M10 3h7v14h-7z",
  links: "M8 12l4-4M9 6l2-2a3.300 3.300 0 0 1 5 5l-2 2M11 14l-2 2a3.300 3.300 0 0 1-5-5l2-2",
  compare: "M3 4h14v12h-14zM10 2v16M13 8l2 2l-2 2M7 8l-2 2l2 2",
  circledot: "M10 4a6 6 0 1 0 0 12a6 6 0 1 0 0-12M10 9a1 1 0 1 0 0 2a1 1 0 1 0 0-2",
  circlehalf: "M10 4a6 6 0 1 0 0 12a6 6 0 1 0 0-12M10 4v12M12.500 5v10M14.500 7v6",
  check: "M4 10.500l4 4l8-9",
  flag: "M5 17V3h10l-2.500 3.500l2.500 3.500h-10",
  edit: "M4 16l1-4l8-8l3 3l-8 8zM11 6l3 3",
  unfold: "M6 8l4 4l4-4",
  fold: "M8 6l4 4l-4 4",
  history: "M4 10a6.500 6.500 0 1 1 2 4.600M3.500 6.500L4 10.300L7.500 9M10.500 6.500v4l3 2",
  operations: "M10 2.500l1.500 4l4 1.500l-4 1.500l-1.500 4l-1.500-4l-4-1.500l4-1.500zM15.500 12.500l.8 2l2 .8l-2 .8l-.8 2l-.8-2l-2-.8l2-.8z",
  values: "M4 16V9M10 16V4M16 16v-6",
  more: "M4 10h.5M10 10h.5M16 10h.5",
};

export function icon(name: string): SVGSVGElement {
  const path = s("path", { d: PATHS[name] ?? "" });
  return s("svg", { class: "nbannot-icon", viewBox: "0 0 20 20", "aria-hidden": "true" }, path);
}

/** Show another icon in a button. */
export function setIcon(holder: Element, name: string): void {
  const path = holder.querySelector("path");
  const d = PATHS[name] ?? "";
  if (path && path.getAttribute("d") !== d) path.setAttribute("d", d);
}
