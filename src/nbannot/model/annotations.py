"""Annotations that are not voxels: boxes and tags."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from nbannot.errors import EditError
from nbannot.model.attributes import Attributes, Status, check_status, cleaned
from nbannot.model.labels import new_id

Point = tuple[float, float, float]
Corners = tuple[Point, Point]
Scope = Literal["case", "series", "slice", "frame", "lesion"]


@dataclass(frozen=True, slots=True)
class Box:
    """A box along the axes of its image's grid.

    Parameters
    ----------
    label
        Name of a label of the document.
    index
        Two opposite corners in continuous index coordinates (k, j, i), voxel centres at
        integers. A box on one slice has the same k in both corners (or the same j or i, when
        drawn in another plane). Corners are put in ascending order.
    image
        Id of the image; empty means the first one of the document.
    frame
        Frame in time; None means all.
    name
        Name of this box in lists.
    lesion
        Id shared by everything that shows one lesion, such as the boxes on its slices.
    attributes
        Values by attribute name.
    status
        "", "todo", "doing", "done" or "flagged".
    locked
        A locked box is neither changed nor removed.

    Raises
    ------
    EditError
        When a corner is not three finite numbers, or the box has no extent along two axes.
    """

    label: str
    index: Corners
    id: str = field(default_factory=new_id, kw_only=True)
    image: str = field(default="", kw_only=True)
    frame: int | None = field(default=None, kw_only=True)
    name: str = field(default="", kw_only=True)
    lesion: str = field(default="", kw_only=True)
    attributes: Attributes = field(default_factory=dict, kw_only=True, hash=False)
    status: Status = field(default="", kw_only=True)
    locked: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "index", _sorted_corners(self.index))
        object.__setattr__(self, "attributes", cleaned(self.attributes))
        check_status(self.status)
        flat = sum(low == high for low, high in zip(*self.index, strict=True))
        if flat > 1:
            raise EditError(
                f"A box needs an extent along at least two axes, got {self.index}",
                hint="Give two opposite corners as (k, j, i).",
            )

    def slices(self) -> tuple[slice, slice, slice]:
        """Return the slices (k, j, i) of the voxels whose centres lie in the box."""
        low, high = self.index
        k, j, i = (
            slice(math.ceil(a - 1e-9), math.floor(b + 1e-9) + 1) for a, b in zip(low, high, strict=True)
        )
        return k, j, i


@dataclass(frozen=True, slots=True)
class Tag:
    """A statement about a case, series, slice, frame or lesion.

    Parameters
    ----------
    label
        Name of a label of the document.
    value
        What is said: a text, number, yes/no, or None for the bare label.
    scope
        "case", "series", "slice", "frame" or "lesion".
    image
        Id of the image; empty means the first one of the document.
    index
        Slice k or frame t the tag is about, for the scopes "slice" and "frame".
    lesion
        Id of the lesion the tag is about, for the scope "lesion".
    attributes
        Values by attribute name.
    """

    label: str
    value: str | float | bool | None = None
    scope: Scope = field(default="case", kw_only=True)
    image: str = field(default="", kw_only=True)
    index: int | None = field(default=None, kw_only=True)
    id: str = field(default_factory=new_id, kw_only=True)
    lesion: str = field(default="", kw_only=True)
    attributes: Attributes = field(default_factory=dict, kw_only=True, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "attributes", cleaned(self.attributes))
        if self.scope not in get_args(Scope):
            raise EditError(f"A tag's scope is one of {', '.join(get_args(Scope))}, got {self.scope!r}")
        if (self.scope in ("slice", "frame")) != (self.index is not None):
            raise EditError(
                f"A tag of scope {self.scope!r} got index {self.index}",
                hint="Give index= for the scopes slice and frame, and only for these.",
            )
        if self.scope == "lesion" and not self.lesion:
            raise EditError("A tag of a lesion needs the lesion's id", hint="Give lesion=.")
        if isinstance(self.value, float) and not math.isfinite(self.value):
            raise EditError(f"A tag's value must be finite, got {self.value}")


def _sorted_corners(corners: Sequence[Sequence[float]]) -> Corners:
    points = [tuple(float(value) for value in corner) for corner in corners]
    if len(points) != 2 or any(len(point) != 3 for point in points):
        raise EditError(
            f"A box needs two corners of three numbers, got {corners!r}",
            hint="Write index=((k0, j0, i0), (k1, j1, i1)).",
        )
    if not all(math.isfinite(value) for point in points for value in point):
        raise EditError(f"A box's corners must be finite, got {corners!r}")
    pairs = [sorted(pair) for pair in zip(*points, strict=True)]
    low, high = zip(*pairs, strict=True)
    return (low[0], low[1], low[2]), (high[0], high[1], high[2])
