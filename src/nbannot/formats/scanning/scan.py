"""`scan`: a table of the series and images in a tree."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from nbannot.errors import FormatError
from nbannot.formats.archives import BROKEN, archive_kind, members
from nbannot.formats.dicom.header import Readable
from nbannot.formats.labels import FORMATS
from nbannot.formats.progress import Progress, following
from nbannot.formats.quiet import quiet
from nbannot.formats.remote import is_url
from nbannot.formats.scanning.heads import Head, head_of
from nbannot.formats.scanning.rows import COLUMNS, Series
from nbannot.formats.sources import PathLike, files_of_dicomdir, is_dicomdir, must_exist, start_of_file, walk

if TYPE_CHECKING:
    import pandas as pd

_EVERY = 50
_UNREADABLE = Head("damaged", "", problem="cannot be read")


def scan(path: PathLike | Iterable[PathLike], *, progress: Progress | None = None) -> pd.DataFrame:
    """Return a table of what is in a tree of files, one row for each series or image, from headers only.

    Parameters
    ----------
    path
        A folder, a file, a ZIP or tar archive, a DICOMDIR, or several of them.
    progress
        Called with the part that is done (0 to 1) and what is being done; what it raises stops the scan.
        Without it a notebook shows a bar.

    Returns
    -------
    pandas.DataFrame
        Columns: patient, study, study_date, series, number, description, modality, kind ("image", "SEG",
        "SR", "RTSTRUCT", "labelmap", …), format, files, slices, frames (at each place), rows, columns,
        spacing ((k, j, i), mm), geometry ("regular", "sheared 14.0°", "irregular: …", "missing slices",
        "mixed, …", "clip", "picture", …), missing, syntax, readable, size (bytes), problems, path.

    Raises
    ------
    FormatError
        When there is no such path, or an archive is refused.
    """
    import pandas as pd

    found = _Table()
    with following(progress) as tell, quiet():
        paths = [path] if isinstance(path, (str, os.PathLike)) else list(path)
        tell(0.0, "Looking for files")
        total = sum(_count(os.fspath(one), tell) for one in paths)
        done = 0
        for one in paths:
            for name, size, file in _files(os.fspath(one), found):
                if done % _EVERY == 0:
                    tell(min(done / max(total, 1), 1.0), f"Reading headers: {done} of {total} files")
                done += 1
                found.add(name, size, file)
        tell(1.0, f"{done} files read")
        rows = found.rows()
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    for name in ("number", "slices", "frames", "rows", "columns"):
        table[name] = table[name].astype("Int64")
    return table


class _Table:
    """Rows by series; files that no reader knows are counted by suffix."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, ...], Series] = {}

    def add(self, name: str, size: int, file: Readable | None) -> None:
        try:
            start = file.read(512) if file is not None else b""
            head = head_of(name, start, file, size) if file is not None else _UNREADABLE
        except BROKEN:
            start, head = b"", _UNREADABLE
        if head is None or head.kind == "archive":
            head = head or Head("other", PurePath(name).suffix.lower().lstrip("."))
            known = next((form.name for form in FORMATS if form.matches(name, start)), "")
            if known:
                head = Head("annotations", known, alone=True)
        if head.alone:
            key: tuple[str, ...] = (name,)
            head.description = head.description or PurePath(name).name
        elif head.series:
            key = (head.patient, head.study, head.series, head.kind)
        else:
            key = (head.study, str(head.number), head.kind, head.form)
        self._series.setdefault(key, Series(head, name)).add(head, name, size)

    def unlisted(self, text: str) -> None:
        """Count what cannot be looked into."""
        head = Head("damaged", "", problem=text)
        self._series.setdefault(("", text), Series(head, "")).add(head, "", 0)

    def rows(self) -> list[dict[str, object]]:
        def order(one: Series) -> tuple[object, ...]:
            head = one.head
            return (head.kind in ("damaged", "other"), head.patient, head.study_date, head.study,
                    head.number is None, head.number or 0, head.series, one.path)  # fmt: skip

        return [series.row() for series in sorted(self._series.values(), key=order)]


def _kind(name: str) -> str:
    """Return "folder", "medium", "zip", "tar" or "file"."""
    if is_url(name):
        raise FormatError(f"{name} is not on this machine", hint="project.index(url) lists what is there.")
    must_exist(name, "path")
    if Path(name).is_dir():
        return "folder"
    try:
        start = start_of_file(name)
    except FormatError:
        return "file"  # which is empty, or must not be read, and gets its row
    return archive_kind(name, start) or ("medium" if is_dicomdir(start) else "file")


def _count(name: str, tell: Progress) -> int:
    kind = _kind(name)
    if kind == "folder":
        count = 0
        for _ in walk(name, [], ordered=False):
            count += 1
            if count % 10_000 == 0:
                tell(0.0, f"Looking for files: {count}")
        return count
    if kind == "medium":
        return len(files_of_dicomdir(name)[0])
    return sum(1 for _ in members(name, kind)) if kind == "zip" else 1


def _files(name: str, found: _Table) -> Iterator[tuple[str, int, Readable | None]]:
    kind = _kind(name)
    if kind in ("zip", "tar"):
        for member in members(name, kind):
            with ExitStack() as stack:
                try:
                    file: Readable | None = stack.enter_context(closing(member.open()))
                except BROKEN:
                    file = None
                yield f"{name}/{member.name}", member.size, file
        return
    if kind == "medium":
        files, missing = files_of_dicomdir(name)
        for one in missing:
            found.unlisted(f"named in the DICOMDIR and not there: {one}")
        yield from _opened(files)
        return
    problems: list[str] = []
    yield from _opened(walk(name, problems, ordered=False) if kind == "folder" else [name])
    for text in problems:
        found.unlisted(text)


def _opened(paths: Iterable[str]) -> Iterator[tuple[str, int, Readable | None]]:
    for path in paths:
        with ExitStack() as stack:
            try:
                file: Readable | None = stack.enter_context(Path(path).open("rb", buffering=0))
                size = Path(path).stat().st_size
            except OSError:
                file, size = None, 0
            yield path, size, file
