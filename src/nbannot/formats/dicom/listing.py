"""The elements of a DICOM file as rows of text, for people to look through."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nbannot.errors import FormatError
from nbannot.formats.dicom import elements as el
from nbannot.formats.quiet import quiet
from nbannot.formats.rows import Row, elided, shortened

_PER_FRAME = 0x52009230
# Longer values stay in the file until somebody wants them, which nobody does here.
_DEFER = 1 << 16
_VALUES = 32
_DEPTH = 12


def dicom_rows(path: str, frame: int | None) -> Iterator[Row]:
    """Yield the elements of a file up to its pixels, sequences with their items after them.

    Parameters
    ----------
    path
        A DICOM file.
    frame
        Frame number from 1 whose functional groups are shown; None for the first.

    Raises
    ------
    FormatError
        When it cannot be read.
    """
    from pydicom import dcmread

    with quiet():
        try:
            ds = dcmread(path, stop_before_pixels=True, force=True, defer_size=_DEFER)
        except Exception as cause:  # pydicom raises many kinds for damaged headers
            raise FormatError(f"{path} has a header that cannot be read") from cause
        rows = [*_rows(getattr(ds, "file_meta", None), 0, 1), *_rows(ds, 0, frame or 1)]
    yield from rows


def _rows(ds: Any, depth: int, frame: int) -> Iterator[Row]:
    for tag in sorted(ds.keys()) if ds is not None else ():
        number = int(tag)
        raw = el.raw(ds, tag)
        length: int | None = getattr(raw, "length", None)
        if length and raw.value is None:
            yield Row(depth, _tag(number), _name(ds, number), str(raw.VR or "UN"), elided(length))
            continue
        try:
            element = ds[tag]
        except Exception:  # pydicom raises many kinds for damaged elements
            yield Row(depth, _tag(number), _name(ds, number), "UN", "unreadable")
            continue
        if element.VR == "SQ":
            yield from _sequence(ds, element, depth, frame)
        else:
            yield Row(depth, _tag(number), _name(ds, number), element.VR, _text(element))


def _sequence(ds: Any, element: Any, depth: int, frame: int) -> Iterator[Row]:
    items = list(element.value or [])
    count = f"{len(items)} item{'' if len(items) == 1 else 's'}"
    yield Row(depth, _tag(int(element.tag)), _name(ds, int(element.tag)), "SQ", count)
    if depth >= _DEPTH:
        return
    for n, item in enumerate(items, 1):
        if int(element.tag) == _PER_FRAME and n != frame:
            continue
        what = "Frame" if int(element.tag) == _PER_FRAME else "Item"
        yield Row(depth + 1, "", f"{what} {n}", "", "")
        yield from _rows(item, depth + 2, frame)


def _tag(number: int) -> str:
    return f"({number >> 16:04X},{number & 0xFFFF:04X})"


def _name(ds: Any, number: int) -> str:
    """Return the dictionary's name; for a private element its creator too (PS3.5 7.8.1)."""
    from pydicom.datadict import dictionary_description, private_dictionary_description

    group, element = number >> 16, number & 0xFFFF
    if group % 2 and 0x10 <= element <= 0xFF:
        return "Private Creator"
    if group % 2:
        creator = el.text(ds, group << 16 | element >> 8)
        try:
            name = private_dictionary_description(number, creator)
        except Exception:  # unknown creators, broken elements
            name = "private"
        return f"{name} · {creator or 'unknown creator'}"
    try:
        return dictionary_description(number)
    except KeyError:
        return "unknown"


def _text(element: Any) -> str:
    value = element.value
    if value is None:
        return ""
    if isinstance(value, bytes):
        return _bytes(value)
    if isinstance(value, (list, tuple)) or type(value).__name__ == "MultiValue":
        shown = "\\".join(str(part) for part in value[:_VALUES])
        rest = f"\\… ({len(value)} values)" if len(value) > _VALUES else ""
        return shortened(shown) + rest
    text = shortened(str(value))
    meaning = str(getattr(value, "name", text)) if element.VR == "UI" else text
    return text if meaning == text else f"{text} ({meaning})"


def _bytes(value: bytes) -> str:
    """Return short bytes as text where they are text, else as hexadecimal numbers."""
    plain = value.rstrip(b"\0 ")
    if plain and all(32 <= byte < 127 for byte in plain):
        return shortened(plain.decode("ascii"))
    return value.hex(" ") if len(value) <= _VALUES else elided(len(value))
