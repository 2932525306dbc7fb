/** The bar under the pictures that plays clips and series in time. */
import { command, type CommandTarget } from "../commands";
import { h, listen, setAttribute, setText } from "./dom";
import { annotated, cinePane, frameValue } from "./frames";
import { icon, setIcon } from "./icons";
import { speedOf, type Player } from "./player";
import type { Pane } from "./pane";
import type { Scene } from "./scene";

export class CineBar {
  readonly element = h("div", { class: "nbannot-cine", role: "group", "aria-label": "Frames", "data-nbannot-cine": true, hidden: true });
  readonly #play: HTMLButtonElement;
  readonly #slider = h("input", { type: "range", min: 0, step: 1, "aria-label": "Frame", "data-nbannot-frame": true });
  readonly #ticks = h("div", { class: "nbannot-ticks", "aria-hidden": "true" });
  readonly #text = h("output", { class: "nbannot-cine-text", "data-nbannot-frame-text": true });
  readonly #bounce: HTMLButtonElement;
  readonly #fps = h("input", {
    type: "number", class: "nbannot-size", min: 0.1, max: 120, step: "any", "data-nbannot-fps": true,
    "aria-label": "Frames per second", title: "Frames per second; empty: as the file says",
  });
  #key = "";

  constructor(
    private readonly scene: Scene,
    private readonly player: Player,
    private readonly target: CommandTarget,
    private readonly signal: AbortSignal,
  ) {
    this.#play = this.#button("frame.play", "play");
    this.#bounce = this.#button("frame.bounce", "bounce");
    this.element.append(
      this.#button("frame.previous", "stepback"), this.#play, this.#button("frame.next", "stepon"),
      h("div", { class: "nbannot-scrub" }, this.#ticks, this.#slider), this.#text,
      this.#button("frame.slower", "slower"), this.#fps, h("span", { class: "nbannot-hint" }, "/s"),
      this.#button("frame.faster", "faster"), this.#bounce,
    );
    listen(this.#slider, "input", signal, () => cinePane(scene)?.cineTo(Number(this.#slider.value)));
    listen(this.#fps, "change", signal, () => this.#setSpeed());
  }

  #button(id: string, picture: string): HTMLButtonElement {
    const button = h(
      "button",
      { type: "button", class: "nbannot-button", title: this.scene.keys.title(id), "aria-label": command(id).title, "data-nbannot-command": id },
      icon(picture),
    );
    listen(button, "click", this.signal, () => command(id).run(this.target));
    return button;
  }

  #setSpeed(): void {
    const { value } = this.#fps;
    const fps = Number(value);
    if (value === "") this.scene.view.set({ fps: null });
    else if (fps > 0) this.scene.view.set({ fps: Math.min(120, Math.max(0.1, fps)) });
    this.#fps.blur();
    this.draw();
  }

  draw(): void {
    const pane = cinePane(this.scene);
    this.element.hidden = pane === null;
    if (!pane) return;
    const { playing, waiting } = this.player;
    const title = playing ? "Pause" : "Play";
    setIcon(this.#play, playing ? "pause" : "play");
    setAttribute(this.#play, "aria-label", title);
    setAttribute(this.element, "data-nbannot-playing", String(playing));
    setAttribute(this.element, "aria-busy", String(waiting));
    setAttribute(this.#bounce, "aria-pressed", String(this.scene.view.value.bounce));
    const { cineAt, cineLength } = pane;
    setAttribute(this.#slider, "max", cineLength - 1);
    if (Number(this.#slider.value) !== cineAt) this.#slider.value = String(cineAt);
    const words = frameWords(pane);
    setText(this.#text, waiting ? `${words} …` : words);
    setAttribute(this.#slider, "aria-valuetext", words);
    if (document.activeElement !== this.#fps) this.#fps.value = String(Number(speedOf(pane).toPrecision(3)));
    this.#drawTicks(annotated(pane), cineLength);
  }

  #drawTicks(frames: readonly number[], count: number): void {
    const key = `${frames.join()}/${count}`;
    if (key === this.#key) return;
    this.#key = key;
    this.#ticks.replaceChildren(...frames.map((at) => {
      const tick = h("i", { "data-nbannot-tick": at });
      tick.style.left = `${(100 * at) / (count - 1)}%`;
      return tick;
    }));
  }
}

/** "12/30 · 0.37 s", "b-value 800 s/mm² · 3/3" */
function frameWords({ image, cineAt, cineLength }: Pane): string {
  const value = frameValue(image, cineAt);
  const number = `${cineAt + 1}/${cineLength}`;
  return (image.frames > 1 ? [value || `frame ${number}`, value && number] : [number, value]).filter(Boolean).join(" · ");
}
