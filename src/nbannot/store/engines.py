"""Connections to the databases of projects: SQLite files, and schemas of PostgreSQL."""

from __future__ import annotations

import os
import re
import sqlite3
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

from nbannot.errors import StoreError, need

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

BUSY_S = 10.0
CONNECT_S = 10
POOL_SIZE = 5
POOL_MORE = 15

_PROJECT = re.compile(r"[a-z][a-z0-9_-]{0,40}")

# Engines of this process; a child that is forked off must not talk over its parent's connections.
_engines: weakref.WeakSet[Engine] = weakref.WeakSet()


@dataclass(frozen=True, slots=True)
class Server:
    """Where a project in PostgreSQL is.

    Parameters
    ----------
    url
        For the driver, with the password; never shown.
    project
        Name of the project.
    name
        For people: host, database and project.
    pooled
        Whether connections are kept for the next use.
    """

    url: str
    project: str
    name: str
    pooled: bool

    @property
    def schema(self) -> str:
        """Name of the schema with the project's tables."""
        return f"nbannot_{self.project.replace('-', '_')}"

    def __repr__(self) -> str:
        return f"Server({self.name!r})"


def server_of(url: str) -> Server:
    """Return what a ``postgresql://`` URL says.

    Raises
    ------
    StoreError
        When it says something that is not known; the URL itself is never shown.
    """
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        raise StoreError("The URL of the database is not understood", hint=_FORM) from None
    asked = parse_qs(parts.query)
    project = asked.pop("project", ["default"])[-1]
    pool = asked.pop("pool", ["yes"])[-1]
    database = parts.path.lstrip("/")
    if not database or "/" in database:
        raise StoreError("The URL of the database names no database", hint=_FORM)
    if not _PROJECT.fullmatch(project):
        raise StoreError(
            f"{project!r} is no name of a project",
            hint="Use small letters, digits, - and _, a letter first, 41 at most.",
        )
    query = "&".join(f"{key}={value}" for key, values in asked.items() for value in values)
    plain = urlunsplit(("postgresql+psycopg", parts.netloc, parts.path, query, ""))
    name = f"postgresql://{parts.hostname or 'localhost'}{port}/{database}?project={project}"
    return Server(plain, project, name, pool not in ("no", "0"))


_FORM = "Write postgresql://user:password@host/database?project=name."


def sqlite_engine(path: Path, *, read_only: bool) -> Engine:
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

    engine = create_engine(
        "sqlite://", creator=opened, poolclass=QueuePool, pool_size=POOL_SIZE, max_overflow=POOL_MORE
    )

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
    return _known(engine)


def postgres_engine(server: Server, *, read_only: bool) -> Engine:
    """Return an engine whose connections see the schema of one project.

    Raises
    ------
    MissingDependencyError
        When the driver is not installed.
    StoreError
        When the URL is not understood.
    """
    from sqlalchemy import NullPool, QueuePool, create_engine, event
    from sqlalchemy.exc import ArgumentError

    need("psycopg", extra="postgres")
    options = f"-csearch_path={server.schema} -clock_timeout=30000"
    if read_only:
        options += " -cdefault_transaction_read_only=on"
    pool: dict[str, Any] = {"poolclass": NullPool}
    if server.pooled:
        pool = {
            "poolclass": QueuePool,
            "pool_size": POOL_SIZE,
            "max_overflow": POOL_MORE,
            "pool_pre_ping": True,
        }
    try:
        engine = create_engine(
            server.url, hide_parameters=True, isolation_level="READ COMMITTED",
            connect_args={"options": options, "connect_timeout": CONNECT_S, "application_name": "nbannot"},
            **pool,
        )  # fmt: skip
    except (ArgumentError, ValueError):
        raise StoreError("The URL of the database is not understood", hint=_FORM) from None
    if not read_only:

        def schema(connection: Any, _record: object) -> None:
            # A login that may only use the schema needs no right to make one.
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (server.schema,))
                if cursor.fetchone() is None:
                    cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (server.schema,))
                    cursor.execute(f'CREATE SCHEMA IF NOT EXISTS "{server.schema}"')
            connection.commit()

        event.listen(engine, "connect", schema)
    return _known(engine)


def _known(engine: Engine) -> Engine:
    _engines.add(engine)
    return engine


def _forget() -> None:
    for engine in list(_engines):
        engine.dispose(close=False)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
