/** The pop-up that sets how labels are drawn: fill, outline and its thickness, for all or for one. */
import { without } from "../state/store";
import type { SegmentLook } from "../state/parts";
import { closeOnEscape } from "./colours";
import { h, setText } from "./dom";
import type { Scene } from "./scene";

const PARTS = [
  ["fill", "Fill", 1, 0.05], ["outline", "Outline", 1, 0.05], ["width", "Thickness", 6, 0.5],
] as const;
type Part = (typeof PARTS)[number][0];

/** How the voxels of a label are drawn: its own look over the general one. `null`: the general one. */
export function lookOf(scene: Scene, label: string | null): Required<SegmentLook> {
  const { opacity, outline, outline_width: width, segments } = scene.view.value;
  return { fill: opacity, outline, width, ...(label === null ? {} : segments[label]) };
}

/** Change the look of one label, or (null) of all that have none of their own. */
export function setLook(scene: Scene, label: string | null, change: SegmentLook): void {
  const { view } = scene;
  if (label !== null) {
    const { segments } = view.value;
    return view.set({ segments: { ...segments, [label]: { ...segments[label], ...change } } });
  }
  const { fill, outline, width } = change;
  view.set({
    ...(fill === undefined ? {} : { opacity: fill }),
    ...(outline === undefined ? {} : { outline }),
    ...(width === undefined ? {} : { outline_width: width }),
  });
}

/** Take a label's own look away, or (null) all own looks and the general one. */
export function resetLook(scene: Scene, label: string | null): void {
  const { view } = scene;
  if (label !== null) view.set({ segments: without(view.value.segments, label) });
  else view.set({ opacity: 0.35, outline: 1, outline_width: 1, segments: {} });
}

export function stylePopup(scene: Scene, done: () => void): HTMLElement {
  let label: string | null = null;
  const scope = h("select", { "aria-label": "Style of", "data-nbannot-style": "scope" }, h("option", { value: "" }, "All labels"));
  for (const one of scene.labels) scope.append(h("option", { value: one.id }, one.name));
  const sliders = PARTS.map(([part, title, most, step]) => {
    const input = h("input", {
      type: "range", min: 0, max: most, step, class: "nbannot-slider", "aria-label": title, "data-nbannot-style": part,
    });
    const text = h("span", { class: "nbannot-percent" });
    input.addEventListener("input", () => {
      setLook(scene, label, { [part]: Number(input.value) } satisfies Partial<Record<Part, number>>);
      show();
    });
    return { part, input, text, row: h("label", {}, h("span", {}, title), input, text) };
  });
  const own = h("p");
  const reset = h("button", { type: "button", class: "nbannot-plain", "data-nbannot-style": "reset" }, "Reset");
  const show = (): void => {
    const look = lookOf(scene, label);
    for (const { part, input, text } of sliders) {
      input.value = String(look[part]);
      setText(text, part === "width" ? `${look.width} px` : `${Math.round(100 * look[part])} %`);
    }
    const { segments } = scene.view.value;
    const count = scene.labels.filter(({ id }) => id in segments).length;
    setText(own, label !== null ? (label in segments ? "It has its own style." : "It follows all labels.")
      : count > 0 ? `${count} ${count === 1 ? "label has its" : "labels have their"} own style.` : "");
  };
  scope.addEventListener("change", () => {
    label = scope.value || null;
    show();
  });
  reset.addEventListener("click", () => {
    resetLook(scene, label);
    show();
  });
  show();
  const popup = h(
    "div", { class: "nbannot-menu nbannot-style", role: "dialog", "aria-label": "Style of the labels" },
    scope, ...sliders.map(({ row }) => row), own, reset,
  );
  closeOnEscape(popup, done);
  return popup;
}
