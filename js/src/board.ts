/**
 * The list beside the viewer of a project's work list. What it shows comes and goes in messages, so a saved
 * notebook holds nothing of it: no names of cases, no comments, no pictures.
 */
import { keyOf } from "./board/keys";
import { Activity } from "./page/activity";
import { watchFocus } from "./board/focus";
import { fill, type Shown } from "./board/fill";

interface Model {
  on(event: "msg:custom", callback: (content: unknown, buffers: DataView[]) => void): void;
  off(event: "msg:custom", callback: (content: unknown, buffers: DataView[]) => void): void;
  send(content: unknown): void;
}

type Message = ({ type: "show" } & Shown) | { type: "thumb"; case: number } | { type: "clear" } | { type: "focus" };

function render({ model, el }: { model: Model; el: HTMLElement }): () => void {
  const document = el.ownerDocument;
  const root = (): HTMLElement => el.closest<HTMLElement>(".nbannot-worklist") ?? el;
  const pictures = new Map<number, string>();
  let asked: number | undefined;
  let wanted: number[] = [];
  const ask = (): void => {
    if (asked !== undefined) return;
    asked = wanted.shift();
    if (asked !== undefined) model.send({ type: "thumb", case: asked });
  };
  el.classList.add("nbannot-board");
  const list = fill(el, (message) => model.send(message));
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      const row = Number((entry.target as HTMLElement).dataset.nbannotPicture);
      if (entry.isIntersecting && !pictures.has(row) && row !== asked && !wanted.includes(row)) wanted.push(row);
      if (!entry.isIntersecting) wanted = wanted.filter((one) => one !== row);
    }
    ask();
  });
  const focus = watchFocus(root);
  let open = "";
  const ended = new AbortController();
  const activity = new Activity((seconds) => model.send({ type: "active", task: open, seconds }), {
    signal: ended.signal, within: (target) => target instanceof Node && root().contains(target),
  });
  const counting = setInterval(() => activity.tick(!document.hidden), 1000);

  const onMessage = (content: unknown, buffers: DataView[]): void => {
    const message = content as Message;
    if (message.type === "show") {
      const now = message.rows.find((row) => row.now)?.task ?? "";
      if (now !== open) activity.flush();
      open = now;
      seen.disconnect();
      for (const place of list.show(message)) {
        const url = pictures.get(Number(place.dataset.nbannotPicture));
        if (url === undefined) seen.observe(place);
        else picture(place, url);
      }
    } else if (message.type === "thumb") {
      const bytes = buffers[0];
      const url = bytes?.byteLength
        ? URL.createObjectURL(new Blob([bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer], { type: "image/png" }))
        : "";
      pictures.set(message.case, url);
      for (const place of el.querySelectorAll<HTMLElement>(`[data-nbannot-picture="${message.case}"]`)) picture(place, url);
      asked = undefined;
      ask();
    } else if (message.type === "clear") list.clear();
    else if (message.type === "focus") focus.enter();
  };

  const onKey = (event: KeyboardEvent): void => {
    const name = keyOf(event);
    if (!name || !(event.target instanceof Node) || !root().contains(event.target)) return;
    event.preventDefault();
    event.stopPropagation();
    if (name === "comment") list.write();
    else model.send({ type: "do", what: name });
  };
  const frame = requestAnimationFrame(() => {
    root().dataset.lmSuppressShortcuts = "true";
    root().tabIndex = -1;
  });

  model.on("msg:custom", onMessage);
  document.addEventListener("keydown", onKey, true);
  model.send({ type: "ready" });
  return () => {
    cancelAnimationFrame(frame);
    clearInterval(counting);
    activity.flush();
    ended.abort();
    model.off("msg:custom", onMessage);
    document.removeEventListener("keydown", onKey, true);
    seen.disconnect();
    focus.leave();
    for (const url of pictures.values()) if (url) URL.revokeObjectURL(url);
  };
}

function picture(place: HTMLElement, url: string): void {
  if (!url) return;
  const image = place.ownerDocument.createElement("img");
  image.src = url;
  image.alt = "";
  place.replaceChildren(image);
}

export default { render };
