/** Waiting for the browser to show what was drawn. */

/** Longer than a frame takes without a GPU; a page in the background shows none. */
const LONGEST_MS = 250;

/** Resolves when what is drawn now has been shown, after a quarter of a second at the latest. */
export function frameShown(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(end, LONGEST_MS);
    function end(): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    }
    signal.addEventListener("abort", end);
    // The browser begins the next frame when it is done with this one.
    globalThis.requestAnimationFrame?.(() => requestAnimationFrame(end));
  });
}
