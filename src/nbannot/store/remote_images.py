"""Images at the service: their slices come when they are looked at."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from threading import Lock
from typing import Any

import numpy as np

from nbannot.errors import StoreError
from nbannot.model.image import Image, Pixels
from nbannot.session.pixels import described
from nbannot.store.remote_client import ServiceClient

BATCH_BYTES = 4 << 20
MOST_SLICES = 64
CACHE_BYTES = 256 << 20


class RemotePixels:
    """The `PixelSource` of an image at the service: slices in batches, the ones used last are kept.

    Parameters
    ----------
    client
        Asks the service.
    path
        Of the image, e.g. ``/cases/3/images/0``.
    shape, dtype
        Of the image's pixels.
    color
        Whether the last axis is colour.
    """

    def __init__(
        self, client: ServiceClient, path: str, *, shape: tuple[int, ...], dtype: str, color: bool
    ) -> None:
        self._client, self._path = client, path
        self._shape, self._dtype = shape, np.dtype(dtype)
        self._has_frames = len(shape) == 4 + color
        self._plane = shape[2:] if self._has_frames else shape[1:]
        self._slices = shape[1] if self._has_frames else shape[0]
        self._size = max(1, math.prod(self._plane) * self._dtype.itemsize)
        self._batch = max(1, min(MOST_SLICES, BATCH_BYTES // self._size))
        self._kept: OrderedDict[tuple[int, int], Pixels] = OrderedDict()
        self._lock = Lock()

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the pixels."""
        return self._shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the values."""
        return self._dtype

    def plane(self, k: int, t: int = 0) -> Pixels:
        """Read slice k of frame t, with those around it.

        Raises
        ------
        StoreError
            When the service does not give it.
        """
        with self._lock:
            found = self._kept.get((t, k))
            if found is not None:
                self._kept.move_to_end((t, k))
                return found
        first = k - k % self._batch
        planes = self._fetch(t, first, min(self._batch, self._slices - first))
        with self._lock:
            for n, plane in enumerate(planes):
                self._kept[t, first + n] = plane
            while len(self._kept) > max(self._batch, CACHE_BYTES // self._size):
                self._kept.popitem(last=False)
        return planes[k - first]

    def load(self) -> Pixels:
        """Read everything."""
        array = np.empty(self._shape, self._dtype)
        for t in range(self._shape[0] if self._has_frames else 1):
            part = array[t] if self._has_frames else array
            for first in range(0, self._slices, self._batch):
                count = min(self._batch, self._slices - first)
                part[first : first + count] = self._fetch(t, first, count)
        return array

    def _fetch(self, t: int, first: int, count: int) -> list[Pixels]:
        import zstandard

        _, buffers = self._client.frame(f"{self._path}/{t}/{first}/{count}")
        size = self._size
        try:
            raw = [
                zstandard.ZstdDecompressor().decompress(buffer, max_output_size=size) for buffer in buffers
            ]
        except zstandard.ZstdError as cause:
            raise StoreError("A slice from the service is damaged") from cause
        if len(raw) != count or any(len(part) != size for part in raw):
            raise StoreError("A slice from the service is not of its image's size")
        return [np.frombuffer(part, self._dtype).reshape(self._plane) for part in raw]


def remote_image(client: ServiceClient, path: str, header: Mapping[str, Any]) -> Image:
    """Return the image of a header that the service gave."""
    shape = tuple(int(size) for size in header["shape"])
    color = header["photometric"] == "RGB"
    return described(header, RemotePixels(client, path, shape=shape, dtype=header["dtype"], color=color))
