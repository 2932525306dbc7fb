"""Run-length records of changed voxels: undo entry, wire message and journal line in one.

A run is ``gap, length, old, new``, each an unsigned LEB128 varint; gap counts the unchanged
voxels since the previous run, inside a box in C order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import EditError

Index = NDArray[np.int64]
Bounds = tuple[tuple[int, int, int], tuple[int, int, int]]


def encode_varints(values: Index) -> bytes:
    """Return the values (≥ 0, < 2**35) as unsigned LEB128."""
    if values.size == 0:
        return b""
    sizes = np.ones(values.size, dtype=np.int64)
    for bits in (7, 14, 21, 28):
        sizes += values >= (1 << bits)
    ends = np.cumsum(sizes)
    out = np.zeros(int(ends[-1]), dtype=np.uint8)
    starts = ends - sizes
    for n in range(int(sizes.max())):
        here = sizes > n
        more = (sizes[here] > n + 1).astype(np.uint8) << 7
        out[starts[here] + n] = ((values[here] >> (7 * n)) & 0x7F).astype(np.uint8) | more
    return out.tobytes()


def decode_varints(data: bytes) -> Index:
    """Return the values of unsigned LEB128 bytes.

    Raises
    ------
    EditError
        When the bytes end within a value, or a value is too large.
    """
    raw = np.frombuffer(data, dtype=np.uint8)
    if raw.size == 0:
        return np.zeros(0, dtype=np.int64)
    last = raw < 0x80
    if not last[-1]:
        raise EditError("The run data end within a number", hint="Send the edit again.")
    ends = np.flatnonzero(last)
    starts = np.concatenate(([0], ends[:-1] + 1))
    sizes = ends - starts + 1
    if sizes.max() > 5:
        raise EditError("The run data hold a number that is too large")
    values = np.zeros(ends.size, dtype=np.int64)
    for n in range(int(sizes.max())):
        here = sizes > n
        values[here] |= (raw[starts[here] + n].astype(np.int64) & 0x7F) << (7 * n)
    return values


@dataclass(frozen=True, slots=True)
class Runs:
    """Changed voxels inside a box, as ``count`` encoded runs."""

    data: bytes = b""
    count: int = 0

    def __post_init__(self) -> None:
        # A cheap check that catches torn messages: four numbers a run, each ends below 0x80.
        raw = np.frombuffer(self.data, dtype=np.uint8)
        if int((raw < 0x80).sum()) != 4 * self.count or (raw.size and raw[-1] >= 0x80):
            raise EditError(f"The run data do not hold {self.count} runs")

    @classmethod
    def of(cls, start: Index, length: Index, old: Index, new: Index) -> Runs:
        """Return the runs with these starts, lengths (voxels), old and new values."""
        table = np.empty((start.size, 4), dtype=np.int64)
        table[:, 0] = start
        table[1:, 0] -= (start + length)[:-1]
        table[:, 1], table[:, 2], table[:, 3] = length, old, new
        return cls(encode_varints(table.ravel()), int(start.size))

    @classmethod
    def of_voxels(cls, flat: Index, old: NDArray[Any], new: NDArray[Any]) -> Runs:
        """Return the runs of single voxels at ascending flat offsets; unchanged ones are left out."""
        changed = old != new
        flat, old, new = flat[changed], old[changed], new[changed]
        if flat.size == 0:
            return cls()
        breaks = (np.diff(flat) != 1) | (np.diff(old.astype(np.int64)) != 0)
        breaks |= np.diff(new.astype(np.int64)) != 0
        first = np.concatenate(([0], np.flatnonzero(breaks) + 1))
        length = np.diff(np.concatenate((first, [flat.size])))
        return cls.of(flat[first], length, old[first].astype(np.int64), new[first].astype(np.int64))

    def table(self) -> Index:
        """Return (count, 4): start, length, old, new."""
        table = decode_varints(self.data).reshape(-1, 4)
        gaps = table[:, 0].copy()
        gaps[1:] += table[:-1, 1]
        table[:, 0] = np.cumsum(gaps)
        return table

    def voxels(self) -> tuple[Index, Index, Index]:
        """Return flat offsets, old and new values of every voxel."""
        table = self.table()
        length = table[:, 1]
        total = int(length.sum())
        begin = np.repeat(np.cumsum(length) - length, length)
        flat = np.repeat(table[:, 0], length) + np.arange(total) - begin
        return flat, np.repeat(table[:, 2], length), np.repeat(table[:, 3], length)

    def inverse(self) -> Runs:
        """Return the runs with old and new exchanged."""
        table = decode_varints(self.data).reshape(-1, 4)
        return Runs(encode_varints(np.ascontiguousarray(table[:, [0, 1, 3, 2]]).ravel()), self.count)

    @property
    def extent(self) -> int:
        """Flat offset just after the last voxel."""
        if self.count == 0:
            return 0
        table = decode_varints(self.data).reshape(-1, 4)
        return int(table[:, :2].sum())

    @property
    def size(self) -> int:
        """Number of changed voxels."""
        return int(decode_varints(self.data).reshape(-1, 4)[:, 1].sum())


def difference(old: NDArray[Any], new: NDArray[Any], k0: int = 0) -> tuple[Bounds, Runs] | None:
    """Return the box and runs that turn ``old`` into ``new`` (both (k, j, i)), or None.

    ``k0`` is the slice index of the first slice of both arrays.
    """
    changed = old != new
    if not changed.any():
        return None
    limits = []
    for axis in range(3):
        others = tuple(n for n in range(3) if n != axis)
        where = np.flatnonzero(changed.any(axis=others))
        limits.append((int(where[0]), int(where[-1]) + 1))
    window = tuple(slice(*limit) for limit in limits)
    flat = np.flatnonzero(changed[window])
    runs = Runs.of_voxels(flat, old[window].ravel()[flat], new[window].ravel()[flat])
    (ka, kb), (ja, jb), (ia, ib) = limits
    return ((ka + k0, ja, ia), (kb + k0, jb, ib)), runs


def clip_index(bounds: Bounds, flat: Index) -> tuple[Index, Index, Index]:
    """Return (k, j, i) of flat offsets inside a box."""
    low, high = bounds
    sizes = tuple(b - a for a, b in zip(low, high, strict=True))
    k, j, i = np.unravel_index(flat, sizes)
    return k + low[0], j + low[1], i + low[2]
