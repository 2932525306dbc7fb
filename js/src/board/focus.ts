const TYPING = "input, textarea, select, [contenteditable='true']";

/** Bring the keyboard to the viewer of a work list as soon as it is there. */
export function watchFocus(root: () => HTMLElement): { enter(): void; leave(): void } {
  const observer = new MutationObserver(() => look());
  const look = (): void => {
    const viewer = root().querySelector<HTMLElement>("[data-nbannot-root]");
    if (!viewer) return;
    observer.disconnect();
    const active = viewer.ownerDocument.activeElement;
    // Who went on to something else, or types, stays there.
    const mine = !active || active === viewer.ownerDocument.body || root().contains(active);
    if (mine && !active?.matches(TYPING)) viewer.focus({ preventScroll: true });
  };
  return {
    enter() {
      const active = root().ownerDocument.activeElement;
      if (!active || active === root().ownerDocument.body) root().focus({ preventScroll: true });
      observer.observe(root(), { childList: true, subtree: true });
      look();
    },
    leave: () => observer.disconnect(),
  };
}
