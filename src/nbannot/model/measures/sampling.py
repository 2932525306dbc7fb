"""Values of an image inside outlines and at points."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.model.geometry import Grid
from nbannot.model.image import Image, SuvKind
from nbannot.model.measures.lines import Points, ellipse_of

Values = NDArray[Any]
Places = NDArray[np.int64]

# A plane this near to a slice, in voxels, is the slice.
ON_SLICE = 0.01
_PLANES_KEPT = 8

UNITS = {"BQML": "Bq/ml", "GML": "g/ml", "PROPCPS": "cps", "CNTS": "counts", "1": ""}
"""DICOM's codes of units as people write them (PS3.3 C.8.9.1, Units)."""
SUV_NAMES: dict[SuvKind, str] = {"bw": "SUVbw", "lbm": "SUVlbm", "bsa": "SUVbsa"}

NO_VOXEL = "no voxel centre inside"
COLOUR = "colour image: no statistics of values"
FREE_PLANE = "free plane: sampled at the voxel spacing, linear between voxels"


@dataclass(frozen=True, slots=True)
class ValueUnit:
    """The unit that values are given in: value = factor × stored value."""

    name: str
    factor: float = 1.0


def value_unit(image: Image, kind: SuvKind | None) -> ValueUnit:
    """Return the stored unit of an image, or that of its SUV.

    Raises
    ------
    SuvError
        When the SUV cannot be computed.
    """
    if kind is None:
        return ValueUnit(UNITS.get(image.unit, image.unit))
    return ValueUnit(SUV_NAMES.get(kind, kind), image.suv_factor(kind))


class Reader:
    """Slices of one frame of an image; the last few are kept."""

    def __init__(self, image: Image, frame: int = 0) -> None:
        self.image = image
        self.frame = frame
        self._planes: OrderedDict[int, Values] = OrderedDict()

    def plane(self, k: int) -> Values:
        """Return slice k as (j, i)."""
        if k not in self._planes:
            self._planes[k] = self.image.plane_array(k, t=self.frame)
            if len(self._planes) > _PLANES_KEPT:
                self._planes.popitem(last=False)
        return self._planes[k]

    def at(self, places: Places) -> Values:
        """Return the values of voxels (n, 3) as (k, j, i)."""
        if not len(places):
            return np.zeros(0)
        found = np.empty(len(places), dtype=self.image.dtype)
        order = np.argsort(places[:, 0], kind="stable")
        ks, begin = np.unique(places[order, 0], return_index=True)
        for k, rows in zip(ks, np.split(order, begin[1:])):
            found[rows] = self.plane(int(k))[places[rows, 1], places[rows, 2]]
        return found

    def linear(self, index: Points) -> Points:
        """Return values at index points (n, 3), linear between voxel centres; NaN outside the image.

        In the outer half of the voxels at the border the border's value is taken.
        """
        shape = np.array(self.image.shape)
        inside = ((index >= -0.5 - 1e-9) & (index <= shape - 0.5 + 1e-9)).all(axis=1)
        place = np.clip(index, 0, shape - 1)
        low = np.minimum(np.floor(place).astype(np.int64), np.maximum(shape - 2, 0))
        part = place - low
        total = np.zeros(len(index))
        for corner in np.ndindex(2, 2, 2):
            weight = np.prod(np.where(np.array(corner) == 1, part, 1 - part), axis=1)
            used = np.flatnonzero(inside & (weight > 0))
            corners = np.minimum(low[used] + np.array(corner), shape - 1)
            total[used] += weight[used] * self.at(corners)
        total[~inside] = np.nan
        return total


def index_of(grid: Grid, world: Points, k: int | None) -> Points:
    """Return index points (n, 3) of world points (n, 3); on a stack those on plane k."""
    if grid.kind == "grid":
        return grid.to_index(world)
    plane = grid.planes[k or 0]
    basis = np.stack((plane.row_step, plane.column_step), axis=1)
    flat = np.linalg.lstsq(basis, (world - plane.origin).T, rcond=None)[0].T
    return np.column_stack((np.full(len(flat), float(k or 0)), flat))


