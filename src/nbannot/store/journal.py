"""The journal of one session: every edit on the disk before it takes effect."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from nbannot.errors import ConflictError, KeptError, LockedError, NbannotError, StoreError
from nbannot.model.codec import decode_edit, encode_edit
from nbannot.model.edits import Edit
from nbannot.session.state import State
from nbannot.store.actor import Actor
from nbannot.store.blobs import Blobs
from nbannot.store.database import Database, insert_new
from nbannot.store.tables import tables
from nbannot.store.timing import worked

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row, Update

SMALL = 1024


@dataclass(frozen=True, slots=True)
class Lease:
    """Who writes to a session: one place at a time.

    Parameters
    ----------
    own
        The mark of this place: a random id, and who is there.
    seen
        The mark that the session had when it was opened here.
    """

    own: str
    seen: str

    @classmethod
    def of(cls, person: str, seen: str) -> Lease:
        """Return the lease of a person who has just opened a session."""
        return cls(f"{uuid4().hex[:12]} {person}", seen)


def writer_of(mark: str) -> str:
    """Return whose the mark of a lease is."""
    return mark.partition(" ")[2]


@dataclass(slots=True)
class Journal:
    """Appends the edits of one session and reads them back.

    Parameters
    ----------
    actor
        Who edits, at the project's database.
    session
        Id of the session.
    case, reader
        What it is about.
    head
        ``seq`` of the newest edit that the document has seen.
    lease
        Who may write, as far as is known here.
    """

    actor: Actor
    session: str
    case: str
    reader: str
    head: int
    lease: Lease = field(default_factory=lambda: Lease("", ""))
    _unsure: str = ""

    @property
    def database(self) -> Database:
        """Of the project."""
        return self.actor.database

    def append(self, edit: Edit, *, view: str | None = None) -> None:
        """Keep an edit after the newest, and how the images are shown; it is on the disk when this returns.

        One that seemed to fail and was kept all the same, because only the answer of the database was
        lost, is not kept again.

        Raises
        ------
        ConflictError
            When somebody else wrote to the session, or took it over. The edit is not kept.
        LockedError
            When it was submitted. The edit is not kept.
        AccessError
            When the person may not write to it any more. The edit is not kept.
        StoreError
            When it cannot be written. The edit is not kept, as far as is known here.
        """
        row = edit_row(edit)
        if self._unsure:
            before, self._unsure = self._unsure, ""
            try:
                known = before == edit.id and self._is_newest(edit.id)
            except StoreError:
                self._unsure = before
                raise
            if known:
                self.head += 1
                return

        def work(connection: Connection) -> None:
            insert_edits(
                connection, self.session, self.head, [row], case=self.case, view=view, lease=self.lease
            )
            worked(connection, self.session, None)

        said = {"edit": edit.id, "kind": row["kind"], "sha256": fingerprint(row)}
        with self.database.turn:
            try:
                self.actor.act(
                    "session.write", work, case=self.case, of=self.reader, session=self.session,
                    detail=said, late=True,
                )  # fmt: skip
            except StoreError as error:
                # A connection that breaks while it commits does not say whether it did.
                unsure = error.__cause__ is not None and not isinstance(error, ConflictError)
                self._unsure = edit.id if unsure else ""
                raise
            self.head += 1

    def _is_newest(self, edit: str) -> bool:
        """Whether an edit from here is the one after the newest that is known here."""
        from sqlalchemy import select

        sessions, edits = tables().sessions, tables().edits
        query = select(edits.c.seq).where(
            (sessions.c.id == self.session)
            & (sessions.c.writer == self.lease.own)
            & (sessions.c.head == self.head + 1)
            & (edits.c.session_id == self.session)
            & (edits.c.seq == sessions.c.head)
            & (edits.c.edit_id == edit)
        )
        with self.database.reading() as connection:
            return connection.execute(query).first() is not None

    def edits(self, after: int, upto: int | None = None) -> list[Edit]:
        """Return the edits with ``after`` < seq ≤ ``upto``, in order.

        Raises
        ------
        StoreError
            When one is missing or damaged.
        """
        table = tables().edits
        wanted = (table.c.session_id == self.session) & (table.c.seq > after)
        if upto is not None:
            wanted &= table.c.seq <= upto
        with self.database.reading() as connection:
            rows = connection.execute(table.select().where(wanted).order_by(table.c.seq)).all()
        expected = range(after + 1, after + 1 + len(rows) if upto is None else upto + 1)
        if [row.seq for row in rows] != list(expected):
            raise StoreError(
                f"The journal of case {self.case!r} in {self.database.name} has a gap",
                hint="Bring the project back from a backup.",
            )
        return [_edit(row, self.database.name) for row in rows]

    def newest_snapshot(self, upto: int) -> int:
        """Return the step of the newest snapshot that is not after ``upto``; 0 for none."""
        from sqlalchemy import func, select

        table = tables().snapshots
        where = (table.c.session_id == self.session) & (table.c.seq <= upto)
        with self.database.reading() as connection:
            return connection.execute(select(func.max(table.c.seq)).where(where)).scalar() or 0

    def start_for_undo(self, steps: int) -> int:
        """Return the snapshot to replay from, so that ``steps`` edits can be undone then.

        What an edit after it undoes is after it, too: else undo and redo would lose their order.
        """
        from sqlalchemy import select

        edits, snapshots = tables().edits, tables().snapshots
        query = select(edits.c.edit_id, edits.c.undoes).where(edits.c.session_id == self.session)
        kept = select(snapshots.c.seq).where(snapshots.c.session_id == self.session)
        with self.database.reading() as connection:
            rows = connection.execute(query.order_by(edits.c.seq)).all()[: self.head]
            found = connection.execute(kept.order_by(snapshots.c.seq)).scalars().all()
        undo, links = _undo_stack([(row.edit_id, row.undoes) for row in rows])
        oldest = undo[-steps] if len(undo) >= steps else 1
        while True:
            start = max((seq for seq in found if seq < oldest), default=0)
            earlier = [link for link in links[start:] if link is not None and link <= start]
            if not earlier:
                return start
            oldest = min(earlier)

    def snapshot(self, state: State, seq: int) -> None:
        """Keep the whole state after the edit ``seq``."""
        keep_snapshot(self.database, self.session, state, seq)

    def latest(self, upto: int) -> tuple[int, State]:
        """Return the newest snapshot that is not after ``upto``.

        Raises
        ------
        StoreError
            When there is none, or a part of it is missing or damaged.
        """
        table = tables().snapshots
        query = table.select().where((table.c.session_id == self.session) & (table.c.seq <= upto))
        with self.database.reading() as connection:
            row = connection.execute(query.order_by(table.c.seq.desc()).limit(1)).first()
        if row is None:
            raise StoreError(f"The session of case {self.case!r} has no snapshot")
        manifest = json.loads(row.manifest)
        voxels = {name: self.database.blobs.get(blob) for name, blob in manifest["blobs"].items()}
        return int(row.seq), State(manifest["state"], voxels)


def _undo_stack(
    edits: Sequence[tuple[str, str | None]],
) -> tuple[list[int], list[int | None]]:
    """Return the steps that can be undone, and for each edit the step that it undoes."""
    seqs: dict[str, int] = {}
    undo: list[int] = []
    redo: list[int] = []
    links: list[int | None] = []
    for seq, (edit_id, undoes) in enumerate(edits, start=1):
        seqs[edit_id] = seq
        link = None if undoes is None else seqs.get(undoes)
        links.append(link)
        if undo and link == undo[-1]:
            undo.pop()
            redo.append(seq)
        elif redo and link == redo[-1]:
            redo.pop()
            undo.append(seq)
        else:
            redo.clear()
            undo.append(seq)
    return undo, links


def view_query(session: str, view: Any) -> Update:
    """Return what keeps how the images are shown, while a session is open."""
    table = tables().sessions
    where = (table.c.id == session) & (table.c.status == "open")
    return table.update().where(where).values(view=json.dumps(view))


def keep_snapshot(database: Database, session: str, state: State, seq: int) -> None:
    """Keep a state as the snapshot after the edit ``seq`` of a session."""
    row = snapshot_row(database.blobs, session, state, seq)
    with database.turn:
        database.change(lambda connection: insert_new(connection, tables().snapshots, row))


def snapshot_row(blobs: Blobs, session: str, state: State, seq: int) -> dict[str, Any]:
    """Keep the voxels of a state as blobs and return its row."""
    manifest = {
        "state": state.manifest,
        "blobs": {name: blobs.put(data) for name, data in state.voxels.items()},
    }
    return {
        "session_id": session, "seq": seq, "time": time.time(), "manifest": json.dumps(manifest)
    }  # fmt: skip


def insert_edits(
    connection: Connection,
    session: str,
    head: int,
    rows: Sequence[dict[str, Any]],
    *,
    case: str,
    view: str | None = None,
    lease: Lease | None = None,
) -> None:
    """Append rows of `edit_row` after ``head``, inside the caller's transaction; keep the view with them.

    Raises
    ------
    ConflictError
        When the newest edit is not ``head``, or the session was taken over; `KeptError` when an edit is there already.
    LockedError
        When the session was submitted.
    """
    from sqlalchemy.exc import IntegrityError

    sessions, edits = tables().sessions, tables().edits
    query = sessions.update().where(
        (sessions.c.id == session) & (sessions.c.head == head) & (sessions.c.status == "open")
    )
    # When it came, not when a program says that it was made.
    values: dict[str, Any] = {"head": head + len(rows), "changed": time.time()}
    if view is not None:
        values["view"] = view
    if lease is not None:
        query = query.where(sessions.c.writer.in_(("", lease.own, lease.seen)))
        values |= {"writer": lease.own, "writer_seen": time.time()}
    if connection.execute(query.values(values)).rowcount != 1:
        raise _why_not(connection, session, case, head)
    numbered = [{**row, "session_id": session, "seq": head + n} for n, row in enumerate(rows, start=1)]
    try:
        connection.execute(edits.insert(), numbered)
    except IntegrityError as cause:
        raise KeptError(
            f"An edit of case {case!r} is kept already", hint="Reopen the case to see it."
        ) from cause


def _why_not(connection: Connection, session: str, case: str, head: int) -> NbannotError:
    table = tables().sessions
    row = connection.execute(table.select().where(table.c.id == session)).first()
    if row is not None and row.status != "open":
        return LockedError(
            f"Session {row.session} of {row.reader!r} for case {case!r} is submitted",
            hint="Ask for it to be returned, to change it again.",
        )
    if row is not None and row.head == head:
        return ConflictError(
            f"Case {case!r} was taken over by {writer_of(row.writer)!r}",
            hint="Reopen the case, or take it over again; this edit was not kept.",
        )
    return ConflictError(
        f"Case {case!r} was changed elsewhere", hint="Reopen the case; this edit was not kept."
    )


def fingerprint(row: Mapping[str, Any]) -> str:
    """Return the sha256 of what an edit says, for the audit log."""
    return hashlib.sha256(row["body"].encode() + b"\0" + row["buffers"]).hexdigest()


def edit_row(edit: Edit, *, images: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the columns of an edit, but for its place in a journal.

    ``images`` gives other ids to images.
    """
    body, buffers = encode_edit(edit)
    body = renamed(body, images) if images else body
    data = b"".join(buffers)
    packed = len(data) > SMALL
    text = json.dumps({"edit": body, "sizes": [len(b) for b in buffers], "zstd": packed})
    return {
        "edit_id": edit.id, "time": edit.time, "author": edit.author, "origin": edit.origin,
        "tool": edit.tool, "kind": type(edit).__name__.lower(), "undoes": edit.undoes,
        "body": text, "buffers": _compress(data) if packed else data,
    }  # fmt: skip


def renamed(value: Any, images: Mapping[str, str]) -> Any:
    """Return JSON of items or edits in which images have other ids."""
    if isinstance(value, Mapping):
        return {
            key: images.get(entry, entry)
            if key == "image" and isinstance(entry, str)
            else renamed(entry, images)
            for key, entry in value.items()
        }
    if isinstance(value, list | tuple):
        return [renamed(entry, images) for entry in value]
    return value


def _edit(row: Row[Any], path: Path | str) -> Edit:
    body = json.loads(row.body)
    data = _decompress(row.buffers, path) if body["zstd"] else row.buffers
    buffers, start = [], 0
    for size in body["sizes"]:
        buffers.append(data[start : start + size])
        start += size
    return decode_edit(body["edit"], buffers)


def _compress(data: bytes) -> bytes:
    import zstandard

    return zstandard.ZstdCompressor(level=3).compress(data)


def _decompress(data: bytes, path: Path | str) -> bytes:
    import zstandard

    try:
        return zstandard.ZstdDecompressor().decompress(data)
    except zstandard.ZstdError as cause:
        raise StoreError(
            f"An edit in {path} is damaged: {cause}", hint="Bring the project back from a backup."
        ) from cause
