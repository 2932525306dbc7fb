"""Where the compressed frames of a file lie (PS3.5 A.4)."""

from __future__ import annotations

import struct
from typing import BinaryIO

from nbannot.errors import FormatError

Part = tuple[int, int]

_ITEM, _END = 0xFFFEE000, 0xFFFEE0DD


def frame_parts(
    path: str,
    file: BinaryIO,
    offset: int,
    *,
    size: int,
    frames: int,
    extended: tuple[bytes, bytes] | None = None,
) -> list[list[Part]]:
    """Return for each frame the (file offset, length) of its fragments.

    Raises
    ------
    FormatError
        When the file ends early or holds fewer frames than it says.
    """
    items = _items(path, file, offset, size)
    if not items:
        raise FormatError(f"{path} is damaged: its pixel data is empty", hint="Copy it again.")
    table, fragments = items[0], items[1:]
    if frames == 1:
        parts = [fragments]
    elif len(fragments) == frames:
        parts = [[fragment] for fragment in fragments]
    else:
        parts = _by_table(_offsets(file, table, extended), fragments)
        if len(parts) != frames:
            parts = _by_marker(file, fragments)
    if len(parts) < frames or not all(parts):
        raise FormatError(
            f"{path} is damaged: {len(parts) if fragments else 0} compressed frame(s) of {frames}",
            hint="Copy the file again from its source.",
        )
    return parts


def _items(path: str, file: BinaryIO, offset: int, size: int) -> list[Part]:
    found: list[Part] = []
    at = offset
    while at + 8 <= size:
        file.seek(at)
        group, element, length = struct.unpack("<HHI", file.read(8))
        tag = group << 16 | element
        if tag == _END:
            return found
        if tag != _ITEM or at + 8 + length > size:
            raise FormatError(
                f"{path} is damaged: its compressed pixel data is cut off or garbled",
                hint="Copy the file again from its source.",
            )
        found.append((at + 8, length))
        at += 8 + length
    return found


def _offsets(file: BinaryIO, table: Part, extended: tuple[bytes, bytes] | None) -> list[int]:
    if extended is not None:
        data = extended[0]
        return list(struct.unpack(f"<{len(data) // 8}Q", data[: len(data) // 8 * 8]))
    file.seek(table[0])
    data = file.read(table[1] // 4 * 4)
    return list(struct.unpack(f"<{len(data) // 4}I", data))


def _by_table(offsets: list[int], fragments: list[Part]) -> list[list[Part]]:
    if not offsets or not fragments:
        return []
    start = fragments[0][0] - 8
    begins = {start + offset for offset in offsets}
    parts: list[list[Part]] = []
    for fragment in fragments:
        if fragment[0] - 8 in begins:
            parts.append([])
        if not parts:
            return []
        parts[-1].append(fragment)
    return parts


def _by_marker(file: BinaryIO, fragments: list[Part]) -> list[list[Part]]:
    """Split where a fragment ends with the end-of-image marker of the JPEG family."""
    parts: list[list[Part]] = [[]]
    for at, length in fragments:
        parts[-1].append((at, length))
        file.seek(at + max(length - 10, 0))
        if b"\xff\xd9" in file.read(min(length, 10)):
            parts.append([])
    return parts if parts[-1] else parts[:-1]
