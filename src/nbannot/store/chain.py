"""The links of the audit log: each row is sealed with a hash over itself and the row before."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nbannot.store.tables import tables

if TYPE_CHECKING:
    from sqlalchemy import Connection

COLUMNS = (
    "seq", "time", "actor", "action", "case_name", "session_id", "outcome", "reason", "detail",
)  # fmt: skip
"""What the hash of a row is over, besides the hash of the row before."""


def held(connection: Connection) -> tuple[int, str]:
    """Return the newest link (seq, hash) and keep everybody else from adding one until the end."""
    from sqlalchemy import select

    head = tables().audit_head
    query = select(head.c.seq, head.c.hash).where(head.c.id == 1).with_for_update()
    row = connection.execute(query).one()
    return int(row.seq), str(row.hash)


def append(
    connection: Connection,
    *,
    actor: str,
    action: str,
    case: str = "",
    session: str = "",
    outcome: str = "done",
    reason: str = "",
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Add a row, inside the caller's transaction."""
    known = tables()
    newest, before = held(connection)
    row = {
        "seq": newest + 1, "time": time.time(), "actor": actor, "action": action, "case_name": case,
        "session_id": session, "outcome": outcome, "reason": reason,
        "detail": json.dumps(dict(detail or {}), sort_keys=True),
    }  # fmt: skip
    digest = sealed(row, before)
    connection.execute(known.audit.insert().values(**row, previous=before, hash=digest))
    connection.execute(known.audit_head.update().values(seq=row["seq"], hash=digest))


def sealed(row: Mapping[str, Any], previous: str) -> str:
    """Return the sha256 of a row's columns and of the hash before, as canonical JSON."""
    content = {name: row[name] for name in COLUMNS} | {"previous": previous}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
