"""What stands before the coded pixels of a JPEG stream (ITU-T T.81 annex B), read before a decoder does.

GDCM's decoder ends the whole process on streams whose header makes it warn, so that those must not reach it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

# Start-of-frame markers of the JPEG family (ITU-T T.81 table B.1, T.87 for JPEG-LS).
_FRAMES = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7}
_LOSSLESS = {0xC3, 0xC7, 0xCB, 0xCF}
_ALONE = {0x01, *range(0xD0, 0xD9)}
_FIRST, _SCAN, _JFIF, _ADOBE = 0xC0, 0xDA, 0xE0, 0xEE


@dataclass(frozen=True, slots=True)
class JpegFrame:
    """The frame header: start-of-frame marker, bits of a sample, lines, samples in a line."""

    marker: int
    bits: int
    rows: int
    columns: int


def jpeg_frame(stream: bytes) -> JpegFrame | None:
    """Return the frame header of a JPEG or JPEG-LS stream; None where it has none."""
    for marker, at in _segments(stream):
        if marker in _FRAMES and at + 9 <= len(stream):
            bits, rows, columns = struct.unpack_from(">BHH", stream, at + 4)
            return JpegFrame(marker, bits, rows, columns)
    return None


def has_sound_start(stream: bytes) -> bool:
    """Whether everything up to the first scan is as the standard has it, one segment after the other."""
    frames = 0
    for marker, at in _segments(stream):
        if marker == _SCAN:
            return frames == 1
        start = at + 4
        if marker in _FRAMES:
            frames += 1
            most = 16 if marker in _LOSSLESS else 12
            if not 2 <= stream[start] <= most or (marker not in _LOSSLESS and stream[start] not in (8, 12)):
                return False
        elif marker == _JFIF and stream[start : start + 5] == b"JFIF\0":
            if stream[start + 5] != 1:
                return False
        elif marker == _ADOBE and stream[start : start + 5] == b"Adobe" and stream[start + 11] > 2:
            return False
    return False


def _segments(stream: bytes) -> Iterator[tuple[int, int]]:
    """Yield markers and where they are, up to the first scan or the first byte that is out of place."""
    at = 2 if stream.startswith(b"\xff\xd8") else len(stream)
    while at + 4 <= len(stream) and stream[at] == 0xFF:
        marker = stream[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker in _ALONE:
            at += 2
            continue
        length = struct.unpack_from(">H", stream, at + 2)[0]
        if length < 2 or marker < _FIRST or at + 2 + length > len(stream):
            return
        yield marker, at
        if marker == _SCAN:
            return
        at += 2 + length


__all__ = ["JpegFrame", "has_sound_start", "jpeg_frame"]
