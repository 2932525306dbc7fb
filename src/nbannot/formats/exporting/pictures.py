"""Data sets of pictures: COCO, YOLO, Pascal VOC, and overlays to look at."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import EditError
from nbannot.formats.labels.flat.coco_writing import coco_of
from nbannot.formats.labels.flat.objects import Object, objects_of
from nbannot.formats.labels.flat.pictures import Picture, name_of
from nbannot.formats.labels.flat.voc import write_picture
from nbannot.formats.labels.flat.yolo import write_labels
from nbannot.model.document import Document
from nbannot.model.labels import Label

_FILL = 0.4


class PictureSet:
    """Gathers the annotated slices of cases, and writes them with their pictures.

    Parameters
    ----------
    folder
        An empty folder.
    to
        "coco", "yolo" or "voc".
    images
        Whether the pictures are written too, as 8-bit PNG with the window that an image is first shown with.
    task
        Of YOLO: "detect" or "segment".
    """

    def __init__(self, folder: Path, to: str, *, images: bool = True, task: str = "detect") -> None:
        if task not in ("detect", "segment"):
            raise EditError(f"There is no task {task!r}", hint='Choose "detect" or "segment".')
        self.folder, self.to, self.images, self.task = folder, to, images, task
        self.labels: dict[str, Label] = {}
        self.objects: list[Object] = []
        self.names: dict[Picture, str] = {}
        self._taken: set[str] = set()

    def add(self, name: str, document: Document) -> Counter[str]:
        """Take the objects of a case; return what has no place."""
        lost: Counter[str] = Counter()
        found = objects_of(document, lost, points=self.to == "coco")
        for label in document.labels:
            self.labels.setdefault(label.name, label)
        for picture in dict.fromkeys(one.picture for one in found):
            plain = (
                f"{name}_{name_of(picture)}"
                if len(document.images) > 1 or picture.image.shape[0] > 1
                else name
            )
            free, number = plain, 2
            while free.lower() in self._taken:
                free, number = f"{plain}_{number}", number + 1
            self._taken.add(free.lower())
            self.names[picture] = free
            if self.images:
                where = self.folder / "images"
                where.mkdir(exist_ok=True)
                _save(where / f"{free}.png", greys(picture))
        self.objects += found
        return lost

    def finish(self) -> None:
        """Write the annotations."""
        labels = list(self.labels.values())
        if self.to == "coco":
            content = coco_of(self.objects, labels, named=self.names)
            (self.folder / "annotations.json").write_text(
                json.dumps(content, allow_nan=False), encoding="utf-8"
            )
        elif self.to == "yolo":
            write_labels(self.folder, self.objects, labels, self.task, named=self.names)
        else:
            (self.folder / "annotations").mkdir()
            for picture, name in self.names.items():
                held = [one for one in self.objects if one.picture == picture]
                write_picture(self.folder / "annotations" / f"{name}.xml", held, f"{name}.png")


def greys(picture: Picture) -> NDArray[np.uint8]:
    """Return a slice as it is first shown, 8 bits: (rows, columns) or (rows, columns, 3)."""
    image = picture.image
    plane = image.plane_array(picture.k)
    if image.is_color:
        return np.asarray(plane, dtype=np.uint8)
    shown = image.default_window().apply(plane)
    if image.photometric == "MONOCHROME1":
        shown = 1 - shown
    found: NDArray[np.uint8] = np.rint(np.nan_to_num(shown) * 255).astype(np.uint8)
    return found


def overlays(folder: Path, name: str, document: Document) -> list[Path]:
    """Write each annotated slice with its masks, boxes and outlines in the colours of their labels."""
    objects = objects_of(document, Counter(), points=True)
    colors = {label.name: label.color for label in document.labels}
    paths = []
    for picture in dict.fromkeys(one.picture for one in objects):
        path = folder / f"{name}_{name_of(picture)}.png"
        _save(path, _drawn(picture, [one for one in objects if one.picture == picture], colors))
        paths.append(path)
    return paths


def _drawn(picture: Picture, objects: Sequence[Object], colors: dict[str, str]) -> NDArray[np.uint8]:
    from PIL import Image as Pictures
    from PIL import ImageDraw

    base = greys(picture)
    pixels = (base if base.ndim == 3 else np.repeat(base[:, :, None], 3, axis=2)).astype(np.float32)
    for one in objects:
        if one.mask is not None:
            pixels[one.mask] = (1 - _FILL) * pixels[one.mask] + _FILL * _rgb(colors[one.label])
    canvas = Pictures.fromarray(np.rint(pixels).astype(np.uint8), "RGB")
    pen = ImageDraw.Draw(canvas)
    thick = max(1, round(min(picture.size) / 400))
    for one in objects:
        color = tuple(_rgb(colors[one.label]).astype(int).tolist())
        if one.mask is not None:
            continue
        if one.points is not None:
            for x, y in (one.points - 0.5).tolist():
                pen.ellipse((x - 2 * thick, y - 2 * thick, x + 2 * thick, y + 2 * thick), outline=color)
            continue
        corners = one.ring if one.ring is not None else _corners(one)
        line = [(x, y) for x, y in (corners - 0.5).tolist()]
        pen.line([*line, line[0]], fill=color, width=thick)
    return np.asarray(canvas)


def _corners(one: Object) -> NDArray[np.float64]:
    x0, y0, x1, y1 = one.edges
    return np.array(((x0, y0), (x1, y0), (x1, y1), (x0, y1)))


def _rgb(color: str) -> NDArray[np.float32]:
    return np.array([int(color[n : n + 2], 16) for n in (1, 3, 5)], dtype=np.float32)


def _save(path: Path, pixels: NDArray[Any]) -> None:
    from PIL import Image as Pictures

    Pictures.fromarray(pixels).save(path)
