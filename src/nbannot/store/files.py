"""Files of images wherever they are: what opens them, and how an indexed image becomes a known one."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nbannot.errors import StoreError
from nbannot.formats.remote import Cache, Options, place_of
from nbannot.formats.remote.web import DAY_MARK
from nbannot.model.image import Image
from nbannot.session import FileMark, ImageReference
from nbannot.session.images import as_path, open_paths, uri_of

PRINT_MARK = "#"
"""Before the fingerprint of a series, in the identity of an image that was only indexed."""


def options_for(url: str, options: Options) -> dict[str, Any]:
    """Return what opens a URL.

    ``options`` are for all URLs, or by the beginnings of URLs: ``{"s3://a/": {…}, "dicomweb+": {…}}``, of
    which the longest that fits counts.
    """
    fitting = [start for start in options if _is_start(start) and url.startswith(start)]
    if fitting:
        return dict(options[max(fitting, key=len)])
    return {name: value for name, value in options.items() if not _is_start(name)}


def _is_start(name: str) -> bool:
    return "://" in name or name.endswith("+")


def first_read(
    reference: ImageReference, base: Path, *, way_out: str, options: Options
) -> list[tuple[ImageReference, Image]]:
    """Read an indexed image for the first time, and return it with its full reference.

    A series that holds several images gives several; the first has the id of the reference.

    Raises
    ------
    StoreError
        When its files are not those that were indexed.
    """
    held = None
    if reference.is_remote:
        held = reference.fetch(way_out=way_out, options=options_for(reference.uri, options))
        now = {entry.name: (entry.size, entry.stamp) for entry in held.entries}
        changed = [one for one in reference.files if now.get(one.name) != (one.size, one.stamp)]
        paths = [held.folder / entry.name for entry in held.entries]
        stamp = reference.identity.partition(PRINT_MARK)[2]
        if (
            stamp
            and not reference.files
            and {entry.stamp.partition(DAY_MARK)[0] for entry in held.entries} != {stamp}
        ):
            raise _changed(reference, reference.uri)
    else:
        paths = reference.paths(base)
        changed = [
            mark for mark, path in zip(reference.files, paths, strict=True) if not _is_same(mark, path)
        ]
    if changed:
        raise _changed(reference, changed[0].name)
    found = open_paths(paths)
    images = [found] if isinstance(found, Image) else list(found.values())
    images = [image for image in images if image.series_uid == (reference.series_uid or image.series_uid)]
    if not images:
        raise StoreError(f"Image {reference.name!r} is not what was indexed", hint="Index its place again.")
    images[0].id = reference.id
    if len(images) == 1:
        images[0].name = reference.name
    if held is not None:
        for image in images:
            held.keep_for(image)
    return [(ImageReference.of(image, base=base), image) for image in images]


def _changed(reference: ImageReference, what: str) -> StoreError:
    return StoreError(
        f"Image {reference.name!r} has changed since it was indexed: {what}",
        hint="Index its place again: project.index(url).",
    )


def _is_same(mark: FileMark, path: Path) -> bool:
    try:
        status = path.stat()
    except OSError:
        return False
    return (status.st_size, status.st_mtime_ns) == (mark.size, mark.modified)


def moved_to_url(reference: ImageReference, url: str, options: Options) -> ImageReference:
    """Return the reference of the same image at a URL, by the content of its files.

    Raises
    ------
    StoreError
        When the files there are not those of the image.
    RemoteError
        When the place cannot be reached.
    """
    place = place_of(url, options_for(url, options))
    sizes = {mark.size for mark in reference.files} | {-1}
    held = Cache().hold(place, [entry for entry in place.entries() if entry.size in sizes])
    by_content = {held.sha256[entry.name]: entry for entry in held.entries}
    missing = [mark for mark in reference.files if mark.sha256 not in by_content]
    if missing:
        raise StoreError(
            f"{url} does not hold image {reference.name!r}: {len(missing)} of its "
            f"{len(reference.files)} files are not there with the same content",
            hint="Only the very files that were annotated can be linked.",
        )
    marks = []
    for mark in reference.files:
        entry = by_content[mark.sha256]
        marks.append(FileMark(entry.name, entry.size, 0, 0, mark.sha256, entry.stamp))
    return replace(reference, uri=url, files=tuple(marks), checked=time.time_ns())


def located(uris: Sequence[str]) -> tuple[str, list[str]]:
    """Return the URL of what holds these files, and their names in it; of one file, its own URL and name."""
    heads, tail = [uri.split("::", 1)[0] for uri in uris], uris[0].partition("::")
    if len(uris) == 1:
        return uris[0], [heads[0].rsplit("/", 1)[-1]]
    parents = [head.split("/")[:-1] for head in heads]
    shared = 0
    for names in zip(*parents, strict=False):
        if len(set(names)) > 1:
            break
        shared += 1
    folder = "/".join(parents[0][:shared])
    if folder == "zip:/":
        folder = "zip://"
    return f"{folder}{tail[1]}{tail[2]}", [head[len(folder) :].lstrip("/") for head in heads]


def uris_of(reference: ImageReference, base: Path) -> list[str]:
    """Return the URI of each file of a reference, as an index has it."""
    if not reference.is_remote:
        return [path.as_uri() for path in reference.paths(base)]
    head, mark, outer = reference.uri.partition("::")
    if len(reference.files) == 1 and head.rsplit("/", 1)[-1] == reference.files[0].name:
        return [reference.uri]
    start = head if head.endswith("/") else f"{head}/"
    return [f"{start}{one.name}{mark}{outer}" for one in reference.files]


Moves = Mapping[str, str]
"""New URIs by old ones."""


def followed(
    reference: ImageReference, base: Path, moves: Moves, stamps: Mapping[str, FileMark]
) -> ImageReference:
    """Return a reference whose files went elsewhere; as it is where not all of them are known there."""
    old = uris_of(reference, base)
    new = [moves.get(uri, uri) for uri in old]
    if new == old or not all(uri in stamps for uri in new):
        return reference
    return replace(reference, **place_marks(new, base, stamps, reference.files), checked=0)


def place_marks(
    uris: Sequence[str], base: Path, stamps: Mapping[str, FileMark], known: Sequence[FileMark] = ()
) -> dict[str, Any]:
    """Return ``uri`` and ``files`` of a reference to these files."""
    url, names = located(uris)
    marks = tuple(
        replace(stamps[uri], name=name, sha256=known[n].sha256 if known else "")
        for n, (uri, name) in enumerate(zip(uris, names, strict=True))
    )
    return {"uri": uri_of(as_path(url), base) if url.startswith("file://") else url, "files": marks}
