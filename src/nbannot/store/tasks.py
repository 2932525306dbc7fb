"""Tasks: who shall read, review or adjudicate which case, and how far they are."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, Protocol

from nbannot.errors import AccessError, ConflictError, StoreError, SubmitError, UnknownItemError
from nbannot.model.document import Document
from nbannot.model.schema import problems
from nbannot.session import Session
from nbannot.store.access import OPEN_TASKS, STATUSES, Asked, Status, decide
from nbannot.store.actor import Actor, plain_text
from nbannot.store.assigning import Order
from nbannot.store.frames import frame, parts, times
from nbannot.store.givingout import Work, give_out
from nbannot.store.tables import tables
from nbannot.store.timing import worked

if TYPE_CHECKING:
    import pandas as pd
    from sqlalchemy import Connection, Select

Kind = Literal["read", "review", "adjudicate"]
Verdict = Literal["accept", "return", "reject"]

ACTION: dict[str, str] = {"read": "session.write", "review": "review", "adjudicate": "adjudicate"}
"""The action that working on a task of each kind is."""

COLUMNS = (
    "task", "case", "kind", "person", "session", "repeat", "batch", "position", "due", "status", "flagged",
    "assigned_by", "assigned", "started", "submitted", "active_s", "reason", "subject",
)  # fmt: skip
_TIMES = ("due", "assigned", "started", "submitted")


@dataclass(frozen=True, slots=True)
class Task:
    """One task, as it stands now.

    Parameters
    ----------
    task, case, kind, person
        Its id, the name of the case, what is to be done, and by whom.
    session, repeat
        Of the reading; session is None until it is begun.
    batch, position
        A name for tasks that belong together; the place in the person's list.
    due, assigned, started, submitted
        s since 1970, or None.
    status, flagged, reason
        How far it is; whether it was marked; why it was returned or rejected.
    assigned_by
        Who assigned it.
    active_s
        Time worked on it, without pauses, s.
    subject
        Whose reading is reviewed; empty for others.
    session_id, subject_session_id
        Ids of the sessions, or None.
    """

    task: str
    case: str
    kind: Kind
    person: str
    session: int | None
    repeat: int
    batch: str
    position: int
    due: float | None
    status: Status
    flagged: bool
    assigned_by: str
    assigned: float
    started: float | None
    submitted: float | None
    active_s: float
    reason: str
    subject: str
    session_id: str | None
    subject_session_id: str | None

    @property
    def open(self) -> bool:
        """Whether it waits for its person."""
        return self.status in OPEN_TASKS


class Opening(Protocol):
    """What opens the sessions of tasks: a project."""

    def open_task(self, task: Task, *, ahead: bool = False) -> Session:
        """Open the session of a task, or begin it; ``ahead``: the task is not begun yet."""
        ...

    def document(self, session_id: str) -> Document:
        """Return a copy of what a session holds now."""
        ...


class Tasks:
    """The tasks of a project; ``project.tasks``."""

    def __init__(self, actor: Actor, project: Opening) -> None:
        self._actor = actor
        self._project = project

    def __repr__(self) -> str:
        return f"Tasks({len(self.table(mine=True))} of {self._actor.person})"

    # Looking.

    def table(
        self,
        person: str | None = None,
        case: str | None = None,
        status: Status | None = None,
        *,
        mine: bool = False,
        kind: Kind | None = None,
        batch: str | None = None,
        limit: int | None = None,
        after: int = 0,
    ) -> pd.DataFrame:
        """Return one row per task, in the order of work of each person.

        Whoever may not read others' sessions, assign or audit sees their own tasks only. Times are in
        UTC, ``active_s`` in s.

        Parameters
        ----------
        person, case, status, kind, batch
            Only those of these.
        mine
            Only one's own.
        limit, after
            At most so many rows, after having left out so many.
        """
        table, query = tables().tasks, _listed()
        if mine or not self._sees_all():
            query = query.where(table.c.person == self._actor.person)
        for column, wanted in (
            (table.c.person, person), (tables().cases.c.name, case), (table.c.status, status),
            (table.c.kind, kind), (table.c.batch, batch),
        ):  # fmt: skip
            if wanted is not None:
                query = query.where(column == wanted)
        query = (
            query.order_by(table.c.person, table.c.position, table.c.id).limit(limit).offset(after or None)
        )
        with self._actor.database.reading() as connection:
            return _shown(connection.execute(query).all())

    def get(self, task: str) -> Task:
        """Return a task.

        Raises
        ------
        UnknownItemError
            When there is no such task.
        AccessError
            When it is somebody else's, and others' are not to be seen.
        """
        with self._actor.database.reading() as connection:
            found = _task(connection, task)
        if found.person != self._actor.person and not self._sees_all():
            self._actor.check("session.read", found.case, of=found.person)
        return found

    def progress(self) -> pd.DataFrame:
        """One row per person and kind: number of tasks by status, flagged, overdue, time.

        ``hours`` is the time worked, without pauses; ``minutes_per_case`` the mean over finished tasks.
        """
        from sqlalchemy import case, func, select

        self._actor.check("project.read")
        table, now = tables().tasks, time.time()

        def count(where: Any) -> Any:
            return func.sum(case((where, 1), else_=0))

        finished = table.c.submitted.is_not(None)
        late = table.c.status.in_(OPEN_TASKS) & (table.c.due < now)
        query = select(
            table.c.person, table.c.kind, func.count(),
            *(count(table.c.status == status) for status in STATUSES),
            count(table.c.flagged), count(late), func.sum(table.c.active_s) / 3600,
            func.avg(case((finished, table.c.active_s))) / 60,
        )  # fmt: skip
        if not self._sees_all():
            query = query.where(table.c.person == self._actor.person)
        query = query.group_by(table.c.person, table.c.kind).order_by(table.c.person, table.c.kind)
        names = ["person", "kind", "tasks", *STATUSES, "flagged", "overdue", "hours", "minutes_per_case"]
        with self._actor.database.reading() as connection:
            return frame(connection.execute(query), names)

    def readings(self, task: str) -> dict[str, Document]:
        """Return what an adjudication or review is about: a copy of each reading, by its reader.

        Raises
        ------
        AccessError
            When the one who acts may not read others' sessions.
        """
        return {name: self._project.document(key) for name, key in self._subjects(task).items()}

    def readers(self, task: str) -> list[str]:
        """Return whose readings `readings` gives, in its order, without opening them.

        Raises
        ------
        AccessError
            When the one who acts may not read others' sessions.
        """
        return list(self._subjects(task))

    def _subjects(self, task: str) -> dict[str, str]:
        """Return the ids of the sessions that an adjudication or review is about, by their reader."""
        found = self.get(task)
        self._actor.check("session.read", found.case, of="")
        table = tables().tasks
        if found.subject_session_id is not None:
            return {found.subject: found.subject_session_id}
        where = (tables().cases.c.name == found.case) & (table.c.kind == "read")
        query = _listed().where(where, table.c.status.in_(("submitted", "accepted")))
        with self._actor.database.reading() as connection:
            done = [_made(row) for row in connection.execute(query.order_by(table.c.person, table.c.repeat))]
        return {
            one.person if one.repeat == 1 else f"{one.person} ({one.repeat})": one.session_id
            for one in done
            if one.session_id is not None
        }

    # Assigning.

    def assign(
        self,
        cases: str | Sequence[str],
        people: str | Sequence[str],
        *,
        kind: Kind = "read",
        overlap: int | None = None,
        order: Order = "given",
        seed: int = 0,
        batch: str = "",
        due: datetime | str | None = None,
        repeat: int = 1,
    ) -> pd.DataFrame:
        """Give cases to people and return the new tasks; what somebody has already stays as it is.

        Parameters
        ----------
        cases
            Names, or one pattern (``*`` and ``?``).
        people
            Who; each a member whose role allows the work.
        kind
            "read", "review" (each submitted reading of the cases, never by its reader) or "adjudicate".
        overlap
            How many people each case shall have, those who have it already included; whoever has the
            fewest is next. None: everybody gets every case.
        order
            "given", or "seeded": shuffled, for each person in another way.
        seed
            Of the shuffling.
        batch
            A name for these tasks.
        due
            When they shall be done.
        repeat
            Which reading of the same case by the same person, from 1.

        Raises
        ------
        StoreError
            When somebody may not do the work, or the overlap cannot be had.
        UnknownItemError
            When there is no such case.
        """
        named = [people] if isinstance(people, str) else list(people)
        work = Work(kind, tuple(named), overlap, order, seed, plain_text(batch, "A batch"), due, repeat)
        work.check()

        def done(connection: Connection) -> list[str]:
            return give_out(connection, cases, work, by=self._actor.person)

        said = {"people": named, "kind": kind, "batch": batch, "repeat": repeat}
        new = self._actor.act("task.assign", done, detail=lambda ids: {**said, "tasks": len(ids)})
        table, rows = tables().tasks, list[Any]()
        with self._actor.database.reading() as connection:
            for some in parts(new):
                rows += connection.execute(_listed().where(table.c.id.in_(some))).all()
        return _shown(sorted(rows, key=lambda row: (row.person, row.position)))

    def unassign(self, task: str, *, reason: str = "") -> None:
        """Take a task away from its person; what was read is kept.

        Raises
        ------
        StoreError
            When it was submitted already.
        """

        def work(connection: Connection) -> None:
            found = _task(connection, task)
            if not found.open:
                raise StoreError(f"The task is {found.status} already", hint="Review it instead.")
            _drop(connection, [task])

        found = self.get(task)
        said = {"do": "unassign", "task": task, "person": found.person, "reason": reason}
        self._actor.act("task.assign", work, case=found.case, detail=said)

    def reclaim(self, idle: timedelta | float) -> pd.DataFrame:
        """Take open tasks back on which nobody worked for so long, and return them; assign them anew.

        Parameters
        ----------
        idle
            The time, as a timedelta or in s.
        """
        from sqlalchemy import func

        span = idle.total_seconds() if isinstance(idle, timedelta) else float(idle)
        table = tables().tasks
        last = func.coalesce(table.c.seen, table.c.started, table.c.assigned)

        def work(connection: Connection) -> list[Task]:
            wanted = _listed().where(table.c.status.in_(OPEN_TASKS), last < time.time() - span)
            found = [_made(row) for row in connection.execute(wanted)]
            _drop(connection, [one.task for one in found])
            return found

        found = self._actor.act(
            "task.assign", work,
            detail=lambda them: {"do": "reclaim", "tasks": [[one.task, one.person] for one in them]},
        )  # fmt: skip
        rows = [(one.task, one.case, one.kind, one.person, one.batch, one.status) for one in found]
        return frame(rows, ["task", "case", "kind", "person", "batch", "status"])

    # Working.

    def begin(self, task: str) -> Session:
        """Open the session of one's own task, as it was left; a submitted one can only be looked at.

        A review begins with a copy of the reading, to be put right; an adjudication with nothing
        (`readings` gives what was read).

        Raises
        ------
        AccessError
            When it is somebody else's.
        """
        found = self._own(task)
        return self._project.open_task(found)

    def prepare(self, task: str) -> Session:
        """Open the session of one's own task ahead of time, as `begin` does, without beginning the task.

        Raises
        ------
        AccessError
            When it is somebody else's.
        """
        return self._project.open_task(self._own(task), ahead=True)

    def submit(self, task: str, *, comment: str = "") -> None:
        """Hand one's own task in; its session takes no more edits.

        Raises
        ------
        SubmitError
            When a required answer is missing or wrong; names the first.
        ConflictError
            When the session was changed elsewhere meanwhile.
        """
        found = self._own(task)
        if not found.open:
            raise SubmitError(f"The task is {found.status} already")
        session = self._project.open_task(found)
        wrong = problems(session.document)
        if wrong:
            rest = f"; {len(wrong) - 1} more" if len(wrong) > 1 else ""
            message = f"Case {found.case!r} cannot be submitted: {wrong[0].label}: {wrong[0].message}{rest}"
            self._actor.refuse("task.submit", found.case, message, session=found.session_id or "")
            raise SubmitError(message, hint="Complete it and submit again.")
        session.save()
        plain_text(comment, "A comment")

        def work(connection: Connection) -> None:
            now = _task(connection, task)
            if not now.open or now.person != self._actor.person:
                raise ConflictError(f"The task of case {now.case!r} was changed elsewhere")
            _lock(connection, now, session.step)
            if comment:
                _say(connection, now, self._actor.person, comment)

        key = self.get(task).session_id or ""
        self._actor.act(
            "task.submit", work, case=found.case, of=found.person, session=key,
            detail={"task": task, "step": session.step},
        )  # fmt: skip

    def review(self, task: str, verdict: Verdict, *, reason: str = "") -> None:
        """Accept, return or reject a submitted reading; a returned one can be edited again.

        Parameters
        ----------
        task
            The reading, or one's own review task about it, which is done then.
        verdict
            "accept", "return" (back to its reader) or "reject".
        reason
            Why; needed for "return" and "reject".

        Raises
        ------
        StoreError
            When nothing was submitted, the reason is missing, or it is one's own reading.
        """
        after = {"accept": "accepted", "return": "returned", "reject": "rejected"}.get(verdict)
        if after is None:
            raise StoreError(f"There is no verdict {verdict!r}", hint="Choose accept, return or reject.")
        if verdict != "accept" and not reason.strip():
            raise StoreError("A reason is needed", hint='Say why: reason="…".')
        plain_text(reason, "A reason")
        given = self.get(task)

        def work(connection: Connection) -> None:
            about = _subject(connection, given)
            if about.person == self._actor.person:
                manages = decide(connection, Asked(self._actor.person, "project.manage"))
                if not manages:
                    raise AccessError("One's own reading is reviewed by somebody else")
            if about.status not in ("submitted", "accepted", "rejected"):
                raise StoreError(f"The reading of case {about.case!r} is not submitted, but {about.status}")
            _judge(connection, about, after, reason)
            if given.kind == "review":
                _lock(connection, given, None)

        said = {"task": task, "verdict": verdict, "reason": reason}
        self._actor.act("review", work, case=given.case, session=given.session_id or "", detail=said)

    def flag(self, task: str, on: bool = True) -> None:
        """Mark one's own task to come back to it, or take the mark away."""
        found = self._own(task)
        table = tables().tasks
        query = table.update().where(table.c.id == task).values(flagged=on)
        self._actor.act(
            "task.submit", lambda c: c.execute(query), case=found.case, of=found.person,
            detail={"do": "flag", "task": task, "on": on},
        )  # fmt: skip

    def active(self, task: str, seconds: float) -> None:
        """Count time worked on one's own task; never more than has passed since it was last counted.

        Parameters
        ----------
        task
            Its id.
        seconds
            The time in which somebody was there and did something, s.
        """
        found = self._own(task)
        if found.open:
            wanted = min(max(float(seconds), 0.0), 3600.0) if seconds == seconds else 0.0
            self._actor.database.change(lambda c: worked(c, found.session_id, task, wanted))

    def _own(self, task: str) -> Task:
        """Return one's own task.

        Raises
        ------
        AccessError
            When it is somebody else's.
        """
        with self._actor.database.reading() as connection:
            found = _task(connection, task)
        if found.person != self._actor.person:
            reason = "the task is somebody else's"
            self._actor.refuse(ACTION[found.kind], found.case, reason)
            raise AccessError("This task is somebody else's", hint="Look at project.tasks.table(mine=True).")
        return found

    def _sees_all(self) -> bool:
        return any(self._actor.may(action, of="") for action in ("task.assign", "session.read", "audit.read"))


