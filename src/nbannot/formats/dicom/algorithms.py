"""How a segment was made, in DICOM's three words (PS3.3 C.8.20.4 Segment Algorithm Type)."""

from __future__ import annotations

from typing import NamedTuple

from nbannot.model.document import Document
from nbannot.model.masks import Mask
from nbannot.model.provenance import START, Share, segment_shares
from nbannot.model.schema import segment_key

# Whose voxels say nothing about how they were made: taken for drawn by hand unless told.
_UNKNOWN = ("hand", "import", START)


class Algorithm(NamedTuple):
    """Type ("MANUAL", "SEMIAUTOMATIC" or "AUTOMATIC"; "" is MANUAL), name and version."""

    type: str = ""
    name: str = ""
    version: str = ""


def algorithms_of(item: Mask | Document, algorithm: str) -> dict[str, Algorithm]:
    """Return the algorithm of each segment, by `segment_key`, from a document's history.

    All voxels by hand (or of unknown origin): MANUAL. All by one model: AUTOMATIC. Else
    SEMIAUTOMATIC: several of them, an operation, or Python, which a person called.
    """
    if algorithm or isinstance(item, Mask) or not item.history:
        return {}
    shares: dict[str, list[Share]] = {}
    for share in segment_shares(item):
        if share.voxels:
            shares.setdefault(segment_key(share.mask, share.value), []).append(share)
    return {key: _of({one.source for one in found}) for key, found in shares.items()}


def named(text: str) -> tuple[str, str]:
    """Split "NAME VERSION" at the last blank, where what follows begins with a digit or "v"."""
    name, _, last = text.rpartition(" ")
    if (name and last[:1].isdigit()) or (last[:1] == "v" and last[1:2].isdigit() and name):
        return name, last
    return text, ""


def _of(sources: set[str]) -> Algorithm:
    made = sorted(source for source in sources if source not in _UNKNOWN)
    if not made:
        return Algorithm("MANUAL")
    if len(sources) == 1 and made[0].startswith("model:"):
        return Algorithm("AUTOMATIC", *named(made[0].removeprefix("model:")))
    if len(made) == 1:
        return Algorithm("SEMIAUTOMATIC", *named(made[0].partition(":")[2] or made[0]))
    return Algorithm("SEMIAUTOMATIC", ", ".join(one.partition(":")[2] or one for one in made))
