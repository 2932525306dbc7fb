/** The fourth cell of the grid: what the image is, and what is under the crosshair. */
import type { Cell } from "../layout";
import { h, setText } from "./dom";
import { placeText, readAt, shorten, spacingText } from "./readout";
import type { Scene } from "./scene";

const ROWS = ["Image", "Size", "Spacing", "Crosshair", "Voxel k, j, i", "Value", "Layers", "Labels"] as const;

export class Info {
  // No dl, dt, dd: notebooks style those.
  readonly #cells = new Map(ROWS.map((row) => [row, h("div")] as const));
  readonly element: HTMLElement;

  constructor(private readonly scene: Scene) {
    const list = h("div", { class: "nbannot-facts" });
    for (const [row, cell] of this.#cells) list.append(h("div", { class: "nbannot-fact" }, row), cell);
    this.element = h("div", { class: "nbannot-info", "data-nbannot-info": true }, list);
  }

  place(cell: Cell, parent: HTMLElement): void {
    const { style } = this.element;
    style.left = `${cell.x}px`;
    style.top = `${cell.y}px`;
    style.width = `${cell.width}px`;
    style.height = `${cell.height}px`;
    if (this.element.parentElement !== parent) parent.append(this.element);
  }

  draw(): void {
    if (!this.element.isConnected) return;
    const { scene } = this;
    const { pane } = scene;
    const { image, geometry, cursor } = pane;
    const index = geometry.toIndex(cursor);
    const reading = readAt(pane, index);
    const [nk, nj, ni] = image.shape;
    const text: Record<(typeof ROWS)[number], string> = {
      Image: [image.name, image.modality].filter(Boolean).join(" · "),
      Size: `${ni} × ${nj} × ${nk}${image.frames > 1 ? ` × ${image.frames} frames` : ""}`,
      Spacing: spacingText(geometry.spacing, geometry.unit),
      Crosshair: placeText(cursor, geometry.patientSpace, geometry.unit),
      "Voxel k, j, i": index.map((one) => Math.round(one)).join(", "),
      Value: reading?.value ?? "outside the image",
      Layers: reading?.over.map(({ name, value }) => `${shorten(name)}: ${value}`).join("\n") || "",
      Labels: [...(reading?.labels ?? []), ...(reading?.over ?? []).flatMap((one) => one.labels)].join(", ") || "–",
    };
    for (const [row, cell] of this.#cells) {
      setText(cell, text[row]);
      const unused = row === "Layers" && text[row] === "";
      cell.hidden = unused;
      (cell.previousElementSibling as HTMLElement).hidden = unused;
    }
  }
}
