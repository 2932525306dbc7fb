"""The readings that an adjudication decides between: under neutral names, each in a colour of its own."""

from __future__ import annotations

import colorsys
import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from nbannot.errors import UnknownItemError
from nbannot.model.document import Document
from nbannot.model.edits import Edit
from nbannot.session import Session
from nbannot.session.difference import turning
from nbannot.session.state import State, capture, rebuild

HUES = (0.55, 0.09, 0.83, 0.33, 0.15, 0.0)
"""Of the first readings, 0 to 1: blue, orange, violet, green, yellow, red."""


def reading_of(project: Any, task: str, number: int) -> Document:
    """Return a copy of one reading of an adjudication or review.

    Parameters
    ----------
    project
        Acting as the one who decides.
    task
        Id of the task.
    number
        Which one, from 1, in the order of the readers' names.

    Raises
    ------
    AccessError
        When the one who acts may not read others' sessions.
    UnknownItemError
        When there is no such reading.
    """
    found = list(project.tasks.readings(task).values())
    if not 1 <= number <= len(found):
        raise UnknownItemError("There is no such reading")
    reading: Document = found[number - 1]
    return reading


def shown_apart(reading: Document, number: int) -> Session:
    """Return a reading to be looked at, its labels in shades of one colour.

    Parameters
    ----------
    reading
        A copy that is tied to nothing.
    number
        Which one, from 1.
    """
    state = capture(reading)
    labels = state.manifest["labels"]
    shades = _shades(_hue(number), len(labels))
    coloured = [{**label, "color": color} for label, color in zip(labels, shades, strict=True)]
    manifest = {**state.manifest, "labels": coloured}
    return Session.of(rebuild(State(manifest, state.voxels), reading.images, author=""))


def colour_of(number: int) -> str:
    """Return the colour of a reading as "#rrggbb"."""
    return _shades(_hue(number), 1)[0]


def answers_of(reading: Document) -> list[list[str]]:
    """Return what a reading answered: pairs of question and answer, in words."""
    found = []
    for tag in reading.tags:
        if tag.value is not None or not tag.attributes:
            found.append([tag.label, "yes" if tag.value is None else _words(tag.value)])
        for question, answer in tag.attributes.items():
            found.append([question, _words(answer)])
    return found


def mark_of(reading: Document) -> str:
    """Return a mark of what a reading holds: the same as long as nobody changes it."""
    state = capture(reading)
    told = hashlib.sha256(json.dumps(state.manifest, sort_keys=True).encode())
    for id in sorted(state.voxels):
        told.update(id.encode() + state.voxels[id])
    return told.hexdigest()[:32]


def take(session: Session, reading: Document, number: int) -> Edit:
    """Make a session hold what a reading does, as one edit that can be undone and changed."""
    document = session.document
    document.refresh()
    with document.lock:
        edit = turning(document, reading, name=f"take reading {number}")
        return document.apply(replace(edit, origin="hand"))


def _hue(number: int) -> float:
    return HUES[(number - 1) % len(HUES)]


def _words(answer: Any) -> str:
    if isinstance(answer, bool):
        return "yes" if answer else "no"
    if isinstance(answer, Sequence) and not isinstance(answer, str):
        return ", ".join(map(str, answer))
    return str(answer)


def _shades(hue: float, count: int) -> list[str]:
    rgb = [colorsys.hls_to_rgb(hue, 0.56 + 0.28 * n / count, 0.85) for n in range(count)]
    return ["#" + "".join(f"{round(255 * part):02x}" for part in one) for one in rgb]
