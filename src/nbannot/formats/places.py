"""Where the files of an image really lie, when its sources name the archive or URL that it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol
from weakref import WeakKeyDictionary, WeakValueDictionary

from nbannot.model.image import Image


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a place that is not on this machine's disks.

    Parameters
    ----------
    uri
        Where it is, without secrets.
    name
        Its path within the place, with ``/``.
    size
        In bytes; -1 where the place does not say.
    stamp
        Changes when the content does: an etag or a time; empty where the place has none.
    """

    uri: str
    name: str
    size: int
    stamp: str


class Fetched(Protocol):
    """Files of a URL on the local disk, kept while somebody holds this; ``sha256`` by name."""

    url: str
    entries: tuple[Entry, ...]
    sha256: Mapping[str, str]

    @property
    def folder(self) -> Path:
        """Where they are."""
        ...


class ByRange(Protocol):
    """A file of which only the head is on the local disk, at ``path``."""

    path: Path

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        ...

    @property
    def folder(self) -> Path:
        """The folder with the whole file, which is fetched when this is asked for."""
        ...

    def part(self, start: int, size: int) -> bytes:
        """Return some bytes of the file."""
        ...


_BY_RANGE: WeakValueDictionary[str, ByRange] = WeakValueDictionary()
_INSIDE: WeakKeyDictionary[Image, tuple[str | None, ...]] = WeakKeyDictionary()
_FETCHED: WeakKeyDictionary[Image, Fetched] = WeakKeyDictionary()


def source_paths(image: Image) -> tuple[str | None, ...]:
    """Return the file of each slice (times frames), also where the image came from an archive."""
    return _INSIDE.get(image) or tuple(source.path for source in image.sources)


def came_from(image: Image, archive: str) -> None:
    """Let the image and its sources name the archive that they were unpacked from."""
    _INSIDE[image] = source_paths(image)
    image.sources = tuple(replace(source, path=archive) for source in image.sources)
    image.uri = archive


def fetched_from(image: Image, url: str, uris: Mapping[str, str], held: Fetched) -> None:
    """Let the image and its sources name the URLs that their files were fetched from; keep the files."""
    _INSIDE[image] = source_paths(image)
    _FETCHED[image] = held
    image.sources = tuple(replace(one, path=uris.get(one.path or "", url)) for one in image.sources)
    image.uri = url


def fetched(image: Image) -> Fetched | None:
    """Return the fetched files of an image; None for one from this machine."""
    return _FETCHED.get(image)


def read_by_range(path: str, file: ByRange) -> None:
    """Let readers of a path take the voxels from where the file lies, as long as somebody holds `file`."""
    _BY_RANGE[path] = file


def by_range(path: str) -> ByRange | None:
    """Return what gives the parts of a file of which only the head is here; None for a whole one."""
    return _BY_RANGE.get(path)


def whole_paths(image: Image) -> tuple[str | None, ...]:
    """Return the file of each slice as `source_paths`, fetched whole where only its head was."""
    paths = {path: by_range(path) for path in set(source_paths(image)) if path}
    whole = {path: str(one.folder / one.path.name) for path, one in paths.items() if one is not None}
    return tuple(whole.get(path, path) if path else path for path in source_paths(image))
