"""Tables of boxes in and out: CSV, and JSON of boxes by file name."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import warnings
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nbannot.errors import FormatError, NbannotError, NbannotWarning
from nbannot.formats.labels.findings import Findings
from nbannot.formats.labels.fitting import Fitting
from nbannot.formats.labels.flat.objects import check_same, objects_of, tell
from nbannot.formats.labels.flat.pictures import Picture, Pictures, name_of
from nbannot.model.annotations import Box
from nbannot.model.attributes import Attributes
from nbannot.model.document import Document
from nbannot.model.labels import Label

COLUMNS = ("image", "label", "x", "y", "w", "h")
"""What is written; of pixel edges."""

ALIASES: dict[str, tuple[str, ...]] = {
    "image": (
        "image",
        "imageid",
        "imageindex",
        "filename",
        "file",
        "filepath",
        "imagepath",
        "imagename",
        "path",
    ),
    "label": ("label", "class", "classname", "category", "findinglabel", "name", "target"),
    "x": ("x", "xmin", "x1", "x0", "left", "bboxx", "bboxxywh"),
    "y": ("y", "ymin", "y1", "y0", "top", "bboxy"),
    "w": ("w", "width", "bboxw", "bboxwidth"),
    "h": ("h", "height", "bboxh", "bboxheight"),
    "x1": ("xmax", "x2", "right"),
    "y1": ("ymax", "y2", "bottom"),
    "slice": ("slice", "k", "sliceindex"),
}
"""Names of columns, without case, blanks and signs."""

_PLAIN = re.compile(r"[^a-z0-9]")


def is_boxes(path: str, start: bytes) -> bool:
    """Whether a file is a CSV table with the columns of boxes, or JSON of lists of boxes by file name."""
    ending = Path(path).suffix.lower()
    if ending in (".csv", ".tsv"):
        head = start.decode("utf-8-sig", "replace").splitlines()[:1]
        return bool(head) and _missing(_columns(_row(head[0]))) == []
    if ending == ".json" and start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8-sig"))
        except (OSError, ValueError, RecursionError):
            return False
        return _is_by_name(content)
    return False


def _row(line: str) -> list[str]:
    return next(csv.reader([line], delimiter=_delimiter(line)), [])


def _delimiter(line: str) -> str:
    return max(",;\t", key=line.count)


def _columns(names: list[str]) -> dict[str, int]:
    """Return the place of each column; "Bbox [x,y,w,h]" as NIH's ChestX-ray14 writes it is four of them."""
    plain = [_PLAIN.sub("", name.lower()) for name in names]
    found: dict[str, int] = {}
    for column, aliases in ALIASES.items():
        found |= next(({column: plain.index(alias)} for alias in aliases if alias in plain), {})
    if "bboxx" in plain and "h" in plain:
        first = plain.index("bboxx")
        found |= {"x": first, "y": first + 1, "w": first + 2, "h": first + 3}
    return found


def _missing(columns: Mapping[str, int]) -> list[str]:
    sizes = ("w", "h") if "w" in columns else ("x1", "y1")
    return [name for name in ("image", "label", "x", "y", *sizes) if name not in columns]


def _is_by_name(content: Any) -> bool:
    return (
        isinstance(content, dict)
        and bool(content)
        and all(isinstance(rows, list) for rows in content.values())
        and all(isinstance(row, dict) and _missing(_columns(list(row))) == ["image"]
                for rows in content.values() for row in rows)
    )  # fmt: skip


def read_boxes(path: str, findings: Findings) -> None:
    """Read a table of boxes; columns that are not known become attributes.

    Raises
    ------
    FormatError
        When a column is missing.
    """
    text = Path(path).read_text(encoding="utf-8-sig", errors="replace")
    rows: list[tuple[list[str], list[Any]]] = []
    if path.lower().endswith(".json"):
        for name, held in json.loads(text).items():
            rows += [(["image", *row], [name, *row.values()]) for row in held]
    else:
        lines = list(csv.reader(io.StringIO(text), delimiter=_delimiter(text.splitlines()[0])))
        rows = [(lines[0], line) for line in lines[1:] if any(cell.strip() for cell in line)]
    pictures, fitting = Pictures(findings.images), Fitting(findings.images)
    lost: Counter[str] = Counter()
    for names, cells in rows:
        try:
            box = _box(names, cells, pictures, findings)
        except (NbannotError, ValueError, IndexError, TypeError):
            lost["damaged rows"] += 1
            continue
        reason = "boxes on a picture that was not given" if box is None else fitting.take(findings, box)
        if reason:
            lost[reason] += 1
    for reason, count in lost.items():
        findings.note(f"not read: {count} × {reason}")


def _box(names: list[str], cells: list[Any], pictures: Pictures, findings: Findings) -> Box | None:
    columns = _columns(names)
    picture = pictures.find(str(cells[columns["image"]]))
    if picture is None:
        return None
    if "slice" in columns and str(cells[columns["slice"]]).strip():
        picture = Picture(picture.image, int(float(cells[columns["slice"]])))
    x, y = float(cells[columns["x"]]), float(cells[columns["y"]])
    if "w" in columns:
        x1, y1 = x + float(cells[columns["w"]]), y + float(cells[columns["h"]])
    else:
        x1, y1 = float(cells[columns["x1"]]), float(cells[columns["y1"]])
    if not (np.isfinite((x, y, x1, y1)).all() and x1 > x and y1 > y):
        raise ValueError
    taken = set(columns.values())
    attributes: Attributes = {}
    for n, (name, value) in enumerate(zip(names, cells)):
        if n not in taken and name.strip() and str(value).strip():
            attributes[name.strip()] = _value(value)
    label = findings.label(str(cells[columns["label"]]))
    return Box(label, **picture.box_fields(x, y, x1, y1), attributes=attributes)


def _value(cell: Any) -> bool | float | str:
    if isinstance(cell, bool):
        return cell
    try:
        number = float(cell)
    except (TypeError, ValueError):
        return str(cell)
    return number if np.isfinite(number) else str(cell)


def write_boxes(path: str, document: Document, labels: Mapping[str, Label], *, ending: str = ".png") -> None:
    """Write the boxes of a document (and those round outlines and masks) as CSV, and check it.

    Parameters
    ----------
    ending
        Of the names of the pictures, which are not written.

    Raises
    ------
    FormatError
        When there is nothing to write.
    StoreError
        When it does not read back equal.
    """
    lost: Counter[str] = Counter()
    objects = objects_of(document, lost)
    if not objects:
        raise FormatError(f"There is nothing to write into {path}")
    partial = Path(f"{path}.{os.getpid()}.csv")
    try:
        with partial.open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(COLUMNS)
            for one in objects:
                x0, y0, x1, y1 = one.edges
                places = (x0, y0, x1 - x0, y1 - y0)
                rows.writerow(
                    [name_of(one.picture) + ending, one.label, *(f"{value:.10g}" for value in places)]
                )
        findings = Findings(path, document.images)
        read_boxes(str(partial), findings)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NbannotWarning)
            check_same(path, objects, objects_of(findings.document(), Counter()), within=1e-4)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    tell(path, lost)
