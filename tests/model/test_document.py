"""The document: every edit undoable, one history, the array always the same object."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbannot.errors import (
    ClippedWarning,
    EditError,
    LockedError,
    MaskError,
    OutsideImageError,
    UnknownItemError,
    UnknownLabelError,
)
from nbannot.model.annotations import Box, Tag
from nbannot.model.codec import decode_edit, encode_edit
from nbannot.model.document import Document
from nbannot.model.edits import Batch, Paint, Put
from nbannot.model.geometry import Geometry
from nbannot.model.image import Image
from nbannot.model.labels import Label, LabelSet
from nbannot.model.masks import Mask, MaskInfo, Segment
from nbannot.model.runs import Runs, is_tidy, pieces_of, table_of, voxels_of
from nbannot.model.tables import apply_table, table

SHAPE = (4, 6, 5)


def make(labels=("liver", "lesion"), **options) -> Document:
    image = Image(np.zeros(SHAPE, np.int16), Geometry(np.diag([3, 1, 1, 1.0]), SHAPE), id="img")
    return Document(image, labels=labels, author="tester", **options)


def state(document: Document) -> object:
    """Everything a document holds, comparable."""
    document.refresh()
    return (
        [(item.name, item.color, item.locked) for item in document.labels],
        [(mask.info, mask.array.tobytes()) for mask in document.masks],
        list(document.boxes),
        list(document.tags),
    )


voxel = st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(0, 4))
mask_name = st.sampled_from(["liver", "lesion"])
gesture = st.one_of(
    st.tuples(st.just("stroke"), mask_name, voxel, voxel, st.integers(0, 1)),
    st.tuples(st.just("numpy"), mask_name, voxel, voxel, st.integers(0, 1)),
    st.tuples(st.just("setitem"), mask_name, voxel, voxel, st.integers(0, 1)),
    st.tuples(st.just("box"), voxel, st.integers(1, 3)),
    st.tuples(
        st.just("unbox"),
    ),
    st.tuples(st.just("tag"), st.integers(0, 3)),
    st.tuples(st.just("recolor"), st.sampled_from(["#112233", "#445566"])),
    st.tuples(st.just("label"), st.integers(0, 3)),
    st.tuples(st.just("rename"), st.integers(0, 3)),
    st.tuples(st.just("unmask"), mask_name),
    st.tuples(
        st.just("undo"),
    ),
    st.tuples(
        st.just("redo"),
    ),
)


def region(a, b):
    return tuple(slice(min(x, y), max(x, y) + 1) for x, y in zip(a, b, strict=True))


def do_mask(document: Document, kind: str, mask: Mask, a, b, value: int) -> None:
    where = region(a, b)
    if kind == "numpy":
        mask.array[where] = value
    elif kind == "setitem":
        mask[where] = value
    else:
        low = tuple(s.start for s in where)
        high = tuple(s.stop for s in where)
        size = int(np.prod(np.subtract(high, low)))
        one = np.ones(1, np.int64)
        runs = Runs.of(0 * one, size * one, 0 * one, value * one)
        document.apply(Paint(mask.id, (low, high), runs, origin="hand"))


def do(document: Document, gesture) -> None:
    kind, *rest = gesture
    if kind in ("stroke", "numpy", "setitem", "unmask"):
        mask = next(
            (m for m in document.masks if m.info.segments[0].value and m.name.startswith(rest[0][:3])),
            None,
        )
        if mask is None:
            return
        document.remove(mask) if kind == "unmask" else do_mask(document, kind, mask, *rest[1:])
    elif kind == "box":
        (k, j, i), size = rest
        label = next(iter(document.labels)).name
        high = (k, min(j + size, 5.5), min(i + size, 4.5))
        document.add(Box(label, ((k, j, i), high)))
    elif kind == "unbox":
        for box in list(document.boxes)[:1]:
            document.remove(box)
    elif kind == "tag":
        document.add(Tag(next(iter(document.labels)).name, True, scope="slice", index=rest[0]))
    elif kind == "recolor":
        label = next(iter(document.labels))
        document.add(Label(label.name, rest[0], id=label.id))
    elif kind == "label":
        name = f"extra {rest[0]}"
        if name not in document.labels:
            document.add(name)
    elif kind == "rename":
        label = next(iter(document.labels))
        if f"liver {rest[0]}" not in document.labels:
            document.rename(label.name, f"liver {rest[0]}")
    else:
        getattr(document, kind)()


@settings(max_examples=150)
@given(st.lists(gesture, max_size=25))
def test_undo_all_is_the_start_and_redo_all_the_end(gestures) -> None:
    document = make()
    arrays = {mask.id: mask.array for mask in document.masks}
    start = state(document)
    for step in gestures:
        do(document, step)
    end = state(document)
    steps = 0
    while document.undo():
        steps += 1
    assert state(document) == start
    for _ in range(steps):
        document.redo()
    assert state(document) == end
    assert all(mask.array is arrays[mask.id] for mask in document.masks)


@settings(max_examples=100)
@given(st.lists(gesture, max_size=20))
def test_replaying_the_wire_form_gives_an_equal_document(gestures) -> None:
    document = make()
    copy = Document(
        document.images,
        labels=list(document.labels),
        masks=[Mask.from_info(mask.info, document.images[0]) for mask in document.masks],
    )
    for step in gestures:
        do(document, step)
    document.refresh()
    for edit in document.history:
        data, buffers = encode_edit(edit)
        copy.apply(decode_edit(json.loads(json.dumps(data)), buffers))
    assert state(copy) == state(document)
    assert copy.can_undo == document.can_undo and copy.can_redo == document.can_redo
    assert copy.history == document.history


def test_a_hundred_steps_of_both_kinds_undo_in_order() -> None:
    document = make()
    array = document.masks["liver"].array
    states = [array.copy()]
    for n in range(120):
        where = np.unravel_index(n, SHAPE)
        if n % 2:
            array[where] = 1
            document.refresh()
        else:
            do_mask(document, "stroke", document.masks["liver"], where, where, 1)
        states.append(array.copy())
    for expected in reversed(states[:-1]):
        document.undo()
        assert (array == expected).all()
    assert not document.can_undo and document.masks["liver"].array is array


def test_a_pending_numpy_change_is_recorded_before_a_stroke() -> None:
    document = make()
    mask = document.masks["liver"]
    mask.array[1, 0, 0] = 1
    do_mask(document, "stroke", mask, (1, 0, 0), (1, 0, 2), 0)
    kinds = [(edit.origin, edit.runs.size) for edit in document.history]
    assert kinds == [("python", 1), ("hand", 1)]
    document.undo()
    assert mask.array[1, 0, 0] == 1


def test_an_edit_id_is_applied_once() -> None:
    document = make()
    edit = Put(Box("liver", ((1, 1, 1), (1, 3, 3))), id="tab:1")
    first = document.apply(edit)
    assert document.apply(edit) is first and document.revision == 1


def test_the_journal_comes_first_and_can_refuse() -> None:
    document = make()
    written = []
    document.journal = lambda edit, revision: written.append((edit.id, revision))
    document.add(Box("liver", ((1, 1, 1), (1, 3, 3))))
    document.masks["liver"][0] = 1
    assert [revision for _, revision in written] == [1, 2]

    def full(edit, revision):
        raise OSError("disk full")

    before = state(document)
    document.journal = full
    for change in (
        lambda: document.add(Box("liver", ((0, 0, 0), (0, 3, 3)))),
        lambda: document.masks["liver"].paint((1, 1, 1)),
        lambda: document.rename("liver", "hepar"),
        document.undo,
    ):
        with pytest.raises(OSError, match="disk full"):
            change()
        assert state(document) == before and document.revision == 2
    document.masks["liver"].array[3] = 1
    with pytest.raises(OSError, match="disk full"):
        document.refresh()
    document.journal = None
    assert document.refresh() and document.masks["liver"].array[3].all()


def test_unknown_values_in_the_array_get_a_segment_and_are_not_lost() -> None:
    document = make()
    document.masks["liver"].array[0, 0, :2] = (7, 9)
    document.refresh()
    assert [s.label for s in document.masks["liver"].segments] == ["liver", "liver 7", "liver 9"]
    assert "liver 9" in document.labels


def test_uint8_becomes_uint16_when_a_value_needs_it() -> None:
    document = make()
    mask = document.masks["liver"]
    mask[1, 2, 3] = 1
    document.apply(Put(MaskInfo("liver", "img", (*mask.segments, Segment(300, "lesion")), id=mask.id)))
    assert mask.array.dtype == np.uint16 and mask.array.sum() == 1
    mask[2, 2, 2] = 300
    document.undo()
    document.undo()
    assert mask.array.sum() == 1 and len(mask.segments) == 1


def test_a_users_own_array_is_bound_in_place() -> None:
    image = make().images[0]
    mine = np.zeros(SHAPE, np.uint8)
    mine[2, 2, 2] = 1
    document = Document(image, masks=[Mask("organ", image, array=mine)])
    assert document.masks["organ"].array is mine
    document.masks["organ"][0, 0, 0] = 1
    assert mine[0, 0, 0] == 1 and document.revision == 1
    document.undo()
    assert mine[0, 0, 0] == 0 and mine[2, 2, 2] == 1 and not document.can_undo


def test_adding_a_painted_mask_is_undoable() -> None:
    document = make()
    mine = np.zeros(SHAPE, np.uint8)
    mine[2] = 2
    document.add(Mask("organs", document.images[0], array=mine, segments={1: "liver", 2: "spleen"}))
    assert document.masks["organs"].array is mine and "spleen" in document.labels
    document.undo()
    assert not mine.any()
    document.undo()
    assert "organs" not in document.masks and "spleen" not in document.labels
    document.redo()
    document.redo()
    assert document.masks["organs"].array is mine and (mine[2] == 2).all()


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros((4, 6, 4), np.uint8), "shape"),
        (np.zeros(SHAPE, np.int64), "uint8 or uint16"),
        (np.zeros(SHAPE, np.float32), "uint8 or uint16"),
        ([[1]], "uint8 or uint16"),
    ],
)
def test_wrong_mask_arrays_are_refused(array, reason) -> None:
    with pytest.raises(MaskError, match=reason):
        Mask("organ", make().images[0], array=array)


def test_boxes_are_clipped_with_a_warning_or_refused() -> None:
    document = make()
    with pytest.warns(ClippedWarning, match="clipped"):
        document.add(Box("liver", ((1, -4, 2), (9, 3, 3))))
    assert next(iter(document.boxes)).index == ((1, -0.5, 2), (3.5, 3, 3))
    with pytest.raises(OutsideImageError, match="outside"):
        document.add(Box("liver", ((1, 20, 20), (2, 30, 30))))
    with pytest.raises(EditError, match="finite"):
        Box("liver", ((1, float("nan"), 20), (2, 30, 30)))
    with pytest.raises(EditError, match="two axes"):
        Box("liver", ((1, 1, 1), (1, 1, 3)))
    assert document.revision == 1


def test_unknown_and_used_labels() -> None:
    document = make()
    with pytest.raises(UnknownLabelError, match=r"no label 'spleen'.*There are: liver, lesion"):
        document.add(Tag("spleen"))
    with pytest.raises(KeyError):
        document.labels["spleen"]
    with pytest.raises(EditError, match="still used by mask 'liver'"):
        document.remove(document.labels["liver"])
    with pytest.raises(UnknownItemError):
        document.masks["spleen"]
    with pytest.raises(EditError, match="already"):
        document.add("liver")
    assert document.revision == 0


def test_locked_labels_are_left_alone() -> None:
    document = make()
    mask = document.masks["liver"]
    mask[0, 0, 0] = 1
    label = document.labels["liver"]
    document.add(Label("liver", label.color, id=label.id, locked=True))
    for change in (lambda: mask.paint((1, 1, 1)), lambda: mask.__setitem__((0, 0, 0), 0)):
        with pytest.raises(LockedError, match="locked"):
            change()
    assert mask.array.sum() == 1
    document.masks["lesion"][0] = 1
    document.undo()
    document.undo()
    mask.paint((1, 1, 1))
    assert mask.array.sum() == 2


def test_a_failing_block_leaves_the_voxels_as_they_were() -> None:
    document = make()
    mask = document.masks["liver"]
    with pytest.raises(ZeroDivisionError), mask.edit() as array:
        array[:] = 1
        raise ZeroDivisionError
    with pytest.raises(MaskError, match="without a segment"):
        mask[0] = 5
    assert not mask.array.any() and document.revision == 0


def test_a_batch_is_all_or_nothing() -> None:
    document = make()
    good = Put(Box("liver", ((1, 1, 1), (1, 3, 3))))
    with pytest.raises(OutsideImageError):
        document.apply(Batch((good, Put(Box("liver", ((50, 1, 1), (50, 3, 3)))))))
    assert len(document.boxes) == 0 and document.revision == 0


def test_tables_are_live_and_go_back() -> None:
    document = make()
    document.add(Box("liver", ((1, 1, 1), (1, 3, 3)), id="a"))
    document.add(Box("lesion", ((2, 1, 1), (2, 3, 3)), id="b"))
    document.masks["liver"].array[0, :2, 0] = 1
    segments = table(document, "segments").set_index("label")
    assert segments.loc["liver", "voxels"] == 2 and segments.loc["liver", "volume_mm3"] == pytest.approx(6)
    frame = table(document, "boxes")
    frame.loc["a", "label"] = "lesion"
    frame = frame.drop(index="b")
    revision = document.revision
    apply_table(document, "boxes", frame)
    assert document.revision == revision + 1
    assert [(b.id, b.label) for b in document.boxes] == [("a", "lesion")]
    document.undo()
    assert [(b.id, b.label) for b in document.boxes] == [("a", "liver"), ("b", "lesion")]
    with pytest.raises(EditError, match="lacks the columns"):
        apply_table(document, "boxes", frame.drop(columns="j0"))
    with pytest.raises(EditError, match="no table"):
        table(document, "polygons")
    assert list(table(document, "history")["author"].unique()) == ["tester"]


def test_label_sets() -> None:
    labels = LabelSet(["liver", Label("lesion", "#ff0000", key="2")])
    document = make(labels=labels)
    assert [label.color for label in document.labels] == [labels["liver"].color, "#ff0000"]
    with pytest.raises(EditError, match="twice"):
        LabelSet(["liver", "liver"])
    with pytest.raises(EditError, match="rrggbb"):
        Label("liver", "red")
    with pytest.raises(UnknownLabelError, match="There are: liver, lesion"):
        labels["spleen"]


def test_another_document_is_added_as_one_step() -> None:
    image = Image(np.zeros((2, 3, 4), np.int16), Geometry(np.eye(4), (2, 3, 4)))
    here = Document(image, labels=["liver"], author="a")
    there = Document(image, labels=["liver", "cyst"], author="b")
    there.masks["liver"][0, 1, 1:3] = 1
    there.add(Box("cyst", ((0, 0, 0), (0, 1, 1))))
    here.add(there)
    here.add(there)
    assert [label.name for label in here.labels] == ["liver", "cyst"]
    assert here.masks.keys() == ["liver", "liver (2)", "cyst", "liver (3)", "cyst (2)"]
    np.testing.assert_array_equal(here.masks["liver (3)"].array, there.masks["liver"].array)
    assert not here.masks["liver"].array.any()
    assert len({box.id for box in here.boxes}) == 2
    assert {edit.origin for edit in here.history} == {"import"}
    here.undo()
    here.undo()
    assert here.masks.keys() == ["liver"] and not here.boxes and len(here.labels) == 1
    here.redo()
    assert int(here.masks["liver (2)"].array.sum()) == 2
    with pytest.raises(EditError, match="does not have"):
        Document(Image(np.zeros((1, 1, 1), np.int16), Geometry(np.eye(4), (1, 1, 1)))).add(there)


class Interrupted(np.ndarray):
    """An array that is interrupted when it is written for the n-th time."""

    left = 0

    def __setitem__(self, where, value) -> None:  # type: ignore[no-untyped-def]
        type(self).left -= 1
        if type(self).left == 0:
            raise KeyboardInterrupt
        super().__setitem__(where, value)


@pytest.mark.parametrize("at", [1, 2, 5])
def test_an_interrupt_while_voxels_are_written_leaves_all_of_them(at: int, monkeypatch) -> None:
    monkeypatch.setattr("nbannot.model.masks.PIECE", 100)
    image = Image(np.zeros((4, 20, 30), dtype=np.int16), Geometry(np.eye(4), (4, 20, 30)))
    mask = Mask("m", image, segments=["a", "b"])
    document = Document(image, masks=[mask])
    mask[1:3, 5:15, :] = 1
    before, revision, recorded = mask.array.copy(), document.revision, mask.fingerprint()
    flat = np.arange(4 * 20 * 30)
    runs = Runs.of_voxels(flat, before.ravel(), np.full(flat.size, 2))
    paint = Paint(mask.id, ((0, 0, 0), (4, 20, 30)), runs)
    whole = mask.array
    mask.array = whole.view(Interrupted)
    Interrupted.left = at
    with pytest.raises(KeyboardInterrupt):
        document.apply(paint)
    mask.array = whole
    assert np.array_equal(whole, before)
    assert (document.revision, mask.fingerprint(), mask.pending()) == (revision, recorded, None)
    document.apply(paint)
    assert (whole == 2).all()
    document.undo()
    assert np.array_equal(whole, before)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(0, 2), st.integers(0, 2))),
    st.integers(1, 7),
)
def test_runs_in_pieces_are_the_same_voxels(rows, most: int) -> None:
    at, table = 0, []
    for gap, length, old, new in rows:
        table.append((at + gap, length, old, new))
        at += gap + length
    runs = np.array(table, dtype=np.int64).reshape(-1, 4)
    pieces = list(pieces_of(runs, most))
    assert all(piece[:, 1].sum() < 2 * most for piece in pieces)
    joined = [np.concatenate(column) for column in zip(*map(voxels_of, pieces), strict=True)]
    assert all(np.array_equal(a, b) for a, b in zip(joined, voxels_of(runs), strict=True))
    assert is_tidy(runs) == np.array_equal(table_of(*voxels_of(runs)), runs)
