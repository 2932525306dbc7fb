"""What a DICOM Segmentation (PS3.3 A.51) or Label Map Segmentation (A.92) holds, without its image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import FormatError, GeometryError
from nbannot.formats.dicom import elements as el
from nbannot.formats.dicom.colors import color_of
from nbannot.formats.dicom.decode import compressed_frame, undecodable, unpacked, unsupported
from nbannot.formats.dicom.framegroups import frame_groups
from nbannot.formats.dicom.frames import orientation_of
from nbannot.formats.dicom.header import (
    BIG_ENDIAN,
    DEFLATED,
    SEGMENTATIONS,
    Header,
    read_header,
    sop_class_of,
)
from nbannot.formats.quiet import quiet
from nbannot.model.geometry import Plane
from nbannot.model.labels import Code

Pixels = NDArray[Any]
Reference = tuple[str, int]

_BACKGROUND = ("125040", "DCM")
# Questions about a segment whose answers are its Tracking ID and UID.
TRACKING_ID, TRACKING_UID = "tracking id", "tracking uid"


@dataclass(frozen=True, slots=True)
class SegmentInfo:
    """One segment: its number, and what it stands for."""

    number: int
    name: str
    code: Code | None = None
    category: Code | None = None
    color: str = ""
    tracking_id: str = ""
    tracking_uid: str = ""
    algorithm: str = ""
    more: tuple[str, ...] = ()


@dataclass(slots=True)
class SegFrame:
    """One frame: `index` counts from 0, `segment` is None in label maps, `plane` where it has a place."""

    index: int
    segment: int | None = None
    plane: Plane | None = None
    references: tuple[Reference, ...] = ()


@dataclass(slots=True)
class SegFile:
    """A segmentation: segments by number, and frames in order.

    Parameters
    ----------
    kind
        "BINARY", "FRACTIONAL" or "LABELMAP".
    highest
        Maximum Fractional Value, which stands for 1.
    padding
        Value of a label map that says "nothing here", besides 0.
    series
        Series Instance UIDs that it refers to.
    """

    header: Header
    kind: str
    segments: dict[int, SegmentInfo] = field(default_factory=dict)
    frames: list[SegFrame] = field(default_factory=list)
    highest: int = 255
    padding: int | None = None
    series: tuple[str, ...] = ()
    name: str = ""
    _data: Pixels | None = field(default=None, repr=False)

    @property
    def frame_of_reference(self) -> str:
        """Frame of Reference UID, or ""."""
        return self.header.frame_of_reference

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.header.rows, self.header.columns

    @property
    def background(self) -> set[int]:
        """Values of a label map that mean background."""
        coded = {
            number
            for number, segment in self.segments.items()
            if segment.code and (segment.code.value, segment.code.scheme) == _BACKGROUND
        }
        padding = set() if self.padding is None or self.padding in self.segments else {self.padding}
        return {0} | coded | padding

    def pixels(self, index: int) -> Pixels:
        """Return one frame as stored numbers (rows, columns).

        Raises
        ------
        FormatError
            When it cannot be decoded.
        """
        try:
            if self.header.is_encapsulated:
                return compressed_frame(self.header, index).reshape(self.shape)
            return self._plain(index)
        except FormatError:
            raise
        except Exception as cause:  # decoders raise every kind of exception on damaged data
            raise undecodable(self.header.path) from cause

    def _plain(self, index: int) -> Pixels:
        if self._data is None:
            self._data = self._bytes()
        header, size = self.header, self.header.rows * self.header.columns
        if header.allocated == 1:
            return unpacked(self._data, index * size, size).reshape(self.shape)
        width = header.allocated // 8
        order = ">" if header.syntax == BIG_ENDIAN else "<"
        part = self._data[index * size * width : (index + 1) * size * width]
        return part.view(f"{order}u{width}").reshape(self.shape)

    def _bytes(self) -> Pixels:
        header = self.header
        if header.syntax == DEFLATED:
            from pydicom import dcmread

            with quiet():
                return np.frombuffer(dcmread(header.path).get_item(header.keyword).value, np.uint8)
        length = (header.frame_bits * header.frames + 7) // 8
        if header.syntax == BIG_ENDIAN and header.pixel_vr == "OW" and header.allocated < 16:
            words = np.fromfile(header.path, ">u2", (length + 1) // 2, offset=header.offset)
            return words.astype("<u2").view(np.uint8)
        return np.memmap(header.path, np.uint8, "r", header.offset, (length,))


def is_segmentation(path: str) -> bool:
    """Whether a file is a DICOM segmentation, by its SOP class."""
    return sop_class_of(path) in SEGMENTATIONS


def read_segments(path: str) -> SegFile:
    """Return what a segmentation holds; its pixels stay in the file.

    Raises
    ------
    FormatError
        When the file is damaged, of a slide, or cannot be decoded.
    """
    with quiet():
        header = read_header(path, labels=True)
        problem = _problem(header)
        if problem:
            raise FormatError(f"{path} cannot be read: {problem}")
        ds = header.ds
        kind = el.text(ds, 0x00620001).upper() or "BINARY"
        found = SegFile(header, "LABELMAP" if header.sop_class == SEGMENTATIONS[1] else kind)
        if found.kind not in ("BINARY", "FRACTIONAL", "LABELMAP"):
            raise FormatError(f"{path} is a segmentation of the unknown kind {found.kind!r}")
        if header.allocated not in {"BINARY": (1, 8), "FRACTIONAL": (8,), "LABELMAP": (8, 16)}[found.kind]:
            raise FormatError(
                f"{path} is damaged: {header.allocated} bits allocated in a {found.kind} segmentation"
            )
        found.highest = el.integer(ds, 0x0062000E) or 255
        found.padding = el.integer(ds, 0x00280120) if found.kind == "LABELMAP" else None
        found.series = tuple(filter(None, (el.text(one, 0x0020000E) for one in el.items(ds, 0x00081115))))
        found.name = el.decoded_text(ds, 0x00700080)
        found.segments = {one.number: one for one in map(_segment, el.items(ds, 0x00620002)) if one}
        found.frames = list(_frames(header, ds))
        header.ds = None
    return found


def _problem(header: Header) -> str:
    if el.text(header.ds, 0x00209311) == "TILED_FULL" or el.first(header.ds, 0x00480008) is not None:
        return "it is of a slide, whose tiles are not read"
    return unsupported(header.syntax) if header.is_encapsulated else ""


def code_of(item: Any) -> Code | None:
    """Return a code sequence's item (PS3.3 8.8); None when it is absent or incomplete."""
    values = (0x00080100, 0x00080119, 0x00080120)
    value = next((text for tag in values if item is not None and (text := el.text(item, tag))), "")
    if not value:
        return None
    return Code(value, el.text(item, 0x00080102), el.decoded_text(item, 0x00080104) or value)


