"""Annotations as pandas tables, and changed tables back as one edit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Literal

from nbannot.errors import EditError
from nbannot.model.annotations import Box, Tag
from nbannot.model.attributes import Attributes, cleaned
from nbannot.model.document import Document
from nbannot.model.edits import Batch, Edit, Paint, Put, Remove
from nbannot.model.image import SuvKind
from nbannot.model.items import Items
from nbannot.model.provenance import item_origins, model_edits, segment_shares
from nbannot.model.schema import problems
from nbannot.model.shapes import Shape
from nbannot.model.tables.labels import LABEL_COLUMNS, label_edits, label_rows, segment_edits
from nbannot.model.tables.measured import LESION_COLUMNS, SEGMENT_COLUMNS, lesion_rows, measured, segment_rows
from nbannot.model.tables.points import POINT_COLUMNS, point_edits, point_rows

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal[
    "boxes", "shapes", "points", "tags", "labels", "segments", "lesions", "problems", "history", "provenance", "models"
]  # fmt: skip
Changeable = Literal["boxes", "shapes", "points", "tags", "labels", "segments"]

ATTRIBUTE = "attribute:"
"""Prefix of the columns that hold one attribute each."""

_CORNERS = ("k0", "j0", "i0", "k1", "j1", "i1")
_MORE = ("name", "lesion", "status", "locked", "attributes")
_COLUMNS: dict[str, tuple[str, ...]] = {
    "boxes": ("id", "label", "image", "frame", *_CORNERS, *_MORE),
    "shapes": (
        *("id", "kind", "label", "image", "frame", "slice", "points", "normal", "text", "names", "edges"),
        *_MORE,
    ),
    "tags": ("id", "label", "value", "scope", "image", "index", "lesion", "attributes"),
    "labels": LABEL_COLUMNS,
    "points": POINT_COLUMNS,
    "segments": SEGMENT_COLUMNS,
    "lesions": LESION_COLUMNS,
    "problems": ("item", "type", "kind", "label", "attribute", "message"),
    "provenance": (
        *("what", "id", "mask", "value", "label", "source", "voxels", "share", "made", "authors"),
        *("first_source", "first_author", "last_source", "last_author", "edits"),
    ),
    "models": (
        *("id", "time", "author", "source", "what", "voxels", "voxels_untouched", "items"),
        *("items_untouched", "untouched", "undone"),
    ),
    "history": ("id", "time", "author", "origin", "tool", "kind", "what", "undoes"),
}


_CLASSES: dict[str, type[Box | Shape | Tag]] = {"boxes": Box, "shapes": Shape, "tags": Tag}
_NEEDED: dict[str, set[str]] = {
    "boxes": {"label", *_CORNERS},
    "shapes": {"kind", "label", "points"},
    "tags": {"label", "value", "scope", "index"},
    "points": {"shape", "n"},
    "labels": set(),
    "segments": {"mask", "value", "status"},
}
_INDEX: dict[str, list[str]] = {"points": ["shape", "n"], "lesions": ["lesion"]}
_NO_INDEX = ("segments", "problems", "provenance")


def table(
    document: Document, kind: Kind, *, unit: SuvKind | None = None, values: bool = True
) -> pd.DataFrame:
    """Return the annotations of one kind as a table.

    Parameters
    ----------
    document
        The document.
    kind
        "boxes" (corners in index coordinates) and "shapes" (points in world mm), both with what is measured
        of them; "points" (one row per point of each shape); "tags"; "labels"; "segments" (size, place and
        values); "lesions" (one row for what shows one lesion); "problems" (what is missing or wrong by the
        definitions of the labels); "history" (one row per edit, times in UTC); "provenance" (what made the
        voxels of each segment, and each item); "models" (what is left of each edit of a model).
    unit
        "bw", "lbm" or "bsa" gives values of PET images as SUV; others stay as stored.
    values
        False leaves the images unread: sizes only.

    Raises
    ------
    EditError
        When the kind is unknown.
    """
    import pandas as pd

    if kind not in _COLUMNS:
        raise EditError(f"There is no table {kind!r}", hint=f"There are: {', '.join(_COLUMNS)}.")
    with document.lock:
        document.refresh()
        items: list[Any] = list(_held(document)[kind]) if kind in _CLASSES else []
        masks = tuple(document.masks)
        rows = [] if kind == "segments" else _ROWS[kind](document)
    if kind == "segments":
        rows = segment_rows(document, masks, unit, values)
    frame = pd.DataFrame(rows, columns=pd.Index(_COLUMNS[kind]))
    if kind in _CLASSES:
        extra = [pd.DataFrame(_attributes(document, items), index=frame.index)]
        if kind != "tags":
            found = pd.DataFrame(measured(kind, items, document, unit, values), index=frame.index)
            numbers = [name for name in found if name not in ("unit", "value_unit", "note")]
            extra.append(found.astype(dict.fromkeys(numbers, float)))
        frame = pd.concat([frame, *(part for part in extra if len(part.columns))], axis=1)
    if "time" in frame:
        frame["time"] = pd.to_datetime(frame["time"], unit="s", utc=True)
    return frame if kind in _NO_INDEX else frame.set_index(_INDEX.get(kind, "id"))


def apply_table(document: Document, kind: Changeable, frame: pd.DataFrame) -> Edit:
    """Make the document equal to a changed table of one kind, as one edit.

    Rows of boxes, shapes and tags are matched by id: changed rows replace, rows with a new or missing id
    are added, rows that are gone are removed. Columns that are left out stay as they are; measures are
    not read. A changed column "attribute:NAME" changes that attribute, an empty cell removes it. In a
    table of points, shapes without rows stay as they are.

    Labels are matched by id, segments by mask and value; neither are added or removed. A new name of a
    label is taken everywhere, as by `Document.rename`, and labels may exchange names; colour, key, lock,
    code, parent and scope may change too. Of a segment only the status may.

    Raises
    ------
    EditError
        When a column is missing, a row cannot be read, or a table of labels or segments has an unknown
        row or column or a change that it cannot make. Nothing is changed then.
    """
    if kind not in _NEEDED:
        raise EditError(
            f"A table of {kind} cannot be applied", hint=f"Tables that can be: {', '.join(_NEEDED)}."
        )
    if kind == "points" and any(name in frame.index.names for name in _INDEX["points"]):
        frame = frame.reset_index()
    missing = sorted(_NEEDED[kind] - set(frame.columns))
    if missing:
        raise EditError(f"The table of {kind} lacks the columns {', '.join(missing)}")
    with document.lock:
        if kind == "points":
            edits = point_edits(document, _records(frame))
        elif kind == "labels":
            edits = label_edits(document, _by_id(frame))
        elif kind == "segments":
            edits = segment_edits(document, _records(frame))
        else:
            edits = _item_edits(document, kind, frame)
        return document.apply(Batch(tuple(edits), f"table of {kind}"))


def _item_edits(document: Document, kind: str, frame: pd.DataFrame) -> list[Edit]:
    current: dict[str, Box | Shape | Tag] = {item.id: item for item in _held(document)[kind]}
    rows = zip(frame.index, _records(frame), strict=True)
    wanted = [_item(kind, str(id), row, current) for id, row in rows]
    kept = {item.id for item in wanted}
    edits: list[Edit] = [Put(item) for item in wanted if current.get(item.id) != item]
    return edits + [Remove(item) for item in current.values() if item.id not in kept]


def _by_id(frame: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return rows by their id, from the column or the index of that name."""
    ids = [str(id) for id in frame.get("id", frame.index)]
    if len(set(ids)) < len(ids):
        raise EditError("The table of labels has an id twice")
    return dict(zip(ids, _records(frame), strict=True))


