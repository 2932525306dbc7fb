"""Projects in PostgreSQL with a bucket: logins, grants, and what happens when one of them is away."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

import nbannot
from moves import phantom
from nbannot.errors import AccessError, NewerVersionError, ReadOnlyError, StoreError
from nbannot.store import StoredProject, open_project
from nbannot.store.database import TRIES
from nbannot.store.engines import server_of
from nbannot.store.failures import failing
from nbannot.store.grants import grant_statements
from nbannot.store.urlplaces import UrlPlace, place_at
from servers import PASSWORD, Bucket, Postgres, free_port, running_postgres, running_s3

SRC = Path(nbannot.__file__).parents[1]


@pytest.fixture
def url(postgres: Postgres, request: pytest.FixtureRequest) -> str:
    """A project of this test's own."""
    name = "t" + str(abs(hash(request.node.name)) % 10**12)
    postgres.execute(f"DROP SCHEMA IF EXISTS nbannot_{name} CASCADE")
    return postgres.url(project=name)


def begin(url: str, files: Any, **options: Any) -> StoredProject:
    project = open_project(url, files=files, author="ada", **options)
    if "c1" not in project.case_names:
        project.add_case("c1", images=phantom(), copy=True, labels=["liver"])
    return project


def schema(url: str) -> str:
    return server_of(url).schema


# Where a project is.


def test_files_are_named_once_and_may_be_a_folder(url: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"not known where .* keeps its files.*files="):
        open_project(url)
    with begin(url, tmp_path / "files") as project:
        project.start("c1").document.masks["liver"].paint((0, 0, 0))
    with open_project(url, author="ada") as project:
        assert project.start("c1").document.masks["liver"].array.sum() == 1
        assert PASSWORD not in repr(project)
    assert list((tmp_path / "files" / "blobs").rglob("*"))


def test_projects_of_one_database_do_not_meet(postgres: Postgres, url: str, tmp_path: Path) -> None:
    with begin(url, tmp_path / "a") as one, open_project(url + "b", files=tmp_path / "b") as two:
        assert (one.case_names, two.case_names) == (["c1"], [])
    postgres.execute(f"DROP SCHEMA {schema(url + 'b')} CASCADE")


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ("postgresql://host", "names no database"),
        ("postgresql://host:x/db", "not understood"),
        ("postgresql://host/db?project=A%20b", "no name of a project"),
        ("postgresql://host/db?project=a;drop", "no name of a project"),
    ],
)
def test_a_wrong_url_is_not_repeated(wrong: str, match: str) -> None:
    with pytest.raises(StoreError, match=match) as caught:
        open_project(wrong.replace("//", "//me:very-secret@"), files="x")
    assert "very-secret" not in str(caught.value)


def test_a_login_in_the_url_of_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="holds a login") as caught:
        place_at("s3://key:very-secret@bucket/x")
    assert "very-secret" not in str(caught.value)
    with pytest.raises(StoreError, match="cannot be kept at gopher://"):
        place_at("gopher://host/x")


def test_connections_are_kept_or_not(url: str, tmp_path: Path) -> None:
    with begin(url + "&pool=no", tmp_path) as project:
        assert isinstance(project._core.database.engine.pool, NullPool)


# Logins.


def test_a_refused_login_names_no_password(postgres: Postgres) -> None:
    with pytest.raises(StoreError, match="refuses the login") as caught:
        open_project(postgres.url(password="very-secret"), files="x")
    chain: BaseException | None = caught.value
    assert "very-secret" not in str(chain)
    with pytest.raises(StoreError, match="does not exist"):
        open_project(postgres.url("nowhere"), files="x")


