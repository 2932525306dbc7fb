"""Who was known a short while ago, for all workers: what they go by while the Hub does not answer."""

from __future__ import annotations

import hashlib
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Engine, Table

_OLD_S = 3600.0
_AGAIN_S = 10.0
_MANY = 4096


class Known:
    """The newest answers of the Hub, in the database of the logins.

    Kept of a token is only its hash: tokens are long and random, so nobody finds one from it. A token that
    was never good leaves nothing.

    Parameters
    ----------
    engine, table
        The database, and the table: id, person, at.
    """

    def __init__(self, engine: Engine, table: Table) -> None:
        self._engine, self._table = engine, table
        self._written: dict[str, float] = {}

    def find(self, token: str) -> tuple[str, float] | None:
        """Return whose a token was by the newest answer ("": nobody's any more), and when, s since 1970."""
        table = self._table
        with self._engine.connect() as connection:
            row = connection.execute(table.select().where(table.c.id == _hash(token))).first()
        return None if row is None else (row.person, row.at)

    def keep(self, token: str, person: str | None) -> None:
        """Remember an answer of the Hub."""
        from sqlalchemy.exc import IntegrityError

        table, key, now = self._table, _hash(token), time.time()
        if person is None:
            self._written.pop(key, None)
            with self._engine.begin() as connection:
                connection.execute(table.update().where(table.c.id == key).values(person="", at=now))
            return
        if now - self._written.get(key, 0.0) < _AGAIN_S:
            return
        old = (table.c.id == key) | (table.c.at < now - _OLD_S)
        # Another worker may have written the same at the same moment.
        with suppress(IntegrityError), self._engine.begin() as connection:
            connection.execute(table.delete().where(old))
            connection.execute(table.insert().values(id=key, person=person, at=now))
        if len(self._written) >= _MANY:
            self._written.clear()
        self._written[key] = now


def _hash(token: str) -> str:
    return hashlib.sha256(b"nbannot known " + token.encode()).hexdigest()
