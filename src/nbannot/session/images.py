"""Where the images of a session are, and whether they are still the same."""

from __future__ import annotations

import hashlib
import os
import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from nbannot.errors import GoneError, RemoteError, SeveralSeriesWarning, StoreError
from nbannot.formats import read
from nbannot.formats.places import Fetched, fetched
from nbannot.formats.remote import Held, HeldByRange, Options, held, held_by_range, is_url, place_of
from nbannot.model.image import Image, Images
from nbannot.session.pixels import SUFFIX, read_pixels

# A file changed this short before it was looked at may change again within one tick of its clock.
_TICK_NS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class FileMark:
    """A file as it was when its content was hashed.

    Parameters
    ----------
    name
        Path with ``/``, relative to the reference's place (the file's name when it is one file).
    size
        Bytes.
    modified, changed
        Times of content and of inode, ns; equal times spare hashing the file again.
    sha256
        Of the content; empty for a file that was indexed and not read yet.
    stamp
        What its place says instead of times, for a file at a URL.
    """

    name: str
    size: int
    modified: int
    changed: int
    sha256: str
    stamp: str = ""


@dataclass(frozen=True, slots=True)
class ImageReference:
    """Where an image is and which one it is.

    Parameters
    ----------
    id, name, modality
        Of the `Image`.
    uri
        A path relative to the project's or session's folder, or a URL; empty for an image that was
        only in memory.
    identity
        "sha256:…" over the contents of all files, whatever their names; "index:…" for an image that was
        indexed and not read yet; empty in memory.
    series_uid
        DICOM Series Instance UID, when there is one.
    shape
        (t, k, j, i).
    files
        The files of the image.
    sources
        (SOP Instance UID, frame, number in ``files``) for each slice.
    checked
        When the files were looked at, ns since 1970.
    """

    id: str
    name: str
    modality: str
    uri: str
    identity: str
    series_uid: str | None
    shape: tuple[int, int, int, int]
    files: tuple[FileMark, ...]
    sources: tuple[tuple[str | None, int | None, int | None], ...]
    checked: int

    @classmethod
    def of(cls, image: Image, *, base: Path | None = None) -> ImageReference:
        """Return the reference of an image; its files are read and hashed.

        Parameters
        ----------
        image
            What to refer to.
        base
            Folder that the path is made relative to when the image lies inside.
        """
        shape = (image.frames, *image.shape)
        remote = fetched(image)
        if remote is not None:
            return cls._of_url(image, remote, shape)
        paths = files_of(image)
        if not paths:
            return cls(image.id, image.name, image.modality, "", "", image.series_uid, shape, (), (), 0)
        place = _place(image, paths)
        checked = time.time_ns()
        marks = tuple(_mark(path, _name(path, place)) for path in paths)
        numbers = {str(path): n for n, path in enumerate(paths)}
        sources = tuple(
            (s.sop_instance_uid, s.frame, numbers.get(str(as_path(s.path))) if s.path else None)
            for s in image.sources
        )
        return cls(
            image.id, image.name, image.modality, uri_of(place, base), identity(marks),
            image.series_uid, shape, marks, sources, checked,
        )  # fmt: skip

    @classmethod
    def _of_url(cls, image: Image, remote: Fetched, shape: tuple[int, int, int, int]) -> ImageReference:
        own = {source.path for source in image.sources}
        entries = [one for one in remote.entries if one.uri in own] or list(remote.entries)
        # Not every place tells them.
        sizes = [e.size if e.size >= 0 else (remote.folder / e.name).stat().st_size for e in entries]
        marks = tuple(
            FileMark(e.name, size, 0, 0, remote.sha256[e.name], e.stamp)
            for e, size in zip(entries, sizes, strict=True)
        )
        numbers = {entry.uri: n for n, entry in enumerate(entries)}
        sources = tuple((s.sop_instance_uid, s.frame, numbers.get(s.path or "")) for s in image.sources)
        return cls(
            image.id, image.name, image.modality, remote.url, identity(marks), image.series_uid, shape,
            marks, sources, time.time_ns(),
        )  # fmt: skip

    @property
    def is_remote(self) -> bool:
        """Whether the files are fetched from a URL."""
        return is_url(self.uri)

    @property
    def is_indexed(self) -> bool:
        """Whether the image was indexed and not read yet: its id, shape and hashes are not known."""
        return self.identity.startswith("index:")

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "id": self.id, "name": self.name, "modality": self.modality, "uri": self.uri,
            "identity": self.identity, "series_uid": self.series_uid, "shape": list(self.shape),
            "files": [
                [f.name, f.size, f.modified, f.changed, f.sha256, *([f.stamp] if f.stamp else [])]
                for f in self.files
            ],
            "sources": [list(source) for source in self.sources], "checked": self.checked,
        }  # fmt: skip

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ImageReference:
        """Return the reference described by `to_json`."""
        t, k, j, i = data["shape"]
        return cls(
            data["id"], data["name"], data["modality"], data["uri"], data["identity"],
            data["series_uid"], (t, k, j, i), tuple(FileMark(*f) for f in data["files"]),
            tuple((s[0], s[1], s[2]) for s in data["sources"]), data["checked"],
        )  # fmt: skip

    def place(self, base: Path) -> Path:
        """Return the folder or file the image is in."""
        return as_path(self.uri, base=base)

    def shown(self, base: Path) -> str:
        """Return where the image is, for texts."""
        return self.uri if self.is_remote else str(self.place(base))

    def paths(self, base: Path) -> list[Path]:
        """Return the image's files."""
        place = self.place(base)
        if len(self.files) == 1 and self.files[0].name == place.name and not place.is_dir():
            return [place]
        return [place / mark.name for mark in self.files]

    def verified(self, base: Path, *, way_out: str, options: Options | None = None) -> ImageReference:
        """Return this reference with fresh marks, after looking whether the files are the same.

        Files whose size and times are as before are not read again. Files at a URL are fetched, unless
        they were before; ``options`` open it.

        Raises
        ------
        StoreError
            When a file is missing or its content differs; ``way_out`` becomes the hint.
        RemoteError
            When the place of the files cannot be reached or refuses.
        """
        if self.is_remote:
            if self._by_range(options) is not None:
                return self
            return self._of_held(self.fetch(way_out=way_out, options=options))
        checked, marks, fresh = time.time_ns(), [], False
        for path, mark in zip(self.paths(base), self.files, strict=True):
            try:
                now = _mark(path, mark.name, known=mark, since=self.checked)
            except FileNotFoundError:
                raise StoreError(
                    f"Image {self.name!r} is not where it was: {path} is missing", hint=way_out
                ) from None
            except OSError as cause:
                raise StoreError(
                    f"Image {self.name!r}: {path} cannot be read: {cause.strerror}", hint=way_out
                ) from cause
            if now.sha256 != mark.sha256:
                raise StoreError(
                    f"Image {self.name!r} has changed: {path} is not the file that was annotated",
                    hint=way_out,
                )
            fresh = fresh or now != mark
            marks.append(now)
        return replace(self, files=tuple(marks), checked=checked) if fresh else self

    def fetch(self, *, way_out: str, options: Options | None = None) -> Held:
        """Return the files of a URL on the local disk, after a look whether they are the same.

        Raises
        ------
        StoreError, RemoteError
            As `verified`.
        """
        try:
            found = held(self.uri, options, names=[mark.name for mark in self.files] or None)
        except RemoteError as cause:
            if not isinstance(cause, GoneError):
                raise
            raise StoreError(
                f"Image {self.name!r} is not where it was. {cause.message}", hint=way_out
            ) from cause
        for mark in self.files:
            if mark.sha256 and found.sha256.get(mark.name) != mark.sha256:
                raise StoreError(
                    f"Image {self.name!r} has changed: {mark.name} at {self.uri} is not the file that was annotated",
                    hint=way_out,
                )
        return found

    def _by_range(self, options: Options | None) -> HeldByRange | None:
        """Return the file where its slices can be read at its URL, and it is the same as it was."""
        if len(self.files) != 1 or self.uri.startswith(("zip://", "tar://")):
            return None
        (mark,) = self.files
        try:
            return held_by_range(
                place_of(self.uri, options), size=mark.size, stamp=mark.stamp, sha256=mark.sha256
            )
        except GoneError:
            return None  # to be told when it is fetched

    def _of_held(self, found: Held) -> ImageReference:
        now = {entry.name: entry for entry in found.entries}
        marks = tuple(replace(m, stamp=now[m.name].stamp) for m in self.files)
        return self if marks == self.files else replace(self, files=marks, checked=time.time_ns())

    def open(self, base: Path, *, way_out: str, options: Options | None = None) -> Image:
        """Return the image, with the id it had.

        Raises
        ------
        StoreError
            When what is read is not the same image.
        FormatError
            When it cannot be read.
        """
        if not self.files:
            raise StoreError(f"Image {self.name!r} was only in memory", hint=way_out)
        files: Held | HeldByRange | None = None
        if self.is_remote:
            files = self._by_range(options) or self.fetch(way_out=way_out, options=options)
        if isinstance(files, HeldByRange):
            paths = [files.path]
        else:
            paths = [files.folder / mark.name for mark in self.files] if files else self.paths(base)
        found = _pick(open_paths(paths), self)
        if files is not None and found is not None:
            files.keep_for(found)
        same = found is not None and (found.frames, *found.shape) == self.shape
        uids = tuple(s.sop_instance_uid for s in found.sources) if found is not None else ()
        if found is None or not same or uids != tuple(s[0] for s in self.sources):
            raise StoreError(
                f"Image {self.name!r} in {self.shown(base)} is not read as it was: its slices differ",
                hint=way_out,
            )
        found.id, found.name = self.id, self.name
        return found


