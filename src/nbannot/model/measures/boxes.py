"""Sizes of boxes, and the values in them."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from nbannot.model.annotations import Box
from nbannot.model.geometry import Grid
from nbannot.model.measures.sampling import Reader, Values

_SIDES = ("depth", "height", "width")


def box_sizes(box: Box, grid: Grid) -> dict[str, Any]:
    """Return the sides of a box along i, j, k, its area or volume, perimeter and largest diameter.

    Sides are in the unit of the grid; in a sheared grid area and volume are those of the slanted box. A
    stack has no distances between its slices: of a box through several only what lies in the first one.
    """
    low, high = (np.array(corner) for corner in box.index)
    if grid.kind == "grid":
        steps = grid.affine[:3, :3]
    else:
        plane = grid.planes[min(max(round(low[0]), 0), len(grid.planes) - 1)]
        steps = np.stack((np.zeros(3), plane.row_step, plane.column_step), axis=1)
    edges = [steps[:, axis] * (high - low)[axis] for axis in range(3)]
    used = [axis for axis in range(3) if high[axis] > low[axis]]
    if grid.kind == "stack" and 0 in used:
        used.remove(0)
    found: dict[str, Any] = {_SIDES[axis]: float(np.linalg.norm(edges[axis])) for axis in used}
    if len(used) == 2:
        first, second = (edges[axis] for axis in used)
        found["area"] = float(np.linalg.norm(np.cross(first, second)))
        found["perimeter"] = 2 * sum(found[_SIDES[axis]] for axis in used)
    else:
        found["volume"] = float(abs(np.linalg.det(np.stack(edges))))
    corners = [sum(edges[axis] * bit for axis, bit in zip(range(3), bits)) for bits in np.ndindex(2, 2, 2)]
    found["max_diameter"] = max(float(np.linalg.norm(a - b)) for a, b in combinations(corners, 2))
    return found


def box_values(box: Box, reader: Reader) -> tuple[Values, str]:
    """Return the values of the voxels whose centres lie in a box, on its sides included."""
    k, j, i = box.slices()
    count = reader.image.shape[0]
    planes = [
        reader.plane(n)[_within(j), _within(i)].ravel() for n in range(max(k.start, 0), min(k.stop, count))
    ]
    return np.concatenate(planes) if planes else np.zeros(0), ""


def _within(part: slice) -> slice:
    return slice(max(part.start, 0), max(part.stop, 0))
