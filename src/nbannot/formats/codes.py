"""Codes of concepts: given by hand, by keyword or name from DICOM's dictionaries, or looked for by words."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from nbannot.errors import EditError
from nbannot.model.labels import SCHEMES, Code, check_scheme, read_code

GROUPS = (
    7151, 7152, 7153, 7154, 7155, 7156, 7157, 7158, 7159, 7160, 7161, 7165, 7166, 7191, 7192, 7193, 7194,
    7195, 7196, 7197, 7198, 7199, 4, 6004, 6006, 6010, 6014, 6054, 6101, 6102, 6103, 6104, 6105, 6109, 6110,
    6111, 6112, 6113, 6114, 6116, 6126, 6170, 6201, 6209, 6300,
)  # fmt: skip
"""Context groups (PS3.16) that forms offer: what is segmented, regions of the body, findings."""


class Codes:
    """What `nb.code` is: gives codes, and finds them."""

    def __call__(self, scheme: str, value: str = "", meaning: str = "") -> Code:
        """Return a coded concept.

        Parameters
        ----------
        scheme
            Coding scheme by its designator: "SCT", "RADLEX", "FMA", "DCM", …, or a private one ("99…"). Alone,
            scheme and value in one text: ``code("SCT:10200004")``.
        value
            The code; without a meaning one of DICOM's dictionaries, or their keyword or name:
            ``code("SCT", "10200004")``, ``code("SCT", "Liver")``, ``code("SCT", "left lung")``. `find` looks
            for one by words.
        meaning
            What it means, in words.

        Raises
        ------
        EditError
            When the scheme is unknown, or its dictionary has no such code, keyword or name.
        """
        if not value:
            read = read_code(scheme)
            scheme, value, meaning = read.scheme, read.value, meaning or read.meaning
        check_scheme(scheme)
        if meaning:
            return Code(value, scheme, meaning)
        from pydicom.sr.codedict import codes

        if scheme not in codes.schemes():
            raise EditError(f"DICOM has no dictionary of {scheme}", hint="Give the code and its meaning.")
        words = getattr(codes, scheme)
        try:
            return _plain(getattr(words, value))
        except AttributeError:
            named = {one.value: one for _, one in _concepts(scheme) if one.meaning.lower() == value.lower()}
            if len(named) == 1:
                return next(iter(named.values()))
            found = find_codes(value, scheme=scheme, limit=3)
            if found and found[0].value.lower() == value.lower():
                return found[0]
            near = [one.meaning for one in found] or difflib.get_close_matches(
                value, words.dir(), n=3, cutoff=0.6
            )
            hint = f"Did you mean {', '.join(near)}?" if near else "Give the code and its meaning."
            raise EditError(f"{scheme} has no code, keyword or name {value!r} in DICOM", hint=hint) from None

    @staticmethod
    def find(words: str = "", *, cid: int | None = None, scheme: str = "", limit: int = 20) -> list[Code]:
        """Look for coded concepts by words and context group: see `find_codes`."""
        return find_codes(words, cid=cid, scheme=scheme, limit=limit)


code = Codes()


def find_codes(words: str = "", *, cid: int | None = None, scheme: str = "", limit: int = 20) -> list[Code]:
    """Look for coded concepts in DICOM's dictionaries by the beginnings of words of their names.

    Parameters
    ----------
    words
        What the name has, in any order: "lob liv" finds "Lobe of liver". Empty: all of the group.
    cid
        Number of a context group (PS3.16), e.g. 7151: types of segmented properties; None: all schemes.
    scheme
        Only codes of this scheme.
    limit
        How many at most; those that fit best are first.

    Raises
    ------
    EditError
        When DICOM has no such group, or neither words nor a group is given.
    """
    asked = _words(words)
    if cid is None and not asked:
        raise EditError(
            "Nothing is asked for", hint='Give words, or a group: nb.code.find("kidney", cid=7151).'
        )
    plain = " ".join(asked)
    best: dict[tuple[str, str], tuple[tuple[Any, ...], Code]] = {}
    for keyword, concept in _concepts("", cid) if cid is not None else _everywhere(scheme):
        if scheme and concept.scheme != scheme:
            continue
        has = _words(concept.meaning)
        also = (*has, *_words(keyword))
        if concept.value.lower() != plain and not all(_begins(word, also) for word in asked):
            continue
        name = " ".join(has)
        rank = (
            name != plain,
            not all(_begins(word, has) for word in asked),
            SCHEMES.index(concept.scheme) if concept.scheme in SCHEMES else len(SCHEMES),
            cid is None and (concept.value, concept.scheme) not in _segmented(),
            len(has) if asked else 0,
            name,
        )
        key = concept.value, concept.scheme
        if key not in best or rank < best[key][0]:
            best[key] = rank, concept
    return [concept for _, concept in sorted(best.values(), key=lambda one: one[0])][:limit]


@cache
def code_groups() -> tuple[tuple[int, str], ...]:
    """Return numbers and names of the context groups that forms offer."""
    from pydicom.sr._cid_dict import name_for_cid

    return tuple((cid, _spaced(name_for_cid[cid])) for cid in GROUPS if cid in name_for_cid)


def _plain(concept: Any) -> Code:
    return Code(concept.value, concept.scheme_designator, concept.meaning)


@cache
def _concepts(scheme: str, cid: int | None = None) -> tuple[tuple[str, Code], ...]:
    """Return keyword and code of all of a scheme, or of a group."""
    from pydicom.sr.codedict import codes

    try:
        collection = getattr(codes, scheme if cid is None else f"CID{cid}")
        found = collection.concepts
    except (AttributeError, KeyError):
        raise EditError(
            f"DICOM has no context group {cid}", hint="7151 is that of segmented properties (PS3.16)."
        ) from None
    return tuple((keyword, _plain(concept)) for keyword, concept in found.items())


def _everywhere(scheme: str) -> Iterator[tuple[str, Code]]:
    from pydicom.sr.codedict import codes

    for one in codes.schemes():
        if not scheme or one == scheme:
            yield from _concepts(one)


@cache
def _segmented() -> frozenset[tuple[str, str]]:
    """Return the concepts that DICOM lists as segmented properties, or as regions of the body."""
    return frozenset((one.value, one.scheme) for cid in (7151, 4) for _, one in _concepts("", cid))


def _spaced(keyword: str) -> str:
    """Return the words of a keyword: "AbdominalSegmentationType" is "Abdominal segmentation type"."""
    # "of", "or", "for" and "and" are not set off in DICOM's names of groups.
    parts = re.sub(r"(?<=[a-z])((?<!ct)or|for|of|and|(?<=Location)in|from)(?=[A-Z])", r" \1 ", keyword)
    words = re.findall(r"[A-Z]{2,}(?![a-z])|[A-Z][a-z]*|[a-z]+|[\d.]+", parts)
    return " ".join([words[0], *(word if word.isupper() else word.lower() for word in words[1:])])


def _begins(word: str, words: tuple[str, ...]) -> bool:
    return any(one.startswith(word) for one in words)


def _words(text: str) -> tuple[str, ...]:
    """Return the words of a text, or of a keyword, in small letters."""
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text)
    return tuple(re.findall(r"[^\W_]+", split.lower()))
