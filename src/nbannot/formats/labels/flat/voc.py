"""Pascal VOC's XML in and out: pixels from 1, the last one included."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

import numpy as np

from nbannot.errors import FormatError, NbannotError, NbannotWarning
from nbannot.formats.labels.findings import Findings
from nbannot.formats.labels.fitting import Fitting
from nbannot.formats.labels.flat.objects import Object, check_same, objects_of, tell
from nbannot.formats.labels.flat.pictures import Pictures, name_of
from nbannot.model.annotations import Box
from nbannot.model.attributes import Attributes
from nbannot.model.document import Document
from nbannot.model.labels import Label

_LARGEST = 64 << 20
_FLAGS = ("pose", "truncated", "difficult", "occluded")


def is_voc(path: str, start: bytes) -> bool:
    """Whether a path is a VOC file, or a folder of such."""
    where = Path(path)
    if where.is_dir():
        return any(_begins(one) for one in list(where.rglob("*.xml"))[:3])
    return where.suffix.lower() == ".xml" and b"<annotation" in start


def _begins(path: Path) -> bool:
    with path.open("rb") as file:
        return b"<annotation" in file.read(512)


def parsed(path: Path) -> ElementTree.Element:
    """Return the root of an XML file without a document type, so that it brings no entities.

    Raises
    ------
    FormatError
        When it has one, is too large, or is damaged.
    """
    if path.stat().st_size > _LARGEST:
        raise FormatError(f"{path} is larger than any file of boxes")
    data = path.read_bytes()

    def refuse(*_: Any) -> None:
        raise FormatError(f"{path} declares a document type, which files of boxes have no need of")

    reader = expat.ParserCreate()
    reader.StartDoctypeDeclHandler = refuse
    reader.EntityDeclHandler = refuse
    try:
        reader.Parse(data, True)
        return ElementTree.fromstring(data)
    except (expat.ExpatError, ElementTree.ParseError, ValueError) as cause:
        if isinstance(cause, FormatError):
            raise
        raise FormatError(f"{path} is no XML that can be read") from cause


def read_voc(path: str, findings: Findings) -> None:
    """Read the boxes of a file, or of all in a folder.

    Raises
    ------
    FormatError
        When the one file named is damaged.
    """
    where = Path(path)
    files = sorted(where.rglob("*.xml")) if where.is_dir() else [where]
    pictures, fitting = Pictures(findings.images), Fitting(findings.images)
    lost: Counter[str] = Counter()
    for file in files:
        try:
            root = parsed(file)
        except FormatError:
            if len(files) == 1:
                raise
            lost["damaged files"] += 1
            continue
        picture = pictures.find(root.findtext("filename") or file.name) or pictures.find(
            file.name, alone=len(files) == 1
        )
        objects = root.findall("object")
        if picture is None:
            lost["boxes on a picture that was not given"] += len(objects)
            continue
        from_zero = _counts_from_zero(objects)
        if from_zero:
            findings.note("a box begins at 0: the file counts pixels from 0, not from 1 as VOC does")
        for one in objects:
            try:
                item = _box(one, picture, findings, from_zero)
            except (NbannotError, ValueError, TypeError):
                lost["damaged boxes"] += 1
                continue
            refused = fitting.take(findings, item)
            if refused:
                lost[refused] += 1
    for text, count in lost.items():
        findings.note(f"not read: {count} × {text}")


def _counts_from_zero(objects: list[ElementTree.Element]) -> bool:
    for one in objects:
        for name in ("xmin", "ymin"):
            try:
                if float(one.findtext(f"bndbox/{name}") or "1") <= 0:
                    return True
            except ValueError:
                continue
    return False


def _box(one: ElementTree.Element, picture: Any, findings: Findings, from_zero: bool) -> Box:
    corners = [float(one.findtext(f"bndbox/{name}") or "") for name in ("xmin", "ymin", "xmax", "ymax")]
    if not np.isfinite(corners).all() or corners[2] < corners[0] or corners[3] < corners[1]:
        raise ValueError
    first = 0 if from_zero else 1
    x0, y0, x1, y1 = (value - first for value in corners)
    attributes: Attributes = {}
    for name in _FLAGS:
        text = (one.findtext(name) or "").strip()
        if text not in ("", "0", "Unspecified"):
            attributes[name] = True if text == "1" else text
    label = findings.label(one.findtext("name") or "")
    return Box(label, **picture.box_fields(x0, y0, x1 + 1, y1 + 1), attributes=attributes)


def write_voc(path: str, document: Document, labels: Mapping[str, Label], *, ending: str = ".png") -> None:
    """Write one XML file for each picture into a folder (or the one XML file named), and check it.

    Outlines and masks are written as the boxes round them.

    Parameters
    ----------
    ending
        Of the names of the pictures, which are not written.

    Raises
    ------
    FormatError
        When there is nothing to write, or one file is named for several pictures.
    StoreError
        When it does not read back equal.
    """
    lost: Counter[str] = Counter()
    objects = objects_of(document, lost)
    pictures = list(dict.fromkeys(one.picture for one in objects))
    single = path.lower().endswith(".xml")
    if not objects or (single and len(pictures) > 1):
        reason = (
            f"{len(pictures)} pictures do not fit into one file" if objects else "There is nothing to write"
        )
        raise FormatError(f"{reason}: {path}", hint="Give the name of a folder.")
    target = Path(path)
    folder = target.parent if single else target
    folder.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{os.getpid()}.", dir=folder))
    try:
        for picture in pictures:
            held = [one for one in objects if one.picture == picture]
            write_picture(partial / f"{name_of(picture)}.xml", held, name_of(picture) + ending)
        findings = Findings(path, document.images)
        read_voc(str(partial), findings)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NbannotWarning)
            check_same(path, objects, objects_of(findings.document(), Counter()), within=1e-3)
        for file in sorted(partial.iterdir()):
            file.replace(target if single else target / file.name)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    outlined = sum(one.ring is not None or one.mask is not None for one in objects)
    if outlined:
        lost["outlines and masks: written as the boxes round them"] += outlined
    tell(path, lost)


def write_picture(path: Path, objects: list[Object], name: str) -> None:
    """Write the objects of one picture of this file name."""
    picture = objects[0].picture
    root = ElementTree.Element("annotation")
    _child(root, "folder", "images")
    _child(root, "filename", name)
    size = ElementTree.SubElement(root, "size")
    depth = 3 if picture.image.is_color else 1
    for name, value in zip(("width", "height", "depth"), (*picture.size, depth), strict=True):
        _child(size, name, str(value))
    _child(root, "segmented", "0")
    for one in objects:
        made = ElementTree.SubElement(root, "object")
        _child(made, "name", one.label)
        answers = one.attributes or {}
        for name, default in zip(_FLAGS, ("Unspecified", "0", "0", "0"), strict=True):
            given = answers.get(name, default)
            _child(made, name, "1" if given is True else str(given))
        box = ElementTree.SubElement(made, "bndbox")
        x0, y0, x1, y1 = one.edges
        for name, edge in zip(("xmin", "ymin", "xmax", "ymax"), (x0 + 1, y0 + 1, x1, y1), strict=True):
            _child(box, name, f"{edge:.10g}")
    ElementTree.indent(root)
    ElementTree.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _child(parent: ElementTree.Element, name: str, text: str) -> None:
    ElementTree.SubElement(parent, name).text = text
