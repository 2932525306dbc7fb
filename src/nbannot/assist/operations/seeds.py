"""Operations that grow from painted seeds: GrowCut, random walker, watershed, fast marching, level set."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.assist.operations.grids import (
    Array,
    Box,
    Spacing,
    between,
    box_of,
    execute,
    grown,
    joined,
    reach,
    signed,
    sitk_image,
    slope,
)
from nbannot.assist.operations.job import Job, Labels, Region
from nbannot.assist.operations.walker import walked
from nbannot.errors import OperationError
from nbannot.formats.progress import Progress

WALKER_VOXELS = 8_000_000
"""Most voxels that the random walker takes: its equations hold about 100 bytes for each, and minutes pass."""
LEVELS = 65535
"""Steps in which the watershed's water rises to the steepest gradient."""

# Rounds of sweeps after which GrowCut ends even where something still changes.
ROUNDS = 200


def _seeded(job: Job, fewest: int = 2) -> tuple[Box, Array, list[int]]:
    """Return the box of the seeds with room around them, the seeds in it, and their values.

    Raises
    ------
    OperationError
        When fewer segments than needed have voxels.
    """
    values = job.segments(job.params["segments"])
    boxes = {value: box for value in values if (box := box_of(job.array, value)) is not None}
    if len(boxes) < fewest:
        raise OperationError(
            f"Seeds of {fewest} segments are needed, {len(boxes)} have voxels",
            hint="Paint a few voxels of each structure, and of what is around them as a segment of its own.",
        )
    box = next(iter(boxes.values()))
    for one in boxes.values():
        box = joined(box, one)
    box = grown(box, reach(job.params["room"], job.spacing()), job.shape)
    seeds = job.array[box]
    return box, np.where(np.isin(seeds, list(boxes)), seeds, 0), list(boxes)


def _labels(job: Job, box: Box, found: Array) -> Labels:
    """Keep what was there of segments that took no part, and give back what the background won."""
    old = job.array[box]
    labels = np.where(found > 0, found, old).astype(old.dtype)
    background = job.params["background"]
    if background is not None:
        (value,) = job.segments(background)
        won = (labels == value) & (old != value)
        labels[won] = old[won]
    return Labels(box, labels)


def _numbers(job: Job, box: Box) -> NDArray[np.float32]:
    values = job.values(box).astype(np.float32)
    if not np.isfinite(values).all():
        finite = values[np.isfinite(values)]
        values = np.nan_to_num(values, nan=float(finite.min()) if finite.size else 0.0)
    return values


# GrowCut ------------------------------------------------------------------------------------------


def grow_cut(job: Job) -> Labels:
    """Grow all segments from their seeds until they meet where intensities change."""
    box, seeds, _ = _seeded(job)
    values = _numbers(job, box)
    found = conquered(values, seeds, job.spacing(), job.params["locality"], job.tell)
    return _labels(job, box, found)


def conquered(values: Array, seeds: Array, spacing: Spacing, locality: float, tell: Progress) -> Array:
    """Return for each voxel the seed that reaches it with the most strength.

    In GrowCut (Vezhnevets & Konouchine 2005) a cell of strength s attacks its neighbours across faces
    with s · (1 - |difference of intensity| / largest difference). When nothing changes any more, the
    strength of each voxel is the largest product along a way from a seed. That is the shortest way
    for costs -ln(1 - …), to which ``locality`` per mm is added; it is found here by sweeps along the
    axes, to and fro, until no voxel changes.
    """
    span = float(values.max() - values.min()) if values.size else 0.0
    costs = np.where(seeds > 0, np.float32(0), np.float32(np.inf))
    labels = seeds.copy()
    for turn in range(ROUNDS):
        changed = 0
        for axis in (0, 1, 2):
            part = min(0.05 + 0.9 * (1 - 0.8 ** (turn + axis / 3)), 0.95)
            told = partial(tell, part, "Growing from seeds")
            told()
            changed += _swept(values, costs, labels, axis, span, locality * spacing[axis], told)
        if not changed:
            break
    return labels


def _swept(
    values: Array,
    costs: Array,
    labels: Array,
    axis: int,
    span: float,
    step: float,
    told: Callable[[], object],
) -> int:
    """Hand costs and labels on along an axis, to and fro; return how many voxels changed."""
    # Planes across the axis lie together in memory.
    v, c, s = (np.ascontiguousarray(np.moveaxis(a, axis, 0)) for a in (values, costs, labels))
    changed = 0
    tiny = np.float32(1e-6)
    for way in (range(1, len(v)), range(len(v) - 2, -1, -1)):
        back = -1 if way.step == 1 else 1
        for n in way:
            if n % 16 == 0:
                told()
            if not np.isfinite(c[n + back]).any():
                continue
            loss = np.abs(v[n] - v[n + back])
            loss /= np.float32(span or 1.0)
            cost = c[n + back] - np.log(np.maximum(np.float32(1) - loss, tiny)) + np.float32(step)
            # Differences below rounding would go on for ever.
            better = cost + np.float32(1e-5) * (1 + cost) < c[n]
            count = int(np.count_nonzero(better))
            if count:
                c[n][better] = cost[better]
                s[n][better] = s[n + back][better]
                changed += count
    costs[...] = np.moveaxis(c, 0, axis)
    labels[...] = np.moveaxis(s, 0, axis)
    return changed