def _listed() -> Select[Any]:
    """Return the query of all tasks; its columns are `COLUMNS`, then the ids of both sessions."""
    from sqlalchemy import func, select

    table, cases, sessions = tables().tasks, tables().cases, tables().sessions
    columns = [
        cases.c.name.label("case") if name == "case"
        else table.c.id.label("task") if name == "task"
        else func.coalesce(sessions.c.reader, "").label("subject") if name == "subject"
        else table.c[name]
        for name in COLUMNS
    ]  # fmt: skip
    joined = table.join(cases, cases.c.id == table.c.case_id)
    joined = joined.outerjoin(sessions, sessions.c.id == table.c.subject_session_id)
    return select(*columns, table.c.session_id, table.c.subject_session_id).select_from(joined)


def _shown(rows: Sequence[Any]) -> pd.DataFrame:
    """Return rows of `_listed` as a table."""
    found = frame([tuple(row)[: len(COLUMNS)] for row in rows], COLUMNS)
    shown: dict[str, Any] = {name: times(found[name]) for name in _TIMES}
    return found.assign(**shown, session=found["session"].astype("Int64"))


def _made(row: Any) -> Task:
    return Task(*row)


def _task(connection: Connection, task: str) -> Task:
    row = connection.execute(_listed().where(tables().tasks.c.id == task)).first()
    if row is None:
        raise UnknownItemError("There is no such task", hint="Look at project.tasks.table().")
    return _made(row)


