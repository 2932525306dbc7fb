"""Look-up tables: which value of a labelmap means what."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

from nbannot.errors import FormatError
from nbannot.model.labels import Code

# What a table beside a labelmap is called.
_ENDINGS = (".json", ".ctbl", ".label", ".lut", ".txt", ".tsv", ".csv")
_LARGEST = 1 << 24
_COLOR = re.compile(r"#?([0-9a-fA-F]{6})")

# Index, colour (0 to 255), opacity, two marks and a name: ITK-SNAP's label descriptions.
_SNAP = re.compile(
    r"""\s*(-?\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+[\d.eE+-]+\s+[01]\s+[01]\s+"((?:[^"\\]|\\.)*)"\s*$"""
)
# Index, name, colour and opacity: FreeSurfer's colour tables, and those of 3D Slicer.
_FREESURFER = re.compile(r"\s*(-?\d+)\s+(\S.*?)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*$")
# A label of the table that Connectome Workbench and TotalSegmentator keep in a header extension of NIfTI.
_LABEL = re.compile(
    r"<Label\s([^>]{0,1000})>(?:<!\[CDATA\[(.{0,1000}?)\]\]>|([^<]{0,1000}))</Label>", re.DOTALL
)
_ATTRIBUTE = re.compile(r"""(\w+)\s*=\s*["']([^"']*)["']""")


@dataclass(frozen=True, slots=True)
class Entry:
    """What a value means: name, "#rrggbb" or empty, and code."""

    name: str
    color: str = ""
    code: Code | None = None


def read_table(path: str) -> dict[int, Entry]:
    """Return the entries of a look-up table by value, without the background 0.

    Read are ITK-SNAP's label descriptions, FreeSurfer's colour tables, 3D Slicer's colour tables (.ctbl), JSON
    (``{"1": "liver"}``, ``{"liver": 1}``, either under "labels", or a list of objects with "value" and
    "name") and the tables of BIDS (columns "index" or "value", and "name").

    Raises
    ------
    FormatError
        When the file is none of these, or gives one value two names.
    """
    file = Path(path)
    try:
        if file.stat().st_size > _LARGEST:
            raise FormatError(f"{path} is too large for a look-up table")
        text = file.read_bytes().decode("utf-8-sig", "replace")
    except OSError as cause:
        raise FormatError(f"{path} cannot be read: {cause.strerror}") from cause
    found = _json(path, text) if text.lstrip()[:1] in ("{", "[") else _lines(path, text)
    if not found:
        raise FormatError(
            f"{path} is no look-up table that is known",
            hint='Known: ITK-SNAP, FreeSurfer, 3D Slicer (.ctbl), BIDS (.tsv), and JSON such as {"1": "liver"}.',
        )
    return {value: entry for value, entry in found.items() if value != 0}


def table_in_header(path: str, content: str) -> dict[int, Entry]:
    """Return the label table in a header extension of NIfTI, without the background 0; empty when there is none.

    It is the XML of CaretExtension (Connectome Workbench), which TotalSegmentator writes too. An attribute
    that is not understood leaves out its label's colour, or the label.

    Raises
    ------
    FormatError
        When it gives one value two names.
    """
    found: dict[int, Entry] = {}
    if "<CaretExtension" not in content[:1000] or len(content) > _LARGEST:
        return found
    for attributes, raw, plain in _LABEL.findall(content):
        said = dict(_ATTRIBUTE.findall(attributes))
        name = (raw or unescape(plain)).strip()
        if name and _whole(said.get("Key")) and int(said["Key"]):
            _add(path, found, int(said["Key"]), Entry(name, _shares(said)))
    return found


def _shares(said: Mapping[str, str]) -> str:
    try:
        rgb = [float(said[one]) for one in ("Red", "Green", "Blue")]
    except (KeyError, ValueError):
        return ""
    return _color(rgb) if all(0 <= one <= 1 for one in rgb) else ""


def table_of(
    given: Mapping[int, str] | str | None, path: str, stem: str, header: Iterable[str] = ()
) -> dict[int, Entry]:
    """Return the table that was given, else the one beside a labelmap of that stem, else that in its header.

    Raises
    ------
    FormatError
        When the one given is no table.
    """
    if isinstance(given, str):
        return read_table(given)
    if given is not None:
        return {int(value): Entry(str(name)) for value, name in given.items() if int(value)}
    for ending in _ENDINGS:
        beside = Path(path).parent / f"{stem}{ending}"
        if beside.is_file():
            try:
                return read_table(str(beside))
            except FormatError:
                continue  # a file of that name that says something else
    return next(filter(None, (table_in_header(path, content) for content in header)), {})


