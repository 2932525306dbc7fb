"""Where the files of an image really lie, when its sources name the archive or URL that it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol
from weakref import WeakKeyDictionary

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
    folder: Path
    entries: tuple[Entry, ...]
    sha256: Mapping[str, str]


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
