"""What every kind of project must do about people: roles, refusals, the audit log, comments, configurations."""

from __future__ import annotations

import itertools
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from moves import phantom
from nbannot.errors import AccessError, ConfigError, StoreError, UnknownItemError
from nbannot.store import Project

PEOPLE = {
    "ann": "annotator", "rev": "reviewer", "adj": "adjudicator", "ext": "reader", "aud": "auditor"
}  # fmt: skip


class Crowd(ABC):
    """Several people at one project; inherit, and say how a project is opened."""

    @abstractmethod
    def open(self, place: Path, **options: Any) -> Project:
        """Open the project at a place, or make it, as ``author``."""

    @pytest.fixture
    def place(self, tmp_path: Path) -> Iterator[Path]:
        self.opened: list[Project] = []
        yield tmp_path / "study"
        for project in reversed(self.opened):
            project.close()

    @pytest.fixture
    def owner(self, place: Path) -> Project:
        project = self.being("own", place)
        for name in ("c1", "c2", "x1"):
            project.add_case(name, images=phantom(), copy=True, labels=["liver", "lesion"])
        project.people.grant("own", "owner")
        for person, role in PEOPLE.items():
            project.people.grant(person, role)
        return project

    def being(self, person: str, place: Path) -> Project:
        """The project as another person opens it."""
        project = self.open(place, author=person)
        self.opened.append(project)
        return project


