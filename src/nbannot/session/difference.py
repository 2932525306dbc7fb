"""The edit that turns one state of a document into another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from nbannot.model.annotations import Box, Tag
from nbannot.model.document import Document
from nbannot.model.edits import Batch, Edit, Paint, Put, Remove
from nbannot.model.labels import Label
from nbannot.model.masks import LabelArray, MaskInfo
from nbannot.model.runs import difference
from nbannot.model.shapes import Shape
from nbannot.session.state import recorded

T = TypeVar("T", Label, MaskInfo, Box, Shape, Tag)


def turning(current: Document, target: Document, *, name: str) -> Batch:
    """Return one edit after which ``current`` has the annotations of ``target``.

    Locked labels, boxes and shapes are opened for it and end as in ``target``.
    """
    # Boxes and segments name their label, and names are unique: so names that change hands go
    # through one that nobody else has.
    labels, goal = list(current.labels), list(target.labels)
    names = {label.id: label.name for label in goal}
    interim = [
        replace(label, locked=False, name=_interim(label, names.get(label.id), goal)) for label in labels
    ]
    opened = [replace(label, locked=False) for label in goal]
    edits: list[Edit] = _changes(labels, interim)
    edits += _puts(interim, opened)
    edits += [Put(replace(item, locked=False)) for item in _held(current, target)]
    edits += _removals(list(current.boxes), list(target.boxes))
    edits += _removals(list(current.shapes), list(target.shapes))
    edits += _removals(list(current.tags), list(target.tags))
    edits += _masks(current, target)
    edits += _puts(list(current.boxes), list(target.boxes))
    edits += _puts(list(current.shapes), list(target.shapes))
    edits += _puts(list(current.tags), list(target.tags))
    edits += _removals(interim, goal)
    edits += _changes(opened, goal)
    return Batch(tuple(edits), name)


def _held(current: Document, target: Document) -> list[Box | Shape]:
    """Return the locked boxes and shapes that the target does not have as they are."""
    goal: dict[str, Box | Shape] = {item.id: item for item in (*target.boxes, *target.shapes)}
    items: list[Box | Shape] = [*current.boxes, *current.shapes]
    return [item for item in items if item.locked and goal.get(item.id) != item]


def _interim(label: Label, wanted: str | None, goal: Sequence[Label]) -> str:
    taken = {other.name for other in goal if other.id != label.id}
    return label.name if wanted in (None, label.name) and label.name not in taken else f"~{label.id}"


def _masks(current: Document, target: Document) -> list[Edit]:
    edits: list[Edit] = []
    goal = {mask.id: mask for mask in target.masks}
    wanted = {mask.name: mask.id for mask in target.masks}
    arrays: dict[str, LabelArray] = {}
    for mask in current.masks:
        if mask.id not in goal:
            edits += [*_paint(mask.id, recorded(mask), None), Remove(mask.info)]
            continue
        old = recorded(mask)
        values = {segment.value for segment in goal[mask.id].segments}
        gone = [segment.value for segment in mask.segments if segment.value not in values]
        # An empty mask under a name of its own frees the name it had.
        frees = wanted.get(mask.name, mask.id) != mask.id
        left = old
        if frees or gone:
            left = np.zeros_like(old) if frees else np.where(np.isin(old, gone), 0, old)
            edits += _paint(mask.id, old, left)
        if frees:
            edits.append(Put(replace(mask.info, name=f"~{mask.id}", segments=())))
        arrays[mask.id] = left
    place = list(arrays)
    for n, mask in enumerate(target.masks):
        if mask.id not in arrays:
            place.insert(n, mask.id)
            edits += [Put(mask.info, None, n), *_paint(mask.id, None, recorded(mask))]
            continue
        # A mask that once needed uint16 keeps it.
        before = current.masks[mask.id]
        info = replace(mask.info, dtype=before.info.dtype)
        if info != before.info:
            edits.append(Put(info))
        edits += _paint(mask.id, arrays[mask.id], recorded(mask))
    return edits


def _paint(mask: str, before: LabelArray | None, after: LabelArray | None) -> list[Edit]:
    some = after if after is not None else before
    if some is None:
        return []
    empty = np.zeros(some.shape, dtype=some.dtype)
    change = difference(empty if before is None else before, empty if after is None else after)
    return [] if change is None else [Paint(mask, *change)]


def _changes(before: Sequence[T], after: Sequence[T]) -> list[Edit]:
    """Return the edits for items that both sides have, and that differ."""
    known = {item.id: item for item in before}
    return [Put(item) for item in after if known.get(item.id, item) != item]


def _removals(before: Sequence[T], after: Sequence[T]) -> list[Edit]:
    wanted = {item.id for item in after}
    return [Remove(item) for item in before if item.id not in wanted]


def _puts(before: Sequence[T], after: Sequence[T]) -> list[Edit]:
    """Return the edits that bring in what ``after`` has, each after its neighbour there."""
    order = [item.id for item in before]
    edits = _changes(before, after)
    place = 0
    for item in after:
        if item.id in order:
            place = order.index(item.id) + 1
        else:
            order.insert(place, item.id)
            edits.append(Put(item, None, place))
            place += 1
    return edits
