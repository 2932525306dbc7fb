"""Opens the database and the files of a project."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import weakref
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbannot.errors import ReadOnlyError, StoreError
from nbannot.session import Session
from nbannot.store.core import SNAPSHOT_EVERY, Core
from nbannot.store.database import Database
from nbannot.store.failures import failing
from nbannot.store.places import FolderPlace
from nbannot.store.schema import connect, migrate

if TYPE_CHECKING:
    from sqlalchemy import Engine

NAME = "project.sqlite"

Show = Callable[[Session], Any]


def in_folder(
    folder: Path, *, show: Show | None = None, read_only: bool = False, every: int = SNAPSHOT_EVERY
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
    engine = connect(path, read_only=read_only)
    try:
        with failing(path):
            migrate(engine, path, read_only=read_only)
    except BaseException:
        _close(engine, copied)
        raise
    place = FolderPlace(folder)
    core = Core(Database(engine, path, place.blobs, read_only), place, show, every, engine.dispose)
    core.close = weakref.finalize(core, _close, engine, copied)
    return core


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