def _color(value: Any) -> str:
    if isinstance(value, str):
        match = _COLOR.fullmatch(value.strip())
        return f"#{match.group(1).lower()}" if match else ""
    if isinstance(value, (list, tuple)) and len(value) in (3, 4) and all(_number(one) for one in value):
        scale = (
            255
            if all(0 <= one <= 1 for one in value[:3]) and any(isinstance(one, float) for one in value)
            else 1
        )
        return "#" + "".join(f"{min(max(round(one * scale), 0), 255):02x}" for one in value[:3])
    return ""


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == value


def _add(path: str, found: dict[int, Entry], value: int, entry: Entry) -> None:
    if found.get(value, entry).name != entry.name:
        raise FormatError(f"{path} gives the value {value} two names")
    found[value] = entry


def _json(path: str, text: str) -> dict[int, Entry]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as cause:
        raise FormatError(f"{path} is no sound JSON") from cause
    if isinstance(content, dict) and isinstance(content.get("labels"), (dict, list)):
        content = content["labels"]
    found: dict[int, Entry] = {}
    rows = content.items() if isinstance(content, dict) else [(None, row) for row in content]
    for key, value in rows:
        row = _json_row(key, value)
        if row is None:
            return {}
        _add(path, found, *row)
    return found


def _json_row(key: Any, value: Any) -> tuple[int, Entry] | None:
    """Return a value and what it means; None for what is no row of a table."""
    if isinstance(value, dict):
        number = value.get("value", value.get("index", value.get("id", key)))
        name = value.get("name", value.get("label"))
        if name is None and number is not key and isinstance(key, str):
            name = key
        if not isinstance(name, str) or not _whole(number):
            return None
        return int(number), Entry(name, _color(value.get("color")), _code(value.get("code")))
    if isinstance(value, str) and _whole(key):
        return int(key), Entry(value)
    if isinstance(key, str) and _whole(value) and not isinstance(value, str):
        return int(value), Entry(key)
    return None


def _whole(value: Any) -> bool:
    if isinstance(value, str):
        return re.fullmatch(r"\s*\d{1,9}\s*", value) is not None
    return _number(value) and value == int(value) and 0 <= value < 10**9


def _code(value: Any) -> Code | None:
    if not isinstance(value, dict) or not all(isinstance(value.get(one), str) for one in ("value", "scheme")):
        return None
    return Code(value["value"], value["scheme"], str(value.get("meaning", "")))


def _lines(path: str, text: str) -> dict[int, Entry]:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not lines:
        return {}
    for mark in ("\t", ","):
        if mark in lines[0] and not re.match(r"\s*\d", lines[0]):
            return _columns(path, lines, mark)
    found: dict[int, Entry] = {}
    for line in lines:
        if match := _SNAP.match(line):
            value, *rgb, name = match.groups()
            name = re.sub(r"\\(.)", r"\1", name)
        elif match := _FREESURFER.match(line):
            value, name, *rgba = match.groups()
            rgb = rgba[:3]
        else:
            return {}
        if not name.strip():
            return {}
        _add(path, found, int(value), Entry(_spaced(name, path), _color([int(one) for one in rgb])))
    return found


def _spaced(name: str, path: str) -> str:
    """Return the name of a table of 3D Slicer with its spaces, which such a file writes as underlines."""
    return name.replace("_", " ") if path.lower().endswith(".ctbl") else name


def _columns(path: str, lines: list[str], mark: str) -> dict[int, Entry]:
    rows = list(csv.DictReader(io.StringIO("\n".join(lines)), delimiter=mark))
    found: dict[int, Entry] = {}
    for row in rows:
        plain = {str(key).strip().lower(): value for key, value in row.items() if isinstance(value, str)}
        number = next(
            (plain[key] for key in ("index", "value", "labelvalue", "id", "label_id") if key in plain), None
        )
        name = next((plain[key] for key in ("name", "label", "abbreviation") if key in plain), "")
        if number is None or not _whole(number) or not name.strip():
            return {}
        color = _color(plain.get("color", ""))
        parts = [plain.get(f"color_{one}", plain.get(one, "")) for one in ("r", "g", "b")]
        if not color and all(part.strip().isdigit() for part in parts):
            color = _color([int(part) for part in parts])
        _add(path, found, int(number), Entry(name.strip(), color))
    return found
