/** The dialog that makes pictures of the active view or of all views. */
import type { Dialogs } from "./dialog";
import { h, listen } from "./dom";
import { drawPicture, type PictureOptions } from "./picture";
import type { PaneView } from "./paneview";
import { errorOf } from "./messages";
import type { Scene } from "./scene";

/** Kinds of images whose pixels often show names, whether their files say so or not. */
const OFTEN_NAMED = new Set(["US", "IVUS", "SC", "OT", "XC", "ES", "GM", "ECG"]);

export class Screenshots {
  constructor(
    private readonly scene: Scene,
    private readonly dialogs: Dialogs,
    private readonly views: () => readonly PaneView[],
  ) {}

  toggle(): void {
    if (this.dialogs.name === "screenshot") return void this.dialogs.close();
    new ScreenshotDialog(this.scene, this.dialogs, this.views);
  }
}

class ScreenshotDialog {
  readonly #all = h("input", { type: "checkbox", "data-nbannot-option": "all" });
  readonly #words = option("words", true);
  readonly #labels = option("labels", true);
  readonly #crosshair: HTMLInputElement;
  readonly #double = option("double", false);
  readonly #sure = option("sure", false);
  readonly #preview = h("div", { class: "nbannot-dialog-actions" });
  readonly #save = h("button", { type: "button", "data-nbannot-save": true }, "Save as PNG");
  readonly #copy = h("button", { type: "button", "data-nbannot-copy": true }, "Copy");
  readonly #warning = h("div", { class: "nbannot-warning", role: "alert", hidden: true });
  readonly #pane: string;

  constructor(private readonly scene: Scene, dialogs: Dialogs, private readonly views: () => readonly PaneView[]) {
    this.#pane = scene.pane.id;
    this.#crosshair = option("crosshair", scene.view.value.crosshair);
    const line = (input: HTMLInputElement, words: string): HTMLElement => h("label", {}, input, words);
    const several = views().length > 1;
    this.#save.dataset["nbannotFirst"] = "";
    const { signal } = dialogs.build("screenshot", "Picture of the view", [
      h("fieldset", { "aria-label": "What is in the picture" },
        ...(several ? [line(this.#all, "All views")] : []),
        line(this.#words, "Window, slice, letters, scale"), line(this.#labels, "Labels and shapes"),
        line(this.#crosshair, "Crosshair"), line(this.#double, "Twice the pixels")),
      this.#preview, this.#warning,
      h("p", {}, "The picture holds no names and no dates of its own. viewer.picture() in Python leaves one in the notebook."),
      h("div", { class: "nbannot-dialog-actions" }, this.#save, this.#copy),
    ], "nbannot-dialog-small");
    for (const input of [this.#all, this.#words, this.#labels, this.#crosshair, this.#double]) listen(input, "change", signal, () => this.#draw());
    listen(this.#sure, "change", signal, () => this.#allow());
    listen(this.#save, "click", signal, () => void this.#saveFile());
    listen(this.#copy, "click", signal, () => void this.#toClipboard());
    this.#draw();
  }

  get #shown(): readonly PaneView[] {
    const views = this.views();
    const one = views.filter(({ id }) => id === this.#pane);
    return this.#all.checked || one.length === 0 ? views : one;
  }

  #picture(): HTMLCanvasElement {
    const options: PictureOptions = {
      words: this.#words.checked, labels: this.#labels.checked, crosshair: this.#crosshair.checked, scale: this.#double.checked ? 2 : 1,
    };
    return drawPicture(this.#shown, (id) => this.scene.paneById(id), options, devicePixelRatio || 1);
  }

  #draw(): void {
    try {
      const picture = this.#picture();
      picture.className = "nbannot-shot";
      picture.dataset["nbannotShot"] = `${picture.width}x${picture.height}`;
      this.#preview.replaceChildren(picture);
    } catch (error) {
      this.scene.toast(`The picture cannot be made: ${errorOf(error).message}`);
    }
    this.#warn();
  }

  /** Pixels may say who the patient is: where the file says so, somebody must have looked. */
  #warn(): void {
    const images = this.#shown.map(({ id }) => this.scene.paneById(id).image);
    const burned = images.some((one) => one.burned_in === true);
    const often = images.some((one) => OFTEN_NAMED.has(one.modality));
    this.#warning.hidden = !burned && !often;
    this.#warning.toggleAttribute("data-nbannot-burned", burned);
    this.#warning.replaceChildren(
      h("p", {}, burned ? "The file says that its pixels show who the patient is."
        : "Pictures of this kind often have the patient's name in their pixels: look before you pass it on."),
      ...(burned ? [h("label", {}, this.#sure, "I have looked: nobody can be recognised")] : []),
    );
    this.#allow();
  }

  #allow(): void {
    const barred = this.#warning.hasAttribute("data-nbannot-burned") && !this.#sure.checked;
    this.#save.disabled = this.#copy.disabled = barred;
  }

  async #blob(): Promise<Blob> {
    const picture = this.#picture();
    return new Promise((resolve, reject) => {
      picture.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("it is too large"))), "image/png");
    });
  }

  async #saveFile(): Promise<void> {
    try {
      const url = URL.createObjectURL(await this.#blob());
      const link = h("a", { href: url, download: this.#name() });
      link.click();
      setTimeout(() => URL.revokeObjectURL(url), 10_000);
    } catch (error) {
      this.scene.toast(`The picture cannot be saved: ${errorOf(error).message}`);
    }
  }

  async #toClipboard(): Promise<void> {
    try {
      // Safari wants the promise, within the click.
      await navigator.clipboard.write([new ClipboardItem({ "image/png": this.#blob() })]);
      this.scene.toast("The picture is on the clipboard.");
    } catch {
      this.scene.toast("The browser does not let this page use the clipboard. Save the picture instead.");
    }
  }

  /** "nbannot-axial-42.png": nothing about the patient. */
  #name(): string {
    if (this.#all.checked) return "nbannot-views.png";
    const pane = this.scene.paneById(this.#pane);
    const number = pane.plane !== "volume" && pane.frame.count > 1 ? `-${pane.frame.slice + 1}` : "";
    return `nbannot-${pane.plane}${number}.png`;
  }
}

function option(name: string, checked: boolean): HTMLInputElement {
  return h("input", { type: "checkbox", checked, "data-nbannot-option": name });
}
