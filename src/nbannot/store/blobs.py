"""Immutable files named by the sha256 of their bytes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from nbannot.errors import StoreError
from nbannot.store.failures import failing


class Blobs(Protocol):
    """Immutable files, each named by the sha256 of its content."""

    def put(self, data: bytes) -> str:
        """Keep the bytes and return their sha256; they are there whole when this returns."""
        ...

    def get(self, digest: str) -> bytes:
        """Return the bytes of a blob, checked against its name."""
        ...


class FolderBlobs:
    """A folder of immutable files, each named by the sha256 of its content.

    A blob is on the disk, synced, before `put` returns, and under its name only when it is whole.

    Parameters
    ----------
    folder
        Where the blobs are; made at the first `put`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, digest: str) -> Path:
        """Return the file of the blob with this sha256 (64 hexadecimal digits)."""
        return self.folder / digest[:2] / digest

    def put(self, data: bytes) -> str:
        """Keep the bytes and return their sha256.

        Raises
        ------
        StoreError
            When they cannot be written, e.g. on a full disk. Nothing is left behind.
        """
        digest = hashlib.sha256(data).hexdigest()
        target = self.path(digest)
        if target.exists() and target.stat().st_size == len(data):
            return digest
        with failing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            write_whole(target, data)
        return digest

    def get(self, digest: str) -> bytes:
        """Return the bytes of a blob, checked against its name.

        Raises
        ------
        StoreError
            When the blob is missing or damaged; names the file.
        """
        path = self.path(digest)
        try:
            data = path.read_bytes()
        except FileNotFoundError as cause:
            raise StoreError(
                f"The stored file {path} is missing",
                hint="Bring it back from a backup of the project.",
            ) from cause
        except OSError as cause:
            raise StoreError(f"The stored file {path} cannot be read: {cause.strerror}") from cause
        if hashlib.sha256(data).hexdigest() != digest:
            raise StoreError(
                f"The stored file {path} is damaged: its content does not fit its name",
                hint="Bring it back from a backup of the project.",
            )
        return data


def write_whole(target: Path, data: bytes | Iterable[bytes]) -> None:
    """Write a file, at once or in blocks, so that it is there whole and synced, or not at all."""
    temporary = target.with_name(f".{target.name}.{uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as file:
            for block in (data,) if isinstance(data, bytes) else data:
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, where the system can open folders."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
