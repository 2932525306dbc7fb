"""Masks: live labelmaps with named segments."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nbannot.errors import MaskError, UnknownLabelError
from nbannot.model.attributes import Status, check_status
from nbannot.model.geometry import Grid
from nbannot.model.image import Image
from nbannot.model.labels import new_id
from nbannot.model.runs import PIECE, Bounds, Runs, clip_index, difference, is_tidy, pieces_of, voxels_of

LabelArray = NDArray[Any]
MaskDtype = Literal["uint8", "uint16"]
Change = tuple[Bounds, Runs]


@dataclass(frozen=True, slots=True)
class Segment:
    """A value of a mask, the label it stands for, and how far the work on it is."""

    value: int
    label: str
    status: Status = ""

    def __post_init__(self) -> None:
        check_status(self.status)


@dataclass(frozen=True, slots=True)
class MaskInfo:
    """What a mask is, without its voxels.

    Parameters
    ----------
    name
        Unique within a document.
    image
        Id of the image whose grid the mask has; empty means the first one of the document.
    segments
        Values 1…65535 with their labels.
    dtype
        "uint8", or "uint16" when a value is above 255.

    Raises
    ------
    MaskError
        When a value is used twice, is out of range, or does not fit the dtype.
    """

    name: str
    image: str = ""
    segments: tuple[Segment, ...] = ()
    dtype: MaskDtype = "uint8"
    id: str = field(default_factory=new_id, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "segments", tuple(self.segments))
        values = [segment.value for segment in self.segments]
        if len(set(values)) != len(values):
            raise MaskError(f"Mask {self.name!r} uses a segment value twice: {sorted(values)}")
        if values and not (min(values) >= 1 and max(values) <= 65535):
            raise MaskError(f"Segment values of mask {self.name!r} must be 1…65535")
        if values and max(values) > 255:
            object.__setattr__(self, "dtype", "uint16")
        if self.dtype not in ("uint8", "uint16"):
            raise MaskError(f"A mask's dtype is uint8 or uint16, got {self.dtype!r}")

    def value_of(self, label: str) -> int:
        """Return the value of a label's segment.

        Raises
        ------
        UnknownLabelError
            When the mask has no such segment.
        """
        for segment in self.segments:
            if segment.label == label:
                return segment.value
        known = ", ".join(segment.label for segment in self.segments) or "none"
        raise UnknownLabelError(f"Mask {self.name!r} has no segment {label!r}", hint=f"It has: {known}.")


class Mask:
    """A labelmap on an image's grid whose ``array`` is a live, plain ndarray.

    Parameters
    ----------
    name
        Unique within a document.
    image
        The image whose grid the mask has.
    array
        (k, j, i) integers to bind in place (uint8 or uint16; never copied); None starts empty.
    segments
        Labels by value, or label names for the values 1, 2, …; None takes one segment of the
        mask's name, or one per value found in ``array``.

    Raises
    ------
    MaskError
        When the array has a wrong shape or dtype, or holds values without a segment.
    """

    def __init__(
        self,
        name: str,
        image: Image,
        *,
        array: LabelArray | None = None,
        segments: Mapping[int, str] | Sequence[str] | None = None,
        id: str | None = None,
    ) -> None:
        if array is not None:
            _check_array(name, array, image.shape)
        named = _segments(name, array, segments)
        dtype: MaskDtype = "uint8" if array is None or array.dtype == np.uint8 else "uint16"
        self.info = MaskInfo(name, image.id, named, dtype, id=id or new_id())
        self._setup(image, array)
        if array is not None:
            self.check_values(np.array(self.used_values()))
            self.absorb(((0, 0, 0), image.shape))

    @classmethod
    def from_info(cls, info: MaskInfo, image: Image) -> Mask:
        """Return an empty mask as described."""
        mask = cls.__new__(cls)
        mask.info = info
        mask._setup(image, None)
        return mask

    def _setup(self, image: Image, array: LabelArray | None) -> None:
        self.image = image
        # np.zeros takes no memory until it is written to.
        self.array: LabelArray = np.zeros(image.shape, dtype=self.info.dtype) if array is None else array
        self.forget()
        self.commit: Callable[[Mask, Change, str], None] | None = None
        self.on_refresh: Callable[[Mask], object] | None = None

    def __repr__(self) -> str:
        labels = ", ".join(f"{s.value}: {s.label}" for s in self.segments)
        return f"Mask({self.name!r}, {self.array.dtype}, shape={self.array.shape}, {{{labels}}})"

    @property
    def id(self) -> str:
        """Stable id."""
        return self.info.id

    @property
    def name(self) -> str:
        """Name, unique within the document."""
        return self.info.name

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The named segments."""
        return self.info.segments

    @property
    def geometry(self) -> Grid:
        """The grid shared with the image."""
        return self.image.geometry

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> LabelArray:
        return np.array(self.array, dtype=dtype, copy=copy)

    def __getitem__(self, where: Any) -> Any:
        return self.array[where]

    def __setitem__(self, where: Any, value: ArrayLike) -> None:
        with self.edit() as array:
            array[where] = value

    def paint(self, where: Any, segment: int | str | None = None) -> None:
        """Set voxels to a segment, as one edit.

        Parameters
        ----------
        where
            Boolean array (k, j, i), or any numpy index of ``array``.
        segment
            Label name or value, 0 erases; None takes the mask's only segment.

        Raises
        ------
        UnknownLabelError, MaskError
            When the segment is not known.
        """
        if segment is None:
            if len(self.segments) != 1:
                raise MaskError(f"Mask {self.name!r} has {len(self.segments)} segments", hint="Name one.")
            segment = self.segments[0].value
        value = self.info.value_of(segment) if isinstance(segment, str) else int(segment)
        if value and value not in {s.value for s in self.segments}:
            raise MaskError(f"Mask {self.name!r} has no segment of value {value}")
        self[where] = value

    @contextmanager
    def edit(self, *, tool: str = "") -> Iterator[LabelArray]:
        """Give the array to change in place; what changed becomes one edit at the end.

        After an exception the voxels are as before.
        """
        self.refresh()
        try:
            yield self.array
            change = self.pending()
            if change is not None:
                self.check_values(change[1].table()[:, 3])
                if self.commit is not None:
                    self.commit(self, change, tool)
                self.absorb(change[0])
        except BaseException:
            self.revert()
            raise

    def refresh(self) -> None:
        """Record what was changed in ``array`` in place since the last edit."""
        if self.on_refresh is not None:
            self.on_refresh(self)
            return
        change = self.pending()
        if change is not None:
            self.absorb(change[0])

    def used_values(self) -> list[int]:
        """Return the values above 0 that occur in the array."""
        counts = np.zeros(np.iinfo(self.array.dtype).max + 1, dtype=bool)
        for plane in self.array:
            if plane.any():
                counts[plane] = True
        return [int(value) for value in np.flatnonzero(counts) if value]

    def unknown_values(self, values: LabelArray) -> list[int]:
        """Return those of the values that no segment has."""
        return sorted({int(v) for v in np.unique(values)} - {0, *(s.value for s in self.segments)})

    def check_values(self, values: LabelArray) -> None:
        """Raise MaskError when one of the values has no segment."""
        unknown = self.unknown_values(values)
        if unknown:
            raise MaskError(
                f"Mask {self.name!r} holds values without a segment: {sorted(unknown)[:8]}",
                hint="Add segments for them first.",
            )

    # What follows is for the document and the viewer.

    def recorded(self, k: int) -> LabelArray:
        """Return slice k as last recorded."""
        data = self._recorded.get(k)
        shape, dtype = self.array.shape[1:], self.array.dtype
        if data is None:
            return np.zeros(shape, dtype=dtype)
        return np.frombuffer(zlib.decompress(data), dtype=dtype).reshape(shape)

    def changed_slices(self, ks: Iterable[int] | None = None) -> list[int]:
        """Return the slices that differ from what is recorded, by checksum."""
        candidates = range(self.array.shape[0]) if ks is None else ks
        return [k for k in candidates if self._checksum(k) != self._checksums[k]]

    def pending(self, ks: Iterable[int] | None = None) -> Change | None:
        """Return what changed in place and is not recorded yet, as one box and runs."""
        changed = self.changed_slices(ks)
        if not changed:
            return None
        k0, k1 = min(changed), max(changed) + 1
        old = np.stack([self.recorded(k) for k in range(k0, k1)])
        return difference(old, np.asarray(self.array[k0:k1]), k0)

    def forget(self) -> None:
        """Take nothing as recorded: what the array holds is a change from all zeros."""
        # What has been recorded of each slice: its checksum, and its voxels (absent: all 0).
        self._recorded: dict[int, bytes] = {}
        empty = zlib.crc32(bytes(self.array[0].nbytes))
        self._checksums = np.full(self.array.shape[0], empty, dtype=np.uint32)

    def absorb(self, bounds: Bounds) -> None:
        """Take the slices of a box as recorded."""
        for k in range(bounds[0][0], bounds[1][0]):
            checksum = self._checksum(k)
            if checksum != self._checksums[k]:
                self._checksums[k] = checksum
                if self.array[k].any():
                    self._recorded[k] = zlib.compress(_buffer(self.array[k]), 1)
                else:
                    self._recorded.pop(k, None)

    def revert(self, ks: Iterable[int] | None = None) -> None:
        """Put the array, or some of its slices, back to what is recorded."""
        for k in self.changed_slices(ks):
            self.array[k] = self.recorded(k)

    def write(self, bounds: Bounds, runs: Runs) -> Runs:
        """Set the new values of the runs and return the runs with the true old values.

        Raises
        ------
        MaskError
            When the box or the runs reach outside the mask, or a value has no segment.
        """
        low, high = bounds
        inside = all(0 <= a <= b <= n for a, b, n in zip(low, high, self.array.shape, strict=True))
        sizes = [b - a for a, b in zip(low, high, strict=True)]
        table = runs.table()
        if not inside or (runs.count and table[-1, :2].sum() > int(np.prod(sizes))):
            raise MaskError(f"The edit reaches outside mask {self.name!r} of {self.array.shape}")
        if runs.count == 0:
            return runs
        self.check_values(table[:, 3])
        recorded, checksums = self._recorded.copy(), self._checksums.copy()
        try:
            olds, as_told = self._set(bounds, table)
            self.absorb(bounds)
        except BaseException:
            # An interrupt, too, leaves nothing half done.
            self._recorded, self._checksums = recorded, checksums
            self.revert(range(low[0], high[0]))
            raise
        # Nearly always the same: then nothing is encoded, and an undo shares what the edit holds.
        if as_told and is_tidy(table):
            return runs
        flat, _, new = voxels_of(table)
        return Runs.of_voxels(flat, np.concatenate(olds), new)

    def _set(self, bounds: Bounds, table: NDArray[np.int64]) -> tuple[list[LabelArray], bool]:
        """Set the new values of a table of runs; return the old values, and whether they are those told."""
        olds: list[LabelArray] = []
        as_told = True
        # Piece by piece: that takes less memory, and an interrupt need not wait for all of it.
        for piece in pieces_of(table, PIECE):
            flat, told, new = voxels_of(piece)
            where = clip_index(bounds, flat)
            old = self.array[where]
            as_told = as_told and np.array_equal(old, told)
            olds.append(old)
            self.array[where] = new.astype(self.array.dtype)
        return olds, as_told

    def describe(self, info: MaskInfo) -> None:
        """Take another name or segments; the array becomes uint16 where it must."""
        if info.dtype == "uint16" and self.array.dtype == np.uint8:
            planes = {k: self.recorded(k).astype(np.uint16) for k in self._recorded}
            self.array = self.array.astype(np.uint16)
            self._recorded = {k: zlib.compress(_buffer(plane), 1) for k, plane in planes.items()}
            self._checksums[:] = zlib.crc32(bytes(2 * int(np.prod(self.array.shape[1:]))))
            for k, plane in planes.items():
                self._checksums[k] = zlib.crc32(_buffer(plane))
        elif info.dtype == "uint8" and self.array.dtype == np.uint16:
            info = replace(info, dtype="uint16")
        self.info = info

    def nonzero_slices(self) -> list[int]:
        """Return the recorded slices that hold a segment."""
        return sorted(self._recorded)

    def fingerprint(self) -> int:
        """Return a number that changes with what is recorded."""
        return zlib.crc32(self._checksums.tobytes())

    def _checksum(self, k: int) -> int:
        return zlib.crc32(_buffer(self.array[k]))


