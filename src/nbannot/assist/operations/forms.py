"""What an operation is, in data: title, help and parameters, from which a form is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Literal

from nbannot.assist.operations.job import Job, Labels, Region
from nbannot.errors import OperationError

ParameterType = Literal["number", "integer", "choice", "yesno", "segment", "segments", "slice", "slices"]
Group = Literal["intensity", "seeds", "slices", "shape", "islands", "combine"]
Gives = Literal["segment", "segments"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of an operation.

    Parameters
    ----------
    name
        As in Python.
    type
        "number", "integer", "choice" (of ``options``), "yesno", "segment" (a label, a value, a `Mask` or
        (mask, label)), "segments" (several of the mask), "slice" (a slice number along the axis) or
        "slices" (one or several).
    default
        What is taken when it is left out; ``required`` ones have none.
    unit
        "mm", "mm³", "voxels", "value" (the image's unit), "mm⁻¹" or "".
    low, high
        Limits of numbers, inclusive.
    options
        (value, title) of each choice.
    when
        Other parameters and the values of them with which this one is used; empty: always.
    """

    name: str
    title: str
    type: ParameterType
    default: Any = None
    unit: str = ""
    low: float | None = None
    high: float | None = None
    options: tuple[tuple[Any, str], ...] = ()
    help: str = ""
    required: bool = False
    when: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    @property
    def form(self) -> dict[str, Any]:
        """The parameter as JSON, for a form."""
        return {
            "name": self.name,
            "title": self.title,
            "type": self.type,
            "default": self.default,
            "unit": self.unit,
            "low": self.low,
            "high": self.high,
            "options": [list(option) for option in self.options],
            "help": self.help,
            "required": self.required,
            "when": {name: list(values) for name, values in self.when.items()},
        }

    def check(self, value: Any) -> Any:
        """Return the value as it is used.

        Raises
        ------
        OperationError
            When it is of a wrong type or outside the limits.
        """
        if value is None:
            if self.required:
                raise OperationError(f"{self.title}: a value is needed ({self.name}=…)")
            return None
        if self.type in ("number", "integer"):
            return self._number(value)
        if self.type == "choice":
            known = [option[0] for option in self.options]
            if value not in known:
                words = ", ".join(map(repr, known))
                raise OperationError(f"{self.name}={value!r} is not known", hint=f"Choose one of: {words}.")
            return known[known.index(value)]
        if self.type == "yesno":
            return bool(value)
        return value

    def _number(self, value: Any) -> float | int:
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = float("nan")
        whole = self.type == "integer"
        if not isfinite(number) or (whole and number != round(number)):
            kind = "whole number" if whole else "number"
            raise OperationError(f"{self.name} must be a {kind}, got {value!r}")
        if (self.low is not None and number < self.low) or (self.high is not None and number > self.high):
            unit = "" if self.unit in ("", "value") else f" {self.unit}"
            limits = f"at least {self.low:g}{unit}" if self.low is not None else ""
            if self.high is not None:
                limits += f"{' and ' if limits else ''}at most {self.high:g}{unit}"
            raise OperationError(f"{self.name} must be {limits}, got {number:g}")
        return int(number) if whole else number


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation on the voxels of a mask.

    Parameters
    ----------
    name
        As in Python: ``nb.ops.NAME``.
    title, help
        What a person reads.
    parameters
        Those of its form, in order.
    compute
        Computes what becomes of the mask; changes nothing itself.
    gives
        "segment": one segment is made anew; "segments": several at once.
    needs_image
        Whether it reads intensities, so that an image in colour cannot be used.
    needs_point
        Whether a place in the image is given: ``index`` or ``world``.
    starts
        What it starts from where none is given; "": some choices of its form need one, others have no use for it.
    needs_voxels
        Whether an empty segment is an error.
    needs_grid
        Whether the slices must form a regular grid; "depends": only with some parameters.
    mode
        How the result meets the segment unless told: "replace", "add", "subtract" or "intersect".
    """

    name: str
    title: str
    group: Group
    help: str
    parameters: tuple[Parameter, ...]
    compute: Callable[[Job], Region | Labels]
    gives: Gives = "segment"
    needs_image: bool = False
    needs_point: Literal["no", "yes", "depends"] = "no"
    starts: str = ""
    needs_voxels: bool = True
    needs_grid: Literal["no", "yes", "depends"] = "no"
    mode: Literal["replace", "add", "subtract", "intersect"] = "replace"

    @property
    def form(self) -> dict[str, Any]:
        """The operation as JSON, for a form."""
        return {
            "name": self.name,
            "title": self.title,
            "group": self.group,
            "help": self.help,
            "parameters": [parameter.form for parameter in self.parameters],
            "gives": self.gives,
            "needs_image": self.needs_image,
            "needs_point": self.needs_point,
            "starts": self.starts,
            "needs_voxels": self.needs_voxels,
            "needs_grid": self.needs_grid,
            "mode": self.mode,
        }

    def checked(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return all parameters, those left out with their defaults.

        Raises
        ------
        OperationError
            When one is unknown or cannot be used.
        """
        known = {parameter.name for parameter in self.parameters}
        strange = sorted(set(given) - known)
        if strange:
            words = ", ".join(known) or "none"
            raise OperationError(
                f"{self.name} has no parameter {', '.join(strange)}", hint=f"It has: {words}."
            )
        return {
            parameter.name: parameter.check(given.get(parameter.name, parameter.default))
            for parameter in self.parameters
        }
