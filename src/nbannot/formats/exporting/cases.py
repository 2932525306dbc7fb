"""From cases to a data set, one after the other."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from inspect import signature
from pathlib import Path
from typing import Any, Protocol

from nbannot.errors import FormatError, NbannotError, NbannotWarning
from nbannot.formats.exporting.pictures import PictureSet, overlays
from nbannot.formats.exporting.volumes import TableSet, VolumeSet
from nbannot.formats.writing import OUTPUTS, write
from nbannot.model.document import Document

SETS = ("coco", "yolo", "voc", "nifti", "monai", "bids", "csv", "png")
"""Data sets of many cases; besides, every format of documents, with a file for each case."""

_UNSAFE = re.compile(r"[^\w\-]+")

Row = tuple[str, str]


class CaseSet(Protocol):
    """A data set that takes cases."""

    def add(self, name: str, document: Document) -> Counter[str]:
        """Take a case; return what has no place."""
        ...

    def finish(self) -> None:
        """Write what belongs to all."""
        ...


def export_cases(
    cases: Mapping[str, Callable[[], Document]],
    folder: Path,
    to: str,
    *,
    version: str = "",
    tell: Callable[[float, str], object] = lambda _done, _text: None,
    **options: Any,
) -> list[Row]:
    """Write cases into an empty folder; return for each its name and what went wrong or was left out.

    A case that cannot be written does not keep the others from it.

    Raises
    ------
    FormatError
        When the format is not known, the folder is not empty, or no case could be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FormatError(f"{folder} is not an empty folder", hint="Choose another one.")
    made = _set(folder, to, version, options)
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    written = 0
    for number, (case, name) in enumerate(_names(cases)):
        tell(number / max(len(cases), 1), case)
        try:
            with warnings.catch_warnings(record=True) as heard:
                warnings.simplefilter("always", NbannotWarning)
                lost = made.add(name, cases[case]())
            texts = [f"left out: {count} × {what}" for what, count in lost.items() if count]
            texts += [str(one.message) for one in heard if isinstance(one.message, NbannotWarning)]
            rows.append((case, "; ".join(texts)))
            written += 1
        except NbannotError as error:
            rows.append((case, f"not written: {error.message}"))
    if not written:
        raise FormatError(f"No case could be written to {folder}: {rows[0][1] if rows else 'there is none'}")
    made.finish()
    tell(1.0, "")
    return rows


def _names(cases: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Yield cases and their names for files, each once."""
    taken: set[str] = set()
    for case in cases:
        plain = _UNSAFE.sub("_", case).strip("_") or "case"
        free, number = plain, 2
        while free.lower() in taken:
            free, number = f"{plain}_{number}", number + 1
        taken.add(free.lower())
        yield case, free


def _set(folder: Path, to: str, version: str, options: Mapping[str, Any]) -> CaseSet:
    makers: dict[str, Callable[..., CaseSet]] = {
        "csv": TableSet,
        "png": _Overlays,
        **dict.fromkeys(("nifti", "monai", "bids"), VolumeSet),
    }
    makers |= dict.fromkeys(("coco", "yolo", "voc"), PictureSet)
    if to in makers:
        _check_options(to, makers[to], options)
    if to in ("coco", "yolo", "voc"):
        return PictureSet(folder, to, **options)
    if to in ("nifti", "monai", "bids"):
        return VolumeSet(folder, to, version=version, **options)
    if to == "csv":
        return TableSet(folder, **options)
    if to == "png":
        return _Overlays(folder, **options)
    for output in OUTPUTS:
        if output.kind == to and Document in output.takes:
            return _Files(folder, to, output.suffixes[0] if output.suffixes else "", options)
    kinds = dict.fromkeys((*SETS, *(one.kind for one in OUTPUTS if Document in one.takes)))
    raise FormatError(f"There is no export to {to!r}", hint=f"Known: {', '.join(kinds)}.")


def _check_options(to: str, maker: Callable[..., CaseSet], options: Mapping[str, Any]) -> None:
    known = [one.name for one in signature(maker).parameters.values() if one.kind is one.KEYWORD_ONLY]
    for option in options:
        if option not in known or option == "version":
            shown = ", ".join(one for one in known if one != "version")
            raise FormatError(
                f"An export to {to!r} has no option {option!r}",
                hint=f"It has {shown}." if shown else "It has none.",
            )


class _Overlays:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, name: str, document: Document) -> Counter[str]:
        if not overlays(self.folder, name, document):
            raise FormatError(f"{name} has nothing to draw")
        return Counter()

    def finish(self) -> None:
        """Nothing belongs to all."""


class _Files:
    """A file for each case."""

    def __init__(self, folder: Path, kind: str, suffix: str, options: Mapping[str, Any]) -> None:
        self.folder, self.kind, self.suffix, self.options = folder, kind, suffix, options

    def add(self, name: str, document: Document) -> Counter[str]:
        write(self.folder / f"{name}{self.suffix}", document, kind=self.kind, **self.options)
        return Counter()

    def finish(self) -> None:
        """Nothing belongs to all."""
