"""Arrays that stay where they are: zarr, h5py, dask and the like, read slice by slice."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import GeometryError, NbannotError

DTYPES = ("uint8", "int8", "uint16", "int16", "int32", "float32")
"""Dtypes that are shown as they are."""
_SHOWN_AS = {"b": "uint8", "f": "float32", "i": "int32", "u": "int32"}


@runtime_checkable
class Sliceable(Protocol):
    """Whatever is sliced like an array."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Size along each axis."""
        ...

    @property
    def dtype(self) -> Any:
        """Dtype of the values."""
        ...

    def __getitem__(self, key: Any) -> Any:
        """Return a part, as something that numpy understands."""
        ...


class SlicedPixels:
    """The `PixelSource` of an array that is read slice by slice.

    Parameters
    ----------
    array
        (k, j, i), (t, k, j, i), and with a last axis of 3 for colour. bool is shown as uint8, float16
        and float64 as float32, other whole numbers as int32.
    color
        Whether the last axis is colour.

    Raises
    ------
    GeometryError
        When its dtype is none of numpy's.
    """

    def __init__(self, array: Sliceable, *, color: bool) -> None:
        self._array = array
        try:
            self._stored = np.dtype(array.dtype).newbyteorder("=")
        except TypeError as cause:
            raise GeometryError(
                f"Pixels of dtype {array.dtype} are not shown", hint="Convert them to a numpy array."
            ) from cause
        kind = self._stored.kind
        shown = self._stored.name if self._stored.name in DTYPES else _SHOWN_AS.get(kind, self._stored.name)
        self._dtype: np.dtype[Any] = np.dtype(shown)
        self._shape = tuple(int(size) for size in array.shape)
        self._has_frames = len(self._shape) == 4 + color

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self._shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the values as they are shown."""
        return self._dtype

    def plane(self, k: int, t: int = 0) -> NDArray[Any]:
        """Read slice k of frame t.

        Raises
        ------
        NbannotError
            When a whole number is too large to be shown.
        """
        return self._shown(self._array[t, k] if self._has_frames else self._array[k])

    def load(self) -> NDArray[Any]:
        """Read everything."""
        return self._shown(self._array[(slice(None),) * len(self._shape)])

    def _shown(self, part: Any) -> NDArray[Any]:
        values = np.asarray(part)
        if self._stored.kind in "iu" and self._dtype != self._stored and values.size:
            limits = np.iinfo(self._dtype)
            if values.min() < limits.min or values.max() > limits.max:
                raise NbannotError(
                    f"Some values do not fit {self._dtype}, as which {self._stored} is shown",
                    hint="Convert them to float32.",
                )
        return np.ascontiguousarray(values, dtype=self._dtype)
