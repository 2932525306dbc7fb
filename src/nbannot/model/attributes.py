"""Attributes: what is asked about an annotation, and the answers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

from nbannot.errors import EditError

AttributeType = Literal["choice", "choices", "number", "text", "yesno"]
AttributeValue = bool | float | str | tuple[str, ...]
Attributes = dict[str, AttributeValue]
Fault = Literal["type", "option", "range"]
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
        When the type is unknown, a choice has no options, the range is empty, or the default is no
        possible answer.
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
            wrong = fault(self, self.default)
            if wrong is not None:
                raise EditError(f"The default of an attribute is wrong: {wrong[1]}")
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


def check_conditions(owner: str, attributes: Iterable[Attribute]) -> None:
    """Refuse conditions on attributes that are not there, and such that wait for each other.

    Raises
    ------
    EditError
        When there are any.
    """
    waits = {one.name: set(one.when) for one in attributes}
    for name, others in waits.items():
        for other in sorted(others - set(waits)):
            raise EditError(
                f"The attribute {name!r} of {owner!r} depends on {other!r}, which is no attribute of it",
                hint=f"There are: {', '.join(waits)}.",
            )
    while waits:
        free = [name for name, others in waits.items() if not others & set(waits)]
        if not free:
            raise EditError(f"The attributes {', '.join(sorted(waits))} of {owner!r} wait for each other")
        for name in free:
            del waits[name]


def asked(attributes: Iterable[Attribute], answers: Mapping[str, Any]) -> tuple[Attribute, ...]:
    """Return the attributes that are asked about, given the answers so far, in their order.

    A condition holds where the other attribute is asked about itself and has one of the values, or,
    for "choices", holds one of them.
    """
    known = {one.name: one for one in attributes}

    def is_asked(one: Attribute) -> bool:
        return all(
            name in known and is_asked(known[name]) and _holds(answers.get(name), values)
            for name, values in one.when.items()
        )

    return tuple(one for one in known.values() if is_asked(one))


def defaults(attributes: Iterable[Attribute]) -> Attributes:
    """Return the answers that a new item begins with: defaults of what is asked about."""
    listed = tuple(attributes)
    found: Attributes = {}
    while True:
        more = {
            one.name: one.default
            for one in asked(listed, found)
            if one.default is not None and one.name not in found
        }
        if not more:
            return found
        found.update(more)


def fault(attribute: Attribute, value: AttributeValue) -> tuple[Fault, str] | None:
    """Return what is wrong with an answer, as its kind and in words; None for a good one."""
    kind = attribute.type
    good = {
        "choice": isinstance(value, str),
        "choices": isinstance(value, tuple | list),
        "number": isinstance(value, int | float) and not isinstance(value, bool),
        "text": isinstance(value, str),
        "yesno": isinstance(value, bool),
    }[kind]
    if not good:
        words = {"choice": "one of the options", "choices": "a list of options", "number": "a number",
                 "text": "a text", "yesno": "yes or no"}  # fmt: skip
        return "type", f"{attribute.name}: {words[kind]} is needed, not {_shown(value)}"
    if kind in ("choice", "choices"):
        chosen = (value,) if isinstance(value, str) else tuple(cast("tuple[str, ...]", value))
        unknown = [one for one in chosen if one not in attribute.options]
        if unknown:
            return "option", f"{attribute.name}: {', '.join(map(str, unknown))} is not an option"
    if kind == "number" and attribute.range is not None:
        low, high = attribute.range
        number = cast(float, value)
        if (low is not None and number < low) or (high is not None and number > high):
            return "range", f"{attribute.name}: {number:g} is not {range_text(attribute)}"
    return None


def range_text(attribute: Attribute) -> str:
    """Return a range in words: "from 0 to 10 mm", "at least 0 mm"."""
    low, high = attribute.range or (None, None)
    unit = f" {attribute.unit}" if attribute.unit else ""
    if low is None:
        return "" if high is None else f"at most {high:g}{unit}"
    return f"at least {low:g}{unit}" if high is None else f"from {low:g} to {high:g}{unit}"


def _shown(value: AttributeValue) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, tuple | list) else repr(value)


def _holds(answer: AttributeValue | None, values: Iterable[AttributeValue]) -> bool:
    wanted = tuple(values)
    given = answer if isinstance(answer, tuple | list) else (answer,)
    return any((type(one) is type(want) and one == want) or _same_number(one, want)
               for one in given for want in wanted)  # fmt: skip


def _same_number(one: Any, other: Any) -> bool:
    numbers = all(isinstance(x, int | float) and not isinstance(x, bool) for x in (one, other))
    return numbers and bool(one == other)


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
