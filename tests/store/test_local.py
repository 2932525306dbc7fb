from __future__ import annotations

import errno
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import event

import nbannot
from contract_access import AccessContract
from contract_cases import CasesContract
from contract_exchange import ExchangeContract
from contract_tasks import TasksContract
from moves import SHAPE, perform, phantom, state
from nbannot.errors import ReadOnlyError, StoreError
from nbannot.model.annotations import Box
from nbannot.model.document import Document
from nbannot.model.edits import Put
from nbannot.session import Session
from nbannot.store import Project, StoredProject, engines, open_project
from nbannot.store.core import UNDO_STEPS
from nbannot.store.database import Database
from nbannot.store.opening import NAME, in_folder
from project_contract import ProjectContract, picture


def every(place: Path, number: int) -> StoredProject:
    """A project that keeps a snapshot after so many edits."""
    return StoredProject(in_folder(place, every=number), author="ada")


class InFolder:
    """SQLite for rows, a folder for files."""

    def open(self, place: Path, **options: Any) -> Project:
        return open_project(place, **options)


class TestProject(InFolder, ProjectContract):
    pass


class TestAccess(InFolder, AccessContract):
    pass


class TestTasks(InFolder, TasksContract):
    pass


class TestExchange(InFolder, ExchangeContract):
    pass


class TestCases(InFolder, CasesContract):
    pass


SRC = Path(nbannot.__file__).parents[1]


def begin(place: Path, **options: Any) -> StoredProject:
    project = open_project(place, author="ada", **options)
    if "c1" not in project.case_names:
        project.add_case("c1", images=phantom(), copy=True, labels=["liver", "lesion"])
    return project


def paint(session: Session, n: int) -> None:
    """Stroke number n: each turns one voxel over."""
    index = np.unravel_index(n % int(np.prod(SHAPE)), SHAPE)
    mask = session.document.masks["liver"]
    mask.paint(index, 0 if mask.array[index] else 1)


# Where a project can be.


@pytest.mark.parametrize("form", [str, Path, lambda path: path.as_uri()])
def test_a_path_and_a_file_url_open_the_same_project(tmp_path: Path, form: Any) -> None:
    begin(tmp_path / "my study").close()
    assert open_project(form(tmp_path / "my study")).case_names == ["c1"]


@pytest.mark.parametrize("url", ["ftp://hub.example.org/x", "s3://bucket/x"])
def test_another_scheme_is_refused_and_says_what_is_possible(url: str) -> None:
    with pytest.raises(StoreError, match=r"Give a folder, as a path .* or a file:// URL"):
        open_project(url)


def test_a_file_is_no_project(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    with pytest.raises(StoreError, match="is a file"):
        open_project(tmp_path / "a")


def test_a_database_of_something_else_is_left_alone(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / NAME)) as database:
        database.execute("CREATE TABLE films (title TEXT)")
    with pytest.raises(StoreError, match="not of nbannot"):
        open_project(tmp_path)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / NAME).write_bytes(b"no database" * 200)
    with pytest.raises(StoreError, match="damaged or is not a project"):
        open_project(tmp_path / "b")


def test_an_image_inside_the_project_moves_with_it(tmp_path: Path) -> None:
    place = tmp_path / "study"
    path = picture(place / "images" / "a.png")
    project = open_project(place)
    project.add_case("a", images=path)
    assert project.references("a")[0].uri == "images/a.png"
    project.close()
    moved = place.rename(place.with_name("elsewhere"))
    assert open_project(moved).images("a")[0].shape == (1, 6, 8)


# Snapshots.


def test_undo_goes_on_over_snapshots_and_reopening(tmp_path: Path) -> None:
    with every(tmp_path, 10) as project:
        project.add_case("c1", images=phantom(), copy=True, labels=["liver"])
        session = project.start("c1")
        for n in range(190):
            paint(session, n)
        states = [session.document.masks["liver"].array.copy()]
        for _ in range(60):
            session.document.undo()
            states.append(session.document.masks["liver"].array.copy())
        session.save()
    with every(tmp_path, 10) as project:
        session = project.start("c1")
        array = session.document.masks["liver"].array
        assert session.first > 0
        for before in reversed(states[:-1]):
            session.document.redo()
            assert np.array_equal(array, before)
        assert not session.document.can_redo
        for _ in range(60):
            session.document.undo()
        assert np.array_equal(array, states[-1])
        for _ in range(UNDO_STEPS - 60):
            assert session.document.undo() is not None


def test_a_snapshot_is_kept_now_and_then_and_every_step_comes_back(tmp_path: Path) -> None:
    project = every(tmp_path, 10)
    project.add_case("c1", images=phantom(), copy=True, labels=["liver"])
    session = project.start("c1")
    states = [session.document.masks["liver"].array.copy()]
    for n in range(130):
        paint(session, n)
        states.append(session.document.masks["liver"].array.copy())
    with closing(sqlite3.connect(tmp_path / NAME)) as database:
        kept = [row[0] for row in database.execute("SELECT seq FROM snapshots ORDER BY seq")]
    assert kept == list(range(0, 131, 10))
    for other in (session, open_project(tmp_path, author="ada").start("c1")):
        for step in (0, 1, 9, 10, 11, 29, 79, 80, 81, 129, 130):
            assert np.array_equal(other.at(step).masks["liver"].array, states[step])
    assert len(project.history("c1")) == 130


