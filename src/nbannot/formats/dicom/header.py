"""The header pass: what one DICOM file holds, without touching its pixels."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from nbannot.errors import FormatError
from nbannot.formats.dicom import elements as el
from nbannot.formats.dicom.fragments import Part, frame_parts
from nbannot.formats.dicom.limits import check_inflated
from nbannot.formats.dicom.tables import Palette, palette_of
from nbannot.formats.quiet import quiet

_HEAD = 1 << 16
_GROWTH = 7
_PIXELS = {
    0x7FE00008: "FloatPixelData",
    0x7FE00009: "DoubleFloatPixelData",
    0x7FE00010: "PixelData",
}
_UNDEFINED = 0xFFFFFFFF
DEFLATED = "1.2.840.10008.1.2.1.99"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
IMPLICIT = "1.2.840.10008.1.2"
RAW_SYNTAXES = (IMPLICIT, "1.2.840.10008.1.2.1", BIG_ENDIAN, DEFLATED)
_SLIDES = ("1.2.840.10008.5.1.4.1.1.77.1.6",)
SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")


@dataclass(slots=True)
class Header:
    """One DICOM file: where its pixels are and how they are coded."""

    path: str
    sop_class: str = ""
    sop_uid: str = ""
    series_uid: str = ""
    study_uid: str = ""
    study_date: str = ""
    frame_of_reference: str = ""
    modality: str = ""
    description: str = ""
    laterality: str = ""
    view: str = ""
    burned_in: bool = False
    unshown: tuple[str, ...] = ()
    series_number: int | None = None
    instance: int | None = None
    image_type: tuple[str, ...] = ()
    syntax: str = ""
    keyword: str = ""
    pixel_vr: str = "OW"
    offset: int = 0
    length: int = 0
    rows: int = 0
    columns: int = 0
    samples: int = 1
    planar: int = 0
    allocated: int = 16
    stored: int = 16
    high: int = 15
    signed: bool = False
    photometric: str = "MONOCHROME2"
    frames: int = 1
    palette: Palette | None = None
    extended: tuple[bytes, bytes] | None = None
    parts: list[list[Part]] = field(default_factory=list, repr=False)
    ds: Any = field(default=None, repr=False)
    whole: Header | None = field(default=None, repr=False)
    """The picture that this one is a tile of, see `mosaic`."""

    @property
    def is_color(self) -> bool:
        """Whether the decoded pixels are RGB."""
        return self.samples >= 3 or self.photometric == "PALETTE COLOR"

    @property
    def is_encapsulated(self) -> bool:
        """Whether the pixels are compressed frame by frame."""
        return self.syntax not in RAW_SYNTAXES

    @property
    def frame_bits(self) -> int:
        """Size of one uncompressed frame in bits."""
        samples: float = self.samples
        if self.photometric == "YBR_FULL_422":
            samples = 2
        return int(self.rows * self.columns * samples * self.allocated)


class Readable(Protocol):
    """Whatever gives its bytes one after the other: a file, or a member of an archive."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` further bytes; none at the end."""
        ...


class NotDicomError(FormatError):
    """The file is no DICOM file at all."""


class NotAnImageError(FormatError):
    """The file is sound DICOM of a kind that holds no image."""


def read_header(path: str, *, labels: bool = False) -> Header:
    """Return the header of one DICOM image file; the data set stays in ``ds`` for the caller.

    With ``labels`` the file must be a segmentation instead.

    Raises
    ------
    NotDicomError
        When it is no DICOM file.
    NotAnImageError
        When it is DICOM without an image (report, structure set, labels, …).
    FormatError
        When it is a damaged image.
    """
    try:
        size = Path(path).stat().st_size
        with Path(path).open("rb", buffering=0) as file:
            found = header_of(path, start_of(path, file, size), labels=labels)
    except OSError as cause:
        raise FormatError(f"{path} cannot be read: {cause.strerror}") from cause
    _check_length(found, size)
    return found


def sop_class_of(path: str) -> str:
    """Return the SOP class of a file; "" when it has none or cannot be read."""
    from pydicom import dcmread

    with quiet():
        try:
            ds = dcmread(path, specific_tags=[0x00080016], stop_before_pixels=True, force=True)
        except Exception:  # pydicom raises many kinds for damaged headers
            return ""
        return el.text(ds, 0x00080016)


@dataclass(slots=True)
class Start:
    """A data set up to its pixels, and the element that begins them (tag 0: there are none)."""

    ds: Any
    tag: int = 0
    vr: str = ""
    length: int = 0
    offset: int = 0


