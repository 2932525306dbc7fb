"""Takes a session from elsewhere into a project."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from nbannot.errors import ConflictError, StoreError
from nbannot.model.image import Image
from nbannot.session import ImageReference, Session
from nbannot.session.state import State, capture
from nbannot.store.actor import Actor
from nbannot.store.database import insert_new
from nbannot.store.journal import edit_row, insert_edits, renamed, snapshot_row
from nbannot.store.tables import tables

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row


def same_images(images: Sequence[Image], references: Sequence[ImageReference], case: str) -> dict[str, str]:
    """Return the case's id for each id of ``images``: the same image, by id or by content.

    Raises
    ------
    StoreError
        When one is no image of the case.
    """
    by_id = {reference.id: reference for reference in references}
    by_content = {reference.identity: reference for reference in references if reference.files}
    ids = {}
    for image in images:
        found = by_id.get(image.id) or by_content.get(ImageReference.of(image).identity)
        if found is None or found.shape != (image.frames, *image.shape):
            raise StoreError(
                f"Image {image.name!r} of the session is not an image of case {case!r}",
                hint="Choose the case with these images, or a new name.",
            )
        ids[image.id] = found.id
    return ids


def adopt(actor: Actor, session: Session, ids: Mapping[str, str], *, case: Row[Any], reader: str) -> None:
    """Keep a session with its history, as a new one or after what was kept of it before.

    Raises
    ------
    AccessError
        When the person may not write sessions of the case.
    ConflictError
        When the kept one has other edits.
    StoreError
        When it cannot be written; nothing is kept then.
    """
    with session.document.lock:
        edits, head = session.edits(), session.step - session.oldest
        first = _with_images(capture(session.at(session.oldest)), ids)
        last = _with_images(capture(session.document), ids)
    table, blobs = tables(), actor.database.blobs
    rows = [edit_row(edit, images=ids) for edit in edits]
    new = uuid4().hex
    # Blobs first: a transaction is no time for slow storage.
    snapshots = [snapshot_row(blobs, new, first, 0), snapshot_row(blobs, new, last, head)]

    def work(connection: Connection) -> str:
        same = table.sessions.select().where(table.sessions.c.document_id == session.document.id)
        known = connection.execute(same).first()
        key, start = new, 0
        if known is None:
            _new_session(connection, new, session, case, reader)
            connection.execute(table.snapshots.insert().values(snapshots[0]))
        else:
            key, start = known.id, _kept(connection, known, rows, case)
        if rows[start:]:
            insert_edits(connection, key, start, rows[start:], case=case.name)
            insert_new(connection, table.snapshots, {**snapshots[1], "session_id": key})
        view = {"view": json.dumps(_viewed(session.view, ids))}
        connection.execute(table.sessions.update().where(table.sessions.c.id == key).values(view))
        return str(key)

    with actor.database.turn:
        actor.act(
            "session.write", work, case=case.name, of=reader,
            detail=lambda key: {"do": "adopt", "session": key, "edits": len(rows)},
        )  # fmt: skip


def _viewed(view: Any, ids: Mapping[str, str]) -> Any:
    """Return a view in which images have other ids."""
    if isinstance(view, Mapping):
        return {ids.get(key, key): _viewed(value, ids) for key, value in view.items()}
    if isinstance(view, list | tuple):
        return [_viewed(one, ids) for one in view]
    return ids.get(view, view) if isinstance(view, str) else view


def _kept(connection: Connection, known: Row[Any], rows: Sequence[dict[str, Any]], case: Row[Any]) -> int:
    """Return how many of the edits are kept already."""
    if known.case_id != case.id:
        raise StoreError(f"This session is kept already, but not in case {case.name!r}")
    edits = tables().edits
    query = edits.select().where(edits.c.session_id == known.id).order_by(edits.c.seq)
    kept = [row.edit_id for row in connection.execute(query)]
    if kept != [row["edit_id"] for row in rows[: len(kept)]]:
        raise ConflictError(
            f"The saved session of case {case.name!r} was changed elsewhere",
            hint="Open the case to see it; this state was not saved.",
        )
    return len(kept)


def _new_session(connection: Connection, key: str, session: Session, case: Row[Any], reader: str) -> None:
    from sqlalchemy import func, select

    table = tables().sessions
    mine = (table.c.case_id == case.id) & (table.c.reader == reader) & (table.c.repeat == 1)
    newest = connection.execute(select(func.max(table.c.session)).where(mine)).scalar() or 0
    row = {
        "id": key, "case_id": case.id, "reader": reader, "session": newest + 1, "repeat": 1,
        "document_id": session.document.id, "created": time.time(), "head": 0, "view": "{}",
        "status": "open", "changed": None, "submitted": None, "writer": "", "writer_seen": None,
    }  # fmt: skip
    connection.execute(table.insert().values(row))


def _with_images(state: State, ids: Mapping[str, str]) -> State:
    return State(renamed(state.manifest, ids), state.voxels)
