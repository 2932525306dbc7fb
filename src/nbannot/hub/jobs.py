"""Long work for programs: each in a thread of its own, with how far it is in the project's database."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from typing import Any

from nbannot.errors import NbannotError, ServiceError
from nbannot.formats.progress import Progress
from nbannot.hub import replies
from nbannot.hub.observe import tell
from nbannot.hub.telling import for_reader
from nbannot.store import StoredProject
from nbannot.store.jobs import JobRows
from nbannot.store.served import job_rows

MOST = 2
"""Jobs at once in one worker process: they share its processor with everybody's requests."""

EVERY_S = 1.0
_END_S = 5.0


class StoppedError(Exception):
    """The work was to stop."""


@dataclass(slots=True)
class _Running:
    rows: JobRows
    stop: Event = field(default_factory=Event)
    part: float = 0.0
    text: str = ""

    def follow(self, part: float, text: str) -> None:
        self.part, self.text = part, text
        if self.stop.is_set():
            raise StoppedError


class Jobs:
    """The jobs that run in this process."""

    def __init__(self) -> None:
        self._running: dict[str, _Running] = {}
        self._lock = Lock()
        self._closing = Event()
        self._watcher: Thread | None = None

    def start(self, project: StoredProject, key: str, kind: str, work: Callable[[Progress], Any]) -> bool:
        """Begin work; False when it is known already, because the request came twice.

        Raises
        ------
        ServiceError
            When this process is busy with others.
        ConflictError
            When work of this kind goes on in the project.
        """
        rows = job_rows(project)
        with self._lock:
            if len(self._running) >= MOST and key not in self._running:
                raise ServiceError(
                    "The service is busy with other long work", hint="Try again in a few minutes."
                )
            if not rows.begin(key, project.author, kind):
                return False
            running = self._running[key] = _Running(rows)
            if self._watcher is None:
                self._watcher = Thread(target=self._watch, name="nbannot-jobs", daemon=True)
                self._watcher.start()
        named = f"nbannot-{kind}"
        Thread(target=self._run, args=(project, key, running, work), name=named, daemon=True).start()
        return True

    def close(self) -> None:
        """Stop what runs; what it has kept stays."""
        self._closing.set()
        with self._lock:
            for running in self._running.values():
                running.stop.set()
        if self._watcher is not None:
            self._watcher.join(_END_S)

    def _run(
        self, project: StoredProject, key: str, running: _Running, work: Callable[[Progress], Any]
    ) -> None:
        rows = running.rows
        try:
            result = work(running.follow)
        except StoppedError:
            self._end(lambda: rows.end(key, "stopped"))
        except NbannotError as error:
            told = for_reader(project, error) or replies.payload(error)
            self._end(lambda: rows.end(key, "failed", error=told))
        except Exception as error:
            tell("job failed", level=logging.ERROR, kind=type(error).__name__, exc_info=True)
            said = {"kind": "ServiceError", "message": "Something went wrong in the service", "hint": ""}
            self._end(lambda: rows.end(key, "failed", error=said))
        else:
            self._end(lambda: rows.end(key, "done", result=result))
        finally:
            with self._lock:
                self._running.pop(key, None)

    def _end(self, write: Callable[[], None]) -> None:
        try:
            write()
        except NbannotError as error:  # the program is told after a while that it was lost
            tell("job failed", level=logging.ERROR, kind=type(error).__name__)

    def _watch(self) -> None:
        """Write down how far all are, and hear which are to stop."""
        while not self._closing.wait(EVERY_S):
            with self._lock:
                running = dict(self._running)
            for key, one in running.items():
                with suppress(NbannotError):
                    if not one.rows.told(key, one.part, one.text):
                        one.stop.set()
