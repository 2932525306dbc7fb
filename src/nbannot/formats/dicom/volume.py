"""From a volume of frames to an Image: geometry, windows, sources and notes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import GeometryError
from nbannot.formats.dicom.frames import Frame
from nbannot.formats.dicom.groups import Volume
from nbannot.formats.dicom.pixels import DicomPixels
from nbannot.formats.dicom.scaling import lut_window
from nbannot.formats.dicom.suv import suv_of
from nbannot.formats.identity import content_id
from nbannot.model.geometry import GRID_TOLERANCE, Geometry, Grid, Plane, Stack
from nbannot.model.image import Image, Photometric, SliceSource, Window

Vectors = NDArray[np.float64]

# A stack counts as regular when rounded header positions move no slice further than this share
# of a step, and never further than ROUNDING mm.
ROUNDING_SHARE, ROUNDING = 0.02, 0.1
# Rounding up to this is noted but no reason to warn, mm.
SILENT = 0.03


def image_of(volume: Volume, *, name: str, uri: str, damaged: Sequence[str] = ()) -> Image:
    """Return the Image of a volume; what the user must know is added to ``volume.warnings``."""
    first = volume.rows[0][0]
    header = first.header
    geometry, notes = _geometry(volume, damaged)
    color = header.is_color
    photometric: Photometric = "RGB"
    if not color:
        photometric = "MONOCHROME1" if header.photometric == "MONOCHROME1" else "MONOCHROME2"
    scaling = first.scaling
    times = _times(volume)
    label, values = axis_of(volume, times)
    uptakes = [frame.uptake for frame in volume.frames]
    return Image(
        DicomPixels(volume.rows),
        geometry,
        name=name,
        id=None if header.sop_uid else content_id(header.path),
        modality=header.modality,
        unit="" if color else scaling.unit,
        photometric=photometric,
        windows=() if color else _windows(volume) or tuple(map(lut_window, first.luts)),
        sources=[_source(frame) for frame in volume.frames],
        frame_times=times,
        orientation_labels=first.labels if not first.has_place else None,
        series_uid=header.series_uid or None,
        study_uid=header.study_uid or None,
        study_date=header.study_date or None,
        uri=uri,
        rescale=(1.0, 0.0) if color or scaling.table else (scaling.slope, scaling.intercept),
        notes=[*notes, *_notes(volume)],
        series_description=header.description,
        laterality=header.laterality,
        view_position=header.view,
        voi_luts=first.luts,
        burned_in=any(frame.header.burned_in for frame in volume.frames),
        frame_label=label,
        frame_values=values,
        suv=None if any(one is None for one in uptakes) else suv_of([one for one in uptakes if one]),
    )


def _source(frame: Frame) -> SliceSource:
    header = frame.header
    number = frame.index + 1 if header.frames > 1 else None
    return SliceSource(header.sop_uid or None, number, header.path)


def _plane(frame: Frame) -> Plane:
    axes = np.array(frame.orientation)
    size = frame.size
    return Plane(
        np.array(frame.position),
        axes[:3] * size.column,
        axes[3:] * size.row,
        (frame.header.rows, frame.header.columns),
    )


def _geometry(volume: Volume, damaged: Sequence[str]) -> tuple[Grid, list[str]]:
    row = volume.rows[0]
    first = row[0]
    shape = (first.header.rows, first.header.columns)
    if not first.has_place:
        size = first.size
        picture = Stack.picture(shape, frames=len(row), spacing=(size.row, size.column), unit=size.unit)
        if first.stack == "mosaic":
            volume.warnings.append(
                f"{first.header.path} is a Siemens mosaic that does not say how many slices it tiles, or where "
                "they lie: each picture is shown as it is, not as a volume"
            )
        elif _lost_place(first):
            volume.warnings.append(
                f"{first.header.path} has no pixel size: it is shown in pixels, without a place"
            )
        return picture, []
    planes = [_plane(frame) for frame in row]
    reference = first.header.frame_of_reference or None
    if len(planes) == 1:
        return Stack(planes, frame_of_reference=reference), []
    try:
        grid = Geometry.from_planes(planes, frame_of_reference=reference)
    except GeometryError:
        rounded = _rounded_grid(planes, reference)
        if rounded is None:
            volume.warnings.append(_irregularity(row, planes, damaged))
            return Stack(planes, frame_of_reference=reference), ["irregular positions"]
        grid, error = rounded
        note = f"slice positions are rounded: off by up to {error:.2g} mm"
        if error > SILENT:
            volume.warnings.append(f"{first.header.path}, …: {note}")
        return grid, [note, *_tilt(grid, first)]
    return grid, _tilt(grid, first)


def _lost_place(frame: Frame) -> bool:
    return frame.position is not None and frame.orientation is not None


def _rounded_grid(planes: Sequence[Plane], reference: str | None) -> tuple[Geometry, float] | None:
    """Return the best regular grid through positions that only rounding makes irregular."""
    fitted = fitted_steps(np.array([plane.origin for plane in planes]))
    if fitted is None:
        return None
    start, step, error = fitted
    first = planes[0]
    placed = [
        Plane(start + n * step, first.column_step, first.row_step, first.shape) for n in range(len(planes))
    ]
    extent = max(first.shape)
    for plane in planes:
        drift = max(
            float(np.abs(plane.column_step - first.column_step).max()),
            float(np.abs(plane.row_step - first.row_step).max()),
        )
        if drift * extent > ROUNDING:
            return None
    try:
        return Geometry.from_planes(placed, frame_of_reference=reference), error
    except GeometryError:
        return None


def fitted_steps(origins: Vectors) -> tuple[Vectors, Vectors, float] | None:
    """Return start and step of the even row of places that points (n, 3) are, and how far they are off, mm.

    None when more than rounding in a header would explain keeps them from being one.
    """
    k = np.arange(len(origins))
    basis = np.stack((k, np.ones_like(k)), axis=1).astype(np.float64)
    (step, start), *_ = np.linalg.lstsq(basis, origins, rcond=None)
    error = float(np.linalg.norm(origins - (start + k[:, None] * step), axis=1).max())
    if error > min(ROUNDING, max(ROUNDING_SHARE * float(np.linalg.norm(step)), GRID_TOLERANCE)):
        return None
    return start, step, error


def _irregularity(row: Sequence[Frame], planes: Sequence[Plane], damaged: Sequence[str]) -> str:
    """Say where the series is irregular, by the files around the widest departures."""
    origins = np.array([plane.origin for plane in planes])
    gaps = np.linalg.norm(np.diff(origins, axis=0), axis=1)
    usual = float(np.median(gaps))
    odd = [int(n) for n in np.argsort(-np.abs(gaps - usual)) if abs(gaps[n] - usual) > 0.01]
    places = [
        f"{gaps[n]:.3g} mm between {Path(row[n].header.path).name} and {Path(row[n + 1].header.path).name}"
        for n in odd[:3]
    ]
    more = f" and {len(odd) - 3} more places" if len(odd) > 3 else ""
    text = f"The slices of {Path(row[0].header.path).parent} are not evenly spaced"
    if places:
        text += f": {usual:.3g} mm usually, but {'; '.join(places)}{more}"
    folders = {Path(frame.header.path).parent for frame in row}
    damaged = [path for path in damaged if Path(path).parent in folders]
    if damaged:
        names = ", ".join(Path(path).name for path in damaged[:5])
        text += f". Damaged and left out: {names}"
    return f"{text}. They are kept as separate planes, not as a 3-D grid"


def _tilt(grid: Geometry, first: Frame) -> list[str]:
    step = np.asarray(grid.affine[:3, 0])
    cosine = float(step @ grid.normal) / float(np.linalg.norm(step))
    angle = math.degrees(math.acos(min(1.0, abs(cosine))))
    if angle < 0.05:
        return []
    if first.header.modality == "CT":
        return [f"gantry tilt {angle:.1f}°"]
    return [f"slices shifted against each other: sheared by {angle:.1f}°"]


def _windows(volume: Volume) -> tuple[Window, ...]:
    """Return the windows of the series; where slices differ, the median of each."""
    frames = [frame for frame in volume.frames if frame.windows]
    sets = {frame.windows for frame in frames}
    if len(sets) <= 1:
        return sets.pop() if sets else ()
    count = min(len(windows) for windows in sets)
    result = []
    for n in range(count):
        center = float(np.median([frame.windows[n].center for frame in frames]))
        width = float(np.median([frame.windows[n].width for frame in frames]))
        result.append(replace(frames[len(frames) // 2].windows[n], center=center, width=width))
    return tuple(result)


_CLOCKS = ("acquisition time", "trigger time", "content time")


def _times(volume: Volume) -> tuple[float, ...] | None:
    """Return the time of each frame in s, when the file gives rising ones."""
    if len(volume.rows) == 1:
        times = [frame.time for frame in volume.rows[0]]
        return None if None in times else tuple(time for time in times if time is not None)
    clock = volume.axis if volume.axis in ("trigger time", "frame reference time") else None
    if clock is None and volume.axis not in (
        "temporal position",
        "acquisition number",
        "acquisition time",
        "content time",
        "instance number",
    ):
        return None
    for name in (clock,) if clock else _CLOCKS:
        values = [[frame.keys.get(name) for frame in row] for row in volume.rows]
        if any(value is None for row in values for value in row):
            continue
        starts: NDArray[Any] = np.array(values, dtype=np.float64).min(axis=1)
        if name in ("trigger time", "frame reference time"):
            starts = starts / 1000
        starts -= starts[0]
        if (np.diff(starts) > 0).all():
            return tuple(float(time) for time in starts)
    return None


_NUMBERED = (
    "temporal position", "echo", "echo time", "b-value", "inversion time", "flip angle", "cardiac phase",
    "acquisition number", "trigger time", "frame reference time", "time slot", "time slice", "phase", "rotation",
)  # fmt: skip


def axis_of(volume: Volume, times: Sequence[float] | None) -> tuple[str, tuple[float, ...] | None]:
    """Return what tells the frames of the t axis apart, and its value for each, where it is a number.

    Times are in s, b-values in s/mm², echo and inversion times in ms, flip angles in degrees.
    """
    if len(volume.rows) == 1:
        return "", None
    if times is not None:
        return "time", tuple(times)
    name = volume.axis.split(" and ")[0]
    if name == "echo" and _axis_numbers(volume, "echo time") is not None:
        name = "echo time"
    if name not in (*_NUMBERED, "gradient direction"):
        return "frame", None
    values = _axis_numbers(volume, name)
    if values is not None and name in ("trigger time", "frame reference time"):
        return name, tuple(value / 1000 for value in values)
    return name, values


def _axis_numbers(volume: Volume, name: str) -> tuple[float, ...] | None:
    """Return the number of each frame, when all its slices agree on it."""
    found = []
    for row in volume.rows:
        values = {frame.keys.get(name) for frame in row}
        value = values.pop()
        if values or not isinstance(value, float):
            return None
        found.append(value)
    return tuple(found)


def _notes(volume: Volume) -> list[str]:
    first = volume.rows[0][0]
    notes = list(first.notes)
    if len(volume.rows) > 1:
        notes.append(f"{len(volume.rows)} frames by {volume.axis}{_axis_values(volume)}")
    if first.stack == "frames" and first.header.modality in ("CT", "MR", "NM", "PT"):
        notes.append("frames without a place in the patient")
    if first.header.is_color and first.header.palette is None and first.header.stored > 8:
        notes.append(f"{first.header.stored}-bit colour shown in 8 bits")
    headers = {frame.header.path: frame.header for frame in volume.frames}
    unshown = Counter(what for header in headers.values() for what in header.unshown)
    for what, count in unshown.items():
        where = f" of {count} of {len(headers)} files" if len(headers) > 1 else ""
        notes.append(
            f"{what}{where} is not shown" if what.startswith("overlay") else f"{what}{where} are not shown"
        )
    return notes


def _axis_values(volume: Volume) -> str:
    names = volume.axis.split(" and ")
    if names[0] not in ("b-value", "echo", "echo time", "inversion time", "flip angle"):
        return ""
    values = [row[0].keys.get(names[0]) for row in volume.rows]
    shown = ", ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in values[:8])
    return f": {shown}{', …' if len(values) > 8 else ''}"
