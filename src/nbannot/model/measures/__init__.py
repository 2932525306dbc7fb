"""Lengths, areas, angles, volumes and values of what a document holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from nbannot.errors import UnknownItemError
from nbannot.model.annotations import Box
from nbannot.model.image import Image, SuvKind
from nbannot.model.masks import Mask
from nbannot.model.measures.boxes import box_sizes, box_values
from nbannot.model.measures.lines import (
    Points,
    angle_between,
    area_of,
    ellipse_axes,
    ellipse_of,
    ellipse_perimeter,
    flattened,
    length_of,
    max_distance,
    path,
)
from nbannot.model.measures.result import Measures
from nbannot.model.measures.sampling import (
    COLOUR,
    FREE_PLANE,
    NO_VOXEL,
    Reader,
    Values,
    ValueUnit,
    index_of,
    inside_ellipse,
    inside_polygon,
    slice_of,
    statistics,
    value_unit,
)
from nbannot.model.measures.segments import measure_segment, measure_segments
from nbannot.model.shapes import Shape

__all__ = ["Measures", "Reader", "measure", "measure_item", "measure_segments", "path"]

CROSSES = "the outline crosses itself: area and voxels by the even-odd rule"
# Axes of a bidirectional that are further from a right angle, degrees, are named in the note.
ASKEW = 5.0


class Holder(Protocol):
    """A document, as far as it is needed here."""

    def image(self, id: str = "") -> Image:
        """Return the image of this id."""
        ...


def measure(
    item: Shape | Box | Mask,
    source: Image | Holder | None = None,
    *,
    segment: int | str | None = None,
    unit: SuvKind | None = None,
    frame: int | None = None,
) -> Measures:
    """Return length, area, angle, volume and values of a shape, a box or a segment.

    Parameters
    ----------
    item
        The shape, box or mask.
    source
        The image, or the document that holds it; a mask knows its own.
    segment
        Label or value of a segment; needed where a mask has several.
    unit
        None for values as stored (HU, Bq/ml, …); "bw", "lbm" or "bsa" for SUV.
    frame
        Frame in time of an item on all frames; 0 where missing.

    Raises
    ------
    SuvError
        When the SUV cannot be computed.
    UnknownItemError
        When neither image nor document is given, or the segment is missing.
    """
    if isinstance(item, Mask):
        return measure_segment(item, segment, unit=unit, frame=frame or 0)
    if source is None:
        raise UnknownItemError(
            "The image of a shape or box is needed to measure it",
            hint="Write nb.measure(item, document) or nb.measure(item, image).",
        )
    image = source if isinstance(source, Image) else source.image(item.image)
    chosen = item.frame if item.frame is not None else frame or 0
    return measure_item(item, Reader(image, chosen), unit=unit)


def measure_item(
    item: Shape | Box, reader: Reader, *, unit: SuvKind | None = None, values: bool = True
) -> Measures:
    """Return what is measured of a shape or box on the frame of a reader.

    ``values=False`` leaves the image unread.
    """
    image = reader.image
    chosen = value_unit(image, unit) if values else None
    found: dict[str, Any] = {"unit": image.geometry.unit}
    if isinstance(item, Box):
        found |= box_sizes(item, image.geometry)
        inside = _summary(reader, chosen, lambda: box_values(item, reader))
    else:
        found |= _shape_sizes(item)
        inside = _shape_values(item, reader, chosen)
    notes = [part.pop("note", "") for part in (found, inside)]
    return Measures(**found, **inside, note="; ".join(note for note in notes if note))


def _shape_sizes(shape: Shape) -> dict[str, Any]:
    found: dict[str, Any] = {}
    points = shape.world()
    if shape.kind in ("ruler", "curve", "open-freehand", "spline"):
        found["length"] = length_of(path(shape))
    elif shape.kind == "bidirectional":
        axes = points[1] - points[0], points[3] - points[2]
        found["short_axis"], found["long_axis"] = sorted(float(np.linalg.norm(axis)) for axis in axes)
        angle = angle_between(*axes)
        if angle is not None and abs(angle - 90) > ASKEW:
            found["note"] = f"the axes are at {min(angle, 180 - angle):.0f}°"
    elif shape.kind == "angle":
        found["angle"] = angle_between(points[0] - points[1], points[2] - points[1])
    elif shape.kind == "cobb":
        angle = angle_between(points[1] - points[0], points[3] - points[2])
        found["angle"] = None if angle is None else min(angle, 180 - angle)
    elif shape.closed:
        found |= _outline(shape)
    return found


def _shape_values(shape: Shape, reader: Reader, unit: ValueUnit | None) -> dict[str, Any]:
    if shape.kind == "probe" or (shape.kind == "points" and len(shape.points) == 1):
        return _probe(shape, reader, unit)
    return _summary(reader, unit, lambda: _inside(shape, reader)) if shape.closed else {}


def _outline(shape: Shape) -> dict[str, Any]:
    """Return perimeter, area and diameters of an outline."""
    points = shape.world()
    if shape.kind == "ellipse":
        _, u, v = ellipse_of(points)
        long, short = ellipse_axes(u, v)
        area = float(np.linalg.norm(np.cross(u, v))) * np.pi
        perimeter = ellipse_perimeter(long, short)
        axes = {"long_axis": long, "short_axis": short, "max_diameter": long}
        return {"area": area, "perimeter": perimeter, **axes}
    line = path(shape)
    flat = flattened(line, np.array(shape.normal))
    within = area_of(flat)
    found: dict[str, Any] = {
        "area": within.area,
        "perimeter": length_of(line, closed=True),
        "max_diameter": max_distance(flat),
    }
    if shape.kind == "rectangle":
        found["width"] = float(np.linalg.norm(points[1] - points[0]))
        found["height"] = float(np.linalg.norm(points[2] - points[1]))
    if within.crosses:
        found["note"] = CROSSES
    return found


def _summary(
    reader: Reader, unit: ValueUnit | None, read: Callable[[], tuple[Values, str]]
) -> dict[str, Any]:
    if unit is None:
        return {}
    if reader.image.is_color:
        return {"note": COLOUR}
    values, how = read()
    found, note = statistics(values, unit)
    return {**found, "value_unit": unit.name, "note": "; ".join(part for part in (how, note) if part)}


def _probe(shape: Shape, reader: Reader, unit: ValueUnit | None) -> dict[str, Any]:
    """Return the value of the nearest voxel, and the one linear between voxels."""
    if unit is None:
        return {}
    if reader.image.is_color:
        return {"note": COLOUR}
    index = index_of(reader.image.geometry, shape.world(), shape.slice)
    shape_of = np.array(reader.image.shape)
    if ((index < -0.5 - 1e-9) | (index > shape_of - 0.5 + 1e-9)).any():
        return {"note": "outside the image"}
    place = np.clip(np.floor(index + 0.5).astype(np.int64), 0, shape_of - 1)
    nearest, linear = float(reader.at(place)[0]), float(reader.linear(index)[0])
    if not (np.isfinite(nearest) and np.isfinite(linear)):
        return {"note": "no value here"}
    return {"value": nearest * unit.factor, "linear": linear * unit.factor, "value_unit": unit.name}


def _inside(shape: Shape, reader: Reader) -> tuple[Values, str]:
    """Return the values inside an outline, and how they were taken."""
    image = reader.image
    world = shape.world() if shape.kind == "ellipse" else path(shape)
    index = index_of(image.geometry, world, shape.slice)
    place = slice_of(index)
    if place is None:
        return _sampled(shape, world, reader), FREE_PLANE
    axis, number = place
    if not 0 <= number < image.shape[axis]:
        return np.zeros(0), NO_VOXEL
    down, across = ((1, 2), (0, 2), (0, 1))[axis]
    flat = index[:, (across, down)]
    size = image.shape[across], image.shape[down]
    pixels = inside_ellipse(flat, size) if shape.kind == "ellipse" else inside_polygon(flat, size)
    voxels = np.full((len(pixels), 3), number, dtype=np.int64)
    voxels[:, (across, down)] = pixels
    return reader.at(voxels), ""


def _sampled(shape: Shape, world: Points, reader: Reader) -> Values:
    """Return values inside an outline in a free plane, on a square raster at the smallest voxel spacing.

    The raster goes along the rows of the image and fills the box round the outline like pixels.
    """
    geometry = reader.image.geometry
    step = min(geometry.spacing)
    normal = np.array(shape.normal)
    columns = (geometry.plane(0).column_step, geometry.plane(0).row_step)
    units = [column / np.linalg.norm(column) for column in columns]
    along = units[0] if abs(float(units[0] @ normal)) <= 0.9 else units[1]
    along = along - float(along @ normal) * normal
    along /= np.linalg.norm(along)
    basis = np.stack((along, np.cross(normal, along)), axis=1)
    offsets = world - world[0]
    flat = offsets @ basis
    low, high = flat.min(axis=0), flat.max(axis=0)
    if shape.kind == "ellipse":
        centre, u, v = ellipse_of(flat)
        low, high = centre - np.hypot(u, v), centre + np.hypot(u, v)
    width, height = (int(np.ceil(extent / step - 1e-6)) for extent in high - low)
    places = (flat - low) / step - 0.5
    inside = inside_ellipse if shape.kind == "ellipse" else inside_polygon
    pixels = inside(places, (width, height))
    points = world[0] + ((pixels + 0.5) * step + low) @ basis.T
    sampled = reader.linear(geometry.to_index(points))
    outside = np.isnan(sampled)
    return sampled[~outside] if outside.any() and reader.image.dtype.kind != "f" else sampled
