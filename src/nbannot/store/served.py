"""A stored project in the parts that travel: what the service sends and takes, without opening documents."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbannot.errors import AccessError, ConflictError, StoreError, UnknownItemError
from nbannot.formats.progress import Progress
from nbannot.model.codec import decode_edit, encode_edit
from nbannot.model.edits import Batch, Edit
from nbannot.session import Session
from nbannot.session.config import Config
from nbannot.session.state import State
from nbannot.store import exchange
from nbannot.store.access import of_these
from nbannot.store.actor import plain_name
from nbannot.store.adopt import adopt
from nbannot.store.building import known_cases
from nbannot.store.core import UNDO_STEPS
from nbannot.store.jobs import JobRows
from nbannot.store.journal import Journal, Lease, view_query
from nbannot.store.stored import StoredProject
from nbannot.store.tables import tables

if TYPE_CHECKING:
    import pandas as pd
    from sqlalchemy import Row

MOST_EDITS = 500
MOST_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which session: case, reader (the actor when None), number (the newest when None) and repeat."""

    case: str
    reader: str | None = None
    session: int | None = None
    repeat: int = 1


def check(project: StoredProject, action: str, case: str | None = None) -> None:
    """Refuse what the actor may not do, and write the refusal down.

    Raises
    ------
    AccessError
        When the actor may not.
    """
    project._actor.check(action, case)


def refuse(project: StoredProject, action: str, reason: str) -> None:
    """Write a refusal of the service into the audit log."""
    project._actor.refuse(action, None, reason)


def has_members(project: StoredProject) -> bool:
    """Return whether anybody has a role: a project without members is open to whoever opens it."""
    with project._core.database.reading() as connection:
        return connection.execute(tables().members.select().limit(1)).first() is not None


def allowed_cases(project: StoredProject, action: str, cases: Collection[str]) -> set[str]:
    """Return of which of these cases the actor may do something; as quickly for many as for one."""
    with project._core.database.reading() as connection:
        return of_these(connection, project.author, action, cases)


def is_current(project: StoredProject, session: Session, config: Config) -> bool:
    """Whether an open session takes edits, and shows the very images that it would be opened with now.

    Parameters
    ----------
    project
        Acting as the one who looks.
    session
        Of this project.
    config
        What the configuration says to readers now.

    Raises
    ------
    AccessError, DeidentificationError
        When it would not be opened.
    """
    return not session.closed and project._sessions.seen.are_those_of(session, config)


def shows_seen(project: StoredProject, case: str, session: Session, config: Config) -> bool:
    """Whether a session that is kept nowhere, such as a copy of a reading, shows the images of a case as they are now.

    Raises
    ------
    AccessError, DeidentificationError
        When they would not be opened.
    """
    return project._sessions.seen.are_seen(case, session.document.images, config)


def export_pieces(project: StoredProject, *, images: bool) -> Iterator[bytes]:
    """Return the zip of ``project.export_to`` in pieces, as they are made.

    Raises
    ------
    AccessError
        When the actor may not export.
    """
    return exchange.export_pieces(project._core, project._actor, project._cases, images=images)


def job_rows(project: StoredProject) -> JobRows:
    """Return the jobs of a project."""
    return JobRows(project._core.database)


def merge_upload(project: StoredProject, path: Path, *, most: int, progress: Progress) -> pd.DataFrame:
    """Take in another copy of the project that a program sent; see `StoredProject.merge`.

    Raises
    ------
    StoreError
        When it unpacks to more than ``most`` bytes.
    """
    given = (project._core, project._actor, project._cases, path)
    return exchange.merge(*given, most=most, progress=progress)


def cases_to_build(project: StoredProject, wanted: Mapping[str, Sequence[str]]) -> list[str]:
    """Return which of the cases are there, after looking whether sessions can be built for their readers.

    Raises
    ------
    AccessError, ConflictError, StoreError
        As ``project.build``.
    """
    return sorted(known_cases(project._actor, project._cases, wanted))


def adopt_session(
    project: StoredProject, session: Session, ids: Mapping[str, str], *, case: str, reader: str
) -> None:
    """Keep a session that was made elsewhere as one of a reader's.

    Raises
    ------
    AccessError, ConflictError, StoreError
        As ``project.build``.
    """
    adopt(project._actor, session, ids, case=project._cases.row(case), reader=plain_name("A reader", reader))


def case_key(project: StoredProject, case: str) -> int:
    """Return the number of a case, which stands for its name in addresses."""
    return int(project._cases.row(case).id)


def case_name(project: StoredProject, key: int) -> str:
    """Return the name of a case that the actor may read.

    Raises
    ------
    UnknownItemError
        When there is none, or it is not the actor's to read: both look the same.
    """
    table = tables().cases
    with project._core.database.reading() as connection:
        row = connection.execute(table.select().where(table.c.id == key)).first()
    if row is None or not project.people.allowed("case.read", row.name):
        raise UnknownItemError("There is nothing here for you")
    return str(row.name)


def open_session(project: StoredProject, wanted: Wanted) -> dict[str, Any]:
    """Return what tells a session, beginning it where there is none.

    Raises
    ------
    AccessError
        When the actor may not see it.
    UnknownItemError
        When there is no such case or session.
    """
    sessions = project._sessions
    reader = project.author if wanted.reader is None else wanted.reader
    sessions.check(wanted.case, reader)
    row = sessions.find(wanted.case, reader, wanted.session, wanted.repeat)
    if row is None:
        if wanted.session not in (None, 1):
            raise UnknownItemError(f"Reader {reader!r} has no session {wanted.session} of {wanted.case!r}")
        images = project.images(wanted.case)
        row = sessions._begin(wanted.case, reader, 1, wanted.repeat, images, None)
    return _told(project, wanted.case, row)


