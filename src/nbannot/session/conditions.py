"""Conditions of hanging rules: which of the images are meant."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nbannot.model.geometry import Geometry
from nbannot.model.image import Image
from nbannot.session.problems import Misfit, join, nearest, shown

ORIENTATIONS = ("axial", "coronal", "sagittal", "oblique", "none")
TIME_POINTS = ("current", "prior", "baseline")
_TEXTS = ("modality", "laterality", "view_position", "body_part", "name", "id")
KINDS = ("volume", "picture")
KEYS = (*_TEXTS, "description", "kind", "orientation", "time_point", "count", "index")

_PATTERN = re.compile(r"/(.*)/i?", re.DOTALL)
_MAX_PATTERN = 200
# Beyond this the slices are called oblique: the largest part of the unit normal.
_STRAIGHT = 0.8


@dataclass(frozen=True, slots=True)
class Seen:
    """What a rule knows of an image.

    Parameters
    ----------
    image
        The image.
    orientation
        Of the stored slices: one of `ORIENTATIONS`; "none" for pictures and clips.
    time
        Number of its study in time, the oldest is 0; None where its date is not known.
    times
        Number of studies in time.
    """

    image: Image
    orientation: str
    time: int | None
    times: int

    def text(self, key: str) -> str:
        """Return an attribute by its name in a condition; empty where the image has none."""
        name = "series_description" if key == "description" else key
        return str(getattr(self.image, name, "") or "")


def see(images: Sequence[Image]) -> list[Seen]:
    """Return what rules know of the images."""
    dates = [image.study_date for image in images]
    order = sorted({date for date in dates if date})
    undated = not order
    seen = []
    for image, date in zip(images, dates, strict=True):
        time = 0 if undated else order.index(date) if date else None
        seen.append(Seen(image, orientation(image), time, max(len(order), 1)))
    return seen


def orientation(image: Image) -> str:
    """Return how the stored slices lie in the patient."""
    geometry = image.geometry
    if isinstance(geometry, Geometry):
        normals = [np.asarray(geometry.normal, dtype=float)]
    elif geometry.patient_space and image.shape[0] > 0:
        normals = [np.cross(plane.row_step, plane.column_step) for plane in geometry.planes]
    else:
        return "none"
    units = [normal / max(float(np.linalg.norm(normal)), 1e-12) for normal in normals]
    parts = np.abs(np.mean([unit * np.sign(unit @ units[0] or 1.0) for unit in units], axis=0))
    best = int(parts.argmax())
    return ("sagittal", "coronal", "axial")[best] if parts[best] >= _STRAIGHT else "oblique"


@dataclass(frozen=True, slots=True)
class Condition:
    """What an image must be.

    Parameters
    ----------
    texts
        (attribute, texts of which it must equal one, whatever the case).
    description
        Pattern that is found in the series description.
    kind
        "volume": a regular grid of several slices; "picture": all else, scouts and clips too.
    orientation
        Orientations of the stored slices.
    time
        Time points: numbers (0 the oldest, -1 the newest) or names.
    count
        (least, most) number of images that fit.
    index
        Which of those that fit, where one is chosen.
    """

    texts: tuple[tuple[str, tuple[str, ...]], ...] = ()
    description: re.Pattern[str] | None = None
    kind: tuple[str, ...] = ()
    orientation: tuple[str, ...] = ()
    time: tuple[int | str, ...] = ()
    count: tuple[int, int | None] = (1, None)
    index: int = 0

    def fits(self, seen: Seen) -> bool:
        """Whether an image is meant; the count is not looked at."""
        for key, values in self.texts:
            if seen.text(key).casefold() not in values:
                return False
        if self.description is not None and self.description.search(seen.text("description")) is None:
            return False
        if self.kind and _kind(seen.image) not in self.kind:
            return False
        if self.orientation and seen.orientation not in self.orientation:
            return False
        return not self.time or any(_at(seen, point) for point in self.time)

    def all(self, seen: Sequence[Seen]) -> list[Seen]:
        """Return the images that fit."""
        return [one for one in seen if self.fits(one)]

    def met(self, seen: Sequence[Seen]) -> bool:
        """Whether as many images fit as must."""
        least, most = self.count
        found = len(self.all(seen))
        return found >= least and (most is None or found <= most)

    def one(self, seen: Sequence[Seen]) -> Seen | None:
        """Return the image that is chosen, or None."""
        found = self.all(seen)
        return found[self.index] if -len(found) <= self.index < len(found) else None


def read_condition(value: Any, key: str) -> Condition:
    """Read a condition.

    Raises
    ------
    Misfit
        When a key is unknown or a value is wrong.
    """
    if not isinstance(value, Mapping):
        raise Misfit(
            f"{shown(value)} is no condition", hint="Write {modality: CT} or the like.", key=key, value=value
        )
    for name in value:
        if name not in KEYS:
            hint = nearest(str(name), KEYS)
            raise Misfit(f"Unknown key {shown(name)}", hint=hint, key=join(key, str(name)), value=value[name])
    texts = tuple(
        (name, tuple(one.casefold() for one in _texts(value[name], join(key, name))))
        for name in _TEXTS
        if name in value
    )
    return Condition(
        texts,
        _pattern(value["description"], join(key, "description")) if "description" in value else None,
        _choices(value, "kind", KINDS, key),
        _choices(value, "orientation", ORIENTATIONS, key),
        _times(value["time_point"], join(key, "time_point")) if "time_point" in value else (),
        _count(value.get("count", [1, None]), join(key, "count")),
        _whole(value.get("index", 0), join(key, "index")),
    )


def _kind(image: Image) -> str:
    return "volume" if isinstance(image.geometry, Geometry) and min(image.shape) > 1 else "picture"


def _at(seen: Seen, point: int | str) -> bool:
    if seen.time is None:
        return False
    number = {"current": -1, "prior": -2, "baseline": 0}[point] if isinstance(point, str) else point
    return seen.time == (number if number >= 0 else seen.times + number)


def _texts(value: Any, key: str) -> list[str]:
    values = value if isinstance(value, list | tuple) else [value]
    if not values or not all(isinstance(one, str) for one in values):
        raise Misfit(
            f"{shown(value)} is no text", hint="Write a text or a list of texts.", key=key, value=value
        )
    return list(values)


def _choices(value: Mapping[str, Any], name: str, choices: Sequence[str], key: str) -> tuple[str, ...]:
    if name not in value:
        return ()
    found = [one.casefold() for one in _texts(value[name], join(key, name))]
    for one in found:
        if one not in choices:
            hint = nearest(one, choices)
            raise Misfit(f"Unknown {name} {one!r}", hint=hint, key=join(key, name), value=one)
    return tuple(found)


def _pattern(value: Any, key: str) -> re.Pattern[str]:
    """Return the pattern of ``/regex/``, of a glob, or of a text that is contained."""
    if not isinstance(value, str) or not value:
        raise Misfit(
            f"{shown(value)} is no pattern", hint='Write "chest", "*chest*" or "/t[12].*flair/".',
            key=key, value=value,
        )  # fmt: skip
    if len(value) > _MAX_PATTERN:
        raise Misfit("The pattern is too long", hint=f"{_MAX_PATTERN} characters at most.", key=key)
    regex = _PATTERN.fullmatch(value)
    if regex is not None:
        text = regex[1]
    elif any(one in value for one in "*?["):
        text = rf"\A{fnmatch.translate(value)}"
    else:
        text = re.escape(value)
    try:
        return re.compile(text, re.IGNORECASE)
    except (re.error, OverflowError, RecursionError) as cause:
        raise Misfit(
            f"The regular expression {shown(value)} is broken: {cause}",
            hint="Put a backslash before a bracket that is meant as itself.", key=key, value=value,
        ) from None  # fmt: skip


def _times(value: Any, key: str) -> tuple[int | str, ...]:
    values = value if isinstance(value, list | tuple) else [value]
    for one in values:
        if isinstance(one, bool) or not (isinstance(one, int) or one in TIME_POINTS):
            raise Misfit(
                f"Unknown time point {shown(one)}",
                hint="Write current, prior, baseline, or a number (0 is the oldest, -1 the newest).",
                key=key, value=one,
            )  # fmt: skip
    return tuple(values)


def _count(value: Any, key: str) -> tuple[int, int | None]:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value, value
    if isinstance(value, list | tuple) and len(value) == 2:
        least, most = value
        if (
            isinstance(least, int)
            and least >= 0
            and (most is None or (isinstance(most, int) and most >= least))
        ):
            return least, most
    raise Misfit(
        f"The count is {shown(value)}",
        hint="Write a number, or [least, most] (null: any).",
        key=key,
        value=value,
    )


def _whole(value: Any, key: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise Misfit(f"The index is {shown(value)}", hint="Write a whole number.", key=key, value=value)
