"""Masks as runs, as COCO keeps them: down the columns, beginning with zeros."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import FormatError

_MOST = 1 << 28
"""Pixels of a mask."""


def counts_of(mask: NDArray[Any]) -> list[int]:
    """Return the lengths of the runs of a mask (rows, columns)."""
    flat = np.asarray(mask, dtype=bool).ravel(order="F")
    ends = np.flatnonzero(np.diff(flat)) + 1
    lengths = np.diff(np.concatenate(([0], ends, [flat.size]))).tolist()
    return [0, *lengths] if flat.size and flat[0] else lengths


def packed(counts: list[int]) -> str:
    """Return run lengths as COCO's text: differences to the run before last, 5 bits to a character."""
    text = []
    for n, count in enumerate(counts):
        value = count - counts[n - 2] if n > 2 else count
        while True:
            bits = value & 31
            value >>= 5
            done = value == (-1 if bits & 16 else 0)
            text.append(chr((bits | (0 if done else 32)) + 48))
            if done:
                break
    return "".join(text)


def unpacked(text: str) -> list[int]:
    """Return the run lengths of COCO's text.

    Raises
    ------
    FormatError
        When the text is none.
    """
    counts: list[int] = []
    value = shift = 0
    for letter in text:
        code = ord(letter) - 48
        if not 0 <= code < 64 or shift > 40:
            raise FormatError("the text of a run-length code is damaged")
        value |= (code & 31) << shift
        shift += 5
        if not code & 32:
            if code & 16:
                value -= 1 << shift
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value = shift = 0
    if shift:
        raise FormatError("the text of a run-length code is cut off")
    return counts


def mask_of(segmentation: Any) -> NDArray[np.bool_]:
    """Return the mask (rows, columns) of {"size": [rows, columns], "counts": list or text}.

    Raises
    ------
    FormatError
        When the runs do not fill the size.
    """
    try:
        rows, columns = (int(n) for n in segmentation["size"])
        counts = segmentation["counts"]
        counts = unpacked(counts) if isinstance(counts, str) else [int(n) for n in counts]
    except (KeyError, TypeError, ValueError) as cause:
        raise FormatError("a run-length code needs a size and counts") from cause
    if (
        rows < 1
        or columns < 1
        or rows * columns > _MOST
        or min(counts, default=0) < 0
        or sum(counts) != rows * columns
    ):
        raise FormatError(f"a run-length code of {sum(counts)} pixels does not fill {rows} × {columns}")
    flat = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return flat.reshape((rows, columns), order="F")
