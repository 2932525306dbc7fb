"""From stored numbers to real-world values, and the windows that the file proposes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nbannot.errors import FormatError
from nbannot.formats.dicom import elements as el
from nbannot.formats.dicom.header import Header
from nbannot.formats.dicom.tables import ModalityTable, modality_table_of, voi_table_of
from nbannot.model.image import VoiFunction, VoiLut, Window

_PARAMETRIC_MAP = "1.2.840.10008.5.1.4.1.1.30"
_SMALL = ("uint8", "int8", "uint16", "int16")


@dataclass(frozen=True, slots=True)
class Scaling:
    """value = slope × stored + intercept, or a table; `unit` names the values."""

    slope: float = 1.0
    intercept: float = 0.0
    unit: str = ""
    table: ModalityTable | None = None
    padding: float | None = None

    @property
    def is_whole(self) -> bool:
        """Whether whole numbers stay whole numbers."""
        return self.slope == int(self.slope) and self.intercept == int(self.intercept)


def scaling_of(ds: Any, top: Any, header: Header, groups: tuple[Any, Any] | None = None) -> Scaling:
    """Return the scaling that stands in `ds` (a functional group or the data set `top`)."""
    padding = el.number(top, 0x00280120)
    if padding is not None and header.signed and padding >= 1 << (header.stored - 1):
        padding -= 1 << header.stored  # US or SS: the VR is ambiguous
    if header.is_color:
        return Scaling()
    table = modality_table_of(top)
    if table is not None:
        return Scaling(unit=_unit(el.text(el.first(top, 0x00283000), 0x00283004)), table=table)
    slope, intercept = el.number(ds, 0x00281053), el.number(ds, 0x00281052)
    if (slope is None and el.text(ds, 0x00281053)) or (intercept is None and el.text(ds, 0x00281052)):
        raise FormatError(
            f"{header.path} is damaged: its Rescale Slope or Rescale Intercept is no number",
            hint="Copy the file again from its source.",
        )
    if header.modality == "RTDOSE":
        slope, intercept = el.number(top, 0x3004000E), 0.0
        return Scaling(slope or 1.0, 0.0, "Gy" if el.text(top, 0x30040002) == "GY" else "")
    if header.sop_class == _PARAMETRIC_MAP:
        return _mapping(groups)
    if slope is None and intercept is None:
        return Scaling(unit=_default_unit(header, top, scaled=False), padding=padding)
    unit = _unit(el.text(ds, 0x00281054)) or _default_unit(header, top, scaled=True)
    # a slope of 0 would make every value the same; it stands for "no rescaling" in old files
    return Scaling(slope or 1.0, intercept or 0.0, unit, padding=padding)


def _unit(kind: str) -> str:
    return "" if kind.upper() in ("", "US", "UNSPECIFIED", "NORMALIZED") else kind


def _default_unit(header: Header, top: Any, *, scaled: bool) -> str:
    if header.modality == "PT":
        return el.text(top, 0x00541001)
    if header.modality == "CT" and scaled and "LOCALIZER" not in header.image_type:
        return "HU"
    return ""


def _mapping(groups: tuple[Any, Any] | None) -> Scaling:
    """Return the linear real-world value mapping of a parametric map frame."""
    for group in groups or ():
        item = el.first(group, 0x00409096) if group is not None else None
        if item is not None:
            slope, intercept = el.number(item, 0x00409225), el.number(item, 0x00409224)
            unit = el.text(el.first(item, 0x004008EA), 0x00080100) if 0x004008EA in item else ""
            return Scaling(slope or 1.0, intercept or 0.0, unit)
    return Scaling()


def value_range(header: Header, scaling: Scaling) -> tuple[float, float]:
    """Return the lowest and highest value that can be stored, scaled."""
    if scaling.table is not None:
        return float(scaling.table.values.min()), float(scaling.table.values.max())
    low = -(1 << (header.stored - 1)) if header.signed else 0
    high = (1 << (header.stored - 1)) - 1 if header.signed else (1 << header.stored) - 1
    ends = (scaling.slope * low + scaling.intercept, scaling.slope * high + scaling.intercept)
    return min(ends), max(ends)


def value_dtype(pairs: list[tuple[Header, Scaling]]) -> np.dtype[Any]:
    """Return the smallest dtype that holds all values of all frames.

    Whole-number CT values get int16 even where 16 stored bits and the intercept could reach
    beyond: no real value does, and the reader says so when one is met.
    """
    distinct = {(h.keyword, h.stored, h.signed, s.slope, s.intercept, id(s.table)): (h, s) for h, s in pairs}
    low = high = 0.0
    for header, scaling in distinct.values():
        if header.keyword != "PixelData" or not scaling.is_whole:
            return np.dtype(np.float32)
        ends = value_range(header, scaling)
        low, high = min(low, ends[0]), max(high, ends[1])
    for name in _SMALL:
        limits = np.iinfo(name)
        if limits.min <= low and high <= limits.max:
            return np.dtype(name)
    fits_int16 = all(
        h.modality == "CT" and h.stored <= 16 and s.slope == 1 and abs(s.intercept) <= 8192
        and (s.padding is None or -32768 <= s.padding + s.intercept <= 32767)
        for h, s in distinct.values()
    )  # fmt: skip
    if fits_int16:
        return np.dtype(np.int16)
    return np.dtype(np.int32) if low >= -(2**31) and high < 2**31 else np.dtype(np.float32)


def windows_of(ds: Any, header: Header) -> tuple[Window, ...]:
    """Return the windows of a data set or functional group (PS3.3 C.11.2)."""
    centers, widths = el.numbers(ds, 0x00281050), el.numbers(ds, 0x00281051)
    names = el.words(ds, 0x00281055)
    function = (el.text(ds, 0x00281056) or "LINEAR").upper()
    # LINEAR is meant for whole numbers
    exact = function != "LINEAR" or header.keyword != "PixelData"
    found = []
    for n, (center, width) in enumerate(zip(centers, widths, strict=False)):
        name = names[n] if n < len(names) else ""
        if width > 0:
            # widths below 1 are not allowed for LINEAR, but written for float images
            kind: VoiFunction = "LINEAR" if not exact and width >= 1 else "LINEAR_EXACT"
            found.append(Window(center, width, name, "SIGMOID" if function == "SIGMOID" else kind))
    return tuple(found)


def luts_of(ds: Any, header: Header, scaling: Scaling) -> tuple[VoiLut, ...]:
    """Return the tables of greys of a data set or functional group (PS3.3 C.11.2.1.1).

    Their first value counts in rescaled values, and is signed where those can be below 0.
    """
    if header.is_color:
        return ()
    signed = value_range(header, scaling)[0] < 0
    found = []
    for item in el.items(ds, 0x00283010):
        table = voi_table_of(item, signed=signed)
        if table is not None:
            first, values, bits = table
            found.append(VoiLut(values, float(first), bits, el.decoded_text(item, 0x00283003)))
    return tuple(found)


def lut_window(lut: VoiLut) -> Window:
    """Return the window that spans a table of greys."""
    return Window(lut.first + (len(lut.values) - 1) / 2, max(len(lut.values) - 1, 1), lut.name)
