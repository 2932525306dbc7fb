"""Who is in which case now, and where."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from nbannot.errors import StoreError
from nbannot.store.access import Asked, decide
from nbannot.store.actor import Actor, case_row
from nbannot.store.database import put_row
from nbannot.store.frames import frame, times
from nbannot.store.tables import tables

if TYPE_CHECKING:
    import pandas as pd
    from sqlalchemy import Connection

GONE_S = 45.0
"""Who was not heard of for so long is not there any more."""

PLACE_LENGTH = 4000


def be(actor: Actor, case: str, place: Any) -> None:
    """Keep where in a case somebody is; None: gone."""
    actor.check("case.read", case)
    text = json.dumps(place)
    if len(text) > PLACE_LENGTH:
        raise StoreError("The place is too long to be kept")
    table = tables().presence

    def work(connection: Connection) -> None:
        key = case_row(connection, case).id
        connection.execute(table.delete().where(table.c.seen < time.time() - 10 * GONE_S))
        if place is None:
            mine = (table.c.case_id == key) & (table.c.person == actor.person)
            connection.execute(table.delete().where(mine))
            return
        row = {"case_id": key, "person": actor.person, "session_id": "", "place": text, "seen": time.time()}
        put_row(connection, table, row)

    actor.database.change(work)


def present(actor: Actor, case: str | None) -> pd.DataFrame:
    """Return one row per person who is in a case now: person, case, place, seen (UTC).

    Whoever may not read others' sessions sees themselves and those who may, in cases that they may read.
    """
    from sqlalchemy import select

    table, cases = tables().presence, tables().cases
    query = (
        select(table.c.person, cases.c.name, table.c.place, table.c.seen)
        .join(cases, cases.c.id == table.c.case_id)
        .where(table.c.seen >= time.time() - GONE_S)
        .order_by(cases.c.name, table.c.person)
    )
    if case is not None:
        query = query.where(cases.c.name == case)
    with actor.database.reading() as connection:
        found = list(connection.execute(query))
        if not decide(connection, Asked(actor.person, "session.read", case, "")):
            found = [row for row in found if row.person == actor.person or _shown(connection, actor, row)]
    shown = frame(
        [(*row[:2], json.loads(row[2]), row[3]) for row in found], ("person", "case", "place", "seen")
    )
    return shown.assign(seen=times(shown["seen"]))


def _shown(connection: Connection, actor: Actor, row: Any) -> bool:
    """Whether somebody who is in a case may be seen by an actor who does not see others' sessions."""
    me = Asked(actor.person, "own.read" if actor.again else "case.read", row.name)
    return bool(decide(connection, Asked(row.person, "session.read", row.name, ""))) and bool(
        decide(connection, me)
    )
