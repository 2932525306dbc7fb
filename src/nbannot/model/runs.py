"""Run-length records of changed voxels: undo entry, wire message and journal line in one.

A run is ``gap, length, old, new``, each an unsigned LEB128 varint; gap counts the unchanged
voxels since the previous run, inside a box in C order.

What a history keeps of large changes is packed: its four columns, each compressed by itself (zlib). They are a
quarter of the bytes, and the inverse of a change shares them with it.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import EditError

Index = NDArray[np.int64]
Bounds = tuple[tuple[int, int, int], tuple[int, int, int]]
_Columns = tuple[bytes, bytes, bytes, bytes]
"""Gaps, lengths, old and new values, each as compressed varints."""

PACKED_FROM = 1 << 13
"""Runs of fewer bytes stay as they are: an ordinary stroke is not worth the work."""


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


class Runs:
    """Changed voxels inside a box, as ``count`` encoded runs.

    A value that does not change. Large ones can be held compressed: see `pack`.

    Raises
    ------
    EditError
        When ``data`` do not hold ``count`` runs.
    """

    __slots__ = ("_columns", "_count", "_data")

    def __init__(self, data: bytes = b"", count: int = 0) -> None:
        # A cheap check that catches torn messages: four numbers a run, each ends below 0x80.
        raw = np.frombuffer(data, dtype=np.uint8)
        if int((raw < 0x80).sum()) != 4 * count or (raw.size and raw[-1] >= 0x80):
            raise EditError(f"The run data do not hold {count} runs")
        self._count = count
        self._data: bytes | None = data
        self._columns: _Columns | None = None

    @classmethod
    def _of_columns(cls, columns: _Columns, count: int) -> Runs:
        runs = cls()
        runs._count, runs._columns, runs._data = count, columns, None
        return runs

    @classmethod
    def of_table(cls, table: Index) -> Runs:
        """Return the runs of a table as `table` gives it."""
        gaps = table.copy()
        gaps[1:, 0] -= (table[:, 0] + table[:, 1])[:-1]
        return cls(encode_varints(gaps.ravel()), len(table))

    @classmethod
    def of(cls, start: Index, length: Index, old: Index, new: Index) -> Runs:
        """Return the runs with these starts, lengths (voxels), old and new values."""
        return cls.of_table(np.stack((start, length, old, new), axis=1))

    @classmethod
    def of_voxels(cls, flat: Index, old: NDArray[Any], new: NDArray[Any]) -> Runs:
        """Return the runs of single voxels at ascending flat offsets; unchanged ones are left out."""
        return cls.of_table(table_of(flat, old, new))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Runs):
            return NotImplemented
        if self is other or (self._columns is not None and self._columns is other._columns):
            return True
        return self._count == other._count and self.data == other.data

    def __hash__(self) -> int:
        return hash((self.data, self._count))

    def __repr__(self) -> str:
        return f"Runs({self._count} runs)"

    def __reduce__(self) -> tuple[type[Runs], tuple[bytes, int]]:
        return Runs, (self.data, self._count)

    @property
    def count(self) -> int:
        """Number of runs."""
        return self._count

    @property
    def data(self) -> bytes:
        """The runs as varints."""
        # Another thread may pack meanwhile: it fills the columns before it lets go of the data.
        data = self._data
        return encode_varints(self._gaps().ravel()) if data is None else data

    @property
    def held(self) -> int:
        """Bytes that the runs take; an inverse of packed runs takes none of its own."""
        if self._columns is None:
            return len(self.data)
        return sum(len(column) for column in self._columns)

    def pack(self) -> None:
        """Hold the runs compressed, where they are large; for what is kept and seldom read."""
        data = self._data
        if data is None or len(data) < PACKED_FROM:
            return
        table = np.ascontiguousarray(decode_varints(data).reshape(-1, 4).T)
        gaps, lengths, old, new = (zlib.compress(encode_varints(column)) for column in table)
        self._columns = gaps, lengths, old, new
        self._data = None

    def _column(self, n: int) -> Index:
        if self._columns is None:
            return decode_varints(self.data).reshape(-1, 4)[:, n]
        return decode_varints(zlib.decompress(self._columns[n]))

    def _gaps(self) -> Index:
        """Return (count, 4): gap, length, old, new."""
        data = self._data
        if data is not None:
            return decode_varints(data).reshape(-1, 4)
        return np.stack([self._column(n) for n in range(4)], axis=1)

    def table(self) -> Index:
        """Return (count, 4): start, length, old, new."""
        table = self._gaps()
        gaps = table[:, 0].copy()
        gaps[1:] += table[:-1, 1]
        table[:, 0] = np.cumsum(gaps)
        return table

    def voxels(self) -> tuple[Index, Index, Index]:
        """Return flat offsets, old and new values of every voxel."""
        return voxels_of(self.table())

    def inverse(self) -> Runs:
        """Return the runs with old and new exchanged."""
        if self._columns is not None:
            gaps, lengths, old, new = self._columns
            return Runs._of_columns((gaps, lengths, new, old), self._count)
        table = self._gaps()
        return Runs(encode_varints(np.ascontiguousarray(table[:, [0, 1, 3, 2]]).ravel()), self._count)

    @property
    def extent(self) -> int:
        """Flat offset just after the last voxel."""
        return int(self._column(0).sum() + self._column(1).sum())

    @property
    def size(self) -> int:
        """Number of changed voxels."""
        return int(self._column(1).sum())


def table_of(flat: Index, old: NDArray[Any], new: NDArray[Any]) -> Index:
    """Return (n, 4) start, length, old, new of single voxels at ascending flat offsets.

    Unchanged voxels are left out.
    """
    changed = old != new
    flat, old, new = flat[changed], old[changed], new[changed]
    if flat.size == 0:
        return np.zeros((0, 4), dtype=np.int64)
    breaks = (np.diff(flat) != 1) | (np.diff(old.astype(np.int64)) != 0)
    breaks |= np.diff(new.astype(np.int64)) != 0
    first = np.concatenate(([0], np.flatnonzero(breaks) + 1))
    length = np.diff(np.concatenate((first, [flat.size])))
    columns = (flat[first], length, old[first].astype(np.int64), new[first].astype(np.int64))
    return np.stack(columns, axis=1)


def voxels_of(table: Index) -> tuple[Index, Index, Index]:
    """Return flat offsets, old and new values of every voxel of a table of runs."""
    length = table[:, 1]
    total = int(length.sum())
    begin = np.repeat(np.cumsum(length) - length, length)
    flat = np.repeat(table[:, 0], length) + np.arange(total) - begin
    return flat, np.repeat(table[:, 2], length), np.repeat(table[:, 3], length)


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
