"""The project at the service: the contract of every project, over real HTTP."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from contract_access import AccessContract
from contract_cases import CasesContract, volume
from contract_exchange import ExchangeContract
from contract_tasks import TasksContract
from hub_serving import LIMITS, Served, serving
from moves import phantom
from nbannot.errors import AccessError, ConflictError, LoginError, ServiceError, StoreError, UnknownItemError
from nbannot.store import Project, StoredProject, open_project
from nbannot.store.wire import pack
from project_contract import ProjectContract, picture

pytestmark = pytest.mark.slow


class Houses:
    """A service for each place that a test asks for."""

    def __init__(self) -> None:
        self.known: dict[Path, tuple[Served, Any]] = {}

    def at(self, place: Path, owners: tuple[str, ...]) -> Served:
        if place not in self.known:
            stored = open_project(place, author=owners[0])
            assert isinstance(stored, StoredProject)
            for person in owners:
                stored.people.grant(person, "owner")
            context = serving({"study": stored}, index_from={"study": [str(place.parent / "places")]})
            self.known[place] = (context.__enter__(), context)
        return self.known[place][0]

    def close(self) -> None:
        for _, context in self.known.values():
            context.__exit__(None, None, None)


@pytest.fixture(scope="module")
def houses() -> Iterator[Houses]:
    found = Houses()
    yield found
    found.close()


class AtService:
    """A project at a service; whoever is named is who the token belongs to."""

    owners: tuple[str, ...] = ("own",)

    @pytest.fixture(autouse=True)
    def _houses(self, houses: Houses) -> None:
        self.houses = houses

    def open(self, place: Path, **options: Any) -> Project:
        author = options.pop("author", "owner")
        served = self.houses.at(place, self.owners)
        return open_project(f"{served.url}/projects/study", storage_options={"token": author}, **options)


class TestProject(AtService, ProjectContract):
    owners = ("ada", "bob", "owner")

    # The service does not see the files of the program's machine, so it refers to none of them.

    def test_an_image_is_referred_to_and_not_copied(self, place: Path, tmp_path: Path) -> None:
        path = picture(tmp_path / "images" / "a.png")
        with pytest.raises(StoreError, match=r"does not see the files.*copy=True"):
            self.open(place).add_case("a", images=path)
        assert self.open(place).case_names == []

    def test_a_moved_image_is_named_and_linked_again(self, place: Path, tmp_path: Path) -> None:
        """That of a place which the service may read: `CasesContract`."""
        project = self.open(place)
        project.add_case("a", images=picture(tmp_path / "a.png"), copy=True)
        with pytest.raises(AccessError, match="may not read this place"):
            project.relink("a", "a", tmp_path / "a.png")

    def test_a_changed_image_is_never_annotated(self, place: Path, tmp_path: Path) -> None:
        path = picture(tmp_path / "a.png")
        project = self.open(place)
        project.add_case("a", images=path, copy=True)
        (kept,) = [file for file in place.rglob("*.png") if file.is_file()]
        kept.chmod(0o600)
        picture(kept, value=1)
        with pytest.raises(StoreError, match="is not the file that was annotated") as refused:
            project.start("a")
        assert str(place) not in str(refused.value)


class TestAccess(AtService, AccessContract):
    def test_a_project_without_members_is_open_until_somebody_owns_it(self, place: Path) -> None:
        """The service never relies on that: it does not start with such a project."""
        with pytest.raises(UnknownItemError, match="no such project for you"):
            self.being("ada", place)

    def test_roles_are_listed_and_hold_at_once(self, owner: Project, place: Path) -> None:
        ann = self.being("ann", place)
        session = ann.start("c1")
        session.document.masks["liver"].paint((0, 0, 0))
        owner.people.grant("ann", "annotator", cases="x*")
        owner.people.revoke("ann")
        # Who has no role any more is told nothing, as if there were no such project.
        with pytest.raises(UnknownItemError, match="nothing here for you"):
            session.document.masks["liver"].paint((1, 1, 1))
        assert session.document.masks["liver"].array.sum() == 1
        owner.people.grant("ann", "annotator", cases="x*")
        assert ann.case_names == ["x1"]
        with pytest.raises(AccessError, match=r"holds for the cases 'x\*' only"):
            ann.images("c1")
        session.close()


class TestTasks(AtService, TasksContract):
    def test_assigning_to_everybody_and_again(self, owner: Project, place: Path) -> None:
        """As everywhere, but another's task looks like one that is not there."""
        made = owner.tasks.assign(["c1", "c2"], ["ann", "ext"], batch="first", due="2031-01-02")
        assert made["case"].tolist() == ["c1", "c2", "c1", "c2"]
        assert set(made["due"].dt.year) == {2031}
        assert len(owner.tasks.assign("c*", ["ann", "ext"])) == 0
        ext = self.being("ext", place)
        assert ext.tasks.table()["case"].tolist() == ["Case 1", "Case 2"]
        assert ext.tasks.get(str(ext.tasks.table()["task"].iloc[0])).case == "Case 1"
        for task in (made["task"].iloc[0], "0" * 32):
            with pytest.raises(UnknownItemError, match="nothing here for you|no such task"):
                ext.tasks.get(task)

    def test_a_reader_sees_the_cases_of_open_tasks_only(self, owner: Project, place: Path) -> None:
        """Of these, only by the page: raw voxels and sessions are refused to programs of readers."""
        ext = self.being("ext", place)
        owner.tasks.assign("c1", "ext")
        assert ext.tasks.table()["case"].tolist() == ["Case 1"]
        task = str(ext.tasks.table()["task"].iloc[0])
        calls: list[Any] = [
            lambda: ext.images("c1"), lambda: ext.start("c1"), lambda: ext.tasks.begin(task),
            lambda: ext.case("c1").mask("ext", "liver"), lambda: ext.tasks.readings(task),
        ]  # fmt: skip
        for call in calls:
            with pytest.raises(AccessError, match="You may not do this"):
                call()

    def test_adjudication_opens_the_readings(self, owner: Project, place: Path) -> None:
        owner.people.grant("ext", "annotator")  # whose program this contract speaks of
        super().test_adjudication_opens_the_readings(owner, place)


