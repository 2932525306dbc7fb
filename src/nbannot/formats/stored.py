"""Voxels that are stored as one array: shown in a small dtype, read slice by slice where they are mapped."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import FormatError
from nbannot.formats.quiet import quiet

Pixels = NDArray[Any]

LARGE = 1 << 30
"""Bytes of voxels above which nothing looks at or keeps all of them."""
_KEPT = ("uint8", "int8", "uint16", "int16", "int32", "float32")


class StoredPixels:
    """Voxels as (t,) k, j, i, or with colour last.

    Parameters
    ----------
    path
        The file, for messages.
    fetch
        Returns all stored voxels as (t, k, j, i), or (t, k, j, i, 3) for colour, mapped where that is
        possible, or what gives [t, k] of such an array, [0] of one with one frame, min() and max(). It is
        called at the first slice, and again after `load`.
    size
        (t, k, j, i).
    stored
        Dtype of the stored numbers.
    rescale
        (slope, intercept) that make them values.
    color
        Whether there is a colour axis; uint16 colour is shown in 8 bits.

    Raises
    ------
    FormatError
        When the scaling is not finite, or the numbers are neither whole nor real.
    """

    def __init__(
        self,
        path: str,
        fetch: Callable[[], Any],
        size: tuple[int, int, int, int],
        stored: np.dtype[Any],
        *,
        rescale: tuple[float, float] = (1.0, 0.0),
        color: bool = False,
    ) -> None:
        self._path = path
        self._fetch = fetch
        self._size = size
        self._lock = Lock()
        self._stored: Any = None
        self.notes: list[str] = []
        self._bytes = int(np.prod(size, dtype=object)) * stored.itemsize
        self.frames, self.grid = size[0], size[1:]
        self.color = color
        self.rescale = rescale
        if not np.isfinite(rescale).all():
            raise FormatError(f"{path} has a damaged scaling: {rescale[0]}, {rescale[1]}")
        self._dtype = self._color(stored) if color else self._choose(stored)
        base = self.grid if self.frames == 1 else size
        self._shape: tuple[int, ...] = (*base, 3) if color else base

    def _color(self, stored: np.dtype[Any]) -> np.dtype[Any]:
        if stored.name not in ("uint8", "uint16"):
            raise FormatError(f"{self._path} holds colour as {stored} numbers, which are not shown")
        if stored.name == "uint16":
            self.notes.append("16-bit colour shown in 8 bits")
        return np.dtype(np.uint8)

    def _choose(self, stored: np.dtype[Any]) -> np.dtype[Any]:
        slope, intercept = self.rescale
        if stored.kind not in "iuf":
            raise FormatError(
                f"{self._path} holds {stored} numbers, which are not shown",
                hint="Convert it to real numbers first.",
            )
        if stored.kind == "f" or slope != int(slope) or intercept != int(intercept):
            if stored.itemsize > 4:
                self.notes.append("64-bit numbers shown as 32-bit ones")
            return np.dtype(np.float32)
        if (slope, intercept) == (1.0, 0.0) and stored.name in _KEPT:
            return np.dtype(stored.name)
        limits = np.iinfo(stored)
        ends = [slope * float(limits.min) + intercept, slope * float(limits.max) + intercept]
        if stored.itemsize > 2 and self._bytes > LARGE:
            self.notes.append(f"{stored.name} shown as 32-bit floating point: the file is too large to look")
            return np.dtype(np.float32)
        if stored.itemsize > 2:  # the range says little: look at the numbers
            raw = self._raw()
            ends = [slope * float(raw.min()) + intercept, slope * float(raw.max()) + intercept]
        for name in _KEPT[:-1]:
            span = np.iinfo(name)
            if span.min <= min(ends) and max(ends) <= span.max:
                return np.dtype(name)
        self.notes.append("large numbers shown as 32-bit floating point")
        return np.dtype(np.float32)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape as (t,) k, j, i (, 3)."""
        return self._shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the values."""
        return self._dtype

    def _raw(self) -> Any:
        with self._lock:
            if self._stored is None:
                try:
                    with quiet():
                        self._stored = self._fetch()
                except FormatError:
                    raise
                except Exception as cause:  # gzip, OS and decoders' errors of damaged files
                    raise FormatError(
                        f"{self._path} is damaged: its voxels cannot be read",
                        hint="Copy it again from its source.",
                    ) from cause
            return self._stored

    def plane(self, k: int, t: int = 0) -> Pixels:
        """Return the values of slice k of frame t."""
        return self._values(self._raw()[t, k])

    def load(self) -> Pixels:
        """Return all values."""
        raw = self._raw()
        values = self._values(raw if self.frames > 1 else raw[0])
        with self._lock:
            self._stored = None
        return values

    def _values(self, stored: Pixels) -> Pixels:
        if self.color:
            eight = stored if stored.dtype.itemsize == 1 else stored.astype(np.uint16) >> 8
            return np.array(eight, dtype=np.uint8, order="C")
        slope, intercept = self.rescale
        if (slope, intercept) == (1.0, 0.0):
            return np.array(stored, dtype=self._dtype, order="C")
        if self._dtype.kind != "f":
            wide = stored.astype(np.int64) * int(slope) + int(intercept)
            return np.ascontiguousarray(wide.astype(self._dtype))
        scaled = stored.astype(np.float64) * slope + intercept
        return np.ascontiguousarray(scaled.astype(np.float32))


class PlanesByRange:
    """What `StoredPixels` takes for voxels that lie elsewhere, one plane after another, without packing.

    Parameters
    ----------
    part
        Gives bytes: ``part(start, size)``.
    offset
        Of the first voxel.
    dtype
        Of a voxel; with the fields of its colours where it has any.
    shape
        (t, k, j, i).
    color
        Whether R, G and B become a last axis.
    """

    def __init__(
        self,
        part: Callable[[int, int], bytes],
        offset: int,
        dtype: np.dtype[Any],
        shape: tuple[int, ...],
        *,
        color: bool,
    ) -> None:
        self._part, self._offset, self._dtype = part, offset, dtype
        self._shape, self._color = shape, color

    def __getitem__(self, key: int | tuple[int, int]) -> Pixels:
        t, k = key if isinstance(key, tuple) else (key, None)
        frames, slices, *plane = self._shape
        each = int(np.prod(plane)) * self._dtype.itemsize
        if k is not None:
            return self._read(((t % frames) * slices + k % slices) * each, each, tuple(plane))
        planes = [self[t, n] for n in range(slices)]
        return np.stack(planes)

    def _read(self, start: int, size: int, shape: tuple[int, ...]) -> Pixels:
        found = np.frombuffer(self._part(self._offset + start, size), self._dtype).reshape(shape)
        return found.view(np.uint8).reshape(*shape, -1)[..., :3] if self._color else found

    def min(self) -> Any:
        """Return the smallest value; everything is read, one slice in memory at a time."""
        return min(self[t, k].min() for t in range(self._shape[0]) for k in range(self._shape[1]))

    def max(self) -> Any:
        """Return the largest value; everything is read, one slice in memory at a time."""
        return max(self[t, k].max() for t in range(self._shape[0]) for k in range(self._shape[1]))
