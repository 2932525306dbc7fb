"""What all operations keep to: one edit, locks, limits, cancel, errors; contours; random volumes."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage.draw import polygon2mask

import nbannot as nb
from nbannot.assist import operations as ops
from nbannot.assist.operations.calls import FUNCTIONS
from nbannot.errors import (
    GeometryError,
    LockedError,
    MaskError,
    NbannotError,
    OperationError,
    OutsideImageError,
    UnknownLabelError,
)
from nbannot.formats import read
from nbannot.model.document import Document
from nbannot.model.edits import Put
from nbannot.model.geometry import Geometry, Stack
from nbannot.model.image import Image
from nbannot.model.labels import Label
from nbannot.model.masks import Mask
from operations_making import blobs, grid, image_of, mask_of

Work = Callable[[Mask], object]

# Each changes the mask that `ready` gives.
EVERY: dict[str, dict[str, Any]] = {
    "threshold": {"lo": 10, "segment": "a"},
    "otsu": {"segment": "a"},
    "region_grow": {"tolerance": 300, "index": (4, 12, 15), "segment": "a"},
    "flood_fill": {"index": (4, 5, 5), "segment": "a"},
    "grow_cut": {},
    "random_walker": {},
    "watershed": {},
    "fast_marching": {"mm": 4, "segment": "a"},
    "level_set": {"segment": "a", "iterations": 20, "growth": 3.0, "edge": 500.0},
    "fill_between": {"segments": ["b"]},
    "copy_slice": {"source": 6, "to": [8, 9], "segment": "b"},
    "move_slice": {"source": 6, "to": 8, "segment": "b"},
    "margin": {"mm": 2, "segment": "a"},
    "hollow": {"mm": 1.3, "segment": "a"},
    "smooth": {"mm": 4, "segment": "a"},
    "fill_holes": {"dimension": "2d", "segment": "a"},
    "islands": {"segment": "a"},
    "boolean": {"method": "subtract", "other": "b", "segment": "a", "into": "a"},
    "mirror": {"segment": "a"},
}


def ready() -> tuple[Mask, Document]:
    chance = np.random.default_rng(3)
    flags = blobs((10, 24, 30), 2, 0.3).astype(np.uint8)
    flags[:, 10:14, 10:22] = 0
    flags[2, 10:14, 10:18] = flags[6, 10:14, 12:22] = 2
    image = image_of((flags * 100 + chance.normal(0, 20, flags.shape)).astype(np.int16))
    mask, document = mask_of(flags, "a", "b", image=image)
    mask.paint(np.s_[4, 3:8, 3:8], "a")
    mask.paint(np.s_[4, 4:7, 4:7], 0)
    return mask, document


def wanted(name: str) -> dict[str, Any]:
    given = dict(EVERY[name])
    if name == "boolean":
        given["method"] = "invert"
        del given["other"]
    return given


def test_every_operation_is_tried_here() -> None:
    assert set(EVERY) == set(ops.OPERATIONS) == set(FUNCTIONS)


@pytest.mark.parametrize("name", EVERY)
def test_one_edit_that_undo_takes_back(name: str) -> None:
    mask, document = ready()
    before, revision = mask.array.copy(), document.revision
    look = ops.preview(name, mask, **wanted(name))
    assert np.array_equal(mask.array, before)
    assert document.revision == revision
    edit = FUNCTIONS[name](mask, **wanted(name))
    assert edit is not None
    assert edit is document.history[-1]
    assert (edit.tool, edit.origin) == (f"op:{name}", "python")
    assert document.revision == revision + 1
    assert look.count == np.count_nonzero(mask.array != before) > 0
    assert look.box == edit.box
    assert look.runs.size == 0, "nothing is left of the preview after the edit"
    after = mask.array.copy()
    document.undo()
    assert np.array_equal(mask.array, before)
    assert look.runs.size == look.count
    document.redo()
    assert np.array_equal(mask.array, after)


@pytest.mark.parametrize("name", EVERY)
def test_a_loose_mask_has_the_same_voxels(name: str) -> None:
    mask, _ = ready()
    loose = Mask("m", mask.image, array=mask.array.copy(), segments=["a", "b"])
    edit = ops.run(name, loose, **wanted(name))
    made = ops.run(name, mask, **wanted(name))
    assert np.array_equal(loose.array, mask.array)
    assert edit is not None
    assert (edit.box, edit.runs) == (made.box, made.runs)  # type: ignore[union-attr]


@pytest.mark.parametrize("name", EVERY)
def test_what_progress_raises_leaves_everything(name: str) -> None:
    mask, document = ready()
    before, revision = mask.array.copy(), document.revision
    told: list[float] = []
    ops.preview(name, mask, **wanted(name), progress=lambda done, text: told.append(done))
    assert told == sorted(told)
    assert 0 <= told[0] <= told[-1] <= 1
    for stop in range(len(told)):
        calls = iter(range(1000))

        def cancel(done: float, text: str, stop: int = stop, calls: Any = calls) -> None:
            if next(calls) == stop:
                raise InterruptedError(text)

        if stop in (0, len(told) // 2, len(told) - 1):
            with pytest.raises(InterruptedError):
                FUNCTIONS[name](mask, **wanted(name), progress=cancel)
            assert np.array_equal(mask.array, before)
            assert document.revision == revision


@pytest.mark.parametrize("name", EVERY)
def test_limits_and_locks_are_kept(name: str) -> None:
    mask, document = ready()
    before = mask.array.copy()
    area = np.zeros(mask.array.shape, dtype=bool)
    area[:, 5:20, :] = True
    values = mask.image.array
    ops.run(name, mask, **wanted(name), where=(-30, 130), inside=area, slices=(1, 8))
    changed = mask.array != before
    assert not changed[~area].any()
    assert not changed[(values < -30) | (values > 130)].any()
    assert not changed[[0, 9]].any()
    while not np.array_equal(mask.array, before):
        document.undo()
    locked = "a" if wanted(name).get("segment") == "b" else "b"
    if name == "fill_between":
        locked = "a"
    document.apply(Put(Label("a" if locked == "a" else "b", id=document.labels[locked].id, locked=True)))
    ops.run(name, mask, **wanted(name))
    value = mask.info.value_of(locked)
    assert np.array_equal(mask.array == value, before == value)


def test_a_locked_segment_is_not_made_anew() -> None:
    mask, document = ready()
    document.apply(Put(Label("a", id=document.labels["a"].id, locked=True)))
    with pytest.raises(LockedError, match="'a' is locked"):
        ops.margin(mask, 2, segment="a")
    look = ops.preview("margin", mask, mm=2, segment="b")
    document.apply(Put(Label("b", id=document.labels["b"].id, locked=True)))
    before = mask.array.copy()
    with pytest.raises(LockedError):
        look.apply()
    assert np.array_equal(mask.array, before)


def test_other_segments_may_be_spared_and_results_go_elsewhere() -> None:
    mask, document = ready()
    before = mask.array.copy()
    ops.margin(mask, 5, segment="b", overwrite="none")
    assert np.array_equal(mask.array == 1, before == 1)
    document.undo()
    ops.margin(mask, 5, segment="b", outside=True)
    assert np.array_equal(mask.array == 1, before == 1)
    document.undo()
    other = Mask("plan", mask.image, segments=["rim"])
    document.add(other)
    ops.hollow(mask, 2, segment="a", into=other, side="outside", overwrite="none")
    assert np.array_equal(mask.array, before)
    assert other.array.any()
    ops.boolean(other, "intersect", other=(mask, "b"))
    assert not (other.array.astype(bool) & (before != 2)).any()


@pytest.mark.parametrize(
    ("method", "result"),
    [
        ("union", lambda a, b: a | b), ("intersect", lambda a, b: a & b), ("subtract", lambda a, b: a & ~b),
        ("copy", lambda a, b: b), ("invert", lambda a, b: ~a), ("fill", lambda a, b: a | True),
        ("clear", lambda a, b: a & False),
    ],
)  # fmt: skip
def test_booleans_between_masks_of_one_grid(method: Any, result: Any) -> None:
    one, two = blobs(seed=1), blobs(seed=2)
    image = image_of(np.zeros(one.shape, dtype=np.int16))
    masks = [Mask("one", image, segments=["a"]), Mask("two", image, segments=["b"])]
    document = Document(image, masks=masks)
    masks[0].array[:], masks[1].array[:] = one, two
    document.refresh()
    needs = method in ("union", "intersect", "subtract", "copy")
    ops.boolean(masks[0], method, other=masks[1] if needs else None)
    assert np.array_equal(masks[0].array == 1, result(one, two))
    # Other masks stay until it is asked for.
    assert np.array_equal(masks[1].array == 1, two)
    if method in ("invert", "fill"):
        document.undo()
        ops.boolean(masks[0], method, overwrite="all")
        assert np.array_equal(masks[1].array == 1, two & ~(result(one, two) & ~one))
    assert ops.boolean(masks[0], method, other=masks[1] if needs else None) is None or method == "invert"


def test_slices_are_copied_moved_and_mirrored() -> None:
    flags = np.zeros((6, 8, 9), dtype=np.uint8)
    flags[1, 2:4, 1:4] = flags[4, 6, 6] = 1
    mask, document = mask_of(flags)
    ops.copy_slice(mask, 1, to=range(3, 6), keep=True)
    assert all(np.array_equal(mask.array[k], flags[1] | flags[k]) for k in (3, 4, 5))
    document.undo()
    ops.move_slice(mask, 1, to=4)
    assert np.array_equal(mask.array[4], flags[1])
    assert not mask.array[1].any()
    document.undo()
    ops.mirror(mask)  # left and right: columns
    assert np.array_equal(mask.array, flags | flags[:, :, ::-1])
    document.undo()
    ops.mirror(mask, 1, move=True)
    assert np.array_equal(mask.array, flags[:, ::-1])
    document.undo()
    ops.mirror(mask, 0, index=(3, 0, 0))
    expected = flags.copy()
    expected[5], expected[2] = flags[5] | flags[1], flags[2] | flags[4]
    assert np.array_equal(mask.array, expected)
    document.undo()
    with pytest.raises(OperationError, match="outside the image"):
        ops.mirror(mask, 2, index=(0, 0, 0))


BAD: list[tuple[type[NbannotError], str, Work]] = [
    (OperationError, "'a' is empty", lambda m: (ops.boolean(m, "clear", segment="a"), ops.margin(m, segment="a"))),
    (MaskError, "2 segments", lambda m: ops.margin(m)),
    (UnknownLabelError, "no segment 'x'", lambda m: ops.margin(m, segment="x")),
    (UnknownLabelError, "no segment of value 9", lambda m: ops.margin(m, segment=9)),
    (OutsideImageError, "outside the image", lambda m: ops.region_grow(m, 5, index=(99, 0, 0), segment="a")),
    (OutsideImageError, "outside the image", lambda m: ops.region_grow(m, 5, world=(1e4, 0, 0), segment="a")),
    (OperationError, "starts from a place", lambda m: ops.region_grow(m, 5, segment="a")),
    (OperationError, "needs a tolerance", lambda m: ops.region_grow(m, index=(1, 1, 1), segment="a")),
    (OperationError, "No voxel lies in", lambda m: ops.region_grow(m, lo=9e3, index=(1, 1, 1), segment="a")),
    (OperationError, "is empty", lambda m: ops.threshold(m, 5, 4, segment="a")),
    (OperationError, "needs lo, hi", lambda m: ops.threshold(m, segment="a")),
    (OperationError, "range where", lambda m: ops.margin(m, 3, where=(9, 1), segment="a")),
    (OperationError, "no parameter size", lambda m: ops.run("margin", m, size=3, segment="a")),
    (OperationError, "no operation 'grow'", lambda m: ops.run("grow", m)),
    (OperationError, "at most 500 mm", lambda m: ops.margin(m, 1000, segment="a")),
    (OperationError, "must be a number", lambda m: ops.margin(m, float("nan"), segment="a")),
    (OperationError, "Choose one of", lambda m: ops.islands(m, "biggest", segment="a")),  # type: ignore[arg-type]
    (OperationError, "no slice 77", lambda m: ops.copy_slice(m, 2, to=77, segment="b")),
    (OperationError, "empty in slice 3", lambda m: ops.copy_slice(m, 3, to=1, segment="b")),
    (OperationError, "Seeds of 2 segments", lambda m: ops.grow_cut(m, "a")),
    (OperationError, "needs another segment", lambda m: ops.boolean(m, segment="a")),
    (OperationError, "with itself", lambda m: ops.boolean(m, segment="a", other="a")),
    (OperationError, "is no voxel of", lambda m: ops.islands(m, "selected", index=(2, 11, 11), segment="a")),
    (OperationError, "no frame 3", lambda m: ops.threshold(m, 1, frame=3, segment="a")),
    (OperationError, "too few different", lambda m: ops.otsu(m, 5, segment="a", where=(0, 1))),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "work"), BAD, ids=[text for _, text, _ in BAD])
def test_what_cannot_be_done_is_said(kind: type[NbannotError], text: str, work: Work) -> None:
    mask, _ = ready()
    with pytest.raises(kind, match=text):
        work(mask)


def test_a_picture_in_colour_has_no_intensity() -> None:
    image = Image(np.zeros((1, 8, 9, 3), dtype=np.uint8), Stack.picture((8, 9)), photometric="RGB")
    mask, _ = mask_of(np.ones((1, 8, 9), dtype=np.uint8), image=image)
    with pytest.raises(OperationError, match="in colour"):
        ops.threshold(mask, 1)
    with pytest.raises(OperationError, match="in colour"):
        ops.flood_fill(mask, 5, index=(0, 1, 1))
    mask.array[0, 2:5, 2:5] = 0
    ops.fill_holes(mask, "2d")
    assert mask.array.all()


def test_masks_of_other_grids_are_refused() -> None:
    mask, _ = ready()
    image = Image(np.zeros(mask.array.shape, dtype=np.int16), grid((10, 24, 30), (1, 1, 1)))
    with pytest.raises(GeometryError, match="different grids"):
        ops.boolean(mask, other=Mask("other", image), segment="a")


def test_the_table_is_the_functions() -> None:
    for name, operation in ops.OPERATIONS.items():
        shown = {
            p.name: None if p.default is p.empty else p.default
            for p in list(inspect.signature(FUNCTIONS[name]).parameters.values())[1:-1]
        }
        assert shown == {p.name: p.default for p in operation.parameters}
        assert json.loads(json.dumps(operation.form))["name"] == name
        assert getattr(nb.ops, name) is FUNCTIONS[name]


# Random volumes -----------------------------------------------------------------------------------

volumes = st.builds(
    blobs,
    st.tuples(st.integers(2, 6), st.integers(3, 10), st.integers(3, 12)),
    st.integers(0, 10**6),
    st.floats(-1.0, 1.0),
)
quick = settings(max_examples=25, deadline=None)


@quick
@given(volumes, st.sampled_from(["fill_holes", "islands", "otsu", "opening", "closing", "copy"]))
def test_what_is_done_twice_is_done_once(flags: NDArray[np.bool_], name: str) -> None:
    flags[0, 0, 0] = True
    image = image_of((flags * 50 + np.arange(flags.size).reshape(flags.shape) % 7).astype(np.int16))
    mask, document = mask_of(flags, image=image)
    work: dict[str, Callable[[], object]] = {
        "fill_holes": lambda: ops.fill_holes(mask),
        "islands": lambda: ops.islands(mask),
        "otsu": lambda: ops.otsu(mask),
        "opening": lambda: ops.smooth(mask, 2.5, method="opening"),
        "closing": lambda: ops.smooth(mask, 2.5, method="closing"),
        "copy": lambda: ops.boolean(mask, "copy", other=Mask("o", image, array=flags.astype(np.uint8))),
    }
    try:
        work[name]()
        assert work[name]() is None
    except OperationError as error:
        assert "empty" in str(error), "opening may leave nothing"
    while document.can_undo and document.history[-1].tool != "array":
        document.undo()
        if np.array_equal(mask.array, flags):
            break
    assert np.array_equal(mask.array, flags)


@quick
@given(volumes, st.floats(0.1, 8), st.floats(0, 4))
def test_a_larger_margin_holds_the_smaller_one(flags: NDArray[np.bool_], mm: float, more: float) -> None:
    flags[0, 0, 0] = True
    sizes = []
    for length in (mm, mm + more, -mm, -mm - more):
        mask, _ = mask_of(flags)
        ops.margin(mask, length)
        sizes.append(mask.array == 1)
    small, large, less, least = sizes
    assert (flags <= small).all() and (small <= large).all()
    assert (less <= flags).all() and (least <= less).all()


@quick
@given(volumes, st.integers(0, 2**16), st.floats(0.3, 4))
def test_joint_smoothing_makes_no_gap_inside(flags: NDArray[np.bool_], seed: int, sd: float) -> None:
    labels = np.random.default_rng(seed).integers(1, 4, flags.shape).astype(np.uint8)
    mask, _ = mask_of(labels, "a", "b", "c")
    ops.smooth(mask, sd, method="joint")
    assert (mask.array > 0).all()


# Contours -----------------------------------------------------------------------------------------


def error_in_voxels(flags: NDArray[np.bool_], geometry: Geometry, axis: int) -> int:
    """Voxels that a mask loses or gains on the way through contours, in all slices."""
    wrong = 0
    for n in range(flags.shape[axis]):
        there = ops.contours_from_mask(flags, geometry, n, axis=axis)
        back = ops.mask_from_contours(there, geometry, n, axis=axis)
        wrong += int(np.count_nonzero(back != np.take(flags, n, axis=axis)))
    return wrong


@quick
@given(volumes, st.sampled_from([0, 1, 2]), st.floats(0, 2))
def test_contours_and_back_are_exact(flags: NDArray[np.bool_], axis: int, tilt: float) -> None:
    k, j, i = flags.shape
    assert error_in_voxels(flags, grid((k, j, i), tilt=tilt), axis) == 0


def test_contours_of_real_vertebrae_are_exact(shared_data: Path) -> None:
    labels = read(shared_data / "nifti_totalsegmentator" / "ct_vertebrae_labels.nii.gz")
    flags = np.asarray(labels.array) > 0
    assert isinstance(labels.geometry, Geometry)
    assert error_in_voxels(flags, labels.geometry, 0) == 0
    n = int(flags.sum(axis=(1, 2)).argmax())
    rough = ops.contours_from_mask(flags, labels.geometry, n, tolerance=0.5)
    fine = ops.contours_from_mask(flags, labels.geometry, n)
    assert sum(map(len, rough)) < 0.7 * sum(map(len, fine))
    back = ops.mask_from_contours(rough, labels.geometry, n)
    assert np.count_nonzero(back != flags[n]) < 0.1 * flags[n].sum()


def test_polygons_are_filled_by_even_and_odd() -> None:
    geometry = grid((3, 40, 50))
    chance = np.random.default_rng(4)
    for _ in range(20):
        points = chance.uniform(-5, 55, (9, 2))  # it crosses itself, and the border
        world = geometry.to_world(np.column_stack((np.full(9, 1.0), points)))
        found = ops.mask_from_contours([world], geometry, 1)
        assert np.array_equal(found, polygon2mask((40, 50), points))
    outer, inner = (
        geometry.to_world([(1, a, a), (1, a, b), (1, b, b), (1, b, a)]) for a, b in ((4.5, 20.5), (8.5, 12.5))
    )
    found = ops.mask_from_contours([outer, inner], geometry, 1)
    assert found.sum() == 16 * 16 - 4 * 4
    assert not ops.mask_from_contours([], geometry, 0).any()
    with pytest.raises(OperationError, match="three finite points"):
        ops.mask_from_contours([outer[:2]], geometry, 1)
    with pytest.raises(OperationError, match="no slice 3"):
        ops.contours_from_mask(np.zeros((3, 40, 50)), geometry, 3)
