"""Which other labels an operation overwrites: the rule of strokes, on values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nbannot import Document, Geometry, Image, Mask, ops
from nbannot.errors import OperationError
from nbannot.model.edits import Batch, Paint

SHAPE = (4, 12, 14)
VALUES = np.random.default_rng(5).integers(0, 100, SHAPE).astype(np.int16)


def ready(**locked: bool) -> Document:
    """A document with the labels a and d in one mask, b, c and another a in masks of their own."""
    image = Image(VALUES, Geometry(np.eye(4), SHAPE))
    own = np.zeros(SHAPE, np.uint8)
    own[:, :3] = 1
    own[:, 3:5] = 2
    masks = [Mask("own", image, array=own, segments=["a", "d"])]
    for name, part in (("b", np.s_[:, 2:7]), ("c", np.s_[1:3, :, 4:9]), ("reader 2", np.s_[:, :, 2:])):
        array = np.zeros(SHAPE, np.uint8)
        array[part] = 1
        masks.append(Mask(name, image, array=array, segments=["a" if name == "reader 2" else name]))
    document = Document(image, labels=["a", "b", "c", "d"], masks=masks)
    for label in locked:
        document.add(replace(document.labels[label], locked=True))
    return document


def arrays(document: Document) -> dict[str, Any]:
    found = {mask.name: mask.array.copy() for mask in document.masks}
    return {
        "a": found["own"] == 1,
        "d": found["own"] == 2,
        "b": found["b"] == 1,
        "c": found["c"] == 1,
        "r": found["reader 2"] == 1,
    }


@pytest.mark.parametrize("overwrite", ["all", "mask", "none", ["b", "d"], ["c"], [], None])
@pytest.mark.parametrize("locked", [(), ("b",), ("d",), ("b", "c")])
def test_every_voxel_goes_where_the_rule_says(overwrite: Any, locked: tuple[str, ...]) -> None:
    document = ready(**dict.fromkeys(locked, True))
    before = arrays(document)
    revision = document.revision
    given = {} if overwrite is None else {"overwrite": overwrite}
    look = ops.preview("threshold", document.masks["own"], lo=40, segment="a", mode="add", **given)
    taken = look.taken
    ops.threshold(document.masks["own"], 40, segment="a", mode="add", **given)
    after = arrays(document)
    names = {"all": {"b", "c", "d"}, "mask": {"d"}, "none": set(), None: {"d"}}
    may = names[overwrite] if overwrite is None or isinstance(overwrite, str) else set(overwrite)
    gets = VALUES >= 40
    if "d" not in may or "d" in locked:
        gets = gets & ~before["d"]
    for name in ("b", "c"):
        if name in may and name in locked:
            gets = gets & ~before[name]
    added = gets & ~before["a"]
    assert (after["a"] == (before["a"] | added)).all()
    assert (after["d"] == (before["d"] & ~added)).all()
    for name in ("b", "c"):
        loses = added if name in may and name not in locked else np.zeros(SHAPE, bool)
        assert (after[name] == (before[name] & ~loses)).all(), name
        assert taken.get(name, 0) == (before[name] & loses).sum()
    assert (after["r"] == before["r"]).all(), "the same label in another mask stays"
    assert document.revision == revision + 1
    document.undo()
    back = arrays(document)
    assert all((back[name] == before[name]).all() for name in before)
    document.redo()
    again = arrays(document)
    assert all((again[name] == after[name]).all() for name in after)


def test_what_changes_one_mask_only_is_a_paint_and_else_a_batch() -> None:
    document = ready()
    assert isinstance(ops.threshold(document.masks["own"], 40, segment="a", overwrite="none"), Paint)
    document.undo()
    edit = ops.threshold(document.masks["own"], 40, segment="a", overwrite="all")
    assert isinstance(edit, Batch)
    assert {part.mask for part in edit.edits if isinstance(part, Paint)} == {
        document.masks[n].id for n in ("own", "b", "c")
    }
    assert {(part.tool, part.origin) for part in (edit, *edit.edits)} == {("op:threshold", "python")}


def test_what_was_there_before_takes_nothing() -> None:
    document = ready()
    before = arrays(document)
    ops.margin(document.masks["own"], -1, segment="a")
    assert all((arrays(document)[name] == before[name]).all() for name in "bcdr")
    document.undo()
    ops.margin(document.masks["own"], 1, segment="a", overwrite="all")
    after = arrays(document)
    # a and b overlap where both were painted; only the new voxels of a are taken.
    assert (after["b"] == (before["b"] & ~(after["a"] & ~before["a"]))).all()
    assert (after["b"] & after["a"]).any()


def test_segments_that_are_read_stay() -> None:
    document = ready()
    own, b = document.masks["own"], document.masks["b"]
    before = arrays(document)
    ops.boolean(own, "union", segment="a", other=(b, "b"), overwrite="all")
    after = arrays(document)
    assert (after["b"] == before["b"]).all()
    assert (after["c"] == (before["c"] & ~(after["a"] & ~before["a"]))).all()
    document.undo()
    ops.margin(own, 1, segment="a", into=(b, "b"), overwrite="all")
    after = arrays(document)
    assert (after["a"] == before["a"]).all()
    assert (after["d"] == (before["d"] & ~(after["b"] & ~before["b"]))).all()


def test_several_segments_take_by_their_own_label() -> None:
    document = ready()
    own = document.masks["own"]
    own.array[:] = 0
    own.array[2, 2, 2], own.array[2, 9, 9] = 1, 2
    document.refresh()
    before = arrays(document)
    ops.watershed(own, room=3, overwrite="all")
    after = arrays(document)
    added = (after["a"] & ~before["a"]) | (after["d"] & ~before["d"])
    assert added.sum() > 50
    assert (after["b"] == (before["b"] & ~added)).all()
    assert (after["r"] == (before["r"] & ~(after["d"] & ~before["d"]))).all()


def test_a_mask_without_a_document_and_wrong_rules() -> None:
    document = ready()
    image = document.images[0]
    alone = Mask("alone", image)
    assert ops.threshold(alone, 50) is not None
    assert (alone.array == (VALUES >= 50)).all()
    with pytest.raises(OperationError, match="visible"):
        ops.threshold(alone, 50, overwrite="visible")  # type: ignore[arg-type]
