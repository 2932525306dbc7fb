"""Who else is in a case, and where, as far as the one who asks may know."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from nbannot.hub.neutral import TEAM, knows_names

Json = dict[str, Any]

_MOST_ENTRIES = 32


class Company:
    """The people in one case, for one person.

    By the access table: whoever may see others' sessions sees everybody; others see those who may, and
    without their names where they do not know the names of the project.

    Parameters
    ----------
    project
        Acting as the person.
    case
        Name of the case.
    """

    def __init__(self, project: Any, case: str) -> None:
        self._project, self._case = project, case
        self._named = knows_names(project)
        self._numbers: dict[str, int] = {}
        self._told: list[Json] = []
        # Whether one sees all others, and all others may see one.
        self.sees_all = bool(project.people.allowed("session.read", case))

    @property
    def alone(self) -> bool:
        """Whether nobody was seen at the last look."""
        return not self._told

    def news(self) -> list[Json] | None:
        """Return who is there now; None where it is as at the last look."""
        table = self._project.presence(self._case)
        rows = zip(table["person"], table["place"], strict=True)
        now = [self._one(str(person), place) for person, place in rows if person != self._project.author]
        if now == self._told:
            return None
        self._told = now
        return now

    def _one(self, person: str, place: Any) -> Json:
        number = self._numbers.setdefault(person, len(self._numbers) + 1)
        return {"id": number, "person": person if self._named else TEAM, "place": place}


def whereabouts(given: Any, images: Sequence[str]) -> Json | None:
    """Return where somebody looks, as it may be kept and shown to others; None for what is no place.

    Parameters
    ----------
    given
        What the browser says: "image" (id), "frame", "cursor" (LPS mm), "cursors" (by image), "slice" (by image).
    images
        Ids of the images of the case.
    """
    if not isinstance(given, Mapping) or given.get("image") not in images:
        return None
    frame = given.get("frame")
    cursors = _by_image(given.get("cursors"), images)
    slices = _by_image(given.get("slice"), images)
    return {
        "image": given["image"],
        "frame": frame if _whole(frame) else 0,
        "cursor": _point(given.get("cursor")),
        "cursors": {id: point for id, one in cursors.items() if (point := _point(one)) is not None},
        "slice": {id: k for id, k in slices.items() if _whole(k)},
    }


def _by_image(given: Any, images: Sequence[str]) -> Json:
    if not isinstance(given, Mapping) or len(given) > _MOST_ENTRIES:
        return {}
    return {id: one for id, one in given.items() if id in images}


def _point(given: Any) -> list[float] | None:
    if not isinstance(given, list) or len(given) != 3:
        return None
    good = all(isinstance(one, int | float) and not isinstance(one, bool) for one in given)
    if not good or not all(math.isfinite(one) and abs(one) < 1e9 for one in given):
        return None
    return [round(float(one), 3) for one in given]


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1_000_000
