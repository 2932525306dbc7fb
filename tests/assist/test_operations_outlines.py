"""Outlines between slices: cylinders, cones and real outlines, in any orientation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from nbannot.assist import operations as ops
from nbannot.errors import GeometryError, LockedError, OperationError
from nbannot.formats import read
from nbannot.model.document import Document
from nbannot.model.geometry import Geometry, Plane, Stack
from nbannot.model.image import Image
from nbannot.model.masks import Mask
from nbannot.model.measures.lines import path
from nbannot.model.shapes import Shape
from operations_making import image_of

TURN = np.linspace(0, 2 * np.pi, 180, endpoint=False)


def circle(centre: Any, radius: float, right: Any, down: Any) -> tuple[Any, ...]:
    """World points of a circle in a plane."""
    right, down = np.asarray(right), np.asarray(down)
    points = np.asarray(centre) + radius * (np.outer(np.cos(TURN), right) + np.outer(np.sin(TURN), down))
    return tuple(map(tuple, points))


def slices(
    geometry: Geometry, radii: dict[int, float], axis: int = 0, index: Any = (0, 40, 50)
) -> list[Shape]:
    """Circles across an axis, through one place of the slices."""
    steps = geometry.affine[:3, :3]
    one, other = (steps[:, a] for a in range(3) if a != axis)
    right = one / np.linalg.norm(one)
    normal = np.cross(one, other) / np.linalg.norm(np.cross(one, other))
    made = []
    for n, radius in radii.items():
        at = list(index)
        at[axis] = n
        points = circle(geometry.to_world(at), radius, right, np.cross(normal, right))
        made.append(Shape("polygon", "lesion", points, normal=tuple(normal)))
    return made


def between(document: Document, **given: Any) -> list[Shape]:
    """The polygons that were made, by one step of the history."""
    before = [shape.id for shape in document.shapes]
    revision = document.revision
    assert ops.fill_between_shapes(document, **given) is not None
    assert document.revision == revision + 1
    made = [shape for shape in document.shapes if shape.id not in before]
    assert {(shape.kind, shape.label) for shape in made} == {("polygon", "lesion")}
    return made


def radii(shape: Shape, centre: Any) -> NDArray[np.float64]:
    return np.asarray(np.linalg.norm(shape.world() - np.asarray(centre), axis=1))


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("tilt", [0.0, 0.7])
def test_cylinders_and_cones_keep_to_their_radius(axis: int, tilt: float) -> None:
    image = image_of(np.zeros((24, 80, 100), dtype=np.int16), tilt=tilt)
    document = Document(image, labels=["lesion"])
    middle = [12, 40, 50]
    for shape in slices(image.geometry, {6: 9.0, 12: 9.0, 18: 5.0}, axis, middle):
        document.add(shape)
    made = between(document, tolerance=0.02)
    # Gantry tilt: slices across the other axes stand nearer to each other, but as many lie between.
    assert len(made) == 10
    for shape in made:
        at = image.geometry.to_index(shape.world().mean(axis=0))
        n = round(float(at[axis]))
        assert abs(at[axis] - n) < 1e-3, "it lies on a slice"
        middle[axis] = n
        wanted = 9.0 if n < 12 else 9.0 - 4 * (n - 12) / 6
        assert np.abs(radii(shape, image.geometry.to_world(middle)) - wanted).max() < 0.06
    document.undo()
    assert len(document.shapes) == 3


def test_outlines_on_turned_planes_are_filled_where_scrolling_stops() -> None:
    image = image_of(np.zeros((60, 80, 100), dtype=np.int16), (1.0, 1.0, 1.0))
    document = Document(image, labels=["lesion"])
    right, down, normal = Rotation.from_euler("xyz", (20, -35, 10), degrees=True).as_matrix().T
    centre = image.geometry.to_world((30, 40, 50))
    step = 1 / np.abs(normal).max()
    for n, radius in ((0, 8.0), (5, 6.0)):
        points = circle(centre + n * step * normal, radius, right, down)
        document.add(Shape("freehand", "lesion", points, normal=tuple(normal * (-1) ** n)))
    made = between(document, tolerance=0.02)
    heights = sorted(float((shape.world().mean(axis=0) - centre) @ normal) for shape in made)
    assert np.allclose(heights, [n * step for n in (1, 2, 3, 4)], atol=0.02)
    for n, shape in enumerate(sorted(made, key=lambda one: float(one.world().mean(axis=0) @ normal)), 1):
        assert np.abs(radii(shape, centre + n * step * normal) - (8 - 0.4 * n)).max() < 0.05


def test_real_outlines_are_filled_like_their_mask(shared_data: Path) -> None:
    folder = shared_data / "nifti_totalsegmentator"
    image, labels = read(folder / "ct.nii.gz"), read(folder / "ct_vertebrae_labels.nii.gz").array
    truth = labels == np.unique(labels)[1]
    ks = np.flatnonzero(truth.any(axis=(1, 2)))[::4]
    mask, document = Mask("m", image, segments=["lesion"]), Document(image, labels=["lesion"])
    document.add(mask)
    rings = {int(k): ops.contours_from_mask(truth, image.geometry, int(k)) for k in ks}
    for k, outlines in rings.items():
        mask.array[k][truth[k]] = 1
        for points in outlines:
            document.add(Shape("polygon", "lesion", tuple(map(tuple, points))))
    mask.refresh()
    made = between(document)
    ops.fill_between(mask)
    alike: list[tuple[float, float]] = []
    for k in range(int(ks[0]), int(ks[-1])):
        here = [
            shape.world()
            for shape in made
            if round(float(image.geometry.to_index(shape.world().mean(axis=0))[0])) == k
        ]
        assert bool(here) == (k not in rings)
        if k in rings:
            continue
        found = ops.mask_from_contours(here, image.geometry, k)
        painted = mask.array[k] == 1
        # Voxels take distances from centre to centre: they differ along the border at most.
        border = ndimage.binary_dilation(painted) & ~ndimage.binary_erosion(painted)
        assert not ((found != painted) & ~border).any(), k
        alike.append((dice(found, truth[k]), dice(painted, truth[k])))
    ours, theirs = np.mean(alike, axis=0)
    assert ours > 0.75 and ours > theirs - 0.03, (ours, theirs)


def dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


def test_kinds_holes_and_outlines_apart() -> None:
    image = image_of(np.zeros((12, 80, 100), dtype=np.int16), (2.0, 1.0, 1.0))
    affine = image.geometry.affine
    document = Document(image, labels=["lesion", "node"])

    def at(k: int, *places: tuple[float, float]) -> tuple[Any, ...]:
        return tuple(tuple(image.geometry.to_world((k, j, i))) for j, i in places)

    corners = ((20, 20), (20, 40), (40, 40), (40, 20))
    document.add(Shape("rectangle", "lesion", at(1, *corners), lesion="L"))
    document.add(Shape("ellipse", "lesion", at(1, (25, 30), (35, 30), (30, 25), (30, 35)), lesion="L"))
    document.add(Shape("rectangle", "lesion", at(4, *corners), lesion="L"))
    document.add(Shape("ellipse", "lesion", at(4, (25, 30), (35, 30), (30, 25), (30, 35)), lesion="L"))
    # Another lesion of the label, which moves by more than its size; a line, and another label.
    for k, j in ((1, 60.0), (4, 72.0)):
        spline = [(j + 2 * np.cos(a), 70 + 2 * np.sin(a)) for a in np.linspace(0, 5.5, 8)]
        document.add(Shape("closed-spline", "lesion", at(k, *spline)))
    document.add(Shape("ruler", "lesion", at(9, (20, 20), (30, 30))))
    document.add(Shape("polygon", "node", at(1, *corners)))
    with pytest.raises(OperationError, match="several labels"):
        ops.fill_between_shapes(document)
    made = between(document, label="lesion")
    ring = [shape for shape in made if shape.lesion == "L"]
    assert len(ring) == 4, "an outline and a hole on each of two slices"
    for k in (2, 3):
        plane = [shape.world() for shape in ring if abs(shape.world()[0, 2] - (affine[2, 3] + 2 * k)) < 1e-3]
        found = ops.mask_from_contours(plane, image.geometry, k)
        assert abs(int(found.sum()) - (400 - 78.5)) < 12
    away = [shape for shape in made if shape.lesion == ""]
    centres = sorted(float(image.geometry.to_index(path(shape).mean(axis=0))[1]) for shape in away)
    assert np.allclose(centres, (64, 68), atol=0.3)
    document.undo()
    assert len(between(document, lesion="L")) == 4


def test_what_cannot_be_filled_says_why() -> None:
    image = image_of(np.zeros((24, 80, 100), dtype=np.int16))
    document = Document(image, labels=["lesion"])
    with pytest.raises(OperationError, match="nothing to fill"):
        ops.fill_between_shapes(document)
    axial, coronal = slices(image.geometry, {3: 9, 4: 9}), slices(image.geometry, {20: 9}, 1, (12, 0, 50))
    for shape in (*axial, *coronal):
        document.add(shape)
    with pytest.raises(GeometryError, match="not parallel"):
        ops.fill_between_shapes(document)
    with pytest.raises(OperationError, match="nothing to fill"):
        ops.fill_between_shapes(document, axial)
    ruler = Shape("ruler", "lesion", ((0, 0, 0), (1, 1, 1)))
    with pytest.raises(OperationError, match="no outline"):
        ops.fill_between_shapes(document, [ruler])
    far = slices(image.geometry, {9: 9})[0]
    document.add(far)

    def stop(done: float, text: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ops.fill_between_shapes(document, [axial[0].id, far.id], progress=stop)
    document.add(replace(document.labels["lesion"], locked=True))
    with pytest.raises(LockedError, match="lesion"):
        ops.fill_between_shapes(document, [axial[0], far])
    assert len(document.shapes) == 4


def test_slices_one_by_one_are_filled_where_they_follow_each_other() -> None:
    heights = (0.0, 2.0, 3.0, 7.0, 8.0)
    planes = [Plane((0, 0, z), (1, 0, 0), (0, 1, 0), (64, 64)) for z in heights]
    image = Image(np.zeros((5, 64, 64), dtype=np.int16), Stack(planes))
    document = Document(image, labels=["lesion"])
    for k, radius in ((0, 10.0), (4, 6.0)):
        points = circle((30, 30, heights[k]), radius, (1, 0, 0), (0, 1, 0))
        document.add(Shape("polygon", "lesion", points, slice=k))
    made = between(document, tolerance=0.02)
    assert [shape.slice for shape in made] == [1, 2, 3]
    for shape in made:
        z = heights[shape.slice or 0]
        assert np.abs(radii(shape, (30, 30, z)) - (10 - z / 2)).max() < 0.05
    clip = Image(np.zeros((5, 64, 64), dtype=np.uint8), Stack.picture((64, 64), frames=5))
    document = Document(clip, labels=["lesion"])
    for k in (0, 4):
        document.add(Shape("polygon", "lesion", circle((30, 30, 0), 9, (1, 0, 0), (0, 1, 0)), slice=k))
    with pytest.raises(GeometryError, match="form no volume"):
        ops.fill_between_shapes(document)
