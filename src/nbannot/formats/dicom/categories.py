"""Category of a segmented property (PS3.16 CID 7150) by its type, from DICOM's own context groups."""

from __future__ import annotations

from functools import cache

from nbannot.model.labels import Code

TISSUE = Code("85756007", "SCT", "Tissue")
# Context groups of types, and the category that each stands for (PS3.16 CID 7191 to 7198).
_GROUPS = (
    ("CID7191", TISSUE),
    ("CID7194", Code("49755003", "SCT", "Morphologically Abnormal Structure")),
    ("CID7192", Code("123037004", "SCT", "Anatomical Structure")),
    ("CID7193", Code("260787004", "SCT", "Physical object")),
    ("CID7195", Code("246464006", "SCT", "Function")),
    ("CID7196", Code("309825002", "SCT", "Spatial and Relational Concept")),
    ("CID7197", Code("91720002", "SCT", "Body Substance")),
)


@cache
def _by_type() -> dict[tuple[str, str], Code]:
    from pydicom.sr.codedict import codes

    found: dict[tuple[str, str], Code] = {}
    for group, category in _GROUPS:
        for concept in getattr(codes, group).concepts.values():
            found.setdefault((concept.value, concept.scheme_designator), category)
    return found


def category_of(kind: Code | None) -> Code:
    """Return the category of a type; "Tissue", which says least, for one that DICOM does not list."""
    return TISSUE if kind is None else _by_type().get((kind.value, kind.scheme), TISSUE)


def unlike(category: Code | None, kind: Code | None) -> bool:
    """Whether a file's category says something else than the type does; "Tissue" says nothing."""
    if category is None:
        return False
    from pydicom.sr.coding import Code as Concept

    # Concepts of SRT, SNOMED's old codes, equal those of SCT.
    own, tissue, found = (
        Concept(one.value, one.scheme, one.meaning) for one in (category, TISSUE, category_of(kind))
    )
    return own not in (tissue, found)
