"""Labelmaps are put on their image by world position: exactly, or not at all."""

from __future__ import annotations

import itertools
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbannot.errors import GeometryError
from nbannot.formats.labels.findings import Findings
from nbannot.formats.labels.placing import place
from nbannot.model.geometry import Geometry, Plane, Stack
from nbannot.model.image import Image

SHAPE = (4, 5, 6)


def image_on(geometry: Geometry | Stack) -> Image:
    return Image(np.zeros(geometry.shape, np.int16), geometry, name="ct")


def findings(**options: Any) -> Findings:
    return Findings("mask.nii", (), **options)


def rotation(angles: tuple[float, float, float]) -> np.ndarray:
    turned = np.eye(3)
    for (a, b), angle in zip(((0, 1), (1, 2), (0, 2)), angles, strict=True):
        one = np.eye(3)
        one[a, a] = one[b, b] = np.cos(angle)
        one[a, b], one[b, a] = -np.sin(angle), np.sin(angle)
        turned = turned @ one
    return turned


@st.composite
def grids(draw: st.DrawFn) -> Geometry:
    angles = draw(st.tuples(*[st.floats(-3, 3)] * 3))
    affine = np.eye(4)
    shear = np.eye(3)
    shear[1, 0] = draw(st.floats(-0.5, 0.5))
    affine[:3, :3] = rotation(angles) @ shear @ np.diag(draw(st.tuples(*[st.floats(0.3, 5)] * 3)))
    affine[:3, 3] = draw(st.tuples(*[st.floats(-500, 500)] * 3))
    return Geometry(affine, draw(st.tuples(*[st.integers(1, 6)] * 3)))


def part_of(geometry: Geometry, order: Any, signs: Any, low: Any, size: Any) -> Geometry:
    """Return another grid on the voxels of a geometry, which may reach over its borders."""
    change = np.zeros((4, 4))
    change[3, 3] = 1
    for axis, into in enumerate(order):
        change[into, axis] = signs[axis]
        change[into, 3] = low[into] + (size[axis] - 1 if signs[axis] < 0 else 0)
    return Geometry(geometry.affine @ change, size)


@given(grids(), st.permutations(range(3)), st.tuples(*[st.sampled_from((-1, 1))] * 3),
       st.tuples(*[st.integers(-3, 3)] * 3), st.tuples(*[st.integers(1, 7)] * 3))  # fmt: skip
def test_every_voxel_stays_at_its_place_in_the_world(
    target: Geometry, order: list[int], signs: Any, low: Any, size: Any
) -> None:
    source = part_of(target, order, signs, low, size)
    array = np.arange(1, np.prod(size) + 1, dtype=np.uint16).reshape(size)
    expected = np.zeros(target.shape, np.uint16)
    for index in itertools.product(*map(range, size)):
        at = np.rint(target.to_index(source.to_world(index))).astype(int)
        if (at >= 0).all() and (at < target.shape).all():
            expected[tuple(at)] = array[index]
    found = findings()
    if not expected.any():
        with pytest.raises(GeometryError, match="wholly outside"):
            place(array, source, found, image_on(target))
        return
    placed = place(array, source, found, image_on(target))
    np.testing.assert_array_equal(placed, expected)
    assert placed.flags.writeable
    assert placed.dtype == np.uint16
    lost = array.size - np.count_nonzero(expected)
    assert any(note.startswith(f"{lost} labelled voxels") for note in found.notes) == bool(lost)


def test_the_same_grid_is_not_worth_a_note() -> None:
    geometry = Geometry(np.diag([4.0, 2, 2, 1]), SHAPE)
    array = np.random.default_rng(0).integers(0, 3, SHAPE).astype(np.uint8)
    found = findings()
    placed = place(array, geometry, found, image_on(geometry))
    np.testing.assert_array_equal(placed, array)
    assert placed is not array
    assert not found.notes


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda a: a + np.outer((1, 0, 0, 0), (0, 0, 0, 0.6)), "shifted by 0.3, 0, 0"),
        (lambda a: a * [1.01, 1, 1, 1], "its voxels measure 2 × 2 × 4.04 mm"),
        (lambda a: a * [2, 1, 1, 1], "its voxels measure 2 × 2 × 8 mm"),
        (lambda a: a * [1, 0.5, 1, 1], "its voxels measure 2 × 1 × 4 mm"),
        (lambda a: np.block([[rotation((0.1, 0, 0)) @ a[:3, :3], a[:3, 3:]], [a[3:]]]), "turned by 5.73"),
    ],
)
def test_another_grid_is_refused_by_its_difference(change: Any, says: str) -> None:
    target = Geometry(np.array([[0, 0, 2.0, 9], [0, 2, 0, 8], [4, 0, 0, 7], [0, 0, 0, 1]]), SHAPE)
    source = Geometry(change(np.array(target.affine)), SHAPE)
    array = np.ones(SHAPE, np.uint8)
    with pytest.raises(GeometryError, match=re.escape(says)) as caught:
        place(array, source, findings(), image_on(target))
    assert "resample=True" in caught.value.hint
    assert "mask.nii" in caught.value.message


