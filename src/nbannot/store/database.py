"""The database of a project: transactions, tried again where that helps."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar

from nbannot.errors import ReadOnlyError, StoreError
from nbannot.store.blobs import Blobs
from nbannot.store.failures import failing, is_transient

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, Table

T = TypeVar("T")

TRIES = 6


@dataclass(slots=True, weakref_slot=True)
class Database:
    """The database and the blobs of a project, with errors that name them.

    Parameters
    ----------
    engine
        Of SQLAlchemy.
    name
        The file, or the server and database without a password.
    blobs
        Where immutable files are.
    read_only
        Whether nothing may be written.
    """

    engine: Engine
    name: Path | str
    blobs: Blobs
    read_only: bool
    lock: RLock = field(default_factory=RLock)

    @property
    def title(self) -> str:
        """The project in words: its folder, or server and name."""
        return str(self.name.parent if isinstance(self.name, Path) else self.name)

    @property
    def turn(self) -> AbstractContextManager[object]:
        """What writers of this process wait in for each other: a SQLite file has one at a time, and polls."""
        return self.lock if self.engine.dialect.name == "sqlite" else nullcontext()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection whose view does not change."""
        with failing(self.name), self.engine.connect() as connection:
            if self.engine.dialect.name == "postgresql":
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a connection of which all of the block is kept, or nothing.

        In a SQLite file it holds the write lock from its start.

        Raises
        ------
        ReadOnlyError
            When the project was opened for reading.
        """
        self.check_writable()
        with failing(self.name), self.engine.connect() as plain:
            connection = plain.execution_options(write=True)
            with connection.begin():
                yield connection

    def change(self, work: Callable[[Connection], T]) -> T:
        """Do ``work`` in one transaction; what failed only because of another one is done again.

        Raises
        ------
        ReadOnlyError
            When the project was opened for reading.
        StoreError
            When it fails; nothing is changed then.
        """
        for attempt in range(TRIES):
            try:
                with self.writing() as connection:
                    return work(connection)
            except StoreError as error:
                if attempt + 1 == TRIES or not is_transient(error):
                    raise
            time.sleep(random.uniform(0, 0.02 * 2**attempt))
        raise AssertionError("The last try returns or raises")

    def check_writable(self) -> None:
        """Refuse to write where the project was opened for reading.

        Raises
        ------
        ReadOnlyError
            When it was.
        """
        if self.read_only:
            raise ReadOnlyError(
                f"The project {self.title} is open for reading only",
                hint="Ask for write access to it, or copy the project and open the copy.",
            )


def insert_new(connection: Connection, table: Table, row: Mapping[str, Any]) -> None:
    """Insert a row unless one with its key is there."""
    from sqlalchemy.dialects import postgresql, sqlite

    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    connection.execute(dialect.insert(table).values(dict(row)).on_conflict_do_nothing())


def put_row(connection: Connection, table: Table, row: Mapping[str, Any]) -> None:
    """Insert a row, or replace what the one with its key says."""
    from sqlalchemy.dialects import postgresql, sqlite

    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    keys = [column.name for column in table.primary_key]
    rest = {name: value for name, value in row.items() if name not in keys}
    query = dialect.insert(table).values(dict(row)).on_conflict_do_update(index_elements=keys, set_=rest)
    connection.execute(query)
