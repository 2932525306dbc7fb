"""People, tasks, comments, configurations and the audit log of a project at the service."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nbannot.model.document import Document
from nbannot.model.image import Image
from nbannot.session import Session
from nbannot.session.state import State, rebuild
from nbannot.store.access import Decision
from nbannot.store.audit import Verified
from nbannot.store.configs import Resolved, resolve
from nbannot.store.failures import failing
from nbannot.store.remote_client import ServiceClient
from nbannot.store.tasks import Task
from nbannot.store.wire import table_from_json

if TYPE_CHECKING:
    import pandas as pd


class RemotePeople:
    """Who may do what; ``project.people``."""

    def __init__(self, client: ServiceClient, person: str) -> None:
        self._client, self._person = client, person

    @property
    def table(self) -> pd.DataFrame:
        """One row per role of a person."""
        return table_from_json(self._client.get("/people"))

    def roles(self, person: str | None = None) -> tuple[str, ...]:
        """Return a person's roles; one's own when no person is named."""
        return tuple(self._client.post("/people/roles", person=person)["roles"])

    def grant(self, person: str, role: str, *, cases: str = "*") -> None:
        """Give a person a role, from this moment on."""
        self._client.post("/people", person=person, role=role, cases=cases)

    def revoke(self, person: str, role: str | None = None) -> None:
        """Take a role, or all roles, away from a person, from this moment on."""
        self._client.post("/people/revoke", person=person, role=role)

    def allowed(self, action: str, case: str | None = None, *, person: str | None = None) -> Decision:
        """Return whether a person may do something, and why."""
        told = self._client.post("/people/allowed", action=action, case=case, person=person)
        return Decision(bool(told["allowed"]), str(told["reason"]))


class RemoteTasks:
    """The tasks; ``project.tasks``."""

    def __init__(
        self,
        client: ServiceClient,
        resume: Callable[[Mapping[str, Any]], Session],
        images: Callable[[str], Sequence[Image]],
    ) -> None:
        self._client, self._resume, self._images = client, resume, images

    def table(
        self,
        person: str | None = None,
        case: str | None = None,
        status: str | None = None,
        *,
        mine: bool = False,
        kind: str | None = None,
        batch: str | None = None,
        limit: int | None = None,
        after: int = 0,
    ) -> pd.DataFrame:
        """Return one row per task, in the order of work of each person."""
        told = self._client.post(
            "/tasks/find", person=person, case=case, status=status, mine=mine, kind=kind, batch=batch,
            limit=limit, after=after,
        )  # fmt: skip
        return table_from_json(told)

    def get(self, task: str) -> Task:
        """Return one task, as it stands now."""
        return Task(**self._client.get(f"/tasks/{task}"))

    def progress(self) -> pd.DataFrame:
        """Return how far the tasks are."""
        return table_from_json(self._client.get("/progress"))

    def assign(
        self,
        cases: str | Sequence[str],
        people: str | Sequence[str],
        *,
        kind: str = "read",
        overlap: int | None = None,
        order: str = "given",
        seed: int = 0,
        batch: str = "",
        due: datetime | str | float | None = None,
        repeat: int = 1,
    ) -> pd.DataFrame:
        """Give cases to people; see a stored project's ``tasks.assign``."""
        told = self._client.post(
            "/tasks", cases=_plain(cases), people=_plain(people), kind=kind, overlap=overlap, order=order,
            seed=seed, batch=batch, due=due.isoformat() if isinstance(due, datetime) else due, repeat=repeat,
        )  # fmt: skip
        return table_from_json(told)

    def begin(self, task: str) -> Session:
        """Open the session of one's own task, or begin it."""
        return self._resume(self._client.post(f"/tasks/{task}/begin"))

    def prepare(self, task: str) -> Session:
        """Open the session of one's own task ahead of time, without beginning the task."""
        return self._resume(self._client.post(f"/tasks/{task}/prepare"))

    def readings(self, task: str) -> dict[str, Document]:
        """Return what an adjudication or review is about: a copy of each reading, by its reader."""
        message, buffers = self._client.frame(f"/tasks/{task}/readings")
        images, left = self._images(message["case"]), iter(buffers)
        found = {}
        for reader, told in message["readings"].items():
            state = State(told["state"], {name: bytes(next(left)) for name in told["voxels"]})
            found[reader] = rebuild(state, images, author=reader)
        return found

    def submit(self, task: str, *, comment: str = "") -> None:
        """Check the answers and lock the session."""
        self._client.post(f"/tasks/{task}/submit", comment=comment)

    def review(self, task: str, verdict: str, *, reason: str = "") -> None:
        """Accept, return or reject what was submitted."""
        self._client.post(f"/tasks/{task}/review", verdict=verdict, reason=reason)

    def flag(self, task: str, on: bool = True) -> None:
        """Mark a task, or take the mark away."""
        self._client.post(f"/tasks/{task}/flag", on=on)

    def unassign(self, task: str, *, reason: str = "") -> None:
        """Take a task away from its person; what was read is kept."""
        self._client.post(f"/tasks/{task}/unassign", reason=reason)

    def reclaim(self, idle: timedelta | float) -> pd.DataFrame:
        """Take back what nobody worked on for so long."""
        seconds = idle.total_seconds() if isinstance(idle, timedelta) else float(idle)
        return table_from_json(self._client.post("/tasks/reclaim", idle=seconds))

    def active(self, task: str, seconds: float) -> None:
        """Count time worked on one's own task, s."""
        if math.isfinite(seconds):
            self._client.post(f"/tasks/{task}/active", seconds=seconds)


