"""Siemens' CSA header: named values in a private element (its layout is described in nibabel's documentation)."""

from __future__ import annotations

import struct
from typing import Any

from nbannot.formats.dicom import elements as el

_CREATOR = "SIEMENS CSA HEADER"
_MOST = 128


def csa_values(ds: Any) -> dict[str, tuple[str, ...]]:
    """Return the values of the image's CSA header as texts by name; {} when there is none that can be read."""
    for block in range(0x10, 0x20):
        if el.text(ds, 0x00290000 | block) == _CREATOR:
            data = getattr(el.raw(ds, 0x00290000 | block << 8 | 0x10), "value", None)
            if isinstance(data, bytes):
                try:
                    return _parsed(data)
                except (struct.error, UnicodeDecodeError, ValueError):
                    return {}
    return {}


def _parsed(data: bytes) -> dict[str, tuple[str, ...]]:
    new = data.startswith(b"SV10")
    count, check = struct.unpack_from("<2I", data, 8 if new else 0)
    if not 0 < count <= _MOST * 8 or check not in (77, 205):
        raise ValueError(count)
    at = 16 if new else 8
    found: dict[str, tuple[str, ...]] = {}
    base = 0
    for number in range(count):
        name, _, _, _, items, mark = struct.unpack_from("<64si4siii", data, at)
        at += 84
        if mark not in (77, 205) or not 0 <= items <= _MOST * 64:
            raise ValueError(mark)
        if number == 0:
            base = items  # the older form adds the first count to lengths
        values = []
        for _ in range(items):
            one, two, _, _ = struct.unpack_from("<4i", data, at)
            at += 16
            length = two if new else one - base
            if length < 0 or at + length > len(data):
                raise ValueError(length)
            text = data[at : at + length].split(b"\0", 1)[0].decode("latin-1").strip()
            at += (length + 3) // 4 * 4
            if text:
                values.append(text)
        found[name.split(b"\0", 1)[0].decode("latin-1")] = tuple(values)
    return found