def start_of(path: str, file: Readable, size: int) -> Start:
    """Return the data set at the start of an open file, `size` bytes long, up to its pixels.

    Raises
    ------
    NotDicomError
        When it is no DICOM file.
    FormatError
        When its header is damaged.
    """
    head = file.read(_HEAD)
    if not head:
        raise NotDicomError(f"{path} is empty")
    forced = head[128:132] != b"DICM"
    if forced and not _looks_like_dicom(head):
        raise NotDicomError(f"{path} is not a DICOM file")
    found = _parse(path, head, whole=len(head) >= size, forced=forced)
    while found is None:  # a long header: read on, but never the pixels of a large file
        more = file.read(len(head) * _GROWTH)
        head += more
        found = _parse(path, head, whole=not more or len(head) >= size, forced=forced)
    return found


def _looks_like_dicom(head: bytes) -> bool:
    """Whether a file without preamble starts as a data set does (group 2 or 8, in order)."""
    if len(head) < 16:
        return False
    explicit = head[4:6].isalpha() and head[4:6].isupper()
    for order in ("little", "big") if explicit else ("little",):
        group, element, length = (
            int.from_bytes(head[at:end], "big" if order == "big" else "little")
            for at, end in ((0, 2), (2, 4), (4, 8))
        )
        if group in (0x0002, 0x0008) and element <= 0x0100 and (explicit or length < 1024):
            return True
    return False


def _parse(path: str, head: bytes, *, whole: bool, forced: bool) -> Start | None:
    """Parse up to the pixels; None when `head` ends before and more of the file is needed."""
    from pydicom.filereader import read_partial

    stop: list[tuple[int, str, int]] = []

    def at_pixels(tag: int, vr: str | None, length: int) -> bool:
        if int.__ge__(tag, 0x7FE00008):  # the tag's own comparison is slow
            stop.append((int(tag), vr or "", length))
            return True
        return False

    if DEFLATED.encode() in head[:1024]:
        check_inflated(path, head)
    stream = io.BytesIO(head)
    try:
        ds = read_partial(stream, at_pixels, force=forced)
    except Exception as cause:  # pydicom raises many kinds for a damaged header
        if not whole:
            return None
        raise FormatError(
            f"{path} has a damaged DICOM header",
            hint="Copy the file again from its source.",
        ) from cause
    if not stop:
        return Start(ds) if whole else None
    tag, vr, length = stop[0]
    long_form = bool(vr) and vr in ("OB", "OW", "OF", "OD", "UN", "OL", "OV")
    return Start(ds, tag, vr, length, stream.tell() + (12 if long_form else 8))


def header_of(path: str, start: Start, *, labels: bool = False) -> Header:
    """Return the header of a data set that holds an image, or with `labels` a segmentation; errors as `read_header`."""
    ds = start.ds
    meta = getattr(ds, "file_meta", None)
    syntax = el.text(meta, 0x00020010) if meta is not None else ""
    header = Header(path, syntax=syntax or _guess_syntax(ds), ds=ds)
    _identify(header, ds)
    if start.tag:
        header.keyword = _PIXELS.get(start.tag, "")
        header.pixel_vr = start.vr or "OW"
        header.length, header.offset = start.length, start.offset
    _check_kind(header, complete=bool(start.tag), labels=labels)
    _describe_pixels(header, ds)
    return header


def _guess_syntax(ds: Any) -> str:
    if not getattr(ds, "is_little_endian", True):
        return BIG_ENDIAN
    return IMPLICIT if getattr(ds, "is_implicit_VR", True) else "1.2.840.10008.1.2.1"


def _identify(header: Header, ds: Any) -> None:
    header.sop_class = el.text(ds, 0x00080016)
    header.sop_uid = el.text(ds, 0x00080018)
    header.series_uid = el.text(ds, 0x0020000E)
    header.study_uid = el.text(ds, 0x0020000D)
    header.study_date = f"{el.text(ds, 0x00080020)} {el.text(ds, 0x00080030)[:6]}".strip()
    header.frame_of_reference = el.text(ds, 0x00200052)
    header.modality = el.text(ds, 0x00080060)
    header.series_number = el.integer(ds, 0x00200011)
    header.instance = el.integer(ds, 0x00200013)
    header.image_type = el.words(ds, 0x00080008)


def kind_name(sop_class: str) -> str:
    """Return the plain name of a SOP class, for messages."""
    from pydicom.uid import UID

    name = UID(sop_class).name if sop_class else "unknown kind"
    return name.removesuffix(" Storage") if name != sop_class else f"kind {sop_class}"


