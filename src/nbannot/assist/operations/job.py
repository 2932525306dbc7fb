"""One operation at work: the mask, the segment, the intensities and the parameters it has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.assist.operations.grids import Array, Box, Flags, Spacing, box_of, near, near_sheared, whole
from nbannot.errors import (
    GeometryError,
    MaskError,
    OperationError,
    OutsideImageError,
    UnknownLabelError,
)
from nbannot.formats.progress import Progress
from nbannot.model.geometry import Geometry
from nbannot.model.masks import Mask

Point = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Region:
    """What one segment becomes.

    Parameters
    ----------
    box
        Where ``inside`` lies.
    inside
        Voxels found, of the box's shape.
    mode
        "replace", "add", "subtract" or "intersect": how they meet the segment.
    """

    box: Box
    inside: Flags
    mode: str = "replace"


@dataclass(frozen=True, slots=True)
class Labels:
    """What several segments become.

    Parameters
    ----------
    box
        Where the labels lie.
    labels
        The new segment values of the box.
    names
        Names of new segments, by value.
    """

    box: Box
    labels: Array
    names: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class Job:
    """What a computation may know. It reads; it changes nothing.

    Parameters
    ----------
    mask
        The mask read.
    value
        Value of the segment worked on; 0 when all are.
    params
        The operation's parameters, all of them.
    points
        Places given, (k, j, i).
    mode
        How the result meets the segment.
    frame
        The image's frame.
    tell
        Told the part done and what is being done.
    limits
        Returns where voxels may change, for a box.
    """

    mask: Mask
    value: int
    params: dict[str, Any]
    points: tuple[Point, ...]
    mode: str
    frame: int
    tell: Progress
    limits: Any = None

    @property
    def array(self) -> Array:
        """The mask's labels, not to be changed."""
        return self.mask.array

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (k, j, i)."""
        k, j, i = self.mask.array.shape
        return k, j, i

    @property
    def label(self) -> str:
        """Name of the segment."""
        return next((s.label for s in self.mask.segments if s.value == self.value), "")

    def spacing(self, *, flat: bool = False) -> Spacing:
        """Return the spacing in mm.

        Raises
        ------
        GeometryError
            When the image is no regular grid (or, ``flat``, when its pixels have no size in mm).
        """
        geometry = self.mask.geometry
        if isinstance(geometry, Geometry) or (flat and geometry.unit == "mm"):
            return geometry.spacing
        if flat:
            raise GeometryError(
                "The pixels of this image have no size in mm", hint="Use an operation that counts voxels."
            )
        raise GeometryError(
            "The slices of this image form no regular grid: distances between them are not defined",
            hint='Work slice by slice: dimension="2d".',
        )

    def check_volume(self, *, flat: bool = False) -> None:
        """Refuse neighbours across slices that form no grid."""
        if not flat and not isinstance(self.mask.geometry, Geometry) and self.shape[0] > 1:
            self.spacing()

    @property
    def flat(self) -> bool:
        """Whether each slice is worked on alone."""
        return self.params.get("dimension") == "2d"

    def segment_box(self, value: int | None = None) -> Box:
        """Return the box of the segment.

        Raises
        ------
        OperationError
            When it has no voxels.
        """
        wanted = self.value if value is None else value
        box = box_of(self.array, wanted)
        if box is None:
            name = next((s.label for s in self.mask.segments if s.value == wanted), str(wanted))
            raise OperationError(f"The segment {name!r} is empty", hint="Paint something first.")
        return box

    def inside(self, box: Box) -> Flags:
        """Return where the segment is, inside a box."""
        return np.asarray(self.array[box] == self.value)

    def values(self, box: Box) -> NDArray[Any]:
        """Return the intensities of a box, loading no more slices than needed.

        Raises
        ------
        OperationError
            When the image is in colour.
        """
        image = self.mask.image
        if image.is_color:
            raise OperationError(
                "The image is in colour: its voxels have no single intensity",
                hint="Use an operation that looks at the segments only.",
            )
        if not 0 <= self.frame < image.frames:
            raise OperationError(f"There is no frame {self.frame}: the image has {image.frames}")
        k, j, i = box
        if image.is_loaded or (k.start, k.stop) == (0, self.shape[0]):
            array = image.array[self.frame] if image.frames > 1 else image.array
            return np.asarray(array[box])
        return np.stack([image.plane_array(n, t=self.frame)[j, i] for n in range(k.start, k.stop)])

    def near(self, flags: Flags, mm: float) -> Flags:
        """Return where the segment is at most ``mm`` away, on sheared grids too."""
        geometry = self.mask.geometry
        flat = self.flat
        if isinstance(geometry, Geometry) and not geometry.is_orthogonal:
            steps = np.array(geometry.affine[:3, :3])
            if not flat:
                return near_sheared(flags, mm, steps)
            if abs(steps[:, 1] @ steps[:, 2]) > 1e-6:
                return np.stack([near_sheared(plane[None], mm, steps)[0] for plane in flags])
        return near(flags, mm, self.spacing(flat=flat), flat=flat)

    def segments(self, given: Any = None) -> list[int]:
        """Return the values of segments by name or value; None: all that have voxels."""
        if given is None:
            return self.mask.used_values()
        several: list[Any] = [given] if isinstance(given, str | int | np.integer) else list(given)
        return [segment_value(self.mask, one) for one in several]

    def everything(self) -> Box:
        """Return the box of the whole mask."""
        return whole(self.shape)


def segment_value(mask: Mask, segment: int | str | None) -> int:
    """Return the value of a segment given by label, value or, where it is the only one, None.

    Raises
    ------
    UnknownLabelError, MaskError
        When it is not known.
    """
    if segment is None:
        if len(mask.segments) != 1:
            raise MaskError(
                f"Mask {mask.name!r} has {len(mask.segments)} segments", hint="Name one: segment=…"
            )
        return mask.segments[0].value
    if isinstance(segment, str):
        return mask.info.value_of(segment)
    if int(segment) not in {s.value for s in mask.segments}:
        known = ", ".join(f"{s.value}: {s.label}" for s in mask.segments) or "none"
        raise UnknownLabelError(
            f"Mask {mask.name!r} has no segment of value {int(segment)}", hint=f"It has: {known}."
        )
    return int(segment)


def chosen(mask: Mask, segment: Any) -> tuple[Mask, int]:
    """Return mask and value of a segment given as label, value, `Mask` or (mask, segment).

    Raises
    ------
    GeometryError
        When another mask lies on another grid.
    """
    if isinstance(segment, Mask):
        segment = (segment, None)
    if isinstance(segment, tuple):
        other, name = segment
        if not isinstance(other, Mask):
            raise OperationError("A segment of another mask is given as (mask, segment)")
        same = other.geometry == mask.geometry or other.image is mask.image
        if other.array.shape != mask.array.shape or not same:
            raise GeometryError(
                f"The masks {mask.name!r} and {other.name!r} lie on different grids",
                hint="Only masks of one image, or of one grid, can be combined.",
            )
        return other, segment_value(other, name)
    return mask, segment_value(mask, segment)


def index_points(mask: Mask, index: Any, world: Any) -> tuple[Point, ...]:
    """Return places as whole (k, j, i), given as ``index`` or as ``world`` (LPS mm), one or several.

    Raises
    ------
    OutsideImageError
        When one lies outside the image.
    """
    if index is None and world is None:
        return ()
    if index is not None and world is not None:
        raise OperationError("A place is given twice, as index and as world", hint="Give one of them.")
    given = np.asarray(index if world is None else mask.geometry.to_index(world), dtype=np.float64)
    if given.ndim not in (1, 2) or given.shape[-1] != 3 or not np.isfinite(given).all():
        raise OperationError("A place has three finite numbers: index=(k, j, i) or world=(x, y, z)")
    points: Sequence[Sequence[int]] = np.rint(np.atleast_2d(given)).astype(int).tolist()
    shape = mask.array.shape
    for point in points:
        if not all(0 <= p < n for p, n in zip(point, shape, strict=True)):
            raise OutsideImageError(
                f"The place {tuple(point)} lies outside the image of {shape}", hint="Give it as (k, j, i)."
            )
    return tuple((k, j, i) for k, j, i in points)