def _segment(item: Any) -> SegmentInfo | None:
    number = el.integer(item, 0x00620004)
    if number is None or not 0 <= number <= 65535:
        return None
    kind = el.first(item, 0x0062000F)
    lab = el.numbers(item, 0x0062000D)
    version = el.decoded_text(el.first(item, 0x00620007), 0x00660031)
    named = (el.text(item, 0x00620008), el.decoded_text(item, 0x00620009), version)
    code = code_of(kind)
    name = el.decoded_text(item, 0x00620005) or (code.meaning if code else f"segment {number}")
    more = tuple(
        what
        for what, there in (
            ("modifiers", el.first(kind, 0x00620011) or el.first(item, 0x00620011)),
            ("anatomic regions", el.first(item, 0x00082218)),
        )
        if there is not None
    )
    return SegmentInfo(
        number,
        name,
        code,
        code_of(el.first(item, 0x00620003)),
        color_of((int(lab[0]), int(lab[1]), int(lab[2]))) if len(lab) == 3 else "",
        el.decoded_text(item, 0x00620020),
        el.text(item, 0x00620021),
        " ".join(filter(None, named)),
        more,
    )


def _frames(header: Header, ds: Any) -> Iterator[SegFrame]:
    shared = el.first(ds, 0x52009229)
    per_frame = frame_groups(ds, (*_PLACE, _IDENTITY, _SOURCES))
    if per_frame and len(per_frame) < header.frames:
        raise FormatError(
            f"{header.path} is damaged: {len(per_frame)} descriptions of {header.frames} frames",
            hint="Copy the file again from its source.",
        )
    common = {tag: el.first(shared, tag) for tag in (*_PLACE, _IDENTITY)}
    # Frames of one slice, and of one segment, say the same: each saying is understood once.
    planes: dict[tuple[int, ...], Plane | None] = {}
    sources: dict[int, tuple[Reference, ...]] = {}
    for index in range(header.frames):
        own = per_frame[index] if per_frame else {}
        identity = own.get(_IDENTITY, common[_IDENTITY])
        place = [own.get(tag, common[tag]) for tag in _PLACE]
        key = (id(place[0]), id(place[1]), id(place[2]))
        if key not in planes:
            planes[key] = _plane(header, *place)
        derived = own.get(_SOURCES)
        if id(derived) not in sources:
            sources[id(derived)] = _references(derived if derived is not None else el.first(shared, _SOURCES))
        number = el.integer(identity, 0x0062000B) if identity is not None else None
        yield SegFrame(index, number, planes[key], sources[id(derived)])


_IDENTITY, _SOURCES = 0x0062000A, 0x00089124
_PLACE = (0x00209113, 0x00209116, 0x00289110)


def _plane(header: Header, position: Any, axes: Any, measures: Any) -> Plane | None:
    if position is None or axes is None or measures is None:
        return None
    origin, spacing = el.numbers(position, 0x00200032), el.numbers(measures, 0x00280030)
    cosines = orientation_of(axes)
    if len(origin) != 3 or len(spacing) != 2 or cosines is None or min(spacing) <= 0:
        return None
    row, column = np.array(cosines[:3]) * spacing[1], np.array(cosines[3:]) * spacing[0]
    try:
        return Plane(np.array(origin), row, column, (header.rows, header.columns))
    except GeometryError:
        return None


def _references(derivation: Any) -> tuple[Reference, ...]:
    """Return the instances and frames that a frame was drawn on; frame 0 stands for the whole instance."""
    found: list[Reference] = []
    for source in el.items(derivation, 0x00082112):
        uid = el.text(source, 0x00081155)
        numbers = el.numbers(source, 0x00081160)
        found += [(uid, int(number)) for number in numbers or (0,)] if uid else []
    return tuple(dict.fromkeys(found))
