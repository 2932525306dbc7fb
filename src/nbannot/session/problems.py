"""What is wrong in a configuration, and the nearest thing that is right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing in a configuration that cannot be used; the rest goes on.

    Parameters
    ----------
    message
        What is wrong.
    hint
        What to write instead.
    key
        Path of the key, e.g. ``layouts.Tumour board.items[1]``.
    value
        The value as it stands there, shortened.
    file
        The file; None for a configuration given in Python.
    line
        Its line, counted from 1; None where that is not known.
    up
        How many folders above the image the file lies; None where it was named.
    """

    message: str
    hint: str = ""
    key: str = ""
    value: str = ""
    file: Path | None = None
    line: int | None = None
    up: int | None = None

    def __str__(self) -> str:
        line = "" if self.line is None else f", line {self.line}"
        place = "" if self.file is None else f"{self.file}{line}: "
        return place + self.text()

    def text(self) -> str:
        """Return what is wrong and what to write, without the place."""
        key = f"{self.key}: " if self.key else ""
        hint = f" {self.hint}" if self.hint else ""
        return f"{key}{self.message.rstrip('.')}.{hint}"

    def to_json(self) -> dict[str, Any]:
        """Return what a page may know: the name of the file, not its folder."""
        place = None if self.file is None else self.file.name
        return {
            "file": place, "up": self.up, "line": self.line, "key": self.key, "value": self.value,
            "message": self.message, "hint": self.hint,
        }  # fmt: skip


class Misfit(Exception):  # noqa: N818 - it never leaves the package
    """A value that cannot be used, on its way to becoming a `Problem` or an error."""

    def __init__(self, message: str, *, hint: str = "", key: str = "", value: Any = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.key = key
        self.value = value


def nearest(word: str, known: Iterable[str]) -> str:
    """Return "Did you mean 'axial'?", or the choices where none is near."""
    choices = list(known)
    folded = {one.casefold(): one for one in choices}
    close = difflib.get_close_matches(word.casefold(), list(folded), n=1, cutoff=0.6)
    if close:
        return f"Did you mean {folded[close[0]]!r}?"
    return f"Choose one of: {', '.join(choices)}." if choices else ""


def shown(value: Any) -> str:
    """Return a value as it is shown in a message."""
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def join(path: str, key: str | int) -> str:
    """Return the path of a key within ``path``."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key
