"""Folders and files of a ZIP or tar archive, which itself may lie anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from nbannot.errors import FormatError, GoneError, RemoteError
from nbannot.formats.archives import BROKEN, Member, archive_kind, members
from nbannot.formats.remote.ranged import Ranged
from nbannot.formats.remote.urls import Entry

_BLOCK = 1 << 20


class Members:
    """What lies under a folder of an archive, or one member.

    Parameters
    ----------
    inner
        Path in the archive; all of it where empty.
    outer
        URL or path of the archive, for names.
    path
        The archive on the local disk.
    stamp
        Changes when the archive does; by its size and time where empty.
    keeper
        Kept as long as this, where the archive was fetched.
    file
        A ZIP that is read where it lies, instead of `path`: its directory, and the members that are wanted.
    """

    def __init__(
        self,
        inner: str,
        outer: str,
        path: str,
        *,
        stamp: str = "",
        keeper: object = None,
        file: Ranged | None = None,
    ) -> None:
        self.url = f"zip://{inner}::{outer}"
        self._inner, self._outer, self._path, self._keeper = inner, outer, path, keeper
        self._stamp, self._file = stamp, file

    def entries(self) -> Iterator[Entry]:
        """List the members; the archive is checked as `archives.members` does."""
        stamp = self._stamp
        if self._file is not None:
            self._file.check()
        elif not stamp:
            status = Path(self._path).stat()
            stamp = f"{status.st_size}-{status.st_mtime_ns}"
        found = False
        for member in self._members():
            name = self._name(member.name)
            if name:
                found = True
                yield Entry(
                    f"zip://{member.name}::{self._outer}", name, member.size, f"{stamp}-{member.mark}"
                )
        if not found and self._inner:
            raise GoneError(
                f"There is no {self._inner} in {self._outer}", hint="Check the name in the archive."
            )

    def contents(self, entries: Sequence[Entry]) -> Iterator[tuple[Entry, Iterator[bytes]]]:
        """Unpack members in the order of the archive."""
        wanted = {entry.name: entry for entry in entries}
        for member in self._members():
            entry = wanted.pop(self._name(member.name), None)
            if entry is not None:
                yield entry, self._blocks(member)

    def _name(self, name: str) -> str:
        if not self._inner:
            return name
        if name == self._inner:
            return name.rsplit("/", 1)[-1]
        return name.removeprefix(f"{self._inner}/") if name.startswith(f"{self._inner}/") else ""

    def _members(self) -> Iterator[Member]:
        if self._file is not None:
            try:
                yield from members(self._outer, "zip", self._file)
            except FormatError:
                self._file.check()
                raise
            return
        with Path(self._path).open("rb") as file:
            kind = archive_kind(self._path, file.read(512))
        if not kind:
            raise FormatError(f"{self._outer} is no ZIP or tar archive", hint="Leave zip://…:: away.")
        try:
            yield from members(self._path, kind)
        except FormatError as error:
            error.message = error.message.replace(self._path, self._outer)
            raise

    def _blocks(self, member: Member) -> Iterator[bytes]:
        try:
            with closing(member.open()) as file:
                while block := file.read(_BLOCK):
                    yield block
        except RemoteError:
            raise
        except BROKEN as cause:
            if self._file is not None:
                self._file.check()
            raise RemoteError(
                f"The member {member.name} of {self._outer} cannot be unpacked",
                hint="Copy the archive again.",
            ) from cause
