"""What every kind of project must do: one class, run by the tests of each."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from PIL import Image as Picture

from moves import moves, perform, phantom, state
from nbannot.errors import ConflictError, ReadOnlyError, StoreError, UnknownItemError
from nbannot.formats import read
from nbannot.model.annotations import Box
from nbannot.model.document import Document
from nbannot.model.image import Image
from nbannot.session import Session
from nbannot.store import Project

LABELS = ("liver", "lesion")


def picture(path: Path, *, value: int = 0) -> Path:
    """Write a picture whose content depends on ``value``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.arange(48, dtype=np.uint8).reshape(6, 8) + np.uint8(value)
    Picture.fromarray(array).save(path)
    return path


def opened(path: Path) -> Image:
    image = read(path)
    assert isinstance(image, Image)
    return image


class Said:
    """Views that say what they were asked for."""

    def viewer(self, project: Project, session: Session) -> Any:
        return "viewer", session

    def worklist(self, project: Project, *, mine: bool, thumbnails: bool) -> Any:
        return "worklist", project, mine, thumbnails

    def panel(self, project: Project) -> Any:
        return "panel", project


class ProjectContract(ABC):
    """Inherit, and say how a project is opened."""

    @abstractmethod
    def open(self, place: Path, **options: Any) -> Project:
        """Open the project at a place, or make it."""

    @pytest.fixture
    def place(self, tmp_path: Path) -> Path:
        return tmp_path / "study"

    @pytest.fixture
    def project(self, place: Path) -> Project:
        project = self.open(place, author="ada")
        project.add_case("c1", images=phantom(), copy=True, labels=LABELS)
        return project

    def again(self, project: Project, place: Path) -> Project:
        """The project as another program finds it that starts now."""
        return self.open(place, author="ada")

    # Cases.

    def test_a_new_project_is_empty(self, place: Path) -> None:
        project = self.open(place)
        assert project.case_names == []
        assert len(project.cases) == 0
        assert len(project.sessions()) == 0

    def test_cases_are_listed(self, project: Project) -> None:
        project.add_case("c2", images=[phantom(), phantom(uid="two", name="pet")], copy=True)
        project.start("c1").document.masks["liver"].paint((0, 0, 0))
        frame = project.cases
        assert project.case_names == ["c1", "c2"]
        assert frame["case"].tolist() == ["c1", "c2"]
        assert frame["images"].tolist() == [1, 2]
        assert frame["modality"].tolist() == ["CT", "CT"]
        assert frame["sessions"].tolist() == [1, 0]
        assert frame["edits"].tolist() == [1, 0]
        assert str(frame["last_change"].dt.tz) == "UTC"
        assert frame["last_change"].isna().tolist() == [False, True]

    def test_a_name_is_used_once(self, project: Project) -> None:
        with pytest.raises(StoreError, match="already"):
            project.add_case("c1", images=phantom(), copy=True)
        with pytest.raises(StoreError, match="needs a name"):
            project.add_case(" ", images=phantom(), copy=True)

    def test_an_unknown_case_is_named_with_those_there_are(self, project: Project) -> None:
        for call in (project.start, project.case, project.references, project.images):
            with pytest.raises(UnknownItemError, match=r"'c9'.*c1"):
                call("c9")

    # Images.

    def test_an_image_is_referred_to_and_not_copied(self, place: Path, tmp_path: Path) -> None:
        path = picture(tmp_path / "images" / "a.png")
        project = self.open(place)
        project.add_case("a", images=path)
        assert sum(file.suffix == ".png" for file in place.rglob("*")) == 0
        (reference,) = project.references("a")
        assert reference.uri == path.as_uri()
        assert np.array_equal(project.images("a")[0].array[0], np.arange(48).reshape(6, 8))

    def test_a_copy_outlives_its_source(self, place: Path, tmp_path: Path) -> None:
        path = picture(tmp_path / "images" / "a.png")
        project = self.open(place)
        project.add_case("a", images=str(path), copy=True)
        path.unlink()
        assert project.images("a")[0].shape == (1, 6, 8)

    def test_a_copy_from_memory_is_exact(self, project: Project) -> None:
        image, original = project.images("c1")[0], phantom()
        assert np.array_equal(image.array, original.array)
        assert image.dtype == original.dtype
        assert image.geometry == original.geometry
        assert (image.id, image.unit, image.modality) == ("image-1", "HU", "CT")

    def test_an_image_in_memory_has_no_place_to_refer_to(self, place: Path) -> None:
        with pytest.raises(StoreError, match="copy=True"):
            self.open(place).add_case("a", images=phantom())

    def test_a_missing_image_is_refused(self, place: Path, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match=r"nowhere\.png"):
            self.open(place).add_case("a", images=tmp_path / "nowhere.png")
        assert self.open(place).case_names == []

    def test_a_moved_image_is_named_and_linked_again(self, place: Path, tmp_path: Path) -> None:
        path = picture(tmp_path / "images" / "a.png")
        project = self.open(place)
        project.add_case("a", images=path, labels=["spot"])
        project.start("a").document.masks["spot"].paint((0, 1, 1))
        project.close()
        project = self.open(place)
        path.rename(tmp_path / "b.png")
        name = project.references("a")[0].name
        with pytest.raises(StoreError, match=rf"a\.png is missing.*relink\('a', '{name}'"):
            project.start("a")
        other = picture(tmp_path / "other.png", value=1)
        with pytest.raises(StoreError, match="does not hold"):
            project.relink("a", name, other)
        project.relink("a", name, tmp_path / "b.png")
        assert project.start("a").document.masks["spot"].array.sum() == 1
        project.relink("a", name, tmp_path)

    def test_a_changed_image_is_never_annotated(self, place: Path, tmp_path: Path) -> None:
        path = picture(tmp_path / "a.png")
        project = self.open(place)
        project.add_case("a", images=path)
        picture(path, value=1)
        with pytest.raises(StoreError, match="is not the file that was annotated"):
            project.start("a")

    # Sessions.

    def test_every_edit_is_there_after_opening_again(self, project: Project, place: Path) -> None:
        session = project.start("c1")
        document = session.document
        document.masks["liver"].paint((slice(0, 2), 0, 0))
        document.masks["lesion"].array[1, 1, 1] = 1
        document.refresh()
        document.add(Box("lesion", ((0, 0, 0), (1, 2, 3))))
        document.undo()
        other = self.again(project, place).start("c1")
        assert state(other.document) == state(document)
        assert other.document.id == document.id
        assert other.document.history == document.history
        assert (other.document.can_undo, other.document.can_redo) == (True, True)
        other.document.redo()
        assert len(other.document.boxes) == 1

    def test_starting_twice_gives_the_same_session(self, project: Project) -> None:
        assert project.start("c1") is project.start("c1")

    def test_an_edit_is_kept_once(self, project: Project, place: Path) -> None:
        document = project.start("c1").document
        edit = document.add(Box("lesion", ((0, 0, 0), (1, 2, 3))))
        document.apply(edit)
        other = self.again(project, place).start("c1")
        assert other.document.seen(edit.id)
        other.document.apply(edit)
        assert other.step == 1

    def test_a_refused_edit_is_not_kept(self, project: Project, place: Path) -> None:
        document = project.start("c1").document
        with pytest.raises(Exception, match="no label"):
            document.add(Box("nothing", ((0, 0, 0), (1, 2, 3))))
        assert self.again(project, place).start("c1").step == 0

    def test_the_second_writer_of_a_session_is_refused(self, project: Project, place: Path) -> None:
        one = project.start("c1")
        two = self.again(project, place).start("c1")
        one.document.masks["liver"].paint((0, 0, 0))
        with pytest.raises(ConflictError, match=r"changed elsewhere.*Reopen"):
            two.document.masks["liver"].paint((1, 1, 1))
        assert two.document.masks["liver"].array.sum() == 0
        two.document.masks["liver"].array[2, 2, 2] = 1
        with pytest.raises(ConflictError):
            two.document.refresh()
        one.document.masks["liver"].paint((3, 3, 3))
        third = self.again(project, place).start("c1")
        assert state(third.document) == state(one.document)

    def test_a_session_changed_elsewhere_is_opened_anew(self, project: Project, place: Path) -> None:
        one = project.start("c1")
        self.again(project, place).start("c1").document.masks["liver"].paint((0, 0, 0))
        with pytest.raises(ConflictError):
            one.document.masks["liver"].paint((1, 1, 1))
        anew = project.start("c1")
        assert anew is not one
        anew.document.masks["liver"].paint((2, 2, 2))
        assert anew.document.masks["liver"].array.sum() == 2
        assert project.start("c1") is anew

    def test_the_view_is_kept_with_each_edit(self, project: Project, place: Path) -> None:
        session = project.start("c1")
        session.view = {"layout": "coronal"}
        session.document.masks["liver"].paint((0, 0, 0))
        session.view = {"layout": "axial"}
        assert self.again(project, place).start("c1").view == {"layout": "coronal"}

    def test_readers_do_not_meet(self, project: Project, place: Path) -> None:
        project.start("c1", reader="ada").document.masks["liver"].paint((0, 0, 0))
        project.start("c1", reader="bob").document.masks["liver"].paint((1, 1, 1))
        project.start("c1", reader="bob", repeat=2)
        other = self.again(project, place)
        for reader, index in (("ada", [0, 0, 0]), ("bob", [1, 1, 1])):
            array = other.start("c1", reader=reader).document.masks["liver"].array
            assert np.argwhere(array).tolist() == [index]
        frame = other.sessions("c1")
        assert frame[["reader", "session", "repeat", "edits"]].to_numpy().tolist() == [
            ["ada", 1, 1, 1], ["bob", 1, 1, 1], ["bob", 1, 2, 0]
        ]  # fmt: skip

    def test_history_and_restoring(self, project: Project, place: Path) -> None:
        session = project.start("c1")
        session.document.masks["liver"].paint((0, 0, 0))
        session.document.masks["liver"].paint((1, 1, 1))
        session.restore(1)
        other = self.again(project, place).start("c1")
        assert other.document.masks["liver"].array.sum() == 1
        assert other.at(2).masks["liver"].array.sum() == 2
        frame = project.history("c1")
        assert frame.equals(session.history())
        assert frame["what"].tolist()[-1] == "restore step 1"
        assert len(project.history("c1", reader="nobody")) == 0

    def test_a_closed_session_takes_no_edits_and_opens_again(self, project: Project) -> None:
        session = project.start("c1")
        session.view["layout"] = "axial"
        session.document.masks["liver"].array[0, 0, 0] = 1
        session.close()
        session.close()
        with pytest.raises(ReadOnlyError, match="closed"):
            session.document.masks["liver"].paint((1, 1, 1))
        again = project.start("c1")
        assert again is not session
        assert again.document.masks["liver"].array.sum() == 1
        assert again.view == {"layout": "axial"}

    def test_opening_shows_what_show_makes(self, place: Path) -> None:
        project = self.open(place, show=Said())
        project.add_case("c1", images=phantom(), copy=True)
        shown, session = project.open("c1")
        assert shown == "viewer"
        assert session is project.start("c1")
        assert project.worklist(mine=False) == ("worklist", project, False, True)
        assert project.panel() == ("panel", project)
        for showing in (
            lambda: self.open(place).open("c1"),
            self.open(place).worklist,
            self.open(place).panel,
        ):
            with pytest.raises(StoreError, match=r"project\.start"):
                showing()

    def test_a_session_begins_with_what_the_configuration_says(self, place: Path) -> None:
        project = self.open(place)
        tumour = phantom(uid="image-2", name="seg")
        tumour.array[...] = np.arange(tumour.array.size).reshape(tumour.array.shape) % 3
        project.add_case("c1", images=[phantom(), tumour], copy=True, labels=["liver"])
        project.configs.set(
            "about: {title: Livers}\n"
            "labels: {defaultLabels: {lesion: {color: '#ff0000'}, liver: {color: '#00ff00'}}}\n"
            "hanging: [{when: {count: [1, null]}, layers: [{image: {name: seg}, over: {name: ct},"
            " mask: {1: lesion}}]}]\n"
        )
        assert project.configs.of("c1").config.about == {"title": "Livers"}
        document = project.start("c1").document
        assert {label.name for label in document.labels} == {"liver", "lesion", "seg 2"}
        assert {one.label for one in document.masks["seg"].segments} == {"lesion", "seg 2"}
        assert (document.masks["seg"].array == tumour.array).all()
        assert project.case("c1").mask(project.author, "lesion").sum() == (tumour.array == 1).sum()

    # Sessions from elsewhere.

    def test_a_session_from_elsewhere_is_kept_whole(self, project: Project, place: Path) -> None:
        document = Document(phantom(), labels=["bone"], author="eve")
        document.masks["bone"].paint((0, 0, 0))
        document.add(Box("bone", ((0, 0, 0), (1, 2, 3))))
        session = Session.of(document, view={"layout": "mpr"})
        project.save(session, case="c1")
        other = self.again(project, place).start("c1")
        assert state(other.document) == state(document)
        assert other.view == {"layout": "mpr"}
        assert other.history()["author"].tolist() == ["eve", "eve"]
        assert not other.at(0).boxes
        document.masks["bone"].paint((1, 1, 1))
        project.save(session, case="c1")
        assert project.sessions()["edits"].tolist() == [3]
        other = self.again(project, place).start("c1")
        other.document.masks["bone"].paint((2, 2, 2))
        document.masks["bone"].paint((3, 3, 3))
        with pytest.raises(ConflictError, match="changed elsewhere"):
            project.save(session, case="c1")

    def test_a_session_of_another_image_is_refused(self, project: Project) -> None:
        session = Session.of(Document(phantom(uid="another")))
        with pytest.raises(StoreError, match="is not an image of case 'c1'"):
            project.save(session, case="c1")
        with pytest.raises(StoreError, match="Name a case"):
            project.save(session)

    def test_saving_makes_a_case_and_knows_its_image_by_content(self, place: Path, tmp_path: Path) -> None:
        path = picture(tmp_path / "a.png")
        project = self.open(place)
        for n in (1, 2):
            document = Document(opened(path), labels=["spot"])
            document.masks["spot"].paint((0, n, n))
            document.add(Box("spot", ((0, 1, 1), (0, 2, 2))))
            project.save(Session.of(document), case="a")
        assert project.sessions("a")["session"].tolist() == [1, 2]
        assert project.start("a").document.masks["spot"].array[0, 2, 2] == 1
        assert project.start("a", session=1).document.masks["spot"].array[0, 1, 1] == 1

    # Anything.

    @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
    @given(sequence=moves())
    def test_opened_again_equals(
        self, sequence: list[tuple[Any, ...]], tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        place = tmp_path_factory.mktemp("study")
        project = self.open(place, author="ada")
        project.add_case("c1", images=phantom(), copy=True, labels=LABELS)
        session = project.start("c1")
        states = {0: state(session.document)}
        for move in sequence:
            perform(session.document, move)
            states[session.step] = state(session.document)
        with warnings.catch_warnings():
            other = self.again(project, place).start("c1")
        assert state(other.document) == state(session.document)
        assert other.document.history == session.document.history
        assert other.document.can_undo == session.document.can_undo
        assert other.document.can_redo == session.document.can_redo
        for step, kept in states.items():
            assert state(other.at(step)) == kept