def _check_kind(header: Header, *, complete: bool, labels: bool) -> None:
    path, ds = header.path, header.ds
    kind = el.text(getattr(ds, "file_meta", None), 0x00020002) or header.sop_class
    if kind == "1.2.840.10008.1.3.10" or 0x00041220 in ds:
        raise NotAnImageError(f"{path} is a DICOMDIR, an index", hint="Read its folder instead.")
    if labels and header.sop_class not in SEGMENTATIONS:
        raise NotAnImageError(f"{path} is a DICOM {kind_name(header.sop_class)}, not a segmentation")
    if header.sop_class in SEGMENTATIONS and not labels:
        raise NotAnImageError(
            f"{path} is a DICOM {kind_name(header.sop_class)}: labels, not an image",
            hint="Give the image that it labels as image=.",
        )
    if header.sop_class in _SLIDES:
        raise NotAnImageError(
            f"{path} is a DICOM {kind_name(header.sop_class)}: tiles of a slide, which are not read"
        )
    if complete and header.keyword:
        return
    has_size = bool(el.integer(ds, 0x00280010)) and bool(el.integer(ds, 0x00280011))
    if has_size or (kind and _is_image_class(kind)):
        raise FormatError(
            f"{path} is an image without pixel data (cut off, or never stored)",
            hint="Copy the file again from its source.",
        )
    if len(ds) == 0:
        raise NotDicomError(f"{path} is not a DICOM file")
    raise NotAnImageError(f"{path} is a DICOM {kind_name(kind)}, not an image")


def _is_image_class(sop_class: str) -> bool:
    name = kind_name(sop_class)
    return "Image" in name and "Presentation" not in name


def _describe_pixels(header: Header, ds: Any) -> None:
    header.rows = el.integer(ds, 0x00280010) or 0
    header.columns = el.integer(ds, 0x00280011) or 0
    header.samples = el.integer(ds, 0x00280002) or 1
    header.planar = el.integer(ds, 0x00280006) or 0
    header.allocated = el.integer(ds, 0x00280100) or 0
    if header.keyword == "FloatPixelData":
        header.allocated = 32
    elif header.keyword == "DoubleFloatPixelData":
        header.allocated = 64
    header.stored = el.integer(ds, 0x00280101) or header.allocated
    high = el.integer(ds, 0x00280102)
    header.high = header.stored - 1 if high is None else high
    header.signed = el.integer(ds, 0x00280103) == 1
    header.photometric = el.text(ds, 0x00280004).upper() or ("RGB" if header.samples >= 3 else "MONOCHROME2")
    header.frames = max(el.integer(ds, 0x00280008) or 1, 1)
    if header.photometric == "PALETTE COLOR":
        header.palette = palette_of(ds)
        if header.palette is None:
            header.photometric = "MONOCHROME2"
    table, lengths = el.raw(ds, 0x7FE00001), el.raw(ds, 0x7FE00002)
    if table is not None and lengths is not None and isinstance(table.value, bytes):
        header.extended = (table.value, lengths.value)
    problem = _impossible(header)
    if problem:
        raise FormatError(f"{header.path} is damaged: {problem}", hint="Copy the file again.")


def _impossible(header: Header) -> str:
    if header.rows < 1 or header.columns < 1:
        return f"{header.rows} rows × {header.columns} columns"
    if header.allocated not in (1, 8, 16, 32, 64):
        return f"{header.allocated} bits allocated"
    if not 0 < header.stored <= header.allocated or header.high >= header.allocated:
        return f"{header.stored} bits stored of {header.allocated}, high bit {header.high}"
    if header.samples not in (1, 3):
        return f"{header.samples} samples per pixel"
    return ""


def _check_length(header: Header, size: int) -> None:
    """Refuse files that end before their pixels do (PS3.5 A.4 for compressed ones)."""
    # a deflated file was unpacked whole to reach its pixels: its length is what it states
    available = header.length if header.syntax == DEFLATED else size - header.offset
    if not header.is_encapsulated:
        needed = (header.frame_bits * header.frames + 7) // 8
        stated = available if header.length == _UNDEFINED else min(header.length, available)
        if stated < needed:
            raise FormatError(
                f"{header.path} is damaged: it holds {stated} bytes of pixels, "
                f"{header.rows} × {header.columns} pixels in {header.frames} frame(s) need {needed}",
                hint="Copy the file again from its source.",
            )
        return
    with Path(header.path).open("rb") as file:
        header.parts = frame_parts(
            header.path,
            file,
            header.offset,
            size=size,
            frames=header.frames,
            extended=header.extended,
        )
