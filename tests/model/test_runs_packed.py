"""Large changes of voxels are held packed: the same values, in less memory."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from nbannot import Document, Geometry, Image, Mask
from nbannot.model import spill
from nbannot.model.codec import decode_edit, encode_edit
from nbannot.model.edits import Batch, Paint
from nbannot.model.runs import PACKED_FROM, Runs

SHAPE = (8, 50, 60)


def noise(seed: int, share: float, values: int = 3) -> NDArray[np.uint8]:
    chance = np.random.default_rng(seed)
    drawn = chance.integers(1, values + 1, SHAPE) * (chance.random(SHAPE) < share)
    return np.asarray(drawn, np.uint8)


def of(old: NDArray[Any], new: NDArray[Any]) -> Runs:
    return Runs.of_voxels(np.arange(old.size), old.ravel(), new.ravel())


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.floats(0.0, 0.6), st.floats(0.0, 0.6))
def test_packed_runs_are_the_runs(seed: int, before: float, after: float) -> None:
    plain = of(noise(seed, before), noise(seed + 1, after))
    runs = Runs(plain.data, plain.count)
    runs.pack()
    if len(plain.data) >= PACKED_FROM:
        assert runs.kept.size < len(plain.data) / 2
    assert (runs.data, runs.count, runs.size, runs.extent) == (
        plain.data,
        plain.count,
        plain.size,
        plain.extent,
    )
    assert runs == plain
    assert plain == runs
    assert hash(runs) == hash(plain)
    np.testing.assert_array_equal(runs.table(), plain.table())
    for one, other in zip(runs.voxels(), plain.voxels(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert runs.inverse() == plain.inverse()
    assert runs.inverse().data == plain.inverse().data
    assert runs.inverse().inverse() == plain
    assert pickle.loads(pickle.dumps(runs)) == plain
    assert copy.deepcopy(runs) == plain
    assert (runs == plain.inverse()) == (plain.data == plain.inverse().data)


def test_a_small_change_is_not_packed() -> None:
    runs = Runs.of(*(np.array([n]) for n in (5, 3, 0, 1)))
    runs.pack()
    assert runs.kept.size == len(runs.data) == 4
    assert runs != "runs"


def gestures(document: Document, moves: list[tuple[int, float, bool]]) -> list[NDArray[np.uint8]]:
    """Make edits of one and of two masks, and return what the first one holds after each."""
    one, two = document.masks["one"], document.masks["two"]
    states = [one.array.copy()]
    for seed, share, both in moves:
        new = noise(seed, share)
        edits = [Paint(one.id, ((0, 0, 0), SHAPE), of(one.array, new))]
        if both:
            edits.append(Paint(two.id, ((0, 0, 0), SHAPE), of(two.array, new[::-1])))
        document.apply(Batch(tuple(edits), "both") if both else edits[0])
        states.append(one.array.copy())
    return states


@settings(max_examples=8)
@given(st.lists(st.tuples(st.integers(0, 99), st.floats(0.0, 0.5), st.booleans()), min_size=1, max_size=6))
def test_undoing_all_is_the_start_and_redoing_all_the_end(moves: list[tuple[int, float, bool]]) -> None:
    image = Image(np.zeros(SHAPE, np.int16), Geometry(np.eye(4), SHAPE))
    masks = [
        Mask(name, image, array=noise(n, 0.3), segments=["a", "b", "c"])
        for n, name in enumerate(("one", "two"))
    ]
    document = Document(image, masks=masks)
    start = [mask.array.copy() for mask in masks]
    states = gestures(document, moves)
    end = [mask.array.copy() for mask in masks]
    for state in reversed(states[:-1]):
        if not np.array_equal(state, masks[0].array):
            while not np.array_equal(state, masks[0].array):
                document.undo()
    document.jump("")
    for mask, before in zip(masks, start, strict=True):
        np.testing.assert_array_equal(mask.array, before)
    while document.redo():
        pass
    for mask, after in zip(masks, end, strict=True):
        np.testing.assert_array_equal(mask.array, after)
    # The record as it travels is what made it.
    again = Document(
        image,
        masks=[
            Mask(m.name, image, array=b, segments=["a", "b", "c"], id=m.id)
            for m, b in zip(masks, start, strict=True)
        ],
    )
    again.replay([decode_edit(*encode_edit(edit)) for edit in document.history])
    for mask, after in zip(masks, end, strict=True):
        np.testing.assert_array_equal(again.masks[mask.id].array, after)
    assert again.history == document.history


@pytest.mark.parametrize("live", [True, False])
def test_a_history_holds_large_changes_once_and_packed(*, live: bool) -> None:
    image = Image(np.zeros(SHAPE, np.int16), Geometry(np.eye(4), SHAPE))
    mask = Mask("organ", image, segments=["a", "b", "c"])
    document = Document(image, masks=[mask])
    for seed in range(4):
        if live:
            mask.array[:] = noise(seed, 0.4)
            document.refresh()
        else:
            mask[:] = noise(seed, 0.4)
    document.jump("")
    while document.redo():
        pass
    runs = [edit.runs for edit in document.history if isinstance(edit, Paint)]
    assert len(runs) == 12
    made, undone, redone = runs[:4], runs[4:8], runs[8:]
    for one, back, again in zip(made, reversed(undone), redone, strict=True):
        assert one.kept.size < len(one.data) / 2
        assert one.kept is back.kept is again.kept


@pytest.mark.parametrize("failing", [False, True])
def test_older_changes_lie_in_a_file_and_come_back(monkeypatch: pytest.MonkeyPatch, *, failing: bool) -> None:
    monkeypatch.setattr(spill, "LEAST", 20_000)
    if failing:
        # A full disk: all stays in memory, and nothing is lost.
        def full(*_: Any, **__: Any) -> Any:
            raise OSError("No space left on device")

        monkeypatch.setattr(spill.tempfile, "TemporaryFile", full)
    image = Image(np.zeros(SHAPE, np.int16), Geometry(np.eye(4), SHAPE))
    masks = [Mask(name, image, array=noise(n, 0.3), segments=["a", "b", "c"]) for n, name in enumerate("ab")]
    document = Document(image, masks=masks)
    states = []
    for seed in range(12):
        states.append([mask.array.copy() for mask in masks])
        new = [noise(seed + n, 0.1 + seed / 40) for n in range(2)]
        box = ((0, 0, 0), SHAPE)
        edits = [Paint(m.id, box, of(m.array, n)) for m, n in zip(masks, new, strict=True)]
        document.apply(Batch(tuple(edits), "both") if seed % 2 else edits[0])
    plain = [encode_edit(edit) for edit in document.history]
    runs = [
        part.runs
        for edit in document.history
        for part in (edit.edits if isinstance(edit, Batch) else (edit,))
        if isinstance(part, Paint)
    ]
    here = sum(one.kept.size for one in runs)
    assert (here > 100_000, document._spill.away == 0) == (failing, failing)
    assert failing or here <= 20_000
    for state in reversed(states):
        document.undo()
        for mask, before in zip(masks, state, strict=True):
            np.testing.assert_array_equal(mask.array, before)
    # Going to and fro writes nothing anew, and the record says the same.
    away = document._spill.away
    while document.redo():
        pass
    document.jump("")
    assert document._spill.away == away
    assert [encode_edit(edit) for edit in document.history[:12]] == plain
    for mask, before in zip(masks, states[0], strict=True):
        np.testing.assert_array_equal(mask.array, before)
