"""Files behind fsspec: S3 and other object stores, and everything else that it knows."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from nbannot.errors import GoneError, MissingDependencyError, NbannotError, RemoteError, need
from nbannot.formats.remote.urls import Entry, Options, checked_url

_BLOCK = 1 << 20
_PAGE = 1000
# Half a minute for a bucket that is away, not five.
_S3 = {"connect_timeout": 5, "read_timeout": 60, "retries": {"max_attempts": 2}}
_DENIED = (
    "AccessDenied",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "NoCredentials",
    "ExpiredToken",
    "Forbidden",
)


class ObjectStore:
    """A prefix, or one object, of a store that fsspec opens.

    Parameters
    ----------
    url
        E.g. ``s3://bucket/prefix/``.
    options
        For fsspec: ``key``, ``secret``, ``endpoint_url``, … (``storage_options``).
    """

    def __init__(self, url: str, options: Options) -> None:
        self.url = checked_url(url)
        self._scheme = urlsplit(url).scheme
        fsspec = need("fsspec", extra="s3")
        given = dict(options)
        if self._scheme in ("s3", "s3a"):
            need("s3fs", extra="s3")
            given["config_kwargs"] = {**_S3, **given.get("config_kwargs", {})}
        given.setdefault("use_listings_cache", False)
        given.setdefault("skip_instance_cache", True)
        with self._failing(url):
            self._fs, self._root = fsspec.core.url_to_fs(url, **given)
            if hasattr(self._fs, "retries"):
                self._fs.retries = 2

    def entries(self, below: str | None = None, *, hidden: Collection[str] = ()) -> Iterator[Entry]:
        """List the objects under the prefix; only a part of the list is held.

        Hidden ones are left out but for those of the names in ``hidden``. S3 gives all that is below in pages; other
        stores are asked folder by folder.
        """
        with self._failing(self.url):
            if below is None:
                info = self._info(self._root)
                if info["type"] == "file":
                    yield self._entry(info, info["name"].rsplit("/", 1)[-1])
                    return
                if self._scheme in ("s3", "s3a"):
                    yield from self._all(info["name"], hidden)
                    return
            found = self._fs.ls(below or self._root, detail=True)
            self._fs.invalidate_cache()
        folders = []
        for info in sorted(found, key=lambda one: str(one["name"])):
            path = str(info["name"]).rstrip("/")
            name = path.rsplit("/", 1)[-1]
            if (name.startswith(".") and name not in hidden) or path == (below or self._root).rstrip("/"):
                continue
            if info["type"] == "directory":
                folders.append(path)
            elif not str(info["name"]).endswith("/"):
                yield self._entry(info, self._relative(path))
        for folder in folders:
            yield from self.entries(folder, hidden=hidden)

    def _all(self, root: str, hidden: Collection[str]) -> Iterator[Entry]:
        sync = need("fsspec.asyn", extra="s3").sync
        bucket, key, _ = self._fs.split_path(root)
        prefix = f"{key.rstrip('/')}/" if key else ""
        objects = self._fs._iterdir(bucket, prefix=prefix, delimiter="")

        async def some() -> list[Mapping[str, Any]]:
            page = []
            async for info in objects:
                page.append(info)
                if len(page) == _PAGE:
                    break
            return page

        while True:
            with self._failing(self.url):
                page = sync(self._fs.loop, some)
            for info in page:
                path = str(info["name"])
                name = self._relative(path)
                *folders, last = name.split("/")
                wanted = folders if last in hidden else [*folders, last]
                if not path.endswith("/") and not any(part.startswith(".") for part in wanted):
                    yield self._entry(info, name)
            if len(page) < _PAGE:
                return

    def contents(self, entries: Sequence[Entry]) -> Iterator[tuple[Entry, Iterator[bytes]]]:
        """Read objects one after the other."""
        for entry in entries:
            yield entry, self._blocks(entry)

    def start(self, entry: Entry, size: int) -> bytes:
        """Return the first bytes of an object, by one request."""
        with self._failing(entry.uri):
            data: bytes = self._fs.cat_file(self._path(entry), start=0, end=size)
            return data

    def starts(self, entries: Sequence[Entry], size: int) -> dict[str, bytes]:
        """Return the first bytes of several objects by their URI, asked for at once; what fails is left out."""
        wanted = [entry for entry in entries if entry.size > 0]
        ends = [min(size, entry.size) for entry in wanted]
        with self._failing(self.url):
            paths = [self._path(entry) for entry in wanted]
            found = self._fs.cat_ranges(paths, [0] * len(paths), ends, on_error="return")
        pairs = zip(wanted, found, strict=True)
        return {entry.uri: data for entry, data in pairs if isinstance(data, bytes)}

    def part(self, entry: Entry, start: int, end: int) -> bytes:
        """Return the bytes from `start` up to `end` of an object."""
        with self._failing(entry.uri):
            data: bytes = self._fs.cat_file(self._path(entry), start=start, end=end)
            return data

    def _blocks(self, entry: Entry) -> Iterator[bytes]:
        with (
            self._failing(entry.uri),
            self._fs.open(self._path(entry), "rb", block_size=_BLOCK * 8, cache_type="readahead") as file,
        ):
            while block := file.read(_BLOCK * 8):
                yield block

    def _info(self, path: str) -> Mapping[str, Any]:
        info: Mapping[str, Any] = self._fs.info(path)
        return info

    def _relative(self, path: str) -> str:
        return path.removeprefix(self._root.rstrip("/")).lstrip("/")

    def _path(self, entry: Entry) -> str:
        return str(self._fs._strip_protocol(entry.uri))

    def _entry(self, info: Mapping[str, Any], name: str) -> Entry:
        stamp = next(
            (info[key] for key in ("ETag", "etag", "LastModified", "mtime", "created") if info.get(key)), ""
        )
        text = stamp.isoformat() if hasattr(stamp, "isoformat") else str(stamp)
        uri = str(self._fs.unstrip_protocol(info["name"]))
        if self._scheme in ("http", "https"):
            uri = str(info["name"])
        size = info.get("size")
        return Entry(uri, name, -1 if size is None else int(size), text.strip('"'))

    @contextmanager
    def _failing(self, what: str) -> Iterator[None]:
        """Turn what stores raise into errors that name the place and the way out, and no secret."""
        try:
            yield
        except (NbannotError, GeneratorExit):
            raise
        except ImportError as cause:
            raise MissingDependencyError(
                f"{self._scheme}:// needs a package that is not installed ({cause.name or cause})",
                hint='For S3: pip install "nbannot[s3]".',
            ) from cause
        except Exception as cause:
            raise _error(self._scheme, what, cause) from cause


def _error(scheme: str, what: str, cause: Exception) -> RemoteError:
    text = f"{type(cause).__name__} {cause}"
    if isinstance(cause, FileNotFoundError):
        return GoneError(f"There is nothing at {what}", hint="Check the URL, and who may list the bucket.")
    if isinstance(cause, PermissionError) or any(word in text for word in _DENIED):
        return RemoteError(
            f"{what} is refused with these credentials",
            hint="Check storage_options={…}, or the credentials in the environment.",
        )
    if isinstance(cause, ValueError) and "protocol" in text.lower():
        return RemoteError(
            f"{scheme}:// is of an unknown kind", hint="s3://, https://, zip:// and file:// are known."
        )
    away = isinstance(cause, (ConnectionError, TimeoutError, asyncio.TimeoutError)) or any(
        word in type(cause).__name__
        for word in ("Connect", "Timeout", "Endpoint", "Client", "SSL", "Proxy", "HTTP")
    )
    if away:
        return RemoteError(
            f"{what} cannot be reached ({type(cause).__name__})", hint="Try again later; check endpoint_url."
        )
    return RemoteError(
        f"{what} cannot be read ({type(cause).__name__})", hint="Try again, or look at the store."
    )
