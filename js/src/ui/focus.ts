/** Where the focus goes back to. */

/** Focus a control; one that is shown only while its row has the focus gets it by way of that row. False where it cannot. */
export function focusOn(control: HTMLElement): boolean {
  const has = (): boolean => control.ownerDocument.activeElement === control;
  control.focus({ preventScroll: true });
  if (has()) return true;
  control.parentElement?.querySelector<HTMLElement>("button:not(:disabled), input:not(:disabled)")?.focus({ preventScroll: true });
  control.focus({ preventScroll: true });
  return has();
}

/** Give the focus back to a control, or to the one that took its place (`data-nbannot-focus`); else to the viewer. */
export function giveBack(root: HTMLElement, to: Element | null): void {
  const name = to instanceof HTMLElement ? to.dataset["nbannotFocus"] : undefined;
  const now = to?.isConnected ? to : name ? root.querySelector(`[data-nbannot-focus="${CSS.escape(name)}"]`) : null;
  if (!(now instanceof HTMLElement) || !focusOn(now)) root.focus({ preventScroll: true });
}
