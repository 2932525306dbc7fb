"""Long work that a service does for this program: begun, followed, stopped."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from nbannot.errors import NbannotError, StoreError
from nbannot.formats.progress import Progress, following
from nbannot.formats.remote import checked_url, is_url
from nbannot.formats.remote.urls import local_path
from nbannot.session import Session
from nbannot.session.files import save as save_file
from nbannot.store.failures import failing
from nbannot.store.indexed import Indexed
from nbannot.store.remote_client import ServiceClient
from nbannot.store.rules import rules_to_json
from nbannot.store.wire import table_from_json

if TYPE_CHECKING:
    import pandas as pd

_WAITS_S = (0.05, 0.1, 0.2, 0.5)
_LONGEST_S = 1.0


class RemoteJobs:
    """What a service does for long, on one project."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    def index(
        self, url: str, *, rules: Any, scheduler: Any, progress: Progress | None, storage_options: Any
    ) -> Indexed:
        """Have a place indexed; see `RemoteProject.index`."""
        if scheduler is not None or storage_options:
            raise StoreError(
                "The service indexes with its own processors and its own logins",
                hint="Leave scheduler= and storage_options= away.",
            )
        options: dict[str, Any] = {"url": place_there(url)}
        if rules is not None:
            options["rules"] = rules_to_json(rules)
        told = self._run("index", options, progress)
        return Indexed(**{**told, "bad": table_from_json(told["bad"])})

    def associate(self, *, dry_run: bool, patterns: Any, table: Any) -> pd.DataFrame:
        """Have what was indexed attached; see `RemoteProject.associate`."""
        rows = table.to_dict("records") if hasattr(table, "to_dict") else table
        options: dict[str, Any] = {"dry_run": bool(dry_run)}
        if patterns is not None:
            options["patterns"] = {str(key): str(value) for key, value in dict(patterns).items()}
        if rows is not None:
            options["table"] = [{str(key): str(value) for key, value in row.items()} for row in rows]
        return table_from_json(self._run("associate", options, None))

    def relink(self, case: str, image: str, path: str) -> None:
        """Have a moved image found again; see `RemoteProject.relink`."""
        self._run("relink", {"case": case, "image": image, "path": place_there(path)}, None)

    def merge(self, path: str | Path) -> pd.DataFrame:
        """Send another copy of the project and have it taken in; see `RemoteProject.merge`."""
        key, file = uuid4().hex, Path(path)
        with failing(file), file.open("rb") as content:
            told = self._client.post_file("/jobs/merge", content, job=key)
        return table_from_json(self._followed(key, told, None))

    def _run(self, kind: str, options: Mapping[str, Any], progress: Progress | None) -> Any:
        key = uuid4().hex
        told = self._client.post_frame("/jobs", {"job": key, "kind": kind, "options": options}, ())
        return self._followed(key, told, progress)

    def _followed(self, key: str, told: Mapping[str, Any], progress: Progress | None) -> Any:
        """Return what came of a job; what raises meanwhile stops it."""
        waits = iter(_WAITS_S)
        with following(progress) as tell:
            try:
                while told["state"] == "running":
                    tell(float(told["part"]), str(told["text"]))
                    time.sleep(next(waits, _LONGEST_S))
                    told = self._client.get(f"/jobs/{key}")
            except BaseException:
                with suppress(NbannotError):
                    self._client.post(f"/jobs/{key}/stop")
                raise
            if told["state"] == "done":
                tell(1.0, str(told["text"]))
        if told["state"] == "failed":
            raise self._client.error_of(told["error"])
        if told["state"] != "done":
            raise StoreError("The work was stopped", hint="What was kept stays.")
        return told["result"]


def place_there(url: str) -> str:
    """Return a path or URL as the service understands it.

    Raises
    ------
    StoreError
        When it is relative to a folder of this machine.
    FormatError
        When it holds a secret.
    """
    text = local_path(url)
    if is_url(text):
        return checked_url(url)
    if not Path(text).is_absolute():
        raise StoreError(
            "A path for the service is absolute: it does not know this program's folder",
            hint="Give the path or URL as the service sees it.",
        )
    return os.path.normpath(text)


def adopt_there(
    client: ServiceClient, session: Session, ids: Sequence[str], *, case: str, reader: str | None = None
) -> None:
    """Send a session to be kept: as one of one's own, or of a reader's."""
    with TemporaryDirectory() as folder:
        path = save_file(Path(folder) / "session.nbs", session)
        with path.open("rb") as file:
            client.post_file("/sessions/adopt", file, case=case, images=list(ids), reader=reader)
