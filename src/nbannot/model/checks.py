"""What a document accepts. Each check returns the item as it may be kept, or raises."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from nbannot.errors import ClippedWarning, EditError, LockedError, OutsideImageError, UnknownLabelError
from nbannot.model.annotations import Box, Tag
from nbannot.model.edits import Batch, Edit, Put, Remove
from nbannot.model.image import Image
from nbannot.model.items import Items
from nbannot.model.labels import Label, next_color
from nbannot.model.masks import Mask, MaskInfo
from nbannot.model.runs import Runs
from nbannot.model.shapes import Shape


class Holder(Protocol):
    """What the checks need to know of a document."""

    @property
    def labels(self) -> Items[Label]:
        """Labels."""
        ...

    @property
    def masks(self) -> Items[Mask]:
        """Masks."""
        ...

    @property
    def boxes(self) -> Items[Box]:
        """Boxes."""
        ...

    @property
    def shapes(self) -> Items[Shape]:
        """Shapes."""
        ...

    @property
    def tags(self) -> Items[Tag]:
        """Tags."""
        ...

    def image(self, id: str = "") -> Image:
        """Return the image of this id."""
        ...


def locked_values(document: Holder, mask: Mask) -> dict[int, str]:
    """Return the values of a mask that stand for locked labels, with these labels."""
    locked = {label.name for label in document.labels if label.locked}
    return {s.value: s.label for s in mask.segments if s.label in locked}


def check_locked(document: Holder, mask: Mask, runs: Runs) -> None:
    """Refuse a change of voxels that are, or become, of a locked label."""
    values = locked_values(document, mask)
    if not values:
        return
    table = runs.table()
    for value, label in values.items():
        if (table[:, 2:] == value).any():
            raise LockedError(f"The label {label!r} is locked", hint="Unlock it first.")


def check_locked_items(document: Holder, edit: Edit) -> None:
    """Refuse a change of a locked box or shape; an edit may unlock it first."""
    locked: dict[str, Box | Shape] = {
        item.id: item for item in (*document.boxes, *document.shapes) if item.locked
    }
    if not locked:
        return
    for part in _parts(edit):
        if not isinstance(part, Put | Remove):
            continue
        item, held = part.item, locked.get(part.item.id)
        if held is None or not isinstance(item, Box | Shape):
            continue
        if isinstance(part, Remove) or (item.locked and item != held):
            kind = "box" if isinstance(held, Box) else held.kind
            raise LockedError(f"The {kind} {held.name or held.label!r} is locked", hint="Unlock it first.")
        if not item.locked:
            del locked[item.id]


def check_label(document: Holder, label: Label) -> Label:
    """Give a new label a colour; refuse a name that another one has."""
    if any(other.name == label.name and other.id != label.id for other in document.labels):
        raise EditError(f"There is a label {label.name!r} already", hint="Choose another name.")
    if label.color:
        return label
    return replace(label, color=next_color(other.color for other in document.labels))


def check_mask(document: Holder, info: MaskInfo) -> MaskInfo:
    """Resolve the image of a mask; refuse a name that another one has."""
    image = document.image(info.image)
    if any(other.name == info.name and other.id != info.id for other in document.masks):
        raise EditError(f"There is a mask {info.name!r} already", hint="Choose another name.")
    return replace(info, image=image.id)


def check_box(document: Holder, box: Box) -> Box:
    """Clip a box to its image; refuse one wholly outside."""
    image = document.image(box.image)
    low, high = np.array(box.index)
    top = np.array(image.shape) - 0.5
    if (high < -0.5).any() or (low > top).any():
        raise OutsideImageError(
            f"The box {box.index} lies outside its image of {image.shape}",
            hint="Give index coordinates as (k, j, i).",
        )
    if (low < -0.5).any() or (high > top).any():
        warnings.warn(
            f"A box of label {box.label!r} reached outside its image and was clipped",
            ClippedWarning,
            stacklevel=2,
        )
    corners = np.clip((low, high), -0.5, top).tolist()
    return replace(box, index=corners, image=image.id)


def check_shape(document: Holder, shape: Shape) -> Shape:
    """Resolve the image of a shape; refuse one wholly outside, or a slice or frame that does not exist."""
    image = document.image(shape.image)
    geometry = image.geometry
    if shape.frame is not None and not 0 <= shape.frame < image.frames:
        raise OutsideImageError(f"There is no frame {shape.frame}; there are {image.frames}")
    if geometry.kind == "grid":
        shape = replace(shape, slice=None) if shape.slice is not None else shape
        index = geometry.to_index(shape.world())
    else:
        shape = replace(shape, slice=0) if shape.slice is None and image.shape[0] == 1 else shape
        if shape.slice is None or not 0 <= shape.slice < image.shape[0]:
            raise OutsideImageError(
                f"A shape on this image needs slice= from 0 to {image.shape[0] - 1}, got {shape.slice}",
                hint="Its slices are no regular grid, so a place in the world may be on several of them.",
            )
        plane = geometry.planes[shape.slice]
        basis = np.stack((plane.column_step, plane.row_step), axis=1)
        flat = np.linalg.lstsq(basis, (shape.world() - plane.origin).T, rcond=None)[0].T
        index = np.column_stack((np.full(len(flat), shape.slice), flat[:, ::-1]))
    reach = np.array(image.shape) - 0.5
    if (index.max(axis=0) < -0.5 - 1e-6).any() or (index.min(axis=0) > reach + 1e-6).any():
        raise OutsideImageError(
            f"The {shape.kind} lies outside its image of {image.shape}",
            hint="Give world coordinates (x, y, z) in mm, LPS; geometry.to_world turns index into world.",
        )
    return replace(shape, image=image.id)


def check_tag(document: Holder, tag: Tag) -> Tag:
    """Resolve the image of a tag; refuse a slice or frame that does not exist."""
    image = document.image(tag.image)
    limit = image.shape[0] if tag.scope == "slice" else max(image.frames, image.shape[0])
    if tag.index is not None and not 0 <= tag.index < limit:
        raise OutsideImageError(f"There is no {tag.scope} {tag.index}; there are {limit}")
    return replace(tag, image=image.id)


def check_references(document: Holder, edit: Edit) -> None:
    """Refuse an edit that leaves something without its label."""
    names = document.labels.keys()
    parts = _parts(edit)
    for name in (name for part in parts for name in _labels_of(document, part)):
        if name not in names:
            known = ", ".join(names) or "none"
            raise UnknownLabelError(f"There is no label {name!r}", hint=f"There are: {known}.")
    if any(isinstance(part, Put | Remove) and isinstance(part.item, Label) for part in parts):
        _check_parents(document)
        uses = [(s.label, f"mask {m.name!r}") for m in document.masks for s in m.segments]
        uses += [(item.label, "a box") for item in document.boxes]
        uses += [(item.label, "a shape") for item in document.shapes]
        uses += [(item.label, "a tag") for item in document.tags]
        for name, user in uses:
            if name not in names:
                raise EditError(
                    f"The label {name!r} is still used by {user}",
                    hint="Remove or relabel what uses it in the same edit.",
                )


def _check_parents(document: Holder) -> None:
    parents = {label.name: label.parent for label in document.labels}
    for name, parent in parents.items():
        if parent and parent not in parents:
            raise EditError(
                f"The label {name!r} has the parent {parent!r}, which is no label",
                hint="Add the parent first, or give the label another one in the same edit.",
            )
        above = {name}
        while parent:
            if parent in above:
                raise EditError(f"The label {name!r} is above itself", hint="Give it another parent.")
            above.add(parent)
            parent = parents[parent]


def _parts(edit: Edit) -> list[Edit]:
    if isinstance(edit, Batch):
        return [part for inner in edit.edits for part in _parts(inner)]
    return [edit]


def _labels_of(document: Holder, edit: Edit) -> list[str]:
    """Return the labels that an added item names now, if it is still there."""
    if not isinstance(edit, Put) or isinstance(edit.item, Label):
        return []
    if isinstance(edit.item, MaskInfo):
        mask = document.masks.get(edit.item.id)
        return [segment.label for segment in mask.segments] if mask else []
    held: Items[Any] = document.tags
    if isinstance(edit.item, Box | Shape):
        held = document.boxes if isinstance(edit.item, Box) else document.shapes
    item = held.get(edit.item.id)
    return [item.label] if item else []
