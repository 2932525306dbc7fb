"""What a path stands for: one file, the files of folders, of an archive, of a medium with a DICOMDIR."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice, takewhile
from pathlib import Path

from nbannot.errors import FormatError
from nbannot.formats.archives import Unpacked, archive_kind
from nbannot.formats.convert import way_in
from nbannot.formats.dicom import elements as el
from nbannot.formats.dicom.header import start_of
from nbannot.formats.quiet import quiet
from nbannot.formats.remote import Held, Options, held, is_url
from nbannot.formats.remote.urls import local_path

PathLike = str | os.PathLike[str]

MOST_FILES = 200_000
"""More files than this are not read at once; `nb.scan` goes through any number."""

_DICOMDIR = "1.2.840.10008.1.3.10"
_SHOWN = 5


@dataclass(slots=True)
class Sources:
    """Files to read, what to call them, and what to tell about those that cannot be."""

    files: list[str]
    uri: str
    alone: bool = False
    warnings: list[str] = field(default_factory=list)
    inside: Unpacked | Held | None = None


def sources_of(path: PathLike | Iterable[PathLike], options: Options | None = None) -> Sources:
    """Return the files that a path or URL, or a list of them, stands for.

    An archive that is named is unpacked; inside folders it is left to be named. What a URL stands for is
    fetched; ``options`` open it.

    Raises
    ------
    FormatError
        When there is nothing, too much, or the archive or DICOMDIR cannot be read.
    """
    if not isinstance(path, (str, os.PathLike)):
        return _listed(path, options)
    name = local_path(os.fspath(path))
    if is_url(name):
        return _fetched(held(name, options))
    must_exist(name, "path")
    if Path(name).is_dir():
        warnings: list[str] = []
        return Sources(_limited(name, warnings), name, warnings=warnings)
    start = start_of_file(name)
    kind = archive_kind(name, start)
    if kind:
        unpacked = Unpacked(name, kind)
        warnings = [f"{name}: {one} is an archive inside; it is left out" for one in unpacked.nested]
        nested = {str(Path(unpacked.folder, one)) for one in unpacked.nested}
        files = [file for file in walk(unpacked.folder, warnings) if file not in nested]
        return Sources(files, unpacked.folder, warnings=warnings, inside=unpacked)
    if is_dicomdir(start):
        return _medium(name)
    return Sources([name], name, alone=True)


def _fetched(files: Held) -> Sources:
    alone = len(files.entries) == 1 and "/" not in files.entries[0].name
    return Sources(files.files, str(files.folder), alone=alone, inside=files)


def _urls(urls: list[str], options: Options | None) -> Sources:
    """Return files that are given by URLs of one folder, or folders in it."""
    parents = [url.split("/")[:-1] for url in urls]
    levels = zip(*parents, strict=False)
    folder = "/".join(names[0] for names in takewhile(lambda names: len(set(names)) == 1, levels))
    if folder.count("/") < 2 or folder.endswith("/"):
        raise FormatError("URLs of one list must lie in one folder", hint="Read each by itself.")
    return _fetched(held(folder, options, names=[url[len(folder) + 1 :] for url in urls]))


def _listed(paths: Iterable[PathLike], options: Options | None) -> Sources:
    if hint := way_in(paths):
        raise FormatError(f"nbannot.read takes a path, not {type(paths).__name__}", hint=hint)
    files: list[str] = []
    warnings: list[str] = []
    given = list(paths)
    urls = [one for one in given if isinstance(one, str) and is_url(one)]
    if urls and len(urls) == len(given):
        return _urls(urls, options)
    for one in given:
        if not isinstance(one, (str, os.PathLike)):
            raise FormatError(f"nbannot.read takes paths, not {type(one).__name__}", hint=way_in(one))
        name = local_path(os.fspath(one))
        must_exist(name, "list")
        files += _limited(name, warnings) if Path(name).is_dir() else [name]
    if not files:
        raise FormatError("The list of files is empty")
    unique = list(dict.fromkeys(files))
    uri = os.path.commonpath([Path(file).absolute() for file in unique])
    return Sources(unique, uri, alone=len(unique) == 1, warnings=warnings)


def must_exist(name: str, what: str) -> None:
    """Raise FormatError unless there is a file or folder of this name; `what` is to be checked."""
    try:
        mode = Path(name).stat().st_mode
    except PermissionError as cause:
        raise FormatError(f"{name} cannot be read: {cause.strerror}") from cause
    except (OSError, ValueError):
        raise FormatError(f"There is no file or folder {name}", hint=f"Check the {what}.") from None
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise FormatError(f"{name} is no file but a pipe, socket or device", hint=f"Check the {what}.")


def start_of_file(path: str, size: int = 512) -> bytes:
    """Return the first bytes of a file.

    Raises
    ------
    FormatError
        When it cannot be read or is empty.
    """
    try:
        with Path(path).open("rb") as file:
            start = file.read(size)
    except OSError as cause:
        raise FormatError(f"{path} cannot be read: {cause.strerror}") from cause
    if not start:
        raise FormatError(f"{path} is empty", hint="Copy the file again from its source.")
    return start


def walk(folder: str, warnings: list[str], *, ordered: bool = True) -> Iterator[str]:
    """Yield the files of a folder and those below it, hidden ones left out.

    Links to folders are not followed; pipes and devices are no files. Folders that cannot be listed are
    added to `warnings`. Unless they shall be `ordered`, no list of the files is kept.
    """
    waiting = [folder]
    while waiting:
        here, folders = waiting.pop(), []
        try:
            with os.scandir(here) as listing:
                entries: Iterable[os.DirEntry[str]] = listing
                if ordered:
                    entries = sorted(listing, key=lambda entry: entry.name)
                for entry in entries:
                    try:
                        if entry.name.startswith("."):
                            continue
                        if entry.is_dir(follow_symlinks=False):
                            folders.append(entry.path)
                        elif entry.is_file():
                            yield entry.path
                        elif entry.is_symlink() and not entry.is_dir():
                            warnings.append(f"{entry.path} is a link that leads nowhere; it is left out")
                    except OSError:  # a link to itself
                        warnings.append(f"{entry.path} is a link that leads nowhere; it is left out")
        except OSError as cause:
            warnings.append(f"{here} cannot be listed: {cause.strerror}; it is left out")
        waiting += sorted(folders, reverse=True)


def _limited(folder: str, warnings: list[str]) -> list[str]:
    if sum(1 for _ in islice(walk(folder, [], ordered=False), MOST_FILES + 1)) > MOST_FILES:
        raise FormatError(
            f"{folder} holds more than {MOST_FILES:,} files, too many to be opened at once",
            hint="nb.scan(path) lists the series in it; read the folder of one of them.",
        )
    return list(walk(folder, warnings))


def is_dicomdir(start: bytes) -> bool:
    """Whether a file that begins with `start` is a DICOMDIR."""
    return start[128:132] == b"DICM" and _DICOMDIR.encode() in start


def _medium(path: str) -> Sources:
    files, missing = files_of_dicomdir(path)
    warnings = []
    if missing:
        more = f", and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        warnings.append(
            f"{path} names {len(missing)} files that are not there: {', '.join(missing[:_SHOWN])}{more}"
        )
    if not files:
        raise FormatError(
            f"{path} names no file that is there" + (f" ({missing[0]}, …)" if missing else ""),
            hint="Read the folder that the DICOMDIR lies in instead.",
        )
    return Sources(files, str(Path(path).parent), warnings=warnings)


def files_of_dicomdir(path: str) -> tuple[list[str], list[str]]:
    """Return the files that a DICOMDIR names (PS3.3 F.3), and the names of those that are not there.

    Names are found in any case, with or without a dot at the end, as media have them; a name that leads
    out of the folder counts as missing.

    Raises
    ------
    FormatError
        When the DICOMDIR is damaged.
    """
    try:
        with quiet(), Path(path).open("rb") as file:
            ds = start_of(path, file, Path(path).stat().st_size).ds
            names = [el.words(item, 0x00041500) for item in el.items(ds, 0x00041220)]
    except OSError as cause:
        raise FormatError(f"{path} cannot be read: {cause.strerror}") from cause
    found: dict[str, None] = {}
    missing: list[str] = []
    listings: dict[Path, dict[str, str]] = {}
    for parts in names:
        if not parts:
            continue
        place = _resolved(Path(path).parent, parts, listings)
        if place is None or not place.is_file():
            missing.append("/".join(parts))
        else:
            found[str(place)] = None
    return list(found), missing


def _resolved(base: Path, parts: Iterable[str], listings: dict[Path, dict[str, str]]) -> Path | None:
    place = base
    for part in parts:
        if place not in listings:
            try:
                names = [entry.name for entry in place.iterdir()]
            except OSError:
                names = []
            listings[place] = {_folded(name): name for name in names} | {name: name for name in names}
        known = listings[place]
        name = known.get(part) or known.get(_folded(part))
        if name is None:
            return None
        place = place / name
    return place


def _folded(name: str) -> str:
    """ISO 9660 media show names in lower case, with a dot or a version at their end."""
    return name.split(";")[0].rstrip(".").upper()
