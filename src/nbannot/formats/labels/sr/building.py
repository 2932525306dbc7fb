"""Content items of a report, encoded at once (PS3.3 C.17.3; PS3.5 7, explicit VR little endian).

A report of some hundred items has some ten thousand elements. As objects of a library they take seconds.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from numpy.typing import NDArray

from nbannot.formats.dicom import encoding
from nbannot.formats.labels.sr.concepts import RECORD_CREATOR, RECORD_GROUP, SCHEME
from nbannot.model.labels import Code

Item = dict[int, bytes]
"""Encoded elements by tag."""

_MEANING = 64
"""Characters of a code meaning (PS3.5, LO)."""


def item(kind: str, relation: str, concept: Code | None, children: Iterable[Item] = ()) -> Item:
    """Return an item of a value type without its value."""
    made = {
        0x0040A010: encoding.text(0x0040A010, "CS", relation),
        0x0040A040: encoding.text(0x0040A040, "CS", kind),
    }
    if concept is not None:
        made[0x0040A043] = _code(0x0040A043, concept)
    below = list(children)
    if below:
        made[0x0040A730] = encoding.sequence(0x0040A730, map(encoded, below))
    return made


def group(concept: Code, template: str, children: Iterable[Item], record: str) -> Item:
    """Return a container that follows a template of DICOM, with our record in a private element."""
    made = item("CONTAINER", "CONTAINS", concept, children)
    made[0x0040A050] = encoding.text(0x0040A050, "CS", "SEPARATE")
    named = encoding.text(0x00080105, "CS", "DCMR") + encoding.text(0x0040DB00, "CS", template)
    made[0x0040A504] = encoding.sequence(0x0040A504, [named])
    block = RECORD_GROUP << 16
    made[block | 0x0010] = encoding.text(block | 0x0010, "LO", RECORD_CREATOR)
    made[block | 0x1001] = encoding.text(block | 0x1001, "UT", record)
    return made


def text(relation: str, concept: Code, words: str) -> Item:
    """Return a TEXT item."""
    return item("TEXT", relation, concept) | {0x0040A160: encoding.text(0x0040A160, "UT", words)}


def uid(concept: Code, value: str) -> Item:
    """Return a UIDREF item."""
    return item("UIDREF", "HAS OBS CONTEXT", concept) | {0x0040A124: encoding.text(0x0040A124, "UI", value)}


def coded(concept: Code, value: Code, relation: str = "CONTAINS") -> Item:
    """Return a CODE item."""
    return item("CODE", relation, concept) | {0x0040A168: _code(0x0040A168, value)}


def number(concept: Code, value: float, unit: Code, children: Iterable[Item] = ()) -> Item:
    """Return a NUM item."""
    measured = (
        _code(0x004008EA, unit)
        + encoding.element(0x0040A161, "FD", struct.pack("<d", value))
        + encoding.text(0x0040A30A, "DS", f"{value:.9g}")
    )
    return item("NUM", "CONTAINS", concept, children) | {
        0x0040A300: encoding.sequence(0x0040A300, [measured])
    }


def image(relation: str, concept: Code | None, sop_class: str, instance: str, frame: int | None) -> Item:
    """Return an IMAGE item."""
    refer = encoding.text(0x00081150, "UI", sop_class) + encoding.text(0x00081155, "UI", instance)
    if frame is not None:
        refer += encoding.text(0x00081160, "IS", str(frame))
    return item("IMAGE", relation, concept) | {0x00081199: encoding.sequence(0x00081199, [refer])}


def on_picture(relation: str, concept: Code | None, graphic: str, points: NDArray[Any], shown: Item) -> Item:
    """Return an SCOORD item: points (n, 2) as (i, j) indices, pixel centres at whole numbers."""
    return item("SCOORD", relation, concept, [shown]) | _graphic(graphic, points + 0.5)


def in_world(
    relation: str, concept: Code | None, graphic: str, points: NDArray[Any], frame_of_reference: str
) -> Item:
    """Return an SCOORD3D item: points (n, 3), world LPS mm."""
    placed = {0x30060024: encoding.text(0x30060024, "UI", frame_of_reference)}
    return item("SCOORD3D", relation, concept) | _graphic(graphic, points) | placed


def encoded(made: Item) -> bytes:
    """Return an item as bytes, its elements in order."""
    return b"".join(made[tag] for tag in sorted(made))


def text_element(tag: int, words: str) -> bytes:
    """Return one element of unlimited text."""
    return encoding.text(tag, "UT", words)


def own_code(words: str) -> Code:
    """Return a private code for a text, the same for the same text."""
    return Code(hashlib.sha256(words.encode()).hexdigest()[:12].upper(), SCHEME, words)


def uid_of(words: str) -> str:
    """Return the UID that stands for an id: the id itself where it is one (PS3.5 B.2)."""
    parts = words.split(".")
    plain = all(part.isascii() and part.isdigit() and (part == "0" or part[0] != "0") for part in parts)
    if plain and len(words) <= 64 and len(parts) > 2 and parts[0] in ("0", "1", "2"):
        return words
    return f"2.25.{int.from_bytes(hashlib.sha256(words.encode()).digest()[:16], 'big')}"


def _graphic(kind: str, points: NDArray[Any]) -> Item:
    data = points.astype("<f4").tobytes()
    # What is too long for the VR is written as UN (PS3.5 6.2.2, note 2).
    vr = "FL" if len(data) < 0xFFFF else "UN"
    return {
        0x00700022: encoding.element(0x00700022, vr, data),
        0x00700023: encoding.text(0x00700023, "CS", kind),
    }


def _code(tag: int, code: Code) -> bytes:
    return encoding.sequence(tag, [_code_item(code)])


@lru_cache(maxsize=4096)
def _code_item(code: Code) -> bytes:
    long = len(code.value) > 16
    return (
        (b"" if long else encoding.text(0x00080100, "SH", code.value))
        + encoding.text(0x00080102, "SH", code.scheme[:16])
        + encoding.text(0x00080104, "LO", code.meaning.replace("\\", "/")[:_MEANING])
        + (encoding.text(0x00080119, "UC", code.value) if long else b"")
    )
