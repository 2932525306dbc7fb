"""Operations on the shape of segments: margin, hollow, smooth, fill holes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nbannot.assist.operations.grids import (
    Array,
    Box,
    Flags,
    Spacing,
    grown,
    joined,
    neighbours,
    parts,
    reach,
)
from nbannot.assist.operations.job import Job, Labels, Region
from nbannot.errors import OperationError


def margin(job: Job) -> Region:
    """Grow or shrink by a length: every voxel centre within it is taken in or away."""
    mm = job.params["mm"]
    if mm == 0:
        raise OperationError("A margin of 0 mm changes nothing", hint="Above 0 grows, below 0 shrinks.")
    box, inside = _with_room(job, max(mm, 0.0))
    job.tell(0.2, "Measuring distances")
    return Region(box, job.near(inside, mm) if mm > 0 else _shrunk(job, inside, -mm), job.mode)


def _with_room(job: Job, mm: float) -> tuple[Box, Flags]:
    """Return the segment in its box, with room for a growth of ``mm`` and one voxel more."""
    # Distances across slices are asked for first: they may not be defined.
    steps = np.array(reach(mm, _heights(job), flat=job.flat)) + 1
    box = grown(job.segment_box(), steps.tolist(), job.shape)
    return box, job.inside(box)


def _heights(job: Job) -> Spacing:
    """Return the distances of neighbouring grid planes in mm, which bound how far a ball reaches."""
    spacing = job.spacing(flat=job.flat)
    affine = getattr(job.mask.geometry, "affine", None)
    if affine is None or job.mask.geometry.is_orthogonal:
        return spacing
    k, j, i = 1 / np.linalg.norm(np.linalg.inv(affine[:3, :3]), axis=1)
    return float(k), float(j), float(i)


def _shrunk(job: Job, inside: Flags, mm: float) -> Flags:
    """Take away what is at most ``mm`` from a voxel outside; beyond the image there is none."""
    return inside & ~job.near(~inside, mm)


def hollow(job: Job) -> Region:
    """A shell along the surface."""
    mm, side = job.params["mm"], job.params["side"]
    out, into = {"inside": (0.0, mm), "outside": (mm, 0.0), "both": (mm / 2, mm / 2)}[side]
    box, inside = _with_room(job, out)
    job.tell(0.2, "Measuring distances")
    outer = job.near(inside, out) if out else inside
    job.tell(0.6, "Measuring distances")
    inner = _shrunk(job, inside, into) if into else inside
    return Region(box, outer & ~inner, job.mode)


def smooth(job: Job) -> Region | Labels:
    """Smooth one segment, or all of them together."""
    method, mm = job.params["method"], job.params["mm"]
    if method == "joint":
        return _joint(job, mm)
    if method in ("opening", "closing"):
        return _opened(job, mm / 2, closing=method == "closing")
    spacing = job.spacing(flat=job.flat)
    box = grown(job.segment_box(), (1, 1, 1), job.shape)
    inside = job.inside(box)
    job.tell(0.2, "Smoothing")
    if method == "median":
        half = kernel(mm, spacing, flat=job.flat)
        if not any(half):
            raise OperationError(
                f"A median of {mm:g} mm looks at one voxel only",
                hint=f"Three voxels are {3 * min(spacing[1:] if job.flat else spacing):.3g} mm.",
            )
        return Region(box, majority(inside, half), job.mode)
    return Region(box, blurred(inside, mm, spacing, flat=job.flat) >= 0.5, job.mode)


def _opened(job: Job, radius: float, *, closing: bool) -> Region:
    box, inside = _with_room(job, radius if closing else 0.0)
    job.tell(0.2, "Measuring distances")
    if closing:
        grew = job.near(inside, radius)
        job.tell(0.6, "Measuring distances")
        return Region(box, _shrunk(job, grew, radius), job.mode)
    rest = _shrunk(job, inside, radius)
    job.tell(0.6, "Measuring distances")
    return Region(box, job.near(rest, radius) & inside, job.mode)


def kernel(mm: float, spacing: Spacing, *, flat: bool = False) -> tuple[int, int, int]:
    """Return the half widths in voxels of the largest odd box whose edges are at most ``mm`` long."""
    k, j, i = (int(np.floor((mm / step - 1) / 2 + 1e-6)) for step in spacing)
    return (0 if flat else max(k, 0)), max(j, 0), max(i, 0)


def majority(inside: Flags, half: tuple[int, int, int]) -> Flags:
    """Return the median of a box: set where more than half of its voxels are; borders are repeated."""
    counts = np.pad(inside, [(n, n) for n in half], mode="edge").astype(np.int32)
    for axis, n in enumerate(half):
        if n:
            sums = np.cumsum(counts, axis=axis, dtype=np.int32)
            width, length = 2 * n + 1, counts.shape[axis]
            upper = np.take(sums, range(width - 1, length), axis=axis)
            lower = np.take(sums, range(length - width), axis=axis)
            counts = upper
            counts[(slice(None),) * axis + (slice(1, None),)] -= lower
    total = int(np.prod([2 * n + 1 for n in half]))
    return np.asarray(2 * counts > total)


def blurred(inside: Flags, sd: float, spacing: Spacing, *, flat: bool = False) -> NDArray[np.float32]:
    """Return the share of the segment around each voxel, by a Gaussian of ``sd`` mm cut at 4 sd."""
    from scipy import ndimage

    sigma = [0.0 if flat and not axis else sd / step for axis, step in enumerate(spacing)]
    result: NDArray[np.float32] = ndimage.gaussian_filter(inside.astype(np.float32), sigma, mode="nearest")
    # Half is half: sums of float32 scatter in the last digits.
    return np.round(result, 6)


def _joint(job: Job, sd: float) -> Labels:
    """Smooth the union of segments, and inside it give each voxel to the segment of the largest share."""
    spacing = job.spacing(flat=job.flat)
    values = job.segments(job.params["segments"])
    if not values:
        raise OperationError("The mask is empty", hint="Paint something first.")
    boxes = {value: job.segment_box(value) for value in values}
    box = boxes[values[0]]
    for one in boxes.values():
        box = joined(box, one)
    box = grown(box, (1, 1, 1), job.shape)
    old = job.array[box]
    union = blurred(np.isin(old, values), sd, spacing, flat=job.flat) >= 0.5
    best = np.full(old.shape, -1, dtype=np.float32)
    winner = np.zeros_like(old)
    for n, value in enumerate(values):
        job.tell(0.2 + 0.7 * n / len(values), "Smoothing")
        share = blurred(old == value, sd, spacing, flat=job.flat)
        better = share > best
        best[better], winner[better] = share[better], value
    labels = old.copy()
    labels[np.isin(old, values) & ~union] = 0
    labels[union] = winner[union]
    return Labels(box, labels)


def fill_holes(job: Job) -> Region:
    """Fill what the segment encloses: in the volume, or in each slice along an axis."""
    flat = job.flat
    job.check_volume(flat=flat)
    axis = int(job.params["axis"])
    box = job.segment_box()
    inside = job.inside(box)
    job.tell(0.2, "Looking for holes")
    filled = holes(inside, flat=flat, axis=axis) | inside
    return Region(box, filled, job.mode)


def holes(inside: Flags, *, flat: bool = False, axis: int = 0) -> Flags:
    """Return the voxels outside that no way along faces leads to from beyond the border."""
    structure: Array = neighbours("faces", flat=flat)
    if flat:
        structure = np.moveaxis(structure, 0, axis)
    pad = [(0, 0) if flat and a == axis else (1, 1) for a in range(3)]
    outside = np.pad(~inside, pad, constant_values=True)
    labels, count = parts(outside, structure)
    reached = np.zeros(count + 1, dtype=bool)
    reached[0] = True
    for a in range(3):
        if not (flat and a == axis):
            reached[np.unique(np.take(labels, (0, -1), axis=a))] = True
    core = tuple(slice(low, size - high) for (low, high), size in zip(pad, labels.shape, strict=True))
    return np.asarray(~reached[labels[core]])
