"""Keeps sessions that were built by program."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbannot.errors import ConflictError, StoreError
from nbannot.session import ImageReference, Session, SessionBuilder
from nbannot.store.actor import Actor, plain_name
from nbannot.store.adopt import same_images
from nbannot.store.cases import Cases
from nbannot.store.frames import frame
from nbannot.store.tables import tables

if TYPE_CHECKING:
    import pandas as pd

Readers = str | Sequence[str] | Mapping[str, str | Sequence[str]] | None


@dataclass(frozen=True, slots=True)
class Place:
    """What building needs of a project, wherever it is kept.

    Parameters
    ----------
    author
        Who builds.
    add_case, assign, references
        Of the project and its tasks.
    to_build
        Looks whether sessions can be begun for readers, by case, and returns which cases are there: `known_cases`.
    adopt
        Keeps a session as one of a reader's: session, ids of its images in the case, case, reader.
    """

    author: str
    add_case: Callable[..., None]
    assign: Callable[..., Any]
    references: Callable[[str], tuple[ImageReference, ...]]
    to_build: Callable[[Mapping[str, Sequence[str]]], Collection[str]]
    adopt: Callable[[Session, Mapping[str, str], str, str], None]


def build(
    place: Place,
    built: Mapping[str, SessionBuilder],
    readers: Readers,
    *,
    copy: bool,
    assign: bool,
    batch: str,
) -> pd.DataFrame:
    """Keep built sessions; see `StoredProject.build`."""
    wanted = {name: _readers(readers, name, place.author) for name in built}
    # All that can be wrong is looked for before the first is kept.
    known = place.to_build(wanted)
    rows = []
    for name, builder in built.items():
        if name not in known:
            labels = list(builder.document.labels)
            place.add_case(name, images=builder.images, copy=copy, labels=labels)
        ids = same_images(builder.images, place.references(name), name)
        for person in wanted[name]:
            session = builder.build(author=place.author)
            place.adopt(session, ids, name, person)
            rows.append((name, person, 1))
        if assign:
            place.assign([name], wanted[name], batch=batch)
    return frame(rows, ("case", "reader", "session"))


def known_cases(actor: Actor, cases: Cases, wanted: Mapping[str, Sequence[str]]) -> set[str]:
    """Return which cases are there, of those for which sessions are to be begun for readers.

    Raises
    ------
    AccessError
        When the actor may not write somebody's sessions.
    ConflictError
        When a reader has a session of a case already.
    StoreError
        When a name cannot be kept.
    """
    known = set()
    for name, people in wanted.items():
        there = cases.exists(plain_name("A case", name))
        if there:
            known.add(name)
        for person in people:
            actor.check("session.write", name, of=plain_name("A reader", person))
            if there and _has_session(actor, cases, name, person):
                raise ConflictError(
                    f"Reader {person!r} has a session of case {name!r} already",
                    hint="Name another reader, or another case.",
                )
    return known


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
