"""Rows of a header listing."""

from __future__ import annotations

from typing import NamedTuple

_LONGEST = 400


class Row(NamedTuple):
    """One element of a header.

    Parameters
    ----------
    depth
        0 for elements of the file, 1 for items of a sequence, 2 for their elements, …
    tag
        "(gggg,eeee)" in DICOM, else empty.
    name
        Name of the element; "Item 1" for an item of a sequence.
    vr
        Value representation (DICOM) or type of number (NIfTI).
    value
        The value as text; long and binary ones by their size only.
    """

    depth: int
    tag: str
    name: str
    vr: str
    value: str


def elided(size: int) -> str:
    """Return what stands for a value of `size` bytes."""
    return f"{size} byte{'' if size == 1 else 's'}"


def shortened(text: str) -> str:
    """Return text on one line, cut where it is long."""
    plain = " ".join(text.split())
    return plain if len(plain) <= _LONGEST else f"{plain[:_LONGEST]}… ({len(plain)} characters)"
