"""Lines and outlines: the path that is drawn, and its length, area and diameters."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nbannot.model.shapes import Shape

Points = NDArray[np.float64]

SPAN_STEPS = 32
"""Straight pieces that a spline is drawn with between two of its points."""

# Pairs of edges that are looked at in one go; keeps memory small.
_PAIRS = 1_000_000


def spline(points: Points, *, closed: bool = False) -> Points:
    """Return the centripetal Catmull–Rom curve through points, as a line of straight pieces.

    Parameters
    ----------
    points
        (n, d).
    closed
        Whether the curve returns to its first point, which is not repeated. An open one goes on at its
        ends as if mirrored there.

    Notes
    -----
    Barry and Goldman's recursion with knots at the square root of the distances (Yuksel et al.,
    "Parameterization and applications of Catmull–Rom curves", 2011): no loops and no cusps between two
    points. `SPAN_STEPS` pieces to a span.
    """
    points = distinct(points, closed=closed)
    if len(points) < 3:
        return points
    if closed:
        rows = np.concatenate((points[-1:], points, points[:2]))
    else:
        first, last = 2 * points[0] - points[1], 2 * points[-1] - points[-2]
        rows = np.concatenate(([first], points, [last]))
    steps = np.sqrt(np.linalg.norm(np.diff(rows, axis=0), axis=1))
    spans = len(rows) - 3
    p0, p1, p2, p3 = (rows[n : n + spans, None, :] for n in range(4))
    t0 = np.zeros((spans, 1, 1))
    t1 = t0 + steps[:spans, None, None]
    t2 = t1 + steps[1 : spans + 1, None, None]
    t3 = t2 + steps[2 : spans + 2, None, None]
    t = t1 + (t2 - t1) * (np.arange(SPAN_STEPS) / SPAN_STEPS)[None, :, None]
    a1 = (t1 - t) / (t1 - t0) * p0 + (t - t0) / (t1 - t0) * p1
    a2 = (t2 - t) / (t2 - t1) * p1 + (t - t1) / (t2 - t1) * p2
    a3 = (t3 - t) / (t3 - t2) * p2 + (t - t2) / (t3 - t2) * p3
    b1 = (t2 - t) / (t2 - t0) * a1 + (t - t0) / (t2 - t0) * a2
    b2 = (t3 - t) / (t3 - t1) * a2 + (t - t1) / (t3 - t1) * a3
    curve = ((t2 - t) / (t2 - t1) * b1 + (t - t1) / (t2 - t1) * b2).reshape(-1, points.shape[1])
    return curve if closed else np.concatenate((curve, points[-1:]))


def distinct(points: Points, *, closed: bool = False) -> Points:
    """Return the points (n, d) without those that repeat the one before."""
    if len(points) < 2:
        return points
    kept = np.linalg.norm(np.diff(points, axis=0), axis=1) > 1e-9
    points = points[np.concatenate(([True], kept))]
    if closed and len(points) > 1 and np.linalg.norm(points[0] - points[-1]) <= 1e-9:
        points = points[:-1]
    return points


def path(shape: Shape) -> Points:
    """Return the line or outline that a shape is drawn as, (n, 3) world; outlines are not closed by repetition."""
    points = shape.world()
    if shape.kind in ("spline", "closed-spline"):
        return spline(points, closed=shape.closed)
    if shape.kind == "ellipse":
        centre, u, v = ellipse_of(points)
        turn = np.arange(4 * SPAN_STEPS)[:, None] * (2 * math.pi / (4 * SPAN_STEPS))
        curve: Points = centre + np.cos(turn) * u + np.sin(turn) * v
        return curve
    return distinct(points, closed=shape.closed) if shape.closed else points


def length_of(points: Points, *, closed: bool = False) -> float:
    """Return the length of a line of straight pieces, (n, d)."""
    steps = np.diff(np.concatenate((points, points[:1])) if closed else points, axis=0)
    return float(np.linalg.norm(steps, axis=1).sum())


def ellipse_of(points: Points) -> tuple[Points, Points, Points]:
    """Return centre and two half axes (conjugate ones) of the ends (4, d) of an ellipse's axes."""
    return points.mean(axis=0), (points[1] - points[0]) / 2, (points[3] - points[2]) / 2


def ellipse_axes(u: Points, v: Points) -> tuple[float, float]:
    """Return the full long and short axis of the ellipse u cos t + v sin t."""
    uu, vv, uv = float(u @ u), float(v @ v), float(u @ v)
    middle, spread = (uu + vv) / 2, math.hypot((uu - vv) / 2, uv)
    return 2 * math.sqrt(middle + spread), 2 * math.sqrt(max(middle - spread, 0.0))


def ellipse_perimeter(long: float, short: float) -> float:
    """Return the perimeter of an ellipse with these full axes.

    The complete elliptic integral of the second kind by the arithmetic–geometric mean
    (Abramowitz and Stegun, 17.6).
    """
    if short <= 0:
        return 2 * long
    a, b = long / 2, short / 2
    mean, other, total, power = a, b, (a * a - b * b) / 2, 0.5
    while abs(mean - other) > 1e-15 * a:
        power *= 2
        half = (mean - other) / 2
        mean, other = (mean + other) / 2, math.sqrt(mean * other)
        total += power * half * half
    return 2 * math.pi / mean * (a * a - total)


@dataclass(frozen=True, slots=True)
class Area:
    """An area, and whether its outline crosses itself."""

    area: float
    crosses: bool


