"""Who may do what: one table of actions and roles, and the decision over it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from nbannot.errors import StoreError
from nbannot.store.patterns import matches
from nbannot.store.tables import tables

if TYPE_CHECKING:
    from sqlalchemy import Connection

Role = Literal["owner", "annotator", "reviewer", "adjudicator", "reader", "auditor"]
ROLES: tuple[Role, ...] = get_args(Role)

Scope = Literal["any", "own", "task", "given"]
"""Of which things: any one, one's own (session or task), cases of one's own open tasks, or of all one's tasks."""

_ALL: dict[Role, Scope] = dict.fromkeys(("owner", "annotator", "reviewer", "adjudicator"), "any")
_OWN: dict[Role, Scope] = dict.fromkeys(("annotator", "reviewer", "adjudicator"), "own")

ACTIONS: Mapping[str, Mapping[Role, Scope]] = {
    "project.read": {**_ALL, "auditor": "any"},
    "project.manage": {"owner": "any"},
    "case.add": {"owner": "any"},
    "case.read": {**_ALL, "reader": "task"},
    "case.headers": _ALL,
    "own.read": {"owner": "any", **_OWN, "reader": "given"},
    "session.write": {"owner": "any", **_OWN, "reader": "task"},
    "session.read": {"owner": "any", "reviewer": "any", "adjudicator": "any", "auditor": "any"},
    "task.assign": {"owner": "any"},
    "task.submit": {"owner": "own", **_OWN, "reader": "own"},
    "review": {"owner": "any", "reviewer": "any", "adjudicator": "any"},
    "adjudicate": {"owner": "any", "adjudicator": "any"},
    "comment": {**_ALL, "reader": "task"},
    "audit.read": {"owner": "any", "auditor": "any"},
    "export": {"owner": "any"},
}
"""What each action needs: the roles that may, and of which things. What is not here is refused."""

Status = Literal["to do", "in work", "submitted", "returned", "accepted", "rejected"]
STATUSES: tuple[Status, ...] = get_args(Status)
"""Of tasks."""

OPEN_TASKS = ("to do", "in work", "returned")
"""Status of tasks that wait for their person."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether an action is allowed.

    Parameters
    ----------
    allowed
        Whether it is.
    reason
        Why, or why not, in words.
    """

    allowed: bool
    reason: str

    def __bool__(self) -> bool:
        return self.allowed


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants to do.

    Parameters
    ----------
    person
        Who.
    action
        One of `ACTIONS`.
    case
        Name of the case it is about; None for the whole project.
    of
        Whose session or task it is about; None for nobody's.
    """

    person: str
    action: str
    case: str | None = None
    of: str | None = None


def decide(connection: Connection, asked: Asked) -> Decision:
    """Return whether the members' roles allow an action; what no role allows is refused."""
    if asked.action not in ACTIONS:
        return Decision(False, f"{asked.action!r} is no action")
    from sqlalchemy import select

    members = tables().members
    query = select(members.c.role, members.c.cases).where(members.c.person == asked.person)
    rows = connection.execute(query).all()
    if not rows:
        if connection.execute(select(members.c.person).limit(1)).first() is None:
            return Decision(True, "the project has no members yet")
        return Decision(False, f"{asked.person!r} is no member of the project")
    refusals = []
    for row in sorted(rows, key=lambda row: ROLES.index(row.role) if row.role in ROLES else len(ROLES)):
        refusal = _refusal(connection, asked, row.role, row.cases)
        if refusal is None:
            return Decision(True, f"as {row.role}")
        refusals.append(refusal)
    return Decision(False, "; ".join(dict.fromkeys(refusals)))


def _refusal(connection: Connection, asked: Asked, role: Role, cases: str) -> str | None:
    """Return why a role does not allow an action; None where it does."""
    scope = ACTIONS[asked.action].get(role)
    if scope is None:
        return f"the role {role} does not include {asked.action}"
    if asked.case is None:
        # Everybody's work is about some cases; the whole project is for roles that hold it all.
        if cases != "*" and asked.action not in ("project.read", "task.submit"):
            return f"the role {role} holds for the cases {cases!r} only"
    elif not matches(asked.case, cases):
        return f"the role {role} holds for the cases {cases!r} only"
    if scope != "any" and asked.of not in (None, asked.person):
        return f"the role {role} allows {asked.action} for one's own work only"
    if scope == "task" and not (asked.case and has_task(connection, asked.person, asked.case)):
        return f"the role {role} allows {asked.action} for cases of one's own open tasks only"
    if scope == "given" and not (asked.case and has_task(connection, asked.person, asked.case, done=True)):
        return f"the role {role} allows {asked.action} for cases of one's own tasks only"
    return None


def has_task(connection: Connection, person: str, case: str, *, done: bool = False) -> bool:
    """Whether a person has an open task of a case, or with ``done`` any task."""
    from sqlalchemy import select

    tasks, known = tables().tasks, tables().cases
    query = (
        select(tasks.c.id)
        .join(known, known.c.id == tasks.c.case_id)
        .where(known.c.name == case, tasks.c.person == person)
    )
    if not done:
        query = query.where(tasks.c.status.in_(OPEN_TASKS))
    return connection.execute(query.limit(1)).first() is not None


def of_these(connection: Connection, person: str, action: str, cases: Collection[str]) -> set[str]:
    """Return the cases of which a person may do something, as `decide` says, in four queries at most."""
    from sqlalchemy import select

    members, tasks, known = tables().members, tables().tasks, tables().cases
    rows = connection.execute(select(members.c.role, members.c.cases).where(members.c.person == person)).all()
    if not rows:
        nobody = connection.execute(select(members.c.person).limit(1)).first() is None
        return set(cases) if nobody else set()
    found: set[str] = set()
    own: dict[str, set[str]] = {}
    for row in rows:
        scope = ACTIONS[action].get(row.role)
        if scope is None:
            continue
        fit = {name for name in cases if matches(name, row.cases)}
        if scope in ("task", "given"):
            if scope not in own:
                query = select(known.c.name).join(tasks, tasks.c.case_id == known.c.id).distinct()
                query = query.where(tasks.c.person == person)
                if scope == "task":
                    query = query.where(tasks.c.status.in_(OPEN_TASKS))
                own[scope] = set(connection.execute(query).scalars())
            fit &= own[scope]
        found |= fit
    return found


def case_sets(connection: Connection, person: str, action: str) -> Sequence[str]:
    """Return the patterns of case names for which a person's roles allow an action on anybody's."""
    from sqlalchemy import select

    members = tables().members
    query = select(members.c.role, members.c.cases).where(members.c.person == person)
    rows = connection.execute(query).all()
    if not rows and connection.execute(select(members.c.person).limit(1)).first() is None:
        return ("*",)
    return tuple(row.cases for row in rows if ACTIONS[action].get(row.role) == "any")


def main_role(roles: Sequence[str]) -> str:
    """Return the role of a person that configurations go by: the first in `ROLES`; "" for none."""
    return next((role for role in ROLES if role in roles), "")


def check_role(role: str) -> Role:
    """Return a role, or say which there are.

    Raises
    ------
    StoreError
        When there is no such role.
    """
    for known in ROLES:
        if role == known:
            return known
    raise StoreError(f"There is no role {role!r}", hint=f"Choose one of: {', '.join(ROLES)}.")