class RemoteComments:
    """What people say about cases; ``project.comments``."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    def add(
        self, case: str, text: str, *, task: str | None = None, place: Mapping[str, Any] | None = None
    ) -> Any:
        """Keep a comment and return its id."""
        pinned = None if place is None else dict(place)
        return self._client.post("/comments", case=case, text=text, task=task, place=pinned)["id"]

    def table(self, case: str | None = None) -> pd.DataFrame:
        """One row per comment."""
        return table_from_json(self._client.post("/comments/find", case=case))

    def resolve(self, comment: int) -> None:
        """Mark a comment as dealt with."""
        self._client.post(f"/comments/{comment}/resolve")


class RemoteConfigs:
    """The configurations; ``project.configs``."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    def set(self, text: str, *, level: str = "project", role: str = "") -> Any:
        """Keep a new version of a configuration and return its number."""
        return self._client.post("/configs", text=text, level=level, role=role)["version"]

    def history(self, level: str = "project", *, role: str = "") -> pd.DataFrame:
        """One row per version."""
        return table_from_json(self._client.post("/configs/history", level=level, role=role))

    def of(self, case: str, *, role: str = "") -> Resolved:
        """Return what applies to a case, and from where."""
        told = self._client.post("/configs/levels", case=case, role=role)["levels"]
        return resolve([[(place, text) for place, text in level] for level in told], role=role)


class RemoteAudit:
    """The audit log; ``project.audit``."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

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
        """One row per action and refusal, in order."""
        told = self._client.post(
            "/audit/find", actor=actor, action=action, case=case, outcome=outcome, after=after, limit=limit
        )
        return table_from_json(told)

    def verify(self) -> Verified:
        """Return whether the log is whole."""
        return Verified(**self._client.get("/audit/verify"))

    def export(self, path: str | Path) -> None:
        """Write the log as one JSON object per line, with the hashes."""
        target = Path(path)
        with failing(target):
            target.write_bytes(self._client.file("/audit/export"))


class RemoteCase:
    """One case: its readers and what they marked; ``project.case(name)``."""

    def __init__(self, client: ServiceClient, name: str, images: Callable[[str], Sequence[Image]]) -> None:
        self._client, self.name, self._images = client, name, images

    def __repr__(self) -> str:
        return f"Case({self.name!r})"

    @property
    def readers(self) -> tuple[str, ...]:
        """Who has a session of it."""
        return tuple(self._client.post("/cases/readers", case=self.name)["readers"])

    def document(self, reader: str | None = None, *, session: int | None = None, repeat: int = 1) -> Document:
        """Return a copy of what a reader marked."""
        message, buffers = self._client.fetch(
            "/cases/document", case=self.name, reader=reader, session=session, repeat=repeat
        )
        voxels = {name: bytes(data) for name, data in zip(message["voxels"], buffers, strict=True)}
        return rebuild(State(message["state"], voxels), self._images(self.name), author=reader)

    def mask(
        self, reader: str, label: str, *, session: int | None = None, repeat: int = 1
    ) -> NDArray[np.bool_]:
        """Return where a reader saw a label, as an array of bools (k, j, i)."""
        import zstandard

        message, (packed,) = self._client.fetch(
            "/cases/mask", case=self.name, reader=reader, label=label, session=session, repeat=repeat
        )
        bits = np.frombuffer(zstandard.ZstdDecompressor().decompress(packed), np.uint8)
        size = math.prod(message["shape"])
        return np.unpackbits(bits, count=size).astype(bool).reshape(message["shape"])


def _plain(given: str | Sequence[str]) -> str | list[str]:
    return given if isinstance(given, str) else list(given)
