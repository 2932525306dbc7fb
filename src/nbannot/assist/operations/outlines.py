"""Fill between slices for outlines: polygons on the slices between, by their signed distances."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from nbannot.errors import GeometryError, LockedError, OperationError
from nbannot.formats.contours import inside_rings
from nbannot.formats.progress import Progress, following
from nbannot.model.document import Document
from nbannot.model.edits import Batch, Edit, Put
from nbannot.model.geometry import Geometry, Grid, Stack
from nbannot.model.measures.lines import path
from nbannot.model.shapes import Shape

Points = NDArray[np.float64]
TOOL = "op:fill_between_shapes"

PARALLEL = 1 - 1e-6
"""Cosine of the angle up to which planes count as parallel, as in the viewer."""
FINE = 16
"""An outline is at least so many points of the raster across."""
MOST = 1_000_000
"""Points of a raster."""
SAMPLES = 4
"""Places per step of the raster at which an outline is looked for first."""


def fill_between_shapes(
    document: Document,
    shapes: Iterable[Shape | str] | None = None,
    *,
    label: str | None = None,
    lesion: str | None = None,
    tolerance: float = 0.25,
    progress: Progress | None = None,
) -> Edit | None:
    """Draw polygons on the slices between outlines of one label; the outlines stay as they are.

    Between two slices the outline runs where the weighted mean of the signed distances in mm to both is
    0 (Raya & Udupa 1990); outlines that do not overlap are first moved onto the line between their
    centres. Several outlines on one slice make one region by the even-odd rule: holes, or parts. Each
    label, lesion, image and frame is filled by itself. Planes along the voxels get a polygon on each slice
    between; turned planes one on each plane that scrolling stops at.

    Parameters
    ----------
    document
        Where the outlines are, and where the polygons go: one edit, one undo step.
    shapes
        The outlines or their ids: polygons, freehand outlines, livewires, closed splines, ellipses,
        rectangles. None: those of ``label`` or ``lesion``.
    label
        Name or id of a label; its only one with outlines need not be named.
    lesion
        Id of a lesion: its outlines only.
    tolerance
        Largest distance in pixels of points that are left out from the outline (Douglas & Peucker 1973).
    progress
        Called with the part done (0 to 1) and a text; what it raises ends the work, and nothing is changed.

    Returns
    -------
    Edit or None
        None where every outline between would be empty.

    Raises
    ------
    OperationError
        When there is nothing to fill between, or a shape is no outline.
    GeometryError
        When the outlines lie in planes that are not parallel, or the slices have no distances.
    LockedError
        When the label is locked.
    """
    with following(progress) as tell:
        edit = shapes_between(
            document, shapes, label=label, lesion=lesion, tolerance=tolerance, progress=tell
        )
    return None if edit is None else document.apply(edit)


def shapes_between(
    document: Document,
    shapes: Iterable[Shape | str] | None = None,
    *,
    label: str | None = None,
    lesion: str | None = None,
    tolerance: float = 0.25,
    progress: Progress,
) -> Batch | None:
    """Return the edit of `fill_between_shapes`, not applied."""
    groups = list(_groups(document, _chosen(document, shapes, label, lesion)))
    gaps = [gap for group in groups for gap in _gaps(document, group)]
    if not gaps:
        raise OperationError(
            "There is nothing to fill between: no outlines with empty slices between them",
            hint="Draw outlines of one label on two slices or more, with a gap.",
        )
    made: list[Shape] = []
    for n, gap in enumerate(gaps):
        progress(n / len(gaps), "Filling between slices")
        made += gap.shapes(tolerance)
    if not made:
        return None
    return Batch(tuple(Put(shape) for shape in made), "Fill between slices", tool=TOOL)


# What is filled -----------------------------------------------------------------------------------


def _chosen(
    document: Document, shapes: Iterable[Shape | str] | None, label: str | None, lesion: str | None
) -> list[Shape]:
    if shapes is not None:
        if label is not None or lesion is not None:
            raise OperationError("Outlines are given as shapes, or by label and lesion, not by both")
        found = [document.shapes[one] if isinstance(one, str) else one for one in shapes]
        for shape in found:
            if not shape.closed:
                raise OperationError(
                    f"A {shape.kind} is no outline", hint="Choose polygons, ellipses, rectangles, …"
                )
        return found
    outlines = [shape for shape in document.shapes if shape.closed]
    if label is not None:
        name = document.labels[label].name
        outlines = [shape for shape in outlines if shape.label == name]
    if lesion is not None:
        outlines = [shape for shape in outlines if shape.lesion == lesion]
    names = sorted({shape.label for shape in outlines})
    if label is None and lesion is None and len(names) > 1:
        raise OperationError("There are outlines of several labels", hint=f"Say label=: {', '.join(names)}.")
    return outlines


def _groups(document: Document, shapes: Sequence[Shape]) -> Iterator[list[Shape]]:
    """Yield what is filled together: outlines of one label, lesion, image and frame."""
    groups: dict[tuple[str, str, str, int | None], list[Shape]] = {}
    for shape in shapes:
        image = document.image(shape.image).id
        groups.setdefault((shape.label, shape.lesion, image, shape.frame), []).append(shape)
    for (label, *_), group in groups.items():
        if document.labels[label].locked:
            raise LockedError(f"The label {label!r} is locked", hint="Unlock it first.")
        yield group


# Planes -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Level:
    """The outlines of one slice: mm along the normal, and in the plane, as seen along the slices' way."""

    at: float
    rings: list[Points]
    k: int | None


