"""Makes tasks: checks who may do them, plans, and writes the rows."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from nbannot.errors import StoreError, UnknownItemError
from nbannot.store.access import ACTIONS, STATUSES
from nbannot.store.assigning import Order, Wish, plan
from nbannot.store.frames import moment, parts
from nbannot.store.patterns import fitting, matches
from nbannot.store.tables import tables

if TYPE_CHECKING:
    from sqlalchemy import Connection

NEEDS = {"read": "session.write", "review": "review", "adjudicate": "adjudicate"}


@dataclass(frozen=True, slots=True)
class Work:
    """What is given out; see `Tasks.assign`."""

    kind: str
    people: tuple[str, ...]
    overlap: int | None
    order: Order
    seed: int
    batch: str
    due: datetime | str | None
    repeat: int

    @property
    def wish(self) -> Wish:
        """How it is to be given to people."""
        return Wish(self.people, self.overlap, self.order, self.seed)

    def check(self) -> None:
        """Refuse what is wrong in itself.

        Raises
        ------
        StoreError
            When it is.
        """
        if self.kind not in NEEDS:
            raise StoreError(f"There is no kind of task {self.kind!r}", hint=f"Choose: {', '.join(NEEDS)}.")
        if self.repeat < 1:
            raise StoreError(f"Readings are counted from 1, got repeat={self.repeat}")
        moment(self.due)
        self.wish.check()


def give_out(connection: Connection, cases: str | Sequence[str], work: Work, *, by: str) -> list[str]:
    """Make the tasks, inside the caller's transaction, and return their ids.

    Raises
    ------
    StoreError
        When somebody may not do the work.
    UnknownItemError
        When there is no such case.
    """
    named = _named(connection, cases)
    _check_people(connection, work, [name for name, _ in named])
    given = [(key, None, "") for _, key in named]
    if work.kind == "review":
        given = _readings(connection, [key for _, key in named])
    having = _having(connection, work, [key for _, key in named])
    load = _loads(connection, work)
    numbers = list(range(len(given)))
    planned = plan(
        numbers, work.wish, having={n: having.get(given[n][:2], ()) for n in numbers}, load=load,
        barred={n: given[n][2] for n in numbers},
    )  # fmt: skip
    rows = []
    for person, theirs in planned.items():
        last = _last(connection, person) if theirs else 0
        for position, n in enumerate(theirs, start=last + 1):
            case, subject, _ = given[n]
            rows.append(_row(work, case, subject, person, position, by))
    if rows:
        connection.execute(tables().tasks.insert(), rows)
    return [row["id"] for row in rows]


def _named(connection: Connection, cases: str | Sequence[str]) -> list[tuple[str, int]]:
    """Return (name, id) of the cases asked for, in the order asked for."""
    from sqlalchemy import select

    table = tables().cases
    query = select(table.c.name, table.c.id).order_by(table.c.id)
    names = None if isinstance(cases, str) else [str(name) for name in cases]
    if names is None:
        query = query.where(fitting(connection, table.c.name, str(cases)))
    elif len(names) <= 500:
        query = query.where(table.c.name.in_(names))
    known = {row.name: int(row.id) for row in connection.execute(query)}
    if names is None:
        if not known:
            raise UnknownItemError(f"No case is named {cases!r}")
        return list(known.items())
    missing = [name for name in names if name not in known]
    if missing:
        raise UnknownItemError(f"There is no case {missing[0]!r}", hint="Look at project.cases.")
    return [(name, known[name]) for name in dict.fromkeys(names)]


def _check_people(connection: Connection, work: Work, cases: Sequence[str]) -> None:
    from sqlalchemy import select

    members = tables().members
    if connection.execute(select(members.c.person).limit(1)).first() is None:
        return
    query = members.select().where(members.c.person.in_(work.people))
    may: dict[str, list[str]] = {}
    for row in connection.execute(query):
        if row.role in ACTIONS[NEEDS[work.kind]]:
            may.setdefault(row.person, []).append(row.cases)
    for person in work.people:
        patterns = may.get(person, [])
        if not patterns:
            raise StoreError(
                f"{person!r} has no role for tasks of the kind {work.kind!r}",
                hint="Give one first: project.people.grant(person, role).",
            )
        if "*" in patterns:
            continue
        shut = next((one for one in cases if not any(matches(one, p) for p in patterns)), None)
        if shut is not None:
            raise StoreError(f"{person!r} may not work on case {shut!r}", hint="Grant more cases first.")


def _readings(connection: Connection, cases: Sequence[int]) -> list[Any]:
    """Return (case, session, reader) of each submitted reading of the cases."""
    from sqlalchemy import select

    table = tables().tasks
    query = select(table.c.case_id, table.c.session_id, table.c.person).where(
        table.c.kind == "read", table.c.status == "submitted", table.c.session_id.is_not(None)
    )
    query = query.order_by(table.c.case_id, table.c.person)
    found: list[Any] = []
    for some in parts(cases):
        found += [tuple(row) for row in connection.execute(query.where(table.c.case_id.in_(some)))]
    return found


def _having(connection: Connection, work: Work, cases: Sequence[int]) -> dict[Any, list[str]]:
    """Return who has which (case, subject) already."""
    from sqlalchemy import select

    table = tables().tasks
    query = select(table.c.case_id, table.c.subject_session_id, table.c.person).where(
        table.c.kind == work.kind, table.c.repeat == work.repeat, table.c.status != "rejected"
    )
    having: dict[Any, list[str]] = {}
    for some in parts(cases):
        for case, subject, person in connection.execute(query.where(table.c.case_id.in_(some))):
            having.setdefault((case, subject), []).append(person)
    return having


def _loads(connection: Connection, work: Work) -> dict[str, int]:
    """Return how many tasks of the kind each of the people has; needed only where not everybody gets each case."""
    from sqlalchemy import func, select

    if work.overlap in (None, len(work.people)):
        return {}
    table = tables().tasks
    query = select(table.c.person, func.count()).where(
        table.c.person.in_(work.people), table.c.kind == work.kind, table.c.repeat == work.repeat,
        table.c.status != "rejected",
    )  # fmt: skip
    return {row[0]: int(row[1]) for row in connection.execute(query.group_by(table.c.person))}


def _last(connection: Connection, person: str) -> int:
    """Return the last position in somebody's list; 0 for none."""
    from sqlalchemy import func, select

    table = tables().tasks
    # One look into the index for each status, however many tasks there are.
    ends = [
        select(func.max(table.c.position))
        .where(table.c.person == person, table.c.status == status)
        .scalar_subquery()
        for status in STATUSES
    ]
    return max(int(end or 0) for end in connection.execute(select(*ends)).one())


def _row(work: Work, case: int, subject: str | None, person: str, position: int, by: str) -> dict[str, Any]:
    return {
        "id": uuid4().hex, "case_id": case, "kind": work.kind, "person": person, "session": None,
        "repeat": work.repeat, "batch": work.batch, "position": position, "due": moment(work.due),
        "status": "to do", "flagged": False, "assigned_by": by, "assigned": time.time(), "started": None,
        "submitted": None, "active_s": 0.0, "seen": None, "reason": "", "session_id": None,
        "subject_session_id": subject,
    }  # fmt: skip
