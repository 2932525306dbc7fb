"""Masks from outlines and outlines from masks: there and back, against other programs, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.spatial.transform import Rotation
from skimage.draw import polygon2mask

from nbannot.assist import operations as ops
from nbannot.errors import GeometryError, LockedError, OperationError
from nbannot.formats import read
from nbannot.model.annotations import Box
from nbannot.model.document import Document
from nbannot.model.geometry import Geometry, Plane, Stack
from nbannot.model.image import Image
from nbannot.model.masks import Mask
from nbannot.model.shapes import Shape
from operations_making import image_of, mask_of

SQUARE = ((4, 4), (4, 12), (12, 12), (12, 4))
HOLE = ((6, 6), (6, 10), (10, 10), (10, 6))


def at(image: Image, axis: int, n: float, places: Any) -> tuple[Any, ...]:
    """World points of places on a slice across an axis."""
    return tuple(
        tuple(image.geometry.to_world(np.insert(np.asarray(place, float), axis, n))) for place in places
    )


def drawn(
    document: Document, axis: int, n: float, places: Any = SQUARE, label: str = "a", **more: Any
) -> Shape:
    shape = Shape("polygon", label, at(document.image(), axis, n, places), **more)
    document.add(shape)
    return document.shapes[shape.id]


def blank(*labels: str, shape: tuple[int, int, int] = (18, 20, 22)) -> Document:
    return Document(image_of(np.zeros(shape, dtype=np.int16)), labels=labels or ["a"], masks=())


@settings(max_examples=60, deadline=None)
@given(
    flags=arrays(np.uint8, array_shapes(min_dims=3, max_dims=3, max_side=7), elements=st.integers(0, 2)),
    axis=st.integers(0, 2),
    tilt=st.sampled_from([0.0, 0.7]),
    turn=st.tuples(*[st.floats(-90, 90)] * 3),
    place=st.tuples(*[st.floats(-2000, 2000)] * 3),
)
def test_outlines_give_the_same_voxels_again(
    flags: Any, axis: int, tilt: float, turn: Any, place: Any
) -> None:
    affine = np.array(image_of(flags.astype(np.int16), tilt=tilt).geometry.affine)
    affine[:3, :3] = Rotation.from_euler("xyz", turn, degrees=True).as_matrix() @ affine[:3, :3]
    affine[:3, 3] = place
    image = Image(np.zeros(flags.shape, dtype=np.int16), Geometry(affine, flags.shape))
    mask, document = mask_of(flags, "a", "b", image=image)
    revision = document.revision
    assert (ops.outline_segments(mask, axis=axis) is not None) == flags.any()
    if not flags.any():
        return
    assert document.revision == revision + 1
    lesions = {shape.lesion for shape in document.shapes}
    assert "" not in lesions and len(lesions) == len({shape.label for shape in document.shapes})
    shapes = list(document.shapes)
    other = Document(image, labels=["a", "b"], masks=())
    assert (ops.fill_shapes(other, shapes)) is not None
    for value, name in enumerate(("a", "b"), start=1):
        held = [one.array == one.info.value_of(name) for one in other.masks if name in one.info.name]
        assert np.array_equal(held[0] if held else np.zeros(flags.shape, bool), flags == value)
    document.undo()
    assert len(document.shapes) == 0


def test_a_real_mask_comes_back_and_agrees_with_skimage(shared_data: Path) -> None:
    folder = shared_data / "nifti_totalsegmentator"
    image, labels = read(folder / "ct.nii.gz"), read(folder / "ct_vertebrae_labels.nii.gz").array
    truth = (labels == np.unique(labels)[1]).astype(np.uint8)
    mask, document = mask_of(truth, "vertebra", image=image)
    for axis in (0, 1, 2):
        ops.outline_segments(mask, "vertebra", axis=axis)
        shapes = list(document.shapes)
        again = Document(image, labels=["vertebra"])
        edit = ops.fill_shapes(again, shapes)
        assert edit is not None and edit.tool == "op:fill_shapes" and again.revision == 1
        assert np.array_equal(again.masks["vertebra"].array, truth)
        planes = np.moveaxis(truth, axis, 0)
        one = int(np.argmax(planes.any(axis=(1, 2)))) + 5
        drawn = np.zeros(planes.shape[1:], dtype=bool)
        for shape in shapes:
            index = image.geometry.to_index(shape.world())
            if round(float(index[0, axis])) == one:
                drawn ^= polygon2mask(drawn.shape, np.delete(index, axis, axis=1))
        assert np.array_equal(drawn, planes[one] == 1)
        document.undo()


def test_holes_modes_and_other_labels() -> None:
    document = blank("a", "b", "c")
    image = document.image()
    drawn(document, 0, 3)
    drawn(document, 0, 3, HOLE)
    edit = ops.fill_shapes(document)
    assert edit is not None and [mask.name for mask in document.masks] == ["a"]
    array = document.masks["a"].array
    # Borders through centres count on the side of lower indices.
    ring = np.zeros(image.shape, dtype=bool)
    ring[3, 4:12, 4:12] = True
    ring[3, 6:10, 6:10] = False
    assert np.array_equal(array == 1, ring)
    assert ops.fill_shapes(document) is None, "nothing changes"
    # Another lesion, and another frame, are joined, not taken out.
    drawn(document, 0, 3, HOLE, lesion="L")
    ops.fill_shapes(document, lesion="L")
    assert array[3, 4:12, 4:12].all()
    ops.fill_shapes(document, lesion="L", mode="subtract")
    assert np.array_equal(array == 1, ring)
    box = Box("a", ((3, 0, 0), (5, 5, 21)))
    document.add(box)
    ops.fill_shapes(document, lesion="L", mode="intersect")
    assert not array.any(), "nothing of the ring lies in its hole"
    ops.fill_shapes(document, [box.id], mode="replace")
    full = np.zeros(image.shape, dtype=bool)
    full[3:6, 0:6] = True
    assert np.array_equal(array == 1, full)
    for _ in range(6):
        document.undo()
    assert len(document.masks) == 1 and np.array_equal(document.masks["a"].array == 1, ring)
    document.undo()
    document.undo()
    assert len(document.masks) == 0, "the mask that was made goes with its voxels"


def test_into_another_segment_and_locked_labels() -> None:
    document = blank("a", "b", "c")
    mask = Mask("both", document.image(), segments=["a", "b"])
    document.add(mask)
    drawn(document, 0, 3)
    coronal = drawn(document, 1, 8, label="c")
    mask.array[3, 4:6] = 2
    ops.fill_shapes(document, label="a")
    assert (mask.array[3, 4:12, 4:12] == 1).all() and (mask.array == 2).sum() == 2 * (22 - 8)
    document.undo()
    document.add(replace(document.labels["b"], locked=True))
    ops.fill_shapes(document, label="a")
    assert (mask.array[3, 4:6] == 2).all() and (mask.array[3, 6:12, 4:12] == 1).all()
    ops.fill_shapes(document, [coronal], into=(mask, "a"))
    assert (mask.array[4:12, 8, 4:12] == 1).all() and len(document.masks) == 1
    for into in ("b", (mask, 2)):
        with pytest.raises(LockedError, match="'b' is locked"):
            ops.fill_shapes(document, [coronal], into=into)
    with pytest.raises(LockedError, match="'b' is locked"):
        ops.outline_segments(mask)
    ops.fill_shapes(document, [coronal], into="c")
    assert document.masks["c"].array[4:12, 8, 4:12].all()
    stranger = Mask("x", document.image())
    with pytest.raises(OperationError, match="not in this document"):
        ops.fill_shapes(document, [coronal], into=stranger)
    with pytest.raises(OperationError, match="in no document"):
        ops.outline_segments(stranger)
    empty = Mask("empty", document.image(), segments=["a"])
    document.add(empty)
    with pytest.raises(OperationError, match="is empty"):
        ops.outline_segments(empty, "a")


def test_what_lies_on_no_slice_is_refused() -> None:
    document = blank()
    image = document.image()
    with pytest.raises(OperationError, match="nothing to fill"):
        ops.fill_shapes(document)
    ruler = Shape("ruler", "a", at(image, 0, 3, SQUARE[:2]))
    with pytest.raises(OperationError, match="no closed outline"):
        ops.fill_shapes(document, [ruler])
    turned = Shape(
        "polygon", "a", tuple(tuple(image.geometry.to_world((3 + j / 8, j, i))) for j, i in SQUARE)
    )
    for shape, words in (
        (turned, "turned plane"),
        (Shape("polygon", "a", at(image, 0, 3.4, SQUARE)), r"between slices, at 3\.40 along axis 0"),
        (Shape("polygon", "a", at(image, 2, 22, SQUARE)), "outside the image"),
        (Box("a", ((3.4, 2, 2), (3.4, 8, 8))), "no voxel"),
    ):
        with pytest.raises(OperationError, match=words):
            ops.fill_shapes(document, [ruler, shape])
    with pytest.raises(OperationError, match="mode='or'"):
        ops.fill_shapes(document, [turned], mode="or")  # type: ignore[arg-type]

    def stop(done: float, text: str) -> None:
        raise KeyboardInterrupt

    fine = drawn(document, 0, 3.02)
    with pytest.raises(KeyboardInterrupt):
        ops.fill_shapes(document, progress=stop)
    assert len(document.masks) == 0
    # What is open is left out.
    assert ops.fill_shapes(document, [ruler, fine]) is not None
    other = Document([image, image_of(np.zeros((3, 20, 22), dtype=np.int16))], labels=["a"], masks=())
    small = Mask("small", other.images[1])
    other.add("small")
    other.add(small)
    with pytest.raises(GeometryError, match="different grids"):
        ops.fill_shapes(other, [fine], into=small)


def test_slices_one_by_one_and_clips() -> None:
    flags = np.zeros((4, 12, 12), dtype=np.uint8)
    flags[1, 3:8, 3:8], flags[3, 5, 5] = 1, 1
    planes = [Plane((0, 0, z), (1, 0, 0), (0, 1, 0), (12, 12)) for z in (0.0, 2.0, 3.0, 7.0)]
    for geometry in (Stack(planes), Stack.picture((12, 12), frames=4)):
        image = Image(np.zeros(flags.shape, dtype=np.uint8), geometry)
        mask, document = mask_of(flags, image=image)
        ops.outline_segments(mask)
        assert [shape.slice for shape in document.shapes] == [1, 3]
        again = Document(image, labels=["a"])
        ops.fill_shapes(again, list(document.shapes))
        assert np.array_equal(again.masks["a"].array, flags)
        with pytest.raises(GeometryError, match="no regular grid"):
            ops.outline_segments(mask, axis=1)
    with pytest.raises(OperationError, match="outside"):
        ops.fill_shapes(again, [replace(document.shapes[document.shapes.keys()[0]], slice=9)])


def may_lose(rule: Any, there: str | None, label: str, *, own: bool) -> bool:
    if there == label or isinstance(rule, list):
        return there == label or there in rule
    return rule == "all" or (rule == "mask" and own)


@pytest.mark.parametrize("rule", ["mask", "all", "none", ["a", "b"], ["a", "d"]])
def test_which_labels_lose_voxels_to_outlines(rule: Any) -> None:
    """Against a reckoning voxel by voxel: two masks, a locked label, and two outlines that overlap."""
    document = blank("a", "b", "c", "d", "locked")
    image = document.image()
    one = Mask("one", image, segments=["a", "b"])
    two = Mask("two", image, segments=["c", "d", "locked", "a"])
    for mask in (one, two):
        document.add(mask)
    rows, columns = np.indices(image.shape[1:])
    one.array[5, rows < 6], one.array[5, 3:5, 6:9] = 2, 1
    two.array[5, columns < 6], two.array[5, columns == 7], two.array[5, columns == 9] = 1, 2, 3
    two.array[5, columns == 11] = 4
    document.refresh()
    document.add(replace(document.labels["locked"], locked=True))
    drawn(document, 0, 5)
    drawn(document, 0, 5, HOLE, label="c")
    before = [one.array.copy(), two.array.copy()]
    edit = ops.fill_shapes(document, overwrite=rule)
    wanted = [array.copy() for array in before]
    names = {0: {1: "a", 2: "b"}, 1: {1: "c", 2: "d", 3: "locked", 4: "a"}}
    for label, outline, n, value in (("a", SQUARE, 0, 1), ("c", HOLE, 1, 1)):
        for j, i in np.argwhere(polygon2mask(image.shape[1:], np.array(outline, float))):
            place = (5, j, i)
            # skimage counts some voxels on the outline in, others not; they are not looked at.
            if wanted[n][place] == value or j in (4, 6, 10, 12) or i in (4, 6, 10, 12):
                continue

            here = [names[m].get(int(wanted[m][place])) for m in range(2)]
            may = [may_lose(rule, here[m], label, own=m == n) for m in range(2)]
            if (here[1] == "locked" and (n == 1 or may[1])) or (here[n] is not None and not may[n]):
                continue
            for m in range(2):
                if m != n and here[m] not in (None, label) and may[m]:
                    wanted[m][place] = 0
            wanted[n][place] = value
    look = np.ones(image.shape[1:], bool)
    look[[4, 6, 10, 12]] = look[:, [4, 6, 10, 12]] = False
    for mask, array in zip((one, two), wanted, strict=True):
        assert np.array_equal(mask.array[5][look], array[5][look])
    assert edit is not None
    document.undo()
    for mask, array in zip((one, two), before, strict=True):
        assert np.array_equal(mask.array, array)
    with pytest.raises(OperationError, match="overwrite"):
        ops.fill_shapes(document, overwrite="some")  # type: ignore[arg-type]