def open_paths(paths: Sequence[Path]) -> Image | Images:
    """Read one file, or several that belong together."""
    if len(paths) == 1 and paths[0].suffix == SUFFIX:
        return read_pixels(paths[0])
    with warnings.catch_warnings():
        # Whoever calls takes all of them, or knows which one.
        warnings.simplefilter("ignore", SeveralSeriesWarning)
        return read(paths[0] if len(paths) == 1 else list(paths))


def files_of(image: Image) -> list[Path]:
    """Return the files an image was read from; empty for one made in memory or fetched from a URL."""
    if fetched(image) is not None:
        return []
    named = {str(as_path(source.path)) for source in image.sources if source.path}
    if named:
        return sorted(Path(name) for name in named)
    if image.uri is None:
        return []
    path = as_path(image.uri)
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.is_file())
    return [path]


def as_path(uri: str, *, base: Path | None = None) -> Path:
    """Return the absolute path of a ``file://`` URI or a path (relative ones start at ``base``).

    Raises
    ------
    StoreError
        When it is a URL of another kind.
    """
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return Path(url2pathname(parts.path))
    if "://" in uri:
        raise StoreError(
            f"{parts.scheme}:// is no file on this machine",
            hint="Give a path or a file:// URL.",
        )
    path = base / uri if base is not None else Path(uri)
    return Path(os.path.normpath(path.absolute()))


