"""Transforms: what they refuse, and that there and back is where one was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nbannot.errors import GeometryError
from nbannot.model.transform import Transform

TURN = np.array([[0, -1, 0, 3], [1, 0, 0, -4], [0, 0, 1, 5], [0, 0, 0, 1.0]])

REFUSED: list[tuple[Any, str]] = [
    (np.eye(3), r"4 × 4 finite numbers, got the shape \(3, 3\)"),
    (np.full((4, 4), np.nan), "not finite"),
    (np.diag((1, 1, 0, 1)), "determinant is 0"),
    (np.diag((1, 1, 1, 2)), "last row"),
    (TURN.T, "transposed"),
    ("abc", "4 × 4 numbers"),
    ([[1, 2], [3]], "4 × 4 numbers"),
]


@pytest.mark.parametrize(("matrix", "text"), REFUSED)
def test_what_is_no_transform_is_refused(matrix: Any, text: str) -> None:
    with pytest.raises(GeometryError, match=text):
        Transform.from_matrix(matrix)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(GeometryError, match="warp"):
        Transform(np.eye(4), kind="warp")  # type: ignore[arg-type]


def test_there_and_back() -> None:
    transform = Transform.from_matrix(TURN, moving="a", fixed="b")
    points = np.random.default_rng(2).normal(size=(2, 5, 3)) * 100
    back = transform.inverse()
    assert (back.moving, back.fixed) == ("b", "a")
    assert np.allclose(back.apply(transform.apply(points)), points)
    assert transform.then(back) == Transform.from_matrix(np.eye(4), moving="a", fixed="a")
    assert transform.angle == pytest.approx(90)
    assert transform.shift == (3, -4, 5)
    with pytest.raises(GeometryError, match="last axis"):
        transform.apply((1, 2))


def test_its_kind_is_seen() -> None:
    assert Transform.from_matrix(TURN).kind == "rigid"
    assert Transform.from_matrix(np.diag((1, 1, -1, 1))).kind == "affine"
    assert (
        Transform.from_matrix([[1, 0, 0, 9], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]).kind == "translation"
    )


def test_values_are_equal_and_cannot_be_changed() -> None:
    one, two = Transform(TURN), Transform(TURN.copy())
    assert one == two
    assert hash(one) == hash(two)
    with pytest.raises(ValueError, match="read-only"):
        one.matrix[0, 0] = 2


def test_foreign_transforms() -> None:
    import SimpleITK as sitk

    warp = sitk.BSplineTransformInitializer(sitk.Image(16, 16, 16, sitk.sitkFloat32), (2, 2, 2))
    warp.SetParameters(np.linspace(0, 9, len(warp.GetParameters())).tolist())
    with pytest.raises(GeometryError, match="not affine"):
        Transform.from_simpleitk(warp)
    with pytest.raises(GeometryError, match="three dimensions"):
        Transform.from_simpleitk(sitk.Euler2DTransform())
    with pytest.raises(GeometryError, match="three dimensions"):
        Transform.from_simpleitk(TURN)
    both = sitk.CompositeTransform(
        [sitk.TranslationTransform(3, (1, 2, 3)), sitk.ScaleTransform(3, (2, 2, 2))]
    )
    assert np.allclose(Transform.from_simpleitk(both).apply((3, 4, 5)), (1, 1, 1))
