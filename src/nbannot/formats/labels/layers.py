"""Segments as label arrays: one where they are apart, more where they overlap."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Flags = NDArray[np.bool_]
FlatPart = tuple[int, tuple[slice, slice], Flags]
"""Slice k, the rows and columns around what is set on it, and the flags there."""


@dataclass(slots=True)
class Layer:
    """Segments that do not overlap, as one array (k, j, i), and their numbers."""

    array: NDArray[Any]
    numbers: list[int] = field(default_factory=list)


def flat_part(k: int, flags: Flags) -> FlatPart | None:
    """Return what is set on a slice, without the empty rows and columns around it; None for nothing."""
    rows = np.flatnonzero(flags.any(axis=1))
    if rows.size == 0:
        return None
    window = slice(int(rows[0]), int(rows[-1]) + 1)
    columns = np.flatnonzero(flags[window].any(axis=0))
    both = (window, slice(int(columns[0]), int(columns[-1]) + 1))
    return k, both, flags[both]


def layers_of(
    segments: Iterable[tuple[int, Sequence[FlatPart]]], shape: tuple[int, ...], dtype: type[np.generic]
) -> list[Layer]:
    """Return numbered segments as arrays, each in the first where it overlaps none."""
    layers = [Layer(np.zeros(shape, dtype))]
    for number, parts in segments:
        free = next((one for one in layers if not _overlaps(one.array, parts)), None)
        if free is None:
            free = Layer(np.zeros(shape, dtype))
            layers.append(free)
        free.numbers.append(number)
        for k, window, flags in parts:
            free.array[(k, *window)][flags] = number
    return layers


def _overlaps(array: NDArray[Any], parts: Iterable[FlatPart]) -> bool:
    return any(bool(array[(k, *window)][flags].any()) for k, window, flags in parts)


__all__ = ["FlatPart", "Layer", "flat_part", "layers_of"]
