"""Changed tables of labels and segments back as edits."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np

from nbannot.errors import EditError
from nbannot.model.attributes import Status
from nbannot.model.document import Document
from nbannot.model.edits import Edit, Put
from nbannot.model.labels import Code, Label, LabelScope, check_scheme
from nbannot.model.masks import Mask
from nbannot.model.renaming import label_changes
from nbannot.model.tables.measured import SEGMENT_COLUMNS

LABEL_COLUMNS = (
    *("id", "name", "color", "key", "locked", "code", "scheme", "meaning", "parent", "scope"),
    *("schema", "version"),
)
_CODE = ("code", "scheme", "meaning")

Row = Mapping[str, Any]


def label_rows(document: Document) -> list[tuple[object, ...]]:
    """Return one row for each label, in the order of `LABEL_COLUMNS`."""
    return [
        (
            *(label.id, label.name, label.color, label.key, label.locked),
            *(getattr(label.code, name, None) for name in ("value", "scheme", "meaning")),
            *(label.parent, label.scope, label.schema, label.version),
        )
        for label in document.labels
    ]


def label_edits(document: Document, rows: Mapping[str, Row]) -> list[Edit]:
    """Return the edits that make labels as the rows say, by id; a new name is taken everywhere.

    Labels without a row stay as they are. A parent that is not changed keeps its label when that is
    renamed.

    Raises
    ------
    EditError
        When an id or a column is not known, two labels would have one name, the label set or its version
        was changed, or a cell cannot be read.
    """
    held = {label.id: label for label in document.labels}
    changed: dict[str, Label] = {}
    for id, row in rows.items():
        _check_columns("labels", row, LABEL_COLUMNS)
        label = held.get(id)
        if label is None:
            raise EditError(
                f"The table of labels has a row {id!r}, which is no id of a label",
                hint="Add labels with document.add; keep the column id of the table as it was.",
            )
        try:
            changed[id] = _label(label, row)
        except (TypeError, ValueError) as cause:
            raise EditError(f"The row of label {label.name!r} cannot be read: {cause}") from cause
    after = [changed.get(label.id, label).name for label in document.labels]
    twice = next((name for name in after if after.count(name) > 1), None)
    if twice is not None:
        raise EditError(f"Two labels would have the name {twice!r}", hint="Choose another name.")
    names = {held[id].name: label.name for id, label in changed.items()}
    for id, label in changed.items():
        if label.parent == held[id].parent or label.parent not in after:
            changed[id] = replace(label, parent=names.get(label.parent, label.parent))
    return label_changes(document, [label for id, label in changed.items() if label != held[id]])


def _label(label: Label, row: Row) -> Label:
    """Return a label as a row says; columns that are left out stay."""
    given: dict[str, Any] = {name: _text(row[name]) for name in ("name", "color", "parent") if name in row}
    if "key" in row:
        given["key"] = _text(row["key"]) or None
    if "locked" in row:
        given["locked"] = _yes(row["locked"])
    if "scope" in row:
        given["scope"] = _scope(label, row["scope"])
    if any(name in row for name in _CODE):
        given["code"] = _code(label, row)
    for name in ("schema", "version"):
        if name in row and _text(row[name]) != str(getattr(label, name)):
            raise EditError(
                f"The {name} of label {label.name!r} cannot be changed in a table",
                hint="nb.LabelSet and document.migrate change label sets.",
            )
    return replace(label, **given)


def _scope(label: Label, scope: Any) -> tuple[LabelScope, ...]:
    if isinstance(scope, str) and scope == str(label.scope):  # as files of tables hold it
        return label.scope
    if isinstance(scope, str):
        raise EditError(f"The scope of label {label.name!r} is {scope!r}", hint='Give a list: ["case"].')
    return tuple(scope or ())


def _code(label: Label, row: Row) -> Code | None:
    held = label.code
    known = (held.value, held.scheme, held.meaning) if held else ("", "", "")
    parts = [_text(row[name]) if name in row else old for name, old in zip(_CODE, known, strict=True)]
    if not any(parts):
        return None
    if not all(parts):
        raise EditError(
            f"The code of label {label.name!r} is not whole", hint=f"It needs {', '.join(_CODE)}, or none."
        )
    code = Code(*parts)
    if code != held:
        check_scheme(code.scheme)
    return code


def _text(value: Any) -> str:
    """Return a cell as text; programs for tables turn "1" into 1 or 1.0."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else str(value)


def _yes(value: Any) -> bool:
    if isinstance(value, bool | np.bool_) or value in (0, 1):
        return bool(value)
    raise ValueError(f"locked is {value!r}, not True or False")


def segment_edits(document: Document, rows: list[dict[str, Any]]) -> list[Edit]:
    """Return the edits that give segments the status of their rows, found by mask and value.

    Sizes and values are not read; segments without a row stay as they are.

    Raises
    ------
    EditError
        When there is no such segment, a row comes twice, a label was changed, or a column or status is
        not known.
    """
    changed: dict[str, dict[int, Status]] = {}
    for row in rows:
        _check_columns("segments", row, SEGMENT_COLUMNS)
        mask, value = _segment(document, row)
        given = changed.setdefault(mask.id, {})
        if value in given:
            raise EditError(f"The table of segments has value {value} of mask {mask.name!r} twice")
        given[value] = cast("Status", _text(row["status"]))
    edits: list[Edit] = []
    for id, given in changed.items():
        info = document.masks[id].info
        segments = tuple(replace(one, status=given.get(one.value, one.status)) for one in info.segments)
        if segments != info.segments:
            edits.append(Put(replace(info, segments=segments)))
    return edits


def _segment(document: Document, row: Row) -> tuple[Mask, int]:
    name, number = _text(row["mask"]), _text(row["value"])
    mask = next((one for one in document.masks if one.name == name), None)
    found = next((one for one in mask.segments if str(one.value) == number), None) if mask else None
    if mask is None or found is None:
        raise EditError(
            f"The table of segments has a row of mask {name!r}, value {number}, which the document does not hold",
            hint="mask and value say which segment it is: keep them as they were.",
        )
    if "label" in row and row["label"] != found.label:
        raise EditError(
            f"The label of value {number} of mask {name!r} cannot be changed in the table of segments",
            hint="Rename labels in the table of labels, or with document.rename.",
        )
    return mask, found.value


def _check_columns(kind: str, row: Row, known: Collection[str]) -> None:
    unknown = [name for name in row if name not in known]
    if unknown:
        raise EditError(
            f"The table of {kind} has no column {', '.join(unknown)}", hint=f"It has: {', '.join(known)}."
        )