@dataclass(frozen=True, slots=True)
class _Gap:
    """Two neighbouring slices with outlines, and the slices between them."""

    like: Shape
    levels: tuple[_Level, _Level]
    between: list[tuple[float, int | None]]
    basis: Points
    """Rows: right, down (unit, in the plane), and the way from slice to slice for 1 mm of the normal."""
    pixel: float

    def shapes(self, tolerance: float) -> list[Shape]:
        """Return the polygons of the slices between."""
        first, last = self.levels
        parts = [(at - first.at) / (last.at - first.at) for at, _ in self.between]
        made = []
        for (at, k), rings in zip(
            self.between, between_rings(first.rings, last.rings, parts, self.pixel, tolerance), strict=True
        ):
            for ring in rings:
                flat = np.column_stack((ring, np.full(len(ring), at)))
                made.append(self._polygon(flat @ self.basis, k))
        return made

    def _polygon(self, points: Points, k: int | None) -> Shape:
        like = self.like
        return Shape(
            "polygon", like.label, tuple(map(tuple, points.round(4).tolist())), image=like.image,
            frame=like.frame, slice=k, normal=like.normal, lesion=like.lesion,
        )  # fmt: skip


def _gaps(document: Document, shapes: Sequence[Shape]) -> list[_Gap]:
    """Return the gaps between the slices of one group."""
    like = shapes[0]
    normal = np.asarray(like.normal)
    for shape in shapes:
        if abs(float(np.asarray(shape.normal) @ normal)) < PARALLEL:
            raise GeometryError(
                "The outlines lie in planes that are not parallel",
                hint="Choose those of one direction: shapes=[…].",
            )
    if len(shapes) < 2:
        return []
    geometry = document.image(like.image).geometry
    ladder = _stack_ladder(geometry, normal) if isinstance(geometry, Stack) else _ladder(geometry, normal)
    way, step, offsets = ladder
    right = np.cross(normal, (1.0, 0, 0) if abs(normal[0]) < 0.9 else (0, 1.0, 0))
    right /= np.linalg.norm(right)
    basis = np.stack((right, np.cross(normal, right), way))
    levels = _levels(shapes, geometry, basis, step)
    pixel = float(min(spacing for spacing in geometry.spacing[1:] if spacing > 0))
    if isinstance(geometry, Geometry):
        pixel = float(min(geometry.spacing))
    gaps = []
    for pair in pairwise(levels):
        between = _between(pair, step, offsets, isinstance(geometry, Stack))
        if between:
            gaps.append(_Gap(like, pair, between, basis, pixel))
    return gaps


