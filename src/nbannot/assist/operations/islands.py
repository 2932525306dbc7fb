"""Operations on the connected parts of a segment."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nbannot.assist.operations.grids import Array, neighbours, parts
from nbannot.assist.operations.job import Job, Labels, Region
from nbannot.errors import GeometryError, OperationError
from nbannot.model.geometry import Geometry

# Voxels counted at once.
CHUNK = 16_000_000


def islands(job: Job) -> Region | Labels:
    """Keep, remove or split the connected parts of a segment."""
    params = job.params
    flat = job.flat
    job.check_volume(flat=flat)
    box = job.segment_box()
    method = params["method"]
    if method in ("selected", "remove") and not job.points:
        raise OperationError(
            "No island is named", hint="Give a place in it: index=(k, j, i) or world=(x, y, z)."
        )
    job.tell(0.1, "Finding islands")
    labels, count = parts(job.inside(box), neighbours(params["connectivity"], flat=flat))
    job.tell(0.6, f"{count} islands")
    if method in ("selected", "remove"):
        chosen = _at_points(job, labels, tuple(part.start for part in box))
        keep = np.zeros(count + 1, dtype=bool)
        keep[list(chosen)] = True
        if method == "remove":
            keep = ~keep
        keep[0] = False
        return Region(box, keep[labels], job.mode)
    sizes = part_sizes(labels, count)
    job.tell(0.8, f"{count} islands")
    order = np.argsort(-sizes[1:], kind="stable") + 1
    if method == "split":
        return _split(job, labels, order[: _enough(job, sizes)], box)
    keep = np.zeros(count + 1, dtype=bool)
    if method == "largest":
        keep[order[: params["n"]]] = True
    else:
        keep[1:] = sizes[1:] >= _fewest(job)
        if not keep.any():
            raise OperationError(
                "Every island is smaller than that: nothing would be left", hint="Take a lower minimum."
            )
    return Region(box, keep[labels], job.mode)


def part_sizes(labels: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """Return the voxels of each part; those of none come first."""
    sizes = np.zeros(count + 1, dtype=np.int64)
    flat = labels.reshape(-1)
    for start in range(0, flat.size, CHUNK):
        sizes += np.bincount(flat[start : start + CHUNK], minlength=count + 1)
    return sizes


def _fewest(job: Job) -> float:
    """Return the voxels that an island must have."""
    minimum = job.params["minimum"]
    if minimum is None:
        return 1.0
    if job.params["unit"] == "voxels":
        return float(minimum)
    geometry = job.mask.geometry
    if not isinstance(geometry, Geometry):
        raise GeometryError(
            "The slices of this image form no regular grid: a volume in mm³ is not defined",
            hint='Count voxels: unit="voxels".',
        )
    return float(minimum / abs(np.linalg.det(geometry.affine[:3, :3])) - 1e-9)


def _enough(job: Job, sizes: NDArray[np.int64]) -> int:
    """Return how many islands are segments of their own: those of the minimum size, the largest always."""
    return max(int((sizes[1:] >= _fewest(job)).sum()), 1)


def _at_points(job: Job, labels: Array, first: tuple[int, ...]) -> set[int]:
    found = set()
    for point in job.points:
        place = tuple(p - f for p, f in zip(point, first, strict=True))
        inside = all(0 <= p < n for p, n in zip(place, labels.shape, strict=True))
        number = int(labels[place]) if inside else 0
        if not number:
            raise OperationError(
                f"At {point} is no voxel of {job.label!r}", hint="Choose a place on the island."
            )
        found.add(number)
    return found


def _split(job: Job, numbers: Array, order: NDArray[np.int64], box: tuple[slice, slice, slice]) -> Labels:
    """Give each island but the largest a segment of its own; those too small stay as they are."""
    used = {segment.value for segment in job.mask.segments}
    names = {segment.label for segment in job.mask.segments}
    made: dict[int, str] = {}
    new_value, number = max(used, default=0), 1
    table = np.full(int(numbers.max()) + 1, job.value, dtype=np.uint16)
    for island in order[1:]:
        new_value += 1
        number += 1
        while f"{job.label} {number}" in names:
            number += 1
        if new_value > 65535:
            raise OperationError(
                f"{len(order)} islands are more than a mask has segments", hint="Take a higher minimum."
            )
        made[new_value] = f"{job.label} {number}"
        names.add(made[new_value])
        table[island] = new_value
    labels = job.array[box].astype(np.uint16 if new_value > 255 else job.array.dtype)
    there = numbers > 0
    labels[there] = table[numbers[there]]
    return Labels(box, labels, made)
