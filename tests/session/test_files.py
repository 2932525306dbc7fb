from __future__ import annotations

import errno
import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from PIL import Image as Picture

from moves import moves, perform, phantom, state
from nbannot.errors import FormatError, NewerVersionError, StoreError, UnknownItemError
from nbannot.formats import read
from nbannot.model.annotations import Box, Tag
from nbannot.model.document import Document
from nbannot.model.image import Image
from nbannot.session import Session, load, save
from nbannot.session.migrations import VERSION, migrate

FIXTURES = Path(__file__).parent / "fixtures"


@settings(max_examples=40, deadline=None)
@given(sequence=moves())
def test_a_session_comes_back_exactly(
    sequence: list[tuple[object, ...]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("nbs") / "a.nbs"
    document = Document(phantom(), labels=["liver", "lesion"], author="ada")
    for move in sequence:
        perform(document, move)
    view = {"windows": {"image-1": [40.0, 400.0]}, "layout": "mpr"}
    save(path, Session.of(document, view=view))
    again = load(path, images=phantom())
    assert state(again.document) == state(document)
    assert [mask.array.dtype for mask in again.document.masks] == [
        mask.array.dtype for mask in document.masks
    ]
    assert again.document.id == document.id
    assert again.view == view
    assert again.document.history == document.history
    assert (again.document.can_undo, again.document.can_redo) == (
        document.can_undo,
        document.can_redo,
    )


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "images" / "a.png"
    path.parent.mkdir()
    Picture.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8)).save(path)
    return path


def opened(path: Path) -> Image:
    image = read(path)
    assert isinstance(image, Image)
    return image


def test_the_image_is_found_where_it_was(picture: Path, tmp_path: Path) -> None:
    document = Document(opened(picture), labels=["spot"])
    document.masks["spot"].paint((0, 2, 3))
    path = save(tmp_path / "session", Session.of(document))
    assert path == tmp_path / "session.nbs"
    again = load(path)
    assert again.document.masks["spot"].array[0, 2, 3] == 1
    assert np.array_equal(again.document.images[0].array, document.images[0].array)
    assert again.references[0].uri == "images/a.png"


def test_folder_and_session_may_move_together(picture: Path, tmp_path: Path) -> None:
    save(tmp_path / "a.nbs", Session.of(Document(opened(picture), labels=["spot"])))
    (tmp_path / "new").mkdir()
    (tmp_path / "images").rename(tmp_path / "new" / "images")
    (tmp_path / "a.nbs").rename(tmp_path / "new" / "a.nbs")
    assert load(tmp_path / "new" / "a.nbs").document.images[0].shape == (1, 6, 8)


def test_a_missing_image_is_named(picture: Path, tmp_path: Path) -> None:
    path = save(tmp_path / "a.nbs", Session.of(Document(opened(picture))))
    picture.unlink()
    with pytest.raises(StoreError, match=r"images/a\.png is missing.*load\(path, images="):
        load(path)


def test_a_changed_image_is_refused(picture: Path, tmp_path: Path) -> None:
    path = save(tmp_path / "a.nbs", Session.of(Document(opened(picture))))
    Picture.fromarray(np.zeros((6, 8), dtype=np.uint8)).save(picture)
    with pytest.raises(StoreError, match="is not the file that was annotated"):
        load(path)


def test_images_of_another_shape_are_refused(tmp_path: Path, picture: Path) -> None:
    path = save(tmp_path / "a.nbs", Session.of(Document(phantom())))
    with pytest.raises(StoreError, match=r"\(1, 4, 6, 5\)"):
        load(path, images=opened(picture))
    with pytest.raises(StoreError, match="only in memory"):
        load(path)


def test_without_history_the_state_is_the_beginning(tmp_path: Path) -> None:
    document = Document(phantom(), labels=["liver"])
    document.masks["liver"].paint((0, 0, 0))
    path = save(tmp_path / "a.nbs", Session.of(document), history=False)
    again = load(path, images=phantom())
    assert state(again.document) == state(document)
    assert again.step == 1
    assert not again.document.can_undo
    with pytest.raises(UnknownItemError, match="from 1 to 1"):
        again.at(0)
    again.document.masks["liver"].paint((1, 1, 1))
    assert again.history()["step"].tolist() == [2]
    third = load(save(path, again), images=phantom())
    assert (third.step, third.document.masks["liver"].array.sum()) == (2, 2)


def test_a_failed_save_leaves_the_earlier_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = Document(phantom(), labels=["liver"])
    path = save(tmp_path / "a.nbs", Session.of(document))
    before = path.read_bytes()
    document.masks["liver"].paint((0, 0, 0))

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        save(path, Session.of(document))
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.nbs"]


@pytest.mark.parametrize("data", [b"", b"PK\x05\x06", b"not a session" * 9])
def test_what_is_no_session_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.nbs").write_bytes(data)
    with pytest.raises(FormatError, match="is not a session, or is damaged"):
        load(tmp_path / "a.nbs")


def test_a_torn_session_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nbs", Session.of(Document(phantom(), labels=["liver"])))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(FormatError, match="damaged"):
        load(path, images=phantom())


def test_a_session_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="There is no session"):
        load(tmp_path / "a.nbs")


def test_a_session_from_a_newer_version_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.nbs", "w") as archive:
        archive.writestr("session.json", json.dumps({"version": VERSION + 1}))
    with pytest.raises(NewerVersionError, match="Update nbannot"):
        load(tmp_path / "a.nbs")


def test_migrations_run_from_any_version_to_the_newest() -> None:
    steps = {1: lambda data: {**data, "b": data["a"]}, 2: lambda data: {**data, "c": data["b"]}}
    assert migrate({"version": 1, "a": 7}, steps=steps, version=3) == {
        "version": 3, "a": 7, "b": 7, "c": 7
    }  # fmt: skip
    assert migrate({"version": 2, "b": 7}, steps=steps, version=3)["c"] == 7
    for nonsense in ({}, {"version": "1"}, {"version": 0}):
        with pytest.raises(FormatError):
            migrate(nonsense)


def test_every_old_version_has_a_file() -> None:
    assert {path.stem for path in FIXTURES.glob("*.nbs")} == {f"version_{n}" for n in range(1, VERSION + 1)}


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.nbs")), ids=lambda path: path.stem)
def test_every_old_version_arrives_at_today(path: Path) -> None:
    session = load(path, images=phantom())
    document = session.document
    assert [label.name for label in document.labels] == ["liver", "lesion", "many"]
    assert np.argwhere(document.masks["liver"].array).tolist() == [[0, 1, 2], [0, 1, 3]]
    assert document.masks["many"].array[1, 2, 3] == 300
    (box,) = document.boxes
    assert (box.label, box.index) == ("lesion", ((0.0, 1.0, 1.5), (2.0, 3.0, 4.0)))
    assert [tag.value for tag in document.tags] == ["yes"]
    assert session.step == 6
    assert session.history()["kind"].tolist()[-1] == "put"
    assert session.view == {"layout": "mpr"}


def example() -> Session:
    """What the files in fixtures hold; a new version adds its own, made by this."""
    document = Document(phantom(), labels=["liver", "lesion"], author="ada")
    document.masks["liver"].paint((0, 1, slice(2, 4)))
    perform(document, ("mask", "many", 300))
    many = document.masks["many"]
    many.array[0, 1, 2] = 0
    many.array[1, 2, 3] = 300
    document.refresh()
    document.add(Box("lesion", ((0, 1, 1.5), (2, 3, 4))))
    document.add(Tag("lesion", "yes"))
    return Session.of(document, view={"layout": "mpr"})
