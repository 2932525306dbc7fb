"""Where one image lies in the world of another: an affine map in LPS mm."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nbannot.errors import GeometryError

Matrix = NDArray[np.float64]
Kind = Literal["translation", "rigid", "affine"]

# Smallest determinant, relative to the lengths of the columns, that counts as invertible.
SMALLEST = 1e-9
# Largest difference from a rotation (of cosines) that still counts as rigid.
RIGID_TOLERANCE = 1e-6
# Largest deviation in mm from an affine map at which a foreign transform still counts as one.
AFFINE_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Transform:
    """The map from the world of a moving image to the world of a fixed one.

    Parameters
    ----------
    matrix
        4 × 4, maps (x, y, z, 1) of the moving image to that of the fixed one, LPS mm.
    moving, fixed
        Ids of the images; empty where they are not known.
    kind
        "translation", "rigid" or "affine".
    metric
        Mutual information in nats that a registration reached (more is better); None where the
        map was not found by one.
    before
        The same measure as the images lay before.

    Raises
    ------
    GeometryError
        When the matrix is not 4 × 4 finite numbers with the last row 0 0 0 1, when it has no
        inverse, or when the kind is unknown.
    """

    matrix: Matrix
    moving: str = ""
    fixed: str = ""
    kind: Kind = "affine"
    metric: float | None = None
    before: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "matrix", check_matrix(self.matrix))
        if self.kind not in get_args(Kind):
            known = ", ".join(get_args(Kind))
            raise GeometryError(f"Unknown kind of transform {self.kind!r}", hint=f"Choose one of: {known}.")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Transform) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[object, ...]:
        # Adding 0 makes -0 and 0 the same bytes.
        return (self.moving, self.fixed, self.kind, (self.matrix + 0.0).tobytes())

    def __repr__(self) -> str:
        x, y, z = self.shift
        reached = "" if self.metric is None else f", mutual information {self.metric:.3f}"
        if self.before is not None:
            reached += f" (before {self.before:.3f})"
        turn = "" if self.kind == "translation" else f", turned {self.angle:.2f}°"
        return f"Transform({self.kind}{turn}, shift {x:.2f}, {y:.2f}, {z:.2f} mm{reached})"

    @classmethod
    def from_matrix(cls, matrix: ArrayLike, *, moving: str = "", fixed: str = "") -> Transform:
        """Return the transform of a 4 × 4 matrix (LPS mm); its kind is what the matrix is.

        Raises
        ------
        GeometryError
            As the class says.
        """
        checked = check_matrix(matrix)
        return cls(checked, moving, fixed, _kind(checked))

    @classmethod
    def from_simpleitk(cls, transform: Any, *, moving: str = "", fixed: str = "") -> Transform:
        """Return the map of a SimpleITK transform that resamples the moving onto the fixed image.

        SimpleITK's registration and `Resample` use the map from fixed to moving points; it is
        inverted here. Its points are LPS mm, as everywhere in nbannot.

        Parameters
        ----------
        transform
            A 3-D SimpleITK transform that is affine: Euler, versor, similarity, affine,
            translation, or a composite of these.

        Raises
        ------
        GeometryError
            When it is not 3-D, not affine or has no inverse.
        """
        dimension = getattr(transform, "GetDimension", lambda: 0)()
        if dimension != 3:
            raise GeometryError(
                f"A SimpleITK transform in three dimensions is needed, got {type(transform).__name__}"
            )
        origin = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
        matrix = np.eye(4)
        # Steps of 100 mm: a warped map shows itself, and rounding does not.
        for axis in range(3):
            matrix[:3, axis] = (
                np.array(transform.TransformPoint(tuple(100.0 * np.eye(3)[axis]))) - origin
            ) / 100
        matrix[:3, 3] = origin
        for point in ((37.0, -81.0, 113.0), (-150.0, 60.0, -20.0), (5.0, 5.0, -5.0)):
            there = matrix[:3, :3] @ point + origin
            if np.abs(there - transform.TransformPoint(point)).max() > AFFINE_TOLERANCE:
                raise GeometryError(
                    "The SimpleITK transform is not affine",
                    hint="Resample the moving image with it and show the result instead.",
                )
        return cls.from_matrix(np.linalg.inv(check_matrix(matrix)), moving=moving, fixed=fixed)

    def inverse(self) -> Transform:
        """Return the map from the fixed to the moving image's world."""
        back = np.asarray(np.linalg.inv(self.matrix), dtype=np.float64)
        return replace(self, matrix=back, moving=self.fixed, fixed=self.moving)

    def then(self, other: Transform) -> Transform:
        """Return the map that does this one first and ``other`` after it."""
        return Transform.from_matrix(other.matrix @ self.matrix, moving=self.moving, fixed=other.fixed)

    def apply(self, points: ArrayLike) -> Matrix:
        """Return points (…, 3) of the moving image's world in the world of the fixed one, LPS mm."""
        array = np.asarray(points, dtype=np.float64)
        if array.shape[-1:] != (3,):
            raise GeometryError(f"Points need a last axis of three numbers (x, y, z), got {array.shape}")
        moved: Matrix = array @ self.matrix[:3, :3].T + self.matrix[:3, 3]
        return moved

    @property
    def shift(self) -> tuple[float, float, float]:
        """Where the origin of the moving image's world goes, in mm."""
        x, y, z = self.matrix[:3, 3]
        return float(x), float(y), float(z)

    @property
    def angle(self) -> float:
        """By how many degrees the nearest rotation turns."""
        u, _, v = np.linalg.svd(self.matrix[:3, :3])
        rotation = u @ v
        sine = np.linalg.norm(rotation - rotation.T) / (2 * np.sqrt(2))
        return float(np.degrees(np.arctan2(sine, (np.trace(rotation) - 1) / 2)))


def check_matrix(matrix: ArrayLike) -> Matrix:
    """Return a 4 × 4 affine matrix, read-only, or say what is wrong with it.

    Raises
    ------
    GeometryError
        As `Transform` says.
    """
    try:
        array = np.array(matrix, dtype=np.float64)
    except (TypeError, ValueError) as cause:
        raise GeometryError("A transform needs 4 × 4 numbers", hint="For example numpy.eye(4).") from cause
    if array.shape != (4, 4) or not np.isfinite(array).all():
        raise GeometryError(
            f"A transform needs 4 × 4 finite numbers, got the shape {array.shape}"
            + ("" if np.isfinite(array).all() else " with numbers that are not finite"),
            hint="It maps (x, y, z, 1) in LPS mm; numpy.eye(4) changes nothing.",
        )
    if not np.allclose(array[3], (0, 0, 0, 1)):
        raise GeometryError(
            f"The last row of a transform must be 0 0 0 1, got {array[3].tolist()}",
            hint="Is the matrix transposed?",
        )
    array[3] = 0, 0, 0, 1
    determinant = float(np.linalg.det(array[:3, :3]))
    if not abs(determinant) > SMALLEST * np.prod(np.linalg.norm(array[:3, :3], axis=0)):
        raise GeometryError(
            f"The transform cannot be inverted: its determinant is {determinant:.3g}",
            hint="Its three columns must point in three directions.",
        )
    array.setflags(write=False)
    return array


def _kind(matrix: Matrix) -> Kind:
    linear = matrix[:3, :3]
    if np.abs(linear - np.eye(3)).max() < RIGID_TOLERANCE:
        return "translation"
    turned = np.abs(linear @ linear.T - np.eye(3)).max() < RIGID_TOLERANCE
    return "rigid" if turned and np.linalg.det(linear) > 0 else "affine"
