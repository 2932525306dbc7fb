"""Which case a file belongs to: by a pattern over its path, a table, a function, or by study and folder."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from nbannot.errors import StoreError
from nbannot.formats.scanning.objects import Record, pseudonym

if TYPE_CHECKING:
    pass

RulesLike = (
    "str | re.Pattern[str] | Mapping[str, Any] | Callable[[Mapping[str, Any]], Any] | pd.DataFrame | Path"
)

LABELS = r"(?:^|[/._ -])(?:seg|segs|segmentations?|masks?|labels?(?:tr|ts)?|labelmaps?|annotations?)(?=[/._ -]|\d|$)"
"""What the path of a file of labels looks like, in any case of letters."""

_KNOWN = ("pattern", "table", "function", "labels")
_KEYS = ("path", "series", "study")
_IMAGES = ("image", "RT dose", "parametric map")


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a file belongs.

    Parameters
    ----------
    case
        Name of the case.
    patient, study
        Its keys; what is not given by a rule is the pseudonym and the study's UID.
    path
        The folder of the case, relative to what is indexed.
    name
        Of the image; empty where the rule does not say.
    """

    case: str
    patient: str = ""
    study: str = ""
    path: str = ""
    name: str = ""


class Rules:
    """Rules as they were given.

    Parameters
    ----------
    given
        A pattern (regular expression with groups ``case``, ``patient``, ``study``, ``name``), a table
        (DataFrame, CSV file, with a column ``case`` and one of ``path``, ``series``, ``study``), a function of a
        mapping, a mapping with the keys ``pattern``, ``table``, ``function``, ``labels``, or None.
    key
        Makes pseudonyms.

    Raises
    ------
    StoreError
        When they cannot be understood.
    """

    def __init__(self, given: Any, key: bytes) -> None:
        parts = _parts(given)
        unknown = sorted(set(parts) - set(_KNOWN))
        if unknown:
            raise StoreError(f"Unknown rule {unknown[0]!r}", hint=f"Known: {', '.join(_KNOWN)}.")
        self._key = key
        self._pattern = _compiled(parts["pattern"]) if parts.get("pattern") else None
        self._labels = _compiled(parts.get("labels", LABELS)) if parts.get("labels", LABELS) else None
        self._function: Callable[[Mapping[str, Any]], Any] | None = parts.get("function")
        self._table = _table(parts["table"]) if parts.get("table") is not None else None
        text = json.dumps(
            [str(parts.get("pattern")), str(parts.get("labels", LABELS)), repr(self._function), self._table]
        )
        self.digest = hashlib.sha256(text.encode()).hexdigest()[:16]

    def kind_of(self, record: Record) -> str:
        """Return the kind of a file; an image that is named as labels are is a labelmap."""
        alone = not record.series_uid
        if record.kind == "image" and alone and self._labels and self._labels.search(record.name.lower()):
            return "labelmap"
        return record.kind

    def place(self, record: Record) -> Placed | None:
        """Return the case of an image; None for what is no image, or what no rule takes.

        Raises
        ------
        StoreError
            When a function gives something else.
        """
        if record.kind not in _IMAGES:
            return None
        if self._function is not None:
            return self._made(self._function(_view(record)), record)
        if self._table is not None:
            return self._made(_row(self._table, record), record)
        if self._pattern is not None:
            match = self._pattern.search(record.name)
            if match is None:
                return None
            named = {name: value for name, value in match.groupdict().items() if value}
            if not named:
                return self._made(match.group(1) if match.groups() else match.group(0), record)
            if "case" not in named:
                named["case"] = "-".join(named[one] for one in ("patient", "study") if one in named)
            return self._made(named, record)
        return self._default(record)

    def _default(self, record: Record) -> Placed:
        folder, _, name = record.name.rpartition("/")
        if record.study_uid:
            case = pseudonym(self._key, record.study_uid, prefix="study")
            return Placed(case, record.patient, record.study_uid, folder)
        if folder:
            return Placed(folder, path=folder)
        return Placed(name.split(".")[0])

    def _made(self, found: Any, record: Record) -> Placed | None:
        if found is None or found == "":
            return None
        given = {"case": found} if isinstance(found, str) else found
        if not isinstance(given, Mapping) or not str(given.get("case") or "").strip():
            raise StoreError(
                f"The rule gave {type(found).__name__} for a file, not the name of a case",
                hint='Return a name, {"case": …, "patient": …, "study": …, "name": …}, or None to leave it out.',
            )
        return Placed(
            str(given["case"]).strip(), str(given.get("patient") or record.patient),
            str(given.get("study") or record.study_uid), PurePosixPath(record.name).parent.as_posix().strip("."),
            str(given.get("name") or ""),
        )  # fmt: skip


