from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import MetaData, inspect

from moves import phantom
from nbannot.errors import NewerVersionError, ReadOnlyError
from nbannot.model.annotations import Box
from nbannot.session.pixels import write_pixels
from nbannot.store import StoredProject, open_project
from nbannot.store.engines import postgres_engine, server_of, sqlite_engine
from nbannot.store.opening import NAME
from nbannot.store.schema import upgrade
from nbannot.store.tables import REVISIONS, tables
from servers import Postgres

FIXTURES = Path(__file__).parent / "fixtures"


def test_migrations_make_the_tables_as_described(tmp_path: Path) -> None:
    migrated = sqlite_engine(tmp_path / "migrated", read_only=False)
    with migrated.connect().execution_options(write=True) as connection, connection.begin():
        upgrade(connection)
    described = sqlite_engine(tmp_path / "described", read_only=False)
    with described.begin() as connection:
        tables().metadata.create_all(connection)
    found = []
    for engine in (migrated, described):
        view = inspect(engine)
        found.append(
            {
                name: (
                    [(c["name"], str(c["type"]), c["nullable"]) for c in view.get_columns(name)],
                    view.get_pk_constraint(name)["constrained_columns"],
                    sorted(
                        (key["constrained_columns"], key["referred_table"])
                        for key in view.get_foreign_keys(name)
                    ),
                    sorted(u["column_names"] for u in view.get_unique_constraints(name)),
                )
                for name in view.get_table_names()
                if name != "alembic_version"
            }
        )
        engine.dispose()
    assert found[0] == found[1]
    assert set(found[0]) == set(tables().metadata.tables)


def test_every_migration_is_known_and_has_a_fixture() -> None:
    versions = Path(inspect.__module__ and str(Path(upgrade.__code__.co_filename).parent))
    files = sorted((versions / "migrations" / "versions").glob("[0-9]*.py"))
    assert tuple(file.name.split("_")[0] for file in files) == REVISIONS
    assert {file.name for file in FIXTURES.iterdir()} == {f"project_{r}" for r in REVISIONS}


@pytest.mark.parametrize("revision", REVISIONS)
def test_every_old_project_opens_today(tmp_path: Path, revision: str) -> None:
    thaw(FIXTURES / f"project_{revision}", tmp_path)
    with open_project(tmp_path, author="ada") as project:
        assert project.case_names == ["c1"]
        session = project.start("c1")
        document = session.document
        assert np.argwhere(document.masks["liver"].array).tolist() == [[0, 1, 2], [0, 1, 3]]
        (box,) = document.boxes
        assert (box.label, box.index) == ("lesion", ((0.0, 1.0, 1.5), (2.0, 3.0, 4.0)))
        assert session.step == 4
        assert session.history()["undoes"].tolist()[-1] == 3
        assert session.view == {"layout": "mpr"}
        if revision >= "0002":
            check_shared(project)
        document.masks["lesion"].paint((0, 0, 0))
        assert project.audit.verify().ok
    with closing(sqlite3.connect(tmp_path / NAME)) as database:
        assert database.execute("SELECT version_num FROM alembic_version").fetchall() == [(REVISIONS[-1],)]


