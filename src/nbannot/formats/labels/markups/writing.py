"""3D Slicer's markups out, by schema 1.0.3."""

from __future__ import annotations

import json
import os
import warnings
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import FormatError, NbannotWarning, StoreError
from nbannot.formats.labels.findings import Findings
from nbannot.formats.labels.markups.reading import read_markups
from nbannot.formats.labels.own import record_of
from nbannot.model.annotations import Box
from nbannot.model.document import Document
from nbannot.model.image import Image
from nbannot.model.labels import Label
from nbannot.model.measures import path as drawn
from nbannot.model.shapes import Shape

Points = NDArray[np.float64]

SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/"
    "markups-schema-v1.0.3.json#"
)
KINDS = {
    "points": "Fiducial", "probe": "Fiducial", "text": "Fiducial", "ruler": "Line", "arrow": "Line",
    "angle": "Angle", "spline": "Curve", "curve": "Curve", "open-freehand": "Curve", "polygon": "ClosedCurve",
    "freehand": "ClosedCurve", "closed-spline": "ClosedCurve", "livewire": "ClosedCurve", "rectangle": "Plane",
}  # fmt: skip
"""What each kind of shape becomes with its own points; the others become several or drawn ones."""


def write_markups(path: str, document: Document, labels: Mapping[str, Label], *, split: bool = False) -> None:
    """Write the boxes and shapes of a document as markups, and check the file by reading it back.

    Parameters
    ----------
    split
        One file for each markup, with a number before the ending: 3D Slicer opens the first of a file.

    Raises
    ------
    FormatError
        When there is nothing to write.
    StoreError
        When what was written does not read back equal.
    """
    lost: Counter[str] = Counter()
    markups = []
    for box in document.boxes:
        markups += _box(box, document.image(box.image), labels[box.label], lost)
    for shape in document.shapes:
        markups += _shape(shape, labels[shape.label], lost)
    if not markups:
        raise FormatError(f"There are no boxes and shapes to write into {path}")
    lost["tags have no place in markups"] += len(document.tags)
    lost["masks have no place in markups: write them as .seg.nrrd"] += sum(
        bool(mask.used_values()) for mask in document.masks
    )
    base, ending = (path[:-9], path[-9:]) if path.lower().endswith(".mrk.json") else (path[:-5], path[-5:])
    parts = [[one] for one in markups] if split else [markups]
    for number, part in enumerate(parts, start=1):
        _store(f"{base}_{number}{ending}" if split else path, part, document)
    if len(markups) > 1 and not split:
        lost["3D Slicer opens the first markup of a file only: split=True writes a file for each"] = 1
    texts = [text for text, count in lost.items() if count]
    if texts:
        warnings.warn(f"{path}: {'; '.join(texts)}", NbannotWarning, stacklevel=4)


def _markup(
    kind: str, name: str, label: Label, points: Points, names: tuple[str, ...] = ()
) -> dict[str, Any]:
    color = [int(label.color[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    return {
        "type": kind,
        "name": name or label.name,
        "coordinateSystem": "LPS",
        "coordinateUnits": "mm",
        "locked": False,
        "controlPoints": [
            {
                "id": str(n + 1),
                "label": names[n] if n < len(names) else f"{name or label.name}-{n + 1}",
                "position": point,
                "selected": True,
                "locked": False,
                "visibility": True,
                "positionStatus": "defined",
            }
            for n, point in enumerate(points.tolist())
        ],
        "display": {"visibility": True, "opacity": 1.0, "color": color, "selectedColor": color},
    }


def _shape(shape: Shape, label: Label, lost: Counter[str]) -> list[dict[str, Any]]:
    points = shape.world()
    if shape.kind in KINDS:
        kind = KINDS[shape.kind]
        named = shape.names or ((shape.text,) if shape.text and kind == "Fiducial" else ())
        made = _markup(kind, shape.name, label, points, named)
        if kind == "Plane":
            made |= _plane(points)
            made["controlPoints"] = _markup(kind, shape.name, label, points.mean(axis=0)[None])[
                "controlPoints"
            ]
        return [made | {"locked": shape.locked, "nbannot": record_of(shape, label)}]
    if shape.kind == "ellipse":
        lost["ellipses are written as the closed curves they are drawn as"] += 1
        return [_markup("ClosedCurve", shape.name, label, drawn(shape)[::4])]
    lost[f"a {shape.kind} is written as two lines"] += 1
    return [_markup("Line", shape.name, label, ends) for ends in (points[:2], points[2:])]


def _box(box: Box, image: Image, label: Label, lost: Counter[str]) -> list[dict[str, Any]]:
    """Return an ROI; nothing for a box that the world has no place for."""
    if image.geometry.kind != "grid" or not image.geometry.is_orthogonal:
        lost["boxes on an image without a regular grid at right angles are not written"] += 1
        return []
    ends = image.geometry.to_world(box.index)
    steps = image.geometry.affine[:3, [2, 1, 0]]
    axes = steps / np.linalg.norm(steps, axis=0)
    if np.linalg.det(axes) < 0:
        axes[:, 2] = -axes[:, 2]
    size = np.abs(axes.T @ (ends[1] - ends[0]))
    centre = ends.mean(axis=0)
    made = _markup("ROI", box.name, label, centre[None])
    frame = {
        "roiType": "Box",
        "center": centre.tolist(),
        "orientation": axes.ravel().tolist(),
        "size": size.tolist(),
    }
    return [made | frame | {"locked": box.locked, "nbannot": record_of(box, label)}]


def _plane(points: Points) -> dict[str, Any]:
    across, down = points[1] - points[0], points[3] - points[0]
    width, height = (float(np.linalg.norm(side)) for side in (across, down))
    first, second = across / width, down / height
    normal = np.cross(first, second)
    axes = np.stack((first, second, normal), axis=1)
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = axes, points.mean(axis=0)
    return {
        "planeType": "pointNormal",
        "sizeMode": "absolute",
        "center": points.mean(axis=0).tolist(),
        "normal": normal.tolist(),
        "orientation": axes.ravel().tolist(),
        "size": [width, height, 0.0],
        "planeBounds": [-width / 2, width / 2, -height / 2, height / 2],
        "objectToBase": np.eye(4).ravel().tolist(),
        "baseToNode": matrix.ravel().tolist(),
    }


def _store(path: str, markups: list[dict[str, Any]], document: Document) -> None:
    partial = Path(f"{path}.{os.getpid()}.part")
    try:
        text = json.dumps({"@schema": SCHEMA, "markups": markups}, indent=1, allow_nan=False)
        partial.write_text(text, encoding="utf-8")
        findings = Findings(path, document.images)
        read_markups(str(partial), findings)
        back = {item.id: item for item in findings.items}
        for markup in markups:
            _check(path, markup.get("nbannot"), back, document)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _check(path: str, record: dict[str, Any] | None, back: Mapping[str, Any], document: Document) -> None:
    if record is None:
        return
    id = record["item"]["id"]
    item, found = document.shapes.get(id) or document.boxes.get(id), back.get(id)
    same = False
    if isinstance(item, Shape) and isinstance(found, Shape):
        same = np.allclose(item.world(), found.world(), atol=1e-5)
    elif isinstance(item, Box) and isinstance(found, Box):
        same = np.allclose(item.index, found.index, atol=1e-5)
    if not same:
        raise StoreError(f"{path} does not read back as it was written")
