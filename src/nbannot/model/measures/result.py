"""What is measured of one item."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

IndexPoint = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """Quantities of a shape, box or segment; None where one makes no sense or is not known.

    Parameters
    ----------
    unit
        "mm", or "px" where the image does not know its pixel size; areas and volumes in its powers.
    length
        Of a ruler or an open line.
    perimeter, area
        Of an outline, or a box on one slice.
    width, height, depth
        Sides of a rectangle; a box along i, j and k.
    long_axis, short_axis
        Of a bidirectional or an ellipse.
    max_diameter
        Largest distance between two places of an outline or box.
    angle
        In degrees: of an angle 0 to 180, of a Cobb angle 0 to 90.
    volume
        Of a 3-D box or a segment.
    count
        Number of voxels whose centres lie inside, or of samples in a free plane.
    mean, sd, min, median, max
        Of their values; sd is that of the population (divided by the number of voxels).
    p05, p25, p75, p95
        Percentiles of a segment's values.
    value, linear
        Of a probe: of the nearest voxel, and linear between voxels.
    value_unit
        Of the values, e.g. "HU", "SUVbw".
    centroid
        Of a segment, world (x, y, z).
    bounds
        First and last voxel (k, j, i) of a segment.
    note
        What a reader should know, e.g. that an outline crosses itself.
    """

    unit: Literal["mm", "px"] = "mm"
    length: float | None = None
    perimeter: float | None = None
    area: float | None = None
    width: float | None = None
    height: float | None = None
    depth: float | None = None
    long_axis: float | None = None
    short_axis: float | None = None
    max_diameter: float | None = None
    angle: float | None = None
    volume: float | None = None
    count: int | None = None
    mean: float | None = None
    sd: float | None = None
    min: float | None = None
    median: float | None = None
    max: float | None = None
    p05: float | None = None
    p25: float | None = None
    p75: float | None = None
    p95: float | None = None
    value: float | None = None
    linear: float | None = None
    value_unit: str = ""
    centroid: tuple[float, float, float] | None = None
    bounds: tuple[IndexPoint, IndexPoint] | None = None
    note: str = ""

    def __repr__(self) -> str:
        shown = {name: getattr(self, name) for name in self.__dataclass_fields__}
        parts = [f"{name}={_short(value)}" for name, value in shown.items() if value not in (None, "")]
        return f"Measures({', '.join(parts)})"


def _short(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else repr(value)
