"""Comments on cases, pinned to places in their images."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nbannot.errors import AccessError, StoreError, UnknownItemError
from nbannot.store.access import Asked, decide
from nbannot.store.actor import Actor, case_row, plain_text
from nbannot.store.frames import frame, times
from nbannot.store.tables import tables

if TYPE_CHECKING:
    import pandas as pd
    from sqlalchemy import Connection

TEXT_LENGTH = 10_000
COLUMNS = ("id", "case", "task", "author", "time", "text", "place", "resolved")
PLACE = {"image": str, "world": 3, "index": 3, "frame": int}
"""What a place may say: id of an image, a point in LPS mm or (k, j, i), a frame in time."""


class Comments:
    """What people say about cases; ``project.comments``."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor

    def __repr__(self) -> str:
        return f"Comments({len(self.table())})"

    def add(
        self, case: str, text: str, *, task: str | None = None, place: Mapping[str, Any] | None = None
    ) -> int:
        """Say something about a case or a place in it, and return the comment's id.

        Parameters
        ----------
        case
            Name of the case.
        text
            What is said.
        task
            Id of the task it belongs to.
        place
            Where: "image" (id), "world" (LPS mm) or "index" (k, j, i), "frame".

        Raises
        ------
        AccessError
            When the one who acts may not comment on the case.
        StoreError
            When the text is empty or too long, or the place is none.
        """
        if not text.strip() or len(text) > TEXT_LENGTH:
            raise StoreError(f"A comment has between 1 and {TEXT_LENGTH} characters, got {len(text)}")
        row = {"author": self._actor.person, "time": time.time(), "text": plain_text(text, "A comment"),
               "place": json.dumps(_place(place)), "resolved": ""}  # fmt: skip
        known = tables()

        def work(connection: Connection) -> int:
            key = case_row(connection, case).id
            if task is not None:
                same = (known.tasks.c.id == task) & (known.tasks.c.case_id == key)
                found = connection.execute(known.tasks.select().where(same)).first()
                # Whose task it is reads the comment as one of the study team.
                if found is None or (
                    found.person != self._actor.person
                    and not decide(connection, Asked(self._actor.person, "session.read", case, ""))
                ):
                    raise UnknownItemError(f"There is no such task of case {case!r}")
            values = {**row, "case_id": key, "task_id": task}
            made = connection.execute(known.comments.insert().values(values)).inserted_primary_key
            return int(made[0]) if made else 0

        return self._actor.act("comment", work, case=case, detail=lambda key: {"comment": key})

    def table(self, case: str | None = None) -> pd.DataFrame:
        """One row per comment: id, case, task, author, time (UTC), text, place, resolved (by whom).

        Whoever may not read others' sessions sees their own comments, and those on their own tasks.
        """
        from sqlalchemy import or_, select

        known = tables()
        said, tasks = known.comments, known.tasks
        query = (
            select(said.c.id, known.cases.c.name, said.c.task_id, said.c.author, said.c.time, said.c.text,
                   said.c.place, said.c.resolved)
            .join(known.cases, known.cases.c.id == said.c.case_id)
            .order_by(said.c.id)
        )  # fmt: skip
        if case is not None:
            query = query.where(known.cases.c.name == case)
        if not self._actor.may("session.read", case, of=""):
            mine = select(tasks.c.id).where(tasks.c.person == self._actor.person)
            query = query.where(or_(said.c.author == self._actor.person, said.c.task_id.in_(mine)))
        with self._actor.database.reading() as connection:
            found = connection.execute(query).all()
        rows = [(*row[:6], json.loads(row[6]), row[7]) for row in found]
        shown = frame(rows, COLUMNS)
        return shown.assign(time=times(shown["time"]))

    def resolve(self, id: int) -> None:
        """Mark a comment as dealt with.

        Raises
        ------
        UnknownItemError
            When there is no such comment.
        AccessError
            When it is neither one's own nor about one's own task, and others' sessions are not to be read.
        """
        visible = self.table()
        rows = visible[visible["id"] == id]
        if rows.empty:
            if self._actor.may("session.read", of=""):
                raise UnknownItemError(f"There is no comment {id}")
            self._actor.refuse("comment", None, f"comment {id} is somebody else's")
            raise AccessError("This comment is not yours to resolve")
        said = tables().comments
        query = said.update().where(said.c.id == id).values(resolved=self._actor.person)
        self._actor.act(
            "comment", lambda c: c.execute(query), case=str(rows["case"].iloc[0]),
            detail={"do": "resolve", "comment": int(id)},
        )  # fmt: skip


def _place(place: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return a place with what it may say, and nothing else."""
    if place is None:
        return None
    unknown = sorted(set(place) - set(PLACE))
    if unknown:
        raise StoreError(f"A place says nothing of {unknown[0]!r}", hint=f"It may say: {', '.join(PLACE)}.")
    found: dict[str, Any] = {}
    for key, value in place.items():
        if value is None:
            continue
        if key in ("world", "index"):
            if not isinstance(value, list | tuple) or len(value) != 3 or not all(map(_finite, value)):
                raise StoreError(f"The {key} of a place is three finite numbers, got {value!r}")
            found[key] = [float(one) for one in value]
        elif key == "frame":
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise StoreError(f"The frame of a place is a number from 0, got {value!r}")
            found[key] = value
        else:
            found[key] = plain_text(str(value)[:200], "A place")
    return found


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
