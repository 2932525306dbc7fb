"""What a project hides from its readers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

from nbannot.errors import ConfigError

Rectangle = tuple[int, int, int, int]
"""First row, first column, number of rows, number of columns."""

BurnedIn = Literal["refuse", "show"]

_RULE_KEYS = ("modality", "manufacturer", "model", "rows", "columns", "rectangles")
_POLICY_KEYS = ("mask", "ultrasoundRegions", "burnedIn")


@dataclass(frozen=True, slots=True)
class AreaRule:
    """Rectangles to mask in the pictures of some machine.

    Parameters
    ----------
    modality
        DICOM Modality; empty for all.
    manufacturer, model
        Patterns (``*``, ``?``, without regard to case) of Manufacturer and Manufacturer's Model Name; empty
        for all. A file without such a header matches only an empty one.
    rows, columns
        Size of the pictures; None for any.
    rectangles
        What is masked: (first row, first column, rows, columns). None: somebody looked, and
        there is nothing to mask.
    """

    modality: str = ""
    manufacturer: str = ""
    model: str = ""
    rows: int | None = None
    columns: int | None = None
    rectangles: tuple[Rectangle, ...] = ()

    def matches(self, *, modality: str, manufacturer: str, model: str, size: tuple[int, int]) -> bool:
        """Whether the rule is for pictures of this origin and size (rows, columns)."""
        texts = ((self.manufacturer, manufacturer), (self.model, model))
        return (
            self.modality in ("", modality)
            and all(not want or fnmatchcase(has.casefold(), want.casefold()) for want, has in texts)
            and self.rows in (None, size[0])
            and self.columns in (None, size[1])
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """What readers see of the images; headers and names they never see.

    Parameters
    ----------
    areas
        Rectangles to mask by machine; all that match are applied.
    ultrasound_regions
        Whether ultrasound is masked outside its calibrated regions (PS3.3 C.8.5.5), where the file has any.
    burned_in
        What happens to an image whose file says that its pixels show who the patient is, where neither a
        rule nor a region applies: "refuse" keeps it from readers, "show" shows it.
    """

    areas: tuple[AreaRule, ...] = ()
    ultrasound_regions: bool = True
    burned_in: BurnedIn = "refuse"

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Policy:
        """Return the policy of a configuration's ``reader:``.

        Raises
        ------
        ConfigError
            When a key or a value is not understood. A policy is never used in part.
        """
        _check_keys(values, _POLICY_KEYS, "reader")
        burned_in = values.get("burnedIn", "refuse")
        if burned_in not in ("refuse", "show"):
            raise ConfigError(f"reader.burnedIn is {burned_in!r}", hint='Write "refuse" or "show".')
        regions = values.get("ultrasoundRegions", True)
        if not isinstance(regions, bool):
            raise ConfigError(f"reader.ultrasoundRegions is {regions!r}", hint="Write true or false.")
        rules = values.get("mask", [])
        if not isinstance(rules, list):
            raise ConfigError("reader.mask is no list", hint="Write one rule for each item.")
        areas = tuple(_rule(rule, f"reader.mask[{n}]") for n, rule in enumerate(rules))
        return cls(areas, regions, burned_in)


def _check_keys(values: Any, known: tuple[str, ...], where: str) -> None:
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where} is {type(values).__name__}", hint="It must be a mapping (key: value).")
    unknown = [str(key) for key in values if key not in known]
    if unknown:
        raise ConfigError(f"Unknown key {where}.{unknown[0]}", hint=f"There are: {', '.join(known)}.")


def _rule(values: Any, where: str) -> AreaRule:
    _check_keys(values, _RULE_KEYS, where)
    texts = {key: values.get(key, "") for key in ("modality", "manufacturer", "model")}
    for key, text in texts.items():
        if not isinstance(text, str):
            raise ConfigError(f"{where}.{key} is no text", hint="Put it in quotes.")
    sizes = {key: values.get(key) for key in ("rows", "columns")}
    for key, size in sizes.items():
        if size is not None and not _is_count(size, 1):
            raise ConfigError(f"{where}.{key} is {size!r}", hint="Write the number of pixels.")
    given = values.get("rectangles")
    if not isinstance(given, list):
        raise ConfigError(f"{where}.rectangles is missing", hint=_RECTANGLE_HINT)
    return AreaRule(**texts, **sizes, rectangles=tuple(_rectangle(one, where) for one in given))


_RECTANGLE_HINT = (
    "Write a list of [first row, first column, rows, columns]; [] where there is nothing to mask."
)


def _rectangle(given: Any, where: str) -> Rectangle:
    good = isinstance(given, list) and len(given) == 4
    if not good or not all(_is_count(one, int(n > 1)) for n, one in enumerate(given)):
        raise ConfigError(f"{where}.rectangles holds {given!r}", hint=_RECTANGLE_HINT)
    row, column, rows, columns = given
    return row, column, rows, columns


def _is_count(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
