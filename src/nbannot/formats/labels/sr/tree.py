"""The content of a structured report as a tree of nodes (PS3.3 C.17.3), whatever its template."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.formats.labels.sr.concepts import RECORD_CREATOR, RECORD_GROUP, is_concept
from nbannot.formats.labels.sr.elements import Content, Elements
from nbannot.model.labels import Code

_DEPTH = 40
"""Deeper than any template; a file that nests more is damaged."""
_TEXTS = {"TEXT": 0x0040A160, "UIDREF": 0x0040A124, "PNAME": 0x0040A123, "DATE": 0x0040A121,
          "TIME": 0x0040A122, "DATETIME": 0x0040A120}  # fmt: skip


@dataclass(slots=True)
class Graphic:
    """Coordinates: (n, 2) columns and rows of a picture, or (n, 3) world LPS mm.

    Columns and rows count from the outer corner of the first pixel (PS3.3 C.18.6.1.1), so the centre of
    pixel (j, i) is at (i + 0.5, j + 0.5).
    """

    kind: str
    points: NDArray[np.float64]
    frame_of_reference: str = ""


@dataclass(slots=True)
class Reference:
    """A referenced instance, with frames (from 1) or segments."""

    instance: str
    frames: tuple[int, ...] = ()
    segments: tuple[int, ...] = ()


@dataclass(slots=True)
class Node:
    """A content item: value type, relation to its parent, concept, value and children."""

    kind: str
    relation: str
    concept: Code | None
    value: Any = None
    children: list[Node] = field(default_factory=list)
    record: dict[str, Any] | None = None
    reference: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """Meaning of the concept."""
        return self.concept.meaning if self.concept else ""

    def of(self, concept: Code) -> Iterator[Node]:
        """Yield the children of a concept."""
        return (child for child in self.children if is_concept(child.concept, concept))

    def find(self, concept: Code) -> Iterator[Node]:
        """Yield the nodes of a concept below this one, outermost only."""
        for child in self.children:
            if is_concept(child.concept, concept):
                yield child
            else:
                yield from child.find(concept)


def tree_of(content: Content) -> Node:
    """Return the content of a report; items by reference stand for what they refer to."""
    root = _Tree(content).node(content.root, 0)
    _resolve(root, root, 0)
    return root


def _resolve(node: Node, root: Node, depth: int) -> None:
    for n, child in enumerate(node.children):
        if child.reference and not child.kind:
            target: Node | None = root
            for step in child.reference[1:]:
                inside = target.children if target else []
                target = inside[step - 1] if 0 < step <= len(inside) else None
            if target is not None and target.kind in ("IMAGE", "SCOORD", "SCOORD3D"):
                node.children[n] = Node(
                    target.kind, child.relation, target.concept, target.value, target.children
                )
        elif depth < _DEPTH:
            _resolve(child, root, depth + 1)


@dataclass(frozen=True, slots=True)
class _Tree:
    content: Content

    def node(self, item: Elements, depth: int) -> Node:
        text = self.content.text
        kind = text(item, 0x0040A040)
        node = Node(kind, text(item, 0x0040A010), self._code(item, 0x0040A043), self._value(kind, item))
        node.reference = self.content.whole(item, 0x0040DB73)
        node.record = self._record(item)
        if depth < _DEPTH:
            node.children = [self.node(child, depth + 1) for child in item.sequences.get(0x0040A730, ())]
        return node

    def _code(self, item: Elements, tag: int) -> Code | None:
        """Return the code in a code sequence; None where there is none."""
        found = item.sequences.get(tag)
        if not found:
            return None
        text, first = self.content.text, found[0]
        value = text(first, 0x00080100) or text(first, 0x00080119) or text(first, 0x00080120)
        return Code(value, text(first, 0x00080102), text(first, 0x00080104).strip() or value)

    def _value(self, kind: str, item: Elements) -> Any:
        if kind == "CODE":
            return self._code(item, 0x0040A168)
        if kind == "NUM":
            return self._number(item)
        if kind in ("SCOORD", "SCOORD3D"):
            return self._graphic(kind, item)
        if kind in ("IMAGE", "COMPOSITE", "WAVEFORM"):
            refer = item.sequences.get(0x00081199)
            if not refer:
                return None
            frames, segments = (self.content.whole(refer[0], tag) for tag in (0x00081160, 0x0062000B))
            return Reference(self.content.text(refer[0], 0x00081155), frames, segments)
        return self.content.text(item, _TEXTS[kind]) if kind in _TEXTS else None

    def _number(self, item: Elements) -> tuple[float, Code | None] | None:
        measured = item.sequences.get(0x0040A300)
        if not measured:
            return None
        exact = self.content.floats(measured[0], 0x0040A161, double=True)
        try:
            number = exact[0] if exact else float(self.content.text(measured[0], 0x0040A30A).split("\\")[0])
        except ValueError:
            return None
        return (number, self._code(measured[0], 0x004008EA)) if math.isfinite(number) else None

    def _graphic(self, kind: str, item: Elements) -> Graphic | None:
        width = 2 if kind == "SCOORD" else 3
        data = np.array(self.content.floats(item, 0x00700022), dtype=np.float64)
        if not data.size or data.size % width or not np.isfinite(data).all():
            return None
        text = self.content.text
        return Graphic(text(item, 0x00700023), data.reshape(-1, width), text(item, 0x30060024))

    def _record(self, item: Elements) -> dict[str, Any] | None:
        """Return what nbannot has stored besides; None where it did not write the group."""
        blocks = [tag & 0xFF for tag in item.values if 0x10 <= tag - (RECORD_GROUP << 16) <= 0xFF]
        for element in blocks:
            if self.content.text(item, RECORD_GROUP << 16 | element) != RECORD_CREATOR:
                continue
            try:
                found = json.loads(self.content.text(item, RECORD_GROUP << 16 | element << 8 | 0x01))
            except ValueError:
                return None
            return found if isinstance(found, dict) else None
        return None
