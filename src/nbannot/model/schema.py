"""What is missing or wrong in a document, by the definitions of its labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from nbannot.errors import EditError
from nbannot.model.annotations import Box, Tag
from nbannot.model.attributes import Attributes, asked, fault
from nbannot.model.document import Document
from nbannot.model.labels import Label, LabelScope, check_scheme
from nbannot.model.masks import Mask, Segment
from nbannot.model.shapes import Shape

ProblemKind = Literal[
    "missing", "type", "range", "option", "unknown", "condition", "scope", "code", "migration"
]  # fmt: skip

SCOPES: dict[str, LabelScope] = {
    "case": "case",
    "series": "series",
    "slice": "image",
    "frame": "image",
    "lesion": "lesion",
}
"""Scope of a label that allows a tag of each scope."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to put right before the work is handed in.

    Parameters
    ----------
    item
        Id of the box, shape, tag or label; of a segment, its mask's id and its value
        ("m1/2"); empty where a whole answer is missing.
    type
        "box", "shape", "tag", "segment", "label", "case" or "series".
    kind
        "missing" (a required answer), "type" (of the value), "range", "option" (not one of them),
        "unknown" (attribute), "condition" (answered, but not asked), "scope", "code", or "migration"
        (could not be carried over).
    label
        Name of the label.
    attribute
        Name of the attribute; empty where it is about the whole item.
    message
        In words.
    """

    item: str
    type: str
    kind: ProblemKind
    label: str
    attribute: str
    message: str


def problems(document: Document) -> list[Problem]:
    """Return what is missing or wrong: required answers, values, scopes, codes.

    A label of the scope "case" with required attributes must be answered once, one of "series" for
    each image. A segment with voxels is asked only where its label marks nothing else.
    """
    with document.lock:
        document.refresh()
        found = [problem for label in document.labels for problem in _of_label(label)]
        for item in (*document.boxes, *document.shapes, *document.tags):
            found += _of_item(document.labels[item.label], item)
        for label in document.labels:
            found += _unsaid(document, label)
        return found


def segment_key(mask: str, value: int) -> str:
    """Return the ``lesion`` of the tag that holds the answers about a segment: "m1/2"."""
    return f"{mask}/{value}"


def check_answers(label: Label, answers: Attributes) -> Iterator[tuple[ProblemKind, str, str]]:
    """Yield kind, attribute and message of everything that is wrong with the answers about one thing."""
    known = {one.name: one for one in label.attributes}
    wanted = {one.name for one in asked(label.attributes, answers)}
    for name, one in known.items():
        if name not in answers:
            if one.required and name in wanted:
                yield "missing", name, f"{name} is required"
            continue
        value = answers[name]
        if name not in wanted:
            yield "condition", name, f"{name} is answered, but not asked here"
            continue
        wrong = fault(one, value)
        if wrong is not None:
            yield wrong[0], name, wrong[1]
        elif one.required and value in ("", (), []):
            yield "missing", name, f"{name} is required"
    for name in answers:
        if name not in known:
            yield "unknown", name, f"{name} is no attribute of {label.name}"


def _of_label(label: Label) -> list[Problem]:
    if label.code is None:
        return []
    try:
        check_scheme(label.code.scheme)
    except EditError as cause:
        return [Problem(label.id, "label", "code", label.name, "", cause.message)]
    return []


def _of_item(label: Label, item: Box | Shape | Tag) -> Iterator[Problem]:
    what = item.__class__.__name__.lower()
    scope = SCOPES[item.scope] if isinstance(item, Tag) else "lesion"
    if not label.allows(scope):
        allowed = " or ".join(label.scope)
        yield Problem(item.id, what, "scope", label.name, "", f"{label.name} is for the {allowed} only")
    for kind, attribute, message in check_answers(label, item.attributes):
        yield Problem(item.id, what, kind, label.name, attribute, message)


def _unsaid(document: Document, label: Label) -> Iterator[Problem]:
    """Yield what is required of a case, a series or a segment and was not said at all."""
    required = [one for one in asked(label.attributes, {}) if one.required]
    if not required:
        return
    tags = [tag for tag in document.tags if tag.label == label.name]
    if "case" in label.scope and not any(tag.scope == "case" for tag in tags):
        for one in required:
            yield Problem("", "case", "missing", label.name, one.name, f"{one.name} is required")
    if "series" in label.scope:
        said = {tag.image for tag in tags if tag.scope == "series"}
        for image in document.images:
            for one in required if image.id not in said else ():
                yield Problem(image.id, "series", "missing", label.name, one.name, f"{one.name} is required")
    marked = any(item.label == label.name for item in (*document.boxes, *document.shapes))
    if not label.allows("lesion") or marked or tags:
        return
    for mask in document.masks:
        for segment in mask.segments:
            if segment.label == label.name and _has_voxels(mask, segment):
                for one in required:
                    key = segment_key(mask.id, segment.value)
                    yield Problem(key, "segment", "missing", label.name, one.name, f"{one.name} is required")


def _has_voxels(mask: Mask, segment: Segment) -> bool:
    return any(bool(np.any(mask.array[k] == segment.value)) for k in mask.nonzero_slices())
