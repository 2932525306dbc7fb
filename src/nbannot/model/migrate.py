"""A document brought to a newer version of its label set, as one edit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nbannot.errors import EditError
from nbannot.model.annotations import Box, Tag
from nbannot.model.attributes import AttributeValue
from nbannot.model.document import Document
from nbannot.model.edits import Batch, Edit, Item, Paint, Put, Remove
from nbannot.model.labels import Label, LabelSet
from nbannot.model.masks import LabelArray, MaskInfo
from nbannot.model.runs import difference
from nbannot.model.schema import Problem, check_answers
from nbannot.model.shapes import Shape
from nbannot.model.steps import Step

Marked = Box | Shape | Tag


@dataclass(frozen=True, slots=True)
class Migrated:
    """What a migration did.

    Parameters
    ----------
    edit
        The one edit; None where there was nothing to do.
    left
        What could not be carried over, each with its item: it stays as it was, or (for an attribute
        that the steps drop) stands in the message and comes back with undo.
    """

    edit: Edit | None
    left: tuple[Problem, ...]


def migrate(document: Document, labels: LabelSet) -> Migrated:
    """Bring a document to the version of a label set, as one edit.

    Labels keep their ids, colours and locks. Labels of the document that belong to no set count as
    version 1 of this one where it, or one of its steps, names them. The label set's labels that the
    document lacks are added.

    Raises
    ------
    EditError
        When the document is of a newer version, or the label set has no name.
    """
    if not labels.name:
        raise EditError("A label set without a name has no versions", hint="Give name=.")
    with document.lock:
        document.refresh()
        work = _Work(document, labels)
        for to, steps in labels.migrations.items():
            for step in steps:
                work.step(to, step)
        work.finish()
        left = tuple(work.left)
        if not work.edits:
            return Migrated(None, left)
        name = f"Labels of {labels.name}, version {labels.version}"
        edit = document.apply(Batch(tuple(work.edits), name, tool="labels"))
    return Migrated(edit, left)


class _Work:
    """The document as it becomes, and the edits that lead there."""

    def __init__(self, document: Document, target: LabelSet) -> None:
        self.target = target
        self.labels: dict[str, Label] = {label.name: label for label in document.labels}
        self.masks: dict[str, MaskInfo] = {mask.id: mask.info for mask in document.masks}
        self.items: dict[str, Marked] = {
            item.id: item for item in (*document.boxes, *document.shapes, *document.tags)
        }
        self.arrays: dict[str, LabelArray] = {mask.id: mask.array for mask in document.masks}
        self.edits: list[Edit] = []
        self.left: list[Problem] = []
        self._opened: set[str] = set()
        named = {name for steps in target.migrations.values() for step in steps for name in step.sources()}
        own = [one for one in document.labels if one.schema == target.name]
        adopted = [one for one in document.labels if not one.schema and one.name in {*named, *target}]
        # Ids of the labels that are the set's, with the version each is of.
        self.versions = {one.id: one.version for one in own} | {one.id: 1 for one in adopted}
        newest = max(self.versions.values(), default=1)
        if newest > target.version:
            raise EditError(
                f"The document has labels of {target.name!r} version {newest}, newer than {target.version}",
                hint="Read the newer label set.",
            )

    # Steps.

    def step(self, to: int, step: Step) -> None:
        """Make a step where the document is of an older version than it leads to."""
        sources = [name for name in step.sources() if self._is_older(name, to)]
        if not sources:
            return
        if step.do == "rename_label":
            self._rename(step.label, step.to)
        elif step.do == "merge_labels":
            for name in sources:
                self._merge(name, step.to)
        elif step.do == "split_label":
            self._split(step)
        else:
            self._answers(step)

    def _is_older(self, name: str, to: int) -> bool:
        label = self.labels.get(name)
        return label is not None and self.versions.get(label.id, to) < to

    def _rename(self, old: str, new: str) -> None:
        if new in self.labels:
            self._leave(self.labels[old], "", f"{old} keeps its name: there is a label {new} already")
            return
        self._put(replace(self.labels[old], name=new))
        self._relabel(old, new)

    def _merge(self, old: str, new: str) -> None:
        if old == new:
            return
        if new not in self.labels:
            self._rename(old, new)
            return
        self._relabel(old, new)
        self._remove(self.labels[old])

    def _split(self, step: Step) -> None:
        for item in self._marked(step.label):
            value = item.attributes.get(step.attribute)
            if isinstance(value, bool):
                value = "yes" if value else "no"
            if isinstance(value, str) and value in step.values:
                new = step.values[value]
                if new not in self.labels:
                    label = self.target.get(new) or Label(new)
                    parent = label.parent if label.parent in self.labels else ""
                    self._put(replace(label, parent=parent))
                    self.versions[label.id] = self.target.version
                self._put(replace(item, label=new))
            else:
                said = "it has no answer" if value is None else f"{value!r} names no new label"
                self._leave(item, step.attribute, f"{step.label} is not split: {said} to {step.attribute}")
        for info in self.masks.values():
            for segment in info.segments:
                if segment.label == step.label and np.any(self.arrays[info.id] == segment.value):
                    message = f"The voxels of {step.label} in mask {info.name} are not split"
                    key = f"{info.id}/{segment.value}"
                    self.left.append(Problem(key, "segment", "migration", step.label, "", message))

    def _answers(self, step: Step) -> None:
        name = step.attribute
        for item in self._marked(step.label):
            if name not in item.attributes:
                continue
            answers: dict[str, AttributeValue] = dict(item.attributes)
            value = answers[name]
            if step.do == "rename_attribute" and step.to in answers:
                self._leave(item, name, f"{name} keeps its name: there is an answer to {step.to} already")
                continue
            if step.do == "map_options":
                answers[name] = _mapped(value, step)
            else:
                del answers[name]
                if step.do == "rename_attribute":
                    answers[step.to] = value
                else:
                    self._leave(item, name, f"{name} = {value!r} was dropped")
            self._put(replace(item, attributes=answers))

    # What changes with a name.

    def _relabel(self, old: str, new: str) -> None:
        for info in list(self.masks.values()):
            if any(segment.label == old for segment in info.segments):
                self._relabel_mask(info, old, new)
        for item in self._marked(old):
            self._put(replace(item, label=new))
        for child in [label for label in self.labels.values() if label.parent == old]:
            self._put(replace(child, parent="" if child.name == new else new))

    def _relabel_mask(self, info: MaskInfo, old: str, new: str) -> None:
        taken = {other.name for other in self.masks.values()}
        name = new if info.name == old and new not in taken else info.name
        into = next((s.value for s in info.segments if s.label == new), None)
        if into is None:
            segments = tuple(replace(s, label=new) if s.label == old else s for s in info.segments)
        else:
            # One mask: its voxels of both become those of one.
            gone = [s.value for s in info.segments if s.label == old]
            before = self.arrays[info.id]
            after = np.where(np.isin(before, gone), into, before).astype(before.dtype)
            self._open_labels(old, new)
            change = difference(before, after)
            if change is not None:
                self.edits.append(Paint(info.id, *change))
            self.arrays[info.id] = after
            segments = tuple(s for s in info.segments if s.label != old)
        self._put(replace(info, name=name, segments=segments))

    def _open_labels(self, *names: str) -> None:
        for label in (self.labels[name] for name in names):
            if label.locked and label.id not in self._opened:
                self._opened.add(label.id)
                self.edits.append(Put(replace(label, locked=False)))

    def _marked(self, label: str) -> list[Marked]:
        return [item for item in self.items.values() if item.label == label]

    # The end.

    def finish(self) -> None:
        """Give the labels their new definitions; list what is left of the old ones."""
        for wanted in self.target.values():
            here = self.labels.get(wanted.name)
            if here is None:
                self._put(replace(wanted, parent=""))
            elif here.id not in self.versions:
                self._leave(here, "", f"{here.name} belongs to {here.schema or 'no label set'}")
        for wanted in self.target.values():
            here = self.labels[wanted.name]
            if here.id in self.versions or here.id == wanted.id:
                self.versions.setdefault(here.id, self.target.version)
                self._put(replace(wanted, id=here.id, color=here.color, locked=here.locked))
        # Children first, so that a parent without use can go.
        for label in reversed(list(self.labels.values())):
            if label.id in self.versions and label.name not in self.target:
                self._retire(label)
        for label in self.labels.values():
            if label.id in self._opened:
                self.edits.append(Put(label))
        self._misfits()

    def _retire(self, label: Label) -> None:
        """Remove a label that the new version does not have; where it is used, keep it and say so."""
        uses = len(self._marked(label.name)) + sum(one.parent == label.name for one in self.labels.values())
        held = [info for info in self.masks.values() if any(s.label == label.name for s in info.segments)]
        drawn = any(
            np.any(self.arrays[info.id] == s.value)
            for info in held
            for s in info.segments
            if s.label == label.name
        )
        if uses or drawn:
            version = f"version {self.target.version} of {self.target.name}"
            self._leave(label, "", f"{label.name} is used, but not in {version}")
            self._put(replace(label, schema=self.target.name, version=self.target.version))
            return
        for info in held:
            rest = tuple(s for s in info.segments if s.label != label.name)
            if rest:
                self._put(replace(info, segments=rest))
            else:
                self._remove(info)
        self._remove(label)

    def _misfits(self) -> None:
        for item in self.items.values():
            label = self.labels[item.label]
            if label.id not in self.versions or label.name not in self.target:
                continue
            for kind, attribute, message in check_answers(label, item.attributes):
                if kind != "missing":
                    self.left.append(
                        Problem(item.id, _type(item), kind, label.name, attribute, message)
                    )  # fmt: skip

    # Edits.

    def _put(self, item: Item) -> None:
        held = dict(self._held())
        old: Any = held.get(item.id)
        if item == old:
            return
        if isinstance(item, Box | Shape) and item.locked and item.id not in self._opened:
            self._opened.add(item.id)
            self.edits.append(Put(replace(old, locked=False)))
        if isinstance(item, Label) and item.id in self._opened:
            self.edits.append(Put(replace(item, locked=False)))
        else:
            self.edits.append(Put(item))
        if isinstance(item, Label):
            self.labels = {name: one for name, one in self.labels.items() if one.id != item.id}
            self.labels[item.name] = item
        elif isinstance(item, MaskInfo):
            self.masks[item.id] = item
        else:
            self.items[item.id] = item

    def _remove(self, item: Label | MaskInfo) -> None:
        self.edits.append(Remove(item))
        if isinstance(item, Label):
            del self.labels[item.name]
        else:
            del self.masks[item.id]

    def _held(self) -> Iterator[tuple[str, Item]]:
        groups: tuple[Iterable[Item], ...] = (self.labels.values(), self.masks.values(), self.items.values())
        return ((item.id, item) for group in groups for item in group)

    def _leave(self, item: Item, attribute: str, message: str) -> None:
        label = item.label if isinstance(item, Box | Shape | Tag) else item.name
        self.left.append(Problem(item.id, _type(item), "migration", label, attribute, message))


def _mapped(value: AttributeValue, step: Step) -> AttributeValue:
    if isinstance(value, str):
        return step.values.get(value, value)
    if isinstance(value, tuple | list):
        return tuple(dict.fromkeys(step.values.get(one, one) for one in value))
    return value


def _type(item: Item) -> str:
    return "mask" if isinstance(item, MaskInfo) else type(item).__name__.lower()
