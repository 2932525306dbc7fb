"""From a slice of a mask to polygons in world mm, and back. Pure geometry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nbannot.errors import OperationError
from nbannot.model.geometry import Grid

Points = NDArray[np.float64]

# A border through the middle of a voxel counts as inside on the side of lower indices.
EVEN = 1e-9


def contours_from_mask(
    flags: ArrayLike, geometry: Grid, n: int, *, axis: int = 0, tolerance: float = 0.0
) -> list[Points]:
    """Return the outlines of a slice as closed polygons in world mm, holes as polygons of their own.

    Marching squares at 0.5 between voxel centres: outlines run half a voxel outside the outermost
    centres. `mask_from_contours` makes of them the same voxels again.

    Parameters
    ----------
    flags
        (k, j, i), not 0 inside; or the slice alone (2-D).
    geometry
        The grid of the whole, for which ``n`` and ``axis`` name the slice.
    n
        Number of the slice along ``axis``.
    axis
        0 (k), 1 (j) or 2 (i).
    tolerance
        Largest distance in voxels of points that are left out from the outline (Douglas & Peucker
        1973); 0 keeps the outline, without points on straight lines.

    Returns
    -------
    list of (points, 3)
        The first point is not repeated. Outer outlines and holes run in opposite directions.
    """
    from skimage.measure import approximate_polygon, find_contours

    inside = _slice(np.asarray(flags) != 0, geometry, n, axis)
    # A frame of zeros closes every outline. Where voxels touch at corners only, they stay apart.
    found = find_contours(np.pad(inside, 1).astype(np.float64), 0.5, fully_connected="low")
    polygons = []
    for line in found:
        kept = approximate_polygon(line, max(tolerance, 1e-6))
        ring = kept[:-1] - 1
        if len(ring) >= 3:
            polygons.append(geometry.to_world(_index(ring, n, axis)))
    return polygons


def keyholed(contours: Sequence[Points], geometry: Grid, n: int, *, axis: int = 0) -> list[Points]:
    """Return outlines without holes: each hole is joined to its outline by a channel of no width.

    Filled by the even-odd rule or by winding they give the same voxels as outlines and holes apart do by
    even-odd (the keyhole technique of PS3.3 C.8.8.6.3).

    Parameters
    ----------
    contours
        As `contours_from_mask` returns them for the slice.
    geometry, n, axis
        As there.
    """
    axes = [a for a in range(3) if a != axis]
    flat = [_plane_points(contour, geometry, n, axis)[:, axes] for contour in contours]
    areas = [_signed_area(ring) for ring in flat]
    if not areas:
        return []
    # The largest is no hole: what it winds like is an outline.
    way = np.sign(areas[int(np.argmax(np.abs(areas)))])
    outlines = [m for m, area in enumerate(areas) if np.sign(area) == way]
    joined = {m: (np.asarray(contours[m]), flat[m]) for m in outlines}
    low, high = (np.array([end(flat[m], axis=0) for m in outlines]) for end in (np.min, np.max))
    for m in sorted(set(range(len(areas))) - set(outlines), key=lambda m: -abs(areas[m])):
        start = flat[m][0]
        near = np.flatnonzero(((low <= start) & (start <= high)).all(axis=1))
        around = [outlines[n] for n in near if _contains(flat[outlines[n]], start)]
        if around:
            owner = min(around, key=lambda one: abs(areas[one]))
            joined[owner] = _joined(*joined[owner], np.asarray(contours[m]), flat[m])
    return [world for world, _ in joined.values()]


def _joined(outer: Points, ring: Points, hole: Points, inner: Points) -> tuple[Points, Points]:
    """Return an outline that runs from a nearby point to a hole, around it, and back."""
    a = int(((ring - inner[0]) ** 2).sum(axis=1).argmin())

    def run(one: Points, other: Points) -> Points:
        return np.concatenate((one[: a + 1], other, other[:1], one[a:]))

    return run(outer, hole), run(ring, inner)


def _signed_area(ring: Points) -> float:
    y, x = ring[:, 0], ring[:, 1]
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)


def _contains(ring: Points, point: Points) -> bool:
    """Whether a point lies within a ring, by the even-odd rule."""
    start, stop = ring, np.roll(ring, -1, axis=0)
    rows = (start[:, 0] > point[0]) != (stop[:, 0] > point[0])
    part = (point[0] - start[rows, 0]) / (stop[rows, 0] - start[rows, 0])
    crossings = start[rows, 1] + part * (stop[rows, 1] - start[rows, 1])
    return bool((crossings > point[1]).sum() % 2)


def mask_from_contours(
    contours: Sequence[ArrayLike], geometry: Grid, n: int, *, axis: int = 0
) -> NDArray[np.bool_]:
    """Return the voxels of a slice whose centres lie inside polygons, by the even-odd rule.

    What lies inside two polygons is outside: holes are polygons within polygons, and where an outline
    crosses itself every second region is filled.

    Parameters
    ----------
    contours
        Closed polygons, each (points, 3) in world mm (LPS), in the plane of the slice; the part across
        it is not looked at.
    geometry
        The grid of the whole.
    n
        Number of the slice along ``axis``.
    axis
        0 (k), 1 (j) or 2 (i).

    Raises
    ------
    OperationError
        When a polygon has fewer than three points, or one that is not finite.
    """
    axes = [a for a in range(3) if a != axis]
    shape = [geometry.shape[a] for a in axes]
    _check(geometry, n, axis)
    rings = [_plane_points(contour, geometry, n, axis)[:, axes] for contour in contours]
    return inside_rings(rings, (shape[0], shape[1]))


def inside_rings(rings: Sequence[Points], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the pixels inside rings (n, 2) of pixel coordinates by the even-odd rule.

    Counts the edges that a ray along a row crosses, for all rows at once.
    """
    crossed = np.zeros((shape[0], shape[1] + 1), dtype=bool)
    for ring in rings:
        start, stop = ring, np.roll(ring, -1, axis=0)
        low, high = np.minimum(start[:, 0], stop[:, 0]), np.maximum(start[:, 0], stop[:, 0])
        # Rows at or above the lower end and below the upper one, so that corners count once.
        first = np.clip(np.ceil(low - EVEN), 0, shape[0]).astype(int)
        last = np.clip(np.ceil(high - EVEN), 0, shape[0]).astype(int)
        counts = np.maximum(last - first, 0)
        edge = np.repeat(np.arange(len(ring)), counts)
        row = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + first[edge]
        part = (row - start[edge, 0]) / (stop[edge, 0] - start[edge, 0])
        column = start[edge, 1] + part * (stop[edge, 1] - start[edge, 1])
        # Pixels to the right of the crossing change sides.
        begin = np.clip(np.ceil(column - EVEN), 0, shape[1]).astype(int)
        np.logical_xor.at(crossed, (row, begin), True)
    return np.asarray(np.logical_xor.accumulate(crossed, axis=1)[:, :-1])


