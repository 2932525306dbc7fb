"""What a DICOM RT Structure Set (PS3.3 A.19.3) holds, without its images."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import FormatError
from nbannot.formats.dicom import elements as el
from nbannot.formats.dicom.header import sop_class_of
from nbannot.formats.dicom.segments import code_of
from nbannot.formats.quiet import quiet
from nbannot.model.labels import Code

# Question about a region whose answer is its RT ROI Interpreted Type.
INTERPRETED = "interpreted type"
STRUCTURES = "1.2.840.10008.5.1.4.1.1.481.3"

Points = NDArray[np.float64]


@dataclass(slots=True)
class Contour:
    """Points (n, 3) in world mm, how they are joined, and the instances (with frames) they were drawn on."""

    type: str
    points: Points
    references: tuple[tuple[str, int], ...] = ()


@dataclass(slots=True)
class Roi:
    """A region of interest with its contours; `broken` counts those whose numbers are of no use."""

    number: int
    name: str
    color: str = ""
    code: Code | None = None
    interpreted: str = ""
    algorithm: str = ""
    frame_of_reference: str = ""
    contours: list[Contour] = field(default_factory=list)
    broken: int = 0


@dataclass(slots=True)
class StructureSet:
    """Regions by their order, and the series that they refer to."""

    path: str
    rois: list[Roi] = field(default_factory=list)
    series: tuple[str, ...] = ()


def is_structure_set(path: str) -> bool:
    """Whether a file is an RT Structure Set, by its SOP class."""
    return sop_class_of(path) == STRUCTURES


def read_structures(path: str) -> StructureSet:
    """Return what a structure set holds.

    Raises
    ------
    FormatError
        When the file is damaged.
    """
    from pydicom import dcmread

    with quiet():
        try:
            ds = dcmread(path)
            return _structures(path, ds)
        except FormatError:
            raise
        except Exception as cause:  # pydicom raises many kinds for damaged files
            raise FormatError(
                f"{path} has a damaged DICOM header", hint="Copy the file again from its source."
            ) from cause


def _structures(path: str, ds: Any) -> StructureSet:
    if not (0x30060020 in ds or 0x30060039 in ds):
        raise FormatError(f"{path} holds no region of interest", hint="Copy the file again from its source.")
    whole = el.text(ds, 0x00200052)
    series, worlds = [], []
    for world in el.items(ds, 0x30060010):
        worlds.append(el.text(world, 0x00200052))
        for study in el.items(world, 0x30060012):
            series += [el.text(one, 0x0020000E) for one in el.items(study, 0x30060014)]
    common = whole or next(iter(set(worlds)), "") if len(set(worlds)) <= 1 else whole
    rois: dict[int, Roi] = {}
    for item in el.items(ds, 0x30060020):
        number = el.integer(item, 0x30060022)
        if number is not None:
            roi = Roi(number, el.decoded_text(item, 0x30060026) or f"ROI {number}")
            roi.algorithm = el.text(item, 0x30060036)
            roi.frame_of_reference = el.text(item, 0x30060024) or common
            rois[number] = roi
    for item in el.items(ds, 0x30060039):
        number = el.integer(item, 0x30060084)
        if number is not None:
            roi = rois.setdefault(number, Roi(number, f"ROI {number}", frame_of_reference=common))
            roi.color = _color(el.numbers(item, 0x3006002A))
            for contour in el.items(item, 0x30060040):
                _add_contour(roi, contour)
    for item in el.items(ds, 0x30060080):
        number = el.integer(item, 0x30060084)
        if number in rois:
            rois[number].interpreted = el.text(item, 0x300600A4)
            rois[number].code = code_of(el.first(item, 0x30060086))
    return StructureSet(path, list(rois.values()), tuple(filter(None, series)))


def _color(rgb: tuple[float, ...]) -> str:
    if len(rgb) != 3 or not all(0 <= value <= 255 for value in rgb):
        return ""
    return "#" + "".join(f"{int(value):02x}" for value in rgb)


def _add_contour(roi: Roi, item: Any) -> None:
    values = el.numbers(item, 0x30060050)
    if not values or len(values) % 3:
        roi.broken += 1
        return
    references = []
    for source in el.items(item, 0x30060016):
        uid = el.text(source, 0x00081155)
        frames = el.numbers(source, 0x00081160)
        references += [(uid, int(frame)) for frame in frames or (0,)] if uid else []
    points = np.array(values, dtype=np.float64).reshape(-1, 3)
    roi.contours.append(Contour(el.text(item, 0x30060042).upper(), points, tuple(references)))
