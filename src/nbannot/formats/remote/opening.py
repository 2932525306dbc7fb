"""From a URL to files on the local disk."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from nbannot.errors import FormatError, GoneError
from nbannot.formats.archives import archive_kind
from nbannot.formats.remote.cache import Cache, Held
from nbannot.formats.remote.members import Members
from nbannot.formats.remote.ranged import Ranged
from nbannot.formats.remote.stores import ObjectStore
from nbannot.formats.remote.urls import Options, Place, checked_url, is_url, local_path, split_member
from nbannot.formats.remote.web import SCHEMES, Series


def place_of(url: str, options: Options | None = None, *, cache: Cache | None = None) -> Place:
    """Return the place that a URL stands for.

    A ZIP that a ``zip://`` URL names is read where it lies, where its store gives parts; others are fetched.

    Raises
    ------
    FormatError
        When the URL holds a secret or names no place.
    RemoteError
        When the place cannot be reached.
    """
    options = options or {}
    scheme = checked_url(url).split("://", 1)[0].lower()
    if scheme in ("zip", "tar"):
        inner, outer = split_member(url)
        if not is_url(outer):
            path = Path(local_path(outer)).expanduser().absolute()
            if not path.is_file():
                raise FormatError(f"There is no archive {path}", hint="Check the path after '::'.")
            return Members(inner, path.as_posix(), str(path))
        return _apart(inner, outer, options, cache or Cache()) or _inside(
            inner, outer, held(outer, options, cache=cache, unpack=False)
        )
    if scheme in SCHEMES:
        return Series(url, options)
    return ObjectStore(url, options)


def held(
    url: str,
    options: Options | None = None,
    *,
    names: Collection[str] | None = None,
    cache: Cache | None = None,
    unpack: bool = True,
) -> Held:
    """Return the files of a URL on the local disk.

    Parameters
    ----------
    url
        Of an object, a prefix, a series of an archive, or a member of a zip.
    options
        What opens it.
    names
        The only files to fetch, relative to the URL.
    cache
        The user's, when missing.
    unpack
        Whether an archive that the URL names stands for what is in it.

    Raises
    ------
    FormatError, RemoteError
        As `place_of` and `Cache.hold`; also when one of the names is not there.
    """
    cache = cache or Cache()
    place = place_of(url, options, cache=cache)
    entries = place.entries()
    if names is not None:
        wanted = set(names)
        found = [entry for entry in entries if entry.name in wanted]
        lost = sorted(wanted - {entry.name for entry in found})
        if lost:
            raise GoneError(f"{len(lost)} files of {url} are not there any more ({lost[0]}, …)")
        return cache.hold(place, found)
    if unpack and url.lower().endswith(".zip"):
        inside: Place | None = _apart("", url, options or {}, cache)
        if inside is not None:
            return cache.hold(inside, inside.entries())
    files = cache.hold(place, entries)
    if not unpack or len(files.entries) != 1 or isinstance(place, Members):
        return files
    path = files.files[0]
    with Path(path).open("rb") as file:
        if not archive_kind(path, file.read(512)):
            return files
    inside = _inside("", url, files)
    return cache.hold(inside, inside.entries())


def _apart(inner: str, outer: str, options: Options, cache: Cache) -> Members | None:
    """Return what is in a ZIP of an object store, to be read by ranges; None where it is here or is none."""
    if not is_url(outer) or outer.split("://", 1)[0].lower() in ("zip", "tar", *SCHEMES):
        return None
    file = ranged_zip(ObjectStore(outer, options), cache)
    if file is None:
        return None
    return Members(inner, outer, "", stamp=file.entry.stamp or str(file.entry.size), file=file)


def ranged_zip(store: ObjectStore, cache: Cache) -> Ranged | None:
    """Return the only object of a place as a file to be read by ranges, where it is a ZIP and not in the cache."""
    entry = next(store.entries(), None)
    if entry is None or entry.uri != store.url or entry.size < 1 or cache.has(entry):
        return None
    file = Ranged(store, entry)
    return file if archive_kind(entry.name, file.read(512)) == "zip" else None


def _inside(inner: str, outer: str, archive: Held) -> Members:
    """Return what is in a fetched archive."""
    entry = archive.entries[0]
    return Members(inner, outer, archive.files[0], stamp=entry.stamp or str(entry.size), keeper=archive)
