"""A bounded folder of fetched files: each is there whole and as it was fetched, or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import time
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

from nbannot.errors import GoneError, NbannotError, RemoteError
from nbannot.formats.places import fetched_from
from nbannot.formats.remote.urls import Entry, Place, safe_name
from nbannot.model.image import Image

fcntl: Any = None
with suppress(ImportError):  # Windows has none
    import fcntl

LIMIT = 20 << 30
"""Bytes that the cache may hold, unless NBANNOT_CACHE_GIB says otherwise."""

MOST_FILES = 200_000
# Partly fetched sets are kept this long, s, to go on with.
_PARTS = 24 * 3600.0
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class _Kept:
    entry: Entry
    path: Path
    sha256: str


class Cache:
    """Files fetched from places, kept for the next time.

    A file is found by its URL, size and stamp, so that one which changed at its place is fetched again;
    before it is used its bytes are compared with the sha256 that they had when they came. The folder is
    for its user alone. The longest unused files go first; those that an image reads from stay.

    Parameters
    ----------
    folder
        $NBANNOT_CACHE, else the user's folder for caches, when missing.
    limit
        In bytes; $NBANNOT_CACHE_GIB, else 20 GiB, when missing.
    """

    def __init__(self, folder: Path | None = None, *, limit: int | None = None) -> None:
        self.folder = folder or _default_folder()
        gib = os.environ.get("NBANNOT_CACHE_GIB", "")
        self.limit = limit if limit is not None else int(float(gib) * (1 << 30)) if gib else LIMIT

    def hold(self, place: Place, entries: Iterable[Entry]) -> Held:
        """Return these files of a place on the local disk, fetched where they are not there yet.

        Raises
        ------
        RemoteError
            When one cannot be fetched, is cut off, changes while it is fetched, or there is no room.
        """
        wanted = _limited(place, entries)
        with _disk(self.folder):
            for name in ("objects", "sets", "new"):
                (self.folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
            key = _set_key(wanted)
            lock = _Lock(self.folder / "sets" / f"{key}.lock")
            try:
                kept = self._kept(place, wanted)
                folder = self._linked(key, kept)
                self._shrink()
            except BaseException:
                lock.release()
                raise
        return Held(place.url, folder, kept, lock)

    def has(self, entry: Entry) -> bool:
        """Whether a file is here as a whole."""
        return self._path(entry).exists()

    def _kept(self, place: Place, wanted: Sequence[Entry]) -> list[_Kept]:
        found = {entry.uri: one for entry in wanted if (one := self._found(entry)) is not None}
        missing = [entry for entry in wanted if entry.uri not in found]
        if missing:
            self._room(place, missing)
            for entry, blocks in place.contents(missing):
                found[entry.uri] = self._fetch(entry, blocks)
            lost = [entry.name for entry in missing if entry.uri not in found]
            if lost:
                raise RemoteError(f"{place.url} did not send {len(lost)} of its files ({lost[0]}, …)")
            _unchanged(place, missing)
        return [found[entry.uri] for entry in wanted]

    def _found(self, entry: Entry) -> _Kept | None:
        path = self._path(entry)
        try:
            mark = json.loads(path.with_suffix(".json").read_bytes())
            digest = _digest(path)
        except (OSError, ValueError):
            return None
        if digest != mark.get("sha256"):
            path.unlink(missing_ok=True)
            return None
        return _Kept(entry, path, digest)

    def _fetch(self, entry: Entry, blocks: Iterator[bytes]) -> _Kept:
        path, new = self._path(entry), self.folder / "new" / uuid4().hex
        digest, size = hashlib.sha256(), 0
        try:
            with new.open("xb") as file:
                for block in blocks:
                    size += len(block)
                    if 0 <= entry.size < size:
                        break
                    digest.update(block)
                    file.write(block)
                file.flush()
                os.fsync(file.fileno())
            if entry.size >= 0 and size != entry.size:
                raise RemoteError(
                    f"{entry.uri} has {entry.size} bytes, and {'more' if size > entry.size else size} came",
                    hint="Try again; if it stays so, copy the file to its place again.",
                )
            path.parent.mkdir(exist_ok=True, mode=0o700)
            mark = new.with_suffix(".json")
            mark.write_text(json.dumps({"sha256": digest.hexdigest()}))
            new.replace(path)
            mark.replace(path.with_suffix(".json"))
        finally:
            new.unlink(missing_ok=True)
        return _Kept(entry, path, digest.hexdigest())

    def _path(self, entry: Entry) -> Path:
        key = hashlib.sha256(f"{entry.uri}\n{entry.size}\n{entry.stamp}".encode()).hexdigest()[:40]
        return self.folder / "objects" / key[:2] / key

    def _linked(self, key: str, kept: Sequence[_Kept]) -> Path:
        """Return a folder in which the files have their names; what is in it is the files themselves."""
        target = self.folder / "sets" / key
        wrong = [one for one in kept if not _same(one, target / one.entry.name)]
        if not wrong:
            return target
        new = self.folder / "new" / uuid4().hex
        try:
            for one in wrong:
                path = new / one.entry.name
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                try:
                    path.hardlink_to(one.path)
                except OSError:
                    shutil.copyfile(one.path, path)
            if not target.exists():
                new.rename(target)
                return target
            # Others may read from the folder: each file takes its place at once, the folder stays.
            for one in wrong:
                (target / one.entry.name).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                (new / one.entry.name).replace(target / one.entry.name)
        finally:
            shutil.rmtree(new, ignore_errors=True)
        return target

    def _room(self, place: Place, missing: Sequence[Entry]) -> None:
        need = sum(max(entry.size, 0) for entry in missing)
        free = shutil.disk_usage(self.folder).free
        if need > free:
            raise RemoteError(
                f"{place.url} needs {need / 2**30:.1f} GiB, and {self.folder} has {free / 2**30:.1f} GiB left",
                hint="Make room, or name a folder on another disk in NBANNOT_CACHE.",
            )

    def _shrink(self) -> None:
        """Remove the sets that were not used for longest until the cache is within its limit."""
        objects = self.folder / "objects"
        total = sum(_size(path) for path in objects.glob("*/*"))
        old = time.time() - _PARTS
        with suppress(OSError):
            for one in (self.folder / "new").iterdir():
                if one.stat().st_mtime < old:
                    shutil.rmtree(one) if one.is_dir() else one.unlink()
        if total <= self.limit:
            return
        for path in sorted((self.folder / "sets").glob("*.lock"), key=_time):
            if total <= self.limit:
                return
            with _alone(path) as free:
                if free:
                    total -= self._drop(path)
        for path in sorted(objects.glob("*/*"), key=_time):
            if total <= self.limit:
                return
            if path.suffix != ".json" and path.exists() and path.stat().st_nlink == 1 and _time(path) < old:
                total -= _size(path)
                path.unlink()
                path.with_suffix(".json").unlink(missing_ok=True)

    def _drop(self, lock: Path) -> int:
        folder, freed = lock.with_suffix(""), 0
        inodes = {path.stat().st_ino for path in folder.rglob("*") if path.is_file()}
        shutil.rmtree(folder, ignore_errors=True)
        for path in list((self.folder / "objects").glob("*/*")):
            if not path.exists():
                continue  # the mark of one that went
            status = path.stat()
            if status.st_ino in inodes and status.st_nlink == 1:
                freed += status.st_size
                path.unlink()
                path.with_suffix(".json").unlink(missing_ok=True)
        lock.unlink(missing_ok=True)
        return freed


class Held:
    """Files of a place on the local disk, which stay there as long as something reads from them."""

    def __init__(self, url: str, folder: Path, kept: Sequence[_Kept], lock: _Lock) -> None:
        self.url = url
        self.folder = folder
        self.entries = tuple(one.entry for one in kept)
        self.sha256: Mapping[str, str] = {one.entry.name: one.sha256 for one in kept}
        self._lock = lock
        self._uris = {str(folder / one.entry.name): one.entry.uri for one in kept}
        weakref.finalize(self, lock.release)

    @property
    def files(self) -> list[str]:
        """The paths of the files, in the order of their names."""
        return [str(self.folder / entry.name) for entry in sorted(self.entries, key=lambda one: one.name)]

    def plain(self, text: str) -> str:
        """Return a message with URLs instead of paths in the cache."""
        shown = self.url.removeprefix("zip://::")
        return text.replace(f"{self.folder}/", f"{shown.rstrip('/')}/").replace(str(self.folder), shown)

    def keep_for(self, image: Image) -> None:
        """Keep the files while `image` lives, and let its sources name their URLs."""
        fetched_from(image, self.url, self._uris, self)

    @contextmanager
    def used(self) -> Iterator[None]:
        """Let errors in the block name the files at their place."""
        try:
            yield
        except NbannotError as error:
            error.message = self.plain(error.message)
            raise


class _Lock:
    """A lock that many may share, which stops the cache from removing what it is for."""

    def __init__(self, path: Path) -> None:
        while True:
            file = path.open("ab")
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_SH)
            with suppress(OSError):
                if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                    break
            file.close()  # it was removed in between
        self._file: IO[bytes] | None = file
        os.utime(path)

    def release(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()


@contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """Whether nobody shares the lock; while the block runs, nobody can."""
    try:
        file = path.open("ab")
    except OSError:
        yield False
        return
    with file:
        if fcntl is None:  # without locks: by time
            yield time.time() - _time(path) > _PARTS
            return
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True


@contextmanager
def _disk(folder: Path) -> Iterator[None]:
    try:
        yield
    except NbannotError:
        raise
    except OSError as cause:
        raise RemoteError(
            f"Fetched files cannot be kept in {folder}: {cause.strerror or type(cause).__name__}",
            hint="Make room there, or name another folder in NBANNOT_CACHE.",
        ) from cause


def _limited(place: Place, entries: Iterable[Entry]) -> list[Entry]:
    wanted: list[Entry] = []
    for entry in entries:
        if not safe_name(entry.name):
            raise RemoteError(f"{place.url} has a file whose name leads out of its folder: {entry.name!r}")
        wanted.append(entry)
        if len(wanted) > MOST_FILES:
            raise RemoteError(
                f"{place.url} holds more than {MOST_FILES:,} files, too many to be fetched at once",
                hint="project.index(url) lists what is in it; read one series or folder.",
            )
    if not wanted:
        raise GoneError(f"There is no file at {place.url}", hint="Check the URL.")
    return wanted


def _unchanged(place: Place, fetched: Sequence[Entry]) -> None:
    """Raise unless the files are still those that were listed before they were fetched."""
    wanted = {entry.uri: entry for entry in fetched}
    now = {entry.uri: entry for entry in place.entries() if entry.uri in wanted}
    changed = [entry.uri for uri, entry in wanted.items() if now.get(uri) != entry]
    if changed:
        raise RemoteError(f"{changed[0]} changed while it was fetched", hint="Try again.")


def _set_key(entries: Iterable[Entry]) -> str:
    lines = sorted(f"{one.name}\t{one.uri}\t{one.size}\t{one.stamp}" for one in entries)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]


def _default_folder() -> Path:
    named = os.environ.get("NBANNOT_CACHE")
    if named:
        return Path(named).expanduser().absolute()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "nbannot" / "files"


def _same(one: _Kept, path: Path) -> bool:
    try:
        return one.path.samefile(path) or _digest(path) == one.sha256
    except OSError:
        return False


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _time(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
