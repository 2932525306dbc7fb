"""Where the coordinates of a report lie: instances and frames of the images, or their world."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.formats.labels.fitting import bounded
from nbannot.formats.labels.sr.tree import Graphic, Node, Reference
from nbannot.model.image import Image, SliceSource
from nbannot.model.shapes import WorldPoint


@dataclass(frozen=True, slots=True)
class Place:
    """A slice of an image: k, and t where the image has several frames in time (else None)."""

    image: Image
    k: int
    t: int | None


@dataclass(frozen=True, slots=True)
class Put:
    """Points (n, 3), world LPS mm, and the fields that a shape takes from where they lie."""

    image: Image
    points: NDArray[np.float64]
    slice: int | None
    frame: int | None
    normal: WorldPoint | None

    def fields(self) -> dict[str, Any]:
        """Return them as arguments of a Shape."""
        where = {"image": self.image.id, "frame": self.frame, "slice": self.slice, "normal": self.normal}
        return {"points": tuple(map(tuple, self.points.tolist())), **where}


class Places:
    """The slices of some images by the instance and frame that they were read from."""

    def __init__(self, images: Sequence[Image]) -> None:
        self._images = tuple(images)
        self._places: dict[tuple[str, int | None], Place] = {}
        for image in images:
            depth = image.shape[0]
            for n, source in enumerate(image.sources):
                place = Place(image, n % depth, n // depth if image.frames > 1 else None)
                self._places.setdefault((source.sop_instance_uid or "", source.frame), place)

    def of(self, reference: Reference) -> Place | None:
        """Return the slice of a referenced instance, the first of several frames."""
        frames: Iterable[int | None] = reference.frames[:1] or (None, 1)
        for frame in (*frames, None) if reference.frames == (1,) else frames:
            place = self._places.get((reference.instance, frame))
            if place is not None:
                return place
        return None

    def put(self, node: Node) -> Put | None:
        """Return where the coordinates of a node lie; None when that is none of the images."""
        graphic: Graphic = node.value
        if node.kind == "SCOORD3D":
            return self._in_world(graphic)
        chosen = next((child.value for child in node.children if child.kind == "IMAGE"), None)
        place = self.of(chosen) if isinstance(chosen, Reference) else None
        if place is None:
            return None
        return on_slice(place.image, place.k, place.t, graphic.points - 0.5)

    def _in_world(self, graphic: Graphic) -> Put | None:
        for image in self._images:
            if image.frame_of_reference != graphic.frame_of_reference or not graphic.frame_of_reference:
                continue
            k = None
            if image.geometry.kind == "stack":
                k = int(image.geometry.to_index(bounded(graphic.points).mean(axis=0))[0])
            return Put(image, bounded(graphic.points), k, None, None)
        return None


def on_slice(image: Image, k: int, t: int | None, pixels: NDArray[np.float64]) -> Put:
    """Return points on a slice, given as (n, 2) columns and rows with pixel centres at whole numbers."""
    bounded(pixels)
    index = np.column_stack((np.full(len(pixels), float(k)), pixels[:, 1], pixels[:, 0]))
    normal = image.geometry.plane(k).normal
    unit = (float(normal[0]), float(normal[1]), float(normal[2]))
    stacked = k if image.geometry.kind == "stack" else None
    return Put(image, image.geometry.to_world(index), stacked, t, unit)


def source_of(image: Image, k: int, t: int | None) -> SliceSource | None:
    """Return the instance that a slice was read from; None where there is none."""
    n = (t or 0) * image.shape[0] + k
    found = image.sources[n] if n < len(image.sources) else None
    return found if found is not None and found.sop_instance_uid else None