def _check(geometry: Grid, n: int, axis: int) -> None:
    if axis not in (0, 1, 2):
        raise OperationError(f"There is no axis {axis}: 0 is k, 1 is j, 2 is i")
    if not 0 <= n < geometry.shape[axis]:
        raise OperationError(
            f"There is no slice {n}", hint=f"There are 0…{geometry.shape[axis] - 1} along this axis."
        )


def _slice(flags: NDArray[np.bool_], geometry: Grid, n: int, axis: int) -> NDArray[np.bool_]:
    _check(geometry, n, axis)
    expected = tuple(size for a, size in enumerate(geometry.shape) if a != axis)
    if flags.ndim == 3 and flags.shape == geometry.shape:
        return np.asarray(np.take(flags, n, axis=axis))
    if flags.shape != expected:
        raise OperationError(f"The mask has the shape {flags.shape}, its grid {geometry.shape}")
    return flags


def _index(ring: NDArray[Any], n: int, axis: int) -> Points:
    index = np.full((len(ring), 3), float(n))
    index[:, [a for a in range(3) if a != axis]] = ring
    return index


def _plane_points(contour: ArrayLike, geometry: Grid, n: int, axis: int) -> Points:
    points = np.asarray(contour, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 3 or len(points) < 3 or not np.isfinite(points).all():
        raise OperationError("A contour needs three finite points (x, y, z) or more")
    if hasattr(geometry, "planes") and axis == 0:
        # Of coinciding planes (a clip) the nearest one is not the one meant.
        plane = geometry.plane(n)
        basis = np.stack((plane.row_step, plane.column_step), axis=1)
        flat = np.linalg.lstsq(basis, (points - plane.origin).T, rcond=None)[0].T
        return np.column_stack((np.full(len(flat), float(n)), flat))
    return np.asarray(geometry.to_index(points))
