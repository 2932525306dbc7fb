/** How far the work on something is, in words and as an icon. */
import type { EditDraft, MaskItem, Status } from "../model/protocol";
import { together } from "./tool";

export const STATUSES: Readonly<Record<Status, string>> = { "": "", todo: "to do", doing: "in work", done: "done", flagged: "flagged" };

/** Icon of each status. */
export const STATUS_ICONS: Readonly<Record<Status, string>> = { "": "circle", todo: "circledot", doing: "circlehalf", done: "check", flagged: "flag" };

const ORDER: readonly Status[] = ["", "todo", "doing", "done", "flagged"];

export const nextStatus = (status: Status): Status => ORDER[(ORDER.indexOf(status) + 1) % ORDER.length]!;

/** Status of a label's first segment; null where it has none. */
export function statusOf(masks: readonly MaskItem[], label: string): Status | null {
  for (const { segments } of masks) for (const one of segments) if (one.label === label) return one.status;
  return null;
}

/** The edit that gives all segments of a label the next status; null where it has none. */
export function cycleStatus(masks: readonly MaskItem[], label: string): EditDraft | null {
  const status = statusOf(masks, label);
  if (status === null) return null;
  const next = nextStatus(status);
  const edits = masks.filter(({ segments }) => segments.some((one) => one.label === label)).map((old): EditDraft => {
    const segments = old.segments.map((one) => (one.label === label ? { ...one, status: next } : one));
    return { kind: "put", item: { ...old, segments }, old, tool: "status" };
  });
  return together(edits, `${label}: ${STATUSES[next] || "no status"}`, "status");
}
