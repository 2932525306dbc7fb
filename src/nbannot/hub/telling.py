"""What a reader is told of a task: neutral names, and errors without paths or names of cases."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nbannot.errors import DeidentificationError, NbannotError
from nbannot.hub.neutral import TEAM, knows_names, numbers_of
from nbannot.store.served import allowed_cases

Json = dict[str, Any]

OPEN = ("to do", "in work", "returned")

_PATH = re.compile(r"(?<![\w.])(?:[a-z][a-z0-9+]*://|[A-Za-z]:[\\/]|/)[^\s'\",;)]+")
# Errors whose words are about what the reader did; others may hold names of files, cases or people.
_OWN_WORDS = frozenset({
    "EditError", "MaskError", "UnknownLabelError", "OutsideImageError", "LockedError", "OperationError",
    "GeometryError", "HeaderRefusedError", "SubmitError",
})  # fmt: skip
_OTHER_WORDS: Mapping[str, tuple[str, str]] = {
    "AccessError": ("You may not do this", "Ask the study team."),
    "ConflictError": ("The case was changed elsewhere", "Open it again."),
    "KeptError": ("This change was saved before", "Open the case again to see it."),
    "ReadOnlyError": ("This case can only be looked at", ""),
    "UnknownItemError": ("That is not there any more", ""),
    "FormatError": ("This image cannot be read", "Tell the study team."),
    "DeidentificationError": ("This case is not shown: its images may say who the patient is", "Tell the study team."),
}  # fmt: skip
LATER = "The case cannot be opened now."
NOT_NOW = "The service cannot save now"
_FAILED = ("The service could not do this", "Try again; if it stays so, tell the study team.")


@dataclass(frozen=True, slots=True)
class Words:
    """The words for one case.

    Attributes
    ----------
    case
        Its name in the project.
    title
        What the reader calls it.
    """

    case: str
    title: str

    def error(self, error: NbannotError | Mapping[str, Any]) -> Json:
        """Return an error as it may be told: kind, message and hint."""
        payload = error.payload if isinstance(error, NbannotError) else error
        kind = str(payload.get("kind", "NbannotError"))
        if kind not in _OWN_WORDS:
            message, hint = _OTHER_WORDS.get(kind, _FAILED)
            return {"kind": kind, "message": message, "hint": hint}
        return {"kind": kind, **{key: self.clean(str(payload.get(key, ""))) for key in ("message", "hint")}}

    def clean(self, text: str) -> str:
        """Return a text without the case's own name and without paths."""
        # A title begins with the word already.
        named = re.sub(rf"(?i:case )?{re.escape(repr(self.case))}", lambda _: self.title, text)
        named = named.replace(self.case, self.title)
        return _PATH.sub("…", named)


def for_reader(project: Any, error: NbannotError) -> Json | None:
    """Return an error as it may be told to the one who acts; None where its own words may be.

    Parameters
    ----------
    project
        Acting as the person.
    error
        What may name cases and people.
    """
    try:
        if knows_names(project):
            return None
        numbers = numbers_of(project)
    except NbannotError:
        return Words("", "").error({"kind": type(error).__name__})  # the database is away
    if type(error) is NbannotError:
        return dict(error.payload)  # of what was asked, not of what is kept
    if isinstance(error, KeyError):
        return {"kind": "UnknownItemError", "message": "There is nothing here for you", "hint": ""}
    told = Words("", "").error(error)
    for name in sorted(numbers, key=len, reverse=True):
        words = Words(name, f"Case {numbers[name]}")
        told |= {key: words.clean(told[key]) for key in ("message", "hint")}
    return told


def unnamed(message: Json, me: str) -> Json:
    """Return a message of a channel without the names of others who edited."""
    if message["type"] == "steps":
        return {**message, "rows": [_unnamed(row, me) for row in message["rows"]]}
    if message["type"] == "edited":
        return {**message, "edit": _unnamed(message["edit"], me)}
    return message


def _unnamed(edit: Json, me: str) -> Json:
    parts = {"edits": [_unnamed(one, me) for one in edit["edits"]]} if "edits" in edit else {}
    author = edit["author"] if edit["author"] in ("", me) else TEAM
    return {**edit, **parts, "author": author}


def why_not(error: BaseException) -> str:
    """Return why a case is not opened, in words for its reader."""
    if isinstance(error, DeidentificationError):
        message, hint = _OTHER_WORDS["DeidentificationError"]
        return f"{message}. {hint}"
    if isinstance(error, PermissionError):
        return "This case is not open to you now."
    if isinstance(error, KeyError):
        return "There is no such case for you."
    return "The case cannot be opened. Tell the study team."


def my_tasks(project: Any) -> list[Json]:
    """Return the tasks of the one who acts, in the order of their work, as the page lists them."""
    table = project.tasks.table(mine=True)
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.itertuples(index=False)]
    numbers = {case: n for n, case in enumerate(dict.fromkeys(str(row["case"]) for row in rows), 1)}
    knows = knows_names(project)
    readable = {action: allowed_cases(project, action, numbers) for action in ("case.read", "own.read")}
    return [
        _task_row(
            row,
            title=str(row["case"]) if knows else f"Case {numbers[str(row['case'])]}",
            readable=str(row["case"]) in readable[_to_open(row)],
        )
        for row in rows
    ]


def _task_row(row: Mapping[str, Any], *, title: str, readable: bool) -> Json:
    due = row["due"]
    return {
        "task": str(row["task"]),
        "title": title,
        "kind": str(row["kind"]),
        "status": str(row["status"]),
        "due": None if due is None or due != due else due.isoformat(),
        "flagged": bool(row["flagged"]),
        "reason": str(row["reason"] or "") if row["status"] == "returned" else "",
        "readable": readable,
    }


def _to_open(row: Mapping[str, Any]) -> str:
    """Return the action that a task is opened by: to be worked on, or to be looked at again."""
    return "case.read" if row["status"] in OPEN else "own.read"


def comments_of(project: Any, case: str, task: str) -> list[Json]:
    """Return the comments on a task, the oldest first; other readers' are not among them."""
    table = project.comments.table(case)
    found = []
    for row in table.itertuples(index=False):
        if str(row.task) != task:
            continue
        when = row.time.timestamp() if hasattr(row.time, "timestamp") else float(row.time)
        mine = str(row.author) == project.author
        place = row.place if isinstance(row.place, Mapping) else None
        found.append({"id": str(row.id), "text": str(row.text), "time": when, "mine": mine, "place": place})
    return found


def place_from(given: Any, images: Sequence[str]) -> Json | None:
    """Return a place in an image as it may be kept; None for what is none.

    Parameters
    ----------
    given
        What the browser says.
    images
        Ids of the images of the case.
    """
    if not isinstance(given, Mapping) or given.get("image") not in images:
        return None
    world, frame = given.get("world"), given.get("frame")
    point = None
    if isinstance(world, list) and len(world) == 3 and all(_is_number(one) for one in world):
        point = [float(one) for one in world]
    return {
        "image": given["image"],
        "frame": max(int(frame), 0) if frame is not None and _is_number(frame) else 0,
        **({} if point is None else {"world": point}),
    }


def _is_number(value: Any) -> bool:
    good = isinstance(value, int | float) and not isinstance(value, bool)
    return good and math.isfinite(value) and abs(value) < 1e9
