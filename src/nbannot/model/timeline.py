"""The steps of a document: what undo takes back and redo brings back, in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nbannot.errors import UnknownItemError
from nbannot.model.edits import Edit


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the history that one can go to.

    Parameters
    ----------
    edit
        The edit as it was first made, with its author, time and tool.
    done
        Whether it is in effect; False after an undo.
    """

    edit: Edit
    done: bool

    @property
    def id(self) -> str:
        """Id of the edit."""
        return self.edit.id


def first_made(edit: Edit, known: Mapping[str, Edit]) -> Edit:
    """Return the edit that an undone or brought back one goes back to."""
    while edit.undoes and edit.undoes in known:
        edit = known[edit.undoes]
    return edit


def steps_of(done: Sequence[Edit], undone: Sequence[Edit], known: Mapping[str, Edit]) -> tuple[Step, ...]:
    """Return the steps: those in effect, then those undone, the next to be brought back first."""
    before = [Step(first_made(edit, known), True) for edit in done]
    after = [Step(first_made(edit, known), False) for edit in reversed(undone)]
    return (*before, *after)


def way(steps: Sequence[Step], to: str) -> int:
    """Return how many steps to go (below 0: back) until ``to`` is the last one in effect.

    Raises
    ------
    UnknownItemError
        When ``to`` is no step that can be reached.
    """
    here = sum(step.done for step in steps)
    if to == "":
        return -here
    for number, step in enumerate(steps, start=1):
        if step.id == to:
            return number - here
    raise UnknownItemError(
        "There is no such step to go to",
        hint="What was undone before something else was done stays in the record, out of reach.",
    )
