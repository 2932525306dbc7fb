/** Codes to choose from DICOM's dictionaries, by words and context group; the host looks for them. */
import type { LiveRoad } from "../../channel/live";
import type { LabelItem } from "../../model/protocol";
import { h } from "../dom";

/** So long nothing is typed before the host is asked. */
const QUIET_MS = 200;
const ALL = "";

type CodeJson = NonNullable<LabelItem["code"]>;

/** A field for words, a list of groups and what is found; `choose` gets what is taken. */
export function codeFinder(live: LiveRoad, signal: AbortSignal, choose: (code: CodeJson) => void): HTMLElement {
  const words = h("input", {
    type: "search", "data-nbannot-edit": "find", maxlength: 200, placeholder: "kidney", autocomplete: "off",
  });
  const group = h("select", { "data-nbannot-edit": "group" }, h("option", { value: ALL }, "all of DICOM"));
  const found = h("select", { size: 6, class: "nbannot-codes", "data-nbannot-edit": "found", "aria-label": "Codes found", hidden: true });
  const note = h("div", { class: "nbannot-code-note", role: "status", "data-nbannot-edit": "codes-said" });
  let codes: readonly CodeJson[] = [];
  let rid = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const asked = (): boolean => words.value.trim() !== "" || group.value !== ALL;
  const ask = (): void => {
    rid = live.nextRid();
    const sent = live.ask({ type: "codes", rid, words: words.value.trim(), cid: group.value === ALL ? null : Number(group.value) });
    note.textContent = !sent ? "Python does not answer: codes can be typed below." : asked() ? "…" : "";
  };
  const show = (): void => {
    found.replaceChildren(...codes.map((one, n) =>
      h("option", { value: String(n) }, `${one.meaning} (${one.scheme} ${one.value})`)));
    found.hidden = codes.length === 0;
    note.textContent = !asked() ? "" : codes.length === 0 ? "No code is found." : codes.length === 1 ? "1 code" : `${codes.length} codes`;
  };
  live.on((message) => {
    if (message.type !== "codes" || message.rid !== rid) return;
    if (group.options.length === 1) {
      group.append(...message.groups.map(({ cid, name }) => h("option", { value: String(cid) }, `${name} (CID ${cid})`)));
    }
    codes = message.codes;
    show();
    if (message.error) note.textContent = message.error.message;
  }, signal);
  signal.addEventListener("abort", () => clearTimeout(timer));
  const wait = (): void => {
    clearTimeout(timer);
    timer = setTimeout(ask, QUIET_MS);
  };
  const take = (): void => {
    const code = codes[Number(found.value)];
    if (code && found.value !== "") choose(code);
  };
  words.addEventListener("input", wait);
  group.addEventListener("change", ask);
  found.addEventListener("change", take);
  found.addEventListener("dblclick", take);
  const first = (event: KeyboardEvent): void => {
    if (event.key === "ArrowDown" && codes.length > 0) {
      found.selectedIndex = Math.max(0, found.selectedIndex);
      found.focus();
      take();
    } else if (event.key !== "Enter") return;
    // Enter in the search field must not save the label.
    event.preventDefault();
  };
  words.addEventListener("keydown", first);
  ask();
  const titled = (title: string, control: HTMLElement): HTMLElement => h("label", { class: "nbannot-edit-field" }, h("span", {}, title), control);
  return h(
    "div", { class: "nbannot-code-finder" },
    h("div", { class: "nbannot-edit-line" }, titled("Find a code", words), titled("in", group)), found, note,
  );
}