class AccessContract(Crowd):
    """Roles, refusals and the log."""

    def test_a_project_without_members_is_open_until_somebody_owns_it(self, place: Path) -> None:
        project = self.being("ada", place)
        assert project.people.allowed("project.manage").reason == "the project has no members yet"
        with pytest.raises(StoreError, match=r"Nobody would own.*grant"):
            project.people.grant("bob", "annotator")
        assert len(project.people.table) == 0
        project.people.grant("ada", "owner")
        assert not self.being("bob", place).people.allowed("project.read")
        with pytest.raises(StoreError, match="Nobody would own"):
            project.people.revoke("ada")
        with pytest.raises(StoreError, match=r"no role 'boss'.*owner"):
            project.people.grant("bob", "boss")

    def test_roles_are_listed_and_hold_at_once(self, owner: Project, place: Path) -> None:
        frame = owner.people.table
        assert frame["person"].tolist() == ["adj", "ann", "aud", "ext", "own", "rev"]
        assert set(frame["granted_by"]) == {"own"}
        ann = self.being("ann", place)
        session = ann.start("c1")
        session.document.masks["liver"].paint((0, 0, 0))
        assert ann.people.roles() == ("annotator",)
        owner.people.revoke("ann")
        with pytest.raises(AccessError, match=r"session\.write for case 'c1'.*no member"):
            session.document.masks["liver"].paint((1, 1, 1))
        assert session.document.masks["liver"].array.sum() == 1
        with pytest.raises(AccessError):
            ann.start("c1")
        with pytest.raises(UnknownItemError):
            owner.people.revoke("ann")
        owner.people.grant("ann", "annotator", cases="x*")
        assert ann.case_names == ["x1"]
        assert ann.cases["case"].tolist() == ["x1"]
        with pytest.raises(AccessError, match=r"holds for the cases 'x\*' only"):
            ann.images("c1")
        assert ann.people.allowed("case.read", "x1")
        assert not ann.people.allowed("case.read", "c1")

    def test_everybody_is_refused_what_the_role_leaves_out(self, owner: Project, place: Path) -> None:
        ann, ext, aud = (self.being(one, place) for one in ("ann", "ext", "aud"))
        owner.start("c1").document.masks["liver"].paint((0, 0, 0))
        refused: list[Any] = [
            lambda: ann.add_case("c9", images=phantom(), copy=True),
            lambda: ann.people.grant("ann", "owner"),
            lambda: ann.start("c1", reader="own"),
            lambda: ann.history("c1", reader="own"),
            lambda: ann.case("c1").document("own"),
            lambda: ann.audit.table(),
            lambda: ann.configs.set("layout: axial"),
            lambda: ann.tasks.assign("*", "ann"),
            lambda: ext.cases,
            lambda: ext.case_names,
            lambda: ext.images("c1"),
            lambda: ext.start("c1"),
            lambda: ext.comments.add("c1", "let me in"),
            lambda: ext.start("there is no such case"),
            lambda: aud.start("c1"),
            lambda: aud.comments.add("c1", "hm"),
        ]
        before = len(owner.audit.table(outcome="refused"))
        for call in refused:
            with pytest.raises(AccessError):
                call()
        log = owner.audit.table(outcome="refused")
        assert len(log) - before == len(refused)
        assert set(log["actor"]) == {"ann", "ext", "aud"}
        assert all(log["reason"])
        assert len(ext.sessions()) == 0
        assert owner.audit.verify().ok

    def test_every_change_is_in_the_log_in_order(self, owner: Project, place: Path) -> None:
        ann = self.being("ann", place)
        ann.start("c1").document.masks["liver"].paint((0, 0, 0))
        log = self.being("aud", place).audit.table()
        assert log["seq"].tolist() == list(range(1, len(log) + 1))
        last = log.iloc[-1]
        assert (last["actor"], last["action"], last["case"], last["outcome"]) == (
            "ann", "session.write", "c1", "done"
        )  # fmt: skip
        assert last["reason"] == "as annotator"
        assert last["detail"]["kind"] == "paint"
        assert len(last["detail"]["sha256"]) == 64
        grants = log[log["action"] == "project.manage"]["detail"].tolist()
        assert grants[0] == {"do": "grant", "person": "own", "role": "owner", "cases": "*"}
        assert owner.audit.table(actor="ann", case="c1", after=int(last["seq"]) - 1)["seq"].tolist() == [
            last["seq"]
        ]
        assert len(owner.audit.table(limit=3)) == 3

    def test_the_log_is_verified_and_exported(self, owner: Project, place: Path, tmp_path: Path) -> None:
        found = owner.audit.verify()
        assert (found.ok, found.first_bad) == (True, None)
        assert found.rows == len(owner.audit.table())
        owner.audit.export(tmp_path / "audit.jsonl")
        rows = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
        assert len(rows) >= found.rows
        for before, after in itertools.pairwise(rows):
            assert after["previous"] == before["hash"]
        with pytest.raises(AccessError):
            self.being("rev", place).audit.export(tmp_path / "mine.jsonl")

    def test_comments_have_places_and_are_for_those_concerned(self, owner: Project, place: Path) -> None:
        ann, rev = self.being("ann", place), self.being("rev", place)
        key = ann.comments.add("c1", "Is this one?", place={"world": [1, 2.5, 3], "image": "image-1"})
        owner.comments.add("c1", "For the reviewers")
        assert ann.comments.table("c1")["text"].tolist() == ["Is this one?"]
        frame = rev.comments.table("c1")
        assert frame["place"].tolist() == [{"world": [1.0, 2.5, 3.0], "image": "image-1"}, None]
        rev.comments.resolve(key)
        assert ann.comments.table()["resolved"].tolist() == ["rev"]
        with pytest.raises(StoreError, match="three finite numbers"):
            ann.comments.add("c1", "x", place={"world": [1, 2, float("nan")]})
        with pytest.raises(StoreError, match="says nothing of"):
            ann.comments.add("c1", "x", place={"patient": "A"})
        with pytest.raises(StoreError, match="between 1 and"):
            ann.comments.add("c1", " ")
        with pytest.raises(AccessError, match="not yours"):
            ann.comments.resolve(key + 1)
        with pytest.raises(StoreError, match="cannot be kept"):
            ann.comments.add("c1", "zero \x00 byte")

    def test_configurations_have_levels_versions_and_origins(self, owner: Project, place: Path) -> None:
        owner.configs.set("windowing: {level: 40, width: 400}\nlinks: {slice: true}")
        assert owner.configs.set("__inherit__: true\nwindowing: {width: 80}", level="case:c1") == 1
        assert owner.configs.set("__inherit__: true\nwindowing: {width: 90}", level="case:c1") == 2
        found = owner.configs.of("c1")
        assert found.config.windowing == (40, 90)
        assert found.origins["windowing.level"] == "project version 1"
        assert found.origins["windowing.width"] == "case:c1 version 2"
        assert owner.configs.of("c2").config.windowing == (40, 400)
        owner.configs.set("headers: false", role="reader")
        assert owner.configs.of("c2", role="reader").config.headers is False
        assert owner.configs.of("c2", role="reader").config.windowing == (40, 400)
        assert owner.configs.of("c2").config.headers is True
        assert owner.configs.history("case:c1")["version"].tolist() == [1, 2]
        owner.configs.set("windowing: {level: 1, width: 2}", level="case:c1")
        assert owner.configs.of("c1").config.links == {}
        with pytest.raises(ConfigError, match="Unknown key"):
            owner.configs.set("windoing: {level: 40}")
        with pytest.raises(StoreError, match="no level 'patient'"):
            owner.configs.set("headers: false", level="patient")
        with pytest.raises(UnknownItemError):
            owner.configs.set("headers: false", level="case:c9")
        assert len(owner.configs.history()) == 1

    def test_presence_tells_who_is_where(self, owner: Project, place: Path) -> None:
        rev = self.being("rev", place)
        rev.be("c1", {"world": [1, 2, 3]})
        owner.be("c1", {"world": [4, 5, 6]})
        frame = owner.presence("c1")
        assert frame["person"].tolist() == ["own", "rev"]
        assert frame["place"].tolist()[1] == {"world": [1, 2, 3]}
        rev.be("c1")
        assert owner.presence()["person"].tolist() == ["own"]
        with pytest.raises(AccessError):
            self.being("ext", place).be("c1", {})
