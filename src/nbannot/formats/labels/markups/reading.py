"""3D Slicer's markups in, by the published schema (versions 1.0.0 to 1.0.4)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import EditError, FormatError, NbannotError
from nbannot.formats.labels.findings import Findings
from nbannot.formats.labels.fitting import Fitting, bounded
from nbannot.formats.labels.own import adopt, item_of
from nbannot.formats.nifti import flipped
from nbannot.model.annotations import Box
from nbannot.model.attributes import Attributes
from nbannot.model.image import Image
from nbannot.model.shapes import Shape, ShapeKind

Points = NDArray[np.float64]

KINDS: dict[str, tuple[ShapeKind, int, int | None]] = {
    "Fiducial": ("points", 1, None),
    "Line": ("ruler", 2, 2),
    "Angle": ("angle", 3, 3),
    "Curve": ("spline", 2, None),
    "ClosedCurve": ("closed-spline", 3, None),
}
"""Shape, and the least and most points, of each type of markup."""

_UNITS = {"mm": 1.0, "um": 1e-3}
_ALONG = 1e-3


def is_markups(path: str, start: bytes) -> bool:
    """Whether a file is a list of markups."""
    if not path.lower().endswith(".json") or not start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return False
    return path.lower().endswith(".mrk.json") or b"markups-schema" in start


def read_markups(path: str, findings: Findings) -> None:
    """Read the markups of a file.

    Raises
    ------
    FormatError
        When it is not JSON, or no list of markups.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8-sig"))
        listed = content["markups"]
        if not isinstance(listed, list):
            raise TypeError
    except (ValueError, KeyError, TypeError, RecursionError) as cause:
        raise FormatError(f"{path} is no list of markups: it has no member 'markups'") from cause
    fitting = Fitting(findings.images)
    for number, markup in enumerate(listed, start=1):
        what = f"markup {number}"
        try:
            item = _item(markup, what, findings)
        except (NbannotError, KeyError, TypeError, ValueError, AttributeError) as cause:
            reason = cause.message if isinstance(cause, NbannotError) else "it is damaged"
            findings.note(f"{what} is not read: {reason}")
            continue
        if item is not None:
            refused = fitting.take(findings, item)
            if refused:
                findings.note(f"{what} is not read: {refused}")


def _item(markup: dict[str, Any], what: str, findings: Findings) -> Box | Shape | None:
    image = findings.images[0]
    kind = str(markup.get("type"))
    frame = _frame(markup)
    if kind == "ROI":
        place: dict[str, Any] = {"index": _roi(markup, frame, image), "image": image.id}
    else:
        points, names = _points(markup, frame, what, findings)
        if kind == "Plane":
            points, names = _plane(markup, frame), ()
        place = {"points": tuple(map(tuple, points.tolist())), "image": image.id}
        if image.geometry.kind == "stack":
            place["slice"] = int(image.geometry.to_index(points.mean(axis=0))[0])
    own = item_of(markup.get("nbannot"), **place)
    if own is not None and not isinstance(own[0], Box | Shape):
        return None
    if own is not None:
        item, label = own
        adopt(findings, label)
        return item  # type: ignore[return-value]
    shared: dict[str, Any] = {
        "label": findings.label(str(markup.get("name") or kind), color=_color(markup)),
        "locked": bool(markup.get("locked", False)),
        "attributes": _measured(markup),
    }
    if kind == "ROI":
        return Box(index=place.pop("index"), **place, **shared)
    if kind == "Plane":
        return Shape("rectangle", **place, **shared)
    return _shape(kind, place, names, shared, what, findings)


def _shape(
    kind: str,
    place: dict[str, Any],
    names: tuple[str, ...],
    shared: dict[str, Any],
    what: str,
    findings: Findings,
) -> Shape:
    if kind not in KINDS:
        raise EditError(f"markups of type {kind!r} are not known")
    shape, least, most = KINDS[kind]
    count = len(place["points"])
    if count < least or (most is not None and count > most):
        raise EditError(f"it is a {kind} of {count} points")
    if kind == "ClosedCurve":
        try:
            return Shape(shape, **place, **shared)
        except EditError:
            findings.note(
                f"{what} is a closed curve that is not flat: read as an open one that ends where it began"
            )
            return Shape("spline", **(place | {"points": (*place["points"], place["points"][0])}), **shared)
    return Shape(shape, **place, **shared, names=names if kind == "Fiducial" and any(names) else ())


