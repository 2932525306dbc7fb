"""What files of other programs carry for nbannot besides: an item without its place, and its label."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from nbannot.errors import NbannotError
from nbannot.formats.labels.findings import Findings
from nbannot.model.annotations import Box, Tag
from nbannot.model.codec import decode_item, encode_item
from nbannot.model.labels import Label
from nbannot.model.shapes import Shape

Item = Box | Shape | Tag
_PLACE = ("points", "index", "image", "slice")


def record_of(item: Item, label: Label) -> dict[str, Any]:
    """Return what an item is besides its place, as JSON."""
    fields = encode_item(item)
    left_out = _PLACE if not isinstance(item, Tag) else ("image",)
    return {
        "item": {name: value for name, value in fields.items() if name not in left_out},
        "label": asdict(label),
    }


def item_of(record: Any, **place: Any) -> tuple[Item, Label] | None:
    """Return the item of a record at a place, with its label; None for what is no record of ours."""
    if not isinstance(record, dict) or not isinstance(record.get("item"), dict):
        return None
    try:
        label = decode_item({"type": "label", **(record.get("label") or {})})
        item = decode_item({**record["item"], **place})
    except (NbannotError, TypeError, ValueError, AttributeError):
        return None
    if not isinstance(label, Label) or not isinstance(item, Box | Shape | Tag):
        return None
    return (item, label) if _is_sound(item, label) else None


def _is_sound(item: Any, label: Any) -> bool:
    """Whether the fields that a file gave are of the types that they must have."""
    texts = [item.id, item.label, item.lesion, label.id, label.name, label.color, label.parent, label.schema]
    frame = None if isinstance(item, Tag) else item.frame
    if isinstance(item, Box | Shape):
        texts.append(item.name)
    if isinstance(item, Shape):
        texts.append(item.text)
    whole = [one for one in (frame, item.index if isinstance(item, Tag) else None) if one is not None]
    return (
        all(isinstance(text, str) for text in texts)
        and all(isinstance(one, int) and not isinstance(one, bool) for one in whole)
        and bool(item.id)
        and item.label == label.name
        and isinstance(label.key, str | None)
        and isinstance(label.version, int)
        and all(isinstance(getattr(one, "locked", False), bool) for one in (item, label))
    )


def adopt(findings: Findings, label: Label) -> None:
    """Take over a label as it was, and make the one above it where there is none."""
    if label.parent:
        findings.label(label.parent)
    findings.labels.setdefault(label.name, label)