class TestExchange(AtService, ExchangeContract):
    owners = ("own", "zoe")
    copies = True

    def test_built_sessions_are_kept_for_their_readers(self, owner: Project, place: Path) -> None:
        owner.people.grant("ext", "annotator")  # whose program this contract speaks of
        super().test_built_sessions_are_kept_for_their_readers(owner, place)


class TestCases(AtService, CasesContract):
    def again_when_free(self, owner: Project, data: Path) -> Any:
        end = time.monotonic() + 60
        while True:
            try:
                return owner.index(data)
            except ConflictError:
                assert time.monotonic() < end
                time.sleep(0.2)

    def test_only_named_places_are_indexed(self, owner: Project, place: Path, tmp_path: Path) -> None:
        volume(tmp_path / "secret" / "a.nii.gz")
        (tmp_path / "places").mkdir()
        (tmp_path / "places" / "link").symlink_to(tmp_path / "secret")
        here = str(tmp_path / "places")
        for url in (
            tmp_path / "secret", f"{here}/../secret", f"{here}/link", f"{here}2", "s3://bucket/x",
            f"zip://a::{tmp_path}/secret/a.zip", "http://127.0.0.1/a.zip",
            f"local://{here}", "dicomweb+https://pacs.example.org/",
        ):  # fmt: skip
            with pytest.raises(AccessError, match="may not read this place"):
                owner.index(url)
        assert len(owner.audit.table(outcome="refused", action="case.add")) == 9
        with pytest.raises(StoreError, match="absolute"):
            owner.index("places")
        with pytest.raises(StoreError, match="function cannot be sent"):
            owner.index(here, rules=lambda one: None)
        with pytest.raises(StoreError, match="storage_options= away"):
            owner.index(here, storage_options={"key": "x"})
        assert owner.case_names == ["c1", "c2", "x1"]

    def test_jobs_are_told_to_their_person_only(self, owner: Project, place: Path, tmp_path: Path) -> None:
        (tmp_path / "places").mkdir()
        url, key = f"{self.houses.at(place, self.owners).url}/api/v1/projects/study/jobs", "0" * 31 + "a"
        asked = pack({"job": key, "kind": "index", "options": {"url": str(tmp_path / "places")}})
        mine, other = {"Authorization": "token own"}, {"Authorization": "token ann"}
        for _ in range(2):  # a request that comes twice does nothing twice
            assert httpx.post(url, content=asked, headers=mine).json()["key"] == key
        assert httpx.get(f"{url}/{key}", headers=other).status_code == 404
        assert httpx.post(f"{url}/{key}/stop", headers=other).status_code == 404
        assert httpx.post(url, content=asked, headers=other).status_code in (403, 404)
        rows = owner.audit.table(action="case.add")["detail"]
        assert [one.get("do") for one in rows].count("index") <= 1
        for wrong in (
            {"job": "../x", "kind": "associate"}, {"job": "0" * 32, "kind": "drop"},
            {"job": "0" * 32, "kind": "index", "options": {"url": str(tmp_path / "places"), "rules": "/etc/x.csv"}},
            {"job": "0" * 32, "kind": "index",
             "options": {"url": str(tmp_path / "places"), "rules": {"table": "/etc/x.csv"}}},
            {"job": "0" * 32, "kind": "associate", "options": {"table": "/etc/x.csv"}},
            {"job": "0" * 32, "kind": "relink", "options": {}},
        ):  # fmt: skip
            answer = httpx.post(url, content=pack(wrong), headers=mine)
            assert answer.status_code in (409, 422), answer.text


