"""Snapshots of sessions: kept at once on a disk, aside where they go to a bucket that may be slow or away."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from threading import Condition, Thread

from nbannot.errors import NbannotError
from nbannot.session.state import State
from nbannot.store.journal import Journal

log = logging.getLogger(__name__)

FIRST_S = 1.0
LONGEST_S = 60.0
"""Between two tries while the bucket is away, s."""


@dataclass(slots=True)
class Snapshots:
    """Keeps snapshots. Every edit is in the database already: a snapshot only makes opening quick.

    Parameters
    ----------
    aside
        Whether nobody waits for them: they are kept in a thread, and tried again until it works.
    problem
        Why the last try failed; empty when it worked.
    """

    aside: bool
    problem: str = ""
    _waiting: dict[str, tuple[Journal, State, int]] = field(default_factory=dict)
    _changed: Condition = field(default_factory=Condition)
    _worker: Thread | None = None
    _closed: bool = False

    @property
    def waiting(self) -> int:
        """Number of sessions whose newest snapshot is not kept yet."""
        return len(self._waiting)

    def keep(self, journal: Journal, state: State, seq: int) -> None:
        """Keep the state of a session after the edit ``seq``.

        Raises
        ------
        StoreError
            When it is not kept aside and cannot be written.
        """
        if not self.aside:
            journal.snapshot(state, seq)
            return
        with self._changed:
            # A newer one takes the place of one that waits.
            self._waiting[journal.session] = (journal, state, seq)
            self._closed = False
            if self._worker is None or not self._worker.is_alive():
                self._worker = Thread(target=self._work, name="nbannot-snapshots", daemon=True)
                self._worker.start()
            self._changed.notify_all()

    def settle(self, seconds: float) -> bool:
        """Wait until all are kept, not longer than some seconds, and return whether they are."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting, seconds)

    def close(self, seconds: float = 5.0) -> None:
        """Give what waits some seconds more, then leave it: the edits are kept."""
        if not self._waiting or not self.settle(0.0 if self.problem else seconds):
            count = self.waiting
            if count:
                log.warning("%d snapshots were not kept; their edits are in the database", count)
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()

    def _work(self) -> None:
        pause = FIRST_S
        while True:
            with self._changed:
                if not self._changed.wait_for(lambda: self._waiting or self._closed, LONGEST_S):
                    self._worker = None
                    return
                if self._closed:
                    return
                key, (journal, state, seq) = next(iter(self._waiting.items()))
            try:
                journal.snapshot(state, seq)
            except NbannotError as error:
                if not self.problem:
                    log.warning("A snapshot waits: %s", error)
                self.problem = error.message
                with self._changed:
                    self._changed.wait_for(lambda: self._closed, pause)
                pause = min(pause * 2, LONGEST_S)
                continue
            pause, self.problem = FIRST_S, ""
            with self._changed:
                if self._waiting.get(key, (None, None, None))[2] == seq:
                    del self._waiting[key]
                self._changed.notify_all()
