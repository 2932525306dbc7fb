"""Who else is in a case that a viewer shows, where one looks oneself, and following somebody."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from threading import Event, RLock, Thread
from typing import Any

from nbannot.errors import NbannotError
from nbannot.store import Project
from nbannot.viewer import Viewer

STILL_HERE_S = 20.0
PAUSE_S = 2.0
FOLLOWING_S = 0.5

_SHOWN = ("frame", "cursor", "cursors", "slice")


class Together:
    """Tells the project where a viewer looks, and knows who else is in the case; ends with `close`.

    Parameters
    ----------
    project
        Any project.
    case
        Name of the case.
    viewer
        What shows it.
    changed
        Called, in a thread of its own, when others came or left, or when following ended.
    """

    def __init__(self, project: Project, case: str, viewer: Viewer, *, changed: Callable[[], None]) -> None:
        self._project, self._case, self._viewer, self._changed = project, case, viewer, changed
        self._places: dict[str, Any] = {}
        self._following: str | None = None
        self._shown: dict[str, Any] | None = None
        self._told: dict[str, Any] | None = None
        self._told_at = 0.0
        self._lock = RLock()
        self._woken, self._closed = Event(), Event()
        viewer.observe(self._moved, "view")
        self._thread = Thread(target=self._work, name="nbannot-together", daemon=True)
        self._thread.start()

    @property
    def people(self) -> list[str]:
        """Who else is in the case, as far as one may know it."""
        return list(self._places)

    @property
    def following(self) -> str | None:
        """Whom the viewer follows."""
        return self._following

    def follow(self, person: str | None) -> None:
        """Show what a person looks at from now on; None to go on by oneself, as does scrolling."""
        with self._lock:
            self._following, self._shown = person, None
            self._go()
        self._woken.set()

    def close(self) -> None:
        """Be in the case no longer."""
        self._closed.set()
        self._woken.set()
        with contextlib.suppress(ValueError):
            self._viewer.unobserve(self._moved, "view")
        self._thread.join(timeout=10)

    # What the thread does.

    def _work(self) -> None:
        while not self._closed.is_set():
            with contextlib.suppress(NbannotError):  # away for a moment
                self._tell()
                self._look()
            self._woken.wait(FOLLOWING_S if self._following or self._places else PAUSE_S)
            self._woken.clear()
        with contextlib.suppress(NbannotError):
            self._project.be(self._case, None)

    def _tell(self) -> None:
        place, now = where(self._viewer), time.monotonic()
        if place == self._told and now - self._told_at < STILL_HERE_S:
            return
        if self._told is not None and not self._places and now - self._told_at < STILL_HERE_S:
            return  # nobody is there to see each step
        self._project.be(self._case, place)
        self._told, self._told_at = place, now

    def _look(self) -> None:
        table = self._project.presence(self._case)
        rows = zip(table["person"], table["place"], strict=True)
        places = {str(person): place for person, place in rows if person != self._project.author}
        with self._lock:
            news = list(places) != list(self._places)
            self._places = places
            if self._following is not None and self._following not in places:
                self._following, news = None, True
            self._go()
        if news and not self._closed.is_set():
            self._changed()

    def _go(self) -> None:
        """Show the place of the one who is followed."""
        place = self._places.get(self._following or "")
        if not isinstance(place, Mapping) or self._closed.is_set():
            return
        ids = [image.id for image in self._viewer.document.images]
        if place.get("image") not in ids:
            return
        view = dict(self._viewer.view)
        changed = {**view, **{key: place[key] for key in _SHOWN if key in place}}
        if place["image"] != self._viewer.image.id:
            changed["image"] = place["image"]
        self._shown = None
        if changed != view:
            self._viewer.view = changed
        self._shown = where(self._viewer)

    def _moved(self, _: Any) -> None:
        """End following when the view was moved by somebody at this viewer."""
        with self._lock:
            if self._following is None or self._shown is None or where(self._viewer) == self._shown:
                return
            self._following = None
        self._changed()


def where(viewer: Viewer) -> dict[str, Any]:
    """Return where a viewer looks, as the pages of the service tell it."""
    view = viewer.view
    return {
        "image": viewer.image.id, "frame": view.get("frame", 0), "cursor": view.get("cursor"),
        "cursors": view.get("cursors", {}), "slice": view.get("slice", {}),
    }  # fmt: skip
