"""Where voxels are in the patient: a regular grid, or a stack of planes.

Index coordinates are always (k, j, i), voxel centres at integers; world coordinates are
(x, y, z) in mm in the DICOM patient system (LPS: x to the left, y to the back, z to the
head; PS3.3 C.7.6.2.1.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nbannot.errors import GeometryError

Vector = NDArray[np.float64]

# Largest in-plane or stacking error that still counts as one regular grid, mm.
GRID_TOLERANCE = 0.01
# Largest difference of direction cosines within one grid.
DIRECTION_TOLERANCE = 1e-3

_LETTERS = (("R", "L"), ("A", "P"), ("I", "S"))


def _vector(value: ArrayLike, what: str) -> Vector:
    array = np.array(value, dtype=np.float64)
    if array.shape != (3,) or not np.isfinite(array).all():
        raise GeometryError(
            f"{what} must be three finite numbers, got {array.tolist()}",
            hint="Check the position, orientation and spacing of the image.",
        )
    array.setflags(write=False)
    return array


def direction_letter(direction: ArrayLike) -> str:
    """Return the patient letter (L, R, P, A, S or I) nearest to a world direction."""
    vector = np.asarray(direction, dtype=np.float64)
    axis = int(np.argmax(np.abs(vector)))
    return _LETTERS[axis][int(vector[axis] > 0)]


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """One slice in the world.

    Parameters
    ----------
    origin
        World position (LPS mm) of the centre of pixel (j=0, i=0); PS3.3 C.7.6.2 Image Position.
    column_step
        World step (mm) for i + 1, along a row.
    row_step
        World step (mm) for j + 1, down a column.
    shape
        (rows, columns).
    """

    origin: Vector
    column_step: Vector
    row_step: Vector
    shape: tuple[int, int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "origin", _vector(self.origin, "Plane.origin"))
        object.__setattr__(self, "column_step", _vector(self.column_step, "Plane.column_step"))
        object.__setattr__(self, "row_step", _vector(self.row_step, "Plane.row_step"))
        object.__setattr__(self, "shape", (int(self.shape[0]), int(self.shape[1])))
        if min(self.shape) < 1:
            raise GeometryError(f"Plane.shape must be positive, got {self.shape}")
        if np.linalg.norm(np.cross(self.column_step, self.row_step)) < 1e-9:
            raise GeometryError(
                "Plane.column_step and Plane.row_step must span a plane, got "
                f"{self.column_step.tolist()} and {self.row_step.tolist()}"
            )

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Plane)
            and self.shape == other.shape
            and np.array_equal(self.origin, other.origin)
            and np.array_equal(self.column_step, other.column_step)
            and np.array_equal(self.row_step, other.row_step)
        )

    @property
    def normal(self) -> Vector:
        """Unit normal: row direction × column direction (PS3.3 C.7.6.2.1.1)."""
        normal = np.cross(self.column_step, self.row_step)
        unit: Vector = normal / np.linalg.norm(normal)
        return unit


class Geometry:
    """A regular grid of voxels, sheared grids (gantry tilt) included.

    Parameters
    ----------
    affine
        4 × 4, maps index (k, j, i, 1) to world (x, y, z, 1), LPS mm.
    shape
        Number of voxels along (k, j, i).
    frame_of_reference
        Frame of Reference UID; images that share it share the world.

    Raises
    ------
    GeometryError
        When the affine is singular or not finite, or a size is not positive.
    """

    kind: Literal["grid"] = "grid"
    unit: Literal["mm"] = "mm"
    patient_space = True

    def __init__(
        self,
        affine: ArrayLike,
        shape: Sequence[int],
        *,
        frame_of_reference: str | None = None,
    ) -> None:
        matrix = np.array(affine, dtype=np.float64)
        sizes = tuple(int(n) for n in shape)
        if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
            raise GeometryError(
                "The affine must be 4 × 4 finite numbers",
                hint="Check for NaN or missing orientation in the image header.",
            )
        if not np.allclose(matrix[3], (0, 0, 0, 1)):
            raise GeometryError(f"The affine's last row must be 0 0 0 1, got {matrix[3].tolist()}")
        steps = np.linalg.norm(matrix[:3, :3], axis=0)
        if steps.min() <= 0 or abs(np.linalg.det(matrix[:3, :3] / steps)) < 1e-6:
            raise GeometryError(
                "The affine is singular: its axes do not span the space",
                hint="Check the orientation and spacing of the image.",
            )
        if len(sizes) != 3 or min(sizes) < 1:
            raise GeometryError(f"The shape must be three positive sizes (k, j, i), got {sizes}")
        matrix.setflags(write=False)
        self.affine: Vector = matrix
        self.shape: tuple[int, int, int] = (sizes[0], sizes[1], sizes[2])
        self.frame_of_reference = frame_of_reference
        self._inverse: Vector = np.asarray(np.linalg.inv(matrix), dtype=np.float64)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Geometry)
            and self.shape == other.shape
            and np.array_equal(self.affine, other.affine)
            and self.frame_of_reference == other.frame_of_reference
        )

    def __hash__(self) -> int:
        return hash((self.shape, self.affine.tobytes()))

    def __repr__(self) -> str:
        spacing = " × ".join(f"{s:.4g}" for s in self.spacing)
        return f"Geometry(shape={self.shape}, spacing={spacing} mm, axes {'-'.join(self.orientation)})"

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Length in mm of one step along k, j, i."""
        k, j, i = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(k), float(j), float(i)

    @property
    def normal(self) -> Vector:
        """Unit normal of the k-planes: row direction × column direction."""
        return self.plane(0).normal

    @property
    def is_orthogonal(self) -> bool:
        """Whether the three axes are at right angles (False for a tilted gantry)."""
        unit = self.affine[:3, :3] / np.linalg.norm(self.affine[:3, :3], axis=0)
        return bool(np.abs(unit.T @ unit - np.eye(3)).max() < DIRECTION_TOLERANCE)

    @property
    def orientation(self) -> tuple[str, str, str]:
        """Patient letters towards which k, j and i grow."""
        k, j, i = (direction_letter(self.affine[:3, axis]) for axis in range(3))
        return k, j, i

    def to_world(self, index: ArrayLike) -> Vector:
        """Return world points (…, 3) in LPS mm of index points (…, 3) as (k, j, i)."""
        points = np.asarray(index, dtype=np.float64)
        world: Vector = points @ self.affine[:3, :3].T + self.affine[:3, 3]
        return world

    def to_index(self, world: ArrayLike) -> Vector:
        """Return index points (…, 3) as (k, j, i) of world points (…, 3) in LPS mm."""
        points = np.asarray(world, dtype=np.float64)
        index: Vector = points @ self._inverse[:3, :3].T + self._inverse[:3, 3]
        return index

    def plane(self, k: int) -> Plane:
        """Return slice k as a plane in the world."""
        origin = self.affine[:3, 3] + k * self.affine[:3, 0]
        return Plane(origin, self.affine[:3, 2], self.affine[:3, 1], self.shape[1:])

    @classmethod
    def from_planes(cls, planes: Sequence[Plane], *, frame_of_reference: str | None = None) -> Geometry:
        """Return the regular grid that the planes form, in the order given.

        Steps may be sheared against the planes (gantry tilt), but every plane must lie within
        ``GRID_TOLERANCE`` mm of its place and have the directions and pixel sizes of the first.

        Raises
        ------
        GeometryError
            When the planes do not form one regular grid.
        """
        if len(planes) < 2:
            raise GeometryError("A grid needs at least two planes", hint="Use a Stack.")
        first = planes[0]
        step = (planes[-1].origin - first.origin) / (len(planes) - 1)
        for n, plane in enumerate(planes):
            _check_plane(n, plane, first, first.origin + n * step)
        affine = np.eye(4)
        affine[:3, 0], affine[:3, 1], affine[:3, 2] = step, first.row_step, first.column_step
        affine[:3, 3] = first.origin
        shape = (len(planes), *first.shape)
        return cls(affine, shape, frame_of_reference=frame_of_reference)