def _parts(given: Any) -> Mapping[str, Any]:
    if given is None:
        return {}
    if isinstance(given, re.Pattern):
        return {"pattern": given}
    if isinstance(given, Path) or (isinstance(given, str) and given.lower().endswith(".csv")):
        return {"table": given}
    if isinstance(given, str):
        return {"pattern": given}
    if isinstance(given, Mapping):
        return given
    if hasattr(given, "to_dict") or isinstance(given, list | tuple):
        return {"table": given}
    if callable(given):
        return {"function": given}
    raise StoreError(
        f"Rules are no {type(given).__name__}",
        hint="Give a pattern, a table, a function, or a mapping of them.",
    )


def rules_to_json(given: Any) -> dict[str, Any]:
    """Return rules as JSON, for a service: pattern, labels and rows of a table.

    Raises
    ------
    StoreError
        When they hold a function, which cannot be sent, or cannot be understood.
    """
    parts = dict(_parts(given))
    if parts.pop("function", None) is not None:
        raise StoreError(
            "A function cannot be sent to the service",
            hint="Give a pattern, or a table made with the function.",
        )
    for name in ("pattern", "labels"):
        if isinstance(parts.get(name), re.Pattern):
            parts[name] = _flagged(parts[name])
    if parts.get("table") is not None:
        parts["table"] = [
            {str(key): str(value) for key, value in row.items() if value == value and value is not None}
            for row in _rows(parts["table"])
        ]
    return parts


def rules_from_json(given: Any) -> dict[str, Any]:
    """Return rules that a program sent: patterns and rows only, never a path of this machine.

    Raises
    ------
    StoreError
        When they are anything else.
    """
    kinds = {"pattern": str, "labels": str, "table": list}
    right = isinstance(given, dict) and all(
        name in kinds and (value is None or isinstance(value, kinds[name])) for name, value in given.items()
    )
    if not right or not all(isinstance(row, dict) for row in given.get("table") or ()):
        raise StoreError("These are no rules for an index", hint="A pattern, labels, or rows of a table.")
    return dict(given)


def _flagged(pattern: re.Pattern[str]) -> str:
    flags = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL, "x": re.VERBOSE, "a": re.ASCII}
    letters = "".join(letter for letter, flag in flags.items() if pattern.flags & flag)
    return f"(?{letters}){pattern.pattern}" if letters else pattern.pattern


def _compiled(pattern: Any) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except (re.error, TypeError) as cause:
        raise StoreError(f"The pattern {pattern!r} is no regular expression: {cause}") from cause


def _rows(given: Any) -> Iterable[Mapping[str, Any]]:
    """Return the rows of a table: a CSV file, a DataFrame, or rows."""
    if not isinstance(given, str | os.PathLike):
        return given.to_dict("records") if hasattr(given, "to_dict") else list(given)
    try:
        with Path(given).open(newline="", encoding="utf-8-sig") as file:
            return list(csv.DictReader(file))
    except (OSError, ValueError) as cause:
        raise StoreError(f"The table {given} cannot be read") from cause


def _table(given: Any) -> dict[str, dict[str, dict[str, str]]]:
    rows = _rows(given)
    found: dict[str, dict[str, dict[str, str]]] = {key: {} for key in _KEYS}
    for n, row in enumerate(rows, start=1):
        values = {
            str(key): str(value) for key, value in row.items() if value == value and value not in (None, "")
        }
        keys = [key for key in _KEYS if key in values]
        if not keys or "case" not in values:
            raise StoreError(
                f"Row {n} of the table names no case, or no path, series or study",
                hint="Columns: case, and one of path, series, study; also patient and name.",
            )
        found[keys[0]][values[keys[0]].strip("/")] = values
    return found


def _row(table: Mapping[str, Mapping[str, dict[str, str]]], record: Record) -> dict[str, str] | None:
    path = PurePosixPath(record.name)
    for one in (path, *path.parents):
        if one.as_posix() in table["path"]:
            return table["path"][one.as_posix()]
    row = table["series"].get(record.series_uid) or table["study"].get(record.study_uid)
    return {**row, "study": record.study_uid} if row else None


def _view(record: Record) -> dict[str, Any]:
    detail = record.detail
    return {
        "path": record.name, "uri": record.uri, "kind": record.kind, "size": record.size,
        "patient": record.patient, "study": record.study_uid, "series": record.series_uid,
        "modality": detail.get("modality", ""), "description": detail.get("description", ""),
        "number": detail.get("number"),
    }  # fmt: skip
