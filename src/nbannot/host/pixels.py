"""The slice codecs: values of one slice ↔ compressed bytes, bit exact."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
import zstandard
from numpy.typing import NDArray

from nbannot.errors import FormatError

Codec = Literal["raw", "zstd", "lorenzo-zstd", "shuffle-zstd"]
Plane = NDArray[Any]

CODECS: tuple[Codec, ...] = ("raw", "zstd", "lorenzo-zstd", "shuffle-zstd")
"""Codecs by their number in HTTP answers."""

BANDS = len(CODECS)
"""In the place of a codec's number: a slice that comes in parts."""

_LEVEL = 1
LARGE = 4 * 2**20
"""Slices of more bytes come in parts."""
_BAND = 2 * 2**20
_COARSE_EDGE = 512
_ALIGNED = 16
_BAND_HEAD = struct.Struct("<5I")


@dataclass(frozen=True, slots=True)
class Band:
    """A part of a large slice.

    Attributes
    ----------
    n, count
        Number of this part, and how many parts the slice has.
    first, rows
        The rows of the slice that it holds.
    step
        1, or n for a small picture of them: the means of blocks of n x n pixels (see `block_means`).
    """

    n: int
    count: int
    first: int
    rows: int
    step: int


Part = tuple[Band | None, Codec, bytes]
"""A slice (None) or a part of it, its codec and its bytes."""


def encode_parts(plane: Plane) -> Iterator[Part]:
    """Yield an image slice as one part or, above 4 MB, as a small picture of it and then bands of rows.

    The small picture has at most 512 pixels on a side, so that something is seen at once. A band is shown
    as soon as it is there, and several are decoded at the same time; it begins at a multiple of 16 rows.

    Parameters
    ----------
    plane
        As for `encode_image`.

    Raises
    ------
    FormatError
        When the dtype cannot be sent.
    """
    if plane.nbytes <= LARGE:
        yield (None, *encode_image(plane))
        return
    rows, columns = plane.shape[:2]
    step = max(2, -(-max(rows, columns) // _COARSE_EDGE))
    height = max(_ALIGNED, _BAND * rows // plane.nbytes // _ALIGNED * _ALIGNED)
    starts = range(0, rows, height)
    count = len(starts) + 1
    yield (Band(0, count, 0, rows, step), *encode_image(block_means(plane, step)))
    for n, first in enumerate(starts, 1):
        band = plane[first : first + height]
        yield (Band(n, count, first, len(band), 1), *encode_image(band))


def block_means(plane: Plane, step: int) -> Plane:
    """Return the means of blocks of step x step pixels, of each channel, in the dtype of the plane.

    Blocks at the edges are the means of the pixels that they have; integers are rounded.
    """
    columns = np.arange(0, plane.shape[1], step)
    sums_fit = plane.dtype.kind in "iu" and plane.dtype.itemsize <= 2 and step <= 128
    wide = (np.uint32 if plane.dtype.kind == "u" else np.int32) if sums_fit else np.float64
    # Adding whole rows is five times as fast as reduceat along them.
    sums = np.zeros((-(-plane.shape[0] // step), *plane.shape[1:]), wide)
    for row in range(min(step, plane.shape[0])):
        part = plane[row::step]
        sums[: len(part)] += part
    high = np.minimum(step, plane.shape[0] - np.arange(0, plane.shape[0], step))
    broad = np.minimum(step, plane.shape[1] - columns)
    counts = np.multiply.outer(high, broad).reshape(len(high), len(broad), *[1] * (plane.ndim - 2))
    means = np.add.reduceat(sums, columns, axis=1) / counts
    return cast(Plane, (means if plane.dtype.kind == "f" else np.floor(means + 0.5)).astype(plane.dtype))


def pack_slice(plane: Plane) -> bytes:
    """Return the slice as it lies in a file: ``[u32 codec][bytes]``, or all its parts one after another."""
    parts = list(encode_parts(plane))
    if parts[0][0] is None:
        _, codec, data = parts[0]
        return struct.pack("<I", CODECS.index(codec)) + data
    chunks = [struct.pack("<2I", BANDS, len(parts))]
    for band, codec, data in parts:
        if band is not None:
            head = _BAND_HEAD.pack(band.first, band.rows, band.step, CODECS.index(codec), len(data))
            chunks += [head, data]
    return b"".join(chunks)


def unpack_slice(data: bytes) -> Iterator[Part]:
    """Yield the parts that `pack_slice` wrote."""
    number = struct.unpack_from("<I", data)[0]
    if number != BANDS:
        yield None, CODECS[number], data[4:]
        return
    count = struct.unpack_from("<I", data, 4)[0]
    at = 8
    for n in range(count):
        first, rows, step, codec, length = _BAND_HEAD.unpack_from(data, at)
        at += _BAND_HEAD.size
        yield Band(n, count, first, rows, step), CODECS[codec], data[at : at + length]
        at += length


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
