"""Annotations as pandas tables, and changed tables back as one edit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Literal

from nbannot.errors import EditError
from nbannot.model.annotations import Box, Tag
from nbannot.model.document import Document
from nbannot.model.edits import Batch, Edit, Paint, Put, Remove
from nbannot.model.items import Items
from nbannot.model.schema import problems
from nbannot.model.shapes import Shape

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["boxes", "shapes", "tags", "labels", "segments", "problems", "history"]

_CORNERS = ("k0", "j0", "i0", "k1", "j1", "i1")
_MORE = ("name", "lesion", "status", "locked", "attributes")
_COLUMNS: dict[str, tuple[str, ...]] = {
    "boxes": ("id", "label", "image", "frame", *_CORNERS, *_MORE),
    "shapes": (
        *("id", "kind", "label", "image", "frame", "slice", "points", "normal", "text", "names", "edges"),
        *_MORE,
    ),
    "tags": ("id", "label", "value", "scope", "image", "index", "lesion", "attributes"),
    "labels": (
        *("id", "name", "color", "key", "locked", "code", "scheme", "meaning", "parent", "scope"),
        *("schema", "version"),
    ),
    "segments": ("mask", "value", "label", "voxels", "volume_mm3", "status"),
    "problems": ("item", "type", "kind", "label", "attribute", "message"),
    "history": ("id", "time", "author", "origin", "tool", "kind", "what", "undoes"),
}


_CLASSES: dict[str, type[Box | Shape | Tag]] = {"boxes": Box, "shapes": Shape, "tags": Tag}
_NEEDED: dict[str, set[str]] = {
    "boxes": {"label", *_CORNERS},
    "shapes": {"kind", "label", "points"},
    "tags": {"label", "value", "scope", "index"},
}


def table(document: Document, kind: Kind) -> pd.DataFrame:
    """Return the annotations of one kind as a table.

    Parameters
    ----------
    document
        The document.
    kind
        "boxes" (corners in index coordinates), "shapes" (points in world mm), "tags", "labels",
        "segments" (voxels, and volume in mm³ where the image is a grid), "problems" (what is missing
        or wrong by the definitions of the labels) or "history" (one row per edit, times in UTC).

    Raises
    ------
    EditError
        When the kind is unknown.
    """
    import pandas as pd

    if kind not in _ROWS:
        raise EditError(f"There is no table {kind!r}", hint=f"There are: {', '.join(_ROWS)}.")
    with document.lock:
        document.refresh()
        frame = pd.DataFrame(_ROWS[kind](document), columns=pd.Index(_COLUMNS[kind]))
    if kind == "history":
        frame["time"] = pd.to_datetime(frame["time"], unit="s", utc=True)
    return frame if kind in ("segments", "problems") else frame.set_index("id")


def apply_table(document: Document, kind: Literal["boxes", "shapes", "tags"], frame: pd.DataFrame) -> Edit:
    """Make the document's boxes, shapes or tags equal to a changed table, as one edit.

    Rows are matched by id: changed rows replace, rows with a new or missing id are added, rows
    that are gone are removed. Columns that are left out stay as they are.

    Raises
    ------
    EditError
        When a column is missing or a row cannot be read.
    """
    columns = _NEEDED[kind]
    missing = sorted(columns - set(frame.columns))
    if missing:
        raise EditError(f"The table of {kind} lacks the columns {', '.join(missing)}")
    with document.lock:
        held: dict[str, Items[Any]] = {
            "boxes": document.boxes,
            "shapes": document.shapes,
            "tags": document.tags,
        }
        current: dict[str, Box | Shape | Tag] = {item.id: item for item in held[kind]}
        rows = zip(frame.index, _records(frame), strict=True)
        wanted = [_item(kind, str(id), row, current) for id, row in rows]
        kept = {item.id for item in wanted}
        edits: list[Edit] = [Put(item) for item in wanted if current.get(item.id) != item]
        edits += [Remove(item) for item in current.values() if item.id not in kept]
        return document.apply(Batch(tuple(edits), f"table of {kind}"))


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    import pandas as pd

    rows = frame.to_dict(orient="records")
    return [
        {str(k): None if pd.api.types.is_scalar(v) and pd.isna(v) else v for k, v in row.items()}
        for row in rows
    ]


def _item(
    kind: str, id: str, row: dict[str, Any], current: Mapping[str, Box | Shape | Tag]
) -> Box | Shape | Tag:
    """Return the item of a row: what the table lacks stays as it is, or takes its default."""
    known = current.get(id)
    given: dict[str, Any] = {} if known is None else {f.name: getattr(known, f.name) for f in fields(known)}
    if known is None and id and id not in ("nan", "None") and not id.isdigit():
        given["id"] = id
    try:
        given.update(_given(kind, row))
        return _CLASSES[kind](**given)
    except (TypeError, ValueError, KeyError) as cause:
        raise EditError(f"Row {id!r} of the table of {kind} cannot be read: {cause}") from cause


def _given(kind: str, row: dict[str, Any]) -> dict[str, Any]:
    """Return what a row says of an item's fields."""
    cls = _CLASSES[kind]
    found = {f.name: row[f.name] for f in fields(cls) if f.name in row and f.name != "id"}
    if kind == "boxes":
        k0, j0, i0, k1, j1, i1 = (float(row[name]) for name in _CORNERS)
        found["index"] = ((k0, j0, i0), (k1, j1, i1))
    for name in ("frame", "slice", *(("index",) if kind == "tags" else ())):
        if found.get(name) is not None:
            found[name] = int(found[name])
    # An empty cell of a text or of attributes is the field's default, not None.
    optional = {"frame", "slice", "normal", "value", *(("index",) if kind == "tags" else ())}
    return {name: value for name, value in found.items() if value is not None or name in optional}


