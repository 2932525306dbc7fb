"""Codes of other programs as words that keep them: "Liver [SCT 10200004]"."""

from __future__ import annotations

import re

from nbannot.formats.labels.sr.concepts import SCHEME
from nbannot.model.labels import Code

# Coding scheme designators as PS3.16 chapter 8 has them begin with two capitals or digits.
_WORDS = re.compile(
    r"(?P<meaning>.{1,64}) \[(?P<scheme>[A-Z0-9]{2}[A-Za-z0-9_.-]{0,14}) (?P<value>[^\s\]]{1,64})\]"
)


def words_of(code: Code, *before: str) -> str:
    """Return a code as words, with others in front; a text of our own without its code."""
    words = " ".join((*before, code.meaning))
    return words if code.scheme == SCHEME else f"{words} [{code.scheme} {code.value}]"


def code_in(words: str) -> Code | None:
    """Return the code that words keep; None where they are plain."""
    found = _WORDS.fullmatch(words)
    return Code(found["value"], found["scheme"], found["meaning"]) if found else None
