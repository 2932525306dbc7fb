"""What happened in a session, as a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from nbannot.model.annotations import Box, Tag
from nbannot.model.edits import Batch, Edit, Item, Paint, Put, Remove
from nbannot.model.masks import MaskInfo
from nbannot.model.shapes import Shape

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("step", "time", "author", "origin", "tool", "kind", "what", "undoes")


def table(edits: Sequence[Edit], *, masks: Mapping[str, str], after: int = 0) -> pd.DataFrame:
    """Return one row per edit.

    Parameters
    ----------
    edits
        In order.
    masks
        Names of masks by id, for those that no edit names.
    after
        Step before the first edit.
    """
    import pandas as pd

    names = dict(masks)
    for edit in edits:
        names.update((info.id, info.name) for info in _infos(edit) if info.id not in names)
    steps = {edit.id: step for step, edit in enumerate(edits, start=after + 1)}
    rows = []
    for step, edit in enumerate(edits, start=after + 1):
        undone = steps.get(edit.undoes or "")
        what = describe(edit, names)
        rows.append(
            (
                step, edit.time, edit.author, edit.origin, edit.tool, type(edit).__name__.lower(),
                what if undone is None else f"took back step {undone}: {what}", undone,
            )
        )  # fmt: skip
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    frame["step"] = frame["step"].astype("int64")
    frame["time"] = pd.to_datetime(frame["time"].astype("float64"), unit="s", utc=True)
    frame["undoes"] = frame["undoes"].astype("Int64")
    return frame


def describe(edit: Edit, names: dict[str, str]) -> str:
    """Return what an edit does, in words; ``names`` are those of masks by id."""
    if isinstance(edit, Paint):
        voxels = edit.runs.size
        erased = edit.runs.table()[:, 3] == 0
        verb = "erased" if erased.all() else "changed" if erased.any() else "painted"
        plural = "voxel" if voxels == 1 else "voxels"
        return f"{verb} {voxels} {plural} of {names.get(edit.mask, edit.mask)}"
    if isinstance(edit, Batch):
        if edit.name:
            return edit.name
        if len(edit.edits) == 1:
            return describe(edit.edits[0], names)
        return f"{len(edit.edits)} edits"
    if isinstance(edit, Remove):
        return f"removed {_named(edit.item)}"
    if isinstance(edit, Put):
        return f"{'added' if edit.old is None else 'changed'} {_named(edit.item)}"
    return type(edit).__name__.lower()


def _named(item: Item) -> str:
    kind = "mask" if isinstance(item, MaskInfo) else type(item).__name__.lower()
    return f"{kind} {item.label if isinstance(item, Box | Shape | Tag) else item.name}"


def _infos(edit: Edit) -> Iterable[MaskInfo]:
    if isinstance(edit, Batch):
        for part in edit.edits:
            yield from _infos(part)
    elif isinstance(edit, Put | Remove) and isinstance(edit.item, MaskInfo):
        yield edit.item
