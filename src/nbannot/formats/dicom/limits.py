"""What a header says against what the bytes can hold, before anything large is made of it."""

from __future__ import annotations

import struct
import zlib

from nbannot.errors import FormatError

# A deflated file may unpack to this, or to this many times its size.
INFLATED, RATIO = 1 << 30, 50
_BLOCK = 1 << 20
_META_LENGTH = b"\x02\0\0\0UL\x04\0"
# Start-of-frame markers of the JPEG family (ITU-T T.81 table B.1, T.87 for JPEG-LS).
_FRAMES = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7}
_ALONE = {0x01, *range(0xD0, 0xD9)}


def check_inflated(path: str, data: bytes) -> None:
    """Refuse a deflated file (its bytes as far as they were read) that unpacks to more than an image would.

    Raises
    ------
    FormatError
        When it does.
    """
    if len(data) < 144 or data[132:140] != _META_LENGTH:
        return
    most = max(INFLATED, RATIO * len(data))
    unpacker, total = zlib.decompressobj(-15), 0
    block = data[144 + struct.unpack_from("<I", data, 140)[0] :]
    while block and not unpacker.eof:
        try:
            total += len(unpacker.decompress(block, _BLOCK))
        except zlib.error:
            return  # told where it is read
        block = unpacker.unconsumed_tail
        if total > most:
            raise FormatError(
                f"{path} is damaged: {len(data)} bytes unpack to more than {most >> 20} MiB, as a bomb does",
                hint="Copy the file again from its source.",
            )


def coded_size(stream: bytes) -> tuple[int, int] | None:
    """Return rows and columns that a JPEG, JPEG-LS or JPEG 2000 stream states; None where it does not."""
    at = stream.find(b"\xff\x4f\xff\x51", 0, 4096)
    if at >= 0 and len(stream) >= at + 24:
        width, height, left, top = struct.unpack_from(">4I", stream, at + 8)
        return height - top, width - left
    if not stream.startswith(b"\xff\xd8"):
        return None
    at = 2
    while at + 9 <= len(stream) and stream[at] == 0xFF:
        marker = stream[at + 1]
        if marker in _FRAMES:
            rows, columns = struct.unpack_from(">2H", stream, at + 5)
            return (rows, columns) if rows else None
        if marker == 0xFF:
            at += 1
        elif marker in _ALONE:
            at += 2
        else:
            at += 2 + max(struct.unpack_from(">H", stream, at + 2)[0], 2)
    return None
