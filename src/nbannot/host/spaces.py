"""Which images share a space, and the way from the world of one to that of another.

The browser decides by the same rules (js/src/ui/spaces.ts).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import GeometryError
from nbannot.model.geometry import Geometry, Grid
from nbannot.model.image import Image
from nbannot.model.transform import check_matrix

Matrix = NDArray[np.float64]
Bounds = tuple[NDArray[np.float64], NDArray[np.float64]]

# Images without a frame of reference count as one space when at least this part of the smaller lies in the other.
SAME_SPACE = 0.5


def has_planes(geometry: Grid) -> bool:
    """Return whether axial, coronal and sagittal planes make sense."""
    return isinstance(geometry, Geometry) and min(geometry.shape) > 1


def bounds(geometry: Geometry, way: Matrix | None = None) -> Bounds:
    """Return the lowest and the highest corner (LPS mm) of the box along the world's axes that holds all voxels.

    ``way`` leads from the geometry's world to the one of the box.
    """
    corners = geometry.to_world(list(product(*((-0.5, n - 0.5) for n in geometry.shape))))
    if way is not None:
        corners = np.asarray([(way[:3, :3] @ one) + way[:3, 3] for one in _box(corners)])
    return corners.min(axis=0), corners.max(axis=0)


def _box(corners: NDArray[Any]) -> list[NDArray[Any]]:
    low, high = corners.min(axis=0), corners.max(axis=0)
    return [np.array(one) for one in product(*zip(low, high, strict=True))]


def overlap(a: Bounds, b: Bounds) -> float:
    """Return the part of the smaller box that lies in the other, 0 to 1."""
    both = np.clip(np.minimum(a[1], b[1]) - np.maximum(a[0], b[0]), 0, None)
    return float(np.prod(both) / min(np.prod(a[1] - a[0]), np.prod(b[1] - b[0])))


class Spaces:
    """The ways between the worlds of some images.

    Parameters
    ----------
    images
        The images.
    transforms
        By image id: ``{"to": image id, "matrix": 16 numbers, row by row}``, as in the view state.
    """

    def __init__(self, images: Sequence[Image], transforms: Mapping[str, Any]) -> None:
        self._images = tuple(images)
        self._transforms = transforms

    def between(self, start: Image, end: Image) -> Matrix | None:
        """Return the 4 × 4 map from the world of one image to that of another, None where none is known."""
        ways: dict[str, Matrix] = {start.id: np.eye(4)}
        queue = [start]
        while queue:
            here = queue.pop(0)
            if here.id == end.id:
                return ways[here.id]
            for image in self._images:
                step = None if image.id in ways else self._step(here, image)
                if step is not None:
                    ways[image.id] = step @ ways[here.id]
                    queue.append(image)
        return None

    def _step(self, start: Image, end: Image) -> Matrix | None:
        ahead, back = self._matrix(start, end), self._matrix(end, start)
        if ahead is not None:
            return ahead
        if back is not None:
            return np.asarray(np.linalg.inv(back), dtype=np.float64)
        return np.eye(4) if self._share(start, end) else None

    def _matrix(self, moving: Image, fixed: Image) -> Matrix | None:
        stored = self._transforms.get(moving.id)
        if not isinstance(stored, Mapping) or stored.get("to") != fixed.id:
            return None
        try:
            return check_matrix(np.reshape(stored["matrix"], (4, 4)))
        except (GeometryError, ValueError, KeyError):
            return None

    def _share(self, a: Image, b: Image) -> bool:
        one, two = a.geometry.frame_of_reference, b.geometry.frame_of_reference
        if one and two:
            return one == two
        grids = (a.geometry, b.geometry)
        if not all(has_planes(grid) for grid in grids):
            return False
        first, second = (bounds(grid) for grid in grids if isinstance(grid, Geometry))
        return overlap(first, second) >= SAME_SPACE