def test_rounding_of_a_thousandth_of_a_voxel_is_no_difference() -> None:
    target = Geometry(np.diag([3.0, 0.9765625, 0.9765625, 1]), (30, 400, 400))
    rounded = Geometry(np.diag([3.0, 0.976563, 0.976563, 1]), (30, 400, 400))
    array = np.zeros(target.shape, np.uint8)
    array[3, 2, 1] = 1
    np.testing.assert_array_equal(place(array, rounded, findings(), image_on(target)), array)


@given(grids(), grids())
def test_resampling_takes_the_nearest_voxel(target: Geometry, source: Geometry) -> None:
    affine = np.array(source.affine)
    affine[:3, 3] = target.affine[:3, 3]
    source = Geometry(affine, source.shape)
    array = np.arange(1, np.prod(source.shape) + 1, dtype=np.uint16).reshape(source.shape)
    found = findings(resample=True)
    placed = place(array, source, found, image_on(target))
    for index in itertools.product(*map(range, target.shape)):
        exact = source.to_index(target.to_world(index))
        if np.abs(exact + 0.5 - np.rint(exact + 0.5)).min() < 1e-6:
            continue  # between two voxels
        at = np.rint(exact).astype(int)
        inside = bool((at >= 0).all() and (at < source.shape).all())
        assert placed[index] == (array[tuple(at)] if inside else 0)


def test_resampling_is_said_with_what_vanished() -> None:
    target = Geometry(np.diag([4.0, 4, 4, 1]), SHAPE)
    source = Geometry(np.diag([4.0, 1, 1, 1]), (4, 20, 24))
    array = np.zeros(source.shape, np.uint8)
    array[1, 8, 8], array[1, 9, 10] = 1, 2
    found = findings(resample=True)
    placed = place(array, source, found, image_on(target))
    assert placed[1, 2, 2] == 1
    assert "nearest neighbour" in found.notes[0]
    assert found.notes[1] == "segments that vanished in resampling: 2"


def irregular(*heights: float) -> Stack:
    return Stack([Plane(np.array((0, 0, z)), np.array((2.0, 0, 0)), np.array((0, 3.0, 0)), (5, 6))
                  for z in heights])  # fmt: skip


def test_planes_of_an_irregular_series_are_found_by_their_place() -> None:
    target = irregular(0, 4, 8, 16)
    source = Geometry([[0, 0, -2, 10], [0, 3, 0, 0], [-4, 0, 0, 16], [0, 0, 0, 1]], (5, 5, 6))
    array = np.zeros(source.shape, np.uint8)
    array[0, 0, 0], array[4, 1, 2] = 1, 2
    placed = place(array, source, findings(), image_on(target))
    assert placed.shape == target.shape
    assert placed[3, 0, 5] == 1
    assert placed[0, 1, 3] == 2
    array[1, 0, 0] = 1  # at 12 mm there is no plane
    with pytest.raises(GeometryError, match="not those of the image"):
        place(array, source, findings(), image_on(target))


def test_sagittal_voxels_on_separate_axial_planes() -> None:
    target = irregular(0, 4, 9)
    affine = np.array(Geometry([[0, 0, 2, 0], [0, 3, 0, 0], [4, 0, 0, 0], [0, 0, 0, 1]], (2, 5, 6)).affine)
    source = Geometry(affine[:, (2, 1, 0, 3)], (6, 5, 2))
    array = np.zeros(source.shape, np.uint8)
    array[4, 3, 1] = 7
    found = findings()
    placed = place(array, source, found, image_on(target))
    assert placed[1, 3, 4] == 7
    assert np.count_nonzero(placed) == 1
    assert "turned" in found.notes[0]


def test_planes_on_a_grid_and_planes_at_one_place() -> None:
    target = Geometry([[0, 0, 2, 0], [0, 3, 0, 0], [4, 0, 0, 0], [0, 0, 0, 1]], (3, 5, 6))
    array = np.zeros((2, 5, 6), np.uint8)
    array[0, 1, 1], array[1, 2, 2] = 1, 2
    placed = place(array, irregular(8, 0), findings(), image_on(target))
    assert placed[2, 1, 1] == 1
    assert placed[0, 2, 2] == 2
    clip = irregular(0, 0)
    np.testing.assert_array_equal(place(array, clip, findings(), image_on(clip)), array)
    with pytest.raises(GeometryError, match="2 planes of its image at once"):
        place(array[:1], irregular(0), findings(), image_on(clip))


def test_pictures_fit_by_size() -> None:
    picture = Stack.picture((5, 6))
    array = np.ones((1, 5, 6), np.uint8)
    found = findings()
    np.testing.assert_array_equal(place(array, picture, found, image_on(picture)), array)
    assert not found.notes
    np.testing.assert_array_equal(
        place(array, Geometry(np.eye(4), (1, 5, 6)), found, image_on(picture)), array
    )
    assert "matched by size" in found.notes[0]
    with pytest.raises(GeometryError, match=r"6 × 5 × 1 pixels.*5 × 5 × 1"):
        place(array, picture, found, image_on(Stack.picture((5, 5))))