def _told(project: StoredProject, case: str, row: Row[Any]) -> dict[str, Any]:
    journal = Journal(project._actor, row.id, case, row.reader, row.head)
    lease = Lease.of(project.author, row.writer)
    may = project._actor.may("session.write", case, of=row.reader)
    return {
        "key": row.id, "case": case, "reader": row.reader, "session": row.session, "repeat": row.repeat,
        "document": row.document_id, "view": json.loads(row.view), "head": row.head,
        "first": journal.start_for_undo(UNDO_STEPS), "status": row.status,
        "writable": bool(may) and not project.read_only, "lease": [lease.own, lease.seen],
    }  # fmt: skip


def session_told(project: StoredProject, key: str) -> dict[str, Any]:
    """Return what tells a session that the actor may see, by its key."""
    parts = SessionParts(project, key)
    return _told(project, parts.case, parts.row)


def lease_of(project: StoredProject, session: Session) -> list[str]:
    """Return the lease under which a session that is open here was taken over."""
    keeper = project._core.live.get((project.author, session.key or ""))
    if keeper is None:
        raise StoreError("The session is not open here")
    return [keeper.journal.lease.own, keeper.journal.lease.own]


class SessionParts:
    """One session of a stored project, by its key.

    Parameters
    ----------
    project
        Acting as who asks.
    key
        Of the session.

    Raises
    ------
    UnknownItemError
        When there is none, or the actor may not see it: both look the same.
    """

    def __init__(self, project: StoredProject, key: str) -> None:
        self._project = project
        self.row = project._sessions._row(key)
        table = tables().cases
        with project._core.database.reading() as connection:
            self.case = str(
                connection.execute(table.select().where(table.c.id == self.row.case_id)).one().name
            )
        try:
            project._sessions.check(self.case, self.row.reader)
        except AccessError as error:
            raise UnknownItemError("There is nothing here for you") from error

    def _journal(self, head: int, lease: Sequence[str] = ("", "")) -> Journal:
        actor, row = self._project._actor, self.row
        # The mark of a place is made up by the program there; whose it is, is not.
        own = f"{lease[0][:12]} {actor.person}" if lease[0] else ""
        return Journal(actor, row.id, self.case, row.reader, head, Lease(own, lease[1]))

    def append(
        self,
        base: int,
        body: Mapping[str, Any],
        buffers: Sequence[memoryview],
        *,
        view: Any,
        lease: Sequence[str],
    ) -> int:
        """Keep an edit after the step ``base`` and return its step; the same edit sent again is kept once.

        Raises
        ------
        EditError
            When it cannot be read.
        ConflictError
            When somebody else wrote to the session.
        LockedError, AccessError, StoreError
            As `Journal.append`.
        """
        edit = _by(decode_edit(body, [bytes(buffer) for buffer in buffers]), self._project.author)
        try:
            self._journal(base, lease).append(edit, view=json.dumps(view))
        except ConflictError:
            if not self._is_kept(edit, base + 1):
                raise
        return base + 1

    def _is_kept(self, edit: Edit, step: int) -> bool:
        table = tables().edits
        where = (table.c.session_id == self.row.id) & (table.c.seq == step) & (table.c.edit_id == edit.id)
        with self._project._core.database.reading() as connection:
            return connection.execute(table.select().where(where)).first() is not None

    def edits(self, after: int, upto: int) -> tuple[list[Any], list[bytes]]:
        """Return the first of the edits with ``after`` < step ≤ ``upto``: [JSON, number of buffers], and buffers."""
        last = min(upto, after + MOST_EDITS, self.row.head)
        bodies: list[Any] = []
        parts: list[bytes] = []
        if after >= last:
            return bodies, parts
        size = 0
        for edit in self._journal(self.row.head).edits(after, last):
            body, buffers = encode_edit(edit)
            size += sum(map(len, buffers))
            if bodies and size > MOST_BYTES:
                break
            bodies.append([body, len(buffers)])
            parts += buffers
        return bodies, parts

    def state(self, upto: int) -> tuple[int, State]:
        """Return the newest snapshot that is not after the step ``upto``, with its step."""
        return self._journal(self.row.head).latest(upto)

    def save(self, view: Any) -> None:
        """Keep how the images are shown, and a snapshot where there are edits since the last one.

        Raises
        ------
        AccessError
            When the actor may not write to the session.
        """
        keep = view_query(self.row.id, view)
        actor = self._project._actor
        actor.quietly("session.write", lambda c: c.execute(keep), case=self.case, of=self.row.reader)
        if self.row.head > self._journal(self.row.head).newest_snapshot(self.row.head):
            self.snapshot_newest()

    def snapshot_newest(self) -> None:
        """Keep a snapshot, replayed from the journal: what a program says of its state is never believed."""
        row, project = self.row, self._project
        session = project.start(self.case, reader=row.reader, session=row.session, repeat=row.repeat)
        keeper = project._core.live.get((project.author, row.id))
        if keeper is not None:
            keeper.snapshot(session)


def _by(edit: Edit, person: str) -> Edit:
    """Return the edit as made by a person, whatever it says."""
    if isinstance(edit, Batch):
        # Parts that name nobody are their batch's.
        edit = replace(edit, edits=tuple(_by(part, person) if part.author else part for part in edit.edits))
    return replace(edit, author=person, time=min(edit.time, time.time()))
