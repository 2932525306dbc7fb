"""What every kind of project must do about work: tasks, locks, reviews, results."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from contract_access import Crowd
from moves import phantom
from nbannot.errors import (
    AccessError,
    ConflictError,
    EditError,
    LockedError,
    StoreError,
    SubmitError,
    UnknownItemError,
)
from nbannot.model.annotations import Box, Tag
from nbannot.model.attributes import Attribute
from nbannot.model.edits import Batch, Put
from nbannot.model.labels import Label
from nbannot.store import Project


class TasksContract(Crowd):
    """Tasks from assignment to adjudication."""

    def task_of(self, project: Project, case: str = "c1") -> str:
        """Id of one's own task of a case."""
        frame = project.tasks.table(mine=True, case=case)
        return str(frame["task"].iloc[0])

    def test_assigning_to_everybody_and_again(self, owner: Project, place: Path) -> None:
        made = owner.tasks.assign(["c1", "c2"], ["ann", "ext"], batch="first", due="2031-01-02")
        assert made["case"].tolist() == ["c1", "c2", "c1", "c2"]
        assert made["person"].tolist() == ["ann", "ann", "ext", "ext"]
        assert set(made["status"]) == {"to do"}
        assert set(made["due"].dt.year) == {2031}
        assert len(owner.tasks.assign("c*", ["ann", "ext"])) == 0
        more = owner.tasks.assign("*", "ann")
        assert more["case"].tolist() == ["x1"]
        assert more["position"].tolist() == [3]
        ext = self.being("ext", place)
        assert ext.tasks.table()["case"].tolist() == ["c1", "c2"]
        assert ext.tasks.table(person="ann").empty
        assert owner.tasks.table(case="c1")["person"].tolist() == ["ann", "ext"]
        assert owner.tasks.table(limit=2, after=1)["person"].tolist() == ["ann", "ann"]
        assert ext.tasks.get(self.task_of(ext)).open
        with pytest.raises(AccessError):
            ext.tasks.get(self.task_of(self.being("ann", place)))
        with pytest.raises(UnknownItemError):
            ext.tasks.get("0" * 32)

    def test_assigning_is_balanced_and_seeded(self, owner: Project) -> None:
        for n in range(9):
            owner.add_case(f"b{n}", images=phantom(), copy=True)
        made = owner.tasks.assign("b?", ["ann", "rev", "adj"], overlap=2, order="seeded", seed=7)
        assert made["person"].value_counts().to_dict() == {"ann": 6, "rev": 6, "adj": 6}
        assert set(made["case"].value_counts()) == {2}
        orders = [made[made["person"] == one]["case"].tolist() for one in ("ann", "rev", "adj")]
        assert any(order != sorted(order) for order in orders)
        assert len(owner.tasks.assign("b?", ["ann", "rev", "adj"], overlap=2)) == 0
        assert len(owner.tasks.assign("b?", ["ann", "rev", "adj"], overlap=3)) == 9

    def test_assigning_what_cannot_be_is_refused(self, owner: Project) -> None:
        with pytest.raises(StoreError, match="no role for tasks"):
            owner.tasks.assign("c1", "nobody")
        with pytest.raises(StoreError, match="no role for tasks of the kind 'review'"):
            owner.tasks.assign("c1", "ann", kind="review")
        with pytest.raises(StoreError, match="4 readers for each case"):
            owner.tasks.assign("c1", ["ann", "rev"], overlap=4)
        with pytest.raises(StoreError, match="named twice"):
            owner.tasks.assign("c1", ["ann", "ann"])
        with pytest.raises(UnknownItemError, match="'c9'"):
            owner.tasks.assign(["c1", "c9"], "ann")
        with pytest.raises(StoreError, match="no time"):
            owner.tasks.assign("c1", "ann", due="soon")
        assert owner.tasks.table().empty

    def test_a_reader_sees_the_cases_of_open_tasks_only(self, owner: Project, place: Path) -> None:
        ext = self.being("ext", place)
        with pytest.raises(AccessError):
            ext.images("c1")
        owner.tasks.assign("c1", "ext")
        session = ext.tasks.begin(self.task_of(ext))
        session.document.masks["liver"].paint((0, 0, 0))
        assert ext.tasks.get(self.task_of(ext)).status == "in work"
        new = Label("my own")
        for edit in (Put(new), Batch((Put(Box("liver", ((0, 0, 0), (1, 1, 1)))), Put(new)))):
            with pytest.raises(EditError, match="labels of this case are given"):
                session.document.apply(edit)
        liver = session.document.labels["liver"]
        with pytest.raises(EditError, match="labels of this case are given"):
            session.document.apply(Put(replace(liver, scope=("series",))))
        session.document.apply(Put(replace(liver, color="#123456", locked=True)))
        session.document.undo()
        owner.configs.set("reader: {labels: open}")
        session.document.apply(Put(new))
        assert "my own" in session.document.labels
        assert len(ext.images("c1")) == 1
        assert not ext.people.allowed("case.headers", "c1")
        with pytest.raises(AccessError):
            ext.images("c2")
        ext.comments.add("c1", "done soon", task=self.task_of(ext))
        ext.tasks.submit(self.task_of(ext))
        with pytest.raises(AccessError):
            ext.images("c1")
        assert ext.tasks.table()["status"].tolist() == ["submitted"]

    def test_a_program_may_not_say_when_its_edits_came(self, owner: Project, place: Path) -> None:
        ann, began = self.being("ann", place), time.time()
        session = ann.start("c1")
        session.document.apply(Put(Box("liver", ((0, 0, 0), (1, 1, 1))), time=1000.0, author="rev"))
        assert session.history()["time"].dt.year.tolist() == [1970]
        assert owner.case("c1").readers == ("ann",)
        (row,) = [
            one
            for one in owner.audit.table(action="session.write").to_dict("records")
            if "edit" in one["detail"]
        ]
        assert row["actor"] == "ann"
        for told in (row["time"], owner.cases.set_index("case")["last_change"]["c1"]):
            assert told.timestamp() >= began - 1

    def test_what_is_prepared_is_not_begun(self, owner: Project, place: Path) -> None:
        ann, rev = self.being("ann", place), self.being("rev", place)
        owner.tasks.assign("c1", "ann")
        reading = self.task_of(ann)
        ann.tasks.prepare(reading)
        assert owner.tasks.get(reading).status == "to do"
        session = ann.tasks.begin(reading)
        session.document.masks["liver"].paint((0, 0, 0))
        ann.tasks.submit(reading)
        owner.tasks.assign("c1", "rev", kind="review")
        review = self.task_of(rev)
        ahead = rev.tasks.prepare(review)
        before = owner.tasks.get(review)
        assert (before.status, before.started, before.active_s) == ("to do", None, 0)
        assert rev.tasks.begin(review).key == ahead.key
        assert owner.tasks.get(review).status == "in work"
        assert ahead.document.masks["liver"].array.sum() == 1
        assert owner.sessions("c1")["reader"].tolist() == ["ann", "rev"]
        with pytest.raises((AccessError, UnknownItemError)):
            ann.tasks.prepare(review)

    def test_what_is_submitted_takes_no_more_edits(self, owner: Project, place: Path) -> None:
        ann = self.being("ann", place)
        owner.tasks.assign("c1", "ann")
        task = self.task_of(ann)
        session = ann.tasks.begin(task)
        elsewhere = self.being("ann", place).tasks.begin(task)
        session.document.masks["liver"].paint((0, 0, 0))
        ann.tasks.submit(task, comment="easy")
        for one in (session, elsewhere, ann.tasks.begin(task), ann.start("c1")):
            with pytest.raises(LockedError, match=r"Session 1 of 'ann' for case 'c1' is submitted"):
                one.document.masks["liver"].paint((1, 1, 1))
        assert ann.start("c1").document.masks["liver"].array.sum() == 1
        with pytest.raises(SubmitError, match="submitted already"):
            ann.tasks.submit(task)
        assert owner.comments.table("c1")["text"].tolist() == ["easy"]
        assert owner.sessions("c1")["status"].tolist() == ["submitted"]
        with pytest.raises(AccessError, match="somebody else's"):
            self.being("rev", place).tasks.submit(task)

    def test_submitting_asks_for_what_is_required(self, owner: Project, place: Path) -> None:
        asked = Attribute("density", "choice", options=("A", "B"), required=True)
        label = Label("breast", scope=("case",), attributes=(asked,))
        owner.add_case("m1", images=phantom(), copy=True, labels=[label])
        owner.tasks.assign("m1", "ann")
        ann = self.being("ann", place)
        task = self.task_of(ann, "m1")
        session = ann.tasks.begin(task)
        with pytest.raises(SubmitError, match=r"'m1' cannot be submitted: breast: density is required"):
            ann.tasks.submit(task)
        session.document.add(Tag("breast", attributes={"density": "B"}))
        ann.tasks.submit(task)
        frame = owner.results("m1")
        row = frame[frame["question"] == "density"].iloc[0]
        assert (row["case"], row["reader"], row["answer"], row["status"]) == ("m1", "ann", "B", "submitted")

    def test_a_review_returns_accepts_and_rejects(self, owner: Project, place: Path) -> None:
        ann, rev = self.being("ann", place), self.being("rev", place)
        owner.tasks.assign("c1", "ann")
        task = self.task_of(ann)
        with pytest.raises(StoreError, match="not submitted, but to do"):
            rev.tasks.review(task, "accept")
        ann.tasks.begin(task).document.masks["liver"].paint((0, 0, 0))
        ann.tasks.submit(task)
        with pytest.raises(StoreError, match="reason is needed"):
            rev.tasks.review(task, "return")
        with pytest.raises(AccessError):
            ann.tasks.review(task, "accept")
        rev.tasks.review(task, "return", reason="the dome is missing")
        found = ann.tasks.get(task)
        assert (found.status, found.reason) == ("returned", "the dome is missing")
        ann.tasks.begin(task).document.masks["liver"].paint((1, 1, 1))
        ann.tasks.submit(task)
        rev.tasks.review(task, "accept")
        assert ann.tasks.get(task).status == "accepted"
        with pytest.raises(LockedError):
            ann.start("c1").document.masks["liver"].paint((2, 2, 2))
        rev.tasks.review(task, "reject", reason="another protocol")
        assert owner.tasks.progress().set_index("person").loc["ann", "rejected"] == 1

    def test_a_review_task_begins_with_a_copy_to_put_right(self, owner: Project, place: Path) -> None:
        ann, rev = self.being("ann", place), self.being("rev", place)
        owner.tasks.assign("c1", ["ann", "rev"])
        for one in (ann, rev):
            one.tasks.begin(self.task_of(one)).document.masks["liver"].paint((0, 0, 0))
            one.tasks.submit(self.task_of(one))
        made = owner.tasks.assign("c1", ["rev"], kind="review")
        assert made["subject"].tolist() == ["ann"]  # never one's own
        task = made["task"].iloc[0]
        assert list(rev.tasks.readings(task)) == ["ann"]
        session = rev.tasks.begin(task)
        assert session.document.masks["liver"].array.sum() == 1
        session.document.masks["liver"].paint((1, 1, 1))
        rev.tasks.review(task, "accept")
        assert rev.tasks.get(task).status == "submitted"
        assert owner.case("c1").mask("ann", "liver").sum() == 1
        assert owner.case("c1").mask("rev", "liver", session=2).sum() == 2

    def test_adjudication_opens_the_readings(self, owner: Project, place: Path) -> None:
        ann, ext, adj = (self.being(one, place) for one in ("ann", "ext", "adj"))
        owner.tasks.assign("c1", ["ann", "ext"])
        for number, one in enumerate((ann, ext)):
            one.tasks.begin(self.task_of(one)).document.masks["liver"].paint((number, 0, 0))
            one.tasks.submit(self.task_of(one))
        made = owner.tasks.assign("c1", "adj", kind="adjudicate")
        task = made["task"].iloc[0]
        readings = adj.tasks.readings(task)
        assert sorted(readings) == ["ann", "ext"]
        places = [np.argwhere(one.masks["liver"].array).tolist() for one in readings.values()]
        assert sorted(places) == [[[0, 0, 0]], [[1, 0, 0]]]
        session = adj.tasks.begin(task)
        session.document.masks["liver"].paint((3, 0, 0))
        adj.tasks.submit(task)
        assert set(owner.results("c1")["reader"]) == {"ann", "ext", "adj"}
        with pytest.raises(AccessError):
            ann.tasks.readings(self.task_of(ann))

    def test_flags_time_and_progress(self, owner: Project, place: Path) -> None:
        ann = self.being("ann", place)
        owner.tasks.assign(["c1", "c2"], "ann", due="2001-01-01")
        task = self.task_of(ann)
        ann.tasks.flag(task)
        ann.tasks.begin(task).document.masks["liver"].paint((0, 0, 0))
        ann.tasks.active(task, 1e9)
        ann.tasks.active(task, float("nan"))
        assert 0 <= ann.tasks.get(task).active_s < 300
        row = owner.tasks.progress().set_index("person").loc["ann"]
        assert (row["tasks"], row["in work"], row["to do"], row["flagged"], row["overdue"]) == (2, 1, 1, 1, 2)
        ann.tasks.flag(task, False)
        assert not ann.tasks.get(task).flagged
        with pytest.raises(AccessError):
            self.being("rev", place).tasks.active(task, 5)

    def test_what_lies_idle_is_taken_back(self, owner: Project, place: Path) -> None:
        ann = self.being("ann", place)
        owner.tasks.assign(["c1", "c2"], ["ann", "ext"])
        task = self.task_of(ann)
        session = ann.tasks.begin(task)
        session.document.masks["liver"].paint((0, 0, 0))
        ann.tasks.submit(task)
        assert owner.tasks.reclaim(timedelta(hours=1)).empty
        taken = owner.tasks.reclaim(0)
        assert sorted(zip(taken["case"], taken["person"], strict=True)) == [
            ("c1", "ext"), ("c2", "ann"), ("c2", "ext")
        ]  # fmt: skip
        again = owner.tasks.assign("c2", "ann")
        owner.tasks.unassign(again["task"].iloc[0], reason="on leave")
        with pytest.raises(StoreError, match="submitted already"):
            owner.tasks.unassign(task)

    def test_a_session_is_taken_over(self, owner: Project, place: Path) -> None:
        one = self.being("ann", place).start("c1")
        one.document.masks["liver"].paint((0, 0, 0))
        frame = owner.sessions("c1")
        assert frame["writer"].tolist() == ["ann"]
        two = self.being("ann", place).take_over("c1")
        with pytest.raises(ConflictError, match="taken over by 'ann'"):
            one.document.masks["liver"].paint((1, 1, 1))
        two.document.masks["liver"].paint((2, 2, 2))
        assert owner.case("c1").mask("ann", "liver").sum() == 2

    def test_results_are_tidy_with_or_without_names(self, owner: Project, place: Path) -> None:
        ann = self.being("ann", place)
        session = ann.start("c1")
        session.document.masks["liver"].paint((0, slice(0, 2), 0))
        session.document.add(Box("lesion", ((0, 0, 0), (1, 2, 3))))
        session.document.add(Tag("liver", "fatty"))
        frame = owner.results()
        segment = frame[(frame["what"] == "segment") & (frame["label"] == "liver")].iloc[0]
        assert segment["voxels"] == 2
        assert segment["volume_ml"] == pytest.approx(2 * 1.5 * 1.25 * 3 / 1000)
        assert frame[frame["what"] == "tag"]["answer"].tolist() == ["fatty"]
        assert frame[frame["what"] == "box"]["label"].tolist() == ["lesion"]
        plain = owner.results(names=False)
        assert set(plain["case"]) == {"Case 1"}
        assert set(plain["reader"]) == {"Reader 1"}
        assert set(plain["image"]) == {"Image 1"}
        assert set(plain["files"]) == {""}
        assert owner.case("c1").readers == ("ann",)
        assert owner.case("c1").mask("ann", "liver").shape == (4, 6, 5)
        with pytest.raises(UnknownItemError, match="no session of case"):
            owner.case("c1").document("rev")
