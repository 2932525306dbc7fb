"""Brings the schema of a project's database to today's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nbannot.errors import NewerVersionError, ReadOnlyError, StoreError
from nbannot.store.tables import REVISIONS

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine


def migrate(engine: Engine, name: Path | str, *, read_only: bool) -> None:
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
    title = name.parent if isinstance(name, Path) else name
    with engine.connect() as connection:
        revision = _revision(connection, name)
    if revision == REVISIONS[-1]:
        return
    if revision is not None and revision not in REVISIONS:
        raise NewerVersionError(
            f"The project {title} was made by a newer nbannot (schema {revision}, "
            f"this one knows {REVISIONS[-1]})",
            hint="Update nbannot: pip install --upgrade nbannot",
        )
    if read_only:
        raise ReadOnlyError(
            f"The project {title} is of an older version and cannot be brought up to date "
            "where nothing may be written",
            hint="Open it once with write access, or copy it and open the copy.",
        )
    with engine.connect().execution_options(write=True) as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            # Everybody else waits here; a SQLite file is locked by the transaction itself.
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext(current_schema()))")
        # Somebody may have migrated meanwhile.
        if _revision(connection, name) != REVISIONS[-1]:
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


def _revision(connection: Connection, name: Path | str) -> str | None:
    from sqlalchemy import inspect

    names = set(inspect(connection).get_table_names())
    if "alembic_version" not in names:
        if names:
            raise StoreError(f"{name} is a database, but not of nbannot", hint="Choose another one.")
        return None
    row = connection.exec_driver_sql("SELECT version_num FROM alembic_version").first()
    return None if row is None else str(row[0])