def _subject(connection: Connection, task: Task) -> Task:
    """Return the reading that a review is about."""
    if task.kind != "review":
        return task
    where = tables().tasks.c.session_id == task.subject_session_id
    row = connection.execute(_listed().where(where)).first()
    if row is None:
        raise UnknownItemError("The reading to be reviewed is not there any more")
    return _made(row)


def _lock(connection: Connection, task: Task, step: int | None) -> None:
    """Mark a task and its session as submitted; the session must be at ``step``."""
    known, now = tables(), time.time()
    if task.session_id is not None:
        where = known.sessions.c.id == task.session_id
        if step is not None:
            where &= known.sessions.c.head == step
        query = known.sessions.update().where(where).values(status="submitted", submitted=now, writer="")
        if connection.execute(query).rowcount != 1:
            raise ConflictError(
                f"Case {task.case!r} was changed elsewhere", hint="Reopen the case, then submit it."
            )
    query = known.tasks.update().where(known.tasks.c.id == task.task)
    connection.execute(query.values(status="submitted", submitted=now, reason=""))


def _judge(connection: Connection, task: Task, status: str, reason: str) -> None:
    known = tables()
    query = known.tasks.update().where(known.tasks.c.id == task.task)
    connection.execute(query.values(status=status, reason=reason))
    is_open = status == "returned"
    values = {"status": "open", "submitted": None} if is_open else {"status": "submitted"}
    connection.execute(known.sessions.update().where(known.sessions.c.id == task.session_id).values(**values))


def _say(connection: Connection, task: Task, author: str, text: str) -> None:
    from sqlalchemy import select

    known = tables()
    case = select(known.tasks.c.case_id).where(known.tasks.c.id == task.task).scalar_subquery()
    row = {"case_id": case, "task_id": task.task, "author": author, "time": time.time(), "text": text,
           "place": "null", "resolved": ""}  # fmt: skip
    connection.execute(known.comments.insert().values(**row))


def _drop(connection: Connection, tasks: Sequence[str]) -> None:
    known = tables()
    for some in parts(tasks):
        connection.execute(
            known.comments.update().where(known.comments.c.task_id.in_(some)).values(task_id=None)
        )
        connection.execute(known.tasks.delete().where(known.tasks.c.id.in_(some)))
