"""Measurement reports in: groups of TID 1500 become shapes, boxes and tags."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace
from typing import Any

from nbannot.errors import FormatError, NbannotError
from nbannot.formats.labels.findings import Findings
from nbannot.formats.labels.fitting import Fitting
from nbannot.formats.labels.own import adopt
from nbannot.formats.labels.sr.coded import words_of
from nbannot.formats.labels.sr.comparing import differences
from nbannot.formats.labels.sr.concepts import EVALUATIONS, GROUP, MEASUREMENTS, REPORT, is_concept
from nbannot.formats.labels.sr.elements import Content
from nbannot.formats.labels.sr.groups import Group
from nbannot.formats.labels.sr.places import Place, Places
from nbannot.formats.labels.sr.records import Part, restored
from nbannot.formats.labels.sr.regions import shapes_of
from nbannot.formats.labels.sr.tree import Node, tree_of
from nbannot.model.annotations import Box, Tag
from nbannot.model.labels import Label
from nbannot.model.shapes import Shape

Item = Box | Shape | Tag

_CLASSES = b"1.2.840.10008.5.1.4.1.1.88."
_KEY_OBJECT = "1.2.840.10008.5.1.4.1.1.88.59"
_MANY = 8
NO_FINDING = "finding"
"""Label of what a report does not name."""


def is_report(path: str, start: bytes) -> bool:
    """Whether a file is a DICOM structured report."""
    return start[128:132] == b"DICM" and _CLASSES in start


def read_report(path: str, findings: Findings) -> None:
    """Read the measurement groups of a TID 1500 report.

    Raises
    ------
    FormatError
        When it is a report of another kind, or damaged.
    """
    content = Content(path)
    root = tree_of(content)
    if content.text(content.root, 0x00080016) == _KEY_OBJECT:
        raise FormatError(f"{path} is a key object selection, which is not read")
    if not (is_concept(root.concept, REPORT) or any(root.find(MEASUREMENTS))):
        raise FormatError(
            f"{path} is a structured report of another kind ({root.name or 'without a title'})",
            hint="Measurement reports by template TID 1500 are read.",
        )
    report = _Report(findings)
    for node in root.find(GROUP):
        report.take(node)
    for container in root.find(EVALUATIONS):
        report.evaluations(container)
    report.finish()


class _Report:
    """Gathers what the groups hold."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.places = Places(findings.images)
        self.fitting = Fitting(findings.images)
        self.lost: Counter[str] = Counter()
        self.ids: Counter[str] = Counter()
        self.parts: dict[str, list[tuple[Part, Shape]]] = {}
        self.items: list[Item] = []
        self.differences: list[str] = []

    def take(self, node: Node) -> None:
        """Read one measurement group."""
        try:
            if node.record is not None:
                own = restored(node, self.places)
                if own is not None:
                    self._own(*own)
                    return
            self._foreign(node)
        except NbannotError as error:
            self.lost[f"not read: {error.message}"] += 1

    def _own(self, item: Item, label: Label, part: Part | None) -> None:
        adopt(self.findings, label)
        if part is None:
            self._keep(item)
        elif isinstance(item, Shape):
            self.parts.setdefault(item.id, []).append((part, item))

    def _foreign(self, node: Node) -> None:
        group = Group.of(node, self.lost)
        shapes = shapes_of(group, self.places, self.lost)
        name = self.findings.label(group.label or NO_FINDING, color=group.color, code=group.finding)
        if group.color and group.color != self.findings.labels[name].color:
            group.attributes["Color"] = group.color
        shared: dict[str, Any] = {"label": name, "lesion": group.lesion, "attributes": group.attributes}
        for shape in shapes:
            id = self._id(group)
            made = replace(shape, id=id, name=group.tracking, text=shape.text or group.text, **shared)
            if self._keep(made):
                self.differences += differences(made, group, self.findings.images)
        if not shapes and not group.has_regions:
            self._keep(self._tag(group, shared))

    def _tag(self, group: Group, shared: dict[str, Any]) -> Tag:
        """Return what a group says without coordinates as a tag of a slice, a lesion or the case."""
        places = [place for place in map(self.places.of, group.images) if place is not None]
        slices = {(place.image.id, place.k) for place in places}
        if len(slices) == 1 and len(group.images) == 1:
            place: Place = places[0]
            return Tag(**shared, scope="slice", index=place.k, image=place.image.id, id=self._id(group))
        image = places[0].image.id if places else ""
        scope = "lesion" if group.lesion else "case"
        return Tag(**shared, scope=scope, image=image, id=self._id(group))  # type: ignore[arg-type]

    def evaluations(self, container: Node) -> None:
        """Read statements about the whole case."""
        for node in container.children:
            value = words_of(node.value) if node.kind == "CODE" and node.value else node.value
            if node.kind in ("CODE", "TEXT") and value:
                label = self.findings.label(node.name, code=node.concept)
                self._keep(Tag(label, str(value)))
            else:
                self.lost[f"a {node.kind} among the qualitative evaluations is not read"] += 1

    def _id(self, group: Group) -> str:
        """Return an id that is the same whenever the file is read."""
        self.ids[group.lesion] += 1
        text = f"{group.lesion}|{self.ids[group.lesion]}|{'' if group.lesion else len(self.items)}"
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def _keep(self, item: Item) -> bool:
        reason = self.fitting.refusal(item)
        if reason:
            self.lost[f"not read: {reason}"] += 1
        else:
            self.items.append(item)
        return not reason

    def finish(self) -> None:
        """Hand everything over."""
        for parts in self.parts.values():
            ordered = sorted(parts, key=lambda one: one[0].number)
            points = tuple(point for _, shape in ordered for point in shape.points)
            part, shape = ordered[0]
            if len(ordered) == part.count:
                edges = tuple((int(one[0]), int(one[1])) for one in part.edges)
                self._keep(replace(shape, points=points, edges=edges))
            else:
                self.lost["a set of landmarks is not complete: its points are kept, its lines are not"] += 1
                self._keep(replace(shape, points=points, names=(), edges=()))
        self.findings.add(self.items)
        for text in self.differences[:_MANY]:
            self.findings.note(text)
        if len(self.differences) > _MANY:
            self.findings.note(f"{len(self.differences) - _MANY} more sizes are not those of their points")
        for text, count in self.lost.items():
            self.findings.note(text if count == 1 else f"{text} ({count} times)")
