"""Shapes in a pane: where they lie to its plane, their lines in px, and what is written beside them.

The rules are those of js/src/tools/shapes/seat.ts, js/src/tools/shapes/kinds.ts and js/src/ui/shapelayer.ts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nbannot.host.drawing import shown_unit
from nbannot.host.frames import Frame
from nbannot.host.pane import Pane, rgb
from nbannot.model.geometry import Stack
from nbannot.model.measures import Measures, Reader, measure, measure_item, path
from nbannot.model.measures.lines import ellipse_of, spline
from nbannot.model.shapes import Shape
from nbannot.viewer.pen import Color, Line, Pen, fixed, show_number

Places = NDArray[np.float64]

MOST_NAMED = 80
"""With more shapes in a plane none is named."""
LOOSE = ("points", "probe", "text")
"""Kinds whose points stand for themselves: each is shown wherever it is near."""

# How far from a plane a point is shown: half a slice and a hair; in a stack, mm or px.
_STACK_REACH, _HAIR = 0.5, 1e-3
_PARALLEL = 1 - 1e-6
# Sizes of marks, px.
_TICK, _HEAD, _ARC, _CROSS, _DOT = 5.0, 11.0, 18.0, 5.0, 3.0
_FAINT = 0.65
# Room of a letter, between lines, and beside a shape, px.
_LETTER, _LEADING, _BESIDE = 6.4, 15.0, 10.0


@dataclass(frozen=True, slots=True)
class Seat:
    """How a shape lies to a plane, in mm right and down of its centre.

    Parameters
    ----------
    inside
        The whole shape lies in the plane.
    points
        Every point (n, 2).
    near
        Numbers of the points within half a slice.
    cuts
        Where an outline passes through the plane: stretches (2, 2) inside it.
    dots
        Where a line passes through it.
    """

    inside: bool
    points: Places
    near: tuple[int, ...]
    cuts: tuple[Places, ...] = ()
    dots: tuple[Places, ...] = ()


def draw_shapes(pen: Pen, pane: Pane) -> None:
    """Draw the shapes of a pane's image that are to be seen in its plane, with their captions."""
    colors = {label.name: rgb(label.color) for label in pane.scene.document.labels}
    shown = list(shown_shapes(pane))
    drawn = [(shape, seat, lines_in(shape, seat, pane), colors[shape.label]) for shape, seat in shown]
    for _, seat, lines, color in drawn:
        pen.lines(lines, color, opacity=1.0 if seat.inside else _FAINT)
    for shape, seat, lines, color in drawn if len(shown) <= MOST_NAMED else ():
        _write(pen, pane, shape, seat, lines, color)


def shown_shapes(pane: Pane) -> Iterator[tuple[Shape, Seat]]:
    """Yield the shapes on the plane and frame of a pane that nobody has hidden."""
    document, frame = pane.scene.document, pane.frame
    hidden = set(pane.view.get("hidden", ()))
    seen = {label.name for label in document.labels if label.id not in hidden}
    first = pane.scene.images[0].id
    for shape in document.shapes:
        if shape.id in hidden or shape.label not in seen or (shape.image or first) != pane.image.id:
            continue
        if shape.frame not in (None, pane.time):
            continue
        if isinstance(frame.geometry, Stack) and shape.slice not in (None, frame.slice):
            continue
        seat = seat_of(shape, frame)
        if seat is not None:
            yield shape, seat


def seat_of(shape: Shape, frame: Frame) -> Seat | None:
    """Return how a shape lies to a plane; None where nothing of it is to be seen."""
    named = shape.slice is not None and frame.thickness == 0
    reach = (frame.thickness / 2 if frame.thickness > 0 else _STACK_REACH) + _HAIR
    normal, world = frame.axes.normal, shape.world()
    depths = (world - frame.centre) @ normal
    parallel = shape.normal is None or abs(float(np.dot(shape.normal, normal))) > _PARALLEL
    near = tuple(n for n, depth in enumerate(depths.tolist()) if named or abs(depth) <= reach)
    loose = shape.kind in LOOSE
    if len(near) == len(world) and (parallel or loose):
        return Seat(True, frame.to_plane(world), near)
    if loose:
        return Seat(True, frame.to_plane(world), near) if near else None
    crossing = [place for line, closed in _space_lines(shape) for place in _crossings(line, closed, frame)]
    if not near and not crossing:
        return None
    if shape.closed:
        return Seat(False, frame.to_plane(world), near, cuts=_pairs(crossing))
    return Seat(False, frame.to_plane(world), near, dots=tuple(crossing))


