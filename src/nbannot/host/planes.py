"""Slices that one reader has decoded and another will want: nothing is decoded twice."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Any

from numpy.typing import NDArray

from nbannot.model.image import Image

Place = tuple[str, int, int]
_MOST_BYTES = 64 * 2**20


class Planes:
    """Keeps slices until somebody takes them, at most 64 MB; safe for threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Place, NDArray[Any]] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def read(self, image: Image, frame: int, k: int) -> NDArray[Any]:
        """Return a slice (j, i), the kept one where there is one; it is then forgotten here."""
        with self._lock:
            plane = self._kept.pop((image.id, frame, k), None)
            if plane is not None:
                self._bytes -= plane.nbytes
                return plane
        return image.plane_array(k, t=frame)

    def lend(self, image: Image, frame: int, k: int) -> NDArray[Any]:
        """Return a slice (j, i) and keep it for the next reader; where memory is short, the oldest go."""
        plane = self.read(image, frame, k)
        if image.is_loaded:
            return plane
        with self._lock:
            if (image.id, frame, k) not in self._kept:
                self._kept[image.id, frame, k] = plane
                self._bytes += plane.nbytes
            while self._bytes > _MOST_BYTES:
                _, oldest = self._kept.popitem(last=False)
                self._bytes -= oldest.nbytes
        return plane

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0
