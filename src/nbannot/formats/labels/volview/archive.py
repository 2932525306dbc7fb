"""Zip archives of other people: members are read one by one, by plain names and within limits."""

from __future__ import annotations

import zipfile
from pathlib import Path, PurePosixPath

from nbannot.errors import FormatError
from nbannot.formats.archives import leads_out

_LARGEST = 4 << 30
_RATIO = 2000
"""Unpacked to packed size from which on a large member is taken for a bomb."""
_SMALL = 64 << 20
_MEMBERS = 200_000


def member(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    """Return a member by its name.

    Raises
    ------
    FormatError
        When there is none, its name leads out of the archive, or it is too large.
    """
    check_name(name)
    try:
        info = archive.getinfo(name)
    except KeyError:
        raise FormatError(f"the archive has no member {name}") from None
    packed = max(info.compress_size, 1)
    if info.file_size > _LARGEST or (info.file_size > _SMALL and info.file_size / packed > _RATIO):
        raise FormatError(f"the member {name} is too large to unpack ({info.file_size} bytes)")
    return info


def check_name(name: str) -> None:
    """Refuse a name that leads out of the archive.

    Raises
    ------
    FormatError
        When it does.
    """
    problem = leads_out(name)
    if problem:
        raise FormatError(f"the member {name!r} {problem}")


def opened(path: str) -> zipfile.ZipFile:
    """Return an archive whose names all stay inside.

    Raises
    ------
    FormatError
        When it is damaged, has a name that leads out, or too many members.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError) as cause:
        raise FormatError(f"{path} is a damaged archive") from cause
    if len(archive.namelist()) > _MEMBERS:
        raise FormatError(f"{path} has too many members")
    for name in archive.namelist():
        check_name(name)
    return archive


def unpack(archive: zipfile.ZipFile, name: str, folder: Path) -> Path:
    """Write a member into a folder under its last name, and return its path.

    Raises
    ------
    FormatError
        When it is damaged, too large, or longer than it says.
    """
    info = member(archive, name)
    target = folder / PurePosixPath(name.replace("\\", "/")).name
    left = info.file_size
    try:
        with archive.open(info) as source, target.open("wb") as file:
            while chunk := source.read(1 << 20):
                left -= len(chunk)
                if left < 0:
                    raise FormatError(f"the member {name} is longer than it says")
                file.write(chunk)
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError) as cause:
        raise FormatError(f"the member {name} is damaged") from cause
    return target
