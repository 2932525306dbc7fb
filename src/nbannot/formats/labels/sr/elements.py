"""Elements of a DICOM data set as bytes by tag: only what the content of a report needs (PS3.5 7).

A report of some hundred groups has some ten thousand elements. As objects of a library they take seconds.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from nbannot.errors import FormatError

_LONG = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
_SEQUENCES = frozenset((0x00081199, 0x004008EA, 0x0040A043, 0x0040A168, 0x0040A300, 0x0040A504, 0x0040A730))
"""What is a sequence where the file does not say so."""
_ITEM, _ITEM_END, _END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_UNDEFINED = 0xFFFFFFFF
_DEPTH = 60
_LARGEST = 1 << 30

IMPLICIT, BIG, DEFLATED = "1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"

Decode = Callable[[bytes], str]


@dataclass(slots=True)
class Elements:
    """Values and sequences by tag."""

    values: dict[int, bytes] = field(default_factory=dict)
    sequences: dict[int, list[Elements]] = field(default_factory=dict)


class Content:
    """The data set of a file.

    Parameters
    ----------
    path
        A DICOM file with its preamble.

    Raises
    ------
    FormatError
        When it is damaged.
    """

    def __init__(self, path: str) -> None:
        data = Path(path).read_bytes()
        try:
            start, syntax = _meta(data)
            if syntax == DEFLATED:
                unpacked = zlib.decompressobj(-zlib.MAX_WBITS)
                data, start = unpacked.decompress(data[start:], _LARGEST), 0
            self._order = ">" if syntax == BIG else "<"
            self._explicit = syntax != IMPLICIT
            self._data = data
            self.root, _ = self._read(start, len(data), self._explicit, 0)
        except (struct.error, ValueError, IndexError, zlib.error) as cause:
            raise FormatError(f"{path} is damaged: its content cannot be read") from cause
        self._decode = _decoder(self.root.values.get(0x00080005, b""))

    def text(self, item: Elements, tag: int) -> str:
        """Return a text; empty where it is missing."""
        raw = item.values.get(tag)
        if not raw:
            return ""
        shown = raw.decode("ascii") if raw.isascii() and b"\x1b" not in raw else self._decode(raw)
        return shown.rstrip("\0 ")

    def whole(self, item: Elements, tag: int) -> tuple[int, ...]:
        """Return numbers given as text (IS) or as unsigned 16 or 32 bits."""
        raw = item.values.get(tag, b"")
        if not raw:
            return ()
        if tag in (0x0062000B, 0x0040DB73):
            size, code = (2, "H") if tag == 0x0062000B else (4, "I")
            return struct.unpack(f"{self._order}{len(raw) // size}{code}", raw[: len(raw) // size * size])
        parts = self.text(item, tag).split("\\")
        return tuple(int(part) for part in parts if part.strip().isdigit())

    def floats(self, item: Elements, tag: int, *, double: bool = False) -> tuple[float, ...]:
        """Return FL or FD numbers."""
        raw, size = item.values.get(tag, b""), 8 if double else 4
        count = len(raw) // size
        return struct.unpack(f"{self._order}{count}{'d' if double else 'f'}", raw[: count * size])

    def _read(self, pos: int, end: int, explicit: bool, depth: int) -> tuple[Elements, int]:
        """Read elements up to `end`, or the end of an item of undefined length."""
        if depth > _DEPTH:
            raise ValueError("too deep")
        found, data, order = Elements(), self._data, self._order
        while pos + 8 <= end:
            group, element = struct.unpack_from(f"{order}HH", data, pos)
            tag = group << 16 | element
            if tag == _ITEM_END:
                return found, pos + 8
            vr = data[pos + 4 : pos + 6] if explicit else b""
            if not explicit or vr in _LONG:
                (length,) = struct.unpack_from(f"{order}I", data, pos + (8 if explicit else 4))
                pos += 12 if explicit else 8
            elif vr.isalpha():
                (length,) = struct.unpack_from(f"{order}H", data, pos + 6)
                pos += 8
            else:
                raise ValueError("no VR")
            if vr == b"SQ" or length == _UNDEFINED or (tag in _SEQUENCES and vr in (b"", b"UN")):
                inner = explicit and vr != b"UN"
                found.sequences[tag], pos = self._items(pos, length, end, inner, depth)
            elif pos + length > end:
                raise ValueError("an element ends outside its item")
            else:
                found.values[tag] = data[pos : pos + length]
                pos += length
        return found, end

    def _items(
        self, pos: int, length: int, limit: int, explicit: bool, depth: int
    ) -> tuple[list[Elements], int]:
        end = limit if length == _UNDEFINED else pos + length
        if end > limit:
            raise ValueError("a sequence ends outside its item")
        items: list[Elements] = []
        while pos + 8 <= end:
            group, element, size = struct.unpack_from(f"{self._order}HHI", self._data, pos)
            tag, pos = group << 16 | element, pos + 8
            if tag == _END:
                return items, pos
            if tag != _ITEM or (size != _UNDEFINED and pos + size > end):
                raise ValueError("a sequence holds something else than items")
            stop = end if size == _UNDEFINED else pos + size
            item, pos = self._read(pos, stop, explicit, depth + 1)
            items.append(item)
        return items, end


def _meta(data: bytes) -> tuple[int, str]:
    """Return where the data set begins, and its transfer syntax (PS3.10 7.1)."""
    pos, syntax = 132, ""
    while pos + 8 <= len(data) and data[pos : pos + 2] == b"\2\0":
        element = int.from_bytes(data[pos + 2 : pos + 4], "little")
        if data[pos + 4 : pos + 6] in _LONG:
            size, begin = int.from_bytes(data[pos + 8 : pos + 12], "little"), pos + 12
        else:
            size, begin = int.from_bytes(data[pos + 6 : pos + 8], "little"), pos + 8
        if element == 0x0010:
            syntax = data[begin : begin + size].decode("ascii").rstrip("\0 ")
        pos = begin + size
    if not syntax:
        raise ValueError("no transfer syntax")
    return pos, syntax


def _decoder(names: bytes) -> Decode:
    """Return what turns bytes into text, for a Specific Character Set."""
    from pydicom.charset import convert_encodings, decode_bytes

    listed = names.decode("ascii", "replace").rstrip("\0 ").split("\\")
    encodings = convert_encodings(listed[0] if len(listed) == 1 else listed)

    def decode(raw: bytes) -> str:
        return str(decode_bytes(raw, encodings, set()))

    return decode
