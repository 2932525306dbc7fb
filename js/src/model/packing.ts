/** Edits as they are kept until the host answers: large runs as the bytes that travel, a quarter of their arrays. */

import { decodeRuns, encodeRuns } from "./protocol";
import type { Edit, KeptEdit } from "./protocol";

/** Fewer runs than this stay arrays: an ordinary stroke is not worth the work. */
export const PACKED_FROM = 2048;

/** Return an edit with its large runs packed; those that are as in `like` are shared with it. */
export function packed(edit: Edit, like: KeptEdit | null = null): KeptEdit {
  if (edit.kind === "batch") {
    const parts = like?.kind === "batch" ? like.edits : [];
    return { ...edit, edits: edit.edits.map((one, n) => packed(one, parts[n])) };
  }
  if (edit.kind !== "paint" || edit.runs.start.length < PACKED_FROM) return edit;
  const bytes = encodeRuns(edit.runs);
  const known = like?.kind === "paint" && "bytes" in like.runs ? like.runs : null;
  const shared = known !== null && known.bytes.length === bytes.length && known.bytes.every((byte, n) => byte === bytes[n]);
  return { ...edit, runs: shared ? known : { bytes, count: edit.runs.start.length } };
}

/** Return the edit that `packed` was given. */
export function unpacked(edit: KeptEdit): Edit {
  if (edit.kind === "batch") return { ...edit, edits: edit.edits.map(unpacked) };
  if (edit.kind !== "paint") return edit;
  const { runs, ...rest } = edit;
  return { ...rest, runs: "bytes" in runs ? decodeRuns(runs.bytes, runs.count) : runs };
}