# Random walker ------------------------------------------------------------------------------------


def random_walker(job: Job) -> Labels:
    """Give each voxel to the segment that a random walk most probably meets first."""
    box, seeds, _ = _seeded(job)
    if seeds.size > WALKER_VOXELS:
        raise OperationError(
            f"The box around the seeds has {seeds.size / 1e6:.1f} million voxels; the random walker takes "
            f"{WALKER_VOXELS / 1e6:.0f} million",
            hint="Paint seeds closer together, take less room around them, or use grow_cut.",
        )
    data = _numbers(job, box)
    # Differences are weighed in an image from 0 to 1; one without any has to have a deviation.
    data = (data - data.min()) / (float(np.ptp(data)) or 1.0)
    if float(data.std()) == 0:
        data.flat[0] = 1e-3
    job.tell(0.1, "Walking at random")
    return _labels(job, box, walked(data, seeds, job.params["beta"], job.spacing(), job.tell))


# Watershed ----------------------------------------------------------------------------------------


def watershed(job: Job) -> Labels:
    """Flood the gradient of the image from the seeds; segments meet on its ridges."""
    import SimpleITK as sitk

    box, seeds, _ = _seeded(job)
    ridges = _slope(job, box)
    # In steps the water rises a hundred times faster than from number to number.
    ridges *= np.float32(LEVELS / (float(ridges.max()) or 1.0))
    method = sitk.MorphologicalWatershedFromMarkersImageFilter()
    method.SetMarkWatershedLine(False)
    method.SetFullyConnected(False)
    images = [sitk_image(part.astype(np.uint16), job.spacing()) for part in (np.rint(ridges), seeds)]
    found = execute(method, images, between(job.tell, 0.3, 0.95, "Flooding"))
    return _labels(job, box, found)


def _slope(job: Job, box: Box) -> NDArray[np.float32]:
    """Return the length of the gradient of a box, as smooth as the operation's parameters say."""
    told = between(job.tell, 0.05, 0.2, "Measuring gradients")
    return slope(_numbers(job, box), job.spacing(), job.params["sigma"], told)


# Fronts -------------------------------------------------------------------------------------------


def _edge(job: Job, gradient: NDArray[np.float32]) -> float:
    """Return the gradient at which a front is half as fast: as given, or the 90th percentile."""
    edge = job.params["edge"]
    if edge is not None:
        return float(edge)
    return max(float(np.percentile(gradient, 90)), 1e-6)


def fast_marching(job: Job) -> Region:
    """Let a front run out from the segment, or from places, slowly across edges; stop at a distance."""
    import SimpleITK as sitk

    params, spacing = job.params, job.spacing()
    limit = params["mm"]
    if job.points:
        starts = np.array(job.points)
        low, high = starts.min(axis=0), starts.max(axis=0) + 1
        k, j, i = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        around: Box = (k, j, i)
    else:
        around = job.segment_box()
    # No way is longer than the limit, as the front is never faster than 1. Edges are measured with room.
    box = grown(around, [n + 3 for n in reach(limit, spacing)], job.shape)
    first = np.array([part.start for part in box])
    seeds = np.zeros([part.stop - part.start for part in box], dtype=bool)
    if job.points:
        seeds[tuple((np.array(job.points) - first).T)] = True
    else:
        seeds = job.inside(box)
    gradient = _slope(job, box)
    speed = 1 / (1 + (gradient / np.float32(_edge(job, gradient))) ** 2)
    method = sitk.FastMarchingImageFilter()
    method.SetTrialPoints([[int(n) for n in point[::-1]] for point in np.argwhere(_rim(seeds))])
    method.SetStoppingValue(float(limit) + 1e-3)
    arrival = execute(
        method, [sitk_image(speed.astype(np.float32), spacing)], between(job.tell, 0.3, 0.95, "Marching")
    )
    return Region(box, (arrival <= limit) | seeds, job.mode)


def _rim(flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the voxels with a face towards the outside."""
    from scipy import ndimage

    return np.asarray(flags & ~ndimage.binary_erosion(flags, border_value=1))


def level_set(job: Job) -> Region:
    """Let the segment's surface move to edges as a geodesic active contour."""
    import SimpleITK as sitk

    params, spacing = job.params, job.spacing()
    box = grown(job.segment_box(), [n + 2 for n in reach(params["room"], spacing)], job.shape)
    inside = job.inside(box)
    if inside.all():
        raise OperationError("The segment fills the image: its surface has nowhere to go")
    gradient = _slope(job, box)
    potential = 1 / (1 + (gradient / np.float32(_edge(job, gradient))) ** 2)
    method = sitk.GeodesicActiveContourLevelSetImageFilter()
    method.SetPropagationScaling(params["growth"])
    method.SetCurvatureScaling(params["curvature"])
    method.SetAdvectionScaling(params["attraction"])
    method.SetMaximumRMSError(1e-4)
    method.SetNumberOfIterations(params["iterations"])
    images: list[Any] = [
        sitk_image(signed(inside, spacing).astype(np.float32), spacing),
        sitk_image(potential.astype(np.float32), spacing),
    ]
    levels = execute(method, images, between(job.tell, 0.25, 0.95, "Moving the surface"))
    return Region(box, levels <= 0, job.mode)