def _boxes(document: Document) -> list[tuple[object, ...]]:
    return [(b.id, b.label, b.image, b.frame, *b.index[0], *b.index[1], *_more(b)) for b in document.boxes]


def _shapes(document: Document) -> list[tuple[object, ...]]:
    return [
        (
            s.id,
            s.kind,
            s.label,
            s.image,
            s.frame,
            s.slice,
            s.points,
            s.normal,
            s.text,
            s.names,
            s.edges,
            *_more(s),
        )
        for s in document.shapes
    ]


def _more(item: Box | Shape) -> tuple[object, ...]:
    return item.name, item.lesion, item.status, item.locked, item.attributes


def _tags(document: Document) -> list[tuple[object, ...]]:
    return [
        (t.id, t.label, t.value, t.scope, t.image, t.index, t.lesion, t.attributes) for t in document.tags
    ]


def _labels(document: Document) -> list[tuple[object, ...]]:
    return [
        (
            *(label.id, label.name, label.color, label.key, label.locked),
            *(
                (label.code.value, label.code.scheme, label.code.meaning)
                if label.code
                else (None, None, None)
            ),
            *(label.parent, label.scope, label.schema, label.version),
        )
        for label in document.labels
    ]


def _segments(document: Document) -> list[tuple[object, ...]]:
    import numpy as np

    rows: list[tuple[object, ...]] = []
    for mask in document.masks:
        geometry = mask.geometry
        volume = None
        if geometry.kind == "grid":
            volume = float(abs(np.linalg.det(geometry.affine[:3, :3])))
        ks = mask.nonzero_slices()
        for segment in mask.segments:
            count = sum(int((mask.array[k] == segment.value).sum()) for k in ks)
            size = None if volume is None else count * volume
            rows.append((mask.name, segment.value, segment.label, count, size, segment.status))
    return rows


def _problems(document: Document) -> list[tuple[object, ...]]:
    return [(p.item, p.type, p.kind, p.label, p.attribute, p.message) for p in problems(document)]


def _history(document: Document) -> list[tuple[object, ...]]:
    return [
        (
            e.id,
            e.time,
            e.author,
            e.origin,
            e.tool,
            type(e).__name__.lower(),
            describe(document, e),
            e.undoes,
        )
        for e in document.history
    ]


def describe(document: Document, edit: Edit) -> str:
    """Return what an edit did, in a few words."""
    if isinstance(edit, Paint):
        mask = document.masks.get(edit.mask)
        return f"{edit.runs.size} voxels of {mask.name if mask else edit.mask}"
    if isinstance(edit, Batch):
        return edit.name or f"{len(edit.edits)} edits"
    if isinstance(edit, Put | Remove):
        verb = "removed" if isinstance(edit, Remove) else "changed" if edit.old else "added"
        item = edit.item
        if isinstance(item, Shape):
            return f"{item.kind} {item.name or item.label} {verb}"
        name = item.label if isinstance(item, Box | Tag) else item.name
        return f"{type(item).__name__.removesuffix('Info').lower()} {name} {verb}"
    return type(edit).__name__


_ROWS: dict[str, Callable[[Document], list[tuple[object, ...]]]] = {
    "boxes": _boxes,
    "shapes": _shapes,
    "tags": _tags,
    "labels": _labels,
    "segments": _segments,
    "problems": _problems,
    "history": _history,
}
