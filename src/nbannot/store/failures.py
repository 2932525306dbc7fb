"""Turns failures of the disk and of the database into errors that say what to do."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nbannot.errors import NbannotError, ReadOnlyError, StoreError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}
_ROOM = "Nothing was changed and everything saved before is intact. Make room, then do it again."
_COPY = "Ask for write access to the folder, or copy the project and open the copy."


@contextmanager
def failing(path: Path) -> Iterator[None]:
    """Raise failures inside the block as a `StoreError` about ``path``.

    Raises
    ------
    ReadOnlyError
        When writing is not permitted.
    StoreError
        When the disk is full, the database stays locked, or anything else of the kind fails.
    """
    # Without an import of sqlalchemy: its errors wrap sqlite3's own as ``orig``.
    try:
        yield
    except NbannotError:
        raise
    except OSError as cause:
        raise _of_system(path, cause) from cause
    except Exception as cause:
        origin = getattr(cause, "orig", cause)
        if not isinstance(origin, sqlite3.Error):
            raise
        raise _of_sqlite(path, origin) from cause


def _of_system(path: Path, cause: OSError) -> StoreError:
    if cause.errno in _FULL:
        return StoreError(f"The disk is full: {path} was not written", hint=_ROOM)
    if cause.errno in _READ_ONLY:
        return ReadOnlyError(f"{path} cannot be written: {cause.strerror}", hint=_COPY)
    return StoreError(f"{path} failed: {cause.strerror or cause}")


def _of_sqlite(path: Path, cause: sqlite3.Error) -> StoreError:
    code = (getattr(cause, "sqlite_errorcode", None) or 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return StoreError(f"The disk is full: {path} was not written", hint=_ROOM)
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
        return ReadOnlyError(f"{path} cannot be written", hint=_COPY)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreError(
            f"{path} is in use by another program and stayed locked",
            hint="Nothing was changed. Try again, or close the other program.",
        )
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return StoreError(
            f"{path} is damaged or is not a project: {cause}", hint="Bring it back from a backup."
        )
    if code == sqlite3.SQLITE_IOERR:
        return StoreError(f"The disk failed: {path} was not written ({cause})", hint=_ROOM)
    return StoreError(f"{path} failed: {cause}")
