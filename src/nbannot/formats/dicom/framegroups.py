"""The functional groups of thousands of frames, of which equal ones are understood once."""

from __future__ import annotations

import io
import struct
from collections.abc import Collection, Iterator
from typing import Any

from nbannot.formats.dicom import elements as el

_PER_FRAME = 0x52009230
_ITEM, _ITEM_END, _END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_UNDEFINED = 0xFFFFFFFF
# Value representations with a length of four bytes (PS3.5 7.1.2).
_LONG = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")


def frame_groups(ds: Any, wanted: Collection[int]) -> list[dict[int, Any]]:
    """Return for each frame the first items of its functional groups of these tags.

    Groups with the same bytes share one data set.
    """
    raw = el.raw(ds, _PER_FRAME)
    value = getattr(raw, "value", None)
    if isinstance(value, bytes) and getattr(raw, "is_little_endian", False):
        try:
            return _from_bytes(value, wanted, implicit=bool(raw.is_implicit_VR))
        except (struct.error, IndexError, ValueError):
            pass  # The slow way copes with what is unusual, or reports it.
    return [
        {tag: item for tag in wanted if (item := el.first(group, tag)) is not None}
        for group in el.items(ds, _PER_FRAME)
    ]


def _from_bytes(data: bytes, wanted: Collection[int], *, implicit: bool) -> list[dict[int, Any]]:
    known: dict[bytes, Any] = {}
    found = []
    at = 0
    while at + 8 <= len(data):
        tag, length = _tag(data, at), _length(data, at + 4)
        if tag == _END:
            break
        if tag != _ITEM:
            raise ValueError("no item")
        end = at + 8 + length if length != _UNDEFINED else _item_end(data, at + 8, implicit=implicit)
        groups = {}
        for group, value in _groups(data, at + 8, end, implicit=implicit):
            if group in wanted and value:
                if value not in known:
                    known[value] = _first_item(value, implicit=implicit)
                groups[group] = known[value]
        found.append(groups)
        at = end + (8 if length == _UNDEFINED else 0)
    return found


def _groups(data: bytes, at: int, end: int, *, implicit: bool) -> Iterator[tuple[int, bytes]]:
    while at + 8 <= end:
        tag, start, stop, after = _element(data, at, implicit=implicit)
        yield tag, data[start:stop]
        at = after


def _first_item(value: bytes, *, implicit: bool) -> Any:
    """Return the first item of a sequence's value."""
    from pydicom.filereader import read_sequence

    items = read_sequence(io.BytesIO(value), implicit, True, len(value), "iso8859", 0)
    return items[0]


def _tag(data: bytes, at: int) -> int:
    group, element = struct.unpack_from("<HH", data, at)
    return int(group << 16 | element)


def _length(data: bytes, at: int) -> int:
    return int(struct.unpack_from("<I", data, at)[0])


def _element(data: bytes, at: int, *, implicit: bool) -> tuple[int, int, int, int]:
    """Return tag, start and end of the value, and the offset of what follows."""
    tag = _tag(data, at)
    if implicit or tag >> 16 == 0xFFFE:
        length, start = _length(data, at + 4), at + 8
    elif data[at + 4 : at + 6] in _LONG:
        length, start = _length(data, at + 8), at + 12
    else:
        length, start = int(struct.unpack_from("<H", data, at + 6)[0]), at + 8
    if length != _UNDEFINED:
        return tag, start, start + length, start + length
    stop = start
    while _tag(data, stop) != _END:
        if _tag(data, stop) != _ITEM:
            raise ValueError("no item")
        length = _length(data, stop + 4)
        stop = stop + 8 + length if length != _UNDEFINED else _item_end(data, stop + 8, implicit=implicit) + 8
    return tag, start, stop, stop + 8


def _item_end(data: bytes, at: int, *, implicit: bool) -> int:
    """Return where the delimiter of an item of undefined length is."""
    while _tag(data, at) != _ITEM_END:
        at = _element(data, at, implicit=implicit)[3]
    return at
