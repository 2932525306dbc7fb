"""One browser's place in a room: its channel, what it may do, and what it is told."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import RLock
from typing import Any

from nbannot.errors import EditError, LockedError, NbannotError, ReadOnlyError, StoreError, SubmitError
from nbannot.host.ahead import first_keys
from nbannot.host.channel import Channel
from nbannot.host.lanes import will_pass
from nbannot.host.operating import Operating
from nbannot.hub.company import Company, whereabouts
from nbannot.hub.neutral import knows_names
from nbannot.hub.outbox import Outbox
from nbannot.hub.readings import answers_of, colour_of, mark_of, reading_of, take
from nbannot.hub.telling import NOT_NOW, OPEN, Json, Words, comments_of, my_tasks, place_from, unnamed
from nbannot.session import Session
from nbannot.store.wire import pack

log = logging.getLogger(__name__)

TAKEN_OVER = 4409
GONE = 4404
RENEWED = 4410
"""The case is to be seen otherwise from now on: the page opens it anew, without what it has of it."""

_MOST_VIEW = 256 * 1024
_MOST_TEXT = 4000
_PAGE = ("begin", "take", "view", "submit", "flag", "comment", "active", "be", "judge", "choose")
# Of somebody's reading nothing can be changed, nor told.
_LOOKING = ("begin",)


@dataclass(frozen=True, slots=True)
class Guest:
    """Who sits down, and for what.

    Attributes
    ----------
    project
        The project, acting as the person.
    task
        Id of the task.
    page
        Random id of the page: a page that comes back after a cut is the same writer.
    peek
        Whether the images are only made ready; the task is not begun.
    reading
        Which of the readings of an adjudication is looked at, from 1; 0 for one's own work.
    mark
        Of what that reading holds.
    """

    project: Any
    task: str
    page: str
    peek: bool
    reading: int = 0
    mark: str = ""


class Seat:
    """One socket of a room.

    Parameters
    ----------
    guest
        Who.
    session
        What is read.
    outbox
        Where frames go.
    config
        What the configuration says, as JSON for the viewer.
    tools
        Names of the tools of the configuration; empty for all.
    version
        Changes with how the case is shown.
    take
        Makes this the writer's seat: ``take(seat, force)`` says whether it is.
    moved
        Called when others in the case shall hear of this one.
    """

    def __init__(
        self,
        guest: Guest,
        session: Session,
        outbox: Outbox,
        *,
        config: Json,
        tools: Sequence[str],
        version: str,
        take: Callable[[Seat, bool], bool],
        moved: Callable[[Seat], None],
    ) -> None:
        self.guest = guest
        self.session = session
        self.outbox = outbox
        self.code = 1000
        self.reason = ""
        # Held while a message of the page is answered: what was submitted is not open any more, but is answered.
        self.answering = RLock()
        self._tools = list(tools)
        self._version = version
        self._take = take
        self._moved = moved
        self._begun = False
        # Whether others were told that somebody is here.
        self.here = False
        self._listening = RLock()
        self._elsewhere = False
        self._closed = False
        self._left = False
        self._about: Json = {}
        self._words = Words("", "")
        self._knows = knows_names(guest.project)
        self._look()
        self.company = Company(guest.project, self._words.case)
        document = session.document
        self._channel = Channel(
            document,
            self._send,
            headers=False,
            config=config,
            operating=Operating(document, lambda: dict(self.session.view)),
            pace=outbox.wait,
            guard=self._check_writer,
            passing=self._passes,
            first=lambda: first_keys(document, self.session.view),
        )

    # What the browser is told.

    def _look(self) -> None:
        """Look at the task again; its place in the list is looked up once."""
        project = self.guest.project
        task = project.tasks.get(self.guest.task)
        if not self._about:
            mine = my_tasks(project)
            at = next((n for n, row in enumerate(mine) if row["task"] == self.guest.task), None)
            about = {} if at is None else mine[at]
            self._words = Words(task.case, about.get("title", "Case"))
            self._about = {**about, "position": 1 if at is None else at + 1, "of": len(mine)}
        self._about |= {
            "status": task.status,
            "flagged": bool(task.flagged),
            "reason": task.reason if task.status == "returned" else "",
            "comments": comments_of(project, task.case, self.guest.task),
            **about_readings(self.guest, task.kind, self.session),
        }

    @property
    def case(self) -> str:
        """Name of the case in the project."""
        return self._words.case

    @property
    def read_only(self) -> str:
        """Why nothing can be changed, in words; empty where it can."""
        if self.guest.reading:
            return "This is a reading: it can only be looked at."
        if self._about.get("status") not in OPEN:
            return f"{self._words.title} is {self._about.get('status', 'gone')}: it can only be looked at."
        return (
            "It is open in another window, so that it can only be looked at here." if self._elsewhere else ""
        )

    def open(self) -> None:
        """Say what this case is, and take the writer's place where it is free."""
        # What the state says of the images is found while the page's scripts load.
        self._channel.prepare()
        if not self.guest.peek and not self.read_only:
            self._sit()
        self._tell_opened()

    def _tell_opened(self) -> None:
        self._tell(
            {
                "type": "opened",
                **self._about,
                "read_only": self.read_only,
                "elsewhere": self._elsewhere,
                "config": {"tools": self._tools},
                "version": self._version,
                "view": dict(self.session.view),
            }
        )

    def _sit(self, *, force: bool = False) -> None:
        self._elsewhere = not self._take(self, force)
        if not self._elsewhere and not self._begun:
            self.guest.project.tasks.begin(self.guest.task)
            self._begun = True
            self._look()

    def look_again(self, status: str) -> None:
        """Tell the browser when the task is another now, for instance submitted elsewhere.

        Where the window that wrote is closed, this one writes.

        Parameters
        ----------
        status
            Of the task, as it is now; where it is what is known, nothing more is asked of the store.
        """
        if status == self._about.get("status") and not self._elsewhere:
            return
        before = (self.read_only, self._about.get("status"))
        self._look()
        if self._elsewhere and self._about.get("status") in OPEN:
            self._sit()
        if before != (self.read_only, self._about.get("status")):
            self._tell_opened()

    def _tell(self, message: Json) -> None:
        self.outbox.put(pack(message))

    def _send(self, message: Json, buffers: list[bytes]) -> None:
        """Send what the channel says, without words that are not for readers."""
        if isinstance(message.get("error"), Mapping):
            if message["type"] == "refused" and message["error"].get("kind") == "ConflictError":
                # Another place wrote: this one must not go on with what it knows.
                self.leave(TAKEN_OVER, "The case was opened and changed elsewhere.")
                return
            error = self._words.error(message["error"])
            if message["type"] == "later" and error["kind"] != "LockedError":
                error = {**error, "message": NOT_NOW, "hint": ""}
            message = {**message, "error": error}
        if not self._knows:
            message = unnamed(message, self.guest.project.author)
        self.outbox.put(pack(message, buffers), voxels=bool(buffers))

    # What the browser says; called in threads, one message after another.

    def receive(self, message: Any, buffers: Sequence[memoryview]) -> None:
        """Take a message. Errors are answered, never raised."""
        if not isinstance(message, Mapping):
            return
        kind = message.get("type")
        if kind in _PAGE:
            if not self.guest.reading or kind in _LOOKING:
                self._page(kind, message)
            return
        if kind in ("edit", "operate_apply") and not self.guest.reading:
            self._come_in()
        self._channel.receive(message, buffers)

    @property
    def _writes(self) -> bool:
        return self._begun and not self._left and not self.read_only

    def _come_in(self) -> None:
        """Write from now on, where that can be: what is sent was done by this reader, perhaps before a reload."""
        if self._writes or self._left or self._closed or self._about.get("status") not in OPEN:
            return
        before = self.read_only
        try:
            self._sit()
        except NbannotError as error:
            log.warning("A task could not be begun: %s", type(error).__name__)
            return
        if self.read_only != before:
            self._tell_opened()

    def _check_writer(self) -> None:
        if not self._writes:
            raise LockedError(
                self.read_only or "The case was not begun", hint="What was done is kept in the browser."
            )

    def _passes(self, error: Exception) -> bool:
        """Whether an edit may be taken later: only what can never be taken is refused."""
        if isinstance(error, LockedError) and self._about.get("status") in OPEN and not self._writes:
            return True
        # The service opens projects for writing: it is being stopped, or its database is.
        return isinstance(error, ReadOnlyError) or will_pass(error)

    def _page(self, kind: str, message: Mapping[str, Any]) -> None:
        rid = message.get("rid")
        with self.answering:
            answer = {"type": "answered", "rid": rid, **self._answer(kind, message)}
            if isinstance(rid, int) and not isinstance(rid, bool):
                self._tell(answer)

    def _answer(self, kind: str, message: Mapping[str, Any]) -> Json:
        try:
            return {"ok": True, **(getattr(self, f"_do_{kind}")(message) or {})}
        except NbannotError as error:
            return {"ok": False, "error": self._words.error(error)}
        except Exception as error:
            log.exception("A message of a page failed: %s", type(error).__name__)
            return {"ok": False, "error": self._words.error({"kind": type(error).__name__})}

    def _do_begin(self, _: Mapping[str, Any]) -> Json:
        was = self.read_only
        if not was:
            self._sit()
        if self.read_only != was:
            self._tell_opened()
        return {"status": self._about.get("status")}

    def _do_take(self, _: Mapping[str, Any]) -> None:
        task = self.guest.project.tasks.get(self.guest.task)
        if self._about.get("status") not in OPEN:
            return
        project = self.guest.project
        project.take_over(task.case, reader=task.person, session=task.session, repeat=task.repeat)
        self._sit(force=True)
        self._tell_opened()

    def _do_view(self, message: Mapping[str, Any]) -> None:
        view = message.get("view")
        # Only the writer's view is kept with the session.
        if (
            self._begun
            and not self.read_only
            and isinstance(view, dict)
            and len(json.dumps(view)) < _MOST_VIEW
        ):
            self.session.view = view

    def _do_submit(self, message: Mapping[str, Any]) -> Json:
        comment = str(message.get("comment") or "")[:_MOST_TEXT]
        status = self._about.get("status")
        if status not in OPEN:
            # Asked again because the answer was lost.
            return {"status": status}
        if not self._begun:
            self._sit()
        self.session.document.refresh()
        self.guest.project.tasks.submit(self.guest.task, comment=comment)
        self._look()
        return {"status": self._about.get("status")}

    def _do_flag(self, message: Mapping[str, Any]) -> None:
        self.guest.project.tasks.flag(self.guest.task, bool(message.get("on")))
        self._look()

    def _do_comment(self, message: Mapping[str, Any]) -> Json:
        text = str(message.get("text") or "").strip()
        if not text or len(text) > _MOST_TEXT:
            raise EditError("A comment has 1 to 4000 characters")
        project, task = self.guest.project, self.guest.project.tasks.get(self.guest.task)
        place = place_from(message.get("place"), [image.id for image in self.session.document.images])
        known = self._about["comments"]
        if not any(one["text"] == text and one["mine"] and one["place"] == place for one in known):
            project.comments.add(task.case, text, task=self.guest.task, place=place)
        self._look()
        return {"comments": self._about["comments"]}

    def _do_active(self, message: Mapping[str, Any]) -> None:
        seconds = message.get("seconds")
        if (
            self._begun
            and isinstance(seconds, int | float)
            and not isinstance(seconds, bool)
            and 0 < seconds <= 120
        ):
            self.guest.project.tasks.active(self.guest.task, float(seconds))

    def _do_be(self, message: Mapping[str, Any]) -> None:
        place = whereabouts(message.get("place"), [image.id for image in self.session.document.images])
        if place is not None and not self._closed:
            self.guest.project.be(self._words.case, place)
            self.here = True
            self._moved(self)
            self.tell_company()

    def _do_judge(self, message: Mapping[str, Any]) -> Json:
        if self._about.get("kind") != "review" or self._about.get("status") not in OPEN:
            return {"status": self._about.get("status")}
        if not self._begun:
            self._sit()
        self.session.document.refresh()
        reason = str(message.get("reason") or "").strip()[:_MOST_TEXT]
        try:
            self.guest.project.tasks.review(self.guest.task, str(message.get("verdict")), reason=reason)
        except StoreError as error:
            if type(error) is not StoreError:
                raise
            raise SubmitError(error.message, hint=error.hint) from error
        self._look()
        return {"status": self._about.get("status")}

    def _do_choose(self, message: Mapping[str, Any]) -> None:
        number = message.get("reading")
        if not isinstance(number, int) or self._about.get("kind") != "adjudicate":
            raise EditError("There is no such reading")
        self._come_in()
        self._check_writer()
        reading = reading_of(self.guest.project, self.guest.task, number)
        if mark_of(reading) != message.get("mark"):
            raise EditError("This reading was changed meanwhile", hint="Open the case again to see it.")
        take(self.session, reading, number)

    # Who else is here.

    def tell_company(self) -> None:
        """Tell the browser who is in the case now, where that is another than it knows; from any thread."""
        with self._listening:
            if self._closed or not self.here:
                return
            try:
                people = self.company.news()
            except NbannotError as error:
                log.warning("It is not known who is there: %s", type(error).__name__)
                return
            if people is not None:
                self._tell({"type": "presence", "people": people})

    def gone(self) -> None:
        """Nobody looks at the case here any more: the last seat of a room was left."""
        try:
            self.guest.project.be(self._words.case, None)
        except NbannotError as error:
            # The case was taken away, or the database is away: the row ends by itself.
            log.info("It was not kept that somebody left: %s", type(error).__name__)
            return
        self._moved(self)

    # The end.

    def leave(self, code: int, reason: str) -> None:
        """Close the socket with a reason for the reader; from any thread. Slices that wait are not sent."""
        self.code, self.reason, self._left = code, reason, True
        self.outbox.forget()
        self._tell({"type": "closing", "reason": reason})
        self.outbox.close()

    def close(self) -> None:
        """Free the channel; nothing is sent afterwards."""
        if not self._closed:
            self._closed = True
            self.outbox.close()
            self._channel.close()


def about_readings(guest: Guest, kind: str, session: Session) -> Json:
    """Return what is told of the readings that a task is about."""
    if guest.reading:
        told = {"reading": guest.reading, "mark": guest.mark, "color": colour_of(guest.reading)}
        return {**told, "answers": answers_of(session.document)}
    count = len(guest.project.tasks.readers(guest.task)) if kind == "adjudicate" else 0
    return {"readings": count}
