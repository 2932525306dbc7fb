"""Operations that combine segments, slices and mirror images."""

from __future__ import annotations

from typing import Any

import numpy as np

from nbannot.assist.operations.grids import Array, Flags, box_of, grown, joined
from nbannot.assist.operations.job import Job, Region, chosen
from nbannot.errors import OperationError
from nbannot.model.geometry import Geometry

NEED_OTHER = ("union", "intersect", "subtract", "copy")


def boolean(job: Job) -> Region:
    """Combine a segment with another one, of this mask or of another mask of the same grid."""
    how = job.params["method"]
    everything = job.everything()
    if how in ("invert", "fill", "clear"):
        if how == "fill":
            return Region(everything, np.ones(job.shape, dtype=bool))
        if how == "clear":
            return Region(everything, np.zeros(job.shape, dtype=bool))
        return Region(everything, job.array != job.value)
    if job.params["other"] is None:
        raise OperationError(f"{how} needs another segment: other=…")
    mask, value = chosen(job.mask, job.params["other"])
    if mask is job.mask and value == job.value:
        raise OperationError(f"The segment {job.label!r} cannot be combined with itself")
    mine, theirs = box_of(job.array, job.value), box_of(mask.array, value)
    if theirs is None:
        name = next(s.label for s in mask.segments if s.value == value)
        raise OperationError(f"The segment {name!r} is empty", hint="Paint something first.")
    box = theirs if mine is None else joined(mine, theirs)
    job.tell(0.5, "Combining")
    one, other = job.inside(box), mask.array[box] == value
    result: dict[str, Flags] = {
        "union": one | other,
        "intersect": one & other,
        "subtract": one & ~other,
        "copy": other,
    }
    return Region(box, result[how])


def slice_numbers(given: Any, size: int) -> list[int]:
    """Return slices given as a number, several numbers, or a `range`.

    Raises
    ------
    OperationError
        When one does not exist.
    """
    try:
        numbers = [int(n) for n in np.atleast_1d(np.asarray(given))]
    except (TypeError, ValueError) as cause:
        raise OperationError("Slices are a number, several numbers or a range") from cause
    for n in numbers:
        if not 0 <= n < size:
            raise OperationError(f"There is no slice {n}", hint=f"There are 0…{size - 1} along this axis.")
    if not numbers:
        raise OperationError("No slice is given")
    return sorted(set(numbers))


def _slices(job: Job) -> tuple[Array, int, list[int], int]:
    axis = int(job.params["axis"])
    size = job.shape[axis]
    (source,) = slice_numbers(job.params["source"], size)
    targets = [n for n in slice_numbers(job.params["to"], size) if n != source]
    if not targets:
        raise OperationError(f"Slice {source} is given as source and as target")
    shape = np.take(job.array, source, axis=axis) == job.value
    if not shape.any():
        raise OperationError(
            f"The segment {job.label!r} is empty in slice {source}", hint="Choose another slice."
        )
    return shape, source, targets, axis


def copy_slice(job: Job) -> Region:
    """Copy a segment's slice to others."""
    shape, _, targets, axis = _slices(job)
    return _put(job, shape, targets, axis, cleared=None)


def move_slice(job: Job) -> Region:
    """Move a segment's slice to another place."""
    shape, source, targets, axis = _slices(job)
    return _put(job, shape, targets, axis, cleared=source)


def _put(job: Job, shape: Flags, targets: list[int], axis: int, *, cleared: int | None) -> Region:
    low, high = min(targets), max(targets)
    if cleared is not None:
        low, high = min(low, cleared), max(high, cleared)
    box = list(job.everything())
    box[axis] = slice(low, high + 1)
    part = (box[0], box[1], box[2])
    inside = job.inside(part)
    view = np.moveaxis(inside, axis, 0)
    for n in targets:
        view[n - low] = view[n - low] | shape if job.params["keep"] else shape
    if cleared is not None:
        view[cleared - low] = False
    # Other slices of the segment stay: what was inside the box is part of the result.
    whole = job.everything()
    result = job.inside(whole)
    result[part] = inside
    return Region(whole, result)


def mirror(job: Job) -> Region:
    """Mirror a segment at a plane across a grid axis: the middle of the image, or one through a place."""
    axis = job.params["axis"]
    axis = _left_right(job) if axis is None else int(axis)
    size = job.shape[axis]
    # Twice the place of the plane: between two voxels or in the middle of one.
    twice = 2 * job.points[0][axis] if job.points else size - 1
    box = job.segment_box()
    low, high = twice - (box[axis].stop - 1), twice - box[axis].start + 1
    if high <= 0 or low >= size:
        raise OperationError("The mirror image lies outside the image", hint="Move the plane.")
    flipped = np.flip(job.inside(box), axis=axis)
    cut: list[slice] = [slice(None)] * 3
    cut[axis] = slice(max(-low, 0), (high - low) - max(high - size, 0))
    target = list(box)
    target[axis] = slice(max(low, 0), min(high, size))
    place = (target[0], target[1], target[2])
    room = joined(box, place) if not job.params["move"] else place
    room = grown(room, (0, 0, 0), job.shape)
    inside = job.inside(room) if not job.params["move"] else np.zeros([p.stop - p.start for p in room], bool)
    first = [p.start for p in room]
    there = tuple(slice(p.start - f, p.stop - f) for p, f in zip(place, first, strict=True))
    inside[there] |= flipped[tuple(cut)]
    return Region(room, inside)


def _left_right(job: Job) -> int:
    """Return the grid axis nearest to the patient's left and right; columns where that is unknown."""
    geometry = job.mask.geometry
    if not isinstance(geometry, Geometry):
        return 2
    steps = geometry.affine[:3, :3]
    return int(np.argmax(np.abs(steps[0] / np.linalg.norm(steps, axis=0))))