def _buffer(plane: LabelArray) -> memoryview:
    return np.ascontiguousarray(plane).data


def _check_array(name: str, array: object, shape: tuple[int, int, int]) -> None:
    if not isinstance(array, np.ndarray) or array.dtype not in (np.uint8, np.uint16):
        kind = getattr(array, "dtype", type(array).__name__)
        raise MaskError(
            f"Mask {name!r} needs a uint8 or uint16 array, got {kind}",
            hint="Convert it, e.g. array.astype('uint8').",
        )
    if array.shape != shape:
        raise MaskError(
            f"Mask {name!r} has shape {array.shape}, its image has {shape}",
            hint="Give it in the image's grid as (k, j, i); nothing is resampled unasked.",
        )
    if not array.flags.writeable:
        raise MaskError(f"The array of mask {name!r} is read-only", hint="Give array.copy().")


def _segments(
    name: str, array: LabelArray | None, segments: Mapping[int, str] | Sequence[str] | None
) -> tuple[Segment, ...]:
    if isinstance(segments, Mapping):
        return tuple(Segment(int(value), label) for value, label in segments.items())
    if segments is not None:
        return tuple(Segment(n, label) for n, label in enumerate(segments, start=1))
    values = [1] if array is None else [int(v) for v in np.unique(array) if v] or [1]
    if len(values) == 1:
        return (Segment(values[0], name),)
    return tuple(Segment(value, f"{name} {value}") for value in values)
