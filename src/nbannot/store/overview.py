"""Tables of what a project holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbannot.store.tables import tables

if TYPE_CHECKING:
    import pandas as pd
    from sqlalchemy import Connection, Subquery


def cases(connection: Connection) -> pd.DataFrame:
    """Return one row per case: case, images, modality, sessions, edits, last_change (UTC)."""
    import pandas as pd
    from sqlalchemy import func, select

    table, images, sessions = tables().cases, tables().images, tables().sessions
    changed = _last_changes()
    work = (
        select(
            sessions.c.case_id,
            func.count().label("sessions"),
            func.sum(sessions.c.head).label("edits"),
            func.max(changed.c.time).label("last_change"),
        )
        .select_from(sessions.outerjoin(changed, changed.c.session_id == sessions.c.id))
        .group_by(sessions.c.case_id)
        .subquery()
    )
    pictures = select(images.c.case_id, images.c.modality).order_by(images.c.position)
    modalities: dict[int, list[str]] = {}
    for row in connection.execute(pictures):
        modalities.setdefault(row.case_id, []).append(row.modality)
    query = (
        select(table.c.id, table.c.name, work.c.sessions, work.c.edits, work.c.last_change)
        .select_from(table.outerjoin(work, work.c.case_id == table.c.id))
        .order_by(table.c.id)
    )
    rows = [
        (
            row.name, len(modalities[row.id]), ", ".join(sorted({*modalities[row.id]} - {""})),
            row.sessions or 0, row.edits or 0, row.last_change,
        )
        for row in connection.execute(query)
    ]  # fmt: skip
    names = ["case", "images", "modality", "sessions", "edits", "last_change"]
    frame = pd.DataFrame(rows, columns=names)
    return frame.assign(last_change=_times(frame["last_change"]))


def sessions(connection: Connection, case: int | None) -> pd.DataFrame:
    """Return one row per session: case, reader, session, repeat, edits, created, last_change."""
    import pandas as pd
    from sqlalchemy import select

    table, cases = tables().sessions, tables().cases
    changed = _last_changes()
    query = (
        select(
            cases.c.name, table.c.reader, table.c.session, table.c.repeat, table.c.head,
            table.c.created, changed.c.time,
        )
        .select_from(
            table.join(cases, cases.c.id == table.c.case_id).outerjoin(
                changed, changed.c.session_id == table.c.id
            )
        )
        .order_by(cases.c.id, table.c.reader, table.c.session, table.c.repeat)
    )  # fmt: skip
    if case is not None:
        query = query.where(table.c.case_id == case)
    rows = [tuple(row) for row in connection.execute(query)]
    names = ["case", "reader", "session", "repeat", "edits", "created", "last_change"]
    frame = pd.DataFrame(rows, columns=names)
    return frame.assign(created=_times(frame["created"]), last_change=_times(frame["last_change"]))


def _last_changes() -> Subquery:
    from sqlalchemy import func, select

    edits = tables().edits
    return (
        select(edits.c.session_id, func.max(edits.c.time).label("time"))
        .group_by(edits.c.session_id)
        .subquery()
    )


def _times(seconds: pd.Series[float]) -> pd.Series[pd.Timestamp]:
    import pandas as pd

    return pd.to_datetime(seconds.astype("float64"), unit="s", utc=True)
