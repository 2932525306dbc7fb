"""Groups that nbannot has written, read as what they were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nbannot.formats.labels.sr.places import Places, Put
from nbannot.formats.labels.sr.tree import Node
from nbannot.model.annotations import Box, Tag
from nbannot.model.codec import decode_item
from nbannot.model.labels import Label
from nbannot.model.shapes import Shape


@dataclass(frozen=True, slots=True)
class Part:
    """One point of a set of landmarks: which one of how many, and the lines between them."""

    number: int
    count: int
    edges: Sequence[Sequence[int]]


Restored = tuple[Box | Shape | Tag, Label, Part | None]
_POINTS = ("SCOORD", "SCOORD3D")


def restored(node: Node, places: Places) -> Restored | None:
    """Return the item of a group with its label, and which part of it this is.

    Coordinates come from the report; the record says only what they are of. None where the two do not
    agree, or the images are not at hand: the group is then read like that of any other program.
    """
    record: dict[str, Any] = node.record or {}
    label = decode_item({"type": "label", **record.get("label", {})})
    item = {**record.get("item", {})}
    if not isinstance(label, Label):
        return None
    if item.get("type") == "tag":
        return _tag(item, node, label, places)
    regions = [child for child in node.children if child.kind in _POINTS and child.value is not None]
    for number in node.children:
        if number.kind == "NUM":
            regions += [part for part in number.children if part.kind in _POINTS and part.value is not None]
    puts = [put for put in map(places.put, regions) if put is not None]
    if not puts or len(puts) != len(regions):
        return None
    if item.get("type") == "box":
        box = _box(item, record, puts)
        return None if box is None else (box, label, None)
    return _shape(item, record, puts, label)


def _tag(item: dict[str, Any], node: Node, label: Label, places: Places) -> Restored | None:
    images = [child.value for child in node.children if child.kind == "IMAGE" and child.value is not None]
    place = places.of(images[0]) if images else None
    tag = decode_item({**item, "image": place.image.id if place is not None else ""})
    return (tag, label, None) if isinstance(tag, Tag) else None


def _box(item: dict[str, Any], record: dict[str, Any], puts: list[Put]) -> Box | None:
    image = puts[0].image
    points = np.concatenate([put.points for put in puts])
    if image.geometry.kind == "stack" and puts[0].slice is not None:
        index = np.concatenate([_on(put) for put in puts])
    else:
        index = image.geometry.to_index(points)
    low, high = index.min(axis=0), index.max(axis=0)
    if "depth" in record:
        ends = [float(end) for end in record["depth"]]
        if len(puts) != int(np.floor(ends[1]) - np.ceil(ends[0])) + 1:
            return None
        low[0], high[0] = ends
    for axis in record.get("flat", ()):
        low[axis] = high[axis] = (low[axis] + high[axis]) / 2
    corners = (tuple(low.tolist()), tuple(high.tolist()))
    box = decode_item({**item, "index": corners, "image": image.id})
    return box if isinstance(box, Box) else None


def _on(put: Put) -> Any:
    """Return the index of points on a slice of a stack."""
    assert put.slice is not None
    plane = put.image.geometry.plane(put.slice)
    basis = np.stack((plane.row_step, plane.column_step), axis=1)
    flat = np.linalg.lstsq(basis, (put.points - plane.origin).T, rcond=None)[0].T
    return np.column_stack((np.full(len(flat), put.slice), flat))


def _shape(item: dict[str, Any], record: dict[str, Any], puts: list[Put], label: Label) -> Restored | None:
    points = np.concatenate([put.points for put in puts])
    if record.get("closed"):
        points = points[:-1]
    if record.get("swapped"):
        points = points[[2, 3, 0, 1]]
    fields = puts[0].fields()
    fields |= {"points": points.tolist(), "frame": item.get("frame"), "normal": item.get("normal")}
    shape = decode_item({**item, **fields})
    if not isinstance(shape, Shape):
        return None
    part = record.get("part")
    return shape, label, None if part is None else Part(int(part[0]), int(part[1]), record.get("edges", ()))
