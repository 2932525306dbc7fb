"""What all actors of one project share: its database, its files, its live sessions."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock
from typing import Any

from nbannot.deid import Policy
from nbannot.model.image import Image
from nbannot.store.database import Database
from nbannot.store.keeper import Kept
from nbannot.store.places import Place
from nbannot.store.shown import Views
from nbannot.store.snapshots import Snapshots

SNAPSHOT_EVERY = 200
# Steps that can be undone right after opening.
UNDO_STEPS = 100


@dataclass(slots=True)
class Core:
    """An open project.

    Parameters
    ----------
    database, place
        Rows and files.
    show
        Makes views of the project; None leaves ``start`` only.
    every
        Number of edits from one snapshot to the next.
    close
        Gives the database back.
    snapshots
        What keeps snapshots.
    options
        What opens URLs of images (storage_options); never kept.
    live
        What keeps the open sessions, by (actor, session id).
    images
        Open images by id, place, policy (None: as they are) and name.
    """

    database: Database
    place: Place
    show: Views | None
    every: int
    close: Callable[[], object]
    snapshots: Snapshots
    options: Mapping[str, Any] = field(default_factory=dict)
    live: weakref.WeakValueDictionary[tuple[str, str], Kept] = field(
        default_factory=weakref.WeakValueDictionary
    )
    lock: RLock = field(default_factory=RLock)
    images: weakref.WeakValueDictionary[tuple[str, str, Policy | None, str], Image] = field(
        default_factory=weakref.WeakValueDictionary
    )
    _locks: tuple[RLock, ...] = field(default_factory=lambda: tuple(RLock() for _ in range(64)))

    def lock_of(self, person: str, case: str) -> RLock:
        """Return the lock under which a person's sessions of a case are opened; others go on meanwhile."""
        return self._locks[hash((person, case)) % len(self._locks)]

    @property
    def base(self) -> Path:
        """Folder that relative paths of images start at."""
        return self.place.base
