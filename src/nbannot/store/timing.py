"""How long somebody worked on a task, without pauses."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from nbannot.store.access import OPEN_TASKS
from nbannot.store.tables import tables

if TYPE_CHECKING:
    from sqlalchemy import Connection

IDLE_S = 60.0
"""A pause between two edits that is longer than this is not counted as work."""


def worked(
    connection: Connection, session: str | None, task: str | None, seconds: float | None = None
) -> None:
    """Count time on an open task, known by its id or its session, up to now.

    Parameters
    ----------
    connection
        In a transaction.
    session, task
        Of the task.
    seconds
        As told, s; None for an edit: then the pause before it, unless that was longer than `IDLE_S`.
    """
    table, now = tables().tasks, time.time()
    where = table.c.id == task if task is not None else table.c.session_id == session
    row = connection.execute(table.select().where(where, table.c.status.in_(OPEN_TASKS))).first()
    if row is None:
        return
    gap = max(0.0, now - (row.seen or row.started or now))
    told = (gap if gap <= IDLE_S else 0.0) if seconds is None else min(seconds, gap)
    query = table.update().where(table.c.id == row.id)
    connection.execute(query.values(active_s=row.active_s + told, seen=max(now, row.seen or 0.0)))
