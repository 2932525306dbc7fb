"""Ties a live session to its journal."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace

from nbannot.errors import EditError, ReadOnlyError, StoreError
from nbannot.model.edits import Batch, Edit, Put, Remove
from nbannot.model.labels import Label
from nbannot.session import Session
from nbannot.session.state import State, capture
from nbannot.store.journal import Journal, view_query
from nbannot.store.snapshots import Snapshots

log = logging.getLogger(__name__)


class Kept:
    """Journals every edit of a session, and keeps a snapshot now and then.

    Parameters
    ----------
    journal
        Of the session.
    kept
        Step of the newest snapshot.
    every
        Number of edits from one snapshot to the next.
    snapshots
        What keeps them.
    labels_open
        Whether the person may change labels.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        kept: int,
        every: int,
        snapshots: Snapshots,
        labels_open: Callable[[], bool],
    ) -> None:
        self.journal = journal
        self._snapshots = snapshots
        self._labels_open = labels_open
        self.key = journal.session
        self.case = journal.case
        self.reader = journal.reader
        self.kept = kept
        self.every = every
        self.closed = False
        self.session: Session | None = None

    def attach(self, session: Session) -> None:
        """Take every edit of the session's document from now on."""
        # The document holds this and this holds the session: it lives as long as its document.
        self.session = session
        session.document.journal = self.record
        session.document.edited.connect(self.count)

    def record(self, edit: Edit, revision: int) -> None:
        """Keep an edit before it takes effect.

        Raises
        ------
        ConflictError, StoreError
            When it is not kept; then it must not take effect.
        EditError
            When it changes labels that the person may only use.
        """
        if self.closed:
            raise ReadOnlyError(f"The session of case {self.case!r} is closed", hint="Open the case again.")
        if _changes_labels(edit) and not self._labels_open():
            actor, words = self.journal.actor, "the labels are given"
            actor.refuse("session.write", self.case, words, session=self.key)
            raise EditError("The labels of this case are given", hint="Use one of them.")
        # The view goes with the edits: after a crash the reader is back where the last edit was made.
        view = None if self.session is None else json.dumps(self.session.view)
        self.journal.append(edit, view=view)

    def count(self, edit: Edit, revision: int) -> None:
        """Keep a snapshot when it is time."""
        if self.session is None or self.journal.head - self.kept < self.every:
            return
        try:
            self.snapshot(self.session)
        except StoreError as error:
            # The edit itself is kept; the next snapshot spares only time.
            log.warning("A snapshot was not kept: %s", error)

    def snapshot(self, session: Session) -> None:
        """Keep the state as it is after the newest edit."""
        with session.document.lock:
            seq, state = self.journal.head, capture(session.document)
        if seq != self.kept:
            self._snapshots.keep(self.journal, state, seq)
            self.kept = seq

    def edits(self, after: int, upto: int | None = None) -> list[Edit]:
        """Return the edits of the steps ``after`` < step ≤ ``upto``."""
        return self.journal.edits(after, upto)

    def latest(self, upto: int) -> tuple[int, State]:
        """Return the newest snapshot that is not after ``upto``, with its step."""
        return self.journal.latest(upto)

    @property
    def writable(self) -> bool:
        """Whether the person may write to the session, as far as roles go."""
        actor = self.journal.actor
        return not actor.database.read_only and bool(actor.may("session.write", self.case, of=self.reader))

    def save(self, session: Session) -> None:
        """Record what is pending, keep a snapshot and the view.

        Raises
        ------
        AccessError
            When the person may not write to the session.
        """
        self.journal.database.check_writable()
        session.document.refresh()
        keep = view_query(self.key, session.view)
        actor = self.journal.actor
        actor.quietly("session.write", lambda c: c.execute(keep), case=self.case, of=self.reader)
        self.snapshot(session)

    def close(self, session: Session) -> None:
        """Save, and take no more edits."""
        if self.closed:
            return
        try:
            if self.writable:
                self.save(session)
        finally:
            self.closed = True
            session.document.edited.disconnect(self.count, missing_ok=True)


def _changes_labels(edit: Edit) -> bool:
    """Whether an edit makes, changes or deletes labels; their colour and lock are how one works with them."""
    if isinstance(edit, Batch):
        return any(map(_changes_labels, edit.edits))
    if isinstance(edit, Put) and isinstance(edit.item, Label):
        old, new = edit.old, edit.item
        return not isinstance(old, Label) or replace(old, color=new.color, locked=new.locked) != new
    return isinstance(edit, Remove) and isinstance(edit.item, Label)
