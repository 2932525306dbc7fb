"""What a header says against what the bytes can hold, before anything large is made of it."""

from __future__ import annotations

import struct
import zlib

from nbannot.errors import FormatError
from nbannot.formats.dicom.jpeg import jpeg_frame

# A deflated file may unpack to this, or to this many times its size.
INFLATED, RATIO = 1 << 30, 50
_BLOCK = 1 << 20
_META_LENGTH = b"\x02\0\0\0UL\x04\0"


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
    frame = jpeg_frame(stream)
    return (frame.rows, frame.columns) if frame is not None and frame.rows else None
