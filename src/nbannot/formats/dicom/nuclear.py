"""Nuclear medicine: one file whose frames run over energy windows, detectors, angles, times and slices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nbannot.formats.dicom import elements as el

Vector3 = tuple[float, float, float]

# PS3.3 C.8.4.8: for each frame the number of what it belongs to, from 1.
_VECTORS = {
    "energy window": 0x00540010,
    "detector": 0x00540020,
    "phase": 0x00540030,
    "rotation": 0x00540050,
    "heart beat": 0x00540060,
    "time slot": 0x00540070,
    "slice": 0x00540080,
    "angular view": 0x00540090,
    "time slice": 0x00540100,
}


def nuclear_keys(ds: Any, count: int) -> list[dict[str, float]]:
    """Return for each frame the numbers that change among the frames, by what they count."""
    found: list[dict[str, float]] = [{} for _ in range(count)]
    for name, tag in _VECTORS.items():
        numbers = el.numbers(ds, tag)
        if len(numbers) == count and len(set(numbers)) > 1:
            for keys, number in zip(found, numbers, strict=True):
                keys[name] = number
    return found


def nuclear_places(
    ds: Any, keys: Sequence[dict[str, float]]
) -> tuple[list[Vector3], tuple[float, ...]] | None:
    """Return position and orientation of the frames of a reconstruction; None for other pictures.

    The detector's item gives the place of the first slice; the sign of Spacing Between Slices says to which
    side of it the others lie (PS3.3 C.8.4.15).
    """
    item = el.first(ds, 0x00540022)
    for place in (item, ds):
        start = el.numbers(place, 0x00200032) if place is not None else ()
        axes = el.numbers(place, 0x00200037) if place is not None else ()
        if len(start) == 3 and len(axes) == 6:
            break
    else:
        return None
    step = el.number(ds, 0x00180088) or el.number(ds, 0x00180050)
    if not step or any("slice" not in one for one in keys):
        return None
    r, c = axes[:3], axes[3:]
    normal = (r[1] * c[2] - r[2] * c[1], r[2] * c[0] - r[0] * c[2], r[0] * c[1] - r[1] * c[0])
    places = [
        (start[0] + n * step * normal[0], start[1] + n * step * normal[1], start[2] + n * step * normal[2])
        for n in (one["slice"] - 1 for one in keys)
    ]
    return places, tuple(axes)
