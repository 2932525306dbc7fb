"""Run an operation: check what was given, compute, keep to the limits, and make one edit of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypedDict

import numpy as np

from nbannot.assist.leaving import leaving
from nbannot.assist.operations.catalogue import OPERATIONS
from nbannot.assist.operations.forms import Operation, Parameter
from nbannot.assist.operations.grids import Array, Box, Flags, box_of, joined
from nbannot.assist.operations.intensity import inside_range
from nbannot.assist.operations.job import Job, Labels, Region, chosen, index_points, segment_value
from nbannot.errors import LockedError, OperationError
from nbannot.formats.progress import Progress, following
from nbannot.model.document import Document
from nbannot.model.edits import Batch, Edit, Paint, Put
from nbannot.model.labels import Label
from nbannot.model.masks import Mask, Segment
from nbannot.model.runs import Bounds, Runs

Mode = Literal["replace", "add", "subtract", "intersect"]
MODES = ("replace", "add", "subtract", "intersect")
Overwrite = Literal["mask", "all", "none"] | Collection[str]


def check_overwrite(overwrite: Overwrite) -> None:
    """Raise OperationError for a text that is no rule."""
    if isinstance(overwrite, str) and overwrite not in ("mask", "all", "none"):
        raise OperationError(f'overwrite={overwrite!r} is not "mask", "all", "none" or a list of labels')


class Options(TypedDict, total=False):
    """What every operation also takes, all by name.

    Parameters
    ----------
    segment
        Label or value of the segment worked on; None takes the mask's only one.
    into
        Another segment that the result goes to: a label, a value, a `Mask` or (mask, label); the
        segment itself stays.
    mode
        How the result meets the segment: "replace", "add", "subtract" or "intersect"; None: the
        operation's own.
    where
        (low, high) of the image's values: voxels outside this range stay as they are.
    inside, outside
        Only voxels inside, or outside, of these change: a label or value of the mask, a `Mask`,
        (mask, label), or a bool array (k, j, i). ``outside=True``: only voxels of no segment.
    slices
        (first, last) k, inclusive: other slices stay as they are.
    overwrite
        Which other labels lose the voxels that the result adds: "mask" (at first), those of the same mask,
        whose segments cannot overlap; "all", also those in other masks of the image in the document (as
        strokes do); "none"; or the names of those that may. In other masks the segments that are read stay
        (those worked on with ``into``, and operands), and so does the same label.
    frame
        Frame of the image whose values are read.
    index, world
        A place, or several: (k, j, i), or (x, y, z) in LPS mm.
    progress
        Called with the part done (0 to 1) and a text, in the main thread every quarter of a second at
        least; what it raises ends the operation, and nothing is changed.
    """

    segment: int | str | None
    into: Any
    mode: Mode | None
    where: tuple[float | None, float | None] | None
    inside: Any
    outside: Any
    slices: tuple[int, int] | None
    overwrite: Overwrite
    frame: int
    index: Any
    world: Any
    progress: Progress | None


@dataclass(frozen=True, slots=True, eq=False)
class Take:
    """Another mask that loses voxels to the result.

    Parameters
    ----------
    mask
        The mask.
    values
        Its values that lose voxels.
    same
        Values of the result whose labels the mask has too: they take nothing from it.
    """

    mask: Mask
    values: tuple[int, ...]
    same: tuple[int, ...]

    def flags(self, where: Box, labels: Array, changed: Flags) -> Flags:
        """Return which voxels of a box it loses."""
        adds = changed & (labels != 0)
        if self.same:
            adds &= ~np.isin(labels, self.same)
        return np.asarray(adds & np.isin(self.mask.array[where], self.values))


@dataclass(frozen=True, slots=True, eq=False)
class Preview:
    """What an operation would change.

    Parameters
    ----------
    operation
        Its name.
    mask
        The mask that would change.
    box
        ((k0, j0, i0), (k1, j1, i1)), half-open: where it would change.
    labels
        The values that the voxels of the box would have.
    changed
        Which voxels of the box would change.
    names
        Names of the segments that would be new, by value.
    takes
        What other masks would lose to the voxels added.
    """

    operation: str
    mask: Mask
    box: Bounds
    labels: Array
    changed: Flags
    names: Mapping[int, str] = field(default_factory=dict)
    takes: tuple[Take, ...] = ()

    @property
    def count(self) -> int:
        """Number of voxels that would change."""
        return int(np.count_nonzero(self.changed))

    @property
    def runs(self) -> Runs:
        """The change as runs inside the box, against the mask as it is now."""
        old = np.asarray(self.mask.array[self._where])
        flat = np.flatnonzero(self.changed)
        return Runs.of_voxels(flat, old.ravel()[flat], self.labels.ravel()[flat])

    @property
    def taken(self) -> dict[str, int]:
        """How many voxels other masks would lose, by label."""
        lost: dict[str, int] = {}
        for take in self.takes:
            old = np.asarray(take.mask.array[self._where])[take.flags(self._where, self.labels, self.changed)]
            for segment in take.mask.segments:
                count = int(np.count_nonzero(old == segment.value))
                if count:
                    lost[segment.label] = lost.get(segment.label, 0) + count
        return lost

    @property
    def _where(self) -> Box:
        k, j, i = (slice(a, b) for a, b in zip(*self.box, strict=True))
        return k, j, i

    def apply(self, *, origin: str = "python") -> Edit | None:
        """Make it one edit and return it; None when it would change nothing.

        In a document the edit is the one recorded.

        Parameters
        ----------
        origin
            What the record says of who asked for it: "python", or "hand" for a person in the viewer.

        Raises
        ------
        LockedError
            When a label was locked since.
        """
        if not self.changed.any():
            return None
        mask, tool = self.mask, f"op:{self.operation}"
        document = owner(mask)
        edit: Edit
        if document is None:
            edit = Paint(mask.id, self.box, self.runs, tool=tool)
            if self.names:
                mask.describe(replace(mask.info, segments=self._segments()))
            with mask.edit() as array:
                np.copyto(array[self._where], self.labels, where=self.changed, casting="unsafe")
            return edit
        with document.lock:
            mask.refresh()
            before = document.revision
            # The runs of many voxels take a while, too.
            made = leaving(lambda _: self._edit(document, tool, origin), lambda _done, _text: None)
            edit = document.apply(made)
            return edit if document.revision > before else None

    def _segments(self) -> tuple[Segment, ...]:
        return (*self.mask.segments, *(Segment(value, name) for value, name in self.names.items()))

    def _edit(self, document: Document, tool: str, origin: str) -> Edit:
        parts: list[Edit] = []
        if self.names:
            parts += [Put(Label(name)) for name in self.names.values() if name not in document.labels]
            parts.append(Put(replace(self.mask.info, segments=self._segments())))
        parts.append(Paint(self.mask.id, self.box, self.runs, tool=tool, origin=origin))
        for take in self.takes:
            flat = np.flatnonzero(take.flags(self._where, self.labels, self.changed))
            if flat.size:
                old = np.asarray(take.mask.array[self._where]).ravel()[flat]
                runs = Runs.of_voxels(flat, old, np.zeros_like(old))
                parts.append(Paint(take.mask.id, self.box, runs, tool=tool, origin=origin))
        return parts[0] if len(parts) == 1 else Batch(tuple(parts), self.operation, tool=tool, origin=origin)


def owner(mask: Mask) -> Document | None:
    """Return the document that a mask belongs to, or None."""
    document = getattr(mask.commit, "__self__", None)
    return document if isinstance(document, Document) else None


def preview(operation: str, mask: Mask, /, **given: Any) -> Preview:
    """Compute what an operation would change, and change nothing.

    It only reads, so it may run in a thread of its own; `Preview.apply` belongs where edits are made.

    Parameters
    ----------
    operation
        Its name, as in `OPERATIONS`.
    mask
        The mask.
    given
        The operation's parameters and `Options`, by name.

    Raises
    ------
    OperationError, MaskError, UnknownLabelError, GeometryError, OutsideImageError, LockedError
        When it cannot be done as asked.
    """
    if operation not in OPERATIONS:
        raise OperationError(
            f"There is no operation {operation!r}", hint=f"There are: {', '.join(OPERATIONS)}."
        )
    entry = OPERATIONS[operation]
    names = {parameter.name for parameter in entry.parameters}
    params = entry.checked({k: v for k, v in given.items() if k in names or k not in Options.__annotations__})
    options: Options = {k: v for k, v in given.items() if k not in names}  # type: ignore[assignment]

    def found(tell: Progress) -> Preview:
        tell(0.0, entry.title)
        look = _Run(entry, mask, params, options, tell).compute()
        tell(0.98, entry.title)
        return look

    with following(options.get("progress")) as tell:
        return leaving(found, tell)


def run(operation: str, mask: Mask, /, **given: Any) -> Edit | None:
    """Make an operation by its name: one edit, or None when it changes nothing.

    Parameters and errors as in `preview`.
    """
    return preview(operation, mask, **given).apply()


class _Run:
    """One operation between what was asked and what it changes."""

    def __init__(
        self, entry: Operation, mask: Mask, params: dict[str, Any], options: Options, tell: Progress
    ) -> None:
        self.entry = entry
        self.mask = mask
        self.params = params
        self.options = options
        several = entry.gives == "segments" or params.get("method") == "joint"
        if several and options.get("into") is not None:
            raise OperationError(f"{entry.name} works on several segments: it has no into=…")
        if several and options.get("mode") is not None:
            raise OperationError(f"{entry.name} works on several segments: it has no mode=…")
        self.value = 0 if several else segment_value(mask, options.get("segment"))
        into = options.get("into")
        self.target, self.target_value = (mask, self.value) if into is None else chosen(mask, into)
        self.document = owner(self.target)
        mode = options.get("mode") or entry.mode
        if mode not in MODES:
            raise OperationError(f"mode={mode!r} is not known", hint=f"Choose one of: {', '.join(MODES)}.")
        points = index_points(mask, options.get("index"), options.get("world"))
        if entry.needs_point == "yes" and not points:
            raise OperationError(
                f"{entry.name} starts from a place", hint="Give index=(k, j, i) or world=(x, y, z)."
            )
        if entry.needs_image and mask.image.is_color:
            raise OperationError(
                "The image is in colour: its voxels have no single intensity",
                hint="Use an operation that looks at the segments only.",
            )
        self.overwrite = options.get("overwrite", "mask")
        self.locked = self._locked()
        if not several and self.target_value in self.locked:
            name = next(s.label for s in self.target.segments if s.value == self.target_value)
            raise LockedError(f"The label {name!r} is locked", hint="Unlock it first.")
        frame = options.get("frame", 0)
        self.job = Job(mask, self.value, params, points, mode, frame, tell, self._area)
        self._check()

    def _check(self) -> None:
        entry, options = self.entry, self.options
        check_overwrite(self.overwrite)
        where = options.get("where")
        ends = [] if where is None else [float(end) for end in where if end is not None]
        if ends != sorted(ends) or len(where or (0, 0)) != 2:
            raise OperationError(f"The range where={where} is empty", hint="Give (low, high).")
        if where is not None and self.mask.image.is_color:
            raise OperationError("The image is in colour: where=… has nothing to look at")
        slices = options.get("slices")
        if slices is not None and not 0 <= slices[0] <= slices[-1] < self.job.shape[0]:
            raise OperationError(
                f"The slices {slices} do not exist", hint=f"Give (first, last) in 0…{self.job.shape[0] - 1}."
            )
        if entry.needs_grid == "yes":
            self.job.spacing()
        if entry.needs_voxels and self.value:
            self.job.segment_box()

    def _locked(self) -> list[int]:
        if self.document is None:
            return []
        names = {label.name for label in self.document.labels if label.locked}
        return [segment.value for segment in self.target.segments if segment.label in names]

    # Where voxels may change.

    def _area(self, box: Box) -> Flags | None:
        """Return where the intensity and area limits let voxels change; None for everywhere."""
        tests: list[Callable[[], Flags]] = []
        options = self.options
        where, slices = options.get("where"), options.get("slices")
        if slices is not None:
            tests.append(lambda: self._of_slices(box, slices))
        if (inside := options.get("inside")) is not None:
            tests.append(lambda: self._of_area(inside, box))
        outside = options.get("outside")
        if outside is not None and outside is not False:
            tests.append(lambda: ~self._of_area(outside, box))
        if where is not None:
            tests.append(lambda: inside_range(self.job.values(box), *where))
        if not tests:
            return None
        allowed = tests[0]()
        for test in tests[1:]:
            allowed = allowed & test()
        return allowed

    def _of_slices(self, box: Box, slices: tuple[int, int]) -> Flags:
        k = np.arange(box[0].start, box[0].stop)
        allowed = (k >= slices[0]) & (k <= slices[1])
        shape = [part.stop - part.start for part in box]
        return np.broadcast_to(allowed[:, None, None], shape)

    def _of_area(self, area: Any, box: Box) -> Flags:
        if area is True:
            return np.asarray(self.target.array[box] != 0)
        if isinstance(area, np.ndarray):
            if area.shape != self.mask.array.shape:
                raise OperationError(f"An area has the shape {area.shape}, the mask {self.mask.array.shape}")
            return np.asarray(area[box] != 0)
        if isinstance(area, Mask) and len(area.segments) != 1:
            chosen(self.mask, (area, area.segments[0].value if area.segments else None))
            return np.asarray(area.array[box] != 0)
        mask, value = chosen(self.mask, area)
        return np.asarray(mask.array[box] == value)

    # What changes.

    def compute(self) -> Preview:
        result = self.entry.compute(self.job)
        box, labels, names = self._labels(result)
        old = self.target.array[box]
        changed = labels != old
        if self.locked:
            changed &= ~np.isin(old, self.locked) & ~np.isin(labels, self.locked)
        self._spare(changed, old, labels, box)
        tight = box_of(changed)
        if tight is None:
            return self._nothing()
        changed, labels = changed[tight], labels[tight]
        first = [part.start for part in box]
        k, j, i = (slice(p.start + f, p.stop + f) for p, f in zip(tight, first, strict=True))
        where: Box = (k, j, i)
        allowed = self._area(where)
        if allowed is not None:
            changed &= allowed
            if not changed.any():
                return self._nothing()
        low = (k.start, j.start, i.start)
        return Preview(
            self.entry.name, self.target, (low, (k.stop, j.stop, i.stop)), np.ascontiguousarray(labels),
            np.ascontiguousarray(changed), names, self._takes(names),
        )  # fmt: skip

    def _may_lose(self, label: str) -> bool:
        """Return whether a label may lose voxels to the result."""
        overwrite = self.overwrite
        return overwrite == "all" if isinstance(overwrite, str) else label in overwrite

    def _others(self) -> list[Mask]:
        """Return the other masks of the image in the document."""
        if self.document is None:
            return []
        image = self.target.image.id
        return [mask for mask in self.document.masks if mask.image.id == image and mask.id != self.target.id]

    def _spare(self, changed: Flags, old: Array, labels: Array, box: Box) -> None:
        """Leave the voxels unchanged that other segments keep."""
        overwrite = self.overwrite
        if overwrite == "none":
            changed &= (old == 0) | (labels == 0) | self._mine(old)
        elif overwrite not in ("mask", "all"):
            kept = [one.value for one in self.target.segments if one.label not in overwrite]
            changed &= ~np.isin(old, kept) | (labels == 0) | self._mine(old)
        locked = {label.name for label in self.document.labels if label.locked} if self.document else set()
        for mask in self._others():
            # Nothing lies over a locked label, unless labels may overlap.
            fixed = [s.value for s in mask.segments if s.label in locked and self._may_lose(s.label)]
            if fixed:
                changed &= (labels == 0) | ~np.isin(mask.array[box], fixed)

    def _takes(self, names: Mapping[int, str]) -> tuple[Take, ...]:
        """Return what other masks lose."""
        locked = {label.name for label in self.document.labels if label.locked} if self.document else set()
        read = {(self.mask.id, self.value)} | {
            (mask.id, value) for mask, value in map(self._operand, self.entry.parameters) if mask is not None
        }
        written = {**{s.value: s.label for s in self.target.segments}, **names}
        takes = []
        for mask in self._others():
            values = tuple(
                s.value
                for s in mask.segments
                if s.label not in locked and self._may_lose(s.label) and (mask.id, s.value) not in read
            )
            own = {s.label for s in mask.segments}
            if values:
                takes.append(Take(mask, values, tuple(v for v, label in written.items() if label in own)))
        return tuple(takes)

    def _operand(self, parameter: Parameter) -> tuple[Mask | None, int]:
        given = self.params.get(parameter.name) if parameter.type == "segment" else None
        return (None, 0) if given is None else chosen(self.mask, given)

    def _mine(self, old: Array) -> Flags:
        """Return where the segment that the result goes to already is."""
        if self.value or self.target_value:
            return np.asarray(old == self.target_value)
        return np.zeros(old.shape, dtype=bool)

    def _nothing(self) -> Preview:
        empty = np.zeros((0, 0, 0), dtype=self.target.array.dtype)
        return Preview(self.entry.name, self.target, ((0, 0, 0), (0, 0, 0)), empty, empty.astype(bool))

    def _labels(self, result: Region | Labels) -> tuple[Box, Array, dict[int, str]]:
        """Return the new labels of a box, and the names of new segments."""
        if isinstance(result, Labels):
            return result.box, result.labels, result.names
        target, value, box, inside = self.target.array, self.target_value, result.box, result.inside
        mine = box_of(target, value) if result.mode in ("replace", "intersect") else None
        if mine is not None and joined(box, mine) != box:
            bigger = joined(box, mine)
            padded = np.zeros([p.stop - p.start for p in bigger], dtype=bool)
            padded[
                tuple(slice(a.start - b.start, a.stop - b.start) for a, b in zip(box, bigger, strict=True))
            ] = inside
            box, inside = bigger, padded
        labels = target[box].copy()
        before = labels == value
        if result.mode == "subtract":
            labels[before & inside] = 0
        elif result.mode == "intersect":
            labels[before & ~inside] = 0
        else:
            if result.mode == "replace":
                labels[before & ~inside] = 0
            labels[inside] = value
        return box, labels, {}