def area_of(outline: Points) -> Area:
    """Return the area within an outline (n, 2) by the even-odd rule.

    Where an outline crosses itself, what it goes round twice is outside. Simple outlines by the
    shoelace formula; others cut into strips between corners and crossings, in which the width changes
    evenly.
    """
    xy = distinct(outline, closed=True)
    if len(xy) < 3:
        return Area(0.0, False)
    xy = xy - xy[0]
    following = np.roll(xy, -1, axis=0)
    plain = abs(float((xy[:, 0] * following[:, 1] - xy[:, 1] * following[:, 0]).sum())) / 2
    touches, heights = _crossings(xy, following)
    if not touches:
        return Area(plain, False)
    area = _strips(xy, following, np.unique(np.concatenate((xy[:, 1], heights))))
    return Area(area, bool(len(heights)) or abs(area - plain) > 1e-9 * max(area, plain))


def _crossings(start: Points, end: Points) -> tuple[bool, Points]:
    """Return whether edges that are no neighbours meet, and the heights where edges cross."""
    count = len(start)
    low, high = np.minimum(start, end), np.maximum(start, end)
    order = np.argsort(low[:, 0], kind="stable")
    until = np.searchsorted(low[order, 0], high[order, 0], side="right")
    sizes = np.maximum(until - np.arange(count) - 1, 0)
    touches, heights, n = False, [], 0
    while n < count:
        stop = n + max(int(np.searchsorted(np.cumsum(sizes[n:]), _PAIRS, side="right")), 1)
        part = sizes[n:stop]
        first = np.repeat(np.arange(n, min(stop, count)), part)
        offset = np.arange(len(first)) - np.repeat(np.cumsum(part) - part, part)
        a, b = order[first], order[first + 1 + offset]
        n = stop
        near = (low[a, 1] <= high[b, 1]) & (low[b, 1] <= high[a, 1])
        gap = np.abs(a - b)
        near &= (gap != 1) & (gap != count - 1)
        a, b = a[near], b[near]
        left = _side(start[a], end[a], start[b]), _side(start[a], end[a], end[b])
        right = _side(start[b], end[b], start[a]), _side(start[b], end[b], end[a])
        meets = (left[0] * left[1] <= 0) & (right[0] * right[1] <= 0)
        touches = touches or bool(meets.any())
        proper = (left[0] * left[1] < 0) & (right[0] * right[1] < 0)
        part_of = right[0][proper] / (right[0][proper] - right[1][proper])
        a = a[proper]
        heights.append(start[a, 1] + part_of * (end[a, 1] - start[a, 1]))
    return touches, np.concatenate(heights)


def _side(start: Points, end: Points, point: Points) -> Points:
    along, off = end - start, point - start
    side: Points = along[:, 0] * off[:, 1] - along[:, 1] * off[:, 0]
    return side


def _strips(start: Points, end: Points, heights: Points) -> float:
    """Return the even-odd area of edges that cross at the given heights only."""
    begin = np.searchsorted(heights, np.minimum(start[:, 1], end[:, 1]))
    sizes = np.searchsorted(heights, np.maximum(start[:, 1], end[:, 1])) - begin
    edge = np.repeat(np.arange(len(start)), sizes)
    strip = np.repeat(begin, sizes) + np.arange(len(edge)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    middle = (heights[strip] + heights[strip + 1]) / 2
    part = (middle - start[edge, 1]) / (end[edge, 1] - start[edge, 1])
    x = start[edge, 0] + part * (end[edge, 0] - start[edge, 0])
    order = np.lexsort((x, strip))
    signs = np.where(np.arange(len(order)) % 2, 1.0, -1.0)
    return float((signs * x[order] * (heights[strip + 1] - heights[strip])[order]).sum())


def max_distance(points: Points) -> float:
    """Return the largest distance between two of the points (n, 2), over their convex hull."""
    hull = _hull(points)
    best = 0.0
    for block in np.array_split(hull, max(len(hull) // 512, 1)):
        gaps = block[:, None, :] - hull[None, :, :]
        best = max(best, float((gaps**2).sum(axis=2).max()))
    return math.sqrt(best)


def _hull(points: Points) -> Points:
    """Return the corners of the convex hull (Andrew's monotone chain)."""
    ordered = np.unique(points, axis=0).tolist()
    if len(ordered) < 4:
        return np.array(ordered)
    chains: list[list[float]] = []
    for run in (ordered, ordered[::-1]):
        chain: list[list[float]] = []
        for x, y in run:
            while len(chain) > 1:
                (ax, ay), (bx, by) = chain[-2], chain[-1]
                if (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0:
                    break
                chain.pop()
            chain.append([x, y])
        chains += chain[:-1]
    return np.array(chains)


def flattened(points: Points, normal: Points) -> Points:
    """Return points of a plane (n, 3) as (n, 2) in mm, in some turn."""
    helper = np.zeros(3)
    helper[int(np.argmin(np.abs(normal)))] = 1
    first = np.cross(normal, helper)
    first /= np.linalg.norm(first)
    flat: Points = points @ np.stack((first, np.cross(normal, first)), axis=1)
    return flat


def angle_between(first: Points, second: Points) -> float | None:
    """Return the angle between two vectors, 0 to 180 degrees; None where one has no length."""
    across = float(np.linalg.norm(np.cross(first, second)))
    along = float(first @ second)
    if not (first.any() and second.any()):
        return None
    return math.degrees(math.atan2(across, along))
