"""Size, place and values of the segments of a mask."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import MaskError, UnknownLabelError
from nbannot.model.image import SuvKind
from nbannot.model.masks import Mask
from nbannot.model.measures.result import Measures
from nbannot.model.measures.sampling import COLOUR, NO_VOXEL, Reader, ValueUnit, statistics, value_unit

PERCENTILES = {"p05": 5, "p25": 25, "median": 50, "p75": 75, "p95": 95}
_FAR = np.iinfo(np.int64).max
# Whole numbers whose range is below this are counted by value, which is faster than sorting them.
_COUNTED = 1 << 20


@dataclass(slots=True)
class _Sums:
    """What is added up slice by slice, by segment value."""

    size: int
    count: NDArray[np.int64] = field(init=False)
    world: NDArray[np.float64] = field(init=False)
    low: NDArray[np.int64] = field(init=False)
    high: NDArray[np.int64] = field(init=False)
    values: dict[int, list[NDArray[Any]]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        self.count = np.zeros(self.size, dtype=np.int64)
        self.world = np.zeros((self.size, 3))
        self.low = np.full((self.size, 3), _FAR)
        self.high = np.full((self.size, 3), -1)


def measure_segments(
    mask: Mask,
    *,
    unit: SuvKind | None = None,
    frame: int = 0,
    values: bool = True,
    only: int | None = None,
) -> dict[int, Measures]:
    """Return the measures of every segment of a mask, by value, in one pass over its slices.

    ``values=False`` leaves the image unread; ``only`` is the one value that is measured.
    """
    reader = Reader(mask.image, frame)
    how = value_unit(mask.image, unit)
    read = values and not mask.image.is_color
    sums = _Sums(max((s.value for s in mask.segments), default=0) + 1)
    for k in range(mask.array.shape[0]):
        plane = mask.array[k]
        flat = np.flatnonzero(plane if only is None else plane == only)
        if flat.size:
            _add(sums, mask, k, flat, reader if read else None)
    wanted = [s.value for s in mask.segments if only in (None, s.value)]
    return {value: _measures(sums, mask, value, how if read else None) for value in wanted}


def measure_segment(
    mask: Mask, segment: int | str | None, *, unit: SuvKind | None = None, frame: int = 0
) -> Measures:
    """Return the measures of one segment.

    Raises
    ------
    MaskError, UnknownLabelError
        When the mask has several segments and none is named, or has none of this value or label.
    """
    if segment is None:
        if len(mask.segments) != 1:
            raise MaskError(
                f"Mask {mask.name!r} has {len(mask.segments)} segments", hint="Name one: segment=."
            )
        segment = mask.segments[0].value
    value = mask.info.value_of(segment) if isinstance(segment, str) else int(segment)
    found = measure_segments(mask, unit=unit, frame=frame, only=value)
    if value not in found:
        raise UnknownLabelError(f"Mask {mask.name!r} has no segment of value {value}")
    return found[value]


def _add(sums: _Sums, mask: Mask, k: int, flat: NDArray[np.int64], reader: Reader | None) -> None:
    plane = mask.array[k]
    height, width = plane.shape
    owner = plane.ravel()[flat]
    if int(owner.max()) >= sums.size:  # values without a segment
        flat, owner = flat[owner < sums.size], owner[owner < sums.size]
    here = np.bincount(owner, minlength=sums.size)
    used = np.flatnonzero(here)
    sums.count += here
    rank = np.zeros(sums.size, dtype=np.int64)
    rank[used] = np.arange(len(used))
    j, i = np.divmod(flat, width)
    centre = np.full((len(used), 3), float(k))
    for axis, part, size in ((1, j, height), (2, i, width)):
        profile = np.bincount(rank[owner] * size + part, minlength=len(used) * size).reshape(-1, size)
        centre[:, axis] = profile @ np.arange(size) / here[used]
        first, last = (profile > 0).argmax(axis=1), size - 1 - (profile[:, ::-1] > 0).argmax(axis=1)
        sums.low[used, axis] = np.minimum(sums.low[used, axis], first)
        sums.high[used, axis] = np.maximum(sums.high[used, axis], last)
    sums.low[used, 0] = np.minimum(sums.low[used, 0], k)
    sums.high[used, 0] = k
    sums.world[used] += mask.geometry.to_world(centre) * here[used, None]
    if reader is None:
        return
    values = reader.plane(k).ravel()[flat]
    if len(used) > 1:
        values = values[np.argsort(owner, kind="stable")]
    for value, part in zip(used.tolist(), np.split(values, np.cumsum(here[used])[:-1])):
        sums.values[value].append(part)


def _measures(sums: _Sums, mask: Mask, value: int, how: ValueUnit | None) -> Measures:
    geometry, count = mask.geometry, int(sums.count[value])
    found: dict[str, Any] = {"unit": geometry.unit, "count": count}
    if geometry.kind == "grid":
        found["volume"] = count * float(abs(np.linalg.det(geometry.affine[:3, :3])))
    elif mask.array.shape[0] == 1:
        plane = geometry.planes[0]
        found["area"] = count * float(np.linalg.norm(np.cross(plane.row_step, plane.column_step)))
    if not count:
        return Measures(**found, note=NO_VOXEL)
    x, y, z = (sums.world[value] / count).tolist()
    found["centroid"] = (x, y, z)
    found["bounds"] = (tuple(sums.low[value].tolist()), tuple(sums.high[value].tolist()))
    if how is None:
        return Measures(**found, note=COLOUR if mask.image.is_color else "")
    numbers, note = _described(np.concatenate(sums.values.pop(value)), how)
    return Measures(**(found | numbers), value_unit=how.name, note=note)


def _described(values: NDArray[Any], how: ValueUnit) -> tuple[dict[str, Any], str]:
    """Return mean, sd, ends and percentiles of values, and a note."""
    low, high = values.min(), values.max()
    if values.dtype.kind == "f" or int(high) - int(low) >= _COUNTED:
        found, note = statistics(values, how)
        finite = values[np.isfinite(values)]
        levels = np.percentile(finite, list(PERCENTILES.values())) if finite.size else []
        return found | {name: float(level) * how.factor for name, level in zip(PERCENTILES, levels)}, note
    counts = np.bincount(np.subtract(values, low, dtype=np.int64))
    steps, total = np.arange(len(counts)), len(values)
    mean = float(counts @ steps) / total
    spread = math.sqrt(float(counts @ (steps - mean) ** 2) / total)
    sums = np.cumsum(counts)
    ends = sorted((float(low) * how.factor, float(high) * how.factor))
    found = {"count": total, "mean": (mean + int(low)) * how.factor, "sd": spread * abs(how.factor)}
    found |= dict(zip(("min", "max"), ends))
    for name, percent in PERCENTILES.items():
        place = percent / 100 * (total - 1)
        below, above = np.searchsorted(sums, (math.floor(place), math.ceil(place)), side="right")
        level = below + (above - below) * (place - math.floor(place))
        found[name] = (float(level) + int(low)) * how.factor
    return found, ""
