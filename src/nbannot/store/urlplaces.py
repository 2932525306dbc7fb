"""Files of a project in any storage that fsspec knows, such as a bucket."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

from nbannot.errors import NbannotError, StoreError, need
from nbannot.session import ImageReference
from nbannot.session.images import as_path
from nbannot.store.blobs import Blobs, write_whole
from nbannot.store.failures import failing
from nbannot.store.places import FolderPlace, Place, cache_folder

T = TypeVar("T")

_BLOCK = 8 << 20
_WHOLE = {"s3", "s3a", "gs", "gcs", "abfs", "az", "memory"}
_AWAY = "Nothing was changed. Check that it can be reached and that the login is right, then do it again."
_REFUSED = "Nothing was changed. Check the key and the secret, and what they may do in the bucket."


def place_at(where: str | Path, options: Mapping[str, Any] | None = None) -> Place:
    """Return the place for files at a folder or a URL.

    Parameters
    ----------
    where
        A path, ``file://…``, or a URL of fsspec such as ``s3://bucket/prefix``.
    options
        For fsspec, e.g. ``key``, ``secret``, ``endpoint_url``; never kept.

    Raises
    ------
    StoreError
        When the URL holds a password or is of an unknown kind.
    MissingDependencyError
        When the package for this kind of storage is not installed.
    """
    text = os.fspath(where)
    if "://" not in text or text.startswith("file://"):
        path = as_path(text) if text.startswith("file://") else Path(text).expanduser().absolute()
        with failing(path):
            path.mkdir(parents=True, exist_ok=True)
        return FolderPlace(path)
    parts = urlsplit(text)
    if "@" in parts.netloc:
        hint = "Give it as storage_options={…}: the URL is kept with the project."
        raise StoreError("The URL of the files holds a login", hint=hint)
    return UrlPlace(text.rstrip("/"), options)


class UrlPlace:
    """A storage that fsspec knows, with a cache on this machine for images."""

    shared = True

    def __init__(self, url: str, options: Mapping[str, Any] | None = None) -> None:
        self.url = url
        self.base = cache_folder(url)
        self._store = _Store(url, dict(options or {}))
        self.blobs: Blobs = UrlBlobs(self._store)

    def keep(self, references: Sequence[ImageReference]) -> None:
        """Write the copies under ``base`` to the storage, and look whether they arrived whole."""
        for reference in references:
            for mark, path in zip(reference.files, reference.paths(self.base), strict=True):
                name = path.relative_to(self.base).as_posix()
                self._store.send(name, path)
                if self._store.size(name) != mark.size or _digest(path) != mark.sha256:
                    raise StoreError(f"The copy of image {reference.name!r} changed while it was made")

    def fetch(self, reference: ImageReference) -> None:
        """Bring the files of a copied image into the cache, checked by their hashes."""
        if "://" in reference.uri or not reference.uri:
            return
        single = len(reference.files) == 1 and PurePosixPath(reference.uri).name == reference.files[0].name
        for mark in reference.files:
            name = reference.uri if single else f"{reference.uri}/{mark.name}"
            target = self.base / name
            if target.exists() and target.stat().st_size == mark.size:
                continue
            with failing(target):
                target.parent.mkdir(parents=True, exist_ok=True)
                write_whole(target, self._checked(name, mark.sha256))

    def _checked(self, name: str, sha256: str) -> Iterator[bytes]:
        """Yield an object in blocks; at its end, fail where it is not what it was."""
        digest = hashlib.sha256()
        for block in self._store.blocks(name):
            digest.update(block)
            yield block
        if digest.hexdigest() != sha256:
            raise StoreError(
                f"The stored file {self.url}/{name} is damaged: its content is not as it was",
                hint="Bring it back from a backup of the project.",
            )


class UrlBlobs:
    """Immutable objects named by the sha256 of their content; see `FolderBlobs`."""

    def __init__(self, store: _Store) -> None:
        self._store = store

    def put(self, data: bytes) -> str:
        """Keep the bytes and return their sha256."""
        digest = hashlib.sha256(data).hexdigest()
        name = self._name(digest)
        if self._store.size(name) != len(data):
            self._store.write(name, data)
        return digest

    def get(self, digest: str) -> bytes:
        """Return the bytes of a blob, checked against its name.

        Raises
        ------
        StoreError
            When the blob is missing or damaged; names it.
        """
        data = self._store.read(self._name(digest))
        if hashlib.sha256(data).hexdigest() != digest:
            raise StoreError(
                f"The stored file {digest} is damaged: its content does not fit its name",
                hint="Bring it back from a backup of the project.",
            )
        return data

    @staticmethod
    def _name(digest: str) -> str:
        return f"blobs/{digest[:2]}/{digest}"


class _Store:
    """Whole objects under a prefix of a storage."""

    def __init__(self, url: str, options: dict[str, Any]) -> None:
        fsspec = need("fsspec", extra="s3")
        self._url = url
        if urlsplit(url).scheme in ("s3", "s3a"):
            # A bucket that is away is told after seconds, not minutes.
            options.setdefault("config_kwargs", {"retries": {"max_attempts": 2}, "connect_timeout": 5})
        try:
            # Without listings that may be old: other programs write here too.
            self._fs, self._root = fsspec.core.url_to_fs(url, use_listings_cache=False, **options)
        except ImportError as cause:
            need(f"{urlsplit(url).scheme}fs", extra="s3")
            raise StoreError(f"Files cannot be kept at {urlsplit(url).scheme}://") from cause
        except (ValueError, TypeError) as cause:
            raise StoreError(f"Files cannot be kept at {urlsplit(url).scheme}://: unknown") from cause
        if hasattr(self._fs, "retries"):
            self._fs.retries = 3

    def read(self, name: str) -> bytes:
        """Return a whole object."""
        try:
            data: bytes = self._do(lambda: self._fs.cat_file(f"{self._root}/{name}"))
        except FileNotFoundError as cause:
            raise self._missing(name) from cause
        return data

    def blocks(self, name: str) -> Iterator[bytes]:
        """Yield an object in blocks, for what may be larger than the memory."""
        path, at = f"{self._root}/{name}", 0
        size = self.size(name)
        if size is None:
            raise self._missing(name)
        while at < size:
            block: bytes = self._do(partial(self._fs.cat_file, path, start=at, end=at + _BLOCK))
            if not block:
                return  # it is shorter now, which its hash tells
            at += len(block)
            yield block

    def _missing(self, name: str) -> StoreError:
        hint = "Bring it back from a backup of the project."
        return StoreError(f"The stored file {self._url}/{name} is missing", hint=hint)

    def send(self, name: str, source: Path) -> None:
        """Write a file of this machine in blocks."""
        path = f"{self._root}/{name}"
        if _protocols(self._fs) & {"file", "local"}:
            with self._failing(), source.open("rb") as file:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                write_whole(Path(path), iter(lambda: file.read(_BLOCK), b""))
            return
        pieces = {"chunksize": _BLOCK, "max_concurrency": 1} if _protocols(self._fs) & {"s3", "s3a"} else {}
        if _protocols(self._fs) & _WHOLE:
            self._do(lambda: self._fs.put_file(str(source), path, **pieces))
            return
        temporary = f"{path}.{uuid4().hex}.tmp"
        self._do(lambda: self._fs.makedirs(path.rpartition("/")[0], exist_ok=True))
        self._do(lambda: self._fs.put_file(str(source), temporary))
        self._do(lambda: self._fs.mv(temporary, path))

    def write(self, name: str, data: bytes) -> None:
        """Write a whole object; on a disk it gets its name only when it is whole."""
        path = f"{self._root}/{name}"
        if "file" in _protocols(self._fs) or "local" in _protocols(self._fs):
            with self._failing():
                target = Path(path)
                target.parent.mkdir(parents=True, exist_ok=True)
                write_whole(target, data)
            return
        # An object of a bucket appears whole or not at all; others are moved there when they are whole.
        if _protocols(self._fs) & _WHOLE:
            self._do(lambda: self._fs.pipe_file(path, data))
            return
        temporary = f"{path}.{uuid4().hex}.tmp"
        self._do(lambda: self._fs.makedirs(path.rpartition("/")[0], exist_ok=True))
        self._do(lambda: self._fs.pipe_file(temporary, data))
        self._do(lambda: self._fs.mv(temporary, path))

    def size(self, name: str) -> int | None:
        """Return the size of an object; None where there is none."""
        try:
            found = self._do(lambda: self._fs.info(f"{self._root}/{name}"))
        except FileNotFoundError:
            return None
        return int(found["size"])

    def _do(self, call: Callable[[], T]) -> T:
        with self._failing():
            return call()

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except (NbannotError, FileNotFoundError):
            raise
        except PermissionError:
            raise StoreError(f"The files at {self._url} are refused with this login", hint=_REFUSED) from None
        except Exception as cause:
            # What a storage says may quote logins or signed URLs, so only the kind is told.
            kind = type(cause).__name__
            raise StoreError(f"The files at {self._url} cannot be reached ({kind})", hint=_AWAY) from None


def _protocols(fs: Any) -> set[str]:
    found = fs.protocol
    return {found} if isinstance(found, str) else set(found)


def _digest(path: Path) -> str:
    with failing(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
