"""Turns failures of disks, databases and buckets into errors that say what to do."""

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
_AWAY = "Nothing was changed. Check that the server runs and can be reached, then do it again."

# PostgreSQL's codes of failures that a second try may mend.
_TRANSIENT = {"40001", "40P01"}


@contextmanager
def failing(where: Path | str) -> Iterator[None]:
    """Raise failures inside the block as a `StoreError` about ``where``: a file, or a server's name.

    Raises
    ------
    ReadOnlyError
        When writing is not permitted.
    StoreError
        When the disk is full, the database is away or stays locked, or anything else of the kind fails.
    """
    # Without an import of sqlalchemy: its errors wrap the driver's own as ``orig``.
    try:
        yield
    except NbannotError:
        raise
    except OSError as cause:
        raise _of_system(where, cause) from cause
    except Exception as cause:
        origin = getattr(cause, "orig", cause)
        if isinstance(origin, sqlite3.Error):
            raise _of_sqlite(where, origin) from cause
        if type(origin).__module__.startswith("psycopg"):
            raise _of_postgres(where, origin) from cause
        if type(cause).__module__.startswith("sqlalchemy") and origin is cause:
            raise StoreError(f"{where} failed: {type(cause).__name__}", hint=_AWAY) from cause
        raise


def is_transient(error: BaseException) -> bool:
    """Whether a transaction failed only because of another one, and may be tried again."""
    origin = getattr(error.__cause__, "orig", None)
    return getattr(origin, "sqlstate", None) in _TRANSIENT


def _of_system(where: Path | str, cause: OSError) -> StoreError:
    if cause.errno in _FULL:
        return StoreError(f"The disk is full: {where} was not written", hint=_ROOM)
    if cause.errno in _READ_ONLY:
        return ReadOnlyError(f"{where} cannot be written: {cause.strerror}", hint=_COPY)
    return StoreError(f"{where} failed: {cause.strerror or cause}")


def _of_sqlite(where: Path | str, cause: sqlite3.Error) -> StoreError:
    code = (getattr(cause, "sqlite_errorcode", None) or 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return StoreError(f"The disk is full: {where} was not written", hint=_ROOM)
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
        return ReadOnlyError(f"{where} cannot be written", hint=_COPY)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreError(
            f"{where} is in use by another program and stayed locked",
            hint="Nothing was changed. Try again, or close the other program.",
        )
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return StoreError(
            f"{where} is damaged or is not a project: {cause}", hint="Bring it back from a backup."
        )
    if code == sqlite3.SQLITE_IOERR:
        return StoreError(f"The disk failed: {where} was not written ({cause})", hint=_ROOM)
    return StoreError(f"{where} failed: {cause}")


def _of_postgres(where: Path | str, cause: BaseException) -> StoreError:
    # The server's own words may quote values, so only what kind of failure it is is told.
    state = str(getattr(cause, "sqlstate", None) or "")
    words = str(cause)
    if state.startswith("28") or "password authentication failed" in words or "no password" in words:
        return StoreError(f"{where} refuses the login", hint="Check user name and password in the URL.")
    if state == "3D000" or ("does not exist" in words and 'database "' in words):
        return StoreError(f"{where} does not exist on its server", hint="Ask for it to be made: createdb.")
    if state in ("53100", "53200"):
        return StoreError(f"The disk of {where} is full: nothing was written", hint=_ROOM)
    if state in ("25006", "42501"):
        hint = "Open it with a login that may write."
        return ReadOnlyError(f"{where} does not permit this login to write", hint=hint)
    if state in _TRANSIENT or state in ("55P03", "57014"):
        hint = "Nothing was changed. Do it again."
        return StoreError(f"{where} is busy with somebody else's change", hint=hint)
    if state[:2] in ("08", "57", "53") or (not state and type(cause).__name__ == "OperationalError"):
        return StoreError(f"{where} cannot be reached", hint=_AWAY)
    return StoreError(f"{where} failed ({state or type(cause).__name__})")
