"""Going along the history, and listening to some edits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbannot.errors import EditError, UnknownItemError
from nbannot.model.annotations import Box, Tag
from nbannot.model.document import Document
from nbannot.model.edits import Batch, Paint, Put
from nbannot.model.geometry import Geometry
from nbannot.model.image import Image
from nbannot.model.runs import Runs

SHAPE = (4, 6, 5)


def make(**options) -> Document:
    image = Image(np.zeros(SHAPE, np.int16), Geometry(np.diag([3, 1, 1, 1.0]), SHAPE), id="img")
    return Document(image, labels=["liver", "lesion"], author="tester", **options)


def state(document: Document) -> object:
    document.refresh()
    voxels = [mask.array.tobytes() for mask in document.masks]
    return voxels, list(document.labels), list(document.boxes), list(document.tags)


def box(n: int = 0) -> Box:
    return Box("lesion", ((0, 0, 0), (1, 1 + n % 4, 2)))


def stroke(document: Document, start: int, value: int) -> Paint:
    one = np.ones(1, np.int64)
    runs = Runs.of(one * start, one * 3, one * 0, one * value)
    return Paint(document.masks["liver"].id, ((0, 0, 0), SHAPE), runs, origin="hand", tool="brush")


action = st.one_of(
    st.tuples(st.just("paint"), st.integers(0, 117), st.integers(0, 1)),
    st.tuples(st.just("numpy"), st.integers(0, 119), st.integers(0, 1)),
    st.tuples(st.just("box"), st.integers(0, 3), st.just(0)),
    st.tuples(st.just("unbox"), st.just(0), st.just(0)),
    st.tuples(st.just("jump"), st.integers(0, 40), st.just(0)),
    st.tuples(st.just("undo"), st.just(0), st.just(0)),
    st.tuples(st.just("redo"), st.just(0), st.just(0)),
)


def act(document: Document, what: str, n: int, value: int) -> None:
    if what == "paint":
        document.apply(stroke(document, n, value))
    elif what == "numpy":
        document.masks["lesion"].array.ravel()[n] = value
        document.refresh()
    elif what == "box":
        document.add(box(n))
    elif what == "unbox":
        for one in list(document.boxes)[:1]:
            document.remove(one)
    elif what == "jump":
        ids = ["", *(step.id for step in document.steps)]
        to = ids[n % len(ids)]
        document.jump(to)
        done = [step.id for step in document.steps if step.done]
        assert (done[-1] if done else "") == to
    else:
        getattr(document, what)()


@given(st.lists(action, max_size=25))
@settings(max_examples=60)
def test_any_walk_along_the_history_leads_back_to_the_start_and_to_each_state(walk) -> None:
    document = make()
    start, states = state(document), {}
    for what, n, value in walk:
        act(document, what, n, value)
        done = [step.id for step in document.steps if step.done]
        now = state(document)
        # A step is a state: whoever comes back to it finds the same voxels and items.
        assert states.setdefault(tuple(done), now) == now
    assert [edit.time for edit in document.history] == sorted(edit.time for edit in document.history)
    here, steps = state(document), document.steps
    last = [step for step in steps if step.done][-1:]
    document.jump("")
    assert state(document) == start and not document.can_undo
    assert [step.id for step in document.steps] == [step.id for step in steps]
    document.jump(last[0] if last else "")
    assert state(document) == here


def test_a_jump_is_recorded_as_what_it_takes_back() -> None:
    document = make()
    made = [document.add(box(n)) for n in range(3)]
    jumped = document.jump(made[0].id, id="mine")
    assert [edit.undoes for edit in jumped] == [made[2].id, made[1].id]
    assert jumped[-1].id == "mine" and len(document.history) == 5
    assert [(step.id, step.done) for step in document.steps] == [
        (made[0].id, True), (made[1].id, False), (made[2].id, False),
    ]  # fmt: skip
    again = document.jump(document.steps[2])
    assert [edit.undoes for edit in again] == [jumped[1].id, jumped[0].id]
    assert [step.edit for step in document.steps] == made
    assert document.jump(made[2].id) == ()


def test_steps_that_something_new_replaced_are_out_of_reach() -> None:
    document = make()
    gone = document.add(box())
    document.jump("")
    document.add(box(1))
    with pytest.raises(UnknownItemError, match="no such step"):
        document.jump(gone.id)
    assert len(document.history) == 3


def test_a_hundred_gestures_go_back_and_forth() -> None:
    document = make()
    for n in range(120):
        document.apply(stroke(document, n % 117, n % 2 or 1))
        document.add(box(n))
    end = state(document)
    document.jump("")
    assert not document.masks["liver"].array.any() and len(document.boxes) == 0
    document.jump(document.steps[-1])
    assert state(document) == end


def test_listening_to_a_kind_a_label_and_an_origin() -> None:
    document = make()
    heard: dict[str, list[str]] = {}

    def listen(name: str, **wanted: object) -> None:
        heard[name] = []
        document.on(lambda edit, _: heard[name].append(edit.tool), **wanted)  # type: ignore[arg-type]

    listen("all")
    listen("boxes", kind="box")
    listen("masks of liver", kind="mask", label="liver")
    listen("lesion", label="lesion")
    listen("by hand", origin="hand")
    listen("models", origin="model")
    document.apply(stroke(document, 4, 1))
    document.apply(Put(box(), tool="a box", origin="model:net 1"))
    document.apply(Put(Tag("liver", True), tool="a tag"))
    parts = (Put(Box("liver", ((0, 0, 0), (1, 1, 1)))), Put(Tag("lesion")))
    document.apply(Batch(parts, tool="both"))
    mask = document.masks["lesion"]
    with mask.edit(tool="numpy") as array:
        array[0] = 1
    assert heard == {
        "all": ["brush", "a box", "a tag", "both", "numpy"],
        "boxes": ["a box", "both"],
        "masks of liver": ["brush"],
        "lesion": ["a box", "both", "numpy"],
        "by hand": ["brush"],
        "models": ["a box"],
    }


def test_listening_ends_when_called_off_and_after_with() -> None:
    document = make()
    heard: list[int] = []
    off = document.on(lambda _, revision: heard.append(revision))
    with document.on(lambda _, revision: heard.append(-revision), kind="box"):
        document.add(box())
    off()
    off()
    document.add(box())
    assert heard == [1, -1]


def test_what_a_listener_raises_harms_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    document = make()
    heard = []

    def wrong(_edit: object, _revision: int) -> None:
        raise ValueError("no such thing")

    document.on(wrong)
    document.on(lambda edit, _: heard.append(edit))
    document.add(box())
    assert len(document.boxes) == len(heard) == document.revision == 1
    shown = capsys.readouterr().err
    assert "wrong failed" in shown and "ValueError: no such thing" in shown


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(EditError, match="Unknown kind"):
        make().on(print, kind="polygon")  # type: ignore[arg-type]
