"""TIFF pictures: one or many, plain or tiled, read one at a time."""

from __future__ import annotations

import struct
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import FormatError, MissingDependencyError
from nbannot.formats.identity import content_id
from nbannot.formats.placed import stem
from nbannot.formats.quiet import quiet
from nbannot.formats.stored import StoredPixels
from nbannot.model.geometry import Stack
from nbannot.model.image import Image, Photometric, SliceSource

Pixels = NDArray[Any]

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# TIFF 6.0, PhotometricInterpretation.
_WHITE_IS_ZERO, _PALETTE = 0, 3
# Pictures up to so many bytes are not compared with their file; no packing gives more for a byte.
_FEW, _MOST_PER_BYTE = 1 << 26, 2000


def is_tiff(start: bytes) -> bool:
    """Whether a file that begins with `start` is TIFF or BigTIFF, and not DICOM with such a preamble."""
    return start.startswith(_MAGIC) and start[128:132] != b"DICM"


def read_tiff(path: str, *, check: bool = True) -> list[Image]:
    """Return the pictures of a TIFF file, measured in pixels, without a place in the patient.

    Pictures of one size and kind are the slices of one image; others are images of their own. Smaller
    copies within a picture are left out.

    Parameters
    ----------
    check
        Decode the first picture of each image at once, so that damage is found now.

    Raises
    ------
    FormatError
        When the file is damaged, or holds numbers that are not shown.
    MissingDependencyError
        When it is compressed in a way that needs another package.
    """
    import tifffile

    try:
        _check_chain(path)
        with quiet(), tifffile.TiffFile(path) as file:
            groups = _groups(path, file)
    except FormatError:
        raise
    except Exception as cause:  # tifffile raises many kinds for damaged files
        raise FormatError(f"{path} is damaged and cannot be decoded", hint="Copy it again.") from cause
    if not groups:
        raise FormatError(f"{path} holds no picture")
    images = []
    for n, (numbers, form) in enumerate(groups):
        images.append(_image(path, numbers, form, "" if n == 0 else f" {n + 1}"))
        if check:
            images[-1].plane_array(0)
    return images


_Form = tuple[tuple[int, ...], str, int, str]


def _check_chain(path: str) -> None:
    """Follow the list of pictures to its end, which a cut-off file does not have (TIFF 6.0, section 2)."""
    size = Path(path).stat().st_size
    with Path(path).open("rb") as file:
        head = file.read(16)
        order, big = "<" if head[:1] == b"I" else ">", b"+" in head[2:4]
        number, count, entry = ("Q", "Q", 20) if big else ("I", "H", 12)
        start = 8 if big else 4
        width, wide = struct.calcsize(number), struct.calcsize(count)
        (at,) = struct.unpack(order + number, head[start : start + width])
        seen = set()
        while at and at not in seen:
            seen.add(at)
            file.seek(at)
            (entries,) = struct.unpack(order + count, file.read(wide))
            file.seek(at + wide + entry * entries)
            (at,) = struct.unpack(order + number, file.read(width))
            if at >= size:
                raise FormatError(f"{path} is cut off", hint="Copy it again from its source.")


def _check_size(path: str, page: Any, size: int) -> None:
    """Refuse pictures that reach beyond the file, or are larger than any packing makes of it."""
    parts = zip(page.dataoffsets or (), page.databytecounts or (), strict=False)
    if max((start + length for start, length in parts), default=0) > size:
        raise FormatError(f"{path} is cut off", hint="Copy it again from its source.")
    if not all(page.shape) or page.nbytes > max(_FEW, _MOST_PER_BYTE * size):
        raise FormatError(f"{path} states a picture of {page.shape} pixels, which it cannot hold")


def _groups(path: str, file: Any) -> list[tuple[list[int], _Form]]:
    """Return the numbers of pages that are alike, and (shape, dtype, photometric, axes) of each group."""
    groups: dict[_Form, list[int]] = {}
    size = Path(path).stat().st_size
    for n in range(len(file.pages)):
        page = file.pages[n]
        kind = int(page.photometric) if page.photometric is not None else 1
        if page.dtype is None or (page.is_reduced and n):
            continue
        _check_size(path, page, size)
        form = (tuple(page.shape), np.dtype(page.dtype).name, kind, str(page.axes))
        groups.setdefault(form, []).append(n)
    return [(numbers, form) for form, numbers in groups.items()]


