"""The edits that rename labels with everything that names them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from nbannot.model.annotations import Tag
from nbannot.model.checks import Holder
from nbannot.model.edits import Batch, Edit, Put
from nbannot.model.labels import Label


def label_renaming(document: Holder, label: Label, name: str) -> Batch:
    """Return one edit that renames a label in segments, labels below it, boxes, shapes and tags.

    A mask that is called after the label is renamed too. Locked boxes and shapes take the new name and stay locked.
    """
    edits = label_changes(document, [replace(label, name=name)])
    return Batch(tuple(edits), f"rename {label.name} to {name}")


def label_changes(document: Holder, changed: Iterable[Label]) -> list[Edit]:
    """Return the edits that put changed labels of the document, and rename all that names them.

    Labels may exchange their names. The parents of changed labels are taken as given.
    """
    labels = {label.id: label for label in changed}
    names = {old.name: labels[old.id].name for old in document.labels if old.id in labels}
    names = {old: new for old, new in names.items() if old != new}
    wanted = set(names.values())
    # A name that another label is to have must be free before.
    edits: list[Edit] = [
        Put(replace(old, name=f"{old.name} {old.id}", parent=""))
        for old in document.labels
        if old.name in names and old.name in wanted
    ]
    edits += [Put(label) for label in labels.values()]
    if names:
        edits += _mask_edits(document, names)
        edits += [
            Put(replace(child, parent=names[child.parent]))
            for child in document.labels
            if child.parent in names and child.id not in labels
        ]
        edits += _item_edits(document, names)
    return edits


def _mask_edits(document: Holder, names: Mapping[str, str]) -> list[Edit]:
    first: list[Edit] = []
    then: list[Edit] = []
    for mask in document.masks:
        used = {segment.label for segment in mask.segments}
        if used.isdisjoint(names):
            continue
        segments = tuple(replace(one, label=names.get(one.label, one.label)) for one in mask.segments)
        title = names[mask.name] if mask.name in names and mask.name in used else mask.name
        if title != mask.name and mask.name in names.values():
            first.append(Put(replace(mask.info, name=f"{mask.name} {mask.id}", segments=segments)))
        then.append(Put(replace(mask.info, name=title, segments=segments)))
    return [*first, *then]


def _item_edits(document: Holder, names: Mapping[str, str]) -> list[Edit]:
    edits: list[Edit] = []
    for item in (*document.boxes, *document.shapes, *document.tags):
        if item.label not in names:
            continue
        if not isinstance(item, Tag) and item.locked:
            edits.append(Put(replace(item, locked=False)))
        edits.append(Put(replace(item, label=names[item.label])))
    return edits
