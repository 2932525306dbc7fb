"""The project at the service: the contract of every project, over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from contract_access import AccessContract
from contract_tasks import TasksContract
from hub_serving import Served, serving
from moves import phantom
from nbannot.errors import AccessError, LoginError, ServiceError, StoreError, UnknownItemError
from nbannot.store import Project, StoredProject, open_project
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
            context = serving({"study": stored})
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
        with pytest.raises(StoreError, match="where the project is kept"):
            self.open(place).relink("a", "a", tmp_path)

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
    calls: list[Any] = [
        lambda: project.index(tmp_path), project.associate, lambda: project.merge(tmp_path / "out-True.zip"),
        lambda: project.build({}),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(StoreError, match="where the project is kept, not through the service"):
            call()


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
