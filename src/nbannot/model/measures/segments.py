"""Size, place and values of the segments of a mask."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import MaskError, UnknownLabelError
from nbannot.model.image import SuvKind
from nbannot.model.masks import Mask
from nbannot.model.measures.result import Measures
from nbannot.model.measures.sampling import COLOUR, NO_VOXEL, Reader, ValueUnit, statistics, value_unit

PERCENTILES = {"p05": 5, "p25": 25, "p75": 75, "p95": 95}
_FAR = np.iinfo(np.int64).max


@dataclass(slots=True)
class _Sums:
    """What is added up slice by slice, by segment value."""

    size: int
    count: NDArray[np.int64] = field(init=False)
    world: NDArray[np.float64] = field(init=False)
    low: NDArray[np.int64] = field(init=False)
    high: NDArray[np.int64] = field(init=False)
    values: list[NDArray[Any]] = field(default_factory=list)
    owners: list[NDArray[Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.count = np.zeros(self.size, dtype=np.int64)
        self.world = np.zeros((self.size, 3))
        self.low = np.full((self.size, 3), _FAR)
        self.high = np.full((self.size, 3), -1)


def measure_segments(
    mask: Mask, *, unit: SuvKind | None = None, frame: int = 0, values: bool = True
) -> dict[int, Measures]:
    """Return the measures of every segment of a mask, by value, in one pass over its slices.

    ``values=False`` leaves the image unread.
    """
    reader = Reader(mask.image, frame)
    how = value_unit(mask.image, unit)
    read = values and not mask.image.is_color
    sums = _Sums(max((s.value for s in mask.segments), default=0) + 1)
    for k in range(mask.array.shape[0]):
        plane = mask.array[k]
        flat = np.flatnonzero(plane)
        if flat.size:
            _add(sums, mask, k, flat, reader if read else None)
    parted = _parted(sums) if read else {}
    return {s.value: _measures(sums, mask, s.value, parted if read else None, how) for s in mask.segments}


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
    found = measure_segments(mask, unit=unit, frame=frame)
    if value not in found:
        raise UnknownLabelError(f"Mask {mask.name!r} has no segment of value {value}")
    return found[value]


def _add(sums: _Sums, mask: Mask, k: int, flat: NDArray[np.int64], reader: Reader | None) -> None:
    plane = mask.array[k]
    owner = plane.ravel()[flat].astype(np.int64)
    known = owner < sums.size
    flat, owner = flat[known], owner[known]
    j, i = np.divmod(flat, plane.shape[1])
    here = np.bincount(owner, minlength=sums.size)
    sums.count += here
    used = np.flatnonzero(here)
    centre = np.zeros((len(used), 3))
    for axis, part in ((1, j), (2, i)):
        centre[:, axis] = np.bincount(owner, weights=part, minlength=sums.size)[used] / here[used]
        np.minimum.at(sums.low[:, axis], owner, part)
        np.maximum.at(sums.high[:, axis], owner, part)
    centre[:, 0] = k
    sums.low[used, 0] = np.minimum(sums.low[used, 0], k)
    sums.high[used, 0] = k
    sums.world[used] += mask.geometry.to_world(centre) * here[used, None]
    if reader is not None:
        sums.values.append(reader.plane(k).ravel()[flat])
        sums.owners.append(owner.astype(np.uint16))


def _parted(sums: _Sums) -> dict[int, NDArray[Any]]:
    """Return the image's values by segment value."""
    if not sums.owners:
        return {}
    owners, values = np.concatenate(sums.owners), np.concatenate(sums.values)
    order = np.argsort(owners, kind="stable")
    found, begin = np.unique(owners[order], return_index=True)
    return {int(v): part for v, part in zip(found, np.split(values[order], begin[1:]))}


def _measures(
    sums: _Sums, mask: Mask, value: int, parted: dict[int, NDArray[Any]] | None, how: ValueUnit
) -> Measures:
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
    if parted is None:
        return Measures(**found, note=COLOUR if mask.image.is_color else "")
    values = parted[value]
    numbers, note = statistics(values, how)
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if finite.size:
        levels = np.percentile(finite, list(PERCENTILES.values())) * how.factor
        found |= dict(zip(PERCENTILES, map(float, levels)))
    return Measures(**(found | numbers), value_unit=how.name, note=note)