def _ladder(geometry: Grid, normal: Points) -> tuple[Points, float, Points | None]:
    """Return the way from slice to slice per mm of the normal, their distance, and where they are.

    Where the plane follows no axis of the grid: its normal, what scrolling goes at once, and None.
    """
    assert isinstance(geometry, Geometry)
    steps = geometry.affine[:3, :3]
    for axis in range(3):
        one, other = (steps[:, a] for a in range(3) if a != axis)
        across = np.cross(one, other)
        if abs(float(across @ normal)) >= PARALLEL * float(np.linalg.norm(across)):
            rise = float(steps[:, axis] @ normal)
            start = float(geometry.affine[:3, 3] @ normal)
            offsets = np.asarray(start + rise * np.arange(geometry.shape[axis]), dtype=np.float64)
            return steps[:, axis] / rise, abs(rise), offsets
    distance = 1 / float(np.abs(np.linalg.inv(steps) @ normal).max())
    return normal, distance, None


def _stack_ladder(geometry: Stack, normal: Points) -> tuple[Points, float, Points | None]:
    """Return the same of planes one by one, which must be parallel and follow each other."""
    planes = geometry.planes
    offsets = np.array([plane.origin @ normal for plane in planes])
    along = np.abs([plane.normal @ normal for plane in planes])
    gaps = np.diff(offsets)
    if along.min() < PARALLEL or not ((gaps > 1e-6).all() or (gaps < -1e-6).all()):
        raise GeometryError(
            "Distances across the slices are not defined: they form no volume",
            hint="Outlines between slices need slices that follow each other in parallel.",
        )
    rise = offsets[-1] - offsets[0]
    return (planes[-1].origin - planes[0].origin) / rise, float(np.abs(gaps).min()), offsets


def _levels(shapes: Sequence[Shape], geometry: Grid, basis: Points, step: float) -> list[_Level]:
    """Return the outlines by slice, along the normal."""
    right, down, way = basis
    normal = np.cross(right, down)
    placed = []
    for shape in shapes:
        points = path(shape)
        height = float((points @ normal).mean())
        flat = points - height * way
        k = shape.slice
        if k is None and isinstance(geometry, Stack):
            k = int(geometry.to_index(points.mean(axis=0))[0])
        placed.append((height, np.column_stack((flat @ right, flat @ down)), k))
    levels: list[_Level] = []
    for height, ring, k in sorted(placed, key=lambda one: one[0]):
        # What lies within half a slice is seen on the same one.
        if levels and height - levels[-1].at < step / 2:
            levels[-1].rings.append(ring)
        else:
            levels.append(_Level(height, [ring], k))
    return levels


def _between(
    pair: tuple[_Level, _Level], step: float, offsets: Points | None, stack: bool
) -> list[tuple[float, int | None]]:
    """Return the planes between two: mm along the normal, and slice k of a stack."""
    low, high = pair[0].at, pair[1].at
    if offsets is None:
        count = round((high - low) / step)
        return [(low + (high - low) * n / count, None) for n in range(1, count)]
    room = 0.5 * step + 1e-6
    inside = np.flatnonzero((offsets > low + room) & (offsets < high - room))
    found = [(float(offsets[n]), int(n) if stack else None) for n in inside]
    return sorted(found, key=lambda one: one[0])


# Rings --------------------------------------------------------------------------------------------


