"""What readers from outside are told of a case: a number, never its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbannot.errors import AccessError
from nbannot.store.served import refuse

if TYPE_CHECKING:
    import pandas as pd


TEAM = "Study team"
"""What readers are told instead of the name of anybody else."""
_PEOPLE = frozenset({"author", "person", "resolved", "writer"})


def knows_names(project: Any) -> bool:
    """Return whether the actor may know the names of cases."""
    return bool(project.people.allowed("project.read"))


def neutral(project: Any, table: pd.DataFrame) -> pd.DataFrame:
    """Return a table for the actor: with numbers instead of names where the names are not theirs to know."""
    if knows_names(project) or "case" not in table:
        return table
    numbers = numbers_of(project)
    table = table.assign(case=[f"Case {numbers.get(name, '?')}" for name in table["case"]])
    for column in _PEOPLE & set(table.columns):
        table[column] = [name if name in ("", project.author) else TEAM for name in table[column]]
    return table.drop(columns=[name for name in ("batch", "assigned_by", "subject") if name in table])


def named_case(project: Any, case: str) -> str:
    """Return the name of the case that the actor means.

    Who may not know names says "Case 3"; a name that they have guessed is refused, whether it is right or not.

    Raises
    ------
    AccessError
        When they name it otherwise.
    """
    if knows_names(project):
        return case
    for name, number in numbers_of(project).items():
        if case == f"Case {number}":
            return str(name)
    refuse(project, "case.read", "a case is named that is not in the person's list")
    raise AccessError("You may not do this", hint="Ask the study team.")


def neutral_task(project: Any, task: dict[str, Any]) -> dict[str, Any]:
    """Return a task for the actor, as `neutral` does."""
    if knows_names(project):
        return task
    hidden = {
        "case": f"Case {numbers_of(project).get(task['case'], '?')}",
        "batch": "",
        "assigned_by": "",
        "subject": "",
    }
    return {**task, **hidden}


def numbers_of(project: Any) -> dict[str, int]:
    """Return the number of each case in the actor's own list, from 1."""
    mine = project.tasks.table(mine=True)
    return {name: n for n, name in enumerate(dict.fromkeys(mine["case"]), start=1)}