def test_a_merge_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    stored = open_project(tmp_path / "study", author="own")
    stored.people.grant("own", "owner")
    file = stored.export_to(tmp_path / "out.zip")
    limits = replace(LIMITS, unpacked_bytes=10)
    with serving({"study": stored}, limits=limits) as served:
        project = open_project(served.url, storage_options={"token": "own"})
        with pytest.raises(StoreError, match="unpacks to more"):
            project.merge(file)
        assert not list(tmp_path.glob("nbannot-upload-*"))


def test_the_address_says_what_is_wrong_with_it(houses: Houses, tmp_path: Path, monkeypatch: Any) -> None:
    served = houses.at(tmp_path / "study", ("own",))
    monkeypatch.delenv("JUPYTERHUB_API_TOKEN", raising=False)
    with pytest.raises(LoginError, match="no token"):
        open_project(served.url)
    with pytest.raises(StoreError, match="not sent over plain http"):
        open_project("http://hub.example.org/services/nbannot", storage_options={"token": "x"})
    with pytest.raises(StoreError, match="carries no token"):
        open_project("https://own:secret@hub.example.org/x", storage_options={"token": "x"})
    with pytest.raises(UnknownItemError, match="0 projects"):
        open_project(served.url, storage_options={"token": "nobody"})
    with pytest.raises(UnknownItemError, match="no such project"):
        open_project(f"{served.url}/projects/other", storage_options={"token": "own"})
    with pytest.raises(StoreError, match="belongs to 'own', not to 'ada'"):
        open_project(served.url, author="ada", storage_options={"token": "own"})
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "own")
    assert open_project(served.url).author == "own"


def test_an_edit_whose_answer_was_lost_is_kept_once(
    houses: Houses, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = houses.at(tmp_path / "study", ("own",))
    project = open_project(served.url, storage_options={"token": "own"})
    project.add_case("c1", images=phantom(), copy=True, labels=["liver"])
    session = project.start("c1")
    real, lost = httpx.Client.request, []

    def losing(self: httpx.Client, *args: Any, **options: Any) -> httpx.Response:
        answer = real(self, *args, **options)
        if "/edits" in str(answer.url) and not lost:
            lost.append(answer)
            raise httpx.ReadError("the answer was lost")
        return answer

    monkeypatch.setattr(httpx.Client, "request", losing)
    session.document.masks["liver"].paint((0, 0, 0))
    session.document.masks["liver"].paint((1, 1, 1))
    assert lost and project.sessions("c1")["edits"].tolist() == [2]


def test_a_project_goes_out_through_the_service_and_in_elsewhere(houses: Houses, tmp_path: Path) -> None:
    served = houses.at(tmp_path / "study", ("own",))
    project = open_project(served.url, storage_options={"token": "own"})
    project.add_case("c1", images=picture(tmp_path / "scan.png"), copy=True, labels=["spot"])
    project.start("c1").document.masks["spot"].paint((0, 0, 0))
    for images in (True, False):
        file = project.export_to(tmp_path / f"out-{images}", images=images)
        there = open_project(tmp_path / f"there-{images}", author="zoe")
        report = there.merge(file)
        assert report["result"].tolist()[0] == "new" if images else "neither" in report["result"].iloc[0]
        there.close()
    elsewhere = open_project(tmp_path / "there-True", author="zoe")
    assert elsewhere.case("c1").mask("own", "spot").sum() == 1
    assert project.audit.table(action="export")["actor"].tolist() == ["own", "own"]
    project.people.grant("ann", "annotator")
    with pytest.raises(AccessError, match="does not include export"):
        open_project(served.url, storage_options={"token": "ann"}).export_to(tmp_path / "mine.zip")
    for kept in (tmp_path / "study").rglob("*.png"):
        kept.unlink()
    with pytest.raises(StoreError):
        project.export_to(tmp_path / "broken.zip", images=True)
    assert [one.name for one in tmp_path.iterdir() if "mine" in one.name or "broken" in one.name] == []


def test_a_service_that_is_away_is_told_and_nothing_takes_effect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nbannot.store.remote_client.time.sleep", lambda seconds: None)
    stored = open_project(tmp_path, author="own")
    stored.people.grant("own", "owner")
    with serving({"study": stored}) as served:
        project = open_project(served.url, storage_options={"token": "own"})
        project.add_case("c1", images=phantom(), copy=True, labels=["liver"])
        document = project.start("c1").document
        served.login.away = ServiceError("The Hub does not answer")
        with pytest.raises(ServiceError, match="The Hub does not answer"):
            document.masks["liver"].paint((0, 0, 0))
        served.login.away = None
    with pytest.raises(ServiceError, match=r"does not answer.*not kept"):
        document.masks["liver"].paint((0, 0, 0))
    assert document.masks["liver"].array.sum() == 0
