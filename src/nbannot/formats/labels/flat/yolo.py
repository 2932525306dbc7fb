"""YOLO's label files in and out: one text file to a picture, numbers in parts of its width and height."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import warnings
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from nbannot.errors import FormatError, NbannotError, NbannotWarning
from nbannot.formats.labels.findings import Findings
from nbannot.formats.labels.fitting import Fitting
from nbannot.formats.labels.flat.objects import Object, check_same, objects_of, tell
from nbannot.formats.labels.flat.pictures import Picture, Pictures, name_of
from nbannot.model.annotations import Box
from nbannot.model.attributes import Attributes
from nbannot.model.document import Document
from nbannot.model.labels import Label
from nbannot.model.shapes import Shape

_NOT_LABELS = ("classes.txt", "readme.txt", "requirements.txt", "notes.txt", "obj.names")
_LINE = re.compile(rb"\s*\d+(\s+[-+.\deE]+){4,}\s*(\r?\n|$)")


def is_yolo(path: str, start: bytes) -> bool:
    """Whether a path is a YOLO data set (a folder with data.yaml, classes.txt or labels), or a label file."""
    where = Path(path)
    if where.is_dir():
        named = any((where / name).is_file() for name in ("data.yaml", "classes.txt", "obj.names"))
        return named or any(_LINE.match(_start(one)) for one in list(where.rglob("*.txt"))[:3])
    return where.suffix.lower() == ".txt" and _LINE.match(start) is not None


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(512)


def read_yolo(path: str, findings: Findings) -> None:
    """Read the label files of a data set, or one.

    Raises
    ------
    FormatError
        When the names of the classes cannot be read.
    """
    where = Path(path)
    files = sorted(where.rglob("*.txt")) if where.is_dir() else [where]
    files = [file for file in files if file.name.lower() not in _NOT_LABELS]
    names, points = _names(where if where.is_dir() else where.parent)
    if not names:
        findings.note("there is neither data.yaml nor classes.txt: classes are called by their number")
    pictures, fitting = Pictures(findings.images), Fitting(findings.images)
    lost: Counter[str] = Counter()
    for name in names.values():
        findings.label(name)
    for file in files:
        picture = pictures.find(file.name, alone=len(files) == 1)
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        if picture is None:
            lost["lines on a picture that was not given"] += sum(bool(line.strip()) for line in lines)
            continue
        for line in filter(str.strip, lines):
            try:
                item = _item(line, picture, names, findings, points)
            except (ValueError, NbannotError):
                lost["damaged lines"] += 1
                continue
            refused = fitting.take(findings, item)
            if refused:
                lost[refused] += 1
    for text, count in lost.items():
        findings.note(f"not read: {count} × {text}")


def _item(
    line: str, picture: Picture, names: Mapping[int, str], findings: Findings, points: int
) -> Box | Shape:
    """Return a box of 4 numbers (or 5, the last a confidence), or a polygon of 6 or more."""
    first, *rest = line.split()
    values = np.array([float(part) for part in rest])
    if not np.isfinite(values).all():
        raise ValueError
    number = int(first)
    label = findings.label(names.get(number, str(number)))
    width, height = picture.size
    if points:
        values = values[:4]
    sure: Attributes = {"confidence": float(values[-1])} if len(values) % 2 else {}
    if len(values) in (4, 5):
        x, y, w, h = values[:4] * (width, height, width, height)
        return Box(label, **picture.box_fields(x - w / 2, y - h / 2, x + w / 2, y + h / 2), attributes=sure)
    if len(values) < 6:
        raise ValueError
    ring = values[: len(values) // 2 * 2].reshape(-1, 2) * (width, height)
    return Shape("polygon", label, **picture.shape_fields(ring), attributes=sure)


def _names(folder: Path) -> tuple[dict[int, str], int]:
    """Return the names of the classes, looked for in the folder and two above it, and the points of a pose."""
    import yaml

    for where in (folder, folder.parent, folder.parent.parent):
        for file in (where / "data.yaml", where / "dataset.yaml"):
            if file.is_file():
                try:
                    content = yaml.safe_load(file.read_text(encoding="utf-8"))
                    given = content.get("names", {})
                    rows = given.items() if isinstance(given, dict) else enumerate(given)
                    shape = content.get("kpt_shape") or [0]
                    return {int(n): str(name) for n, name in rows}, int(shape[0])
                except (yaml.YAMLError, AttributeError, TypeError, ValueError, IndexError) as cause:
                    raise FormatError(f"{file} does not name classes as YOLO does") from cause
        for file in (where / "classes.txt", where / "obj.names"):
            if file.is_file():
                lines = file.read_text(encoding="utf-8").splitlines()
                return {n: name.strip() for n, name in enumerate(lines) if name.strip()}, 0
    return {}, 0


def write_yolo(
    path: str,
    document: Document,
    labels: Mapping[str, Label],
    *,
    task: Literal["detect", "segment"] = "detect",
) -> None:
    """Write a folder with labels/NAME.txt for each picture, classes.txt and data.yaml, and check it.

    Parameters
    ----------
    task
        "detect": boxes; "segment": outlines (boxes as their four corners, masks as outlines of their parts).

    Raises
    ------
    FormatError
        When there is nothing to write, or the folder is not empty.
    StoreError
        When it does not read back equal.
    """
    lost: Counter[str] = Counter()
    objects = objects_of(document, lost)
    if not objects:
        raise FormatError(f"There is nothing to write into {path}")
    target = Path(path)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise FormatError(f"{path} is not an empty folder", hint="Choose another one.")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        wanted = write_labels(partial, objects, document.labels, task)
        findings = Findings(path, document.images)
        read_yolo(str(partial), findings)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NbannotWarning)
            back = objects_of(findings.document(), Counter())
        check_same(path, wanted, back, within=1e-3)
        if target.exists():
            target.rmdir()
        partial.replace(target)
        target.chmod(0o755)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    tell(path, lost)


def write_labels(
    folder: Path, objects: list[Object], labels: Any, task: str, *, named: Mapping[Picture, str] | None = None
) -> list[Object]:
    """Write the files of a data set without pictures; return the objects as they are written."""
    names = [label.name for label in labels]
    lines: dict[str, list[str]] = defaultdict(list)
    wanted = []
    for one in objects:
        for part in _parts(one) if task == "segment" else [one]:
            width, height = part.picture.size
            x0, y0, x1, y1 = part.edges
            row = [(x0 + x1) / 2 / width, (y0 + y1) / 2 / height, (x1 - x0) / width, (y1 - y0) / height]
            if task == "segment" and part.ring is not None:
                row = (part.ring / (width, height)).ravel().tolist()
            numbers = " ".join(f"{value:.10g}" for value in row)
            lines[(named or {}).get(part.picture, name_of(part.picture))].append(
                f"{names.index(part.label)} {numbers}"
            )
            wanted.append(part)
    (folder / "labels").mkdir()
    for name, rows in lines.items():
        (folder / "labels" / f"{name}.txt").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "classes.txt").write_text("\n".join(name.replace("\n", " ") for name in names) + "\n", "utf-8")
    listed = "\n".join(f"  {n}: {json.dumps(name, ensure_ascii=False)}" for n, name in enumerate(names))
    text = f"path: .\ntrain: images\nval: images\nnc: {len(names)}\nnames:\n{listed}\n"
    (folder / "data.yaml").write_text(text, encoding="utf-8")
    return wanted


def _parts(one: Object) -> list[Object]:
    """Return an object as outlines: a box by its corners, a mask by the outlines of its parts, without holes."""
    if one.ring is not None:
        return [one]
    x0, y0, x1, y1 = one.edges
    rings = [np.array(((x0, y0), (x1, y0), (x1, y1), (x0, y1)))]
    if one.mask is not None:
        from skimage.measure import find_contours, label

        rings = []
        numbered, count = label(one.mask, return_num=True, connectivity=1)
        for n in range(1, count + 1):
            outline = max(find_contours(np.pad(numbered == n, 1).astype(float), 0.5), key=_extent)
            rings.append(outline[:-1, ::-1] - 1 + 0.5)
    found = []
    for ring in rings:
        (a, b), (c, d) = ring.min(axis=0).tolist(), ring.max(axis=0).tolist()
        found.append(Object(one.picture, one.label, (a, b, c, d), ring=ring, attributes=one.attributes))
    return found


def _extent(outline: Any) -> float:
    return float(np.prod(outline.max(axis=0) - outline.min(axis=0)))
