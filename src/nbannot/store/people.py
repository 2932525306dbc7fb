"""The people of a project and their roles."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from nbannot.errors import StoreError, UnknownItemError
from nbannot.store.access import Asked, Decision, check_role, decide
from nbannot.store.actor import Actor, plain_name
from nbannot.store.database import put_row
from nbannot.store.frames import frame, times
from nbannot.store.tables import tables

if TYPE_CHECKING:
    import pandas as pd
    from sqlalchemy import Connection


class People:
    """Who may do what in a project; ``project.people``.

    A project without members is open to whoever can open its folder or database.
    """

    def __init__(self, actor: Actor) -> None:
        self._actor = actor

    def __repr__(self) -> str:
        return f"People({len(self.table)} roles)"

    @property
    def table(self) -> pd.DataFrame:
        """One row per role of a person: person, role, cases, granted_by, granted (UTC)."""
        self._actor.check("project.read")
        table = tables().members
        query = table.select().order_by(table.c.person, table.c.role, table.c.cases)
        with self._actor.database.reading() as connection:
            found = frame(connection.execute(query), [column.name for column in table.c])
        return found.assign(granted=times(found["granted"]))

    def roles(self, person: str | None = None) -> tuple[str, ...]:
        """Return a person's roles; one's own when no person is named.

        In a project without members everybody who can open it acts as an owner.
        """
        from sqlalchemy import select

        if person not in (None, self._actor.person):
            self._actor.check("project.read")
        table = tables().members
        who = self._actor.person if person is None else person
        query = select(table.c.role).where(table.c.person == who).distinct().order_by(table.c.role)
        with self._actor.database.reading() as connection:
            held = tuple(connection.execute(query).scalars())
            if held or connection.execute(select(table.c.person).limit(1)).first() is not None:
                return held
        return ("owner",)

    def grant(self, person: str, role: str, *, cases: str = "*") -> None:
        """Give a person a role, from this moment on.

        Parameters
        ----------
        person
            Login name.
        role
            "owner" (everything), "annotator", "reviewer", "adjudicator", "reader" (from outside: only the
            cases of their open tasks) or "auditor" (reads the audit log).
        cases
            Pattern of the names of the cases it is for: ``*`` and ``?`` stand for any characters.

        Raises
        ------
        AccessError
            When the one who acts may not.
        StoreError
            When there is no such role, or nobody would own the project.
        """
        table = tables().members
        row = {
            "person": plain_name("A person", person), "role": check_role(role),
            "cases": plain_name("A set of cases", cases), "granted_by": self._actor.person,
            "granted": time.time(),
        }  # fmt: skip

        def work(connection: Connection) -> None:
            put_row(connection, table, row)
            _check_owned(connection)

        said = {"person": person, "role": role, "cases": cases}
        self._actor.act("project.manage", work, detail={"do": "grant", **said})

    def revoke(self, person: str, role: str | None = None) -> None:
        """Take a role, or all roles, away from a person, from this moment on.

        Raises
        ------
        AccessError
            When the one who acts may not.
        UnknownItemError
            When the person has no such role.
        StoreError
            When nobody would own the project.
        """
        table = tables().members
        where = table.c.person == person
        if role is not None:
            where &= table.c.role == check_role(role)

        def work(connection: Connection) -> None:
            if connection.execute(table.delete().where(where)).rowcount == 0:
                raise UnknownItemError(f"{person!r} has no role{f' {role!r}' if role else ''} here")
            _check_owned(connection)

        self._actor.act("project.manage", work, detail={"do": "revoke", "person": person, "role": role or ""})

    def allowed(self, action: str, case: str | None = None, *, person: str | None = None) -> Decision:
        """Return whether a person may do something, and why.

        Parameters
        ----------
        action
            One of ``nbannot.store.access.ACTIONS``.
        case
            Name of the case it is about.
        person
            Who; the one who acts when missing. What is asked of others needs "project.read".
        """
        if person in (None, self._actor.person):
            return self._actor.may(action, case)
        self._actor.check("project.read")
        with self._actor.database.reading() as connection:
            return decide(connection, Asked(str(person), action, case))


def _check_owned(connection: Connection) -> None:
    from sqlalchemy import select

    table = tables().members
    owners = select(table.c.person).where(table.c.role == "owner", table.c.cases == "*").limit(1)
    if connection.execute(owners).first() is None:
        raise StoreError(
            "Nobody would own the project",
            hint='Give somebody the role first: project.people.grant("name", "owner").',
        )
