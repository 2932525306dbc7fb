"""What a project remembers about itself, by key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbannot.store.database import put_row
from nbannot.store.tables import tables

if TYPE_CHECKING:
    from sqlalchemy import Connection


def get_setting(connection: Connection, key: str) -> str | None:
    """Return a setting; None where it was never made."""
    from sqlalchemy import select

    table = tables().settings
    found = connection.execute(select(table.c.value).where(table.c.key == key)).scalar()
    return None if found is None else str(found)


def put_setting(connection: Connection, key: str, value: str) -> None:
    """Keep a setting, inside the caller's transaction."""
    put_row(connection, tables().settings, {"key": key, "value": value})
