"""Elements of DICOM as bytes, explicit VR little endian (PS3.5 7): thousands of them take seconds as objects."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

# Value representations with a length of four bytes (PS3.5 7.1.2) that are written here.
_LONG = ("OB", "OW", "SQ", "UT", "UC", "UN")
UNDEFINED = 0xFFFFFFFF


def begun(tag: int, vr: str, length: int) -> bytes:
    """Return what stands before the value of an element."""
    start = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr.encode())
    return start + (struct.pack("<HI", 0, length) if vr in _LONG else struct.pack("<H", length))


def element(tag: int, vr: str, data: bytes) -> bytes:
    """Return an element; its value is of even length already."""
    return begun(tag, vr, len(data)) + data


def text(tag: int, vr: str, value: str) -> bytes:
    """Return an element of text."""
    data = value.encode()
    return element(tag, vr, data + ((b"\0" if vr == "UI" else b" ") if len(data) % 2 else b""))


def numbers(tag: int, *values: int) -> bytes:
    """Return an element of unsigned numbers of 32 bits."""
    return element(tag, "UL", struct.pack(f"<{len(values)}I", *values))


def sequence(tag: int, items: Iterable[bytes]) -> bytes:
    """Return a sequence of items, each given as its elements."""
    return element(tag, "SQ", b"".join(map(wrapped, items)))


def wrapped(content: bytes) -> bytes:
    """Return an item of a sequence."""
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(content)) + content


def encoded(ds: Any) -> bytes:
    """Return the elements of a data set."""
    from pydicom.filebase import DicomBytesIO
    from pydicom.filewriter import write_dataset

    stream = DicomBytesIO()
    stream.is_little_endian, stream.is_implicit_VR = True, False
    write_dataset(stream, ds)
    return bytes(stream.getvalue())
