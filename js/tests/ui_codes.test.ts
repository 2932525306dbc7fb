// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { LiveRoad } from "../src/channel/live";
import { codeFinder } from "../src/ui/forms/codefinder";

const KIDNEY = { scheme: "SCT", value: "64033007", meaning: "Kidney" };
const LIVER = { scheme: "SCT", value: "10200004", meaning: "Liver" };
const GROUPS = [{ cid: 7151, name: "Segmentation property type" }, { cid: 7154, name: "Abdominal segmentation type" }];

describe("codes in the form of a label", () => {
  let sent: Record<string, unknown>[];
  let road: LiveRoad;
  let chosen: unknown[];
  let abort: AbortController;
  let finder: HTMLElement;
  const part = <E extends HTMLElement>(name: string): E => finder.querySelector<E>(`[data-nbannot-edit="${name}"]`)!;
  const answer = (rid: number, codes = [KIDNEY, LIVER], error: { kind: string; message: string; hint: string } | null = null): void =>
    road.receive({ type: "codes", tab: "T", rid, groups: GROUPS, codes, error }, []);

  beforeEach(() => {
    vi.useFakeTimers();
    [sent, chosen, abort] = [[], [], new AbortController()];
    road = new LiveRoad("T", { send: (one) => void sent.push(one as unknown as Record<string, unknown>), onMessage: () => () => undefined }, () => undefined);
    finder = codeFinder(road, abort.signal, (code) => chosen.push(code));
    document.body.append(finder);
    answer(1, []);
  });
  afterEach(() => {
    finder.remove();
    vi.useRealTimers();
  });

  it("asks when typing rests, shows what is found and hands on what is chosen", () => {
    expect(sent).toEqual([{ type: "codes", rid: 1, words: "", cid: null, tab: "T" }]);
    expect([...part<HTMLSelectElement>("group").options].map((one) => one.text)).toEqual([
      "all of DICOM", "Segmentation property type (CID 7151)", "Abdominal segmentation type (CID 7154)",
    ]);
    const words = part<HTMLInputElement>("find");
    words.value = "kid";
    words.dispatchEvent(new Event("input"));
    words.value = "kidn";
    words.dispatchEvent(new Event("input"));
    vi.runAllTimers();
    expect(sent.slice(1)).toEqual([{ type: "codes", rid: 2, words: "kidn", cid: null, tab: "T" }]);
    // An answer to something older is not shown.
    answer(1, [LIVER]);
    const found = part<HTMLSelectElement>("found");
    expect(found.hidden).toBe(true);
    answer(2);
    expect([...found.options].map((one) => one.text)).toEqual(["Kidney (SCT 64033007)", "Liver (SCT 10200004)"]);
    expect(part("codes-said").textContent).toBe("2 codes");
    const enter = new KeyboardEvent("keydown", { key: "Enter", cancelable: true });
    words.dispatchEvent(enter);
    expect(enter.defaultPrevented).toBe(true);
    words.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowDown", cancelable: true }));
    expect(chosen).toEqual([KIDNEY]);
    found.value = "1";
    found.dispatchEvent(new Event("change"));
    expect(chosen).toEqual([KIDNEY, LIVER]);
  });

  it("asks for a group, says that nothing is found, and hears nothing once closed", () => {
    const group = part<HTMLSelectElement>("group");
    group.value = "7154";
    group.dispatchEvent(new Event("change"));
    expect(sent.at(-1)).toEqual({ type: "codes", rid: 2, words: "", cid: 7154, tab: "T" });
    answer(2, []);
    expect([part("codes-said").textContent, part("found").hidden]).toEqual(["No code is found.", true]);
    answer(2, [], { kind: "EditError", message: "DICOM has no context group 1", hint: "" });
    expect(part("codes-said").textContent).toBe("DICOM has no context group 1");
    abort.abort();
    answer(2);
    expect(part("found").hidden).toBe(true);
  });
});
