"""PNG and JPEG pictures."""

from __future__ import annotations

import struct
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import FormatError
from nbannot.formats.identity import content_id
from nbannot.formats.quiet import quiet
from nbannot.model.geometry import Stack
from nbannot.model.image import Image, SliceSource

Pixels = NDArray[Any]

_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_EXIF_ORIENTATION = 0x0112
_GREY = {"1": np.uint8, "L": np.uint8, "LA": np.uint8, "I;16": np.uint16, "I;16B": np.uint16}


def is_raster(start: bytes) -> bool:
    """Whether a file that begins with `start` is PNG or JPEG."""
    return start.startswith((_PNG, _JPEG))


def read_raster(path: str, *, check: bool = True) -> Image:
    """Return a PNG or JPEG picture, measured in pixels, without a place in the patient.

    Transparency is dropped; palettes become RGB; 16-bit grey stays 16-bit.

    Parameters
    ----------
    check
        Decode it at once, so that damage is found now rather than when it is first shown.

    Raises
    ------
    FormatError
        When the picture is damaged.
    """
    from PIL import Image as Pictures

    with quiet():
        try:
            with Pictures.open(path) as picture:
                mode, size = picture.mode, picture.size
                turned = picture.getexif().get(_EXIF_ORIENTATION, 1)
        except Exception as cause:  # PIL raises many kinds for damaged files
            raise _damaged(path) from cause
    depth, kind = _png_form(path)
    notes = []
    if depth == 16 and kind in (2, 4, 6):
        notes.append("16-bit colour shown in 8 bits")
    if mode in ("RGBA", "LA", "PA"):
        notes.append("transparency dropped")
    if turned != 1:
        notes.append("shown as stored; the camera's orientation mark is not applied")
    grey = mode in _GREY or mode == "I"
    dtype = np.dtype(np.uint16 if mode == "I" else _GREY.get(mode, np.uint8))
    pixels = _RasterPixels(path, (1, size[1], size[0]), dtype, color=not grey)
    if check:
        pixels.plane(0)
    return Image(
        pixels,
        Stack.picture((size[1], size[0])),
        name=Path(path).stem,
        id=content_id(path),
        photometric="MONOCHROME2" if grey else "RGB",
        sources=[SliceSource(None, None, path)],
        uri=path,
        notes=notes,
    )


def _damaged(path: str) -> FormatError:
    return FormatError(f"{path} is damaged and cannot be decoded", hint="Copy it again from its source.")


def _png_form(path: str) -> tuple[int, int]:
    """Return bit depth and colour type of a PNG; (8, -1) for anything else."""
    with Path(path).open("rb") as file:
        head = file.read(26)
    if head.startswith(_PNG) and len(head) == 26:
        depth, kind = struct.unpack("BB", head[24:26])
        return int(depth), int(kind)
    return 8, -1


class _RasterPixels:
    """One picture, decoded when needed."""

    def __init__(self, path: str, shape: tuple[int, int, int], dtype: np.dtype[Any], *, color: bool) -> None:
        self._path = path
        self._color = color
        self._shape: tuple[int, ...] = (*shape, 3) if color else shape
        self._dtype = dtype
        self._lock = Lock()
        self._plane: Pixels | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self._shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._dtype

    def plane(self, k: int, t: int = 0) -> Pixels:
        with self._lock:
            if self._plane is None:
                self._plane = self._decode()
            return self._plane

    def load(self) -> Pixels:
        plane = self.plane(0)
        with self._lock:
            self._plane = None
        return plane[None]

    def _decode(self) -> Pixels:
        from PIL import Image as Pictures

        with quiet():
            try:
                with Pictures.open(self._path) as picture:
                    if self._color:
                        opaque = picture.convert("RGBA") if picture.mode == "PA" else picture
                        return np.array(opaque.convert("RGB"), dtype=np.uint8)
                    if picture.mode in ("1", "LA"):
                        return np.array(picture.convert("L"), dtype=np.uint8)
                    found = np.array(picture)
            except Exception as cause:  # PIL raises many kinds for damaged files
                raise _damaged(self._path) from cause
        if found.dtype.kind == "i" and found.size and not 0 <= found.min() <= found.max() < 65536:
            raise FormatError(f"{self._path} holds numbers beyond 16 bits")
        return found.astype(self._dtype)
