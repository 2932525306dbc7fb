"""The one wire form of edits: JSON and bytes, the same in the browser and in the journal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from nbannot.errors import EditError, NbannotError
from nbannot.model.annotations import Box, Tag
from nbannot.model.attributes import Attribute
from nbannot.model.edits import Batch, Edit, Item, Paint, Put, Remove
from nbannot.model.labels import Code, Label
from nbannot.model.masks import MaskInfo, Segment
from nbannot.model.runs import Runs
from nbannot.model.shapes import Shape

Json = dict[str, Any]

_TYPES: dict[str, type[Item]] = {
    "label": Label,
    "mask": MaskInfo,
    "box": Box,
    "shape": Shape,
    "tag": Tag,
}
# In the year 2255; tables count ns in 64 bits.
_LAST_TIME = 9e9
_SHARED = ("id", "author", "time", "origin", "tool", "undoes")


def encode_item(item: Item) -> Json:
    """Return an item as JSON."""
    kind = next(name for name, cls in _TYPES.items() if isinstance(item, cls))
    return {"type": kind, **asdict(item)}


def decode_item(data: Mapping[str, Any]) -> Item:
    """Return the item that JSON describes.

    Raises
    ------
    EditError
        When the type is unknown or a field is missing, unknown or wrong.
    """
    fields = dict(data)
    kind = fields.pop("type", None)
    try:
        if kind == "label":
            code = fields.pop("code", None)
            asked = tuple(Attribute(**attribute) for attribute in fields.pop("attributes", ()))
            return Label(**fields, code=Code(**code) if code else None, attributes=asked)
        if kind == "mask":
            segments = tuple(Segment(**segment) for segment in fields.pop("segments"))
            return MaskInfo(**fields, segments=segments)
        if kind in _TYPES:
            return _TYPES[kind](**fields)
    except NbannotError:
        raise
    except (TypeError, ValueError, KeyError, AttributeError) as cause:
        raise EditError(f"An item of type {kind!r} cannot be read: {cause}") from cause
    raise EditError(f"Unknown type of item {kind!r}", hint=f"Known: {', '.join(_TYPES)}.")


def encode_edit(edit: Edit) -> tuple[Json, list[bytes]]:
    """Return an edit as JSON and buffers."""
    buffers: list[bytes] = []
    return _encode(edit, buffers), buffers


def _encode(edit: Edit, buffers: list[bytes]) -> Json:
    shared = {name: getattr(edit, name) for name in _SHARED}
    if isinstance(edit, Put):
        old = None if edit.old is None else encode_item(edit.old)
        return {"kind": "put", "item": encode_item(edit.item), "old": old, "at": edit.at, **shared}
    if isinstance(edit, Remove):
        return {"kind": "remove", "item": encode_item(edit.item), "at": edit.at, **shared}
    if isinstance(edit, Paint):
        buffers.append(edit.runs.data)
        body = {"mask": edit.mask, "box": edit.box, "count": edit.runs.count}
        return {"kind": "paint", **body, "buffer": len(buffers) - 1, **shared}
    if isinstance(edit, Batch):
        edits = [_encode(part, buffers) for part in edit.edits]
        return {"kind": "batch", "edits": edits, "name": edit.name, **shared}
    raise EditError(f"{type(edit).__name__} is not an edit")


def decode_edit(data: Mapping[str, Any], buffers: Sequence[bytes | memoryview] = ()) -> Edit:
    """Return the edit that JSON and buffers describe.

    Raises
    ------
    EditError
        When it cannot be read; nothing hostile gets further than here.
    """
    try:
        return _decode(data, buffers)
    except NbannotError:
        raise
    except (TypeError, ValueError, KeyError, IndexError, AttributeError) as cause:
        raise EditError(f"An edit cannot be read: {type(cause).__name__} {cause}") from cause


def _shared(data: Mapping[str, Any]) -> Json:
    """Return what every edit carries; a time that no table can show would keep others from theirs."""
    shared = {name: data[name] for name in _SHARED if data.get(name) is not None}
    when = shared.get("time", 0.0)
    if isinstance(when, bool) or not isinstance(when, int | float) or not 0 <= when < _LAST_TIME:
        raise EditError("The time of an edit is not one")
    if not all(isinstance(value, str) for name, value in shared.items() if name != "time"):
        raise EditError("An edit says something of itself that is no text")
    return shared


def _decode(data: Mapping[str, Any], buffers: Sequence[bytes | memoryview]) -> Edit:
    shared = _shared(data)
    kind = data["kind"]
    if kind == "put":
        old = None if data.get("old") is None else decode_item(data["old"])
        return Put(decode_item(data["item"]), old, data.get("at"), **shared)
    if kind == "remove":
        return Remove(decode_item(data["item"]), data.get("at"), **shared)
    if kind == "paint":
        low, high = ((int(k), int(j), int(i)) for k, j, i in data["box"])
        runs = Runs(bytes(buffers[int(data["buffer"])]), int(data["count"]))
        return Paint(str(data["mask"]), (low, high), runs, **shared)
    if kind == "batch":
        edits = tuple(_decode(part, buffers) for part in data["edits"])
        return Batch(edits, str(data.get("name", "")), **shared)
    raise EditError(f"Unknown kind of edit {kind!r}", hint="Known: put, remove, paint, batch.")
