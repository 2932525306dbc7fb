"""A project's tasks in a notebook: a list, and the viewer of one case beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import ipywidgets

from nbannot.apps.board import Board
from nbannot.apps.thumbnails import thumbnail
from nbannot.apps.together import Together
from nbannot.apps.working import Row, Work, rows_of, shown_comments, shown_rows
from nbannot.errors import NbannotError, SubmitError, UnknownItemError
from nbannot.model.schema import problems
from nbannot.session import Session
from nbannot.store import Project
from nbannot.store.tasks import Verdict
from nbannot.viewer import Viewer

BUTTONS = {
    "previous": ("Previous", "Previous case (Alt+P)"),
    "next": ("Next", "Next case (Alt+N)"),
    "next_undone": ("Next undone", "Next case that is not done (Alt+U)"),
    "skip": ("Skip", "Flag it and go to the next one that is not done (Alt+S)"),
    "flag": ("Flag", "Mark it to come back, or take the mark away (Alt+M)"),
    "submit": ("Submit", "Hand it in and go on (Ctrl+Shift+Enter)"),
    "accept": ("Accept", "The reading is right (Ctrl+Shift+Enter)"),
    "send_back": ("Return", "Back to its reader, with the reason (Alt+R)"),
    "reject": ("Reject", "Not to be used, with the reason (Alt+J)"),
}
"""Name of each button, what is on it and what it tells."""
KEPT_PICTURES = 500


class Worklist(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """The tasks of a project with the viewer of one case; made by ``project.worklist()``.

    Parameters
    ----------
    project
        Any project.
    mine
        One's own tasks only; else all that one may see.
    thumbnails
        Whether cases have small pictures.
    view
        Makes the viewer of a session.
    """

    def __init__(
        self,
        project: Project,
        *,
        mine: bool = True,
        thumbnails: bool = True,
        view: Callable[[Project, Session], Viewer],
    ) -> None:
        self.project = project
        self.viewer: Viewer | None = None
        self._mine, self._thumbnails = mine, thumbnails
        self._work = Work(project, view)
        self._rows: list[Row] = []
        self._now: str | None = None
        self._draft = ""
        self._note: tuple[str, bool, list[str]] = ("", False, [])
        self._pictures: dict[str, bytes] = {}
        self._together: Together | None = None
        self._board = Board(self._heard)
        self.buttons = {name: self._button(name, *said) for name, said in BUTTONS.items()}
        self._place = ipywidgets.VBox(layout={"flex": "1 1 520px", "min_width": "0"})
        side = ipywidgets.Box([self._board], layout={"flex": "0 0 250px"})
        head = ipywidgets.HBox(list(self.buttons.values()), layout={"flex_flow": "row wrap"})
        body = ipywidgets.HBox(
            [side, self._place], layout={"flex_flow": "row wrap", "align_items": "flex-start"}
        )
        super().__init__([head, body])
        self.add_class("nbannot-worklist")
        self._reload()
        first = next((row for row in self._rows if row.waits), next(iter(self._rows), None))
        if first is None:
            self._tell("You have no tasks here." if mine else "There are no tasks.")
        else:
            self.go(first.task)

    def __repr__(self) -> str:
        done = sum(row.done for row in self._rows)
        return f"Worklist({done} of {len(self._rows)} done)"

    def _button(self, name: str, text: str, tooltip: str) -> ipywidgets.Button:
        style = {"submit": "primary", "accept": "success", "reject": "danger"}.get(name, "")
        button = ipywidgets.Button(
            description=text, tooltip=tooltip, button_style=style, layout={"width": "auto"}
        )
        button.on_click(lambda _: self._do(name))
        return button

    # What is shown.

    @property
    def task(self) -> str | None:
        """Id of the task that is open."""
        return self._now

    @property
    def rows(self) -> list[Row]:
        """The tasks, in the order of work."""
        return list(self._rows)

    @property
    def note(self) -> str:
        """What was last said to the user."""
        return "\n".join([self._note[0], *self._note[2]])

    def _row(self) -> Row | None:
        return next((row for row in self._rows if row.task == self._now), None)

    def _reload(self) -> None:
        self._rows = rows_of(self.project.tasks.table(mine=self._mine), self.project.author)

    def _show(self) -> None:
        """Bring buttons and list in line with the open task."""
        row = self._row()
        judged = row is not None and self._work.may_judge(row)
        own = row is not None and row.mine and row.kind != "review" and row.open
        self.buttons["submit"].layout.display = "none" if judged else ""
        self.buttons["submit"].disabled = not own
        for name in ("accept", "send_back", "reject"):
            self.buttons[name].layout.display = "" if judged else "none"
        for name in ("flag", "skip"):
            self.buttons[name].disabled = row is None or not row.mine
        self.buttons["flag"].description = "Unflag" if row is not None and row.flagged else "Flag"
        for name in ("next", "previous", "next_undone"):
            self.buttons[name].disabled = not self._rows
        text, wrong, missing = self._note
        self._board.show({
            "head": self._head(), "note": text, "error": wrong, "missing": missing,
            "rows": shown_rows(self._rows, self._now), "pictures": self._thumbnails,
            "comments": [] if row is None else shown_comments(self.project, row.case),
            "people": self._people(),
            "writes": row is not None and bool(self.project.people.allowed("comment", row.case)),
        })  # fmt: skip

    def _people(self) -> list[dict[str, Any]]:
        here = self._together
        return [] if here is None else [{"name": one, "on": one == here.following} for one in here.people]

    def _head(self) -> str:
        done, flagged = sum(row.done for row in self._rows), sum(row.flagged for row in self._rows)
        late = sum(row.late for row in self._rows)
        parts = [f"{done} of {len(self._rows)} done", f"{flagged} flagged" if flagged else ""]
        return ", ".join(filter(None, [*parts, f"{late} overdue" if late else ""]))

    def _tell(self, text: str, *, wrong: bool = False, missing: tuple[str, ...] | list[str] = ()) -> None:
        self._note = (text, wrong, list(missing))
        self._show()

    # What can be done.

    def go(self, task: str) -> None:
        """Open a task, and close the one before."""
        self._leave()
        self._reload()  # others may have judged meanwhile
        self._now = task
        row = self._row()
        self._note = ("", False, [])
        try:
            if row is None:
                raise SubmitError("There is no such task in this list")
            widgets, self.viewer = self._work.open(row)
            self._reload()
            self._place.children = tuple(widgets)
            self._note = (self._work.said(row), False, [])
            if self.viewer is not None:
                self._together = Together(self.project, row.case, self.viewer, changed=self._show)
            ahead = self._after(row)
            if ahead is not None and ahead.mine:
                self._work.prefetch(ahead)
        except NbannotError as error:
            self._note = (_words(error), True, [])
        self._show()
        self._board.focus()

    def _leave(self) -> None:
        for widget in self._place.children:
            if isinstance(widget, ipywidgets.Widget):
                _close(widget)
        self._place.children = ()
        here, self._together = self._together, None
        if here is not None:
            here.close()
        self.viewer = None
        self._work.leave()

    def close(self) -> None:
        """Take the list off the page; what was open is kept."""
        if hasattr(self, "_work"):
            self._leave()
        super().close()

    def next(self) -> None:
        """Open the next task."""
        self._step(1)

    def previous(self) -> None:
        """Open the task before."""
        self._step(-1)

    def next_undone(self) -> None:
        """Open the next task that waits for one: to be read, or to be judged."""
        found = self._after(self._row())
        if found is None:
            self._tell("All is done.")
        elif found.task == self._now:
            self._tell("This is the only one that is not done.")
        else:
            self.go(found.task)

    def _after(self, row: Row | None) -> Row | None:
        """Return the next task after this one that waits for one, from the start again at the end."""
        at = next((n for n, one in enumerate(self._rows) if row is not None and one.task == row.task), -1)
        return next((one for one in [*self._rows[at + 1 :], *self._rows[: at + 1]] if one.waits), None)

    @property
    def people(self) -> list[str]:
        """Who else is in the open case now, as far as one may know it."""
        return [] if self._together is None else self._together.people

    def follow(self, person: str | None) -> None:
        """Show what somebody looks at who is in the open case; None, or scrolling oneself, ends it.

        Raises
        ------
        UnknownItemError
            When they are not there.
        """
        if self._together is None or person not in (None, *self.people):
            raise UnknownItemError(f"{person!r} is not in this case now", hint="Look at people.")
        self._together.follow(person)
        self._show()

    def _step(self, by: int) -> None:
        at = next((n for n, row in enumerate(self._rows) if row.task == self._now), 0) + by
        if 0 <= at < len(self._rows):
            self.go(self._rows[at].task)
        else:
            self._tell("This is the last one." if by > 0 else "This is the first one.")

    def skip(self) -> None:
        """Flag the open task and go to the next one that is not done."""
        row = self._own()
        self.project.tasks.flag(row.task)
        self._reload()
        self.next_undone()

    def flag(self, on: bool | None = None) -> None:
        """Mark the open task to come back, or take the mark away."""
        row = self._own()
        self.project.tasks.flag(row.task, (not row.flagged) if on is None else on)
        self._reload()
        self._show()

    def submit(self, comment: str | None = None) -> None:
        """Hand the open task in and go to the next one that is not done; what is missing is listed."""
        row = self._own()
        said = self._draft if comment is None else comment
        try:
            self.project.tasks.submit(row.task, comment=said.strip())
        except SubmitError as error:
            found = [] if self.viewer is None else problems(self.viewer.document)
            if not found:
                raise
            missing = [f"{one.label}: {one.message}" for one in found]
            self._tell(f"{len(found)} to put right. {error.hint}", wrong=True, missing=missing[:20])
            return
        self._went_on()

    def accept(self, reason: str | None = None) -> None:
        """Accept the reading."""
        self._judge("accept", reason)

    def send_back(self, reason: str | None = None) -> None:
        """Return the reading to its reader; the reason is needed."""
        self._judge("return", reason)

    def reject(self, reason: str | None = None) -> None:
        """Reject the reading; the reason is needed."""
        self._judge("reject", reason)

    def _judge(self, verdict: Verdict, reason: str | None) -> None:
        row = self._opened()
        said = self._draft if reason is None else reason
        if verdict != "accept" and not said.strip():
            self._tell("Write the reason into the field first.", wrong=True)
            return
        self.project.tasks.review(row.task, verdict, reason=said.strip())
        self._went_on()

    def comment(self, text: str) -> None:
        """Say something about the open case, at the crosshair where there is one."""
        row = self._opened()
        viewer = self.viewer
        place = None
        if viewer is not None and viewer.cursor is not None:
            place = {"image": viewer.image.id, "world": viewer.cursor}
        self.project.comments.add(row.case, text, task=row.task, place=place)
        self._said()
        self._show()

    def _said(self) -> None:
        self._draft = ""
        self._board.clear()

    def _went_on(self) -> None:
        self._said()
        self._reload()
        if not any(row.waits for row in self._rows):
            self.go(self._now or "")
            self._tell("All is done.")
        else:
            self.next_undone()

    def _opened(self) -> Row:
        row = self._row()
        if row is None:
            raise SubmitError("No task is open")
        return row

    def _own(self) -> Row:
        row = self._opened()
        if not row.mine:
            raise SubmitError("This task is somebody else's")
        return row

    # What comes from the page.

    def _do(self, name: str) -> None:
        """Do what a button or a key says; what goes wrong is told."""
        if name == "done":
            name = "submit" if self.buttons["submit"].layout.display != "none" else "accept"
        button = self.buttons.get(name)
        if button is None or button.disabled or button.layout.display == "none":
            return
        self._try(getattr(self, name))

    def _heard(self, message: Mapping[str, Any]) -> None:
        kind = message.get("type")
        if kind == "do":
            self._do(str(message.get("what")))
        elif kind == "open":
            self._try(partial(self.go, str(message.get("task"))))
        elif kind == "follow":
            person = message.get("person")
            self._try(partial(self.follow, None if person is None else str(person)))
        elif kind == "active":
            self._try(partial(self._worked, message.get("task"), message.get("seconds")))
        elif kind == "draft":
            self._draft = str(message.get("text", ""))
        elif kind == "comment":
            self._try(partial(self.comment, str(message.get("text", ""))))
        elif kind == "goto":
            self._try(partial(self._goto, message.get("comment")))
        elif kind == "thumb":
            number = message.get("case")
            if isinstance(number, int) and 0 <= number < len(self._rows):
                self._board.picture(number, self._picture(self._rows[number].case))

    def _worked(self, task: Any, seconds: Any) -> None:
        """Count time that somebody worked on one of one's own tasks."""
        mine = any(row.task == task and row.mine and row.open for row in self._rows)
        counted = isinstance(seconds, int) and not isinstance(seconds, bool) and 0 < seconds <= 120
        if mine and counted:
            self.project.tasks.active(task, seconds)

    def _try(self, doing: Callable[[], object]) -> None:
        try:
            doing()
        except NbannotError as error:
            self._tell(_words(error), wrong=True)

    def _goto(self, comment: Any) -> None:
        table = self.project.comments.table(self._opened().case)
        places = table.loc[table["id"] == comment, "place"].tolist()
        if places and places[0] and self.viewer is not None:
            place = places[0]
            ids = [image.id for image in self.viewer.document.images]
            if place.get("image") in ids:
                self.viewer.image = place["image"]
            where = {key: place[key] for key in ("world", "index") if key in place}
            if len(where) == 1:
                self.viewer.goto(**where)

    def _picture(self, case: str) -> bytes:
        """Return the small picture of a case; empty where there is none."""
        if case not in self._pictures:
            while len(self._pictures) >= KEPT_PICTURES:
                self._pictures.pop(next(iter(self._pictures)))
            try:
                self._pictures[case] = thumbnail(self.project.images(case))
            except NbannotError:
                self._pictures[case] = b""
        return self._pictures[case]


def _words(error: NbannotError) -> str:
    return f"{error.message.rstrip('.')}. {error.hint}".strip() if error.hint else error.message


def _close(widget: ipywidgets.Widget) -> None:
    for child in getattr(widget, "children", ()):
        _close(child)
    widget.close()
