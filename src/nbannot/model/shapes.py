"""Shapes: points, lines and outlines in world coordinates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import EditError
from nbannot.model.attributes import Attributes, Status, check_status, cleaned
from nbannot.model.labels import new_id

WorldPoint = tuple[float, float, float]
ShapeKind = Literal[
    "points", "ruler", "bidirectional", "angle", "cobb", "rectangle", "ellipse", "polygon", "freehand", "curve",
    "open-freehand", "spline", "closed-spline", "livewire", "arrow", "text", "probe",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class ShapeRule:
    """How many points a kind of shape has (most None: any number), and what they make.

    Parameters
    ----------
    least, most
        Number of points.
    closed
        The points are an outline with an area; they lie in one plane.
    """

    least: int
    most: int | None
    closed: bool = False


RULES: dict[str, ShapeRule] = {
    "points": ShapeRule(1, None),
    "ruler": ShapeRule(2, 2),
    "bidirectional": ShapeRule(4, 4),
    "angle": ShapeRule(3, 3),
    "cobb": ShapeRule(4, 4),
    "rectangle": ShapeRule(4, 4, closed=True),
    "ellipse": ShapeRule(4, 4, closed=True),
    "polygon": ShapeRule(3, None, closed=True),
    "freehand": ShapeRule(3, None, closed=True),
    "curve": ShapeRule(2, None),
    "open-freehand": ShapeRule(2, None),
    "spline": ShapeRule(2, None),
    "closed-spline": ShapeRule(3, None, closed=True),
    "livewire": ShapeRule(3, None, closed=True),
    "arrow": ShapeRule(2, 2),
    "text": ShapeRule(1, 1),
    "probe": ShapeRule(1, 1),
}

# How far points of an outline may lie from their plane: mm, and in parts of the outline's size.
FLAT_MM = 1e-3
FLAT_PART = 1e-4


@dataclass(frozen=True, slots=True)
class Shape:
    """A drawn shape of one kind.

    Parameters
    ----------
    kind
        "points" (a keypoint, or a numbered set of landmarks), "ruler" (two ends), "bidirectional" (ends of
        the long and of the short axis), "angle" (end, vertex, end), "cobb" (two lines), "rectangle"
        (corners in order, may be turned), "ellipse" (ends of one axis, ends of the other), "polygon",
        "freehand", "closed-spline" and "livewire" (closed outlines; a spline's points are those that it
        goes through), "curve", "open-freehand" and "spline" (open lines), "arrow" (tail, head), "text",
        "probe".
    label
        Name of a label of the document.
    points
        World coordinates (x, y, z), mm, LPS.
    id
        Stable id.
    image
        Id of the image; empty means the first one of the document.
    frame
        Frame in time; None means all.
    slice
        Slice k of a `Stack`, whose slices may share their place in the world; None on a grid.
    normal
        Unit vector (world) of the plane the points lie in; None for points free in space. An outline
        without one gets that of the plane through its points.
    text
        What is written beside it.
    names
        Names of the points of a set of landmarks.
    edges
        Pairs of point numbers that lines join: the skeleton of a set of landmarks.
    name
        Name of this shape in lists.
    lesion
        Id shared by everything that shows one lesion.
    attributes
        Values by attribute name.
    status
        "", "todo", "doing", "done" or "flagged".
    locked
        A locked shape is neither changed nor removed.

    Raises
    ------
    EditError
        When the number of points does not fit the kind, a number is not finite, or an outline does not
        lie in one plane.
    """

    kind: ShapeKind
    label: str
    points: tuple[WorldPoint, ...]
    id: str = field(default_factory=new_id, kw_only=True)
    image: str = field(default="", kw_only=True)
    frame: int | None = field(default=None, kw_only=True)
    slice: int | None = field(default=None, kw_only=True)
    normal: WorldPoint | None = field(default=None, kw_only=True)
    text: str = field(default="", kw_only=True)
    names: tuple[str, ...] = field(default=(), kw_only=True)
    edges: tuple[tuple[int, int], ...] = field(default=(), kw_only=True)
    name: str = field(default="", kw_only=True)
    lesion: str = field(default="", kw_only=True)
    attributes: Attributes = field(default_factory=dict, kw_only=True, hash=False)
    status: Status = field(default="", kw_only=True)
    locked: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        if self.kind not in get_args(ShapeKind):
            raise EditError(
                f"There is no shape {self.kind!r}", hint=f"Known: {', '.join(get_args(ShapeKind))}."
            )
        points = tuple(_vector(point, f"A point of a {self.kind}") for point in self.points)
        object.__setattr__(self, "points", points)
        rule = RULES[self.kind]
        if len(points) < rule.least or (rule.most is not None and len(points) > rule.most):
            wanted = f"{rule.least}" if rule.least == rule.most else f"{rule.least} or more"
            raise EditError(f"A {self.kind} has {wanted} points, got {len(points)}")
        if self.normal is not None:
            object.__setattr__(self, "normal", _unit(_vector(self.normal, f"The normal of a {self.kind}")))
        if rule.closed:
            object.__setattr__(self, "normal", _flat(self.kind, points, self.normal))
        object.__setattr__(self, "names", tuple(str(name) for name in self.names))
        object.__setattr__(self, "edges", _edges(self.edges, len(points)))
        object.__setattr__(self, "attributes", cleaned(self.attributes))
        check_status(self.status)

    @property
    def closed(self) -> bool:
        """Whether the shape is an outline with an area."""
        return RULES[self.kind].closed

    def world(self) -> NDArray[np.float64]:
        """Return the points as an array (n, 3), world mm LPS."""
        return np.array(self.points, dtype=np.float64).reshape(-1, 3)


def _vector(given: Sequence[float], what: str) -> WorldPoint:
    try:
        x, y, z = (float(value) for value in given)
    except (TypeError, ValueError):
        raise EditError(f"{what} needs three numbers (x, y, z), got {given!r}") from None
    if not (math.isfinite(x) and math.isfinite(y) and math.isfinite(z)):
        raise EditError(f"{what} must be finite, got {given!r}")
    return x, y, z


def _unit(vector: WorldPoint) -> WorldPoint:
    size = math.sqrt(sum(value * value for value in vector))
    if size < 1e-9:
        raise EditError(f"A normal needs a direction, got {vector}")
    if abs(size - 1) < 1e-9:
        return vector
    return vector[0] / size, vector[1] / size, vector[2] / size


def _flat(kind: str, points: Sequence[WorldPoint], normal: WorldPoint | None) -> WorldPoint:
    """Return the normal of the plane through the points, or refuse points off the plane."""
    world = np.array(points)
    offsets = world - world.mean(axis=0)
    extent = float(np.abs(offsets).max())
    if normal is None:
        _, sizes, axes = np.linalg.svd(offsets, full_matrices=True)
        if sizes[1] <= 1e-9 * max(sizes[0], 1e-9):
            raise EditError(
                f"The points of a {kind} lie on one line",
                hint="Give normal= (the normal of its plane), or points that enclose an area.",
            )
        normal = _unit((float(axes[2, 0]), float(axes[2, 1]), float(axes[2, 2])))
    off = float(np.abs(offsets @ np.array(normal)).max())
    if off > FLAT_MM + FLAT_PART * extent:
        raise EditError(
            f"The points of a {kind} lie up to {off:.3g} mm off their plane",
            hint="An outline is flat: move the points into one plane.",
        )
    return normal


def _edges(edges: Sequence[Sequence[Any]], count: int) -> tuple[tuple[int, int], ...]:
    pairs = []
    for edge in edges:
        if len(edge) != 2 or not all(0 <= int(end) < count for end in edge):
            raise EditError(f"An edge joins two of the {count} points, got {edge!r}")
        pairs.append((int(edge[0]), int(edge[1])))
    return tuple(pairs)