@pytest.mark.parametrize("revision", REVISIONS)
def test_every_old_schema_is_brought_up_to_date_in_postgres(
    tmp_path: Path, postgres: Postgres, revision: str
) -> None:
    # The rows of the fixture in tables of their time.
    thaw(FIXTURES / f"project_{revision}", tmp_path)
    url = postgres.url(project=f"old{revision}")
    server = server_of(url)
    engine = postgres_engine(server, read_only=False)
    with engine.connect() as connection, connection.begin():
        upgrade(connection, to=revision)
        metadata = MetaData()
        metadata.reflect(connection, schema=server.schema)
        with closing(sqlite3.connect(tmp_path / NAME)) as database:
            database.row_factory = sqlite3.Row
            for table in metadata.sorted_tables:
                rows = [dict(row) for row in database.execute(f"SELECT * FROM {table.name}")]
                connection.execute(table.delete())
                for row in rows:
                    flags = {key: bool(row[key]) for key in ("copied", "flagged") if key in row}
                    connection.execute(table.insert().values({**row, **flags}))
    engine.dispose()
    with open_project(url, files=tmp_path, author="ada") as project:
        session = project.start("c1")
        assert np.argwhere(session.document.masks["liver"].array).tolist() == [[0, 1, 2], [0, 1, 3]]
        assert (session.step, session.view) == (4, {"layout": "mpr"})
        session.document.masks["lesion"].paint((0, 0, 0))
        assert project.cases["last_change"].notna().all()
        if revision >= "0002":
            check_shared(project)
        assert project.audit.verify().ok


def test_a_project_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    open_project(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / NAME)) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
        database.commit()
    before = (tmp_path / NAME).read_bytes()
    for read_only in (False, True):
        with pytest.raises(NewerVersionError, match=r"schema 9999.*Update nbannot"):
            open_project(tmp_path, read_only=read_only)
    assert (tmp_path / NAME).read_bytes() == before


def test_an_older_project_is_not_migrated_when_reading_only(tmp_path: Path) -> None:
    open_project(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / NAME)) as database:
        database.execute("DELETE FROM alembic_version")
        database.commit()
    with pytest.raises(ReadOnlyError, match="older version"):
        open_project(tmp_path, read_only=True)


def check_shared(project: StoredProject) -> None:
    """Check what came with the schema 0002."""
    assert project.people.table["person"].tolist() == ["ada", "bob"]
    (task,) = project.tasks.table().itertuples()
    assert (task.person, task.batch, task.status, task.due.year) == ("bob", "first", "to do", 2030)
    assert project.configs.of("c1").config.windowing == (40, 400)
    assert project.comments.table()["place"].tolist() == [{"index": [0.0, 1.0, 2.0]}]
    assert project.audit.verify().rows > 8


def freeze(target: Path, place: Path) -> None:
    """Make the fixture of the newest schema: the database as SQL, and the blobs.

    The image is made from code at each test, so that the fixture stays small.
    """
    with (place / "image.nbimage").open("xb") as file:
        write_pixels(file, phantom())
    with open_project(place, author="ada") as project:
        project.add_case("c1", images=place / "image.nbimage", labels=["liver", "lesion"])
        session = project.start("c1")
        session.view["layout"] = "mpr"
        session.document.masks["liver"].paint((0, 1, slice(2, 4)))
        session.document.add(Box("lesion", ((0, 1, 1.5), (2, 3, 4))))
        session.document.masks["lesion"].paint((3, 3, 3))
        session.document.undo()
        project.people.grant("ada", "owner")
        project.people.grant("bob", "reader", cases="c*")
        project.tasks.assign("c1", "bob", batch="first", due="2030-01-01")
        project.configs.set("windowing: {level: 40, width: 400}", level="case:c1")
        project.comments.add("c1", "see here", place={"index": [0, 1, 2]})
    (target / "blobs").mkdir(parents=True)
    with closing(sqlite3.connect(place / NAME)) as database:
        (target / "project.sql").write_text("\n".join(database.iterdump()) + "\n")
    for blob in (file for file in (place / "blobs").rglob("*") if file.is_file()):
        (target / "blobs" / blob.name).write_bytes(blob.read_bytes())
    (target / "image.nbimage").write_bytes((place / "image.nbimage").read_bytes())


def thaw(source: Path, place: Path) -> None:
    """Make a project of a fixture."""
    with closing(sqlite3.connect(place / NAME)) as database:
        database.executescript((source / "project.sql").read_text())
    for blob in (source / "blobs").iterdir():
        target = place / "blobs" / blob.name[:2] / blob.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(blob.read_bytes())
    (place / "image.nbimage").write_bytes((source / "image.nbimage").read_bytes())
