"""Patterns of names: ``*`` stands for any characters, ``?`` for one; nothing else is special."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection


def matches(name: str, pattern: str) -> bool:
    """Whether a name fits a pattern, in its whole length."""
    return pattern == "*" or _compiled(pattern).fullmatch(name) is not None


def fitting(connection: Connection, column: Any, pattern: str) -> ColumnElement[bool]:
    """Return the condition that a column fits a pattern."""
    if connection.dialect.name == "sqlite":
        # LIKE would take capitals and small letters for the same.
        glob: ColumnElement[bool] = column.op("GLOB")(pattern.replace("[", "[[]"))
        return glob
    like = "".join({"*": "%", "?": "_"}.get(one, f"\\{one}" if one in "%_\\" else one) for one in pattern)
    condition: ColumnElement[bool] = column.like(like, escape="\\")
    return condition


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = ({"*": ".*", "?": "."}.get(one, re.escape(one)) for one in pattern)
    return re.compile("".join(parts), re.DOTALL)
