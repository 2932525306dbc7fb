"""Codes of concepts: given by hand, or by keyword from DICOM's dictionaries."""

from __future__ import annotations

import difflib

from nbannot.errors import EditError
from nbannot.model.labels import Code, check_scheme


def code(scheme: str, value: str, meaning: str = "") -> Code:
    """Return a coded concept.

    Parameters
    ----------
    scheme
        Coding scheme by its designator: "SCT", "RADLEX", "FMA", "DCM", …, or a private one ("99…").
    value
        The code; without a meaning the keyword of DICOM's dictionaries: ``code("SCT", "Liver")``.
    meaning
        What it means, in words.

    Raises
    ------
    EditError
        When the scheme is unknown, or its dictionary has no such keyword.
    """
    check_scheme(scheme)
    if meaning:
        return Code(value, scheme, meaning)
    from pydicom.sr.codedict import codes

    if scheme not in codes.schemes():
        raise EditError(f"DICOM has no dictionary of {scheme}", hint="Give the code and its meaning.")
    words = getattr(codes, scheme)
    try:
        found = getattr(words, value)
    except AttributeError:
        near = difflib.get_close_matches(value, words.dir(), n=3, cutoff=0.6)
        hint = f"Did you mean {', '.join(near)}?" if near else "Give the code and its meaning."
        raise EditError(f"{scheme} has no keyword {value!r} in DICOM", hint=hint) from None
    return Code(found.value, found.scheme_designator, found.meaning)