def _image(path: str, numbers: list[int], form: _Form, suffix: str) -> Image:
    shape, kind, photometric, axes = form
    samples = "S" in axes
    grid = tuple(n for n, axis in zip(shape, axes, strict=True) if axis in "YX")
    if len(grid) != 2 or len(axes) != 2 + samples:
        raise FormatError(f"{path} holds pictures with axes {axes!r}, which are not shown")
    palette = photometric == _PALETTE
    count = shape[axes.index("S")] if samples else 1
    color = palette or count >= 3
    stored = np.dtype(np.uint8 if palette or kind == "bool" else kind)
    pages = _Pages(path, axes, palette=palette, color=color)
    size = (1, len(numbers), grid[0], grid[1])
    pixels = StoredPixels(path, lambda: _Lazy(pages, numbers), size, stored, color=color)
    notes = list(pixels.notes)
    if count in (2, 4) or count > 4:
        notes.append("transparency dropped")
    white: Photometric = "MONOCHROME1" if photometric == _WHITE_IS_ZERO else "MONOCHROME2"
    return Image(
        pixels,
        Stack.picture((grid[0], grid[1]), frames=len(numbers)),
        name=stem(path).removesuffix(".tiff").removesuffix(".tif") + suffix,
        id=content_id(path) + suffix.replace(" ", "-"),
        photometric="RGB" if color else white,
        sources=[SliceSource(None, None, path)] * len(numbers),
        uri=path,
        notes=notes,
    )


class _Pages:
    """Pictures of a file, decoded when needed; the last one is kept."""

    def __init__(self, path: str, axes: str, *, palette: bool, color: bool) -> None:
        self.path = path
        self._axes, self._palette, self._color = axes, palette, color
        self._lock = Lock()
        self._last: tuple[int, Pixels] | None = None

    def page(self, number: int) -> Pixels:
        with self._lock:
            if self._last is None or self._last[0] != number:
                self._last = number, self._decode(number)
            return self._last[1]

    def _decode(self, number: int) -> Pixels:
        import tifffile

        with quiet():
            try:
                with tifffile.TiffFile(self.path) as file:
                    page: Any = file.pages[number]
                    try:
                        found = np.asarray(page.asarray())
                    except ValueError as cause:
                        if "imagecodecs" not in str(cause):
                            raise
                        return self._by_pillow(number, page.dtype)
                    table = page.colormap if self._palette else None
            except MissingDependencyError:
                raise
            except Exception as cause:  # tifffile raises many kinds for damaged files
                raise FormatError(
                    f"{self.path} is damaged and cannot be decoded", hint="Copy it again from its source."
                ) from cause
        if table is not None:
            return np.moveaxis((np.asarray(table) >> 8).astype(np.uint8)[:, found], 0, -1)
        if self._axes[0] == "S":
            found = np.moveaxis(found, 0, -1)
        return self._shown(found)

    def _shown(self, found: Pixels) -> Pixels:
        if found.ndim == 3:
            found = found[..., :3] if self._color else found[..., 0]
        return found * np.uint8(255) if found.dtype == bool else found

    def _by_pillow(self, number: int, dtype: Any) -> Pixels:
        """Decode what tifffile needs another package for."""
        from PIL import Image as Pictures

        with Pictures.open(self.path) as picture:
            picture.seek(number)
            deep = picture.mode.startswith(("I", "F"))
            if np.dtype(dtype).itemsize > 1 and not deep:
                raise MissingDependencyError(
                    f"{self.path} is compressed in a way that needs imagecodecs",
                    hint='Install it with: pip install "nbannot[codecs]"',
                )
            if self._color:
                return np.array(picture.convert("RGB"), dtype=np.uint8)
            return self._shown(np.array(picture)).astype(np.uint8 if np.dtype(dtype).kind == "b" else dtype)


class _Lazy:
    """Pages as an array (t, k, j, i) of which only slices, or all, are taken."""

    def __init__(self, pages: _Pages, numbers: list[int]) -> None:
        self._pages, self._numbers = pages, numbers

    def __getitem__(self, key: int | tuple[int, int]) -> Pixels:
        if isinstance(key, tuple):
            return self._pages.page(self._numbers[key[1]])
        return np.stack([self._pages.page(number) for number in self._numbers])

    def min(self) -> Any:
        return min(self._pages.page(number).min() for number in self._numbers)

    def max(self) -> Any:
        return max(self._pages.page(number).max() for number in self._numbers)
