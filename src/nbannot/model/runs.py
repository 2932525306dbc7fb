"""Run-length records of changed voxels: undo entry, wire message and journal line in one.

A run is ``gap, length, old, new``, each an unsigned LEB128 varint; gap counts the unchanged
voxels since the previous run, inside a box in C order.

What a history keeps of large changes is packed: its four columns, each compressed by itself (zlib). They are a
quarter of the bytes, and the inverse of a change shares them with it. Where a history grows large, what its older
steps hold lies in a file (see `nbannot.model.spill`), and is read when somebody asks for it.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import EditError

Index = NDArray[np.int64]
Bounds = tuple[tuple[int, int, int], tuple[int, int, int]]
Parts = tuple[bytes, ...]
Away = Callable[[], Parts]
"""Returns parts that lie elsewhere."""

PACKED_FROM = 1 << 13
"""Runs of fewer bytes stay as they are: an ordinary stroke is not worth the work."""
PIECE = 1 << 20
"""Voxels that are set at once."""


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


class Held:
    """The bytes of runs: here, or away in a file. Changes that are each other's inverse share one.

    Parameters
    ----------
    parts
        The runs as varints; or four columns (gaps, lengths, old and new values), each compressed by itself.
    """

    __slots__ = ("__weakref__", "_away", "_parts")

    def __init__(self, parts: Parts) -> None:
        self._parts: Parts | None = parts
        self._away: Away | None = None

    @property
    def parts(self) -> Parts:
        """The bytes, read where they are away."""
        # Another thread may send them away meanwhile: it says where before it lets go of them.
        parts = self._parts
        if parts is not None:
            return parts
        assert self._away is not None
        return self._away()

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return sum(len(part) for part in self._parts or ())

    def send(self, keep: Callable[[Parts], Away]) -> None:
        """Let ``keep`` have the bytes; it returns how to read them again."""
        if self._parts is not None:
            self._away = keep(self._parts)
            self._parts = None


class Runs:
    """Changed voxels inside a box, as ``count`` encoded runs.

    A value that does not change. Large ones can be held compressed: see `pack`.

    Raises
    ------
    EditError
        When ``data`` do not hold ``count`` runs.
    """

    __slots__ = ("_back", "_count", "_kept")

    def __init__(self, data: bytes = b"", count: int = 0) -> None:
        # A cheap check that catches torn messages: four numbers a run, each ends below 0x80.
        raw = np.frombuffer(data, dtype=np.uint8)
        if int((raw < 0x80).sum()) != 4 * count or (raw.size and raw[-1] >= 0x80):
            raise EditError(f"The run data do not hold {count} runs")
        self._count = count
        self._kept = Held((data,))
        self._back = False
        """Whether old and new values are exchanged in what is held."""

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
        if self._kept is other._kept and self._back == other._back:
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
        kept = self._kept.parts
        if len(kept) == 1 and not self._back:
            return kept[0]
        return encode_varints(self._gaps().ravel())

    @property
    def kept(self) -> Held:
        """What holds the bytes; the same for a change and its inverse."""
        return self._kept

    def pack(self) -> None:
        """Hold the runs compressed, where they are large; for what is kept and seldom read."""
        kept = self._kept.parts
        if len(kept) != 1 or len(kept[0]) < PACKED_FROM:
            return
        table = np.ascontiguousarray(decode_varints(kept[0]).reshape(-1, 4).T)
        self._kept = Held(tuple(zlib.compress(encode_varints(column)) for column in table))

    def _column(self, n: int) -> Index:
        return self._columns(self._kept.parts, (n,))[0]

    def _columns(self, kept: Parts, wanted: Sequence[int]) -> list[Index]:
        """Return gaps (0), lengths (1), old (2) or new values (3)."""
        order = (0, 1, 3, 2) if self._back else (0, 1, 2, 3)
        if len(kept) == 1:
            table = decode_varints(kept[0]).reshape(-1, 4)
            return [table[:, order[n]] for n in wanted]
        return [decode_varints(zlib.decompress(kept[order[n]])) for n in wanted]

    def _gaps(self) -> Index:
        """Return (count, 4): gap, length, old, new."""
        return np.stack(self._columns(self._kept.parts, range(4)), axis=1)

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
        runs = Runs()
        runs._count, runs._kept, runs._back = self._count, self._kept, not self._back
        return runs

    @property
    def extent(self) -> int:
        """Flat offset just after the last voxel."""
        return int(sum(column.sum() for column in self._columns(self._kept.parts, (0, 1))))

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


def pieces_of(table: Index, most: int) -> Iterator[Index]:
    """Give a table of runs in parts of about ``most`` voxels; longer runs are cut."""
    times = np.maximum(-(-table[:, 1] // most), 1)
    if (times > 1).any():
        cut = np.repeat(table, times, axis=0)
        nth = np.arange(len(cut)) - np.repeat(np.cumsum(times) - times, times)
        cut[:, 0] += nth * most
        cut[:, 1] = np.minimum(cut[:, 1] - nth * most, most)
        table = cut
    part = np.cumsum(table[:, 1]) // most
    yield from np.split(table, np.flatnonzero(np.diff(part)) + 1)


def is_tidy(table: Index) -> bool:
    """Return whether every run of a table changes something and none continues the one before."""
    start, length, old, new = table.T
    joins = (start[1:] == start[:-1] + length[:-1]) & (old[1:] == old[:-1]) & (new[1:] == new[:-1])
    return bool((length > 0).all() and (old != new).all() and not joins.any())


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
