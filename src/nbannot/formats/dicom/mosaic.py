"""Siemens mosaics: one picture that tiles the slices of a volume."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from nbannot.formats.dicom import elements as el
from nbannot.formats.dicom.csa import csa_values
from nbannot.formats.dicom.header import Header

Vector3 = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Mosaic:
    """Tiles of a picture: a header for all of them, and the place of each, LPS mm, in their order."""

    header: Header
    places: tuple[Vector3, ...]
    notes: tuple[str, ...] = ()


def is_mosaic(header: Header, ds: Any) -> bool:
    """Whether a Siemens file tiles many slices in one picture."""
    return "MOSAIC" in header.image_type or (
        el.text(ds, 0x00190010) == "SIEMENS MR HEADER" and (el.integer(ds, 0x0019100A) or 0) > 1
    )


def mosaic_of(
    header: Header, ds: Any, position: Sequence[float], axes: Sequence[float], size: tuple[float, float]
) -> Mosaic | None:
    """Return the tiles of a mosaic; None when the file does not say how many there are, or how far apart.

    The position in the file is that of a picture of the mosaic's size around the middle of the slice; the
    first tile starts half the difference in size further on. Slices follow each other along the normal that
    the CSA header names.

    Parameters
    ----------
    position, axes
        Image Position and Image Orientation, LPS.
    size
        Distance of rows and of columns, mm.
    """
    csa = csa_values(ds)
    count = int(_number(csa.get("NumberOfImagesInMosaic")) or el.integer(ds, 0x0019100A) or 0)
    step = el.number(ds, 0x00180088) or _number(csa.get("SpacingBetweenSlices")) or 0.0
    across = math.isqrt(max(count - 1, 0)) + 1
    if count < 2 or not step > 0 or header.rows % across or header.columns % across:
        return None
    tile = replace(header, rows=header.rows // across, columns=header.columns // across, whole=header)
    row, column = axes[:3], axes[3:]
    aside = (header.columns - tile.columns) / 2 * size[1]
    down = (header.rows - tile.rows) / 2 * size[0]
    first = [p + aside * r + down * c for p, r, c in zip(position, row, column, strict=True)]
    normal = [row[1] * column[2] - row[2] * column[1], row[2] * column[0] - row[0] * column[2],
              row[0] * column[1] - row[1] * column[0]]  # fmt: skip
    stated = [float(part) for part in csa.get("SliceNormalVector", ()) if _is_number(part)]
    notes = [f"Siemens mosaic of {count} slices"]
    if len(stated) != 3:
        notes.append(
            "no CSA header tells the direction of the mosaic's slices: they are taken along the normal"
        )
    elif sum(a * b for a, b in zip(normal, stated, strict=True)) < 0:
        step = -step
    encoding = el.text(ds, 0x00181312)
    sense = _number(csa.get("PhaseEncodingDirectionPositive"))
    if encoding and sense is not None:
        notes.append(f"phase encoding {encoding} {'positive' if sense > 0 else 'negative'}")
    places = [
        (first[0] + n * step * normal[0], first[1] + n * step * normal[1], first[2] + n * step * normal[2])
        for n in range(count)
    ]
    return Mosaic(tile, tuple(places), tuple(notes))


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _number(values: Sequence[str] | None) -> float | None:
    return float(values[0]) if values and _is_number(values[0]) else None


def band_of(tile: Header, index: int) -> tuple[Header, int]:
    """Return the header of the row of uncompressed tiles that tile `index` is in, and its first column."""
    whole = tile.whole
    assert whole is not None
    across = whole.columns // tile.columns
    size = whole.columns * whole.samples * whole.allocated // 8
    offset = whole.offset + index // across * tile.rows * size
    return replace(whole, rows=tile.rows, offset=offset), index % across * tile.columns
