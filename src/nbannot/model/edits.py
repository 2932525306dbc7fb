"""Edits: the only way a document changes. Small, immutable, each with an inverse."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from nbannot.model.annotations import Box, Tag
from nbannot.model.labels import Label
from nbannot.model.masks import Mask, MaskInfo
from nbannot.model.runs import Bounds, Runs, difference
from nbannot.model.shapes import Shape

Item = Label | MaskInfo | Box | Shape | Tag


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What every edit carries; the document fills in what is missing.

    Parameters
    ----------
    id
        Unique; an edit is applied once.
    author
        Who made it.
    time
        When, in seconds since 1970 (UTC).
    origin
        Who asked for it: "hand", "python", "import" or "model:NAME VERSION".
    tool
        Name of the tool or function; "op:NAME" for operations, "tool:NAME VERSION" for a user's own tools.
    undoes
        Id of the edit that this one takes back, if it does.
    """

    id: str = ""
    author: str = ""
    time: float = 0.0
    origin: str = "python"
    tool: str = ""
    undoes: str | None = None

    def inverse(self) -> Edit:
        """Return the edit that takes this one back."""
        raise TypeError(f"{type(self).__name__} has no inverse")

    def _back(self) -> dict[str, Any]:
        return {"origin": self.origin, "tool": self.tool, "undoes": self.id or None}


@dataclass(frozen=True, slots=True)
class Put(Edit):
    """Add an item, or replace the one of the same id.

    Parameters
    ----------
    item
        Label, MaskInfo, Box, Shape or Tag.
    old
        The item replaced; None for a new one. The document fills it in.
    at
        Place in the order of its kind; None for the end.
    """

    item: Item
    old: Item | None = None
    at: int | None = None

    def inverse(self) -> Put | Remove:
        """Return the edit that takes this one back: the old item again, or none."""
        if self.old is None:
            return Remove(self.item, self.at, **self._back())
        return Put(self.old, self.item, self.at, **self._back())


@dataclass(frozen=True, slots=True)
class Remove(Edit):
    """Take an item away. A mask must be empty: `Document.remove` sees to it."""

    item: Item
    at: int | None = None

    def inverse(self) -> Put:
        """Return the edit that puts the item back in its place."""
        return Put(self.item, None, self.at, **self._back())


@dataclass(frozen=True, slots=True)
class Paint(Edit):
    """Change voxels of a mask.

    Parameters
    ----------
    mask
        Id of the mask.
    box
        ((k0, j0, i0), (k1, j1, i1)), half-open, that holds all runs.
    runs
        The changed voxels, as offsets inside the box in C order.
    """

    mask: str
    box: Bounds
    runs: Runs

    def inverse(self) -> Paint:
        """Return the edit that takes this one back.

        Applying an edit and then its inverse leaves the mask as it was, voxel for voxel.
        """
        return Paint(self.mask, self.box, self.runs.inverse(), **self._back())


@dataclass(frozen=True, slots=True)
class Batch(Edit):
    """Several edits as one step of the history."""

    edits: tuple[Edit, ...] = field(default=())
    name: str = ""

    def inverse(self) -> Batch:
        """Return the batch of the inverses, last first."""
        edits = tuple(replace(edit.inverse(), undoes=None) for edit in reversed(self.edits))
        return Batch(edits, self.name, **self._back())


def is_empty(edit: Edit) -> bool:
    """Whether an edit changes nothing."""
    if isinstance(edit, Paint):
        return edit.runs.count == 0
    if isinstance(edit, Batch):
        return all(is_empty(part) for part in edit.edits)
    return isinstance(edit, Put) and edit.item == edit.old


def painted(mask: Mask) -> list[Paint]:
    """Return the edit that paints what a mask holds into an empty one; none where it holds nothing."""
    change = difference(np.zeros_like(mask.array), mask.array)
    return [] if change is None else [Paint(mask.id, *change)]
