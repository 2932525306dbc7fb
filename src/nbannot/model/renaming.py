"""The edit that renames a label with everything that names it."""

from __future__ import annotations

from dataclasses import replace

from nbannot.model.annotations import Tag
from nbannot.model.checks import Holder
from nbannot.model.edits import Batch, Edit, Put
from nbannot.model.labels import Label


def label_renaming(document: Holder, label: Label, name: str) -> Batch:
    """Return one edit that renames a label in segments, labels below it, boxes, shapes and tags.

    A mask that is called after the label is renamed too. Locked boxes and shapes take the new name and stay locked.
    """
    edits: list[Edit] = [Put(replace(label, name=name))]
    for mask in document.masks:
        if any(segment.label == label.name for segment in mask.segments):
            segments = tuple(
                replace(one, label=name) if one.label == label.name else one for one in mask.segments
            )
            title = name if mask.name == label.name else mask.name
            edits.append(Put(replace(mask.info, name=title, segments=segments)))
    for child in document.labels:
        if child.parent == label.name:
            edits.append(Put(replace(child, parent=name)))
    for item in (*document.boxes, *document.shapes, *document.tags):
        if item.label != label.name:
            continue
        if not isinstance(item, Tag) and item.locked:
            edits.append(Put(replace(item, locked=False)))
        edits.append(Put(replace(item, label=name)))
    return Batch(tuple(edits), f"rename {label.name} to {name}")