def _check_plane(n: int, plane: Plane, first: Plane, expected: Vector) -> None:
    if plane.shape != first.shape:
        raise GeometryError(f"Plane {n} has {plane.shape} pixels, plane 0 has {first.shape}")
    extent = max(first.shape)
    for step, reference in (
        (plane.column_step, first.column_step),
        (plane.row_step, first.row_step),
    ):
        size = np.linalg.norm(reference)
        if np.abs(step - reference).max() > max(DIRECTION_TOLERANCE * size, 1e-9) and (
            np.abs(step - reference).max() * extent > GRID_TOLERANCE
        ):
            raise GeometryError(f"Plane {n} differs from plane 0 in orientation or pixel size")
    offset = float(np.linalg.norm(plane.origin - expected))
    if offset > GRID_TOLERANCE:
        raise GeometryError(f"Plane {n} is {offset:.3f} mm away from its place in a regular grid")


class Stack:
    """Planes without a regular 3-D grid: 2-D images, cine, tilted or irregular series.

    Parameters
    ----------
    planes
        The planes in order; all have the same number of rows and columns.
    frame_of_reference
        Frame of Reference UID.
    unit
        "mm", or "px" when the pixel size is unknown.
    patient_space
        False when the position in the patient is unknown (a plain picture).
    """

    kind: Literal["stack"] = "stack"

    def __init__(
        self,
        planes: Sequence[Plane],
        *,
        frame_of_reference: str | None = None,
        unit: Literal["mm", "px"] = "mm",
        patient_space: bool = True,
    ) -> None:
        self.planes = tuple(planes)
        if not self.planes:
            raise GeometryError("A Stack needs at least one plane")
        sizes = {plane.shape for plane in self.planes}
        if len(sizes) != 1:
            raise GeometryError(
                f"All planes of a Stack need the same rows and columns, got {sorted(sizes)}",
                hint="Open them as separate images.",
            )
        self.shape: tuple[int, int, int] = (len(self.planes), *self.planes[0].shape)
        self.frame_of_reference = frame_of_reference
        self.unit: Literal["mm", "px"] = unit
        self.patient_space = patient_space

    @classmethod
    def picture(
        cls,
        shape: tuple[int, int],
        *,
        frames: int = 1,
        spacing: tuple[float, float] = (1.0, 1.0),
        unit: Literal["mm", "px"] = "px",
    ) -> Stack:
        """Return a stack for plain 2-D pictures without a place in the patient.

        Parameters
        ----------
        shape
            (rows, columns).
        frames
            Number of frames.
        spacing
            Distance of rows and of columns (row step, column step), in ``unit``.
        unit
            "mm" or "px".
        """
        plane = Plane(np.zeros(3), np.array((spacing[1], 0, 0)), np.array((0, spacing[0], 0)), shape)
        return cls((plane,) * frames, unit=unit, patient_space=False)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Stack)
            and self.planes == other.planes
            and (self.unit, self.patient_space, self.frame_of_reference)
            == (other.unit, other.patient_space, other.frame_of_reference)
        )

    def __hash__(self) -> int:
        return hash((self.shape, self.unit, self.planes[0].origin.tobytes()))

    def __repr__(self) -> str:
        spacing = " × ".join(f"{s:.4g}" for s in self.spacing[1:])
        return f"Stack({self.shape[0]} planes of {self.shape[1:]}, pixels {spacing} {self.unit})"

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance of neighbouring planes (median; 1 where they coincide), rows and columns."""
        first = self.planes[0]
        origins = np.array([plane.origin for plane in self.planes])
        gaps = np.linalg.norm(np.diff(origins, axis=0), axis=1)
        gap = float(np.median(gaps)) if len(gaps) else 0.0
        rows, columns = np.linalg.norm(first.row_step), np.linalg.norm(first.column_step)
        return gap or 1.0, float(rows), float(columns)

    @property
    def is_orthogonal(self) -> bool:
        """Always False: the planes form no grid."""
        return False

    def plane(self, k: int) -> Plane:
        """Return plane k."""
        return self.planes[k]

    def to_world(self, index: ArrayLike) -> Vector:
        """Return world points (…, 3) of index points (…, 3) as (k, j, i).

        Raises
        ------
        GeometryError
            When k is not a whole number: nothing is defined between two planes.
        """
        points = np.asarray(index, dtype=np.float64)
        k = np.rint(points[..., 0]).astype(np.int64)
        if np.abs(points[..., 0] - k).max(initial=0) > 1e-6:
            raise GeometryError("A Stack has no places between its planes", hint="Use a whole k.")
        if k.min(initial=0) < 0 or k.max(initial=0) >= len(self.planes):
            raise GeometryError(f"Plane index out of range 0…{len(self.planes) - 1}")
        origins = np.array([plane.origin for plane in self.planes])
        rows = np.array([plane.row_step for plane in self.planes])
        columns = np.array([plane.column_step for plane in self.planes])
        world = origins[k] + points[..., 1:2] * rows[k] + points[..., 2:3] * columns[k]
        return np.asarray(world, dtype=np.float64)

    def to_index(self, world: ArrayLike) -> Vector:
        """Return index points (…, 3) on the plane nearest to each world point (…, 3).

        Where planes coincide (cine), the first one is taken.
        """
        points = np.asarray(world, dtype=np.float64)
        flat = points.reshape(-1, 3)
        result = np.empty_like(flat)
        normals = np.array([plane.normal for plane in self.planes])
        origins = np.array([plane.origin for plane in self.planes])
        for n, point in enumerate(flat):
            k = int(np.argmin(np.abs(((point - origins) * normals).sum(axis=1)).round(6)))
            plane = self.planes[k]
            basis = np.stack((plane.row_step, plane.column_step), axis=1)
            j, i = np.linalg.lstsq(basis, point - plane.origin, rcond=None)[0]
            result[n] = k, j, i
        return result.reshape(points.shape)


Grid = Geometry | Stack
