"""Arrays on grids: boxes, neighbours, distances in mm, connected parts. Pure functions of numpy arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbannot.formats.progress import Progress

Flags = NDArray[np.bool_]
Array = NDArray[Any]
Box = tuple[slice, slice, slice]
Spacing = tuple[float, float, float]

SLACK = 1e-4
"""Lengths that differ by less, relative to the smallest voxel edge, count as equal."""

# Above so many shifted copies the distance map of ITK is the faster way.
SHIFTS = 90


def box_of(flags: Flags | Array, value: int | None = None) -> Box | None:
    """Return the smallest box (half-open slices) of what is not 0, or equals ``value``; None when empty."""
    planes: list[int] = []
    rows = np.zeros(flags.shape[1], dtype=bool)
    columns = np.zeros(flags.shape[2], dtype=bool)
    for k, plane in enumerate(flags):
        here = plane != 0 if value is None else plane == value
        across = here.any(axis=1)
        if across.any():
            planes.append(k)
            rows |= across
            columns |= here.any(axis=0)
    if not planes:
        return None
    j, i = np.flatnonzero(rows), np.flatnonzero(columns)
    return (
        slice(planes[0], planes[-1] + 1),
        slice(int(j[0]), int(j[-1]) + 1),
        slice(int(i[0]), int(i[-1]) + 1),
    )


def whole(shape: Sequence[int]) -> Box:
    """Return the box of everything."""
    k, j, i = shape
    return slice(0, k), slice(0, j), slice(0, i)


def grown(box: Box, by: Sequence[int], shape: Sequence[int]) -> Box:
    """Return the box with so many voxels more on each side, cut at the border."""
    k, j, i = (
        slice(max(part.start - n, 0), min(part.stop + n, size))
        for part, n, size in zip(box, by, shape, strict=True)
    )
    return k, j, i


def joined(one: Box, other: Box) -> Box:
    """Return the smallest box that holds both."""
    k, j, i = (slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(one, other, strict=True))
    return k, j, i


def within(box: Box, outer: Box) -> Box:
    """Return the box as seen from the first voxel of an outer one."""
    k, j, i = (slice(a.start - b.start, a.stop - b.start) for a, b in zip(box, outer, strict=True))
    return k, j, i


def common(one: Box, other: Box) -> Box | None:
    """Return what two boxes share; None for nothing."""
    k, j, i = (slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(one, other, strict=True))
    return None if min(p.stop - p.start for p in (k, j, i)) <= 0 else (k, j, i)


def reach(mm: float, spacing: Spacing, *, flat: bool = False) -> tuple[int, int, int]:
    """Return the voxels along (k, j, i) that a length in mm touches; 0 along k when ``flat``."""
    k, j, i = (int(np.floor(mm / step + SLACK)) for step in spacing)
    return (0 if flat else k), j, i


def neighbours(connectivity: str, *, flat: bool = False) -> Array:
    """Return the structure of scipy for "faces" (6; 4 in a slice) or "corners" (26; 8 in a slice)."""
    from scipy import ndimage

    structure = ndimage.generate_binary_structure(3, 1 if connectivity == "faces" else 3)
    if flat:
        structure[0] = structure[2] = False
    return np.asarray(structure)


def parts(flags: Flags, structure: Array) -> tuple[NDArray[np.int32], int]:
    """Return the connected parts, numbered from 1 in scan order, and how many there are."""
    from scipy import ndimage

    labels = np.empty(flags.shape, dtype=np.int32)
    count = ndimage.label(flags, structure=structure, output=labels)
    return labels, int(count)


# Distances ----------------------------------------------------------------------------------------


def near(flags: Flags, mm: float, spacing: Spacing, *, flat: bool = False) -> Flags:
    """Return where a voxel's centre is at most ``mm`` away from the centre of a voxel that is set.

    ``flat`` looks only within each slice k. The same as dilation with a ball of that radius.
    """
    limit = mm + SLACK * min(spacing)
    steps = reach(mm, spacing, flat=flat)
    if not flags.any() or not any(steps):
        return flags.copy()
    if sum(2 * n + 1 for n in steps) > SHIFTS and not flat:
        return distance(flags, spacing) <= limit
    squares = np.where(flags, np.float32(0), np.float32(np.inf))
    for axis in (2, 1, 0):
        if steps[axis]:
            squares = _swept(squares, axis, spacing[axis], steps[axis])
    return np.asarray(squares <= limit * limit)


def _swept(squares: NDArray[np.float32], axis: int, step: float, reaching: int) -> NDArray[np.float32]:
    """Return the least of the squared distances of the voxels along an axis, plus that to them."""
    least = squares.copy()
    size = squares.shape[axis]

    def part(start: int, stop: int) -> tuple[slice, ...]:
        return (slice(None),) * axis + (slice(start, stop),)

    for n in range(1, min(reaching, size - 1) + 1):
        more = np.float32((n * step) ** 2)
        np.minimum(least[part(n, size)], squares[part(0, size - n)] + more, out=least[part(n, size)])
        np.minimum(least[part(0, size - n)], squares[part(n, size)] + more, out=least[part(0, size - n)])
    return least


def distance(flags: Flags, spacing: Spacing) -> NDArray[np.float32]:
    """Return the distance in mm of each voxel's centre to the nearest voxel that is set, 0 inside.

    By ITK's SignedMaurerDistanceMap (Maurer, Qi & Raghavan 2003). inf when nothing is set.
    """
    import SimpleITK as sitk

    if not flags.any():
        return np.full(flags.shape, np.inf, dtype=np.float32)
    image = sitk.GetImageFromArray(flags.astype(np.uint8))
    image.SetSpacing([float(step) for step in spacing[::-1]])
    found = sitk.SignedMaurerDistanceMap(image, False, False, True)
    result: NDArray[np.float32] = np.maximum(sitk.GetArrayViewFromImage(found), np.float32(0))
    result[flags] = 0
    return result


def near_sheared(flags: Flags, mm: float, steps: Array) -> Flags:
    """Return what `near` does for a grid whose axes are not at right angles.

    Parameters
    ----------
    flags
        (k, j, i).
    mm
        Radius.
    steps
        3 × 3: the world step in mm of k, j and i in its columns.
    """
    from scipy.signal import oaconvolve

    heights = 1 / np.linalg.norm(np.linalg.inv(steps), axis=1)
    counts = [int(np.floor(mm / height + SLACK)) for height in heights]
    axes = [np.arange(-n, n + 1) for n in counts]
    offsets = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1) @ np.asarray(steps).T
    lengths = np.linalg.norm(offsets, axis=-1)
    ball = (lengths <= mm + SLACK * float(heights.min())).astype(np.float32)
    if not flags.any():
        return flags.copy()
    return np.asarray(oaconvolve(flags.astype(np.float32), ball, mode="same") > 0.5)


def signed(flags: Array, spacing: Sequence[float]) -> NDArray[np.float64]:
    """Return the signed distance of an n-D shape in mm: negative inside, positive outside, never 0.

    The distance to the nearest voxel of the other kind; ±inf where there is none.
    """
    from scipy import ndimage

    inside = np.asarray(flags, dtype=bool)
    if not inside.any():
        return np.full(inside.shape, np.inf)
    if inside.all():
        return np.full(inside.shape, -np.inf)
    away: NDArray[np.float64] = ndimage.distance_transform_edt(~inside, sampling=spacing)
    deep: NDArray[np.float64] = ndimage.distance_transform_edt(inside, sampling=spacing)
    return np.asarray(away - deep)


def slope(
    values: Array, spacing: Spacing, sigma: float, tell: Callable[[float], object] = lambda _part: None
) -> NDArray[np.float32]:
    """Return the length of the gradient per mm, after a Gaussian of standard deviation ``sigma`` mm.

    ``tell(part)`` is called between the axes; what it raises ends the work.
    """
    from scipy import ndimage

    source = values.astype(np.float32)
    for axis, step in enumerate(spacing):
        tell(axis / 6)
        if sigma > 0:
            source = ndimage.gaussian_filter1d(source, sigma / step, axis=axis, mode="nearest")
    total = np.zeros(values.shape, dtype=np.float32)
    for axis, step in enumerate(spacing):
        tell(0.5 + axis / 6)
        if values.shape[axis] > 1:
            total += np.gradient(source, step, axis=axis) ** 2
    return np.sqrt(total, out=total)


# Work of ITK --------------------------------------------------------------------------------------


def sitk_image(values: Array, spacing: Spacing) -> Any:
    """Return the array as a SimpleITK image with its spacing, at the origin."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(values)
    image.SetSpacing([float(step) for step in spacing[::-1]])
    return image


def execute(method: Any, images: Sequence[Any], tell: Callable[[float], object]) -> Array:
    """Run a filter of SimpleITK and return its array; what ``tell(part)`` raises ends it."""
    import SimpleITK as sitk

    raised: list[BaseException] = []

    def step() -> None:
        try:
            tell(float(method.GetProgress()))
        except BaseException as error:
            raised.append(error)
            method.Abort()

    method.AddCommand(sitk.sitkProgressEvent, step)
    try:
        result = method.Execute(*images)
    except RuntimeError:
        if not raised:
            raise
        result = None
    if raised:
        raise raised[0]
    return np.asarray(sitk.GetArrayFromImage(result))


def between(tell: Progress, low: float, high: float, text: str) -> Callable[[float], object]:
    """Return a function that tells a part of the work as the stretch from low to high."""

    def report(part: float) -> object:
        return tell(low + (high - low) * min(max(part, 0.0), 1.0), text)

    return report
