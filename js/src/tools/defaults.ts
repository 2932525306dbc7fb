/** The answers that new items begin with. */
import type { EditDraft, LabelItem } from "../model/protocol";
import { defaults, isAnswered } from "../model/schema";

/** A new item gets the defaults of its label, in the edit that adds it. */
export function withDefaults(labels: readonly LabelItem[], edit: EditDraft): EditDraft {
  if (edit.kind === "batch") return { ...edit, edits: edit.edits.map((one) => withDefaults(labels, one)) };
  if (edit.kind !== "put" || edit.old || !isAnswered(edit.item)) return edit;
  const { item } = edit;
  const label = labels.find(({ name }) => name === item.label);
  if (!label || label.attributes.length === 0 || Object.keys(item.attributes).length > 0) return edit;
  return { ...edit, item: { ...item, attributes: defaults(label.attributes) } };
}
