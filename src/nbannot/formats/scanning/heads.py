"""One file as the scan sees it: its kind and what its header says, without its pixels."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO, FileIO
from typing import Any

from nbannot.errors import FormatError
from nbannot.formats.archives import archive_kind
from nbannot.formats.dicom import elements as el
from nbannot.formats.dicom.decode import unsupported
from nbannot.formats.dicom.frames import Frame, frames_of
from nbannot.formats.dicom.header import (
    DEFLATED,
    NotAnImageError,
    NotDicomError,
    Readable,
    header_of,
    kind_name,
    start_of,
)
from nbannot.formats.metaimage import is_metaimage
from nbannot.formats.nrrd import is_nrrd
from nbannot.formats.raster import is_raster
from nbannot.formats.scanning import extent
from nbannot.formats.scanning.extent import Box
from nbannot.formats.scanning.pages import pages_of
from nbannot.formats.tiff import is_tiff

# Cosine from which on axes are not at right angles.
_RIGHT = 1e-3
# What SOP classes hold that are no plain images, by the start of their names.
_KINDS = (
    ("Segmentation", "SEG"), ("Label Map Segmentation", "SEG"), ("Height Map Segmentation", "SEG"),
    ("RT Structure Set", "RTSTRUCT"), ("RT Dose", "RT dose"), ("RT Plan", "RTPLAN"),
    ("RT Ion Plan", "RTPLAN"), ("Key Object Selection", "key objects"), ("Real World Value", "mapping"),
    ("Parametric Map", "parametric map"), ("Encapsulated", "document"), ("Raw Data", "raw data"),
    ("Media Storage Directory", "DICOMDIR"),
)  # fmt: skip
_PARTS = (
    ("SR", "SR"), ("Structured Report", "SR"), ("Presentation State", "presentation state"),
    ("Waveform", "waveform"), ("ECG", "waveform"), ("Registration", "registration"),
    ("Fiducials", "fiducials"), ("Whole Slide", "slide"),
)  # fmt: skip
_SEGMENTATION_CLASSES = {"1.2.840.10008.5.1.4.1.1.66.7": "SEG", "1.2.840.10008.5.1.4.1.1.66.8": "SEG"}


@dataclass(slots=True)
class Head:
    """What one file holds."""

    kind: str
    form: str
    patient: str = ""
    study: str = ""
    study_date: str = ""
    series: str = ""
    number: int | None = None
    description: str = ""
    modality: str = ""
    instance: str = ""
    syntax: str = ""
    problem: str = ""
    unreadable: str = ""
    frames: Sequence[Frame] = ()
    shape: tuple[int, ...] = ()
    spacing: tuple[float, ...] = ()
    geometry: str = ""
    alone: bool = field(default=False)
    box: Box | None = None
    frame_of_reference: str = ""
    refers: tuple[str, ...] = ()
    """Series that segmentations, reports and structure sets are about."""


def head_of(name: str, start: bytes, file: Readable, size: int) -> Head | None:
    """Return what a file holds, from as little of it as tells; None for what no reader knows.

    Parameters
    ----------
    name
        Path, or the name of the member of an archive.
    start
        Its first 512 bytes.
    file, size
        The open file, read as far as `start`, and its length in bytes.
    """
    again = _Again(start, file)
    if is_nrrd(start):
        return _nrrd(name, again)
    if is_metaimage(start):
        return _meta_image(again)
    if is_tiff(start):
        return _tiff(file if isinstance(file, FileIO) else again, size)
    if is_raster(start):
        return _picture(again)
    nifti = _nifti_start(start)
    if nifti:
        return _nifti(nifti)
    if archive_kind(
        "", start[:512] if start.startswith(b"PK") else start[:300] if b"ustar" in start else b""
    ):
        return Head("archive", "archive", alone=True)
    try:
        return _dicom(name, again, size)
    except NotDicomError:
        if not name.lower().endswith((".dcm", ".dicom", ".ima")):
            return None
        return Head("damaged", "DICOM", problem="not a DICOM file" if start else "empty")


class _Again:
    """A file whose first bytes were read already."""

    def __init__(self, start: bytes, file: Readable) -> None:
        self._start = BytesIO(start)
        self._file = file

    def read(self, size: int, /) -> bytes:
        found = self._start.read(size)
        return found if len(found) == size else found + self._file.read(size - len(found))


def _dicom(name: str, file: Readable, size: int) -> Head:
    try:
        start = start_of(name, file, size)
    except NotDicomError:
        raise
    except FormatError as error:
        return Head("damaged", "DICOM", problem=_reason(error, name))
    ds = start.ds
    head = identity_of(ds)
    if len(ds) == 0:
        raise NotDicomError(name)
    try:
        header = header_of(name, start)
        found = frames_of(header)
    except NotAnImageError:
        head.instance = ""
        return head
    except FormatError as error:
        head.problem = _reason(error, name)
        head.unreadable = "damaged"
        head.kind = head.kind if head.series else "damaged"
        return head
    head.frames = found
    head.box = extent.of_frames(found)
    head.syntax = header.syntax
    head.unreadable = unsupported(header.syntax) if header.is_encapsulated else ""
    plain = not header.is_encapsulated and header.syntax != DEFLATED
    if plain and size - header.offset < (header.frame_bits * header.frames + 7) // 8:
        head.problem, head.unreadable = "cut off in its pixels", "damaged"
    return head


def identity_of(ds: Any) -> Head:
    """Return what a data set says of itself: ids, kind and description, without its frames."""
    meta = getattr(ds, "file_meta", None)
    sop_class = el.text(ds, 0x00080016) or (el.text(meta, 0x00020002) if meta is not None else "")
    return Head(
        kind_of(sop_class, el.text(ds, 0x00080060)),
        "DICOM",
        patient=el.decoded_text(ds, 0x00100020),
        study=el.text(ds, 0x0020000D),
        study_date=el.text(ds, 0x00080020),
        series=el.text(ds, 0x0020000E),
        number=el.integer(ds, 0x00200011),
        description=el.decoded_text(ds, 0x0008103E) or el.decoded_text(ds, 0x00181030),
        modality=el.text(ds, 0x00080060),
        instance=el.text(ds, 0x00080018),
        syntax=el.text(meta, 0x00020010) if meta is not None else "",
        frame_of_reference=el.text(ds, 0x00200052),
        refers=_series_of(ds),
    )


def _series_of(ds: Any) -> tuple[str, ...]:
    """Return the series that an object refers to, wherever its kind names them."""
    found = [el.text(one, 0x0020000E) for one in el.items(ds, 0x00081115)]
    for study in el.items(ds, 0x0040A375):  # the evidence of a report
        found += [el.text(one, 0x0020000E) for one in el.items(study, 0x00081115)]
    for frame in el.items(ds, 0x30060010):  # a structure set
        for study in el.items(frame, 0x30060012):
            found += [el.text(one, 0x0020000E) for one in el.items(study, 0x30060014)]
    return tuple(dict.fromkeys(filter(None, found)))


@cache
def kind_of(sop_class: str, modality: str) -> str:
    """Return in a word what files of a SOP class hold, e.g. "image", "SEG", "RTSTRUCT"."""
    if sop_class in _SEGMENTATION_CLASSES:
        return _SEGMENTATION_CLASSES[sop_class]
    name = kind_name(sop_class)
    for start, kind in _KINDS:
        if name.startswith(start):
            return kind
    for part, kind in _PARTS:
        if part in name:
            return kind
    if not sop_class:
        by_modality = {
            "SEG": "SEG",
            "SR": "SR",
            "RTSTRUCT": "RTSTRUCT",
            "RTPLAN": "RTPLAN",
            "PR": "presentation state",
        }
        return by_modality.get(modality, "image")
    return "image" if "Image" in name or name.startswith("kind ") else name.lower()


def _reason(error: FormatError, name: str) -> str:
    """Return what is wrong without the name of the file, which the table has."""
    text = error.message.replace(name, "").strip()
    for start in ("is damaged: ", "is ", "has "):
        if text.startswith(start):
            return text.removeprefix(start)
    return text


def _nifti_start(start: bytes) -> bytes:
    if start[:2] == b"\x1f\x8b":
        try:
            start = zlib.decompressobj(31).decompress(start, 600)
        except zlib.error:
            return b""
    one = start[344:347] in (b"n+1", b"ni1") and 348 in _both(start[:4])
    two = start[4:7] in (b"n+2", b"ni2") and 540 in _both(start[:4])
    short = len(start) < 348 and len(start) >= 280 and 348 in _both(start[:4])
    return start if one or two or short else b""


def _both(four: bytes) -> tuple[int, int]:
    return int.from_bytes(four, "little"), int.from_bytes(four, "big")


def _nifti(start: bytes) -> Head:
    order = "<" if int.from_bytes(start[:4], "little") in (348, 540) else ">"
    new = 540 in _both(start[:4])
    at, code = (16, "q") if new else (40, "h")
    count, *lengths = struct.unpack_from(f"{order}8{code}", start, at)
    steps = (
        struct.unpack_from(f"{order}8d", start, 104) if new else struct.unpack_from(f"{order}8f", start, 76)
    )
    intent = struct.unpack_from(f"{order}i", start, 504)[0] if new and len(start) >= 508 else 0
    if not new:
        intent = struct.unpack_from(f"{order}h", start, 68)[0]
    count = count if 0 < count < 8 else 0
    return Head(
        "labelmap" if intent == 1002 else "image",
        "NIfTI",
        shape=tuple(int(n) for n in lengths[:count]),
        spacing=tuple(abs(float(step)) for step in steps[1:4]),
        geometry=_nifti_geometry(start, order, new=new),
        problem="" if count else "impossible axes",
        unreadable="" if count else "damaged",
        alone=True,
        box=extent.of_nifti(start, new=new) if count else None,
    )


def _nifti_geometry(start: bytes, order: str, *, new: bool) -> str:
    if len(start) < (540 if new else 348):
        return "regular"
    codes, rows = ("2i", "12d") if new else ("2h", "12f")
    at, rows_at = (344, 400) if new else (252, 280)
    qform, sform = struct.unpack_from(order + codes, start, at)
    if sform <= 0:
        return "regular" if qform > 0 else "regular, without a place"
    matrix = struct.unpack_from(order + rows, start, rows_at)
    return _grid([tuple(matrix[n : n + 9 : 4]) for n in range(3)])


def _grid(axes: Sequence[Sequence[float]]) -> str:
    """Return the verdict on a grid from its axes."""
    for n, one in enumerate(axes):
        for other in axes[n + 1 :]:
            lengths = math.hypot(*one) * math.hypot(*other)
            if not (math.isfinite(lengths) and lengths > 0):
                return "impossible"
            if abs(sum(a * b for a, b in zip(one, other, strict=False))) > _RIGHT * lengths:
                return "sheared"
    return "regular"


def _picture(file: Readable) -> Head:
    from PIL import Image as Pictures

    try:
        with Pictures.open(BytesIO(file.read(1 << 18))) as picture:
            form, (columns, rows) = picture.format or "", picture.size
    except Exception:  # PIL raises many kinds for damaged files
        return Head("damaged", "picture", problem="a picture with a damaged header", alone=True)
    return Head("image", form, shape=(columns, rows), geometry="picture", alone=True)


def _tiff(file: Readable, size: int) -> Head:
    pages = pages_of(file, size)
    if pages is None:
        return Head("damaged", "TIFF", problem="a picture with a damaged header", alone=True)
    return Head("image", "TIFF", shape=pages, geometry="picture", alone=True)


def _fields(file: Readable, mark: str) -> dict[str, str]:
    lines = file.read(1 << 16).split(b"\n\n", 1)[0].decode("latin-1").splitlines()
    pairs = (line.split(mark, 1) for line in lines if mark in line and not line.startswith("#"))
    return {key.strip().lower(): value.strip().lstrip("=") for key, value in pairs}


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split())
    except ValueError:
        return ()


def _nrrd(name: str, file: Readable) -> Head:
    fields = _fields(file, ":")
    sizes = tuple(int(n) for n in _numbers(fields.get("sizes", "")))
    axes: list[tuple[float, ...]] = []
    for part in fields.get("space directions", "").replace("none", "").split(")"):
        vector = _numbers(part.strip(" (").replace(",", " "))
        if vector:
            axes.append(vector)
    labels = name.lower().endswith((".seg.nrrd", ".seg.nhdr")) or "segment0_id" in fields
    layers = len(sizes) - len(axes) if axes else 0
    shape = sizes[layers:] + sizes[:layers]
    spacing = tuple(math.hypot(*axis) for axis in axes) or _numbers(fields.get("spacings", ""))
    return Head(
        "labelmap" if labels else "image",
        "NRRD",
        shape=shape,
        spacing=spacing,
        geometry=_grid(axes),
        alone=True,
        box=extent.of_nrrd(fields, axes, shape),
    )


def _meta_image(file: Readable) -> Head:
    fields = _fields(file, "=")
    sizes = tuple(int(n) for n in _numbers(fields.get("dimsize", "")))
    spacing = _numbers(fields.get("elementspacing", fields.get("elementsize", "")))
    matrix = _numbers(fields.get("transformmatrix", ""))
    axes = [matrix[n : n + 3] for n in (0, 3, 6)] if len(matrix) == 9 else []
    box = extent.of_meta_image(fields, spacing[:3], sizes)
    return Head(
        "image", "MetaImage", shape=sizes, spacing=spacing[:3], geometry=_grid(axes), alone=True, box=box
    )
