"""The slice codecs: values of one slice ↔ compressed bytes, bit exact."""

from __future__ import annotations

from typing import Any, Literal, cast

import numpy as np
import zstandard
from numpy.typing import NDArray

from nbannot.errors import FormatError

Codec = Literal["raw", "zstd", "lorenzo-zstd", "shuffle-zstd"]
Plane = NDArray[Any]

CODECS: tuple[Codec, ...] = ("raw", "zstd", "lorenzo-zstd", "shuffle-zstd")
"""Codecs by their number in HTTP answers."""

_LEVEL = 1


def encode_image(plane: Plane) -> tuple[Codec, bytes]:
    """Return the codec and the bytes of one image slice.

    Parameters
    ----------
    plane
        (j, i), or (j, i, 3) uint8 for colour; any integer of up to 4 bytes, or float32.

    Raises
    ------
    FormatError
        When the dtype cannot be sent.
    """
    plane = _little(plane)
    if plane.ndim == 3:
        return "zstd", compress(plane)
    if plane.dtype == np.float32:
        return "shuffle-zstd", compress(_shuffle(plane))
    if plane.dtype.kind in "iu" and plane.dtype.itemsize <= 4:
        return "lorenzo-zstd", compress(_predict(plane))
    raise FormatError(f"A slice of dtype {plane.dtype} cannot be sent", hint="Use float32 instead.")


def encode_labels(plane: Plane) -> tuple[Codec, bytes]:
    """Return the codec and the bytes of one mask slice (j, i)."""
    return "zstd", compress(_little(plane))


def decode(codec: Codec, data: bytes, dtype: str, shape: tuple[int, ...]) -> Plane:
    """Return the values of a slice that was encoded here.

    Raises
    ------
    FormatError
        When the bytes do not hold such a slice.
    """
    kind = np.dtype(dtype).newbyteorder("<")
    size = int(np.prod(shape)) * kind.itemsize
    try:
        raw = data if codec == "raw" else zstandard.ZstdDecompressor().decompress(data, size)
    except zstandard.ZstdError as cause:
        raise FormatError("A slice cannot be decompressed") from cause
    if len(raw) != size:
        raise FormatError(f"A slice of {size} bytes came with {len(raw)}")
    if codec in ("raw", "zstd"):
        return np.frombuffer(raw, kind).reshape(shape).copy()
    values = np.frombuffer(raw, np.uint8).reshape(kind.itemsize, -1).T.copy()
    if codec == "shuffle-zstd":
        return values.view(kind).reshape(shape)
    zigzag = values.view(f"<u{kind.itemsize}").reshape(shape)
    residual = (zigzag >> 1) ^ (-(zigzag & 1).astype(f"<i{kind.itemsize}")).view(zigzag.dtype)
    # Sums wrap at 2^bits, exactly as the differences did.
    total = residual.cumsum(axis=1, dtype=residual.dtype).cumsum(axis=0, dtype=residual.dtype)
    return cast(Plane, total.view(kind))


def compress(data: Plane) -> bytes:
    """Return the bytes compressed with zstd, in a buffer of their own."""
    return zstandard.ZstdCompressor(level=_LEVEL).compress(np.ascontiguousarray(data).data)


def _little(plane: Plane) -> Plane:
    return np.ascontiguousarray(plane, dtype=plane.dtype.newbyteorder("<"))


def _shuffle(values: Plane) -> Plane:
    """Return all lowest bytes, then so on."""
    width = values.dtype.itemsize
    return np.ascontiguousarray(values.view(np.uint8).reshape(-1, width).T)


def _predict(plane: Plane) -> Plane:
    """Return the zigzag residuals of the 2-D Lorenzo predictor, shuffled."""
    width = plane.dtype.itemsize
    values = plane.view(f"<u{width}")
    rows = values.copy()
    rows[1:] -= values[:-1]
    residual = rows.copy()
    residual[:, 1:] -= rows[:, :-1]
    signed = residual.view(f"<i{width}")
    zigzag = (signed << 1) ^ (signed >> (8 * width - 1))
    return _shuffle(np.ascontiguousarray(zigzag))
