"""A mask that comes with voxels is one step, also where its values have no segment yet."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nbannot import Document, Geometry, Image, Label, Mask
from nbannot.model.codec import decode_edit, encode_edit
from nbannot.model.edits import Batch, Edit, Paint, Put

SHAPE = (4, 20, 30)


@pytest.fixture
def document() -> Document:
    return Document(
        Image(np.zeros(SHAPE, np.int16), Geometry(np.eye(4), SHAPE)),
        labels=[Label("organ", id="organ")],
        masks=[],
    )


def organ(document: Document, value: int = 1, name: str = "organ") -> Mask:
    array = np.zeros(SHAPE, np.uint8 if value < 256 else np.uint16)
    array[1:3, 4:9, 5:20] = value
    return Mask(name, document.images[0], array=array)


def replayed(document: Document) -> Document:
    again = Document(document.images, labels=[Label("organ", id="organ")], masks=[])
    again.replay([decode_edit(*encode_edit(edit)) for edit in document.history])
    return again


@pytest.mark.parametrize("value", [1, 7, 300])
def test_a_mask_that_holds_voxels_is_added_and_undone_as_one_step(document: Document, value: int) -> None:
    mask = organ(document, value)
    array, before = mask.array, mask.array.copy()
    edit = document.add(mask)
    assert document.revision == 1
    assert isinstance(edit, Batch)
    assert [type(part) for part in edit.edits] == [Put, Paint]
    assert mask.array is array
    np.testing.assert_array_equal(array, before)
    assert document.refresh() == []
    document.undo()
    assert list(document.masks) == []
    assert not document.can_undo
    document.redo()
    assert not document.can_redo
    np.testing.assert_array_equal(document.masks["organ"].array, before)
    np.testing.assert_array_equal(replayed(document).masks["organ"].array, before)
    assert document.masks["organ"] is mask
    mask[1] = 0
    document.undo()
    np.testing.assert_array_equal(mask.array, before)


def test_a_mask_without_voxels_is_one_step_too(document: Document) -> None:
    document.add(Mask("organ", document.images[0]))
    assert document.revision == 1
    document.undo()
    assert list(document.masks) == []


def test_values_without_a_segment_are_named_and_painted_in_one_step(document: Document) -> None:
    mask = organ(document)
    document.add(mask)
    mask.array[0, :3, :3] = 9
    (edit,) = document.refresh()
    assert document.revision == 2
    assert isinstance(edit, Batch)
    assert edit.tool == "array"
    assert [one.label for one in mask.segments] == ["organ", "organ 9"]
    after = mask.array.copy()
    document.undo()
    assert [one.label for one in mask.segments] == ["organ"]
    assert "organ 9" not in document.labels
    assert not (mask.array == 9).any()
    document.redo()
    np.testing.assert_array_equal(mask.array, after)
    assert [one.label for one in mask.segments] == ["organ", "organ 9"]
    np.testing.assert_array_equal(replayed(document).masks["organ"].array, after)


def test_a_journal_that_refuses_leaves_nothing(document: Document) -> None:
    def full(edit: Edit, revision: int) -> None:
        raise OSError("full")

    document.journal = full
    mask = organ(document)
    with pytest.raises(OSError, match="full"):
        document.add(mask)
    assert list(document.masks) == []
    document.journal = None
    document.add(mask)
    mask.array[0, :3, :3] = 9
    document.journal = full
    with pytest.raises(OSError, match="full"):
        document.refresh()
    assert [one.label for one in mask.segments] == ["organ"]
    assert "organ 9" not in document.labels
    document.journal = None
    assert len(document.refresh()) == 1
    assert document.revision == 2


def test_voxels_of_a_locked_label_come_with_their_mask(document: Document) -> None:
    document.add(replace(document.labels["organ"], locked=True))
    mask = organ(document)
    before = mask.array.copy()
    document.add(mask)
    np.testing.assert_array_equal(mask.array, before)
    np.testing.assert_array_equal(replayed(document).masks["organ"].array, before)
