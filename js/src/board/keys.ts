/** Keys of the work list; the same as those of the page for readers where both have them. */
const ALT: Record<string, string> = {
  KeyN: "next", KeyP: "previous", KeyU: "next_undone", KeyS: "skip", KeyM: "flag", KeyC: "comment",
  KeyR: "send_back", KeyJ: "reject",
};

type Pressed = Pick<KeyboardEvent, "code" | "altKey" | "ctrlKey" | "metaKey" | "shiftKey">;

/** Return what a key does; undefined for keys that are not of the list. */
export function keyOf(event: Pressed): string | undefined {
  const { code, altKey, ctrlKey, metaKey, shiftKey } = event;
  if (altKey && !ctrlKey && !metaKey && !shiftKey) return ALT[code];
  return (ctrlKey || metaKey) && shiftKey && !altKey && /Enter$/.test(code) ? "done" : undefined;
}
