"""One object of a store, read by ranges: never all of it, and never all of it in memory."""

from __future__ import annotations

import io
import os
import shutil
import struct
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

from nbannot.errors import NbannotError, RemoteError
from nbannot.formats.places import Entry, fetched_from, read_by_range
from nbannot.formats.remote.cache import Cache, Held
from nbannot.formats.remote.stores import ObjectStore
from nbannot.model.image import Image

LEAST = 64 << 20
"""Images of fewer bytes are fetched whole: that takes a second, and then nothing waits for the store."""

_FIRST = 1 << 16
_MOST = 4 << 20
_HELD = 16 << 20
_MOST_HEAD = 1 << 20


class Store(Protocol):
    """What gives parts of objects."""

    def part(self, entry: Entry, start: int, end: int) -> bytes:
        """Return the bytes from `start` up to `end` of an object."""
        ...

    def entries(self) -> Iterator[Entry]:
        """List the objects."""
        ...


class Ranged(io.RawIOBase):
    """An object as a file that can be read anywhere.

    Whoever reads on gets more at a time, up to 4 MiB; the blocks that were read last are held, 16 MiB.

    Parameters
    ----------
    store
        A place whose only object this is.
    entry
        The object as it was listed.
    """

    def __init__(self, store: Store, entry: Entry) -> None:
        super().__init__()
        self.entry = entry
        self._store = store
        self._at = 0
        self._ahead = _FIRST
        self._end = -1  # of the block that came last
        self._blocks: dict[int, bytes] = {}
        self._lock = Lock()

    def readable(self) -> bool:
        """Whether it can be read: yes."""
        return True

    def seekable(self) -> bool:
        """Whether one can go anywhere in it: yes."""
        return True

    def tell(self) -> int:
        """Return where the next byte is read."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to a place."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.entry.size}[whence]
        if base + offset < 0:
            raise ValueError("a place before the start")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        """Fill a buffer from where one is; return how many bytes came, 0 at the end."""
        block, start = self._block(self._at, len(buffer))
        found = block[self._at - start :][: len(buffer)]
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)

    def read(self, size: int = -1, /) -> bytes:
        """Return so many bytes, fewer only at the end."""
        left = max(self.entry.size - self._at, 0) if size < 0 else size
        parts = []
        while left and (part := super().read(min(left, _MOST))):
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    def _block(self, at: int, size: int) -> tuple[bytes, int]:
        """Return a block that holds a place, and where it starts."""
        if at >= self.entry.size or size < 1:
            return b"", at
        with self._lock:
            for start, block in self._blocks.items():
                if start <= at < start + len(block):
                    self._blocks[start] = self._blocks.pop(start)
                    return block, start
            self._ahead = min(2 * self._ahead, _MOST) if at == self._end else _FIRST
            end = min(at + max(self._ahead, min(size, _MOST)), self.entry.size)
            block = self._store.part(self.entry, at, end)
            if len(block) != end - at:
                raise _cut_off(self.entry)
            self._end = end
            self._blocks[at] = block
            while len(self._blocks) > 1 and sum(map(len, self._blocks.values())) > _HELD:
                self._blocks.pop(next(iter(self._blocks)))
            return block, at

    def check(self) -> None:
        """Look whether the object is still the one that was listed.

        Raises
        ------
        RemoteError
            When it is not.
        """
        check_same(self._store, self.entry)


def check_same(store: Store, entry: Entry) -> None:
    """Raise RemoteError unless the only object of a place is still this one."""
    if next(iter(store.entries()), None) != entry:
        raise RemoteError(f"{entry.uri} changed while it was read", hint="Open it again.")


def _cut_off(entry: Entry) -> RemoteError:
    return RemoteError(f"{entry.uri} is cut off: fewer bytes came than were asked for", hint="Try again.")


class HeldByRange:
    """A large NIfTI file in a store of which only the head was fetched; its slices are read where it lies.

    It stands for `Held`: whoever asks for its ``folder`` gets the whole file fetched.

    Parameters
    ----------
    store, entry
        The object.
    head
        Its first bytes.
    sha256
        Of the whole, from when it was read before.
    """

    def __init__(self, store: ObjectStore, entry: Entry, head: bytes, sha256: str) -> None:
        self.url, self._store = store.url, store
        self.entries: tuple[Entry, ...] = (entry,)
        self.sha256: Mapping[str, str] = {entry.name: sha256}
        self._whole: Held | None = None
        folder = Path(tempfile.mkdtemp(prefix="nbannot-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        # It is as long as what is known of it: whoever takes it for the whole file finds it cut off.
        self.path = folder / Path(entry.name).name
        self.path.write_bytes(head)
        read_by_range(str(self.path), self)

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return self.entries[0].size

    @property
    def folder(self) -> Path:
        """The folder with the whole file, which is fetched now."""
        if self._whole is None:
            self._whole = Cache().hold(self._store, self._store.entries())
        return self._whole.folder

    def part(self, start: int, size: int) -> bytes:
        """Return some bytes of the file.

        Raises
        ------
        RemoteError
            When they do not come, or the file is not the same any more.
        """
        entry = self.entries[0]
        data = self._store.part(entry, start, start + size)
        if len(data) != size:
            raise _cut_off(entry)
        # After the bytes came: if it changed before, this tells.
        check_same(self._store, entry)
        return data

    def keep_for(self, image: Image) -> None:
        """Keep what is known of the file while `image` lives, and let its sources name the URL."""
        fetched_from(image, self.url, {str(self.path): self.entries[0].uri}, self)

    @contextmanager
    def used(self) -> Iterator[None]:
        """Let errors in the block name the file at its place."""
        try:
            yield
        except NbannotError as error:
            error.message = error.message.replace(str(self.path), self.url)
            raise


def held_by_range(store: object, *, size: int, stamp: str, sha256: str) -> HeldByRange | None:
    """Return a large, uncompressed NIfTI file to be read by ranges; None for any other, or one in the cache.

    Its content was compared with its hash when it was read first. While size and stamp are as they were
    then, as are size and times of a file on a disk, it is not read whole again.

    Parameters
    ----------
    store
        The place of the file.
    size, stamp, sha256
        As it was known before.
    """
    if not isinstance(store, ObjectStore) or not store.url.endswith(".nii"):
        return None
    if size < LEAST or not stamp or not sha256:
        return None
    entry = next(store.entries(), None)
    if entry is None or entry.uri != store.url or (entry.size, entry.stamp) != (size, stamp):
        return None
    if Cache().has(entry):
        return None
    head = store.part(entry, 0, _FIRST)
    start = _voxels_at(head)
    if len(head) < start <= _MOST_HEAD:
        head = store.part(entry, 0, int(start))
    return HeldByRange(store, entry, head, sha256) if start <= len(head) else None


def _voxels_at(head: bytes) -> float:
    """Return where the voxels of a NIfTI file begin; infinity where that is not said."""
    for order in "<>":
        if struct.unpack(f"{order}i", head[:4])[0] == 348:
            return float(struct.unpack(f"{order}f", head[108:112])[0])
        if struct.unpack(f"{order}i", head[:4])[0] == 540:
            return float(struct.unpack(f"{order}q", head[168:176])[0])
    return float("inf")