def between_rings(
    first: Sequence[Points], last: Sequence[Points], parts: Sequence[float], pixel: float, tolerance: float
) -> list[list[Points]]:
    """Return the rings between two regions, for each part of the way (0 to 1).

    Parameters
    ----------
    first, last
        Closed rings (n, 2), mm; together they bound a region by the even-odd rule.
    parts
        How far from the first to the last.
    pixel
        Size of a pixel, mm: the raster is as fine, or finer for small rings.
    tolerance
        Pixels by which left-out points may lie beside a ring.
    """
    from skimage.measure import approximate_polygon, find_contours

    raster = _Raster.around([*first, *last], pixel)
    one, other = raster.levels(first), raster.levels(last)
    apart = not ((one <= 0) & (other <= 0)).any()
    shift = _centre(last, raster) - _centre(first, raster) if apart else np.zeros(2)
    found = []
    for t in parts:
        if apart:
            one = raster.levels([ring + t * shift for ring in first])
            other = raster.levels([ring - (1 - t) * shift for ring in last])
        rings = []
        for line in find_contours((1 - t) * one + t * other, 0.0, fully_connected="low"):
            ring = approximate_polygon(line, max(tolerance * pixel / raster.step, 1e-6))[:-1]
            if len(ring) >= 3 and _area(ring) > 0.5:
                rings.append(raster.low + ring * raster.step)
        found.append(rings)
    return found


@dataclass(frozen=True, slots=True)
class _Raster:
    """Points in the plane at which distances are taken."""

    low: Points
    step: float
    shape: tuple[int, int]

    @classmethod
    def around(cls, rings: Sequence[Points], pixel: float) -> _Raster:
        sizes = [float(np.ptp(ring, axis=0).min()) for ring in rings]
        step = min(pixel, max(min(sizes), 1e-3 * pixel) / FINE)
        points = np.concatenate(rings)
        size = np.ptp(points, axis=0)
        step = max(step, float(np.sqrt(np.prod(size + 4 * step) / MOST)))
        low = points.min(axis=0) - 2 * step
        rows, columns = np.ceil(size / step).astype(int) + 5
        return cls(low, step, (int(rows), int(columns)))

    def levels(self, rings: Sequence[Points]) -> Points:
        """Return the signed distances in mm, below 0 inside."""
        from scipy.spatial import KDTree

        starts = np.concatenate([(ring - self.low) / self.step for ring in rings])
        stops = np.concatenate([(np.roll(ring, -1, axis=0) - self.low) / self.step for ring in rings])
        edges = stops - starts
        lengths = np.linalg.norm(edges, axis=1)
        counts = np.maximum(1, np.ceil(lengths * SAMPLES).astype(int))
        which = np.repeat(np.arange(len(starts)), counts)
        along = (np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + 0.5) / counts[
            which
        ]
        tree = KDTree(starts[which] + along[:, None] * edges[which])
        places = np.moveaxis(np.indices(self.shape), 0, -1).reshape(-1, 2).astype(np.float64)
        # The nearest sample tells the edge, the edge the distance.
        nearest = which[tree.query(places)[1]]
        edge, rest = edges[nearest], places - starts[nearest]
        part = (rest * edge).sum(axis=1) / np.maximum(lengths[nearest] ** 2, 1e-12)
        far = np.linalg.norm(rest - np.clip(part, 0, 1)[:, None] * edge, axis=1)
        inside = inside_rings([(ring - self.low) / self.step for ring in rings], self.shape)
        return np.asarray(np.where(inside.ravel(), -far, far).reshape(self.shape) * self.step)


def _centre(rings: Sequence[Points], raster: _Raster) -> Points:
    inside = inside_rings([(ring - raster.low) / raster.step for ring in rings], raster.shape)
    if not inside.any():
        return np.asarray(np.concatenate(rings).mean(axis=0))
    return np.asarray(raster.low + raster.step * np.argwhere(inside).mean(axis=0))


def _area(ring: Points) -> float:
    x, y = ring[:, 0], ring[:, 1]
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
