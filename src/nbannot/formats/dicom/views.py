"""Which side of the body a picture shows, and how it was taken."""

from __future__ import annotations

from typing import Any

from nbannot.formats.dicom import elements as el

# PS3.16 CID 4014, View for Mammography: SNOMED CT and the older SNOMED codes.
_VIEWS = {
    "399162004": "CC", "R-10242": "CC",
    "399368009": "MLO", "R-10226": "MLO",
    "399260004": "ML", "R-10224": "ML",
    "399352003": "LM", "R-10228": "LM",
    "399099002": "LMO", "R-10230": "LMO",
    "399196006": "FB", "R-10244": "FB",
    "399188001": "SIO", "R-102D0": "SIO",
    "441555000": "ISO", "R-40AAA": "ISO",
    "399192008": "XCCL", "R-1024A": "XCCL",
    "399101009": "XCCM", "R-1024B": "XCCM",
}  # fmt: skip


def laterality_of(ds: Any) -> str:
    """Return "R" or "L"; "" where the file names no side, or both."""
    places = [(ds, 0x00200062), (ds, 0x00200060)]
    shared = el.first(ds, 0x52009229)
    anatomy = el.first(shared, 0x00209071) if shared is not None else None
    if anatomy is not None:
        places.insert(0, (anatomy, 0x00209072))
    for item, tag in places:
        side = el.text(item, tag).upper()
        if side:
            return side if side in ("R", "L") else ""
    return ""


def view_of(ds: Any) -> str:
    """Return View Position, else the usual letters of the view's code, e.g. "MLO"."""
    given = el.text(ds, 0x00185101).upper()
    if given:
        return given
    code = el.first(ds, 0x00540220)
    return _VIEWS.get(el.text(code, 0x00080100), "") if code is not None else ""
