"""The work list of a project: its buttons, its keys, what it tells, and what a saved notebook holds of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ipywidgets
import pytest

import nbannot as nb
from moves import phantom
from nbannot.apps.worklist import Worklist
from nbannot.errors import UnknownItemError
from nbannot.store import StoredProject

FORM = """
labels:
  defaultLabels:
    lesion: {color: "#ff0000"}
    quality: {scope: [case], attributes: {grade: {type: choice, options: [good, bad], required: true}}}
"""


@pytest.fixture
def owner(tmp_path: Path, through: Any) -> Iterator[Any]:
    """The project as its owner has it: in a folder, then through a service."""
    with nb.open_project(tmp_path / "study", author="own") as project:
        for name in ("c1", "c2", "c3"):
            project.add_case(name, images=phantom(), copy=True)
        project.configs.set(FORM)
        project.people.grant("own", "owner")
        for person, role in {
            "ann": "annotator",
            "bob": "annotator",
            "rev": "reviewer",
            "adj": "adjudicator",
        }.items():
            project.people.grant(person, role)
        project.tasks.assign(["c1", "c2", "c3"], "ann", due="2031-01-02")
        yield through(project)


@pytest.fixture
def listed(owner: Any) -> Iterator[Worklist]:
    found = owner.acting_as("ann").worklist()
    yield found
    found.close()


def press(listed: Worklist, name: str) -> None:
    listed.buttons[name].click()


def say(listed: Worklist, **message: Any) -> None:
    """What the page sends."""
    listed._board._handle_custom_msg(message, [])


def now(listed: Worklist) -> str:
    return next(row.case for row in listed.rows if row.task == listed.task)


def answer(listed: Worklist) -> None:
    assert listed.viewer is not None
    listed.viewer.document.add(nb.Tag("quality", attributes={"grade": "good"}))


def test_buttons_lead_through_the_list(listed: Worklist) -> None:
    assert now(listed) == "c1"
    assert listed._board.shown["head"] == "0 of 3 done"
    assert [row["note"] for row in listed._board.shown["rows"]] == ["due 2031-01-02"] * 3
    press(listed, "previous")
    assert (now(listed), listed.note) == ("c1", "This is the first one.")
    press(listed, "next")
    assert now(listed) == "c2"
    press(listed, "skip")
    assert now(listed) == "c3"
    assert [row.flagged for row in listed.rows] == [False, True, False]
    press(listed, "next")
    assert (now(listed), listed.note) == ("c3", "This is the last one.")
    press(listed, "flag")
    assert listed._board.shown["head"] == "0 of 3 done, 2 flagged"
    assert listed.buttons["flag"].description == "Unflag"
    press(listed, "flag")
    assert not listed.rows[2].flagged
    press(listed, "next_undone")
    assert now(listed) == "c1"
    say(listed, type="open", task=listed.rows[1].task)
    assert now(listed) == "c2"


def test_submit_says_what_is_missing_and_goes_on(listed: Worklist) -> None:
    assert listed.viewer is not None
    press(listed, "submit")
    assert now(listed) == "c1"
    assert listed._board.shown["error"] and listed.note.startswith("1 to put right.")
    assert listed._board.shown["missing"][0].startswith("quality: ")
    for case in ("c1", "c2", "c3"):
        assert now(listed) == case
        answer(listed)
        say(listed, type="draft", text=f"a word on {case}")
        say(listed, type="do", what="done")
    assert listed.note == "All is done."
    assert repr(listed) == "Worklist(3 of 3 done)"
    said = listed.project.comments.table()
    assert said["text"].tolist() == ["a word on c1", "a word on c2", "a word on c3"]
    assert listed.buttons["submit"].disabled
    press(listed, "previous")
    assert "can only be looked at" in listed.note


def test_what_is_drawn_is_there_when_one_comes_back(listed: Worklist) -> None:
    assert listed.viewer is not None
    listed.viewer.document.masks["lesion"].paint((0, 0, 0))
    listed.viewer.window = (40, 400)
    press(listed, "next")
    press(listed, "previous")
    assert listed.viewer is not None
    assert listed.viewer.document.masks["lesion"].array.sum() == 1
    assert (listed.viewer.window.center, listed.viewer.window.width) == (40, 400)


def test_comments_lie_at_the_crosshair(listed: Worklist) -> None:
    assert listed.viewer is not None
    listed.viewer.goto(index=(2, 3, 1))
    where = listed.viewer.cursor
    say(listed, type="comment", text="<b>small</b> effusion")
    shown = listed._board.shown["comments"]
    assert [(one["who"], one["text"], one["place"]) for one in shown] == [
        ("ann", "<b>small</b> effusion", True)
    ]
    listed.viewer.goto(index=(0, 0, 0))
    say(listed, type="goto", comment=shown[0]["id"])
    assert listed.viewer.cursor == where
    say(listed, type="comment", text="  ")
    assert listed._board.shown["error"]


def test_a_reviewer_returns_and_accepts(owner: Any, listed: Worklist) -> None:
    answer(listed)
    press(listed, "submit")
    reviewed = owner.acting_as("rev").worklist(mine=False)
    assert now(reviewed) == "c1", "what is submitted comes first"
    done = reviewed.rows[0]
    assert reviewed.viewer is not None
    assert "Reading of ann" in reviewed.note
    with pytest.raises(nb.NbannotError, match="somebody else's"):
        reviewed.viewer.document.masks["lesion"].paint((0, 0, 0))
    press(reviewed, "send_back")
    assert "reason" in reviewed.note
    say(reviewed, type="draft", text="the dome is missing")
    press(reviewed, "send_back")
    assert owner.tasks.get(done.task).status == "returned"
    say(listed, type="open", task=done.task)
    assert listed.note == "It came back: the dome is missing"
    press(listed, "submit")
    reviewed.go(done.task)
    press(reviewed, "accept")
    assert reviewed.note == "All is done."
    assert owner.tasks.get(done.task).status == "accepted"
    press(reviewed, "submit")
    reviewed.close()


def test_reviews_and_adjudications_as_tasks(owner: Any, listed: Worklist) -> None:
    owner.tasks.assign("c1", "bob")
    other = owner.acting_as("bob").worklist()
    for one in (listed, other):
        answer(one)
        press(one, "submit")
    owner.tasks.assign("c1", "rev", kind="review")
    owner.tasks.assign("c1", "adj", kind="adjudicate")
    review = owner.acting_as("rev").worklist()
    assert len(review.rows) == 2 and review.viewer is not None
    assert [tag.attributes for tag in review.viewer.document.tags] == [{"grade": "good"}]
    say(review, type="do", what="done")
    assert [row.done for row in review.rows] == [True, False]
    decision = owner.acting_as("adj").worklist()
    assert len(decision._place.children[0].children) == 2
    answer(decision)
    press(decision, "submit")
    assert decision.note == "All is done."
    for one in (other, review, decision):
        one.close()


def test_thumbnails_are_made_when_they_are_asked_for(
    listed: Worklist, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[bytes] = []
    monkeypatch.setattr(listed._board, "picture", lambda number, png: sent.append(png))
    say(listed, type="thumb", case=1)
    say(listed, type="thumb", case=99)
    assert len(sent) == 1 and sent[0].startswith(b"\x89PNG")
    assert b"tEXt" not in sent[0]


def within(widget: ipywidgets.Widget) -> Iterator[ipywidgets.Widget]:
    yield widget
    for child in getattr(widget, "children", ()):
        yield from within(child)


def test_traits_hold_nothing_of_cases_or_people(listed: Worklist) -> None:
    listed.comment("Mrs Miller has a lesion")
    say(listed, type="draft", text="half a sentence")
    kept = [
        {name: value for name, value in widget.get_state().items() if name not in ("_esm", "_css")}
        for widget in within(listed)
    ]
    assert len(kept) > 10
    text = json.dumps(kept, default=str)
    assert "Next undone" in text
    assert [word for word in ("Miller", "half a", '"c1"', "quality", "lesion", "study") if word in text] == []


def test_without_tasks_it_says_so(owner: Any) -> None:
    found = owner.worklist()
    assert found.note == "You have no tasks here."
    press(found, "next")
    assert found.viewer is None


def test_the_next_case_is_ready_and_not_begun(listed: Worklist) -> None:
    thread = listed._work._reading
    assert thread is not None
    thread.join(30)
    ahead = listed._work._ahead
    assert ahead is not None and ahead.case == "c2"
    task = listed.project.tasks.get(listed.rows[1].task)
    assert (task.status, task.started, task.active_s) == ("to do", None, 0)
    press(listed, "next")
    assert listed.viewer is not None and listed.viewer.session() is ahead
    assert listed.project.tasks.get(task.task).status == "in work"


def test_time_is_counted_for_ones_own_open_task(owner: StoredProject, listed: Worklist) -> None:
    task = listed.task
    for seconds in (True, -1, 500, "3"):
        say(listed, type="active", task=task, seconds=seconds)
    say(listed, type="active", task="another", seconds=3)
    assert owner.tasks.get(str(task)).active_s == 0
    say(listed, type="active", task=task, seconds=3)
    assert 0 < owner.tasks.get(str(task)).active_s <= 3


def until(met: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not met():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_somebody_is_followed_until_one_scrolls(owner: StoredProject, listed: Worklist) -> None:
    rev = owner.acting_as("rev")
    owner.acting_as("bob").be("c1", {"image": "none"})
    until(lambda: "ann" in set(rev.presence("c1")["person"]))
    assert listed.viewer is not None
    image = listed.viewer.image.id
    rev.be("c1", {"image": image, "frame": 0, "cursor": [1.0, 2.0, 3.0], "cursors": {}, "slice": {}})
    # Who may not see others' sessions sees those who may, and no other reader.
    until(lambda: listed.people == ["rev"])
    until(lambda: listed._board.shown["people"] == [{"name": "rev", "on": False}])
    with pytest.raises(UnknownItemError, match="'bob' is not in this case"):
        listed.follow("bob")
    say(listed, type="follow", person="rev")
    assert listed.viewer.cursor == (1, 2, 3)
    rev.be("c1", {"image": image, "frame": 0, "cursor": [4.0, 5.0, 6.0], "cursors": {}, "slice": {}})
    until(lambda: listed.viewer is not None and listed.viewer.cursor == (4, 5, 6))
    listed.viewer.goto(world=(7, 8, 9))
    assert listed._board.shown["people"] == [{"name": "rev", "on": False}]
    press(listed, "next")
    assert "ann" not in set(rev.presence("c1")["person"])
