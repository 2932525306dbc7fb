from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from moves import moves, perform, phantom, state
from nbannot.errors import LockedError, StoreError, UnknownItemError
from nbannot.model.annotations import Box
from nbannot.model.document import Document
from nbannot.session import Session


def begin() -> Document:
    return Document(phantom(), labels=["liver", "lesion"], author="ada")


@settings(max_examples=60, deadline=None)
@given(moves())
def test_every_earlier_state_comes_back_exactly(sequence: list[tuple[object, ...]]) -> None:
    document = begin()
    session = Session.of(document)
    states = {0: state(document)}
    for move in sequence:
        perform(document, move)
        states[session.step] = state(document)
    end = session.step
    assert session.step == max(states)
    for step, kept in states.items():
        assert state(session.at(step)) == kept
    for step, kept in states.items():
        before = session.step
        session.restore(step)
        assert state(document) == kept
        if session.step > before:
            assert session.step == before + 1
            document.undo()
        assert state(document) == states[end]


def test_restoring_is_one_new_edit_that_can_be_undone() -> None:
    document = begin()
    session = Session.of(document)
    document.masks["liver"].paint((0, 0, 0))
    document.add(Box("lesion", ((0, 0, 0), (1, 2, 3))))
    after = state(document)
    session.restore(1)
    assert session.step == 3
    assert len(document.boxes) == 0
    assert session.history().iloc[-1]["what"] == "restore step 1"
    document.undo()
    assert state(document) == after


def test_restoring_opens_a_locked_label_and_leaves_it_as_it_was() -> None:
    document = begin()
    session = Session.of(document)
    perform(document, ("paint", "liver", ((0, 0, 0), (1, 1, 1))))
    perform(document, ("lock", "liver"))
    with pytest.raises(LockedError):
        document.masks["liver"].paint((3, 3, 3))
    session.restore(0)
    assert not document.masks["liver"].array.any()
    assert not document.labels["liver"].locked
    session.restore(2)
    assert document.labels["liver"].locked
    assert document.masks["liver"].array.sum() == 8


def test_a_detached_state_is_on_its_own() -> None:
    document = begin()
    document.masks["liver"].paint((0, 0, 0))
    earlier = Session.of(document).at(1)
    assert earlier.history == ()
    earlier.masks["liver"].paint((1, 1, 1))
    assert document.masks["liver"].array.sum() == 1
    assert earlier.masks["liver"].array.sum() == 2


def test_a_step_that_never_was_is_refused() -> None:
    session = Session.of(begin())
    with pytest.raises(UnknownItemError, match="from 0 to 0"):
        session.at(1)


def test_history_tells_what_happened() -> None:
    document = begin()
    session = Session.of(document)
    document.masks["liver"].paint((slice(0, 2), 0, 0))
    document.masks["liver"].array[0, 0, 0] = 0
    document.refresh()
    document.add(Box("lesion", ((0, 0, 0), (1, 2, 3))))
    document.undo()
    frame = session.history()
    assert list(frame.columns) == [
        "step", "time", "author", "origin", "tool", "kind", "what", "undoes"
    ]  # fmt: skip
    assert frame["step"].tolist() == [1, 2, 3, 4]
    assert set(frame["author"]) == {"ada"}
    assert frame["what"].tolist() == [
        "painted 2 voxels of liver",
        "erased 1 voxel of liver",
        "added box lesion",
        "took back step 3: removed box lesion",
    ]
    assert frame["undoes"].tolist()[3] == 3
    assert frame["undoes"].isna().tolist() == [True, True, True, False]
    assert str(frame["time"].dt.tz) == "UTC"
    assert abs(frame["time"].iloc[0] - pd.Timestamp.now(tz="UTC")) < pd.Timedelta("1min")


def test_history_of_nothing_has_the_same_columns() -> None:
    frame = Session.of(begin()).history()
    assert len(frame) == 0
    assert frame["step"].dtype == np.int64


def test_what_is_changed_in_place_and_unrecorded_is_not_part_of_a_past_state() -> None:
    document = begin()
    document.masks["liver"].paint((0, 0, 0))
    document.masks["liver"].array[3, 3, 3] = 1
    assert Session.of(document).at(1).masks["liver"].array.sum() == 1


def test_a_session_without_a_project_says_how_to_save() -> None:
    with pytest.raises(StoreError, match=r"project\.save"):
        Session.of(begin()).save()
