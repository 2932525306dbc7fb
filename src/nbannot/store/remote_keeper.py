"""Ties a live session to the service: every edit is there before it takes effect."""

from __future__ import annotations

import json
from collections.abc import Mapping
from threading import RLock
from typing import Any

from nbannot.errors import AccessError, LockedError, ReadOnlyError, UnknownItemError
from nbannot.model.codec import decode_edit, encode_edit
from nbannot.model.edits import Edit
from nbannot.session import Session
from nbannot.session.state import State
from nbannot.store.remote_client import ServiceClient


class RemoteKept:
    """Sends every edit of a session to the service, and reads them back.

    Parameters
    ----------
    client
        Of the service.
    told
        What the service told when the session was opened.
    """

    def __init__(self, client: ServiceClient, told: Mapping[str, Any]) -> None:
        self._client = client
        self.key: str = told["key"]
        self.case: str = told["case"]
        self.reader: str = told["reader"]
        self.head = int(told["head"])
        self.writable = bool(told["writable"])
        self.lease: list[str] = list(told["lease"])
        self.closed = False
        self.session: Session | None = None
        self._lock = RLock()

    @property
    def path(self) -> str:
        """Path of the session at the service."""
        return f"/sessions/{self.key}"

    def attach(self, session: Session) -> None:
        """Take every edit of the session's document from now on."""
        self.session = session
        session.document.journal = self.record

    def record(self, edit: Edit, revision: int) -> None:
        """Have an edit kept before it takes effect.

        Raises
        ------
        ConflictError
            When somebody else wrote to the session.
        StoreError
            When it is not kept; then it must not take effect.
        """
        if self.closed:
            raise ReadOnlyError(f"The session of case {self.case!r} is closed", hint="Open the case again.")
        if not self.writable:
            raise ReadOnlyError(
                f"The session of {self.reader!r} of case {self.case!r} is open for reading only",
                hint="Work in a session of your own.",
            )
        body, buffers = encode_edit(edit)
        view = {} if self.session is None else self.session.view
        with self._lock:
            message = {"base": self.head, "edit": body, "view": view, "lease": self.lease}
            self.head = int(self._client.post_frame(f"{self.path}/edits", message, buffers)["head"])

    def edits(self, after: int, upto: int | None = None) -> list[Edit]:
        """Return the edits of the steps ``after`` < step ≤ ``upto``."""
        last = self.head if upto is None else upto
        found: list[Edit] = []
        while after + len(found) < last:
            message, buffers = self._client.frame(f"{self.path}/edits/{after + len(found)}/{last}")
            if not message["edits"]:
                break
            start = 0
            for body, count in message["edits"]:
                found.append(decode_edit(body, buffers[start : start + count]))
                start += count
        return found

    def latest(self, upto: int) -> tuple[int, State]:
        """Return the newest kept state that is not after the step ``upto``, with its step."""
        message, buffers = self._client.frame(f"{self.path}/state/{upto}")
        voxels = {name: bytes(data) for name, data in zip(message["voxels"], buffers, strict=True)}
        return int(message["step"]), State(message["state"], voxels)

    def save(self, session: Session) -> None:
        """Have everything pending, the view and a snapshot kept."""
        session.document.refresh()
        if self.writable:
            self._client.post(f"{self.path}/save", view=json.loads(json.dumps(session.view)))

    def close(self, session: Session) -> None:
        """Save, and take no more edits."""
        if self.closed:
            return
        try:
            self.save(session)
        except (AccessError, LockedError, UnknownItemError):
            pass  # submitted or taken away meanwhile: every edit is kept all the same
        finally:
            self.closed = True
