"""A measurement group (PS3.16 TID 1410, 1411, 1501) taken apart."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

from nbannot.formats.labels.sr.coded import words_of
from nbannot.formats.labels.sr.concepts import (
    COLOR,
    DERIVATION,
    FINDING,
    LATERALITY,
    REFERENCE_POINTS,
    SCHEME,
    SEGMENT,
    SEGMENT_FRAME,
    SHORT_LABEL,
    SITE,
    TRACKING_ID,
    TRACKING_UID,
    field_of,
    is_concept,
)
from nbannot.formats.labels.sr.tree import Node, Reference
from nbannot.model.attributes import Attributes
from nbannot.model.labels import Code

_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
_POINTS = ("SCOORD", "SCOORD3D")


@dataclass(frozen=True, slots=True)
class Measured:
    """A number of the file: field of `Measures` (empty for none), value and unit."""

    field: str
    name: str
    value: float
    unit: str


@dataclass(slots=True)
class Group:
    """What a measurement group says.

    Parameters
    ----------
    label, finding, color
        Name of the finding, its code, and the colour that some programs store.
    lesion, tracking
        Tracking unique identifier, and the identifier for people.
    text
        What is written beside it.
    regions
        Coordinates of the group itself.
    numbers
        Measurements with coordinates of their own.
    ends
        Reference points, e.g. the tail of an arrow.
    """

    label: str = ""
    finding: Code | None = None
    color: str = ""
    lesion: str = ""
    tracking: str = ""
    text: str = ""
    attributes: Attributes = field(default_factory=dict)
    measured: list[Measured] = field(default_factory=list)
    regions: list[Node] = field(default_factory=list)
    numbers: list[Node] = field(default_factory=list)
    ends: list[Node] = field(default_factory=list)
    images: list[Reference] = field(default_factory=list)

    @property
    def has_regions(self) -> bool:
        """Whether there are coordinates."""
        return bool(self.regions or self.numbers)

    @classmethod
    def of(cls, node: Node, lost: Counter[str]) -> Group:
        """Take a group apart; count in `lost` what finds no place."""
        group = cls()
        for child in node.children:
            group._take(child, lost)
        group.lesion = group.lesion or group.tracking
        if group.tracking == group.lesion:
            group.tracking = ""
        return group

    def _take(self, child: Node, lost: Counter[str]) -> None:
        concept = child.concept
        if child.kind in _POINTS:
            self._take_points(child, lost)
        elif child.kind == "UIDREF" and is_concept(concept, TRACKING_UID):
            self.lesion = str(child.value)
        elif child.kind == "TEXT" and is_concept(concept, TRACKING_ID):
            self.tracking = str(child.value)
        elif child.kind == "CODE" and is_concept(concept, FINDING) and child.value and not self.label:
            code: Code = child.value
            self.label, self.finding = code.meaning, None if code.scheme == SCHEME else code
        elif child.kind == "CODE" and is_concept(concept, SITE) and child.value:
            sides = [one.value.meaning for one in child.of(LATERALITY) if one.kind == "CODE" and one.value]
            self._answer("Finding site", words_of(child.value, *sides))
        elif child.kind == "TEXT" and is_concept(concept, COLOR) and _COLOR.fullmatch(str(child.value)):
            self.color = str(child.value)
        elif child.kind == "TEXT" and is_concept(concept, SHORT_LABEL) and "{" not in str(child.value):
            self.text = str(child.value)
            self._rest(child, lost)
        elif child.kind == "NUM":
            self._take_number(child, lost)
        elif child.kind == "CODE" and child.value:
            self._answer(words_of(concept) if concept else "", words_of(child.value))
            self._rest(child, lost)
        elif child.kind in ("TEXT", "PNAME", "DATE", "TIME", "DATETIME", "UIDREF") and child.value:
            self._answer(child.name, str(child.value))
            self._rest(child, lost)
        elif child.kind == "IMAGE" and isinstance(child.value, Reference):
            self._take_image(child, lost)
        else:
            lost[f"not read: {child.kind or 'an item'} {child.name}".strip()] += 1

    def _take_points(self, child: Node, lost: Counter[str]) -> None:
        if child.value is None:
            lost[f"not read: {child.kind} with damaged coordinates"] += 1
        elif is_concept(child.concept, REFERENCE_POINTS):
            self.ends.append(child)
        else:
            self.regions.append(child)

    def _take_image(self, child: Node, lost: Counter[str]) -> None:
        if any(is_concept(child.concept, one) for one in (SEGMENT, SEGMENT_FRAME)):
            numbers = ", ".join(map(str, child.value.segments))
            lost[f"segment {numbers} of a DICOM SEG is measured, which is read from its own file"] += 1
        else:
            self.images.append(child.value)

    def _take_number(self, child: Node, lost: Counter[str]) -> None:
        if any(part.kind in _POINTS and part.value is not None for part in child.children):
            self.numbers.append(child)
        if child.value is None:
            lost[f"not read: {child.name} without a value"] += 1
            return
        value, unit = child.value
        shown = unit.value if unit is not None else ""
        words = [child.name]
        for part in child.children:
            if part.kind == "CODE" and part.value:
                words += [part.value.meaning] if is_concept(part.concept, DERIVATION) else []
                if not is_concept(part.concept, DERIVATION):
                    lost[f"{part.name} of {child.name}: {part.value.meaning}"] += 1
            elif part.kind not in _POINTS:
                lost[f"not read: {part.name or part.kind} of {child.name}"] += 1
        name = " ".join(words) + (f" ({shown})" if shown not in ("", "1") else "")
        self._answer(name, value)
        self.measured.append(Measured(field_of(child.concept), name, value, shown))

    def _answer(self, name: str, value: float | str) -> None:
        """Keep a value; several texts of one name become a list, several numbers get numbers."""
        name = name or "unnamed"
        held = self.attributes.get(name)
        if isinstance(value, str) and isinstance(held, str):
            self.attributes[name] = (held, value)
        elif isinstance(value, str) and isinstance(held, tuple):
            self.attributes[name] = (*held, value)
        else:
            free, number = name, 2
            while free in self.attributes:
                free, number = f"{name} {number}", number + 1
            self.attributes[free] = value

    def _rest(self, child: Node, lost: Counter[str]) -> None:
        for part in child.children:
            placed = is_concept(part.concept, REFERENCE_POINTS)
            lost["not read: where a text was put" if placed else
                 f"not read: {part.name or part.kind} of {child.name}"] += 1  # fmt: skip