def _space_lines(shape: Shape) -> list[tuple[Places, bool]]:
    """Return the lines of a shape in space and whether they are closed; free points are joined straight."""
    if shape.normal is None:
        return [(shape.world(), shape.closed)]
    if shape.kind in ("bidirectional", "cobb"):
        return [(shape.world()[:2], False), (shape.world()[2:], False)]
    return [(path(shape), shape.closed)]


def _crossings(line: Places, closed: bool, frame: Frame) -> Places:
    """Return the places (n, 2) where a line passes through a plane."""
    start, end = (line, np.roll(line, -1, axis=0)) if closed else (line[:-1], line[1:])
    a, b = ((ends - frame.centre) @ frame.axes.normal for ends in (start, end))
    through = (a < 0) != (b < 0)
    part = (a[through] / (a[through] - b[through]))[:, None]
    return frame.to_plane(start[through] + part * (end[through] - start[through]))


def _pairs(places: Sequence[Places]) -> tuple[Places, ...]:
    """Return the stretches between places in order along their line, two and two (even-odd)."""
    if len(places) < 2:
        return ()
    points = np.array(places)
    offsets = points - points[0]
    way = offsets[np.argmax(np.linalg.norm(offsets, axis=1))]
    ordered = points[np.argsort(offsets @ way, kind="stable")]
    return tuple(ordered[n : n + 2] for n in range(0, len(ordered) - 1, 2))


# Lines --------------------------------------------------------------------------------------------


def lines_in(shape: Shape, seat: Seat, pane: Pane) -> list[Line]:
    """Return the lines of a shape in a pane, px."""
    points = to_px(seat.points, pane)
    near = points[list(seat.near)]
    if not seat.inside:
        cuts = [Line(to_px(cut, pane), aside=True) for cut in seat.cuts]
        return [*cuts, *(_ring(place, _DOT) for place in (*(to_px(dot, pane) for dot in seat.dots), *near))]
    if shape.kind not in LOOSE:
        return lines_of(shape, points)
    number = {n: place for place, n in enumerate(seat.near)}
    edges = [(number[a], number[b]) for a, b in shape.edges if a in number and b in number]
    return [*(Line(near[list(edge)]) for edge in edges), *_marks(shape, near)]


def to_px(places: Places, pane: Pane) -> Places:
    """Return where places (…, 2) of a plane, mm, lie in a pane, px."""
    camera = pane.camera
    return (places - camera.pan) / camera.mm_per_px + (pane.width / 2, pane.height / 2)


def _marks(shape: Shape, near: Places) -> list[Line]:
    if shape.kind == "text":
        return []
    if shape.kind == "points":
        return [line for point in near for line in _cross(point, _CROSS)]
    return [line for point in near for line in (_ring(point, _CROSS), *_cross(point, 0.4 * _CROSS))]


def lines_of(shape: Shape, points: Places) -> list[Line]:
    """Return the lines of a shape that lies in a plane, from its points (n, 2), px."""
    kind = shape.kind
    if kind == "ruler":
        a, b = points
        return [Line(points), _tick(a, b), _tick(b, a)]
    if kind == "angle":
        return [Line(points), *_arc(*points)]
    if kind in ("bidirectional", "cobb"):
        middles = np.stack((points[:2].mean(axis=0), points[2:].mean(axis=0)))
        return [Line(points[:2]), Line(points[2:]), *([Line(middles, aside=True)] if kind == "cobb" else [])]
    if kind == "arrow":
        return [Line(points), _arrow_head(*points)]
    if kind in ("spline", "closed-spline"):
        return [Line(spline(points, closed=shape.closed), shape.closed)]
    if kind == "ellipse":
        centre, u, v = ellipse_of(points)
        turn = np.linspace(0, 2 * math.pi, 96, endpoint=False)[:, None]
        return [Line(centre + np.cos(turn) * u + np.sin(turn) * v, closed=True)]
    return [Line(points, shape.closed)]


def _heading(way: Places) -> Places:
    size = float(np.linalg.norm(way))
    return way / size if size > 0 else np.array((1.0, 0.0))


