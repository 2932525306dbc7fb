"""Operations that look at intensities: threshold, Otsu, region growing, flood fill."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.assist.operations.grids import Array, Box, Flags, grown, neighbours, parts, reach
from nbannot.assist.operations.job import Job, Point, Region
from nbannot.errors import OperationError

BINS = 256

# Half the first box that growing looks at, in voxels.
START = 24


def inside_range(values: Array, low: float | None, high: float | None) -> Flags:
    """Return where low ≤ value ≤ high; None leaves an end open.

    Raises
    ------
    OperationError
        When the range is empty.
    """
    if low is not None and high is not None and low > high:
        raise OperationError(f"The range {low:g} to {high:g} is empty", hint="Give the lower end first.")
    result = np.empty(values.shape, dtype=bool)
    below = None if low is None else _bound(low, values, up=True)
    above = None if high is None else _bound(high, values, up=False)
    # Slice by slice: what is compared twice is still in the processor's cache.
    for plane, out in zip(values, result, strict=True):
        if below is not None:
            np.greater_equal(plane, below, out=out)
        else:
            np.equal(plane, plane, out=out)  # all but what is no number
        if above is not None:
            out &= plane <= above
    return result


def _bound(limit: float, values: Array, *, up: bool) -> Any:
    """Return a limit for whole numbers as a Python whole number, which numpy compares fast and exactly."""
    if values.dtype.kind == "f":
        return limit
    if not np.isfinite(limit):
        ends = np.iinfo(values.dtype)
        return int(ends.max) + 1 if limit > 0 else int(ends.min) - 1
    return int(np.ceil(limit)) if up else int(np.floor(limit))


def threshold(job: Job) -> Region:
    """Voxels whose intensity lies in a range."""
    low, high = job.params["lo"], job.params["hi"]
    if low is None and high is None:
        raise OperationError("A threshold needs lo, hi or both")
    box = job.everything()
    job.tell(0.1, "Comparing intensities")
    return Region(box, inside_range(job.values(box), low, high), job.mode)


def otsu(job: Job) -> Region:
    """Voxels of one of the classes between which the variance of the intensities is largest."""
    classes, pick = job.params["classes"], job.params["pick"]
    pick = classes if pick is None else pick
    if not 1 <= pick <= classes:
        raise OperationError(f"There is no class {pick}: there are {classes}, 1 is the darkest")
    box = job.everything()
    values = job.values(box)
    job.tell(0.1, "Counting intensities")
    allowed = job.limits(box) if job.limits is not None else None
    cuts = otsu_cuts(values if allowed is None else values[allowed], classes)
    job.tell(0.6, "Comparing intensities")
    inside = np.ones(values.shape, dtype=bool) if values.dtype.kind != "f" else np.isfinite(values)
    if pick > 1:
        inside &= values > cuts[pick - 2]
    if pick < classes:
        inside &= values <= cuts[pick - 1]
    return Region(box, inside, job.mode)


def otsu_cuts(values: Array, classes: int) -> NDArray[np.float64]:
    """Return the ``classes - 1`` limits; a class holds its upper limit.

    From a histogram of 256 bins between the lowest and the highest value (Otsu 1979; Liao, Chen &
    Chung 2001 for several classes).

    Raises
    ------
    OperationError
        When there are fewer different values than classes.
    """
    from skimage.filters import threshold_multiotsu, threshold_otsu

    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values.ravel()
    if finite.size == 0:
        raise OperationError("There are no intensities to divide into classes")
    low, high = float(finite.min()), float(finite.max())
    counts, edges = np.histogram(finite, bins=BINS, range=(low, high if high > low else low + 1))
    if np.count_nonzero(counts) < classes:
        raise OperationError(
            f"The intensities have too few different values for {classes} classes",
            hint="Take fewer classes, or more of the image.",
        )
    centres = (edges[:-1] + edges[1:]) / 2
    if classes == 2:
        found = [threshold_otsu(hist=(counts, centres))]
    else:
        found = threshold_multiotsu(classes=classes, hist=(counts, centres))
    # A class ends at the edge of a bin, not in its middle.
    return np.array([float(edges[int(np.argmin(np.abs(centres - cut))) + 1]) for cut in found])


def region_grow(job: Job) -> Region:
    """The connected voxels around given places whose intensity is like theirs."""
    params = job.params
    job.check_volume(flat=job.flat)
    box = _around(job, params["radius"])
    values = job.values(box)
    starts = [_from(box, point) for point in job.points]
    structure = neighbours(params["connectivity"], flat=job.flat)
    job.tell(0.1, "Comparing intensities")
    if params["method"] == "confidence":
        inside = _confident(job, values, starts, structure)
    else:
        limits = _range(params, values, starts)
        box, inside = spread(lambda part: inside_range(values[part], *limits), starts, structure, box)
    if params["radius"] is not None:
        inside &= _balls(job, box, params["radius"])
    if not inside.any():
        raise OperationError(
            "No voxel lies in the range at this place", hint="Widen the range or the tolerance."
        )
    job.tell(0.9, "Growing")
    return Region(box, inside, job.mode)


def _around(job: Job, radius: float | None) -> Box:
    points = np.array(job.points)
    low, high = points.min(axis=0), points.max(axis=0)
    k, j, i = (slice(int(a), int(b) + 1) for a, b in zip(low, high, strict=True))
    box: Box = (k, j, i)
    if radius is not None:
        return grown(box, reach(radius, job.spacing(flat=job.flat), flat=job.flat), job.shape)
    everything = job.everything()
    return (k, everything[1], everything[2]) if job.flat else everything


def _from(box: Box, point: Point) -> Point:
    k, j, i = (p - part.start for p, part in zip(point, box, strict=True))
    return k, j, i


def _range(params: dict[str, Any], values: Array, starts: list[Point]) -> tuple[float | None, float | None]:
    if params["lo"] is not None or params["hi"] is not None:
        return params["lo"], params["hi"]
    if params["tolerance"] is None:
        raise OperationError("Region growing needs a tolerance, or a range: lo, hi or both")
    there = [float(values[start]) for start in starts]
    if not np.isfinite(there).all():
        raise OperationError("The image has no number at this place")
    return min(there) - params["tolerance"], max(there) + params["tolerance"]


def connected(flags: Flags, starts: list[Point], structure: Array) -> Flags:
    """Return the connected parts that hold one of the places."""
    labels, _ = parts(flags, structure)
    wanted = sorted({int(labels[start]) for start in starts} - {0})
    if not wanted:
        return np.zeros(flags.shape, dtype=bool)
    return np.asarray(labels == wanted[0] if len(wanted) == 1 else np.isin(labels, wanted))


def spread(
    match: Callable[[Box], Flags], starts: list[Point], structure: Array, box: Box
) -> tuple[Box, Flags]:
    """Return the connected parts that hold one of the places, in a box as small as need be.

    Looks at a box around the places, which grows on the sides that the parts touch: what is small is
    found without looking at everything.

    Parameters
    ----------
    match
        Returns which voxels of a part of the box belong.
    starts
        Places, from the first voxel of the box.
    structure
        Which neighbours are joined.
    box
        Where all this takes place, in the image.
    """
    shape = [part.stop - part.start for part in box]
    low, high = np.array(starts).min(axis=0), np.array(starts).max(axis=0) + 1
    joins = [bool(np.take(structure, (0, 2), axis=axis).any()) for axis in range(3)]
    low = np.where(joins, np.maximum(low - START, 0), low)
    high = np.where(joins, np.minimum(high + START, shape), high)
    while True:
        k, j, i = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        part: Box = (k, j, i)
        inside = connected(match(part), [_from(part, start) for start in starts], structure)
        wider = False
        for axis in range(3):
            size = int(high[axis] - low[axis])
            first, last = (bool(np.take(inside, end, axis=axis).any()) for end in (0, -1))
            if joins[axis] and first and low[axis] > 0:
                low[axis], wider = max(int(low[axis]) - size, 0), True
            if joins[axis] and last and high[axis] < shape[axis]:
                high[axis], wider = min(int(high[axis]) + size, shape[axis]), True
        if not wider:
            k, j, i = (slice(a.start + b.start, a.stop + b.start) for a, b in zip(part, box, strict=True))
            return (k, j, i), inside


def _confident(job: Job, values: Array, starts: list[Point], structure: Array) -> Flags:
    """Grow, take mean and deviation of what was found, and grow again (ITK's ConfidenceConnected)."""
    params = job.params
    inside = np.zeros(values.shape, dtype=bool)
    for start in starts:
        k, j, i = start
        inside[max(k - 1, 0) : k + 2, max(j - 1, 0) : j + 2, max(i - 1, 0) : i + 2] = True
    if job.flat:
        inside[~np.isin(np.arange(len(values)), np.array(starts)[:, 0])] = False
    for turn in range(params["iterations"] + 1):
        job.tell(0.1 + 0.8 * turn / (params["iterations"] + 1), "Growing")
        there = values[inside].astype(np.float64)
        spread = params["multiplier"] * float(there.std(ddof=1 if there.size > 1 else 0))
        low, high = float(there.mean()) - spread, float(there.mean()) + spread
        # A place that the range has left would end the growth: it is always inside.
        own = [float(values[start]) for start in starts]
        found = connected(inside_range(values, min(low, *own), max(high, *own)), starts, structure)
        if np.array_equal(found, inside):
            break
        inside = found
    return inside


def _balls(job: Job, box: Box, radius: float) -> Flags:
    geometry = job.mask.geometry
    first = np.array([part.start for part in box])
    shape = [part.stop - part.start for part in box]
    result = np.zeros(shape, dtype=bool)
    places = geometry.to_world(np.moveaxis(np.indices(shape), 0, -1) + first)
    for point in job.points:
        result |= np.linalg.norm(places - geometry.to_world(np.array(point, float)), axis=-1) <= radius + 1e-4
    return result


def flood_fill(job: Job) -> Region:
    """The connected voxels that have the label of a place and, where asked, about its intensity."""
    params = job.params
    volume = params["dimension"] == "3d"
    job.check_volume(flat=not volume)
    axis = int(params["axis"])
    inside = np.zeros(job.shape, dtype=bool)
    box = job.everything()
    structure = neighbours(params["connectivity"])
    if not volume:
        structure = np.moveaxis(neighbours(params["connectivity"], flat=True), 0, axis)
    boxes: list[Box] = []
    for n, point in enumerate(job.points):
        job.tell(0.1 + 0.8 * n / len(job.points), "Filling")
        part = box if volume else _slab(box, axis, point[axis])
        here = None
        if params["tolerance"] is not None:
            here = float(job.values(_at(point))[0, 0, 0])
            if not np.isfinite(here):
                raise OperationError("The image has no number at this place")
        place, found = spread(_like(job, point, part, here), [_from(part, point)], structure, part)
        inside[place] |= found
        boxes.append(place)
    if len(boxes) == 1:
        return Region(boxes[0], inside[boxes[0]], job.mode)
    return Region(box, inside, job.mode)


def _like(job: Job, point: Point, outer: Box, value: float | None) -> Callable[[Box], Flags]:
    """Return a function that says, of a part of a box, where voxels are like that of a place."""
    tolerance = job.params["tolerance"]

    def match(part: Box) -> Flags:
        k, j, i = (slice(a.start + b.start, a.stop + b.start) for a, b in zip(part, outer, strict=True))
        flags: Flags = job.array[k, j, i] == job.array[point]
        if value is not None:
            flags &= inside_range(job.values((k, j, i)), value - tolerance, value + tolerance)
        return flags

    return match


def _at(point: Point) -> Box:
    k, j, i = (slice(n, n + 1) for n in point)
    return k, j, i


def _slab(box: Box, axis: int, n: int) -> Box:
    k, j, i = (slice(n, n + 1) if a == axis else part for a, part in enumerate(box))
    return k, j, i
