"""The logins of browsers, in a database that all worker processes share."""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbannot.errors import StoreError
from nbannot.hub.known import Known

if TYPE_CHECKING:
    from sqlalchemy import Engine, Table

LIFE_S = 7 * 24 * 3600.0
"""A login ends so long after it began."""
IDLE_S = 24 * 3600.0
"""A login ends so long after it was last used."""
STATE_S = 600.0
"""So long may somebody take to log in at the Hub."""
_TOUCH_S = 60.0


@dataclass(frozen=True, slots=True)
class Entry:
    """A login: its key in the database, the Hub's token and the token against forged requests."""

    key: str
    person: str
    token: str
    csrf: str


@dataclass(frozen=True, slots=True)
class Begun:
    """A login that was begun: the secret of PKCE and the page to come back to."""

    verifier: str
    target: str


class Logins:
    """Logins, begun logins and what is `known` of tokens, in a database (SQLite or PostgreSQL).

    The browser holds a random secret. Kept of it is only its hash, and the Hub's token only
    enciphered with it: who reads the database, or a backup of it, can log in as nobody.

    Parameters
    ----------
    url
        A URL of SQLAlchemy.
    """

    def __init__(self, url: str) -> None:
        self._engine = _connect(url)
        self._logins, self._begun, known = _tables(self._engine)
        self.known = Known(self._engine, known)

    def begin(self, target: str) -> tuple[str, str]:
        """Remember a login that begins and return its state and the secret of PKCE."""
        state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(64)
        row = {"id": _hash(state), "verifier": verifier, "target": target, "created": time.time()}
        with self._engine.begin() as connection:
            connection.execute(self._begun.delete().where(self._begun.c.created < time.time() - STATE_S))
            connection.execute(self._begun.insert().values(row))
        return state, verifier

    def take(self, state: str) -> Begun | None:
        """Return a begun login, once; None for one that is unknown or too old."""
        table = self._begun
        with self._engine.begin() as connection:
            row = connection.execute(table.select().where(table.c.id == _hash(state))).first()
            gone = connection.execute(table.delete().where(table.c.id == _hash(state))).rowcount
        if row is None or gone != 1 or row.created < time.time() - STATE_S:
            return None
        return Begun(row.verifier, row.target)

    def add(self, person: str, token: str) -> str:
        """Keep a finished login and return the secret for the browser."""
        secret, now = secrets.token_urlsafe(32), time.time()
        row = {
            "id": _hash(secret), "person": person, "token": _cipher(secret, token.encode()).hex(),
            "csrf": secrets.token_urlsafe(24), "created": now, "seen": now,
        }  # fmt: skip
        with self._engine.begin() as connection:
            old = (self._logins.c.created < now - LIFE_S) | (self._logins.c.seen < now - IDLE_S)
            connection.execute(self._logins.delete().where(old))
            connection.execute(self._logins.insert().values(row))
        return secret

    def find(self, secret: str) -> Entry | None:
        """Return the login of a browser's secret; None for one that is unknown or over."""
        if not 20 <= len(secret) <= 100:
            return None
        table, key, now = self._logins, _hash(secret), time.time()
        with self._engine.connect() as connection:
            row = connection.execute(table.select().where(table.c.id == key)).first()
        if row is None or row.created < now - LIFE_S or row.seen < now - IDLE_S:
            return None
        if row.seen < now - _TOUCH_S:
            with self._engine.begin() as connection:
                connection.execute(table.update().where(table.c.id == key).values(seen=now))
        token = _cipher(secret, bytes.fromhex(row.token)).decode(errors="replace")
        return Entry(key, row.person, token, row.csrf)

    def remove(self, key: str) -> None:
        """End a login."""
        with self._engine.begin() as connection:
            connection.execute(self._logins.delete().where(self._logins.c.id == key))

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()


def _hash(secret: str) -> str:
    return hashlib.sha256(b"nbannot login " + secret.encode()).hexdigest()


def _cipher(secret: str, data: bytes) -> bytes:
    """Encipher or decipher: the secret is random and enciphers one token only."""
    stream = hashlib.shake_256(b"nbannot token " + secret.encode()).digest(len(data))
    return bytes(a ^ b for a, b in zip(data, stream, strict=True))


def _connect(url: str) -> Engine:
    from sqlalchemy import create_engine, event, make_url
    from sqlalchemy.exc import ArgumentError

    if url.startswith("postgresql://"):
        url = "postgresql+psycopg" + url.removeprefix("postgresql")
    try:
        # The address of a project may be given: its logins are then kept in the same database.
        place = make_url(url).difference_update_query(["project"])
        engine = create_engine(place, pool_pre_ping=not url.startswith("sqlite"))
    except ArgumentError as cause:
        raise StoreError(
            "The database of the service is not understood",
            hint="Give --database sqlite:///service.sqlite or postgresql://user:password@host/name.",
        ) from cause

    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def prepare(connection: object, _record: object) -> None:
            cursor = connection.cursor()  # type: ignore[attr-defined]
            for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=10000"):
                cursor.execute(f"PRAGMA {pragma}")
            cursor.close()

    return engine


def _tables(engine: Engine) -> tuple[Table, Table, Table]:
    from sqlalchemy import Column, Float, MetaData, Table, Text, inspect
    from sqlalchemy.exc import SQLAlchemyError

    metadata = MetaData()
    # The number is that of the columns: logins of an older service are not taken over, people log in again.
    logins = Table(
        "nbannot_logins_1", metadata, Column("id", Text, primary_key=True),
        *(Column(name, Text, nullable=False) for name in ("person", "token", "csrf")),
        *(Column(name, Float, nullable=False) for name in ("created", "seen")),
    )  # fmt: skip
    begun = Table(
        "nbannot_begun_1", metadata, Column("id", Text, primary_key=True),
        *(Column(name, Text, nullable=False) for name in ("verifier", "target")),
        Column("created", Float, nullable=False),
    )  # fmt: skip
    known = Table(
        "nbannot_known_1", metadata, Column("id", Text, primary_key=True),
        Column("person", Text, nullable=False), Column("at", Float, nullable=False),
    )  # fmt: skip
    try:
        metadata.create_all(engine)
    except SQLAlchemyError as cause:
        # Another worker may have made them at the same moment.
        try:
            there = set(inspect(engine).get_table_names())
        except SQLAlchemyError:
            there = set()
        if not {logins.name, begun.name, known.name} <= there:
            raise StoreError(
                "The database of the service cannot be used",
                hint="Check --database, and that its folder or server can be reached and written.",
            ) from cause
    return logins, begun, known
