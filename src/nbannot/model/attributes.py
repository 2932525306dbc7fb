"""Attributes: what is asked about an annotation, and the answers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from nbannot.errors import EditError

AttributeType = Literal["choice", "choices", "number", "text", "yesno"]
AttributeValue = bool | float | str | tuple[str, ...]
Attributes = dict[str, AttributeValue]
Status = Literal["", "todo", "doing", "done", "flagged"]


@dataclass(frozen=True, slots=True)
class Attribute:
    """A question about what a label marks.

    Parameters
    ----------
    name
        Unique within its label.
    type
        "choice" (one of the options), "choices" (any of them), "number", "text" or "yesno".
    options
        For the choices.
    range
        Lowest and highest number; None for no limit.
    unit
        Unit of a number, e.g. "mm".
    required
        Asked for before the work is handed in.
    default
        Value of a new item.
    when
        Asked only where each of these attributes has one of the values given.

    Raises
    ------
    EditError
        When the type is unknown, a choice has no options, or the range is empty.
    """

    name: str
    type: AttributeType = "text"
    options: tuple[str, ...] = field(default=(), kw_only=True)
    range: tuple[float | None, float | None] | None = field(default=None, kw_only=True)
    unit: str = field(default="", kw_only=True)
    required: bool = field(default=False, kw_only=True)
    default: AttributeValue | None = field(default=None, kw_only=True)
    when: dict[str, tuple[AttributeValue, ...]] = field(default_factory=dict, kw_only=True, hash=False)

    def __post_init__(self) -> None:
        if not self.name or not self.name.strip():
            raise EditError("An attribute needs a name")
        if self.type not in get_args(AttributeType):
            raise EditError(
                f"The attribute {self.name!r} is of an unknown type {self.type!r}",
                hint=f"Known: {', '.join(get_args(AttributeType))}.",
            )
        object.__setattr__(self, "options", tuple(str(option) for option in self.options))
        if self.type in ("choice", "choices") and not self.options:
            raise EditError(f"The attribute {self.name!r} needs options")
        if len(set(self.options)) != len(self.options):
            raise EditError(f"The attribute {self.name!r} has an option twice")
        if self.range is not None:
            object.__setattr__(self, "range", _range(self.name, self.range))
        if self.default is not None:
            object.__setattr__(self, "default", cleaned({self.name: self.default})[self.name])
        conditions = {name: _values(name, given) for name, given in self.when.items()}
        object.__setattr__(self, "when", conditions)


def cleaned(given: Mapping[str, Any]) -> Attributes:
    """Return answers as they are kept: yes/no, finite numbers, texts, tuples of texts.

    Raises
    ------
    EditError
        When a value is something else.
    """
    if not isinstance(given, Mapping):
        raise EditError(f"Attributes are values by name, got {given!r}")
    return {str(name): _value(str(name), value) for name, value in given.items() if value is not None}


def check_status(status: str) -> None:
    """Refuse a status that nobody knows."""
    if status not in get_args(Status):
        raise EditError(
            f"The status {status!r} is not known", hint="Known: todo, doing, done, flagged, or empty."
        )


def _value(name: str, value: Any) -> AttributeValue:
    if isinstance(value, bool | str):
        return value
    if isinstance(value, int | float) and math.isfinite(value):
        return value
    if isinstance(value, list | tuple) and all(isinstance(part, str) for part in value):
        return tuple(value)
    raise EditError(
        f"The attribute {name!r} cannot have the value {value!r}",
        hint="Give a text, a finite number, True or False, or a list of texts.",
    )


def _values(name: str, given: Any) -> tuple[AttributeValue, ...]:
    listed = given if isinstance(given, list | tuple) else (given,)
    return tuple(_value(name, value) for value in listed)


def _range(name: str, given: Any) -> tuple[float | None, float | None]:
    try:
        low, high = (None if end is None else float(end) for end in given)
    except (TypeError, ValueError):
        raise EditError(f"The range of attribute {name!r} is two numbers, got {given!r}") from None
    if low is not None and high is not None and not low <= high:
        raise EditError(f"The range of attribute {name!r} is empty: {low} to {high}")
    return low, high
