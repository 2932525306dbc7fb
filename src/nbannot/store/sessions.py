"""The sessions of a project, for one actor: opened, kept, listed, closed."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from nbannot.errors import LockedError, NbannotError, ReadOnlyError, StoreError, UnknownItemError
from nbannot.model.document import Document
from nbannot.model.edits import Edit
from nbannot.model.image import Image
from nbannot.session import Session
from nbannot.session import history as narrative
from nbannot.session.asmasks import add_masks
from nbannot.session.state import State, capture, rebuild
from nbannot.store import overview
from nbannot.store.access import main_role
from nbannot.store.actor import Actor, plain_name
from nbannot.store.associate import start_with
from nbannot.store.cases import Cases
from nbannot.store.configs import Configs
from nbannot.store.core import UNDO_STEPS, Core
from nbannot.store.journal import Journal, Lease, snapshot_row
from nbannot.store.keeper import Kept
from nbannot.store.people import People
from nbannot.store.seen import Seen
from nbannot.store.tables import tables
from nbannot.store.tasks import ACTION, Task

if TYPE_CHECKING:
    import pandas as pd
    from sqlalchemy import Connection, Row


class Sessions:
    """Sessions, for one actor."""

    def __init__(self, core: Core, actor: Actor, cases: Cases) -> None:
        self._core = core
        self._actor = actor
        self._cases = cases
        self.seen = Seen(core, actor, cases)

    def start(self, case: str, reader: str, session: int | None, repeat: int) -> Session:
        """Open a session or begin it; see `StoredProject.start`."""
        self.check(case, reader)
        with self._core.lock_of(self._actor.person, case):
            row = self.find(case, reader, session, repeat)
            if row is None and session not in (None, 1):
                raise UnknownItemError(f"Reader {reader!r} has no session {session} of {case!r}")
            return self._started(case, reader, row, session or 1, repeat)

    def take_over(self, case: str, reader: str, session: int | None, repeat: int) -> Session:
        """Open a session and make every other place refuse to write; see `StoredProject.take_over`."""
        opened = self.start(case, reader, session, repeat)
        row = self.find(case, reader, session, repeat)
        if row is None:
            raise UnknownItemError(f"Reader {reader!r} has no session of {case!r}")
        keeper, table = self._core.live.get((self._actor.person, row.id)), tables().sessions
        if keeper is None:
            raise ReadOnlyError("The project is open for reading only")
        mark = keeper.journal.lease.own

        def work(connection: Connection) -> None:
            query = table.update().where(table.c.id == row.id, table.c.status == "open")
            if connection.execute(query.values(writer=mark, writer_seen=time.time())).rowcount != 1:
                raise LockedError(f"The session of {reader!r} for case {case!r} is submitted")

        self._actor.act(
            "session.write", work, case=case, of=reader, session=row.id, detail={"do": "take over"}, late=True
        )
        return opened

    def open_task(self, task: Task, *, ahead: bool = False) -> Session:
        """Open the session of one's own task, or begin it; called by `Tasks`."""
        if task.open or not self._actor.again:
            self._actor.check(ACTION[task.kind], task.case, of=task.person)
        with self._core.lock_of(self._actor.person, task.case):
            kept = task.session_id or self._prepared(task)
            if kept is None:
                session = self._first(task)
                if ahead and task.kind != "read" and session.key is not None:
                    self._keep_prepared(task, session.key)
            else:
                self.check(task.case, task.person)
                row = self._row(kept)
                session = self._started(task.case, task.person, row, row.session, task.repeat)
        if not ahead and session.key is not None and task.status in ("to do", "returned"):
            self._begun(task, session.key)
        return session

    def _prepared(self, task: Task) -> str | None:
        """Return the session that was made for a task meanwhile."""
        from sqlalchemy import select

        table = tables().tasks
        with self._core.database.reading() as connection:
            query = select(table.c.session_id).where(table.c.id == task.task)
            key: str | None = connection.execute(query).scalar()
        return key

    def _keep_prepared(self, task: Task, key: str) -> None:
        """Keep which session a task will be begun with."""
        table = tables().tasks
        query = table.update().where(table.c.id == task.task, table.c.session_id.is_(None))
        query = query.values(session=self._row(key).session, session_id=key)
        self._actor.act(
            ACTION[task.kind], lambda c: c.execute(query), case=task.case, of=task.person, session=key,
            detail={"do": "prepare task", "task": task.task},
        )  # fmt: skip

    def _first(self, task: Task) -> Session:
        """Begin the session of a task, or go on with the one that the person has already."""
        self.check(task.case, task.person)
        if task.kind == "read":
            row = self.find(task.case, task.person, None, task.repeat)
            return self._started(task.case, task.person, row, 1, task.repeat)
        newest = self.find(task.case, task.person, None, task.repeat)
        number = 1 if newest is None else newest.session + 1
        state = None if task.subject_session_id is None else self._state(task.subject_session_id)
        return self._started(task.case, task.person, None, number, task.repeat, state)

    def _begun(self, task: Task, key: str) -> None:
        """Write down that a task is in work, in which session."""
        known, now = tables(), time.time()
        number = self._row(key).session
        values = {"status": "in work", "started": task.started or now, "seen": now, "session": number,
                  "session_id": key}  # fmt: skip
        where = (known.tasks.c.id == task.task) & known.tasks.c.status.in_(("to do", "returned"))
        query = known.tasks.update().where(where).values(**values)
        self._actor.act(
            ACTION[task.kind], lambda c: c.execute(query), case=task.case, of=task.person, session=key,
            detail={"do": "begin task", "task": task.task},
        )  # fmt: skip

    def check(self, case: str, reader: str) -> None:
        """Refuse to open what the actor may not see.

        Raises
        ------
        AccessError
            When it is the case, or somebody else's session.
        """
        self._actor.check("case.read", case)
        if reader != self._actor.person:
            self._actor.check("session.read", case, of=reader)

    def _started(
        self, case: str, reader: str, row: Row[Any] | None, number: int, repeat: int,
        begin_with: State | None = None,
    ) -> Session:  # fmt: skip
        live = None if row is None else self._live(row.id)
        if live is not None and row is not None:
            if self.seen.are_those_of(live):
                return live
            row = self._ended(live, row.id)
        images = self.seen.images(case)
        if row is None:
            if self._core.database.read_only:
                return self._unkept(case, images)
            row = self._begin(case, reader, number, repeat, images, begin_with)
        return self._resume(case, row, images)

    def _live(self, key: str) -> Session | None:
        """Return the open session of an id, unless somebody else wrote to it meanwhile."""
        keeper = self._core.live.get((self._actor.person, key))
        session = None if keeper is None else keeper.session
        if session is None:
            return None
        # Under the lock, so that no edit is on the disk but not yet in the history.
        with session.document.lock:
            row = self._row(key)
            return session if not session.closed and session.step >= row.head else None

    def _ended(self, live: Session, key: str) -> Row[Any]:
        """Close a session whose images must not be seen any more, or are elsewhere; return its row as it is then."""
        # Every edit is kept already, so a snapshot less is no loss.
        with suppress(NbannotError):
            live.close()
        # An edit that was on its way is in the row, and later ones are refused.
        with live.document.lock:
            return self._row(key)

    def _unkept(self, case: str, images: Sequence[Image]) -> Session:
        row = self._cases.row(case)
        document = self._fresh(case, row, images)
        document.journal = self._refuse
        return Session(document, references=self._cases.kept(row.id))

    def _fresh(self, case: str, row: Row[Any], images: Sequence[Image]) -> Document:
        """Return a document with the labels of a case, and the labels and masks of its configuration."""
        role = main_role(People(self._actor).roles())
        config = Configs(self._actor, self._cases).of(case, role=role).config
        own = {label.name: label for label in self._cases.labels(row)}
        labels = {**{label.name: label for label in config.labels}, **own}
        document = Document(images, labels=list(labels.values()), author=self._actor.person)
        add_masks(document, config)
        return document

    def _refuse(self, edit: Edit, revision: int) -> None:
        self._core.database.check_writable()

    def _begin(
        self, case: str, reader: str, number: int, repeat: int, images: Sequence[Image], state: State | None
    ) -> Row[Any]:
        known = self._cases.row(case)
        document = Document(images, author=self._actor.person) if state else self._fresh(case, known, images)
        view = {} if state else start_with(self._core, known.data, images, document)
        row = {
            "id": uuid4().hex, "case_id": known.id, "reader": plain_name("A reader", reader),
            "session": number, "repeat": repeat, "document_id": document.id, "created": time.time(),
            "head": 0, "view": json.dumps(view), "status": "open", "changed": None, "submitted": None, "writer": "",
            "writer_seen": None,
        }  # fmt: skip
        first = snapshot_row(self._core.database.blobs, str(row["id"]), state or capture(document), 0)

        def work(connection: Connection) -> str:
            found = find(connection, known.id, reader, number, repeat)
            if found is not None:
                return str(found.id)  # somebody else has just begun it
            connection.execute(tables().sessions.insert().values(row))
            connection.execute(tables().snapshots.insert().values(first))
            return str(row["id"])

        key = self._actor.act(
            "session.write", work, case=case, of=reader, session=str(row["id"]),
            detail={"do": "begin", "session": number, "repeat": repeat},
        )  # fmt: skip
        return self._row(key)

    def _resume(self, case: str, row: Row[Any], images: Sequence[Image]) -> Session:
        person = self._actor.person
        journal = Journal(self._actor, row.id, case, row.reader, row.head, Lease.of(person, row.writer))
        first = journal.start_for_undo(UNDO_STEPS)
        kept, state = journal.latest(first)
        document = rebuild(state, images, document_id=row.document_id, author=person)
        document.replay(journal.edits(kept, row.head))
        keeper = Kept(
            journal, kept=journal.newest_snapshot(row.head), every=self._core.every,
            snapshots=self._core.snapshots, labels_open=lambda: self._labels_open(case),
        )  # fmt: skip
        session = Session(
            document, view=json.loads(row.view), references=self._cases.kept(row.case_id),
            first=kept, keeper=keeper,
        )  # fmt: skip
        keeper.attach(session)
        self._core.live[person, row.id] = keeper
        return session

    def _labels_open(self, case: str) -> bool:
        """Whether the actor may change labels; readers from outside only where the configuration says so."""
        if self._actor.may("project.read"):
            return True
        return Configs(self._actor, self._cases).of(case, role="reader").config.reader.labels_open

    def save_live(self, session: Session, case: str | None) -> bool:
        """Save a session that is open here; False when it is none of these."""
        with self._core.lock:
            for keeper in list(self._core.live.values()):
                live = keeper.session
                if live is None or live.document is not session.document or live.closed:
                    continue
                if case not in (None, live.case):
                    raise StoreError(
                        f"This session is of case {live.case!r}, not {case!r}",
                        hint="Leave case= away to save it where it belongs.",
                    )
                live.view = dict(session.view)
                live.save()
                return True
        return False

    def table(self, case: str | None) -> pd.DataFrame:
        """Return one row per session that the actor may see."""
        only = None if case is None else self._cases.row(case).id
        all_of_them = self._actor.may("session.read", case, of="")
        with self._core.database.reading() as connection:
            return overview.sessions(connection, only, reader=None if all_of_them else self._actor.person)

    def history(self, case: str, reader: str, session: int | None, repeat: int) -> pd.DataFrame:
        """Return one row per edit, without opening the images."""
        if reader != self._actor.person:
            self._actor.check("session.read", case, of=reader)
        row = self.find(case, reader, session, repeat)
        if row is None:
            return narrative.table([], masks={})
        journal = Journal(self._actor, row.id, case, reader, row.head)
        _, state = journal.latest(0)
        names = {mask["id"]: mask["name"] for mask in state.manifest["masks"]}
        return narrative.table(journal.edits(0, row.head), masks=names)

    def document(self, session_id: str) -> Document:
        """Return a copy of what a session holds now; it is tied to nothing."""
        row = self._row(session_id)
        with self._core.database.reading() as connection:
            known = tables().cases
            case = connection.execute(known.select().where(known.c.id == row.case_id)).one()
        self.check(case.name, row.reader)
        return self.copy(session_id, self.seen.images(case.name))

    def copy(self, session_id: str, images: Sequence[Image]) -> Document:
        """Return a copy of what a session holds now, over images that are open already."""
        row = self._row(session_id)
        journal = Journal(self._actor, row.id, "", row.reader, row.head)
        kept, state = journal.latest(row.head)
        document = rebuild(state, images, author=row.reader)
        document.replay(journal.edits(kept, row.head))
        return rebuild(capture(document), images, author=row.reader)

    def _state(self, session_id: str) -> State:
        return capture(self.document(session_id))

    def close(self) -> list[NbannotError]:
        """Save and close what is open, and return what went wrong."""
        wrong: list[NbannotError] = []
        for keeper in list(self._core.live.values()):
            try:
                if keeper.session is not None:
                    keeper.session.close()
            except NbannotError as problem:
                wrong.append(problem)
        self._core.live.clear()
        return wrong

    def find(self, case: str, reader: str, session: int | None, repeat: int) -> Row[Any] | None:
        """Return the row of a session; the newest one of the reader where no number is given."""
        row = self._cases.row(case)
        with self._core.database.reading() as connection:
            return find(connection, row.id, reader, session, repeat)

    def _row(self, key: str) -> Row[Any]:
        table = tables().sessions
        with self._core.database.reading() as connection:
            row = connection.execute(table.select().where(table.c.id == key)).first()
        if row is None:
            raise UnknownItemError("There is no such session")
        return row


def find(connection: Connection, case: int, reader: str, session: int | None, repeat: int) -> Row[Any] | None:
    """Return the row of a session by its key; the newest one where no number is given."""
    table = tables().sessions
    where = (table.c.case_id == case) & (table.c.reader == reader) & (table.c.repeat == repeat)
    if session is not None:
        where &= table.c.session == session
    query = table.select().where(where).order_by(table.c.session.desc())
    row: Row[Any] | None = connection.execute(query).first()
    return row
