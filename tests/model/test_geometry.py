"""Index ↔ world on grids and stacks, against SimpleITK."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from nbannot.errors import GeometryError
from nbannot.model.geometry import Geometry, Plane, Stack, direction_letter

angles = st.floats(-180, 180)
sizes = st.floats(0.2, 8)


def rotation(a: float, b: float, c: float) -> np.ndarray:
    transform = sitk.Euler3DTransform()
    transform.SetRotation(*np.radians((a, b, c)))
    return np.array(transform.GetMatrix()).reshape(3, 3)


@given(
    st.tuples(angles, angles, angles),
    st.tuples(sizes, sizes, sizes),
    st.tuples(angles, angles, angles),
)
def test_grid_agrees_with_simpleitk(turn, spacing, origin) -> None:
    direction = rotation(*turn)
    reference = sitk.Image([5, 6, 7], sitk.sitkInt16)
    reference.SetDirection(direction.ravel().tolist())
    reference.SetSpacing(spacing)
    reference.SetOrigin(origin)
    affine = np.eye(4)
    affine[:3, :3] = (direction * np.array(spacing))[:, ::-1]
    affine[:3, 3] = origin
    geometry = Geometry(affine, (7, 6, 5))
    index = np.array([(0, 0, 0), (6, 5, 4), (1.5, 2.25, 3.75)])
    expected = [reference.TransformContinuousIndexToPhysicalPoint(p[::-1].tolist()) for p in index]
    assert_allclose(geometry.to_world(index), expected, atol=1e-9)
    assert_allclose(geometry.to_index(expected), index, atol=1e-9)
    assert_allclose(geometry.spacing, spacing[::-1])
    assert geometry.is_orthogonal


@given(
    st.lists(st.floats(-50, 50), min_size=9, max_size=9),
    st.lists(st.floats(-500, 500), min_size=6, max_size=6),
)
def test_any_affine_round_trips(matrix, points) -> None:
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(matrix, (3, 3))
    if np.abs(np.linalg.det(affine)) < 1e-2 or np.linalg.cond(affine) > 1e5:
        return
    geometry = Geometry(affine, (2, 3, 4))
    world = np.reshape(points, (2, 3))
    assert_allclose(geometry.to_world(geometry.to_index(world)), world, atol=1e-4)


def test_from_planes_keeps_the_shear_of_a_tilted_gantry() -> None:
    tilt = np.radians(14)
    planes = [
        Plane((0, 0, 5 * k), (0.4, 0, 0), (0, 0.4 * np.cos(tilt), -0.4 * np.sin(tilt)), (4, 6))
        for k in range(5)
    ]
    geometry = Geometry.from_planes(planes)
    assert not geometry.is_orthogonal
    assert geometry.spacing == pytest.approx((5, 0.4, 0.4))
    assert_allclose(
        geometry.to_world((3, 2, 1)),
        planes[3].origin + 2 * planes[3].row_step + planes[3].column_step,
    )
    assert geometry.plane(2) == planes[2]


@pytest.mark.parametrize("shift", [(0, 0, 0.5), (0.2, 0, 0)])
def test_irregular_planes_are_refused(shift) -> None:
    planes = [Plane((0, 0, 2 * k), (1, 0, 0), (0, 1, 0), (4, 4)) for k in range(5)]
    planes[2] = Plane(np.add(planes[2].origin, shift), (1, 0, 0), (0, 1, 0), (4, 4))
    with pytest.raises(GeometryError, match="Plane 2 is .* away from its place"):
        Geometry.from_planes(planes)


def test_planes_that_turn_are_refused() -> None:
    planes = [
        Plane((0, 0, 0), (1, 0, 0), (0, 1, 0), (4, 4)),
        Plane((0, 0, 1), (1, 0, 0), (0, 0.9, 0.1), (4, 4)),
    ]
    with pytest.raises(GeometryError, match="orientation"):
        Geometry.from_planes(planes)


@pytest.mark.parametrize(
    "affine",
    [np.full((4, 4), np.nan), np.zeros((4, 4)), np.diag([1, 1, 0, 1.0]), np.eye(3), np.eye(4) * 2],
)
def test_bad_affines_are_refused(affine) -> None:
    with pytest.raises(GeometryError):
        Geometry(affine, (2, 2, 2))


def test_stack_of_irregular_planes() -> None:
    origins = [(0, 0, 0), (0, 0, 3), (0, 1, 9)]
    stack = Stack([Plane(o, (0.5, 0, 0), (0, 2, 0), (5, 7)) for o in origins])
    index = np.array([(2, 3, 4), (0, 0.5, 6), (1, 4, 0)])
    world = stack.to_world(index)
    assert_allclose(world[0], (2, 7, 9))
    assert_allclose(stack.to_index(world), index, atol=1e-9)
    with pytest.raises(GeometryError, match="between"):
        stack.to_world((0.5, 0, 0))
    with pytest.raises(GeometryError, match="out of range"):
        stack.to_world((3, 0, 0))


def test_letters() -> None:
    assert Geometry(np.diag([3, 2, 1, 1.0])[[2, 1, 0, 3]], (2, 2, 2)).orientation == ("S", "P", "L")
    assert direction_letter((-1, 0.2, 0)) == "R"