def test_a_change_in_place_of_a_locked_label_is_there_again(tmp_path: Path) -> None:
    session = begin(tmp_path).start("c1")
    perform(session.document, ("lock", "liver"))
    session.document.masks["liver"].array[1, 1, 1] = 1
    session.document.refresh()
    again = begin(tmp_path).start("c1")
    assert again.document.masks["liver"].array[1, 1, 1] == 1
    assert again.document.history == session.document.history
    assert not again.at(1).masks["liver"].array.any()


def test_a_change_in_place_without_an_edit_is_not_in_a_snapshot(tmp_path: Path) -> None:
    project = every(tmp_path, 1)
    project.add_case("c1", images=phantom(), copy=True, labels=["liver"])
    session = project.start("c1")
    session.document.masks["liver"].array[3, 3, 3] = 1
    session.document.add(Box("liver", ((0, 0, 0), (1, 2, 3))))
    assert not begin(tmp_path).start("c1").document.masks["liver"].array.any()
    session.save()
    assert begin(tmp_path).start("c1").document.masks["liver"].array.sum() == 1


# What goes wrong.


def test_a_damaged_snapshot_is_named(tmp_path: Path) -> None:
    session = begin(tmp_path).start("c1")
    paint(session, 0)
    session.close()
    with closing(sqlite3.connect(tmp_path / NAME)) as database:
        database.execute("DELETE FROM snapshots WHERE seq = 0")
        database.execute("UPDATE snapshots SET seq = 0")
        database.commit()
    (blob,) = (file for file in (tmp_path / "blobs").rglob("*") if file.is_file())
    data = bytearray(blob.read_bytes())
    data[-1] ^= 1
    blob.write_bytes(data)
    with pytest.raises(StoreError, match=rf"{blob.name} is damaged"):
        begin(tmp_path).start("c1")
    blob.unlink()
    with pytest.raises(StoreError, match=rf"{blob.name} is missing"):
        begin(tmp_path).start("c1")


def test_a_gap_in_the_journal_is_found(tmp_path: Path) -> None:
    session = begin(tmp_path).start("c1")
    for n in range(3):
        paint(session, n)
    with closing(sqlite3.connect(tmp_path / NAME)) as database:
        database.execute("DELETE FROM edits WHERE seq = 2")
        database.commit()
    with pytest.raises(StoreError, match="has a gap"):
        begin(tmp_path).start("c1")


def test_an_edit_whose_answer_was_lost_is_kept_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_project(tmp_path / "p", author="ada") as project:
        project.add_case("c1", images=phantom(), copy=True, labels=["lesion"])
        session = project.start("c1")
        document = session.document
        change = Database.change

        def torn(database: Database, work: Any) -> Any:
            change(database, work)
            raise StoreError("The connection broke while it committed") from OSError()

        for id in ("lost", "again"):
            edit = Put(Box("lesion", ((0, 0, 0), (1, 2, 2)), id=f"box {id}"), id=id)
            with monkeypatch.context() as patch:
                patch.setattr(Database, "change", torn)
                with pytest.raises(StoreError, match="broke"):
                    document.apply(edit)
            assert f"box {id}" not in document.boxes
            document.apply(edit)
        document.undo()
        assert [one.id for one in document.history[:2]] == ["lost", "again"]
        assert list(project.history("c1")["step"]) == [1, 2, 3]
        written = project.audit.table(action="session.write")
        assert sum("lost" in str(detail) for detail in written["detail"]) == 1
        assert project.audit.verify().ok
    with open_project(tmp_path / "p", author="ada") as project:
        assert [box.id for box in project.start("c1").document.boxes] == ["box lost"]


def test_a_full_database_refuses_the_edit_and_keeps_the_rest(tmp_path: Path) -> None:
    project = begin(tmp_path)
    session = project.start("c1")
    paint(session, 0)

    def limit(connection: sqlite3.Connection, *_: object) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count={pages}")

    engine = project._core.database.engine
    engine.dispose()
    event.listen(engine, "connect", limit)
    before = None
    with pytest.raises(StoreError, match=r"disk is full.*Make room"):
        for n in range(1, 2000):
            before = state(session.document), session.step
            paint(session, n)
    assert before == (state(session.document), session.step)
    assert state(begin(tmp_path).start("c1").document) == before[0]
    event.remove(engine, "connect", limit)
    engine.dispose()
    paint(session, 7)
    assert begin(tmp_path).start("c1").step == before[1] + 1


def test_a_full_disk_stops_no_edit_when_only_the_snapshot_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    project = every(tmp_path, 2)
    project.add_case("c1", images=phantom(), copy=True, labels=["liver"])
    session = project.start("c1")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        for n in range(4):
            paint(session, n)
        with pytest.raises(StoreError, match="disk is full"):
            session.save()
        with pytest.raises(StoreError, match="disk is full"):
            project.add_case("c2", images=phantom(), copy=True)
    assert "snapshot was not kept" in caplog.text
    assert [file for file in (tmp_path / "blobs").rglob("*") if file.is_file()] == []
    assert project.case_names == ["c1"]
    assert len(list((tmp_path / "images").iterdir())) == 1
    assert begin(tmp_path).start("c1").step == 4
    session.save()