def uri_of(path: Path, base: Path | None) -> str:
    """Return the path relative to ``base`` when it lies inside, else a ``file://`` URI."""
    if base is not None and path.is_relative_to(base):
        return path.relative_to(base).as_posix()
    return path.as_uri()


def identity(marks: Iterable[FileMark]) -> str:
    """Return one hash over contents, whatever the names and the order of the files."""
    text = "\n".join(sorted(mark.sha256 for mark in marks))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _place(image: Image, paths: Sequence[Path]) -> Path:
    if len(paths) == 1:
        return paths[0]
    if image.uri is not None:
        place = as_path(image.uri)
        if place.is_dir() and all(path.is_relative_to(place) for path in paths):
            return place
    return Path(os.path.commonpath([path.parent for path in paths]))


def _name(path: Path, place: Path) -> str:
    return path.name if path == place else path.relative_to(place).as_posix()


def _mark(path: Path, name: str, *, known: FileMark | None = None, since: int = 0) -> FileMark:
    status = path.stat()
    times = (status.st_mtime_ns, status.st_ctime_ns)
    if known is not None:
        same = (status.st_size, *times) == (known.size, known.modified, known.changed)
        if same and max(times) < since - _TICK_NS:
            return known
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return FileMark(name, status.st_size, *times, digest)


def _pick(found: Image | Images, wanted: ImageReference) -> Image | None:
    if isinstance(found, Image):
        return found
    for attribute, value in (
        ("id", wanted.id), ("series_uid", wanted.series_uid), ("name", wanted.name)
    ):  # fmt: skip
        matches = [image for image in found.values() if value and getattr(image, attribute) == value]
        if len(matches) == 1:
            return matches[0]
    return None
