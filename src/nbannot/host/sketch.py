"""The coarse look at a whole image, shown while its slices are on their way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import FormatError, GeometryError
from nbannot.host.messages import Json
from nbannot.host.pixels import encode_image
from nbannot.model.geometry import Geometry
from nbannot.model.image import Image

Values = NDArray[Any]

SHORT_INTEGERS = ("uint8", "int8", "uint16", "int16")


def scaled(means: Values, dtype: np.dtype[Any]) -> tuple[Values, float, float]:
    """Return means as integers of at most 16 bits, with the slope and intercept that give the unit back.

    Short integers stay as they are, rounded: slope 1, error at most 0.5.
    """
    if dtype.name in SHORT_INTEGERS:
        return np.rint(means).astype(dtype), 1.0, 0.0
    finite = means[np.isfinite(means)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    slope = (high - low) / 65535 or 1.0
    return np.rint((np.nan_to_num(means, nan=low) - low) / slope).astype(np.uint16), slope, low


def starts_of(size: int, edge: int) -> NDArray[np.intp]:
    """Return where the blocks begin that divide ``size`` voxels into at most ``edge``, as equal as can be."""
    count = min(size, edge)
    return np.arange(count) * size // count


def slices_of(size: int, edge: int) -> list[int]:
    """Return the slice in the middle of each block along k."""
    count = min(size, edge)
    return [int((n + 0.5) * size / count) for n in range(count)]


def plane_means(plane: Values, edge: int) -> NDArray[np.float64]:
    """Return the means of the blocks of a slice (j, i); values that are not finite do not count."""
    if plane.dtype.name in SHORT_INTEGERS and not any(size % edge for size in plane.shape):
        return _even_means(plane, edge)
    rows, columns = (starts_of(size, edge) for size in plane.shape)

    def sums(values: Values) -> NDArray[np.float64]:
        some = np.add.reduceat(values, rows, axis=0, dtype=np.float64)
        return np.add.reduceat(some, columns, axis=1)

    finite = np.isfinite(plane) if plane.dtype.kind == "f" else np.ones(1, dtype=bool)
    counts = sums(np.broadcast_to(finite, plane.shape))
    with np.errstate(invalid="ignore"):
        means: NDArray[np.float64] = sums(plane if finite.all() else np.where(finite, plane, 0)) / counts
    return means


def _even_means(plane: Values, edge: int) -> NDArray[np.float64]:
    """Return the means where all blocks are of one size: whole rows are added, which is five times as fast."""
    high, wide = (size // edge for size in plane.shape)
    sums = np.zeros((edge, plane.shape[1]), np.int64 if high > 2**15 else np.int32)
    for row in range(high):
        sums += plane[row::high]
    means: NDArray[np.float64] = sums.reshape(edge, edge, wide).sum(axis=2) / (high * wide)
    return means


def sketch_steps(
    image: Image, frame: int, edge: int, read: Callable[[Image, int, int], Values]
) -> Iterator[tuple[Json, bytes] | None]:
    """Yield None after each slice that was read, then the description and the bytes of the sketch.

    The sketch has at most ``edge``³ voxels and the corners of the full grid: along k one slice from the
    middle of each block, so that few slices are read; in the slice the mean of each block.

    Parameters
    ----------
    read
        Gives a slice (j, i) of the image, from its frame and number.

    Raises
    ------
    FormatError
        For a colour image.
    GeometryError
        When the planes form no regular grid.
    """
    if image.is_color:
        raise FormatError("A colour image has no coarse look")
    if not isinstance(image.geometry, Geometry):
        raise GeometryError("The planes of this image form no regular volume")
    planes: list[Values] = []
    for k in slices_of(image.shape[0], edge):
        means = plane_means(read(image, frame, k), edge)
        planes.append(np.rint(means) if image.dtype.name in SHORT_INTEGERS else means)
        yield None
    values, slope, intercept = scaled(np.stack(planes), image.dtype)
    codec, data = encode_image(values.reshape(-1, values.shape[-1]))
    factors = [size / count for size, count in zip(image.shape, values.shape, strict=True)]
    head = {
        "dtype": values.dtype.name,
        "shape": list(values.shape),
        "affine": _affine(image.geometry, np.asarray(factors)).tolist(),
        "factors": factors,
        "slope": slope,
        "intercept": intercept,
        "codec": codec,
    }
    yield head, data


def _affine(geometry: Geometry, factors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the map from index (k, j, i) of the sketch to world: index -0.5 is the same corner in both."""
    affine = np.array(geometry.affine, dtype=np.float64)
    affine[:3, 3] += affine[:3, :3] @ ((factors - 1) / 2)
    affine[:3, :3] *= factors
    return affine
