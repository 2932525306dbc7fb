"""How many pictures a TIFF file holds, and of what size, from its directories alone."""

from __future__ import annotations

import struct
from io import BytesIO, FileIO
from typing import IO

from nbannot.formats.dicom.header import Readable

# A picture's width and height, and whether it is a smaller copy (TIFF 6.0, section 8).
_REDUCED, _WIDTH, _HEIGHT = 254, 256, 257
_NUMBERS = {3: "H", 4: "I", 16: "Q"}
# Bytes up to which a file in an archive is unpacked for it, and directories that are looked at.
_MOST, _MOST_PAGES = 1 << 28, 1 << 16


def pages_of(file: Readable, size: int) -> tuple[int, ...] | None:
    """Return (columns, rows, pictures of that size), () if that takes too long; None for a damaged file.

    Parameters
    ----------
    file, size
        The open file at its start and its length in bytes.
    """
    if size > _MOST and not isinstance(file, FileIO):
        return ()
    source: IO[bytes] | FileIO = file if isinstance(file, FileIO) else BytesIO(file.read(size))
    try:
        sizes = _sizes(source)
    except (struct.error, OSError, OverflowError):
        return None
    return (*sizes[0], sizes.count(sizes[0])) if sizes and all(sizes[0]) else None


def _sizes(file: IO[bytes] | FileIO) -> list[tuple[int, int]]:
    file.seek(0)
    head = file.read(16)
    order, big = "<" if head[:1] == b"I" else ">", b"+" in head[2:4]
    number, count, wide = ("Q", "Q", 20) if big else ("I", "H", 12)
    (at,) = struct.unpack_from(order + number, head, 8 if big else 4)
    sizes: list[tuple[int, int]] = []
    seen: set[int] = set()
    while at and at not in seen and len(seen) < _MOST_PAGES:
        seen.add(at)
        file.seek(at)
        (entries,) = struct.unpack(order + count, file.read(struct.calcsize(count)))
        table = file.read(min(wide * entries, 1 << 20))
        (at,) = struct.unpack(order + number, file.read(struct.calcsize(number)))
        fields = _fields(table, order, wide)
        if not fields.get(_REDUCED, 0) & 1 or not sizes:
            sizes.append((fields.get(_WIDTH, 0), fields.get(_HEIGHT, 0)))
    return sizes


def _fields(table: bytes, order: str, wide: int) -> dict[int, int]:
    found = {}
    for at in range(0, len(table) - wide + 1, wide):
        tag, kind = struct.unpack_from(f"{order}2H", table, at)
        if tag in (_REDUCED, _WIDTH, _HEIGHT) and kind in _NUMBERS:
            (found[tag],) = struct.unpack_from(
                order + _NUMBERS[kind], table, at + wide - (8 if wide == 20 else 4)
            )
    return found
