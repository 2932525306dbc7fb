"""Keeps sessions that were built by program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from nbannot.errors import ConflictError, StoreError
from nbannot.model.image import Image
from nbannot.model.labels import Label
from nbannot.session import SessionBuilder
from nbannot.store.actor import Actor, plain_name
from nbannot.store.adopt import adopt, same_images
from nbannot.store.cases import Cases
from nbannot.store.frames import frame
from nbannot.store.tables import tables
from nbannot.store.tasks import Tasks

if TYPE_CHECKING:
    import pandas as pd

Readers = str | Sequence[str] | Mapping[str, str | Sequence[str]] | None


class Building(Protocol):
    """What building needs of a project."""

    @property
    def tasks(self) -> Tasks:
        """Its tasks."""
        ...

    def add_case(
        self, name: str, *, images: Sequence[Image], copy: bool = False, labels: Sequence[str | Label] = ()
    ) -> None:
        """Add a case."""
        ...


def build(
    project: Building,
    actor: Actor,
    cases: Cases,
    built: Mapping[str, SessionBuilder],
    readers: Readers,
    *,
    copy: bool,
    assign: bool,
    batch: str,
) -> pd.DataFrame:
    """Keep built sessions; see `StoredProject.build`."""
    wanted = {name: _readers(readers, name, actor.person) for name in built}
    # All that can be wrong is looked for before the first is kept.
    for name, people in wanted.items():
        plain_name("A case", name)
        for person in people:
            actor.check("session.write", name, of=plain_name("A reader", person))
            if cases.exists(name) and _has_session(actor, cases, name, person):
                raise ConflictError(
                    f"Reader {person!r} has a session of case {name!r} already",
                    hint="Name another reader, or another case.",
                )
    rows = []
    for name, builder in built.items():
        if not cases.exists(name):
            project.add_case(name, images=builder.images, copy=copy, labels=list(builder.document.labels))
        row = cases.row(name)
        ids = same_images(builder.images, cases.kept(row.id), name)
        for person in wanted[name]:
            session = builder.build(author=actor.person)
            adopt(actor, session, ids, case=row, reader=person)
            rows.append((name, person, 1))
        if assign:
            project.tasks.assign([name], wanted[name], batch=batch)
    return frame(rows, ("case", "reader", "session"))


def _readers(readers: Readers, case: str, person: str) -> list[str]:
    given = readers.get(case) if isinstance(readers, Mapping) else readers
    if given is None:
        if isinstance(readers, Mapping):
            raise StoreError(f"No reader is named for case {case!r}", hint="Name one for each case.")
        return [person]
    named = [given] if isinstance(given, str) else list(given)
    if not named or len(set(named)) < len(named):
        raise StoreError(f"The readers of case {case!r} are not each named once")
    return named


def _has_session(actor: Actor, cases: Cases, case: str, reader: str) -> bool:
    table = tables().sessions
    where = (table.c.case_id == cases.row(case).id) & (table.c.reader == reader)
    with actor.database.reading() as connection:
        return connection.execute(table.select().where(where)).first() is not None
