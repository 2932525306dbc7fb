from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest

from nbannot.errors import ReadOnlyError, StoreError
from nbannot.store.blobs import FolderBlobs


def test_a_blob_is_named_by_its_content_and_kept_once(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    digest = blobs.put(b"abc")
    assert digest == hashlib.sha256(b"abc").hexdigest()
    assert blobs.put(b"abc") == digest
    assert blobs.get(digest) == b"abc"
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == [digest]


def test_a_torn_blob_is_written_again(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    digest = blobs.put(b"abc")
    blobs.path(digest).write_bytes(b"ab")
    with pytest.raises(StoreError, match=digest):
        blobs.get(digest)
    blobs.put(b"abc")
    assert blobs.get(digest) == b"abc"


@pytest.mark.parametrize(
    ("number", "error", "message"),
    [
        (errno.ENOSPC, StoreError, "disk is full"),
        (errno.EROFS, ReadOnlyError, "cannot be written"),
        (errno.EIO, StoreError, "failed"),
    ],
)
def test_a_failed_write_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, error: type, message: str
) -> None:
    def fail(handle: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(error, match=message):
        FolderBlobs(tmp_path).put(b"abc")
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == []


def test_a_missing_blob_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"aaaa is missing.*backup"):
        FolderBlobs(tmp_path).get("aaaa")
