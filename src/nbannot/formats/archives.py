"""ZIP and tar archives: their members, checked before anything is unpacked."""

from __future__ import annotations

import gzip
import lzma
import os
import re
import shutil
import stat
import tarfile
import tempfile
import weakref
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol, cast

from nbannot.errors import FormatError, NbannotError, RemoteError
from nbannot.formats.places import came_from
from nbannot.model.image import Image

# What an archive may hold: so many members, so many bytes unpacked; from FREE bytes on not more than
# RATIO times its own size (empty images shrink 1000-fold, but are small).
MEMBERS = 500_000
TOTAL = 64 << 30
FREE = 1 << 30
RATIO = 200

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0")
_BLOCK = 1 << 20
# What damaged archives make the standard library raise.
BROKEN = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, NotImplementedError,
    RuntimeError, OSError, ValueError,
)  # fmt: skip


class RangedFile(Protocol):
    """What a ZIP is read from, other than a file of this machine."""

    def read(self, size: int = -1, /) -> bytes:
        """Return so many bytes."""
        ...

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to a place, and return it."""
        ...

    def tell(self) -> int:
        """Return where the next byte is read."""
        ...


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive; `open` works until the next member is asked for, `mark` changes with its content."""

    name: str
    size: int
    open: Callable[[], IO[bytes]]
    mark: str = ""


def archive_kind(path: str, start: bytes) -> str:
    """Return "zip" or "tar" (also a compressed one) for a file that begins with `start`, else ""."""
    if start.startswith(_ZIP):
        return "zip"
    if start[257:262] == b"ustar":
        return "tar"
    if start.startswith(_PACKED):
        try:
            if start.startswith(_PACKED[1]):
                return "tar" if tarfile.is_tarfile(path) else ""
            with gzip.open(path, "rb") if start[:1] == b"\x1f" else lzma.open(path, "rb") as file:
                return "tar" if file.read(262)[257:262] == b"ustar" else ""
        except BROKEN:
            return ""
    return ""


def members(
    path: str, kind: str, file: RangedFile | None = None, *, hidden: Collection[str] = ()
) -> Iterator[Member]:
    """Yield the files of an archive, hidden ones left out but for those of the names in ``hidden``.

    Parameters
    ----------
    path
        The archive, or what it is called where `file` is given.
    kind
        As `archive_kind` calls it.
    file
        A ZIP to be read where it lies.

    Raises
    ------
    FormatError
        When the archive is damaged, encrypted or larger than the limits, or a member has a place
        outside of it or is a link; the member is named.
    """
    budget = _Budget(path, Path(path).stat().st_size if file is None else file.seek(0, os.SEEK_END))
    found = _zip_members(path, file) if kind == "zip" else _tar_members(path)
    try:
        for member in found:
            budget.take(member)
            *folders, name = member.name.split("/")
            wanted = folders if name in hidden else [*folders, name]
            if not any(part.startswith((".", "__MACOSX")) for part in wanted):
                yield member
    except (FormatError, RemoteError):
        raise
    except BROKEN as cause:
        raise FormatError(
            f"{path} is a damaged archive", hint="Copy it again from its source, or pack it anew."
        ) from cause


class _Budget:
    """Counts what an archive says it holds, and stops at the limits."""

    def __init__(self, path: str, packed: int) -> None:
        self._path = path
        self._packed = max(packed, 1)
        self._bytes = self._count = 0

    def take(self, member: Member) -> None:
        self._bytes += member.size
        self._count += 1
        what = ""
        if self._count > MEMBERS:
            what = f"more than {MEMBERS} members"
        elif self._bytes > TOTAL:
            what = f"more than {TOTAL >> 30} GiB of data"
        elif self._bytes > FREE and self._bytes > RATIO * self._packed:
            what = f"{self._bytes >> 20} MiB in {max(self._packed >> 20, 1)} MiB, as a zip bomb does"
        if what:
            raise FormatError(
                f"{self._path} holds {what} (at {member.name}); it is not unpacked",
                hint="If you trust it, unpack it yourself and read the folder.",
            )


def leads_out(name: str) -> str:
    """Return in what way the name of a member leads out of its archive; empty when it does not."""
    plain = name.replace("\\", "/")
    if plain.startswith("/") or re.match(r"[A-Za-z]:", plain):
        return "has an absolute path"
    return "lies outside of the archive" if ".." in plain.split("/") or "\0" in plain else ""


