"""What a document holds, picture by picture: boxes, outlines, points and masks of slices."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import NbannotWarning, StoreError
from nbannot.formats.labels.flat.pictures import Picture, edges_of, name_of
from nbannot.model.annotations import Box
from nbannot.model.attributes import Attributes
from nbannot.model.document import Document
from nbannot.model.image import Image
from nbannot.model.measures import path
from nbannot.model.shapes import Shape

_ON_SLICE = 1e-3

Edges = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Object:
    """One object of a picture.

    Parameters
    ----------
    edges
        x0, y0, x1, y1 of pixel edges.
    ring
        Its outline (n, 2), pixel edges; None for a box or mask.
    mask
        Its pixels (rows, columns), for a segment.
    points
        Marked points (n, 2), pixel edges, with names.
    """

    picture: Picture
    label: str
    edges: Edges
    id: str = ""
    attributes: Attributes | None = None
    ring: NDArray[np.float64] | None = None
    mask: NDArray[np.bool_] | None = None
    points: NDArray[np.float64] | None = None
    names: tuple[str, ...] = ()


def objects_of(document: Document, lost: Counter[str], *, points: bool = False) -> list[Object]:
    """Return the objects of a document in the order of pictures; count in `lost` what is none.

    Parameters
    ----------
    points
        Whether sets of points are wanted.
    """
    found: list[Object] = []
    for box in document.boxes:
        found += _boxes(box, document.image(box.image), lost)
    for shape in document.shapes:
        found += _shape(shape, document.image(shape.image), lost, points)
    for mask in document.masks:
        labels = {segment.value: segment.label for segment in mask.segments}
        for k in mask.nonzero_slices():
            for value in sorted(set(np.unique(mask.array[k]).tolist()) - {0}):
                inside = mask.array[k] == value
                rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
                edges = (float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))
                found.append(Object(Picture(mask.image, int(k)), labels[value], edges, mask=inside))
    if len(document.tags):
        lost["tags"] += len(document.tags)
    order = {image.id: n for n, image in enumerate(document.images)}
    return sorted(found, key=lambda one: (order[one.picture.image.id], one.picture.k))


def _boxes(box: Box, image: Image, lost: Counter[str]) -> Iterator[Object]:
    low, high = box.index
    if low[1] == high[1] or low[2] == high[2]:
        lost["boxes in other planes than the slices"] += 1
        return
    ks = range(
        max(int(np.ceil(low[0] - _ON_SLICE)), 0), min(int(np.floor(high[0] + _ON_SLICE)) + 1, image.shape[0])
    )
    if not ks:
        lost["boxes between two slices"] += 1
    for k in ks:
        yield Object(Picture(image, k), box.label, edges_of(box), box.id, box.attributes)


def _shape(shape: Shape, image: Image, lost: Counter[str], points: bool) -> Iterator[Object]:
    wanted = shape.closed or (points and shape.kind in ("points", "probe"))
    k = slice_of(shape, image)
    if not wanted or k is None:
        lost[f"{shape.kind}" + ("" if not wanted else " not on a slice")] += 1
        return
    picture = Picture(image, k)
    ring = picture.pixels(path(shape))
    (x0, y0), (x1, y1) = ring.min(axis=0).tolist(), ring.max(axis=0).tolist()
    shared: dict[str, Any] = {"id": shape.id, "attributes": shape.attributes}
    if shape.closed:
        yield Object(picture, shape.label, (x0, y0, x1, y1), ring=ring, **shared)
    else:
        yield Object(picture, shape.label, (x0, y0, x1, y1), points=ring, names=shape.names, **shared)


def slice_of(shape: Shape, image: Image) -> int | None:
    """Return the slice that all points of a shape lie on; None where there is none."""
    if shape.slice is not None:
        return shape.slice
    if image.geometry.kind == "stack":
        return 0 if image.shape[0] == 1 else None
    index = image.geometry.to_index(shape.world())[:, 0]
    k = round(float(index[0]))
    return k if np.abs(index - k).max() < _ON_SLICE and 0 <= k < image.shape[0] else None


def tell(path: str, lost: Counter[str]) -> None:
    """Warn of what is not in a file."""
    texts = [f"{count} × {text}" for text, count in lost.items() if count]
    if texts:
        warnings.warn(f"{path} has no place for {', '.join(texts)}", NbannotWarning, stacklevel=5)


def check_same(path: str, wanted: list[Object], found: list[Object], *, within: float) -> None:
    """Refuse a file whose objects, read back, are others or lie elsewhere.

    Parameters
    ----------
    within
        How far edges may be apart, in pixels.

    Raises
    ------
    StoreError
        When they are.
    """

    def rows(objects: list[Object]) -> list[tuple[str, str, Edges]]:
        return sorted((name_of(one.picture), one.label, one.edges) for one in objects)

    pairs = list(zip(rows(wanted), rows(found), strict=False))
    same = len(wanted) == len(found) and all(
        one[:2] == other[:2] and np.allclose(one[2], other[2], atol=within) for one, other in pairs
    )
    if not same:
        raise StoreError(f"{path} does not read back as it was written")