def _tick(end: Places, other: Places) -> Line:
    x, y = _heading(other - end)
    across = _TICK * np.array((-y, x))
    return Line(np.stack((end + across, end - across)))


def _arrow_head(tail: Places, head: Places) -> Line:
    back = min(_HEAD, float(np.linalg.norm(tail - head))) * _heading(tail - head)
    c, s = math.cos(0.42), math.sin(0.42)
    turn = np.array(((c, -s), (s, c)))
    return Line(np.stack((head + turn @ back, head, head + turn.T @ back)))


def _arc(a: Places, vertex: Places, b: Places) -> list[Line]:
    radius = min(_ARC, float(np.linalg.norm(a - vertex)) / 2, float(np.linalg.norm(b - vertex)) / 2)
    if radius <= 0:
        return []
    start, end = (math.atan2(y, x) for x, y in (a - vertex, b - vertex))
    span = math.atan2(math.sin(end - start), math.cos(end - start))
    turn = start + span * np.arange(13) / 12
    return [Line(vertex + radius * np.stack((np.cos(turn), np.sin(turn)), axis=1))]


def _cross(at: Places, size: float) -> list[Line]:
    return [Line(np.stack((at - way, at + way))) for way in size * np.eye(2)]


def _ring(at: Places, radius: float) -> Line:
    turn = np.arange(16) * (math.pi / 8)
    return Line(at + radius * np.stack((np.cos(turn), np.sin(turn)), axis=1), closed=True)


# Words --------------------------------------------------------------------------------------------


def caption(shape: Shape, pane: Pane) -> list[str]:
    """Return the lines beside a shape: its name, or that of its label, and its size or the probe's value."""
    if shape.kind == "text" or (shape.kind == "arrow" and shape.text):
        return [shape.text]
    image, more = pane.image, list[str]()
    if shape.kind == "probe":
        found = measure(shape, image, unit=shown_unit(image, pane.view), frame=pane.time)
        first, *more = _value_lines(found) or [""]
    else:
        first = size_text(measure_item(shape, Reader(image, 0), values=False))
    return ["  ".join(filter(None, (shape.name or shape.label, first, shape.text))), *more]


def _value_lines(found: Measures) -> list[str]:
    value = [] if found.value is None else [f"{show_number(found.value)} {found.value_unit}".rstrip()]
    return [*value, *([found.note[0].upper() + found.note[1:]] if found.note else [])]


def size_text(found: Measures) -> str:
    """Return the main measure as the browser shows it: a length, an angle, both axes, or an area."""
    unit = found.unit
    if found.length is not None:
        return f"{fixed(found.length, 1)} {unit}"
    if found.angle is not None:
        return f"{fixed(found.angle, 1)}°"
    if found.area is not None:
        if unit == "mm" and found.area >= 1e4:
            return f"Area {fixed(found.area / 100, 1)} cm²"
        return f"Area {fixed(found.area, 1 if found.area < 100 else 0)} {unit}²"
    if found.long_axis is not None and found.short_axis is not None:
        return f"{fixed(found.long_axis, 1)} × {fixed(found.short_axis, 1)} {unit}"
    return ""


def _write(pen: Pen, pane: Pane, shape: Shape, seat: Seat, lines: Sequence[Line], color: Color) -> None:
    """Write the caption of a shape, and the names or numbers of its landmarks; not of what only cuts the plane."""
    if not seat.inside:
        return
    points = to_px(seat.points, pane)
    if shape.kind == "points" and len(points) > 1:
        for n in seat.near:
            x, y = points[n]
            pen.text((x + 7, y - 6), shape.names[n] if n < len(shape.names) else str(n + 1), "ls", color)
    words, near = caption(shape, pane), points[list(seat.near)]
    if shape.kind == "text":
        x, y = near[0]
        pen.text((x, y), words[0], "ls", color)
        return
    drawn = np.concatenate([near, *(line.points for line in lines)])
    room = _BESIDE + _LETTER * max(map(len, words))
    flip = drawn[:, 0].max() + room > pane.width and drawn[:, 0].min() - room > 0
    x, y = near[np.argmin(near[:, 0]) if flip else np.argmax(near[:, 0])]
    for n, line in enumerate(words):
        place = (x - _BESIDE if flip else x + _BESIDE, y + 4 + n * _LEADING)
        pen.text(place, line, "rs" if flip else "ls", color)