def _checked(path: str, name: str, *, link: bool, encrypted: bool = False) -> str:
    plain = name.replace("\\", "/")
    problem = leads_out(name)
    if not problem and link:
        problem = "is a link or a device"
    elif not problem and encrypted:
        raise FormatError(
            f"{path}: the member {plain} is encrypted",
            hint="Unpack the archive with its password and read the folder.",
        )
    if problem:
        raise FormatError(
            f"{path}: the member {plain} {problem}; nothing of the archive is read",
            hint="If you trust it, unpack it yourself and read the folder.",
        )
    return "/".join(part for part in plain.split("/") if part not in ("", "."))


def _zip_members(path: str, file: RangedFile | None) -> Iterator[Member]:
    with zipfile.ZipFile(cast(IO[bytes], file) if file is not None else path) as archive:
        for info in archive.infolist():
            mode = info.external_attr >> 16
            link = bool(mode) and stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR)
            name = _checked(path, info.filename, link=link, encrypted=bool(info.flag_bits & 1))
            if not info.is_dir() and name:
                mark = f"{info.CRC:08x}"
                yield Member(name, info.file_size, lambda info=info: archive.open(info), mark)  # type: ignore[misc]


def _tar_members(path: str) -> Iterator[Member]:
    with tarfile.open(path, "r|*") as archive:
        for info in archive:
            name = _checked(path, info.name, link=not (info.isfile() or info.isdir()))
            if info.isfile() and name:
                mark = f"{info.mtime}"
                yield Member(name, info.size, lambda info=info: _of_tar(archive, info), mark)  # type: ignore[misc]


def _of_tar(archive: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    file = archive.extractfile(info)
    if file is None:
        raise tarfile.TarError(info.name)
    return file


class Unpacked:
    """An archive unpacked into a private temporary folder, which goes with the last thing that needs it.

    Parameters
    ----------
    path, kind
        The archive, and what `archive_kind` called it.

    Raises
    ------
    FormatError
        As `members`; also when the disk is full. Nothing is left behind.
    """

    def __init__(self, path: str, kind: str) -> None:
        self.path = path
        self._outer = tempfile.mkdtemp(prefix="nbannot-")
        self._owner = os.getpid()
        self._users = 0
        # files keep the archive's name in their paths, so that messages name it
        self.folder = str(Path(self._outer) / Path(path).name)
        self.nested: list[str] = []
        try:
            for member in members(path, kind):
                self._unpack(path, member)
        except BaseException:
            self._remove()
            raise

    def plain(self, text: str) -> str:
        """Return a message with the places of members in the archive, not in the temporary folder."""
        return text.replace(self.folder, self.path)

    def keep_for(self, image: Image) -> None:
        """Keep the folder while `image` lives, and let its sources name the archive."""
        self._users += 1
        weakref.finalize(image, self._release)
        came_from(image, self.path)

    @contextmanager
    def used(self) -> Iterator[None]:
        """Let errors in the block name the archive; the folder goes at its end if nothing was kept."""
        try:
            yield
        except NbannotError as error:
            error.message = self.plain(error.message)
            raise
        finally:
            self.discard()

    def discard(self) -> None:
        """Remove the folder if nothing needs it."""
        if self._users == 0:
            self._remove()

    def _release(self) -> None:
        self._users -= 1
        self.discard()

    def _remove(self) -> None:
        if os.getpid() == self._owner:  # not in a fork
            shutil.rmtree(self._outer, ignore_errors=True)

    def _unpack(self, path: str, member: Member) -> None:
        target = Path(self.folder, *member.name.split("/"))
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            while target.exists():
                target = target.with_name(f"_{target.name}")
            left = member.size
            with closing(member.open()) as source, target.open("xb") as out:
                while block := source.read(_BLOCK):
                    left -= len(block)
                    if left < 0:
                        raise zipfile.BadZipFile(member.name)
                    out.write(block)
            with target.open("rb") as file:
                if archive_kind(str(target), file.read(512)):
                    self.nested.append(member.name)
        except BROKEN as cause:
            why = f" ({cause.strerror})" if isinstance(cause, OSError) and cause.strerror else ""
            raise FormatError(
                f"{path}: the member {member.name} cannot be unpacked{why}",
                hint="Copy the archive again, or unpack it yourself and read the folder.",
            ) from cause
        if left:
            raise FormatError(f"{path}: the member {member.name} is cut off", hint="Copy it again.")
