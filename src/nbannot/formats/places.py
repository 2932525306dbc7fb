"""Where the files of an image really lie, when its sources name the archive that it came from."""

from __future__ import annotations

from dataclasses import replace
from weakref import WeakKeyDictionary

from nbannot.model.image import Image

_INSIDE: WeakKeyDictionary[Image, tuple[str | None, ...]] = WeakKeyDictionary()


def source_paths(image: Image) -> tuple[str | None, ...]:
    """Return the file of each slice (times frames), also where the image came from an archive."""
    return _INSIDE.get(image) or tuple(source.path for source in image.sources)


def came_from(image: Image, archive: str) -> None:
    """Let the image and its sources name the archive that they were unpacked from."""
    _INSIDE[image] = source_paths(image)
    image.sources = tuple(replace(source, path=archive) for source in image.sources)
    image.uri = archive