def test_a_locked_database_is_not_waited_for_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "BUSY_S", 0.1)
    session = begin(tmp_path).start("c1")
    with closing(sqlite3.connect(tmp_path / NAME, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="in use by another program"):
            paint(session, 0)
        other.execute("ROLLBACK")
    paint(session, 0)
    assert begin(tmp_path).start("c1").step == 1


# Reading only.


def test_reading_only_leaves_the_project_as_it_is(tmp_path: Path) -> None:
    with begin(tmp_path) as project:
        paint(project.start("c1"), 0)
    project = open_project(tmp_path, author="ada", read_only=True)
    session = project.start("c1")
    assert session.document.masks["liver"].array.sum() == 1
    with pytest.raises(ReadOnlyError, match="reading only"):
        paint(session, 1)
    assert session.document.masks["liver"].array.sum() == 1
    for refused in (
        lambda: project.add_case("c2", images=phantom(), copy=True),
        lambda: project.save(Session.of(Document(phantom())), case="c1"),
        session.save,
        lambda: project.relink("c1", "ct", tmp_path),
    ):
        with pytest.raises(ReadOnlyError, match="copy the project"):
            refused()
    fresh = project.start("c1", reader="bob")
    with pytest.raises(ReadOnlyError):
        paint(fresh, 1)
    project.close()
    with pytest.raises(StoreError, match="no project"):
        open_project(tmp_path / "nothing", read_only=True)


# Root may write everywhere: such a run gives that power up first.
AS_ANYBODY = ("setpriv", "--bounding-set", "-dac_override") if os.geteuid() == 0 else ()

READER = """
import sys
from nbannot.errors import ReadOnlyError
from nbannot.store import open_project
project = open_project(sys.argv[1], author="ada")
session = project.start("c1")
try:
    session.document.masks["liver"].paint((3, 3, 3))
except ReadOnlyError:
    print(project.read_only, int(session.document.masks["liver"].array.sum()), session.step)
project.close()
"""


@pytest.mark.parametrize("alive", [False, True])
def test_a_folder_that_may_not_be_written_is_opened_for_reading(tmp_path: Path, alive: bool) -> None:
    # With the writer alive, what it wrote is still in the log beside the database.
    place = tmp_path / "study"
    project = begin(place)
    paint(project.start("c1"), 0)
    if not alive:
        project.close()
    for file in (place, *place.rglob("*")):
        file.chmod(0o555 if file.is_dir() else 0o444)
    try:
        done = run(READER, place, before=AS_ANYBODY)
    finally:
        for file in (place, *place.rglob("*")):
            file.chmod(0o755 if file.is_dir() else 0o644)
    assert done.stdout.split() == ["True", "1", "1"], done.stderr


# Several programs.


def run(script: str, *arguments: object, before: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    command = [*before, sys.executable, "-c", script, *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(SRC)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


WRITER = """
import sys
import numpy as np
from nbannot.store import open_project
project = open_project(sys.argv[1], author=sys.argv[2])
session = project.start("c1")
mask = session.document.masks["liver"]
print("ready", flush=True)
for n in range(int(sys.argv[3])):
    index = np.unravel_index(n % mask.array.size, mask.array.shape)
    mask.paint(index, 0 if mask.array[index] else 1)
    print(n + 1, int(mask.array.sum()), flush=True)
"""


def writer(place: Path, author: str, strokes: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(place), author, str(strokes)]
    environment = {**os.environ, "PYTHONPATH": str(SRC)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def test_two_programs_write_one_project(tmp_path: Path) -> None:
    begin(tmp_path).close()
    writers = [writer(tmp_path, author, 40) for author in ("ada", "bob")]
    for process in writers:
        out, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        assert out.split()[-2:] == ["40", "40"]
    project = begin(tmp_path)
    assert project.sessions()["edits"].tolist() == [40, 40]
    for author in ("ada", "bob"):
        assert project.start("c1", reader=author).document.masks["liver"].array.sum() == 40


@pytest.mark.parametrize("acknowledged", [1, 12, 230])
def test_a_killed_program_loses_no_acknowledged_edit(tmp_path: Path, acknowledged: int) -> None:
    begin(tmp_path).close()
    process = writer(tmp_path, "ada", 100_000)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    for _ in range(acknowledged):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read()
    process.wait(timeout=60)
    process.stdout.close()
    # The last line may be torn; each whole one was acknowledged.
    known = acknowledged + rest.count("\n")
    session = begin(tmp_path).start("c1")
    assert known <= session.step <= known + 1
    size = int(np.prod(SHAPE))
    turned = np.bincount(np.arange(session.step) % size, minlength=size).reshape(SHAPE)
    assert np.array_equal(session.document.masks["liver"].array, turned % 2)
    paint(session, session.step)
    assert begin(tmp_path).start("c1").step == session.step
