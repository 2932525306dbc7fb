"""The lazy pixels of a DICOM image: slice by slice from its files, in real-world values."""

from __future__ import annotations

import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import ClippedWarning
from nbannot.formats.dicom.decode import stored_frame
from nbannot.formats.dicom.frames import Frame
from nbannot.formats.dicom.scaling import value_dtype, value_range

Pixels = NDArray[Any]


class DicomPixels:
    """Pixels that stay in their DICOM files until they are asked for.

    Parameters
    ----------
    rows
        Frames as ``rows[t][k]``.
    """

    def __init__(self, rows: list[list[Frame]]) -> None:
        self._rows = rows
        first = rows[0][0].header
        self._color = first.is_color
        pairs = [(frame.header, frame.scaling) for row in rows for frame in row]
        self._dtype = np.dtype(np.uint8) if self._color else value_dtype(pairs)
        shape = (len(rows[0]), first.rows, first.columns)
        if len(rows) > 1:
            shape = (len(rows), *shape)  # type: ignore[assignment]
        self._shape: tuple[int, ...] = (*shape, 3) if self._color else shape

    @property
    def shape(self) -> tuple[int, ...]:
        """(k, j, i) or (t, k, j, i), with a last axis of 3 for colour."""
        return self._shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the real-world values."""
        return self._dtype

    def plane(self, k: int, t: int = 0) -> Pixels:
        """Return slice k of frame t.

        Raises
        ------
        FormatError
            When its file is damaged or gone.
        """
        frame = self._rows[t][k]
        stored = stored_frame(frame.header, frame.index)
        out = np.empty(self._shape[-3:] if self._color else self._shape[-2:], self._dtype)
        if self._put(frame, stored, out):
            _warn_clipped([frame])
        return out

    def load(self) -> Pixels:
        """Return everything."""
        first = self._rows[0][0]
        if first.header.is_encapsulated:
            stored_frame(first.header, first.index)  # a lie about its size is told before room is made for it
        out = np.empty(self._shape, self._dtype)
        flat = out.reshape(-1, *(self._shape[-3:] if self._color else self._shape[-2:]))
        frames = [frame for row in self._rows for frame in row]
        # the decoders hold the interpreter lock; only plain reading gains from threads
        threads = min(4, os.cpu_count() or 1) if not frames[0].header.is_encapsulated else 1
        if threads == 1 or len(frames) < 8:
            clipped = [self._fill(f, plane) for f, plane in zip(frames, flat, strict=True)]
        else:
            with ThreadPoolExecutor(threads) as pool:
                clipped = list(pool.map(self._fill, frames, flat))
        _warn_clipped([frame for frame, cut in zip(frames, clipped, strict=True) if cut])
        return out

    def _fill(self, frame: Frame, out: Pixels) -> bool:
        """Decode and scale one frame into `out`; whether values had to be clipped."""
        return self._put(frame, stored_frame(frame.header, frame.index), out)

    def _put(self, frame: Frame, stored: Pixels, out: Pixels) -> bool:
        if self._color:
            out[...] = stored
            return False
        return _scale(frame, stored, out)


def _scale(frame: Frame, stored: Pixels, out: Pixels) -> bool:
    scaling = frame.scaling
    if scaling.table is not None:
        out[...] = scaling.table.apply(stored)
        return False
    if out.dtype.kind == "f":
        if scaling.slope == 1 and scaling.intercept == 0:
            out[...] = stored
        else:
            out[...] = stored.astype(np.float64) * scaling.slope + scaling.intercept
        return False
    slope, intercept = int(scaling.slope), int(scaling.intercept)
    low, high = value_range(frame.header, scaling)
    limits = np.iinfo(out.dtype)
    inside = limits.min <= low and high <= limits.max
    if slope == 1:
        bottom, top = (int(stored.min()), int(stored.max())) if stored.size else (0, 0)
        if limits.min <= bottom + intercept and top + intercept <= limits.max:
            _add(stored, intercept, out, bottom, top)
            return False
    wide = stored.astype(np.int64) * slope + intercept
    out[...] = wide if inside else np.clip(wide, limits.min, limits.max)
    return not inside and bool(wide.min() < limits.min or wide.max() > limits.max)


def _add(stored: Pixels, intercept: int, out: Pixels, bottom: int, top: int) -> None:
    """Put stored + intercept into `out`, without wide temporaries where the numbers fit."""
    limits = np.iinfo(out.dtype)
    if limits.min <= bottom and top <= limits.max and stored.dtype.itemsize == out.dtype.itemsize:
        stored = stored.view(out.dtype)
        if limits.min <= intercept <= limits.max:
            np.add(stored, out.dtype.type(intercept), out=out)
            return
    if intercept == 0:
        out[...] = stored
    else:
        out[...] = stored.astype(np.int64) + intercept


def _warn_clipped(frames: list[Frame]) -> None:
    if frames:
        warnings.warn(
            f"Values beyond the 16 bits of CT numbers were clipped in {frames[0].where}"
            + (f" and {len(frames) - 1} more" if len(frames) > 1 else ""),
            ClippedWarning,
            stacklevel=4,
        )
