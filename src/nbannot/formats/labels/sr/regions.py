"""Coordinates of a measurement group as shapes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import EditError
from nbannot.formats.labels.sr.concepts import COBB_ANGLE, LONG_AXIS, SHORT_AXIS, is_concept
from nbannot.formats.labels.sr.groups import Group
from nbannot.formats.labels.sr.places import Place, Places, Put, on_slice
from nbannot.formats.labels.sr.tree import Node
from nbannot.model.labels import Code
from nbannot.model.shapes import Shape, ShapeKind

NOT_GIVEN = "not read: coordinates on an image that was not given"
_SQUARE = 1e-3


@dataclass(frozen=True, slots=True)
class _Drawn:
    node: Node
    put: Put


def shapes_of(group: Group, places: Places, lost: Counter[str]) -> list[Shape]:
    """Return the shapes of a group, with label "finding"; count in `lost` what cannot be placed."""
    shapes: list[Shape] = []
    regions = _placed(group.regions, places, lost)
    ends = _placed(group.ends, places, lost)
    for drawn in regions:
        if ends and len(drawn.put.points) == 1 and len(ends[0].put.points) == 1 and len(regions) == 1:
            shapes += _made("arrow", drawn.put, np.concatenate((ends[0].put.points, drawn.put.points)), lost)
            ends = ends[1:]
        else:
            shapes += _shape(drawn, group, places, lost)
    if ends:
        lost["not read: where a text was put"] += len(ends)
    measured = [(number, _points_of(number, places, lost)) for number in group.numbers]
    return shapes + _of_numbers(measured, group, places, lost)


def _placed(nodes: list[Node], places: Places, lost: Counter[str]) -> list[_Drawn]:
    found = [(node, places.put(node)) for node in nodes]
    lost[NOT_GIVEN] += sum(put is None for _, put in found)
    if not lost[NOT_GIVEN]:
        del lost[NOT_GIVEN]
    return [_Drawn(node, put) for node, put in found if put is not None]


def _points_of(number: Node, places: Places, lost: Counter[str]) -> list[_Drawn]:
    nodes = [part for part in number.children if part.kind in ("SCOORD", "SCOORD3D") and part.value]
    return _placed(nodes, places, lost)


def _of_numbers(
    measured: list[tuple[Node, list[_Drawn]]], group: Group, places: Places, lost: Counter[str]
) -> list[Shape]:
    """Return the shapes of measurements that have coordinates; two axes become one shape."""
    axes: dict[Code, tuple[Node, Put]] = {}
    for concept in (LONG_AXIS, SHORT_AXIS):
        for number, drawn in measured:
            if is_concept(number.concept, concept) and len(drawn) == 1 and len(drawn[0].put.points) == 2:
                axes.setdefault(concept, (number, drawn[0].put))
    shapes: list[Shape] = []
    if len(axes) == 2:
        (_, long), (_, short) = axes.values()
        shapes += _made("bidirectional", long, np.concatenate((long.points, short.points)), lost)
    for number, drawn in measured:
        if len(axes) == 2 and any(number is one for one, _ in axes.values()):
            continue
        for one in drawn:
            shapes += _shape(one, group, places, lost, number=number)
    return shapes


def _shape(
    drawn: _Drawn, group: Group, places: Places, lost: Counter[str], *, number: Node | None = None
) -> list[Shape]:
    kind, points = drawn.node.value.kind, drawn.put.points
    if kind in ("POINT", "MULTIPOINT"):
        return _made("points", drawn.put, points, lost)
    if kind == "CIRCLE" and len(points) == 2:
        return _made("ellipse", drawn.put, _circle(drawn, places), lost)
    if kind == "ELLIPSE" and len(points) == 4:
        return _made("ellipse", drawn.put, points, lost)
    if kind in ("POLYLINE", "POLYGON") and len(points) > 1:
        return _line(drawn, group, lost, number)
    lost[f"not read: coordinates of type {kind} with {len(points)} points"] += 1
    return []


def _line(drawn: _Drawn, group: Group, lost: Counter[str], number: Node | None) -> list[Shape]:
    points = drawn.put.points
    ends_meet = len(points) > 3 and bool(np.abs(points[0] - points[-1]).max() < 1e-4)
    fields = {one.field for one in group.measured}
    angular = "angle" in fields if number is None else number.name.lower().endswith("angle")
    cobb = is_concept(number.concept, COBB_ANGLE) if number is not None else angular
    if ends_meet or drawn.node.value.kind == "POLYGON":
        outline = points[:-1] if ends_meet else points
        return _made("rectangle" if _is_rectangle(outline) else "polygon", drawn.put, outline, lost)
    if len(points) == 2:
        return _made("ruler", drawn.put, points, lost)
    if angular and len(points) == 3:
        return _made("angle", drawn.put, points, lost)
    if cobb and len(points) == 4:
        return _made("cobb", drawn.put, points, lost)
    if "area" in fields and len(points) > 2:
        lost["an outline that is not closed in the file but has an area was closed"] += 1
        return _made("polygon", drawn.put, points, lost)
    return _made("curve", drawn.put, points, lost)


def _is_rectangle(points: NDArray[np.float64]) -> bool:
    if len(points) != 4:
        return False
    sides = np.roll(points, -1, axis=0) - points
    lengths = np.linalg.norm(sides, axis=1)
    if lengths.min() < 1e-9:
        return False
    off = max(abs(float(sides[n] @ sides[n - 1])) / lengths[n] / lengths[n - 1] for n in range(4))
    return bool(off < _SQUARE)


def _circle(drawn: _Drawn, places: Places) -> NDArray[np.float64]:
    """Return the ends of two axes of a circle given by its centre and a point of it (PS3.3 C.18.6.1.2).

    A circle is round in pixels: where these are not square it is an ellipse in the world.
    """
    centre, edge = drawn.node.value.points - 0.5
    radius = float(np.linalg.norm(edge - centre))
    pixels = centre + radius * np.array(((-1, 0), (1, 0), (0, -1), (0, 1)))
    chosen = next(child.value for child in drawn.node.children if child.kind == "IMAGE")
    place: Place | None = places.of(chosen)
    assert place is not None
    return on_slice(place.image, place.k, place.t, pixels).points


def _made(kind: ShapeKind, put: Put, points: NDArray[np.float64], lost: Counter[str]) -> list[Shape]:
    fields: dict[str, Any] = {**put.fields(), "points": tuple(map(tuple, points.tolist()))}
    try:
        return [Shape(kind, "finding", **fields)]
    except EditError as error:
        lost[f"not read: {error.message}"] += 1
        return []