def _frame(markup: dict[str, Any]) -> Points:
    """Return what turns the coordinates of a markup into world LPS mm."""
    unit = markup.get("coordinateUnits", "mm")
    unit = unit[0] if isinstance(unit, list) else unit
    if unit not in _UNITS:
        raise EditError(f"its unit {unit!r} is not known")
    system = markup.get("coordinateSystem", "LPS")
    if system not in ("LPS", "RAS"):
        raise EditError(f"its coordinate system {system!r} is not known")
    scale = np.diag([_UNITS[unit]] * 3 + [1.0])
    return scale if system == "LPS" else flipped(scale)


def _points(
    markup: dict[str, Any], frame: Points, what: str, findings: Findings
) -> tuple[Points, tuple[str, ...]]:
    """Return the points that have a place (n, 3), world, and what they are called."""
    held = markup.get("controlPoints") or []
    placed = [
        one for one in held if one.get("positionStatus", "defined") != "undefined" and "position" in one
    ]
    if len(placed) < len(held):
        findings.note(f"{what}: {len(held) - len(placed)} points without a place are not read")
    points = np.array([one["position"] for one in placed], dtype=np.float64).reshape(-1, 3)
    return bounded(points) @ frame[:3, :3].T, tuple(str(one.get("label") or "") for one in placed)


def _axes(markup: dict[str, Any], frame: Points) -> tuple[Points, Points, Points]:
    """Return centre, axes (as columns) and size of a plane or ROI, in the world."""
    # An orientation is given along the axes of the file's coordinate system, row by row.
    if "orientation" in markup or "baseToNode" not in markup:
        axes = np.array(markup.get("orientation", np.eye(3).ravel()), dtype=np.float64).reshape(3, 3)
        centre = np.array(markup["center"], dtype=np.float64)
    else:
        base, object_ = (
            np.array(markup.get(name, np.eye(4).ravel()), dtype=np.float64).reshape(4, 4)
            for name in ("baseToNode", "objectToBase")
        )
        axes, centre = (base @ object_)[:3, :3], (base @ object_)[:3, 3]
    size = bounded(np.array(markup["size"], dtype=np.float64))
    bounded(axes), bounded(centre)
    scale = abs(float(frame[2, 2]))
    return frame[:3, :3] @ centre, (frame[:3, :3] @ axes) / scale, size * scale


def _plane(markup: dict[str, Any], frame: Points) -> Points:
    """Return the corners of a plane."""
    centre, axes, size = _axes(markup, frame)
    half = size[:2] / 2
    if half.min() <= 0:
        raise EditError("it is a plane without a size")
    signs = np.array(((-1, -1), (1, -1), (1, 1), (-1, 1)))
    return centre + (signs * half) @ axes[:, :2].T


def _roi(markup: dict[str, Any], frame: Points, image: Image) -> Any:
    """Return the corners (k, j, i) of a box."""
    if markup.get("roiType", "Box") not in ("Box", "BoundingBox"):
        raise EditError(f"it is an ROI of type {markup.get('roiType')!r}")
    if image.geometry.kind != "grid":
        raise EditError("an ROI needs an image on a regular grid")
    centre, axes, size = _axes(markup, frame)
    steps = image.geometry.affine[:3, :3]
    along = np.abs(axes.T @ (steps / np.linalg.norm(steps, axis=0)))
    if not np.all(np.abs(along - np.round(along)) < _ALONG):
        raise EditError("it is a box that is turned against the grid of the image")
    ends = image.geometry.to_index([centre - axes @ size / 2, centre + axes @ size / 2])
    return tuple(map(tuple, ends.tolist()))


def _color(markup: dict[str, Any]) -> str:
    display = markup.get("display") or {}
    color = display.get("selectedColor") or display.get("color")
    if not isinstance(color, list) or len(color) != 3:
        return ""
    return "#" + "".join(f"{round(min(max(float(part), 0), 1) * 255):02x}" for part in color)


def _measured(markup: dict[str, Any]) -> Attributes:
    found: Attributes = {}
    for one in markup.get("measurements") or []:
        value = one.get("value")
        if one.get("enabled", True) and isinstance(value, int | float) and np.isfinite(value):
            unit = one.get("units")
            unit = unit[0] if isinstance(unit, list) and unit else unit
            found[f"{one.get('name', 'value')}" + (f" ({unit})" if unit else "")] = float(value)
    description = markup.get("description")
    return found | ({"description": description} if isinstance(description, str) and description else {})
