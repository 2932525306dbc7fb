"""Long work that a service does for a program: how far it is, kept where every process of the service sees it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from nbannot.errors import ConflictError, StoreError, UnknownItemError
from nbannot.store.chain import held
from nbannot.store.database import Database, insert_new
from nbannot.store.settings import put_setting
from nbannot.store.tables import tables

if TYPE_CHECKING:
    from sqlalchemy import Connection

JobState = Literal["running", "done", "failed", "stopped"]

LOST_S = 60.0
"""Work that was not seen for so long ended with its process."""

_KEEP_S = 24 * 3600.0
_START = "job:"
_KEY = re.compile(r"[0-9a-f]{32}")
_LOST = {
    "kind": "ServiceError",
    "message": "The service was stopped in the middle of this",
    "hint": "What was kept stays. Do it again: it goes on from there.",
}


@dataclass(frozen=True, slots=True)
class Job:
    """Work of a service, as it stands now.

    Parameters
    ----------
    key, person, kind
        32 hexadecimal digits; for whom; what is done.
    seen
        When it was last known to go on, s since 1970.
    state, part, text
        Whether it goes on; how much of it is done (0 to 1), and what is being done.
    stop
        Whether its person wants it to stop.
    result, error
        JSON that came of it; kind, message and hint of what went wrong.
    """

    key: str
    person: str
    kind: str
    seen: float
    state: JobState = "running"
    part: float = 0.0
    text: str = ""
    stop: bool = False
    result: Any = None
    error: Mapping[str, str] | None = None

    @property
    def going(self) -> bool:
        """Whether a process works on it."""
        return self.state == "running" and time.time() - self.seen < LOST_S


class JobRows:
    """The jobs of a project, in its database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, key: str, person: str, kind: str) -> bool:
        """Write a new job down; False when it is known already, because the request came twice.

        Raises
        ------
        StoreError
            When the key is of another form.
        ConflictError
            When work of this kind goes on in the project.
        UnknownItemError
            When it is somebody else's.
        """
        if not _KEY.fullmatch(key):
            raise StoreError("A job has a key of 32 hexadecimal digits")

        def work(connection: Connection) -> bool:
            held(connection)  # of two that begin at once, one sees the other
            known = _all(connection)
            for one in known:
                if one.key == key:
                    _check_own(one, person)
                    return False
            if any(one.going and one.kind == kind for one in known):
                raise ConflictError(
                    f"The service is busy with another {kind} of this project",
                    hint="Wait until it is done, then try again.",
                )
            for one in known:
                if time.time() - one.seen > _KEEP_S:
                    _drop(connection, one.key)
            new = Job(key, person, kind, time.time())
            insert_new(connection, tables().settings, {"key": _START + key, "value": _text(new)})
            return True

        return self._database.change(work)

    def get(self, key: str, person: str) -> Job:
        """Return one's own job; one whose process is gone has failed.

        Raises
        ------
        UnknownItemError
            When there is none, or it is somebody else's: both look the same.
        """
        with self._database.reading() as connection:
            found = _one(connection, key)
        _check_own(found, person)
        if found.state == "running" and not found.going:
            return replace(found, state="failed", error=_LOST)
        return found

    def told(self, key: str, part: float, text: str) -> bool:
        """Write down how far a job is, and return whether it shall go on."""

        def change(job: Job) -> Job:
            return replace(job, seen=time.time(), part=part, text=text)

        return not self._changed(key, change).stop

    def stop(self, key: str, person: str) -> None:
        """Ask for one's own job to be stopped."""
        self.get(key, person)
        self._changed(key, lambda job: replace(job, stop=True))

    def end(
        self, key: str, state: JobState, *, result: Any = None, error: Mapping[str, str] | None = None
    ) -> None:
        """Write down how a job ended."""
        self._changed(
            key, lambda job: replace(job, state=state, seen=time.time(), result=result, error=error)
        )

    def _changed(self, key: str, change: Callable[[Job], Job]) -> Job:
        def work(connection: Connection) -> Job:
            found = _one(connection, key, lock=True)
            if found.state == "running":
                found = change(found)
                put_setting(connection, _START + key, _text(found))
            return found

        return self._database.change(work)


def _check_own(job: Job, person: str) -> None:
    if job.person != person:
        raise UnknownItemError("There is nothing here for you")


def _one(connection: Connection, key: str, *, lock: bool = False) -> Job:
    table = tables().settings
    query = table.select().where(table.c.key == _START + key)
    row = connection.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise UnknownItemError("There is nothing here for you")
    return Job(**json.loads(row.value))


def _all(connection: Connection) -> list[Job]:
    table = tables().settings
    query = table.select().where(table.c.key.startswith(_START, autoescape=True))
    return [Job(**json.loads(row.value)) for row in connection.execute(query)]


def _drop(connection: Connection, key: str) -> None:
    table = tables().settings
    connection.execute(table.delete().where(table.c.key == _START + key))


def _text(job: Job) -> str:
    return json.dumps(asdict(job))
