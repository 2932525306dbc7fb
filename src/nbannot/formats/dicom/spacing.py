"""Pixel size of a picture: in mm where the file says so, else in pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from nbannot.formats.dicom import elements as el
from nbannot.formats.dicom.header import Header

_CM = 3  # PhysicalUnits code of ultrasound regions, PS3.3 C.8.5.5.1.15


@dataclass(frozen=True, slots=True)
class PixelSize:
    """Distance of rows (down a column) and of columns (along a row)."""

    row: float = 1.0
    column: float = 1.0
    unit: Literal["mm", "px"] = "px"


def _pair(ds: Any, tag: int) -> tuple[float, float] | None:
    """Return a spacing; zero, negative or incomplete ones count as absent."""
    found = el.numbers(ds, tag)
    if len(found) == 2 and found[0] > 0 and found[1] > 0:
        return found[0], found[1]
    return None


def pixel_size_of(ds: Any, header: Header) -> tuple[PixelSize, tuple[str, ...]]:
    """Return the pixel size and notes on where it comes from (PS3.3 10.7)."""
    spacing = _pair(ds, 0x00280030)
    if spacing is not None:
        return PixelSize(*spacing, "mm"), ()
    imager = _pair(ds, 0x00181164)
    if imager is not None:
        note = "pixel size measured at the detector; magnification is not corrected"
        return PixelSize(*imager, "mm"), (note,)
    plane = _pair(ds, 0x30020011)
    if plane is not None:
        return PixelSize(*plane, "mm"), ("pixel size in the plane of the RT image",)
    scanned = _pair(ds, 0x00182010)
    if scanned is not None:
        return PixelSize(*scanned, "mm"), ("pixel size of the film scanner",)
    region = _ultrasound(ds)
    if region is not None:
        return PixelSize(*region, "mm"), ("pixel size of the ultrasound region",)
    aspect = _pair(ds, 0x00280034)
    if aspect is not None and aspect[0] != aspect[1]:
        return PixelSize(aspect[0] / aspect[1], 1.0, "px"), ("pixel size unknown; only its aspect",)
    return PixelSize(), ()


def _ultrasound(ds: Any) -> tuple[float, float] | None:
    """Return mm per pixel when all calibrated 2-D regions agree on it."""
    sizes = set()
    for region in el.items(ds, 0x00186011):
        if el.integer(region, 0x00186012) != 1:
            continue
        if (el.integer(region, 0x00186024), el.integer(region, 0x00186026)) != (_CM, _CM):
            continue
        x, y = el.number(region, 0x0018602C), el.number(region, 0x0018602E)
        if x and y:
            sizes.add((round(abs(y) * 10, 9), round(abs(x) * 10, 9)))
    return sizes.pop() if len(sizes) == 1 else None