def slice_of(index: Points) -> tuple[int, int] | None:
    """Return (axis, number) of the grid slice that index points (n, 3) lie on, if they lie on one."""
    for axis in range(3):
        number = math.floor(float(index[:, axis].mean()) + 0.5)
        if np.abs(index[:, axis] - number).max() <= ON_SLICE:
            return axis, number
    return None


def inside_polygon(outline: Points, size: tuple[int, int]) -> Places:
    """Return the pixels (n, 2) as (x, y) whose centres lie inside an outline (n, 2), even-odd.

    Coordinates are in pixels, centres at integers. A centre on the outline belongs to what lies on its
    right and below, so that no pixel is in two regions that touch.
    """
    start = np.floor(outline * 1e6 + 0.5) / 1e6
    end = np.roll(start, -1, axis=0)
    first = np.ceil(np.minimum(start[:, 1], end[:, 1])).clip(0, size[1]).astype(np.int64)
    sizes = np.ceil(np.maximum(start[:, 1], end[:, 1])).clip(0, size[1]).astype(np.int64) - first
    edge = np.repeat(np.arange(len(start)), sizes)
    row = np.repeat(first, sizes) + np.arange(len(edge)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    a, b = start[edge], end[edge]
    x = a[:, 0] + (row - a[:, 1]) * (b[:, 0] - a[:, 0]) / (b[:, 1] - a[:, 1])
    order = np.lexsort((x, row))
    columns = np.ceil(x[order] - 1e-9).clip(0, size[0]).astype(np.int64)
    begin, widths = columns[::2], columns[1::2] - columns[::2]
    which = np.repeat(np.arange(len(begin)), widths)
    x_inside = begin[which] + np.arange(len(which)) - np.repeat(np.cumsum(widths) - widths, widths)
    return np.column_stack((x_inside, row[order][::2][which]))


def inside_ellipse(ends: Points, size: tuple[int, int]) -> Places:
    """Return the pixels (n, 2) as (x, y) whose centres lie in the ellipse of these axis ends (4, 2), or on it."""
    centre, u, v = ellipse_of(ends)
    det = float(u[0] * v[1] - u[1] * v[0])
    if abs(det) < 1e-12:
        return np.zeros((0, 2), dtype=np.int64)
    reach = np.hypot(u, v)
    low = np.ceil(centre - reach - 1e-9).clip(0).astype(np.int64)
    high = np.minimum(np.floor(centre + reach + 1e-9).astype(np.int64), np.array(size) - 1)
    y, x = np.mgrid[low[1] : high[1] + 1, low[0] : high[0] + 1]
    dx, dy = x - centre[0], y - centre[1]
    s, t = (dx * v[1] - dy * v[0]) / det, (dy * u[0] - dx * u[1]) / det
    inside = s * s + t * t <= 1 + 1e-9
    return np.column_stack((x[inside], y[inside])).astype(np.int64)


def statistics(values: Values, unit: ValueUnit) -> tuple[dict[str, float | int | None], str]:
    """Return count, mean, sd, min, median and max of values, and a note."""
    note = ""
    count = len(values)
    numbers = np.asarray(values, dtype=np.float64)
    if values.dtype.kind == "f":
        numbers = numbers[np.isfinite(numbers)]
        if len(numbers) < count:
            note = f"{count - len(numbers)} voxels without a value left out"
    if not len(numbers):
        nothing: dict[str, float | int | None] = dict.fromkeys(("mean", "sd", "min", "median", "max"))
        return {"count": count, **nothing}, note or NO_VOXEL
    factor = unit.factor
    low, high = sorted((float(numbers.min()) * factor, float(numbers.max()) * factor))
    return {
        "count": count,
        "mean": float(numbers.mean()) * factor,
        "sd": float(numbers.std()) * abs(factor),
        "min": low,
        "median": float(np.median(numbers)) * factor,
        "max": high,
    }, note
