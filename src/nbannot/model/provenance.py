"""Who made what is there: by hand, Python, a model or an operation, and what was left as it was made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from nbannot.model.annotations import Box, Tag
from nbannot.model.document import Document
from nbannot.model.edits import Batch, Edit, Paint, Put, Remove
from nbannot.model.masks import Mask
from nbannot.model.shapes import Shape

START = "start"
"""Source of what a document began with; its history does not say more."""

Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Share:
    """Voxels of a segment that one source made.

    Parameters
    ----------
    mask, value
        Id of the mask, value of the segment.
    source
        "hand", "python", "import", "model:NAME VERSION", "op:NAME", "tool:NAME VERSION", or "start".
    voxels, share
        How many of the segment's voxels are as this source made them, and their part of all.
    made
        How many voxels the source set to this segment, undone edits left out; None for "start".
    authors
        Who.
    """

    mask: str
    value: int
    source: str
    voxels: int
    share: float
    made: int | None
    authors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ItemOrigin:
    """Where a box, shape or tag comes from, and who had it last."""

    kind: str
    id: str
    label: str
    first_source: str
    first_author: str
    last_source: str
    last_author: str
    edits: int


@dataclass(frozen=True, slots=True)
class ModelEdit:
    """An edit of a model, and what is left of it.

    Parameters
    ----------
    voxels, voxels_untouched
        Voxels it changed, and those that nobody has changed since.
    items, items_untouched
        Boxes, shapes and tags likewise.
    undone
        Whether it was taken back.
    """

    edit: Edit
    source: str
    voxels: int
    voxels_untouched: int
    items: int
    items_untouched: int
    undone: bool

    @property
    def untouched(self) -> bool:
        """Whether all is as the model made it: accepted untouched."""
        left = (self.voxels_untouched, self.items_untouched)
        return not self.undone and left == (self.voxels, self.items)


def source_of(edit: Edit, part: Edit | None = None) -> str:
    """Return what made an edit: its origin, or "op:NAME" or "tool:NAME VERSION" where a function did.

    Models keep their origin. A person who asks for an operation in the viewer has not drawn its voxels. A part
    of a batch may name an origin of its own.
    """
    origin = edit.origin
    if part is not None and part.origin != "python":
        origin = part.origin
    tools = (part.tool if part is not None else "", edit.tool)
    computed = next((tool for tool in tools if tool.startswith(("op:", "tool:"))), "")
    return computed if computed and not origin.startswith("model:") else origin


def standing(history: Iterable[Edit]) -> list[Edit]:
    """Return the edits of a history that are not undone, in order; redone ones as first made.

    An undoing edit that does not take back the newest standing one counts as an edit of its own.
    """
    stack: list[tuple[str, Edit]] = []
    taken: dict[str, Edit] = {}
    for edit in history:
        if edit.undoes and stack and stack[-1][0] == edit.undoes:
            taken[edit.id] = stack.pop()[1]
        elif edit.undoes in taken:
            stack.append((edit.id, taken.pop(edit.undoes or "")))
        else:
            stack.append((edit.id, edit))
    return [edit for _, edit in stack]


def parts_of(edit: Edit) -> Iterator[Edit]:
    """Yield the simple edits within an edit."""
    if isinstance(edit, Batch):
        for part in edit.edits:
            yield from parts_of(part)
    else:
        yield edit


@dataclass(slots=True)
class _Stroke:
    """A Paint of a standing edit; ``code`` numbers the edit and source, from 1."""

    code: int
    paint: Paint
    _table: NDArray[np.int64] | None = None

    @property
    def table(self) -> NDArray[np.int64]:
        if self._table is None:
            self._table = self.paint.runs.table()
        return self._table

    def cells(self, k: int, width: int) -> Codes:
        """Return the flat offsets within slice k of the voxels that it changed."""
        (k0, j0, i0), (_, j1, i1) = self.paint.box
        across = i1 - i0
        size = (j1 - j0) * across
        low, high = (k - k0) * size, (k - k0 + 1) * size
        start, length = self.table[:, 0], self.table[:, 1]
        first, last = np.searchsorted(start + length, low, side="right"), np.searchsorted(start, high)
        begin = np.maximum(start[first:last], low)
        counts = np.minimum(start[first:last] + length[first:last], high) - begin
        inside = np.repeat(begin - low, counts) + np.arange(int(counts.sum()))
        inside -= np.repeat(np.cumsum(counts) - counts, counts)
        j, i = np.divmod(inside, across)
        cells: Codes = (j + j0) * width + i + i0
        return cells


@dataclass(slots=True)
class _Trace:
    """Which edit made each voxel and item; codes count from 1 and stand for an edit and a source."""

    owners: list[tuple[Edit, str]] = field(default_factory=list)
    strokes: dict[str, list[_Stroke]] = field(default_factory=lambda: defaultdict(list))
    made: dict[tuple[str, int, int], int] = field(default_factory=lambda: defaultdict(int))
    painted: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    kept: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    counts: dict[str, dict[tuple[int, int], int]] = field(default_factory=dict)
    touched: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    began: set[str] = field(default_factory=set)


def _trace(document: Document, *, voxels: bool = True) -> _Trace:
    trace = _Trace()
    for edit in standing(document.history):
        codes: dict[str, int] = {}
        for part in parts_of(edit):
            source = source_of(edit, part)
            if source not in codes:
                trace.owners.append((edit, source))
                codes[source] = len(trace.owners)
            _follow(trace, part, codes[source])
    for mask in document.masks if voxels else ():
        trace.counts[mask.id] = _count(trace, mask)
    return trace


def _follow(trace: _Trace, part: Edit, code: int) -> None:
    if isinstance(part, Paint):
        stroke = _Stroke(code, part)
        trace.strokes[part.mask].append(stroke)
        trace.painted[code] += int(stroke.table[:, 1].sum())
        for value in np.unique(stroke.table[:, 3]).tolist():
            trace.made[part.mask, value, code] += int(stroke.table[stroke.table[:, 3] == value, 1].sum())
    elif isinstance(part, Put | Remove) and isinstance(part.item, Box | Shape | Tag):
        chain = trace.touched[part.item.id]
        if isinstance(part, Put) and part.old is None:
            chain.clear()
            trace.began.discard(part.item.id)
        elif not chain:
            trace.began.add(part.item.id)
        chain.append(code)


def _count(trace: _Trace, mask: Mask) -> dict[tuple[int, int], int]:
    """Return the number of voxels by (segment value, code); counts what each code has left, too."""
    depth, _, width = mask.array.shape
    by_slice: dict[int, list[_Stroke]] = defaultdict(list)
    for stroke in trace.strokes.get(mask.id, ()):
        for k in range(max(stroke.paint.box[0][0], 0), min(stroke.paint.box[1][0], depth)):
            by_slice[k].append(stroke)
    found: dict[tuple[int, int], int] = defaultdict(int)
    many = len(trace.owners) + 1
    for k in sorted({*by_slice, *mask.nonzero_slices()}):
        plane = mask.array[k].ravel()
        codes = np.zeros(plane.size, dtype=np.int64)
        for stroke in by_slice[k]:
            codes[stroke.cells(k, width)] = stroke.code
        left, sizes = np.unique(codes[codes > 0], return_counts=True)
        for code, size in zip(left.tolist(), sizes.tolist()):
            trace.kept[code] += size
        inside = np.flatnonzero(plane)
        pairs, sizes = np.unique(plane[inside].astype(np.int64) * many + codes[inside], return_counts=True)
        for pair, size in zip(pairs.tolist(), sizes.tolist()):
            found[divmod(pair, many)] += size
    return found


def segment_shares(document: Document) -> list[Share]:
    """Return, for each segment, how many of its voxels each source made; the largest share first.

    The history's paint is followed slice by slice; what nobody has painted is from the "start". A voxel
    that was painted over with the segment it already had stays with who made it.
    """
    with document.lock:
        document.refresh()
        trace = _trace(document)
        return [share for mask in document.masks for share in _shares(trace, mask)]


def _shares(trace: _Trace, mask: Mask) -> Iterator[Share]:
    counts = trace.counts[mask.id]
    for value in (segment.value for segment in mask.segments):
        voxels: dict[str, int] = defaultdict(int)
        made: dict[str, int] = defaultdict(int)
        authors: dict[str, set[str]] = defaultdict(set)
        for (owner, code), count in counts.items():
            if owner == value:
                edit, source = trace.owners[code - 1] if code else (None, START)
                voxels[source] += count
                authors[source] |= {edit.author} if edit is not None else set()
        for (id, owner, code), count in trace.made.items():
            if (id, owner) == (mask.id, value):
                made[trace.owners[code - 1][1]] += count
        total = sum(voxels.values())
        for source in sorted({*voxels, *made}, key=lambda one: (-voxels[one], one)):
            share = voxels[source] / total if total else 0.0
            known = None if source == START else made[source]
            names = tuple(sorted(authors[source]))
            yield Share(mask.id, value, source, voxels[source], share, known, names)


def item_origins(document: Document) -> list[ItemOrigin]:
    """Return, for each box, shape and tag, what made it and who changed it last."""
    with document.lock:
        trace = _trace(document, voxels=False)
        items: Sequence[Box | Shape | Tag] = (*document.boxes, *document.shapes, *document.tags)
        return [_origin(trace, item) for item in items]


def _origin(trace: _Trace, item: Box | Shape | Tag) -> ItemOrigin:
    chain = trace.touched.get(item.id, [])
    owners = [(source, edit.author) for edit, source in (trace.owners[code - 1] for code in chain)]
    if item.id in trace.began or not owners:
        owners.insert(0, (START, ""))
    kind = item.kind if isinstance(item, Shape) else type(item).__name__.lower()
    return ItemOrigin(kind, item.id, item.label, *owners[0], *owners[-1], len(chain))


def model_edits(document: Document) -> list[ModelEdit]:
    """Return every edit of a model, undone ones too, and how much of it is untouched."""
    with document.lock:
        document.refresh()
        trace = _trace(document)
        codes: dict[str, list[int]] = defaultdict(list)
        for code, (edit, source) in enumerate(trace.owners, start=1):
            if source.startswith("model:"):
                codes[edit.id].append(code)
        found = []
        for edit in document.history:
            sources = (source_of(edit, part) for part in parts_of(edit))
            models = [source for source in sources if source.startswith("model:")]
            if models and not edit.undoes:
                found.append(_left_of(trace, edit, models[0], codes.get(edit.id)))
        return found


def _left_of(trace: _Trace, edit: Edit, source: str, codes: list[int] | None) -> ModelEdit:
    voxels, items = 0, set()
    for part in parts_of(edit):
        if not source_of(edit, part).startswith("model:"):
            continue
        if isinstance(part, Paint):
            voxels += part.runs.size
        elif isinstance(part, Put | Remove) and isinstance(part.item, Box | Shape | Tag):
            items.add(part.item.id)
    kept = sum(trace.kept[code] for code in codes or ())
    left = sum(1 for id in items if codes and trace.touched[id] and trace.touched[id][-1] in codes)
    return ModelEdit(edit, source, voxels, kept, len(items), left, codes is None)
