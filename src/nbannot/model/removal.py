"""The edit that deletes a label with everything that names it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nbannot.errors import LockedError
from nbannot.model.annotations import Box
from nbannot.model.checks import Holder
from nbannot.model.edits import Batch, Edit, Paint, Put, Remove
from nbannot.model.labels import Label
from nbannot.model.runs import difference
from nbannot.model.shapes import Shape


def label_removal(document: Holder, label: Label) -> Batch:
    """Return one edit that deletes a label, its voxels, boxes, shapes and tags.

    A mask that holds other labels too keeps them; labels below the deleted one move up to its parent.

    Raises
    ------
    LockedError
        When the label is locked.
    """
    if label.locked:
        raise LockedError(f"The label {label.name!r} is locked", hint="Unlock it first.")
    edits: list[Edit] = []
    for mask in document.masks:
        gone = [segment.value for segment in mask.segments if segment.label == label.name]
        if not gone:
            continue
        change = difference(mask.array, np.where(np.isin(mask.array, gone), 0, mask.array))
        if change is not None:
            edits.append(Paint(mask.id, *change))
        left = tuple(segment for segment in mask.segments if segment.label != label.name)
        edits.append(Put(replace(mask.info, segments=left)) if left else Remove(mask.info))
    for item in (*document.boxes, *document.shapes, *document.tags):
        if item.label != label.name:
            continue
        if isinstance(item, Box | Shape) and item.locked:
            edits.append(Put(replace(item, locked=False)))
        edits.append(Remove(item))
    for child in document.labels:
        if child.parent == label.name:
            edits.append(Put(replace(child, parent=label.parent)))
    edits.append(Remove(label))
    return Batch(tuple(edits), f"Delete label {label.name}", tool="labels")
