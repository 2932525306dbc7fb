"""Opens the database of a project and brings its schema to today's."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from nbannot.errors import NewerVersionError, ReadOnlyError, StoreError
from nbannot.store.tables import REVISIONS

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

BUSY_S = 10.0


def connect(path: Path, *, read_only: bool) -> Engine:
    """Return an engine on a SQLite file: WAL, every commit synced, foreign keys checked.

    A connection with the execution option ``write=True`` takes the write lock at its start, so
    what it reads stays true until it commits.
    """
    from sqlalchemy import QueuePool, create_engine, event

    # A folder that takes no new file has no place for the shared memory of a log.
    still = read_only and not os.access(path.parent, os.W_OK)
    query = "" if not read_only else "?mode=ro&immutable=1" if still else "?mode=ro"
    uri = f"{path.absolute().as_uri()}{query}"

    def opened() -> sqlite3.Connection:
        return sqlite3.connect(uri, uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False)

    engine = create_engine("sqlite://", creator=opened, poolclass=QueuePool)

    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA foreign_keys=ON")
        if not read_only:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")

    def begin(connection: Connection) -> None:
        write = connection.get_execution_options().get("write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", begin)
    return engine


def migrate(engine: Engine, path: Path, *, read_only: bool) -> None:
    """Bring the database to the newest schema; make it when it is empty.

    Raises
    ------
    NewerVersionError
        When a newer nbannot made it.
    StoreError
        When it is a database of something else.
    ReadOnlyError
        When it is older and may not be written.
    """
    with engine.connect() as connection:
        revision = _revision(connection, path)
    if revision == REVISIONS[-1]:
        return
    if revision is not None and revision not in REVISIONS:
        raise NewerVersionError(
            f"The project {path.parent} was made by a newer nbannot (schema {revision}, "
            f"this one knows {REVISIONS[-1]})",
            hint="Update nbannot: pip install --upgrade nbannot",
        )
    if read_only:
        raise ReadOnlyError(
            f"The project {path.parent} is of an older version and cannot be brought up to date "
            "in a read-only folder",
            hint="Copy it to a folder that can be written and open the copy.",
        )
    with engine.connect().execution_options(write=True) as connection, connection.begin():
        # Somebody may have migrated while this waited for the lock.
        if _revision(connection, path) != REVISIONS[-1]:
            upgrade(connection)


def upgrade(connection: Connection, *, to: str = "head") -> None:
    """Run the migrations on an open transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    folder = Path(__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, to)


def _revision(connection: Connection, path: Path) -> str | None:
    names = {
        row[0] for row in connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type='table'")
    }
    if "alembic_version" not in names:
        if names:
            raise StoreError(f"{path} is a database, but not of nbannot", hint="Choose another folder.")
        return None
    row = connection.exec_driver_sql("SELECT version_num FROM alembic_version").first()
    return None if row is None else str(row[0])
