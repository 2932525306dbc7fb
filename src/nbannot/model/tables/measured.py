"""Measures of boxes, shapes, segments and lesions as columns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np

from nbannot.errors import SuvError
from nbannot.model.annotations import Box, Tag
from nbannot.model.document import Document
from nbannot.model.geometry import Geometry
from nbannot.model.image import Image, SuvKind
from nbannot.model.masks import Mask
from nbannot.model.measures import Measures, Reader, measure_item, measure_segments
from nbannot.model.measures.sampling import index_of
from nbannot.model.shapes import Shape

# Measures that have the unit of lengths, and its power.
_POWERS = {
    "length": 1, "perimeter": 1, "width": 1, "height": 1, "depth": 1, "long_axis": 1, "short_axis": 1,
    "max_diameter": 1, "area": 2, "volume": 3,
}  # fmt: skip
_VALUES = ("mean", "sd", "min", "median", "max")
_SIZES: dict[str, tuple[str, ...]] = {
    "boxes": ("width", "height", "depth", "perimeter", "area", "volume", "max_diameter"),
    "shapes": (
        *("length", "perimeter", "area", "width", "height", "long_axis", "short_axis", "max_diameter"),
        "angle",
    ),
}
SEGMENT_COLUMNS = (
    *("mask", "value", "label", "voxels", "volume_mm3", "status", "area_mm2"),
    *("mean", "sd", "min", "p05", "p25", "median", "p75", "p95", "max", "value_unit"),
    *("x", "y", "z", "k0", "j0", "i0", "k1", "j1", "i1", "note"),
)
LESION_COLUMNS = (
    *("lesion", "labels", "items", "boxes", "shapes", "tags", "images", "slices"),
    *("long_axis_mm", "short_axis_mm", "area_mm2", "volume_mm3"),
)


def column(name: str, unit: str) -> str:
    """Return the name of a measure's column: "length_mm", "area_px2", "angle_deg", "voxels"."""
    if name in _POWERS:
        return f"{name}_{unit}{_POWERS[name] if _POWERS[name] > 1 else ''}"
    return {"angle": "angle_deg", "count": "voxels"}.get(name, name)


def available(image: Image, unit: SuvKind | None) -> SuvKind | None:
    """Return the unit where an image has it, else None: a table may hold CT and PET."""
    if unit is None or image.suv is None:
        return None
    try:
        image.suv_factor(unit)
    except SuvError:
        return None
    return unit


def measured(
    kind: str, items: Iterable[Box | Shape], document: Document, unit: SuvKind | None, values: bool
) -> list[dict[str, Any]]:
    """Return the measures of boxes or shapes, one row of columns each."""
    names = _SIZES[kind]
    extra = ("value", "linear") if kind == "shapes" else ()
    readers: dict[tuple[str, int], Reader] = {}
    found = []
    for item in items:
        frame = item.frame or 0
        image = document.image(item.image)
        reader = readers.setdefault((image.id, frame), Reader(image, frame))
        measures = measure_item(item, reader, unit=available(image, unit), values=values)
        row: dict[str, Any] = {column(name, "mm"): None for name in names}
        row |= {column(name, measures.unit): getattr(measures, name) for name in names}
        row["unit"] = measures.unit
        if values:
            rest = ("count", *_VALUES, *extra, "value_unit")
            row |= {column(name, ""): getattr(measures, name) for name in rest}
        row["note"] = measures.note
        found.append(row)
    return found


def segment_rows(
    document: Document, masks: Iterable[Mask], unit: SuvKind | None, values: bool
) -> list[tuple[object, ...]]:
    """Return size, place and values of every segment."""
    rows: list[tuple[object, ...]] = []
    for mask in masks:
        every = measure_segments(mask, unit=available(mask.image, unit), values=values)
        for segment in mask.segments:
            m = every[segment.value]
            area = m.area if m.unit == "mm" else None
            levels = (m.mean, m.sd, m.min, m.p05, m.p25, m.median, m.p75, m.p95, m.max, m.value_unit)
            centre = m.centroid or (None, None, None)
            first, last = m.bounds or ((None,) * 3, (None,) * 3)
            size = (m.count, m.volume, segment.status, area)
            rows.append(
                (mask.name, segment.value, segment.label, *size, *levels, *centre, *first, *last, m.note)
            )
    return rows


def lesion_rows(document: Document) -> list[tuple[object, ...]]:
    """Return one row for each lesion: what shows it, its axes, area and volume."""
    groups: dict[str, list[Box | Shape | Tag]] = defaultdict(list)
    for item in (*document.boxes, *document.shapes, *document.tags):
        if item.lesion:
            groups[item.lesion].append(item)
    return [_lesion(document, lesion, items) for lesion, items in groups.items()]


def _lesion(document: Document, lesion: str, items: list[Box | Shape | Tag]) -> tuple[object, ...]:
    drawn = [item for item in items if not isinstance(item, Tag)]
    images = {item.id: document.image(item.image) for item in drawn}
    found = {
        item.id: measure_item(item, Reader(images[item.id]), values=False)
        for item in drawn
        if images[item.id].geometry.unit == "mm"
    }
    axes = [_axes(found[s.id]) for s in drawn if s.id in found and getattr(s, "kind", "") == "bidirectional"]
    long, short = max(axes, default=(None, None))
    # Outlines say more than boxes: boxes count only where there is no outline.
    areal = [item for item in drawn if item.id in found and found[item.id].area is not None]
    flat = [item for item in areal if isinstance(item, Shape)] or areal
    areas = [float(found[item.id].area or 0) for item in flat]
    gaps = [_gap(images[item.id], item) for item in flat]
    known = bool(flat) and all(gap is not None for gap in gaps)
    volume = sum(area * (gap or 0) for area, gap in zip(areas, gaps)) if known else None
    slices = sorted({k for item in drawn for k in _slices(images[item.id], item)})
    count = [sum(isinstance(item, kind) for item in items) for kind in (Box, Shape, Tag)]
    labels = tuple(dict.fromkeys(item.label for item in items))
    places = tuple(dict.fromkeys(item.image for item in items))
    ids = tuple(item.id for item in items)
    area = sum(areas) if flat else None
    return lesion, labels, ids, *count, places, tuple(slices), long, short, area, volume


def _axes(measures: Measures) -> tuple[float, float]:
    return measures.long_axis or 0.0, measures.short_axis or 0.0


def _index(image: Image, item: Box | Shape) -> np.ndarray[Any, np.dtype[np.float64]]:
    if isinstance(item, Box):
        return np.array(item.index)
    return index_of(image.geometry, item.world(), item.slice)


def _slices(image: Image, item: Box | Shape) -> list[int]:
    """Return the slices k that an item lies on."""
    index = _index(image, item)
    if isinstance(item, Box):
        part = item.slices()[0]
        return list(range(part.start, part.stop))
    low, high = np.floor(index[:, 0].min() + 0.5), np.floor(index[:, 0].max() + 0.5)
    return list(range(int(low), int(high) + 1))


def _gap(image: Image, item: Box | Shape) -> float | None:
    """Return the distance of slices along their normal, for an item that lies on one; else None."""
    geometry = image.geometry
    index = _index(image, item)
    if not isinstance(geometry, Geometry) or np.ptp(index[:, 0]) > 0.02:
        return None
    return float(abs(geometry.affine[:3, 0] @ geometry.normal))
