"""The plane a pane shows: directions on the screen, mm on it, and voxels under it.

The rules are those of js/src/model/geometry.ts and js/src/tools/frame.ts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nbannot.model.geometry import Geometry, Grid, Stack

Vector = NDArray[np.float64]

# Directions on the screen, right and down, in the patient (LPS).
SCREEN: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "axial": ((1, 0, 0), (0, 1, 0)),
    "coronal": ((1, 0, 0), (0, 0, -1)),
    "sagittal": ((0, 1, 0), (0, 0, -1)),
}
_PAIRS = (("L", "R"), ("P", "A"), ("S", "I"))
_OPPOSITE = dict(zip("LRAPHFSI", "RLPAFHIS", strict=True))


@dataclass(frozen=True, slots=True)
class Axes:
    """The grid axis a plane steps along (None: none) and unit directions on the screen; the normal points away."""

    axis: int | None
    right: Vector
    down: Vector
    normal: Vector

    def turned(self, quarter: int, flip: bool) -> Axes:
        """Return the axes after left and right were exchanged, and then quarter turns clockwise."""
        right, down = (-self.right if flip else self.right), self.down
        for _ in range(quarter % 4):
            right, down = -down, right
        return replace(self, right=right, down=down, normal=-self.normal if flip else self.normal)


@dataclass(frozen=True, slots=True)
class Frame:
    """One plane of a grid or stack.

    Parameters
    ----------
    axes
        Where it looks.
    centre
        World point in the middle of the pane, LPS mm.
    slice, count
        0-based number of the slice, and how many there are.
    thickness
        Mm from one slice to the next along the normal; 0 in a stack.
    extent
        Size on the screen, mm (px for pictures without a scale).
    origin, steps
        World point of index 0 and the world steps of k, j, i (3 × 3 columns) where the slice is
        one of the grid; in a stack those of its plane.
    """

    geometry: Grid
    axes: Axes
    centre: Vector
    slice: int
    count: int
    thickness: float
    extent: tuple[float, float]
    origin: Vector
    steps: Vector

    def to_world(self, plane: ArrayLike) -> Vector:
        """Return world points (…, 3) of places (…, 2) in mm right and down of the centre."""
        xy = np.asarray(plane, dtype=np.float64)
        world: Vector = self.centre + xy[..., :1] * self.axes.right + xy[..., 1:] * self.axes.down
        return world

    def to_plane(self, world: ArrayLike) -> Vector:
        """Return places (…, 2) on the plane of world points (…, 3)."""
        local = np.asarray(world, dtype=np.float64) - self.centre
        return np.stack((local @ self.axes.right, local @ self.axes.down), axis=-1)

    def to_index(self, plane: ArrayLike) -> Vector:
        """Return index points (…, 3) under places (…, 2), exactly on the slice where there is one."""
        axis = self.axes.axis
        if axis is None:
            return self.geometry.to_index(self.to_world(plane))
        flat = np.stack((self.axes.right, self.axes.down))
        u, v = (n for n in range(3) if n != axis)
        base = self.origin + (self.slice * self.steps[:, axis] if isinstance(self.geometry, Geometry) else 0)
        basis = flat @ self.steps[:, (u, v)]
        local = np.asarray(plane, dtype=np.float64) - flat @ (base - self.centre)
        inside = local @ np.linalg.inv(basis).T
        index = np.empty((*inside.shape[:-1], 3))
        index[..., axis], index[..., u], index[..., v] = self.slice, inside[..., 0], inside[..., 1]
        return index

    def from_index(self, index: ArrayLike) -> Vector:
        """Return the place (…, 2) of the in-plane part of index points (…, 3)."""
        points = np.array(index, dtype=np.float64)
        axis = self.axes.axis
        if axis is None:
            return self.to_plane(self.geometry.to_world(points))
        if isinstance(self.geometry, Stack):
            points[..., 0] = 0
        else:
            points[..., axis] = self.slice
        return self.to_plane(self.origin + points @ self.steps.T)


def view_axes(geometry: Grid, plane: str, k: int = 0) -> Axes:
    """Return how a plane ("axial", "coronal", "sagittal", "acquisition") lies in a grid, or slice k of a stack.

    The planes follow the grid, so that nothing is resampled; each grid axis is used once.
    """
    steps = _steps(geometry, k)
    if isinstance(geometry, Stack):
        return _axes(0, _unit(steps[:, 2]), steps[:, 1])
    crossed = [_unit(np.cross(steps[:, 1], steps[:, 2])), _unit(np.cross(steps[:, 2], steps[:, 0])),
               _unit(np.cross(steps[:, 0], steps[:, 1]))]  # fmt: skip
    orders = list(permutations(range(3)))
    fits = [abs(crossed[a][2]) + abs(crossed[c][1]) + abs(crossed[s][0]) for a, c, s in orders]
    order = orders[next(n for n, fit in enumerate(fits) if fit >= max(fits) - 1e-9)]
    names = dict(zip(("axial", "coronal", "sagittal"), order, strict=True))
    if plane not in names:
        plane = next(name for name, axis in names.items() if axis == 0)
    return _grid_view(steps, plane, names[plane])


def _grid_view(steps: Vector, plane: str, axis: int) -> Axes:
    want_right, want_down = (np.array(one, dtype=float) for one in SCREEN[plane])
    a, b = (_unit(steps[:, n]) for n in range(3) if n != axis)
    direct = abs(a @ want_right) + abs(b @ want_down)
    swapped = abs(b @ want_right) + abs(a @ want_down)
    across, along = (a, b) if direct > swapped + 1e-9 else (b, a)
    right = -across if across @ want_right < 0 else across
    return _axes(axis, right, -along if along @ want_down < 0 else along)


def _axes(axis: int, right: Vector, second: Vector) -> Axes:
    down = _unit(second - right * (second @ right))
    return Axes(axis, right, down, np.cross(right, down))


def free_axes(plane: str, rotation: ArrayLike) -> Axes:
    """Return the axes of a plane turned from the patient's by a quaternion (x, y, z, w).

    The rotation decides the plane; on the screen it lies as the patient's plane does after the
    shortest turn there, so that turning about a plane's own normal leaves its picture where it is.
    """
    right, down = (np.array(one, dtype=float) for one in SCREEN.get(plane, SCREEN["axial"]))
    upright = np.cross(right, down)
    normal = rotate(rotation, upright)
    w = 1 + float(upright @ normal)
    if w >= 1e-6:
        swing = np.append(np.cross(upright, normal), w)
        rotation = swing / np.linalg.norm(swing)
    return Axes(None, rotate(rotation, right), rotate(rotation, down), normal)


def camera_axes(rotation: ArrayLike | None) -> Axes:
    """Return how one looks at a volume: from the front, turned by a quaternion (x, y, z, w)."""
    right, down = (np.array(one, dtype=float) for one in SCREEN["coronal"])
    if rotation is not None:
        right, down = rotate(rotation, right), rotate(rotation, down)
    return Axes(None, right, down, np.cross(right, down))


def rotate(rotation: ArrayLike, vector: Vector) -> Vector:
    """Rotate a vector by a unit quaternion (x, y, z, w)."""
    x, y, z, w = np.asarray(rotation, dtype=np.float64)
    axis = np.array((x, y, z))
    twice = 2 * np.cross(axis, vector)
    return np.asarray(vector + w * twice + np.cross(axis, twice))


def slice_frame(geometry: Grid, axes: Axes, number: int) -> Frame:
    """Return the frame of a slice; the picture stands still while one scrolls, on sheared grids too."""
    assert axes.axis is not None
    grid = isinstance(geometry, Geometry)
    steps = _steps(geometry, number)
    origin = geometry.affine[:3, 3] if isinstance(geometry, Geometry) else geometry.plane(number).origin
    middle = (np.array(geometry.shape) - 1) / 2
    index = middle.copy()
    index[axes.axis] = number if grid else 0
    centre = origin + steps @ index
    if grid:
        offset = origin + steps @ middle - centre
        centre = centre + axes.right * (offset @ axes.right) + axes.down * (offset @ axes.down)
    edges = [steps[:, n] * geometry.shape[n] for n in range(3) if n != axes.axis]
    extent = tuple(float(sum(abs(edge @ way) for edge in edges)) for way in (axes.right, axes.down))
    thickness = float(abs(steps[:, axes.axis] @ axes.normal)) if grid else 0.0
    return Frame(geometry, axes, centre, number, geometry.shape[axes.axis], thickness,
                 (extent[0], extent[1]), origin, steps)  # fmt: skip


def free_frame(geometry: Geometry, axes: Axes, point: Vector) -> Frame:
    """Return the frame of a free plane through a world point; slices are as far apart as those it crosses."""
    steps = _steps(geometry, 0)
    middle = geometry.to_world((np.array(geometry.shape) - 1) / 2)
    edges = steps * np.array(geometry.shape)

    def span(way: Vector) -> float:
        return float(np.abs(way @ edges).sum())

    thickness = 1 / float(np.abs(np.linalg.inv(steps) @ axes.normal).max())
    count = max(1, round(span(axes.normal) / thickness))
    off = float((point - middle) @ axes.normal)
    number = min(count - 1, max(0, round(off / thickness + (count - 1) / 2)))
    return Frame(geometry, axes, middle + off * axes.normal, number, count, thickness,
                 (span(axes.right), span(axes.down)), geometry.affine[:3, 3], steps)  # fmt: skip


def _steps(geometry: Grid, k: int) -> Vector:
    """Return the world steps of k, j and i as columns; across a plane of a stack that is its normal."""
    if isinstance(geometry, Geometry):
        return geometry.affine[:3, :3]
    plane = geometry.plane(min(max(k, 0), geometry.shape[0] - 1))
    return np.stack((plane.normal, plane.row_step, plane.column_step), axis=1)


def _unit(vector: Vector) -> Vector:
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float64)


def letters(direction: ArrayLike) -> str:
    """Return the letters of a world direction, strongest first: "L", "SA"; parts under about 14° are left out."""
    vector = np.asarray(direction, dtype=np.float64)
    vector = vector / np.linalg.norm(vector)
    order = sorted((n for n in range(3) if abs(vector[n]) >= 0.25), key=lambda n: (-abs(vector[n]), n))
    return "".join(_PAIRS[n][0 if vector[n] > 0 else 1] for n in order)


def opposite(name: str) -> str:
    """Return the letters of the other way: "RA" gives "LP"."""
    return "".join(_OPPOSITE.get(letter, letter) for letter in name)