def _held(document: Document) -> dict[str, Items[Any]]:
    return {"boxes": document.boxes, "shapes": document.shapes, "tags": document.tags}


def _attributes(document: Document, items: list[Box | Shape | Tag]) -> dict[str, list[Any]]:
    """Return a column for each attribute that the labels ask for or an item has."""
    labels = {item.label for item in items}
    asked = [a.name for label in document.labels if label.name in labels for a in label.attributes]
    names = dict.fromkeys((*asked, *(name for item in items for name in item.attributes)))
    return {f"{ATTRIBUTE}{name}": [item.attributes.get(name) for item in items] for name in names}


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
        given["attributes"] = _answers(row, {} if known is None else known.attributes)
        return _CLASSES[kind](**given)
    except (TypeError, ValueError, KeyError) as cause:
        raise EditError(f"Row {id!r} of the table of {kind} cannot be read: {cause}") from cause


def _answers(row: dict[str, Any], known: Attributes) -> dict[str, Any]:
    """Return the attributes of a row: the column of all of them, then what columns of single ones change."""
    found: dict[str, Any] = dict(known)
    whole = row.get("attributes")
    if whole is not None and cleaned(whole) != known:
        found = dict(whole)
    for name, value in row.items():
        if not name.startswith(ATTRIBUTE):
            continue
        name = name.removeprefix(ATTRIBUTE)
        if (tuple(value) if isinstance(value, list) else value) == known.get(name):
            continue
        if value is None:
            found.pop(name, None)
        else:
            found[name] = value
    return found


def _given(kind: str, row: dict[str, Any]) -> dict[str, Any]:
    """Return what a row says of an item's fields."""
    cls = _CLASSES[kind]
    found = {f.name: row[f.name] for f in fields(cls) if f.name in row and f.name not in ("id", "attributes")}
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


def _provenance(document: Document) -> list[tuple[object, ...]]:
    names = {mask.id: mask for mask in document.masks}
    rows: list[tuple[object, ...]] = []
    for s in segment_shares(document):
        mask = names[s.mask]
        label = next(segment.label for segment in mask.segments if segment.value == s.value)
        counted = (s.source, s.voxels, s.share, s.made, ", ".join(s.authors))
        rows.append(("segment", s.mask, mask.name, s.value, label, *counted, None, None, None, None, None))
    for o in item_origins(document):
        nothing = (None,) * 5
        ends = (o.first_source, o.first_author, o.last_source, o.last_author, o.edits)
        rows.append((o.kind, o.id, None, None, o.label, *nothing, *ends))
    return rows


def _models(document: Document) -> list[tuple[object, ...]]:
    return [
        (
            *(m.edit.id, m.edit.time, m.edit.author, m.source, describe(document, m.edit)),
            *(m.voxels, m.voxels_untouched, m.items, m.items_untouched, m.untouched, m.undone),
        )
        for m in model_edits(document)
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
    "labels": label_rows,
    "points": point_rows,
    "lesions": lesion_rows,
    "problems": _problems,
    "history": _history,
    "provenance": _provenance,
    "models": _models,
}
