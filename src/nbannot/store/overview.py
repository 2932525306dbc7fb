"""Tables of what a project holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nbannot.store.frames import frame, times
from nbannot.store.journal import writer_of
from nbannot.store.patterns import fitting
from nbannot.store.tables import tables

if TYPE_CHECKING:
    import pandas as pd
    from sqlalchemy import Connection

CASES = ("case", "images", "modality", "sessions", "edits", "last_change", "patient", "study", "path")
SESSIONS = (
    "case", "reader", "session", "repeat", "edits", "created", "last_change", "status", "submitted", "writer",
    "writer_seen",
)  # fmt: skip


def cases(
    connection: Connection,
    *,
    within: Sequence[str] = ("*",),
    match: str = "*",
    after: int = 0,
    limit: int | None = None,
) -> pd.DataFrame:
    """Return one row per case, with the columns `CASES`; times in UTC.

    Parameters
    ----------
    connection
        In a transaction.
    within
        Patterns of names that may be seen.
    match
        Pattern of names that are wanted.
    after, limit
        At most so many, of those with a greater id.
    """
    from sqlalchemy import or_

    table = tables().cases
    query = table.select().where(table.c.id > after).order_by(table.c.id).limit(limit)
    if "*" not in within:
        query = query.where(or_(*(fitting(connection, table.c.name, one) for one in within)))
    if match != "*":
        query = query.where(fitting(connection, table.c.name, match))
    found = connection.execute(query).all()
    if not found:
        empty = frame([], CASES)
        return empty.assign(last_change=times(empty["last_change"]))
    span = (found[0].id, found[-1].id)
    pictures, work = _pictures(connection, span), _work(connection, span)
    rows = [
        (row.name, *pictures.get(row.id, (0, "")), *work.get(row.id, (0, 0, None)), row.patient, row.study,
         row.path)
        for row in found
    ]  # fmt: skip
    shown = frame(rows, CASES)
    return shown.assign(last_change=times(shown["last_change"]))


def _pictures(connection: Connection, span: tuple[int, int]) -> dict[int, tuple[int, str]]:
    """Return number and modalities of the images of the cases with ids from … to."""
    from sqlalchemy import func, select

    table = tables().images
    query = (
        select(table.c.case_id, table.c.modality, func.count())
        .where(table.c.case_id.between(*span))
        .group_by(table.c.case_id, table.c.modality)
        .order_by(table.c.case_id, table.c.modality)
    )
    found: dict[int, tuple[int, str]] = {}
    for case, modality, count in connection.execute(query):
        number, names = found.get(case, (0, ""))
        found[case] = number + count, ", ".join(filter(None, (names, modality)))
    return found


def _work(connection: Connection, span: tuple[int, int]) -> dict[int, tuple[int, int, float | None]]:
    """Return number of sessions and of edits, and the last change, of the cases with ids from … to."""
    from sqlalchemy import func, select

    table = tables().sessions
    query = (
        select(table.c.case_id, func.count(), func.sum(table.c.head), func.max(table.c.changed))
        .where(table.c.case_id.between(*span))
        .group_by(table.c.case_id)
    )
    return {case: (number, int(edits), last) for case, number, edits, last in connection.execute(query)}


def sessions(connection: Connection, case: int | None, *, reader: str | None = None) -> pd.DataFrame:
    """Return one row per session of a case, or of all, with the columns `SESSIONS`; times in UTC.

    ``reader`` leaves out everybody else's.
    """
    from sqlalchemy import select

    table, known = tables().sessions, tables().cases
    columns = (
        known.c.name, table.c.reader, table.c.session, table.c.repeat, table.c.head, table.c.created,
        table.c.changed, table.c.status, table.c.submitted, table.c.writer, table.c.writer_seen,
    )  # fmt: skip
    joined = table.join(known, known.c.id == table.c.case_id)
    query = select(*columns).select_from(joined)
    query = query.order_by(known.c.id, table.c.reader, table.c.session, table.c.repeat)
    if case is not None:
        query = query.where(table.c.case_id == case)
    if reader is not None:
        query = query.where(table.c.reader == reader)
    rows = [(*row[:9], writer_of(row[9]), row[10]) for row in connection.execute(query)]
    found = frame(rows, SESSIONS)
    dates = ("created", "last_change", "submitted", "writer_seen")
    return found.assign(**{name: times(found[name]) for name in dates})
