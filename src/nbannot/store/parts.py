"""What the parts of every project can do: people, tasks, comments, configurations, audit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from nbannot.model.document import Document
from nbannot.session import Session
from nbannot.store.access import Decision, Status
from nbannot.store.assigning import Order
from nbannot.store.tasks import Kind, Task, Verdict

if TYPE_CHECKING:
    import pandas as pd


class People(Protocol):
    """Who may do what."""

    @property
    def table(self) -> pd.DataFrame:
        """One row per role of a person: person, role, cases, granted_by, granted (UTC)."""
        ...

    def roles(self, person: str | None = None) -> tuple[str, ...]:
        """Return a person's roles; one's own when no person is named."""
        ...

    def grant(self, person: str, role: str, *, cases: str = "*") -> None:
        """Give a person a role, from this moment on."""
        ...

    def revoke(self, person: str, role: str | None = None) -> None:
        """Take a role, or all roles, away from a person, from this moment on."""
        ...

    def allowed(self, action: str, case: str | None = None, *, person: str | None = None) -> Decision:
        """Return whether a person may do something, and why."""
        ...


class Tasks(Protocol):
    """Who shall read what, and how far they are."""

    def table(
        self,
        person: str | None = None,
        case: str | None = None,
        status: Status | None = None,
        *,
        mine: bool = False,
        kind: Kind | None = None,
        batch: str | None = None,
        limit: int | None = None,
        after: int = 0,
    ) -> pd.DataFrame:
        """One row per task, in the order of work of each person."""
        ...

    def get(self, task: str) -> Task:
        """Return a task."""
        ...

    def progress(self) -> pd.DataFrame:
        """One row per person and kind: number of tasks by status, flagged, overdue, time."""
        ...

    def prepare(self, task: str) -> Session:
        """Open the session of one's own task ahead of time, without beginning the task."""
        ...

    def readings(self, task: str) -> dict[str, Document]:
        """Return what an adjudication or review is about: a copy of each reading, by its reader."""
        ...

    def assign(
        self,
        cases: str | Sequence[str],
        people: str | Sequence[str],
        *,
        kind: Kind = "read",
        overlap: int | None = None,
        order: Order = "given",
        seed: int = 0,
        batch: str = "",
        due: datetime | str | None = None,
        repeat: int = 1,
    ) -> pd.DataFrame:
        """Give cases to people and return the new tasks."""
        ...

    def unassign(self, task: str, *, reason: str = "") -> None:
        """Take a task away from its person; what was read is kept."""
        ...

    def reclaim(self, idle: timedelta | float) -> pd.DataFrame:
        """Take open tasks back on which nobody worked for so long (s), and return them."""
        ...

    def begin(self, task: str) -> Session:
        """Open the session of one's own task, as it was left."""
        ...

    def submit(self, task: str, *, comment: str = "") -> None:
        """Hand one's own task in; its session takes no more edits."""
        ...

    def review(self, task: str, verdict: Verdict, *, reason: str = "") -> None:
        """Accept, return or reject a submitted reading."""
        ...

    def flag(self, task: str, on: bool = True) -> None:
        """Mark one's own task to come back to it, or take the mark away."""
        ...

    def active(self, task: str, seconds: float) -> None:
        """Count time worked on one's own task, s."""
        ...


class Comments(Protocol):
    """What people say about cases."""

    def add(
        self, case: str, text: str, *, task: str | None = None, place: Mapping[str, Any] | None = None
    ) -> int:
        """Say something about a case or a place in it, and return the comment's id."""
        ...

    def table(self, case: str | None = None) -> pd.DataFrame:
        """One row per comment: id, case, task, author, time (UTC), text, place, resolved."""
        ...

    def resolve(self, id: int) -> None:
        """Mark a comment as dealt with."""
        ...


class Resolved(Protocol):
    """The configuration that applies to a case, and where each value comes from."""

    @property
    def config(self) -> Any:
        """The configuration, a ``nbannot.session.config.Config``."""
        ...

    @property
    def origins(self) -> Mapping[str, str]:
        """Level and version of each value, by its dotted key."""
        ...


class Configs(Protocol):
    """The configurations of the project, of folders and of cases."""

    def set(self, text: str, *, level: str = "project", role: str = "") -> int:
        """Keep a configuration (YAML) as the newest version of its level, and return its number."""
        ...

    def history(self, level: str = "project", *, role: str = "") -> pd.DataFrame:
        """One row per version: version, author, time (UTC), text."""
        ...

    def of(self, case: str, *, role: str = "") -> Resolved:
        """Return what applies to a case, and from where."""
        ...


class Verified(Protocol):
    """Whether an audit log is whole."""

    @property
    def ok(self) -> bool:
        """Whether it is."""
        ...

    @property
    def rows(self) -> int:
        """How many rows were looked at."""
        ...

    @property
    def first_bad(self) -> int | None:
        """Number of the first row that is wrong."""
        ...

    @property
    def reason(self) -> str:
        """What is wrong."""
        ...


class Audit(Protocol):
    """Who did what, and what was refused."""

    def table(
        self,
        *,
        actor: str | None = None,
        action: str | None = None,
        case: str | None = None,
        outcome: str | None = None,
        after: int = 0,
        limit: int | None = None,
    ) -> pd.DataFrame:
        """One row per action or refusal, in order."""
        ...

    def verify(self) -> Verified:
        """Look whether a row was changed, removed or inserted."""
        ...

    def export(self, path: str | Path) -> None:
        """Write the log as one JSON object per line."""
        ...


class Case(Protocol):
    """One case: its readers and what they marked."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def readers(self) -> tuple[str, ...]:
        """Who has a session of it."""
        ...

    def document(self, reader: str | None = None, *, session: int | None = None, repeat: int = 1) -> Document:
        """Return a copy of what a reader marked."""
        ...

    def mask(self, reader: str, label: str, *, session: int | None = None, repeat: int = 1) -> Any:
        """Return where a reader saw a label, as an array of bools (k, j, i)."""
        ...
