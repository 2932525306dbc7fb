"""The audit log of a project: looked at, verified, exported."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbannot.store.actor import Actor
from nbannot.store.chain import COLUMNS, sealed
from nbannot.store.failures import failing
from nbannot.store.frames import frame, times
from nbannot.store.tables import tables

if TYPE_CHECKING:
    import pandas as pd
    from sqlalchemy import Connection

SHOWN = ("seq", "time", "actor", "action", "case", "session", "outcome", "reason", "detail")
PAGE = 5000


@dataclass(frozen=True, slots=True)
class Verified:
    """Whether an audit log is whole.

    Parameters
    ----------
    ok
        Whether it is.
    rows
        How many rows were looked at.
    first_bad
        Number of the first row that is wrong; None where none is.
    reason
        What is wrong.
    """

    ok: bool
    rows: int
    first_bad: int | None
    reason: str

    def __bool__(self) -> bool:
        return self.ok


class Audit:
    """Who did what, and what was refused; ``project.audit``."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor

    def __repr__(self) -> str:
        return "Audit()"

    def table(
        self,
        *,
        actor: str | None = None,
        action: str | None = None,
        case: str | None = None,
        outcome: str | None = None,
        after: int = 0,
        limit: int | None = None,
    ) -> pd.DataFrame:
        """One row per action or refusal: seq, time (UTC), actor, action, case, session, outcome, reason, detail.

        Parameters
        ----------
        actor, action, case, outcome
            Only those of these; the outcome is "done" or "refused".
        after, limit
            At most so many, of those with a greater number.
        """
        self._actor.check("audit.read")
        table = tables().audit
        query = table.select().where(table.c.seq > after).order_by(table.c.seq).limit(limit)
        wanted = {"actor": actor, "action": action, "case_name": case, "outcome": outcome}
        for name, value in wanted.items():
            if value is not None:
                query = query.where(table.c[name] == value)
        with self._actor.database.reading() as connection:
            found = connection.execute(query).all()
        rows = [(*tuple(row)[: len(COLUMNS) - 1], json.loads(row.detail)) for row in found]
        shown = frame(rows, SHOWN)
        return shown.assign(time=times(shown["time"]))

    def verify(self) -> Verified:
        """Look whether a row was changed, removed or inserted since it was written.

        Whoever can write the whole database can also write a new chain: an export kept elsewhere is what
        tells that.
        """
        self._actor.check("audit.read")
        with self._actor.database.reading() as connection:
            head = connection.execute(tables().audit_head.select()).first()
            seq, previous = 0, ""
            for row in _rows(connection):
                seq += 1
                if row["seq"] != seq:
                    return Verified(False, seq - 1, seq, f"row {seq} is missing")
                if row["previous"] != previous or sealed(row, previous) != row["hash"]:
                    return Verified(False, seq, seq, f"row {seq} is not as it was written")
                previous = row["hash"]
            if head is None or (head.seq, head.hash) != (seq, previous):
                last = 0 if head is None else head.seq
                return Verified(False, seq, seq + 1, f"the last row is {seq}, but {last} were written")
        return Verified(True, seq, None, f"{seq} rows are as they were written")

    def export(self, path: str | Path) -> None:
        """Write the log as one JSON object per line, with the hashes.

        Raises
        ------
        StoreError
            When it cannot be written.
        """
        target = Path(path)
        self._actor.note("audit.read", detail={"do": "export"})
        with (
            failing(target),
            self._actor.database.reading() as connection,
            target.open("w", encoding="utf-8", newline="\n") as file,
        ):
            for row in _rows(connection):
                file.write(json.dumps(row, sort_keys=True) + "\n")


def _rows(connection: Connection) -> Iterator[dict[str, Any]]:
    """Yield all rows in order, a page at a time."""
    table, after = tables().audit, 0
    while True:
        query = table.select().where(table.c.seq > after).order_by(table.c.seq).limit(PAGE)
        rows = connection.execute(query).mappings().all()
        for row in rows:
            yield dict(row)
        if len(rows) < PAGE:
            return
        after = rows[-1]["seq"]
