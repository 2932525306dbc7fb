"""Opens the database and the files of a project."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import weakref
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbannot.errors import ReadOnlyError, StoreError
from nbannot.store.core import SNAPSHOT_EVERY, Core
from nbannot.store.database import Database
from nbannot.store.engines import postgres_engine, server_of, sqlite_engine
from nbannot.store.failures import failing
from nbannot.store.files import options_for
from nbannot.store.places import FolderPlace
from nbannot.store.schema import migrate
from nbannot.store.settings import get_setting, put_setting
from nbannot.store.shown import Views
from nbannot.store.snapshots import Snapshots
from nbannot.store.urlplaces import place_at

if TYPE_CHECKING:
    from sqlalchemy import Engine

NAME = "project.sqlite"


def in_folder(
    folder: Path, *, show: Views | None = None, read_only: bool = False, every: int = SNAPSHOT_EVERY
) -> Core:
    """Open the project in a folder, or make it.

    Raises
    ------
    StoreError
        When there is none and none can be made.
    NewerVersionError
        When a newer nbannot made it.
    """
    path = folder / NAME
    read_only = read_only or (path.exists() and not _writable(path))
    if not path.exists():
        _make(folder, read_only)
    copied = _copy(path) if read_only else None
    path = copied / NAME if copied else path
    engine = sqlite_engine(path, read_only=read_only)
    try:
        with failing(path):
            migrate(engine, path, read_only=read_only)
    except BaseException:
        _close(engine, copied)
        raise
    place = FolderPlace(folder)
    database = Database(engine, path, place.blobs, read_only)
    # Open sessions hold the database too: it goes with the last of them.
    close = weakref.finalize(database, _close, engine, copied)
    return Core(database, place, show, every, close, Snapshots(aside=False))


def in_postgres(
    url: str,
    *,
    files: str | Path | None = None,
    storage_options: Mapping[str, Any] | None = None,
    show: Views | None = None,
    read_only: bool = False,
    every: int = SNAPSHOT_EVERY,
) -> Core:
    """Open the project in a schema of PostgreSQL, or make it.

    Raises
    ------
    StoreError
        When the server cannot be reached, refuses the login, or it is not known where files are kept.
    NewerVersionError
        When a newer nbannot made it.
    """
    server = server_of(url)
    engine = postgres_engine(server, read_only=read_only)
    try:
        with failing(server.name):
            migrate(engine, server.name, read_only=read_only)
        with failing(server.name), engine.connect() as connection:
            known = get_setting(connection, "files")
        where = str(files) if files is not None else known
        if where is None:
            raise StoreError(
                f"It is not known where {server.name} keeps its files",
                hint='Say it once: open_project(url, files="s3://bucket/prefix"), or a folder.',
            )
        place = place_at(where, options_for(where, storage_options or {}))
        database = Database(engine, server.name, place.blobs, read_only)
        if where != known and not read_only:
            # Kept as it was meant: a folder by its whole path, a URL without options.
            database.change(lambda c: put_setting(c, "files", place.url))
    except BaseException:
        engine.dispose()
        raise
    close = weakref.finalize(database, _close, engine, None)
    return Core(database, place, show, every, close, Snapshots(aside=place.shared))


def _close(engine: Engine, copied: Path | None) -> None:
    engine.dispose()
    if copied is not None:
        shutil.rmtree(copied, ignore_errors=True)


def _make(folder: Path, read_only: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise StoreError(f"{folder} is a file", hint="Give the folder of a project.")
    if read_only:
        raise StoreError(f"There is no project in {folder}", hint="Check the path.")
    with failing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        raise ReadOnlyError(
            f"A project cannot be made in {folder}: it may not be written",
            hint="Choose another folder.",
        )


def _writable(path: Path) -> bool:
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def _copy(path: Path) -> Path | None:
    """Return a folder with a copy that can be read where the project's folder takes no new file.

    A log that waits to be read needs a file beside it: then both are read from a copy. None where
    the database itself can be read.
    """
    log = path.with_name(path.name + "-wal")
    if os.access(path.parent, os.W_OK) or not (log.exists() and log.stat().st_size):
        return None
    folder = Path(tempfile.mkdtemp(prefix="nbannot-"))
    try:
        with failing(path):
            for file in (path, log):
                shutil.copyfile(file, folder / file.name)
        # Read from the copy once, so that the log is part of it and the copy stands alone.
        with failing(path), closing(sqlite3.connect(folder / path.name)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder
