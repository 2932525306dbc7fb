"""Forgiving access to the elements of a DICOM data set.

Headers in the wild carry wrong value representations, garbage in decimal strings and missing
attributes. These helpers read an element by what it must mean, never raise, and answer None
where there is nothing usable.
"""

from __future__ import annotations

import math
import struct
from functools import cache
from typing import Any

_TEXT_JUNK = b" \0"
_BINARY = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "UV": "Q", "SV": "q"}


def raw(ds: Any, tag: int) -> Any:
    """Return the undecoded element of `tag` (pydicom's raw or converted element) or None."""
    try:
        return ds.get_item(tag)
    except Exception:  # a damaged element is the same as a missing one here
        return None


def is_little(ds: Any, tag: int) -> bool:
    """Whether an undecoded element is little endian."""
    return bool(getattr(raw(ds, tag), "is_little_endian", True))


def text(ds: Any, tag: int) -> str:
    """Return an element as plain text without padding; "" when it is absent or unreadable."""
    element = raw(ds, tag)
    value = getattr(element, "value", None)
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.strip(_TEXT_JUNK).decode("ascii", "replace").strip()
    if isinstance(value, (list, tuple)) or type(value).__name__ == "MultiValue":
        return "\\".join(str(part) for part in value).strip()
    return str(value).strip()


def decoded_text(ds: Any, tag: int) -> str:
    """Return text decoded with the character set of the data set; "" when that fails."""
    try:
        value = ds[tag].value
    except Exception:
        return text(ds, tag).replace("�", "")
    return "" if value is None else str(value).strip()


def words(ds: Any, tag: int) -> tuple[str, ...]:
    """Return the values of a multi-valued text element, stripped."""
    found = text(ds, tag)
    return tuple(part.strip() for part in found.split("\\")) if found else ()


def numbers(ds: Any, tag: int) -> tuple[float, ...]:
    """Return all values of a numeric element as floats; () when any of them is not finite."""
    element = raw(ds, tag)
    value = getattr(element, "value", None)
    if value is None:
        return ()
    if isinstance(value, bytes):
        found = _from_bytes(element, value)
    elif isinstance(value, (str, int, float)):
        found = _floats([value])
    else:
        try:
            found = _floats(list(value))
        except TypeError:
            found = ()
    return found if all(math.isfinite(number) for number in found) else ()


def _from_bytes(element: Any, value: bytes) -> tuple[float, ...]:
    code = _BINARY.get(_representation(element))
    if code is None:
        parts = value.strip(_TEXT_JUNK).split(b"\\")
        return _floats([part.strip(_TEXT_JUNK).decode("ascii", "replace") for part in parts])
    order = "<" if element.is_little_endian else ">"
    size = struct.calcsize(code)
    count = len(value) // size
    found = struct.unpack(f"{order}{count}{code}", value[: count * size])
    return tuple(float(number) for number in found)


@cache
def _dictionary(tag: int) -> str:
    from pydicom.datadict import dictionary_VR

    try:
        return dictionary_VR(tag)[:2]
    except KeyError:
        return "UN"


def _representation(element: Any) -> str:
    """Return the value representation, from the dictionary where the file has none."""
    given = str(element.VR)
    return _dictionary(int(element.tag)) if given in ("None", "UN", "") else given


def _floats(parts: list[Any]) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in parts if part != "")
    except (TypeError, ValueError):
        return ()


def number(ds: Any, tag: int) -> float | None:
    """Return the first value of a numeric element, or None."""
    found = numbers(ds, tag)
    return found[0] if found else None


def integer(ds: Any, tag: int) -> int | None:
    """Return the first value of an element that must be a whole number, or None."""
    found = number(ds, tag)
    return int(found) if found is not None and found == int(found) else None


def items(ds: Any, tag: int) -> list[Any]:
    """Return the items of a sequence; [] when it is absent or unreadable."""
    if ds is None or tag not in ds:
        return []
    try:
        return list(ds[tag].value or [])
    except Exception:
        return []


def first(ds: Any, tag: int) -> Any:
    """Return the first item of a sequence, or None."""
    found = items(ds, tag)
    return found[0] if found else None


def seconds(value: str) -> float | None:
    """Return a DICOM time (HHMMSS.ffffff) or date-time (YYYYMMDDHHMMSS.f) in seconds.

    Only differences of the result mean anything.
    """
    digits = value.split("+")[0].split("-")[0].replace(":", "").strip()
    whole, _, fraction = digits.partition(".")
    if not whole.isdigit() or (fraction and not fraction.isdigit()):
        return None
    day = 0
    if len(whole) > 6:
        whole = whole.ljust(14, "0")
        day = _day_number(int(whole[:4]), int(whole[4:6]), int(whole[6:8]))
        whole = whole[8:14]
    whole = whole.ljust(6, "0")
    clock = int(whole[:2]) * 3600 + int(whole[2:4]) * 60 + int(whole[4:6])
    return day * 86400.0 + clock + float(f"0.{fraction or 0}")


def _day_number(year: int, month: int, day: int) -> int:
    shifted = year if month > 2 else year - 1
    leaps = shifted // 4 - shifted // 100 + shifted // 400
    return 365 * shifted + leaps + (153 * ((month + 9) % 12) + 2) // 5 + day