def test_a_services_login_only_adds_to_the_log(postgres: Postgres, url: str, tmp_path: Path) -> None:
    begin(url, tmp_path).close()
    login = "svc" + schema(url)[-10:]
    postgres.execute(
        f"CREATE ROLE {login} LOGIN PASSWORD '{PASSWORD}'",
        *grant_statements(login, project=server_of(url).project),
    )
    mine = url.replace("nb:", f"{login}:")
    with open_project(mine, author="eve") as project:
        project.start("c1").document.masks["liver"].paint((0, 0, 0))
        project.people.grant("eve", "owner")
        project.comments.add("c1", "there")
        rows = project.audit.verify().rows
        assert rows >= 5
    for statement in (
        "UPDATE audit SET actor = 'ada'",
        "DELETE FROM audit",
        "TRUNCATE audit",
        "DROP TABLE audit",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            postgres.execute(f"SET search_path = {schema(url)}", statement, user=login)
    postgres.execute(f"REVOKE INSERT ON {schema(url)}.audit FROM {login}")
    # What cannot be written down is not done, not even looked at.
    with open_project(mine, author="eve") as project:
        for call in (lambda: project.comments.add("c1", "here"), lambda: project.images("c1")):
            with pytest.raises(ReadOnlyError, match="does not permit this login"):
                call()
    with pytest.raises(StoreError, match="letters, digits"):
        grant_statements('x"; DROP TABLE audit; --')


# The log, when somebody changes it behind nbannot's back.


@pytest.mark.parametrize("where", ["folder", "postgres"])
@pytest.mark.parametrize(
    ("change", "row", "reason"),
    [
        ("UPDATE audit SET actor = 'bob' WHERE seq = 3", 3, "not as it was written"),
        ("UPDATE audit SET time = time + 1 WHERE seq = 2", 2, "not as it was written"),
        ("DELETE FROM audit WHERE seq = 3", 3, "row 3 is missing"),
        ("DELETE FROM audit WHERE seq >= 4", 4, "the last row is 3"),
        ("INSERT INTO audit SELECT 99, time, actor, action, case_name, session_id, outcome, reason, detail, "
         "previous, hash FROM audit WHERE seq = 3", None, "is missing"),
        ("UPDATE audit SET seq = seq + 1000 WHERE seq = 1", 1, "row 1 is missing"),
    ],
)  # fmt: skip
def test_a_changed_log_is_found(
    tmp_path: Path, request: pytest.FixtureRequest, where: str, change: str, row: int | None, reason: str
) -> None:
    target = request.getfixturevalue("url") if where == "postgres" else tmp_path
    with begin(target, tmp_path / "files" if where == "postgres" else None) as project:
        for n in range(3):
            project.comments.add("c1", f"number {n}")
        good = project.audit.verify()
        assert good.ok
        if where == "postgres":
            server = request.getfixturevalue("postgres")
            server.execute(f"SET search_path = {schema(target)}", change)
        else:
            with closing(sqlite3.connect(tmp_path / "project.sqlite")) as database:
                database.execute(change)
                database.commit()
        found = project.audit.verify()
        assert not found.ok
        assert found.first_bad == (good.rows + 1 if row is None else row)
        assert reason in found.reason


# Many at once.


def test_threads_and_processes_write_one_chain(url: str, tmp_path: Path) -> None:
    project = begin(url, tmp_path)
    for name in range(4):
        project.start("c1", reader=f"r{name}")
    script = (
        "import sys; from nbannot.store import open_project; p = open_project(sys.argv[1], author=sys.argv[2])\n"
        "for n in range(10): p.comments.add('c1', str(n))\np.close()"
    )
    environment = {**os.environ, "PYTHONPATH": str(SRC)}
    others = [
        subprocess.Popen([sys.executable, "-c", script, url, f"p{n}"], env=environment) for n in range(2)
    ]
    failed: list[BaseException] = []

    def paint(reader: str) -> None:
        try:
            document = project.acting_as(reader).start("c1").document
            for n in range(10):
                document.masks["liver"].paint((n % 4, n % 6, 0), 1)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=paint, args=(f"r{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert project.audit.verify().ok  # of one moment, whoever writes
    for thread in threads:
        thread.join()
    assert [process.wait(timeout=120) for process in others] == [0, 0]
    assert failed == []
    assert len(project.comments.table()) == 20
    assert project.audit.verify().ok
    assert set(project.sessions()["edits"]) == {10}
    project.close()


def test_a_forked_child_opens_connections_of_its_own(url: str, tmp_path: Path) -> None:
    script = (
        "import os, sys; from nbannot.store import open_project; p = open_project(sys.argv[1], author='ada')\n"
        "p.case_names; child = os.fork()\n"
        "for n in range(20): p.comments.add('c1', f'{child == 0}')\n"
        "os._exit(0) if child == 0 else sys.exit(os.waitpid(child, 0)[1])"
    )
    begin(url, tmp_path).close()
    environment = {**os.environ, "PYTHONPATH": str(SRC)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, url], env=environment, timeout=120, check=False
    )
    assert done.returncode == 0
    with open_project(url) as project:
        assert len(project.comments.table()) == 40
        assert project.audit.verify().ok


WRITER = """
import sys
from nbannot.store import open_project
mask = open_project(sys.argv[1], author="ada").start("c1").document.masks["liver"]
print("ready", flush=True)
for n in range(100000):
    index = (n % 4, n // 4 % 6, n // 24 % 5)
    mask.paint(index, 0 if mask.array[index] else 1)
    print(n + 1, flush=True)
"""


def test_a_killed_program_loses_no_acknowledged_edit(url: str, tmp_path: Path) -> None:
    begin(url, tmp_path).close()
    environment = {**os.environ, "PYTHONPATH": str(SRC)}
    command = [sys.executable, "-c", WRITER, url]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(15):
            process.stdout.readline()
        process.kill()
        known = 14 + process.stdout.read().count("\n")
    with open_project(url, author="ada") as project:
        session = project.start("c1")
        assert known <= session.step <= known + 1
        assert project.audit.verify().ok
        session.document.masks["liver"].paint((3, 5, 4))


# When a server is away.


def test_a_database_that_stops_loses_nothing(tmp_path: Path) -> None:
    with running_postgres() as server:
        url = server.url(project="away")
        project = begin(url, tmp_path)
        session = project.start("c1")
        mask = session.document.masks["liver"]
        mask.paint((0, 0, 0))
        server.stop()
        for call in (lambda: mask.paint((1, 1, 1)), session.save, lambda: open_project(url)):
            with pytest.raises(StoreError, match=r"127\.0\.0\.1.*cannot be reached"):
                call()
        assert mask.array.sum() == 1
        server.start()
        mask.paint((2, 2, 2))
        project.close()
        with open_project(url, author="ada") as project:
            assert project.start("c1").document.masks["liver"].array.sum() == 2
            assert project.audit.verify().ok


def test_a_bucket_that_is_away_stops_no_edit(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NBANNOT_CACHE", str(tmp_path / "cache"))
    with running_s3() as bucket:
        project = begin(url, bucket.url("x"), storage_options=bucket.options)
        session = project.start("c1")
        session.document.masks["liver"].paint((0, 0, 0))
        os.kill(bucket.process, signal.SIGSTOP)
        os.kill(bucket.process, signal.SIGKILL)
        session.document.masks["liver"].paint((1, 1, 1))
        session.save()  # nobody waits: the edits are in the database
        assert project.snapshots_waiting == 1 and "1 snapshots wait for s3://" in repr(project)
        with pytest.raises(StoreError, match=r"s3://.* cannot be reached"):
            project.add_case("c2", images=phantom(), copy=True)
        assert project.case_names == ["c1"]
    project._core.live.clear()
    project.close()


def test_edits_wait_for_each_other_only_to_be_logged(url: str, tmp_path: Path) -> None:
    """While somebody's edit is written others work; a role that is taken away meanwhile counts."""
    with begin(url, tmp_path / "files") as project:
        project.people.grant("ada", "owner")
        project.people.grant("bob", "annotator")
        inside, go = threading.Event(), threading.Event()

        def slowly(connection: Any) -> str:
            inside.set()
            assert go.wait(60)
            return "written"

        def edit() -> Any:
            actor = project.acting_as("bob")._actor
            return actor.act("session.write", slowly, case="c1", of="bob", late=True)

        with ThreadPoolExecutor(1) as pool:
            slow = pool.submit(edit)
            assert inside.wait(60)
            project.start("c1").document.masks["liver"].paint((0, 0, 0))
            project.people.revoke("bob")
            go.set()
            with pytest.raises(AccessError, match="no member"):
                slow.result(60)
        rows = project.audit.table(actor="bob")[["action", "outcome"]].to_numpy().tolist()
        assert rows[-1] == ["session.write", "refused"] and ["session.write", "done"] not in rows
        assert project.audit.verify().ok


def test_what_a_bucket_holds_is_checked(url: str, tmp_path: Path, bucket: Bucket, monkeypatch: Any) -> None:
    import s3fs

    monkeypatch.setenv("NBANNOT_CACHE", str(tmp_path / "one"))
    prefix = schema(url)
    with begin(url, bucket.url(prefix), storage_options=bucket.options) as project:
        project.start("c1").document.masks["liver"].paint((0, 0, 0))
    fs = s3fs.S3FileSystem(**bucket.options, skip_instance_cache=True)
    (image,) = list(fs.find(f"{bucket.name}/{prefix}/images"))
    (blob,) = list(fs.find(f"{bucket.name}/{prefix}/blobs"))
    monkeypatch.setenv("NBANNOT_CACHE", str(tmp_path / "two"))
    with begin(url, None, storage_options=bucket.options) as project:
        assert project.start("c1").document.masks["liver"].array.sum() == 1
        assert list((tmp_path / "two").rglob("*.nbimage"))
    for path in (image, blob):
        data = fs.cat_file(path)
        fs.pipe_file(path, data[:-1] + bytes([data[-1] ^ 1]))
    monkeypatch.setenv("NBANNOT_CACHE", str(tmp_path / "three"))
    with begin(url, None, storage_options=bucket.options) as project:
        with pytest.raises(StoreError, match="damaged"):
            project.start("c1")
        digest = blob.rpartition("/")[2]
        with pytest.raises(StoreError, match=f"{digest} is damaged"):
            project._core.database.blobs.get(digest)
        fs.rm_file(blob)
        with pytest.raises(StoreError, match=f"{digest} is missing"):
            project._core.database.blobs.get(digest)


def test_any_other_storage_of_fsspec_serves(tmp_path: Path) -> None:
    place = place_at("memory://blobs-of-nbannot")
    assert isinstance(place, UrlPlace)
    digest = place.blobs.put(b"abc")
    assert place.blobs.put(b"abc") == digest
    assert place.blobs.get(digest) == b"abc"


# Schemas.


def test_a_newer_schema_is_left_alone(postgres: Postgres, url: str, tmp_path: Path) -> None:
    begin(url, tmp_path).close()
    postgres.execute(f"UPDATE {schema(url)}.alembic_version SET version_num = '9999'")
    for read_only in (False, True):
        with pytest.raises(NewerVersionError, match=r"schema 9999.*Update nbannot"):
            open_project(url, read_only=read_only)


def test_reading_only_writes_nothing(postgres: Postgres, url: str, tmp_path: Path) -> None:
    with begin(url, tmp_path) as project:
        project.start("c1").document.masks["liver"].paint((0, 0, 0))
        rows = project.audit.verify().rows
    with open_project(url, author="ada", read_only=True) as project:
        session = project.start("c1")
        assert session.document.masks["liver"].array.sum() == 1
        with pytest.raises(ReadOnlyError, match="reading only"):
            session.document.masks["liver"].paint((1, 1, 1))
        assert project.audit.verify().rows == rows
    with pytest.raises(StoreError, match="older version"):
        open_project(url + "new", read_only=True)


def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be reached"):
        open_project(f"postgresql://nb:very-secret@127.0.0.1:{free_port()}/nb", files=tmp_path)


@pytest.mark.parametrize(
    ("kind", "error", "words"),
    [
        (psycopg.errors.DiskFull, StoreError, "disk of there is full"),
        (psycopg.errors.ReadOnlySqlTransaction, ReadOnlyError, "does not permit"),
        (psycopg.errors.LockNotAvailable, StoreError, "busy with somebody else's change"),
        (psycopg.errors.TooManyConnections, StoreError, "cannot be reached"),
        (psycopg.errors.DataError, StoreError, "failed"),
    ],
)
def test_failures_are_told_without_what_the_server_quotes(kind: Any, error: type, words: str) -> None:
    with pytest.raises(error, match=words) as caught, failing("there"):
        raise OperationalError("INSERT …", {}, kind("value = 'Doe, John'"))
    assert "Doe" not in str(caught.value)


def test_what_failed_because_of_another_change_is_done_again(url: str, tmp_path: Path) -> None:
    tried: list[int] = []
    with begin(url, tmp_path) as project:

        def work(connection: Any) -> str:
            tried.append(1)
            if len(tried) < 3:
                kind = (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected)[len(tried) - 1]
                raise OperationalError("UPDATE …", {}, kind("again"))
            connection.execute(text("UPDATE cases SET study = 'x'"))
            return "done"

        database = project._core.database
        assert database.change(work) == "done"
        assert project.cases["study"].tolist() == ["x"]

        def never(connection: Any) -> None:
            tried.append(1)
            raise OperationalError("UPDATE …", {}, psycopg.errors.SerializationFailure("again"))

        tried.clear()
        with pytest.raises(StoreError, match="Do it again"):
            database.change(never)
        assert len(tried) == TRIES
