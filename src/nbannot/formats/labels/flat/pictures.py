"""Pictures that files of annotations name, and where their pixels lie.

Coordinates of all these formats are of pixel edges: pixel i covers i to i + 1, so that a place x is the
index x - 0.5, and a box [x, y, w, h] covers the pixels x to x + w - 1.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.formats.labels.fitting import bounded
from nbannot.formats.places import source_paths
from nbannot.model.annotations import Box
from nbannot.model.image import Image

_NUMBERED = re.compile(r"(?P<stem>.+)_(?P<k>\d{4,})")
_UNSAFE = re.compile(r"[^\w.\-]+")


@dataclass(frozen=True, slots=True)
class Picture:
    """A slice of an image as a picture of its own."""

    image: Image
    k: int = 0

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.image.shape[2], self.image.shape[1]

    def shape_fields(self, pixels: NDArray[np.float64]) -> dict[str, Any]:
        """Return the fields of a shape with points (n, 2) as (x, y) of pixel edges."""
        places = bounded(pixels.astype(np.float64)) - 0.5
        index = np.column_stack((np.full(len(places), float(self.k)), places[:, 1], places[:, 0]))
        normal = self.image.geometry.plane(self.k).normal
        return {
            "points": tuple(map(tuple, self.image.geometry.to_world(index).tolist())),
            "image": self.image.id,
            "slice": self.k if self.image.geometry.kind == "stack" else None,
            "normal": (float(normal[0]), float(normal[1]), float(normal[2])),
        }

    def box_fields(self, x0: float, y0: float, x1: float, y1: float) -> dict[str, Any]:
        """Return the fields of a box between pixel edges."""
        bounded(np.array((x0, y0, x1, y1)))
        return {
            "index": ((self.k, y0 - 0.5, x0 - 0.5), (self.k, y1 - 0.5, x1 - 0.5)),
            "image": self.image.id,
        }

    def pixels(self, world: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return world points (n, 3) as (x, y) of pixel edges."""
        plane = self.image.geometry.plane(self.k)
        basis = np.stack((plane.column_step, plane.row_step), axis=1)
        found = np.linalg.lstsq(basis, (world - plane.origin).T, rcond=None)[0].T.astype(np.float64)
        return found + 0.5


class Pictures:
    """Finds the picture that a file name means among some images.

    A name is that of the image or of its file, with or without ending; "NAME_0012" is slice 12 of a
    volume. Where one image of one slice was given, a file about one picture means that.
    """

    def __init__(self, images: Sequence[Image]) -> None:
        self._images = tuple(images)
        self._named: dict[str, Image] = {}
        for image in images:
            paths = [image.uri, *source_paths(image)] if image.shape[0] == 1 else [image.uri]
            names = [image.name, image.id, safe(image), *(Path(path).name for path in paths if path)]
            for name in names:
                for one in (name, PurePosixPath(name).stem):
                    if one:
                        self._named.setdefault(one.lower(), image)

    def find(self, name: str, *, alone: bool = False) -> Picture | None:
        """Return the picture of a name; `alone` says that the file is about one picture only."""
        plain = PurePosixPath(str(name).replace("\\", "/")).name
        stem = PurePosixPath(plain).stem
        for one in (plain.lower(), stem.lower()):
            image = self._named.get(one)
            if image is not None and image.shape[0] == 1:
                return Picture(image)
        numbered = _NUMBERED.fullmatch(stem)
        if numbered is not None:
            image = self._named.get(numbered["stem"].lower())
            if image is not None and int(numbered["k"]) < image.shape[0]:
                return Picture(image, int(numbered["k"]))
        if alone and len(self._images) == 1 and self._images[0].shape[0] == 1:
            return Picture(self._images[0])
        return None


def safe(image: Image) -> str:
    """Return the name of an image's file without ending, else its name, as a file name."""
    stem = Path(image.uri).name if image.uri else image.name
    for ending in (".nii.gz", ".seg.nrrd"):
        stem = stem.removesuffix(ending)
    stem = Path(stem).stem if Path(stem).suffix.lower() in _ENDINGS else stem
    return _UNSAFE.sub("_", stem).strip("._") or image.id


_ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".dcm", ".nii", ".nrrd", ".mha", ".mhd", ".bmp")


def name_of(picture: Picture) -> str:
    """Return the name of a picture: with its slice where the image has several."""
    stem = safe(picture.image)
    return stem if picture.image.shape[0] == 1 else f"{stem}_{picture.k:04d}"


def edges_of(box: Box) -> tuple[float, float, float, float]:
    """Return the edges x0, y0, x1, y1 of a box."""
    (_, j0, i0), (_, j1, i1) = box.index
    return i0 + 0.5, j0 + 0.5, i1 + 0.5, j1 + 0.5
