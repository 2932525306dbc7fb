"""What stands behind a work list: its rows, and what opens for each kind of task."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Thread
from typing import TYPE_CHECKING, Any

import ipywidgets

from nbannot.apps.thumbnails import thumbnail
from nbannot.errors import NbannotError, ReadOnlyError
from nbannot.model.document import Document
from nbannot.model.edits import Edit
from nbannot.session import Session
from nbannot.store import Project
from nbannot.store.access import OPEN_TASKS
from nbannot.viewer import Viewer

if TYPE_CHECKING:
    import pandas as pd

DONE = ("submitted", "accepted", "rejected")
SHOWN = 200
"""Rows that are sent to the page, around the open one."""


@dataclass(frozen=True, slots=True)
class Row:
    """A task in the list; times in s since 1970."""

    task: str
    number: int
    case: str
    kind: str
    person: str
    session: int | None
    repeat: int
    status: str
    due: float | None
    flagged: bool
    reason: str
    mine: bool

    @property
    def done(self) -> bool:
        """Whether nothing is left to do for its person."""
        return self.status in DONE

    @property
    def open(self) -> bool:
        """Whether it waits for its person."""
        return self.status in OPEN_TASKS

    @property
    def waits(self) -> bool:
        """Whether the one who looks has something to do: with one's own task, or somebody's reading."""
        return self.open if self.mine else self.status == "submitted"

    @property
    def late(self) -> bool:
        """Whether it is overdue."""
        return self.open and self.due is not None and self.due < time.time()


def rows_of(table: pd.DataFrame, author: str) -> list[Row]:
    """Return the rows of a table of tasks."""
    import pandas as pd

    found = []
    for number, one in enumerate(table.to_dict("records")):
        due, session = one["due"], one["session"]
        found.append(Row(
            str(one["task"]), number, str(one["case"]), str(one["kind"]), str(one["person"]),
            None if pd.isna(session) else int(session), int(one["repeat"]), str(one["status"]),
            None if pd.isna(due) else due.timestamp(), bool(one["flagged"]), str(one["reason"] or ""),
            str(one["person"]) == author,
        ))  # fmt: skip
    return found


def shown_rows(rows: Sequence[Row], now: str | None) -> list[dict[str, Any]]:
    """Return what the page shows of the rows around the open one."""
    at = next((n for n, row in enumerate(rows) if row.task == now), 0)
    first = max(0, min(at - SHOWN // 2, len(rows) - SHOWN))
    return [
        {"task": row.task, "number": row.number, "title": row.case, "status": row.status, "note": _note(row),
         "flagged": row.flagged, "now": row.task == now}
        for row in rows[first : first + SHOWN]
    ]  # fmt: skip


def _note(row: Row) -> str:
    kind = {"review": "review", "adjudicate": "adjudication"}.get(row.kind, "")
    due = ""
    if row.open and row.due is not None:
        day = datetime.fromtimestamp(row.due, UTC).strftime("%Y-%m-%d")
        due = f"overdue since {day}" if row.late else f"due {day}"
    return ", ".join(filter(None, ("" if row.mine else row.person, kind, due)))


def shown_comments(project: Project, case: str) -> list[dict[str, Any]]:
    """Return what the page shows of the comments on a case."""
    with contextlib.suppress(NbannotError):
        return [
            {"id": int(one["id"]), "who": str(one["author"]), "text": str(one["text"]),
             "place": bool(one["place"]), "resolved": bool(one["resolved"])}
            for one in project.comments.table(case).to_dict("records")
        ]  # fmt: skip
    return []


class Work:
    """What is open of a project, and how it is opened.

    Parameters
    ----------
    project
        Any project.
    view
        Makes the viewer of a session.
    """

    def __init__(self, project: Project, view: Callable[[Project, Session], Viewer]) -> None:
        self._project = project
        self._view = view
        self._session: Session | None = None
        self._ahead: Session | None = None
        self._reading: Thread | None = None

    def prefetch(self, row: Row) -> None:
        """Make the session and the first picture of a task ready in a thread; the task is not begun."""
        if self._reading is not None and self._reading.is_alive():
            return
        self._reading = Thread(target=self._prepare, args=(row.task,), name="nbannot-ahead", daemon=True)
        self._reading.start()

    def _prepare(self, task: str) -> None:
        # What is wrong with the case is told when it is opened.
        with contextlib.suppress(NbannotError):
            session = self._project.tasks.prepare(task)
            thumbnail(session.document.images)
            self._ahead = session

    def may_judge(self, row: Row) -> bool:
        """Whether a verdict can be given: on one's own review, or on somebody else's reading."""
        if row.mine:
            return row.kind == "review" and row.open
        return row.kind == "read" and row.done and bool(self._project.people.allowed("review", row.case))

    def open(self, row: Row) -> tuple[list[ipywidgets.Widget], Viewer | None]:
        """Return what is shown of a task, and the viewer that is worked in."""
        if not row.mine:
            return self._of_other(row)
        session = self._project.tasks.begin(row.task)
        self._session = session if row.open else None
        self._ahead = None
        viewer = self._view(self._project, session)
        return [*self._readings(row), viewer], viewer

    def _of_other(self, row: Row) -> tuple[list[ipywidgets.Widget], Viewer | None]:
        if row.session is None:
            return [], None
        case = self._project.case(row.case)
        document = case.document(row.person, session=row.session, repeat=row.repeat)
        viewer = Viewer(_looked_at(document), headers=False)
        return [viewer], viewer

    def _readings(self, row: Row) -> list[ipywidgets.Widget]:
        """Return the readings of an adjudication side by side."""
        if row.kind != "adjudicate":
            return []
        found = self._project.tasks.readings(row.task)
        panes = [
            ipywidgets.VBox(
                [
                    ipywidgets.Label(f"Reading {number}"),
                    Viewer(_looked_at(document), headers=False, height=340),
                ],
                layout={"flex": "1 1 320px", "min_width": "0"},
            )
            for number, document in enumerate(found.values(), start=1)
        ]
        box = ipywidgets.HBox(panes, layout={"flex_flow": "row wrap", "width": "100%"})
        return [box, ipywidgets.Label("Your decision")]

    def said(self, row: Row) -> str:
        """Return what is to be known of a task that was opened."""
        if row.status == "returned" and row.reason:
            return f"It came back: {row.reason}"
        if not row.mine:
            who = f"Reading of {row.person}"
            return f"{who}. What you draw here is not kept." if row.session else f"{who}: not begun."
        return f"It is {row.status}, and can only be looked at." if row.done else ""

    def leave(self) -> None:
        """Keep the state of what was open."""
        session, self._session = self._session, None
        if session is not None and not session.closed:
            with contextlib.suppress(NbannotError):
                session.save()


def _looked_at(document: Document) -> Document:
    """Return a copy of somebody's reading that takes no edits."""

    def refuse(edit: Edit, revision: int) -> None:
        raise ReadOnlyError("This is somebody else's reading", hint="Write a comment, or return it.")

    document.journal = refuse
    return document
