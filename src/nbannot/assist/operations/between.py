"""Fill between painted slices: shapes are interpolated by their signed distances."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from nbannot.assist.operations.grids import Array, Flags, box_of, signed
from nbannot.assist.operations.job import Job, Labels
from nbannot.errors import OperationError

TIE = 1e-6
"""Means (mm) up to this are inside: those that are 0 but for rounding."""


def fill_between(job: Job) -> Labels:
    """Fill the empty slices between painted ones, each segment by itself; painted slices stay."""
    axis = int(job.params["axis"])
    job.check_volume()
    spacing = job.spacing()
    values = job.segments(job.params["segments"])
    box = box_of(job.array if len(values) != 1 else job.array == values[0])
    if not values or box is None:
        raise OperationError("The mask is empty", hint="Paint two slices or more, with a gap.")
    labels = np.moveaxis(job.array[box], axis, 0)
    result = labels.copy()
    nearest = np.full(labels.shape, np.inf, dtype=np.float32)
    steps = [step for a, step in enumerate(spacing) if a != axis]
    gaps = 0
    for n, value in enumerate(values):
        shapes = labels == value
        painted = np.flatnonzero(shapes.any(axis=(1, 2)))
        for first, last in pairwise(painted):
            job.tell(0.05 + 0.9 * (n + first / len(labels)) / len(values), "Filling between slices")
            if last - first < 2:
                continue
            gaps += 1
            levels = between_shapes(shapes[first], shapes[last], int(last - first), steps)
            part = slice(first + 1, last)
            better = (levels <= TIE) & (levels < nearest[part])
            nearest[part][better] = levels[better]
            result[part][better] = value
    if not gaps:
        raise OperationError(
            "There is nothing to fill between: no segment has an empty slice between two painted ones",
            hint="Paint slices with a gap, or choose the axis across which you painted.",
        )
    return Labels(box, np.ascontiguousarray(np.moveaxis(result, 0, axis)))


def between_shapes(one: Flags, other: Flags, count: int, steps: Sequence[float]) -> NDArray[np.float32]:
    """Return levels of the ``count - 1`` slices between two shapes; the shape is where they are ≤ 0.

    The weighted mean of both signed distances in mm (Raya & Udupa 1990). Shapes that do not overlap
    are first moved onto the line between their centres, or the mean would be empty.

    Parameters
    ----------
    one, other
        The shapes of two slices, neither empty.
    count
        Distance of the slices, in slices.
    steps
        Pixel size along both axes, mm.
    """
    apart = not (one & other).any()
    # A frame of one pixel: outside the slice there is nothing of a shape.
    fields = [signed(np.pad(shape, 1), steps) for shape in (one, other)]
    shift = _centre(other) - _centre(one) if apart else np.zeros(2)
    levels = np.empty((count - 1, *one.shape), dtype=np.float32)
    for n in range(1, count):
        t = n / count
        first, last = fields
        if apart:
            first, last = _moved(first, shift * t), _moved(last, -shift * (1 - t))
        levels[n - 1] = ((1 - t) * first + t * last)[1:-1, 1:-1]
    return levels


def _centre(shape: Array) -> NDArray[np.float64]:
    return np.asarray(np.argwhere(shape).mean(axis=0))


def _moved(levels: NDArray[np.float64], shift: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the levels moved by pixels, linearly; their frame goes on outside."""
    from scipy import ndimage

    return np.asarray(ndimage.shift(levels, shift, order=1, mode="nearest"))
