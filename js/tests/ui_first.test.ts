// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FirstPicture } from "../src/ui/firstpicture";

describe("the first picture", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  function begin(): { root: HTMLElement; then: ReturnType<typeof vi.fn>; first: FirstPicture; end: AbortController } {
    const root = document.createElement("div");
    const then = vi.fn();
    const end = new AbortController();
    return { root, then, first: new FirstPicture(root, then, end.signal), end };
  }

  it("is followed by the rest once two frames have begun", () => {
    const { root, then, first } = begin();
    first.painted(true);
    vi.advanceTimersToNextFrame();
    expect(root.classList.contains("nbannot-early")).toBe(true);
    vi.advanceTimersToNextFrame();
    expect(then).toHaveBeenCalledOnce();
    expect(root.classList.contains("nbannot-early")).toBe(false);
    vi.advanceTimersByTime(5000);
    expect(then).toHaveBeenCalledOnce();
  });

  it("waits a little for those of the other views", () => {
    const { then, first } = begin();
    first.painted(false);
    first.asked();
    vi.advanceTimersByTime(200);
    first.painted(false);
    expect(then).not.toHaveBeenCalled();
    vi.advanceTimersByTime(60);
    expect(then).toHaveBeenCalledOnce();
  });

  it("is not waited for without end, nor by somebody who acts", () => {
    const late = begin();
    vi.advanceTimersByTime(900);
    late.first.asked();
    vi.advanceTimersByTime(900);
    expect(late.first.done).toBe(false);
    vi.advanceTimersByTime(200);
    expect(late.then).toHaveBeenCalledOnce();
    const acting = begin();
    acting.root.dispatchEvent(new Event("keydown"));
    expect(acting.then).toHaveBeenCalledOnce();
  });

  it("is nothing to a viewer that is gone", () => {
    const { then, first, end } = begin();
    first.painted(true);
    end.abort();
    vi.advanceTimersByTime(5000);
    expect(then).not.toHaveBeenCalled();
    expect(first.done).toBe(true);
  });
});
